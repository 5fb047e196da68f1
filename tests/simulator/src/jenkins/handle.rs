//! The Jenkins as a test holds it.

use super::config::{JenkinsConfig, JenkinsJob};
use super::log::Form;
use super::plan::JenkinsPlan;
use super::run::{Ending, JenkinsAnswer, JenkinsFile, Order, Place, Run};
use super::state::{Jenkins, Port};
use crate::simulator::Simulator;
use crate::world::World;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A start of a job as tests see it: the queue item, and the build it became.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JenkinsRun {
    /// Id of the queue item.
    pub queue_id: u64,
    /// Full name of the job.
    pub job: String,
    /// Number of the build, once there is one.
    pub number: Option<u32>,
    /// URL of the build.
    pub url: Option<String>,
    /// `waiting`, `blocked`, `buildable`, `left`, `cancelled`, `running`, `input`, `held` or `finished`.
    pub state: String,
    /// Result, as soon as it is set.
    pub result: Option<String>,
    /// As in the build's JSON.
    pub building: bool,
    /// As in the build's JSON.
    pub in_progress: bool,
    /// All values by their names, those of passwords too.
    pub parameters: Map<String, Value>,
    /// Files that came with the start.
    pub files: Vec<JenkinsFile>,
    /// Causes as in the build's JSON.
    pub causes: Vec<Value>,
    /// Starts that were joined with this one.
    pub joined: u32,
    /// How often `stop` was asked for.
    pub stops: u32,
    /// How often `term` was asked for.
    pub terms: u32,
    /// How often `kill` was asked for.
    pub kills: u32,
    /// Answers to questions.
    pub answers: Vec<JenkinsAnswer>,
    /// Description of the build.
    pub description: Option<String>,
    /// Bytes of the log as stored.
    pub log_size: u64,
}

/// Where [`Simulator::move_jenkins_run`] takes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JenkinsMove {
    /// To the next thing that happens.
    Next,
    /// Out of the queue, to the beginning of its build.
    Start,
    /// To its end, or to a question or a hold before it.
    End,
    /// Out of the place where its plan holds it.
    Release,
}

/// How a restart goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restart {
    /// Connections are refused for so many real milliseconds.
    pub refused_ms: u64,
    /// Connections are refused until [`Simulator::start_jenkins`].
    pub stays_down: bool,
    /// So many requests then get 503 "Starting Jenkins"; `u32::MAX` is all until [`Simulator::start_jenkins`].
    pub starting_requests: u32,
    /// Queue items that wait are lost.
    pub lose_queue: bool,
    /// Builds of freestyle projects that run are lost.
    pub lose_builds: bool,
}

impl Run {
    pub(crate) fn state(&self) -> &'static str {
        match self.place {
            Place::Waiting => "waiting",
            Place::Blocked => "blocked",
            Place::Buildable => "buildable",
            Place::Cancelled => "cancelled",
            Place::Left if self.number.is_none() => "left",
            Place::Left if !self.in_progress => "finished",
            Place::Left if self.question().is_some() => "input",
            Place::Left if self.held => "held",
            Place::Left => "running",
        }
    }
}

impl Jenkins {
    pub(crate) fn infos(&self) -> Vec<JenkinsRun> {
        self.runs.iter().filter(|r| !r.deleted).map(|r| self.info(r)).collect()
    }

    fn info(&self, run: &Run) -> JenkinsRun {
        JenkinsRun {
            queue_id: run.id,
            job: run.job.clone(),
            number: run.number,
            url: run.number.map(|n| self.build_url(run, n)),
            state: run.state().to_owned(),
            result: run.result.clone(),
            building: run.building,
            in_progress: run.in_progress,
            parameters: run.params.iter().map(|p| (p.definition.name.clone(), p.value.clone())).collect(),
            files: run.files.clone(),
            causes: run.causes.clone(),
            joined: run.joined,
            stops: run.orders.stops,
            terms: run.orders.terms,
            kills: run.orders.kills,
            answers: run.answers.clone(),
            description: run.description.clone(),
            log_size: run.log.len(),
        }
    }

