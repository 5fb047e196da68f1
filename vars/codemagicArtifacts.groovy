// Downloads the artifacts of a build on Codemagic. The help page is codemagicArtifacts.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map given = [:], String build) {
    Map takes = arguments() + cibridgeArguments.connection()
    cibridgeArguments.check('codemagicArtifacts', given, takes)
    cibridgeArguments.checkId('codemagicArtifacts', build)
    return cibridge.perform(
        step: 'codemagicArtifacts',
        command: 'codemagic artifacts',
        given: given,
        takes: takes,
        environment: ['CIBRIDGE_BUILD=' + build]
    )
}

@NonCPS
Map arguments() {
    return [
        match    : [is: 'list', env: 'CIBRIDGE_MATCH'],
        type     : [is: 'list', env: 'CIBRIDGE_TYPE'],
        dir      : [is: 'text', env: 'CIBRIDGE_DIR'],
        list     : [is: 'flag', env: 'CIBRIDGE_LIST'],
        jobs     : [is: 'text', env: 'CIBRIDGE_JOBS'],
        allowNone: [is: 'flag', env: 'CIBRIDGE_ALLOW_NONE'],
    ]
}
