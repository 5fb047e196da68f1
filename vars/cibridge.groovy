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
 * task.command      'trigger', 'wait', 'cancel', 'artifacts' (of Codemagic) or 'jenkins' (starts a job there)
 * task.given        the arguments as the caller wrote them, already checked
 * task.takes        the arguments the step knows: name -> [is: kind] or [is: kind, env: variable of the binary]
 * task.request      the request document for the binary, or null
 * task.requestIn    the variable that names the request's file to the binary; CIBRIDGE_REQUEST otherwise
 * task.quiet        true returns what went wrong (exitCode) instead of failing the stage; `judge` does that later
 * task.environment  further NAME=value entries for the binary
 */
Map perform(Map task) {
    if (!env.NODE_NAME) {
        error("${task.step}: no agent here to run cibridge on. Put the step inside node { } or give the stage an agent.")
    }
    return task.command == 'jenkins' ? withJenkinsToken(task) : withCodemagicKey(task)
}

/** Binds the key, unless one is bound already and no other one is named. */
Map withCodemagicKey(Map task) {
    String credentialsId = task.given.credentialsId
    if (!credentialsId && (env.CODEMAGIC_API_KEY || env.CODEMAGIC_API_KEY_FILE)) {
        return launch(task)
    }
    credentialsId = credentialsId ?: 'codemagic-api-key'
    try {
        Map answer = null
        withCredentials([string(credentialsId: credentialsId, variable: 'CODEMAGIC_API_KEY')]) {
            answer = launch(task + [bound: ['CODEMAGIC_API_KEY_FILE=']])
        }
        return answer
    } catch (CredentialNotFoundException missing) {
        error("${task.step}: no usable credential '${credentialsId}': ${missing.message}. " +
            'Create it under Manage Jenkins > Credentials with this ID, the kind "Secret text" and ' +
            'the Codemagic API token as secret. Or name another one with credentialsId.')
    }
}

