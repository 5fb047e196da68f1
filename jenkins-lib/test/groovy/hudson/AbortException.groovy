package hudson

/** Stands for the class of the same name in Jenkins: a failure that Jenkins reports in one line. */
class AbortException extends IOException {
    private static final long serialVersionUID = 1L

    AbortException(String message) {
        super(message)
    }
}
