package specs

import lab.Jenkins
import lab.Source
import spock.lang.Specification
import spock.lang.Unroll

import java.nio.file.FileVisitResult
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.SimpleFileVisitor
import java.nio.file.attribute.BasicFileAttributes

/** What every file of vars/ keeps to, read from the files themselves; and that the rules do find what breaks them. */
class RulesSpec extends Specification {
    static final File REPOSITORY = new File(System.getProperty('repository')).canonicalFile
    static final File VARS = new File(REPOSITORY, 'vars')
    static final List<String> FILES = VARS.list().findAll { it.endsWith('.groovy') }*.replace('.groovy', '').sort()
    static final List<String> STEPS = FILES.findAll { !it.startsWith('cibridge') }
    static final List<String> ALL_METHODS = FILES.collectMany { new Source(new File(VARS, "${it}.groovy")).methods }

    @Unroll
    def '#file keeps the rules'() {
        expect:
        new Source(new File(VARS, file)).violations(ALL_METHODS, FILES) == []

        where:
        file << FILES.collect { it + '.groovy' }
    }

    @Unroll
    def 'the rules find: #rule'() {
        expect:
        Source.of(text).violations(ALL_METHODS, FILES)*.replaceAll(/^line \d+: /, '') == [rule]

        where:
        text                                                                           | rule
        'def call(x) { sh "run $x" }'                                                  | 'the script of sh is not a constant text'
        'def call(x) { sh(script: "run " + x, returnStatus: true) }'                   | 'the script of sh is not a constant text'
        'def call(x) { bat(script: x) }'                                               | 'the script of bat is not a constant text'
        'def call() { powershell("a") }'                                               | 'calls powershell, which is neither a step of the engine, nor a method of the library, nor a permitted call'
        'def call() { readJSON(text: "") }'                                            | 'calls readJSON, which is neither a step of the engine, nor a method of the library, nor a permitted call'
        'def call(x) { x.execute() }'                                                  | 'calls execute, which is neither a step of the engine, nor a method of the library, nor a permitted call'
        'def call() { new File("a") }'                                                 | 'makes a java.io.File'
        'def call() { try { echo "a" } catch (Exception e) { echo "b" } }'             | 'catches Exception, under which an abort comes, and does not throw it on'
        'def call() { try { echo "a" } catch (e) { echo "b" } }'                       | 'catches Exception, under which an abort comes, and does not throw it on'
        'def call() { try { echo "a" } catch (Throwable e) { if (e) { throw e } } }'   | 'catches Throwable, under which an abort comes, and does not throw it on'
        'def call() { try { echo "a" } catch (org.jenkinsci.plugins.workflow.steps.FlowInterruptedException e) { } }' |
            'catches FlowInterruptedException, under which an abort comes, and does not throw it on'
        'def call() { try { echo "a" } finally { return 1 } }'                         | 'returns from finally, which swallows an abort'
        'def call() { catchError { echo "a" } }'                                       | 'catchError without catchInterruptions: false swallows an abort'
        'def call() { catchError(catchInterruptions: true) { echo "a" } }'             | 'catchError without catchInterruptions: false swallows an abort'
        '@groovy.transform.Field def kept = 1; def call() { }'                         | 'keeps state in the field kept'
        'def call() { kept = 1 }'                                                      | 'sets kept, a variable of the whole build'
        'class Other { }; def call() { }'                                              | 'defines the class Other'
        'import java.nio.file.Files; def call() { }'                                   | 'imports java.nio.file.Files'
        '@Grab("a:b:1") import groovy.json.JsonOutput; def call() { }'                 | 'grabs a dependency'
    }

    @Unroll
    def 'the rules let pass: #text'() {
        expect:
        Source.of(text).violations(ALL_METHODS, FILES) == []

        where:
        text << [
            "def call() { sh 'make' }",
            'def call() { sh(script: \'run "$X"\', returnStatus: true) }',
            'def call() { try { echo "a" } catch (Exception e) { echo "b"; throw e } }',
            'def call() { try { echo "a" } catch (groovy.json.JsonException e) { return null } }',
            'def call() { catchError(catchInterruptions: false) { echo "a" } }',
        ]
    }

    def 'every step has its help, and a helper says that it is internal'() {
        expect:
        VARS.list().sort() == (FILES.collect { "${it}.groovy" } + STEPS.collect { "${it}.txt" })*.toString().sort()
        FILES.every { it ==~ /[a-z][A-Za-z0-9]*/ }
        (FILES - STEPS).every { new File(VARS, "${it}.groovy").readLines()[0].startsWith('// Internal: ') }
    }

    def 'the version that the library requires of the binary stands in one place'() {
        expect:
        FILES.collectMany { new File(VARS, "${it}.groovy").text.findAll(/\d+\.\d+\.\d+/) } == [LibrarySpecification.VERSION]
    }

    def 'nothing in the repository makes Jenkins reject the library or warn about it'() {
        given:
        List<String> wrong = []

        when:
        Files.walkFileTree(REPOSITORY.toPath(), new SimpleFileVisitor<Path>() {
            @Override
            FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
                String name = REPOSITORY.toPath().relativize(folder)
                if (name in ['src/test', 'resources', 'libs']) {
                    wrong << name
                }
                name in ['.git', 'target', 'jenkins-lib/target'] ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE
            }

            @Override
            FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                String name = REPOSITORY.toPath().relativize(file)
                if (attributes.symbolicLink || attributes.other || name.startsWith('src/') && name.endsWith('.groovy')) {
                    wrong << name
                }
                FileVisitResult.CONTINUE
            }
        })

        then:
        wrong == []
    }

    static Map schemaOf(String step) {
        Jenkins jenkins = new Jenkins(sandbox: false)
        try {
            return jenkins.call(step, 'schema') as Map
        } finally {
            jenkins.close()
        }
    }
}
