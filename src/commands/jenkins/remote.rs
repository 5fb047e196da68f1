//! A Jenkins build behind the watch loop: first its queue item, then the build with its log and its questions.

use std::time::Duration;

use crate::cli::OnInput;
use crate::clock::Clock;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::RateLimit;
use crate::lifecycle::old_watch as watch;
use crate::lifecycle::schedule::DurationEstimate;
use crate::model::{Build, BuildSnapshot, Phase, Step};
use crate::old_jenkins::{BuildName, Client, JobPath, Pending, Recovery, Source, State};
use crate::output::LogPrinter;

/// How long a log may stay open after its build ended, before the end is taken for granted.
const OPEN_LOG: Duration = Duration::from_secs(30);

/// How long a log that grows all the time keeps the program from looking at its build.
const DRAIN: Duration = Duration::from_secs(5);

/// How long a build may be neither in progress nor have a result: it is being made, or comes back after a restart.
const IDLE: Duration = Duration::from_secs(120);

/// A shorter estimate is no help to anybody who waits.
const WORTH_TELLING: Duration = Duration::from_secs(10);

/// A log that is shown while its build is followed.
pub(super) struct LogFollow {
    pub(super) log: LogPrinter,
    /// Where the next look begins, in bytes of the stored log.
    pub(super) offset: u64,
    /// When the build was first seen ended while its log was still open.
    ended_at: Option<crate::clock::Timestamp>,
    /// Text of the finished log that was shown before the connection broke.
    shown: u64,
    /// There is more to show already.
    behind: bool,
    /// The whole log was shown.
    pub(super) complete: bool,
}

impl LogFollow {
    pub(super) fn new(log: LogPrinter, offset: u64) -> Self {
        Self { log, offset, ended_at: None, shown: 0, behind: false, complete: false }
    }
}

/// A build to follow. What it learns (number, job) stays readable for the end of the call.
pub(super) struct BuildRemote<'a> {
    pub(super) client: &'a Client,
    pub(super) clock: &'a dyn Clock,
    pub(super) job: Option<JobPath>,
    pub(super) queue_id: Option<u64>,
    pub(super) build: Option<BuildName>,
    pub(super) number: Option<u64>,
    /// The number that the build has at least; 0 when that is not known.
    pub(super) oldest: u64,
    pub(super) is_pipeline: bool,
    pub(super) log: Option<LogFollow>,
    pub(super) on_input: OnInput,
    /// A text for the build's page, until it was noted there.
    pub(super) description: Option<String>,
    /// Why the program gave up on a build that would go on waiting.
    pub(super) halted: Option<String>,
    session: Option<String>,
    restarted: bool,
    notes: Vec<String>,
    reason: String,
    queue_looks: u32,
    asked: Vec<String>,
    estimate: Option<Duration>,
    run: Option<Duration>,
    idle_since: Option<crate::clock::Timestamp>,
    /// The build was found in this look: what is shown of it comes after its name.
    just_found: bool,
}

impl<'a> BuildRemote<'a> {
    pub(super) fn new(client: &'a Client, clock: &'a dyn Clock, on_input: OnInput) -> Self {
        Self {
            client,
            clock,
            job: None,
            queue_id: None,
            build: None,
            number: None,
            oldest: 0,
            is_pipeline: false,
            log: None,
            on_input,
            description: None,
            halted: None,
            session: client.session(),
            restarted: false,
            notes: Vec::new(),
            reason: String::new(),
            queue_looks: 0,
            asked: Vec::new(),
            estimate: None,
            run: None,
            idle_since: None,
            just_found: false,
        }
    }

    /// The build's number, found through its queue item; `None` with a snapshot of the item while there is none.
    fn find_number(&mut self, id: u64) -> Result<Result<u64, BuildSnapshot>, RequestError> {
        self.queue_looks += 1;
        let Some(item) = self.client.item(id)? else { return self.recover(id) };
        if let Some(job) = item.job {
            // The address in an item may have a folder less or more than the one that the user can reach.
            self.job.get_or_insert(job);
        }
        let waited = self.client.controller_time().saturating_sub(item.since);
        let queued = |status: &str, phase| BuildSnapshot {
            build: Build {
                id: format!("queue/item/{id}"),
                url: self.client.page(&format!("/queue/item/{id}/")),
                status: status.to_owned(),
                queued_seconds: (item.since > 0).then_some(waited / 1000),
                ..Build::default()
            },
            phase,
            known: true,
            artifacts: Vec::new(),
        };
        Ok(match item.state {
            State::Started(number) => Ok(number),
            State::Canceled => Err(queued("canceled in the queue", Phase::Ended(ExitCode::Canceled))),
            State::Leaving => Err(queued("starting", Phase::Queued)),
            State::Waiting => {
                let snapshot = queued("queued", Phase::Queued);
                if let Some(why) = item.why {
                    // "Expires in 4.9 sec" is another text each time.
                    let digits = |c: char| c.is_ascii_digit() || c == '.';
                    let reason = why.replace(digits, "");
                    if reason != self.reason {
                        let stuck = if item.stuck { " (Jenkins finds that it waits too long)" } else { "" };
                        self.notes.push(format!("waits in the queue: {why}{stuck}"));
                        self.reason = reason;
                    }
                }
                Err(snapshot)
            }
        })
    }

