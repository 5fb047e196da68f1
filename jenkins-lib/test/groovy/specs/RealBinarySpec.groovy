package specs

import lab.Jenkins
import lab.Shell
import lab.Simulator
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.w3c.dom.Element
import spock.lang.AutoCleanup
import spock.lang.Shared
import spock.lang.Specification
import spock.lang.Unroll

import java.security.MessageDigest
import java.util.concurrent.FutureTask
import javax.xml.parsers.DocumentBuilderFactory

/** The steps with the real binary, run by a real shell, against the simulator. */
class RealBinarySpec extends Specification {
    static final String APP = '6a93a352009dcdab34b3feff'
    static final String KEY = 'cm-secret-0123456789abcdef'
    @Shared
    @AutoCleanup
    Simulator simulator = new Simulator(['--app', APP, '--workflow', 'ios-release', '--key', KEY, '--advance', 'poll'])

    /** After a lost answer the binary searches for half a minute: that runs beside the other tests. */
    @Shared
    FutureTask<String> afterStatus500 = new FutureTask<>({ consoleOf([kind: 'status', status: 500, act: false]) })

    @AutoCleanup
    Jenkins jenkins = controller(simulator) { Shell call -> watch(call) }

    /** Everything the binary left: files, arguments. */
    List<String> traces = []

    private static Jenkins controller(Simulator codemagic, Closure shell) {
        new Jenkins(shell: shell, buildEnvironment: [
            CIBRIDGE_BIN: Simulator.binary, CODEMAGIC_API_URL: codemagic.ready.v3, CODEMAGIC_LEGACY_API_URL: codemagic.ready.legacy,
            CODEMAGIC_APP_ID: APP, CODEMAGIC_WORKFLOW: 'ios-release', CODEMAGIC_BRANCH: 'main', CIBRIDGE_POLL_INTERVAL: '5ms',
        ])
    }

    /** The console of a build whose start goes wrong in this way, on a controller and a simulator of its own. */
    private static String consoleOf(Map fault) {
        Simulator codemagic = new Simulator(['--app', APP, '--workflow', 'ios-release', '--key', KEY])
        Jenkins other = controller(codemagic) { Shell call -> call.execute() }
        try {
            codemagic.fault(fault + [method: 'POST', path: '/builds'])
            other.run('node { triggerCodemagic(propagate: false) }')
            return other.console.join('\n')
        } finally {
            other.close()
            codemagic.close()
        }
    }

    def setupSpec() {
        new Thread(afterStatus500).start()
    }

    def setup() {
        simulator.reset()
    }

    /** Runs the call and keeps what it leaves in its folder. */
    private int watch(Shell call) {
        int code = call.execute()
        new File(call.environment.CIBRIDGE_RESULT_FILE).parentFile.eachFile { traces << it.getText('UTF-8') }
        code
    }

    private Jenkins step(String call) {
        jenkins.run("node { return $call }")
    }

    /** The error line of the binary and its hint as the stage has to say them. */
    private String spoken() {
        String error = jenkins.console.find { it.startsWith('cibridge: error: ') }.substring('cibridge: error: '.length())
        String hint = jenkins.console.find { it.startsWith('hint: ') }?.replaceFirst('hint: ', '. Hint: ') ?: ''
        "triggerCodemagic: $error$hint"
    }

    def 'starts a build from the three variables alone'() {
        when:
        step('triggerCodemagic()')

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds.size() == 1
        Map build = simulator.builds[0]
        build.request.subMap('app_id', 'workflow_id', 'branch', 'tag') == [app_id: APP, workflow_id: 'ios-release', branch: 'main', tag: null]
        jenkins.returned.id == build.id
        jenkins.returned.url == "https://codemagic.io/app/$APP/build/$build.id"
        jenkins.returned.outcome == 'started'
        jenkins.returned.result.schema == 1
        jenkins.console.any { it.contains(jenkins.returned.url) }
        jenkins.leftovers.empty
    }

