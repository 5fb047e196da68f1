//! Arguments that every call has, and those that verbs of both systems share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::complete_argument;
use super::values::{color, duration};

// How a call reports; every verb has these.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Output")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct OutputArgs {
    /// Print exactly one JSON document on stdout
    #[arg(long, global = true, env = "CIBRIDGE_JSON")]
    pub json: bool,

    /// Write the same JSON document to a file: as soon as the build's ID is known, and again at the end
    #[arg(long, global = true, value_name = "PATH", env = "CIBRIDGE_RESULT_FILE")]
    pub result_file: Option<PathBuf>,

    /// Print errors and data only
    #[arg(long, short, global = true, env = "CIBRIDGE_QUIET", conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show each request with its status and time
    #[arg(long, short, global = true, env = "CIBRIDGE_VERBOSE")]
    pub verbose: bool,

    /// When to use colors; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", env = "CIBRIDGE_COLOR", default_value = "auto",
          value_parser = PossibleValuesParser::new(["auto", "always", "never"]).map(|word| color(&word)))]
    pub color: ColorChoice,

    /// Fail if this cibridge is older than X.Y.Z
    #[arg(long, global = true, value_name = "X.Y.Z", env = "CIBRIDGE_REQUIRE_VERSION")]
    pub require_version: Option<String>,

    /// What arrives here of `ü`: the library sends it along with values that are not ASCII
    #[arg(long, global = true, hide = true, value_name = "TEXT", env = "CIBRIDGE_LOCALE_PROBE")]
    pub locale_probe: Option<OsString>,

    /// Print the version; with --json as JSON
    #[arg(long, short = 'V', global = true)]
    pub version: bool,
}

// How connections are made; every verb has these.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Connection")]
pub struct HttpArgs {
    /// Trust the certificates in this PEM file as well
    #[arg(long, global = true, value_name = "FILE", env = "CIBRIDGE_CA_CERT")]
    pub ca_cert: Option<PathBuf>,

    /// Time limit for connecting
    #[arg(long, global = true, value_name = "TIME", env = "CIBRIDGE_CONNECT_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub connect_timeout: Duration,

    /// Time limit for an answer to begin, and again for each 64 KiB of it; for a file or log, for each pause in it
    #[arg(long, global = true, value_name = "TIME", env = "CIBRIDGE_ANSWER_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub answer_timeout: Duration,

    /// Allow unencrypted http to other machines
    #[arg(long, global = true, env = "CIBRIDGE_ALLOW_HTTP")]
    pub allow_http: bool,
}

// Time limits of a wait, and how a build is watched.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Waiting")]
pub struct WatchArgs {
    /// How long the build may wait in the queue
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_QUEUE_TIMEOUT", value_parser = duration)]
    pub queue_timeout: Option<Duration>,

    /// How long the build may run
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_RUN_TIMEOUT", value_parser = duration)]
    pub run_timeout: Option<Duration>,

    /// Time limit for the whole call, downloads included
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_TIMEOUT", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Show the build's log on stderr: on Jenkins as it grows, on Codemagic each step's log when the step ends
    #[arg(long, env = "CIBRIDGE_CONSOLE")]
    pub console: bool,

    /// Lines of a failed build's log to show
    #[arg(long, value_name = "N", env = "CIBRIDGE_LOG_LINES", default_value = "50")]
    pub log_lines: usize,

    /// Poll at this interval instead of one derived from earlier builds and the rate limit
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_POLL_INTERVAL", value_parser = duration)]
    pub poll_interval: Option<Duration>,
}

// How `wait` treats several builds, and builds that are still running when it ends.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Waiting")]
pub struct WaitArgs {
    /// Cancel the builds when a time limit passes or a signal ends this program; without it they are left running
    #[arg(long, env = "CIBRIDGE_CANCEL")]
    pub cancel: bool,

    /// Cancel the other builds as soon as one fails
    #[arg(long, env = "CIBRIDGE_FAIL_FAST")]
    pub fail_fast: bool,

    /// Poll once, and exit with code 0 if the build is still running; the JSON document says when to poll again. A signal does not cancel the build
    #[arg(long, env = "CIBRIDGE_ONCE")]
    pub once: bool,

    /// With --once: when the wait began, in milliseconds since 1970. The time limits count from then
    #[arg(long, value_name = "EPOCH_MILLIS", env = "CIBRIDGE_WAITING_SINCE", requires = "once")]
    pub waiting_since: Option<u64>,
}

// How files are downloaded.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct DownloadArgs {
    /// Files and parts of files to download at once [default: 4, and up to 16 where small files wait for their answers]
    #[arg(long, value_name = "N", env = "CIBRIDGE_JOBS", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub jobs: Option<u8>,

    /// Succeed even if no artifact matches
    #[arg(long, env = "CIBRIDGE_ALLOW_NONE")]
    pub allow_none: bool,
}

// What to download of a finished build, for `trigger --wait` and `wait`.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Results")]
pub struct CollectArgs {
    /// Download artifacts with matching names, e.g. *.ipa or *.{ipa,apk}; repeat it for more
    #[arg(long, value_name = "GLOB", env = "CIBRIDGE_ARTIFACTS")]
    pub artifacts: Vec<String>,

    /// The folder for the artifacts; each of several builds gets its own folder in it
    #[arg(long, value_name = "DIR", env = "CIBRIDGE_ARTIFACTS_DIR", default_value = ".")]
    pub artifacts_dir: PathBuf,

    /// Write the test results to this file as JUnit XML; if there are none, no file is written
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_JUNIT")]
    pub junit: Option<PathBuf>,

    #[command(flatten)]
    pub download: DownloadArgs,
}

// Which artifacts, and where to, for the verb `artifacts`.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct ArtifactsArgs {
    /// The build
    #[arg(env = "CIBRIDGE_BUILD")]
    pub build: String,

    /// Only artifacts with matching names or paths, e.g. *.ipa or *.{ipa,apk}; repeat it for more
    #[arg(long = "match", value_name = "GLOB", env = "CIBRIDGE_ARTIFACTS")]
    pub globs: Vec<String>,

    /// Only artifacts of this type, e.g. ipa; repeat it for more
    #[arg(long = "type", value_name = "TYPE", env = "CIBRIDGE_TYPE")]
    pub types: Vec<String>,

    /// The folder for the files
    #[arg(long, env = "CIBRIDGE_ARTIFACTS_DIR", default_value = ".")]
    pub dir: PathBuf,

    /// List them instead of downloading
    #[arg(long, env = "CIBRIDGE_LIST")]
    pub list: bool,

    #[command(flatten)]
    pub download: DownloadArgs,
}

// A build's test results, for the verb `tests`.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct TestsArgs {
    /// The build
    #[arg(env = "CIBRIDGE_BUILD")]
    pub build: String,

    /// Write the results to this file as JUnit XML; if there are none, no file is written
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_JUNIT")]
    pub junit: Option<PathBuf>,
}

// A request of one's own, for the verb `api`.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct ApiArgs {
    /// The method: GET, POST, PUT, PATCH or DELETE
    pub method: String,

    /// The path below the service's address, e.g. /user/teams
    pub path: String,

    /// Send this file as the body, or stdin for `-`
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,

    /// The body's content type
    #[arg(long, value_name = "TYPE", default_value = "application/json", value_parser = super::values::media_type)]
    pub content_type: String,
}
