//! The life of a Jenkins build, from its queue item to its end, as [`Provider`] describes it.

use std::time::Duration;

use super::build::{BuildView, Severity};
use super::client::Client;
use super::console::LogPosition;
use super::input::{Answer, InputValues, Question};
use super::queue::{QueueState, Recovery};
use super::reference::{BuildName, BuildRef, JobRef, Target};
use super::start::{Found, StartRequest};
use crate::clock::{self, Timestamp};
use crate::download::Attempts;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Http, Method, Request, retry};
use crate::lifecycle::{
    ArtifactLinks, CancelMode, Canceled, DurationEstimate, LogSink, LogState, Mark, Provider, RemoteArtifact, Search,
    StartError, StartTrace, Started, TestReport,
};
use crate::model::{Artifact, Build, BuildFailure, BuildSnapshot, Phase, Step};

/// How long Jenkins may not know the item or build of a start at first.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// The longest time between two polls of a queue item: Jenkins forgets it five minutes after it left the queue.
const ITEM_IS_KNOWN: Duration = Duration::from_secs(240);

/// How long reading a log that grows all the time may keep the build itself from being polled.
const LONGEST_READ: Duration = Duration::from_secs(5);

/// How long a build may be neither in progress nor have a result: it is being created, or comes back after a restart.
const LONGEST_IDLE: Duration = Duration::from_secs(120);

/// A shorter estimate is of no use to a person who waits.
const SHORTEST_ESTIMATE: Duration = Duration::from_secs(10);

/// How often the queue is searched for a `node` step of a running Pipeline, and the age from which on. Sooner than that
/// every `node` step is in the queue for a moment.
const AGENT_CHECK: Duration = Duration::from_secs(10);
const FIRST_AGENT_CHECK: Duration = Duration::from_secs(4);

/// How long a build may be in creation when it is to be stopped, and the pause between two polls for it.
const CREATION: Duration = Duration::from_secs(2);
const CREATION_PAUSE: Duration = Duration::from_millis(200);

/// How often a Pipeline that ignores a stop is asked again when a signal ends the process: for longer than one takes to
/// be created.
const REPEATED_STOPS: u32 = 6;

/// Polls in a row that find neither a queue item nor its build until it counts as lost: a controller that has just
/// been restarted may not have loaded everything.
const GONE_POLLS: u32 = 3;

/// States of a queue item that was lost, which Jenkins has no words for.
const LOST_IN_RESTART: &str = "lost in a restart";
const GONE: &str = "gone";

/// What to do when a build asks a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OnInput {
    /// Report it, and keep waiting.
    #[default]
    Wait,
    /// Stop the build.
    Fail,
    /// Proceed with the default values.
    Proceed,
    /// Abort.
    Abort,
}

/// A controller as a system that runs builds.
pub struct JenkinsProvider {
    client: Client,
    on_input: OnInput,
    /// The job of queue items that are named by their id alone.
    item_job: Option<JobRef>,
}

/// A build that is followed, with what was learned of it.
#[derive(Debug, Default)]
pub struct RemoteBuild {
    job: Option<JobRef>,
    queue_id: Option<u64>,
    name: Option<BuildName>,
    build: Option<BuildRef>,
    /// The number that the build has at least; 0 when that is not known.
    oldest: u64,
    is_pipeline: bool,
    log: LogPosition,
    /// A text for the build's page, until it was written there.
    description: Option<String>,
    /// Why the program gives up on a build that would keep waiting.
    halted: Option<String>,
    /// Jenkins' session of the newest answer; it changes with a restart.
    session: Option<String>,
    was_restarted: bool,
    notes: Vec<String>,
    /// Why it waits in the queue or for an agent, as it was reported last, without its numbers.
    reason: String,
    queue_polls: usize,
    /// Polls in a row that found neither the item nor its build.
    gone_polls: u32,
    /// Questions that were reported or answered.
    asked: Vec<String>,
    estimate: Option<Duration>,
    run: Option<Duration>,
    idle_since: Option<Timestamp>,
    agent_checked: Option<Timestamp>,
    waits_for_agent: bool,
    /// The newest poll found the build behind its queue item.
    was_just_found: bool,
}

