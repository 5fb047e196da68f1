// Waits for a build on Codemagic that was started before. The help page is waitForCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = cibridgeArguments.invocation('waitForCodemagic', 'codemagic wait', arguments, schema(), build)
    return cibridgeResult.endStep(invocation, cibridgeWait.forBuild(invocation))
}

@NonCPS
Map schema() {
    return cibridgeArguments.codemagicBuild() + cibridgeArguments.codemagicWaiting() + [callback: [type: 'boolean']] +
        cibridgeArguments.files() + [junit: [type: 'text', variable: 'CIBRIDGE_JUNIT']] +
        cibridgeArguments.anyAgent() + cibridgeArguments.codemagicConnection()
}
