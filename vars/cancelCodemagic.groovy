// Cancels a build on Codemagic. The help page is cancelCodemagic.txt.

Map call(Map given = [:], String build) {
    Map takes = cibridge.connection()
    cibridge.check('cancelCodemagic', given, takes)
    cibridge.checkId('cancelCodemagic', build)
    return cibridge.perform(
        step: 'cancelCodemagic',
        command: 'cancel',
        given: given,
        takes: takes,
        environment: ['CIBRIDGE_BUILD=' + build]
    )
}
