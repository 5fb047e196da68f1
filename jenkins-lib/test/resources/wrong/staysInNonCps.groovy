def call() {
    return home()
}

@NonCPS
def home() {
    return System.getenv('HOME')
}
