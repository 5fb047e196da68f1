// Waits for a build on another Jenkins controller that was started before. The help page is waitForJenkins.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = [
        step: 'waitForJenkins', command: 'jenkins wait', arguments: arguments, schema: schema(),
        environment: ['CIBRIDGE_BUILD=' + cibridgeArguments.build('waitForJenkins', build), 'CIBRIDGE_CANCEL=' + !cibridgeArguments.leavesRunning(arguments)],
    ]
    cibridgeArguments.check(invocation)
    return cibridgeResult.endStep(invocation, env.NODE_NAME ? cibridgeRun(invocation) : cibridgeWait.forBuild(invocation, build.toString(), false))
}

@NonCPS
Map schema() {
    return [
        job   : [type: 'text', variable: 'CIBRIDGE_JOB'],
        branch: [type: 'text', variable: 'CIBRIDGE_BRANCH'],
    ] + cibridgeArguments.jenkinsWaiting() + cibridgeArguments.files() + cibridgeArguments.anyAgent() + cibridgeArguments.jenkinsConnection()
}
