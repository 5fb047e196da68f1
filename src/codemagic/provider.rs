//! Codemagic for the rooms that start, watch and finish builds of any system.

use std::sync::Arc;
use std::time::Duration;

use super::artifacts::renewed_url;
use super::client::Client;
use super::logs::LogFormat;
use super::memory::{SEARCH_PAUSES, Signed};
use super::reference::{AppId, BuildId, BuildRef, Filter};
use super::request::TriggerRequest;
use super::wire;
use crate::download::Attempts;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Http, Method, RateLimit, Request};
use crate::lifecycle::{
    CancelMode, Canceled, DurationEstimate, LogSink, LogState, Mark, Provider, RemoteArtifact, Search, StartError,
    StartTrace, Started, TestReport,
};
use crate::lock::lock;
use crate::model::{Build, BuildFailure, BuildSnapshot, Phase, Step};

/// How long the service may not know a build that it has just accepted. Two clients saw such 404s and poll on (S16's five
/// polls, HelgeSverre/codemagic-skill, `api.md`).
const UNKNOWN_AFTER_START: Duration = Duration::from_secs(120);

/// The same for an id that somebody gave: long enough for a call right after a start, short for a wrong id.
const UNKNOWN_OTHERWISE: Duration = Duration::from_secs(15);

/// Earlier builds that are read to learn how long such builds usually run.
const EARLIER_BUILDS: usize = 50;

/// The newest of them that count.
const COUNTED_BUILDS: usize = 20;

/// So many builds of the same branch or tag say more than those of all branches.
const ENOUGH: usize = 3;

/// The most builds among which a number is searched.
const NUMBERED_BUILDS: usize = 5000;

/// How long a signed link is taken for fresh. Its life is not documented; the links of one answer serve the many small
/// files that are downloaded within seconds of it.
const FRESH: Duration = Duration::from_secs(30);

/// A build that is watched.
#[derive(Debug, Clone)]
pub struct WatchedBuild {
    reference: BuildRef,
    /// What is known of it; the id is empty until the reference is resolved.
    known: Build,
    history: History,
    /// Steps whose logs were shown.
    shown: usize,
    has_ended: bool,
}

/// How long builds like this one usually run.
#[derive(Debug, Clone, Default)]
enum History {
    /// It is not known which builds are like this one.
    #[default]
    Unknown,
    /// To be read from this list with the next poll, which it replaces where the list shows the build as well.
    Due(Filter),
    Read(Option<DurationEstimate>),
}

impl WatchedBuild {
    fn named(reference: BuildRef) -> Self {
        let mut build =
            Self { reference, known: Build::default(), history: History::Unknown, shown: 0, has_ended: false };
        match build.reference.clone() {
            BuildRef::Id { id, app_id } => build.identify(&id, app_id.as_ref()),
            reference => build.known.title = format!("Codemagic build {reference}"),
        }
        build
    }

    fn found(snapshot: &BuildSnapshot) -> Option<Self> {
        let id = BuildId::new(&snapshot.build.id)?;
        let app_id = snapshot.build.app_id.as_deref().and_then(|app_id| AppId::parse(app_id).ok());
        let mut build = Self::named(BuildRef::Id { id, app_id });
        build.learn(snapshot);
        Some(build)
    }

    /// The build that this call has started.
    fn started(id: BuildId, request: &TriggerRequest) -> Self {
        let reference = BuildRef::Id { id, app_id: Some(request.app_id.clone()) };
        let mut build = Self::named(reference);
        "queued".clone_into(&mut build.known.status);
        build.known.workflow_id = Some(request.workflow_id.clone());
        build.known.branch = request.git_ref.branch().map(str::to_owned);
        build.known.tag = request.git_ref.tag().map(str::to_owned);
        build.known.labels = request.all_labels().into_iter().map(str::to_owned).collect();
        build.history = build.alike().map_or(History::Unknown, History::Due);
        build
    }

