// Internal: starts builds and waits for them. No Jenkinsfile calls it.
//
// On an agent the binary does all of it in one call. Outside of a node no executor is held: the build is started and
// polled in short calls on an agent, and between them the pipeline sleeps on the controller. Nothing but plain values
// is kept, so the wait survives a restart of the controller.

import com.cloudbees.groovy.cps.NonCPS
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * Starts a build and waits until it has ended (`goal` 'end'), until it has a number ('start'), or not at all (null).
 * `group` is what several builds share: group.failed ends the wait for this one.
 */
Map start(Map invocation, String goal, Map group = null) {
    boolean held = env.NODE_NAME != null
    String ownKey = invocation.request.idempotency_key
    Map seen = [:]
    Map result = null
    try {
        result = held ? cibridgeRun.here(invocation, seen) : startInShortCall(invocation, ownKey, seen)
    } catch (FlowInterruptedException interrupted) {
        // Nobody else knows of a build that the binary has started and not canceled.
        if (goal && seen.result?.result?.still_running) {
            abandon(invocation, startedState(invocation, seen, goal, ownKey))
        }
        throw interrupted
    }
    if (held || !goal || result.outcome != 'started') {
        return result
    }
    cibridgeResult.describe(invocation, result)
    return poll(invocation, startedState(invocation, seen, goal, ownKey) + [group: group])
}

Map startInShortCall(Map invocation, String ownKey, Map seen) {
    refuseWorkspace(invocation)
    // One key for all attempts, made here and kept over a restart: a repeated start adopts the build of the first.
    String key = ownKey ?: 'jenkins-' + UUID.randomUUID().toString()
    return cibridgeRun.onAgent(firstStart(invocation, key), seen, repeatedStart(invocation, key))
}

/** Waits for the end of a build that was started before. With `callback` the build itself says when that is near. */
Map forBuild(Map invocation) {
    boolean keep = cibridgeArguments.leavesRunning(invocation.arguments)
    Map state = newState(build: invocation.build, title: 'build ' + invocation.build, goal: 'end', pause: 0, keep: keep)
    if (env.NODE_NAME) {
        return waitInOneCall(invocation, state)
    }
    refuseWorkspace(invocation)
    return invocation.arguments.callback ? pollUntilCallback(invocation, state) : poll(invocation, state)
}

Map waitInOneCall(Map invocation, Map state) {
    if (invocation.arguments.callback) {
        error("${invocation.step}: callback waits without an agent. Put the step outside of node { }, or in a stage with agent none.")
    }
    Map seen = [:]
    try {
        return cibridgeRun.here(invocation + [environment: ['CIBRIDGE_CANCEL=' + !state.keep]], seen)
    } catch (FlowInterruptedException interrupted) {
        if (seen.result?.result?.still_running) {
            abandon(invocation, state)
        }
        throw interrupted
    }
}

/**
 * What is known about the build while the pipeline waits:
 *
 *   build         the build as the binary takes it, and `title` as people read it
 *   goal          'end', or 'start' for a build that only has to leave the queue
 *   since         when the wait began, in milliseconds since 1970; the time limits count from there
 *   pause         seconds until the next poll
 *   pollInterval  how often to poll, where the binary is not to decide that
 *   keep          whether the build is left running when nobody waits for it any longer
 *   calledBack    whether the callback came
 *   group         what several builds share, see `start`
 */
Map newState(Map known) {
    return [since: System.currentTimeMillis(), calledBack: false, pollInterval: null, group: null] + known
}

Map startedState(Map invocation, Map seen, String goal, String ownKey) {
    Map document = seen.result.result
    // A start that Jenkins merged into a queued item is somebody else's build as well.
    boolean shared = cibridgeRun.isJenkins(invocation) && document.adopted == true && !ownKey && !(seen.attempts > 1)
    Map state = newState(goal: goal, keep: shared || cibridgeArguments.leavesRunning(invocation.arguments))
    return state + known(invocation, seen.result)
}

/** What a call says about the build: how the binary finds it, on Jenkins by its page, and when to poll it next. */
@NonCPS
Map known(Map invocation, Map result) {
    return [
        build: cibridgeRun.isJenkins(invocation) ? result.url : result.id,
        title: result.result.build.title,
        pause: result.result.next_poll_seconds ?: 30,
    ]
}

/**
 * Polls until the goal is reached. Two things end that before: the callback, then there is no result, and another build
 * of the group that failed; then this one is canceled, as it is by an abort. Both interrupt this branch as well, but
 * Jenkins loses that for a branch that is between two steps.
 */
Map poll(Map invocation, Map state) {
    Map result = null
    try {
        while (result == null && !state.calledBack && !state.group?.failed) {
            if (state.pause > 0) {
                sleep(time: state.pause, unit: 'SECONDS')
            }
            result = pollOnce(invocation, state)
        }
    } catch (FlowInterruptedException interrupted) {
        if (!state.calledBack) {
            abandon(invocation, state)
        }
        throw interrupted
    }
    if (result == null && !state.calledBack) {
        abandon(invocation, state)
        return cibridgeResult.ofFailFast(state.build, 'canceled')
    }
    return result
}