    /// Moves one run; false if there is none of this id.
    pub(crate) fn move_run(&mut self, queue_id: u64, to: JenkinsMove) -> bool {
        let Some(index) = self.runs.iter().position(|r| r.id == queue_id) else { return false };
        match to {
            JenkinsMove::Next => self.move_on(index, None),
            JenkinsMove::Release => {
                self.runs[index].release();
                self.move_on(index, Some(0));
            }
            JenkinsMove::Start | JenkinsMove::End => loop {
                let run = &self.runs[index];
                let done = to == JenkinsMove::Start && run.number.is_some() || !run.active();
                let before = run.beats.len();
                if done {
                    break;
                }
                self.move_on(index, None);
                if self.runs[index].beats.len() == before {
                    break;
                }
            },
        }
        true
    }
}

impl World {
    /// Restarts the Jenkins; the port follows if it is to be closed.
    pub(crate) fn restart_jenkins(&mut self, restart: &Restart) {
        let now = self.now();
        let Self { jenkins: Some(j), ids, .. } = self else { return };
        j.restart(ids, now, restart.lose_queue, restart.lose_builds);
        j.starting = restart.starting_requests;
        if restart.stays_down || restart.refused_ms > 0 {
            j.port = Port::Closing;
            j.refused_ms = (!restart.stays_down).then_some(restart.refused_ms);
        }
    }
}

impl Simulator {
    /// Root of the Jenkins with its context path, without a slash at its end; empty if there is none.
    pub fn jenkins_url(&self) -> &str {
        &self.jenkins_url
    }

    /// URL of a job by its full name (items of a multibranch project as [`super::encode_branch`] names them).
    pub fn jenkins_job_url(&self, full_name: &str) -> String {
        format!("{}{}", self.jenkins_url, super::job_path(full_name))
    }

    fn with_jenkins<T: Default>(&self, act: impl FnOnce(&mut Jenkins) -> T) -> T {
        let result = self.shared.lock().jenkins.as_mut().map(act);
        self.shared.notify();
        result.unwrap_or_default()
    }

    /// All starts so far, oldest first.
    pub fn jenkins_runs(&self) -> Vec<JenkinsRun> {
        self.with_jenkins(|j| j.infos())
    }

    /// The start with this queue id.
    pub fn jenkins_run(&self, queue_id: u64) -> Option<JenkinsRun> {
        self.jenkins_runs().into_iter().find(|r| r.queue_id == queue_id)
    }

    /// The build of this number.
    pub fn jenkins_build(&self, job: &str, number: u32) -> Option<JenkinsRun> {
        self.jenkins_runs().into_iter().find(|r| r.job == job && r.number == Some(number))
    }