    fn identify(&mut self, id: &BuildId, app_id: Option<&AppId>) {
        id.as_str().clone_into(&mut self.known.id);
        self.known.title = wire::title(id.as_str(), None);
        self.known.url = app_id.map(|app_id| id.page(app_id.as_str())).unwrap_or_default();
        self.known.app_id = app_id.map(|app_id| app_id.as_str().to_owned());
    }

    fn learn(&mut self, snapshot: &BuildSnapshot) {
        self.known = snapshot.build.clone();
        self.has_ended = matches!(snapshot.phase, Phase::Ended(_));
    }

    fn id(&self) -> Result<BuildId, RequestError> {
        BuildId::new(&self.known.id).ok_or_else(|| {
            RequestError::permanent(Error::new(ExitCode::NotFound, format!("build {}", self.reference), "not found"))
        })
    }

    /// Earlier builds of the same kind, of all branches.
    fn alike(&self) -> Option<Filter> {
        let app_id = AppId::parse(self.known.app_id.as_deref()?).ok()?;
        Some(Filter { workflow_id: self.known.workflow_id.clone(), ..Filter::app(&app_id) })
    }
}

impl Client {
    /// Reads how long earlier builds ran, and gives the build itself if the list shows it.
    fn read_history(&self, build: &mut WatchedBuild, filter: &Filter) -> Option<BuildSnapshot> {
        build.history = History::Read(None);
        let builds = self.list_builds(filter, EARLIER_BUILDS).ok()?;
        let head = (&build.known.branch, &build.known.tag);
        let runs = |same_head: bool| -> Vec<Duration> {
            let good = builds.iter().filter(|seen| {
                seen.phase == Phase::Ended(ExitCode::Success)
                    && seen.build.id != build.known.id
                    && (!same_head || (&seen.build.branch, &seen.build.tag) == head)
            });
            good.filter_map(|seen| seen.build.run_seconds).take(COUNTED_BUILDS).map(Duration::from_secs).collect()
        };
        let own = runs(true);
        let estimate = DurationEstimate::of(&if own.len() < ENOUGH { runs(false) } else { own });
        build.history = History::Read(estimate);
        builds.into_iter().find(|seen| seen.build.id == build.known.id)
    }

    /// The newest signed links of a build, read again where they are older than `FRESH` or one of them failed.
    fn renew_links(&self, id: &BuildId, again: bool) -> Result<(), RequestError> {
        let now = self.clock.now();
        let is_fresh = self.links.with(|all| all.get(id).is_some_and(|signed| now.since(signed.at) <= FRESH));
        if is_fresh && !again {
            return Ok(());
        }
        let newest = Arc::new(self.signed_artifacts(id)?.1);
        let at = self.clock.now();
        self.links.with(|all| match all.get_mut(id) {
            Some(signed) => (signed.newest, signed.at) = (newest, at),
            None => drop(all.insert(id.clone(), Signed { first: Arc::clone(&newest), newest, at })),
        });
        Ok(())
    }
}

impl Provider for Client {
    type Reference = BuildRef;
    type Request = TriggerRequest;
    type Build = WatchedBuild;

    const NAME: &'static str = "codemagic";
    const STEP: &'static str = "step";
    const SEARCH_PAUSES: &'static [Duration] = &SEARCH_PAUSES;
    const FIRST_POLL: Duration = Duration::from_secs(20);
    const LIVE_LOG: bool = false;
    const ARTIFACTS_HINT: &'static str = "list them under `artifacts:` in the workflow";

    fn build(&self, reference: &BuildRef) -> Result<WatchedBuild, Error> {
        Ok(WatchedBuild::named(reference.clone()))
    }

