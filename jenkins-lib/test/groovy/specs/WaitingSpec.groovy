package specs

import lab.AgentLost
import lab.Shell
import lab.StepCall
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** Waiting without holding an executor, and the callback. */
class WaitingSpec extends LibrarySpecification {
    static final String TRIGGER = "triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main', wait: true, agentLabel: 'small'"

    /** What the binary answers to the polls, one after the other; the last one stays. */
    List<Map> polls = [[outcome: 'success', exit_code: 0, build: BUILD + [number: 8, status: 'finished']]]
    /** Calls of `sh` that are lost together with their agent, by their number from 1. */
    List<Integer> lost = []
    int calls = 0

    def setup() {
        jenkins.shell = { Shell call ->
            seen << call
            calls++
            if (lost.contains(calls)) {
                throw new AgentLost()
            }
            String verb = verb(call)
            call.answer(document(verb == 'trigger' ? [:] : verb == 'cancel' ? [outcome: 'success'] : polls.size() > 1 ? polls.remove(0) : polls[0]))
        }
    }

    private static String verb(Shell call) {
        call.environment.CIBRIDGE_COMMAND.tokenize(' ')[1]
    }

    private List<String> getVerbs() {
        seen.collect { verb(it) }
    }

    private List<Integer> getPauses() {
        jenkins.called('sleep')*.getAt('time')*.intValue()
    }

    private static Map running(Integer next) {
        [outcome: 'running', exit_code: 0, next_poll_seconds: next, build: BUILD + [status: 'building']]
    }

    def 'starts on an agent, gives it back, and polls when the binary says so'() {
        given:
        polls = [running(240), running(45), [outcome: 'success', build: BUILD + [number: 8, status: 'finished', commit: 'c0ffee']]]
        long since = jenkins.now

        when:
        jenkins.run("return $TRIGGER)")

        then:
        jenkins.result == 'SUCCESS'
        verbs == ['trigger', 'wait', 'wait', 'wait']
        pauses == [30, 240, 45]
        jenkins.called('node')*.text('label') == ['small'] * 4
        jenkins.returned.subMap('outcome', 'number', 'commit') == [outcome: 'success', number: 8, commit: 'c0ffee']
        jenkins.leftovers.empty

        and: 'no pause holds an agent'
        List<String> order = jenkins.calls*.name.findAll { it in ['node', 'sh', 'sleep'] }
        order == ['node', 'sh', 'sleep', 'node', 'sh', 'sleep', 'node', 'sh', 'sleep', 'node', 'sh']

        and: 'the start does not wait, and a poll is one poll'
        seen[0].environment.CIBRIDGE_WAIT == 'false'
        commands == ['codemagic trigger'] + ['codemagic wait --once'] * 3
        seen*.environment*.CIBRIDGE_WAITING_SINCE == [null] + [since.toString()] * 3
        seen[1].environment.CIBRIDGE_BUILD == BUILD.id
        !seen[1].environment.CIBRIDGE_REQUEST
    }

