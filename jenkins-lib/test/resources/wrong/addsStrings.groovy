def call() {
    String a = 'a'
    return "x $a " + "y $a"
}
