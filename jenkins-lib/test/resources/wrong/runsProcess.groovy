def call() {
    return 'id'.execute().text
}
