// Downloads the artifacts of a build on Codemagic. The help page is downloadCodemagicArtifacts.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = cibridgeArguments.invocation('downloadCodemagicArtifacts', 'codemagic artifacts', arguments, schema(), build)
    return cibridgeResult.endStep(invocation, cibridgeRun(invocation))
}

@NonCPS
Map schema() {
    return cibridgeArguments.codemagicBuild() + cibridgeArguments.download() + [type: [type: 'list', variable: 'CIBRIDGE_TYPE']] +
        cibridgeArguments.codemagicConnection()
}
