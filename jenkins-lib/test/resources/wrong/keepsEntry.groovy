def call() {
    for (entry in [a: 1].entrySet().toList()) {
        echo entry.key
    }
}
