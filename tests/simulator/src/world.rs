//! The state of a simulator, behind one lock: builds, clock, faults, records.

use crate::builds::{Build, BuildInfo, StartRequest, Via};
use crate::clock::{Advance, Clock};
use crate::config::{App, Config, History};
use crate::fault::Faults;
use crate::http::Request;
use crate::ids::IdSource;
use crate::jenkins::Jenkins;
use crate::plan::{Plan, StepPlan};
use crate::record::{ConnectionRecord, Counters, RequestRecord};
use crate::time::{SimTime, micros};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The state and the means to wait for changes of it.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    changed: Condvar,
    stopped: AtomicBool,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self { world: Mutex::new(world), changed: Condvar::new(), stopped: AtomicBool::new(false) }
    }

    /// The state. A panic of a test's predicate does not make it unusable.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.catch_up();
        world
    }

    /// Changes the state and wakes all who wait for that.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.lock());
        self.notify();
        result
    }

    /// Wakes all who wait for a change.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Taking the lock makes sure that no thread is between the test of the flag and the wait.
        drop(self.lock());
        self.notify();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Waits for real time to pass, or for the end of the simulator.
    pub(crate) fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        let mut world = self.lock();
        while !self.stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            world = self.changed.wait_timeout(world, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until `test` holds. Time alone changes builds too, so it is asked again now and then.
    pub(crate) fn wait(&self, limit: Duration, mut test: impl FnMut(&World) -> bool) -> bool {
        const LOOK: Duration = Duration::from_millis(10);
        let end = Instant::now() + limit;
        let mut world = self.lock();
        loop {
            world.catch_up();
            if test(&world) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stopped() {
                return false;
            }
            world = self.changed.wait_timeout(world, left.min(LOOK)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The addresses of the listeners.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) api: String,
    pub(crate) storage: String,
    /// Empty without a Jenkins.
    pub(crate) jenkins: String,
}

/// The state.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) builds: Vec<Build>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) faults: Faults,
    pub(crate) requests: Vec<RequestRecord>,
    pub(crate) connections: Vec<ConnectionRecord>,
    /// Requests ever recorded, also before a reset.
    pub(crate) requests_made: u64,
    /// Connections ever opened, also before a reset.
    pub(crate) connections_made: u64,
    pub(crate) counters: Counters,
    /// The beginning of the rate limit's present window, and the requests in it.
    limit_window: (SimTime, u64),
    /// The build and the artifact behind each self-authorizing path.
    pub(crate) links: HashMap<String, (usize, usize)>,
    /// Paths of the storage with their signed queries.
    pub(crate) signed: HashSet<String>,
    /// Caches that were deleted.
    pub(crate) deleted_caches: Vec<String>,
    pub(crate) jenkins: Option<Jenkins>,
}

/// Where `advance` takes a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To its next status.
    Next,
    /// To this status, if it comes.
    Status(String),
    /// To its end.
    End,
    /// Out of the place where its plan holds it.
    Release,
}

impl World {
    pub(crate) fn new(config: Config, addresses: Addresses) -> Self {
        let clock = Clock::new(config.advance, config.speed, SimTime::real_now());
        let mut world = Self {
            limit_window: (clock.now(), 0),
            clock,
            addresses,
            ids: IdSource::default(),
            builds: Vec::new(),
            plans: config.plans.clone(),
            faults: Faults::default(),
            requests: Vec::new(),
            connections: Vec::new(),
            requests_made: 0,
            connections_made: 0,
            counters: Counters::default(),
            links: HashMap::new(),
            signed: HashSet::new(),
            deleted_caches: Vec::new(),
            jenkins: None,
            config,
        };
        world.open_jenkins();
        for fault in world.config.faults.clone() {
            world.faults.add(fault);
        }
        for history in world.config.history.clone() {
            world.add_history(&history);
        }
        world
    }

    /// Back to the beginning; the sockets stay, and numbers and ids continue, so that a test cannot confuse old and new.
    pub(crate) fn reset(&mut self) {
        let mut fresh = Self::new(self.config.clone(), self.addresses.clone());
        fresh.connections = std::mem::take(&mut self.connections);
        fresh.connections.retain(|c| !c.closed);
        fresh.requests_made = self.requests_made;
        fresh.connections_made = self.connections_made;
        fresh.ids = std::mem::take(&mut self.ids);
        fresh.keep_jenkins_port(self);
        *self = fresh;
    }

