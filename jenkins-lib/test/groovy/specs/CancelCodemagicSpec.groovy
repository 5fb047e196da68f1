package specs

import spock.lang.Unroll

class CancelCodemagicSpec extends LibrarySpecification {

    @Unroll
    def 'cancels a build by its id (Windows: #windows)'() {
        given:
        jenkins.windows = windows
        answering(outcome: 'cancelled', build: BUILD + [status: 'canceled'])

        when:
        step("cancelCodemagic('$BUILD.id')")

        then:
        jenkins.result == 'SUCCESS'
        only(windows ? 'bat' : 'sh').text('script') == script
        binary.environment.CIBRIDGE_BUILD == BUILD.id
        binary.environment.CODEMAGIC_API_KEY == KEY
        !binary.environment.containsKey('CIBRIDGE_REQUEST')
        jenkins.returned.outcome == 'cancelled'
        jenkins.leftovers.empty

        where:
        windows | script
        false   | 'exec "$CIBRIDGE_BIN" codemagic cancel "$CIBRIDGE_BUILD"'
        true    | '@"%CIBRIDGE_BIN%" codemagic cancel "%CIBRIDGE_BUILD%"'
    }

    def 'takes the arguments of the connection'() {
        when:
        step('cancelCodemagic("build-${1}", credentialsId: "codemagic-api-key", legacyApiUrl: "http://127.0.0.1:2", answerTimeout: "3s")')

        then:
        jenkins.result == 'SUCCESS'
        binary.environment.CIBRIDGE_BUILD == 'build-1'
        binary.environment.CODEMAGIC_LEGACY_API_URL == 'http://127.0.0.1:2'
        binary.environment.CIBRIDGE_ANSWER_TIMEOUT == '3s'
    }

    @Unroll
    def 'refuses what cannot be an id: #id'() {
        when:
        jenkins.params.ID = id
        step('cancelCodemagic(params.ID)')

        then:
        complaint == "cancelCodemagic: '$id' is not the id of a Codemagic build. triggerCodemagic returns it as id."
        seen.empty

        where:
        id << [null, '', 'a b', 'a"&calc', '$(id)', '--all', "a\nb"]
    }

    def 'refuses an unknown argument'() {
        when:
        step("cancelCodemagic('a', credentials: 'x')")

        then:
        complaint.startsWith("cancelCodemagic: unknown argument 'credentials'. Did you mean 'credentialsId'? Known: credentialsId, binary, ")
    }

    def 'a refused cancel fails the stage'() {
        given:
        answering(outcome: 'refused', exit_code: 11, build: null, error: [message: 'cancelling the build: not found', hint: null])

        when:
        step("cancelCodemagic('a')")

        then:
        complaint == 'cancelCodemagic: cancelling the build: not found'
    }
}
