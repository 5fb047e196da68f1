package specs

import lab.Shell
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

class TriggerCodemagicSpec extends LibrarySpecification {

    def 'starts a build with one shell step and returns plain values'() {
        when:
        step(START)

        then:
        jenkins.result == 'SUCCESS'
        only('sh').text('script') == 'exec "$CIBRIDGE_BIN" codemagic trigger'
        jenkins.returned == [
            id: BUILD.id, url: PAGE, number: null, outcome: 'started', exitCode: 0, status: 'queued', commit: null, artifacts: [], result: document(),
        ]
        jenkins.returned.getClass() == LinkedHashMap
        jenkins.returned.result.build.getClass() == LinkedHashMap
    }

    def 'every argument reaches the request with its type'() {
        when:
        jenkins.run('''
            node {
                String who = 'world'
                triggerCodemagic(
                    appId: 'app-1', workflowId: 'ios', tag: "v${1 + 1}", labels: ['nightly', "hello-$who"], groups: 'staging',
                    variables: [TEXT: 'a', NUMBER: 7, FLAG: true, INTERPOLATED: "hello $who", EMPTY: ''],
                    softwareVersions: [xcode: 16.0, node: 20], inputs: [upload: true, count: 3, ratio: 0.5, text: "hi $who"]
                )
            }''')

        then:
        jenkins.result == 'SUCCESS'
        new groovy.json.JsonSlurper().parseText(jenkins.called('writeFile')[0].text('text')) == [
            app_id: 'app-1', workflow_id: 'ios', tag: 'v2', labels: ['nightly', 'hello-world'],
            inputs: [upload: true, count: 3, ratio: 0.5, text: 'hi world'],
            environment: [
                variables: [TEXT: 'a', NUMBER: '7', FLAG: 'true', INTERPOLATED: 'hello world', EMPTY: ''],
                groups: ['staging'], software_versions: [xcode: '16.0', node: '20'],
            ],
        ]
    }

    def 'everything else reaches the binary by its environment variable'() {
        when:
        step('''triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main',
            instanceType: 'mac_mini_m2', variablesFromEnv: ['TOKEN', 'USER'], api: 'legacy', apiUrl: 'http://127.0.0.1:1', legacyApiUrl: 'http://127.0.0.1:2',
            caCert: '/etc/ca.pem', connectTimeout: '5s', answerTimeout: 30, allowHttp: true, verbose: true, dryRun: false, wait: false, noCancel: true,
            queueTimeout: '10m', runTimeout: '1h', timeout: '90m', idempotencyKey: "build-${env.BUILD_NUMBER}", expectCommit: 'abc', failOnStepFailure: true,
            logLines: 20, pollInterval: '50ms', binary: '/opt/ci bridge/cibridge')''')

        then:
        jenkins.result == 'SUCCESS'
        Map given = binaryEnvironment
        given.remove('CIBRIDGE_REQUEST').endsWith('/request.json')
        given.remove('CIBRIDGE_RESULT_FILE').endsWith('/result.json')
        given == [
            CIBRIDGE_BIN: '/opt/ci bridge/cibridge', CIBRIDGE_REQUIRE_VERSION: '0.1.0', CODEMAGIC_API_KEY: KEY,
            CIBRIDGE_INSTANCE_TYPE: 'mac_mini_m2', CIBRIDGE_VAR_FROM_ENV: 'TOKEN\nUSER', CIBRIDGE_API: 'legacy',
            CODEMAGIC_API_URL: 'http://127.0.0.1:1', CODEMAGIC_LEGACY_API_URL: 'http://127.0.0.1:2', CIBRIDGE_CA_CERT: '/etc/ca.pem',
            CIBRIDGE_CONNECT_TIMEOUT: '5s', CIBRIDGE_ANSWER_TIMEOUT: '30', CIBRIDGE_ALLOW_HTTP: 'true', CIBRIDGE_VERBOSE: 'true',
            CIBRIDGE_DRY_RUN: 'false', CIBRIDGE_WAIT: 'false', CIBRIDGE_NO_CANCEL: 'true', CIBRIDGE_QUEUE_TIMEOUT: '10m', CIBRIDGE_RUN_TIMEOUT: '1h',
            CIBRIDGE_TIMEOUT: '90m', CIBRIDGE_IDEMPOTENCY_KEY: 'build-7', CIBRIDGE_EXPECT_COMMIT: 'abc', CIBRIDGE_FAIL_ON_STEP_FAILURE: 'true',
            CIBRIDGE_LOG_LINES: '20', CIBRIDGE_POLL_INTERVAL: '50ms',
        ]
    }

