//! Builds, steps, artifacts and tests as both providers have them, and what is noticed while they are watched.
//!
//! Plain data.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::error::ExitCode;

/// A remote build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Build {
    /// The build's name in a sentence: `Codemagic build 12`, `Jenkins build team/app#7`, `Jenkins queue item 5`.
    pub title: String,
    /// The provider's id.
    pub id: String,
    /// The build's number within its app or job.
    pub number: Option<u64>,
    /// The build's page; null while it is not known.
    #[serde(serialize_with = "null_if_empty")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub url: String,
    /// The provider's own word for the state, e.g. `building`; null before the build was polled.
    #[serde(serialize_with = "null_if_empty")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
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
    /// When it was created (RFC 3339).
    pub created_at: Option<String>,
    /// Seconds between creation and start.
    pub queued_seconds: Option<u64>,
    /// Seconds between start and end.
    pub run_seconds: Option<u64>,
}

/// A text that is empty while it is not known.
fn null_if_empty<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(serializer)
}

/// Where a build stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for a machine.
    Queued,
    /// It runs.
    Running,
    /// It ended, with the exit code that its end means.
    Ended(ExitCode),
}

/// A build as it was seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSnapshot {
    /// The build.
    pub build: Build,
    /// Where it stands.
    pub phase: Phase,
    /// Whether the program knows the provider's word for the state.
    pub known: bool,
    /// The artifacts that it has so far.
    pub artifacts: Vec<Artifact>,
}

/// What is noticed while a build is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The state has another name now; `known` is false for a word that the program does not know.
    Status { status: String, known: bool },
    /// A step began or ended.
    Step(Step),
    /// The commit that is built became known.
    Commit(String),
    /// How long such builds usually run became known.
    UsualDuration(Duration),
    /// Nothing changed for a while.
    Heartbeat { running: bool, step: Option<String>, age: Duration, usual: Option<Duration> },
    /// Something that only this provider knows, in words.
    Note(String),
    /// A poll failed and is repeated after a pause.
    PollFailed { why: String, again: Duration },
}

/// What is noticed while files are downloaded.
#[derive(Debug, Clone, PartialEq)]
pub enum DownloadEvent {
    /// How far all files together are.
    Progress(DownloadProgress),
    /// An attempt ended with `got` bytes received, and is repeated or resumed after a pause.
    Retry { why: String, again: Duration, got: u64 },
    /// A file is complete.
    Saved { path: PathBuf, bytes: u64 },
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DownloadProgress {
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

impl DownloadProgress {
    /// The time that the rest takes at this rate.
    pub fn left(&self) -> Option<Duration> {
        let rest = self.total?.saturating_sub(self.bytes);
        (self.rate >= 1.0).then(|| Duration::from_secs_f64((rest as f64 / self.rate).min(1e9)))
    }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestStatus {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// Broken, so that it has no result.
    Errored,
    /// Not run.
    Skipped,
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestCounts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that have no result because they broke.
    pub errored: u64,
    /// Tests that were not run.
    pub skipped: u64,
}

impl TestCounts {
    /// The counts of these tests.
    pub fn of(cases: impl IntoIterator<Item = TestCase>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            *match case.status {
                TestStatus::Passed => &mut counts.passed,
                TestStatus::Failed => &mut counts.failed,
                TestStatus::Errored => &mut counts.errored,
                TestStatus::Skipped => &mut counts.skipped,
            } += 1;
        }
        counts
    }

    /// Adds other counts.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.errored += other.errored;
        self.skipped += other.skipped;
    }

    /// All tests.
    pub fn total(&self) -> u64 {
        self.passed.saturating_add(self.failed).saturating_add(self.errored).saturating_add(self.skipped)
    }
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
    /// What was said about a bad end, or why it was skipped.
    pub message: Option<String>,
    /// How long it took.
    pub took: Option<Duration>,
}

/// Tests of one file or class.
pub struct TestSuite<'a> {
    /// Its name.
    pub name: String,
    /// What it belongs to, e.g. the build's step that ran it.
    pub group: String,
    /// When it was run, as `YYYY-MM-DDThh:mm:ss`.
    pub at: Option<String>,
    /// Gives its tests, one at a time: there may be a hundred thousand.
    pub cases: Box<dyn Fn() -> Box<dyn Iterator<Item = TestCase> + 'a> + 'a>,
}

/// Why a build did not succeed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