    /// The item is gone: five minutes after it left, or with a restart. The build still has its id.
    fn recover(&mut self, id: u64) -> Result<Result<u64, BuildSnapshot>, RequestError> {
        let Some(job) = &self.job else {
            return Err(RequestError::permanent(
                Error::new(
                    ExitCode::NotFound,
                    format!("queue item {id}"),
                    "Jenkins does not know it (any more): it left the queue more than five minutes ago, or never was",
                )
                .with_hint("name its job with --job: the build is found by the item's id then"),
            ));
        };
        match self.client.recover(job, id, self.oldest)? {
            Recovery::Build(number) => {
                self.notes.push(format!("the queue item {id} is gone; its build was found by the item's id"));
                Ok(Ok(number))
            }
            Recovery::Queued => Ok(Err(BuildSnapshot {
                build: Build { id: format!("queue/item/{id}"), status: "queued".to_owned(), ..Build::default() },
                phase: Phase::Queued,
                known: true,
                artifacts: Vec::new(),
            })),
            Recovery::Gone => {
                let why = if self.restarted {
                    "the controller was restarted and the queued item was lost with it"
                } else {
                    "it is not in the queue any more, and no build of the job has its id: it was canceled, or its build was deleted"
                };
                Err(RequestError::permanent(
                    Error::new(ExitCode::NotFound, format!("queue item {id} of job {job}"), why)
                        .with_hint(format!("see {}", self.client.page(&job.path()))),
                ))
            }
        }
    }

    /// Notices a restart of the controller, which changes its session.
    fn watch_session(&mut self) {
        let now = self.client.session();
        if let (Some(before), Some(now)) = (&self.session, &now)
            && before != now
        {
            self.restarted = true;
            self.notes.push("the controller was restarted meanwhile; following on".to_owned());
        }
        self.session = now.or(self.session.take());
    }

    /// Shows what the log has. True when there is nothing more to come.
    fn drain(&mut self, job: &JobPath, number: u64, ended: bool) -> Result<bool, RequestError> {
        let (client, clock) = (self.client, self.clock);
        let Some(follow) = &mut self.log else { return Ok(true) };
        if follow.complete {
            return Ok(true);
        }
        let log = &mut follow.log;
        if ended {
            let source = if follow.offset == 0 { Source::Whole } else { Source::From(follow.offset) };
            // A log from its beginning may still be open: only the form with an offset tells.
            let open = follow.offset == 0 && !client.log_ended(job, number)?;
            if !open && client.finished_log(job, number, source, &mut follow.shown, &mut |text| log.feed(text))? {
                log.end();
                follow.complete = true;
                return Ok(true);
            }
        }
        let until = clock.now() + DRAIN;
        follow.behind = false;
        while clock.interrupted().is_none() {
            let chunk = client.live_log(job, number, follow.offset, &mut |text| log.feed(text))?;
            follow.offset = chunk.next;
            if !chunk.more {
                log.end();
                follow.complete = true;
                return Ok(true);
            }
            if !chunk.grew {
                break;
            }
            if clock.now() >= until {
                follow.behind = true;
                break;
            }
        }
        let since = *follow.ended_at.get_or_insert(clock.now());
        if !ended {
            follow.ended_at = None;
            return Ok(false);
        }
        if clock.now().since(since) >= OPEN_LOG {
            self.notes.push("the log was not closed though the build ended; its end may be missing".to_owned());
            return Ok(true);
        }
        Ok(false)
    }

