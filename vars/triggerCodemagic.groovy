// Starts a build on Codemagic, or several. The help page is triggerCodemagic.txt.

import com.cloudbees.groovy.cps.NonCPS
import hudson.AbortException

Map call(Map arguments = [:]) {
    Map known = cibridgeArguments.checked('triggerCodemagic', arguments, schema())
    if (known.builds != null) {
        return runAll(known)
    }
    Map invocation = invocation(withBranch(known))
    return cibridgeResult.endStep(invocation, runOne(invocation, null))
}

/** One start, for the helpers. */
Map invocation(Map arguments) {
    if (env.CHANGE_BRANCH && arguments.branch == env.BRANCH_NAME && arguments.branch != env.CHANGE_BRANCH) {
        error("triggerCodemagic: branch '${arguments.branch}' is Jenkins' name of this pull request, not a branch of the repository. " +
            'Leave branch out, or give branch: env.CHANGE_BRANCH.')
    }
    return [
        step: 'triggerCodemagic', command: 'codemagic trigger', schema: schema(),
        arguments: cibridgeArguments.withCommit('triggerCodemagic', arguments),
        request: request(arguments, [appId: env.CODEMAGIC_APP_ID, workflowId: env.CODEMAGIC_WORKFLOW, idempotencyKey: env.CIBRIDGE_IDEMPOTENCY_KEY]),
        // What stands in the request file is taken from there and not from a variable that happens to be set.
        environment: ['CODEMAGIC_APP_ID=', 'CODEMAGIC_WORKFLOW=', 'CODEMAGIC_BRANCH=', 'CODEMAGIC_TAG=', 'CIBRIDGE_IDEMPOTENCY_KEY='],
    ]
}

Map runOne(Map invocation, Map group) {
    return cibridgeWait.start(invocation, invocation.arguments.wait ? 'end' : null, group)
}

/** The arguments with the branch or tag to build: as given, by its variable, or what this Jenkins build itself is about. */
Map withBranch(Map arguments) {
    if (hasBranch(arguments)) {
        return arguments
    }
    if (env.CODEMAGIC_BRANCH || env.CODEMAGIC_TAG) {
        return arguments + [branch: env.CODEMAGIC_BRANCH, tag: env.CODEMAGIC_TAG]
    }
    if (env.CHANGE_FORK) {
        error("triggerCodemagic: this pull request comes from the fork '${env.CHANGE_FORK}', and Codemagic builds branches of the app's own repository. " +
            'Give branch or tag.')
    }
    // The Git plugin names the remote-tracking branch, and 'detached' where there is none.
    String checkedOut = env.GIT_BRANCH == 'detached' ? null : env.GIT_BRANCH?.startsWith('origin/') ? env.GIT_BRANCH.substring(7) : env.GIT_BRANCH
    Map known = cibridgeArguments.filled(CHANGE_BRANCH: env.CHANGE_BRANCH, TAG_NAME: env.TAG_NAME, BRANCH_NAME: env.BRANCH_NAME, GIT_BRANCH: checkedOut)
    String name = cibridgeArguments.firstOf(known, ['CHANGE_BRANCH', 'TAG_NAME', 'BRANCH_NAME', 'GIT_BRANCH'])
    if (!name) {
        return arguments
    }
    String kind = name == 'TAG_NAME' ? 'tag' : 'branch'
    echo("triggerCodemagic: building ${kind} '${known[name]}' (from ${name})")
    return arguments + [(kind): known[name]]
}

@NonCPS
boolean hasBranch(Map arguments) {
    return arguments.containsKey('branch') || arguments.containsKey('tag')
}

/** Several builds, some at a time: all results in order, and the worst of them decides. */
Map runAll(Map arguments) {
    String number = arguments.concurrency ?: '5'
    if (!number.matches('[1-9][0-9]{0,3}')) {
        error("triggerCodemagic: concurrency must be a whole number from 1, not '${number}'.")
    }
    Map group = [next: 0, failed: false, results: [:]]
    List invocations = []
    Map common = everyHasBranch(arguments.builds) ? arguments : withBranch(arguments)
    for (int n = 0; n < arguments.builds.size(); n++) {
        Map own = cibridgeArguments.checked("triggerCodemagic: builds[${n}]", arguments.builds[n], schema())
        String misplaced = cibridgeArguments.firstOf(own, ['builds', 'concurrency', 'failFast', 'propagate'])
        if (misplaced) {
            error("triggerCodemagic: builds[${n}]: ${misplaced} is about all builds, so it stands beside builds.")
        }
        invocations << invocation(merged(common, own, n))
    }
    boolean failFast = arguments.failFast == true
    Map lanes = [failFast: failFast]
    for (int lane = 1; lane <= Math.min(number.toInteger(), invocations.size()); lane++) {
        lanes['lane ' + lane] = { runLane(invocations, group, failFast) }
    }
    try {
        if (invocations) {
            parallel(lanes)
        }
    } catch (AbortException ended) {
        // Ours, to end the other lanes; everything else passes.
        if (!group.failed) {
            throw ended
        }
    }
    return cibridgeResult.judgeAll([step: 'triggerCodemagic', arguments: arguments], inOrder(group, invocations.size()))
}

