//! Arguments of `cibridge codemagic …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::complete_argument;
use super::shared::{ApiArgs, ArtifactsArgs, CollectArgs, TestsArgs, WaitArgs, WatchArgs};
use super::values::{Pair, WorkflowInput, commit, duration, variable, variable_name};
use crate::codemagic::{Api, AppId};
use crate::lifecycle::IdempotencyKey;

// The verbs of `cibridge codemagic`, and how to reach it.
#[derive(Debug, Args)]
#[group(skip)]
pub struct CodemagicArgs {
    #[command(flatten)]
    pub connection: CodemagicConnectionArgs,

    #[command(subcommand)]
    pub verb: CodemagicVerb,
}

// How to reach Codemagic.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Connection")]
pub struct CodemagicConnectionArgs {
    /// Read the API key from a file that only its owner can read, or from stdin for `-`, instead of from CODEMAGIC_API_KEY
    #[arg(long, global = true, value_name = "FILE", env = "CODEMAGIC_API_KEY_FILE")]
    pub api_key_file: Option<PathBuf>,

    /// The address of API v3
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "CODEMAGIC_API_URL",
        default_value = "https://codemagic.io/api/v3"
    )]
    pub api_url: String,

    /// The address of the legacy API
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "CODEMAGIC_LEGACY_API_URL",
        default_value = "https://api.codemagic.io"
    )]
    pub legacy_api_url: String,
}

/// What can be done with Codemagic builds.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum CodemagicVerb {
    /// Start a build, and with --wait wait until it is finished
    #[command(after_help = "Examples:
  cibridge codemagic trigger --app-id 60a0b1c2d3e4f56789abcdef --workflow ios-release --branch main
  cibridge codemagic trigger --wait --artifacts '*.ipa' --var FLAVOR=prod --timeout 45m")]
    Trigger(Box<TriggerArgs>),
    /// Wait until builds are finished
    #[command(after_help = "Examples:
  cibridge codemagic wait 5fabc6414c483700143f4f92 --timeout 1h
  cibridge codemagic wait BUILD1 BUILD2 --fail-fast --cancel")]
    Wait(Box<CodemagicWaitArgs>),
    /// Show the state of builds; exits like `wait` for a finished build and 0 for a running one
    #[command(after_help = "Examples:
  cibridge codemagic status 5fabc6414c483700143f4f92
  cibridge codemagic status latest --workflow ios-release --branch main --json")]
    Status(BuildsOfApp),
    /// Cancel builds; it is no error if one is already finished
    #[command(after_help = "Examples:
  cibridge codemagic cancel 5fabc6414c483700143f4f92
  cibridge codemagic cancel BUILD1 BUILD2")]
    Cancel(BuildsOfApp),
    /// List the newest builds
    #[command(after_help = "Examples:
  cibridge codemagic builds --app-id 60a0b1c2d3e4f56789abcdef --branch main
  cibridge codemagic builds --status failed --limit 5 --json")]
    Builds(BuildsArgs),
    /// Download or list a build's artifacts
    #[command(after_help = "Examples:
  cibridge codemagic artifacts 5fabc6414c483700143f4f92 --match '*.ipa' --dir dist
  cibridge codemagic artifacts latest-success --workflow ios-release --list")]
    Artifacts(CodemagicArtifactsArgs),
    /// Print or save the logs of a build's steps
    #[command(after_help = "Examples:
  cibridge codemagic logs 5fabc6414c483700143f4f92 --failed
  cibridge codemagic logs 5fabc6414c483700143f4f92 --step 'Build ipa' --dir logs")]
    Logs(LogsArgs),
    /// Show a build's test results, or write them as JUnit XML
    #[command(after_help = "Examples:
  cibridge codemagic tests 5fabc6414c483700143f4f92
  cibridge codemagic tests 5fabc6414c483700143f4f92 --junit results.xml")]
    Tests(CodemagicTestsArgs),
    /// Create links to artifacts that anyone may open until they expire
    #[command(after_help = "Examples:
  cibridge codemagic share 5fabc6414c483700143f4f92 --match '*.ipa'
  cibridge codemagic share latest-success --workflow ios-release --match '*.apk' --expires 12h --qr")]
    Share(ShareArgs),
    /// List the apps that the API key can see
    #[command(after_help = "Examples:
  cibridge codemagic apps
  cibridge codemagic apps --json")]
    Apps,
    /// List the workflows of an app
    #[command(after_help = "Examples:
  cibridge codemagic workflows 60a0b1c2d3e4f56789abcdef
  CODEMAGIC_APP_ID=60a0b1c2d3e4f56789abcdef cibridge codemagic workflows")]
    Workflows(AppArgs),
    /// List or clear the build caches of an app
    #[command(after_help = "Examples:
  cibridge codemagic caches 60a0b1c2d3e4f56789abcdef
  cibridge codemagic caches 60a0b1c2d3e4f56789abcdef --clear")]
    Caches(CachesArgs),
    /// Send a request of your own, with the same key, retries and redaction
    #[command(after_help = "Examples:
  cibridge codemagic api GET /user/teams
  cibridge codemagic api POST /builds/5fabc6414c483700143f4f92/cancel --legacy")]
    Api(CodemagicApiArgs),
    /// Check the API key, the app, the workflow, both addresses, proxy and certificates
    #[command(after_help = "Examples:
  cibridge codemagic check
  cibridge codemagic check --app-id 60a0b1c2d3e4f56789abcdef --workflow ios-release --json")]
    Check(CheckArgs),
}

