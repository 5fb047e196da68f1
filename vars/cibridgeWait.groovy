// Waits for a build without holding an executor: short calls on an agent, and `sleep` on the controller between them.
// Nothing but plain values is kept, so it goes on after a restart of the controller.

import com.cloudbees.groovy.cps.NonCPS
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Starts the build of the task on an agent and, with `wait`, follows it from here. */
Map trigger(Map plain) {
    Map task = plain + key(plain)
    refuse(task)
    milliseconds(task)
    Map seen = [:]
    Map answer = null
    try {
        answer = shortly(starting(task, seen), null)
    } catch (FlowInterruptedException interrupted) {
        // Once the binary has ended, nobody else knows of the build.
        if (seen.answer?.id && cibridgeArguments.isOn(task.given.wait)) {
            abandon(task, begin(task, seen.answer))
        }
        throw interrupted
    }
    if (answer.exitCode == 0 && answer.outcome == 'started' && cibridgeArguments.isOn(task.given.wait)) {
        return follow(task, begin(task, answer), false)
    }
    cibridgeOutcome.describe(task, answer)
    return task.quiet ? answer : cibridgeOutcome.judge(task, answer)
}

/**
 * The key by which a start that is repeated, because its agent was lost, takes over the build that it started before.
 * Made once, here, and kept over a restart; `own` when the caller gave it.
 */
Map key(Map task) {
    String given = task.given.idempotencyKey ?: env.CIBRIDGE_IDEMPOTENCY_KEY
    return [key: given ?: 'jenkins-' + UUID.randomUUID().toString(), own: given != null]
}

/** Follows a build that is known by its id alone. */
Map watch(Map task, String id, boolean callback) {
    refuse(task)
    return follow(task, begin(task, [id: id]), callback)
}

/** Follows a build to its end, and with `callback` sleeps until it says itself that it is time to look. */
Map follow(Map task, Map state, boolean callback) {
    Map answer = callback ? called(task, state) : looks(task, state, 30, 1, 3600)
    return task.quiet ? answer : cibridgeOutcome.judge(task, answer)
}

/**
 * What is known while it is waited for.
 *
 * state.build      the build as the binary is told it; state.name for people
 * state.begun      when following began, and state.limit when it ends, in milliseconds; a limit of 0 is none
 * state.described  whether the page of the build is in the description already
 * state.keep       whether it is left alone when nobody waits for it any longer
 */
Map begin(Map task, Map answer) {
    boolean jenkins = isJenkins(task)
    Map state = [
        build: jenkins ? answer.url : answer.id, name: answer.result ? cibridgeOutcome.titleOf(answer) : 'Codemagic build ' + answer.id,
        begun: System.currentTimeMillis(), limit: milliseconds(task), described: false, woken: false,
        // A start that Jenkins folded into one that waited already is somebody else's as well.
        keep: keeps(task) || jenkins && answer.result.adopted == true && !task.own && !(answer.tries > 1),
    ]
    describe(task, state, answer)
    return state
}

/** The description gets the page once, when there is one: a queue item of Jenkins has none that lasts. */
void describe(Map task, Map state, Map answer) {
    if (!state.described && answer.url && !answer.id.startsWith('queue/')) {
        cibridgeOutcome.describe(task, answer)
        state.described = true
    }
}

/** Waits for the callback; a slow look beside it, because a build that is cancelled or cut off never calls. */
Map called(Map task, Map state) {
    Map seen = [answer: null]
    try {
        parallel(
            failFast: true,
            callback: {
                input(id: 'Codemagic-' + state.build, message: "${state.name} goes on. It answers this question itself when it is done.", ok: 'Look at it now')
                state.woken = true
                error("${task.step}: Codemagic called back")
            },
            look: {
                seen.answer = looks(task, state, 600, 600, 600)
                error("${task.step}: the build has ended")
            }
        )
    } catch (AbortException ended) {
        // Whichever branch is first ends the other by failing: no failure when it is ours.
        if (!state.woken && seen.answer == null) {
            throw ended
        }
    }
    if (seen.answer == null) {
        // The script that called is a step of the build, so its end is near.
        state.woken = false
        seen.answer = looks(task, state, 5, 5, 30)
    }
    return seen.answer
}

