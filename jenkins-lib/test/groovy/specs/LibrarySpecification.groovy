package specs

import lab.Jenkins
import lab.Shell
import lab.StepCall
import spock.lang.AutoCleanup
import spock.lang.Specification

/** What all tests of steps share: one controller for each test, and short ways to speak of the binary's answers. */
abstract class LibrarySpecification extends Specification {
    public static final String KEY = 'cm-secret-0123456789abcdef'
    public static final String PAGE = 'https://codemagic.io/app/app-1/build/6a941a0014bf8ccd332f2844'
    public static final Map BUILD = [
        id: '6a941a0014bf8ccd332f2844', title: 'Codemagic build 6a941a0014bf8ccd332f2844', number: null, url: PAGE, status: 'queued', app_id: 'app-1', workflow_id: 'ios',
        branch: 'main', tag: null, commit: null, labels: [], created_at: null, queued_seconds: null, run_seconds: null,
    ]

    /** The version of this repository. */
    public static final String VERSION = (new File(System.getProperty('repository'), 'Cargo.toml').text =~ /(?m)^version = "([\d.]+)"/)[0][1]
    /** The keys of what the steps return. */
    public static final List<String> RETURNED = ['id', 'url', 'number', 'outcome', 'exitCode', 'status', 'commit', 'artifacts', 'result']

    @AutoCleanup
    Jenkins jenkins = new Jenkins(shell: { Shell call -> seen << call; call.answer(document()) })

    /** The calls of the binary, in order. */
    List<Shell> seen = []

    /** The order of the exit codes, see docs of the binary: `severity` in its document. */
    private static final Map<Integer, Integer> SEVERITY = [0: 0, 3: 1, 5: 2, 4: 3, 6: 4, 7: 5, 1: 6]

    /** A result document as the binary writes it; by default that of an accepted start. */
    static Map document(Map changes = [:]) {
        Map document = [schema: 1, provider: 'codemagic', outcome: 'started', exit_code: 0, adopted: false, build: BUILD, failure: null, steps: [], artifacts: [], error: null] + changes
        if (document.build?.number && document.provider == 'codemagic') {
            document.build = document.build + [title: "Codemagic build $document.build.number".toString()]
        }
        Integer code = document.exit_code
        String summary = document.error?.message ?: "${document.build?.title}: $document.outcome ($PAGE)"
        [still_running: document.outcome in ['started', 'running'], severity: SEVERITY.getOrDefault(code, 7), call_failed: !SEVERITY.containsKey(code), summary: summary] + document
    }

    /** From now on the binary answers this. */
    void answering(Map changes) {
        jenkins.shell = { Shell call -> seen << call; call.answer(document(changes)) }
    }

    /** Runs one call of a step on an agent. */
    Jenkins step(String call) {
        jenkins.run("node { return $call }")
    }

    /** The one call of the binary in this test. */
    Shell getBinary() {
        assert seen.size() == 1
        seen[0]
    }

    /** The command of each call of the binary, as in 'codemagic trigger'. */
    List<String> getCommands() {
        seen*.environment*.CIBRIDGE_COMMAND
    }

    /** The request files, in order. */
    List<Map> getRequests() {
        jenkins.called('writeFile').findAll { it.text('file').endsWith('/request.json') }.collect { new groovy.json.JsonSlurper().parseText(it.text('text')) as Map }
    }

    Map<String, String> getBinaryEnvironment() {
        binary.environment.findAll { it.key.startsWith('CIBRIDGE_') || it.key.startsWith('CODEMAGIC_') }
    }

    StepCall only(String name) {
        assert jenkins.called(name).size() == 1
        jenkins.called(name)[0]
    }

    /** The line that tells why the build failed. */
    String getComplaint() {
        assert jenkins.result == 'FAILURE': jenkins
        assert jenkins.failure instanceof hudson.AbortException
        jenkins.failure.message
    }

    /** A call that is good enough wherever the test is about something else. */
    public static final String START = "triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main')"
}
