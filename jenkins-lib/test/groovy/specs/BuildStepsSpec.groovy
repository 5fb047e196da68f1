package specs

import spock.lang.Unroll

/** The steps that are about one build and do not wait: cancel, stop, share. */
class BuildStepsSpec extends LibrarySpecification {

    def setup() {
        jenkins.credentials['jenkins-api-token'] = [kind: 'usernamePassword', user: 'robot', secret: 'token-0123456789']
    }

    @Unroll
    def '#step runs `#command` for its build (Windows: #windows)'() {
        given:
        jenkins.windows = windows
        answering(outcome: 'success', build: BUILD + [status: 'canceled'], links: [])

        when:
        jenkins.run("node { return $step('$BUILD.id') }")

        then:
        jenkins.result == 'SUCCESS'
        only(windows ? 'bat' : 'sh').text('script') == (windows ? '@"%CIBRIDGE_BIN%" %CIBRIDGE_COMMAND% >NUL' : 'exec "$CIBRIDGE_BIN" $CIBRIDGE_COMMAND >/dev/null')
        binary.environment.CIBRIDGE_COMMAND == command
        binary.environment.CIBRIDGE_BUILD == BUILD.id
        !binary.environment.containsKey('CIBRIDGE_REQUEST')
        step == 'shareCodemagicArtifacts' || jenkins.returned.outcome == 'success'
        jenkins.leftovers.empty

        where:
        [step, command, windows] << [
            ['cancelCodemagic', 'codemagic cancel'], ['waitForCodemagic', 'codemagic wait'], ['downloadCodemagicArtifacts', 'codemagic artifacts'],
            ['shareCodemagicArtifacts', 'codemagic share'], ['waitForJenkins', 'jenkins wait'], ['stopJenkins', 'jenkins stop'],
            ['downloadJenkinsArtifacts', 'jenkins artifacts'],
        ].collectMany { [it + false, it + true] }
    }

    @Unroll
    def '#step takes an agent for its call when there is none, and another one when that is lost'() {
        given:
        Closure answer = jenkins.shell
        jenkins.shell = { lab.Shell call ->
            if (seen.empty) {
                seen << call
                throw new lab.AgentLost()
            }
            answer(call)
        }

        when:
        jenkins.run("$step('$BUILD.id', agentLabel: 'small')")

        then:
        jenkins.result == 'SUCCESS'
        jenkins.called('node')*.text('label') == ['small'] * 2
        commands.size() == 2

        where:
        step << ['cancelCodemagic', 'shareCodemagicArtifacts', 'stopJenkins']
    }

    @Unroll
    def '#step needs a workspace'() {
        when:
        jenkins.run("$step('$BUILD.id', $arguments)")

        then:
        complaint == "$step: there is no workspace outside a node. Put the step inside node { }, or give the stage an agent."

        where:
        step                         | arguments
        'downloadCodemagicArtifacts' | 'allowNone: false'
        'downloadJenkinsArtifacts'   | 'allowNone: false'
        'shareCodemagicArtifacts'    | "qrDir: 'qr'"
    }

    def 'takes the arguments of the connection'() {
        when:
        step('cancelCodemagic("build-${1}", credentialsId: "codemagic-api-key", legacyApiUrl: "http://127.0.0.1:2", answerTimeout: "3s")')

        then:
        jenkins.result == 'SUCCESS'
        binary.environment.subMap('CIBRIDGE_BUILD', 'CODEMAGIC_API_KEY', 'CODEMAGIC_LEGACY_API_URL', 'CIBRIDGE_ANSWER_TIMEOUT') ==
            [CIBRIDGE_BUILD: 'build-1', CODEMAGIC_API_KEY: KEY, CODEMAGIC_LEGACY_API_URL: 'http://127.0.0.1:2', CIBRIDGE_ANSWER_TIMEOUT: '3s']
    }

    @Unroll
    def 'what is no build never reaches a shell text: #id'() {
        when:
        jenkins.params.ID = id
        step('cancelCodemagic(params.ID)')

        then:
        if (refused) {
            assert complaint.startsWith('cancelCodemagic: no build given. ')
            assert seen.empty
        } else {
            assert binary.script == 'exec "$CIBRIDGE_BIN" $CIBRIDGE_COMMAND >/dev/null'
            assert binary.environment.subMap('CIBRIDGE_COMMAND', 'CIBRIDGE_BUILD') == [CIBRIDGE_COMMAND: 'codemagic cancel', CIBRIDGE_BUILD: id.toString()]
        }

        where:
        id        | refused
        null      | true
        ''        | true
        ' '       | true
        "a\nb"    | true
        [a: 1]    | true
        12        | false
        'a"&calc' | false
        '$(id)'   | false
        '--all'   | false
    }

    def 'refuses an unknown argument and lists the known ones'() {
        when:
        step("cancelCodemagic('a', credentials: 'x')")

        then:
        complaint == "cancelCodemagic: unknown argument 'credentials'. Known: appId, workflowId, branch, agentLabel, credentialsId, binary, apiUrl, legacyApiUrl, " +
            'caCert, connectTimeout, answerTimeout, allowHttp, verbose.'
        seen.empty
    }

    def 'a refused cancel fails the stage'() {
        given:
        answering(outcome: 'refused', exit_code: 11, build: null, error: [message: 'build a: not found', hint: null])

        when:
        step("cancelCodemagic('a')")

        then:
        complaint == 'cancelCodemagic: build a: not found'
    }

    def 'sharing returns the links and prints them'() {
        given:
        Map link = [name: 'app.ipa', type: 'ipa', url: 'https://api.codemagic.io/artifacts/x/app.ipa']
        answering(outcome: 'success', links: [link + [expires_at: '2026-12-04T12:00:00Z', qr_path: 'qr/app.ipa.png']])

        when:
        step("shareCodemagicArtifacts('$BUILD.id', artifacts: ['*.ipa', '*.apk'], expires: '14d', qr: true, qrDir: 'qr')")

        then:
        jenkins.returned == [link + [expires: '2026-12-04T12:00:00Z', qrPath: 'qr/app.ipa.png']]
        jenkins.console.contains('app.ipa: https://api.codemagic.io/artifacts/x/app.ipa (until 2026-12-04T12:00:00Z)')
        binary.environment.subMap('CIBRIDGE_ARTIFACTS', 'CIBRIDGE_EXPIRES', 'CIBRIDGE_QR', 'CIBRIDGE_QR_DIR') == [
            CIBRIDGE_ARTIFACTS: '*.ipa\n*.apk', CIBRIDGE_EXPIRES: '14d', CIBRIDGE_QR: 'true', CIBRIDGE_QR_DIR: 'qr',
        ]
    }

    @Unroll
    def '#step reaches the controller and the queue item\'s job'() {
        when:
        jenkins.run("node { $step('queue/item/5', url: 'https://ci.example.com', job: 'team/app', branch: 'x') }")

        then:
        jenkins.result == 'SUCCESS'
        binary.environment.subMap('CIBRIDGE_BUILD', 'CIBRIDGE_JENKINS_URL', 'CIBRIDGE_JOB', 'CIBRIDGE_BRANCH', 'JENKINS_USER_ID', 'JENKINS_API_TOKEN') == [
            CIBRIDGE_BUILD: 'queue/item/5', CIBRIDGE_JENKINS_URL: 'https://ci.example.com', CIBRIDGE_JOB: 'team/app', CIBRIDGE_BRANCH: 'x',
            JENKINS_USER_ID: 'robot', JENKINS_API_TOKEN: 'token-0123456789',
        ]

        where:
        step << ['waitForJenkins', 'stopJenkins']
    }
}
