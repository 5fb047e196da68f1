//! Arguments of `cibridge jenkins …`.

use std::path::PathBuf;
use std::time::Duration;

use super::arguments::{arguments, commands};
use super::{DownloadArgs, JenkinsCollectArgs, JenkinsConnectionArgs, JenkinsFollowArgs, OutputArgs};

commands! {
    /// What can be done with a Jenkins controller.
    pub enum JenkinsCommand {
        /// Start a job, and with --wait follow the build to its end
        Trigger(Box<JenkinsTriggerArgs>) = "trigger",
        /// Follow builds or queue items to their end
        Wait(JenkinsWaitArgs) = "wait",
        /// Show where builds or queue items stand
        Status(JenkinsBuildsArgs) = "status",
        /// Print a build's log without colours, with --follow to its end
        Console(ConsoleArgs) = "console",
        /// Stop builds, or cancel queue items
        Stop(StopArgs) = "stop",
        /// List what a build asks people, or answer it
        Input(InputArgs) = "input",
        /// List a job's parameters
        Params(JobArgs) = "params",
        /// Download what a build archived, or list it
        Artifacts(JenkinsArtifactsArgs) = "artifacts",
        /// Show a build's test counts and failures
        Tests(JenkinsBuildArgs) = "tests",
        /// Print a job's config.xml, or replace it
        Config(ConfigArgs) = "config",
        /// Make, revoke or rotate API tokens
        Token(TokenCommand) = "token",
        /// Check the controller, the credentials, and what they may do with a job
        Check(JenkinsCheckArgs) = "check",
    }
}

