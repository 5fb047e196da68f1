// Makes links to artifacts of a build on Codemagic that anybody can open. The help page is shareCodemagicArtifacts.txt.

import com.cloudbees.groovy.cps.NonCPS

List call(Map arguments = [:], Object build) {
    Map invocation = cibridgeArguments.invocation('shareCodemagicArtifacts', 'codemagic share', arguments, schema(), build)
    // The images are for the workspace that the step stands in.
    Map result = invocation.arguments.qrDir ? cibridgeRun(invocation) : cibridgeRun.onAgent(invocation)
    return cibridgeResult.links(cibridgeResult.endStep(invocation, result))
}

@NonCPS
Map schema() {
    return cibridgeArguments.codemagicBuild() + [
        artifacts: [type: 'list', variable: 'CIBRIDGE_ARTIFACTS'],
        expires  : [type: 'text', variable: 'CIBRIDGE_EXPIRES'],
        qr       : [type: 'boolean', variable: 'CIBRIDGE_QR'],
        qrDir    : [type: 'text', variable: 'CIBRIDGE_QR_DIR'],
    ] + cibridgeArguments.anyAgent() + cibridgeArguments.codemagicConnection()
}
