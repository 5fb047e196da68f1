// What an answer of the binary means to Jenkins: the returned map, the words for it, and whether the stage
// goes on, is unstable or fails. Runs nothing.

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonException
import groovy.json.JsonSlurper

/** The result document as plain maps, or null when there is none. */
@NonCPS
Map parse(String text) {
    if (!text?.trim()) {
        return null
    }
    try {
        Object document = new JsonSlurper().parseText(text)
        return document instanceof Map ? cibridgeArguments.plain(document) : null
    } catch (JsonException broken) {
        return null
    }
}

/** Turns exit code and result document into a returned map, an unstable stage or a failed one. */
Map settle(Map task, int code, Map result) {
    Map answer = answerOf(code, result)
    describe(task, answer)
    if (code == 0) {
        if (cibridgeArguments.isOn(task.given.wait) && answer.outcome == 'started') {
            error("${task.step}: build ${answer.id} was started, but the cibridge on ${env.NODE_NAME} cannot wait for it. " +
                'It is older than this library: install the release that belongs to the library.')
        }
        return answer
    }
    return task.quiet ? answer : judge(task, answer)
}

/** Adds the page of the build to the description, where that is wanted. */
void describe(Map task, Map answer) {
    if (cibridgeArguments.isOn(task.given.description) && answer.url) {
        String page = "${titleOf(answer)}: ${answer.url}"
        currentBuild.description = currentBuild.description ? "${currentBuild.description}\n${page}" : page
    }
}

/** Returns an answer, or makes the stage unstable or failed by it. */
Map judge(Map task, Map answer) {
    int code = answer.exitCode
    // 1 failed, 3 unstable, 4 cancelled, 5 skipped, 6 too slow, 7 of another commit: the answer of the remote
    // build. Any other code is a fault of the call itself and fails whatever `propagate` says.
    if (code == 0 || [1, 3, 4, 5, 6, 7].contains(code) && cibridgeArguments.isOff(task.given.propagate)) {
        return answer
    }
    String message = "${task.step}: ${sentence(answer)}"
    if (code == 3) {
        unstable(message)
        return answer
    }
    error(message)
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
    if (!bad || [1, 3, 4, 5, 6, 7].contains(worst.exitCode) && cibridgeArguments.isOff(task.given.propagate)) {
        return all
    }
    String message = "${task.step}: ${bad.size()} of ${answers.size()} builds did not succeed: ${bad.join('; ')}"
    if (worst.exitCode == 3) {
        unstable(message)
        return all
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

/** How bad an end is; the binary orders several builds in the same way. */
@NonCPS
int severity(Object code) {
    Map known = [0: 0, 3: 1, 5: 2, 4: 3, 6: 4, 7: 5, 1: 6]
    return code == null ? 0 : known.containsKey(code) ? known[code] : 7
}

/** The answer for a build that was cancelled here, because another one of several ended badly. */
@NonCPS
Map ended(Map state) {
    return [id: state.build, url: null, number: null, outcome: 'cancelled', exitCode: 4, status: null, commit: null, artifacts: [], result: [:]]
}

/** The build's name in a sentence. */
@NonCPS
String titleOf(Map answer) {
    return answer.result?.provider == 'jenkins' ? "Jenkins build ${answer.id}" : "Codemagic build ${answer.number ?: answer.id}"
}

/** One build in one line. */
@NonCPS
String lineOf(Map answer) {
    if (!answer.result) {
        return answer.outcome == 'cancelled' ? 'cancelled, because another build ended badly' : 'not started, because another build ended badly'
    }
    return answer.exitCode == 0 ? "${titleOf(answer)}: ${answer.outcome} (${answer.url})" : sentence(answer)
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
