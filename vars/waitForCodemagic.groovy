// Waits for a build on Codemagic that was started before. The help page is waitForCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = [
        step: 'waitForCodemagic', command: 'codemagic wait', arguments: arguments, schema: schema(),
        environment: ['CIBRIDGE_BUILD=' + cibridgeArguments.build('waitForCodemagic', build), 'CIBRIDGE_CANCEL=' + !cibridgeArguments.leavesRunning(arguments)],
    ]
    cibridgeArguments.check(invocation)
    invocation.arguments = cibridgeArguments.withCommit('waitForCodemagic', arguments)
    boolean callback = cibridgeArguments.isOn(arguments.callback)
    if (env.NODE_NAME && callback) {
        error('waitForCodemagic: callback waits without an agent. Put the step outside of node { }, or in a stage with agent none.')
    }
    return cibridgeResult.endStep(invocation, env.NODE_NAME ? cibridgeRun(invocation) : cibridgeWait.forBuild(invocation, build.toString(), callback))
}

@NonCPS
Map schema() {
    return cibridgeArguments.codemagicBuild() + cibridgeArguments.codemagicWaiting() + [callback: [type: 'boolean']] +
        cibridgeArguments.files() + [junit: [type: 'text', variable: 'CIBRIDGE_JUNIT']] +
        cibridgeArguments.anyAgent() + cibridgeArguments.codemagicConnection()
}