impl JenkinsProvider {
    /// A provider that asks nobody and knows no job of queue items.
    pub fn new(client: Client) -> Self {
        Self { client, on_input: OnInput::Wait, item_job: None }
    }

    /// The same, with what to do when a build asks a person.
    pub fn with_on_input(mut self, on_input: OnInput) -> Self {
        self.on_input = on_input;
        self
    }

    /// The same, with the job of queue items that are named by their id alone: the build of one that Jenkins has
    /// forgotten is found there.
    pub fn with_item_job(mut self, job: Option<JobRef>) -> Self {
        self.item_job = job;
        self
    }

    /// The controller's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A build whose number is known.
    pub fn known_build(&self, build: BuildRef) -> RemoteBuild {
        RemoteBuild {
            job: Some(build.job.clone()),
            build: Some(build),
            session: self.client.session(),
            ..RemoteBuild::default()
        }
    }
}

impl RemoteBuild {
    /// Reads the log from this byte of the stored log on.
    pub fn set_log_offset(&mut self, offset: u64) {
        self.log = LogPosition::at(offset);
    }

    /// The build itself, once its number is known.
    pub fn build_ref(&self) -> Option<&BuildRef> {
        self.build.as_ref()
    }

    /// The build's name in a sentence.
    fn title(&self) -> String {
        match (&self.build, self.queue_id, &self.job, &self.name) {
            (Some(build), ..) => format!("Jenkins build {build}"),
            (None, Some(id), ..) => format!("Jenkins queue item {id}"),
            (None, None, Some(job), Some(name)) => format!("Jenkins build {job}#{name}"),
            _ => "the Jenkins build".to_owned(),
        }
    }

    /// The build that an item became. The job of the call is kept where it is the same one: the address in an item may
    /// begin with folders that cannot be reached from here.
    fn found(&mut self, build: &BuildRef) -> BuildRef {
        let own = self.job.as_ref().filter(|job| job.name() == build.job.name());
        let build = own.map_or(build.clone(), |job| job.build(build.number));
        self.job = Some(build.job.clone());
        build
    }

    fn note_reason(&mut self, why: &str, note: String) {
        // "Expires in 4.9 sec" is another text each time.
        let reason = why.replace(|c: char| c.is_ascii_digit() || c == '.', "");
        if reason != self.reason {
            self.notes.push(note);
            self.reason = reason;
        }
    }
}

impl JenkinsProvider {
    /// The build behind a queue item; a snapshot of the item while it has none.
    fn find_build(&self, id: u64, build: &mut RemoteBuild) -> Result<Result<BuildRef, BuildSnapshot>, RequestError> {
        build.queue_polls += 1;
        let Some(item) = self.client.queue_item(id)? else { return self.recover(id, build) };
        build.gone_polls = 0;
        if let Some(job) = item.job {
            build.job.get_or_insert(job);
        }
        // The item of a `node` step belongs to a build that is running already.
        let started = item.waiting_build.map_or(item.state, QueueState::Started);
        let waited = (item.since > 0).then(|| self.client.controller_time().saturating_sub(item.since) / 1000);
        Ok(match started {
            QueueState::Started(found) => Ok(build.found(&found)),
            QueueState::Canceled => {
                Err(self.queued(id, "canceled in the queue", Phase::Ended(ExitCode::Canceled), waited))
            }
            QueueState::Leaving => Err(self.queued(id, "starting", Phase::Queued, waited)),
            QueueState::Waiting => {
                if let Some(why) = item.why {
                    let stuck = if item.stuck { " (Jenkins finds that it waits too long)" } else { "" };
                    build.note_reason(&why, format!("waiting in the queue: {why}{stuck}"));
                }
                Err(self.queued(id, "queued", Phase::Queued, waited))
            }
        })
    }

    fn queued(&self, id: u64, status: &str, phase: Phase, queued_seconds: Option<u64>) -> BuildSnapshot {
        let build = Build {
            title: format!("Jenkins queue item {id}"),
            id: format!("queue/item/{id}"),
            url: self.client.page(&format!("/queue/item/{id}/")),
            status: status.to_owned(),
            queued_seconds,
            ..Build::default()
        };
        BuildSnapshot { build, phase, known: true, artifacts: Vec::new() }
    }