    @Unroll
    def 'values travel untouched: #value'() {
        when:
        jenkins.buildEnvironment.VALUE = value
        step('triggerCodemagic(appId: "app-1", workflowId: "ios", branch: env.VALUE, variables: [V: env.VALUE], idempotencyKey: env.VALUE)')

        then:
        jenkins.result == 'SUCCESS'
        Map request = new groovy.json.JsonSlurper().parseText(jenkins.called('writeFile')[0].text('text')) as Map
        request.branch == value
        request.environment.variables.V == value
        binary.environment.CIBRIDGE_IDEMPOTENCY_KEY == value
        binary.script == 'exec "$CIBRIDGE_BIN" codemagic trigger'

        where:
        value << ['it\'s "quoted"', '$HOME `id` $(id) ${X}', '%PATH% !x! ^& | > <', 'two\nlines\n', 'ünï 🚀 \\ \\u0041', '; rm -rf / #']
    }

    def 'takes app, workflow and branch from the environment of the build'() {
        given:
        jenkins.buildEnvironment.putAll(CODEMAGIC_APP_ID: 'app-2', CODEMAGIC_WORKFLOW: 'android', CODEMAGIC_BRANCH: 'develop')

        when:
        step('triggerCodemagic()')

        then:
        requested() == [app_id: 'app-2', workflow_id: 'android', branch: 'develop']
    }

    def 'takes the tag from the environment of the build'() {
        given:
        jenkins.buildEnvironment.putAll(CODEMAGIC_APP_ID: 'app-2', CODEMAGIC_WORKFLOW: 'android', CODEMAGIC_TAG: 'v1')

        when:
        step('triggerCodemagic()')

        then:
        requested() == [app_id: 'app-2', workflow_id: 'android', tag: 'v1']
    }

    @Unroll
    def 'an argument beats its variable: #arguments'() {
        given:
        jenkins.buildEnvironment.putAll(CODEMAGIC_APP_ID: 'app-2', CODEMAGIC_WORKFLOW: 'android', CODEMAGIC_BRANCH: 'develop')

        when:
        step("triggerCodemagic($arguments)")

        then:
        requested() == request

        where:
        arguments                   | request
        "appId: 'app-9'"            | [app_id: 'app-9', workflow_id: 'android', branch: 'develop']
        "workflowId: 'ios'"         | [app_id: 'app-2', workflow_id: 'ios', branch: 'develop']
        "branch: 'x'"               | [app_id: 'app-2', workflow_id: 'android', branch: 'x']
        "tag: 'v1'"                 | [app_id: 'app-2', workflow_id: 'android', tag: 'v1']
        "branch: null, tag: 'v1'"   | [app_id: 'app-2', workflow_id: 'android', tag: 'v1']
        "branch: 'x', tag: env.NO"  | [app_id: 'app-2', workflow_id: 'android', branch: 'x']
    }

