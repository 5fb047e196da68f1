// Internal: what a Jenkinsfile may give to the steps of this library: the arguments that several steps share, and the
// check of every one. Knows nothing of the binary but the names of its variables. No Jenkinsfile calls it.
//
// The types, and what may be given for each: text (a number, too), boolean (a text, too, because parameters are texts),
// list (of texts; one text, too), texts (a map of texts), values (a map whose values keep their type), maps (a list of
// maps), commit (a text, or true for GIT_COMMIT), description (a boolean, or 'html').

import com.cloudbees.groovy.cps.NonCPS

/** The invocation of a step, see cibridgeRun. Fails the build when an argument is unknown or of the wrong type. */
Map invocation(String step, String command, Map arguments, Map schema) {
    return [step: step, command: command, schema: schema, arguments: withCommit(step, checked(step, arguments, schema))]
}

/** The same for a step about one build, which is its first argument. */
Map invocation(String step, String command, Map arguments, Map schema, Object build) {
    String text = isPlain(build) ? build.toString() : ''
    if (!text.trim() || text.contains('\n')) {
        error("${step}: no build given. The first argument is the id of a build, which the trigger steps return, or the address of its page.")
    }
    return invocation(step, command, arguments, schema) + [build: text]
}

/** The arguments as their types say, or the end of the build. `subject` begins the message. */
Map checked(String subject, Map arguments, Map schema) {
    String problem = problemIn(arguments, schema)
    if (problem) {
        error("${subject}: ${problem}")
    }
    return converted(arguments, schema)
}

/** Where `latest`, `latest-success` and a number are looked for, of the steps that take a build on Codemagic. */
@NonCPS
Map codemagicBuild() {
    return [
        appId     : [type: 'text', variable: 'CODEMAGIC_APP_ID'],
        workflowId: [type: 'text', variable: 'CODEMAGIC_WORKFLOW'],
        branch    : [type: 'text', variable: 'CODEMAGIC_BRANCH'],
    ]
}

/** Where a step runs that needs no workspace, outside of a node. */
@NonCPS
Map anyAgent() {
    return [agentLabel: [type: 'text']]
}

/** How every Codemagic step reaches Codemagic. */
@NonCPS
Map codemagicConnection() {
    return [
        credentialsId : [type: 'text'],
        binary        : [type: 'text'],
        apiUrl        : [type: 'text', variable: 'CODEMAGIC_API_URL'],
        legacyApiUrl  : [type: 'text', variable: 'CODEMAGIC_LEGACY_API_URL'],
    ] + connection()
}

/** How every Jenkins step reaches the other controller. */
@NonCPS
Map jenkinsConnection() {
    return [
        url           : [type: 'text', variable: 'CIBRIDGE_JENKINS_URL'],
        credentialsId : [type: 'text'],
        binary        : [type: 'text'],
        clientCert    : [type: 'text', variable: 'CIBRIDGE_CLIENT_CERT'],
        clientKey     : [type: 'text', variable: 'CIBRIDGE_CLIENT_KEY'],
    ] + connection()
}

@NonCPS
Map connection() {
    return [
        caCert        : [type: 'text', variable: 'CIBRIDGE_CA_CERT'],
        connectTimeout: [type: 'text', variable: 'CIBRIDGE_CONNECT_TIMEOUT'],
        answerTimeout : [type: 'text', variable: 'CIBRIDGE_ANSWER_TIMEOUT'],
        allowHttp     : [type: 'boolean', variable: 'CIBRIDGE_ALLOW_HTTP'],
        verbose       : [type: 'boolean', variable: 'CIBRIDGE_VERBOSE'],
    ]
}

/** How a step waits for a build. */
@NonCPS
Map waiting() {
    return [
        propagate   : [type: 'boolean'],
        console     : [type: 'boolean', variable: 'CIBRIDGE_CONSOLE'],
        queueTimeout: [type: 'text', variable: 'CIBRIDGE_QUEUE_TIMEOUT'],
        runTimeout  : [type: 'text', variable: 'CIBRIDGE_RUN_TIMEOUT'],
        timeout     : [type: 'text', variable: 'CIBRIDGE_TIMEOUT'],
        noCancel    : [type: 'boolean'],
        logLines    : [type: 'text', variable: 'CIBRIDGE_LOG_LINES'],
        pollInterval: [type: 'text', variable: 'CIBRIDGE_POLL_INTERVAL'],
        description : [type: 'description'],
    ]
}

/** The same for a step that starts the build itself, which the binary cancels unless told otherwise. */
@NonCPS
Map ownBuild() {
    return [noCancel: [type: 'boolean', variable: 'CIBRIDGE_NO_CANCEL']]
}

/** How a step waits for a build on Codemagic. */
@NonCPS
Map codemagicWaiting() {
    return waiting() + [
        expectCommit     : [type: 'commit', variable: 'CIBRIDGE_EXPECT_COMMIT'],
        failOnStepFailure: [type: 'boolean', variable: 'CIBRIDGE_FAIL_ON_STEP_FAILURE'],
    ]
}

/** How a step waits for a build on another Jenkins. */
@NonCPS
Map jenkinsWaiting() {
    return waiting() + [onInput: [type: 'text', variable: 'CIBRIDGE_ON_INPUT']]
}

/** The files of a finished build, for the steps that download them. */
@NonCPS
Map files() {
    return [
        artifacts   : [type: 'list', variable: 'CIBRIDGE_ARTIFACTS'],
        artifactsDir: [type: 'text', variable: 'CIBRIDGE_ARTIFACTS_DIR'],
        allowNone   : [type: 'boolean', variable: 'CIBRIDGE_ALLOW_NONE'],
    ]
}

