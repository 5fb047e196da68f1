package lab

/** The variables that Jenkins offers to every pipeline. They hold nothing: the engine does. */
class Globals {

    /** `env`. */
    static class Env extends GroovyObjectSupport implements Serializable {
        private static final long serialVersionUID = 1L

        @Override
        Object getProperty(String name) {
            Jenkins.running().environmentNow()[name]
        }

        @Override
        void setProperty(String name, Object value) {
            Jenkins.running().buildEnvironment[name] = value.toString()
        }
    }

    /** `currentBuild`. */
    static class CurrentBuild extends GroovyObjectSupport implements Serializable {
        private static final long serialVersionUID = 1L
        static final List<String> PROPERTIES = ['description', 'displayName', 'result', 'currentResult', 'number']

        @Override
        Object getProperty(String name) {
            if (!PROPERTIES.contains(name)) {
                throw new MissingPropertyException(name, CurrentBuild)
            }
            name == 'currentResult' ? Jenkins.running().result : name == 'number' ? 7 : Jenkins.running().buildProperties[name]
        }

        @Override
        void setProperty(String name, Object value) {
            if (!(name in ['description', 'displayName', 'result'])) {
                throw new MissingPropertyException(name, CurrentBuild)
            }
            Jenkins.running().buildProperties[name] = value?.toString()
            if (name == 'result') {
                Jenkins.running().worsen(value.toString())
            }
        }
    }

    /** What `environment { }` of a declarative pipeline assigns to. */
    static class Assignments extends GroovyObjectSupport implements Serializable {
        private static final long serialVersionUID = 1L
        private final Map<String, String> assigned = [:]

        List<String> entries() {
            this.@assigned.collect { name, value -> "$name=$value".toString() }
        }

        @Override
        Object getProperty(String name) {
            if (!this.@assigned.containsKey(name)) {
                throw new MissingPropertyException(name, Assignments)
            }
            this.@assigned[name]
        }

        @Override
        void setProperty(String name, Object value) {
            this.@assigned[name] = value.toString()
        }

        String credentials(String id) {
            Jenkins.running().secret(id, 'string')
        }
    }
}