    /// The log of a build so far as `consoleText` of a finished build shows it; empty if there is no such build.
    pub fn jenkins_console(&self, job: &str, number: u32) -> String {
        self.with_jenkins(|j| {
            let Some(index) = j.build(job, number) else { return String::new() };
            let log = &j.runs[index].log;
            let content = log.read(0, log.len(), Form::Plain);
            let mut bytes = vec![0; content.len() as usize];
            content.read_at(0, &mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    /// A plan for coming builds.
    pub fn jenkins_plan(&self, plan: JenkinsPlan) {
        self.with_jenkins(|j| j.plans.push(plan));
    }

    /// Adds a job or replaces one; its numbers go on.
    pub fn jenkins_job(&self, job: JenkinsJob) {
        self.with_jenkins(|j| j.add_job(job));
    }

    /// Changes settings; tokens, jobs and plans are those of the start, and the socket stays.
    pub fn configure_jenkins(&self, change: impl FnOnce(&mut JenkinsConfig)) {
        self.with_jenkins(|j| change(&mut j.config));
    }

    /// Starts a build as if somebody had done so on the web page; returns the id of the queue item.
    pub fn start_jenkins_build(&self, job: &str) -> u64 {
        let mut world = self.shared.lock();
        let now = world.now();
        let Some(j) = world.jenkins.as_mut() else { return 0 };
        let Some(kind) = j.jobs.get(job).map(|job| job.def.kind) else { return 0 };
        let cause = serde_json::json!({
            "_class": "hudson.model.Cause$UserIdCause",
            "shortDescription": "Started by user somebody",
            "userId": "somebody",
            "userName": "somebody",
        });
        let (params, files) = (Vec::new(), Vec::new());
        let order = Order { id: 0, job: job.to_owned(), kind, params, files, cause, quiet_seconds: 0.0 };
        let index = j.enqueue(order, now);
        let id = j.runs[index].id;
        drop(world);
        self.shared.notify();
        id
    }

    /// Moves a run on; false if there is none with this queue id.
    pub fn move_jenkins_run(&self, queue_id: u64, to: JenkinsMove) -> bool {
        self.with_jenkins(|j| j.move_run(queue_id, to))
    }

    /// Adds text to the log of a running build, as it is.
    pub fn append_jenkins_log(&self, job: &str, number: u32, text: &str) {
        self.with_jenkins(|j| {
            if let Some(index) = j.build(job, number) {
                j.runs[index].log.text(None, text);
            }
        });
    }

    /// Cancels a queue item as if somebody else had done so; false if it waits no more.
    pub fn cancel_jenkins_item(&self, queue_id: u64) -> bool {
        let mut world = self.shared.lock();
        let now = world.now();
        let Some(j) = world.jenkins.as_mut() else { return false };
        let index = j.runs.iter().position(|r| r.id == queue_id);
        let cancelled = index.is_some_and(|i| j.cancel(i, now));
        drop(world);
        self.shared.notify();
        cancelled
    }

    /// Stops a build as if `user` had done so; it counts among the stops.
    pub fn stop_jenkins_build(&self, job: &str, number: u32, user: &str) {
        self.with_jenkins(|j| {
            if let Some(index) = j.build(job, number) {
                j.runs[index].order_stop(Ending::Gently, user);
                j.move_on(index, Some(0));
            }
        });
    }

    /// Forgets a queue item, as after five minutes or by a restart.
    pub fn forget_jenkins_item(&self, queue_id: u64) {
        self.with_jenkins(|j| {
            if let Some(run) = j.runs.iter_mut().find(|r| r.id == queue_id) {
                run.item_gone = true;
            }
        });
    }

    /// Deletes a build.
    pub fn delete_jenkins_build(&self, job: &str, number: u32) {
        self.with_jenkins(|j| {
            if let Some(index) = j.build(job, number) {
                j.runs[index].deleted = true;
            }
        });
    }

    /// Restarts the Jenkins: another session id, no sessions, no items that left the queue. If connections are to be
    /// refused, they are when this returns.
    pub fn restart_jenkins(&self, restart: Restart) {
        self.shared.lock().restart_jenkins(&restart);
        self.shared.notify();
        self.shared.follow_port();
    }

    /// Ends every phase of a restart: it listens and answers when this returns.
    pub fn start_jenkins(&self) {
        self.shared.start_jenkins();
    }

    /// Every API token of a user, oldest first: uuid, name, and how often it was used.
    pub fn jenkins_tokens(&self, user: &str) -> Vec<(String, String, u64)> {
        self.with_jenkins(|j| {
            let own = j.tokens.iter().filter(|t| t.user == user);
            own.map(|t| (t.uuid.clone(), t.name.clone(), t.uses)).collect()
        })
    }

    /// `config.xml` of a job, if it was given or set.
    pub fn jenkins_config_xml(&self, job: &str) -> Option<String> {
        self.with_jenkins(|j| j.jobs.get(job).and_then(|job| job.config_xml.clone()))
    }
}
