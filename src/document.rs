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
    /// The build is still running; seen in the result file of a process that still waits for it, or was killed.
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
    /// A fault of this machine.
    LocalFault,
    /// A wrong command line or request.
    UsageError,
    /// A bug in cibridge.
    InternalError,
    /// A signal ended the process.
    Interrupted,
}

impl Outcome {
    /// The outcome in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::DryRun => "nothing was sent (dry run)",
            Self::Running => "still running",
            Self::Success => "done",
            Self::Failed => "failed",
            Self::Unstable => "unstable",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::TimedOut => "timed out",
            Self::WrongCommit => "wrong commit",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::LocalFault => "local fault",
            Self::UsageError => "usage error",
            Self::InternalError => "internal error",
            Self::Interrupted => "interrupted",
        }
    }

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
            ExitCode::Local => Self::LocalFault,
            ExitCode::Usage => Self::UsageError,
            ExitCode::InternalError => Self::InternalError,
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
    /// The process exit code; null while the build is waited for.
    pub exit_code: Option<ExitCode>,
    /// How bad the end is, for finding the worst of several: 0 is success. Null while there is no end.
    pub severity: Option<u8>,
    /// Whether the call itself failed, so that nothing is known about the end of the build, or less than was asked for.
    /// Null while there is no end.
    pub call_failed: Option<bool>,
    /// The end in one line for people. Null while there is no end.
    pub summary: Option<String>,
    /// Whether a build that existed already was adopted instead of starting one.
    pub adopted: bool,
    /// Whether the remote build may still be running after this call.
    pub still_running: bool,
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
    /// Seconds after which another poll of a running build is worthwhile (`wait --once`, `trigger` without `--wait`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_poll_seconds: Option<u64>,
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
    /// The process exit code; null while builds are waited for.
    pub exit_code: Option<ExitCode>,
    /// The severity of the worst end.
    pub severity: Option<u8>,
    /// Whether the call itself failed for one of them.
    pub call_failed: Option<bool>,
    /// The worst end in one line for people.
    pub summary: Option<String>,
    /// A document for each build, in the order of the command line.
    pub builds: Vec<Document>,
    /// The error of the call itself.
    pub error: Option<CallError>,
}

/// How bad an end is when a call is about several builds: the worst one is the call's.
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

/// Whether the call failed, and not the build: no `propagate: false` may hide it.
pub const fn call_failed(code: ExitCode) -> bool {
    !matches!(
        code,
        ExitCode::Success
            | ExitCode::Failed
            | ExitCode::Unstable
            | ExitCode::Canceled
            | ExitCode::Skipped
            | ExitCode::TimedOut
            | ExitCode::WrongCommit
    )
}

impl Document {
    /// A document of a call that knows no build yet.
    pub fn new(provider: &'static str) -> Self {
        Self {
            schema: SCHEMA,
            provider,
            outcome: Outcome::Running,
            exit_code: None,
            severity: None,
            call_failed: None,
            summary: None,
            adopted: false,
            still_running: false,
            build: None,
            failure: None,
            steps: Vec::new(),
            artifacts: Vec::new(),
            error: None,
            next_poll_seconds: None,
            request: None,
            more: serde_json::Map::new(),
        }
    }

    /// Notes the end of the call.
    pub fn end(&mut self, outcome: Outcome, code: ExitCode) {
        self.outcome = outcome;
        self.exit_code = Some(code);
        self.severity = Some(severity(code));
        self.call_failed = Some(call_failed(code));
        self.summary = None;
    }

    /// Notes the failure that ended the call.
    pub fn fail(&mut self, failure: &Error) {
        self.end(Outcome::of(failure.code()), failure.code());
        self.error = Some(failure.into());
        self.summary = Some(failure.to_string());
    }
}