/** Looks until the build has ended or need not be waited for any more; pauses are in seconds. An abort cancels the build and passes. */
Map looks(Map task, Map state, int first, int least, int most) {
    int pause = first
    try {
        while (true) {
            // Jenkins loses the interruption by failFast for a branch that is between two steps.
            if (state.woken) {
                return null
            }
            if (task.fleet?.broken) {
                abandon(task, state)
                return cibridgeOutcome.ended(state)
            }
            sleep(time: untilLimit(state, pause), unit: 'SECONDS')
            boolean late = state.limit > 0 && System.currentTimeMillis() - state.begun >= state.limit
            Map answer = shortly(looking(task, state), late ? ending(task, state) : null)
            describe(task, state, answer)
            if (answer.outcome != 'running') {
                return answer
            }
            if (late) {
                return timedOut(answer, task)
            }
            if (isJenkins(task)) {
                // First it was a queue item, then it is a build.
                state.build = answer.url
                state.name = cibridgeOutcome.titleOf(answer)
            }
            pause = Math.min(Math.max(answer.result.next_look_seconds ?: 30, least), most)
        }
    } catch (FlowInterruptedException interrupted) {
        // Where the callback came first, it is that which ends the looks.
        if (!state.woken) {
            abandon(task, state)
        }
        throw interrupted
    }
}

/** Nobody waits for the build any longer: it is cancelled, and if that is impossible the log says so. */
void abandon(Map task, Map state) {
    if (state.keep) {
        echo("${task.step}: aborted; ${state.name} is left alone")
        return
    }
    echo("${task.step}: aborted; cancelling ${state.name}")
    try {
        cancel(task, state)
    } catch (FlowInterruptedException again) {
        // `parallel(failFast: true)` interrupts once more what the abort has interrupted already.
        cancel(task, state)
        throw again
    }
}

void cancel(Map task, Map state) {
    catchError(message: "${task.step}: ${state.name} could not be cancelled and may still run:", buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
        shortly(ending(task, state) + [quiet: false], null)
    }
}

/** One call on an agent, again on another one when that is lost. `then` follows a call that found the build running. */
Map shortly(Map task, Map then) {
    Map answer = null
    Map state = [tries: 0]
    String label = task.given.agentLabel
    retry(count: 3, conditions: [agent(), nonresumable()]) {
        if (label) {
            node(label) {
                answer = both(task, state, then)
            }
        } else {
            node {
                answer = both(task, state, then)
            }
        }
    }
    return answer
}

Map both(Map task, Map state, Map then) {
    state.tries = state.tries + 1
    Map answer = cibridge.perform(state.tries > 1 && task.again ? task + [environment: task.again] : task)
    answer.tries = state.tries
    if (then && answer.outcome == 'running') {
        answer.cancelled = then.keep ? null : cibridge.perform(then).exitCode == 0
    }
    return answer
}

/** The start. A job on Jenkins needs a parameter to carry a key: the first start does without, a second one must have it. */
Map starting(Map task, Map seen) {
    List others = task.environment ?: []
    String key = 'CIBRIDGE_IDEMPOTENCY_KEY=' + task.key
    String first = isJenkins(task) && !task.own ? 'CIBRIDGE_MARKER=' + task.key : key
    return task + [given: task.given + [wait: false, description: false], quiet: true, seen: seen, environment: others + [first], again: others + [key]]
}

/** One look at the build, with the arguments that say how it is followed. */
Map looking(Map task, Map state) {
    return [
        step: task.step, command: isJenkins(task) ? 'jenkins wait' : 'codemagic wait', given: task.given + [wait: false, description: false],
        takes: isJenkins(task) ? task.takes : cibridgeArguments.following() + cibridgeArguments.connection(), quiet: true,
        environment: place(task, state) + ['CIBRIDGE_ONCE=true', 'CIBRIDGE_TIMEOUT=']
    ]
}

