def call() {
    each([1, 2]) { echo "$it" }
}

@NonCPS
def each(List items, Closure body) {
    for (item in items) {
        body(item)
    }
}