    /// The item is gone: five minutes after it left, or with a restart. The build still has its id.
    fn recover(&self, id: u64, build: &mut RemoteBuild) -> Result<Result<BuildRef, BuildSnapshot>, RequestError> {
        let Some(job) = &build.job else { return Err(RequestError::permanent(forgotten(id))) };
        match self.client.recover(job, id, build.oldest)? {
            Recovery::Build(found) => {
                build.notes.push(format!("queue item {id} is gone; found its build by the item's id"));
                Ok(Ok(found))
            }
            Recovery::Queued => Ok(Err(self.queued(id, "queued", Phase::Queued, None))),
            Recovery::Gone => {
                build.gone_polls += 1;
                if build.gone_polls >= GONE_POLLS {
                    let status = if build.was_restarted { LOST_IN_RESTART } else { GONE };
                    return Ok(Err(self.queued(id, status, Phase::Ended(ExitCode::NotFound), None)));
                }
                let subject = format!("queue item {id} of job {job}");
                let error = Error::new(ExitCode::NotFound, subject, "neither in the queue nor known as a build");
                Err(RequestError { error, retryable: true, retry_after: None })
            }
        }
    }

    /// Notices a restart of the controller, which changes its session.
    fn note_restart(&self, build: &mut RemoteBuild) {
        let now = self.client.session();
        if let (Some(before), Some(now)) = (&build.session, &now)
            && before != now
        {
            build.was_restarted = true;
            build.notes.push("the controller was restarted while waiting".to_owned());
        }
        build.session = now.or(build.session.take());
    }

    fn poll_build(&self, build: &mut RemoteBuild) -> Result<BuildSnapshot, RequestError> {
        let found = match (&build.build, &build.job, &build.name, build.queue_id) {
            (Some(known), ..) => known.clone(),
            (None, Some(job), Some(name), _) => self.client.build(job, name)?.build,
            (None, .., Some(id)) => match self.find_build(id, build)? {
                Ok(found) => found,
                Err(snapshot) => return Ok(snapshot),
            },
            (None, ..) => return Err(RequestError::permanent(Error::message(ExitCode::Usage, "missing build"))),
        };
        let view = self.client.build(&found.job, &BuildName::Number(found.number))?;
        build.was_just_found = build.build.replace(found.clone()).is_none() && build.queue_id.is_some();
        if build.was_just_found {
            build.notes.push(format!("Jenkins build {found}: {}", view.snapshot.build.url));
        }
        if let Some(text) = build.description.take()
            && let Err(failed) = self.client.describe(&found, &text)
        {
            build.notes.push(format!("the cause could not be written on the build's page: {}", failed.error));
        }
        build.is_pipeline = view.is_pipeline;
        build.run = view.snapshot.build.run_seconds.map(Duration::from_secs);
        let ended = matches!(view.snapshot.phase, Phase::Ended(_));
        build.estimate = view.estimate.filter(|estimate| !ended && *estimate >= SHORTEST_ESTIMATE);
        for question in &view.questions {
            self.handle_question(&found, question, build);
        }
        if self.is_lost(&view, build) {
            let mut snapshot = view.snapshot;
            "lost".clone_into(&mut snapshot.build.status);
            (snapshot.phase, snapshot.known) = (Phase::Ended(ExitCode::Failed), false);
            return Ok(snapshot);
        }
        let asks = !view.questions.is_empty();
        let mut snapshot = view.snapshot;
        if !ended && !asks {
            self.check_agent(&found, &mut snapshot, build);
        }
        Ok(snapshot)
    }

    /// Whether a build has been without a result and without anything that works on it for too long.
    fn is_lost(&self, view: &BuildView, build: &mut RemoteBuild) -> bool {
        if !view.is_idle {
            build.idle_since = None;
            return false;
        }
        let now = self.client.clock.now();
        now.since(*build.idle_since.get_or_insert(now)) >= LONGEST_IDLE
    }

