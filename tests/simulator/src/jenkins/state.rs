//! Everything a Jenkins knows: jobs, runs, sessions, tokens, phase of a restart. Knows no HTTP.

use super::config::{JenkinsAccess, JenkinsConfig, JenkinsJob, JobKind, encode_branch};
use super::plan::JenkinsPlan;
use super::run::{Order, Place, Run};
use crate::ids::IdSource;
use crate::time::{SECOND, SimTime, micros};
use serde_json::Value;
use std::collections::BTreeMap;

/// A job and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) def: JenkinsJob,
    pub(crate) next_number: u32,
    pub(crate) config_xml: Option<String>,
    pub(crate) disabled: bool,
}

impl Job {
    fn new(def: JenkinsJob) -> Self {
        let next_number = def.first_number.max(1);
        Self { next_number, config_xml: def.config_xml.clone(), disabled: def.disabled, def }
    }

    /// Can it be built, apart from being disabled?
    pub(crate) fn is_project(&self) -> bool {
        matches!(self.def.kind, JobKind::Freestyle | JobKind::Pipeline)
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

/// A session by its cookie.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: Option<String>,
}

/// Is anybody listening?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Open,
    /// To be closed.
    Closing,
    Closed,
}

/// A Jenkins.
#[derive(Debug)]
pub(crate) struct Jenkins {
    pub(crate) config: JenkinsConfig,
    pub(crate) origin: String,
    pub(crate) session_id: String,
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) plans: Vec<JenkinsPlan>,
    pub(crate) runs: Vec<Run>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) next_queue_id: u64,
    pub(crate) port: Port,
    /// Real time for which a closed port stays so; `None` is until somebody starts it.
    pub(crate) refused_ms: Option<u64>,
    /// So many requests are answered by "Starting Jenkins"; `u32::MAX` is all of them.
    pub(crate) starting: u32,
    pub(crate) restarts: u32,
}

