// Starts a job on another Jenkins controller. The help page is triggerJenkins.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:]) {
    Map invocation = [step: 'triggerJenkins', command: 'jenkins trigger', arguments: arguments, schema: schema()]
    cibridgeArguments.check(invocation)
    boolean wait = cibridgeArguments.isOn(arguments.wait)
    boolean waitForStart = !wait && !cibridgeArguments.isOff(arguments.waitForStart)
    invocation.request = request(arguments, env.CIBRIDGE_IDEMPOTENCY_KEY)
    // What stands in the request file is taken from there and not from a variable that happens to be set.
    invocation.environment = ['CIBRIDGE_IDEMPOTENCY_KEY=', 'CIBRIDGE_WAIT_FOR_START=' + waitForStart]
    Map result = env.NODE_NAME ? cibridgeRun(invocation) : cibridgeWait.start(invocation, wait ? 'end' : waitForStart ? 'start' : null)
    return cibridgeResult.endStep(invocation, result)
}

@NonCPS
Map schema() {
    return [
        // What to start. All of it that is free text goes into the request file.
        job            : [type: 'text', variable: 'CIBRIDGE_JOB'],
        branch         : [type: 'text', variable: 'CIBRIDGE_BRANCH'],
        parameters     : [type: 'texts'],
        files          : [type: 'texts'],
        idempotencyKey : [type: 'text'],
        markerParam    : [type: 'text', variable: 'CIBRIDGE_MARKER_PARAM'],
        delay          : [type: 'text', variable: 'CIBRIDGE_DELAY'],
        cause          : [type: 'text'],
        noValidate     : [type: 'boolean', variable: 'CIBRIDGE_NO_VALIDATE'],
        failIfCoalesced: [type: 'boolean', variable: 'CIBRIDGE_FAIL_IF_COALESCED'],
        // Whether to wait for it.
        wait           : [type: 'boolean', variable: 'CIBRIDGE_WAIT'],
        waitForStart   : [type: 'boolean'],
    ] + cibridgeArguments.jenkinsWaiting() + cibridgeArguments.ownBuild() + cibridgeArguments.files() + cibridgeArguments.anyAgent() + cibridgeArguments.jenkinsConnection()
}

/** The request file. */
@NonCPS
Map request(Map arguments, String key) {
    return cibridgeArguments.filled(
        job: cibridgeArguments.text(arguments.job),
        branch: cibridgeArguments.text(arguments.branch),
        parameters: cibridgeArguments.plain(arguments.parameters),
        files: cibridgeArguments.textMap(arguments.files),
        cause: cibridgeArguments.text(arguments.cause),
        idempotency_key: cibridgeArguments.text(arguments.idempotencyKey) ?: key
    )
}