    @Unroll
    def 'values arrive byte for byte (#how)'() {
        given:
        jenkins.windows = windows
        jenkins.agentEnvironment.LANG = 'C'
        Map values = [
            QUOTES: 'it\'s "quoted" `back`', DOLLAR: '$HOME ${PATH} $(id) $$', PERCENT: '%PATH% 100% %%', LINES: 'one\ntwo\r\nthree\n', TABS: '\ta\t',
            UNICODE: 'ünï ẞ 漢字 🚀 👩‍💻', SLASHES: '\\n \\u0041 C:\\x', SIGNS: '& | > < ^ ! ; # ~ * ? [ ]', EMPTY: '', SPACES: '  two  ',
        ]
        jenkins.params.VALUES = values

        when:
        step("triggerCodemagic(variables: params.VALUES, labels: ['läbel \"1\"', 'b'], groups: ['grp'], softwareVersions: [xcode: 16.0], instanceType: 'mac_mini_m2', " +
            "inputs: [upload: true, count: 412, ratio: 0.5, text: params.VALUES.UNICODE], branch: 'feature/ü \$x')")

        then:
        jenkins.result == 'SUCCESS'
        Map request = simulator.builds[0].request
        request.variables == values
        request.labels.containsAll(['läbel "1"', 'b'])
        request.subMap('groups', 'software_versions', 'instance_type') == [groups: ['grp'], software_versions: [xcode: '16.0'], instance_type: 'mac_mini_m2']
        request.inputs == [upload: true, count: 412, ratio: 0.5, text: values.UNICODE]
        request.branch == 'feature/ü $x'

        where:
        windows << [false, true]
        how = windows ? 'bat' : 'sh'
    }

    def 'the key is in no console, argument list or file, and nowhere but in its header'() {
        given: 'a program in the place of the binary that notes how it is called'
        File log = new File(jenkins.home, 'calls')
        File shim = new File(jenkins.home, 'cibridge shim')
        shim.text = """#!/bin/sh
printf '%s\\n' "\$0" "\$@" "\$(tr '\\0' ' ' < /proc/\$\$/cmdline)" >> '$log'
exec '$Simulator.binary' "\$@"
"""
        shim.executable = true

        when:
        jenkins.run("""node {
            triggerCodemagic(binary: '$shim', verbose: true)
            try { triggerCodemagic(binary: '$shim', verbose: true, workflowId: 'x', appId: 'not an id') } catch (hudson.AbortException e) { echo e.message }
            triggerCodemagic(binary: '$shim', dryRun: true)
        }""")

        then:
        jenkins.result == 'SUCCESS'
        log.readLines().count('codemagic') == 3
        simulator.requests.every { it.headers['x-auth-token'] == KEY }
        List<String> everything = jenkins.console + log.readLines() + traces + jenkins.calls*.toString() + simulator.requests*.body + [jenkins.returned.toString()]
        !everything.any { it.contains(KEY) }
        !everything.any { it.contains(KEY.bytes.encodeBase64().toString()) }
    }

    def 'variables from the environment arrive, and their values are masked'() {
        when:
        jenkins.run('node { withEnv(["TOKEN=very secret value", "OTHER=o t h e r"]) { triggerCodemagic(variablesFromEnv: ["TOKEN", "OTHER"], verbose: true) } }')

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds[0].request.variables == [TOKEN: 'very secret value', OTHER: 'o t h e r']
        !(jenkins.console + traces).any { it.contains('very secret value') }
    }

    def 'starts by the legacy API when asked'() {
        when:
        step("triggerCodemagic(api: 'legacy', tag: 'v1', variables: [A: 1])")

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds[0].via == 'legacy'
        simulator.builds[0].request.subMap('tag', 'branch', 'variables') == [tag: 'v1', branch: null, variables: [A: '1']]
    }

    def 'a dry run sends nothing'() {
        when:
        step('triggerCodemagic(dryRun: true, variables: [A: 1])')

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.id == null
        simulator.requests.empty
        jenkins.console.any { it.contains('"A": "1"') }
    }

    @Unroll
    def '#fault fails the stage with the sentence of the binary'() {
        given:
        jenkins.buildEnvironment.putAll(environment)
        if (key) {
            jenkins.credentials['codemagic-api-key'].secret = key
        }
        if (order) {
            simulator.fault(order + [method: 'POST', path: '/builds'])
        }

        when:
        step('triggerCodemagic(propagate: false)')

        then: 'propagate is about the remote build, not about the call'
        jenkins.result == 'FAILURE'
        jenkins.failure.message == spoken()
        jenkins.failure.message ==~ /(?s).*$words.*/
        jenkins.leftovers.empty
        simulator.builds.empty

        where:
        fault                  | environment                                  | key                 | order                                    | words
        'a wrong key'          | [:]                                          | 'wrong-key-0123456' | null                                     | 'API key is not valid \\(HTTP 401'
        'an unknown app'       | [CODEMAGIC_APP_ID: '000000000000000000000000'] | null              | null                                     | 'app 000000000000000000000000.*\\(HTTP 40[034]'
        'a stopped server'     | [CODEMAGIC_API_URL: 'http://127.0.0.1:1/api/v3'] | null            | null                                     | '127.0.0.1 refused the connection'
        'too many requests'    | [:]                                          | null                | [kind: 'rate_limited', reset_seconds: 900, times: 0] | 'HTTP 429'
        'an HTML login page'   | [:]                                          | null                | [kind: 'page', page: 'sso', act: false, times: 0]   | 'HTML page'
        'an address that is none' | [CODEMAGIC_API_URL: 'nonsense']           | null                | null                                     | 'CODEMAGIC_API_URL'
    }

