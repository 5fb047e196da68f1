package specs

import lab.Shell
import spock.lang.Unroll

/** What a start is asked for: the request, the environment of the binary, what is refused, and the credential. */
class TriggerCodemagicSpec extends LibrarySpecification {

    def 'starts a build with one shell step and returns plain values'() {
        when:
        step(START)

        then:
        jenkins.result == 'SUCCESS'
        only('sh').text('script') == 'exec "$CIBRIDGE_BIN" $CIBRIDGE_COMMAND >/dev/null'
        commands == ['codemagic trigger']
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
                    softwareVersions: [xcode: 16.0, node: 20], instanceType: 'mac_mini_m2', idempotencyKey: "release-$who", inputs: [upload: true, count: 3, ratio: 0.5, text: "hi $who"]
                )
            }''')

        then:
        jenkins.result == 'SUCCESS'
        requests[0] == [
            app_id: 'app-1', workflow_id: 'ios', tag: 'v2', labels: ['nightly', 'hello-world'],
            inputs: [upload: true, count: 3, ratio: 0.5, text: 'hi world'], instance_type: 'mac_mini_m2', idempotency_key: 'release-world',
            environment: [
                variables: [TEXT: 'a', NUMBER: '7', FLAG: 'true', INTERPOLATED: 'hello world', EMPTY: ''],
                groups: ['staging'], software_versions: [xcode: '16.0', node: '20'],
            ],
        ]
    }

    def 'everything else reaches the binary by its environment variable'() {
        when:
        step('''triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main',
            variablesFromEnv: ['TOKEN', 'USER'], api: 'legacy', apiUrl: 'http://127.0.0.1:1', legacyApiUrl: 'http://127.0.0.1:2',
            caCert: '/etc/ca.pem', connectTimeout: '5s', answerTimeout: 30, allowHttp: true, verbose: true, dryRun: false, wait: false, noCancel: true,
            queueTimeout: '10m', runTimeout: '1h', timeout: '90m', expectCommit: 'abc', failOnStepFailure: true,
            logLines: 20, pollInterval: '50ms', console: true, allowNone: true, binary: '/opt/ci bridge/cibridge')''')

        then:
        jenkins.result == 'SUCCESS'
        Map given = binaryEnvironment
        given.remove('CIBRIDGE_REQUEST').endsWith('/request.json')
        given.remove('CIBRIDGE_RESULT_FILE').endsWith('/result.json')
        given == [
            CIBRIDGE_BIN: '/opt/ci bridge/cibridge', CIBRIDGE_COMMAND: 'codemagic trigger', CIBRIDGE_REQUIRE_VERSION: VERSION, CODEMAGIC_API_KEY: KEY,
            CIBRIDGE_VAR_FROM_ENV: 'TOKEN\nUSER', CIBRIDGE_API: 'legacy',
            CODEMAGIC_API_URL: 'http://127.0.0.1:1', CODEMAGIC_LEGACY_API_URL: 'http://127.0.0.1:2', CIBRIDGE_CA_CERT: '/etc/ca.pem',
            CIBRIDGE_CONNECT_TIMEOUT: '5s', CIBRIDGE_ANSWER_TIMEOUT: '30', CIBRIDGE_ALLOW_HTTP: 'true', CIBRIDGE_VERBOSE: 'true',
            CIBRIDGE_DRY_RUN: 'false', CIBRIDGE_WAIT: 'false', CIBRIDGE_NO_CANCEL: 'true', CIBRIDGE_QUEUE_TIMEOUT: '10m', CIBRIDGE_RUN_TIMEOUT: '1h',
            CIBRIDGE_TIMEOUT: '90m', CIBRIDGE_EXPECT_COMMIT: 'abc', CIBRIDGE_FAIL_ON_STEP_FAILURE: 'true',
            CIBRIDGE_LOG_LINES: '20', CIBRIDGE_POLL_INTERVAL: '50ms', CIBRIDGE_CONSOLE: 'true', CIBRIDGE_ALLOW_NONE: 'true',
        ]
    }

    @Unroll
    def 'values travel untouched: #value'() {
        when:
        jenkins.buildEnvironment.VALUE = value
        step('triggerCodemagic(appId: "app-1", workflowId: "ios", branch: env.VALUE, variables: [V: env.VALUE], idempotencyKey: env.VALUE)')

        then:
        jenkins.result == 'SUCCESS'
        requests[0].branch == value
        requests[0].environment.variables.V == value
        requests[0].idempotency_key == value
        binary.script == 'exec "$CIBRIDGE_BIN" $CIBRIDGE_COMMAND >/dev/null'

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
    def 'what an argument leaves empty is not taken from elsewhere, and the binary refuses it: #arguments'() {
        given:
        jenkins.buildEnvironment.putAll(CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w', CODEMAGIC_BRANCH: 'main', BRANCH_NAME: 'main')

        when:
        step("triggerCodemagic($arguments)")

        then:
        requested() == request
        !binary.environment.keySet().any { it in ['CODEMAGIC_APP_ID', 'CODEMAGIC_WORKFLOW', 'CODEMAGIC_BRANCH', 'CODEMAGIC_TAG'] }

        where:
        arguments         | request
        'branch: env.NO'  | [app_id: 'a', workflow_id: 'w']
        'appId: env.NO'   | [workflow_id: 'w', branch: 'main']
        "workflowId: ''"  | [app_id: 'a', branch: 'main']
    }

    // --- The build that this Jenkins build is about.

    @Unroll
    def 'without branch and tag it builds what the Jenkins build is about (#variable)'() {
        given:
        jenkins.buildEnvironment.putAll([CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w'] + variables)

        when:
        step('triggerCodemagic()')

        then:
        requested().subMap('branch', 'tag') == request
        jenkins.console[0] == "triggerCodemagic: building ${request.keySet()[0]} '${request.values()[0]}' (from $variable)"

        where:
        variable        | request                | variables
        'CHANGE_BRANCH' | [branch: 'feature/ü']  | [CHANGE_BRANCH: 'feature/ü', BRANCH_NAME: 'PR-12', GIT_BRANCH: 'PR-12', CHANGE_ID: '12']
        'TAG_NAME'      | [tag: 'v1.0']          | [TAG_NAME: 'v1.0', BRANCH_NAME: 'v1.0', GIT_BRANCH: 'v1.0']
        'BRANCH_NAME'   | [branch: 'develop']    | [BRANCH_NAME: 'develop', GIT_BRANCH: 'origin/develop']
        'GIT_BRANCH'    | [branch: 'origin/x/y'] | [GIT_BRANCH: 'origin/origin/x/y']
        'GIT_BRANCH'    | [branch: 'x/y']        | [GIT_BRANCH: 'x/y']
    }

    @Unroll
    def 'its own variables are stronger: #own'() {
        given:
        jenkins.buildEnvironment.putAll([CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w', BRANCH_NAME: 'develop'] + own)

        when:
        step('triggerCodemagic()')

        then:
        requested().subMap('branch', 'tag') == request

        where:
        own                       | request
        [CODEMAGIC_BRANCH: 'b']   | [branch: 'b']
        [CODEMAGIC_TAG: 'v1']     | [tag: 'v1']
    }

    @Unroll
    def 'no branch is made up (#variables)'() {
        given:
        jenkins.buildEnvironment.putAll([CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w'] + variables)

        when:
        step('triggerCodemagic()')

        then:
        requested() == [app_id: 'a', workflow_id: 'w']

        where:
        variables << [[:], [GIT_BRANCH: 'detached']]
    }

    @Unroll
    def 'a pull request from a fork is not built from a branch of the same name (#arguments)'() {
        given:
        jenkins.buildEnvironment.putAll(CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w', BRANCH_NAME: 'PR-12', CHANGE_BRANCH: 'main', CHANGE_FORK: 'somebody')

        when:
        step("triggerCodemagic($arguments)")

        then:
        arguments ? requested().branch == 'main' : complaint == "triggerCodemagic: this pull request comes from the fork 'somebody', " +
            "and Codemagic builds branches of the app's own repository. Give branch or tag."

        where:
        arguments << ['', "branch: 'main'"]
    }

    @Unroll
    def 'expectCommit: #given'() {
        given:
        if (commit) {
            jenkins.buildEnvironment.GIT_COMMIT = commit
        }

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', expectCommit: $given)")

        then:
        given == 'true' && !commit ? complaint.startsWith('triggerCodemagic: expectCommit: true means GIT_COMMIT, which has no value here.') :
            binary.environment.CIBRIDGE_EXPECT_COMMIT == expected

        where:
        given    | commit   | expected
        'true'   | 'c0ffee' | 'c0ffee'
        "'true'" | 'c0ffee' | 'c0ffee'
        'true'   | null     | null
        'false'  | 'c0ffee' | null
        "'abc'"  | 'c0ffee' | 'abc'
    }

    @Unroll
    def 'the name that Jenkins gives a pull request is no branch (#branch)'() {
        given:
        jenkins.buildEnvironment.putAll(CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w', BRANCH_NAME: 'PR-12', CHANGE_ID: '12', CHANGE_BRANCH: 'feature/x')

        when:
        step("triggerCodemagic(branch: '$branch')")

        then:
        refused ? complaint == "triggerCodemagic: branch 'PR-12' is Jenkins' name of this pull request, not a branch of the repository. Leave branch out, or give branch: env.CHANGE_BRANCH." :
            requested().branch == branch

        where:
        branch      | refused
        'PR-12'     | true
        'feature/x' | false
    }

    def 'an unknown argument is answered with the known ones'() {
        when:
        step("triggerCodemagic(workflow: 'x', appId: 'a')")

        then:
        complaint ==~ /triggerCodemagic: unknown argument 'workflow'\. Known: appId, workflowId, branch, tag, .*, verbose\./
        seen.empty
    }

    @Unroll
    def 'refuses a value of the wrong type: #argument'() {
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
        "expectCommit: ['a']"          | 'expectCommit must be a text, not a list.'
        "description: 'markdown'"      | "description must be true or false, not 'markdown'."
    }

    @Unroll
    def 'names that are interpolated are arguments like others (#arguments)'() {
        when:
        step("triggerCodemagic($arguments)")

        then:
        requested() == [app_id: 'a', workflow_id: 'w', branch: 'main', labels: ['x']]

        where:
        arguments << [
            '["${\'app\'}Id": "a", workflowId: "w", branch: "main", labels: "x"]',
            'appId: "a", workflowId: "w", builds: [["${\'bran\'}ch": "main", labels: ["x"]]]',
        ]
    }

    @Unroll
    def 'an array is a list (#labels)'() {
        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'main', labels: $labels)")

        then:
        requested().labels == ['x', 'y']

        where:
        labels << ["['x', 'y'] as String[]", "['x', 'y'] as Set", "['x', \"\${'y'}\"]"]
    }

    def 'arguments that are null start nothing'() {
        when:
        step('triggerCodemagic(null)')

        then:
        complaint == 'triggerCodemagic: the arguments are null.'
        seen.empty
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
            'the kind "Secret text" and the Codemagic API token as secret, or name another one with credentialsId.'
        seen.empty
        jenkins.console.size() == 2

        where:
        credentials                                                                    | fault
        [:]                                                                            | "Could not find credentials entry with ID 'codemagic-api-key'"
        ['codemagic-api-key': [kind: 'usernamePassword', secret: 'x']]                 | "Credentials 'codemagic-api-key' is of type 'usernamePassword' where 'string' was expected"
    }

    private Map requested() {
        assert jenkins.result == 'SUCCESS': jenkins
        requests[0]
    }
}
