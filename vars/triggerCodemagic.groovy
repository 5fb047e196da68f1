// Starts a build on Codemagic. The help page is triggerCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map given = [:]) {
    Map takes = arguments() + cibridge.connection()
    cibridge.check('triggerCodemagic', given, takes)
    Map request = request(given, env.CODEMAGIC_APP_ID, env.CODEMAGIC_WORKFLOW, env.CODEMAGIC_BRANCH, env.CODEMAGIC_TAG)
    if (!request.app_id) {
        error('triggerCodemagic: no app to build. Give appId or set CODEMAGIC_APP_ID; it is in the address of the app page, after /app/.')
    }
    if (!request.workflow_id) {
        error('triggerCodemagic: no workflow to run. Give workflowId or set CODEMAGIC_WORKFLOW; it is the key below workflows: in codemagic.yaml.')
    }
    if (!request.branch && !request.tag) {
        error('triggerCodemagic: neither branch nor tag has a value. Give one of them or set CODEMAGIC_BRANCH or CODEMAGIC_TAG.')
    }
    return cibridge.perform(
        step: 'triggerCodemagic',
        command: 'trigger',
        given: given,
        takes: takes,
        request: request
    )
}

/** Every argument with its kind; those with a variable go to the binary by it, the others by the request or stay here. */
@NonCPS
Map arguments() {
    return [
        // What to build.
        appId            : [is: 'text'],
        workflowId       : [is: 'text'],
        branch           : [is: 'text'],
        tag              : [is: 'text'],
        variables        : [is: 'texts'],
        variablesFromEnv : [is: 'list', env: 'CIBRIDGE_VAR_FROM_ENV'],
        groups           : [is: 'list'],
        softwareVersions : [is: 'texts'],
        labels           : [is: 'list'],
        instanceType     : [is: 'text', env: 'CIBRIDGE_INSTANCE_TYPE'],
        inputs           : [is: 'values'],
        api              : [is: 'text', env: 'CIBRIDGE_API'],
        dryRun           : [is: 'flag', env: 'CIBRIDGE_DRY_RUN'],
        idempotencyKey   : [is: 'text', env: 'CIBRIDGE_IDEMPOTENCY_KEY'],
        // Whether to follow it, and for how long.
        wait             : [is: 'flag', env: 'CIBRIDGE_WAIT'],
        propagate        : [is: 'flag'],
        queueTimeout     : [is: 'text', env: 'CIBRIDGE_QUEUE_TIMEOUT'],
        runTimeout       : [is: 'text', env: 'CIBRIDGE_RUN_TIMEOUT'],
        timeout          : [is: 'text', env: 'CIBRIDGE_TIMEOUT'],
        noCancel         : [is: 'flag', env: 'CIBRIDGE_NO_CANCEL'],
        expectCommit     : [is: 'text', env: 'CIBRIDGE_EXPECT_COMMIT'],
        failOnStepFailure: [is: 'flag', env: 'CIBRIDGE_FAIL_ON_STEP_FAILURE'],
        logLines         : [is: 'text', env: 'CIBRIDGE_LOG_LINES'],
        pollInterval     : [is: 'text', env: 'CIBRIDGE_POLL_INTERVAL'],
        // What to leave on the Jenkins build.
        description      : [is: 'flag'],
    ]
}

/** The request document. An argument that is given beats its variable, even when it has no value: then the call is refused. */
@NonCPS
Map request(Map given, String appId, String workflowId, String branch, String tag) {
    boolean ownRef = given.containsKey('branch') || given.containsKey('tag')
    Map environment = filled(
        variables: cibridge.textsOf(given.variables),
        groups: cibridge.textListOf(given.groups),
        software_versions: cibridge.textsOf(given.softwareVersions)
    )
    return filled(
        app_id: cibridge.textOf(given.containsKey('appId') ? given.appId : appId),
        workflow_id: cibridge.textOf(given.containsKey('workflowId') ? given.workflowId : workflowId),
        branch: cibridge.textOf(ownRef ? given.branch : branch),
        tag: cibridge.textOf(ownRef ? given.tag : tag),
        labels: cibridge.textListOf(given.labels),
        inputs: cibridge.plain(given.inputs),
        environment: environment
    )
}

/** Without the fields that have nothing in them. */
@NonCPS
Map filled(Map fields) {
    Map kept = [:]
    for (Object field in fields.entrySet()) {
        if (field.value) {
            kept[field.key] = field.value
        }
    }
    return kept
}
