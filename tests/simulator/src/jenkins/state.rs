//! The state of a Jenkins: jobs, runs, sessions, tokens, phase of a restart. Knows no HTTP.

use super::config::{JenkinsAccess, JenkinsConfig, JenkinsJob, JenkinsParameter, JobKind, encode_branch};
use super::handle::Restart;
use super::plan::JenkinsPlan;
use super::run::{Order, Place, Run};
use super::segment;
use crate::ids::IdSource;
use crate::time::{SECOND, SimTime};
use serde_json::json;
use std::collections::BTreeMap;

/// How long a queue item can be read after it left the queue.
const ITEM_LIFE: i64 = 300 * SECOND;

/// A job and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) def: JenkinsJob,
    pub(crate) next_number: u32,
    /// `config.xml`, if it was set.
    pub(crate) config_xml: Option<String>,
    pub(crate) disabled: bool,
}

impl Job {
    /// Can it be built, apart from being disabled?
    pub(crate) fn is_project(&self) -> bool {
        !matches!(self.def.kind, JobKind::Folder | JobKind::Multibranch)
    }

    pub(crate) fn short_name(&self) -> &str {
        self.def.name.rsplit('/').next().unwrap_or_default()
    }
}

/// An API token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) user: String,
    pub(crate) value: String,
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) expires: Option<SimTime>,
    /// Requests that came with it.
    pub(crate) uses: u64,
}

/// State of the listening port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Open,
    /// To be closed.
    Closing,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Jenkins {
    pub(crate) config: JenkinsConfig,
    pub(crate) origin: String,
    pub(crate) session_id: String,
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) plans: Vec<JenkinsPlan>,
    pub(crate) runs: Vec<Run>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) sessions: Vec<String>,
    pub(crate) next_queue_id: u64,
    pub(crate) port: Port,
    /// Real time for which a closed port stays so.
    pub(crate) refused_ms: u64,
    /// So many requests are answered by "Starting Jenkins".
    pub(crate) starting: u32,
}

impl Jenkins {
    pub(crate) fn new(config: JenkinsConfig, origin: &str, ids: &mut IdSource) -> Self {
        let mut tokens = Vec::new();
        for user in &config.users {
            for (i, value) in user.tokens.iter().enumerate() {
                let (user, value, name) = (user.name.clone(), value.clone(), format!("token-{i}"));
                tokens.push(Token { user, value, name, uuid: ids.uuid(), expires: None, uses: 0 });
            }
        }
        let mut jenkins = Self {
            origin: origin.to_owned(),
            session_id: session_id(ids),
            jobs: BTreeMap::new(),
            plans: config.plans.clone(),
            runs: Vec::new(),
            tokens,
            sessions: Vec::new(),
            next_queue_id: 1,
            port: Port::Open,
            refused_ms: 0,
            starting: 0,
            config,
        };
        for job in jenkins.config.jobs.clone() {
            jenkins.add_job(job);
        }
        jenkins
    }

    /// Adds a job, the folders above it, and its branches or configurations.
    pub(crate) fn add_job(&mut self, job: JenkinsJob) {
        for (at, _) in job.name.match_indices('/') {
            if !self.jobs.contains_key(&job.name[..at]) {
                self.put(JenkinsJob::folder(&job.name[..at]));
            }
        }
        let matrix = job.kind == JobKind::Matrix;
        let kind = if matrix { JobKind::Configuration } else { JobKind::Pipeline };
        for branch in &job.branches {
            let name = if matrix { branch.clone() } else { encode_branch(branch) };
            self.put(JenkinsJob { name: format!("{}/{name}", job.name), kind, branches: Vec::new(), ..job.clone() });
        }
        self.put(job);
    }

    fn put(&mut self, def: JenkinsJob) {
        let next_number = self.jobs.get(&def.name).map_or(1, |j| j.next_number);
        let disabled = def.disabled;
        self.jobs.insert(def.name.clone(), Job { def, next_number, config_xml: None, disabled });
    }

    /// The items directly below this one (empty for the root).
    pub(crate) fn children(&self, parent: &str) -> Vec<&Job> {
        let prefix = if parent.is_empty() { String::new() } else { format!("{parent}/") };
        let below = |name: &String| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        self.jobs.iter().filter(|(name, _)| below(name)).map(|(_, job)| job).collect()
    }

    /// Path of a job below the context, with slashes at both ends.
    pub(crate) fn job_path(&self, full: &str) -> String {
        let configuration = |name: &str| self.jobs.get(name).is_some_and(|j| j.def.kind == JobKind::Configuration);
        match full.rsplit_once('/') {
            Some((matrix, own)) if configuration(full) => format!("{}{}/", self.job_path(matrix), segment(own)),
            _ => full.split('/').fold(String::from("/"), |path, name| format!("{path}job/{}/", segment(name))),
        }
    }

