package specs

import lab.Jenkins
import lab.Shell
import lab.Simulator
import spock.lang.AutoCleanup
import spock.lang.Shared
import spock.lang.Specification
import spock.lang.Unroll

/** Every example runs as it stands: the real binary against the simulator, as a trusted and as a sandboxed library. */
class ExamplesSpec extends Specification {
    static final File FOLDER = new File(System.getProperty('repository'), 'jenkins-lib/examples')
    static final String APP = '6a93a352009dcdab34b3feff'
    static final String KEY = 'cm-secret-0123456789abcdef'
    /** Example -> number of builds it starts. */
    static final Map<String, Integer> STARTS = [
        'cancel-on-abort': 1, 'codemagic-page-after': 1, 'credentials': 3, 'declarative': 1, 'release-tag': 1, 'scripted': 1,
        'no-executor': 1, 'callback': 1, 'fan-out': 4, 'archive': 1, 'remote-jenkins': 0, 'retry': 1,
    ]

    /** What the binary says of a job on another controller; RealBinarySpec starts a real one. */
    static final Map REMOTE = [schema: 1, provider: 'jenkins', outcome: 'success', exit_code: 0, build: [id: 'team/deploy#7', number: 7, url: 'https://ci.example.com/job/team/job/deploy/7/']]

    @Shared
    @AutoCleanup
    Simulator simulator = new Simulator(['--app', APP, '--workflow', 'ios-release', '--key', KEY, '--speed', '1000'])

    @AutoCleanup
    Jenkins jenkins

    def setup() {
        simulator.reset()
    }

    private Jenkins run(String example, Map settings = [:]) {
        jenkins = new Jenkins([
            shell: { Shell call -> call.script.contains(' jenkins ') ? call.answer(REMOTE) : call.script.contains('codemagic') ? call.execute() : 0 },
            credentials: ['codemagic-api-key', 'codemagic-mobile-team', 'sentry-token'].collectEntries { [(it): [kind: 'string', secret: it == 'sentry-token' ? 'sentry-secret' : KEY]] }
                + ['jenkins-api-token': [kind: 'usernamePassword', user: 'robot', secret: 'remote-secret']],
            params: [RELEASE: 'v1.0.0', COMMIT: ''],
            buildEnvironment: [
                CIBRIDGE_BIN: Simulator.binary, CODEMAGIC_API_URL: simulator.ready.v3, CODEMAGIC_LEGACY_API_URL: simulator.ready.legacy, CIBRIDGE_POLL_INTERVAL: '5ms',
            ],
        ] + settings)
        jenkins.run(new File(FOLDER, "${example}.Jenkinsfile").getText('UTF-8'))
    }

    def 'every example is tested'() {
        expect:
        FOLDER.list().sort() == ((STARTS.keySet() + 'codemagic-page-before').collect { it + '.Jenkinsfile' } + 'callback.codemagic.yaml').sort()
    }