    def 'status 500 to a start that came through after all adopts the build'() {
        given:
        simulator.fault(kind: 'status', status: 500, act: true, method: 'POST', path: '/builds')

        when:
        step('triggerCodemagic()')

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds*.id == [jenkins.returned.id]
    }

    def 'a missing binary is named'() {
        when:
        step("triggerCodemagic(binary: '/no/such/cibridge')")

        then:
        jenkins.failure.message.startsWith("triggerCodemagic: '/no/such/cibridge' was not found on agent-1 (code 127).")
    }

    def 'a missing binary is named on a Windows agent too'() {
        given:
        jenkins.windows = true

        when:
        step("triggerCodemagic(binary: '/no/such/cibridge')")

        then:
        jenkins.failure.message.startsWith("triggerCodemagic: '/no/such/cibridge' was not found on agent-1 (code 9009).")
    }

    def 'a file that cannot be executed is named'() {
        given:
        new File(jenkins.workspace, 'cibridge').text = 'not a program'

        when:
        step("triggerCodemagic(binary: './cibridge')")

        then:
        jenkins.failure.message.startsWith("triggerCodemagic: './cibridge' on agent-1 cannot be run (code 126)")
    }

    def 'a binary that is too old refuses the call itself'() {
        given:
        File shim = new File(jenkins.home, 'old')
        shim.text = "#!/bin/sh\nCIBRIDGE_REQUIRE_VERSION=99.0.0 exec '$Simulator.binary' \"\$@\"\n"
        shim.executable = true

        when:
        step("triggerCodemagic(binary: '$shim')")

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message == spoken()
        jenkins.failure.message.contains('99.0.0')
        simulator.requests.empty
    }

    @Unroll
    def 'every variable of #step is one that the binary knows'() {
        given:
        String help = [Simulator.binary, *verb, '--help'].execute().text
        List<String> variables = RulesSpec.argumentsOf(step).values()*.env.findAll() + further + ['CIBRIDGE_RESULT_FILE', 'CIBRIDGE_REQUIRE_VERSION']

        expect:
        variables.findAll { !(help =~ /\b$it\b/) } == []

        where:
        step                 | verb                      | further
        'triggerCodemagic'   | ['codemagic', 'trigger']   | ['CIBRIDGE_REQUEST']
        'waitForCodemagic'   | ['codemagic', 'wait']      | ['CIBRIDGE_ONCE']
        'codemagicArtifacts' | ['codemagic', 'artifacts'] | []
        'cancelCodemagic'    | ['codemagic', 'cancel']    | []
        'triggerJenkins'     | ['jenkins', 'trigger']     | ['CIBRIDGE_PARAMS_FROM', 'CIBRIDGE_PARAM_FILE', 'JENKINS_USER_ID']
    }

    // --- Following a build.

    def 'follows a build to its end'() {
        when:
        step('triggerCodemagic(wait: true, description: true)')

        then:
        jenkins.result == 'SUCCESS'
        Map build = simulator.builds[0]
        jenkins.returned.subMap('id', 'number', 'outcome', 'exitCode', 'status', 'commit') ==
            [id: build.id, number: 1, outcome: 'success', exitCode: 0, status: 'finished', commit: build.commit]
        jenkins.returned.artifacts*.name == build.artifacts*.name
        jenkins.returned.result.steps*.name.contains('Build ipa')
        jenkins.buildProperties.description == "Codemagic build 1: $jenkins.returned.url"
    }

    @Unroll
    def 'a build that ends as #plan ends the stage as #result, and with propagate: false as #outcome'() {
        given:
        simulator.control('POST', 'plan', plan)

        when:
        step('triggerCodemagic(wait: true)')

        then:
        jenkins.result == result
        jenkins.console[-2].contains("triggerCodemagic: Codemagic build 1 $words")

        when:
        jenkins.result = 'SUCCESS'
        step('triggerCodemagic(wait: true, propagate: false)')

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == outcome

        where:
        plan                                                                          | result     | outcome     | words
        [steps: [[name: 'Build ipa', status: 'failed', log: 'no profile']]]           | 'FAILURE'  | 'failed'    | "failed in step 'Build ipa': "
        [status: 'timeout']                                                           | 'FAILURE'  | 'failed'    | 'failed'
        [status: 'canceled']                                                          | 'FAILURE'  | 'cancelled' | 'was cancelled'
        [status: 'skipped']                                                           | 'FAILURE'  | 'skipped'   | 'was skipped'
        [status: 'warning']                                                           | 'UNSTABLE' | 'unstable'  | 'is unstable'
    }

