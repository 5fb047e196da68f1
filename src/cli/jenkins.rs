//! Arguments of `cibridge jenkins …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::commands::commands;
use super::{DownloadArgs, JenkinsCollectArgs, JenkinsConnectionArgs, JenkinsFollowArgs, OutputArgs, duration};

commands! {
    /// What can be done with a Jenkins controller.
    pub enum JenkinsCommand {
        /// Start a job, and with --wait follow the build to its end
        Trigger(Box<JenkinsTriggerArgs>) = "trigger" by Args,
        /// Follow builds or queue items to their end
        Wait(JenkinsWaitArgs) = "wait" by Args,
        /// Show where builds or queue items stand
        Status(JenkinsBuildsArgs) = "status" by Args,
        /// Print a build's log without colours, with --follow to its end
        Console(ConsoleArgs) = "console" by Args,
        /// Stop builds, or cancel queue items
        Stop(StopArgs) = "stop" by Args,
        /// List what a build asks people, or answer it
        Input(InputArgs) = "input" by Args,
        /// List a job's parameters
        Params(JobArgs) = "params" by Args,
        /// Download what a build archived, or list it
        Artifacts(JenkinsArtifactsArgs) = "artifacts" by Args,
        /// Show a build's test counts and failures
        Tests(JenkinsBuildArgs) = "tests" by Args,
        /// Print a job's config.xml, or replace it
        Config(ConfigArgs) = "config" by Args,
        /// Make, revoke or rotate API tokens
        Token(TokenCommand) = "token" by Subcommand,
        /// Check the controller, the credentials, and what they may do with a job
        Check(JenkinsCheckArgs) = "check" by Args,
    }
}

