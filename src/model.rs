//! Builds, steps and artifacts as both providers have them, and the result document.
//!
//! Plain data. The document is a stable interface (`--json`, `--result-file`; README, "The result document").

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Code, Failure};

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
    /// Somebody else cancelled the build.
    Cancelled,
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
    /// The outcome that an exit code stands for. `Code::Success` means a successful build.
    pub const fn of(code: Code) -> Self {
        match code {
            Code::Success => Self::Success,
            Code::Failed => Self::Failed,
            Code::Unstable => Self::Unstable,
            Code::Cancelled => Self::Cancelled,
            Code::Skipped => Self::Skipped,
            Code::TimedOut => Self::TimedOut,
            Code::WrongCommit => Self::WrongCommit,
            Code::Denied | Code::NotFound | Code::Refused => Self::Refused,
            Code::Unavailable | Code::NoConnection => Self::Unavailable,
            Code::Unknown => Self::Unknown,
            Code::Usage | Code::Local => Self::LocalFault,
            Code::Interrupted | Code::Terminated => Self::Interrupted,
        }
    }
}

/// A remote build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The provider's id.
    pub id: String,
    /// The build's number within its app or job.
    pub number: Option<u64>,
    /// The build's page.
    pub url: String,
    /// The provider's own word for the state, e.g. `building`.
    pub status: String,
    /// Codemagic's app id.
    pub app_id: Option<String>,
    /// Codemagic's workflow id.
    pub workflow_id: Option<String>,
    /// The branch that was built.
    pub branch: Option<String>,
    /// The tag that was built.
    pub tag: Option<String>,
    /// The commit's hash, once known.
    pub commit: Option<String>,
    /// The build's labels.
    pub labels: Vec<String>,
    /// Seconds between creation and start.
    pub queued_seconds: Option<u64>,
    /// Seconds between start and end.
    pub run_seconds: Option<u64>,
}

/// Where a build stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for a machine.
    Queued,
    /// It runs.
    Running,
    /// It ended, with the exit code that its end means.
    Ended(Code),
}

/// A build as it was seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The build.
    pub build: Build,
    /// Where it stands.
    pub phase: Phase,
    /// Whether the program knows the provider's word for the state.
    pub known: bool,
    /// The artifacts that it has so far.
    pub artifacts: Vec<Artifact>,
}

/// What is noticed while a build is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The state has another name now; `known` is false for a word that the program does not know.
    Status { status: String, known: bool },
    /// A step began or ended.
    Step(Step),
    /// The commit that is built became known.
    Commit(String),
    /// How long such builds usually run became known.
    Usual(Duration),
    /// Nothing changed for a while.
    Heartbeat { running: bool, step: Option<String>, age: Duration, usual: Option<Duration> },
    /// Something that only this provider knows, in words.
    Note(String),
    /// A look failed and is repeated after a pause.
    Miss { why: String, again: Duration },
}

/// What is noticed while files are downloaded.
#[derive(Debug, Clone, PartialEq)]
pub enum Transfer {
    /// How far all files together are.
    Progress(Progress),
    /// A try broke off with `got` bytes, and is repeated or gone on with after a pause.
    Retry { why: String, again: Duration, got: u64 },
    /// A file is complete.
    Saved { path: PathBuf, bytes: u64 },
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Files to download.
    pub files: usize,
    /// Files that are complete.
    pub complete: usize,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes of all files, where the service states the size of each.
    pub total: Option<u64>,
    /// Bytes in a second, over the last seconds.
    pub rate: f64,
}

impl Progress {
    /// The time that the rest takes at this rate.
    pub fn left(&self) -> Option<Duration> {
        let rest = self.total?.saturating_sub(self.bytes);
        (self.rate >= 1.0).then(|| Duration::from_secs_f64((rest as f64 / self.rate).min(1e9)))
    }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// Broken, so that it has no result.
    Errored,
    /// Not run.
    Skipped,
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was said about a bad end, or why it was skipped.
    pub message: Option<String>,
    /// How long it took.
    pub took: Option<Duration>,
}

/// Tests of one file or class.
#[derive(Debug, Clone, PartialEq)]
pub struct TestSuite {
    /// Its name.
    pub name: String,
    /// What it belongs to, e.g. the build's step that ran it.
    pub group: String,
    /// When it was run, as `YYYY-MM-DDThh:mm:ss`.
    pub at: Option<String>,
    /// Its tests.
    pub cases: Vec<TestCase>,
}

/// Why a build did not succeed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BuildFailure {
    /// The service's own message.
    pub message: Option<String>,
    /// The step that failed.
    pub step: Option<String>,
    /// The last lines of that step's log.
    pub log_tail: Vec<String>,
}

/// One step of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The step's name.
    pub name: String,
    /// The provider's word for its state: `success`, `failed`, `skipped`, `canceled`, `running`, `pending`.
    pub status: String,
    /// Seconds it took, or has taken so far.
    pub seconds: Option<u64>,
}

/// One artifact of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// The artifact's name.
    pub name: String,
    /// The provider's type, e.g. `ipa`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes.
    pub size: Option<u64>,
    /// Where the downloaded file lies.
    pub path: Option<String>,
    /// MD5 in hexadecimal digits, as the service states it.
    pub md5: Option<String>,
    /// SHA-256 in hexadecimal digits of the downloaded file.
    pub sha256: Option<String>,
}

/// An error of the call itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallError {
    /// `WHAT: WHY`, as on the console.
    pub message: String,
    /// What the reader can do.
    pub hint: Option<String>,
}

impl From<&Failure> for CallError {
    fn from(failure: &Failure) -> Self {
        Self { message: failure.to_string(), hint: failure.hint.clone() }
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
    pub exit_code: Option<Code>,
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
    pub exit_code: Option<Code>,
    /// A document for each build, in the order of the command line.
    pub builds: Vec<Document>,
    /// The error of the call itself.
    pub error: Option<CallError>,
}

/// How bad an end is when several builds are followed: the worst one is the call's.
pub fn severity(code: Code) -> u8 {
    match code {
        Code::Success => 0,
        Code::Unstable => 1,
        Code::Skipped => 2,
        Code::Cancelled => 3,
        Code::TimedOut => 4,
        Code::WrongCommit => 5,
        Code::Failed => 6,
        Code::Interrupted | Code::Terminated => 8,
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
    pub fn end(&mut self, outcome: Outcome, code: Code) {
        self.outcome = outcome;
        self.exit_code = Some(code);
    }

    /// Notes the failure that ended the call.
    pub fn fail(&mut self, failure: &Failure) {
        self.end(Outcome::of(failure.code), failure.code);
        self.error = Some(failure.into());
    }
}
