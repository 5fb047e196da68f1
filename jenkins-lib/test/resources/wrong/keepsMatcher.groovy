def call() {
    def matcher = 'abc' =~ /b/
    echo 'now'
    return matcher.find()
}