    /// Reports that a running Pipeline waits for an agent. While it occupies no executor at all it counts as queued.
    fn check_agent(&self, found: &BuildRef, snapshot: &mut BuildSnapshot, build: &mut RemoteBuild) {
        let now = self.client.clock.now();
        let is_due = build.agent_checked.is_none_or(|at| now.since(at) >= AGENT_CHECK) || build.waits_for_agent;
        if !build.is_pipeline || build.run.unwrap_or_default() < FIRST_AGENT_CHECK || !is_due {
            return;
        }
        build.agent_checked = Some(now);
        // Without an answer nothing is known, and nothing changes.
        let Ok(wait) = self.client.agent_wait(found) else { return };
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
    fn handle_question(&self, found: &BuildRef, question: &Question, build: &mut RemoteBuild) {
        if build.asked.contains(&question.id) {
            return;
        }
        build.asked.push(question.id.clone());
        let who = question.submitter.as_ref().map(|names| format!(", to be answered by {names}")).unwrap_or_default();
        let asks = format!("the build asks {:?} (input {}{who})", question.message, question.id);
        let how = format!("`cibridge jenkins input {found} {} --proceed` answers it", question.id);
        let note = match self.on_input {
            OnInput::Wait => format!("{asks}; waiting for an answer: {how}"),
            OnInput::Fail => {
                build.halted = Some(asks);
                return;
            }
            OnInput::Proceed | OnInput::Abort => match self.answer(found, question) {
                Ok(word) => format!("{asks}; answered: {word}"),
                Err(error) => format!("{asks}; could not be answered: {}; waiting for somebody else", error.reason()),
            },
        };
        build.notes.push(note);
    }

    fn answer(&self, found: &BuildRef, question: &Question) -> Result<&'static str, Error> {
        let id = &question.id;
        if self.on_input == OnInput::Abort {
            return self.client.answer_input(found, id, Answer::Abort).map(|()| "abort");
        }
        let known = self.client.with_retries(|| self.client.input_parameters(found, question))?;
        let values = InputValues::new(known.as_deref(), Vec::new(), &format!("input {id}"))?;
        self.client.answer_input(found, id, Answer::Proceed(&values)).map(|()| "proceed")
    }

    /// The build that is to be stopped, found by its queue item where its number is not known. One that is just being
    /// created is waited for, because there is no other chance to stop it.
    fn build_to_stop(&self, build: &RemoteBuild) -> Result<Option<BuildRef>, RequestError> {
        if let Some(known) = &build.build {
            return Ok(Some(known.clone()));
        }
        if let (Some(job), Some(name)) = (&build.job, &build.name) {
            return Ok(Some(self.client.build(job, name)?.build));
        }
        let Some(id) = build.queue_id else { return Ok(None) };
        let until = self.client.clock.now() + CREATION;
        loop {
            let Some(item) = self.client.queue_item(id)? else {
                let Some(job) = &build.job else { return Ok(None) };
                return Ok(match self.client.recover(job, id, build.oldest)? {
                    Recovery::Build(found) => Some(found),
                    Recovery::Queued | Recovery::Gone => None,
                });
            };
            match item.state {
                QueueState::Started(found) => {
                    let own = build.job.as_ref().filter(|job| job.name() == found.job.name());
                    return Ok(Some(own.map_or(found.clone(), |job| job.build(found.number))));
                }
                QueueState::Leaving if self.client.clock.now() < until => clock::wait(CREATION_PAUSE),
                _ => return Ok(None),
            }
        }
    }

    /// Asks to stop, and sees that it was heard: a Pipeline that is just being created accepts a stop and forgets it.
    fn stop_quickly(&self, found: &BuildRef) -> Result<Canceled, RequestError> {
        self.client.stop_build(found, Severity::Stop)?;
        for _ in 0..REPEATED_STOPS {
            match self.client.build(&found.job, &BuildName::Number(found.number)) {
                Ok(seen) if seen.is_pipeline && seen.is_undisturbed => clock::wait(CREATION_PAUSE),
                _ => return Ok(Canceled::Canceled("stopped".to_owned())),
            }
            self.client.stop_build(found, Severity::Stop)?;
        }
        let error = Error::new(ExitCode::TimedOut, format!("build {found}"), "it did not react to the stop request");
        Err(RequestError { error, retryable: true, retry_after: None })
    }

