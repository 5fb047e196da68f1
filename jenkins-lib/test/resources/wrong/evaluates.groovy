def call() {
    return evaluate('1 + 1')
}