arguments! {
    /// Arguments of `jenkins trigger`.
    pub struct JenkinsTriggerArgs {
        /// The job: its full name like folder/sub/job, or the address of its page, of a build of it or in Blue Ocean
        pub job: String = "<JOB>",

        /// The branch of a multibranch job, as it is named in the repository
        pub branch: Option<String> = "--branch <NAME>" Env("CIBRIDGE_BRANCH"),

        /// A parameter's value; repeat it for more [env: CIBRIDGE_PARAM, one a line]
        pub params: Vec<String> = "--param <NAME=TEXT>",

        /// A file for a file parameter (Jenkins' own, stashed or base64) [env: CIBRIDGE_PARAM_FILE, one a line]
        pub param_files: Vec<String> = "--param-file <NAME=PATH>",

        /// Parameters as a JSON object, e.g. {"CLEAN": true}
        pub param_json: Option<String> = "--param-json <JSON>" Env("CIBRIDGE_PARAM_JSON"),

        /// Read parameters from a file, or from stdin for `-`: a JSON object, or NAME=TEXT lines; flags win over it
        pub params_from: Option<PathBuf> = "--params-from <FILE>" Env("CIBRIDGE_PARAMS_FROM"),

        /// Do not check the values against the job's parameters before the start, and send everything as it is
        pub no_validate: bool = "--no-validate" Env("CIBRIDGE_NO_VALIDATE"),

        /// Give a unique value to this parameter of the job, so that its build is never taken for another one's; CIBRIDGE_ID is used when the job has it
        pub marker_param: Option<String> = "--marker-param <NAME>" Env("CIBRIDGE_MARKER_PARAM"),

        /// The value for that parameter, instead of one made up here
        pub marker: Option<String> = "--marker <TEXT>" Env("CIBRIDGE_MARKER"),

        /// Make the call repeatable: a build whose marker parameter has this value already is taken over, not started again
        pub idempotency_key: Option<String> = "--idempotency-key <KEY>" Env("CIBRIDGE_IDEMPOTENCY_KEY"),

        /// How long the build waits in the queue at least; the job's quiet period otherwise
        pub delay: Option<Duration> = "--delay <TIME>" Env("CIBRIDGE_DELAY"),

        /// Read the job's own token (Trigger builds remotely) from a file that only its owner can read, instead of the environment variable JENKINS_JOB_TOKEN
        pub job_token_file: Option<PathBuf> = "--job-token-file <FILE>" Env("JENKINS_JOB_TOKEN_FILE"),

        /// Why the build is started; Jenkins keeps it with a job's token, otherwise it is written on the build's page when the build is followed
        pub cause: Option<String> = "--cause <TEXT>" Env("CIBRIDGE_CAUSE"),

        /// End with code 12 when the start was folded into an identical build that waited already
        pub fail_if_joined: bool = "--fail-if-joined" Env("CIBRIDGE_FAIL_IF_JOINED"),

        /// Follow the build to its end, and end with a code that says how it ended
        pub wait: bool = "--wait" Env("CIBRIDGE_WAIT"),

        /// With --wait, show the build's log on stderr while it grows
        pub console: bool = "--console" Env("CIBRIDGE_CONSOLE"),

        /// How to follow.
        pub follow: JenkinsFollowArgs,

        /// What to bring home, with --wait.
        pub collect: JenkinsCollectArgs,

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins wait`.
    pub struct JenkinsWaitArgs {
        /// The builds or queue items: their pages, JOB#NUMBER or queue/item/N
        pub builds: Vec<String> = "<BUILD_OR_ITEM>...",

        /// The job of the queue items: by it a build is found whose item Jenkins has forgotten
        pub job: Option<String> = "--job <JOB>" Env("CIBRIDGE_JOB"),

        /// The branch, if that is a multibranch job
        pub branch: Option<String> = "--branch <NAME>" Env("CIBRIDGE_BRANCH"),

        /// Stop the other builds as soon as one ends badly
        pub fail_fast: bool = "--fail-fast" Env("CIBRIDGE_FAIL_FAST"),

        /// Look once: a build that goes on is no failure, the document says when the next look is worth while, and a signal leaves the build alone
        pub once: bool = "--once" Env("CIBRIDGE_ONCE"),

        /// Show the builds' logs on stderr while they grow
        pub console: bool = "--console" Env("CIBRIDGE_CONSOLE"),

        /// How to follow.
        pub follow: JenkinsFollowArgs,

        /// What to bring home.
        pub collect: JenkinsCollectArgs,

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins status`.
    pub struct JenkinsBuildsArgs {
        /// The builds or queue items: their pages, JOB#NUMBER or queue/item/N
        pub builds: Vec<String> = "<BUILD_OR_ITEM>...",

        /// The job of the queue items: by it a build is found whose item Jenkins has forgotten
        pub job: Option<String> = "--job <JOB>" Env("CIBRIDGE_JOB"),

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins stop`.
    pub struct StopArgs {
        /// The builds or queue items: their pages, JOB#NUMBER or queue/item/N
        pub builds: Vec<String> = "<BUILD_OR_ITEM>...",

        /// The job of the queue items: by it a build is found whose item Jenkins has forgotten
        pub job: Option<String> = "--job <JOB>" Env("CIBRIDGE_JOB"),

        /// The branch, if that is a multibranch job
        pub branch: Option<String> = "--branch <NAME>" Env("CIBRIDGE_BRANCH"),

        /// How long a build may take to end after each of stop, term and kill
        pub stop_wait: Duration = "--stop-wait <TIME>" Env("CIBRIDGE_STOP_WAIT") Default("30s"),

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins tests`.
    pub struct JenkinsBuildArgs {
        /// The build: its page, JOB#NUMBER or JOB#lastBuild
        pub build: String = "<BUILD>",

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins console`.
    pub struct ConsoleArgs {
        /// The build: its page, JOB#NUMBER or JOB#lastBuild
        pub build: String = "<BUILD>",

        /// Follow the build to its end, and end with a code that says how it ended; a signal leaves the build alone
        pub growing: bool = "--follow" Env("CIBRIDGE_FOLLOW"),

        /// Begin at this byte of the stored log, as an earlier call named it
        pub from: u64 = "--from <OFFSET>" Env("CIBRIDGE_FROM") Default("0"),

        /// Show the stages of a Pipeline only
        pub quiet: bool = "--quiet" Env("CIBRIDGE_QUIET"),

        /// How to follow.
        pub follow: JenkinsFollowArgs,

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins artifacts`.
    pub struct JenkinsArtifactsArgs {
        /// The build: its page, JOB#NUMBER or JOB#lastSuccessfulBuild
        pub build: String = "<BUILD>",

        /// Only artifacts with such names or paths, e.g. *.ipa or out/**/*.log [env: CIBRIDGE_MATCH, one a line]
        pub globs: Vec<String> = "--match <GLOB>",

        /// The folder for the files
        pub dir: PathBuf = "--dir <DIR>" Env("CIBRIDGE_DIR") Default("."),

        /// List their paths instead of downloading
        pub list: bool = "--list" Env("CIBRIDGE_LIST"),

        /// How to download.
        pub download: DownloadArgs,

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins input`.
    pub struct InputArgs {
        /// The build: its page, JOB#NUMBER or JOB#lastBuild
        pub build: String = "<BUILD>",

        /// The id of the question, when the build asks several
        pub id: Option<String> = "[ID]",

        /// Let the build go on
        pub proceed: bool = "--proceed" Env("CIBRIDGE_PROCEED") Conflicts("--abort"),

        /// Abort the build
        pub abort: bool = "--abort" Env("CIBRIDGE_ABORT"),

        /// A value for what is asked; what is left out gets its default [env: CIBRIDGE_PARAM, one a line]
        pub params: Vec<String> = "--param <NAME=TEXT>",

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins params`.
    pub struct JobArgs {
        /// The job: its full name like folder/sub/job, or the address of its page
        pub job: String = "<JOB>",

        /// The branch of a multibranch job
        pub branch: Option<String> = "--branch <NAME>" Env("CIBRIDGE_BRANCH"),

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins config`.
    pub struct ConfigArgs {
        /// The job: its full name like folder/sub/job, or the address of its page
        pub job: String = "<JOB>",

        /// Replace the configuration with this file, or with stdin for `-`
        pub set: Option<PathBuf> = "--set <FILE>" Env("CIBRIDGE_SET"),

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }
}

commands! {
    /// What can be done with API tokens.
    pub enum TokenCommand {
        /// Make a token for the user who asks
        Create(TokenArgs) = "create",
        /// Make a token, check it, and revoke the one that it replaces
        Rotate(TokenArgs) = "rotate",
        /// Revoke a token
        Revoke(RevokeArgs) = "revoke",
    }
}

arguments! {
    /// Arguments of `jenkins token create` and `jenkins token rotate`.
    pub struct TokenArgs {
        /// The name that the user's page shows
        pub name: String = "<NAME>",

        /// How long the token is valid, e.g. 30d; needs Jenkins 2.548
        pub expires: Option<Duration> = "--expires <TIME>" Env("CIBRIDGE_EXPIRES"),

        /// Write the token to this file, readable by its owner only, and its uuid beside it (FILE.uuid), instead of stdout
        pub out: Option<PathBuf> = "--out <FILE>" Env("CIBRIDGE_OUT"),

        /// When rotating: the uuid of the token to revoke, instead of the one in FILE.uuid
        pub old_uuid: Option<String> = "--old-uuid <UUID>" Env("CIBRIDGE_OLD_UUID"),

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins token revoke`.
    pub struct RevokeArgs {
        /// The token's uuid, as `create` named it
        pub uuid: String = "<UUID>",

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `jenkins check`.
    pub struct JenkinsCheckArgs {
        /// A job that must be visible and startable
        pub job: Option<String> = "[JOB]",

        /// The branch of a multibranch job
        pub branch: Option<String> = "--branch <NAME>" Env("CIBRIDGE_BRANCH"),

        /// How to reach the controller.
        pub connection: JenkinsConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }
}
