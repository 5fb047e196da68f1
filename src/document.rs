//! The result document of a call, a stable interface (`--json`, `--result-file`).
//!
//! Plain data.

use serde::Serialize;

use crate::error::{Error, ExitCode};
use crate::model::{Artifact, Build, BuildFailure, Step};

/// The result document's version.
pub const SCHEMA: u8 = 1;

/// How a call ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The start was accepted and nobody waits.
    Started,
    /// Nothing was sent, as asked.
    DryRun,
    /// The build goes on; seen in the result file of a process that still follows it, or was killed.
    Running,
    /// The build succeeded.
    Success,
    /// The build failed.
    Failed,
    /// The build succeeded with warnings.
    Unstable,
    /// Somebody else canceled the build.
    Canceled,
    /// The build was skipped.
    Skipped,
    /// Our own time limit passed.
    TimedOut,
    /// The build is of another commit than the expected one.
    WrongCommit,
    /// Credentials, id or request refused.
    Refused,
    /// No connection, or the service is unavailable.
    Unavailable,
    /// A start may have been accepted.
    Unknown,
    /// A wrong command line or a fault of this machine.
    LocalFault,
    /// A signal ended the process.
    Interrupted,
}

impl Outcome {
    /// The outcome that an exit code stands for. `ExitCode::Success` means a successful build.
    pub const fn of(code: ExitCode) -> Self {
        match code {
            ExitCode::Success => Self::Success,
            ExitCode::Failed => Self::Failed,
            ExitCode::Unstable => Self::Unstable,
            ExitCode::Canceled => Self::Canceled,
            ExitCode::Skipped => Self::Skipped,
            ExitCode::TimedOut => Self::TimedOut,
            ExitCode::WrongCommit => Self::WrongCommit,
            ExitCode::Denied | ExitCode::NotFound | ExitCode::Refused => Self::Refused,
            ExitCode::Unavailable | ExitCode::NoConnection => Self::Unavailable,
            ExitCode::Unknown => Self::Unknown,
            ExitCode::Usage | ExitCode::Local => Self::LocalFault,
            ExitCode::Interrupted | ExitCode::Terminated => Self::Interrupted,
        }
    }
}

/// An error of the call itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallError {
    /// `WHAT: WHY`, as on the console.
    pub message: String,
    /// What the reader can do.
    pub hint: Option<String>,
}

impl From<&Error> for CallError {
    fn from(failure: &Error) -> Self {
        Self { message: failure.to_string(), hint: failure.hint().map(str::to_owned) }
    }
}

/// The one JSON document of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u8,
    /// `codemagic` or `jenkins`.
    pub provider: &'static str,
    /// How the call ended.
    pub outcome: Outcome,
    /// The process exit code; null while the build is followed.
    pub exit_code: Option<ExitCode>,
    /// Whether a build that was already there was taken over instead of starting one.
    pub adopted: bool,
    /// The build, once its id is known.
    pub build: Option<Build>,
    /// Why the build did not succeed.
    pub failure: Option<BuildFailure>,
    /// The build's steps, in order.
    pub steps: Vec<Step>,
    /// The build's artifacts.
    pub artifacts: Vec<Artifact>,
    /// The error of the call itself.
    pub error: Option<CallError>,
    /// Seconds after which another look at a build that goes on is worth while (`wait --once`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_look_seconds: Option<u64>,
    /// The request that `--dry-run` did not send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<serde_json::Value>,
    /// What single commands add at the top level: `tests`, `links`, `logs`, `apps`, `workflows`, `caches`.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// The document of a call about several builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Several {
    /// [`SCHEMA`].
    pub schema: u8,
    /// `codemagic` or `jenkins`.
    pub provider: &'static str,
    /// The worst outcome.
    pub outcome: Outcome,
    /// The process exit code; null while builds are followed.
    pub exit_code: Option<ExitCode>,
    /// A document for each build, in the order of the command line.
    pub builds: Vec<Document>,
    /// The error of the call itself.
    pub error: Option<CallError>,
}

/// How bad an end is when several builds are followed: the worst one is the call's.
pub fn severity(code: ExitCode) -> u8 {
    match code {
        ExitCode::Success => 0,
        ExitCode::Unstable => 1,
        ExitCode::Skipped => 2,
        ExitCode::Canceled => 3,
        ExitCode::TimedOut => 4,
        ExitCode::WrongCommit => 5,
        ExitCode::Failed => 6,
        ExitCode::Interrupted | ExitCode::Terminated => 8,
        _ => 7,
    }
}

impl Document {
    /// A document of a call that knows no build yet.
    pub fn new(provider: &'static str) -> Self {
        Self {
            schema: SCHEMA,
            provider,
            outcome: Outcome::Running,
            exit_code: None,
            adopted: false,
            build: None,
            failure: None,
            steps: Vec::new(),
            artifacts: Vec::new(),
            error: None,
            next_look_seconds: None,
            request: None,
            more: serde_json::Map::new(),
        }
    }

    /// Notes the end of the call.
    pub fn end(&mut self, outcome: Outcome, code: ExitCode) {
        self.outcome = outcome;
        self.exit_code = Some(code);
    }

    /// Notes the failure that ended the call.
    pub fn fail(&mut self, failure: &Error) {
        self.end(Outcome::of(failure.code()), failure.code());
        self.error = Some(failure.into());
    }
}