    @Unroll
    def 'refuses what says nothing: #arguments'() {
        given:
        jenkins.buildEnvironment.putAll(known)

        when:
        step("triggerCodemagic($arguments)")

        then:
        complaint.startsWith("triggerCodemagic: $message")
        seen.empty

        where:
        arguments                                           | known                                                | message
        ''                                                  | [:]                                                  | 'no app to build. Give appId or set CODEMAGIC_APP_ID'
        "appId: 'a'"                                        | [:]                                                  | 'no workflow to run. Give workflowId or set CODEMAGIC_WORKFLOW'
        "appId: 'a', workflowId: 'w'"                       | [:]                                                  | 'neither branch nor tag has a value'
        "appId: 'a', workflowId: 'w', branch: env.NO"       | [CODEMAGIC_BRANCH: 'main']                           | 'neither branch nor tag has a value'
        "appId: env.NO, workflowId: 'w', branch: 'main'"    | [CODEMAGIC_APP_ID: 'a']                              | 'no app to build'
        "workflowId: ''"                                    | [CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w']     | 'no workflow to run'
    }

    @Unroll
    def 'the name that Jenkins gives a pull request is no branch (#branch)'() {
        given:
        jenkins.buildEnvironment.putAll(CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w', BRANCH_NAME: 'PR-12', CHANGE_ID: '12', CHANGE_BRANCH: 'feature/x')

        when:
        step("triggerCodemagic(branch: '$branch')")

        then:
        refused ? complaint == "triggerCodemagic: branch 'PR-12' is what Jenkins calls this pull request, and no branch of the repository. Give branch: env.CHANGE_BRANCH." :
            requested().branch == branch

        where:
        branch      | refused
        'PR-12'     | true
        'feature/x' | false
    }

    @Unroll
    def 'an unknown argument is answered with the nearest known one: #wrong'() {
        when:
        step("triggerCodemagic($wrong: 'x', workflowId: 'w')")

        then:
        complaint.startsWith("triggerCodemagic: unknown argument '$wrong'." + (nearest ? " Did you mean '$nearest'?" : '') + ' Known: appId, workflowId, branch, tag, ')
        seen.empty

        where:
        wrong          | nearest
        'workflow'     | 'workflowId'
        'appID'        | 'appId'
        'variable'     | 'variables'
        'brnach'       | 'branch'
        'credentialId' | 'credentialsId'
        'softwareVersion' | 'softwareVersions'
        'xyzzyplugh'   | null
    }

    @Unroll
    def 'refuses a value of the wrong kind: #argument'() {
        when:
        step("triggerCodemagic($argument, workflowId: 'w')")

        then:
        complaint == "triggerCodemagic: $message"
        seen.empty

        where:
        argument                       | message
        "appId: ['a']"                 | 'appId must be a text, not a list.'
        "variables: 'A=1'"             | "variables must be a map, as in variables: [NAME: 'value']."
        "variables: [A: env.NO]"       | 'variables.A has no value (null).'
        "variables: [A: [1, 2]]"       | 'variables.A must be a text, a number or a boolean, not a list.'
        "variables: [A: [b: 1]]"       | 'variables.A must be a text, a number or a boolean, not a map.'
        "inputs: [A: null]"            | 'inputs.A has no value (null).'
        "labels: ['a', null]"          | "labels must be a list of texts, as in labels: ['first', 'second']; there is a null in it."
        "groups: [a: 1]"               | "groups must be a list of texts, as in groups: ['first', 'second']; there is a map in it."
        "wait: 'yes'"                  | "wait must be true or false, not 'yes'."
    }

    def 'a null argument other than what to build counts as not given'() {
        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', labels: null, variables: null, timeout: env.NO, wait: null, propagate: null)")

        then:
        requested() == [app_id: 'a', workflow_id: 'w', branch: 'b']
        !binary.environment.containsKey('CIBRIDGE_WAIT')
        !binary.environment.containsKey('CIBRIDGE_TIMEOUT')
    }

    // --- Credentials.

    def 'binds the usual credential for the call only'() {
        when:
        step(START)

        then:
        only('withCredentials')['bindings'] == [[symbol: 'string', credentialsId: 'codemagic-api-key', variable: 'CODEMAGIC_API_KEY']]
        binary.environment.CODEMAGIC_API_KEY == KEY
        jenkins.calls*.toString().every { !it.contains(KEY) }
    }

    def 'binds the credential that is named, even where a key is bound already'() {
        given:
        jenkins.credentials.other = [kind: 'string', secret: 'other-key']
        jenkins.buildEnvironment.putAll(CODEMAGIC_API_KEY: 'old', CODEMAGIC_API_KEY_FILE: '/old')

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', credentialsId: 'other')")

        then:
        binary.environment.CODEMAGIC_API_KEY == 'other-key'
        !binary.environment.containsKey('CODEMAGIC_API_KEY_FILE')
    }

    @Unroll
    def 'does not bind again inside #around'() {
        when:
        jenkins.run("node { $around { $START } }")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.called('withCredentials').size() == (around.startsWith('withCredentials') ? 1 : 0)

        where:
        around << [
            "withCredentials([string(credentialsId: 'codemagic-api-key', variable: 'CODEMAGIC_API_KEY')])",
            "withEnv(['CODEMAGIC_API_KEY=from-elsewhere'])",
            "withEnv(['CODEMAGIC_API_KEY_FILE=/run/key'])",
        ]
    }

    @Unroll
    def 'a credential that cannot be used gives one clear error: #fault'() {
        given:
        jenkins.credentials = credentials

        when:
        step(START)

        then:
        complaint == "triggerCodemagic: no usable credential 'codemagic-api-key': $fault. Create it under Manage Jenkins > Credentials with this ID, " +
            'the kind "Secret text" and the Codemagic API token as secret. Or name another one with credentialsId.'
        seen.empty
        jenkins.console.size() == 2

        where:
        credentials                                                                    | fault
        [:]                                                                            | "Could not find credentials entry with ID 'codemagic-api-key'"
        ['codemagic-api-key': [kind: 'usernamePassword', secret: 'x']]                 | "Credentials 'codemagic-api-key' is of type 'usernamePassword' where 'string' was expected"
    }

    // --- The agent and the binary.

    def 'takes the binary from CIBRIDGE_BIN, else from PATH'() {
        when:
        jenkins.buildEnvironment.putAll(installed ? [CIBRIDGE_BIN: installed] : [:])
        step(START)

        then:
        binary.environment.CIBRIDGE_BIN == used

        where:
        installed         | used
        null              | 'cibridge'
        '/opt/x/cibridge' | '/opt/x/cibridge'
    }

    @Unroll
    def 'a missing binary is named, with the node and what to do (#code)'() {
        given:
        jenkins.windows = windows
        jenkins.shell = { Shell call -> code }
        jenkins.buildEnvironment.putAll(named == 'cibridge' ? [:] : [CIBRIDGE_BIN: named])

        when:
        step(START)

        then:
        complaint == "triggerCodemagic: '$named' was not found on agent-1 (code $code). Install cibridge there, " +
            'or say where it is with the argument binary or the environment variable CIBRIDGE_BIN.'

        where:
        windows | code | named
        false   | 127  | 'cibridge'
        false   | 127  | '/opt/cibridge'
        true    | 9009 | 'cibridge'
        true    | 1    | 'C:\\tools\\cibridge.exe'
        true    | 3    | 'Z:\\cibridge.exe'
    }

    def 'a file that cannot be executed is told apart from a missing one'() {
        given:
        jenkins.shell = { Shell call -> 126 }

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', binary: './cibridge')")

        then:
        complaint == "triggerCodemagic: './cibridge' on agent-1 cannot be run (code 126): it is not executable, or made for another kind of machine."
    }

    @Unroll
    def 'a binary that ends without its result fails the stage (#code, #text)'() {
        given:
        jenkins.shell = { Shell call -> new File(call.environment.CIBRIDGE_RESULT_FILE).text = text; code }

        when:
        step(START)

        then:
        complaint == 'triggerCodemagic: ' + (code == 2 ? 'cibridge refused the call' : "cibridge ended with code $code and left no result") + '; what it said is in the console above.'

        where:
        code | text
        2    | ''
        1    | ''
        3    | ''
        0    | ''
        0    | '  \n'
        0    | '{"schema":1,"outc'
        0    | '[1]'
        0    | '"text"'
        137  | '{"schema":1,"exit_code":null,"build":null}'
        0    | '{"schema":1,"exit_code":1,"build":null}'
    }

    def 'a killed binary leaves the id behind'() {
        given:
        jenkins.shell = { Shell call -> call.answer(document(outcome: 'running', exit_code: 0)); new File(call.environment.CIBRIDGE_RESULT_FILE).text = groovy.json.JsonOutput.toJson(document(outcome: 'running', exit_code: null)); 137 }

        when:
        step(START)

        then:
        complaint == "triggerCodemagic: cibridge was ended from outside (code 137). Codemagic build $BUILD.id may still run: $PAGE"
    }

    def 'a binary that is too old says so itself'() {
        given:
        answering(outcome: 'local_fault', exit_code: 2, build: null, error: [message: 'this cibridge: 0.0.9 is older than the required 0.1.0', hint: 'install a newer one'])

        when:
        step(START)

        then:
        binary.environment.CIBRIDGE_REQUIRE_VERSION == '0.1.0'
        complaint == 'triggerCodemagic: this cibridge: 0.0.9 is older than the required 0.1.0. Hint: install a newer one'
    }

    def 'a binary that does not know how to wait never passes for one that did'() {
        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true)")

        then:
        complaint.startsWith("triggerCodemagic: build $BUILD.id was started, but the cibridge on agent-1 cannot wait for it.")
    }

    def 'works the same on a Windows agent'() {
        given:
        jenkins.windows = true

        when:
        step("triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main', variables: [A: '100% \"quoted\" & more'])")

        then:
        jenkins.result == 'SUCCESS'
        only('bat').text('script') == '@"%CIBRIDGE_BIN%" codemagic trigger'
        jenkins.called('sh').empty
        jenkins.returned.id == BUILD.id
    }

    def 'outside an agent it says what is missing'() {
        when:
        jenkins.run(START)

        then:
        complaint == 'triggerCodemagic: no agent here to run cibridge on. Put the step inside node { } or give the stage an agent.'
    }

    // --- What it leaves behind.

    @Unroll
    def 'leaves no file behind when the call #how'() {
        given:
        jenkins.shell = shell

        when:
        step(START)

        then:
        jenkins.result == result
        jenkins.leftovers.empty
        jenkins.workspace.list().length == 0

        where:
        how            | result    | shell
        'succeeds'     | 'SUCCESS' | { Shell call -> call.answer(LibrarySpecification.document()) }
        'fails'        | 'FAILURE' | { Shell call -> call.answer(LibrarySpecification.document(outcome: 'refused', exit_code: 10, error: [message: 'x', hint: null])) }
        'is aborted'   | 'ABORTED' | { Shell call -> throw new FlowInterruptedException() }
        'loses its binary' | 'FAILURE' | { Shell call -> 127 }
    }

    def 'request and result stay out of the workspace proper'() {
        when:
        step(START)

        then:
        binary.environment.CIBRIDGE_REQUEST.startsWith("${jenkins.workspace}@tmp/cibridge-")
        binary.environment.CIBRIDGE_RESULT_FILE.startsWith("${jenkins.workspace}@tmp/cibridge-")
    }

    def 'two calls do not share files'() {
        when:
        jenkins.run("node { parallel(a: { $START }, b: { $START }) }")

        then:
        jenkins.result == 'SUCCESS'
        seen*.environment*.CIBRIDGE_REQUEST.toSet().size() == 2
    }

    def 'a folder that cannot be removed does not change how the call ended'() {
        given:
        jenkins.faults.deleteDir = new IOException('Unable to delete')

        when:
        step(START)

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.id == BUILD.id
        jenkins.console.any { it.contains('cibridge: folder not removed') }
    }

    // --- How it ends.

    def 'an abort of the build stays an abort'() {
        given:
        jenkins.shell = { Shell call -> throw new FlowInterruptedException() }

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', propagate: false)")

        then:
        jenkins.result == 'ABORTED'
        jenkins.failure instanceof FlowInterruptedException
    }

    def 'an abort while it tidies up stays an abort'() {
        when:
        jenkins.faults.deleteDir = new FlowInterruptedException()
        step(START)

        then:
        jenkins.result == 'ABORTED'
    }

    @Unroll
    def 'code #code fails the stage with the words of the binary'() {
        given:
        answering(outcome: outcome, exit_code: code, build: null, error: [message: 'starting the build: the key was refused (401)', hint: 'make a new token'])

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', propagate: false)")

        then: 'also with propagate: false, because it is not an answer of the remote build'
        complaint == 'triggerCodemagic: starting the build: the key was refused (401). Hint: make a new token'
        jenkins.console.count { it.contains('the key was refused') } == 1

        where:
        code | outcome
        2    | 'local_fault'
        10   | 'refused'
        11   | 'refused'
        12   | 'refused'
        13   | 'unavailable'
        14   | 'unavailable'
        15   | 'unknown'
        16   | 'local_fault'
        130  | 'interrupted'
        143  | 'interrupted'
    }

    @Unroll
    def 'a remote build that #words ends the stage as #result (code #code)'() {
        given:
        Map build = BUILD + [number: 8, status: 'x', commit: 'c0ffee']
        answering(outcome: outcome, exit_code: code, build: build, failure: failure)

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true)")

        then:
        jenkins.result == result
        jenkins.console[-2] == (result == 'FAILURE' ? 'ERROR' : 'WARNING') + ": triggerCodemagic: Codemagic build 8 $words ($PAGE)"
        code != 3 || jenkins.returned.outcome == 'unstable'

        when:
        seen.clear()
        jenkins.result = 'SUCCESS'
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == outcome
        jenkins.returned.exitCode == code
        jenkins.returned.number == 8
        jenkins.returned.commit == 'c0ffee'

        where:
        code | outcome        | failure                                                      | result     | words
        1    | 'failed'       | [message: 'Step 5 script `Build` failed', step: 'Build']     | 'FAILURE'  | "failed in step 'Build': Step 5 script `Build` failed"
        1    | 'failed'       | [message: null, step: 'Build ipa', log_tail: ['x']]          | 'FAILURE'  | "failed in step 'Build ipa'"
        1    | 'failed'       | [message: 'Failed to clone', step: null, log_tail: []]        | 'FAILURE'  | 'failed: Failed to clone'
        1    | 'failed'       | null                                                         | 'FAILURE'  | 'failed'
        3    | 'unstable'     | null                                                         | 'UNSTABLE' | 'is unstable'
        4    | 'cancelled'    | null                                                         | 'FAILURE'  | 'was cancelled'
        5    | 'skipped'      | null                                                         | 'FAILURE'  | 'was skipped'
        6    | 'timed_out'    | null                                                         | 'FAILURE'  | 'passed the time limit'
        7    | 'wrong_commit' | null                                                         | 'FAILURE'  | 'is of another commit'
        1    | 'something'    | null                                                         | 'FAILURE'  | 'ended as something'
    }

