def call() {
    def answer = new groovy.json.JsonSlurper().parseText('{"a": 1}')
    def later = { answer.a }
    answer = null
    withEnv(['A=1']) {
        answer = new groovy.json.JsonSlurper().parseText('{"a": 1}')
        echo 'now'
    }
    return later()
}
