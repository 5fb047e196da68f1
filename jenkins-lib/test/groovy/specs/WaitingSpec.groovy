package specs

import groovy.json.JsonSlurper
import lab.AgentLost
import lab.Shell
import lab.StepCall
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** Waiting without holding an executor, and the callback. */
class WaitingSpec extends LibrarySpecification {
    static final String TRIGGER = "triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main', wait: true, agentLabel: 'small'"

    /** What the binary answers to the looks, one after the other; the last one stays. */
    List<Map> looks = [[outcome: 'success', exit_code: 0, build: BUILD + [number: 8, status: 'finished']]]
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
            String verb = call.script.find(/codemagic (\w+)/) { it[1] }
            call.answer(document(verb == 'trigger' ? [:] : verb == 'cancel' ? [outcome: 'success'] : looks.size() > 1 ? looks.remove(0) : looks[0]))
        }
    }

    private List<String> getVerbs() {
        seen*.script*.find(/codemagic (\w+)/) { it[1] }
    }

    private List<Integer> getPauses() {
        jenkins.called('sleep')*.getAt('time')*.intValue()
    }

    private static Map running(Integer next) {
        [outcome: 'running', exit_code: 0, next_look_seconds: next, build: BUILD + [status: 'building']]
    }

    def 'starts on an agent, gives it back, and looks when the binary says that it is worth while'() {
        given:
        looks = [running(240), running(45), [outcome: 'success', build: BUILD + [number: 8, status: 'finished', commit: 'c0ffee']]]

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

        and: 'the start does not wait, and a look is one look'
        seen[0].environment.CIBRIDGE_WAIT == 'false'
        seen[1].environment.CIBRIDGE_ONCE == 'true'
        seen[1].environment.CIBRIDGE_BUILD == BUILD.id
        !seen[1].environment.CIBRIDGE_REQUEST
    }

    def 'without a label any agent will do'() {
        when:
        jenkins.run("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.called('node')*.arguments == [[:], [:]]
    }

    def 'a lost agent repeats the call with the same key, so that there is one build'() {
        given:
        lost = [1, 3]

        when:
        jenkins.run("return $TRIGGER)")

        then:
        jenkins.result == 'SUCCESS'
        verbs == ['trigger', 'trigger', 'wait', 'wait']
        seen[0].environment.CIBRIDGE_IDEMPOTENCY_KEY ==~ /jenkins-[0-9a-f-]{36}/
        seen[0].environment.CIBRIDGE_IDEMPOTENCY_KEY == seen[1].environment.CIBRIDGE_IDEMPOTENCY_KEY
        new JsonSlurper().parseText(jenkins.called('writeFile')[0].text('text')) == [app_id: 'app-1', workflow_id: 'ios', branch: 'main']
    }

    def 'a key that is given is the one that is used'() {
        when:
        jenkins.run("$TRIGGER, idempotencyKey: 'release-1')")

        then:
        seen[0].environment.CIBRIDGE_IDEMPOTENCY_KEY == 'release-1'
    }

    @Unroll
    def 'an abort #when cancels the build once and stays an abort (noCancel: #noCancel)'() {
        given:
        looks = [running(60)]
        int pauses = 0
        int looked = 0
        jenkins.faults.sleep = { StepCall call -> when == 'in the sleep' && ++pauses == 2 ? new FlowInterruptedException() : null }
        jenkins.faults.sh = { StepCall call -> call.text('script').contains('wait') && when == 'in a look' && ++looked == 2 ? new FlowInterruptedException() : null }

        when:
        jenkins.run("$TRIGGER, noCancel: $noCancel)")

        then:
        jenkins.result == 'ABORTED'
        jenkins.failure instanceof FlowInterruptedException
        verbs == ['trigger', 'wait'] + (noCancel ? [] : ['cancel'])
        noCancel || seen.last().environment.CIBRIDGE_BUILD == BUILD.id

        where:
        [when, noCancel] << [['in the sleep', 'in a look'], [false, true]].combinations()
    }

    def 'a cancel that fails after an abort is told, and the abort stays'() {
        given:
        looks = [running(60)]
        jenkins.faults.sleep = new FlowInterruptedException()
        Closure before = jenkins.shell
        jenkins.shell = { Shell call -> call.script.contains('cancel') ? call.answer(document(exit_code: 13, outcome: 'unavailable', error: [message: 'no answer', hint: null])) : before(call) }

        when:
        jenkins.run("$TRIGGER)")

        then:
        jenkins.result == 'ABORTED'
        jenkins.console.any { it.contains("Codemagic build $BUILD.id could not be cancelled and may still run") && it.contains('no answer') }
    }

    @Unroll
    def 'a passed time limit cancels the build (propagate: #propagate, noCancel: #noCancel)'() {
        given:
        looks = [running(3600)]

        when:
        jenkins.run("return $TRIGGER, timeout: '20m', propagate: $propagate, noCancel: $noCancel)")

        then: 'the second look is the last one, at the limit'
        pauses == [30, 1170]
        verbs == ['trigger', 'wait', 'wait'] + (noCancel ? [] : ['cancel'])
        seen[1].environment.CIBRIDGE_TIMEOUT == null
        if (propagate) {
            assert complaint.startsWith("triggerCodemagic: Codemagic build $BUILD.id: passed the limit of 20m; it was ${noCancel ? 'left alone' : 'cancelled'}")
        } else {
            assert jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'timed_out', exitCode: 6]
        }

        where:
        [propagate, noCancel] << [[true, false], [true, false]].combinations()
    }

    @Unroll
    def 'reads the time limit as the binary does: #text'() {
        given:
        looks = [running(100_000)]

        when:
        jenkins.run("waitForCodemagic('$BUILD.id', timeout: '$text')")

        then:
        complaint.contains(seconds ? "passed the limit of $text; it was cancelled" : "timeout: '$text' is not a time")
        pauses.sum(0) == seconds

        where:
        text     | seconds
        '90'     | 90
        '10s'    | 10
        '30m'    | 1800
        '1h'     | 3600
        '1m 30s' | 90
        'soon'   | 0
        '10 parsecs' | 0
    }

    @Unroll
    def 'a build that #words ends the stage as #result'() {
        given:
        looks = [[outcome: outcome, exit_code: code, build: BUILD + [number: 8]]]

        when:
        jenkins.run("waitForCodemagic('$BUILD.id')")

        then:
        jenkins.result == result
        jenkins.console[-2].contains("waitForCodemagic: Codemagic build 8 $words")

        when:
        jenkins.result = 'SUCCESS'
        jenkins.run("return waitForCodemagic('$BUILD.id', propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == outcome

        where:
        code | outcome        | result     | words
        1    | 'failed'       | 'FAILURE'  | 'failed'
        3    | 'unstable'     | 'UNSTABLE' | 'is unstable'
        4    | 'cancelled'    | 'FAILURE'  | 'was cancelled'
        7    | 'wrong_commit' | 'FAILURE'  | 'is of another commit'
    }

    def 'a time limit that cannot be read starts nothing'() {
        when:
        jenkins.run("$TRIGGER, timeout: 'soon')")

        then:
        complaint == "triggerCodemagic: timeout: 'soon' is not a time. Write it like 90s, 30m or 1h."
        seen.empty
    }

    def 'the page of the build stands in the description once, and from the start'() {
        given:
        looks = [running(240), running(45), [outcome: 'success', build: BUILD + [number: 8]]]
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
        looks = [running(60)]
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

    def 'on an agent the binary waits'() {
        when:
        step("waitForCodemagic('$BUILD.id', artifacts: ['*.ipa', '*.apk'], artifactsDir: 'out', junit: 'tests.xml', timeout: '1h')")

        then:
        jenkins.result == 'SUCCESS'
        only('sh').text('script') == 'exec "$CIBRIDGE_BIN" codemagic wait "$CIBRIDGE_BUILD"'
        binary.environment.subMap('CIBRIDGE_BUILD', 'CIBRIDGE_ARTIFACTS', 'CIBRIDGE_ARTIFACTS_DIR', 'CIBRIDGE_JUNIT', 'CIBRIDGE_TIMEOUT') ==
            [CIBRIDGE_BUILD: BUILD.id, CIBRIDGE_ARTIFACTS: '*.ipa\n*.apk', CIBRIDGE_ARTIFACTS_DIR: 'out', CIBRIDGE_JUNIT: 'tests.xml', CIBRIDGE_TIMEOUT: '1h']
        !binary.environment.containsKey('CIBRIDGE_ONCE')
    }

    // --- The callback.

    def 'the callback ends the slow looks, and the build is followed to its end'() {
        given:
        jenkins.answers << "Codemagic-$BUILD.id".toString()
        looks = [running(500), [outcome: 'success', build: BUILD + [number: 8]]]

        when:
        jenkins.run("return waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.number == 8
        verbs == ['wait', 'wait']
        pauses == [600, 5, 30]
    }

    def 'a callback that the looks do not notice ends them before the next pause'() {
        given:
        jenkins.answers << "Codemagic-$BUILD.id".toString()
        jenkins.interruptionsLost = 1
        looks = [running(500), running(500), [outcome: 'success', build: BUILD + [number: 8]]]

        when:
        jenkins.run("return waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.number == 8
        pauses == [600, 5, 30]
    }

    def 'a build that never calls back is noticed by the slow looks'() {
        given:
        looks = [running(40), [outcome: 'failed', exit_code: 1, build: BUILD + [number: 8]]]

        when:
        jenkins.run("return waitForCodemagic('$BUILD.id', callback: true, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == 'failed'
        verbs == ['wait', 'wait']
        pauses == [600, 600]
    }

    def 'an abort while it waits for the callback cancels the build'() {
        given:
        jenkins.faults.sleep = new FlowInterruptedException()

        when:
        jenkins.run("waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['cancel']
    }

    def 'an abort that comes twice, from parallel as well, cancels the build all the same'() {
        given: 'the second one meets the call that cancels'
        jenkins.faults.sleep = new FlowInterruptedException()
        int calls = 0
        jenkins.faults.node = { StepCall call -> ++calls == 1 ? new FlowInterruptedException() : null }

        when:
        jenkins.run("waitForCodemagic('$BUILD.id', callback: true)")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['cancel']
    }

    def 'a look that goes wrong beside the callback fails the stage'() {
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