    fn resolve(&self, build: &mut WatchedBuild) -> Result<(), RequestError> {
        if !build.known.id.is_empty() {
            return Ok(());
        }
        let (filter, found) = match build.reference.clone() {
            BuildRef::Id { .. } => return Ok(()),
            BuildRef::Latest { filter, successful } => {
                let status = if successful { Some("finished".to_owned()) } else { filter.status.clone() };
                let filter = Filter { status, ..filter };
                let found = self.list_builds(&filter, 1)?.into_iter().next();
                (filter, found)
            }
            BuildRef::Number { app_id, number } => {
                let filter = Filter::app(&app_id);
                let passed = |seen: &BuildSnapshot| seen.build.number.is_some_and(|own| own <= number);
                let builds = self.list_builds_until(&filter, NUMBERED_BUILDS, &passed)?;
                (filter, builds.into_iter().find(|seen| seen.build.number == Some(number)))
            }
        };
        let Some(found) = found.as_ref().and_then(WatchedBuild::found) else {
            let app = filter.app_id.map_or_else(String::new, |app_id| format!(" of app {app_id}"));
            let error = Error::new(ExitCode::NotFound, format!("build {}{app}", build.reference), "no such build")
                .with_hint("`cibridge codemagic builds` lists the builds");
            return Err(RequestError::permanent(error));
        };
        *build = WatchedBuild { reference: build.reference.clone(), ..found };
        Ok(())
    }

    fn summary(&self, build: &WatchedBuild) -> Build {
        build.known.clone()
    }

    fn is_same(&self, one: &WatchedBuild, other: &WatchedBuild) -> bool {
        !one.known.id.is_empty() && one.known.id == other.known.id
    }

    fn shutdown_provider(&self, limit: Duration) -> Self {
        self.shutdown_client(limit)
    }

    fn start(&self, request: &TriggerRequest) -> Result<Started<WatchedBuild>, StartError> {
        let request = self.with_workflow_id(request).map_err(|error| StartError::NotStarted(error.error))?;
        let id = Client::start(self, &request)?;
        Ok(Started { build: WatchedBuild::started(id, &request), coalesced: false })
    }

    fn find_started(&self, request: &TriggerRequest, by: Mark) -> Result<Search<WatchedBuild>, RequestError> {
        let found = self.marked_builds(request, by)?;
        let builds: Vec<_> = found.builds.iter().filter_map(WatchedBuild::found).collect();
        // No other start has the label: if several builds carry it, it is not known which one is meant.
        let builds = if by == Mark::Start && builds.len() > 1 { Vec::new() } else { builds };
        Ok(Search { builds, is_conclusive: found.is_conclusive, refusal: self.account.refusal() })
    }

    fn trace(&self, request: &TriggerRequest) -> StartTrace {
        StartTrace {
            subject: format!("app {}", request.app_id),
            is_searchable: true,
            has_key: request.key_label().is_some(),
            found_by: "its label".to_owned(),
            hint: format!(
                "look for the label {} on {} before starting another build",
                request.start_label(),
                request.app_id.page()
            ),
        }
    }

    fn poll(&self, build: &mut WatchedBuild) -> Result<BuildSnapshot, RequestError> {
        let id = build.id()?;
        // Only the legacy API cancels, and a process that is to end has no time for its name.
        self.http.resolve_ahead(&self.endpoints.legacy);
        if let History::Due(filter) = build.history.clone()
            && let Some(own) = self.read_history(build, &filter)
        {
            build.learn(&own);
            return Ok(own);
        }
        let snapshot = self.poll_build(&id)?;
        build.learn(&snapshot);
        if matches!(build.history, History::Unknown) && !build.has_ended {
            build.history = build.alike().map_or(History::Read(None), History::Due);
        }
        Ok(snapshot)
    }

    fn steps(&self, build: &WatchedBuild) -> Result<Vec<Step>, RequestError> {
        self.build_steps(&build.id()?)
    }

    fn budget(&self) -> Option<RateLimit> {
        *lock(&self.budget)
    }

    fn estimate(&self, build: &mut WatchedBuild, now: bool) -> Option<DurationEstimate> {
        if now
            && !build.has_ended
            && let History::Due(filter) = build.history.clone()
        {
            self.read_history(build, &filter);
        }
        match build.history {
            History::Read(estimate) => estimate,
            History::Unknown | History::Due(_) => None,
        }
    }

    fn not_found_grace(&self, started: bool) -> Duration {
        if started { UNKNOWN_AFTER_START } else { UNKNOWN_OTHERWISE }
    }

