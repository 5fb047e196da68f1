package specs

import lab.Jenkins
import lab.Pages
import spock.lang.Shared
import spock.lang.Specification
import spock.lang.Unroll

/** The help pages, the handbook's list of arguments and the GDSL file: complete, current, and fit for what shows them. */
class PagesSpec extends Specification {
    @Shared
    Pages pages = new Pages(RulesSpec.REPOSITORY, RulesSpec.STEPS.collectEntries { [(it): RulesSpec.schemaOf(it)] })

    def 'every step and every argument has its words, and no word is written in vain'() {
        expect:
        pages.steps.sort() == RulesSpec.STEPS
        pages.gaps == []
    }

    def 'the files are those that steps.groovy makes'() {
        given:
        Map<File, String> files = pages.files()
        if (System.getProperty('pages') == 'write') {
            files.each { file, text -> file.setText(text, 'UTF-8') }
        }

        expect: 'else: make pages'
        files.findAll { file, text -> !file.exists() || file.getText('UTF-8') != text }.keySet()*.name == []
    }

    @Unroll
    def 'the help of #step reads well with the default formatter and with Safe HTML'() {
        given:
        String page = new File(RulesSpec.VARS, "${step}.txt").getText('UTF-8')
        List<String> paragraphs = page.trim().split('\n\n') as List
        String returns = Pages.heading('What it returns')

        expect: 'no markup, no column, one paragraph on one line, and nothing beyond ASCII, which a controller may read in another encoding'
        !page.find(/[<>&\t]|[^\x00-\x7f]|  /)
        paragraphs.every { !it.contains('\n') && it.length() < 420 }
        paragraphs[0].startsWith("$step: ")
        paragraphs[1].startsWith('[example] ')

        and: 'what happens without an argument'
        paragraphs.takeWhile { it != returns }.findAll { it =~ /^\[(?!example)/ && !(it =~ /Default: |There is no default/) } == []

        and: 'what comes back'
        step == 'shareCodemagicArtifacts' || page.split(returns)[1].findAll(/(?m)^\[(\w+)\] /) { it[1] } == LibrarySpecification.RETURNED

        where:
        step << RulesSpec.STEPS
    }

    @Unroll
    def 'the examples of #step run'() {
        given:
        List<Map> seen = []
        String id = '6a941a0014bf8ccd332f2844'
        Jenkins jenkins = new Jenkins(
            buildEnvironment: [CODEMAGIC_APP_ID: 'a', CODEMAGIC_WORKFLOW: 'w', CODEMAGIC_BRANCH: 'b'],
            params: [ID: id], shell: { lab.Shell call -> seen << call.environment; call.answer(LibrarySpecification.document(outcome: 'success', links: [])) })
        jenkins.credentials.putAll('other-key': [kind: 'string', secret: 'x'], 'jenkins-api-token': [kind: 'usernamePassword', user: 'u', secret: 'x'])

        when:
        pages.examples(step).each { jenkins.run((it.contains('def build') ? '' : 'Map build = [id: params.ID, url: params.ID]\n') + "node {\n$it\n}") }

        then:
        pages.examples(step).size() >= 2
        jenkins.result == 'SUCCESS'
        seen.size() == pages.examples(step).size()

        cleanup:
        jenkins.close()

        where:
        step << RulesSpec.STEPS
    }

    def 'an IDE can read the GDSL file, and finds every step and argument in it'() {
        given: 'the words of the language that the file uses'
        Map<String, Set> found = [:].withDefault { [] as Set }
        Binding binding = new Binding()
        binding.scriptScope = { -> 'script' }
        binding.context = { Map scope -> scope }
        binding.contributor = { Map context, Closure body -> body() }
        binding.parameter = { Map one -> one }
        binding.method = { Map one -> assert one.doc && one.type && one.params; found[one.name].addAll((one.namedParams ?: [])*.name) }

        when:
        new GroovyShell(binding).evaluate(new File(RulesSpec.REPOSITORY, 'jenkins-lib/cibridge.gdsl'))

        then:
        found.collectEntries { name, arguments -> [(name): arguments] } == RulesSpec.STEPS.collectEntries { [(it): RulesSpec.schemaOf(it).keySet()] }
    }
}
