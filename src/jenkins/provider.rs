//! The life of a Jenkins build, from its queue item to its end, as [`Provider`] describes it.

use std::time::Duration;

use super::build::BuildView;
use super::client::Client;
use super::input::OnInput;
use super::poll::{GONE, Item, LOST, LOST_IN_RESTART};
use super::queue::forgotten;
use super::reference::{BuildName, BuildRef, JobRef, Target};
use super::start::{Found, StartRequest};
use super::watched_build::WatchedBuild;
use crate::download::Attempts;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Http, Method, Request};
use crate::lifecycle::{
    ArtifactLinks, CancelMode, Canceled, DurationEstimate, LogSink, LogState, Mark, Provider, RemoteArtifact, Search,
    StartError, StartTrace, Started, TestReport,
};
use crate::model::{Artifact, Build, BuildFailure, BuildSnapshot, Step};

/// How long Jenkins may not know the item or build of a start at first.
const NOT_FOUND_GRACE: Duration = Duration::from_secs(10);

/// The longest time between two polls of a queue item: Jenkins forgets it five minutes after it left the queue.
const ITEM_IS_KNOWN: Duration = Duration::from_secs(240);

/// How long reading a log that grows all the time may keep the build itself from being polled.
const LONGEST_READ: Duration = Duration::from_secs(5);

/// A controller as a system that runs builds.
pub struct JenkinsProvider {
    client: Client,
    on_input: OnInput,
    /// The job of queue items that are named by their id alone.
    item_job: Option<JobRef>,
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

    /// An artifact with its link; without one when its path leads out of the build's artifacts.
    fn with_links(&self, build: &BuildRef, path: &str, artifact: Artifact) -> RemoteArtifact {
        let lasting_url = self.client.artifact_url(build, path).ok();
        RemoteArtifact { artifact, links: ArtifactLinks { lasting_url, signed_url: None } }
    }

    fn found_build(&self, request: &StartRequest, found: &Found) -> WatchedBuild {
        WatchedBuild {
            build: found.number.map(|number| request.job.build(number)),
            // One that was there already may be of any age.
            oldest: if request.has_key { 0 } else { request.next_build },
            ..self.started_build(request, found.queue_id)
        }
    }

    fn started_build(&self, request: &StartRequest, queue_id: u64) -> WatchedBuild {
        WatchedBuild {
            job: Some(request.job.clone()),
            queue_id: Some(queue_id),
            oldest: request.next_build,
            description: request.description().map(str::to_owned),
            session: self.client.session(),
            ..WatchedBuild::default()
        }
    }
}

impl Provider for JenkinsProvider {
    type Reference = Target;
    type Request = StartRequest;
    type Build = WatchedBuild;

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

    fn build(&self, reference: &Target) -> Result<WatchedBuild, Error> {
        let mut build = WatchedBuild { session: self.client.session(), ..WatchedBuild::default() };
        match reference {
            Target::Build(job, BuildName::Number(number)) => build.build = Some(job.build(*number)),
            Target::Build(_, name) => build.name = Some(name.clone()),
            Target::QueueItem(item) => build.queue_id = Some(item.id),
            Target::Controller(_) | Target::Job(_) => return Err(reference.not_a_build()),
        }
        build.job = match reference {
            Target::Build(job, _) => Some(job.clone()),
            _ => self.item_job.clone(),
        };
        Ok(build)
    }

    fn resolve(&self, build: &mut WatchedBuild) -> Result<(), RequestError> {
        if build.build.is_some() {
            return Ok(());
        }
        if let (Some(job), Some(name)) = (&build.job, &build.name) {
            build.build = Some(self.client.build(job, name)?.build);
        } else if let Some(id) = build.queue_id
            && let Item::Build(found) = self.client.follow_item(id, build)?
        {
            build.build = Some(found);
        }
        Ok(())
    }

