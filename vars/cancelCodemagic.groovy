// Cancels a build on Codemagic. The help page is cancelCodemagic.txt.

Map call(Map given = [:], String build) {
    Map takes = cibridge.connection()
    cibridge.check('cancelCodemagic', given, takes)
    // It stands between quotes in the shell text, so it is held to what an id can be.
    if (!build || !build.matches('[A-Za-z0-9][A-Za-z0-9_-]*')) {
        error("cancelCodemagic: '${build}' is not the id of a Codemagic build. triggerCodemagic returns it as id.")
    }
    return cibridge.perform(
        step: 'cancelCodemagic',
        command: 'cancel',
        given: given,
        takes: takes,
        environment: ['CIBRIDGE_BUILD=' + build]
    )
}
