//! The exit codes and the one failure type that carries them.
//!
//! Plain data: this module must know no HTTP, no provider and no output.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde::{Serialize, Serializer};

/// The process exit codes, a stable interface (README, "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Accepted without `--wait`, or the remote build succeeded.
    Success = 0,
    /// The remote build failed, its own time limit included.
    Failed = 1,
    /// The command line or the request is wrong.
    Usage = 2,
    /// The remote build is unstable: Jenkins `UNSTABLE`, Codemagic `warning`.
    Unstable = 3,
    /// The remote build was cancelled or aborted by somebody else.
    Cancelled = 4,
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
    /// Ended by SIGINT after the remote build was cancelled.
    Interrupted = 130,
    /// Ended by SIGTERM after the remote build was cancelled.
    Terminated = 143,
}

impl Code {
    /// The number that the process ends with.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// Why a call ended without success: what failed, why, and what to do about it.
///
/// `what` and `why` are lower-case fragments without a full stop, so that they read
/// `cibridge: error: WHAT: WHY`. Neither may hold a secret.
///
/// The texts stand behind a pointer: almost every function can fail and none often does, so a failure must be cheap
/// to hand on, in code as in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Box<Texts>);

/// What a [`Failure`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The exit code of this failure.
    pub code: Code,
    /// The thing that failed, e.g. `starting a build of app 60a0…`.
    pub what: String,
    /// The reason, in the service's own words where it gave some.
    pub why: String,
    /// What the reader can do, a sentence without a full stop.
    pub hint: Option<String>,
}

impl Deref for Failure {
    type Target = Texts;

    fn deref(&self) -> &Texts {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Texts {
        &mut self.0
    }
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: Code, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self(Box::new(Texts { code, what: what.into(), why: why.into(), hint: None }))
    }

    /// The same failure with what the reader can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same thing with another end: `what` stays, the code and the reason are new, the hint goes.
    pub fn turned(mut self, code: Code, why: impl Into<String>) -> Self {
        let what = std::mem::take(&mut self.what);
        Self::new(code, what, why)
    }

    /// A wrong command line or request: exit code 2.
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Code::Usage, what, why)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Failure {}

/// Why a look at something remote gave nothing.
#[derive(Debug, Clone)]
pub struct Miss {
    /// What it was.
    pub failure: Failure,
    /// Whether another try may end differently.
    pub passing: bool,
    /// How long the service asks to wait before that.
    pub asked: Option<Duration>,
}

impl Miss {
    /// A miss that no other try will mend.
    pub fn lasting(failure: Failure) -> Self {
        Self { failure, passing: false, asked: None }
    }
}
