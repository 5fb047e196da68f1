package specs

import lab.Jenkins
import lab.Shell
import lab.Simulator
import org.yaml.snakeyaml.Yaml
import spock.lang.AutoCleanup
import spock.lang.Shared
import spock.lang.Specification
import spock.lang.Unroll

/** The blocks of README, handbook and its pages: each pipeline runs, each console is what a run prints, each YAML is one. tests/readme.rs has the others. */
class BlocksSpec extends Specification {
    static final File ROOT = RulesSpec.REPOSITORY
    /** All pages but docs/steps.md, whose examples PagesSpec runs. */
    static final List<File> PAGES = [new File(ROOT, 'README.md'), new File(ROOT, 'jenkins-lib/README.md')] +
        (new File(ROOT, 'jenkins-lib/docs').listFiles() as List).findAll { it.name != 'steps.md' }.sort()
    static final String APP = '60a0b1c2d3e4f56789abcdef'

    @Shared
    @AutoCleanup
    Simulator simulator = new Simulator(['--app', APP, '--workflow', 'ios-release', '--key', ExamplesSpec.KEY, '--advance', 'poll'])

    @AutoCleanup
    Jenkins jenkins

    def setup() {
        simulator.reset()
    }

    /** The blocks of one language: [page, text]. */
    static List<List> blocks(String language) {
        PAGES.collectMany { page ->
            page.getText('UTF-8').findAll(/(?ms)^ *```$language\n(.*?)^ *```$/) { whole, text -> [ROOT.toPath().relativize(page.toPath()).toString(), text] }
        }
    }

    /** A part of a pipeline becomes a whole one; what needs a plugin that is not here is replaced. */
    static String whole(String block) {
        String ready = block
            .replaceAll(/(?s)agent \{\s*(docker|kubernetes) \{.*?\n    \}\n/, 'agent any\n')
            .replace('"${tool \'cibridge\'}/cibridge"', "'$Simulator.binary'")
        String build = "triggerCodemagic appId: '$APP', workflowId: 'ios-release', branch: 'main', wait: true"
        switch (ready) {
            case { it.startsWith('post {') }: return "pipeline { agent any; stages { stage('Mobile') { steps { $build, artifacts: '*.ipa', artifactsDir: 'app', junit: 'tests/codemagic.xml' } } }\n$ready }"
            case { it.startsWith('stage(') }: return "pipeline { agent none; stages { stage('Mobile') { steps { $build } }\n$ready } }"
            default: return ready
        }
    }

    private void run(String pipeline) {
        String folder = new File(Simulator.binary).parent
        jenkins = new Jenkins(
            shell: { Shell call -> call.execute() },
            credentials: ['codemagic-api-key': [kind: 'string', secret: ExamplesSpec.KEY]],
            agentEnvironment: [PATH: "$folder:${System.getenv('PATH')}".toString(), LANG: 'C.UTF-8', HOME: System.getProperty('java.io.tmpdir')],
            buildEnvironment: [CODEMAGIC_API_URL: simulator.ready.v3, CODEMAGIC_LEGACY_API_URL: simulator.ready.legacy, CIBRIDGE_POLL_INTERVAL: '5ms'],
        )
        jenkins.run(pipeline)
    }

    @Unroll
    def 'the pipeline of #page runs: #begin'() {
        when:
        run(whole(text))

        then:
        jenkins.failure == null
        jenkins.result == 'SUCCESS'

        where:
        [page, text] << blocks('groovy')
        begin = text.readLines().findAll { it.trim() && !it.contains('@Library') }.take(3)*.trim().join(' ')
    }

    @Unroll
    def 'the console of #page is what its first pipeline prints: #begin'() {
        given: 'a console without a build that succeeded is one of a build that failed'
        if (text.contains(' failed in step ')) {
            simulator.control('POST', 'plan', [steps: [[name: 'Install dependencies', seconds: 50], [name: 'Build ipa', seconds: 120, status: 'failed', log: 'no profile\n']]])
        }

        when:
        run(blocks('groovy').find { it[0] == page && it[1].contains("wait: true") }[1] as String)

        then:
        differences(text.readLines(), jenkins.console + (jenkins.failure ? ["ERROR: $jenkins.failure.message".toString()] : []) + ["Finished: $jenkins.result".toString()]) == null

        where:
        [page, text] << blocks('text')
        begin = text.readLines()[0]
    }

    /** The first line that is not where the page has it; `…` stands for other lines, and at the end of a line for its rest. */
    static String differences(List<String> shown, List<String> console) {
        Closure<String> plain = { String line -> line.replaceAll(/[0-9a-f]{24,40}/, 'ID') }
        int at = 0
        boolean skipping = true
        for (String line in shown*.trim()) {
            if (line == '…') {
                skipping = true
                continue
            }
            Closure<Boolean> same = { int n -> line.endsWith('…') ? plain(console[n]).startsWith(plain(line[0..-2])) : plain(console[n]) == plain(line) }
            Integer found = skipping ? (at..<console.size()).find { same(it) } : at < console.size() && same(at) ? at : null
            if (found == null) {
                return "$line\n  is not in\n  ${console.drop(at).join('\n  ')}"
            }
            at = found + 1
            skipping = false
        }
        null
    }

    @Unroll
    def 'the YAML of #page can be read: #begin'() {
        expect:
        new Yaml().load(text as String) != null

        where:
        [page, text] << blocks('yaml')
        begin = text.readLines()[0]
    }

    def 'the configuration as code has the names that the library and the pages use'() {
        given:
        Map casc = blocks('yaml').collect { new Yaml().load(it[1] as String) }.find { it instanceof Map && it.credentials } as Map

        expect:
        casc.unclassified.globalLibraries.libraries*.name == ['codemagic']
        casc.credentials.system.domainCredentials*.credentials.flatten()*.values().flatten()*.id == ['codemagic-api-key', 'jenkins-api-token']
    }
}