// Arguments of `codemagic trigger`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct TriggerArgs {
    /// The app: its ID, or the address of its page
    #[arg(long, value_name = "ID", env = "CODEMAGIC_APP_ID")]
    pub app_id: Option<String>,

    /// The workflow: its key in codemagic.yaml, its Workflow Editor ID, or its display name
    #[arg(long, alias = "workflow-id", value_name = "ID", env = "CODEMAGIC_WORKFLOW")]
    pub workflow: Option<String>,

    /// The branch to build
    #[arg(long, value_name = "NAME", env = "CODEMAGIC_BRANCH")]
    pub branch: Option<String>,

    /// The tag to build, instead of a branch
    #[arg(long, value_name = "NAME", env = "CODEMAGIC_TAG")]
    pub tag: Option<String>,

    /// Which of the four above were given by flags; set after parsing, because --request comes between flags and variables
    #[arg(skip)]
    pub given_by_flag: GivenByFlag,

    /// A variable for the build; repeat it for more
    #[arg(long = "var", value_name = "NAME=TEXT", env = "CIBRIDGE_VAR", value_parser = variable)]
    pub variables: Vec<Pair>,

    /// Pass an environment variable through to the build; its value is redacted in all output; repeat it for more
    #[arg(long, value_name = "NAME", env = "CIBRIDGE_VAR_FROM_ENV", value_parser = variable_name)]
    pub var_from_env: Vec<String>,

    /// A variable group to add; repeat it for more
    #[arg(long = "group", value_name = "NAME", env = "CIBRIDGE_GROUP")]
    pub groups: Vec<String>,

    /// A software version, e.g. xcode=16.0; repeat it for more
    #[arg(long, value_name = "NAME=VERSION", env = "CIBRIDGE_SOFTWARE")]
    pub software: Vec<Pair>,

    /// A label for the build; repeat it for more
    #[arg(long = "label", value_name = "LABEL", env = "CIBRIDGE_LABEL")]
    pub labels: Vec<String>,

    /// The machine type, e.g. mac_mini_m2
    #[arg(long, value_name = "TYPE", env = "CIBRIDGE_INSTANCE_TYPE")]
    pub instance_type: Option<String>,

    /// An input of the workflow: NAME=TEXT, or NAME:=JSON for a number or boolean; repeat it for more
    #[arg(long = "input", value_name = "NAME=TEXT", env = "CIBRIDGE_INPUT")]
    pub inputs: Vec<WorkflowInput>,

    /// Read the request as JSON from a file, or from stdin for `-`; flags override it, and it overrides environment variables
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_REQUEST")]
    pub request: Option<PathBuf>,

    /// The API that starts the build
    #[arg(long, value_enum, env = "CIBRIDGE_API", default_value = "v3")]
    pub api: Api,

    /// Wait until the build is finished, and exit with a code for its result
    #[arg(long, env = "CIBRIDGE_WAIT")]
    pub wait: bool,

    /// Adopt the build that already carries this key, if there is one, instead of starting another
    #[arg(long, value_name = "KEY", env = "CIBRIDGE_IDEMPOTENCY_KEY")]
    pub idempotency_key: Option<IdempotencyKey>,

    /// Print the request with secrets redacted, and send nothing
    #[arg(long, env = "CIBRIDGE_DRY_RUN")]
    pub dry_run: bool,

    /// Leave the build running when a time limit passes or a signal ends this program; without it the build is canceled
    #[arg(long, env = "CIBRIDGE_NO_CANCEL")]
    pub no_cancel: bool,

    #[command(flatten)]
    pub watch: WatchArgs,

    #[command(flatten)]
    pub expect: ExpectArgs,

    #[command(flatten)]
    pub collect: CollectArgs,
}

