package lab

/** The help pages of the steps, the handbook's list of arguments and the GDSL file, made of jenkins-lib/steps.groovy and the schemas in vars/. */
class Pages {
    private static final Map<String, List<String>> TYPES = [
        // What a schema says: for people, for an IDE.
        text: ['text', 'java.lang.String'], boolean: ['true or false', 'boolean'], list: ['text or list', 'java.util.List'], texts: ['map', 'java.util.Map'],
        values: ['map', 'java.util.Map'], maps: ['list of maps', 'java.util.List'], commit: ['text or true', 'java.lang.Object'],
        description: ["true or 'html'", 'java.lang.Object'],
    ]
    private static final String CONNECTION = 'Credential, program and connection'

    private final File repository
    private final Map words
    /** Step -> argument -> [type: …]. */
    private final Map<String, Map> schemas

    Pages(File repository, Map<String, Map> schemas) {
        this.repository = repository
        this.schemas = schemas
        words = new GroovyShell().evaluate(new File(repository, 'jenkins-lib/steps.groovy')) as Map
    }

    List<String> getSteps() {
        words.steps.keySet() as List
    }

    List<String> examples(String step) {
        words.steps[step].examples*.toString()
    }

    List<String> getReturned() {
        words.returns.keySet() as List
    }

    /** Every file with its text. */
    Map<File, String> files() {
        steps.collectEntries { [(new File(repository, "vars/${it}.txt")): help(it)] } +
            [(new File(repository, 'jenkins-lib/docs/steps.md')): handbook(), (new File(repository, 'jenkins-lib/cibridge.gdsl')): gdsl()]
    }

    /** What is written in vain or missing: words or a place in a group for an argument that no step has, an argument without words or without exactly one group. */
    List<String> getGaps() {
        List<String> found = []
        Set<String> used = [] as Set
        Set<List> placed = [] as Set
        schemas.each { step, schema ->
            List<String> grouped = groups(step).values().flatten()
            schema.keySet().each { name ->
                String key = keyOf(step, name)
                key ? used << key : (found << "$step.$name has no words".toString())
                if (grouped.count(name) != 1) {
                    found << "$step.$name is in ${grouped.count(name)} groups".toString()
                }
            }
            words.groups.each { group -> placed.addAll(group.arguments.findAll { schema.containsKey(it) && shows(group, step) }.collect { [group.title, it] }) }
        }
        List unused = words.groups.collectMany { group -> group.arguments.collect { [group.title, it] } } - (placed as List)
        found + (words.arguments.keySet() - used).collect { "nothing has the words of $it".toString() } + unused.collect { "no step has $it".toString() }
    }

    private static boolean shows(Map group, String step) {
        !group.of || group.of.contains(step)
    }

    private String keyOf(String step, String argument) {
        ["$step.$argument".toString(), (step.contains('Jenkins') ? "Jenkins.$argument" : "${groupOf(step, argument)}.$argument").toString(), argument].find { words.arguments.containsKey(it) }
    }

    private String groupOf(String step, String argument) {
        groups(step).find { it.value.contains(argument) }?.key
    }

    private String textOf(String step, String argument) {
        words.arguments[keyOf(step, argument)]
    }

    /** Group -> the arguments of the step in it. */
    private Map<String, List<String>> groups(String step) {
        words.groups.findAll { shows(it, step) }.collectEntries { [(it.title): it.arguments.findAll { name -> schemas[step].containsKey(name) }] }.findAll { it.value }
    }

    /**
     * Jenkins' help page. The default formatter shows the text as it is. Safe HTML joins all of it into one paragraph, so
     * that what a paragraph is about stands in brackets, and a heading between rules: an eye finds both there, too.
     */
    private String help(String step) {
        Map page = words.steps[step]
        List<String> parts = ["$step: $page.summary", *page.examples.collect { "[example] $it" }, page.first, *page.details].findAll()
        groups(step).each { title, names ->
            parts << heading(title)
            parts.addAll(names.collect { "[$it] ${textOf(step, it)}" })
        }
        parts << heading('What it returns')
        parts.addAll(page.returnsInstead ? [page.returnsInstead] : ['A map of plain values, which can be kept, printed and read after a restart.', *words.returns.collect { name, text -> "[$name] $text" }, page.returns])
        parts.findAll().join('\n\n') + '\n'
    }