/** The end of a build that nobody waits for. */
Map ending(Map task, Map state) {
    return [
        step: task.step, command: isJenkins(task) ? 'jenkins stop' : 'codemagic cancel', given: task.given + [wait: false, description: false],
        takes: isJenkins(task) ? task.takes : cibridgeArguments.connection(), quiet: true, keep: state.keep,
        environment: place(task, state)
    ]
}

/** Where the build is; the job finds one whose queue item Jenkins has forgotten. */
@NonCPS
List place(Map task, Map state) {
    return (isJenkins(task) ? task.environment : []) + ['CIBRIDGE_BUILD=' + state.build]
}

@NonCPS
boolean isJenkins(Map task) {
    return task.command.startsWith('jenkins')
}

boolean keeps(Map task) {
    return cibridgeArguments.isOn(task.given.noCancel == null ? env.CIBRIDGE_NO_CANCEL : task.given.noCancel)
}

/** What only an agent that is held can give. */
void refuse(Map task) {
    String name = cibridgeArguments.firstOf(task.given, ['artifacts', 'artifactsDir', 'junit'])
    if (name) {
        error("${task.step}: ${name} needs a workspace, and there is none outside a node. " +
            'Leave it out here, and fetch the files inside a node afterwards: ' +
            (isJenkins(task) ? 'cibridge jenkins artifacts.' : 'codemagicArtifacts(build.id).'))
    }
    if (task.given.files) {
        error("${task.step}: files needs a workspace, and there is none outside a node. Put the step inside node { }.")
    }
    if (cibridgeArguments.isOn(task.given.console)) {
        error("${task.step}: console shows the log from an agent that is held, and outside a node none is. " +
            'Leave it out here, the log is on the page of the build; or put the step inside node { }.')
    }
}

/** What the binary says of a build that passed its time limit. */
@NonCPS
Map timedOut(Map answer, Map task) {
    String done = answer.cancelled == null ? 'it was left alone' : answer.cancelled ? 'it was cancelled' : 'it could not be cancelled and may go on'
    Map result = answer.result + [
        outcome: 'timed_out', exit_code: 6,
        error: [message: "${cibridgeOutcome.titleOf(answer)}: passed the limit of ${task.given.timeout ?: 'CIBRIDGE_TIMEOUT'}; ${done}".toString(),
                hint: 'raise timeout, or look why it takes longer than before']
    ]
    return answer + [outcome: 'timed_out', exitCode: 6, result: result]
}

/** The pause, but not beyond the time limit. */
@NonCPS
long untilLimit(Map state, int pause) {
    if (state.limit <= 0) {
        return pause
    }
    long left = (state.limit - (System.currentTimeMillis() - state.begun) + 999).intdiv(1000)
    return left < 1 ? 1 : left < pause ? left : pause
}

/** The time limit for everything, in milliseconds; 0 is none. */
long milliseconds(Map task) {
    String text = task.given.timeout == null ? env.CIBRIDGE_TIMEOUT : task.given.timeout.toString()
    if (!text) {
        return 0
    }
    long sum = sumOf(text)
    if (sum < 0) {
        error("${task.step}: timeout: '${text}' is not a time. Write it like 90s, 30m or 1h.")
    }
    return sum
}

/** Reads 90, 90s, 1h 30m and the like; -1 for anything else. */
@NonCPS
long sumOf(String text) {
    Map units = [ms: 1, s: 1000, sec: 1000, m: 60000, min: 60000, h: 3600000, hr: 3600000, d: 86400000]
    long sum = 0
    String digits = ''
    String unit = ''
    // One sign more than there is, to close the last part.
    String signs = text.trim() + (text.trim().matches('.*[0-9]') ? 's' : '') + '0'
    for (int n = 0; n < signs.length(); n++) {
        String sign = signs.substring(n, n + 1)
        if (sign.matches('[0-9]')) {
            if (unit) {
                if (!digits || digits.length() > 9 || !units.containsKey(unit)) {
                    return -1
                }
                sum = sum + digits.toLong() * units[unit]
                digits = ''
                unit = ''
            }
            digits = digits + sign
        } else if (sign != ' ') {
            unit = unit + sign
        }
    }
    return sum
}