/// Which values of `trigger` came from flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each of the four values")]
pub struct GivenByFlag {
    /// `--app-id`
    pub app_id: bool,
    /// `--workflow`
    pub workflow: bool,
    /// `--branch`
    pub branch: bool,
    /// `--tag`
    pub tag: bool,
}

// What else than the build's own end decides about the result.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(next_help_heading = "Waiting")]
pub struct ExpectArgs {
    /// Cancel the build and exit with code 7 if it builds another commit
    #[arg(long, value_name = "SHA", env = "CIBRIDGE_EXPECT_COMMIT", value_parser = commit)]
    pub expect_commit: Option<String>,

    /// Exit with code 3 if a step failed although the build succeeded
    #[arg(long, env = "CIBRIDGE_FAIL_ON_STEP_FAILURE")]
    pub fail_on_step_failure: bool,
}

// Which builds are listed, or searched for `latest`, `latest-success` or a build number.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only builds of this app; needed for a build number, `latest` and `latest-success`
    #[arg(long, value_name = "ID", env = "CODEMAGIC_APP_ID", value_parser = AppId::parse)]
    pub app_id: Option<AppId>,

    /// Only builds of this workflow
    #[arg(long, alias = "workflow-id", value_name = "ID", env = "CODEMAGIC_WORKFLOW")]
    pub workflow: Option<String>,

    /// Only builds of this branch
    #[arg(long, value_name = "NAME", env = "CODEMAGIC_BRANCH")]
    pub branch: Option<String>,

    /// Only builds of this tag
    #[arg(long, value_name = "NAME", env = "CODEMAGIC_TAG")]
    pub tag: Option<String>,

    /// Only builds with this label; repeat it for builds that have several
    #[arg(long = "label", value_name = "LABEL", env = "CIBRIDGE_FILTER_LABEL")]
    pub labels: Vec<String>,
}

// Arguments of `codemagic wait`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct CodemagicWaitArgs {
    #[command(flatten)]
    pub builds: BuildsOfApp,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub watch: WatchArgs,

    #[command(flatten)]
    pub expect: ExpectArgs,

    #[command(flatten)]
    pub collect: CollectArgs,
}

// Arguments of `codemagic status` and `codemagic cancel`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct BuildsOfApp {
    /// The builds: IDs, addresses of their pages, numbers, `latest` or `latest-success`
    #[arg(value_name = "BUILD", env = "CIBRIDGE_BUILD", required = true)]
    pub builds: Vec<String>,

    #[command(flatten)]
    pub filter: FilterArgs,
}

