// Waits for a build on another Jenkins controller that was started before. The help page is waitForJenkins.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = cibridgeArguments.invocation('waitForJenkins', 'jenkins wait', arguments, schema(), build)
    return cibridgeResult.endStep(invocation, cibridgeWait.forBuild(invocation))
}

@NonCPS
Map schema() {
    return [
        job   : [type: 'text', variable: 'CIBRIDGE_JOB'],
        branch: [type: 'text', variable: 'CIBRIDGE_BRANCH'],
    ] + cibridgeArguments.jenkinsWaiting() + cibridgeArguments.files() + cibridgeArguments.anyAgent() + cibridgeArguments.jenkinsConnection()
}
