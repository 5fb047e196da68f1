def call() {
    def answer = new groovy.json.JsonSlurper().parseText('{"a": 1}')
    echo 'now'
    return answer.a
}
