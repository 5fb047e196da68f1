// Follows a build on Codemagic that was started already. The help page is waitForCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map given = [:], String build) {
    Map takes = arguments() + cibridgeArguments.connection()
    cibridgeArguments.check('waitForCodemagic', given, takes)
    cibridgeArguments.checkId('waitForCodemagic', build)
    Map task = [
        step: 'waitForCodemagic', command: 'codemagic wait', given: given, takes: takes,
        environment: ['CIBRIDGE_BUILD=' + build, 'CIBRIDGE_ONCE=']
    ]
    if (!env.NODE_NAME) {
        return cibridgeWait.watch(task, build, cibridgeArguments.isOn(given.callback))
    }
    if (cibridgeArguments.isOn(given.callback)) {
        error('waitForCodemagic: callback waits without an agent, so it stands outside of node { }, or in a stage with agent none.')
    }
    return cibridge.perform(task)
}

@NonCPS
Map arguments() {
    return [
        callback   : [is: 'flag'],
        propagate  : [is: 'flag'],
    ] + cibridgeArguments.following() + cibridgeArguments.results() + [
        description: [is: 'flag'],
    ]
}
