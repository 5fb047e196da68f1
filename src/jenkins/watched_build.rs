//! What a watch knows of a build, from its queue item on. Plain data: no request.

use std::time::Duration;

use super::console::LogPosition;
use super::reference::{BuildName, BuildRef, JobRef};
use crate::clock::Timestamp;

/// A build that is watched, with what was learned of it.
#[derive(Debug, Default)]
pub struct WatchedBuild {
    pub(super) job: Option<JobRef>,
    pub(super) queue_id: Option<u64>,
    pub(super) name: Option<BuildName>,
    pub(super) build: Option<BuildRef>,
    /// The number that the build has at least; 0 when that is not known.
    pub(super) oldest: u64,
    pub(super) is_pipeline: bool,
    pub(super) log: LogPosition,
    /// A text for the build's page, until it was written there.
    pub(super) description: Option<String>,
    /// Why the program gives up on a build that would keep waiting.
    pub(super) halted: Option<String>,
    /// Jenkins' session of the newest answer; it changes with a restart.
    pub(super) session: Option<String>,
    pub(super) was_restarted: bool,
    pub(super) notes: Vec<String>,
    /// Why it waits in the queue or for an agent, as it was reported last, without its numbers.
    pub(super) reason: String,
    pub(super) queue_polls: usize,
    /// Polls in a row that found neither the item nor its build.
    pub(super) gone_polls: u32,
    /// Questions that were reported or answered.
    pub(super) asked: Vec<String>,
    pub(super) estimate: Option<Duration>,
    pub(super) run: Option<Duration>,
    pub(super) idle_since: Option<Timestamp>,
    pub(super) agent_checked: Option<Timestamp>,
    pub(super) waits_for_agent: bool,
    /// The newest poll found the build behind its queue item.
    pub(super) was_just_found: bool,
}

impl WatchedBuild {
    /// Reads the log from this byte of the stored log on.
    pub fn set_log_offset(&mut self, offset: u64) {
        self.log = LogPosition::at(offset);
    }

    /// The build itself, once its number is known.
    pub fn build_ref(&self) -> Option<&BuildRef> {
        self.build.as_ref()
    }

    /// The build's name in a sentence.
    pub(super) fn title(&self) -> String {
        match (&self.build, self.queue_id, &self.job, &self.name) {
            (Some(build), ..) => format!("Jenkins build {build}"),
            (None, Some(id), ..) => format!("Jenkins queue item {id}"),
            (None, None, Some(job), Some(name)) => format!("Jenkins build {job}#{name}"),
            _ => "the Jenkins build".to_owned(),
        }
    }

    /// The build that an item became, with the job of the call where it is the same one: the address in an item may begin
    /// with folders that cannot be reached from here.
    pub(super) fn of_own_job(&self, found: &BuildRef) -> BuildRef {
        let own = self.job.as_ref().filter(|job| job.name() == found.job.name());
        own.unwrap_or(&found.job).build(found.number)
    }

    /// Notes why it waits, unless that was noted before.
    pub(super) fn note_reason(&mut self, why: &str, note: String) {
        // "Expires in 4.9 sec" is another text each time.
        let reason = why.replace(|c: char| c.is_ascii_digit() || c == '.', "");
        if reason != self.reason {
            self.notes.push(note);
            self.reason = reason;
        }
    }
}