    fn read_log(
        &self,
        build: &mut WatchedBuild,
        steps: &[Step],
        ended: bool,
        log: &mut dyn LogSink,
    ) -> Result<LogState, RequestError> {
        let is_done = |step: &&Step| ended || !matches!(step.status.as_str(), "running" | "pending");
        let done = steps.iter().take_while(is_done).count();
        if done > build.shown {
            let id = build.id()?;
            // The steps of both APIs are the same, in the same order.
            let logs = self.step_logs(&id)?;
            while build.shown < done {
                let step = &steps[build.shown];
                let own = logs.get(build.shown).filter(|own| own.name == step.name);
                build.shown += 1;
                let Some(own) = own.or_else(|| logs.iter().find(|own| own.name == step.name)) else { continue };
                log.step(step);
                let read = self.read_step_log(own, LogFormat::Text, &mut |bytes| {
                    log.write(bytes);
                    Ok(())
                });
                log.end();
                read?;
            }
        }
        Ok(if ended { LogState::Complete } else { LogState::Open })
    }

    fn cancel(&self, build: &WatchedBuild, how: CancelMode) -> Result<Canceled, RequestError> {
        let id = build.id()?;
        if self.cancel_build(&id)? {
            return Ok(Canceled::Canceled("canceled".to_owned()));
        }
        let status = match how {
            CancelMode::Quick => None,
            CancelMode::Thorough { .. } => self.poll_build(&id).ok().map(|seen| seen.build.status),
        };
        Ok(Canceled::AlreadyEnded(status.unwrap_or_else(|| "ended".to_owned())))
    }

    fn failure(&self, build: &WatchedBuild, lines: usize) -> Result<BuildFailure, RequestError> {
        self.build_failure(&build.id()?, &build.known, lines)
    }

    fn describe_end(&self, build: &Build, code: ExitCode) -> String {
        let text = match (code, build.status.as_str()) {
            (ExitCode::Success, _) => "succeeded",
            (ExitCode::Unstable, _) => "ended with warnings",
            (ExitCode::Canceled, _) => "was canceled on Codemagic",
            (ExitCode::Skipped, _) => "was skipped",
            (_, "timeout") => "exceeded the time limit of its workflow (max_build_duration)",
            _ => "failed",
        };
        text.to_owned()
    }

    fn artifacts(&self, build: &WatchedBuild) -> Result<(BuildSnapshot, Vec<RemoteArtifact>), RequestError> {
        let id = build.id()?;
        let (snapshot, artifacts) = self.signed_artifacts(&id)?;
        let at = self.clock.now();
        let first = Arc::new(artifacts.clone());
        self.links.with(|all| all.insert(id, Signed { newest: Arc::clone(&first), first, at }));
        Ok((snapshot, artifacts))
    }

    fn add_sums(&self, build: &WatchedBuild, artifacts: &mut [RemoteArtifact]) -> Result<(), RequestError> {
        self.load_checksums(&build.id()?, artifacts)
    }

    fn artifact_request(
        &self,
        build: &WatchedBuild,
        artifact: &RemoteArtifact,
        attempts: Attempts,
    ) -> Result<Request, RequestError> {
        let id = build.id()?;
        self.renew_links(&id, attempts.made > 0)?;
        let signed_url =
            self.links.with(|all| all.get(&id).and_then(|signed| renewed_url(artifact, &signed.first, &signed.newest)));
        // A signed link goes without the key: the link itself is the permission.
        let signed = signed_url.map(|url| Request::new(Method::Get, url).anonymous());
        let lasting = artifact.links.lasting_url.clone().map(|url| Request::new(Method::Get, url));
        // The lasting link is the last resort: it needs the key.
        let request = if attempts.refused > 1 { lasting.or(signed) } else { signed.or(lasting) };
        request.ok_or_else(|| {
            let thing = format!("artifact {}", artifact.artifact.name);
            RequestError::permanent(Error::new(ExitCode::NotFound, thing, "Codemagic gives no link to it"))
        })
    }

    fn downloads(&self) -> Http {
        self.http.for_downloads()
    }

    fn tests(&self, build: &WatchedBuild) -> Result<TestReport, RequestError> {
        self.test_results(&build.id()?)
    }
}
