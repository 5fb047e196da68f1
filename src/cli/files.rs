//! Arguments about what a Codemagic build leaves behind: artifacts, logs, test results, links, caches.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::codemagic::ConnectionArgs;
use super::{OutputArgs, duration};

/// How files are downloaded.
#[derive(Debug, Clone, Args)]
pub struct DownloadArgs {
    /// Files to download at once
    #[arg(long, value_name = "N", env = "CIBRIDGE_JOBS", default_value_t = 4,
          value_parser = clap::value_parser!(u8).range(1..=16))]
    pub jobs: u8,

    /// Take it for no error when there is no such artifact
    #[arg(long, env = "CIBRIDGE_ALLOW_NONE")]
    pub allow_none: bool,
}

/// What to bring home after a build, for `trigger --wait` and `wait`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Results")]
pub struct CollectArgs {
    /// Download the artifacts with such names, e.g. *.ipa or *.{ipa,apk} [env: CIBRIDGE_ARTIFACTS, one a line]
    #[arg(long, value_name = "GLOB")]
    pub artifacts: Vec<String>,

    /// The folder for them; with several builds each gets a folder of its own in it
    #[arg(long, value_name = "DIR", env = "CIBRIDGE_ARTIFACTS_DIR", default_value = ".")]
    pub artifacts_dir: PathBuf,

    /// Write the test results as JUnit XML; without any no file is written
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_JUNIT")]
    pub junit: Option<PathBuf>,

    /// How to download.
    #[command(flatten)]
    pub download: DownloadArgs,
}

/// Arguments of `codemagic artifacts`.
#[derive(Debug, Args)]
pub struct ArtifactsArgs {
    /// The build's id or page
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// Only artifacts with such names, e.g. *.ipa or *.{ipa,apk} [env: CIBRIDGE_MATCH, one a line]
    #[arg(long = "match", value_name = "GLOB")]
    pub globs: Vec<String>,

    /// Only artifacts of this type, e.g. ipa [env: CIBRIDGE_TYPE, one a line]
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,

    /// The folder for the files
    #[arg(long, value_name = "DIR", env = "CIBRIDGE_DIR", default_value = ".")]
    pub dir: PathBuf,

    /// List them instead of downloading: bytes, type and name, with tabs between them
    #[arg(long, env = "CIBRIDGE_LIST")]
    pub list: bool,

    /// How to download.
    #[command(flatten)]
    pub download: DownloadArgs,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The build's id or page
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// Only the log of this step, by its name or id
    #[arg(long, value_name = "NAME|ID", env = "CIBRIDGE_STEP")]
    pub step: Option<String>,

    /// Only the logs of steps that failed
    #[arg(long, env = "CIBRIDGE_FAILED")]
    pub failed: bool,

    /// Write one file for each step into this folder, instead of the text to stdout
    #[arg(long, value_name = "DIR", env = "CIBRIDGE_DIR")]
    pub dir: Option<PathBuf>,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic tests`.
#[derive(Debug, Args)]
pub struct TestsArgs {
    /// The build's id or page
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// Write the results as JUnit XML; without any no file is written
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_JUNIT")]
    pub junit: Option<PathBuf>,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic share`.
#[derive(Debug, Args)]
pub struct ShareArgs {
    /// The build's id or page
    #[arg(value_name = "BUILD")]
    pub build: String,

    /// The artifacts with such names, e.g. *.ipa [env: CIBRIDGE_MATCH, one a line]
    #[arg(long = "match", value_name = "GLOB")]
    pub globs: Vec<String>,

    /// How long the links are to work
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_EXPIRES", default_value = "7d", value_parser = duration)]
    pub expires: Duration,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic apps`.
#[derive(Debug, Args)]
pub struct AppsArgs {
    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic workflows`.
#[derive(Debug, Args)]
pub struct WorkflowsArgs {
    /// The app [env: CODEMAGIC_APP_ID]
    #[arg(value_name = "APP")]
    pub app_id: Option<String>,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codemagic caches`.
#[derive(Debug, Args)]
pub struct CachesArgs {
    /// The app [env: CODEMAGIC_APP_ID]
    #[arg(value_name = "APP")]
    pub app_id: Option<String>,

    /// Remove the app's caches, or only the one with this id
    #[arg(long, value_name = "ID", env = "CIBRIDGE_CLEAR", num_args = 0..=1, default_missing_value = "all")]
    pub clear: Option<String>,

    /// How to reach Codemagic.
    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}