/// Arguments of `jenkins trigger`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct JenkinsTriggerArgs {
    /// The job: its full name like folder/sub/job, or the address of its page, of a build of it or in Blue Ocean
    #[arg(value_name = "JOB")]
    pub job: String,

    /// The branch of a multibranch job, as it is named in the repository
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,

    /// A parameter's value; repeat it for more [env: CIBRIDGE_PARAM, one a line]
    #[arg(long = "param", value_name = "NAME=TEXT")]
    pub params: Vec<String>,

    /// A file for a file parameter (Jenkins' own, stashed or base64) [env: CIBRIDGE_PARAM_FILE, one a line]
    #[arg(long = "param-file", value_name = "NAME=PATH")]
    pub param_files: Vec<String>,

    /// Parameters as a JSON object, e.g. {"CLEAN": true}
    #[arg(long, value_name = "JSON", env = "CIBRIDGE_PARAM_JSON")]
    pub param_json: Option<String>,

    /// Read parameters from a file, or from stdin for `-`: a JSON object, or NAME=TEXT lines; flags win over it
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_PARAMS_FROM")]
    pub params_from: Option<PathBuf>,

    /// Do not check the values against the job's parameters before the start, and send everything as it is
    #[arg(long, env = "CIBRIDGE_NO_VALIDATE")]
    pub no_validate: bool,

    /// Give a unique value to this parameter of the job, so that its build is never taken for another one's; CIBRIDGE_ID is used when the job has it
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_MARKER_PARAM")]
    pub marker_param: Option<String>,

    /// The value for that parameter, instead of one made up here
    #[arg(long, value_name = "TEXT", env = "CIBRIDGE_MARKER")]
    pub marker: Option<String>,

    /// Make the call repeatable: a build whose marker parameter has this value already is taken over, not started again
    #[arg(long, value_name = "KEY", env = "CIBRIDGE_IDEMPOTENCY_KEY")]
    pub idempotency_key: Option<String>,

    /// How long the build waits in the queue at least; the job's quiet period otherwise
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_DELAY", value_parser = duration)]
    pub delay: Option<Duration>,

    /// Read the job's own token (Trigger builds remotely) from a file that only its owner can read, instead of the environment variable JENKINS_JOB_TOKEN
    #[arg(long = "job-token-file", value_name = "FILE", env = "JENKINS_JOB_TOKEN_FILE")]
    pub job_token_file: Option<PathBuf>,

    /// Why the build is started; Jenkins keeps it with a job's token, otherwise it is written on the build's page when the build is followed
    #[arg(long, value_name = "TEXT", env = "CIBRIDGE_CAUSE")]
    pub cause: Option<String>,

    /// End with code 12 when the start was folded into an identical build that waited already
    #[arg(long, env = "CIBRIDGE_FAIL_IF_JOINED")]
    pub fail_if_joined: bool,

    /// Follow the build to its end, and end with a code that says how it ended
    #[arg(long, env = "CIBRIDGE_WAIT")]
    pub wait: bool,

    /// With --wait, show the build's log on stderr while it grows
    #[arg(long, env = "CIBRIDGE_CONSOLE")]
    pub console: bool,

    /// How to follow.
    #[command(flatten)]
    pub follow: JenkinsFollowArgs,

    /// What to bring home, with --wait.
    #[command(flatten)]
    pub collect: JenkinsCollectArgs,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins wait`.
#[derive(Debug, Args)]
pub struct JenkinsWaitArgs {
    /// The builds or queue items: their pages, JOB#NUMBER or queue/item/N
    #[arg(value_name = "BUILD_OR_ITEM", required = true)]
    pub builds: Vec<String>,

    /// The job of the queue items: by it a build is found whose item Jenkins has forgotten
    #[arg(long, value_name = "JOB", env = "CIBRIDGE_JOB")]
    pub job: Option<String>,

    /// The branch, if that is a multibranch job
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,

    /// Stop the other builds as soon as one ends badly
    #[arg(long, env = "CIBRIDGE_FAIL_FAST")]
    pub fail_fast: bool,

    /// Look once: a build that goes on is no failure, the document says when the next look is worth while, and a signal leaves the build alone
    #[arg(long, env = "CIBRIDGE_ONCE")]
    pub once: bool,

    /// Show the builds' logs on stderr while they grow
    #[arg(long, env = "CIBRIDGE_CONSOLE")]
    pub console: bool,

    /// How to follow.
    #[command(flatten)]
    pub follow: JenkinsFollowArgs,

    /// What to bring home.
    #[command(flatten)]
    pub collect: JenkinsCollectArgs,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins status`.
#[derive(Debug, Args)]
pub struct JenkinsBuildsArgs {
    /// The builds or queue items: their pages, JOB#NUMBER or queue/item/N
    #[arg(value_name = "BUILD_OR_ITEM", required = true)]
    pub builds: Vec<String>,

    /// The job of the queue items: by it a build is found whose item Jenkins has forgotten
    #[arg(long, value_name = "JOB", env = "CIBRIDGE_JOB")]
    pub job: Option<String>,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// The builds or queue items: their pages, JOB#NUMBER or queue/item/N
    #[arg(value_name = "BUILD_OR_ITEM", required = true)]
    pub builds: Vec<String>,

    /// The job of the queue items: by it a build is found whose item Jenkins has forgotten
    #[arg(long, value_name = "JOB", env = "CIBRIDGE_JOB")]
    pub job: Option<String>,

    /// The branch, if that is a multibranch job
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,

    /// How long a build may take to end after each of stop, term and kill
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_STOP_WAIT", default_value = "30s", value_parser = duration)]
    pub stop_wait: Duration,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins tests`.
#[derive(Debug, Args)]
pub struct JenkinsBuildArgs {
    /// The build: its page, JOB#NUMBER or JOB#lastBuild
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins console`.
#[derive(Debug, Args)]
pub struct ConsoleArgs {
    /// The build: its page, JOB#NUMBER or JOB#lastBuild
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// Follow the build to its end, and end with a code that says how it ended; a signal leaves the build alone
    #[arg(long = "follow", env = "CIBRIDGE_FOLLOW")]
    pub growing: bool,

