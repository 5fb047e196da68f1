//! Arguments of `cibridge jenkins …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::shared::{ApiArgs, ArtifactsArgs, CollectArgs, TestsArgs, WaitArgs, WatchArgs};
use super::values::{Header, Pair, duration};
use super::{complete, complete_argument};
use crate::jenkins::OnInput;
use crate::lifecycle::IdempotencyKey;

// The verbs of `cibridge jenkins`, and how to reach the controller.
#[derive(Debug, Args)]
#[group(skip)]
pub struct JenkinsArgs {
    #[command(flatten)]
    pub connection: JenkinsConnectionArgs,

    #[command(subcommand)]
    pub verb: JenkinsVerb,
}

// How to reach the controller.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Connection")]
pub struct JenkinsConnectionArgs {
    /// The root address of the controller, e.g. https://ci.example.com/jenkins; the default is taken from the address in JOB or BUILD, else from JENKINS_URL
    #[arg(long, global = true, env = "CIBRIDGE_JENKINS_URL")]
    pub url: Option<String>,

    /// The user; the API token is read from JENKINS_API_TOKEN
    #[arg(long, global = true, value_name = "ID", env = "JENKINS_USER_ID")]
    pub user: Option<String>,

    /// Read the API token from a file that only its owner can read, or from stdin for `-`, instead of from JENKINS_API_TOKEN
    #[arg(long, global = true, value_name = "FILE", env = "JENKINS_API_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// Read a bearer token for a proxy in front of Jenkins from a file that only its owner can read, instead of from CIBRIDGE_BEARER_TOKEN
    #[arg(long, global = true, value_name = "FILE", env = "CIBRIDGE_BEARER_TOKEN_FILE")]
    pub bearer_token_file: Option<PathBuf>,

    /// A header for an access proxy, sent to the controller only; set it in the environment, where other users cannot see it
    #[arg(long = "header", global = true, value_name = "NAME:VALUE", env = "CIBRIDGE_HEADER")]
    pub headers: Vec<Header>,

    /// Client certificate for mutual TLS (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "CIBRIDGE_CLIENT_CERT")]
    pub client_cert: Option<PathBuf>,

