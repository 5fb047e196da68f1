package specs

import lab.Jenkins
import lab.Shell
import lab.Simulator
import spock.lang.AutoCleanup
import spock.lang.Specification
import spock.lang.Unroll

import java.time.Instant

/**
 * What waiting without an executor costs: the steps with the real binary against the simulator, whose clock moves
 * by what the pipeline sleeps and by what a call on an agent takes.
 */
class AllocationsSpec extends Specification {
    static final String APP = '6a93a352009dcdab34b3feff'
    static final String KEY = 'cm-secret-0123456789abcdef'
    /** Run times in seconds of successful builds of one workflow, as Codemagic recorded them, stretched to a quarter of an hour. */
    static final List<Double> RECORDED = [
        186.6, 192.4, 178.6, 178.9, 186.6, 183.6, 185.9, 180.9, 175.2, 196.2, 183.1, 209.9, 183.8, 178.1, 196.1, 185.8, 200.1, 199.0, 188.4, 196.8, 200.4,
    ].collect { it * 900 / 188 }
    /** Seconds from the wish for an agent to its release, as seen on an idle controller. */
    static final double CALL = 3

    @AutoCleanup
    Simulator simulator = new Simulator(['--app', APP, '--workflow', 'ios-release', '--key', KEY, '--jenkins-port', '0'])
    @AutoCleanup
    Jenkins jenkins = new Jenkins(
        buildEnvironment: [
            CIBRIDGE_BIN: Simulator.binary, CODEMAGIC_API_URL: simulator.ready.v3, CODEMAGIC_LEGACY_API_URL: simulator.ready.legacy,
            CODEMAGIC_APP_ID: APP, CODEMAGIC_WORKFLOW: 'ios-release', CODEMAGIC_BRANCH: 'main',
        ],
        passing: { double seconds -> advance(seconds) },
        shell: { Shell call -> advance(CALL / 2); int code = call.execute(); advance(CALL / 2); code })

    def setup() {
        simulator.control('POST', 'advance', [mode: 'manual'])
    }

    private void advance(double seconds) {
        simulator.control('POST', 'advance', [seconds: seconds])
    }

    private void history(List<Double> durations) {
        simulator.control('POST', 'history', [workflow_id: 'ios-release', branch: 'main', durations: durations])
    }

    /** A build that takes this long after eight seconds in the queue; its first step fails when asked. */
    private void planned(double seconds, boolean failing = false) {
        simulator.control('POST', 'plan', [queued_seconds: 8, initializing_seconds: 20, steps: [
            [name: 'Install', seconds: 100, status: failing ? 'failed' : 'success'], [name: 'Build ipa', seconds: seconds - 120],
        ]])
    }

    private int getAllocations() {
        jenkins.called('node').size()
    }

    private Map getBuild() {
        simulator.builds.find { it.id == jenkins.returned.id }
    }

    /** How long after its end the build was noticed, in simulated seconds. */
    private double getDelay() {
        java.time.Duration.between(Instant.parse(build.finished_at), Instant.parse(simulator.control('GET', 'state').now)).toMillis() / 1000
    }

    private void run() {
        jenkins.run("return triggerCodemagic(wait: true, agentLabel: 'small', propagate: false)")
        assert jenkins.result == 'SUCCESS': jenkins
        assert simulator.control('GET', 'state').counters.builds_started == 1
    }

    @Unroll
    def 'a build of #seconds seconds with history costs at most 8 allocations and is noticed soon'() {
        given:
        history(RECORDED - seconds)
        planned(seconds)

        when:
        run()

        then:
        jenkins.returned.outcome == 'success'
        allocations <= 8
        delay <= 60

        where: 'every recorded run time against the others as history'
        seconds << RECORDED
    }

    def 'a build that fails early is noticed on the way'() {
        given:
        history(RECORDED)
        planned(900, true)

        when:
        run()

        then:
        jenkins.returned.outcome == 'failed'
        allocations <= 3
        delay <= 600
    }

    @Unroll
    def 'a build of #seconds seconds that nothing foretells costs few allocations, and is noticed late by a tenth at most (history: #past)'() {
        given:
        if (past) {
            history(past)
        }
        planned(seconds)

        when:
        run()

        then:
        allocations <= most
        delay <= Math.max(40, seconds / 10 + CALL + 1)

        where:
        seconds | past     | most
        900     | []       | 24
        3600    | []       | 39
        3600    | RECORDED | 26
    }

    def 'a job on another Jenkins that is estimated costs at most 8 allocations as well'() {
        given:
        simulator.control('POST', 'jenkins/plan', [estimated_seconds: 900, steps: [[seconds: 895, text: 'done\n']]])
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: simulator.ready.jenkins_user, secret: simulator.ready.jenkins_token]

        when:
        jenkins.run("return triggerJenkins(url: '$simulator.ready.jenkins', job: 'pipeline', wait: true, agentLabel: 'small')")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == 'success'
        allocations <= 8
    }
}