    def 'the handbook names every example and nothing that does not exist'() {
        given:
        String handbook = new File(FOLDER.parentFile, 'README.md').getText('UTF-8')

        expect:
        FOLDER.list().findAll { !handbook.contains("(examples/$it)") } == []
        handbook.findAll(/\]\(([^)]+)\)/) { it[1] }.findAll { !new File(FOLDER.parentFile, it).exists() } == []
    }

    @Unroll
    def '#example runs (sandboxed library: #sandboxed)'() {
        when:
        run(example, [trustedLibrary: !sandboxed])

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds.size() == starts
        jenkins.leftovers.empty

        where:
        [example, starts, sandboxed] << STARTS.collectMany { example, starts -> [[example, starts, true], [example, starts, false]] }
    }

    def 'the page of Codemagic: before and after ask for the same build'() {
        when: 'curl is played by the shell'
        run('codemagic-page-before', [sandbox: false, shell: { Shell call -> call.print('{"buildId": "6a941a0014bf8ccd332f2844"}\nHTTP_CODE:200\n') }])

        then:
        jenkins.result == 'SUCCESS'
        jenkins.console[0] == "Codemagic build triggered: https://codemagic.io/app/$APP/build/6a941a0014bf8ccd332f2844"
        Map before = new groovy.json.JsonSlurper().parseText((jenkins.called('sh')[0].text('script') =~ /(?s)-d '(.*)'/)[0][1]) as Map

        when:
        jenkins.close()
        run('codemagic-page-after')

        then:
        Map after = simulator.builds[0].request
        after.subMap('app_id', 'workflow_id', 'branch', 'variables', 'groups') ==
            [app_id: before.appId, workflow_id: before.workflowId, branch: before.branch, variables: before.environment.variables, groups: before.environment.groups]
    }

    def 'declarative: the build says what was asked for, and the description has its page'() {
        when:
        run('declarative')

        then:
        Map request = simulator.builds[0].request
        request.variables == [FLAVOR: 'prod', JENKINS_BUILD: '7', NOTE: 'quotes "like these" and $signs need no care']
        request.inputs == [upload: true, buildNumber: 412]
        request.labels.contains('jenkins-jenkins-mobile-7')
        jenkins.buildProperties.description == "Codemagic build 1: https://codemagic.io/app/$APP/build/${simulator.builds[0].id}"
    }

    def 'scripted: a build that somebody cancelled leaves the pipeline green, a failed one does not'() {
        when:
        simulator.control('POST', 'plan', [status: 'canceled', times: 1])
        run('scripted')

        then:
        jenkins.result == 'SUCCESS'
        jenkins.console.any { it.startsWith('Somebody cancelled it') }

        when:
        jenkins.close()
        simulator.reset()
        simulator.control('POST', 'plan', [steps: [[name: 'Build ipa', status: 'failed']]])
        run('scripted')

        then:
        jenkins.failure.message.startsWith('The app was not built from commit ')
    }

    def 'cancel-on-abort: a failure in a later stage cancels the build'() {
        when:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])
        run('cancel-on-abort', [shell: { Shell call -> call.script.contains('codemagic') ? call.execute() : 2 }])

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message == 'script returned exit code 2'
        simulator.builds[0].cancels == 1
    }

    def 'release-tag: a retry takes over the build that runs already'() {
        given: 'the first call loses its agent just after the build was started'
        int call = 0

        when:
        run('release-tag', [shell: { Shell shell -> shell.execute() ?: (call++ ? 0 : { throw new IOException('agent lost') }()) }])

        then:
        jenkins.result == 'SUCCESS'
        call == 2
        simulator.builds.size() == 1
        simulator.builds[0].request.tag == 'v1.0.0'
    }

    def 'credentials: the second secret arrives and is in no log'() {
        when:
        run('credentials')

        then:
        simulator.builds[2].request.variables == [SENTRY_AUTH_TOKEN: 'sentry-secret']
        !jenkins.console.any { it.contains('sentry-secret') || it.contains(KEY) }
    }

    def 'no-executor: no agent is held while it waits, and the file is fetched afterwards'() {
        when:
        run('no-executor')

        then:
        List<String> order = jenkins.calls*.name.findAll { it in ['node', 'sleep', 'archiveArtifacts'] }
        order[0..2] == ['node', 'sleep', 'node']
        order.last() == 'archiveArtifacts'
        new File(jenkins.workspace, 'app').list().any { it.endsWith('.ipa') }
    }

    def 'archive: the files and the test results are in the workspace'() {
        when:
        run('archive')

        then:
        new File(jenkins.workspace, 'app').list().any { it.endsWith('.ipa') }
        jenkins.console.any { it ==~ /.*\.ipa: \d+ bytes, sha256 [0-9a-f]{64}/ }
        new File(jenkins.workspace, 'tests/codemagic.xml').text.contains('<testcase ')
        jenkins.called('junit')*.text('testResults') == ['tests/codemagic.xml']
        jenkins.called('archiveArtifacts')*.text('artifacts') == ['app/*']
    }

    def 'fan-out: one line for each build, and each has its own variables'() {
        when:
        run('fan-out')

        then:
        simulator.builds*.request*.variables*.CUSTOMER.sort() == ['acme', 'globex', 'initech', 'umbrella']
        simulator.builds*.request*.variables*.JENKINS_BUILD.toSet() == ['7'] as Set
        jenkins.console.count { it ==~ /triggerCodemagic: \d of 4: Codemagic build \d+: success .*/ } == 4
    }

    def 'callback: the script of Codemagic answers the question that the pipeline asks'() {
        given:
        String yaml = new File(FOLDER, 'callback.codemagic.yaml').getText('UTF-8')

        when:
        run('callback')

        then:
        simulator.builds[0].request.variables.JENKINS_BUILD_URL == 'https://jenkins.example.com/job/mobile/7/'
        jenkins.called('input')*.text('id') == ["Codemagic-${simulator.builds[0].id}".toString()]
        yaml.contains('cibridge jenkins input "$JENKINS_BUILD_URL" "Codemagic-$CM_BUILD_ID" --proceed')
    }
}