    /// The private key of the certificate, if it is in another PEM file
    #[arg(long, global = true, value_name = "FILE", env = "CIBRIDGE_CLIENT_KEY", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

/// What can be done with a Jenkins controller.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum JenkinsVerb {
    /// Start a job, and with --wait wait until the build is finished
    #[command(after_help = "Examples:
  cibridge jenkins trigger folder/deploy --param VERSION=1.4.0
  cibridge jenkins trigger https://ci.example.com/job/app --branch main --wait --console")]
    Trigger(Box<JenkinsTriggerArgs>),
    /// Wait until builds or queue items are finished
    #[command(after_help = "Examples:
  cibridge jenkins wait folder/deploy#12 --timeout 1h
  cibridge jenkins wait queue/item/345 --job folder/deploy")]
    Wait(Box<JenkinsWaitArgs>),
    /// Show the state of builds or queue items; exits like `wait` for a finished build and 0 for a running one
    #[command(after_help = "Examples:
  cibridge jenkins status folder/deploy#12
  cibridge jenkins status folder/deploy#lastBuild --json")]
    Status(BuildsArgs),
    /// Print a build's log as text, with --follow until the build is finished
    #[command(after_help = "Examples:
  cibridge jenkins console folder/deploy#12
  cibridge jenkins console folder/deploy#lastBuild --follow --stages")]
    Console(ConsoleArgs),
    /// Stop builds, or cancel queue items
    #[command(after_help = "Examples:
  cibridge jenkins stop folder/deploy#12
  cibridge jenkins stop queue/item/345")]
    Stop(StopArgs),
    /// List the questions that a build waits with (step `input`), or answer one
    #[command(after_help = "Examples:
  cibridge jenkins input folder/deploy#12
  cibridge jenkins input folder/deploy#12 --proceed --param TARGET=staging")]
    Input(InputArgs),
    /// List a job's parameters
    #[command(after_help = "Examples:
  cibridge jenkins params folder/deploy
  cibridge jenkins params folder/app --branch main --json")]
    Params(JobArgs),
    /// List the jobs of a folder, or of the controller
    #[command(after_help = "Examples:
  cibridge jenkins jobs
  cibridge jenkins jobs team/folder --json")]
    Jobs(JobsArgs),
    /// List the newest builds of a job
    #[command(after_help = "Examples:
  cibridge jenkins builds folder/deploy
  cibridge jenkins builds folder/app --branch main --limit 5 --json")]
    Builds(JobBuildsArgs),
    /// List the items in the queue
    #[command(after_help = "Examples:
  cibridge jenkins queue
  cibridge jenkins queue --json")]
    Queue,
    /// Download or list a build's artifacts
    #[command(after_help = "Examples:
  cibridge jenkins artifacts folder/deploy#12 --match '*.ipa' --dir dist
  cibridge jenkins artifacts folder/deploy#lastSuccessfulBuild --list")]
    Artifacts(ArtifactsArgs),
    /// Show a build's test results, or write them as JUnit XML
    #[command(after_help = "Examples:
  cibridge jenkins tests folder/deploy#12
  cibridge jenkins tests folder/deploy#12 --junit results.xml")]
    Tests(TestsArgs),
    /// Print a job's config.xml, or replace it
    #[command(after_help = "Examples:
  cibridge jenkins config folder/deploy > config.xml
  cibridge jenkins config folder/deploy --set config.xml")]
    Config(ConfigArgs),
    /// Create, revoke or rotate API tokens
    #[command(after_help = "Examples:
  cibridge jenkins token create ci-agent --out token.txt
  cibridge jenkins token rotate ci-agent --out token.txt")]
    Token(TokenArgs),
    /// Send a request of your own, with the same credentials, retries and redaction
    #[command(after_help = "Examples:
  cibridge jenkins api GET '/api/json?tree=mode'
  cibridge jenkins api POST /quietDown")]
    Api(ApiArgs),
    /// Check the controller, the credentials, and whether they can start a job
    #[command(after_help = "Examples:
  cibridge jenkins check
  cibridge jenkins check folder/deploy --json")]
    Check(JenkinsCheckArgs),
}

// What a wait does when the build asks a person.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Waiting")]
pub struct OnInputArgs {
    /// What to do when the build waits for an answer (step `input`)
    #[arg(long, value_enum, value_name = "WHAT", env = "CIBRIDGE_ON_INPUT", default_value = "wait")]
    pub on_input: OnInput,
}

// Arguments of `jenkins trigger`.
#[derive(Debug, Args)]
#[group(skip)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(mut_args(complete_argument))]
pub struct JenkinsTriggerArgs {
    /// The job: its full name like folder/sub/job, or the address of its page, of one of its builds, or in Blue Ocean
    #[arg(env = "CIBRIDGE_JOB", required_unless_present = "request")]
    pub job: Option<String>,

    /// The branch of a multibranch job, as it is named in the repository
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,

    /// A parameter's value; repeat it for more
    #[arg(long = "param", value_name = "NAME=TEXT", env = "CIBRIDGE_PARAM")]
    pub params: Vec<Pair>,

    /// A file for a file parameter (Jenkins' own, stashed or base64); repeat it for more
    #[arg(long = "param-file", value_name = "NAME=PATH", env = "CIBRIDGE_PARAM_FILE")]
    pub param_files: Vec<Pair>,

    /// Parameters as a JSON object, e.g. {"CLEAN": true}
    #[arg(long, value_name = "JSON", env = "CIBRIDGE_PARAM_JSON")]
    pub param_json: Option<String>,

    /// Read parameters from a file, or from stdin for `-`: a JSON object, or NAME=TEXT lines; flags take precedence
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_PARAMS_FROM")]
    pub params_from: Option<PathBuf>,

    /// Read the request as JSON from a file, or from stdin for `-`: job, branch, parameters, files, cause, idempotency_key; flags override it, and it overrides environment variables
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_REQUEST", conflicts_with = "params_from")]
    pub request: Option<PathBuf>,

