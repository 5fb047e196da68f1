// Starts a build on Codemagic, or several. The help page is triggerCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS
import hudson.AbortException

Map call(Map given = [:]) {
    Map takes = arguments() + cibridgeArguments.connection()
    cibridgeArguments.check('triggerCodemagic', given, takes)
    return given.builds == null ? follow(task(given, takes)) : runAll(given, takes)
}

/** One start as cibridge.perform takes it; fails when it does not say what to build. */
Map task(Map given, Map takes) {
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
    if (env.CHANGE_BRANCH && request.branch == env.BRANCH_NAME && request.branch != env.CHANGE_BRANCH) {
        error("triggerCodemagic: branch '${request.branch}' is what Jenkins calls this pull request, and no branch of the repository. Give branch: env.CHANGE_BRANCH.")
    }
    return [step: 'triggerCodemagic', command: 'codemagic trigger', given: given, takes: takes, request: request]
}

/** On the agent at hand, or without holding one. */
Map follow(Map task) {
    boolean away = !env.NODE_NAME && (cibridgeArguments.isOn(task.given.wait) || task.given.agentLabel)
    return away ? cibridgeWait.trigger(task) : cibridge.perform(task)
}

/** Several builds, some at a time: all answers in order, and the worst of them decides. */
Map runAll(Map given, Map takes) {
    String number = given.concurrency == null ? '5' : given.concurrency.toString()
    if (!number.matches('[1-9][0-9]{0,3}')) {
        error("triggerCodemagic: concurrency must be a whole number from 1, not '${number}'.")
    }
    Map state = [next: 0, broken: false, answers: [:]]
    List tasks = []
    for (int n = 0; n < given.builds.size(); n++) {
        Map one = given.builds[n]
        String stray = cibridgeArguments.firstOf(one, ['builds', 'concurrency', 'failFast', 'propagate'])
        if (stray) {
            error("triggerCodemagic: builds[${n}]: ${stray} is about all builds, so it stands beside builds.")
        }
        cibridgeArguments.check("triggerCodemagic: builds[${n}]", one, takes)
        tasks << task(merged(given, one, n), takes) + [quiet: true, fleet: state]
    }
    boolean failFast = cibridgeArguments.isOn(given.failFast)
    Map lanes = [failFast: failFast]
    for (int lane = 1; lane <= Math.min(number.toInteger(), tasks.size()); lane++) {
        lanes['lane ' + lane] = { runLane(tasks, state, failFast) }
    }
    try {
        if (tasks) {
            parallel(lanes)
        }
    } catch (AbortException ended) {
        // Ours, to end the other lanes; everything else passes.
        if (!state.broken) {
            throw ended
        }
    }
    return cibridgeOutcome.judgeAll([step: 'triggerCodemagic', given: given], inOrder(state, tasks.size()))
}

/** Takes the next build until there is none. Between two steps only one lane runs, so each is taken once. */
void runLane(List tasks, Map state, boolean failFast) {
    while (state.next < tasks.size() && !state.broken) {
        int n = state.next
        state.next = n + 1
        Map answer = follow(tasks[n])
        state.answers['build ' + n] = answer
        echo("triggerCodemagic: ${n + 1} of ${tasks.size()}: ${cibridgeOutcome.lineOf(answer)}")
        if (failFast && !state.broken && answer.exitCode != 0 && answer.exitCode != 3) {
            state.broken = true
            error("triggerCodemagic: ${n + 1} of ${tasks.size()} ended badly, so the others are cancelled (failFast)")
        }
    }
}

/** The answers as a list; a build whose lane was ended has one too. */
@NonCPS
List inOrder(Map state, int size) {
    List answers = []
    for (int n = 0; n < size; n++) {
        Map none = n < state.next ? [outcome: 'cancelled', exitCode: 4] : [outcome: 'not_started', exitCode: null]
        answers << (state.answers['build ' + n] ?: [id: null, url: null, number: null] + none + [status: null, commit: null, artifacts: [], result: [:]])
    }
    return answers
}

/** The arguments of one of several builds: its own beat the common ones, and maps are joined. */
@NonCPS
Map merged(Map common, Map own, int n) {
    Map all = [:]
    all.putAll(common)
    for (String name in ['builds', 'concurrency', 'failFast']) {
        all.remove(name)
    }
    // One key for all would make one build of them.
    if (common.idempotencyKey) {
        all.idempotencyKey = common.idempotencyKey.toString() + '-' + (n + 1)
    }
    if (own.branch || own.tag) {
        all.remove('branch')
        all.remove('tag')
    }
    for (Object entry in own.entrySet()) {
        Object before = common[entry.key]
        boolean joined = before instanceof Map && entry.value instanceof Map
        all[entry.key] = joined ? before + entry.value : entry.value
    }
    return all
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
    ] + cibridgeArguments.following() + cibridgeArguments.results() + [
        // Several at once.
        builds           : [is: 'maps'],
        concurrency      : [is: 'text'],
        failFast         : [is: 'flag'],
        // What to leave on the Jenkins build.
        description      : [is: 'flag'],
    ]
}

/** The request document. An argument that is given beats its variable, even when it has no value: then the call is refused. */
@NonCPS
Map request(Map given, String appId, String workflowId, String branch, String tag) {
    boolean ownRef = given.containsKey('branch') || given.containsKey('tag')
    Map environment = filled(
        variables: cibridgeArguments.textsOf(given.variables),
        groups: cibridgeArguments.textListOf(given.groups),
        software_versions: cibridgeArguments.textsOf(given.softwareVersions)
    )
    return filled(
        app_id: cibridgeArguments.textOf(given.containsKey('appId') ? given.appId : appId),
        workflow_id: cibridgeArguments.textOf(given.containsKey('workflowId') ? given.workflowId : workflowId),
        branch: cibridgeArguments.textOf(ownRef ? given.branch : branch),
        tag: cibridgeArguments.textOf(ownRef ? given.tag : tag),
        labels: cibridgeArguments.textListOf(given.labels),
        inputs: cibridgeArguments.plain(given.inputs),
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