    def 'a build of another commit fails the stage and is cancelled'() {
        given:
        simulator.control('POST', 'plan', [commit: 'c0ffee' * 6 + 'c0ff', hold: 'Build ipa'])

        when:
        step("triggerCodemagic(wait: true, expectCommit: 'deadbeef')")

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message.startsWith('triggerCodemagic: ')
        simulator.builds[0].cancels == 1

        when:
        simulator.reset()
        simulator.control('POST', 'plan', [commit: 'c0ffee' * 6 + 'c0ff', hold: 'Build ipa'])
        step("triggerCodemagic(wait: true, propagate: false, expectCommit: 'deadbeef')")

        then:
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'wrong_commit', exitCode: 7]
    }

    def 'a passed time limit cancels the build, or leaves it alone when told so'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])

        when:
        step("triggerCodemagic(wait: true, propagate: false, timeout: '300ms', noCancel: $noCancel)")

        then:
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'timed_out', exitCode: 6]
        simulator.builds[0].cancels == (noCancel ? 0 : 1)

        where:
        noCancel << [false, true]
    }

    def 'the same idempotency key starts one build'() {
        when:
        jenkins.run("node { [triggerCodemagic(idempotencyKey: 'release-1').id, triggerCodemagic(idempotencyKey: 'release-1').id, triggerCodemagic(idempotencyKey: 'release-2').id] }")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned[0] == jenkins.returned[1]
        simulator.builds.size() == 2
    }

    def 'an abort of the Jenkins build cancels the Codemagic build and stays an abort'() {
        given: 'Jenkins ends the processes of the step with SIGTERM, and the step with an interruption'
        simulator.control('POST', 'plan', [hold: 'Build ipa'])
        jenkins.shell = { Shell call ->
            call.execute { Process process ->
                Thread.start {
                    simulator.control('GET', 'wait?status=building&timeout_ms=20000')
                    ['kill', '-TERM', process.pid().toString()].execute().waitFor()
                }
            }
            throw new FlowInterruptedException()
        }

        when:
        step('triggerCodemagic(wait: true)')

        then:
        jenkins.result == 'ABORTED'
        simulator.builds[0].cancels == 1
        jenkins.leftovers.empty
    }

    def 'a binary that is killed leaves the id behind'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])
        jenkins.shell = { Shell call ->
            call.execute { Process process ->
                Thread.start {
                    simulator.control('GET', 'wait?status=building&timeout_ms=20000')
                    ['kill', '-KILL', process.pid().toString()].execute().waitFor()
                }
            }
        }

        when:
        step('triggerCodemagic(wait: true)')

        then:
        jenkins.failure.message.startsWith('triggerCodemagic: cibridge was ended from outside (code 137). Codemagic build ')
        jenkins.failure.message.contains(simulator.builds[0].id)
    }

    def 'cancels a build, and a second time is no error'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])

        when:
        jenkins.run('node { String id = triggerCodemagic().id; cancelCodemagic(id); return cancelCodemagic(id) }')

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds[0].cancels == 2
        jenkins.returned.subMap('id', 'outcome') == [id: simulator.builds[0].id, outcome: 'success']

        when:
        step("cancelCodemagic('0123456789abcdef01234567')")

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message.startsWith('cancelCodemagic: ')
        jenkins.failure.message.contains('0123456789abcdef01234567')
    }

    def 'status 500 to a start fails the stage, and says that its outcome is not known'() {
        expect:
        afterStatus500.get() =~ /ERROR: triggerCodemagic: starting a build of app $APP: .*HTTP 500.*; a build may have been started, .*Hint: look for the label/
        afterStatus500.get().contains('Finished: FAILURE')
    }

    // --- Without holding an agent, downloads, another Jenkins.

    def 'waits without holding an agent'() {
        when:
        jenkins.run("return triggerCodemagic(wait: true, agentLabel: 'small', description: true)")

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds.size() == 1
        jenkins.returned.subMap('id', 'outcome', 'status') == [id: simulator.builds[0].id, outcome: 'success', status: 'finished']
        jenkins.called('sleep')*.getAt('time').every { it >= 30 }
        jenkins.called('node').size() == jenkins.called('sleep').size() + 1
    }

    def 'an abort while no agent is held cancels the build once'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])
        int pauses = 0
        jenkins.faults.sleep = { call -> ++pauses == 3 ? new FlowInterruptedException() : null }

        when:
        jenkins.run('triggerCodemagic(wait: true)')

        then:
        jenkins.result == 'ABORTED'
        simulator.builds*.cancels == [1]
    }

    def 'a time limit cancels the build while no agent is held'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])

        when:
        jenkins.run("return triggerCodemagic(wait: true, timeout: '10m', propagate: false)")

        then:
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'timed_out', exitCode: 6]
        simulator.builds*.cancels == [1]
    }

    def 'a start whose agent is lost after the binary was done is not a second build'() {
        given:
        int calls = 0
        jenkins.shell = { Shell call -> int code = call.execute(); if (++calls == 1) { throw new lab.AgentLost() }; code }

        when:
        jenkins.run('return triggerCodemagic(wait: true)')

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds*.id == [jenkins.returned.id]
        jenkins.console.count { it.contains('codemagic trigger') } == 2
    }

    def 'brings files and test results home: each with its path, size and sha256'() {
        given:
        simulator.control('POST', 'plan', [
            artifacts: [[name: 'ios/app.ipa', type: 'ipa', size: 300000], [name: 'app.ipa', type: 'ipa', size: 7, seed: 2], [name: 'notes.txt', text: 'x']],
            steps: [[name: 'Unit tests', seconds: 5, tests: [passed: 3, failed: 1, skipped: 1]]],
        ])

        when:
        step("triggerCodemagic(wait: true, artifacts: '*.ipa', artifactsDir: 'out', junit: 'reports/tests.xml')")

        then:
        jenkins.result == 'SUCCESS'
        List<Map> files = jenkins.returned.artifacts.findAll { it.path }
        files*.path == ['out/app.ipa', 'out/app-2.ipa']
        files.every { Map file ->
            byte[] bytes = new File(jenkins.workspace, file.path).bytes
            file.size == bytes.length && file.md5 == sum('MD5', bytes) && file.sha256 == sum('SHA-256', bytes)
        }
        jenkins.returned.result.tests == [passed: 3, failed: 1, errored: 0, skipped: 1, junit: 'reports/tests.xml']

        and:
        Element report = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new File(jenkins.workspace, 'reports/tests.xml')).documentElement
        ['tests', 'failures', 'errors', 'skipped'].collect { report.getAttribute(it) } == ['5', '1', '0', '1']
        report.getElementsByTagName('testcase').length == 5
    }

    private static String sum(String kind, byte[] bytes) {
        MessageDigest.getInstance(kind).digest(bytes).encodeHex()
    }

    def 'the test results of a build that ended before are there as well'() {
        when:
        jenkins.run("node { def build = triggerCodemagic(wait: true); return waitForCodemagic(build.id, junit: 'tests.xml') }")

        then:
        jenkins.result == 'SUCCESS'
        new File(jenkins.workspace, 'tests.xml').text.contains('<testsuites tests="12" failures="0" errors="0" skipped="0">')
    }

    def 'downloads artifacts of a build that has ended'() {
        when:
        jenkins.run("node { def build = triggerCodemagic(wait: true); return codemagicArtifacts(build.id, match: '*.ipa', dir: 'out') }")

        then:
        jenkins.result == 'SUCCESS'
        Map file = jenkins.returned.artifacts.find { it.path }
        new File(jenkins.workspace, file.path).length() == file.size
        file.sha256 ==~ /[0-9a-f]{64}/

        when:
        step("codemagicArtifacts('${simulator.builds[0].id}', match: '*.exe')")

        then:
        jenkins.failure.message.startsWith('codemagicArtifacts: ')
    }

    def 'starts a job on another Jenkins, and values arrive as they are'() {
        given:
        Simulator other = new Simulator(['--jenkins-port', '0', '--speed', '100'])
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: other.ready.jenkins_user, secret: other.ready.jenkins_token]

        when:
        jenkins.run("""node {
            def build = triggerJenkins(url: '$other.ready.jenkins', job: 'params', parameters: [TEXT: 'a "b" \$c %d% ü', FLAG: true], wait: true, pollInterval: '20ms')
            try { triggerJenkins(url: '$other.ready.jenkins', job: 'params', parameters: [TEXD: 'a']) } catch (hudson.AbortException refused) { echo refused.message }
            return build
        }""")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == 'success'
        jenkins.returned.id.startsWith('params#')
        jenkins.console.any { it.startsWith('triggerJenkins: ') && it.contains('TEXD') && it.contains('TEXT') }
        !jenkins.console.any { it.contains(other.ready.jenkins_token) }

        cleanup:
        other.close()
    }
}
