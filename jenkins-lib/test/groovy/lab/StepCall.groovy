package lab

/** A step as a pipeline called it: what a suspended program hands to the engine. */
class StepCall implements Serializable {
    private static final long serialVersionUID = 1L

    /** The argument that a bare value stands for. */
    static final Map<String, String> DEFAULT_ARGUMENT = [
        sh: 'script', bat: 'script', echo: 'message', error: 'message', unstable: 'message', readFile: 'file', fileExists: 'file',
        dir: 'path', node: 'label', stage: 'name', withEnv: 'overrides', withCredentials: 'bindings', sleep: 'time', timeout: 'time',
        retry: 'count', agent: 'label', archiveArtifacts: 'artifacts', parallel: 'branches', expression: 'expression', junit: 'testResults', name: 'name', values: 'values',
    ]

    final String name
    final Map arguments = [:]
    final Closure body

    StepCall(String name, Object[] given) {
        this.name = name
        List values = given as List
        if (values && values.last() instanceof Closure) {
            body = values.pop()
        }
        if (name == 'values') {
            values = [values]
        }
        if (values.size() > 1) {
            throw new IllegalArgumentException("Expected named arguments but got $values for step $name")
        }
        if (values && values[0] instanceof Map) {
            arguments.putAll(values[0])
        } else if (values) {
            String argument = DEFAULT_ARGUMENT[name]
            if (!argument) {
                throw new IllegalArgumentException("step $name takes no bare argument, got $values")
            }
            arguments[argument] = values[0]
        }
    }

    Object getAt(String argument) {
        arguments[argument]
    }

    String text(String argument) {
        arguments[argument]?.toString()
    }

    String toString() {
        "$name$arguments"
    }
}
