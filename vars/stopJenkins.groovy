// Stops a build on another Jenkins controller, or cancels a queue item. The help page is stopJenkins.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = cibridgeArguments.invocation('stopJenkins', 'jenkins stop', arguments, schema(), build)
    return cibridgeResult.endStep(invocation, cibridgeRun.onAgent(invocation))
}

@NonCPS
Map schema() {
    return [
        job     : [type: 'text', variable: 'CIBRIDGE_JOB'],
        branch  : [type: 'text', variable: 'CIBRIDGE_BRANCH'],
        stopWait: [type: 'text', variable: 'CIBRIDGE_STOP_WAIT'],
    ] + cibridgeArguments.anyAgent() + cibridgeArguments.jenkinsConnection()
}
