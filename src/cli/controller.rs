//! Arguments that several Jenkins verbs share: reaching the controller, following its builds, bringing their files home.

use std::path::PathBuf;
use std::time::Duration;

use super::DownloadArgs;
use super::arguments::{arguments, words};

arguments! {
    /// How to reach the controller.
    #[heading = "Connection"]
    pub struct JenkinsConnectionArgs {
        /// The controller's root, e.g. https://ci.example.com/jenkins; without it, JENKINS_URL, or the address in the job's or build's URL
        pub url: Option<String> = "--url <URL>" Env("CIBRIDGE_JENKINS_URL"),

        /// The user; the API token stands in the environment variable JENKINS_API_TOKEN
        pub user: Option<String> = "--user <ID>" Env("JENKINS_USER_ID"),

        /// Read the API token from a file that only its owner can read, instead of JENKINS_API_TOKEN
        pub token_file: Option<PathBuf> = "--token-file <FILE>" Env("JENKINS_API_TOKEN_FILE"),

        /// Read a bearer token for a proxy before Jenkins from such a file, instead of CIBRIDGE_BEARER_TOKEN
        pub bearer_token_file: Option<PathBuf> = "--bearer-token-file <FILE>" Env("CIBRIDGE_BEARER_TOKEN_FILE"),

        /// A header for an access proxy, sent to the controller only; better in the environment, where other users do not see it [env: CIBRIDGE_HEADER, one a line]
        pub headers: Vec<String> = "--header <NAME:VALUE>",

        /// Prove who we are with the certificate in this PEM file
        pub client_cert: Option<PathBuf> = "--client-cert <FILE>" Env("CIBRIDGE_CLIENT_CERT"),

        /// The certificate's key, if it is in another PEM file
        pub client_key: Option<PathBuf> = "--client-key <FILE>" Env("CIBRIDGE_CLIENT_KEY") Requires("--client-cert <FILE>"),

        /// Trust the certificates in this PEM file as well
        pub ca_cert: Option<PathBuf> = "--ca-cert <FILE>" Env("CIBRIDGE_CA_CERT"),

        /// Longest time to connect
        pub connect_timeout: Duration = "--connect-timeout <TIME>" Env("CIBRIDGE_CONNECT_TIMEOUT") Default("15s"),

        /// Longest time to wait for an answer
        pub answer_timeout: Duration = "--answer-timeout <TIME>" Env("CIBRIDGE_ANSWER_TIMEOUT") Default("60s"),

        /// Allow plain http to other machines
        pub allow_http: bool = "--allow-http" Env("CIBRIDGE_ALLOW_HTTP"),
    }
}

words! {
    /// What to do when a build asks a person.
    pub enum OnInput {
        /// Say so, and wait on
        Wait = "wait",
        /// Stop the build, and end with code 1
        Fail = "fail",
        /// Proceed, with the default values
        Proceed = "proceed",
        /// Abort
        Abort = "abort",
    }
}

arguments! {
    /// How builds are followed.
    #[heading = "Following"]
    pub struct JenkinsFollowArgs {
        /// Longest time that the build may be queued; past it the queue item is cancelled
        pub queue_timeout: Option<Duration> = "--queue-timeout <TIME>" Env("CIBRIDGE_QUEUE_TIMEOUT"),

        /// Longest time that the build may run; past it the build is stopped
        pub run_timeout: Option<Duration> = "--run-timeout <TIME>" Env("CIBRIDGE_RUN_TIMEOUT"),

        /// Longest time to follow altogether; past it the build is stopped
        pub timeout: Option<Duration> = "--timeout <TIME>" Env("CIBRIDGE_TIMEOUT"),

        /// Leave the build alone when a limit passes or a signal ends this program
        pub no_cancel: bool = "--no-cancel" Env("CIBRIDGE_NO_CANCEL"),

        /// What to do when the build asks a person
        pub on_input: OnInput = "--on-input <WHAT>" Env("CIBRIDGE_ON_INPUT") Default("wait"),

        /// Lines of a failed build's log to show
        pub log_lines: usize = "--log-lines <N>" Env("CIBRIDGE_LOG_LINES") Default("50"),

        /// Look at the build this often
        pub poll_interval: Option<Duration> = "--poll-interval <TIME>" Env("CIBRIDGE_POLL_INTERVAL"),
    }

    /// What to bring home after a build.
    #[heading = "Results"]
    pub struct JenkinsCollectArgs {
        /// Download what the build archived under such names or paths, e.g. *.ipa [env: CIBRIDGE_ARTIFACTS, one a line]
        pub artifacts: Vec<String> = "--artifacts <GLOB>",

        /// The folder for the files; with several builds each gets a folder of its own in it
        pub artifacts_dir: PathBuf = "--artifacts-dir <DIR>" Env("CIBRIDGE_ARTIFACTS_DIR") Default("."),

        /// How to download.
        pub download: DownloadArgs,
    }
}