    /// Send the values without checking them against the job's parameters
    #[arg(long, env = "CIBRIDGE_NO_VALIDATE")]
    pub no_validate: bool,

    /// The parameter that gets a unique value, by which the build is found; the default is CIBRIDGE_ID, if the job has it
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_MARKER_PARAM")]
    pub marker_param: Option<String>,

    /// The value for that parameter, instead of a random one
    #[arg(long, value_name = "TEXT", env = "CIBRIDGE_MARKER")]
    pub marker: Option<String>,

    /// Adopt the build whose marker parameter already has this value, if there is one, instead of starting another
    #[arg(long, value_name = "KEY", env = "CIBRIDGE_IDEMPOTENCY_KEY")]
    pub idempotency_key: Option<IdempotencyKey>,

    /// The shortest time that the build waits in the queue; the default is the job's quiet period
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_DELAY", value_parser = duration)]
    pub delay: Option<Duration>,

    /// Read the job's own token (Trigger builds remotely) from a file that only its owner can read, instead of from JENKINS_JOB_TOKEN
    #[arg(long = "job-token-file", value_name = "FILE", env = "JENKINS_JOB_TOKEN_FILE")]
    pub job_token_file: Option<PathBuf>,

    /// Why the build is started; Jenkins keeps it if a job token is used, else --wait writes it on the build's page
    #[arg(long, value_name = "TEXT", env = "CIBRIDGE_CAUSE")]
    pub cause: Option<String>,

    /// Exit with code 12 if Jenkins merged the request into an identical queued item
    #[arg(long, env = "CIBRIDGE_FAIL_IF_COALESCED")]
    pub fail_if_coalesced: bool,

    /// Wait until the build is finished, and exit with a code for its result
    #[arg(long, env = "CIBRIDGE_WAIT")]
    pub wait: bool,

    /// Wait only until the build has left the queue and has a number
    #[arg(long, env = "CIBRIDGE_WAIT_FOR_START")]
    pub wait_for_start: bool,

    /// Leave the build running when a time limit passes or a signal ends this program; without it the build is stopped
    #[arg(long, env = "CIBRIDGE_NO_CANCEL")]
    pub no_cancel: bool,

    #[command(flatten)]
    pub input: OnInputArgs,

    #[command(flatten)]
    pub watch: WatchArgs,

    #[command(flatten)]
    pub collect: CollectArgs,
}

// Builds or queue items, and the job of the latter.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct BuildsArgs {
    /// The builds or queue items: their pages, JOB#NUMBER, JOB#lastBuild or queue/item/N
    #[arg(value_name = "BUILD_OR_QUEUE_ITEM", env = "CIBRIDGE_BUILD", required = true)]
    pub builds: Vec<String>,

    /// The job of the queue items, so that the build of an item is found even if Jenkins has forgotten the item
    #[arg(long, env = "CIBRIDGE_JOB")]
    pub job: Option<String>,

    /// The branch, if the job is a multibranch job
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,
}

// Arguments of `jenkins wait`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct JenkinsWaitArgs {
    #[command(flatten)]
    pub builds: BuildsArgs,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub input: OnInputArgs,

    #[command(flatten)]
    pub watch: WatchArgs,

    #[command(flatten)]
    pub collect: CollectArgs,
}

// Arguments of `jenkins stop`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct StopArgs {
    #[command(flatten)]
    pub builds: BuildsArgs,

    /// How long to wait for the end of a build after each of stop, term and kill
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_STOP_WAIT", default_value = "30s", value_parser = duration)]
    pub stop_wait: Duration,
}

// Arguments of `jenkins console`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct ConsoleArgs {
    /// The build: its page, JOB#NUMBER or JOB#lastBuild
    #[arg(env = "CIBRIDGE_BUILD")]
    pub build: String,

    /// Print the log until the build is finished, and exit with a code for its result; a signal leaves the build running
    #[arg(long, env = "CIBRIDGE_FOLLOW")]
    pub follow: bool,

    /// Start at this byte of the stored log, as an earlier call reported it
    #[arg(long = "from", value_name = "OFFSET", env = "CIBRIDGE_FROM", default_value = "0")]
    pub from: u64,

    /// Show only the stages of a Pipeline
    #[arg(long, env = "CIBRIDGE_STAGES")]
    pub stages: bool,

    #[command(flatten)]
    pub input: OnInputArgs,

    #[command(flatten)]
    pub watch: WatchArgs,
}