    def 'without a label any agent will do'() {
        when:
        jenkins.run("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.called('node')*.arguments == [[label: '']] * 2
    }

    def 'a lost agent repeats the call with the same key, so that there is one build'() {
        given:
        lost = [1, 3]

        when:
        jenkins.run("return $TRIGGER)")

        then:
        jenkins.result == 'SUCCESS'
        verbs == ['trigger', 'trigger', 'wait', 'wait']
        requests[0].idempotency_key ==~ /jenkins-[0-9a-f-]{36}/
        requests[0] == requests[1]
        requests[0].subMap('app_id', 'workflow_id', 'branch') == [app_id: 'app-1', workflow_id: 'ios', branch: 'main']
    }

    def 'a key that is given is the one that is used'() {
        when:
        jenkins.run("$TRIGGER, idempotencyKey: 'release-1')")

        then:
        requests[0].idempotency_key == 'release-1'
    }

    @Unroll
    def 'an abort #when cancels the build once and stays an abort (noCancel: #noCancel)'() {
        given:
        polls = [running(60)]
        int pauses = 0
        int polled = 0
        jenkins.faults.sleep = { StepCall call -> when == 'in the sleep' && ++pauses == 2 ? new FlowInterruptedException() : null }
        jenkins.faults.sh = { StepCall call -> jenkins.environmentNow().CIBRIDGE_COMMAND.contains('wait') && when == 'in a poll' && ++polled == 2 ? new FlowInterruptedException() : null }

        when:
        jenkins.run("$TRIGGER, noCancel: $noCancel)")

        then:
        jenkins.result == 'ABORTED'
        jenkins.failure instanceof FlowInterruptedException
        verbs == ['trigger', 'wait'] + (noCancel ? [] : ['cancel'])
        seen[1].environment.CIBRIDGE_CANCEL == (!noCancel).toString()
        noCancel || seen.last().environment.CIBRIDGE_BUILD == BUILD.id

        where:
        [when, noCancel] << [['in the sleep', 'in a poll'], [false, true]].combinations()
    }

    def 'an abort at any step cancels a build that was started once, and stays an abort'() {
        given: 'a wait of two polls, as often as it has steps, each time aborted at another one'
        Closure shell = jenkins.shell
        Closure abortedAt = { int at ->
            seen.clear()
            polls = [running(60), [outcome: 'success', exit_code: 0, build: BUILD + [number: 8, status: 'finished']]]
            int step = 0
            Closure fault = { StepCall call -> ++step == at ? new FlowInterruptedException() : null }
            new lab.Jenkins(shell: shell, faults: [:].withDefault { fault }, savedEvery: 10).withCloseable { it.run("$TRIGGER)") }
        }
        int steps = abortedAt(0).calls.size()

        expect:
        verbs == ['trigger', 'wait', 'wait']
        steps > 20
        (1..steps).each { int at ->
            lab.Jenkins run = abortedAt(at)
            String where = "at step $at, ${run.calls[at - 1].name}: $verbs"
            boolean isRunning = verbs.contains('trigger') && verbs.count('wait') < 2
            assert run.result == 'ABORTED': where
            assert run.failure instanceof FlowInterruptedException: where
            // A build that has ended meanwhile is canceled for nothing, as long as its end was not read.
            assert verbs.count('cancel') == 1 || !isRunning && verbs.count('cancel') == 0: where
            assert verbs.contains('trigger') || !verbs.contains('cancel'): where
            assert verbs.count('trigger') <= 1: where
        }
    }

    @Unroll
    def 'an abort whose signal comes before the process has begun cancels the build all the same (#where: #call, noCancel: #noCancel)'() {
        given: 'the binary notices nothing: it ends by itself, or Jenkins gives it up'
        Closure before = jenkins.shell
        jenkins.shell = { Shell shell ->
            before(shell)
            if (verb(shell) == 'trigger' || verb(shell) == 'wait' && where == 'on an agent') {
                throw new FlowInterruptedException()
            }
            0
        }
        polls = [running(60)]

        when:
        jenkins.run(where == 'on an agent' ? "node { $call, noCancel: $noCancel) }" : "$call, noCancel: $noCancel)")

        then:
        jenkins.result == 'ABORTED'
        jenkins.failure instanceof FlowInterruptedException
        verbs == [call.startsWith('trigger') ? 'trigger' : 'wait'] + (noCancel ? [] : ['cancel'])
        noCancel || seen.last().environment.CIBRIDGE_BUILD == BUILD.id
        jenkins.leftovers.empty

        where:
        where             | call                             | noCancel
        'outside of node' | TRIGGER                          | false
        'outside of node' | TRIGGER                          | true
        'on an agent'     | TRIGGER                          | false
        'on an agent'     | TRIGGER                          | true
        'on an agent'     | "waitForCodemagic('$BUILD.id'"   | false
        'on an agent'     | "waitForCodemagic('$BUILD.id'"   | true
    }

    @Unroll
    def 'a build that the binary itself canceled when it was aborted is not canceled again (#where)'() {
        given:
        jenkins.shell = { Shell shell ->
            seen << shell
            shell.answer(document(outcome: 'interrupted', exit_code: 143))
            throw new FlowInterruptedException()
        }

        when:
        jenkins.run(where == 'on an agent' ? "node { $TRIGGER) }" : "$TRIGGER)")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['trigger']

        where:
        where << ['on an agent', 'outside of a node']
    }

    def 'a start that does not wait leaves the build that it has started'() {
        given:
        Closure before = jenkins.shell
        jenkins.shell = { Shell shell -> before(shell); throw new FlowInterruptedException() }

        when:
        jenkins.run("node { triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'main') }")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['trigger']
    }

    def 'a cancel that fails after an abort is reported, and the abort stays'() {
        given:
        polls = [running(60)]
        jenkins.faults.sleep = new FlowInterruptedException()
        Closure before = jenkins.shell
        jenkins.shell = { Shell call -> verb(call) == 'cancel' ? call.answer(document(exit_code: 13, outcome: 'unavailable', error: [message: 'no answer', hint: null])) : before(call) }

        when:
        jenkins.run("$TRIGGER)")

        then:
        jenkins.result == 'ABORTED'
        jenkins.console.any { it.contains("Codemagic build $BUILD.id could not be canceled and may still be running") && it.contains('no answer') }
    }

    @Unroll
    def 'a time limit is the business of the binary (propagate: #propagate)'() {
        given: 'it says when to poll, and cancels a build that passed the limit'
        polls = [running(1170), [outcome: 'timed_out', exit_code: 6, build: BUILD + [number: 8], error: [message: 'Codemagic build 8: did not end within 20m; canceled', hint: 'raise timeout']]]

        when:
        jenkins.run("return $TRIGGER, timeout: '20m', runTimeout: '10m', propagate: $propagate)")

        then:
        pauses == [30, 1170]
        verbs == ['trigger', 'wait', 'wait']
        seen*.environment*.CIBRIDGE_TIMEOUT == ['20m'] * 3
        seen*.environment*.CIBRIDGE_RUN_TIMEOUT == ['10m'] * 3
        if (propagate) {
            assert complaint == 'triggerCodemagic: Codemagic build 8: did not end within 20m; canceled. Hint: raise timeout'
        } else {
            assert jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'timed_out', exitCode: 6]
        }

        where:
        propagate << [true, false]
    }

