//! The exit codes and the one failure type that carries them.
//!
//! Plain data: this module must know no HTTP, no provider and no output.

use std::time::Duration;
use std::{fmt, io};

use serde::{Serialize, Serializer};

/// The process exit codes, a stable interface (README, "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Accepted without `--wait`, or the remote build succeeded.
    Success = 0,
    /// The remote build failed, its own time limit included.
    Failed = 1,
    /// The command line or the request is wrong.
    Usage = 2,
    /// The remote build is unstable: Jenkins `UNSTABLE`, Codemagic `warning`.
    Unstable = 3,
    /// The remote build was canceled or aborted by somebody else.
    Canceled = 4,
    /// The remote build was skipped or not built.
    Skipped = 5,
    /// Our own time limit passed.
    TimedOut = 6,
    /// The build is of another commit than the expected one.
    WrongCommit = 7,
    /// Credentials refused or a permission missing.
    Denied = 10,
    /// Not found, or hidden from these credentials.
    NotFound = 11,
    /// The service refused the request as it is.
    Refused = 12,
    /// The service is unavailable or rate-limited after all retries.
    Unavailable = 13,
    /// No connection: DNS, TCP, TLS or proxy.
    NoConnection = 14,
    /// A start may have been accepted and was not repeated.
    Unknown = 15,
    /// A local fault: disk, permissions, result file.
    Local = 16,
    /// A bug in cibridge: a panic was caught, and the remote build was canceled as after SIGTERM.
    InternalError = 70,
    /// Ended by SIGINT after the remote build was canceled.
    Interrupted = 130,
    /// Ended by SIGTERM after the remote build was canceled.
    Terminated = 143,
}

impl ExitCode {
    /// The number that the process ends with.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
impl schemars::JsonSchema for ExitCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExitCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A process exit code (README, \"Exit codes\").",
            "enum": [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 70, 130, 143],
        })
    }
}

impl Serialize for ExitCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// Why a call ended without success: what failed, why, and what to do about it.
///
/// Shown as `cibridge: error: SUBJECT: REASON`, or as the reason alone where there is no subject. Both are one clause in
/// lower case without a period, and neither may hold a secret.
///
/// The texts are boxed: nearly every function returns this type and few calls fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<ErrorInner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct ErrorInner {
    code: ExitCode,
    subject: String,
    reason: String,
    hint: Option<String>,
}

impl Error {
    /// An error about `subject`, e.g. `app 60a0…`, with the reason in the service's own words where it gave some.
    pub fn new(code: ExitCode, subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(Box::new(ErrorInner { code, subject: subject.into(), reason: reason.into(), hint: None }))
    }

    /// An error whose message needs no subject, e.g. `missing app ID`.
    pub fn message(code: ExitCode, message: impl Into<String>) -> Self {
        Self::new(code, "", message)
    }

    /// A wrong command line or request, with what is wrong in it as the subject: exit code 2.
    pub fn usage(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, subject, reason)
    }

    /// A file, a folder or a stream of this machine that cannot be used: exit code 16, the system's words and what to do.
    pub fn local(subject: impl Into<String>, error: &io::Error) -> Self {
        Self::new(ExitCode::Local, subject, system_reason(error)).with_optional_hint(system_hint(error))
    }

    /// Sets what the reader can do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the hint, or none.
    pub fn with_optional_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.0.hint = hint.map(Into::into);
        self
    }

    /// Replaces the reason.
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = reason.into();
        self
    }

    /// Replaces code and reason, keeps the subject and clears the hint.
    pub fn with_code(mut self, code: ExitCode, reason: impl Into<String>) -> Self {
        let subject = std::mem::take(&mut self.0.subject);
        Self::new(code, subject, reason)
    }

    /// The error of a change that was sent and whose answer was lost: code 15.
    pub fn perhaps_done(self) -> Self {
        let reason = format!("{}; the request may have been carried out", self.reason());
        self.with_code(ExitCode::Unknown, reason).with_hint("check on the service before you send it again")
    }

    /// The exit code of the call that this error ends.
    pub fn code(&self) -> ExitCode {
        self.0.code
    }

    /// What failed; empty where the reason says it.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Why it failed.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

/// The system's words without the number of the error, and without the temporary file that tempfile adds
/// (`ERROR at path "NAME"`): nobody gave that name.
pub fn system_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = [" (os error ", " at path "].iter().filter_map(|mark| text.find(mark)).min();
    text[..end.unwrap_or(text.len())].to_owned()
}

/// Whether this process has too few file descriptors or threads. That may pass.
pub fn is_shortage(error: &io::Error) -> bool {
    is_out_of_files(error) || is_out_of_threads(error)
}

/// ENFILE and EMFILE, on Windows `ERROR_TOO_MANY_OPEN_FILES`. The standard library has no kind for them, each C library has
/// words of its own, and tempfile keeps the number in its text alone.
fn is_out_of_files(error: &io::Error) -> bool {
    let numbers: &[&str] = if cfg!(windows) { &["(os error 4)"] } else { &["(os error 23)", "(os error 24)"] };
    let text = error.to_string();
    numbers.iter().any(|number| text.contains(number))
}

/// EAGAIN: of a file or a socket it never arrives here, because none of ours is non-blocking.
fn is_out_of_threads(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// What to do about a fault of this machine. Nothing that does harm: no `chmod`.
fn system_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space (df -h) or inodes (df -i), or choose a folder on another disk")
        }
        io::ErrorKind::NotFound => Some("check the path: folders on the way to a file are not created"),
        io::ErrorKind::ReadOnlyFilesystem => Some("choose a folder on a disk that is not mounted read-only"),
        io::ErrorKind::PermissionDenied => Some("check the owner and the permissions of the file and its folder"),
        io::ErrorKind::FileTooLarge => Some("raise the limit of the size of files: ulimit -f"),
        io::ErrorKind::InvalidFilename => Some("choose a shorter name"),
        _ if is_out_of_files(error) => Some("raise the limit of open files: ulimit -n"),
        _ if is_out_of_threads(error) => {
            Some("raise the limit of processes and threads: ulimit -u, or that of the container")
        }
        _ => None,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subject.is_empty() {
            f.write_str(&self.0.reason)
        } else {
            write!(f, "{}: {}", self.0.subject, self.0.reason)
        }
    }
}

impl std::error::Error for Error {}

impl From<anyhow::Error> for Error {
    /// A fault of this machine, as in `fs::read(path).context(SUBJECT)?`: its context is the subject.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast_ref::<io::Error>() {
            Some(cause) => Self::local(error.to_string(), cause),
            None => Self::new(ExitCode::Local, error.to_string(), error.root_cause().to_string()),
        }
    }
}

/// A request (a poll, a search, a cancel) that failed.
#[derive(Debug, Clone)]
pub struct RequestError {
    /// What failed and why.
    pub error: Error,
    /// Whether another try may succeed.
    pub retryable: bool,
    /// How long the service asks to wait before that.
    pub retry_after: Option<Duration>,
}

impl RequestError {
    /// A failure that no other try will mend.
    pub fn permanent(error: Error) -> Self {
        Self { error, retryable: false, retry_after: None }
    }
}

impl From<Error> for RequestError {
    /// What fails before a request is sent fails again.
    fn from(error: Error) -> Self {
        Self::permanent(error)
    }
}
