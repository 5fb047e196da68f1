//! The result document of a call, a stable interface (`--json`, `--result-file`).
//!
//! Plain data.

use std::fmt::{self, Write as _};
use std::io;

use serde::{Serialize, Serializer};

use crate::error::{Error, ExitCode};
use crate::model::{Artifact, Build, BuildFailure, Step, TestCounts};

/// The result document's version.
pub const SCHEMA: u8 = 1;

/// How a call ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document {
    /// The version of this shape, see [`SCHEMA`].
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
    /// How many entries of a list of the service are left out, at least, because there are too many to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries_left_out: Option<usize>,
    /// What the verb adds.
    #[serde(flatten)]
    pub details: Option<Details>,
}

/// What a verb adds to the document: one key that no other verb has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// Test results: `tests`, and `--junit` of a wait.
    Tests(Tests),
    /// Public links to artifacts: `codemagic share`.
    Links(Vec<Link>),
    /// Logs of steps: `codemagic logs`.
    Logs(Vec<StepLogEntry>),
    /// Apps: `codemagic apps`.
    Apps(Vec<Named>),
    /// Workflows of an app: `codemagic workflows`.
    Workflows(Vec<Named>),
    /// Caches of an app: `codemagic caches`.
    Caches(Vec<Cache>),
    /// Jobs of a folder: `jenkins jobs`.
    Jobs(Vec<Job>),
    /// Waiting items: `jenkins queue`.
    Queue(Vec<QueueItem>),
    /// Pending input steps: `jenkins input`.
    Inputs(Vec<Input>),
    /// Parameters of a job: `jenkins params`.
    Parameters(Vec<Parameter>),
    /// The configuration of a job, as XML: `jenkins config`.
    Config(#[cfg_attr(test, schemars(with = "String"))] LongText),
    /// The API token that was created; never its secret: `jenkins token`.
    Token(ApiToken),
    /// What was checked: `check`.
    Checks(Vec<Check>),
    /// The service's answer: `api`.
    Response(ApiResponse),
}

/// Test results of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tests {
    /// How many tests ended how.
    #[serde(flatten)]
    pub counts: TestCounts,
    /// The tests that failed or broke.
    pub failures: Vec<FailedTest>,
    /// How many more failed or broke, where they are too many to list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures_left_out: Option<u64>,
    /// The file of test results that was written.
    pub junit: Option<String>,
}

/// A test that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FailedTest {
    /// The suite or class.
    pub suite: String,
    /// The test.
    pub name: String,
    /// What it reported.
    pub message: Option<String>,
}

/// A link to an artifact that anyone may open until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Link {
    /// The artifact's name.
    pub name: String,
    /// The artifact's type, e.g. `ipa`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The link.
    pub url: String,
    /// When it expires (RFC 3339), as the service set it.
    pub expires_at: Option<String>,
    /// The image of its QR code, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qr_path: Option<String>,
}

/// A step's log that was printed or saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepLogEntry {
    /// The step's name.
    pub step: String,
    /// The step's state, in the provider's word.
    pub status: Option<String>,
    /// Bytes of the log as the service sent it.
    pub bytes: u64,
    /// The file that holds it.
    pub path: Option<String>,
}

/// Something with an id and maybe a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Named {
    /// The id.
    pub id: String,
    /// The name that people see.
    pub name: Option<String>,
}

/// A build cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cache {
    /// The id.
    pub id: String,
    /// The workflow that filled it.
    pub workflow_id: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// When a build last used it, in the service's own form.
    pub last_used: Option<String>,
}

/// A job or folder of a Jenkins controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(clippy::struct_field_names, reason = "a key of the document, which `jenkins jobs` lists")]
pub struct Job {
    /// Its path, e.g. `team/app`.
    pub job: String,
    /// Whether it holds other jobs.
    pub is_folder: bool,
    /// The state of its last build.
    pub status: String,
    /// The number of its last build.
    pub last_build: Option<u64>,
    /// When that started, in milliseconds since 1970.
    pub last_started: Option<u64>,
}

/// An item of the Jenkins queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QueueItem {
    /// The id.
    pub id: u64,
    /// The job's path, where these credentials see it.
    pub job: Option<String>,
    /// When it entered the queue, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Why it waits, in Jenkins' words.
    pub why: Option<String>,
    /// Whether Jenkins thinks that it waits for too long.
    pub stuck: bool,
}

/// A Pipeline's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Input {
    /// The id.
    pub id: String,
    /// The question.
    pub message: String,
    /// Who may answer; nobody named is everybody.
    pub submitter: Option<String>,
    /// What can be given with the answer.
    pub parameters: Vec<InputParameter>,
}

/// A parameter of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InputParameter {
    /// Its name.
    pub name: String,
    /// What counts if it is not given.
    pub default: serde_json::Value,
}

/// A parameter of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Jenkins' name of its type, e.g. `StringParameterDefinition`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it means.
    pub description: Option<String>,
    /// What counts if it is not given.
    pub default: Option<String>,
    /// The values that it can have, where there is a list.
    pub choices: Option<Vec<String>>,
}

/// An API token of a Jenkins user, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApiToken {
    /// Its name.
    pub name: String,
    /// What revokes it.
    pub uuid: String,
    /// The day until which it is valid.
    pub expires: Option<String>,
}

/// One thing that `check` checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// What was checked, in one word.
    pub name: &'static str,
    /// What came of it.
    pub state: CheckState,
    /// What was found, in words.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Failed,
    /// Not checked, because it was not asked for or could not be.
    Skipped,
}

/// The answer to `api`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body: JSON where it is that, else a text.
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    pub body: Body,
}

/// What may be megabytes, as a service sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(pub Vec<u8>);

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serde_json::Deserializer::from_slice(&self.0);
        let copied = serde_transcode::transcode(&mut json, &mut serde_json::Serializer::new(io::sink()));
        if copied.and_then(|()| json.end()).is_err() {
            return LongText(&self.0).serialize(serializer);
        }
        serde_transcode::transcode(&mut serde_json::Deserializer::from_slice(&self.0), serializer)
    }
}

/// A text that may be megabytes, and that need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongText<B = Vec<u8>>(pub B);

impl<B: AsRef<[u8]>> Serialize for LongText<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<B: AsRef<[u8]>> fmt::Display for LongText<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().utf8_chunks().try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            if chunk.invalid().is_empty() { Ok(()) } else { f.write_char(char::REPLACEMENT_CHARACTER) }
        })
    }
}

/// The document of a call about several builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Several<'a> {
    /// The version of this shape, see [`SCHEMA`].
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
    pub builds: &'a [Document],
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
            entries_left_out: None,
            details: None,
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
