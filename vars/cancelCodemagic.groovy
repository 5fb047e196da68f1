// Cancels a build on Codemagic. The help page is cancelCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = cibridgeArguments.invocation('cancelCodemagic', 'codemagic cancel', arguments, schema(), build)
    return cibridgeResult.endStep(invocation, cibridgeRun.onAgent(invocation))
}

@NonCPS
Map schema() {
    return cibridgeArguments.codemagicBuild() + cibridgeArguments.anyAgent() + cibridgeArguments.codemagicConnection()
}
