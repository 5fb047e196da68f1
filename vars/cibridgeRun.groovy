// Internal: runs the cibridge binary for the steps of this library. No Jenkinsfile calls it.
//
// What every file in vars/ keeps to:
// - shell text is a constant; every value travels in the environment or in the request file, so nothing is quoted;
// - one `sh` or `bat` for each call, because that is the step that costs time;
// - an abort passes through: nothing here catches it for good;
// - only what the Groovy sandbox permits, only serializable values across a step, no state in a file.

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput
import org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * Runs one command of the binary on the agent at hand. Returns the map that the steps return, see
 * cibridgeResult.of; fails the build when the binary is missing or ended without a result.
 *
 * Every helper takes the same map, the invocation. All keys but the first four may be left out:
 *
 *   step         the name of the step; every message begins with it
 *   command      words for the binary, as in 'codemagic wait --once'; they are never made of values
 *   arguments    the arguments of the step, checked and converted, see cibridgeArguments
 *   schema       the arguments that the step knows: name -> [type: …] or [type: …, variable: …],
 *                where `variable` is the environment variable by which the binary gets the value
 *   build        the build that the command is about, for the commands that take one
 *   request      the request file as a map, for the commands that start a build
 *   environment  a list of further NAME=value entries, stronger than those of `arguments`;
 *                an empty value takes the variable away
 *
 * `seen.result` is what the binary left, also where the call was aborted.
 */
Map call(Map invocation) {
    return here(invocation, [:])
}

Map here(Map invocation, Map seen) {
    if (!env.NODE_NAME) {
        error("${invocation.step}: there is no workspace outside a node. Put the step inside node { }, or give the stage an agent.")
    }
    String credentialsId = invocation.arguments.credentialsId
    if (isJenkins(invocation)) {
        boolean bound = env.JENKINS_API_TOKEN || env.JENKINS_API_TOKEN_FILE || env.JENKINS_JOB_TOKEN || env.JENKINS_JOB_TOKEN_FILE
        return bound && !credentialsId ? runBinary(invocation, [], seen) : withJenkinsToken(invocation, credentialsId ?: 'jenkins-api-token', seen)
    }
    boolean bound = env.CODEMAGIC_API_KEY || env.CODEMAGIC_API_KEY_FILE
    return bound && !credentialsId ? runBinary(invocation, [], seen) : withCodemagicKey(invocation, credentialsId ?: 'codemagic-api-key', seen)
}

/**
 * The same wherever the step stands: outside a node it takes an agent for the time of the call, and another
 * one when that is lost. `repeated` is run instead of `invocation` then. Sets `seen.attempts`.
 */
Map onAgent(Map invocation, Map seen = [:], Map repeated = null) {
    if (env.NODE_NAME) {
        return here(invocation, seen)
    }
    Map result = null
    seen.attempts = 0
    retry(count: 3, conditions: [agent(), nonresumable()]) {
        node(invocation.arguments.agentLabel ?: '') {
            seen.attempts = seen.attempts + 1
            result = here(seen.attempts > 1 && repeated ? repeated : invocation, seen)
        }
    }
    return result
}

/** Whether the command is one for Jenkins, and not for Codemagic. */
@NonCPS
boolean isJenkins(Map invocation) {
    return invocation.command.startsWith('jenkins')
}

/** Binds the API token of Codemagic. */
Map withCodemagicKey(Map invocation, String credentialsId, Map seen) {
    Map result = null
    try {
        withCredentials([string(credentialsId: credentialsId, variable: 'CODEMAGIC_API_KEY')]) {
            result = runBinary(invocation, ['CODEMAGIC_API_KEY_FILE='], seen)
        }
    } catch (CredentialNotFoundException missing) {
        refuseCredential(invocation, credentialsId, missing.message, 'the kind "Secret text" and the Codemagic API token as secret')
    }
    return result
}

/** Binds user and API token of the other controller. */
Map withJenkinsToken(Map invocation, String credentialsId, Map seen) {
    Map result = null
    try {
        withCredentials([usernamePassword(credentialsId: credentialsId, usernameVariable: 'JENKINS_USER_ID', passwordVariable: 'JENKINS_API_TOKEN')]) {
            result = runBinary(invocation, ['JENKINS_API_TOKEN_FILE='], seen)
        }
    } catch (CredentialNotFoundException missing) {
        refuseCredential(invocation, credentialsId, missing.message,
            'the kind "Username with password", the user of the other controller and an API token of that user as password')
    }
    return result
}

void refuseCredential(Map invocation, String credentialsId, String why, String wanted) {
    error("${invocation.step}: no usable credential '${credentialsId}': ${why}. " +
        'Create it under Manage Jenkins > Credentials with this ID, ' + wanted + ', or name another one with credentialsId.')
}