    /// Begin at this byte of the stored log, as an earlier call named it
    #[arg(long = "from", value_name = "OFFSET", env = "CIBRIDGE_FROM", default_value_t = 0)]
    pub from: u64,

    /// Show the stages of a Pipeline only
    #[arg(long, env = "CIBRIDGE_QUIET")]
    pub quiet: bool,

    /// How to follow.
    #[command(flatten)]
    pub follow: JenkinsFollowArgs,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins artifacts`.
#[derive(Debug, Args)]
pub struct JenkinsArtifactsArgs {
    /// The build: its page, JOB#NUMBER or JOB#lastSuccessfulBuild
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// Only artifacts with such names or paths, e.g. *.ipa or out/**/*.log [env: CIBRIDGE_MATCH, one a line]
    #[arg(long = "match", value_name = "GLOB")]
    pub globs: Vec<String>,

    /// The folder for the files
    #[arg(long, value_name = "DIR", env = "CIBRIDGE_DIR", default_value = ".")]
    pub dir: PathBuf,

    /// List their paths instead of downloading
    #[arg(long, env = "CIBRIDGE_LIST")]
    pub list: bool,

    /// How to download.
    #[command(flatten)]
    pub download: DownloadArgs,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins input`.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// The build: its page, JOB#NUMBER or JOB#lastBuild
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// The id of the question, when the build asks several
    #[arg(value_name = "ID")]
    pub id: Option<String>,

    /// Let the build go on
    #[arg(long, env = "CIBRIDGE_PROCEED", conflicts_with = "abort")]
    pub proceed: bool,

    /// Abort the build
    #[arg(long, env = "CIBRIDGE_ABORT")]
    pub abort: bool,

    /// A value for what is asked; what is left out gets its default [env: CIBRIDGE_PARAM, one a line]
    #[arg(long = "param", value_name = "NAME=TEXT")]
    pub params: Vec<String>,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins params`.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job: its full name like folder/sub/job, or the address of its page
    #[arg(value_name = "JOB")]
    pub job: String,

    /// The branch of a multibranch job
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The job: its full name like folder/sub/job, or the address of its page
    #[arg(value_name = "JOB")]
    pub job: String,

    /// Replace the configuration with this file, or with stdin for `-`
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_SET")]
    pub set: Option<PathBuf>,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

commands! {
    /// What can be done with API tokens.
    pub enum TokenCommand {
        /// Make a token for the user who asks
        Create(TokenArgs) = "create" by Args,
        /// Make a token, check it, and revoke the one that it replaces
        Rotate(TokenArgs) = "rotate" by Args,
        /// Revoke a token
        Revoke(RevokeArgs) = "revoke" by Args,
    }
}

/// Arguments of `jenkins token create` and `jenkins token rotate`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The name that the user's page shows
    #[arg(value_name = "NAME")]
    pub name: String,

    /// How long the token is valid, e.g. 30d; needs Jenkins 2.548
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_EXPIRES", value_parser = duration)]
    pub expires: Option<Duration>,

    /// Write the token to this file, readable by its owner only, and its uuid beside it (FILE.uuid), instead of stdout
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_OUT")]
    pub out: Option<PathBuf>,

    /// When rotating: the uuid of the token to revoke, instead of the one in FILE.uuid
    #[arg(long, value_name = "UUID", env = "CIBRIDGE_OLD_UUID")]
    pub old_uuid: Option<String>,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins token revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The token's uuid, as `create` named it
    #[arg(value_name = "UUID")]
    pub uuid: String,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `jenkins check`.
#[derive(Debug, Args)]
pub struct JenkinsCheckArgs {
    /// A job that must be visible and startable
    #[arg(value_name = "JOB")]
    pub job: Option<String>,

    /// The branch of a multibranch job
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,

    /// How to reach the controller.
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}