/** The same for a step that only downloads. */
@NonCPS
Map download() {
    return files() + [
        jobs: [type: 'text', variable: 'CIBRIDGE_JOBS'],
        list: [type: 'boolean', variable: 'CIBRIDGE_LIST'],
    ]
}

/** The arguments with `expectCommit: true` replaced by the commit that this Jenkins build checked out. */
Map withCommit(String step, Map arguments) {
    if (arguments.expectCommit == 'false') {
        return arguments + [expectCommit: null]
    }
    if (arguments.expectCommit != 'true') {
        return arguments
    }
    if (!env.GIT_COMMIT) {
        error("${step}: expectCommit: true means GIT_COMMIT, which has no value here. " +
            'Put the step behind checkout scm in a declarative pipeline, or give the commit itself.')
    }
    return arguments + [expectCommit: env.GIT_COMMIT]
}

/** Whether the build is left running when nobody waits for it any longer. */
boolean leavesRunning(Map arguments) {
    // As the binary reads it in `trigger`; its `wait` has CIBRIDGE_CANCEL instead.
    return arguments.noCancel == null ? ['true', '1', 'yes', 'on'].contains(env.CIBRIDGE_NO_CANCEL) : arguments.noCancel
}

/** What is wrong with the arguments, or null. */
@NonCPS
String problemIn(Map arguments, Map schema) {
    if (arguments == null) {
        return 'the arguments are null.'
    }
    for (Object argument in arguments.entrySet()) {
        String name = argument.key.toString()
        if (!schema.containsKey(name)) {
            return "unknown argument '${name}'. Known: ${schema.keySet().join(', ')}."
        }
        // null is the same as not given.
        String problem = argument.value == null ? null : problemWith(name, schema[name].type, argument.value)
        if (problem) {
            return problem
        }
    }
    return null
}

@NonCPS
String problemWith(String name, String type, Object value) {
    if (type == 'boolean' || type == 'description' && value != 'html') {
        return ['true', 'false'].contains(value.toString()) ? null : "${name} must be true or false, not '${value}'."
    }
    if (type == 'text' || type == 'commit') {
        return isPlain(value) ? null : "${name} must be a text, not a ${typeOf(value)}."
    }
    if (type == 'list') {
        for (Object item in (isList(value) ? value : [value])) {
            if (!isPlain(item)) {
                return "${name} must be a list of texts, as in ${name}: ['first', 'second']; there is a ${typeOf(item)} in it."
            }
        }
        return null
    }
    if (type == 'maps') {
        for (Object item in (isList(value) ? value : [null])) {
            if (!(item instanceof Map)) {
                return "${name} must be a list of maps, as in ${name}: [[branch: 'a'], [branch: 'b']]."
            }
        }
        return null
    }
    if (!(value instanceof Map)) {
        return type == 'texts' || type == 'values' ? "${name} must be a map, as in ${name}: [NAME: 'value']." : null
    }
    for (Object entry in value.entrySet()) {
        if (entry.value == null) {
            return "${name}.${entry.key} has no value (null)."
        }
        if (type == 'texts' && !isPlain(entry.value)) {
            return "${name}.${entry.key} must be a text, a number or a boolean, not a ${typeOf(entry.value)}."
        }
    }
    return null
}

@NonCPS
boolean isPlain(Object value) {
    return value instanceof CharSequence || value instanceof Number || value instanceof Boolean
}

@NonCPS
boolean isList(Object value) {
    return value instanceof Collection || value instanceof Object[]
}

@NonCPS
String typeOf(Object value) {
    return value == null ? 'null' : value instanceof Map ? 'map' : isList(value) ? 'list' : 'value of another type'
}

/** The arguments as their types say, in plain maps, lists and values, because nothing else survives a restart. */
@NonCPS
Map converted(Map arguments, Map schema) {
    Map all = [:]
    for (Object argument in arguments.entrySet()) {
        String name = argument.key.toString()
        all[name] = argument.value == null ? null : convertedTo(schema[name].type, plain(argument.value))
    }
    return all
}

@NonCPS
Object convertedTo(String type, Object value) {
    if (type == 'boolean' || type == 'description' && value != 'html') {
        return value.toString() == 'true'
    }
    if (type == 'text' || type == 'commit') {
        return value.toString()
    }
    if (type == 'list') {
        return textList(value instanceof List ? value : [value])
    }
    return type == 'texts' ? textMap(value) : value
}

@NonCPS
List textList(List values) {
    List texts = []
    for (Object value in values) {
        texts << value.toString()
    }
    return texts
}

@NonCPS
Map textMap(Map values) {
    Map texts = [:]
    for (Object entry in values.entrySet()) {
        texts[entry.key] = entry.value.toString()
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
    if (isList(value)) {
        List copy = []
        for (Object item in value) {
            copy << plain(item)
        }
        return copy
    }
    return value instanceof CharSequence ? value.toString() : value
}

/** The first of the names that has a value. */
@NonCPS
String firstOf(Map arguments, List names) {
    for (String name in names) {
        if (arguments[name] != null) {
            return name
        }
    }
    return null
}

/** Without the fields that have nothing in them. */
@NonCPS
Map filled(Map fields) {
    Map kept = [:]
    for (Object field in fields.entrySet()) {
        if (field.value) {
            kept[field.key] = field.value
        }
    }
    return kept
}
