package specs

import lab.AgentLost
import lab.Shell
import lab.StepCall
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** Waiting for a job on another Jenkins without holding an executor. */
class WaitingForJenkinsSpec extends LibrarySpecification {
    static final String URL = 'https://ci.example.com/jenkins'
    static final Map QUEUED = BUILD + [id: 'queue/item/5', url: "$URL/queue/item/5/".toString(), status: 'queued']
    static final Map BUILT = BUILD + [id: 'team/app#7', number: 7, url: "$URL/job/team/job/app/7/".toString(), status: 'building']

    /** What the binary answers to the looks, one after the other; the last one stays. */
    List<Map> looks = [[outcome: 'success', build: BUILT]]
    Map start = [:]
    List<Integer> lost = []

    def setup() {
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: 'robot', secret: 'token-0123456789']
        jenkins.shell = { Shell call ->
            seen << call
            if (lost.contains(seen.size())) {
                throw new AgentLost()
            }
            String verb = call.script.find(/jenkins (\w+)/) { it[1] }
            Map changes = verb == 'trigger' ? [build: QUEUED] + start : verb == 'stop' ? [outcome: 'success', build: BUILT] : looks.size() > 1 ? looks.remove(0) : looks[0]
            call.answer(document([provider: 'jenkins'] + changes))
        }
    }

    private List<String> getVerbs() {
        seen*.script*.find(/jenkins (\w+)/) { it[1] }
    }

    private void away(String more = '') {
        jenkins.run("return triggerJenkins(url: '$URL', job: 'team/app', branch: 'feature/x', wait: true, agentLabel: 'small'$more)")
    }

    private static Map queued(Integer next = 30) {
        [outcome: 'running', build: QUEUED, next_look_seconds: next]
    }

    private static Map running(Integer next) {
        [outcome: 'running', build: BUILT, next_look_seconds: next]
    }

    def 'starts on an agent, gives it back, and follows the queue item and then the build'() {
        given:
        looks = [queued(), running(400), [outcome: 'success', build: BUILT + [status: 'SUCCESS']]]

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

        and: 'the start does not wait, and a look is one look at what is there'
        seen[0].environment.CIBRIDGE_WAIT == 'false'
        seen*.environment*.CIBRIDGE_BUILD == [null, QUEUED.url, QUEUED.url, BUILT.url]
        seen*.environment*.CIBRIDGE_ONCE == [null, 'true', 'true', 'true']
        seen*.environment*.CIBRIDGE_PARAMS_FROM.collect { it != null } == [true, false, false, false]
        seen*.script.drop(1).unique() == ['exec "$CIBRIDGE_BIN" jenkins wait "$CIBRIDGE_BUILD"']

        and: 'by its job and branch a build is found whose queue item is forgotten'
        seen*.environment*.subMap('CIBRIDGE_JENKINS_URL', 'CIBRIDGE_JOB', 'CIBRIDGE_BRANCH', 'JENKINS_USER_ID').unique() ==
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
        seen.take(2)*.environment*.CIBRIDGE_IDEMPOTENCY_KEY == [given, key]
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
        looks = [running(60)]
        int pauses = 0
        int looked = 0
        jenkins.faults.sleep = { StepCall call -> when == 'in the sleep' && ++pauses == 2 ? new FlowInterruptedException() : null }
        jenkins.faults.sh = { StepCall call -> call.text('script').contains('wait') && when == 'in a look' && ++looked == 2 ? new FlowInterruptedException() : null }

        when:
        away(", noCancel: $noCancel")

        then:
        jenkins.result == 'ABORTED'
        verbs == ['trigger', 'wait'] + (noCancel ? [] : ['stop'])
        noCancel || seen.last().environment.CIBRIDGE_BUILD == BUILT.url
        jenkins.console.any { it == 'triggerJenkins: aborted; ' + (noCancel ? 'Jenkins build team/app#7 is left alone' : 'cancelling Jenkins build team/app#7') }

        where:
        [when, noCancel] << [['in the sleep', 'in a look'], [false, true]].combinations()
    }

    @Unroll
    def 'a build that waited already is somebody else\'s and left alone (#given, lost: #lostCalls)'() {
        given:
        start = [adopted: true]
        lost = lostCalls
        jenkins.faults.sleep = new FlowInterruptedException()

        when:
        away(given ? ", idempotencyKey: '$given'" : '')

        then:
        jenkins.result == 'ABORTED'
        verbs.contains('stop') == stopped

        where: 'what was taken over by a key is ours'
        given | lostCalls | stopped
        null  | []        | false
        'k'   | []        | true
        null  | [1]       | true
    }

    def 'a passed time limit stops the build'() {
        given:
        looks = [running(3600)]

        when:
        away(", timeout: '20m'")

        then:
        verbs == ['trigger', 'wait', 'wait', 'stop']
        complaint.startsWith('triggerJenkins: Jenkins build team/app#7: passed the limit of 20m; it was cancelled')
    }

    @Unroll
    def 'a build that ends as #outcome ends the stage as #result'() {
        given:
        looks = [[outcome: outcome, exit_code: code, build: BUILT]]

        when:
        away()

        then:
        jenkins.result == result

        where:
        code | outcome     | result
        1    | 'failed'    | 'FAILURE'
        3    | 'unstable'  | 'UNSTABLE'
        4    | 'cancelled' | 'FAILURE'
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
        'console: true'       | 'shows the log from an agent that is held, and outside a node none is.'
        "artifacts: '*.ipa'"  | 'needs a workspace, and there is none outside a node. Leave it out here, and fetch the files inside a node afterwards: cibridge jenkins artifacts.'
    }

    def 'outside a node a start alone asks for an agent'() {
        when:
        jenkins.run("triggerJenkins(job: 'a')")

        then:
        complaint == 'triggerJenkins: no agent here to run cibridge on. Put the step inside node { } or give the stage an agent.'
    }

    def 'outside a node a label is enough for a start alone'() {
        when:
        jenkins.run("return triggerJenkins(job: 'a', agentLabel: 'small')")

        then:
        jenkins.returned.outcome == 'started'
        verbs == ['trigger']
    }
}
