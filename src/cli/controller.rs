//! Arguments that several Jenkins verbs share: reaching the controller, following its builds, bringing their files home.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{DownloadArgs, duration};

/// How to reach the controller.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct JenkinsConnectionArgs {
    /// The controller's root, e.g. https://ci.example.com/jenkins; without it, JENKINS_URL, or the address in the job's or build's URL
    #[arg(long, value_name = "URL", env = "CIBRIDGE_JENKINS_URL")]
    pub url: Option<String>,

    /// The user; the API token stands in the environment variable JENKINS_API_TOKEN
    #[arg(long, value_name = "ID", env = "JENKINS_USER_ID")]
    pub user: Option<String>,

    /// Read the API token from a file that only its owner can read, instead of JENKINS_API_TOKEN
    #[arg(long, value_name = "FILE", env = "JENKINS_API_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// Read a bearer token for a proxy before Jenkins from such a file, instead of CIBRIDGE_BEARER_TOKEN
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_BEARER_TOKEN_FILE")]
    pub bearer_token_file: Option<PathBuf>,

    /// A header for an access proxy, sent to the controller only; better in the environment, where other users do not see it [env: CIBRIDGE_HEADER, one a line]
    #[arg(long = "header", value_name = "NAME:VALUE")]
    pub headers: Vec<String>,

    /// Prove who we are with the certificate in this PEM file
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_CLIENT_CERT")]
    pub client_cert: Option<PathBuf>,

    /// The certificate's key, if it is in another PEM file
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_CLIENT_KEY", requires = "client_cert")]
    pub client_key: Option<PathBuf>,

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

/// What to do when a build asks a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnInput {
    /// Say so, and wait on
    Wait,
    /// Stop the build, and end with code 1
    Fail,
    /// Proceed, with the default values
    Proceed,
    /// Abort
    Abort,
}

/// How builds are followed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Following")]
pub struct JenkinsFollowArgs {
    /// Longest time that the build may be queued; past it the queue item is canceled
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_QUEUE_TIMEOUT", value_parser = duration)]
    pub queue_timeout: Option<Duration>,

    /// Longest time that the build may run; past it the build is stopped
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_RUN_TIMEOUT", value_parser = duration)]
    pub run_timeout: Option<Duration>,

    /// Longest time to follow altogether; past it the build is stopped
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_TIMEOUT", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Leave the build alone when a limit passes or a signal ends this program
    #[arg(long, env = "CIBRIDGE_NO_CANCEL")]
    pub no_cancel: bool,

    /// What to do when the build asks a person
    #[arg(long, value_enum, value_name = "WHAT", env = "CIBRIDGE_ON_INPUT", default_value = "wait")]
    pub on_input: OnInput,

    /// Lines of a failed build's log to show
    #[arg(long, value_name = "N", env = "CIBRIDGE_LOG_LINES", default_value_t = 50)]
    pub log_lines: usize,

    /// Look at the build this often
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_POLL_INTERVAL", value_parser = duration)]
    pub poll_interval: Option<Duration>,
}

/// What to bring home after a build.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Results")]
pub struct JenkinsCollectArgs {
    /// Download what the build archived under such names or paths, e.g. *.ipa [env: CIBRIDGE_ARTIFACTS, one a line]
    #[arg(long, value_name = "GLOB")]
    pub artifacts: Vec<String>,

    /// The folder for the files; with several builds each gets a folder of its own in it
    #[arg(long, value_name = "DIR", env = "CIBRIDGE_ARTIFACTS_DIR", default_value = ".")]
    pub artifacts_dir: PathBuf,

    /// How to download.
    #[command(flatten)]
    pub download: DownloadArgs,
}
