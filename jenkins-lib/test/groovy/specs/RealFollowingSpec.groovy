package specs

import lab.AgentLost
import lab.Shell
import lab.Simulator
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.w3c.dom.Element
import spock.lang.Unroll

import java.security.MessageDigest
import java.util.regex.Pattern
import javax.xml.parsers.DocumentBuilderFactory

/** Waiting for builds, downloads and other Jenkins controllers with the real binary. */
class RealFollowingSpec extends RealSpecification {

    // --- Waiting for a build.

    def 'waits for the end of a build'() {
        when:
        step('triggerCodemagic(wait: true, description: true)')

        then:
        jenkins.result == 'SUCCESS'
        Map build = simulator.builds[0]
        jenkins.returned.subMap('id', 'number', 'outcome', 'exitCode', 'status', 'commit') ==
            [id: build.id, number: 1, outcome: 'success', exitCode: 0, status: 'finished', commit: build.commit]
        jenkins.returned.artifacts*.name == build.artifacts*.name
        jenkins.returned.result.steps*.name.contains('Build ipa')
        jenkins.buildProperties.description == "Codemagic build 1: $jenkins.returned.url"
    }

    @Unroll
    def 'the first run of the handbook prints what the handbook shows (failing: #failing)'() {
        given:
        String chapter = new File(RulesSpec.REPOSITORY, 'jenkins-lib/README.md').getText('UTF-8').split('\n## First run\n')[1].split('\n## ')[0]
        List<String> blocks = (chapter =~ /(?s)```\w+\n(.*?)```/).collect { it[1] }
        if (failing) {
            simulator.control('POST', 'plan', [steps: [[name: 'Build ipa', status: 'failed', seconds: 120]]])
        }

        when:
        jenkins.run(blocks[0].replaceAll(/[0-9a-f]{24}/, APP))

        then: 'each line, in this order; ids and what stands for `…` are different each time'
        String pattern = blocks[failing ? 2 : 1].readLines().collect { String line ->
            line == '…' ? '(?:.*\n)*?' : line.split(/[0-9a-f]{24,40}|…|(?<=exec )cibridge/, -1).collect { Pattern.quote(it) }.join('.*') + '\n'
        }.join('')
        jenkins.console.join('\n') + '\n' =~ '(?m)^' + pattern + '\\z'

        where:
        failing << [false, true]
    }

    @Unroll
    def 'a build that ends as #plan ends the stage as #result, and with propagate: false as #outcome'() {
        given:
        simulator.control('POST', 'plan', plan)

        when:
        step('triggerCodemagic(wait: true)')

        then:
        jenkins.result == result
        jenkins.console[-2].contains("triggerCodemagic: Codemagic build 1 $words")

        when:
        jenkins.result = 'SUCCESS'
        step('triggerCodemagic(wait: true, propagate: false)')

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == outcome

        where:
        plan                                                                          | result     | outcome     | words
        [steps: [[name: 'Build ipa', status: 'failed', log: 'no profile']]]           | 'FAILURE'  | 'failed'    | 'failed in step "Build ipa": '
        [status: 'timeout']                                                           | 'FAILURE'  | 'failed'    | 'exceeded the time limit of its workflow'
        [status: 'canceled']                                                          | 'FAILURE'  | 'canceled'  | 'was canceled'
        [status: 'skipped']                                                           | 'FAILURE'  | 'skipped'   | 'was skipped'
        [status: 'warning']                                                           | 'UNSTABLE' | 'unstable'  | 'ended with warnings'
    }

