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
        id: '6a941a0014bf8ccd332f2844', number: null, url: PAGE, status: 'queued', app_id: 'app-1', workflow_id: 'ios',
        branch: 'main', tag: null, commit: null, labels: [], queued_seconds: null, run_seconds: null,
    ]

    @AutoCleanup
    Jenkins jenkins = new Jenkins(shell: { Shell call -> seen << call; call.answer(document()) })

    /** The calls of the binary, in order. */
    List<Shell> seen = []

    /** A result document as the binary writes it; by default that of an accepted start. */
    static Map document(Map changes = [:]) {
        [schema: 1, provider: 'codemagic', outcome: 'started', exit_code: 0, adopted: false, build: BUILD, failure: null, steps: [], artifacts: [], error: null] + changes
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