    pub(crate) fn now(&self) -> SimTime {
        self.clock.now()
    }

    /// Counts a request with a valid key. Gives how many more the rate limit allows, or `None` if it does not allow this
    /// one, and the seconds until its window ends.
    pub(crate) fn take_request(&mut self) -> (Option<u64>, u64) {
        const HOUR: i64 = 3600 * 1_000_000;
        let elapsed = self.now().since(self.limit_window.0);
        if elapsed >= HOUR {
            self.limit_window = (self.limit_window.0.plus(elapsed / HOUR * HOUR), 0);
        }
        self.limit_window.1 += 1;
        let reset = (HOUR - elapsed.rem_euclid(HOUR)) as u64;
        (self.config.hourly_limit.checked_sub(self.limit_window.1), reset.div_ceil(1_000_000))
    }

    /// The app of this id, unless it is foreign.
    pub(crate) fn own_app(&self, id: &str) -> Option<&App> {
        self.config.apps.iter().find(|a| a.id == id && !a.foreign)
    }

    /// The builds as tests see them, oldest first.
    pub(crate) fn build_infos(&self) -> Vec<BuildInfo> {
        self.builds.iter().map(|b| b.info(&self.clock, &self.addresses.api)).collect()
    }

    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.builds.iter().position(|b| b.id == id)
    }

    /// Indices of all builds, newest first.
    pub(crate) fn newest_first(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.builds.len()).collect();
        all.sort_by_key(|&i| std::cmp::Reverse((self.builds[i].origin, i)));
        all
    }

    /// Indices of the builds that a list shows by the filters of the request, newest first.
    pub(crate) fn listed(&mut self, request: &Request) -> Vec<usize> {
        let query = |name: &str| request.query_one(name);
        let app = query("app_id").or_else(|| query("appId"));
        let workflow = query("workflow_id").or_else(|| query("workflowId"));
        let (branch, tag) = (query("branch"), query("tag"));
        let same = |wanted: &Option<String>, value: Option<&String>| wanted.is_none() || wanted.as_ref() == value;
        let mut all = self.newest_first();
        all.retain(|&index| self.builds[index].listed());
        all.retain(|&index| {
            let build = &self.builds[index].request;
            same(&app, Some(&build.app_id))
                && same(&workflow, Some(&build.workflow_id))
                && same(&branch, build.branch.as_ref())
                && same(&tag, build.tag.as_ref())
        });
        all
    }

    /// Starts a build as the plans say.
    pub(crate) fn start_build(&mut self, request: StartRequest, via: Via) -> usize {
        let plan = self.choose_plan(&request);
        self.counters.builds_started += 1;
        let index = self.add_build(request, plan, via, self.now());
        self.builds[index].not_found_left = self.config.not_found_polls;
        self.builds[index].hidden_lists = self.config.hidden_lists;
        index
    }

    fn add_build(&mut self, request: StartRequest, plan: Plan, via: Via, origin: SimTime) -> usize {
        let app = self.config.apps.iter().find(|a| a.id == request.app_id);
        let workflow = app.and_then(|a| a.workflows.iter().find(|w| w.id == request.workflow_id));
        let workflow_name = workflow.and_then(|w| w.name.clone());
        let index = self.builds.iter().filter(|b| b.request.app_id == request.app_id).count() as u64 + 1;
        self.builds.push(Build { workflow_name, index, ..Build::new(&mut self.ids, request, plan, via, origin) });
        self.builds.len() - 1
    }

    /// Plans for a number of builds come first, in their order; of the others the last one that fits.
    fn choose_plan(&mut self, request: &StartRequest) -> Plan {
        let fits = |p: &Plan| p.fits(&request.app_id, &request.workflow_id, request.branch.as_deref());
        if let Some(plan) = self.plans.iter_mut().find(|p| p.times.is_some() && fits(p)) {
            plan.times = plan.times.map(|n| n - 1);
            return plan.clone();
        }
        let known = self.workflow_known(request);
        let mut unlimited = self.plans.iter().rev().filter(|p| p.times.is_none() && fits(p));
        let plan = unlimited.find(|p| known || p.workflow_id.is_some());
        match (plan, known) {
            (Some(plan), _) => plan.clone(),
            (None, true) => Plan::default(),
            (None, false) => unknown_workflow_plan(&request.workflow_id),
        }
    }

    /// Is the workflow one of the app's?
    pub(crate) fn workflow_known(&self, request: &StartRequest) -> bool {
        let app = self.config.apps.iter().find(|a| a.id == request.app_id);
        app.is_some_and(|a| a.workflows.iter().any(|w| w.id == request.workflow_id))
    }

    /// Puts finished builds into the past.
    pub(crate) fn add_history(&mut self, history: &History) {
        const GAP: f64 = 3600.0;
        let first_app = self.config.apps.first().map(|a| a.id.clone()).unwrap_or_default();
        let span: f64 = history.durations.iter().map(|d| d + history.queued_seconds + GAP).sum();
        let mut origin = self.now().plus(-micros(span));
        for &seconds in &history.durations {
            let request = StartRequest {
                app_id: history.app_id.clone().unwrap_or_else(|| first_app.clone()),
                workflow_id: history.workflow_id.clone(),
                branch: Some(history.branch.clone()),
                labels: history.labels.clone(),
                ..StartRequest::default()
            };
            let mut plan = Plan::lasting(history.queued_seconds, seconds);
            plan.status = Some(history.status.clone());
            self.add_build(request, plan, Via::History, origin);
            origin = origin.plus(micros(seconds + history.queued_seconds + GAP));
        }
    }

    /// A GET of a build was answered.
    pub(crate) fn polled(&mut self, index: usize) {
        self.builds[index].polls += 1;
        if self.clock.mode == Advance::Poll {
            self.advance_build(index, &Target::Next);
        }
    }

    /// Moves the whole simulation by simulated time.
    pub(crate) fn advance(&mut self, seconds: f64) {
        let time = micros(seconds);
        self.clock.jump(time);
        for build in &mut self.builds {
            build.polled += time;
        }
    }

    /// Moves one build; unless polls move builds, the clock moves for all.
    pub(crate) fn advance_build(&mut self, index: usize, target: &Target) {
        if *target == Target::Release {
            let Self { builds, clock, .. } = self;
            builds[index].release(clock);
            return;
        }
        let build = &self.builds[index];
        let position = build.position(&self.clock);
        let to = match target {
            Target::Next | Target::Release => build.timeline.next_change(position),
            Target::End => build.timeline.end(),
            Target::Status(status) => {
                let mut at = Some(position);
                while let Some(p) = at.filter(|&p| build.timeline.at(p).status != *status) {
                    at = build.timeline.next_change(p);
                }
                at
            }
        };
        let Some(by) = to.map(|t| t - position).filter(|&by| by > 0) else { return };
        if self.clock.mode == Advance::Poll {
            self.builds[index].polled += by;
            let build = &self.builds[index];
            let reached = build.time(build.position(&self.clock));
            self.clock.jump(reached.since(self.now()));
        } else {
            self.clock.jump(by);
        }
    }

    /// Changes what moves the builds.
    pub(crate) fn set_clock(&mut self, mode: Option<Advance>, speed: Option<f64>) {
        self.clock.set(mode, speed);
        if mode == Some(Advance::Poll) {
            let now = self.now();
            for build in &mut self.builds {
                build.polled = now.since(build.origin);
            }
        }
    }

    /// Takes a cancel; false if the build was over.
    pub(crate) fn cancel(&mut self, index: usize) -> bool {
        self.counters.cancels += 1;
        let Self { builds, clock, .. } = self;
        let build = &mut builds[index];
        build.cancels += 1;
        if build.moment(clock).finished.is_some() {
            return false;
        }
        if !build.plan.cancel.ignored {
            build.timeline.cancel_at(build.position(clock) + micros(build.plan.cancel.delay_seconds));
        }
        true
    }
}

/// What the service does with a workflow that is not in the repository.
fn unknown_workflow_plan(workflow: &str) -> Plan {
    let fetching = StepPlan { status: "failed".into(), ..StepPlan::of("Fetching app sources", "fetching", 4.0) };
    Plan {
        queued_seconds: 2.0,
        steps: vec![
            StepPlan::of("Preparing build machine", "preparing", 10.0),
            fetching,
            StepPlan::of("Cleaning up", "finishing", 2.0),
        ],
        message: Some(format!("Workflow with id `{workflow}` was not found in codemagic.yaml")),
        artifacts: Vec::new(),
        ..Plan::default()
    }
}