    /// Stops a build: stop, then for a Pipeline term and kill, each followed by a wait for the end.
    fn stop_thoroughly(
        &self,
        found: &BuildRef,
        patience: Duration,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Canceled, Error> {
        let client = &self.client;
        let clock = &*client.clock;
        let poll = || client.with_retries(|| client.build(&found.job, &BuildName::Number(found.number)));
        let first = poll()?;
        if matches!(first.snapshot.phase, Phase::Ended(_)) {
            return Ok(Canceled::AlreadyEnded(first.snapshot.build.status));
        }
        let severities: &[Severity] =
            if first.is_pipeline { &[Severity::Stop, Severity::Term, Severity::Kill] } else { &[Severity::Stop] };
        for severity in severities {
            if *severity != Severity::Stop {
                progress(&format!("Jenkins build {found} does not end; sending {}", severity.verb()));
            }
            client.with_retries(|| client.stop_build(found, *severity))?;
            let until = clock.now() + patience;
            let mut pause = Duration::from_millis(250);
            loop {
                clock.sleep(pause.min(until.since(clock.now())));
                let view = poll()?;
                if matches!(view.snapshot.phase, Phase::Ended(_)) {
                    let status = view.snapshot.build.status;
                    return Ok(Canceled::Canceled(match severity {
                        Severity::Stop => format!("stopped ({status})"),
                        Severity::Term => format!("stopped by term ({status})"),
                        Severity::Kill => format!("stopped by kill ({status}); its processes may still be running"),
                    }));
                }
                if clock.now() >= until || clock.interrupted().is_some() {
                    break;
                }
                if *severity == Severity::Stop && view.is_pipeline && view.is_undisturbed {
                    // It did not hear: it is just being created.
                    client.with_retries(|| client.stop_build(found, *severity))?;
                }
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            if clock.interrupted().is_some() {
                break;
            }
        }
        Err(Error::new(ExitCode::TimedOut, format!("build {found}"), "it was asked to stop and has not ended")
            .with_hint("see its page; Jenkins does not kill a process on an agent that ignores SIGTERM"))
    }

    /// The artifacts of the configurations of a matrix build, which has none of its own.
    fn configuration_artifacts(&self, view: &BuildView) -> Result<Vec<RemoteArtifact>, RequestError> {
        let mut artifacts = Vec::new();
        for run in &view.configurations {
            let seen = self.client.build(&run.job, &BuildName::Number(run.number))?;
            for artifact in seen.snapshot.artifacts {
                let name = format!("{}/{}", run.job.name(), artifact.name);
                artifacts.push(self.with_links(run, &artifact.name.clone(), Artifact { name, ..artifact }));
            }
        }
        Ok(artifacts)
    }

    /// An artifact with its link; without one when its path leads elsewhere.
    fn with_links(&self, build: &BuildRef, path: &str, artifact: Artifact) -> RemoteArtifact {
        let lasting_url = self.client.artifact_url(build, path).ok();
        RemoteArtifact { artifact, links: ArtifactLinks { lasting_url, signed_url: None } }
    }

    fn found_build(&self, request: &StartRequest, found: &Found) -> RemoteBuild {
        RemoteBuild {
            queue_id: Some(found.queue_id),
            build: found.number.map(|number| request.job.build(number)),
            // One that was there already may be of any age.
            oldest: if request.has_key { 0 } else { request.next_build },
            ..self.started_build(request, found.queue_id)
        }
    }

    fn started_build(&self, request: &StartRequest, queue_id: u64) -> RemoteBuild {
        RemoteBuild {
            job: Some(request.job.clone()),
            queue_id: Some(queue_id),
            oldest: request.next_build,
            description: request.description().map(str::to_owned),
            session: self.client.session(),
            ..RemoteBuild::default()
        }
    }
}

/// The error about a queue item that Jenkins does not show, and whose job is not known.
fn forgotten(id: u64) -> Error {
    Error::new(
        ExitCode::NotFound,
        format!("queue item {id}"),
        "not known to Jenkins: it left the queue more than five minutes ago, or never existed",
    )
    .with_hint("name its job with --job: its build is found there by the item's id")
}

impl Provider for JenkinsProvider {
    type Reference = Target;
    type Request = StartRequest;
    type Build = RemoteBuild;

    const NAME: &'static str = "jenkins";
    const STEP: &'static str = "stage";
    const STARTED: &'static str = "queued";
    // Long enough for a controller that restarts.
    const SEARCH_PAUSES: &'static [Duration] = &[
        Duration::from_secs(1),
        Duration::from_secs(2),
        Duration::from_secs(4),
        Duration::from_secs(8),
        Duration::from_secs(15),
        Duration::from_secs(30),
    ];
    const FIRST_POLL: Duration = Duration::ZERO;
    const LIVE_LOG: bool = true;
    const ARTIFACTS_HINT: &'static str = "let the job archive them (archiveArtifacts)";

    fn build(&self, reference: &Target) -> Result<RemoteBuild, Error> {
        let session = self.client.session();
        match reference {
            Target::Build(job, BuildName::Number(number)) => Ok(self.known_build(job.build(*number))),
            Target::Build(job, name) => {
                Ok(RemoteBuild { job: Some(job.clone()), name: Some(name.clone()), session, ..RemoteBuild::default() })
            }
            Target::QueueItem(item) => Ok(RemoteBuild {
                job: self.item_job.clone(),
                queue_id: Some(item.id),
                session,
                ..RemoteBuild::default()
            }),
            Target::Controller(_) | Target::Job(_) => Err(reference.not_a_build()),
        }
    }

    fn resolve(&self, build: &mut RemoteBuild) -> Result<(), RequestError> {
        if build.build.is_some() {
            return Ok(());
        }
        if let (Some(job), Some(name)) = (&build.job, &build.name) {
            build.build = Some(self.client.build(job, name)?.build);
        } else if let Some(id) = build.queue_id
            && let Ok(found) = self.find_build(id, build)?
        {
            build.build = Some(found);
        }
        Ok(())
    }

    fn summary(&self, build: &RemoteBuild) -> Build {
        let (id, path) = match (&build.build, build.queue_id, &build.job, &build.name) {
            (Some(known), ..) => (known.to_string(), format!("{}/", known.path())),
            (None, Some(id), ..) => (format!("queue/item/{id}"), format!("/queue/item/{id}/")),
            (None, None, Some(job), Some(name)) => (format!("{job}#{name}"), format!("{}/{name}/", job.path())),
            _ => (String::new(), "/".to_owned()),
        };
        Build {
            title: build.title(),
            id,
            number: build.build.as_ref().map(|known| known.number),
            url: self.client.page(&path),
            // What waits in the queue is known to wait; a build that was named is not known to run.
            status: if build.build.is_none() && build.queue_id.is_some() { "queued".to_owned() } else { String::new() },
            ..Build::default()
        }
    }

    fn is_same(&self, one: &RemoteBuild, other: &RemoteBuild) -> bool {
        match (&one.build, &other.build, one.queue_id, other.queue_id) {
            (.., Some(one), Some(other)) => one == other,
            (Some(one), Some(other), ..) => one == other,
            _ => false,
        }
    }

    fn shutdown_provider(&self, limit: Duration) -> Self {
        Self { client: self.client.shutdown_client(limit), on_input: self.on_input, item_job: self.item_job.clone() }
    }

    fn start(&self, request: &StartRequest) -> Result<Started<RemoteBuild>, StartError> {
        let queued = self.client.start(request)?;
        Ok(Started { build: self.started_build(request, queued.queue_id), coalesced: queued.coalesced })
    }

    /// The idempotency key is the mark of the start as well, so both searches are the same. The queue and the newest
    /// hundred builds of the job are searched.
    fn find_started(&self, request: &StartRequest, _by: Mark) -> Result<Search<RemoteBuild>, RequestError> {
        let found = self.client.find_started(request)?;
        let builds = found.iter().map(|found| self.found_build(request, found)).collect();
        Ok(Search { builds, is_conclusive: true })
    }

    fn trace(&self, request: &StartRequest) -> StartTrace {
        StartTrace {
            subject: format!("job {}", request.job),
            is_searchable: request.is_searchable(),
            has_key: request.has_key,
            found_by: request.found_by(),
            hint: format!(
                "look at {} before starting another; with a parameter CIBRIDGE_ID on the job its builds can be found",
                self.client.page(&format!("{}/", request.job.path()))
            ),
        }
    }

    fn poll(&self, build: &mut RemoteBuild) -> Result<BuildSnapshot, RequestError> {
        let snapshot = self.poll_build(build);
        self.note_restart(build);
        snapshot
    }

    fn take_notes(&self, build: &mut RemoteBuild) -> Vec<String> {
        std::mem::take(&mut build.notes)
    }

    fn steps(&self, build: &RemoteBuild) -> Result<Vec<Step>, RequestError> {
        match &build.build {
            Some(known) if build.is_pipeline => self.client.stages(known),
            _ => Ok(Vec::new()),
        }
    }

    fn halted(&self, build: &RemoteBuild) -> Option<String> {
        build.halted.as_ref().map(|asks| format!("{asks}, and nobody is to be asked (--on-input fail)"))
    }

    fn estimate(&self, build: &mut RemoteBuild, _now: bool) -> Option<DurationEstimate> {
        DurationEstimate::of(&[build.estimate?])
    }

    /// Jenkins has no rate limit, and a log is read as it grows; an item must be seen while Jenkins remembers it.
    fn poll_interval(&self, build: &RemoteBuild, log: bool) -> Option<Duration> {
        if build.was_just_found && !log {
            return Some(Duration::from_millis(500));
        }
        let seconds = match (&build.build, log) {
            (None, _) => [1, 1, 1, 2, 2, 3, 5, 5, 8].get(build.queue_polls).copied().unwrap_or(15),
            (Some(_), true) => 1,
            (Some(_), false) => (1 + build.run.unwrap_or_default().as_secs() / 8).min(15),
        };
        Some(Duration::from_secs(seconds))
    }

    fn resume_log_hint(&self, build: &RemoteBuild) -> Option<String> {
        Some(format!("--from {} shows what comes after this", build.log.offset))
    }

    fn longest_absence(&self, build: &RemoteBuild) -> Option<Duration> {
        build.build.is_none().then_some(ITEM_IS_KNOWN)
    }

    fn not_found_grace(&self, started: bool) -> Duration {
        if started { NOT_FOUND_GRACE } else { Duration::ZERO }
    }

    fn read_log(
        &self,
        build: &mut RemoteBuild,
        _steps: &[Step],
        ended: bool,
        log: &mut dyn LogSink,
    ) -> Result<LogState, RequestError> {
        let Some(known) = &build.build else {
            // An item that was canceled in the queue has no log.
            return Ok(if ended { LogState::Complete } else { LogState::Open });
        };
        let (client, clock) = (&self.client, &*self.client.clock);
        if ended {
            // A log from its beginning may still be open: only the form with an offset shows it.
            let is_open = build.log.offset == 0 && !client.log_is_complete(known)?;
            if !is_open && client.finished_log(known, &mut build.log, &mut |text| log.write(text))? {
                return Ok(LogState::Complete);
            }
        }
        let until = clock.now() + LONGEST_READ;
        while clock.interrupted().is_none() {
            let chunk = client.live_log(known, &mut build.log, &mut |text| log.write(text))?;
            if !chunk.more {
                return Ok(LogState::Complete);
            }
            if !chunk.grew {
                break;
            }
            if clock.now() >= until {
                return Ok(LogState::Behind);
            }
        }
        Ok(LogState::Open)
    }

    fn cancel(&self, build: &RemoteBuild, how: CancelMode) -> Result<Canceled, RequestError> {
        if let (None, Some(id)) = (&build.build, build.queue_id)
            && self.client.cancel_queue_item(id)?
        {
            return Ok(Canceled::Canceled("canceled in the queue".to_owned()));
        }
        // It has left the queue meanwhile: then there is a build to stop.
        let Some(found) = self.build_to_stop(build)? else {
            return Err(RequestError::permanent(match (build.queue_id, &build.job) {
                (Some(id), None) => forgotten(id),
                _ => Error::new(ExitCode::NotFound, build.title(), "neither queued nor known as a build"),
            }));
        };
        match how {
            CancelMode::Quick => self.stop_quickly(&found),
            CancelMode::Thorough { patience, progress } => {
                self.stop_thoroughly(&found, patience, progress).map_err(RequestError::permanent)
            }
        }
    }

    fn failure(&self, build: &RemoteBuild, lines: usize) -> Result<BuildFailure, RequestError> {
        let log_tail = match &build.build {
            Some(known) if lines > 0 => self.client.log_tail(known, lines)?,
            _ => Vec::new(),
        };
        Ok(BuildFailure { log_tail, ..BuildFailure::default() })
    }

    fn describe_end(&self, build: &Build, code: ExitCode) -> String {
        match code {
            ExitCode::Success => "succeeded".to_owned(),
            ExitCode::Unstable => "is unstable".to_owned(),
            ExitCode::Canceled if build.number.is_none() => "was canceled in the queue".to_owned(),
            ExitCode::Canceled => "was aborted".to_owned(),
            ExitCode::Skipped => "was not built (NOT_BUILT)".to_owned(),
            _ if build.status == LOST_IN_RESTART => "was lost when the controller was restarted".to_owned(),
            _ if build.status == GONE => {
                "is gone, and no build has its id: it was canceled, or its build was deleted".to_owned()
            }
            _ if build.status == "FAILURE" => "failed".to_owned(),
            _ if build.status == "lost" => "was lost: it has no result, and nothing works on it".to_owned(),
            _ => format!("ended with the unknown result {}", build.status),
        }
    }

    fn artifacts(&self, build: &RemoteBuild) -> Result<(BuildSnapshot, Vec<RemoteArtifact>), RequestError> {
        let Some(known) = &build.build else {
            let error = Error::new(ExitCode::NotFound, build.title(), "it has no build yet");
            let hint = format!("wait for it with `cibridge jenkins wait {}`", self.summary(build).id);
            return Err(RequestError::permanent(error.with_hint(hint)));
        };
        let view = self.client.build(&known.job, &BuildName::Number(known.number))?;
        let mut artifacts: Vec<_> = view
            .snapshot
            .artifacts
            .iter()
            .map(|artifact| self.with_links(known, &artifact.name, artifact.clone()))
            .collect();
        if artifacts.is_empty() {
            artifacts = self.configuration_artifacts(&view)?;
        }
        Ok((view.snapshot, artifacts))
    }

    fn artifact_request(
        &self,
        _build: &RemoteBuild,
        artifact: &RemoteArtifact,
        _attempts: Attempts,
    ) -> Result<Request, RequestError> {
        let Some(url) = &artifact.links.lasting_url else {
            let subject = format!("artifact {:?}", artifact.artifact.name);
            return Err(RequestError::permanent(Error::new(ExitCode::Refused, subject, "its path leads elsewhere")));
        };
        Ok(Request::new(Method::Get, url.clone()))
    }

    fn downloads(&self) -> Http {
        self.client.downloads()
    }

    fn tests(&self, build: &RemoteBuild) -> Result<TestReport, RequestError> {
        match &build.build {
            Some(known) => self.client.tests(known),
            None => Ok(TestReport::default()),
        }
    }
}

impl Client {
    /// Sends a request again while its error is retryable, a few times with growing pauses.
    pub(super) fn with_retries<T>(&self, mut request: impl FnMut() -> Result<T, RequestError>) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failed = match request() {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match retry::pause(attempt, failed.retry_after, fastrand::f64()) {
                Some(pause) if failed.retryable && self.clock.interrupted().is_none() => self.clock.sleep(pause),
                _ => return Err(failed.error),
            }
        }
    }
}