    static String heading(String title) {
        "===== ${title.toUpperCase()} ====="
    }

    private String handbook() {
        List<String> lines = [
            '# The steps and their arguments', '',
            'Made from [steps.groovy](../steps.groovy), like the help pages inside Jenkins (*Pipeline Syntax > Global Variables Reference*) and [cibridge.gdsl](../cibridge.gdsl).', '',
            'A time is a text with a unit: `\'90s\'`, `\'30m\'`, `\'1h30m\'`.', '',
        ]
        steps.each { step ->
            Map page = words.steps[step]
            lines.addAll(["## $step", '', markdown(page.summary), '', '```groovy', *page.examples, '```', ''])
            ([page.first] + (page.details ?: [])).findAll().each { lines.addAll([markdown(it), '']) }
            lines.addAll(table(step, groups(step).findAll { it.key != CONNECTION }))
            lines.addAll([page.returnsInstead ? "It returns ${markdown(page.returnsInstead[0].toLowerCase() + page.returnsInstead.substring(1))}" : 'It returns [a map](#what-the-steps-return).', ''])
            if (page.returns) {
                lines.addAll([markdown(page.returns), ''])
            }
        }
        [['Codemagic', 'cancelCodemagic'], ['Jenkins', 'stopJenkins']].each { system, step ->
            lines.addAll(["## Every step for $system", ''])
            lines.addAll(table(step, groups(step).findAll { it.key == CONNECTION }))
        }
        lines.addAll(['## What the steps return', '', 'A map of plain values, which can be kept, printed and read after a restart.', '', '| key | value |', '|---|---|'])
        lines.addAll(words.returns.collect { name, text -> "| `$name` | ${markdown(text)} |" })
        lines.join('\n') + '\n'
    }

    private List<String> table(String step, Map<String, List<String>> groups) {
        if (!groups) {
            return []
        }
        List<String> lines = ['| argument | type | |', '|---|---|---|']
        groups.each { title, names ->
            lines.addAll(names.collect { "| `$it` | ${TYPES[schemas[step][it].type][0]} | ${markdown(textOf(step, it))} |" })
        }
        lines + ['']
    }

    private static String markdown(Object text) {
        text.toString().replaceAll(/([*_\[\]|])/, '\\\\$1')
    }

    private String gdsl() {
        List<String> lines = [
            '// Completion of the steps in IntelliJ IDEA: put this file into a source folder of the project with the Jenkinsfile.',
            '// Made from steps.groovy.', 'contributor(context(scope: scriptScope())) {',
        ]
        steps.each { step ->
            Map page = words.steps[step]
            String type = page.returnsInstead ? 'java.util.List' : 'java.util.Map'
            String first = page.first ? ", build: 'java.lang.String'" : ''
            if (page.first) {
                lines << "    method(name: '$step', type: '$type', params: [build: 'java.lang.String'], doc: ${quoted(page.summary)})".toString()
            }
            lines << "    method(name: '$step', type: '$type', params: [arguments: 'java.util.Map'$first], doc: ${quoted(page.summary)}, namedParams: [".toString()
            groups(step).values().flatten().each { name ->
                lines << "        parameter(name: '$name', type: '${TYPES[schemas[step][name].type][1]}', doc: ${quoted(textOf(step, name))}),".toString()
            }
            lines << '    ])'
        }
        (lines + '}').join('\n') + '\n'
    }

    private static String quoted(Object text) {
        "'" + text.toString().replace('\\', '\\\\').replace("'", "\\'") + "'"
    }
}
