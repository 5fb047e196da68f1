package hudson

/** Stands for the class of the same name in Jenkins: a failure that is told in one line. */
class AbortException extends IOException {
    private static final long serialVersionUID = 1L

    AbortException(String message) {
        super(message)
    }
}
