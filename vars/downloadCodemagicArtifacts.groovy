// Downloads the artifacts of a build on Codemagic. The help page is downloadCodemagicArtifacts.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = [
        step: 'downloadCodemagicArtifacts', command: 'codemagic artifacts', arguments: arguments, schema: schema(),
        environment: ['CIBRIDGE_BUILD=' + cibridgeArguments.build('downloadCodemagicArtifacts', build)],
    ]
    cibridgeArguments.check(invocation)
    return cibridgeResult.endStep(invocation, cibridgeRun(invocation))
}

@NonCPS
Map schema() {
    return cibridgeArguments.codemagicBuild() + cibridgeArguments.download() + [type: [type: 'list', variable: 'CIBRIDGE_TYPE']] +
        cibridgeArguments.codemagicConnection()
}
