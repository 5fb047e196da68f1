//! Polling: the state of a build from its queue item to its end, and what is noticed on the way.

use std::time::Duration;

use super::build::BuildView;
use super::client::Client;
use super::input::{Answer, InputValues, OnInput, Question};
use super::queue::{QueueState, Recovery, forgotten};
use super::reference::{BuildName, BuildRef};
use super::watched_build::WatchedBuild;
use crate::error::{Error, ExitCode, RequestError};
use crate::model::{Build, BuildSnapshot, Phase};

/// How long a build may be neither in progress nor have a result: it is being created, or comes back after a restart.
const LONGEST_IDLE: Duration = Duration::from_secs(120);

/// A shorter estimate is of no use to a person who waits.
const SHORTEST_ESTIMATE: Duration = Duration::from_secs(10);

/// How often the queue is searched for a `node` step of a running Pipeline, and the age from which on. Sooner than that
/// every `node` step is in the queue for a moment.
const AGENT_CHECK: Duration = Duration::from_secs(10);
const FIRST_AGENT_CHECK: Duration = Duration::from_secs(4);

/// Polls in a row that find neither a queue item nor its build until it counts as lost: a controller that has just
/// been restarted may not have loaded everything.
const GONE_POLLS: u32 = 3;

/// States that Jenkins has no words for: of a queue item that was lost, and of a build that nothing works on.
pub(super) const LOST_IN_RESTART: &str = "lost in a restart";
pub(super) const GONE: &str = "gone";
pub(super) const LOST: &str = "lost";

/// What a queue item is by now.
pub(super) enum Item {
    /// It became this build.
    Build(BuildRef),
    /// It is an item still, or one that became no build.
    Queued(Box<BuildSnapshot>),
}

impl Client {
    /// What the queue item of a watched build is by now.
    pub(super) fn follow_item(&self, id: u64, build: &mut WatchedBuild) -> Result<Item, RequestError> {
        build.queue_polls += 1;
        let Some(item) = self.queue_item(id)? else { return self.recover_build(id, build) };
        build.gone_polls = 0;
        if let Some(job) = item.job {
            build.job.get_or_insert(job);
        }
        // The item of a `node` step belongs to a build that is running already.
        let started = item.waiting_build.map_or(item.state, QueueState::Started);
        let waited = (item.since > 0).then(|| self.controller_time().saturating_sub(item.since) / 1000);
        Ok(match started {
            QueueState::Started(found) => {
                let found = build.of_own_job(&found);
                build.job = Some(found.job.clone());
                Item::Build(found)
            }
            QueueState::Canceled => self.queued(id, "canceled in the queue", Phase::Ended(ExitCode::Canceled), waited),
            QueueState::Leaving => self.queued(id, "starting", Phase::Queued, waited),
            QueueState::Waiting => {
                if let Some(why) = item.why {
                    let stuck = if item.stuck { " (Jenkins reports it as stuck)" } else { "" };
                    build.note_reason(&why, format!("waiting in the queue: {why}{stuck}"));
                }
                self.queued(id, "queued", Phase::Queued, waited)
            }
        })
    }

    fn queued(&self, id: u64, status: &str, phase: Phase, queued_seconds: Option<u64>) -> Item {
        let build = Build {
            title: format!("Jenkins queue item {id}"),
            id: format!("queue/item/{id}"),
            url: self.page(&format!("/queue/item/{id}/")),
            status: status.to_owned(),
            queued_seconds,
            ..Build::default()
        };
        Item::Queued(Box::new(BuildSnapshot { build, phase, known: true, artifacts: Vec::new() }))
    }

    /// The item is gone: five minutes after it left, or with a restart. The build still has its id.
    fn recover_build(&self, id: u64, build: &mut WatchedBuild) -> Result<Item, RequestError> {
        let Some(job) = &build.job else { return Err(RequestError::permanent(forgotten(id))) };
        match self.recover(job, id, build.oldest)? {
            Recovery::Build(found) => {
                build.notes.push(format!("queue item {id} is gone; found its build by the item's id"));
                Ok(Item::Build(found))
            }
            Recovery::Queued => Ok(self.queued(id, "queued", Phase::Queued, None)),
            Recovery::Gone => {
                build.gone_polls += 1;
                if build.gone_polls >= GONE_POLLS {
                    let status = if build.was_restarted { LOST_IN_RESTART } else { GONE };
                    return Ok(self.queued(id, status, Phase::Ended(ExitCode::NotFound), None));
                }
                let subject = format!("queue item {id} of job {job}");
                let error = Error::new(ExitCode::NotFound, subject, "neither in the queue nor known as a build");
                Err(RequestError { error, retryable: true, retry_after: None })
            }
        }
    }

    /// Notices a restart of the controller, which changes its session.
    pub(super) fn note_restart(&self, build: &mut WatchedBuild) {
        let now = self.session();
        if let (Some(before), Some(now)) = (&build.session, &now)
            && before != now
        {
            build.was_restarted = true;
            build.notes.push("the controller was restarted while waiting".to_owned());
        }
        build.session = now.or(build.session.take());
    }

