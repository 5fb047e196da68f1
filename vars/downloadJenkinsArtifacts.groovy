// Downloads what a build on another Jenkins controller archived. The help page is downloadJenkinsArtifacts.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:], Object build) {
    Map invocation = cibridgeArguments.invocation('downloadJenkinsArtifacts', 'jenkins artifacts', arguments, schema(), build)
    return cibridgeResult.endStep(invocation, cibridgeRun(invocation))
}

@NonCPS
Map schema() {
    return cibridgeArguments.download() + cibridgeArguments.jenkinsConnection()
}
