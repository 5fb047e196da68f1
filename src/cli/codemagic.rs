//! Arguments of `cibridge codemagic …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::commands::commands;
use super::files::{AppsArgs, ArtifactsArgs, CachesArgs, CollectArgs, LogsArgs, ShareArgs, TestsArgs, WorkflowsArgs};
use super::following::FollowArgs;
use super::{OutputArgs, duration};

commands! {
    /// What can be done with Codemagic builds.
    pub enum CodemagicCommand {
        /// Start a build, and with --wait follow it to its end
        Trigger(Box<TriggerArgs>) = "trigger" by Args,
        /// Follow builds to their end
        Wait(WaitArgs) = "wait" by Args,
        /// Show where builds stand
        Status(BuildArgs) = "status" by Args,
        /// Cancel builds
        Cancel(BuildArgs) = "cancel" by Args,
        /// List the newest builds
        Builds(BuildsArgs) = "builds" by Args,
        /// Download or list a build's artifacts
        Artifacts(ArtifactsArgs) = "artifacts" by Args,
        /// Print or save the logs of a build's steps
        Logs(LogsArgs) = "logs" by Args,
        /// Show a build's test results, or write them as JUnit XML
        Tests(TestsArgs) = "tests" by Args,
        /// Make links to artifacts that anyone may open for a while
        Share(ShareArgs) = "share" by Args,
        /// List the apps that the key can see
        Apps(AppsArgs) = "apps" by Args,
        /// List the workflows of an app
        Workflows(WorkflowsArgs) = "workflows" by Args,
        /// List or clear the build caches of an app
        Caches(CachesArgs) = "caches" by Args,
        /// Check the key, the app, the workflow, both addresses, proxy and certificates
        Check(CheckArgs) = "check" by Args,
    }
}

/// Which API starts the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApiArg {
    /// The current API
    V3,
    /// The old one, for accounts where v3 is not available
    Legacy,
}

/// How to reach Codemagic.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// Read the API key from a file that only its owner can read, instead of the environment variable CODEMAGIC_API_KEY
    #[arg(long, value_name = "FILE", env = "CODEMAGIC_API_KEY_FILE")]
    pub api_key_file: Option<PathBuf>,

    /// The v3 API's address
    #[arg(long, value_name = "URL", env = "CODEMAGIC_API_URL", default_value = "https://codemagic.io/api/v3")]
    pub api_url: String,

    /// The legacy API's address
    #[arg(long, value_name = "URL", env = "CODEMAGIC_LEGACY_API_URL", default_value = "https://api.codemagic.io")]
    pub legacy_api_url: String,

    /// Trust the certificates in this PEM file as well
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_CA_CERT")]
    pub ca_cert: Option<PathBuf>,

    /// Longest time to connect
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_CONNECT_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub connect_timeout: Duration,

    /// Longest time to wait for an answer
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_ANSWER_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub answer_timeout: Duration,

    /// Allow plain http to other machines
    #[arg(long, env = "CIBRIDGE_ALLOW_HTTP")]
    pub allow_http: bool,
}

/// Arguments of `codemagic trigger`.
///
/// The four values that Jenkinsfiles set as environment variables are read by the command, not by clap: a flag wins
/// over `--request`, and `--request` over the environment.
#[derive(Debug, Args)]
pub struct TriggerArgs {
    /// The app: the part after /app/ in its page's address [env: CODEMAGIC_APP_ID]
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,

    /// The workflow's key in codemagic.yaml or its Workflow Editor id, not its display name [env: CODEMAGIC_WORKFLOW]
    #[arg(long, value_name = "ID")]
    pub workflow: Option<String>,

    /// The branch to build [env: CODEMAGIC_BRANCH]
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,

    /// The tag to build, instead of a branch [env: CODEMAGIC_TAG]
    #[arg(long, value_name = "NAME")]
    pub tag: Option<String>,

    /// A variable for the build; repeat it for more [env: CIBRIDGE_VAR, one a line]
    #[arg(long = "var", value_name = "NAME=TEXT")]
    pub variables: Vec<String>,