    fn summary(&self, build: &WatchedBuild) -> Build {
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

    fn is_same(&self, one: &WatchedBuild, other: &WatchedBuild) -> bool {
        match (&one.build, &other.build, one.queue_id, other.queue_id) {
            (.., Some(one), Some(other)) => one == other,
            (Some(one), Some(other), ..) => one == other,
            _ => false,
        }
    }

    fn shutdown_provider(&self, limit: Duration) -> Self {
        Self { client: self.client.shutdown_client(limit), on_input: self.on_input, item_job: self.item_job.clone() }
    }

    fn start(&self, request: &StartRequest) -> Result<Started<WatchedBuild>, StartError> {
        let queued = self.client.start(request)?;
        Ok(Started { build: self.started_build(request, queued.queue_id), coalesced: queued.coalesced })
    }

    /// The idempotency key is the mark of the start as well, so both searches are the same. The queue and the newest
    /// hundred builds of the job are searched.
    fn find_started(&self, request: &StartRequest, _by: Mark) -> Result<Search<WatchedBuild>, RequestError> {
        let found = self.client.find_started(request)?;
        let builds = found.iter().map(|found| self.found_build(request, found)).collect();
        Ok(Search { builds, is_conclusive: true, refusal: None })
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

    fn poll(&self, build: &mut WatchedBuild) -> Result<BuildSnapshot, RequestError> {
        let snapshot = self.client.poll(build, self.on_input);
        self.client.note_restart(build);
        snapshot
    }

    fn take_notes(&self, build: &mut WatchedBuild) -> Vec<String> {
        std::mem::take(&mut build.notes)
    }

    fn steps(&self, build: &WatchedBuild) -> Result<Vec<Step>, RequestError> {
        match &build.build {
            Some(known) if build.is_pipeline => self.client.stages(known),
            _ => Ok(Vec::new()),
        }
    }

    fn halted(&self, build: &WatchedBuild) -> Option<String> {
        build.halted.as_ref().map(|asks| format!("{asks}, and --on-input is `fail`"))
    }

    fn estimate(&self, build: &mut WatchedBuild, _now: bool) -> Option<DurationEstimate> {
        DurationEstimate::of(&[build.estimate?])
    }

    /// Jenkins has no rate limit, and a log is read as it grows; an item must be seen while Jenkins remembers it.
    fn poll_interval(&self, build: &WatchedBuild, log: bool) -> Option<Duration> {
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

    fn resume_log_hint(&self, build: &WatchedBuild) -> Option<String> {
        Some(format!("--from {} shows what comes after this", build.log.offset))
    }

    fn longest_absence(&self, build: &WatchedBuild) -> Option<Duration> {
        build.build.is_none().then_some(ITEM_IS_KNOWN)
    }

    fn not_found_grace(&self, started: bool) -> Duration {
        if started { NOT_FOUND_GRACE } else { Duration::ZERO }
    }

    fn read_log(
        &self,
        build: &mut WatchedBuild,
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

    fn cancel(&self, build: &WatchedBuild, how: CancelMode) -> Result<Canceled, RequestError> {
        if let (None, Some(id)) = (&build.build, build.queue_id)
            && self.client.cancel_queue_item(id)?
        {
            return Ok(Canceled::Canceled("canceled in the queue".to_owned()));
        }
        // It has left the queue meanwhile: then there is a build to stop.
        let Some(found) = self.client.build_to_stop(build)? else {
            return Err(RequestError::permanent(match (build.queue_id, &build.job) {
                (Some(id), None) => forgotten(id),
                _ => Error::new(ExitCode::NotFound, build.title(), "neither queued nor known as a build"),
            }));
        };
        match how {
            CancelMode::Quick => self.client.stop_quickly(&found),
            CancelMode::Thorough { patience, progress } => {
                self.client.stop_thoroughly(&found, patience, progress).map_err(RequestError::permanent)
            }
        }
    }

    fn failure(&self, build: &WatchedBuild, lines: usize) -> Result<BuildFailure, RequestError> {
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
            _ if build.status == LOST => "was lost: it has no result, and nothing works on it".to_owned(),
            _ => format!("ended with the unknown result {}", build.status),
        }
    }

    fn artifacts(&self, build: &WatchedBuild) -> Result<(BuildSnapshot, Vec<RemoteArtifact>), RequestError> {
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
        _build: &WatchedBuild,
        artifact: &RemoteArtifact,
        _attempts: Attempts,
    ) -> Result<Request, RequestError> {
        let Some(url) = &artifact.links.lasting_url else {
            let subject = format!("artifact {:?}", artifact.artifact.name);
            return Err(RequestError::permanent(Error::new(
                ExitCode::Refused,
                subject,
                "its path leads out of the build's artifacts",
            )));
        };
        Ok(Request::new(Method::Get, url.clone()))
    }

    fn downloads(&self) -> Http {
        self.client.http.for_downloads()
    }

    fn tests(&self, build: &WatchedBuild) -> Result<TestReport, RequestError> {
        match &build.build {
            Some(known) => self.client.tests(known),
            None => Ok(TestReport::default()),
        }
    }
}