/** Takes the next build until there is none. Between two steps only one lane runs, so each is taken once. */
void runLane(List invocations, Map group, boolean failFast) {
    while (group.next < invocations.size() && !group.failed) {
        int n = group.next
        group.next = n + 1
        Map result = runOne(invocations[n], group)
        group.results['build ' + n] = result
        cibridgeResult.describe(invocations[n], result)
        echo("triggerCodemagic: ${n + 1} of ${invocations.size()}: ${cibridgeResult.sentence(result)}")
        if (failFast && !group.failed && result.exitCode != 0 && result.outcome != 'unstable') {
            group.failed = true
            error("triggerCodemagic: ${n + 1} of ${invocations.size()} failed, so the others are canceled (failFast)")
        }
    }
}

/** The results as a list; a build whose lane was ended has one too. */
@NonCPS
List inOrder(Map group, int size) {
    List results = []
    for (int n = 0; n < size; n++) {
        results << (group.results['build ' + n] ?: cibridgeResult.ofFailFast(null, n < group.next ? 'canceled' : 'not_started'))
    }
    return results
}

@NonCPS
boolean everyHasBranch(List builds) {
    for (Object own in builds) {
        if (!hasBranch(own)) {
            return false
        }
    }
    return true
}

/** The arguments of one of several builds: its own are stronger than the common ones, and maps are joined. */
@NonCPS
Map merged(Map common, Map own, int n) {
    Map all = [:]
    all.putAll(common)
    for (String name in ['builds', 'concurrency', 'failFast']) {
        all.remove(name)
    }
    // One key for all would make one build of them.
    if (common.idempotencyKey) {
        all.idempotencyKey = common.idempotencyKey + '-' + (n + 1)
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

@NonCPS
Map schema() {
    return [
        // What to build. All of it that is free text goes into the request file.
        appId           : [type: 'text'],
        workflowId      : [type: 'text'],
        branch          : [type: 'text'],
        tag             : [type: 'text'],
        variables       : [type: 'texts'],
        variablesFromEnv: [type: 'list', variable: 'CIBRIDGE_VAR_FROM_ENV'],
        groups          : [type: 'list'],
        softwareVersions: [type: 'texts'],
        labels          : [type: 'list'],
        instanceType    : [type: 'text'],
        inputs          : [type: 'values'],
        api             : [type: 'text', variable: 'CIBRIDGE_API'],
        dryRun          : [type: 'boolean', variable: 'CIBRIDGE_DRY_RUN'],
        idempotencyKey  : [type: 'text'],
        // Whether to wait for it.
        wait            : [type: 'boolean', variable: 'CIBRIDGE_WAIT'],
    ] + cibridgeArguments.codemagicWaiting() + cibridgeArguments.ownBuild() + cibridgeArguments.files() + [
        junit           : [type: 'text', variable: 'CIBRIDGE_JUNIT'],
        // Several at once.
        builds          : [type: 'maps'],
        concurrency     : [type: 'text'],
        failFast        : [type: 'boolean'],
    ] + cibridgeArguments.anyAgent() + cibridgeArguments.codemagicConnection()
}

/**
 * The request file. An argument that is given is stronger than its variable, even when it is
 * null: then something went wrong in the Jenkinsfile, and the binary refuses the request.
 */
@NonCPS
Map request(Map arguments, Map variables) {
    return cibridgeArguments.filled(
        app_id: arguments.containsKey('appId') ? arguments.appId : variables.appId,
        workflow_id: arguments.containsKey('workflowId') ? arguments.workflowId : variables.workflowId,
        branch: arguments.branch,
        tag: arguments.tag,
        labels: arguments.labels,
        instance_type: arguments.instanceType,
        inputs: arguments.inputs,
        idempotency_key: arguments.idempotencyKey ?: variables.idempotencyKey,
        environment: cibridgeArguments.filled(
            variables: arguments.variables,
            groups: arguments.groups,
            software_versions: arguments.softwareVersions
        )
    )
}
