package specs

import groovy.json.JsonSlurper
import lab.Shell
import spock.lang.Unroll

/** Several builds at once, downloads, and jobs on another Jenkins. */
class OtherStepsSpec extends LibrarySpecification {
    static final String COMMON = "appId: 'app-1', workflowId: 'ios', wait: true"

    /** Outcome of a build by its branch. */
    private void ending(Map<String, List> ends) {
        jenkins.shell = { Shell call ->
            seen << call
            String branch = new JsonSlurper().parse(new File(call.environment.CIBRIDGE_REQUEST)).branch
            List end = ends[branch] ?: ['success', 0]
            call.answer(document(outcome: end[0], exit_code: end[1], build: BUILD + [id: "id-$branch".toString(), number: 1, branch: branch]))
        }
    }

    private List<String> getBranches() {
        requests*.branch
    }

    @Unroll
    def 'several builds: every outcome in order, #concurrency at a time'() {
        given:
        ending(b: ['failed', 1], c: ['unstable', 3])

        when:
        jenkins.params.BUILDS = ['a', 'b', 'c', 'd'].collect { [branch: it] }
        step("triggerCodemagic($COMMON, builds: params.BUILDS, concurrency: $concurrency, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'failed', exitCode: 1]
        jenkins.returned.builds*.outcome == ['success', 'failed', 'unstable', 'success']
        jenkins.returned.builds*.id == ['id-a', 'id-b', 'id-c', 'id-d']
        jenkins.console.count { it.startsWith('triggerCodemagic: ') } == 4
        jenkins.console.contains("triggerCodemagic: 1 of 4: Codemagic build 1: success ($PAGE)".toString())
        only('parallel').arguments.findAll { it.value instanceof Closure }.size() == Math.min(concurrency, 4)

        where:
        concurrency << [1, 2, 5]
    }

    @Unroll
    def 'several builds: the worst one decides (#ends)'() {
        given:
        ending(ends)

        when:
        step("triggerCodemagic($COMMON, builds: [[branch: 'a'], [branch: 'b'], [branch: 'c']])")

        then:
        jenkins.result == result
        words == null || jenkins.console[-2].endsWith("triggerCodemagic: $words")

        where:
        ends                                     | result     | words
        [:]                                      | 'SUCCESS'  | null
        [b: ['unstable', 3]]                     | 'UNSTABLE' | "1 of 3 builds did not succeed: 2: Codemagic build 1: unstable ($PAGE)"
        [a: ['unstable', 3], c: ['failed', 1]]   | 'FAILURE'  | "2 of 3 builds did not succeed: 1: Codemagic build 1: unstable ($PAGE); 3: Codemagic build 1: failed ($PAGE)"
        [a: ['canceled', 4], b: ['skipped', 5]] | 'FAILURE'  | "2 of 3 builds did not succeed: 1: Codemagic build 1: canceled ($PAGE); 2: Codemagic build 1: skipped ($PAGE)"
    }

    def 'several builds: failFast starts no further one'() {
        given:
        ending(a: ['failed', 1])

        when:
        step("triggerCodemagic($COMMON, builds: [[branch: 'a'], [branch: 'b'], [branch: 'c']], failFast: true, concurrency: 2, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        branches == ['a', 'b']
        jenkins.returned.builds*.outcome == ['failed', 'success', 'not_started']
        jenkins.returned.subMap('outcome', 'exitCode') == [outcome: 'failed', exitCode: 1]
    }

    @Unroll
    def 'several builds: failFast cancels those that run (lost interruptions: #lost)'() {
        given: 'b is running while a fails'
        jenkins.interruptionsLost = lost
        jenkins.shell = { Shell call ->
            seen << call
            assert seen.size() < 20: 'a build that nobody wants is polled for ever'
            String verb = call.environment.CIBRIDGE_COMMAND
            String id = verb.contains('trigger') ? 'id-' + new JsonSlurper().parse(new File(call.environment.CIBRIDGE_REQUEST)).branch : call.environment.CIBRIDGE_BUILD
            Map poll = id == 'id-a' ? [outcome: 'failed', exit_code: 1] : [outcome: 'running', next_poll_seconds: 60]
            call.answer(document((verb.contains('wait') ? poll : verb == 'codemagic cancel' ? [outcome: 'success'] : [:]) + [build: BUILD + [id: id, title: "Codemagic build $id".toString()]]))
        }

        when:
        jenkins.run("return triggerCodemagic($COMMON, builds: [[branch: 'a'], [branch: 'b'], [branch: 'c']], failFast: true, concurrency: 2, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.builds*.outcome == ['failed', 'canceled', 'not_started']
        seen.findAll { it.environment.CIBRIDGE_COMMAND == 'codemagic cancel' }*.environment*.CIBRIDGE_BUILD == ['id-b']
        jenkins.console.any { it.startsWith('triggerCodemagic: 1 of 3: Codemagic build id-a: failed') }

        where:
        lost << [0, 1]
    }

    def 'several builds: a refused call fails whatever propagate says, and the others go on'() {
        given:
        ending(a: ['refused', 11])

        when:
        step("triggerCodemagic($COMMON, builds: [[branch: 'a'], [branch: 'b']], propagate: false)")

        then:
        complaint.startsWith('triggerCodemagic: 1 of 2 builds did not succeed: 1: ')
        branches == ['a', 'b']
    }

    def 'several builds: common and own arguments, and a key for each'() {
        when:
        step('''triggerCodemagic(appId: 'app-1', workflowId: 'ios', branch: 'main', variables: [A: 1, B: 1], idempotencyKey: 'k', concurrency: 1,
            builds: [[variables: [B: 2]], [tag: 'v1', workflowId: 'android']])''')

        then:
        jenkins.result == 'SUCCESS'
        requests == [
            [app_id: 'app-1', workflow_id: 'ios', branch: 'main', idempotency_key: 'k-1', environment: [variables: [A: '1', B: '2']]],
            [app_id: 'app-1', workflow_id: 'android', tag: 'v1', idempotency_key: 'k-2', environment: [variables: [A: '1', B: '1']]],
        ]
    }

    @Unroll
    def 'several builds: what the Jenkins build is about is said once (#builds)'() {
        given:
        jenkins.buildEnvironment.BRANCH_NAME = 'main'

        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', builds: $builds, concurrency: 1)")

        then:
        branches == expected
        jenkins.console.count { it == "triggerCodemagic: building branch 'main' (from BRANCH_NAME)" } == said

        where:
        builds                                       | expected       | said
        "[[labels: 'x'], [labels: 'y']]"             | ['main'] * 2   | 1
        "[[branch: 'x'], [labels: 'y']]"             | ['x', 'main']  | 1
        "[[branch: 'x'], [tag: 'y']]"                | ['x', null]    | 0
    }

    @Unroll
    def 'several builds: refuses #arguments'() {
        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', $arguments)")

        then:
        complaint.startsWith("triggerCodemagic$message")
        seen.empty

        where:
        arguments                                      | message
        "builds: 'a'"                                  | ': builds must be a list of maps, as in'
        "builds: ['a']"                                | ': builds must be a list of maps, as in'
        "builds: [[branch: 'a'], [brunch: 'b']]"       | ": builds[1]: unknown argument 'brunch'. Known: appId, "
        "builds: [[branch: 'a', propagate: false]]"    | ': builds[0]: propagate is about all builds'
        "builds: [[branch: 'a']], concurrency: 0"      | ": concurrency must be a whole number from 1, not '0'."
    }

    def 'several builds without holding an executor'() {
        given:
        jenkins.shell = { Shell call -> seen << call; call.answer(document(call.environment.CIBRIDGE_COMMAND.contains('trigger') ? [:] : [outcome: 'success'])) }

        when:
        jenkins.run("return triggerCodemagic($COMMON, builds: [[branch: 'a'], [branch: 'b']], agentLabel: 'small')")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.called('node').size() == 4
        jenkins.called('sleep').size() == 2
        requests*.idempotency_key.toSet().size() == 2
    }

    // --- Downloads.

    @Unroll
    def '#step downloads artifacts'() {
        given:
        credential()
        answering(outcome: 'success', artifacts: [[name: 'app.ipa', type: 'ipa', size: 5, path: 'out/app.ipa', sha256: 'abc']])

        when:
        jenkins.run("node { return $step('$BUILD.id', artifacts: ['*.ipa', '*.apk'], artifactsDir: 'out', jobs: 2, allowNone: true) }")

        then:
        jenkins.result == 'SUCCESS'
        binary.environment.subMap('CIBRIDGE_BUILD', 'CIBRIDGE_ARTIFACTS', 'CIBRIDGE_ARTIFACTS_DIR', 'CIBRIDGE_JOBS', 'CIBRIDGE_ALLOW_NONE') ==
            [CIBRIDGE_BUILD: BUILD.id, CIBRIDGE_ARTIFACTS: '*.ipa\n*.apk', CIBRIDGE_ARTIFACTS_DIR: 'out', CIBRIDGE_JOBS: '2', CIBRIDGE_ALLOW_NONE: 'true']
        jenkins.returned.artifacts[0].path == 'out/app.ipa'

        where:
        step << ['downloadCodemagicArtifacts', 'downloadJenkinsArtifacts']
    }

    def 'artifacts can be listed'() {
        given:
        answering(outcome: 'success', artifacts: [[name: 'app.ipa', type: 'ipa', size: 5], [name: 'out/a.txt', type: null, size: null]])

        when:
        step("downloadCodemagicArtifacts('$BUILD.id', list: true)")

        then:
        binary.environment.CIBRIDGE_LIST == 'true'
        jenkins.console.contains('app.ipa: ipa, 5 bytes')
        jenkins.console.contains('out/a.txt: file')
    }

    def 'artifacts and test results are arguments of a start that waits'() {
        when:
        step("triggerCodemagic(appId: 'a', workflowId: 'w', branch: 'b', artifacts: '*.ipa', artifactsDir: 'out', junit: 'tests.xml')")

        then:
        binary.environment.subMap('CIBRIDGE_ARTIFACTS', 'CIBRIDGE_ARTIFACTS_DIR', 'CIBRIDGE_JUNIT') ==
            [CIBRIDGE_ARTIFACTS: '*.ipa', CIBRIDGE_ARTIFACTS_DIR: 'out', CIBRIDGE_JUNIT: 'tests.xml']
    }

    // --- Another Jenkins.

    private void credential() {
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: 'robot', secret: 'token-0123456789']
        answering(provider: 'jenkins', outcome: 'success', build: BUILD + [id: 'team/app#7', number: 7, title: 'Jenkins build team/app#7'])
    }

    def 'starts a job on another Jenkins'() {
        given:
        credential()

        when:
        step('''triggerJenkins(url: 'http://127.0.0.1:1', job: 'team/my app', branch: 'feature/ü', parameters: [TEXT: 'a "b" $c', CLEAN: true, N: 7],
            files: [APK: 'out/app.apk', MAP: 'out/m a p.txt'], cause: 'a "b"', idempotencyKey: 'kü', wait: true, console: true, onInput: 'fail', description: true,
            artifacts: ['*.ipa', 'a b/*'], artifactsDir: 'got')''')

        then:
        jenkins.result == 'SUCCESS'
        commands == ['jenkins trigger']
        requests == [[
            job: 'team/my app', branch: 'feature/ü', parameters: [TEXT: 'a "b" $c', CLEAN: 'true', N: '7'], files: [APK: 'out/app.apk', MAP: 'out/m a p.txt'],
            cause: 'a "b"', idempotency_key: 'kü',
        ]]
        Map environment = binary.environment
        environment.CIBRIDGE_REQUEST.endsWith('/request.json')
        environment.subMap('CIBRIDGE_JENKINS_URL', 'CIBRIDGE_WAIT', 'CIBRIDGE_WAIT_FOR_START', 'CIBRIDGE_CONSOLE', 'CIBRIDGE_ON_INPUT', 'CIBRIDGE_ARTIFACTS', 'CIBRIDGE_ARTIFACTS_DIR', 'JENKINS_USER_ID', 'JENKINS_API_TOKEN') == [
            CIBRIDGE_JENKINS_URL: 'http://127.0.0.1:1', CIBRIDGE_WAIT: 'true', CIBRIDGE_WAIT_FOR_START: 'false', CIBRIDGE_CONSOLE: 'true', CIBRIDGE_ON_INPUT: 'fail',
            CIBRIDGE_ARTIFACTS: '*.ipa\na b/*', CIBRIDGE_ARTIFACTS_DIR: 'got',
            JENKINS_USER_ID: 'robot', JENKINS_API_TOKEN: 'token-0123456789',
        ]
        jenkins.returned.subMap('id', 'number') == [id: 'team/app#7', number: 7]
        jenkins.buildProperties.description == "Jenkins build team/app#7: $PAGE"
        !jenkins.calls*.toString().any { it.contains('token-0123456789') }
    }

    @Unroll
    def 'without wait it returns when the build has a number, or at once (#arguments)'() {
        given:
        credential()

        when:
        step("triggerJenkins(job: 'a'$arguments)")

        then:
        binary.environment.CIBRIDGE_WAIT_FOR_START == expected

        where:
        arguments               | expected
        ''                      | 'true'
        ', wait: false'         | 'true'
        ', waitForStart: true'  | 'true'
        ', waitForStart: false' | 'false'
        ', wait: true'          | 'false'
    }

    def 'a token that is bound already is not bound again'() {
        given:
        credential()

        when:
        jenkins.run("node { withEnv(['JENKINS_USER_ID=me', 'JENKINS_API_TOKEN=other']) { triggerJenkins(url: 'http://127.0.0.1:1', job: 'a') } }")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.called('withCredentials').empty
        binary.environment.JENKINS_API_TOKEN == 'other'
    }

    def 'a missing credential is named'() {
        when:
        step("triggerJenkins(job: 'a')")

        then:
        complaint.startsWith("triggerJenkins: no usable credential 'jenkins-api-token': ")
        complaint.contains('"Username with password"')
    }

    @Unroll
    def 'a job that ends with code #code ends the stage as #result'() {
        given:
        credential()
        answering(provider: 'jenkins', outcome: outcome, exit_code: code, build: BUILD + [id: 'team/app#7', number: 7, title: 'Jenkins build team/app#7'])

        when:
        step("triggerJenkins(job: 'team/app', wait: true)")

        then:
        jenkins.result == result
        jenkins.console[-2].contains("triggerJenkins: Jenkins build team/app#7: $outcome")

        when:
        jenkins.result = 'SUCCESS'
        step("triggerJenkins(job: 'team/app', wait: true, propagate: false)")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.returned.outcome == outcome

        where:
        code | outcome    | result
        1    | 'failed'   | 'FAILURE'
        3    | 'unstable' | 'UNSTABLE'
        4    | 'canceled' | 'FAILURE'
    }
}