    def 'the first pause is the one that the start names'() {
        given:
        Closure before = jenkins.shell
        jenkins.shell = { Shell call -> verb(call) == 'trigger' ? call.answer(document(next_poll_seconds: 7)) : before(call) }

        when:
        jenkins.run("$TRIGGER, timeout: '7s')")

        then:
        pauses == [7]
    }

    def 'a build that was started before is polled at once'() {
        given:
        polls = [running(40), [outcome: 'success', build: BUILD + [number: 8]]]

        when:
        jenkins.run("return waitForCodemagic('latest')")

        then:
        jenkins.returned.number == 8
        pauses == [40]
        seen*.environment*.CIBRIDGE_BUILD == ['latest', BUILD.id]
    }

    @Unroll
    def 'a build that ends as #outcome ends the stage as #result'() {
        given:
        polls = [[outcome: outcome, exit_code: code, build: BUILD + [number: 8]]]

        when:
        jenkins.run("waitForCodemagic('$BUILD.id')")

        then:
        jenkins.result == result
        jenkins.console[-2].contains("waitForCodemagic: Codemagic build 8: $outcome")

        when:
        jenkins.result = 'SUCCESS'
        jenkins.run("return waitForCodemagic('$BUILD.id', propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == outcome

        where:
        code | outcome        | result
        1    | 'failed'       | 'FAILURE'
        3    | 'unstable'     | 'UNSTABLE'
        4    | 'canceled'     | 'FAILURE'
        7    | 'wrong_commit' | 'FAILURE'
    }

    def 'the page of the build stands in the description once, and from the start'() {
        given:
        polls = [running(240), running(45), [outcome: 'success', build: BUILD + [number: 8]]]
        jenkins.faults.sleep = { StepCall call -> assert jenkins.buildProperties.description; null }

        when:
        jenkins.run("$TRIGGER, description: true)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.buildProperties.description == "Codemagic build $BUILD.id: $PAGE"
    }

    def 'an abort between the start and the first pause cancels the build'() {
        given:
        jenkins.faults.deleteDir = { StepCall call -> verbs.size() == 1 ? new FlowInterruptedException() : null }

        when:
        jenkins.run("$TRIGGER)")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['trigger', 'cancel']
        seen[1].environment.CIBRIDGE_BUILD == BUILD.id
    }

    def 'an agent that is lost three times in one call is no agent to wait for'() {
        given:
        polls = [running(60)]
        lost = [2, 3, 4]

        when:
        jenkins.run("$TRIGGER)")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['trigger', 'wait', 'wait', 'wait', 'cancel']
    }

    def 'a refused start fails at once'() {
        given:
        answering(outcome: 'refused', exit_code: 10, build: null, error: [message: 'the key was refused', hint: null])

        when:
        jenkins.run("$TRIGGER, propagate: false)")

        then:
        complaint == 'triggerCodemagic: the key was refused'
        pauses == []
    }

    @Unroll
    def 'files need a workspace: #argument'() {
        when:
        jenkins.run("$TRIGGER, $argument)")

        then:
        complaint.startsWith("triggerCodemagic: ${argument.takeWhile { it != ':' }} needs a workspace, and there is none outside a node.")
        seen.empty

        where:
        argument << ["artifacts: '*.ipa'", "artifactsDir: 'out'", "junit: 'tests.xml'"]
    }

    @Unroll
    def 'on an agent the binary cancels the build that is waited for, unless noCancel is set (#argument, #variable)'() {
        given:
        jenkins.buildEnvironment.putAll(variable ? [CIBRIDGE_NO_CANCEL: variable] : [:])

        when:
        step("waitForCodemagic('$BUILD.id'$argument)")

        then:
        binary.environment.CIBRIDGE_CANCEL == cancel

        where:
        argument            | variable | cancel
        ''                  | null     | 'true'
        ', noCancel: true'  | null     | 'false'
        ''                  | 'yes'    | 'false'
        ''                  | 'no'     | 'true'
        ', noCancel: false' | 'yes'    | 'true'
    }

    @Unroll
    def 'a variable cannot make a wait end before the build has (#where)'() {
        given:
        jenkins.buildEnvironment.putAll(CIBRIDGE_ONCE: 'true', CIBRIDGE_WAITING_SINCE: '5')

        when:
        jenkins.run(where == 'on an agent' ? "node { waitForCodemagic('$BUILD.id') }" : "waitForCodemagic('$BUILD.id')")

        then:
        jenkins.result == 'SUCCESS'
        binary.environment.CIBRIDGE_ONCE == null
        binary.environment.CIBRIDGE_WAITING_SINCE == (where == 'on an agent' ? null : jenkins.now.toString())
        commands == ['codemagic wait' + (where == 'on an agent' ? '' : ' --once')]

        where:
        where << ['on an agent', 'outside of a node']
    }

    def 'on an agent the binary waits'() {
        when:
        step("waitForCodemagic('$BUILD.id', artifacts: ['*.ipa', '*.apk'], artifactsDir: 'out', junit: 'tests.xml', timeout: '1h')")

        then:
        jenkins.result == 'SUCCESS'
        commands == ['codemagic wait']
        binary.environment.subMap('CIBRIDGE_BUILD', 'CIBRIDGE_ARTIFACTS', 'CIBRIDGE_ARTIFACTS_DIR', 'CIBRIDGE_JUNIT', 'CIBRIDGE_TIMEOUT') ==
            [CIBRIDGE_BUILD: BUILD.id, CIBRIDGE_ARTIFACTS: '*.ipa\n*.apk', CIBRIDGE_ARTIFACTS_DIR: 'out', CIBRIDGE_JUNIT: 'tests.xml', CIBRIDGE_TIMEOUT: '1h']
    }

    // --- The callback.

    def 'the callback ends the slow polls, and the end is near'() {
        given:
        jenkins.answers << "Codemagic-$BUILD.id".toString()
        polls = [running(10), [outcome: 'success', build: BUILD + [number: 8]]]

        when:
        jenkins.run("return waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.number == 8
        pauses == [5, 10]
        seen*.environment*.CIBRIDGE_POLL_INTERVAL == ['10s', '10s']
    }

    def 'a callback that the polls do not notice ends them before the next pause'() {
        given:
        jenkins.answers << "Codemagic-$BUILD.id".toString()
        jenkins.interruptionsLost = 1
        polls = [running(600), running(10), [outcome: 'success', build: BUILD + [number: 8]]]

        when:
        jenkins.run("return waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.number == 8
        pauses == [5, 10]
    }

    def 'a build that never calls back is noticed by the slow polls'() {
        given:
        polls = [running(600), [outcome: 'failed', exit_code: 1, build: BUILD + [number: 8]]]

        when:
        jenkins.run("return waitForCodemagic('$BUILD.id', callback: true, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == 'failed'
        verbs == ['wait', 'wait']
        pauses == [600]
        seen*.environment*.CIBRIDGE_POLL_INTERVAL == ['10m', '10m']
    }

    def 'an abort while it waits for the callback cancels the build'() {
        given:
        polls = [running(600)]
        jenkins.faults.sleep = new FlowInterruptedException()

        when:
        jenkins.run("waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['wait', 'cancel']
    }

    def 'an abort that comes twice, from parallel as well, cancels the build all the same'() {
        given: 'the second one meets the call that cancels'
        polls = [running(600)]
        jenkins.faults.sleep = new FlowInterruptedException()
        int calls = 0
        jenkins.faults.node = { StepCall call -> ++calls == 2 ? new FlowInterruptedException() : null }

        when:
        jenkins.run("waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['wait', 'cancel']
    }

    def 'a poll that fails beside the callback fails the stage'() {
        given:
        answering(outcome: 'refused', exit_code: 10, error: [message: 'the key was refused', hint: null])

        when:
        jenkins.run("waitForCodemagic('$BUILD.id', callback: true)")

        then:
        complaint == 'waitForCodemagic: the key was refused'
    }

    def 'the callback needs no agent'() {
        when:
        step("waitForCodemagic('$BUILD.id', callback: true)")

        then:
        complaint.startsWith('waitForCodemagic: callback waits without an agent')
    }
}
