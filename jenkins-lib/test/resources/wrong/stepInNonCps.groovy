def call() {
    warn('x')
    echo 'after'
}

@NonCPS
def warn(String text) {
    echo text
}
