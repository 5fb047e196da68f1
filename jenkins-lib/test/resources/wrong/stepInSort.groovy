def call() {
    [2, 1].sort { a, b ->
        echo "comparing $a"
        a <=> b
    }
}