    def 'a build of another commit fails the stage and is canceled'() {
        given:
        simulator.control('POST', 'plan', [commit: 'c0ffee' * 6 + 'c0ff', hold: 'Build ipa'])

        when:
        step("triggerCodemagic(wait: true, expectCommit: 'deadbeef')")

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message.startsWith('triggerCodemagic: ')
        simulator.builds[0].cancels == 1

        when:
        simulator.reset()
        simulator.control('POST', 'plan', [commit: 'c0ffee' * 6 + 'c0ff', hold: 'Build ipa'])
        step("triggerCodemagic(wait: true, propagate: false, expectCommit: 'deadbeef')")

        then:
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'wrong_commit', exitCode: 7]
    }

    def 'a passed time limit cancels the build, or leaves it running with noCancel'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])

        when:
        step("triggerCodemagic(wait: true, propagate: false, timeout: '300ms', noCancel: $noCancel)")

        then:
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'timed_out', exitCode: 6]
        simulator.builds[0].cancels == (noCancel ? 0 : 1)

        where:
        noCancel << [false, true]
    }

    def 'the same idempotency key starts one build'() {
        when:
        jenkins.run("node { [triggerCodemagic(idempotencyKey: 'release-1').id, triggerCodemagic(idempotencyKey: 'release-1').id, triggerCodemagic(idempotencyKey: 'release-2').id] }")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned[0] == jenkins.returned[1]
        simulator.builds.size() == 2
    }

    def 'an abort of the Jenkins build cancels the Codemagic build and stays an abort'() {
        given: 'Jenkins ends the processes of the step with SIGTERM, and the step with an interruption'
        simulator.control('POST', 'plan', [hold: 'Build ipa'])
        jenkins.shell = { Shell call ->
            call.execute { Process process ->
                Thread.start {
                    simulator.control('GET', 'wait?status=building&timeout_ms=20000')
                    ['kill', '-TERM', process.pid().toString()].execute().waitFor()
                }
            }
            throw new FlowInterruptedException()
        }

        when:
        step('triggerCodemagic(wait: true)')

        then:
        jenkins.result == 'ABORTED'
        simulator.builds[0].cancels == 1
        jenkins.leftovers.empty
    }

    def 'a binary that is killed leaves the id behind'() {
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
        jenkins.failure.message.startsWith('triggerCodemagic: cibridge was killed (code 137). Codemagic build ')
        jenkins.failure.message.contains(simulator.builds[0].id)
    }

    def 'cancels a build, and a second time is no error'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])

        when:
        jenkins.run('node { String id = triggerCodemagic().id; cancelCodemagic(id); return cancelCodemagic(id) }')

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds[0].cancels == 2
        jenkins.returned.subMap('id', 'outcome') == [id: simulator.builds[0].id, outcome: 'success']

        when:
        step("cancelCodemagic('0123456789abcdef01234567')")

        then:
        jenkins.result == 'FAILURE'
        jenkins.failure.message.startsWith('cancelCodemagic: ')
        jenkins.failure.message.contains('0123456789abcdef01234567')
    }

    // --- Without holding an agent, downloads, another Jenkins.

    def 'waits without holding an agent'() {
        when:
        jenkins.run("return triggerCodemagic(wait: true, agentLabel: 'small', description: true)")

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds.size() == 1
        jenkins.returned.subMap('id', 'outcome', 'status') == [id: simulator.builds[0].id, outcome: 'success', status: 'finished']
        jenkins.called('node').size() == jenkins.called('sleep').size() + 1
    }

    def 'an abort while no agent is held cancels the build once'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])
        int pauses = 0
        jenkins.faults.sleep = { call -> ++pauses == 3 ? new FlowInterruptedException() : null }

        when:
        jenkins.run('triggerCodemagic(wait: true)')

        then:
        jenkins.result == 'ABORTED'
        simulator.builds*.cancels == [1]
    }

    def 'a time limit cancels the build while no agent is held'() {
        given:
        simulator.control('POST', 'plan', [hold: 'Build ipa'])

        when:
        jenkins.run("return triggerCodemagic(wait: true, timeout: '300ms', propagate: false)")

        then:
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'timed_out', exitCode: 6]
        simulator.builds*.cancels == [1]
    }

    def 'a start whose agent is lost after the binary was done is not a second build'() {
        given:
        int calls = 0
        jenkins.shell = { Shell call -> int code = call.execute(); if (++calls == 1) { throw new AgentLost() }; code }

        when:
        jenkins.run('return triggerCodemagic(wait: true)')

        then:
        jenkins.result == 'SUCCESS'
        simulator.builds*.id == [jenkins.returned.id]
        jenkins.called('sh').count { it.text('label') == 'cibridge codemagic trigger' } == 2
    }

    def 'downloads files and test results: each with its path, size and sha256'() {
        given:
        simulator.control('POST', 'plan', [
            artifacts: [[name: 'ios/app.ipa', type: 'ipa', size: 300000], [name: 'app.ipa', type: 'ipa', size: 7, seed: 2], [name: 'notes.txt', text: 'x']],
            steps: [[name: 'Unit tests', seconds: 5, tests: [passed: 3, failed: 1, skipped: 1]]],
        ])

        when:
        step("triggerCodemagic(wait: true, artifacts: '*.ipa', artifactsDir: 'out', junit: 'reports/tests.xml')")

        then:
        jenkins.result == 'SUCCESS'
        List<Map> files = jenkins.returned.artifacts.findAll { it.path }
        files*.path == ['out/app.ipa', 'out/app-2.ipa']
        files.every { Map file ->
            byte[] bytes = new File(jenkins.workspace, file.path).bytes
            file.size == bytes.length && file.md5 == sum('MD5', bytes) && file.sha256 == sum('SHA-256', bytes)
        }
        jenkins.returned.result.tests.subMap('passed', 'failed', 'errored', 'skipped', 'junit') == [passed: 3, failed: 1, errored: 0, skipped: 1, junit: 'reports/tests.xml']

        and:
        Element report = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new File(jenkins.workspace, 'reports/tests.xml')).documentElement
        ['tests', 'failures', 'errors', 'skipped'].collect { report.getAttribute(it) } == ['5', '1', '0', '1']
        report.getElementsByTagName('testcase').length == 5
    }

    private static String sum(String kind, byte[] bytes) {
        MessageDigest.getInstance(kind).digest(bytes).encodeHex()
    }

    def 'the test results of a build that ended before are there as well'() {
        when:
        jenkins.run("node { def build = triggerCodemagic(wait: true); return waitForCodemagic(build.id, junit: 'tests.xml') }")

        then:
        jenkins.result == 'SUCCESS'
        new File(jenkins.workspace, 'tests.xml').text.contains('<testsuites tests="12" failures="0" errors="0" skipped="0">')
    }

    def 'downloads artifacts of a build that has ended'() {
        when:
        jenkins.run("node { def build = triggerCodemagic(wait: true); return downloadCodemagicArtifacts(build.id, artifacts: '*.ipa', artifactsDir: 'out') }")

        then:
        jenkins.result == 'SUCCESS'
        Map file = jenkins.returned.artifacts.find { it.path }
        new File(jenkins.workspace, file.path).length() == file.size
        file.sha256 ==~ /[0-9a-f]{64}/

        when:
        step("downloadCodemagicArtifacts('${simulator.builds[0].id}', artifacts: '*.exe')")

        then:
        jenkins.failure.message.startsWith('downloadCodemagicArtifacts: ')
    }

    def 'starts a job on another Jenkins, and values arrive as they are'() {
        given:
        Simulator other = new Simulator(['--jenkins-port', '0', '--speed', '100'])
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: other.ready.jenkins_user, secret: other.ready.jenkins_token]

        when:
        jenkins.run("""node {
            def build = triggerJenkins(url: '$other.ready.jenkins', job: 'params', parameters: [TEXT: 'a "b" \$c %d% ü', FLAG: true], wait: true, pollInterval: '20ms')
            try { triggerJenkins(url: '$other.ready.jenkins', job: 'params', parameters: [TEXD: 'a']) } catch (hudson.AbortException refused) { echo refused.message }
            return build
        }""")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == 'success'
        jenkins.returned.id.startsWith('params#')
        jenkins.console.any { it.startsWith('triggerJenkins: ') && it.contains('TEXD') && it.contains('TEXT') }
        !jenkins.console.any { it.contains(other.ready.jenkins_token) }

        cleanup:
        other.close()
    }

    def 'on an agent in a POSIX locale a job gets its parameters as they are, and keys stay different'() {
        given:
        Simulator other = new Simulator(['--jenkins-port', '0', '--advance', 'poll'])
        other.control('POST', 'jenkins/job', [name: 'marked', kind: 'pipeline', parameters: ['CIBRIDGE_ID', 'WHO'].collect { [name: it, kind: 'string', default: ''] }])
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: other.ready.jenkins_user, secret: other.ready.jenkins_token]
        jenkins.posixLocale = true

        when:
        jenkins.run("""node {
            for (int n = 0; n < 3; n++) {
                String name = ['Müller', 'Möller', 'Müller'][n]
                triggerJenkins(url: '$other.ready.jenkins', job: 'marked', parameters: [WHO: name], idempotencyKey: name, wait: true)
            }
        }""")

        then:
        jenkins.result == 'SUCCESS'
        other.control('GET', 'jenkins/runs').runs*.parameters*.subMap('CIBRIDGE_ID', 'WHO').toSet() == ['Müller', 'Möller'].collect { [CIBRIDGE_ID: it, WHO: it] } as Set

        cleanup:
        other.close()
    }

    @Unroll
    def 'without wait a job on another Jenkins has a number when the step returns (agent: #agent)'() {
        given:
        Simulator other = new Simulator(['--jenkins-port', '0', '--advance', 'poll'])
        other.control('POST', 'jenkins/plan', [steps: [[text: 'begun\n'], [hold: true]]])
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: other.ready.jenkins_user, secret: other.ready.jenkins_token]
        String call = "triggerJenkins(url: '$other.ready.jenkins', job: 'pipeline')"

        when:
        jenkins.run(agent ? "node { return $call }" : "return $call")

        then:
        jenkins.returned.subMap('id', 'number', 'outcome', 'exitCode') == [id: 'pipeline#1', number: 1, outcome: 'started', exitCode: 0]

        when:
        jenkins.run("node { stopJenkins(params.BUILD); return waitForJenkins(params.BUILD, propagate: false) }".replace('params.BUILD', "'$jenkins.returned.url'"))

        then:
        jenkins.returned.outcome == 'canceled'
        other.control('GET', 'jenkins/runs').runs*.stops == [1]

        cleanup:
        other.close()

        where:
        agent << [true, false]
    }

    @Unroll
    def 'starts a job on another Jenkins without holding an agent, and a lost one makes no second build (#job, lost: #lost)'() {
        given:
        Simulator other = new Simulator(['--jenkins-port', '0', '--advance', 'poll'])
        other.control('POST', 'jenkins/job', [name: 'marked', kind: 'pipeline', parameters: [[name: 'CIBRIDGE_ID', kind: 'string', default: '']]])
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: other.ready.jenkins_user, secret: other.ready.jenkins_token]
        int calls = 0
        jenkins.shell = { Shell call -> int code = call.execute(); if (++calls == 1 && lost) { throw new AgentLost() }; code }

        when:
        jenkins.run("return triggerJenkins(url: '$other.ready.jenkins', job: '$job', wait: true, agentLabel: 'small')")

        then:
        other.control('GET', 'jenkins/runs').runs.size() == 1
        if (outcome) {
            assert jenkins.returned.subMap('id', 'outcome') == [id: "$job#1".toString(), outcome: outcome]
            assert jenkins.called('node').size() == jenkins.called('sleep').size() + (lost ? 2 : 1)
        } else {
            assert jenkins.failure.message.startsWith("triggerJenkins: job $job: no parameter can carry the idempotency key. Hint: ")
        }

        cleanup:
        other.close()

        where:
        job        | lost  | outcome
        'marked'   | false | 'success'
        'marked'   | true  | 'success'
        'pipeline' | false | 'success'
        'pipeline' | true  | null
    }

    def 'an abort while no agent is held stops the job on the other Jenkins once'() {
        given:
        Simulator other = new Simulator(['--jenkins-port', '0', '--advance', 'poll'])
        other.control('POST', 'jenkins/plan', [steps: [[text: 'begun\n'], [hold: true]]])
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: other.ready.jenkins_user, secret: other.ready.jenkins_token]
        int pauses = 0
        jenkins.faults.sleep = { call -> ++pauses == 8 ? new FlowInterruptedException() : null }

        when:
        jenkins.run("triggerJenkins(url: '$other.ready.jenkins', job: 'pipeline', wait: true)")

        then:
        jenkins.result == 'ABORTED'
        other.control('GET', 'jenkins/runs').runs*.stops == [1]

        cleanup:
        other.close()
    }
}
