//! Arguments of `cibridge codemagic …`.

use std::path::PathBuf;
use std::time::Duration;

use super::OutputArgs;
use super::arguments::{arguments, commands, words};
use super::files::{AppsArgs, ArtifactsArgs, CachesArgs, CollectArgs, LogsArgs, ShareArgs, TestsArgs, WorkflowsArgs};
use super::following::FollowArgs;

commands! {
    /// What can be done with Codemagic builds.
    pub enum CodemagicCommand {
        /// Start a build, and with --wait follow it to its end
        Trigger(Box<TriggerArgs>) = "trigger",
        /// Follow builds to their end
        Wait(WaitArgs) = "wait",
        /// Show where builds stand
        Status(BuildArgs) = "status",
        /// Cancel builds
        Cancel(BuildArgs) = "cancel",
        /// List the newest builds
        Builds(BuildsArgs) = "builds",
        /// Download or list a build's artifacts
        Artifacts(ArtifactsArgs) = "artifacts",
        /// Print or save the logs of a build's steps
        Logs(LogsArgs) = "logs",
        /// Show a build's test results, or write them as JUnit XML
        Tests(TestsArgs) = "tests",
        /// Make links to artifacts that anyone may open for a while
        Share(ShareArgs) = "share",
        /// List the apps that the key can see
        Apps(AppsArgs) = "apps",
        /// List the workflows of an app
        Workflows(WorkflowsArgs) = "workflows",
        /// List or clear the build caches of an app
        Caches(CachesArgs) = "caches",
        /// Check the key, the app, the workflow, both addresses, proxy and certificates
        Check(CheckArgs) = "check",
    }
}

words! {
    /// Which API starts the build.
    pub enum ApiArg {
        /// The current API
        V3 = "v3",
        /// The old one, for accounts where v3 is not available
        Legacy = "legacy",
    }
}

