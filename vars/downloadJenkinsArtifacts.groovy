// Downloads what a build on another Jenkins controller archived. The help page is downloadJenkinsArtifacts.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = [
        step: 'downloadJenkinsArtifacts', command: 'jenkins artifacts', arguments: arguments, schema: schema(),
        environment: ['CIBRIDGE_BUILD=' + cibridgeArguments.build('downloadJenkinsArtifacts', build)],
    ]
    cibridgeArguments.check(invocation)
    return cibridgeResult.endStep(invocation, cibridgeRun(invocation))
}

@NonCPS
Map schema() {
    return cibridgeArguments.download() + cibridgeArguments.jenkinsConnection()
}
