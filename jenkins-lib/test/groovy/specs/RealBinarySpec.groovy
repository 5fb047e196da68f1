package specs

import lab.Simulator
import spock.lang.Unroll

/** The steps with the real binary, run by a real shell, against the simulator. */
class RealBinarySpec extends RealSpecification {
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

    def 'on an agent in a POSIX locale free text arrives as it is, and keys stay different'() {
        given:
        jenkins.posixLocale = true

        when:
        jenkins.run('''node {
            def ids = []
            for (int n = 0; n < 3; n++) {
                String name = ['Müller', 'Möller', 'Müller'][n]
                ids << triggerCodemagic(branch: 'feature/ü', labels: ['läbel'], variables: [CUSTOMER: name], inputs: [text: name], idempotencyKey: "release-${name}").id
            }
            return ids
        }''')

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned[0] == jenkins.returned[2]
        simulator.builds*.request*.variables*.CUSTOMER.sort() == ['Möller', 'Müller']
        simulator.builds.every { it.request.branch == 'feature/ü' && it.request.inputs.text == it.request.variables.CUSTOMER && it.request.labels.contains('läbel') }
    }

    @Unroll
    def 'on an agent in a POSIX locale a value that does not arrive as it is is refused: #call'() {
        given:
        jenkins.posixLocale = posix
        jenkins.buildEnvironment.WORD = 'grüße'

        when:
        jenkins.run("node { $call }")

        then:
        jenkins.console.any { it.endsWith('this agent replaces characters that are not ASCII in the environment. Hint: start its Java in a UTF-8 locale, e.g. with LC_ALL=C.UTF-8') } == posix

        where:
        [call, posix] << [[
            "downloadCodemagicArtifacts('latest', artifacts: 'Ä*')",
            "shareCodemagicArtifacts('latest', artifacts: ['*.ipa', 'Ä*'])",
            "cancelCodemagic('latest', branch: 'feature/ü')",
            "triggerCodemagic(branch: 'main', wait: true, artifacts: '*.ipa', artifactsDir: 'äpp')",
            "triggerCodemagic(branch: 'main', variablesFromEnv: ['WORD'])",
        ], [true, false]].combinations()
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
        'a wrong key'          | [:]                                          | 'wrong-key-0123456' | null                                     | 'API key: not accepted by Codemagic \\(HTTP 401'
        'an unknown app'       | [CODEMAGIC_APP_ID: '000000000000000000000000'] | null              | null                                     | 'app 000000000000000000000000.*\\(HTTP 40[034]'
        'a stopped server'     | [CODEMAGIC_API_URL: 'http://127.0.0.1:1/api/v3'] | null            | null                                     | '127.0.0.1 refused the connection'
        'too many requests'    | [:]                                          | null                | [kind: 'rate_limited', reset_seconds: 900, times: 0] | 'HTTP 429'
        'an HTML login page'   | [:]                                          | null                | [kind: 'page', page: 'sso', act: false, times: 0]   | 'HTML page'
        'an address that is none' | [CODEMAGIC_API_URL: 'nonsense']           | null                | null                                     | '--api-url'
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
        String help = (commands.collect { [Simulator.binary, *it.tokenize(' '), '--help'].execute().text }).join('\n')
        List<String> variables = RulesSpec.schemaOf(step).values()*.variable.findAll() + further + ['CIBRIDGE_RESULT_FILE', 'CIBRIDGE_REQUIRE_VERSION']

        expect:
        variables.findAll { !(help =~ /\b$it\b/) } == []

        where: 'a step that waits outside of a node runs several commands'
        step                         | commands                                                 | further
        'triggerCodemagic'           | ['codemagic trigger', 'codemagic wait']                  | ['CIBRIDGE_REQUEST', 'CIBRIDGE_BUILD', 'CIBRIDGE_WAITING_SINCE']
        'waitForCodemagic'           | ['codemagic wait']                                       | ['CIBRIDGE_BUILD', 'CIBRIDGE_WAITING_SINCE']
        'cancelCodemagic'            | ['codemagic cancel']                                     | ['CIBRIDGE_BUILD']
        'downloadCodemagicArtifacts' | ['codemagic artifacts']                                  | ['CIBRIDGE_BUILD']
        'shareCodemagicArtifacts'    | ['codemagic share']                                      | ['CIBRIDGE_BUILD']
        'triggerJenkins'             | ['jenkins trigger', 'jenkins wait']                      | ['CIBRIDGE_REQUEST', 'CIBRIDGE_MARKER', 'CIBRIDGE_WAIT_FOR_START', 'CIBRIDGE_BUILD', 'CIBRIDGE_WAITING_SINCE', 'JENKINS_USER_ID']
        'waitForJenkins'             | ['jenkins wait']                                         | ['CIBRIDGE_BUILD', 'CIBRIDGE_WAITING_SINCE']
        'stopJenkins'                | ['jenkins stop']                                         | ['CIBRIDGE_BUILD']
        'downloadJenkinsArtifacts'   | ['jenkins artifacts']                                    | ['CIBRIDGE_BUILD']
    }

    def 'every step is in that table'() {
        expect:
        RulesSpec.STEPS.size() == 9
    }
}
