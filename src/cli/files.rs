//! Arguments about what a Codemagic build leaves behind: artifacts, logs, test results, links, caches.

use std::path::PathBuf;
use std::time::Duration;

use super::OutputArgs;
use super::arguments::arguments;
use super::codemagic::ConnectionArgs;

arguments! {
    /// How files are downloaded.
    pub struct DownloadArgs {
        /// Files to download at once
        pub jobs: u8 = "--jobs <N>" Env("CIBRIDGE_JOBS") Default("4") UpTo("16"),

        /// Take it for no error when there is no such artifact
        pub allow_none: bool = "--allow-none" Env("CIBRIDGE_ALLOW_NONE"),
    }

    /// What to bring home after a build, for `trigger --wait` and `wait`.
    #[heading = "Results"]
    pub struct CollectArgs {
        /// Download the artifacts with such names, e.g. *.ipa or *.{ipa,apk} [env: CIBRIDGE_ARTIFACTS, one a line]
        pub artifacts: Vec<String> = "--artifacts <GLOB>",

        /// The folder for them; with several builds each gets a folder of its own in it
        pub artifacts_dir: PathBuf = "--artifacts-dir <DIR>" Env("CIBRIDGE_ARTIFACTS_DIR") Default("."),

        /// Write the test results as JUnit XML; without any no file is written
        pub junit: Option<PathBuf> = "--junit <FILE>" Env("CIBRIDGE_JUNIT"),

        /// How to download.
        pub download: DownloadArgs,
    }

    /// Arguments of `codemagic artifacts`.
    pub struct ArtifactsArgs {
        /// The build's id or page
        pub build: String = "<BUILD>",

        /// Only artifacts with such names, e.g. *.ipa or *.{ipa,apk} [env: CIBRIDGE_MATCH, one a line]
        pub globs: Vec<String> = "--match <GLOB>",

        /// Only artifacts of this type, e.g. ipa [env: CIBRIDGE_TYPE, one a line]
        pub types: Vec<String> = "--type <TYPE>",

        /// The folder for the files
        pub dir: PathBuf = "--dir <DIR>" Env("CIBRIDGE_DIR") Default("."),

        /// List them instead of downloading: bytes, type and name, with tabs between them
        pub list: bool = "--list" Env("CIBRIDGE_LIST"),

        /// How to download.
        pub download: DownloadArgs,

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic logs`.
    pub struct LogsArgs {
        /// The build's id or page
        pub build: String = "<BUILD>",

        /// Only the log of this step, by its name or id
        pub step: Option<String> = "--step <NAME|ID>" Env("CIBRIDGE_STEP"),

        /// Only the logs of steps that failed
        pub failed: bool = "--failed" Env("CIBRIDGE_FAILED"),

        /// Write one file for each step into this folder, instead of the text to stdout
        pub dir: Option<PathBuf> = "--dir <DIR>" Env("CIBRIDGE_DIR"),

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic tests`.
    pub struct TestsArgs {
        /// The build's id or page
        pub build: String = "<BUILD>",

        /// Write the results as JUnit XML; without any no file is written
        pub junit: Option<PathBuf> = "--junit <FILE>" Env("CIBRIDGE_JUNIT"),

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic share`.
    pub struct ShareArgs {
        /// The build's id or page
        pub build: String = "<BUILD>",

        /// The artifacts with such names, e.g. *.ipa [env: CIBRIDGE_MATCH, one a line]
        pub globs: Vec<String> = "--match <GLOB>",

        /// How long the links are to work
        pub expires: Duration = "--expires <TIME>" Env("CIBRIDGE_EXPIRES") Default("7d"),

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic apps`.
    pub struct AppsArgs {
        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic workflows`.
    pub struct WorkflowsArgs {
        /// The app [env: CODEMAGIC_APP_ID]
        pub app_id: Option<String> = "[APP]",

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }

    /// Arguments of `codemagic caches`.
    pub struct CachesArgs {
        /// The app [env: CODEMAGIC_APP_ID]
        pub app_id: Option<String> = "[APP]",

        /// Remove the app's caches, or only the one with this id
        pub clear: Option<String> = "--clear [<ID>]" Env("CIBRIDGE_CLEAR") Missing("all"),

        /// How to reach Codemagic.
        pub connection: ConnectionArgs,

        /// How to report.
        pub output: OutputArgs,
    }
}