    /// The build, or the queue item that it still is, as it is now. What it asks is reported or answered.
    pub(super) fn poll(&self, build: &mut WatchedBuild, on_input: OnInput) -> Result<BuildSnapshot, RequestError> {
        let found = match (&build.build, &build.job, &build.name, build.queue_id) {
            (Some(known), ..) => known.clone(),
            (None, Some(job), Some(name), _) => self.build(job, name)?.build,
            (None, .., Some(id)) => match self.follow_item(id, build)? {
                Item::Build(found) => found,
                Item::Queued(snapshot) => return Ok(*snapshot),
            },
            (None, ..) => return Err(RequestError::permanent(Error::message(ExitCode::Usage, "missing build"))),
        };
        let view = self.build(&found.job, &BuildName::Number(found.number))?;
        build.was_just_found = build.build.replace(found.clone()).is_none() && build.queue_id.is_some();
        if build.was_just_found {
            build.notes.push(format!("Jenkins build {found}: {}", view.snapshot.build.url));
        }
        if let Some(text) = build.description.take()
            && let Err(failed) = self.describe(&found, &text)
        {
            build.notes.push(format!("the cause could not be written on the build's page: {}", failed.error));
        }
        build.is_pipeline = view.is_pipeline;
        build.run = view.snapshot.build.run_seconds.map(Duration::from_secs);
        let ended = matches!(view.snapshot.phase, Phase::Ended(_));
        build.estimate = view.estimate.filter(|estimate| !ended && *estimate >= SHORTEST_ESTIMATE);
        for question in &view.questions {
            self.handle_question(&found, question, on_input, build);
        }
        let is_lost = self.is_lost(&view, build);
        let mut snapshot = view.snapshot;
        if is_lost {
            LOST.clone_into(&mut snapshot.build.status);
            (snapshot.phase, snapshot.known) = (Phase::Ended(ExitCode::Failed), false);
        } else if !ended && view.questions.is_empty() {
            self.check_agent(&found, &mut snapshot, build);
        }
        Ok(snapshot)
    }

    /// Whether a build has been without a result and without anything that works on it for too long.
    fn is_lost(&self, view: &BuildView, build: &mut WatchedBuild) -> bool {
        if !view.is_idle {
            build.idle_since = None;
            return false;
        }
        let now = self.clock.now();
        now.since(*build.idle_since.get_or_insert(now)) >= LONGEST_IDLE
    }

    /// Reports that a running Pipeline waits for an agent. While it occupies no executor at all it counts as queued.
    fn check_agent(&self, found: &BuildRef, snapshot: &mut BuildSnapshot, build: &mut WatchedBuild) {
        let now = self.clock.now();
        let is_due = build.agent_checked.is_none_or(|at| now.since(at) >= AGENT_CHECK) || build.waits_for_agent;
        if !build.is_pipeline || build.run.unwrap_or_default() < FIRST_AGENT_CHECK || !is_due {
            return;
        }
        build.agent_checked = Some(now);
        // Without an answer nothing is known, and nothing changes.
        let Ok(wait) = self.agent_wait(found) else { return };
        build.waits_for_agent = wait.is_some();
        let Some(wait) = wait else { return };
        if !wait.why.is_empty() {
            build.note_reason(&wait.why, format!("waiting for an agent: {}", wait.why));
        }
        if wait.is_idle {
            snapshot.phase = Phase::Queued;
            "waiting for an agent".clone_into(&mut snapshot.build.status);
            snapshot.build.run_seconds = None;
            snapshot.build.queued_seconds = Some(wait.waited / 1000);
        }
    }

    /// Reports or answers what a build asks. That it cannot be answered is no reason to stop waiting: others may.
    fn handle_question(&self, found: &BuildRef, question: &Question, on_input: OnInput, build: &mut WatchedBuild) {
        if build.asked.contains(&question.id) {
            return;
        }
        build.asked.push(question.id.clone());
        let who = question.submitter.as_ref().map(|names| format!(", to be answered by {names}")).unwrap_or_default();
        let asks = format!("asks {:?} (input {}{who})", question.message, question.id);
        let how = format!("`cibridge jenkins input {found} {} --proceed` answers it", question.id);
        let note = match on_input {
            OnInput::Wait => format!("the build {asks}; waiting for an answer: {how}"),
            OnInput::Fail => {
                build.halted = Some(asks);
                return;
            }
            OnInput::Proceed | OnInput::Abort => match self.answer(found, question, on_input) {
                Ok(word) => format!("the build {asks}; answered: {word}"),
                Err(error) => {
                    format!("the build {asks}; could not be answered: {}; waiting for somebody else", error.reason())
                }
            },
        };
        build.notes.push(note);
    }

    fn answer(&self, found: &BuildRef, question: &Question, on_input: OnInput) -> Result<&'static str, Error> {
        let id = &question.id;
        if on_input == OnInput::Abort {
            return self.answer_input(found, id, Answer::Abort).map(|()| "abort");
        }
        let known = self.with_retries(|| self.input_parameters(found, question))?;
        let values = InputValues::new(known.as_deref(), Vec::new(), &format!("input {id}"))?;
        self.answer_input(found, id, Answer::Proceed(&values)).map(|()| "proceed")
    }
}
