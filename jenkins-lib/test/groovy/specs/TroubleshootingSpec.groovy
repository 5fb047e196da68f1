package specs

import lab.Shell
import lab.Simulator
import spock.lang.Shared
import spock.lang.Unroll

import java.util.regex.Pattern

/** docs/troubleshooting.md quotes what people read in their console: each message is made here, by the real binary, and found on the page. */
class TroubleshootingSpec extends RealSpecification {
    private static final List<String> QUOTED = new File(RulesSpec.REPOSITORY, 'jenkins-lib/docs/troubleshooting.md').readLines('UTF-8')
        .findAll { it.startsWith('| `') }.collect { it.startsWith('| `` ') ? it.find(/^\| `` (.*?) `` \|/) { whole, text -> text } : it.find(/^\| `(.*?)` \|/) { whole, text -> text } }
    /** What Jenkins says itself. */
    private static final List<String> OF_JENKINS = QUOTED.findAll { !it.startsWith('triggerCodemagic: ') }

    @Shared
    Set<String> seen = [] as Set

    /** The quotation that has these words, where `…` stands for names. */
    private static List<String> quotations(String message) {
        QUOTED.findAll { message ==~ Pattern.compile(it.split('…', -1).collect { Pattern.quote(it) }.join('.*'), Pattern.DOTALL) }
    }

    @Unroll
    def 'the page explains: #what'() {
        given:
        jenkins.buildEnvironment.putAll(environment)
        if (fault) {
            simulator.fault(fault + [method: 'POST', path: '/builds'])
        }
        if (plan) {
            simulator.control('POST', 'plan', plan)
        }

        when:
        jenkins.run(where == 'node' ? "node { $call }" : call)

        then:
        jenkins.result == 'FAILURE'
        quotations(jenkins.failure.message).size() == 1

        cleanup:
        seen.addAll(quotations(jenkins.failure?.message ?: ''))

        where:
        what                         | call                                                       | where  | environment                                            | fault | plan
        'a missing program'          | "triggerCodemagic(binary: 'cibridge-of-another-name')"     | 'node' | [:]                                                    | null  | null
        'a missing credential'       | "triggerCodemagic(credentialsId: 'none')"                  | 'node' | [:]                                                    | null  | null
        'a wrong argument'           | "triggerCodemagic(workflow: 'x')"                          | 'node' | [:]                                                    | null  | null
        'the name of a pull request' | "triggerCodemagic(branch: 'PR-12')"                        | 'node' | [BRANCH_NAME: 'PR-12', CHANGE_BRANCH: 'x']             | null  | null
        'files without a workspace'  | "triggerCodemagic(wait: true, artifacts: '*.ipa')"         | 'none' | [:]                                                    | null  | null
        'no app'                     | 'triggerCodemagic(appId: null)'                            | 'node' | [:]                                                    | null  | null
        'a time without a unit'      | 'triggerCodemagic(timeout: 90)'                            | 'node' | [:]                                                    | null  | null
        'a revoked key'              | "withEnv(['CODEMAGIC_API_KEY=old-key-0123456789']) { triggerCodemagic() }" | 'node' | [:]                                    | null  | null
        'an app of somebody else'    | "triggerCodemagic(appId: '000000000000000000000000')"      | 'node' | [:]                                                    | null  | null
        'no name service'            | 'triggerCodemagic()'                                       | 'node' | [CODEMAGIC_API_URL: 'https://codemagic.invalid/api/v3'] | null  | null
        'a firewall'                 | 'triggerCodemagic()'                                       | 'node' | [CODEMAGIC_API_URL: 'http://127.0.0.1:1/api/v3']       | null  | null
        'an unknown workflow'        | "triggerCodemagic(workflowId: 'ios-relaese', wait: true)"  | 'node' | [:]                                                    | null  | null
        'a time limit'               | "triggerCodemagic(wait: true, timeout: '300ms')"           | 'node' | [:]                                                    | null  | [hold: 'Build ipa']
        'a branch that moved'        | "triggerCodemagic(wait: true, expectCommit: 'deadbeef')"   | 'node' | [:]                                                    | null  | [hold: 'Build ipa']
        'no such artifact'           | "triggerCodemagic(wait: true, artifacts: '*.exe')"         | 'node' | [:]                                                    | null  | null
        'a lost answer'              | 'triggerCodemagic()'                                       | 'node' | [:]                                                    | [kind: 'status', status: 500, act: false] | null
    }

    def 'the page explains: a program that is too old'() {
        given:
        File shim = new File(jenkins.home, 'old')
        shim.text = "#!/bin/sh\nCIBRIDGE_REQUIRE_VERSION=99.0.0 exec '$Simulator.binary' \"\$@\"\n"
        shim.executable = true

        when:
        step("triggerCodemagic(binary: '$shim')")

        then:
        quotations(jenkins.failure.message).size() == 1

        cleanup:
        seen.addAll(quotations(jenkins.failure?.message ?: ''))
    }

    def 'the page explains: an agent in a POSIX locale'() {
        given:
        jenkins.posixLocale = true

        when:
        step("triggerCodemagic(wait: true, artifacts: 'Ä*')")

        then:
        quotations(jenkins.failure.message).size() == 1

        cleanup:
        seen.addAll(quotations(jenkins.failure?.message ?: ''))
    }

    def 'the page explains: a program that cannot be executed'() {
        given:
        new File(jenkins.workspace, 'cibridge').text = 'not a program'

        when:
        step("triggerCodemagic(binary: './cibridge')")

        then:
        quotations(jenkins.failure.message).size() == 1

        cleanup:
        seen.addAll(quotations(jenkins.failure?.message ?: ''))
    }

    def 'the page explains: a program that was killed'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])
        jenkins.shell = { Shell call ->
            call.execute { Process process ->
                Thread.start {
                    simulator.control('GET', 'wait?status=building&timeout_ms=20000')
                    ['kill', '-KILL', process.pid().toString()].execute().waitFor()
                }
            }
        }

        when:
        step('triggerCodemagic(wait: true)')

        then:
        quotations(jenkins.failure.message).size() == 1

        cleanup:
        seen.addAll(quotations(jenkins.failure?.message ?: ''))
    }

    def 'the page has no message that nothing here says'() {
        expect:
        QUOTED - OF_JENKINS - seen == []
        QUOTED.size() >= 15
    }
}
