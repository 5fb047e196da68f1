def call() {
    echo "${new Named()}"
}

class Named implements Serializable {
    String toString() {
        return 'named'
    }
}