    fn questions(&mut self, job: &JobPath, number: u64, questions: &[Pending]) -> Result<(), RequestError> {
        for question in questions {
            if self.asked.contains(&question.id) {
                continue;
            }
            let who =
                question.submitter.as_ref().map(|names| format!(", to be answered by {names}")).unwrap_or_default();
            let asks = format!("the build asks: {:?} (id {}{who})", question.message, question.id);
            match self.on_input {
                OnInput::Wait => self.notes.push(format!(
                    "{asks}; it waits until somebody answers: `cibridge jenkins input {job}#{number} {} --proceed`",
                    question.id
                )),
                OnInput::Fail => self.halted = Some(asks),
                OnInput::Proceed => {
                    let values = self.client.input_parameters(job, number, &question.id)?.unwrap_or_default();
                    self.client.answer(job, number, &question.id, Some(&values))?;
                    self.notes.push(format!("{asks}; answered: proceed"));
                }
                OnInput::Abort => {
                    self.client.answer(job, number, &question.id, None)?;
                    self.notes.push(format!("{asks}; answered: abort"));
                }
            }
            self.asked.push(question.id.clone());
        }
        Ok(())
    }

    fn look_at_build(&mut self) -> Result<BuildSnapshot, RequestError> {
        let number = match (self.number, &self.build, self.queue_id) {
            (Some(number), ..) => number,
            (None, Some(name), _) => match name {
                BuildName::Number(number) => *number,
                BuildName::Permalink(_) => self.client.build(&self.job.clone().unwrap_or_default(), name)?.number,
            },
            (None, None, Some(id)) => match self.find_number(id)? {
                Ok(number) => number,
                Err(snapshot) => return Ok(snapshot),
            },
            (None, None, None) => return Err(RequestError::permanent(Error::usage("the build", "is not named"))),
        };
        let job = self.job.clone().unwrap_or_default();
        let view = self.client.build(&job, &BuildName::Number(number))?;
        self.just_found = self.number.replace(number).is_none() && self.queue_id.is_some();
        if self.just_found {
            self.notes.push(format!("Jenkins build {job} #{number}: {}", view.snapshot.build.url));
        }
        if let Some(text) = self.description.take()
            && let Err(miss) = self.client.describe(&job, number, &text)
        {
            self.notes.push(format!("the cause could not be written on the build's page: {}", miss.error));
        }
        self.is_pipeline = view.is_pipeline;
        self.run = view.snapshot.build.run_seconds.map(Duration::from_secs);
        self.questions(&job, number, &view.questions)?;
        let ended = matches!(view.snapshot.phase, Phase::Ended(_));
        let mut snapshot = view.snapshot;
        self.estimate = view.estimate.filter(|estimate| !ended && *estimate >= WORTH_TELLING);
        if view.is_idle {
            let now = self.clock.now();
            if now.since(*self.idle_since.get_or_insert(now)) >= IDLE {
                "lost".clone_into(&mut snapshot.build.status);
                (snapshot.phase, snapshot.known) = (Phase::Ended(ExitCode::Failed), false);
                return Ok(snapshot);
            }
        } else {
            self.idle_since = None;
        }
        if self.just_found && self.log.is_some() {
            snapshot.phase = Phase::Running;
            return Ok(snapshot);
        }
        if self.halted.is_some() && !ended {
            snapshot.phase = Phase::Ended(ExitCode::Failed);
            return Ok(snapshot);
        }
        if !self.drain(&job, number, ended)? {
            snapshot.phase = Phase::Running;
        }
        Ok(snapshot)
    }
}

impl watch::Remote for BuildRemote<'_> {
    fn look(&mut self) -> Result<BuildSnapshot, RequestError> {
        let seen = self.look_at_build();
        self.watch_session();
        seen
    }

    fn steps(&mut self) -> Result<Vec<Step>, RequestError> {
        match (self.number, &self.job) {
            // A log that is shown tells of the stages itself; at its end they are a summary.
            _ if self.log.as_ref().is_some_and(|follow| !follow.complete) => Ok(Vec::new()),
            (Some(number), Some(job)) if self.is_pipeline => self.client.stages(job, number),
            _ => Ok(Vec::new()),
        }
    }

    fn budget(&self) -> Option<RateLimit> {
        None
    }

    fn usual(&self) -> Option<DurationEstimate> {
        DurationEstimate::of(&[self.estimate?])
    }

    /// Jenkins has no rate limit, and a log is read as it grows; an item must be seen while Jenkins remembers it.
    fn pause(&self) -> Option<Duration> {
        let behind = self.log.as_ref().is_some_and(|follow| follow.behind);
        if self.just_found || behind {
            return Some(if self.log.is_some() { Duration::ZERO } else { Duration::from_millis(500) });
        }
        let seconds = match (self.number, &self.log, self.run) {
            (None, ..) => [1, 1, 1, 2, 2, 3, 5, 5, 8].get(self.queue_looks as usize).copied().unwrap_or(15),
            (Some(_), Some(_), _) => 1,
            (Some(_), None, run) => (1 + run.unwrap_or_default().as_secs() / 8).min(15),
        };
        Some(Duration::from_secs(seconds))
    }

    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}
