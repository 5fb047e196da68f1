// Cancels a build on Codemagic. The help page is cancelCodemagic.txt.

Map call(Map given = [:], String build) {
    Map takes = cibridgeArguments.connection()
    cibridgeArguments.check('cancelCodemagic', given, takes)
    cibridgeArguments.checkId('cancelCodemagic', build)
    return cibridge.perform(
        step: 'cancelCodemagic',
        command: 'codemagic cancel',
        given: given,
        takes: takes,
        environment: ['CIBRIDGE_BUILD=' + build]
    )
}
