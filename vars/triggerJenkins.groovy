// Starts a job on another Jenkins controller. The help page is triggerJenkins.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map arguments = [:]) {
    Map invocation = cibridgeArguments.invocation('triggerJenkins', 'jenkins trigger', arguments, schema())
    boolean wait = invocation.arguments.wait == true
    boolean waitForStart = !wait && invocation.arguments.waitForStart != false
    invocation.request = request(invocation.arguments, env.CIBRIDGE_IDEMPOTENCY_KEY)
    // What stands in the request file is taken from there and not from a variable that happens to be set.
    invocation.environment = ['CIBRIDGE_IDEMPOTENCY_KEY=', 'CIBRIDGE_WAIT_FOR_START=' + waitForStart]
    return cibridgeResult.endStep(invocation, cibridgeWait.start(invocation, wait ? 'end' : waitForStart ? 'start' : null))
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
        job: arguments.job,
        branch: arguments.branch,
        parameters: arguments.parameters,
        files: arguments.files,
        cause: arguments.cause,
        idempotency_key: arguments.idempotencyKey ?: key
    )
}
