// Starts a job on another Jenkins controller. The help page is triggerJenkins.txt.

import com.cloudbees.groovy.cps.NonCPS

Map call(Map given = [:]) {
    Map takes = arguments()
    cibridgeArguments.check('triggerJenkins', given, takes)
    String job = given.job == null ? '' : given.job.toString()
    if (!job) {
        error("triggerJenkins: no job to start. Give job: its full name, as in 'folder/app', or the address of its page.")
    }
    // It stands between quotes in the shell text.
    if (!job.matches('[^-"\\r\\n][^"\\r\\n]*')) {
        error("triggerJenkins: '${job}' cannot be a job: a quotation mark, a line break or a hyphen at its beginning is in it.")
    }
    Map task = [
        step: 'triggerJenkins', command: 'jenkins trigger', given: given, takes: takes,
        request: given.parameters ? cibridgeArguments.plain(given.parameters) : null, requestIn: 'CIBRIDGE_PARAMS_FROM',
        environment: ['CIBRIDGE_JOB=' + job, 'CIBRIDGE_PARAM_FILE=' + filesOf(given.files)]
    ]
    boolean away = !env.NODE_NAME && (cibridgeArguments.isOn(given.wait) || given.agentLabel)
    return away ? cibridgeWait.trigger(task) : cibridge.perform(task)
}

@NonCPS
Map arguments() {
    return [
        // What to start.
        url           : [is: 'text', env: 'CIBRIDGE_JENKINS_URL'],
        job           : [is: 'text'],
        branch        : [is: 'text', env: 'CIBRIDGE_BRANCH'],
        parameters    : [is: 'texts'],
        files         : [is: 'texts'],
        idempotencyKey: [is: 'text', env: 'CIBRIDGE_IDEMPOTENCY_KEY'],
        markerParam   : [is: 'text', env: 'CIBRIDGE_MARKER_PARAM'],
        delay         : [is: 'text', env: 'CIBRIDGE_DELAY'],
        cause         : [is: 'text', env: 'CIBRIDGE_CAUSE'],
        noValidate    : [is: 'flag', env: 'CIBRIDGE_NO_VALIDATE'],
        failIfJoined  : [is: 'flag', env: 'CIBRIDGE_FAIL_IF_JOINED'],
        // Whether to follow it.
        wait          : [is: 'flag', env: 'CIBRIDGE_WAIT'],
        propagate     : [is: 'flag'],
        console       : [is: 'flag', env: 'CIBRIDGE_CONSOLE'],
        artifacts     : [is: 'list', env: 'CIBRIDGE_ARTIFACTS'],
        artifactsDir  : [is: 'text', env: 'CIBRIDGE_ARTIFACTS_DIR'],
        onInput       : [is: 'text', env: 'CIBRIDGE_ON_INPUT'],
        queueTimeout  : [is: 'text', env: 'CIBRIDGE_QUEUE_TIMEOUT'],
        runTimeout    : [is: 'text', env: 'CIBRIDGE_RUN_TIMEOUT'],
        timeout       : [is: 'text', env: 'CIBRIDGE_TIMEOUT'],
        noCancel      : [is: 'flag', env: 'CIBRIDGE_NO_CANCEL'],
        logLines      : [is: 'text', env: 'CIBRIDGE_LOG_LINES'],
        pollInterval  : [is: 'text', env: 'CIBRIDGE_POLL_INTERVAL'],
        agentLabel    : [is: 'text'],
        description   : [is: 'flag'],
        // How to reach it.
        credentialsId : [is: 'text'],
        binary        : [is: 'text'],
        caCert        : [is: 'text', env: 'CIBRIDGE_CA_CERT'],
        clientCert    : [is: 'text', env: 'CIBRIDGE_CLIENT_CERT'],
        clientKey     : [is: 'text', env: 'CIBRIDGE_CLIENT_KEY'],
        connectTimeout: [is: 'text', env: 'CIBRIDGE_CONNECT_TIMEOUT'],
        answerTimeout : [is: 'text', env: 'CIBRIDGE_ANSWER_TIMEOUT'],
        allowHttp     : [is: 'flag', env: 'CIBRIDGE_ALLOW_HTTP'],
        verbose       : [is: 'flag', env: 'CIBRIDGE_VERBOSE'],
    ]
}

/** NAME=path, one a line. */
@NonCPS
String filesOf(Map files) {
    List lines = []
    for (Object file in (files ?: [:]).entrySet()) {
        lines << "${file.key}=${file.value}".toString()
    }
    return lines.join('\n')
}
