// Follows a build on Codemagic without holding an executor: short calls on an agent, and `sleep` on the controller
// between them. Nothing but plain locals is kept, so it goes on after a restart of the controller.

import com.cloudbees.groovy.cps.NonCPS
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Starts the build of the task on an agent and, with `wait`, follows it from here. */
Map trigger(Map task) {
    refuseResults(task)
    // Made once, here: however often the call below is repeated, there is one build.
    String key = task.given.idempotencyKey ?: env.CIBRIDGE_IDEMPOTENCY_KEY ?: 'jenkins-' + UUID.randomUUID().toString()
    Map answer = shortly(task + [given: task.given + [wait: false, idempotencyKey: key]], null)
    if (answer.exitCode != 0 || answer.outcome == 'dry_run' || !cibridgeArguments.isOn(task.given.wait)) {
        return answer
    }
    return follow(task, answer.id, false)
}

/** Follows a build to its end, and with `callback` sleeps until Codemagic says that it is time to look. */
Map follow(Map task, String id, boolean callback) {
    refuseResults(task)
    Map state = [begun: System.currentTimeMillis(), limit: milliseconds(task), woken: false]
    Map answer = callback ? called(task, id, state) : looks(task, id, state, 30, 1, 3600)
    return task.quiet ? answer : cibridgeOutcome.judge(task, answer)
}

/** Waits for the callback; a slow look beside it, because a build that is cancelled or cut off never calls. */
Map called(Map task, String id, Map state) {
    Map seen = [answer: null]
    try {
        parallel(
            failFast: true,
            callback: {
                input(id: 'Codemagic-' + id, message: "Codemagic build ${id} goes on. It answers this question itself when it is done.", ok: 'Look at it now')
                state.woken = true
                error("${task.step}: Codemagic called back")
            },
            look: {
                seen.answer = looks(task, id, state, 600, 600, 600)
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
        seen.answer = looks(task, id, state, 5, 5, 30)
    }
    return seen.answer
}

/** Looks until the build has ended; pauses are in seconds. An abort cancels the build and passes. */
Map looks(Map task, String id, Map state, int first, int least, int most) {
    Map look = [
        step: task.step, command: 'wait', given: task.given, takes: cibridgeArguments.following() + cibridgeArguments.connection(), quiet: true,
        environment: ['CIBRIDGE_BUILD=' + id, 'CIBRIDGE_ONCE=true', 'CIBRIDGE_TIMEOUT=']
    ]
    int pause = first
    try {
        while (true) {
            sleep(time: untilLimit(state, pause), unit: 'SECONDS')
            boolean late = state.limit > 0 && System.currentTimeMillis() - state.begun >= state.limit
            Map answer = shortly(look, late ? cancelling(task, id) : null)
            if (answer.outcome != 'running') {
                return answer
            }
            if (late) {
                return timedOut(answer, task)
            }
            pause = Math.min(Math.max(answer.result.next_look_seconds ?: 30, least), most)
        }
    } catch (FlowInterruptedException interrupted) {
        // Where the callback came first, it is that which ends the looks.
        if (!state.woken) {
            abandon(task, id)
        }
        throw interrupted
    }
}

/** Nobody waits for the build any longer: it is cancelled, and if that is impossible the log says so. */
void abandon(Map task, String id) {
    if (keeps(task)) {
        echo("${task.step}: aborted; Codemagic build ${id} is left alone (noCancel)")
        return
    }
    echo("${task.step}: aborted; cancelling Codemagic build ${id}")
    catchError(message: "${task.step}: Codemagic build ${id} could not be cancelled and may still run:", buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
        shortly(cancelling(task, id) + [quiet: false], null)
    }
}

/** One call on an agent, again on another one when that is lost. `then` follows a call that found the build running. */
Map shortly(Map task, Map then) {
    Map answer = null
    String label = task.given.agentLabel
    retry(count: 3, conditions: [agent(), nonresumable()]) {
        if (label) {
            node(label) {
                answer = both(task, then)
            }
        } else {
            node {
                answer = both(task, then)
            }
        }
    }
    return answer
}

Map both(Map task, Map then) {
    Map answer = cibridge.perform(task)
    if (then && answer.outcome == 'running') {
        answer.cancelled = then.keeps ? null : cibridge.perform(then).exitCode == 0
    }
    return answer
}

Map cancelling(Map task, String id) {
    return [
        step: task.step, command: 'cancel', given: task.given, takes: cibridgeArguments.connection(), quiet: true, keeps: keeps(task),
        environment: ['CIBRIDGE_BUILD=' + id]
    ]
}

boolean keeps(Map task) {
    return cibridgeArguments.isOn(task.given.noCancel == null ? env.CIBRIDGE_NO_CANCEL : task.given.noCancel)
}

void refuseResults(Map task) {
    String name = cibridgeArguments.firstOf(task.given, ['artifacts', 'artifactsDir', 'junit'])
    if (name) {
        error("${task.step}: ${name} needs a workspace, and there is none outside a node. " +
            'Leave it out here, and fetch the files inside a node afterwards: codemagicArtifacts(build.id).')
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
