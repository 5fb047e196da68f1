// What a caller may write: the arguments that several steps share, the check of every one, and the plain
// values that requests are made of. Knows nothing of the binary but the names of its variables.

import com.cloudbees.groovy.cps.NonCPS

/** Fails the build when an argument is unknown or of the wrong kind; `takes` is the table of the step. */
void check(String step, Map given, Map takes) {
    String problem = problemIn(given, takes)
    if (problem) {
        error("${step}: ${problem}")
    }
}

/** The id of a build stands between quotes in the shell text, so it is held to what an id can be. */
void checkId(String step, String build) {
    if (!build || !build.matches('[A-Za-z0-9][A-Za-z0-9_-]*')) {
        error("${step}: '${build}' is not the id of a Codemagic build. triggerCodemagic returns it as id.")
    }
}

/** The arguments of every Codemagic step: the key, the binary, the connection. */
@NonCPS
Map connection() {
    return [
        credentialsId : [is: 'text'],
        binary        : [is: 'text'],
        apiUrl        : [is: 'text', env: 'CODEMAGIC_API_URL'],
        legacyApiUrl  : [is: 'text', env: 'CODEMAGIC_LEGACY_API_URL'],
        caCert        : [is: 'text', env: 'CIBRIDGE_CA_CERT'],
        connectTimeout: [is: 'text', env: 'CIBRIDGE_CONNECT_TIMEOUT'],
        answerTimeout : [is: 'text', env: 'CIBRIDGE_ANSWER_TIMEOUT'],
        allowHttp     : [is: 'flag', env: 'CIBRIDGE_ALLOW_HTTP'],
        verbose       : [is: 'flag', env: 'CIBRIDGE_VERBOSE'],
    ]
}

/** How a build is followed, for the steps that do. */
@NonCPS
Map following() {
    return [
        queueTimeout     : [is: 'text', env: 'CIBRIDGE_QUEUE_TIMEOUT'],
        runTimeout       : [is: 'text', env: 'CIBRIDGE_RUN_TIMEOUT'],
        timeout          : [is: 'text', env: 'CIBRIDGE_TIMEOUT'],
        noCancel         : [is: 'flag', env: 'CIBRIDGE_NO_CANCEL'],
        expectCommit     : [is: 'text', env: 'CIBRIDGE_EXPECT_COMMIT'],
        failOnStepFailure: [is: 'flag', env: 'CIBRIDGE_FAIL_ON_STEP_FAILURE'],
        logLines         : [is: 'text', env: 'CIBRIDGE_LOG_LINES'],
        pollInterval     : [is: 'text', env: 'CIBRIDGE_POLL_INTERVAL'],
        agentLabel       : [is: 'text'],
    ]
}

/** What a build that was followed leaves in the workspace. */
@NonCPS
Map results() {
    return [
        artifacts   : [is: 'list', env: 'CIBRIDGE_ARTIFACTS'],
        artifactsDir: [is: 'text', env: 'CIBRIDGE_ARTIFACTS_DIR'],
        junit       : [is: 'text', env: 'CIBRIDGE_JUNIT'],
    ]
}

/** Says what is wrong with the arguments, or returns null. */
@NonCPS
String problemIn(Map given, Map takes) {
    for (Object argument in given.entrySet()) {
        String name = argument.key.toString()
        if (!takes.containsKey(name)) {
            String nearest = nearestName(name, takes.keySet())
            String hint = nearest ? " Did you mean '${nearest}'?" : ''
            return "unknown argument '${name}'.${hint} Known: ${takes.keySet().join(', ')}."
        }
        String problem = problemWith(name, takes[name].is, argument.value)
        if (problem) {
            return problem
        }
    }
    return null
}

