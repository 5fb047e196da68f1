package specs

import lab.Shell
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** One run of the binary: finding it, reading what it leaves, tidying up, and how the stage ends. */
class RunSpec extends LibrarySpecification {

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
        complaint.replaceAll(/\d+\.\d+\.\d+/, 'X') == "triggerCodemagic: '$named' was not found on agent-1 (code $code). Install cibridge X there " +
            'from https://github.com/cibridge/cibridge/releases/tag/vX (sums: https://github.com/cibridge/cibridge/releases/download/vX/SHA256SUMS), ' +
            'or give its path with the argument binary or the environment variable CIBRIDGE_BIN.'

        where:
        windows | code | named
        false   | 127  | 'cibridge'
        false   | 127  | '/opt/cibridge'
        true    | 9009 | 'cibridge'
        true    | 1    | 'C:\\tools\\cibridge.exe'
        true    | 3    | 'Z:\\cibridge.exe'
    }

    def 'a file that cannot be executed is not called missing'() {
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
        complaint == "triggerCodemagic: cibridge ended with code $code and without a result; the reason is in the console above."

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
        complaint == "triggerCodemagic: cibridge was killed (code 137). Codemagic build $BUILD.id may still be running: $PAGE"
    }

    def 'a binary that is too old says so itself'() {
        given:
        answering(outcome: 'usage_error', exit_code: 2, build: null, error: [message: 'cibridge 0.0.9: older than this library needs', hint: 'install a newer one'])

        when:
        step(START)

        then:
        binary.environment.CIBRIDGE_REQUIRE_VERSION == VERSION
        complaint == 'triggerCodemagic: cibridge 0.0.9: older than this library needs. Hint: install a newer one'
    }

    def 'works the same on a Windows agent'() {
        given:
        jenkins.windows = true

        when:
        step("triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main', variables: [A: '100% \"quoted\" & more'])")

        then:
        jenkins.result == 'SUCCESS'
        only('bat').text('script') == '@"%CIBRIDGE_BIN%" %CIBRIDGE_COMMAND% >NUL'
        jenkins.called('sh').empty
        jenkins.returned.id == BUILD.id
    }

    def 'outside a node it takes an agent for the call'() {
        when:
        jenkins.run(START)

        then:
        jenkins.result == 'SUCCESS'
        jenkins.called('node')*.text('label') == ['']
        commands == ['codemagic trigger']
        jenkins.called('sleep').empty
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
        2    | 'usage_error'
        10   | 'refused'
        11   | 'refused'
        12   | 'refused'
        13   | 'unavailable'
        14   | 'unavailable'
        15   | 'unknown'
        16   | 'local_fault'
        70   | 'internal_error'
        130  | 'interrupted'
        143  | 'interrupted'
    }

    @Unroll
    def 'a remote build that ends as #outcome ends the stage as #result, in the words of the binary'() {
        given:
        answering(outcome: outcome, exit_code: code, build: BUILD + [number: 8, status: 'x', commit: 'c0ffee'], summary: "Codemagic build 8 ended so ($PAGE)".toString(), error: error)

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true)")

        then:
        jenkins.result == result
        jenkins.console[-2] == (result == 'FAILURE' ? 'ERROR' : 'WARNING') + ": triggerCodemagic: Codemagic build 8 ended so ($PAGE)" + (error ? '. Hint: wait longer' : '')
        code != 3 || jenkins.returned.outcome == 'unstable'

        when:
        seen.clear()
        jenkins.result = 'SUCCESS'
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', wait: true, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.subMap('outcome', 'exitCode', 'number', 'commit') == [outcome: outcome, exitCode: code, number: 8, commit: 'c0ffee']

        where:
        code | outcome        | result     | error
        1    | 'failed'       | 'FAILURE'  | null
        3    | 'unstable'     | 'UNSTABLE' | null
        4    | 'canceled'     | 'FAILURE'  | null
        5    | 'skipped'      | 'FAILURE'  | null
        6    | 'timed_out'    | 'FAILURE'  | [message: 'Codemagic build 8: ran longer than 1h', hint: 'wait longer']
        7    | 'wrong_commit' | 'FAILURE'  | null
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

    @Unroll
    def 'the page of the build stands in the description once, as #description'() {
        given:
        Map build = BUILD + [number: 8, url: 'https://ci.example.com/?a&"b"/']
        answering(outcome: 'success', build: build)
        jenkins.buildProperties.description = before

        when: 'two calls about one build'
        jenkins.run("node { waitForCodemagic('1', description: $description); waitForCodemagic('1', description: $description) }")

        then:
        jenkins.buildProperties.description == after

        where:
        description | before   | after
        true        | null     | 'Codemagic build 8: https://ci.example.com/?a&"b"/'
        true        | 'mine'   | 'mine\nCodemagic build 8: https://ci.example.com/?a&"b"/'
        "'html'"    | null     | '<a href="https://ci.example.com/?a&amp;&quot;b&quot;/">Codemagic build 8</a>'
        "'html'"    | 'mine'   | 'mine<br><a href="https://ci.example.com/?a&amp;&quot;b&quot;/">Codemagic build 8</a>'
        false       | 'mine'   | 'mine'
    }

    def 'a dry run shows its request and returns no build'() {
        given:
        answering(outcome: 'dry_run', build: null, request: [body: [workflow_id: 'w']])

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', dryRun: true, description: true)")

        then:
        jenkins.result == 'SUCCESS'
        binary.environment.CIBRIDGE_DRY_RUN == 'true'
        jenkins.returned.subMap('id', 'url', 'outcome') == [id: null, url: null, outcome: 'dry_run']
        !jenkins.buildProperties.description
        jenkins.console.any { it.contains('"workflow_id": "w"') }
    }
}
