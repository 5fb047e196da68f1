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
}