/** Runs the binary with a folder of its own outside the workspace proper, and removes that folder again. */
Map runBinary(Map invocation, List credentials, Map seen) {
    String folder = pwd(tmp: true) + '/cibridge-' + UUID.randomUUID().toString()
    try {
        if (invocation.request) {
            writeFile(file: folder + '/request.json', encoding: 'UTF-8', text: json(invocation.request))
        }
        // Makes the folder, and a file that is still empty shows that the binary never wrote its result.
        writeFile(file: folder + '/result.json', encoding: 'UTF-8', text: '')
        String binary = invocation.arguments.binary ?: env.CIBRIDGE_BIN ?: 'cibridge'
        boolean unix = isUnix()
        int code = -1
        Map document = null
        try {
            withEnv(environment(invocation, credentials, folder, binary)) {
                // `exec` leaves one process for Jenkins to signal when the build is aborted. What the binary has for
                // machines is read from its result; people read its stderr.
                code = unix ?
                    sh(label: 'cibridge ' + invocation.command, encoding: 'UTF-8', returnStatus: true, script: 'exec "$CIBRIDGE_BIN" $CIBRIDGE_COMMAND >/dev/null') :
                    bat(label: 'cibridge ' + invocation.command, encoding: 'UTF-8', returnStatus: true, script: '@"%CIBRIDGE_BIN%" %CIBRIDGE_COMMAND% >NUL')
            }
            document = readDocument(folder)
        } catch (FlowInterruptedException interrupted) {
            // Jenkins' signal misses a process that is only about to begin: it runs on, and starts a build.
            readAfterAbort(folder, seen)
            throw interrupted
        }
        if (document == null || document.exit_code != code) {
            error("${invocation.step}: ${cibridgeResult.missing(binary, unix, code, document, env.NODE_NAME)}")
        }
        seen.result = cibridgeResult.of(document)
        return seen.result
    } finally {
        // A folder that cannot be removed must not hide how the call ended; an abort here still aborts.
        catchError(message: 'cibridge: folder not removed', buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
            dir(folder) {
                deleteDir()
            }
        }
    }
}

Map readDocument(String folder) {
    return cibridgeResult.parse(readFile(file: folder + '/result.json', encoding: 'UTF-8'))
}

/** An abort interrupts one step, so another can still read the result; where it cannot, that must not hide the abort. */
void readAfterAbort(String folder, Map seen) {
    catchError(message: 'cibridge: result not read', buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
        try {
            seen.result = cibridgeResult.of(readDocument(folder) ?: [:])
        } catch (FlowInterruptedException again) {
            // `parallel(failFast: true)` interrupts once more what an abort has interrupted already.
            seen.result = cibridgeResult.of(readDocument(folder) ?: [:])
            throw again
        }
    }
}

/** The oldest binary that this library works with; an older one refuses the call by CIBRIDGE_REQUIRE_VERSION. */
@NonCPS
String requiredVersion() {
    return '0.1.0'
}

/** The environment of the binary, as withEnv takes it. */
@NonCPS
List environment(Map invocation, List credentials, String folder, String binary) {
    List entries = [
        'CIBRIDGE_BIN=' + binary,
        'CIBRIDGE_COMMAND=' + invocation.command,
        'CIBRIDGE_REQUIRE_VERSION=' + requiredVersion(),
        'CIBRIDGE_REQUEST=' + (invocation.request ? folder + '/request.json' : ''),
        'CIBRIDGE_RESULT_FILE=' + folder + '/result.json',
        // A wait that a variable of the agent ends early would take a running build for a good one.
        'CIBRIDGE_ONCE=', 'CIBRIDGE_WAITING_SINCE=',
    ]
    List given = ['CIBRIDGE_BUILD=' + (invocation.build ?: '')]
    for (Object entry in invocation.schema.entrySet()) {
        Object value = invocation.arguments[entry.key]
        if (entry.value.variable && value != null && !invocation.request?.containsKey(entry.key)) {
            given << entry.value.variable + '=' + (value instanceof List ? value.join('\n') : value)
        }
    }
    return entries + credentials + given + (invocation.environment ?: []) + ['CIBRIDGE_LOCALE_PROBE=' + (isAscii(invocation, given) ? '' : '\u00fc')]
}

/**
 * Whether all that travels in the environment is ASCII. What is not is replaced by `?` where the Java of an agent runs in
 * a POSIX locale; the binary sees that by the probe and refuses the call.
 */
@NonCPS
boolean isAscii(Map invocation, List given) {
    List texts = [given.join('')]
    for (String name in (invocation.arguments.variablesFromEnv ?: [])) {
        texts << (env."${name}" ?: '')
    }
    return texts.join('').matches('\\p{ASCII}*')
}

@NonCPS
String json(Map value) {
    return JsonOutput.toJson(value)
}