    def 'a build that was followed to success returns everything'() {
        given:
        answering(outcome: 'success', build: BUILD + [number: 8, status: 'finished', commit: 'c0ffee'], artifacts: [[name: 'app.ipa', type: 'ipa', size: 5000000000, path: 'app.ipa']])

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true)")

        then:
        jenkins.returned.subMap('number', 'outcome', 'status', 'commit') == [number: 8, outcome: 'success', status: 'finished', commit: 'c0ffee']
        jenkins.returned.artifacts == [[name: 'app.ipa', type: 'ipa', size: 5000000000, path: 'app.ipa']]
    }

    def 'puts the build page into the description when asked'() {
        when:
        jenkins.run("node { $START; triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', description: true); triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', description: true) }")

        then:
        jenkins.buildProperties.description == "Codemagic build $BUILD.id: $PAGE\nCodemagic build $BUILD.id: $PAGE"
    }

    def 'a dry run returns no build'() {
        given:
        answering(outcome: 'dry_run', build: null)

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', dryRun: true, description: true)")

        then:
        jenkins.result == 'SUCCESS'
        binary.environment.CIBRIDGE_DRY_RUN == 'true'
        jenkins.returned.subMap('id', 'url', 'outcome') == [id: null, url: null, outcome: 'dry_run']
        !jenkins.buildProperties.description
    }

    private Map requested() {
        assert jenkins.result == 'SUCCESS': jenkins
        new groovy.json.JsonSlurper().parseText(jenkins.called('writeFile')[0].text('text')) as Map
    }
}