// Arguments of `jenkins input`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct InputArgs {
    /// The build: its page, JOB#NUMBER or JOB#lastBuild
    #[arg(env = "CIBRIDGE_BUILD")]
    pub build: String,

    /// The ID of the question, if the build waits with several
    pub id: Option<String>,

    /// Let the build proceed
    #[arg(long, conflicts_with = "abort")]
    pub proceed: bool,

    /// Abort the build
    #[arg(long)]
    pub abort: bool,

    /// A value for one of its parameters; the others get their defaults; repeat it for more
    #[arg(long = "param", value_name = "NAME=TEXT", env = "CIBRIDGE_PARAM")]
    pub params: Vec<Pair>,
}

// Arguments of `jenkins params`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct JobArgs {
    /// The job: its full name like folder/sub/job, or the address of its page
    #[arg(env = "CIBRIDGE_JOB")]
    pub job: String,

    /// The branch of a multibranch job
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,
}

// Arguments of `jenkins jobs`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct JobsArgs {
    /// The folder; without it the controller's root
    pub folder: Option<String>,
}

// Arguments of `jenkins builds`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct JobBuildsArgs {
    #[command(flatten)]
    pub job: JobArgs,

    /// The most builds to list
    #[arg(long, value_name = "N", env = "CIBRIDGE_LIMIT", default_value = "20")]
    pub limit: usize,
}

// Arguments of `jenkins config`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct ConfigArgs {
    #[command(flatten)]
    pub job: JobArgs,

    /// Replace the configuration with this file, or with stdin for `-`
    #[arg(long, value_name = "FILE")]
    pub set: Option<PathBuf>,
}

// Arguments of `jenkins token`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument), mut_subcommands(complete))]
pub struct TokenArgs {
    #[command(subcommand)]
    pub verb: TokenVerb,
}

/// What can be done with API tokens.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Create a token for the user whose credentials are given
    #[command(after_help = "Examples:
  cibridge jenkins token create ci-agent
  cibridge jenkins token create ci-agent --expires 90d --out token.txt")]
    Create(CreateArgs),
    /// Create a token, check it, and revoke the one that it replaces
    #[command(after_help = "Examples:
  cibridge jenkins token rotate ci-agent --out token.txt
  cibridge jenkins token rotate ci-agent --old-uuid 30097265-2b5d-4d3f-9c58-1c7f5b2e9a10")]
    Rotate(RotateArgs),
    /// Revoke a token
    #[command(after_help = "Examples:
  cibridge jenkins token revoke 30097265-2b5d-4d3f-9c58-1c7f5b2e9a10
  cibridge jenkins token revoke \"$(cat token.txt.uuid)\"")]
    Revoke(RevokeArgs),
}

// Arguments of `jenkins token create`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct CreateArgs {
    /// The name that the user's page shows
    #[arg(value_parser = super::values::name)]
    pub name: String,

    /// How long the token is valid, e.g. 30d; needs Jenkins 2.548
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires: Option<Duration>,

    /// Write the token to this file, readable by its owner only, and its uuid to FILE.uuid, instead of to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

// Arguments of `jenkins token rotate`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct RotateArgs {
    #[command(flatten)]
    pub new: CreateArgs,

    /// The uuid of the token to revoke, instead of the one in FILE.uuid
    #[arg(long, value_name = "UUID")]
    pub old_uuid: Option<String>,
}

// Arguments of `jenkins token revoke`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct RevokeArgs {
    /// The token's uuid, as `create` reported it
    pub uuid: String,
}

// Arguments of `jenkins check`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct JenkinsCheckArgs {
    /// A job that must be visible and startable
    #[arg(env = "CIBRIDGE_JOB")]
    pub job: Option<String>,

    /// The branch of a multibranch job
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,
}
