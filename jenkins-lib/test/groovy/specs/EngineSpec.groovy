package specs

import lab.Jenkins
import lab.Shell
import spock.lang.AutoCleanup
import spock.lang.Specification
import spock.lang.Unroll

/** The engine catches what Jenkins would trip over: shown with library files that are wrong on purpose. */
class EngineSpec extends Specification {
    static final File WRONG = new File(EngineSpec.getResource('/wrong').toURI())

    @AutoCleanup
    Jenkins jenkins = new Jenkins(varsFolder: WRONG)
    @AutoCleanup
    Jenkins trusting = new Jenkins(varsFolder: WRONG, trustedLibrary: true)

    @Unroll
    def '#file: a step where CPS forbids one ends the test'() {
        when:
        trusting.run("node { $file() }")

        then:
        Jenkins.ForbiddenStep fault = thrown()
        fault.message.startsWith(message)

        where:
        file              | message
        'stepInNonCps'    | 'expected to call warn but wound up catching echo'
        'stepInSort'      | 'expected to call sort but wound up catching'
        'stepFromNonCpsClosure' | 'expected to call'
        'stepInToString'  | 'plain code ran into toString of a pipeline'
    }

    @Unroll
    def '#file: a value that cannot be saved across a step ends the test'() {
        when:
        trusting.run("node { $file() }")

        then:
        Jenkins.UnsavedValue fault = thrown()
        fault.message.startsWith("step 'echo' was called while the program held a value that cannot be saved: $type")

        where:
        file               | type
        'keepsLazyMap'     | 'groovy.json.internal.LazyMap'
        'keepsMatcher'     | 'java.util.regex.Matcher'
        'keepsEntry'       | 'java.util.LinkedHashMap$Entry'
        'keepsInClosure'   | 'groovy.json.internal.LazyMap'
    }

    @Unroll
    def '#file: a call that the sandbox refuses fails the build'() {
        when:
        jenkins.run("node { $file() }")

        then:
        jenkins.failure instanceof SecurityException
        jenkins.failure.message.contains(call)

        where:
        file              | call
        'readsFile'       | 'new java.io.File java.lang.String'
        'runsProcess'     | 'execute'
        'staysInNonCps'   | 'java.lang.System getenv'
        'addsStrings'     | 'org.codehaus.groovy.runtime.GStringImpl plus org.codehaus.groovy.runtime.GStringImpl'
        'evaluates'       | 'evaluate'
    }

    def 'the same call is permitted in a library of the whole controller'() {
        when:
        trusting.run('node { staysInNonCps() }')

        then:
        trusting.result == 'SUCCESS'
    }

    def 'a step that Jenkins does not have is no step here either'() {
        when:
        jenkins.run('node { readJSON(text: "{}") }')

        then:
        jenkins.failure.message.startsWith("No such DSL method 'readJSON'")
    }

    def 'an argument that a step does not have ends the test'() {
        when:
        jenkins.run('node { sh(script: "true", returnsStatus: true) }')

        then:
        AssertionError fault = thrown()
        fault.message.startsWith('step sh has no argument [returnsStatus]')
    }

    def 'a pipeline continues from what was saved'() {
        given:
        jenkins.shell = { Shell call -> 0 }

        when:
        jenkins.run('''
            Map held = [list: [1]]
            Closure body = { held.list << it }
            node {
                sh 'true'
                body(2)
                echo "held ${held.list}"
            }
            echo "held ${held.list}"
            held''')

        then:
        jenkins.console == ['held [1, 2]', 'held [1, 2]', 'Finished: SUCCESS']
        jenkins.returned == [list: [1, 2]]
    }

    def 'declarative pipelines run their stages, environment and post parts'() {
        when:
        jenkins.run('''
            pipeline {
                agent any
                options { skipDefaultCheckout(true) }
                environment { A = 'a'; B = "${A}b" }
                stages {
                    stage('one') { steps { echo "one $B ${env.B}" }
                        post { always { echo 'after one' } } }
                    stage('two') { environment { C = 'c' }
                        steps { error "two $C" } }
                    stage('three') { steps { echo 'three' } }
                }
                post {
                    success { echo 'good' }
                    failure { echo "bad $A" }
                    aborted { echo 'stopped' }
                    always { echo 'end' }
                }
            }''')

        then:
        jenkins.console == ['one ab ab', 'after one', 'bad a', 'end', 'ERROR: two c', 'Finished: FAILURE']
    }
}