/** Binds user and API token of the other controller, unless some are bound already and no others are named. */
Map withJenkinsToken(Map task) {
    String credentialsId = task.given.credentialsId
    if (!credentialsId && (env.JENKINS_API_TOKEN || env.JENKINS_API_TOKEN_FILE || env.JENKINS_JOB_TOKEN || env.JENKINS_JOB_TOKEN_FILE)) {
        return launch(task)
    }
    credentialsId = credentialsId ?: 'jenkins-api-token'
    try {
        Map answer = null
        withCredentials([usernamePassword(credentialsId: credentialsId, usernameVariable: 'JENKINS_USER_ID', passwordVariable: 'JENKINS_API_TOKEN')]) {
            answer = launch(task + [bound: ['JENKINS_API_TOKEN_FILE=']])
        }
        return answer
    } catch (CredentialNotFoundException missing) {
        error("${task.step}: no usable credential '${credentialsId}': ${missing.message}. " +
            'Create it under Manage Jenkins > Credentials with this ID, the kind "Username with password", ' +
            'the user of the other controller and an API token of that user as password. Or name another one with credentialsId.')
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

/** The id of a build stands between quotes in the shell text, so it is held to what an id can be. */
void checkId(String step, String build) {
    if (!build || !build.matches('[A-Za-z0-9][A-Za-z0-9_-]*')) {
        error("${step}: '${build}' is not the id of a Codemagic build. triggerCodemagic returns it as id.")
    }
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
    if (command == 'wait') {
        return unix ?
            sh(label: 'cibridge codemagic wait', encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic wait "$CIBRIDGE_BUILD"') :
            bat(label: 'cibridge codemagic wait', encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic wait "%CIBRIDGE_BUILD%"')
    }
    if (command == 'cancel') {
        return unix ?
            sh(label: 'cibridge codemagic cancel', encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic cancel "$CIBRIDGE_BUILD"') :
            bat(label: 'cibridge codemagic cancel', encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic cancel "%CIBRIDGE_BUILD%"')
    }
    if (command == 'artifacts') {
        return unix ?
            sh(label: 'cibridge codemagic artifacts', encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic artifacts "$CIBRIDGE_BUILD"') :
            bat(label: 'cibridge codemagic artifacts', encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic artifacts "%CIBRIDGE_BUILD%"')
    }
    if (command == 'jenkins') {
        return unix ?
            sh(label: 'cibridge jenkins trigger', encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" jenkins trigger "$CIBRIDGE_JOB"') :
            bat(label: 'cibridge jenkins trigger', encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" jenkins trigger "%CIBRIDGE_JOB%"')
    }
    return unix ?
        sh(label: 'cibridge codemagic trigger', encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic trigger') :
        bat(label: 'cibridge codemagic trigger', encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic trigger')
}

/** Turns exit code and result document into a returned map, an unstable stage or a failed one. */
Map settle(Map task, int code, Map result) {
    Map answer = answerOf(code, result)
    if (isOn(task.given.description) && answer.url) {
        String page = "${titleOf(answer)}: ${answer.url}"
        currentBuild.description = currentBuild.description ? "${currentBuild.description}\n${page}" : page
    }
    if (code == 0) {
        if (isOn(task.given.wait) && answer.outcome == 'started') {
            error("${task.step}: build ${answer.id} was started, but the cibridge on ${env.NODE_NAME} cannot wait for it. " +
                'It is older than this library: install the release that belongs to the library.')
        }
        return answer
    }
    return task.quiet ? answer : judge(task, answer)
}

/** Returns an answer, or makes the stage unstable or failed by it. */
Map judge(Map task, Map answer) {
    int code = answer.exitCode
    // 1 failed, 3 unstable, 4 cancelled, 5 skipped, 6 too slow, 7 of another commit: the answer of the remote
    // build. Any other code is a fault of the call itself and fails whatever `propagate` says.
    if (code == 0 || [1, 3, 4, 5, 6, 7].contains(code) && isOff(task.given.propagate)) {
        return answer
    }
    String message = "${task.step}: ${sentence(answer)}"
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

/** The build's name in a sentence. */
@NonCPS
String titleOf(Map answer) {
    return answer.result?.provider == 'jenkins' ? "Jenkins build ${answer.id}" : "Codemagic build ${answer.number ?: answer.id}"
}

/** Why the stage fails, in one line: the binary's own words, or the remote build's. */
@NonCPS
String sentence(Map answer) {
    Map result = answer.result
    if (result.error?.message) {
        return result.error.hint ? "${result.error.message}. Hint: ${result.error.hint}" : result.error.message
    }
    Map endings = [failed: 'failed', unstable: 'is unstable', cancelled: 'was cancelled', skipped: 'was skipped',
                   timed_out: 'passed the time limit', wrong_commit: 'is of another commit']
    String text = "${titleOf(answer)} ${endings[result.outcome] ?: 'ended as ' + result.outcome}"
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
        return "cibridge was ended from outside (code ${code}). ${result.provider == 'jenkins' ? 'Jenkins' : 'Codemagic'} build ${build.id} may still run: ${build.url}"
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
        (task.requestIn ?: 'CIBRIDGE_REQUEST') + '=' + (task.request == null ? '' : folder + '/request.json'),
        'CIBRIDGE_RESULT_FILE=' + folder + '/result.json',
    ]
    entries.addAll(task.bound ?: [])
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

/** Several answers as one: the worst decides how the stage ends. */
Map judgeAll(Map task, List answers) {
    Map worst = [outcome: 'success', exitCode: 0]
    List bad = []
    for (int n = 0; n < answers.size(); n++) {
        if (n == 0 || severity(answers[n].exitCode) > severity(worst.exitCode)) {
            worst = answers[n]
        }
        if (answers[n].exitCode != 0) {
            bad << "${n + 1}: ${lineOf(answers[n])}".toString()
        }
    }
    Map all = [outcome: worst.outcome, exitCode: worst.exitCode, builds: answers]
    if (!bad || [1, 3, 4, 5, 6, 7].contains(worst.exitCode) && isOff(task.given.propagate)) {
        return all
    }
    String message = "${task.step}: ${bad.size()} of ${answers.size()} builds did not succeed: ${bad.join('; ')}"
    if (worst.exitCode == 3) {
        unstable(message)
        return all
    }
    error(message)
}

/** How bad an end is; the binary orders several builds in the same way. */
@NonCPS
int severity(Object code) {
    Map known = [0: 0, 3: 1, 5: 2, 4: 3, 6: 4, 7: 5, 1: 6]
    return code == null ? 0 : known.containsKey(code) ? known[code] : 7
}

/** One build in one line. */
@NonCPS
String lineOf(Map answer) {
    if (!answer.result) {
        return answer.outcome == 'cancelled' ? 'cancelled, because another build ended badly' : 'not started, because another build ended badly'
    }
    return answer.exitCode == 0 ? "${titleOf(answer)}: ${answer.outcome} (${answer.url})" : sentence(answer)
}
