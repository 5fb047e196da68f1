// The only file of this library that runs the `cibridge` binary. The steps beside it name their
// arguments and hand them over. What every file in vars/ keeps to:
//
// - shell text is a constant; every value travels in the environment or in a file, so nothing needs quoting;
// - one `sh` or `bat` for each call, because that is the step that costs time;
// - an abort passes through: nothing here catches it;
// - only what the Groovy sandbox permits, only serialisable values across a step, and no state in the file.

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonException
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException

/** Fails the build when an argument is unknown or of the wrong kind; `takes` is the table of the step. */
void check(String step, Map given, Map takes) {
    String problem = problemIn(given, takes)
    if (problem) {
        error("${step}: ${problem}")
    }
}

/**
 * Runs one command for a step and returns its result as a plain map.
 *
 * task.step         name of the step; every message begins with it
 * task.command      'trigger' or 'cancel'
 * task.given        the arguments as the caller wrote them, already checked
 * task.takes        the arguments the step knows: name -> [is: kind] or [is: kind, env: variable of the binary]
 * task.request      the request document for the binary, or null
 * task.environment  further NAME=value entries for the binary
 */
Map perform(Map task) {
    if (!env.NODE_NAME) {
        error("${task.step}: no agent here to run cibridge on. Put the step inside node { } or give the stage an agent.")
    }
    String credentialsId = task.given.credentialsId
    if (!credentialsId && (env.CODEMAGIC_API_KEY || env.CODEMAGIC_API_KEY_FILE)) {
        return launch(task)
    }
    credentialsId = credentialsId ?: 'codemagic-api-key'
    try {
        Map answer = null
        withCredentials([string(credentialsId: credentialsId, variable: 'CODEMAGIC_API_KEY')]) {
            answer = launch(task + [keyBound: true])
        }
        return answer
    } catch (CredentialNotFoundException missing) {
        error("${task.step}: no usable credential '${credentialsId}': ${missing.message}. " +
            'Create it under Manage Jenkins > Credentials with this ID, the kind "Secret text" and ' +
            'the Codemagic API token as secret. Or name another one with credentialsId.')
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

/** Runs the binary with a folder of its own outside the workspace proper, and removes that folder again. */
Map launch(Map task) {
    String folder = pwd(tmp: true) + '/cibridge-' + UUID.randomUUID().toString()
    try {
        if (task.request != null) {
            writeFile(file: folder + '/request.json', encoding: 'UTF-8', text: json(task.request))
        }
        // Makes the folder, and an empty answer says that the binary never got to write one.
        writeFile(file: folder + '/result.json', encoding: 'UTF-8', text: '')
        String binary = task.given.binary ?: env.CIBRIDGE_BIN ?: 'cibridge'
        boolean unix = isUnix()
        int code = -1
        withEnv(environment(task, folder, binary)) {
            code = shell(unix, task.command)
        }
        Map result = parse(readFile(file: folder + '/result.json', encoding: 'UTF-8'))
        if (result == null || result.exit_code != code) {
            error("${task.step}: ${unfinished(binary, unix, code, result, env.NODE_NAME)}")
        }
        return settle(task, code, result)
    } finally {
        // A folder that cannot be removed must not hide how the call ended; an abort here still aborts.
        catchError(message: 'cibridge: folder not removed', buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
            dir(folder) {
                deleteDir()
            }
        }
    }
}

/** The shell texts. `exec` leaves one process for Jenkins to signal when the build is aborted. */
int shell(boolean unix, String command) {
    if (unix) {
        if (command == 'cancel') {
            return sh(label: 'cibridge codemagic cancel', encoding: 'UTF-8', returnStatus: true,
                script: 'exec "$CIBRIDGE_BIN" codemagic cancel "$CIBRIDGE_BUILD"')
        }
        return sh(label: 'cibridge codemagic trigger', encoding: 'UTF-8', returnStatus: true,
            script: 'exec "$CIBRIDGE_BIN" codemagic trigger')
    }
    if (command == 'cancel') {
        return bat(label: 'cibridge codemagic cancel', encoding: 'UTF-8', returnStatus: true,
            script: '@"%CIBRIDGE_BIN%" codemagic cancel "%CIBRIDGE_BUILD%"')
    }
    return bat(label: 'cibridge codemagic trigger', encoding: 'UTF-8', returnStatus: true,
        script: '@"%CIBRIDGE_BIN%" codemagic trigger')
}

/** Turns exit code and result document into a returned map, an unstable stage or a failed one. */
Map settle(Map task, int code, Map result) {
    Map answer = answerOf(code, result)
    if (isOn(task.given.description) && answer.url) {
        String page = "Codemagic build ${answer.number ?: answer.id}: ${answer.url}"
        currentBuild.description = currentBuild.description ? "${currentBuild.description}\n${page}" : page
    }
    if (code == 0) {
        if (isOn(task.given.wait) && answer.outcome == 'started') {
            error("${task.step}: build ${answer.id} was started, but the cibridge on ${env.NODE_NAME} cannot wait for it. " +
                'It is older than this library: install the release that belongs to the library.')
        }
        return answer
    }
    // 1 failed, 3 unstable, 4 cancelled, 5 skipped, 6 too slow, 7 of another commit: the answer of the remote
    // build. Any other code is a fault of the call itself and fails whatever `propagate` says.
    if ([1, 3, 4, 5, 6, 7].contains(code) && isOff(task.given.propagate)) {
        return answer
    }
    String message = "${task.step}: ${sentence(answer, result)}"
    if (code == 3) {
        unstable(message)
        return answer
    }
    error(message)
}

/** What the steps return: the few values a pipeline asks for, and the whole document. */
@NonCPS
Map answerOf(int code, Map result) {
    Map build = result.build ?: [:]
    return [
        id       : build.id,
        url      : build.url ?: null,
        number   : build.number,
        outcome  : result.outcome,
        exitCode : code,
        status   : build.status,
        commit   : build.commit,
        artifacts: result.artifacts ?: [],
        result   : result,
    ]
}

/** Why the stage fails, in one line: the binary's own words, or the remote build's. */
@NonCPS
String sentence(Map answer, Map result) {
    if (result.error?.message) {
        return result.error.hint ? "${result.error.message}. Hint: ${result.error.hint}" : result.error.message
    }
    Map endings = [failed: 'failed', unstable: 'is unstable', cancelled: 'was cancelled', skipped: 'was skipped',
                   timed_out: 'passed the time limit', wrong_commit: 'is of another commit']
    String text = "Codemagic build ${answer.number ?: answer.id} ${endings[result.outcome] ?: 'ended as ' + result.outcome}"
    if (result.failure?.step) {
        text += " in step '${result.failure.step}'"
    }
    if (result.failure?.message) {
        text += ": ${result.failure.message}"
    }
    return "${text} (${answer.url})"
}

/** The binary is missing, or ended without writing the result that belongs to its exit code. */
@NonCPS
String unfinished(String binary, boolean unix, int code, Map result, String node) {
    Map build = result?.build
    if (build?.id) {
        return "cibridge was ended from outside (code ${code}). Codemagic build ${build.id} may still run: ${build.url}"
    }
    if (result == null && (unix ? [127] : [9009, 3, 1]).contains(code)) {
        return "'${binary}' was not found on ${node} (code ${code}). Install cibridge there, " +
            'or say where it is with the argument binary or the environment variable CIBRIDGE_BIN.'
    }
    if (result == null && unix && code == 126) {
        return "'${binary}' on ${node} cannot be run (code 126): it is not executable, or made for another kind of machine."
    }
    String words = code == 2 ? 'cibridge refused the call' : "cibridge ended with code ${code} and left no result"
    return "${words}; what it said is in the console above."
}

/** The environment of the binary, as withEnv takes it. An empty value takes the variable away. */
@NonCPS
List environment(Map task, String folder, String binary) {
    List entries = [
        'CIBRIDGE_BIN=' + binary,
        'CIBRIDGE_REQUIRE_VERSION=0.1.0',
        'CIBRIDGE_REQUEST=' + (task.request == null ? '' : folder + '/request.json'),
        'CIBRIDGE_RESULT_FILE=' + folder + '/result.json',
    ]
    if (task.keyBound) {
        entries << 'CODEMAGIC_API_KEY_FILE='
    }
    for (Object argument in task.takes.entrySet()) {
        Object value = task.given[argument.key]
        if (argument.value.env && value != null) {
            entries << argument.value.env + '=' + (argument.value.is == 'list' ? textListOf(value).join('\n') : value)
        }
    }
    entries.addAll(task.environment ?: [])
    return entries
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

@NonCPS
String json(Map value) {
    return JsonOutput.toJson(value)
}

/** The result document as plain maps, or null when there is none. */
@NonCPS
Map parse(String text) {
    if (!text?.trim()) {
        return null
    }
    try {
        Object document = new JsonSlurper().parseText(text)
        return document instanceof Map ? plain(document) : null
    } catch (JsonException broken) {
        return null
    }
}
