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
        'no-executor': 1, 'callback': 1, 'fan-out': 4, 'archive': 1, 'remote-jenkins': 0, 'retry': 1, 'remote-jenkins-no-executor': 0, 'matrix': 2,
        'multibranch': 1, 'tolerant': 1, 'white-label': 50, 'install-links': 1, 'remote-jenkins-stages': 0,
    ]
    /** What an agent has after `checkout scm`. */
    static final String COMMIT = 'c0ffee' * 6 + 'c0ff'
    static final Map<String, String> CHECKED_OUT = [PATH: System.getenv('PATH'), GIT_COMMIT: COMMIT]
    /** The controller that the examples name. */
    static final String ELSEWHERE = 'https://ci.example.com'

    @Shared
    @AutoCleanup
    Simulator simulator = new Simulator(['--app', APP, '--key', KEY, '--speed', '1000', '--jenkins-port', '0'] + ['ios-release', 'android-release', 'pull-request'].collectMany { ['--workflow', it] })

    @AutoCleanup
    Jenkins jenkins

    def setup() {
        simulator.reset()
        List<Map> parameters = ['CHANNEL', 'CIBRIDGE_ID'].collect { [name: it, kind: 'string', default: ''] } + [[name: 'DRY_RUN', kind: 'boolean', default: false]]
        simulator.control('POST', 'jenkins/job', [name: 'team/deploy', kind: 'pipeline', parameters: parameters])
    }

    private Jenkins run(String example, Map settings = [:]) {
        jenkins = new Jenkins([
            shell: { Shell call -> call.script.contains('CIBRIDGE_BIN') ? call.execute() : 0 },
            credentials: ['codemagic-api-key', 'codemagic-mobile-team', 'sentry-token'].collectEntries { [(it): [kind: 'string', secret: it == 'sentry-token' ? 'sentry-secret' : KEY]] }
                + ['jenkins-api-token': [kind: 'usernamePassword', user: simulator.ready.jenkins_user, secret: simulator.ready.jenkins_token]],
            savedEvery: example == 'white-label' ? 97 : 1,
            params: [RELEASE: 'v1.0.0', COMMIT: ''],
            buildEnvironment: [
                CIBRIDGE_BIN: Simulator.binary, CODEMAGIC_API_URL: simulator.ready.v3, CODEMAGIC_LEGACY_API_URL: simulator.ready.legacy, CIBRIDGE_POLL_INTERVAL: '5ms',
                BRANCH_NAME: 'main',
            ] + (settings.remove('variables') ?: [:]),
        ] + settings)
        jenkins.run(new File(FOLDER, "${example}.Jenkinsfile").getText('UTF-8').replace(ELSEWHERE, simulator.ready.jenkins))
    }

    def 'every example is tested'() {
        expect:
        FOLDER.list().sort() == ((STARTS.keySet() + 'codemagic-page-before').collect { it + '.Jenkinsfile' } + 'callback.codemagic.yaml').sort()
    }

    def 'the handbook names every example, and every link of its pages leads somewhere'() {
        given:
        List<File> pages = [new File(FOLDER.parentFile, 'README.md')] + (new File(FOLDER.parentFile, 'docs').listFiles() as List)

        expect:
        FOLDER.list().findAll { !pages[0].getText('UTF-8').contains("(examples/$it)") } == []
        pages.collectMany { File page ->
            page.getText('UTF-8').findAll(/\]\(([^)]+)\)/) { it[1] }.findAll { String link ->
                String path = link.tokenize('#')[0]
                File target = link.startsWith('#') ? page : new File(page.parentFile, path)
                !link.startsWith('https://') && !(target.exists() && (!link.contains('#') || anchors(target).contains(link.tokenize('#').last())))
            }.collect { "$page.name: $it" }
        } == []
    }

    private static List<String> anchors(File page) {
        page.getText('UTF-8').findAll(/(?m)^#+ (.*)$/) { it[1].toLowerCase().replaceAll(/[^a-z0-9 _-]/, '').replace(' ', '-') }
    }

    @Unroll
    def '#example runs (sandboxed library: #sandboxed)'() {
        given:
        simulator.control('POST', 'plan', [commit: COMMIT])

        when:
        run(example, [trustedLibrary: !sandboxed, agentEnvironment: CHECKED_OUT])

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
        request.variables == [FLAVOR: 'prod', JENKINS_BUILD: '7', NOTE: 'quotes "like these" and $signs are safe']
        request.inputs == [upload: true, buildNumber: 412]
        request.labels.contains('jenkins-jenkins-mobile-7')
        jenkins.buildProperties.description == "Codemagic build 1: https://codemagic.io/app/$APP/build/${simulator.builds[0].id}"
    }

    def 'scripted: a build that somebody canceled leaves the pipeline green, a failed one does not'() {
        when:
        simulator.control('POST', 'plan', [status: 'canceled', times: 1])
        run('scripted')

        then:
        jenkins.result == 'SUCCESS'
        jenkins.console.any { it.startsWith('Somebody canceled it') }

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
        run('cancel-on-abort', [shell: { Shell call -> call.script.contains('CIBRIDGE_BIN') ? call.execute() : 2 }])

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message == 'script returned exit code 2'
        simulator.builds[0].cancels == 1
    }

    def 'release-tag: a retry adopts the build that was started before'() {
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

    def 'no-executor: no agent is held while it waits, and the file is downloaded afterwards'() {
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
        jenkins.console.count { it ==~ /triggerCodemagic: \d of 4: Codemagic build \d+ succeeded .*/ } == 4
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

    def 'matrix: a build for each platform, and no agent is held'() {
        when:
        run('matrix')

        then:
        simulator.builds*.request*.workflow_id.sort() == ['android-release', 'ios-release']
        jenkins.calls*.name.findAll { it in ['node', 'sleep'] }.take(3) == ['node', 'sleep', 'node']
    }

    def 'multibranch: a pull request is built from its branch'() {
        given:
        simulator.control('POST', 'plan', [commit: COMMIT])

        when:
        run('multibranch', [agentEnvironment: CHECKED_OUT])

        then:
        simulator.builds[0].request.subMap('branch', 'workflow_id') == [branch: 'main', workflow_id: 'ios-release']

        when:
        jenkins.close()
        simulator.reset()
        run('multibranch', [agentEnvironment: CHECKED_OUT + [CHANGE_ID: '12', CHANGE_BRANCH: 'feature/ü $x']])

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds[0].request.subMap('branch', 'workflow_id') == [branch: 'feature/ü $x', workflow_id: 'pull-request']
        simulator.builds[0].labels.contains('pr-12')
    }

    def 'multibranch: a branch that is built at another commit than this one is canceled'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])

        when:
        run('multibranch', [agentEnvironment: CHECKED_OUT])

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message.contains('the branch moved')
        simulator.builds[0].cancels == 1
    }

    def 'tolerant: a failed app makes the pipeline unstable, and the rest is built'() {
        given:
        simulator.control('POST', 'plan', [steps: [[name: 'Build ipa', status: 'failed']]])

        when:
        run('tolerant')

        then:
        jenkins.result == 'UNSTABLE'
        jenkins.called('sh')*.text('script') == ['exec "$CIBRIDGE_BIN" $CIBRIDGE_COMMAND >/dev/null', 'make web']
        jenkins.console.any { it.contains('triggerCodemagic: Codemagic build 1 failed in step "Build ipa"') }
    }

    def 'white-label: fifty builds, eight at a time, without an agent in the pauses'() {
        given: 'one of them fails, and each takes a minute of the clock that the pauses move'
        simulator.control('POST', 'advance', [mode: 'manual'])
        simulator.control('POST', 'plan', [times: 1, steps: [[name: 'Build ipa', status: 'failed', seconds: 60]]])
        simulator.control('POST', 'plan', [steps: [[name: 'Build ipa', seconds: 60]]])
        int most = 0

        when:
        run('white-label', [variables: [CIBRIDGE_POLL_INTERVAL: '20s'], passing: { double seconds ->
            most = Math.max(most, simulator.builds.count { !it.finished_at })
            simulator.control('POST', 'advance', [seconds: seconds])
        }])

        then:
        most == 8
        jenkins.result == 'UNSTABLE'
        simulator.builds*.request*.variables*.CUSTOMER.toSet() == (1..50).collect { "customer-$it".toString() }.toSet()
        jenkins.console.count { it ==~ /triggerCodemagic: \d+ of 50: Codemagic build .*/ } == 50
        jenkins.console.any { it ==~ /WARNING: No app for customer-\d+/ }
    }

    def 'install-links: each link is printed, and opens the file'() {
        when:
        run('install-links')

        then:
        List<String> lines = jenkins.console.findAll { it.startsWith('Install ') }
        lines.size() == 1
        new URL(lines[0].split(': ', 2)[1]).bytes.length == simulator.builds[0].artifacts.find { it.name.endsWith('.ipa') }.size
    }

    def 'remote-jenkins-stages: the job is stopped when the work beside it fails'() {
        given:
        simulator.control('POST', 'jenkins/plan', [steps: [[text: 'begun\n'], [hold: true]]])

        when:
        run('remote-jenkins-stages', [shell: { Shell call -> call.script.contains('CIBRIDGE_BIN') ? call.execute() : 2 }])

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message == 'script returned exit code 2'
        simulator.control('GET', 'jenkins/runs').runs*.stops == [1]
    }

    def 'remote-jenkins-no-executor: no agent is held, and a second run adopts the same build'() {
        when:
        run('remote-jenkins-no-executor')

        then:
        jenkins.calls*.name.findAll { it in ['node', 'sleep'] }.take(3) == ['node', 'sleep', 'node']
        jenkins.buildProperties.description.startsWith('Jenkins build team/deploy#1: ')

        when:
        jenkins.close()
        run('remote-jenkins-no-executor')

        then:
        jenkins.result == 'SUCCESS'
        simulator.control('GET', 'jenkins/runs').runs*.parameters*.subMap('CHANNEL', 'CIBRIDGE_ID') == [[CHANNEL: 'beta', CIBRIDGE_ID: 'jenkins-mobile-7']]
    }
}