impl Jenkins {
    pub(crate) fn new(config: JenkinsConfig, origin: &str, ids: &mut IdSource) -> Self {
        let mut tokens = Vec::new();
        for user in &config.users {
            for (i, value) in user.tokens.iter().enumerate() {
                tokens.push(Token {
                    user: user.name.clone(),
                    value: value.clone(),
                    name: format!("token-{i}"),
                    uuid: ids.uuid(),
                    expires: None,
                    uses: 0,
                });
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
            next_queue_id: config.first_queue_id,
            port: Port::Open,
            refused_ms: None,
            starting: 0,
            restarts: 0,
            config,
        };
        for job in jenkins.config.jobs.clone() {
            jenkins.add_job(job);
        }
        jenkins
    }

    /// Adds a job, the folders above it, and its branches; replaces one of this name but for its next number.
    pub(crate) fn add_job(&mut self, job: JenkinsJob) {
        let parts: Vec<&str> = job.name.split('/').collect();
        for depth in 1..parts.len() {
            let folder = parts[..depth].join("/");
            self.jobs.entry(folder.clone()).or_insert_with(|| Job::new(JenkinsJob::folder(&folder)));
        }
        for branch in &job.branches {
            let name = format!("{}/{}", job.name, encode_branch(branch));
            let branch =
                JenkinsJob { name: name.clone(), kind: JobKind::Pipeline, branches: Vec::new(), ..job.clone() };
            self.put(name, branch);
        }
        self.put(job.name.clone(), job);
    }

    fn put(&mut self, name: String, def: JenkinsJob) {
        let number = self.jobs.get(&name).map_or(1, |j| j.next_number);
        let mut job = Job::new(def);
        job.next_number = job.next_number.max(number);
        self.jobs.insert(name, job);
    }

    /// Names of the items directly below this one (empty for the root).
    pub(crate) fn children(&self, parent: &str) -> Vec<&Job> {
        let prefix = if parent.is_empty() { String::new() } else { format!("{parent}/") };
        let below = |name: &String| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        self.jobs.iter().filter(|(name, _)| below(name)).map(|(_, job)| job).collect()
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
        match user {
            None => self.config.anonymous,
            Some(name) => self.config.users.iter().find(|u| u.name == name).map_or(JenkinsAccess::None, |u| u.access),
        }
    }

    /// Lets all runs go on to this moment of the clock.
    pub(crate) fn settle(&mut self, now: SimTime) {
        for i in 0..self.runs.len() {
            if self.runs[i].active() {
                let time = now.since(self.runs[i].seen);
                self.runs[i].seen = now;
                self.move_on(i, Some(time));
            }
        }
    }

    /// Lets one run go on by a time, or to the next thing that happens.
    pub(crate) fn move_on(&mut self, index: usize, time: Option<i64>) {
        let serial = self.jobs.get(&self.runs[index].job).is_some_and(|j| j.def.serial);
        let job = self.runs[index].job.clone();
        let busy = serial
            && self
                .runs
                .iter()
                .any(|r| r.job == job && (r.in_progress || r.place == Place::Left && r.number.is_none()));
        let gate = !busy && !self.config.quieting_down;
        let mut fallback = 1;
        let run = &mut self.runs[index];
        let number = self.jobs.get_mut(&job).map_or(&mut fallback, |j| &mut j.next_number);
        match time {
            Some(time) => run.go(time, gate, number),
            None => run.step(gate, number),
        }
    }

    /// Puts a start into the queue.
    pub(crate) fn enqueue(&mut self, mut order: Order, now: SimTime) -> usize {
        order.id = self.next_queue_id;
        self.next_queue_id += 1;
        let mut plan = self.choose_plan(&order.job);
        for artifact in plan.artifacts.iter_mut().filter(|a| a.fingerprint && a.md5.is_none()) {
            artifact.md5 = Some(artifact.content().md5());
        }
        self.runs.push(Run::new(order, plan, now));
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
        self.runs.iter().position(|r| r.job == job && r.number == Some(number) && !r.deleted)
    }

    /// The builds of a job, newest first.
    pub(crate) fn builds(&self, job: &str) -> Vec<&Run> {
        let mut all: Vec<&Run> =
            self.runs.iter().filter(|r| r.job == job && r.number.is_some() && !r.deleted).collect();
        all.sort_by_key(|r| std::cmp::Reverse(r.number));
        all
    }

    /// The mean time of the last three builds that went well, in milliseconds; -1 if there are none.
    pub(crate) fn usual_duration(&self, job: &str) -> i64 {
        let well = |r: &&&Run| matches!(r.result.as_deref(), Some("SUCCESS" | "UNSTABLE")) && !r.in_progress;
        let builds = self.builds(job);
        let last: Vec<i64> =
            builds.iter().filter(well).take(3).filter_map(|r| Some(r.ended?.since(r.started) / 1000)).collect();
        if last.is_empty() { -1 } else { last.iter().sum::<i64>() / last.len() as i64 }
    }

    /// The run of a queue item, if the queue still knows it.
    pub(crate) fn item(&self, id: u64, now: SimTime) -> Option<usize> {
        let life = micros(self.config.queue_item_seconds);
        let old = |r: &Run| r.left.is_some_and(|left| now.since(left) > life);
        self.runs.iter().position(|r| r.id == id && !r.item_gone && !old(r))
    }

    /// Takes an item out of the queue; false if it is there no more.
    pub(crate) fn cancel(&mut self, index: usize, now: SimTime) -> bool {
        let run = &mut self.runs[index];
        if !run.queued() {
            return false;
        }
        run.place = Place::Cancelled;
        run.left = Some(now);
        run.beats.clear();
        true
    }

    /// A restart: another session id, no sessions, nothing known of items that left. `lose_queue` forgets those that
    /// wait, `lose_builds` the builds of freestyle projects that run.
    pub(crate) fn restart(&mut self, ids: &mut IdSource, now: SimTime, lose_queue: bool, lose_builds: bool) {
        self.session_id = session_id(ids);
        self.sessions.clear();
        self.restarts += 1;
        for run in &mut self.runs {
            if run.queued() {
                if lose_queue {
                    run.place = Place::Cancelled;
                    run.left = Some(now);
                    run.beats.clear();
                    run.item_gone = true;
                }
                continue;
            }
            run.item_gone = true;
            if !run.in_progress {
                continue;
            }
            if run.pipeline() {
                run.log.text(None, &format!("Resuming build at {} after Jenkins restart\n", now.http_date()));
                run.log.text(None, &format!("Ready to run at {}\n", now.plus(SECOND).http_date()));
            } else if lose_builds {
                run.beats.clear();
                (run.building, run.in_progress, run.log_open, run.deleted) = (false, false, false, true);
            }
        }
    }
}

fn session_id(ids: &mut IdSource) -> String {
    format!("{:08x}", ids.next() >> 32)
}

/// Merges the patch of a plan into an answer.
pub(crate) fn patched(mut value: Value, patch: &Value) -> Value {
    if !patch.is_null() {
        crate::patch::merge(&mut value, patch);
    }
    value
}

impl Jenkins {
    /// The parameters that a job knows at present.
    pub(crate) fn definitions(&self, job: &str) -> Vec<super::config::JenkinsParameter> {
        let job = &self.jobs[job];
        let learnt = !job.def.learns_parameters || job.next_number > 1;
        if learnt { job.def.parameters.clone() } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jenkins::plan::JenkinsStep;

    fn jenkins(plan: JenkinsPlan) -> Jenkins {
        let config = JenkinsConfig::with_jobs([JenkinsJob::pipeline("a/p"), JenkinsJob::freestyle("f").serial()]);
        Jenkins::new(config.plan(plan), "http://h", &mut IdSource::new())
    }

    fn at(seconds: i64) -> SimTime {
        SimTime::from_micros(seconds * SECOND)
    }

    fn start(j: &mut Jenkins, job: &str, now: i64) -> usize {
        let kind = j.jobs[job].def.kind;
        let cause = serde_json::json!({"shortDescription": "Started by timer"});
        let (params, files) = (Vec::new(), Vec::new());
        j.enqueue(Order { id: 0, job: job.into(), kind, params, files, cause, quiet_seconds: 5.0 }, at(now))
    }

    #[test]
    fn a_run_passes_its_states_at_their_times() {
        let mut plan = JenkinsPlan::steps([JenkinsStep::text("x\n").after(10.0)]);
        (plan.blocked_seconds, plan.left_seconds) = (2.0, 1.0);
        let mut j = jenkins(plan);
        let run = start(&mut j, "a/p", 100);
        let mut seen = Vec::new();
        for now in 100..=120 {
            j.settle(at(now));
            let state = j.runs[run].state();
            if seen.last().is_none_or(|(_, last)| *last != state) {
                seen.push((now, state));
            }
        }
        let expected = [
            (100, "waiting"),
            (105, "blocked"),
            (107, "buildable"),
            (108, "left"),
            (109, "running"),
            (119, "finished"),
        ];
        assert_eq!(seen, expected);
        assert_eq!((j.runs[run].started, j.runs[run].ended), (at(109), Some(at(119))));
        assert_eq!((j.usual_duration("a/p"), j.usual_duration("f")), (10_000, -1));
        // One leap comes to the same.
        let again = start(&mut j, "a/p", 120);
        j.settle(at(900));
        let run = &j.runs[again];
        assert_eq!((run.number, run.ended, run.state()), (Some(2), Some(at(139)), "finished"));
    }

    #[test]
    fn a_hold_stops_the_build_and_not_the_time() {
        let mut j = jenkins(JenkinsPlan::endless());
        let run = start(&mut j, "a/p", 0);
        j.settle(at(50));
        assert_eq!(j.runs[run].state(), "held");
        j.runs[run].release();
        j.settle(at(60));
        assert_eq!((j.runs[run].state(), j.runs[run].ended), ("finished", Some(at(50))));
    }

    #[test]
    fn folders_and_branches_come_with_their_jobs() {
        let mut j = jenkins(JenkinsPlan::default());
        j.add_job(JenkinsJob::multibranch("x/repo", &["a/b"]));
        let names: Vec<_> = j.jobs.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "a/p", "f", "x", "x/repo", "x/repo/a%2Fb"]);
        assert_eq!(j.children("").len(), 3);
        assert_eq!(j.children("x/repo")[0].def.kind, JobKind::Pipeline);
    }

    #[test]
    fn items_are_forgotten_and_serial_jobs_wait() {
        let mut j = jenkins(JenkinsPlan::endless());
        let (first, second) = (start(&mut j, "f", 0), start(&mut j, "f", 1));
        j.settle(at(10));
        assert_eq!((j.runs[first].state(), j.runs[second].state()), ("held", "buildable"));
        assert!(j.item(1, at(310)).is_some() && j.item(1, at(311)).is_none());
        assert!(j.item(2, at(9999)).is_some());
        assert!(j.cancel(second, at(20)) && !j.cancel(second, at(20)));
    }
}