    /// A variable for the build with the value that it has here; the value is masked in all output [env: CIBRIDGE_VAR_FROM_ENV, one a line]
    #[arg(long, value_name = "NAME")]
    pub var_from_env: Vec<String>,

    /// A variable group to add [env: CIBRIDGE_GROUP, one a line]
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,

    /// A software version, e.g. xcode=16.0 [env: CIBRIDGE_SOFTWARE, one a line]
    #[arg(long, value_name = "NAME=VERSION")]
    pub software: Vec<String>,

    /// A label for the build [env: CIBRIDGE_LABEL, one a line]
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,

    /// The machine type, e.g. mac_mini_m2
    #[arg(long, value_name = "TYPE", env = "CIBRIDGE_INSTANCE_TYPE")]
    pub instance_type: Option<String>,

    /// An input of the workflow: NAME=TEXT, or NAME:=JSON for numbers and booleans [env: CIBRIDGE_INPUT, one a line]
    #[arg(long = "input", value_name = "NAME=TEXT")]
    pub inputs: Vec<String>,

    /// Read the request as JSON from a file, or from stdin for `-`; flags win over it
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_REQUEST")]
    pub request: Option<PathBuf>,

    /// The API that starts the build
    #[arg(long, value_enum, env = "CIBRIDGE_API", default_value = "v3")]
    pub api: ApiArg,

    /// Follow the build to its end, and end with a code that says how it ended
    #[arg(long, env = "CIBRIDGE_WAIT")]
    pub wait: bool,

    /// Take over the build that already carries this key, if there is one, instead of starting another
    #[arg(long, value_name = "KEY", env = "CIBRIDGE_IDEMPOTENCY_KEY")]
    pub idempotency_key: Option<String>,

    /// Print the request with the key masked, and send nothing
    #[arg(long, env = "CIBRIDGE_DRY_RUN")]
    pub dry_run: bool,

    /// How to follow.
    #[command(flatten)]
    pub follow: FollowArgs,

    /// What to bring home.
    #[command(flatten)]
    pub collect: CollectArgs,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// The builds' ids or pages
    #[arg(value_name = "BUILD", required = true)]
    pub builds: Vec<String>,

    /// Cancel the other builds as soon as one ends badly
    #[arg(long, env = "CIBRIDGE_FAIL_FAST")]
    pub fail_fast: bool,

    /// Look once: a build that goes on is no failure, the document says when the next look is worth while, and a signal leaves the build alone
    #[arg(long, env = "CIBRIDGE_ONCE")]
    pub once: bool,

    /// How to follow.
    #[command(flatten)]
    pub follow: FollowArgs,

    /// What to bring home.
    #[command(flatten)]
    pub collect: CollectArgs,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic status` and `codemagic cancel`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The builds' ids or pages
    #[arg(value_name = "BUILD", required = true)]
    pub builds: Vec<String>,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic builds`.
#[derive(Debug, Args)]
pub struct BuildsArgs {
    /// Only builds of this app [env: CODEMAGIC_APP_ID]
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,

    /// Only builds of this workflow
    #[arg(long, value_name = "ID", env = "CIBRIDGE_WORKFLOW")]
    pub workflow: Option<String>,

    /// Only builds of this branch
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_BRANCH")]
    pub branch: Option<String>,

    /// Only builds of this tag
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_TAG")]
    pub tag: Option<String>,

    /// Only builds with this label; repeat it for builds that have several [env: CIBRIDGE_LABEL, one a line]
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,

    /// Only builds in this state
    #[arg(long, value_name = "STATE", env = "CIBRIDGE_STATUS",
          value_parser = ["queued", "building", "finished", "failed", "canceled", "timeout", "skipped"])]
    pub status: Option<String>,

    /// The most builds to list
    #[arg(long, value_name = "N", env = "CIBRIDGE_LIMIT", default_value_t = 20)]
    pub limit: usize,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The app that must be visible [env: CODEMAGIC_APP_ID]
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,

    /// The workflow that the app must have [env: CODEMAGIC_WORKFLOW]
    #[arg(long, value_name = "ID")]
    pub workflow: Option<String>,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}