/** One poll. Returns the result when the goal is reached; until then it keeps in `state` what the next poll needs. */
Map pollOnce(Map invocation, Map state) {
    Map result = cibridgeRun.onAgent(pollCall(invocation, state))
    cibridgeResult.describe(invocation, result)
    if (state.goal == 'start' && result.number != null && !result.result.call_failed) {
        return result + [outcome: 'started', exitCode: 0]
    }
    if (result.outcome != 'running') {
        return result
    }
    // On Jenkins it is a queue item first and a build afterwards.
    state.putAll(known(invocation, result))
    return null
}

/**
 * Waits for the build to answer a question of this pipeline, and polls every ten minutes beside it, because a build that
 * is canceled or killed never answers. Whichever branch is first ends the other by failing.
 */
Map pollUntilCallback(Map invocation, Map state) {
    Map seen = [result: null]
    state.pollInterval = '10m'
    try {
        parallel(
            failFast: true,
            callback: {
                input(id: 'Codemagic-' + state.build, message: "${state.title} is running. It answers this question itself when it is done.", ok: 'Poll it now')
                state.calledBack = true
                error("${invocation.step}: Codemagic called back")
            },
            poll: {
                seen.result = poll(invocation, state)
                error("${invocation.step}: the wait is over")
            }
        )
    } catch (AbortException ended) {
        if (!state.calledBack && seen.result == null) {
            throw ended
        }
    }
    if (seen.result != null) {
        return seen.result
    }
    // The script that called back is a step of the build, so its end is near.
    return poll(invocation, state + [calledBack: false, pollInterval: '10s', pause: 5])
}

/** Nobody waits for the build any longer: it is canceled, or the log says that it is still running. */
void abandon(Map invocation, Map state) {
    if (state.keep) {
        echo("${invocation.step}: aborted; ${state.title} is still running")
        return
    }
    echo("${invocation.step}: aborted; canceling ${state.title}")
    try {
        cancel(invocation, state)
    } catch (FlowInterruptedException again) {
        // `parallel(failFast: true)` interrupts once more what an abort has interrupted already.
        cancel(invocation, state)
        throw again
    }
}

void cancel(Map invocation, Map state) {
    catchError(message: "${invocation.step}: ${state.title} could not be canceled and may still be running:", buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
        Map call = aboutBuild(invocation, state, cibridgeRun.isJenkins(invocation) ? 'jenkins stop' : 'codemagic cancel', [])
        cibridgeResult.judge(call, cibridgeRun.onAgent(call))
    }
}

/** One poll. The binary knows the time limits and cancels a build that passed one. */
@NonCPS
Map pollCall(Map invocation, Map state) {
    List environment = [
        'CIBRIDGE_WAITING_SINCE=' + state.since, 'CIBRIDGE_CANCEL=' + !state.keep,
        'CIBRIDGE_ARTIFACTS=', 'CIBRIDGE_JUNIT=', 'CIBRIDGE_CONSOLE=',
    ]
    if (state.pollInterval) {
        environment << 'CIBRIDGE_POLL_INTERVAL=' + state.pollInterval
    }
    return aboutBuild(invocation, state, cibridgeRun.isJenkins(invocation) ? 'jenkins wait --once' : 'codemagic wait --once', environment)
}

/** A call about the build that is waited for, with the arguments of the step. */
@NonCPS
Map aboutBuild(Map invocation, Map state, String command, List environment) {
    return [step: invocation.step, command: command, arguments: invocation.arguments, schema: invocation.schema, build: state.build, environment: environment]
}

/** The start, which does not wait. A job on Jenkins needs a parameter to carry a key, so a key of ours is only a mark there. */
@NonCPS
Map firstStart(Map invocation, String key) {
    boolean marked = cibridgeRun.isJenkins(invocation) && invocation.request.idempotency_key != key
    return marked ? startCall(invocation, invocation.request, key) : repeatedStart(invocation, key)
}

/** The start after its agent was lost: it has to find the build that the first one may have started. */
@NonCPS
Map repeatedStart(Map invocation, String key) {
    return startCall(invocation, invocation.request + [idempotency_key: key], '')
}

@NonCPS
Map startCall(Map invocation, Map request, String marker) {
    List notWaiting = ['CIBRIDGE_WAIT=false', 'CIBRIDGE_WAIT_FOR_START=false', 'CIBRIDGE_MARKER=' + marker]
    return invocation + [request: request, environment: invocation.environment + notWaiting]
}

/** Refuses what only a workspace can hold, or an agent that is held can show. */
void refuseWorkspace(Map invocation) {
    String name = cibridgeArguments.firstOf(invocation.arguments, ['artifacts', 'artifactsDir', 'junit', 'files'])
    if (name) {
        String instead = name == 'files' ? 'Put the step inside node { }.' :
            "Leave it out here, and call ${cibridgeRun.isJenkins(invocation) ? 'downloadJenkinsArtifacts' : 'downloadCodemagicArtifacts'}(build.id) inside a node afterwards."
        error("${invocation.step}: ${name} needs a workspace, and there is none outside a node. ${instead}")
    }
    if (invocation.arguments.console) {
        error("${invocation.step}: console shows the log from an agent, and outside a node none is held. " +
            'Leave it out here, the log is on the page of the build; or put the step inside node { }.')
    }
}