arguments! {
    /// How to reach Codemagic.
    #[heading = "Connection"]
    pub struct ConnectionArgs {
        /// Read the API key from a file that only its owner can read, instead of the environment variable CODEMAGIC_API_KEY
        pub api_key_file: Option<PathBuf> = "--api-key-file <FILE>" Env("CODEMAGIC_API_KEY_FILE"),

        /// The v3 API's address
        pub api_url: String = "--api-url <URL>" Env("CODEMAGIC_API_URL") Default("https://codemagic.io/api/v3"),

        /// The legacy API's address
        pub legacy_api_url: String = "--legacy-api-url <URL>" Env("CODEMAGIC_LEGACY_API_URL") Default("https://api.codemagic.io"),

        /// Trust the certificates in this PEM file as well
        pub ca_cert: Option<PathBuf> = "--ca-cert <FILE>" Env("CIBRIDGE_CA_CERT"),

        /// Longest time to connect
        pub connect_timeout: Duration = "--connect-timeout <TIME>" Env("CIBRIDGE_CONNECT_TIMEOUT") Default("15s"),

        /// Longest time to wait for an answer
        pub answer_timeout: Duration = "--answer-timeout <TIME>" Env("CIBRIDGE_ANSWER_TIMEOUT") Default("60s"),

        /// Allow plain http to other machines
        pub allow_http: bool = "--allow-http" Env("CIBRIDGE_ALLOW_HTTP"),
    }

    /// Arguments of `codemagic trigger`.
    ///
    /// The four values that Jenkinsfiles set as environment variables are read by the command, not by clap: a flag wins
    /// over `--request`, and `--request` over the environment.
    pub struct TriggerArgs {
        /// The app: the part after /app/ in its page's address [env: CODEMAGIC_APP_ID]
        pub app_id: Option<String> = "--app-id <ID>",

        /// The workflow's key in codemagic.yaml or its Workflow Editor id, not its display name [env: CODEMAGIC_WORKFLOW]
        pub workflow: Option<String> = "--workflow <ID>",

        /// The branch to build [env: CODEMAGIC_BRANCH]
        pub branch: Option<String> = "--branch <NAME>",

        /// The tag to build, instead of a branch [env: CODEMAGIC_TAG]
        pub tag: Option<String> = "--tag <NAME>",

        /// A variable for the build; repeat it for more [env: CIBRIDGE_VAR, one a line]
        pub variables: Vec<String> = "--var <NAME=TEXT>",

        /// A variable for the build with the value that it has here; the value is masked in all output [env: CIBRIDGE_VAR_FROM_ENV, one a line]
        pub var_from_env: Vec<String> = "--var-from-env <NAME>",

        /// A variable group to add [env: CIBRIDGE_GROUP, one a line]
        pub groups: Vec<String> = "--group <NAME>",

        /// A software version, e.g. xcode=16.0 [env: CIBRIDGE_SOFTWARE, one a line]
        pub software: Vec<String> = "--software <NAME=VERSION>",

        /// A label for the build [env: CIBRIDGE_LABEL, one a line]
        pub labels: Vec<String> = "--label <LABEL>",

        /// The machine type, e.g. mac_mini_m2
        pub instance_type: Option<String> = "--instance-type <TYPE>" Env("CIBRIDGE_INSTANCE_TYPE"),

        /// An input of the workflow: NAME=TEXT, or NAME:=JSON for numbers and booleans [env: CIBRIDGE_INPUT, one a line]
        pub inputs: Vec<String> = "--input <NAME=TEXT>",

        /// Read the request as JSON from a file, or from stdin for `-`; flags win over it
        pub request: Option<PathBuf> = "--request <FILE>" Env("CIBRIDGE_REQUEST"),

        /// The API that starts the build
        pub api: ApiArg = "--api <API>" Env("CIBRIDGE_API") Default("v3"),

        /// Follow the build to its end, and end with a code that says how it ended
        pub wait: bool = "--wait" Env("CIBRIDGE_WAIT"),

        /// Take over the build that already carries this key, if there is one, instead of starting another
        pub idempotency_key: Option<String> = "--idempotency-key <KEY>" Env("CIBRIDGE_IDEMPOTENCY_KEY"),

        /// Print the request with the key masked, and send nothing
        pub dry_run: bool = "--dry-run" Env("CIBRIDGE_DRY_RUN"),

        /// How to follow.
        pub follow: FollowArgs,

        /// What to bring home.
        pub collect: CollectArgs,

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic wait`.
    pub struct WaitArgs {
        /// The builds' ids or pages
        pub builds: Vec<String> = "<BUILD>...",

        /// Cancel the other builds as soon as one ends badly
        pub fail_fast: bool = "--fail-fast" Env("CIBRIDGE_FAIL_FAST"),

        /// Look once: a build that goes on is no failure, the document says when the next look is worth while, and a signal leaves the build alone
        pub once: bool = "--once" Env("CIBRIDGE_ONCE"),

        /// How to follow.
        pub follow: FollowArgs,

        /// What to bring home.
        pub collect: CollectArgs,

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic status` and `codemagic cancel`.
    pub struct BuildArgs {
        /// The builds' ids or pages
        pub builds: Vec<String> = "<BUILD>...",

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic builds`.
    pub struct BuildsArgs {
        /// Only builds of this app [env: CODEMAGIC_APP_ID]
        pub app_id: Option<String> = "--app-id <ID>",

        /// Only builds of this workflow
        pub workflow: Option<String> = "--workflow <ID>" Env("CIBRIDGE_WORKFLOW"),

        /// Only builds of this branch
        pub branch: Option<String> = "--branch <NAME>" Env("CIBRIDGE_BRANCH"),

        /// Only builds of this tag
        pub tag: Option<String> = "--tag <NAME>" Env("CIBRIDGE_TAG"),

        /// Only builds with this label; repeat it for builds that have several [env: CIBRIDGE_LABEL, one a line]
        pub labels: Vec<String> = "--label <LABEL>",

        /// Only builds in this state
        pub status: Option<String> = "--status <STATE>" Env("CIBRIDGE_STATUS") OneOf("queued building finished failed canceled timeout skipped"),

        /// The most builds to list
        pub limit: usize = "--limit <N>" Env("CIBRIDGE_LIMIT") Default("20"),

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic check`.
    pub struct CheckArgs {
        /// The app that must be visible [env: CODEMAGIC_APP_ID]
        pub app_id: Option<String> = "--app-id <ID>",

        /// The workflow that the app must have [env: CODEMAGIC_WORKFLOW]
        pub workflow: Option<String> = "--workflow <ID>",

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }
}