    /// Its own address with the context path, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        format!("{}{}", self.origin, self.config.context)
    }

    /// The address that the administrator configured, without a slash at the end.
    pub(crate) fn root(&self) -> String {
        self.config.root_url.as_ref().map_or_else(|| self.base(), |u| u.trim_end_matches('/').to_owned())
    }

    pub(crate) fn access(&self, user: Option<&str>) -> JenkinsAccess {
        let Some(name) = user else { return self.config.anonymous };
        self.config.users.iter().find(|u| u.name == name).map_or(JenkinsAccess::None, |u| u.access)
    }

    /// The parameters that a job knows at present.
    pub(crate) fn definitions(&self, job: &str) -> &[JenkinsParameter] {
        let job = &self.jobs[job];
        let learnt = !job.def.learns_parameters || job.next_number > 1;
        if learnt { &job.def.parameters } else { &[] }
    }

    /// Lets all runs catch up with the clock.
    pub(crate) fn catch_up(&mut self, now: SimTime) {
        for i in 0..self.runs.len() {
            if self.runs[i].active() {
                let time = now.since(self.runs[i].seen);
                self.runs[i].seen = now;
                self.move_on(i, Some(time));
            }
        }
    }

    /// Moves one run by a time, or to its next event.
    pub(crate) fn move_on(&mut self, index: usize, time: Option<i64>) {
        let run = &mut self.runs[index];
        let time = time.unwrap_or_else(|| run.events.front().map_or(0, |e| e.left));
        let (before, mut fallback) = (run.number, 1);
        let number = self.jobs.get_mut(&run.job).map_or(&mut fallback, |j| &mut j.next_number);
        run.go(time, number, &mut self.next_queue_id);
        if run.kind == JobKind::Matrix && before.is_none() && run.number.is_some() {
            self.start_configurations(index);
        }
    }

    /// The first event of a build of a matrix project: a build of each of its configurations.
    fn start_configurations(&mut self, index: usize) {
        let (job, number, now) = (self.runs[index].job.clone(), self.runs[index].number, self.runs[index].seen);
        let cause = json!({
            "_class": "hudson.model.Cause$UpstreamCause",
            "shortDescription": format!("Started by upstream project \"{job}\" build number {}", number.unwrap_or(0)),
            "upstreamBuild": number, "upstreamProject": job,
            "upstreamUrl": self.job_path(&job).trim_start_matches('/'),
        });
        let names: Vec<String> = self.children(&job).iter().map(|j| j.def.name.clone()).collect();
        for name in names {
            let order = Order { job: name, cause: cause.clone(), ..Order::default() };
            self.enqueue(order, now);
        }
    }

    /// Puts a start into the queue.
    pub(crate) fn enqueue(&mut self, order: Order, now: SimTime) -> usize {
        let id = self.next_queue_id;
        self.next_queue_id += 1;
        let mut plan = self.choose_plan(&order.job);
        for artifact in plan.artifacts.iter_mut().filter(|a| a.fingerprint && a.md5.is_none()) {
            artifact.md5 = Some(artifact.content().md5());
        }
        let kind = self.jobs[&order.job].def.kind;
        self.runs.push(Run::new(id, kind, order, plan, now));
        let index = self.runs.len() - 1;
        self.move_on(index, Some(0));
        index
    }

    /// Plans for a number of builds come first, in their order; of the others the last one that fits.
    fn choose_plan(&mut self, job: &str) -> JenkinsPlan {
        if let Some(plan) = self.plans.iter_mut().find(|p| p.times.is_some() && p.fits(job)) {
            plan.times = plan.times.map(|n| n - 1);
            return plan.clone();
        }
        self.plans.iter().rev().find(|p| p.times.is_none() && p.fits(job)).cloned().unwrap_or_default()
    }

    /// The run of a build.
    pub(crate) fn build(&self, job: &str, number: u32) -> Option<usize> {
        self.runs.iter().position(|r| r.job == job && r.number == Some(number))
    }

    /// The builds of a job, newest first.
    pub(crate) fn builds(&self, job: &str) -> Vec<&Run> {
        let built = |r: &&Run| r.job == job && r.number.is_some();
        let mut all: Vec<&Run> = self.runs.iter().filter(built).collect();
        all.sort_by_key(|r| std::cmp::Reverse(r.number));
        all
    }

    /// The mean time of the last three builds that went well, in milliseconds; -1 if there are none.
    pub(crate) fn usual_duration(&self, job: &str) -> i64 {
        let well = |r: &&&Run| matches!(r.result.as_deref(), Some("SUCCESS" | "UNSTABLE")) && !r.in_progress;
        let builds = self.builds(job);
        let time = |r: &&Run| Some(r.ended?.since(r.started) / 1000);
        let last: Vec<i64> = builds.iter().filter(well).take(3).filter_map(time).collect();
        if last.is_empty() { -1 } else { last.iter().sum::<i64>() / last.len() as i64 }
    }

    /// The run of a queue item, if the queue still knows it.
    pub(crate) fn item(&self, id: u64, now: SimTime) -> Option<usize> {
        let old = |r: &Run| r.left.is_some_and(|left| now.since(left) > ITEM_LIFE);
        self.runs.iter().position(|r| r.id == id && !r.item_gone && !old(r))
    }

    /// Takes an item out of the queue; false if it is there no more.
    pub(crate) fn cancel(&mut self, index: usize, now: SimTime) -> bool {
        let run = &mut self.runs[index];
        if !run.queued() {
            return false;
        }
        run.place = Place::Canceled;
        run.left = Some(now);
        run.events.clear();
        true
    }

    /// A restart: another session id, no sessions, nothing known of items that left.
    pub(crate) fn restart(&mut self, ids: &mut IdSource, now: SimTime, how: &Restart) {
        self.session_id = session_id(ids);
        self.sessions.clear();
        self.starting = how.starting_requests;
        self.refused_ms = how.refused_ms;
        if how.refused_ms > 0 {
            self.port = Port::Closing;
        }
        for index in 0..self.runs.len() {
            if self.runs[index].queued() && !how.lose_queue {
                continue;
            }
            self.cancel(index, now);
            let run = &mut self.runs[index];
            run.item_gone = true;
            if run.in_progress && run.pipeline() {
                run.log.text(None, &format!("Resuming build at {} after Jenkins restart\n", now.http_date()));
                run.log.text(None, &format!("Ready to run at {}\n", now.plus(SECOND).http_date()));
            }
        }
    }
}

fn session_id(ids: &mut IdSource) -> String {
    format!("{:08x}", ids.next() >> 32)
}
