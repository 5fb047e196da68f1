//! Stopping builds: quickly when the process is to end, else until they have ended.

use std::time::Duration;

use super::client::Client;
use super::queue::{QueueState, Recovery};
use super::reference::{BuildName, BuildRef};
use super::watched_build::WatchedBuild;
use crate::clock;
use crate::error::{Error, ExitCode, RequestError};
use crate::lifecycle::Canceled;
use crate::model::Phase;

/// How long a build may be in creation when it is to be stopped, and the pause between two polls for it.
const CREATION: Duration = Duration::from_secs(2);
const CREATION_PAUSE: Duration = Duration::from_millis(200);

/// How often a Pipeline that ignores a stop is asked again when a signal ends the process: for longer than one takes to
/// be created.
const REPEATED_STOPS: u32 = 6;

/// How hard a build is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopAction {
    /// Interrupts it; it may clean up.
    Stop,
    /// Ends the running steps of a Pipeline (`WorkflowRun#doTerm`).
    Term,
    /// Ends a Pipeline without any clean-up; its processes may keep running (`WorkflowRun#doKill`).
    Kill,
}

impl StopAction {
    /// The name of the action in Jenkins' addresses.
    fn verb(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Term => "term",
            Self::Kill => "kill",
        }
    }
}

impl Client {
    /// Asks Jenkins to end a build. One that has ended is no error.
    fn stop_build(&self, build: &BuildRef, action: StopAction) -> Result<(), RequestError> {
        let path = format!("{}/{}", build.path(), action.verb());
        self.act(&format!("build {build}"), &path, None).map(drop)
    }

    /// The build that is to be stopped, found by its queue item where its number is not known. One that is just being
    /// created is waited for, because there is no other chance to stop it.
    pub(super) fn build_to_stop(&self, build: &WatchedBuild) -> Result<Option<BuildRef>, RequestError> {
        if let Some(known) = &build.build {
            return Ok(Some(known.clone()));
        }
        if let (Some(job), Some(name)) = (&build.job, &build.name) {
            return Ok(Some(self.build(job, name)?.build));
        }
        let Some(id) = build.queue_id else { return Ok(None) };
        let until = self.clock.now() + CREATION;
        loop {
            let Some(item) = self.queue_item(id)? else {
                let Some(job) = &build.job else { return Ok(None) };
                return Ok(match self.recover(job, id, build.oldest)? {
                    Recovery::Build(found) => Some(found),
                    Recovery::Queued | Recovery::Gone => None,
                });
            };
            match item.state {
                QueueState::Started(found) => {
                    return Ok(Some(build.of_own_job(&found)));
                }
                QueueState::Leaving if self.clock.now() < until => clock::wait(CREATION_PAUSE),
                _ => return Ok(None),
            }
        }
    }

    /// Asks to stop, and checks that it took effect: a Pipeline that is just being created accepts a stop and ignores it.
    pub(super) fn stop_quickly(&self, found: &BuildRef) -> Result<Canceled, RequestError> {
        self.stop_build(found, StopAction::Stop)?;
        for _ in 0..REPEATED_STOPS {
            match self.build(&found.job, &BuildName::Number(found.number)) {
                Ok(seen) if seen.is_pipeline && seen.is_undisturbed => clock::wait(CREATION_PAUSE),
                _ => return Ok(Canceled::Canceled("stopped".to_owned())),
            }
            self.stop_build(found, StopAction::Stop)?;
        }
        let error = Error::new(ExitCode::TimedOut, format!("build {found}"), "it did not react to the stop request");
        Err(RequestError { error, retryable: true, retry_after: None })
    }

    /// Stops a build: stop, then for a Pipeline term and kill, each followed by a wait for the end.
    pub(super) fn stop_thoroughly(
        &self,
        found: &BuildRef,
        patience: Duration,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Canceled, Error> {
        let first = self.with_retries(|| self.build(&found.job, &BuildName::Number(found.number)))?;
        if matches!(first.snapshot.phase, Phase::Ended(_)) {
            return Ok(Canceled::AlreadyEnded(first.snapshot.build.status));
        }
        let actions: &[StopAction] = if first.is_pipeline {
            &[StopAction::Stop, StopAction::Term, StopAction::Kill]
        } else {
            &[StopAction::Stop]
        };
        for action in actions.iter().copied() {
            if action != StopAction::Stop {
                progress(&format!("Jenkins build {found} does not end; sending {}", action.verb()));
            }
            self.with_retries(|| self.stop_build(found, action))?;
            if let Some(status) = self.wait_for_end(found, action, patience)? {
                return Ok(Canceled::Canceled(match action {
                    StopAction::Stop => format!("stopped ({status})"),
                    StopAction::Term => format!("stopped by term ({status})"),
                    StopAction::Kill => format!("stopped by kill ({status}); its processes may still be running"),
                }));
            }
            if self.clock.interrupted().is_some() {
                break;
            }
        }
        Err(Error::new(ExitCode::TimedOut, format!("build {found}"), "it was asked to stop and has not ended")
            .with_hint("see its page; Jenkins does not kill a process on an agent that ignores SIGTERM"))
    }

    /// Waits for at most `patience` until a build has ended after `action`; gives its status then.
    fn wait_for_end(&self, found: &BuildRef, action: StopAction, patience: Duration) -> Result<Option<String>, Error> {
        let until = self.clock.now() + patience;
        let mut pause = Duration::from_millis(250);
        loop {
            self.clock.sleep(pause.min(until.since(self.clock.now())));
            let view = self.with_retries(|| self.build(&found.job, &BuildName::Number(found.number)))?;
            if matches!(view.snapshot.phase, Phase::Ended(_)) {
                return Ok(Some(view.snapshot.build.status));
            }
            if self.clock.now() >= until || self.clock.interrupted().is_some() {
                return Ok(None);
            }
            if action == StopAction::Stop && view.is_pipeline && view.is_undisturbed {
                // It ignored the stop, because it is just being created.
                self.with_retries(|| self.stop_build(found, action))?;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}
