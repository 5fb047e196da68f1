// The only file of this library that runs the `cibridge` binary. The steps beside it name their
// arguments and hand them over; cibridgeArguments checks those, cibridgeOutcome reads what the binary
// answers, cibridgeWait waits without an agent. What every file in vars/ keeps to:
//
// - shell text is a constant; every value travels in the environment or in a file, so nothing needs quoting;
// - one `sh` or `bat` for each call, because that is the step that costs time;
// - an abort passes through: nothing here catches it;
// - only what the Groovy sandbox permits, only serialisable values across a step, and no state in the file.

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput
import org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException

/**
 * Runs one command for a step and returns its result as a plain map.
 *
 * task.step         name of the step; every message begins with it
 * task.command      the command of the binary, as in 'codemagic trigger'
 * task.given        the arguments as the caller wrote them, already checked
 * task.takes        the arguments the step knows: name -> [is: kind] or [is: kind, env: variable of the binary]
 * task.request      the request document for the binary, or null
 * task.requestIn    the variable that names the request's file to the binary; CIBRIDGE_REQUEST otherwise
 * task.quiet        true returns what went wrong (exitCode) instead of failing the stage; `judge` does that later
 * task.environment  further NAME=value entries for the binary
 * task.seen         a map that gets the answer before anything else can go wrong, or null
 */
Map perform(Map task) {
    if (!env.NODE_NAME) {
        error("${task.step}: no agent here to run cibridge on. Put the step inside node { } or give the stage an agent.")
    }
    return task.command.startsWith('jenkins') ? withJenkinsToken(task) : withCodemagicKey(task)
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
        Map result = cibridgeOutcome.parse(readFile(file: folder + '/result.json', encoding: 'UTF-8'))
        if (result == null || result.exit_code != code) {
            error("${task.step}: ${cibridgeOutcome.unfinished(binary, unix, code, result, env.NODE_NAME)}")
        }
        Map answer = cibridgeOutcome.settle(task, code, result)
        if (task.seen != null) {
            task.seen.answer = answer
        }
        return answer
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
    String label = 'cibridge ' + command
    switch (command) {
        case 'codemagic trigger':
            return unix ?
                sh(label: label, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic trigger') :
                bat(label: label, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic trigger')
        case 'codemagic wait':
            return unix ?
                sh(label: label, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic wait "$CIBRIDGE_BUILD"') :
                bat(label: label, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic wait "%CIBRIDGE_BUILD%"')
        case 'codemagic cancel':
            return unix ?
                sh(label: label, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic cancel "$CIBRIDGE_BUILD"') :
                bat(label: label, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic cancel "%CIBRIDGE_BUILD%"')
        case 'codemagic artifacts':
            return unix ?
                sh(label: label, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" codemagic artifacts "$CIBRIDGE_BUILD"') :
                bat(label: label, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" codemagic artifacts "%CIBRIDGE_BUILD%"')
        case 'jenkins trigger':
            return unix ?
                sh(label: label, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" jenkins trigger "$CIBRIDGE_JOB"') :
                bat(label: label, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" jenkins trigger "%CIBRIDGE_JOB%"')
        case 'jenkins wait':
            return unix ?
                sh(label: label, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" jenkins wait "$CIBRIDGE_BUILD"') :
                bat(label: label, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" jenkins wait "%CIBRIDGE_BUILD%"')
        case 'jenkins stop':
            return unix ?
                sh(label: label, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" jenkins stop "$CIBRIDGE_BUILD"') :
                bat(label: label, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" jenkins stop "%CIBRIDGE_BUILD%"')
    }
    error("cibridge: there is no shell text for '${command}'")
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
            entries << argument.value.env + '=' + (argument.value.is == 'list' ? cibridgeArguments.textListOf(value).join('\n') : value)
        }
    }
    entries.addAll(task.environment ?: [])
    return entries
}

@NonCPS
String json(Map value) {
    return JsonOutput.toJson(value)
}
