// Every step and every argument of the library in words: the one source of vars/*.txt (Jenkins' help), docs/steps.md
// and cibridge.gdsl. Which step takes which argument, and of what type it is, is read from the steps themselves
// (`schema()` in vars/). `make pages` writes the files anew.
//
// Jenkins' default formatter shows the help pages as they are, "Safe HTML" joins all lines: so there is no markup, no
// column, no character that HTML gives a meaning, and no line of code that needs the next one; every paragraph is a
// whole sentence.

[
    // The parts of a page, in order, and their arguments. A page shows those that its step has; `of` names the steps that have the part.
    groups: [
        [title: 'What to build', of: ['triggerCodemagic'], arguments: [
            'appId', 'workflowId', 'branch', 'tag', 'variables', 'variablesFromEnv', 'groups', 'softwareVersions', 'labels', 'instanceType', 'inputs',
            'idempotencyKey', 'api', 'dryRun',
        ]],
        [title: 'What to start', of: ['triggerJenkins'], arguments: [
            'url', 'job', 'branch', 'parameters', 'files', 'idempotencyKey', 'markerParam', 'delay', 'cause', 'noValidate', 'failIfCoalesced',
        ]],
        [title: 'Which build', of: [
            'waitForCodemagic', 'cancelCodemagic', 'downloadCodemagicArtifacts', 'shareCodemagicArtifacts', 'waitForJenkins', 'stopJenkins', 'downloadJenkinsArtifacts',
        ], arguments: ['appId', 'workflowId', 'url', 'job', 'branch']],
        [title: 'Whether to wait', arguments: [
            'wait', 'waitForStart', 'propagate', 'callback', 'console', 'description', 'expectCommit', 'failOnStepFailure', 'onInput', 'logLines',
        ]],
        [title: 'How long', arguments: ['timeout', 'queueTimeout', 'runTimeout', 'noCancel', 'pollInterval', 'stopWait']],
        [title: 'Files', arguments: ['artifacts', 'artifactsDir', 'type', 'junit', 'allowNone', 'jobs', 'list', 'expires', 'qr', 'qrDir']],
        [title: 'Several builds', arguments: ['builds', 'concurrency', 'failFast']],
        [title: 'Credential, program and connection', arguments: [
            'credentialsId', 'agentLabel', 'binary', 'apiUrl', 'legacyApiUrl', 'caCert', 'clientCert', 'clientKey', 'connectTimeout', 'answerTimeout',
            'allowHttp', 'verbose',
        ]],
    ],

    // 'step.argument' is stronger than 'Jenkins.argument' (the steps for Jenkins) and 'title of a group.argument' (the
    // others), and these than the plain name.
    arguments: [
        appId: "The app: the part of its page's address after /app/. Default: the variable CODEMAGIC_APP_ID.",
        workflowId: 'The key of the workflow below workflows: in codemagic.yaml, or the ID of a Workflow Editor workflow. Default: the variable CODEMAGIC_WORKFLOW.',
        branch: 'The branch to build. Default: the variable CODEMAGIC_BRANCH; without that and CODEMAGIC_TAG, what the Jenkins build is about ' +
            '(CHANGE_BRANCH, TAG_NAME, BRANCH_NAME or GIT_BRANCH, in this order).',
        'Jenkins.branch': 'The branch of a multibranch job, as it is named in the repository. Default: none.',
        'Which build.appId': 'With a number, latest or latest-success as first argument: the app. Default: the variable CODEMAGIC_APP_ID.',
        'Which build.workflowId': 'With latest or latest-success as first argument: the workflow. Default: the variable CODEMAGIC_WORKFLOW, else any.',
        'Which build.branch': 'With latest or latest-success as first argument: the branch. Default: the variable CODEMAGIC_BRANCH, else any.',
        tag: 'The tag to build, instead of a branch. Default: the variable CODEMAGIC_TAG, see branch.',
        variables: 'Map of environment variables for the build, as in [FLAVOR: \'prod\']. Codemagic shows them to everybody who sees the build, so secrets belong in groups. Default: none.',
        variablesFromEnv: 'List of the names of variables that the build gets with the value they have here, such as those of withCredentials. The values are redacted in the log. Default: none.',
        groups: 'List of variable groups on Codemagic to add. Default: none.',
        softwareVersions: 'Map of versions, as in [xcode: \'16.0\', flutter: \'stable\']. Default: those of the workflow.',
        labels: 'List of labels to add to the build. Default: none.',
        instanceType: 'The machine, such as \'mac_mini_m2\'. Default: that of the workflow.',
        inputs: 'Map of the inputs of the workflow. true, false and numbers keep their type. Default: those of the workflow.',
        idempotencyKey: 'A text that makes the call repeatable: a build that already carries it is adopted instead of starting another one, as in "release-${env.GIT_COMMIT}". Default: none, every call starts a build.',
        'Jenkins.idempotencyKey': 'A text that makes the call repeatable: a build that already carries it is adopted instead of starting another one. It is carried by the parameter CIBRIDGE_ID of the job, or by markerParam, ' +
            'and looked for in the queue and among the newest 100 builds. Default: none, every call starts a build.',
        api: 'The API that starts the build, \'v3\' or \'legacy\'. Default: \'v3\'.',
        dryRun: 'true prints the request and sends nothing. Default: false.',

        url: 'Address of the controller. Default: the one in job or in the first argument, else this controller.',
        job: 'Full name of the job, as in \'team/app\', or the address of its page. There is no default.',
        'waitForJenkins.job': 'The job, where the first argument is a queue item: by it a build is found after Jenkins has forgotten the item. Default: none.',
        'stopJenkins.job': 'The job, where the first argument is a queue item: by it a build is found after Jenkins has forgotten the item. Default: none.',
        parameters: 'Map of parameters. They are checked against those of the job before the start. Jenkins keeps the arguments of steps, so this is no place for secrets. Default: those of the job.',
        files: 'On an agent: map of file parameters, from the name to the path of the file in the workspace. Default: none.',
        markerParam: 'A parameter of the job that gets a unique value, by which its build is told apart from others. Default: CIBRIDGE_ID, where the job has it.',
        delay: 'The least time in the queue, as in \'30s\'. Default: the quiet period of the job.',
        cause: 'Why the job is started, for the page of the build. Default: none.',
        noValidate: 'true sends the parameters without checking them. Default: false.',
        failIfCoalesced: 'true fails when Jenkins merges the start into an identical one that is still queued. Default: false.',

        wait: 'true waits for the end of the build, and the stage ends as the build did. Default: false, the step returns when Codemagic has accepted the build.',
        'Jenkins.wait': 'true waits for the end of the build, and the stage ends as the build did. Default: false, see waitForStart.',
        waitForStart: 'Without wait: true returns when the build has left the queue and has a number, false returns at once. Default: true.',
        propagate: 'false returns the outcome of a build that failed, was canceled and so on, instead of failing the stage. A call that failed itself (wrong key, unknown app, no connection) fails in any case. Default: true.',
        callback: 'Outside of a node: true sleeps until the build answers the question Codemagic-ID of this pipeline, and polls every ten minutes as well. Needs the ID of the build as first argument. Default: false.',
        console: 'On an agent: true shows the log of each step when the step has ended. Default: false.',
        'Jenkins.console': 'On an agent: true shows the log of the build while it grows. Default: false.',
        description: 'true adds the name and address of the build to the description of the Jenkins build; \'html\' adds a link, for controllers with the formatter Safe HTML. Default: false.',
        expectCommit: 'The commit that must be built; true means GIT_COMMIT. A build of another commit is canceled and the stage fails, because the branch has moved. Default: any commit.',
        failOnStepFailure: 'true makes the stage unstable when a step failed that the workflow ignores. Default: false.',
        onInput: 'What to do when the build asks a person: \'wait\', \'fail\', \'proceed\' or \'abort\'. Default: \'wait\', and the log says so.',
        logLines: 'How many lines of a failed step\'s log to show. Default: 50.',
        'Jenkins.logLines': 'How many lines of a failed build\'s log to show. Default: 50.',

        timeout: 'Longest time in all, as in \'90m\' or \'1h30m\'. When it passes, the build is canceled and the stage fails. Default: none.',
        queueTimeout: 'Longest time in the queue, as in \'15m\'. Default: none.',
        runTimeout: 'Longest time from the start of the build to its end, as in \'1h\'. Default: none.',
        noCancel: 'true leaves the build running where it would be canceled: when a time limit passes or the Jenkins build is aborted. Default: false.',
        pollInterval: 'Time between two polls, as in \'30s\'. Default: the usual duration of the build and the rate limit decide.',
        stopWait: 'How long to wait for the end of the build after each of stop, term and kill, as in \'1m\'. Default: \'30s\'.',

        artifacts: 'On an agent: name patterns of the artifacts to download, as in \'*.ipa\' or [\'*.ipa\', \'*.apk\']. Default: none.',
        'downloadCodemagicArtifacts.artifacts': 'Name patterns, as in \'*.ipa\' or [\'*.ipa\', \'*.apk\']. Default: everything.',
        'downloadJenkinsArtifacts.artifacts': 'Patterns of names or paths, as in \'*.ipa\' or [\'out/**/*.log\']. Default: everything.',
        'shareCodemagicArtifacts.artifacts': 'Name patterns of the artifacts to share, as in \'*.ipa\' or [\'*.ipa\', \'*.apk\']. There is no default, because everybody can open them.',
        artifactsDir: 'The folder for the files. Default: the current one.',
        type: 'Types of artifacts, as in \'ipa\' or [\'ipa\', \'apk\']. Default: every type.',
        junit: 'On an agent: file for the test results as JUnit XML. Without test results no file is written. Default: none.',
        allowNone: 'true accepts that there is no such artifact. Default: false, that is an error.',
        jobs: 'How many files and parts of files to download at once. Default: 4, and up to 16 where small files wait for their answers.',
        list: 'true lists the artifacts instead of downloading them. Default: false.',
        expires: 'How long the links work, as in \'14d\'. Default: \'7d\'.',
        qr: 'true shows each link as a QR code in the log, for the camera of a phone. Default: false.',
        qrDir: 'On an agent: folder for the QR code of each link as a PNG image. Default: none.',

        builds: 'List of maps of the arguments above, one for each build. Arguments beside builds hold for all of them, and maps such as variables are joined. An idempotencyKey beside builds gets -1, -2 and so on. Default: none, it is one build.',
        concurrency: 'How many builds at a time. Default: 5.',
        failFast: 'true cancels the others as soon as one fails. An unstable build has not failed. Default: false.',

        credentialsId: 'ID of a Secret text credential with the Codemagic API token. Default: \'codemagic-api-key\', or none where CODEMAGIC_API_KEY is set already.',
        'Jenkins.credentialsId': 'ID of a Username with password credential: a user of the other controller, and an API token of that user as password. Default: \'jenkins-api-token\', or none where JENKINS_API_TOKEN is set already.',
        agentLabel: 'Outside of a node: label of the agents for the short calls, as in \'linux\'. Default: any agent.',
        binary: 'Path of the program cibridge on the agent. Default: the variable CIBRIDGE_BIN, else cibridge on the PATH.',
        apiUrl: 'Address of the v3 API. Default: https://codemagic.io/api/v3.',
        legacyApiUrl: 'Address of the legacy API. Default: https://api.codemagic.io.',
        caCert: 'PEM file on the agent with further certificates to trust. Default: those of the system.',
        clientCert: 'PEM file on the agent with a client certificate. Default: none.',
        clientKey: 'PEM file with the key of the client certificate, if it is another file. Default: none.',
        connectTimeout: 'Longest time to connect. Default: \'15s\'.',
        answerTimeout: 'Longest time to wait for one answer. Default: \'60s\'.',
        allowHttp: 'true allows plain http to other machines. Default: false.',
        verbose: 'true shows each request with its status and time. Default: false.',
    ],

    // summary: one sentence. details: one short paragraph each. examples: one line of code each, the usual one first.
    steps: [
        triggerCodemagic: [
            summary: 'Starts a build on Codemagic; with wait: true the stage ends as that build ends.',
            examples: [
                "triggerCodemagic appId: '6a93a352009dcdab34b3feff', workflowId: 'ios-release', wait: true, console: true, artifacts: '*.ipa'",
                'triggerCodemagic()',
                "def build = triggerCodemagic wait: true, propagate: false; echo \"\${build.outcome}: \${build.url}\"",
            ],
            details: [
                'Without arguments it takes the variables CODEMAGIC_APP_ID and CODEMAGIC_WORKFLOW, and the branch or tag that the Jenkins build is about.',
                'It runs cibridge on the agent of the stage. Outside of a node it takes an agent for short calls and holds none while it waits.',
                'An argument that is null counts as not given. An appId or workflowId that is null is refused, and so are branch and tag without a value, because something went wrong in the Jenkinsfile.',
            ],
            returns: 'With builds: a map with outcome and exitCode of the worst build, and as builds the list of such maps in the order of the argument. ' +
                'A build that failFast ended has the outcome canceled, one that it kept from being started not_started.',
        ],
        waitForCodemagic: [
            summary: 'Waits for the end of a build on Codemagic that was started before, and ends the stage as that build ended.',
            first: 'The first argument is the ID of the build, as triggerCodemagic returns it, the address of its page, its number, latest or latest-success.',
            examples: [
                'waitForCodemagic build.id',
                "waitForCodemagic build.id, artifacts: '*.ipa', junit: 'tests.xml', timeout: '90m'",
            ],
            details: ['When the Jenkins build is aborted or a time limit passes, the build on Codemagic is canceled, unless noCancel is true.'],
        ],
        cancelCodemagic: [
            summary: 'Cancels a build on Codemagic. A build that has ended already is no error.',
            first: 'The first argument is the ID of the build, as triggerCodemagic returns it, the address of its page, its number, latest or latest-success.',
            examples: ['cancelCodemagic build.id', "cancelCodemagic build.id, credentialsId: 'other-key'"],
        ],
        downloadCodemagicArtifacts: [
            summary: 'Downloads artifacts of a build on Codemagic into the workspace.',
            first: 'The first argument is the ID of the build, as triggerCodemagic returns it, the address of its page, its number, latest or latest-success.',
            examples: ['downloadCodemagicArtifacts build.id', "downloadCodemagicArtifacts 'latest-success', workflowId: 'ios-release', branch: 'main', artifacts: '*.ipa', artifactsDir: 'app'"],
            details: [
                'Each file is checked before it gets its name. Folders in the name of an artifact are left out, and of two equal names the second becomes app-2.ipa.',
                'The test results of such a build come by waitForCodemagic build.id, junit: \'tests.xml\'.',
            ],
        ],
        shareCodemagicArtifacts: [
            summary: 'Makes links to artifacts of a build on Codemagic that everybody can open until they expire, prints and returns them.',
            first: 'The first argument is the ID of the build, as triggerCodemagic returns it, the address of its page, its number, latest or latest-success.',
            examples: ["def links = shareCodemagicArtifacts build.id, artifacts: '*.ipa'", "shareCodemagicArtifacts build.id, artifacts: ['*.ipa', '*.apk'], expires: '14d', qrDir: 'qr'"],
            returnsInstead: 'A list of maps with name, type, url and expires, the time when the link ends; with qrDir also qrPath, the path of the image.',
        ],
        triggerJenkins: [
            summary: 'Starts a job on another Jenkins controller; with wait: true the stage ends as that build ends.',
            examples: [
                "triggerJenkins url: 'https://ci.example.com', job: 'team/app', parameters: [CLEAN: true], wait: true, console: true",
                "def build = triggerJenkins job: 'https://ci.example.com/job/team/job/app/'; echo build.url",
            ],
            details: ['It runs cibridge on the agent of the stage. Outside of a node it takes an agent for short calls and holds none while it waits.'],
        ],
        waitForJenkins: [
            summary: 'Waits for the end of a build on another Jenkins controller that was started before, and ends the stage as that build ended.',
            first: 'The first argument is the address of the build\'s page, as triggerJenkins returns it, or with url the build as in \'team/app#7\'.',
            examples: ['waitForJenkins build.url', "waitForJenkins 'team/app#7', url: 'https://ci.example.com', console: true"],
            details: ['When the Jenkins build is aborted or a time limit passes, the build on the other controller is stopped, unless noCancel is true.'],
        ],
        stopJenkins: [
            summary: 'Stops a build on another Jenkins controller, or cancels a queue item. A build that has ended already is no error.',
            first: 'The first argument is the address of the build\'s page, as triggerJenkins returns it, or with url the build as in \'team/app#7\'.',
            examples: ['stopJenkins build.url', "stopJenkins 'team/app#7', url: 'https://ci.example.com', stopWait: '1m'"],
            details: ['A build that does not end on stop gets term, and then kill.'],
        ],
        downloadJenkinsArtifacts: [
            summary: 'Downloads what a build on another Jenkins controller archived into the workspace.',
            first: 'The first argument is the address of the build\'s page, as triggerJenkins returns it, or with url the build as in \'team/app#7\'.',
            examples: ['downloadJenkinsArtifacts build.url', "downloadJenkinsArtifacts 'team/app#lastSuccessfulBuild', url: 'https://ci.example.com', artifacts: 'out/*.ipa', artifactsDir: 'app'"],
        ],
    ],

    // What every step returns, except those with returnsInstead.
    returns: [
        id: 'ID of the build.',
        url: 'Its page.',
        number: 'Its number, once known.',
        outcome: 'How the build ended: \'success\', \'failed\', \'unstable\', \'canceled\', \'skipped\', \'timed_out\' or \'wrong_commit\'; ' +
            '\'started\' without wait, \'dry_run\' with dryRun; \'success\' after a cancel, a stop or a download that was done, whatever the build ended as.',
        exitCode: 'Exit code of cibridge: 0 started, success or done, 1 failed, 3 unstable, 4 canceled, 5 skipped, 6 a time limit passed, 7 another commit.',
        status: 'The state in the words of the other system, such as \'finished\'.',
        commit: 'The commit that is built, once known.',
        artifacts: 'List of maps with name, type and size; those that were downloaded have path and sha256 as well.',
        result: 'The whole result document of cibridge.',
    ],
]
