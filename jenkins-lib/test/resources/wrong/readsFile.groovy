def call() {
    return new File('/etc/passwd').text
}