@NonCPS
String problemWith(String name, String kind, Object value) {
    if (value == null) {
        return null // The same as not given.
    }
    if (kind == 'flag') {
        return isOn(value) || isOff(value) ? null : "${name} must be true or false, not '${value}'."
    }
    if (kind == 'text') {
        return isPlain(value) ? null : "${name} must be a text, not a ${kindOf(value)}."
    }
    if (kind == 'list') {
        for (Object item in (value instanceof Collection ? value : [value])) {
            if (!isPlain(item)) {
                return "${name} must be a list of texts, as in ${name}: ['first', 'second']; there is a ${kindOf(item)} in it."
            }
        }
        return null
    }
    if (kind == 'maps') {
        for (Object item in (value instanceof Collection ? value : [null])) {
            if (!(item instanceof Map)) {
                return "${name} must be a list of maps, as in ${name}: [[branch: 'a'], [branch: 'b']]."
            }
        }
        return null
    }
    if (!(value instanceof Map)) {
        return "${name} must be a map, as in ${name}: [NAME: 'value']."
    }
    for (Object entry in value.entrySet()) {
        if (entry.value == null) {
            return "${name}.${entry.key} has no value (null)."
        }
        if (kind == 'texts' && !isPlain(entry.value)) {
            return "${name}.${entry.key} must be a text, a number or a boolean, not a ${kindOf(entry.value)}."
        }
    }
    return null
}

@NonCPS
boolean isPlain(Object value) {
    return value instanceof CharSequence || value instanceof Number || value instanceof Boolean
}

@NonCPS
String kindOf(Object value) {
    return value == null ? 'null' : value instanceof Map ? 'map' : value instanceof Collection ? 'list' : 'value of another kind'
}

/** On and off are two questions: an argument that is not given is neither. */
@NonCPS
boolean isOn(Object value) {
    return value != null && value.toString() == 'true'
}

@NonCPS
boolean isOff(Object value) {
    return value != null && value.toString() == 'false'
}

/** The first of the names that has a value. */
@NonCPS
String firstOf(Map given, List names) {
    for (String name in names) {
        if (given[name] != null) {
            return name
        }
    }
    return null
}

/** The known name with the fewest edits, if it is near enough to be a slip. */
@NonCPS
String nearestName(String name, Collection known) {
    String nearest = null
    int fewest = 3 + name.length().intdiv(5)
    for (Object candidate in known) {
        // A slip seldom hits the first letter, and every call counts where the sandbox looks at it.
        if (!name.toLowerCase().startsWith(candidate.substring(0, 1))) {
            continue
        }
        int edits = distance(name.toLowerCase(), candidate.toLowerCase())
        if (edits < fewest) {
            nearest = candidate
            fewest = edits
        }
    }
    return nearest
}

/** Levenshtein's distance, row by row. */
@NonCPS
int distance(String left, String right) {
    List above = []
    for (int column = 0; column <= right.length(); column++) {
        above << column
    }
    for (int row = 1; row <= left.length(); row++) {
        List current = [row]
        for (int column = 1; column <= right.length(); column++) {
            int change = above[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1)
            current << Math.min(change, Math.min(above[column], current[column - 1]) + 1)
        }
        above = current
    }
    return above[right.length()]
}

@NonCPS
String textOf(Object value) {
    return value == null ? null : value.toString()
}

/** One text or a list, as a list of texts. */
@NonCPS
List textListOf(Object value) {
    List texts = []
    for (Object item in (value == null ? [] : value instanceof Collection ? value : [value])) {
        texts << item.toString()
    }
    return texts
}

/** A map of texts: Codemagic takes no other kind for variables. */
@NonCPS
Map textsOf(Map values) {
    Map texts = [:]
    for (Object entry in (values ?: [:]).entrySet()) {
        texts[entry.key.toString()] = entry.value.toString()
    }
    return texts
}

/** A copy of plain maps, lists and values: what JSON parsing and interpolated strings leave behind cannot be saved. */
@NonCPS
Object plain(Object value) {
    if (value instanceof Map) {
        Map copy = [:]
        for (Object entry in value.entrySet()) {
            copy[entry.key.toString()] = plain(entry.value)
        }
        return copy
    }
    if (value instanceof Collection) {
        List copy = []
        for (Object item in value) {
            copy << plain(item)
        }
        return copy
    }
    return value instanceof CharSequence ? value.toString() : value
}