// Arguments of `codemagic builds`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct BuildsArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Only builds in this state
    #[arg(long, value_name = "STATE", env = "CIBRIDGE_STATUS", help_heading = "Filters",
          value_parser = ["queued", "building", "finished", "failed", "canceled", "timeout", "skipped"])]
    pub status: Option<String>,

    /// The most builds to list
    #[arg(long, value_name = "N", env = "CIBRIDGE_LIMIT", default_value = "20")]
    pub limit: usize,
}

// Arguments of `codemagic artifacts`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct CodemagicArtifactsArgs {
    #[command(flatten)]
    pub artifacts: ArtifactsArgs,

    #[command(flatten)]
    pub filter: FilterArgs,
}

// Arguments of `codemagic tests`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct CodemagicTestsArgs {
    #[command(flatten)]
    pub tests: TestsArgs,

    #[command(flatten)]
    pub filter: FilterArgs,
}

// Arguments of `codemagic logs`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct LogsArgs {
    /// The build
    #[arg(env = "CIBRIDGE_BUILD")]
    pub build: String,

    /// Only the log of this step, by its name or ID
    #[arg(long, value_name = "NAME|ID", env = "CIBRIDGE_STEP")]
    pub step: Option<String>,

    /// Only the logs of steps that failed
    #[arg(long, env = "CIBRIDGE_FAILED", conflicts_with = "follow")]
    pub failed: bool,

    /// Print each step's log when the step ends, until the build is finished; exits like `wait`, and a signal leaves the build running
    #[arg(long, env = "CIBRIDGE_FOLLOW", conflicts_with = "dir")]
    pub follow: bool,

    /// Write one file per step into this folder, instead of the text to stdout
    #[arg(long, env = "CIBRIDGE_LOGS_DIR")]
    pub dir: Option<PathBuf>,

    /// Keep the bytes as Codemagic stores them (HTML) instead of turning them into text
    #[arg(long, env = "CIBRIDGE_RAW")]
    pub raw: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

// Arguments of `codemagic share`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct ShareArgs {
    /// The build
    #[arg(env = "CIBRIDGE_BUILD")]
    pub build: String,

    /// The artifacts with matching names, e.g. *.ipa; repeat it for more
    #[arg(long = "match", value_name = "GLOB", env = "CIBRIDGE_ARTIFACTS", required = true)]
    pub globs: Vec<String>,

    /// How long the links work
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_EXPIRES", default_value = "7d", value_parser = duration)]
    pub expires: Duration,

    /// Show each link as a QR code on stderr, for the camera of a phone
    #[arg(long, env = "CIBRIDGE_QR")]
    pub qr: bool,

    /// Write the QR code of each link as a PNG image into this folder
    #[arg(long, value_name = "DIR", env = "CIBRIDGE_QR_DIR")]
    pub qr_dir: Option<PathBuf>,

    #[command(flatten)]
    pub filter: FilterArgs,
}

// Arguments of `codemagic workflows`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct AppArgs {
    /// The app: its ID, or the address of its page
    #[arg(value_name = "APP", env = "CODEMAGIC_APP_ID", value_parser = AppId::parse)]
    pub app_id: AppId,
}

// Arguments of `codemagic caches`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct CachesArgs {
    #[command(flatten)]
    pub app: AppArgs,

    /// Remove the app's caches, or only the one with this ID
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "all")]
    pub clear: Option<String>,

    /// Do not ask before removing all caches
    #[arg(long, short, requires = "clear")]
    pub yes: bool,
}

// Arguments of `codemagic api`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct CodemagicApiArgs {
    #[command(flatten)]
    pub request: ApiArgs,

    /// Send it to the legacy API instead of v3
    #[arg(long)]
    pub legacy: bool,
}

// Arguments of `codemagic check`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(mut_args(complete_argument))]
pub struct CheckArgs {
    /// The app that must be visible
    #[arg(long, value_name = "ID", env = "CODEMAGIC_APP_ID", value_parser = AppId::parse)]
    pub app_id: Option<AppId>,

    /// The workflow that the app must have
    #[arg(long, alias = "workflow-id", value_name = "ID", env = "CODEMAGIC_WORKFLOW")]
    pub workflow: Option<String>,
}
