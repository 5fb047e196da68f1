package specs

import lab.AgentLost
import lab.Shell
import lab.StepCall
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** Waiting for a job on another Jenkins without holding an executor. */
class WaitingForJenkinsSpec extends LibrarySpecification {
    static final String URL = 'https://ci.example.com/jenkins'
    static final Map QUEUED = BUILD + [id: 'queue/item/5', title: 'Jenkins queue item 5', url: "$URL/queue/item/5/".toString(), status: 'queued']
    static final Map BUILT = BUILD + [id: 'team/app#7', title: 'Jenkins build team/app#7', number: 7, url: "$URL/job/team/job/app/7/".toString(), status: 'building']

    /** What the binary answers to the polls, one after the other; the last one stays. */
    List<Map> polls = [[outcome: 'success', build: BUILT]]
    Map start = [:]
    List<Integer> lost = []

    def setup() {
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: 'robot', secret: 'token-0123456789']
        jenkins.shell = { Shell call ->
            seen << call
            if (lost.contains(seen.size())) {
                throw new AgentLost()
            }
            String verb = verb(call)
            Map changes = verb == 'trigger' ? [build: QUEUED] + start : verb == 'stop' ? [outcome: 'success', build: BUILT] : polls.size() > 1 ? polls.remove(0) : polls[0]
            call.answer(document([provider: 'jenkins'] + changes))
        }
    }

    private static String verb(Shell call) {
        call.environment.CIBRIDGE_COMMAND.tokenize(' ')[1]
    }

    private List<String> getVerbs() {
        seen.collect { verb(it) }
    }

    private void away(String more = '') {
        jenkins.run("return triggerJenkins(url: '$URL', job: 'team/app', branch: 'feature/x', wait: true, agentLabel: 'small'$more)")
    }

    private static Map queued(Integer next = 30) {
        [outcome: 'running', build: QUEUED, next_poll_seconds: next]
    }

    private static Map running(Integer next) {
        [outcome: 'running', build: BUILT, next_poll_seconds: next]
    }

    def 'starts on an agent, gives it back, and polls the queue item and then the build'() {
        given:
        polls = [queued(), running(400), [outcome: 'success', build: BUILT + [status: 'SUCCESS']]]

        when:
        away(", parameters: [A: 'b'], description: true")

        then:
        jenkins.result == 'SUCCESS'
        verbs == ['trigger', 'wait', 'wait', 'wait']
        jenkins.called('sleep')*.getAt('time')*.intValue() == [30, 30, 400]
        jenkins.called('node')*.text('label') == ['small'] * 4
        jenkins.calls*.name.findAll { it in ['node', 'sh', 'sleep'] } == ['node', 'sh', 'sleep', 'node', 'sh', 'sleep', 'node', 'sh', 'sleep', 'node', 'sh']
        jenkins.returned.subMap('id', 'number', 'outcome', 'status') == [id: 'team/app#7', number: 7, outcome: 'success', status: 'SUCCESS']
        jenkins.leftovers.empty

        and: 'the start does not wait, and a poll is one poll of what is there'
        seen[0].environment.subMap('CIBRIDGE_WAIT', 'CIBRIDGE_WAIT_FOR_START') == [CIBRIDGE_WAIT: 'false', CIBRIDGE_WAIT_FOR_START: 'false']
        commands == ['jenkins trigger'] + ['jenkins wait --once'] * 3
        seen*.environment*.CIBRIDGE_BUILD == [null, QUEUED.url, QUEUED.url, BUILT.url]
        seen*.environment*.CIBRIDGE_REQUEST.collect { it != null } == [true, false, false, false]
        requests == [[job: 'team/app', branch: 'feature/x', parameters: [A: 'b']]]

        and: 'by its job and branch a build is found whose queue item is forgotten'
        seen.drop(1)*.environment*.subMap('CIBRIDGE_JENKINS_URL', 'CIBRIDGE_JOB', 'CIBRIDGE_BRANCH', 'JENKINS_USER_ID').unique() ==
            [[CIBRIDGE_JENKINS_URL: URL, CIBRIDGE_JOB: 'team/app', CIBRIDGE_BRANCH: 'feature/x', JENKINS_USER_ID: 'robot']]

        and: 'the page of a queue item does not last'
        jenkins.buildProperties.description == "Jenkins build team/app#7: $BUILT.url"
    }

    @Unroll
    def 'a lost agent repeats the start with its key, so that there is one build (#given)'() {
        given:
        lost = [1, 3]

        when:
        away(given ? ", idempotencyKey: '$given'" : '')

        then:
        jenkins.result == 'SUCCESS'
        verbs == ['trigger', 'trigger', 'wait', 'wait']
        String key = given ?: seen[0].environment.CIBRIDGE_MARKER
        given || key ==~ /jenkins-[0-9a-f-]{36}/
        requests*.idempotency_key == [given, key]
        seen[1].environment.CIBRIDGE_MARKER == null

        where:
        given << [null, 'release-1']
    }

    def 'a second start that has nothing to carry its key fails, and starts nothing'() {
        given:
        lost = [1]
        start = [outcome: 'refused', exit_code: 12, build: null, error: [message: 'starting job team/app: the job has no parameter that could carry the idempotency key', hint: 'give it one']]

        when:
        away(', propagate: false')

        then:
        verbs == ['trigger', 'trigger']
        complaint == 'triggerJenkins: starting job team/app: the job has no parameter that could carry the idempotency key. Hint: give it one'
    }

    @Unroll
    def 'an abort #when stops the build once and stays an abort (noCancel: #noCancel)'() {
        given:
        polls = [running(60)]
        int pauses = 0
        int polled = 0
        jenkins.faults.sleep = { StepCall call -> when == 'in the sleep' && ++pauses == 2 ? new FlowInterruptedException() : null }
        jenkins.faults.sh = { StepCall call -> jenkins.environmentNow().CIBRIDGE_COMMAND.contains('wait') && when == 'in a poll' && ++polled == 2 ? new FlowInterruptedException() : null }

        when:
        away(", noCancel: $noCancel")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['trigger', 'wait'] + (noCancel ? [] : ['stop'])
        noCancel || seen.last().environment.CIBRIDGE_BUILD == BUILT.url
        jenkins.console.any { it == 'triggerJenkins: aborted; ' + (noCancel ? 'Jenkins build team/app#7 is still running' : 'canceling Jenkins build team/app#7') }

        where:
        [when, noCancel] << [['in the sleep', 'in a poll'], [false, true]].combinations()
    }

    @Unroll
    def 'a build that waited already is somebody else\'s and left running (#given, lost: #lostCalls)'() {
        given:
        start = [adopted: true]
        lost = lostCalls
        jenkins.faults.sleep = new FlowInterruptedException()

        when:
        away(given ? ", idempotencyKey: '$given'" : '')

        then:
        jenkins.result == 'ABORTED'
        verbs.contains('stop') == stopped

        where: 'what was adopted by a key is ours'
        given | lostCalls | stopped
        null  | []        | false
        'k'   | []        | true
        null  | [1]       | true
    }

    @Unroll
    def 'a build that ends as #outcome ends the stage as #result'() {
        given:
        polls = [[outcome: outcome, exit_code: code, build: BUILT]]

        when:
        away()

        then:
        jenkins.result == result

        where:
        code | outcome     | result
        1    | 'failed'    | 'FAILURE'
        3    | 'unstable'  | 'UNSTABLE'
        4    | 'canceled'  | 'FAILURE'
    }

    @Unroll
    def 'what needs an agent that is held is refused: #argument'() {
        when:
        away(", $argument")

        then:
        complaint.startsWith("triggerJenkins: ${argument.takeWhile { it != ':' }} $why")
        seen.empty

        where:
        argument              | why
        "files: [A: 'a.txt']" | 'needs a workspace, and there is none outside a node.'
        'console: true'       | 'shows the log from an agent, and outside a node none is held.'
        "artifacts: '*.ipa'"  | 'needs a workspace, and there is none outside a node. Leave it out here, and call downloadJenkinsArtifacts(build.id) inside a node afterwards.'
    }

    def 'without wait it returns once the build has a number, and holds no agent until then'() {
        given:
        polls = [queued(60), running(400)]

        when:
        jenkins.run("return triggerJenkins(job: 'a', agentLabel: 'small')")

        then:
        jenkins.returned.subMap('id', 'number', 'outcome') == [id: 'team/app#7', number: 7, outcome: 'started']
        verbs == ['trigger', 'wait', 'wait']
        jenkins.called('sleep')*.getAt('time')*.intValue() == [30, 60]
    }

    def 'a build that has ended when it is first seen is still one that was started'() {
        given:
        polls = [[outcome: 'failed', exit_code: 1, build: BUILT]]

        when:
        jenkins.run("return triggerJenkins(job: 'a')")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.subMap('number', 'outcome', 'exitCode') == [number: 7, outcome: 'started', exitCode: 0]
        jenkins.returned.result.outcome == 'failed'
    }

    def 'with waitForStart: false it returns at once'() {
        when:
        jenkins.run("return triggerJenkins(job: 'a', waitForStart: false)")

        then:
        jenkins.returned.outcome == 'started'
        verbs == ['trigger']
    }

    def 'waits for a build that was started before'() {
        given:
        polls = [running(60), [outcome: 'success', build: BUILT]]

        when:
        jenkins.run("return waitForJenkins('team/app#7', url: '$URL')")

        then:
        jenkins.returned.outcome == 'success'
        seen*.environment*.CIBRIDGE_BUILD == ['team/app#7', BUILT.url]
        jenkins.called('sleep')*.getAt('time')*.intValue() == [60]
    }
}
