// Cancels a build on Codemagic. The help page is cancelCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = [
        step: 'cancelCodemagic', command: 'codemagic cancel', arguments: arguments, schema: schema(),
        environment: ['CIBRIDGE_BUILD=' + cibridgeArguments.build('cancelCodemagic', build)],
    ]
    cibridgeArguments.check(invocation)
    return cibridgeResult.endStep(invocation, cibridgeRun.onAgent(invocation))
}

@NonCPS
Map schema() {
    return cibridgeArguments.codemagicBuild() + cibridgeArguments.anyAgent() + cibridgeArguments.codemagicConnection()
}
