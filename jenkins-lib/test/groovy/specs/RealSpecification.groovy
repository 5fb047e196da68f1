package specs

import lab.Jenkins
import lab.Shell
import lab.Simulator
import spock.lang.AutoCleanup
import spock.lang.Shared
import spock.lang.Specification

/** What the tests share that run the real binary, by a real shell, against the simulator. */
abstract class RealSpecification extends Specification {
    public static final String APP = '6a93a352009dcdab34b3feff'
    public static final String KEY = 'cm-secret-0123456789abcdef'
    @Shared
    @AutoCleanup
    Simulator simulator = new Simulator(['--app', APP, '--workflow', 'ios-release', '--key', KEY, '--advance', 'poll'])

    @AutoCleanup
    Jenkins jenkins = controller(simulator) { Shell call -> watch(call) }

    /** Everything the binary left: files, arguments. */
    List<String> traces = []

    static Jenkins controller(Simulator codemagic, Closure shell) {
        new Jenkins(shell: shell, buildEnvironment: [
            CIBRIDGE_BIN: Simulator.binary, CODEMAGIC_API_URL: codemagic.ready.v3, CODEMAGIC_LEGACY_API_URL: codemagic.ready.legacy,
            CODEMAGIC_APP_ID: APP, CODEMAGIC_WORKFLOW: 'ios-release', CODEMAGIC_BRANCH: 'main', CIBRIDGE_POLL_INTERVAL: '5ms',
        ])
    }

    def setup() {
        simulator.reset()
    }

    /** Runs the call and keeps what it leaves in its folder. */
    int watch(Shell call) {
        int code = call.execute()
        new File(call.environment.CIBRIDGE_RESULT_FILE).parentFile.eachFile { traces << it.getText('UTF-8') }
        code
    }

    Jenkins step(String call) {
        jenkins.run("node { return $call }")
    }
}
