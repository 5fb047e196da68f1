//! The Jenkins as tests use it.

use super::config::JenkinsConfig;
use super::log::Form;
use super::plan::JenkinsPlan;
use super::run::{JenkinsAnswer, JenkinsFile, Order, Place, Run};
use super::state::Jenkins;
use crate::simulator::Simulator;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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
    /// All values by their names, those of passwords too.
    pub parameters: Map<String, Value>,
    /// Files that came with the start.
    pub files: Vec<JenkinsFile>,
    /// Causes as in the build's JSON.
    pub causes: Vec<Value>,
    /// Starts that were coalesced with this one.
    pub joined: u32,
    /// Requests to `stop`.
    pub stops: u32,
    /// Requests to `term`.
    pub terms: u32,
    /// Requests to `kill`.
    pub kills: u32,
    /// Answers to input steps.
    pub answers: Vec<JenkinsAnswer>,
    /// Description of the build.
    pub description: Option<String>,
    /// Bytes of the log as stored.
    pub log_size: u64,
}

/// Where [`Simulator::move_jenkins_run`] moves a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JenkinsMove {
    /// To its next event.
    Next,
    /// Out of the queue, to the beginning of its build.
    Start,
    /// To its end, or to an input step or a hold before it.
    End,
    /// Out of the place where its plan holds it.
    Release,
}

/// How a restart goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// Connections are refused for so many real milliseconds.
    pub refused_ms: u64,
    /// So many requests then get 503 "Starting Jenkins".
    pub starting_requests: u32,
    /// Waiting queue items are lost.
    pub lose_queue: bool,
}

impl Run {
    fn state(&self) -> &'static str {
        match self.place {
            Place::Waiting => "waiting",
            Place::Blocked => "blocked",
            Place::Buildable => "buildable",
            Place::Canceled => "cancelled",
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
        let info = |run: &Run| JenkinsRun {
            queue_id: run.id,
            job: run.job.clone(),
            number: run.number,
            url: run.number.map(|n| self.build_url(run, n)),
            state: run.state().to_owned(),
            result: run.result.clone(),
            parameters: run.params.iter().map(|p| (p.definition.name.clone(), p.value.clone())).collect(),
            files: run.files.clone(),
            causes: run.causes.clone(),
            joined: run.joined,
            stops: run.stops,
            terms: run.terms,
            kills: run.kills,
            answers: run.answers.clone(),
            description: run.description.clone(),
            log_size: run.log.len() as u64,
        };
        self.runs.iter().map(info).collect()
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
                let before = self.runs[index].events.len();
                if before == 0 || to == JenkinsMove::Start && self.runs[index].number.is_some() {
                    break;
                }
                self.move_on(index, None);
                if self.runs[index].events.len() == before {
                    break;
                }
            },
        }
        true
    }
}

impl Simulator {
    /// Root of the Jenkins with its context path, without a slash at its end; empty if there is none.
    pub fn jenkins_url(&self) -> &str {
        &self.jenkins_url
    }

    /// URL of a job by its full name (items of a multibranch project as [`super::encode_branch`] names them).
    pub fn jenkins_job_url(&self, full_name: &str) -> String {
        self.with_jenkins(|j| format!("{}{}", j.base(), j.job_path(full_name)))
    }

    fn with_jenkins<T: Default>(&self, act: impl FnOnce(&mut Jenkins) -> T) -> T {
        self.shared.change(|world| world.jenkins.as_mut().map(act)).unwrap_or_default()
    }

    /// All starts so far, oldest first.
    pub fn jenkins_runs(&self) -> Vec<JenkinsRun> {
        self.with_jenkins(|j| j.infos())
    }

    /// The start with this queue id.
    pub fn jenkins_run(&self, queue_id: u64) -> Option<JenkinsRun> {
        self.jenkins_runs().into_iter().find(|r| r.queue_id == queue_id)
    }

    /// The log of a build so far as `consoleText` of a finished build shows it; empty if there is no such build.
    pub fn jenkins_console(&self, job: &str, number: u32) -> String {
        self.with_jenkins(|j| {
            let Some(index) = j.build(job, number) else { return String::new() };
            let log = &j.runs[index].log;
            log.read(0, log.len(), Form::Plain).text()
        })
    }

    /// A plan for coming builds.
    pub fn jenkins_plan(&self, plan: JenkinsPlan) {
        self.with_jenkins(|j| j.plans.push(plan));
    }

    /// Changes settings; tokens, jobs and plans are those of the start, and the socket stays.
    pub fn configure_jenkins(&self, change: impl FnOnce(&mut JenkinsConfig)) {
        self.with_jenkins(|j| change(&mut j.config));
    }

    /// Starts a build as if somebody had done so on the web page; returns the id of the queue item.
    pub fn start_jenkins_build(&self, job: &str) -> u64 {
        let cause = json!({
            "_class": "hudson.model.Cause$UserIdCause", "shortDescription": "Started by user somebody",
            "userId": "somebody", "userName": "somebody",
        });
        let order = Order { job: job.to_owned(), cause, ..Order::default() };
        self.shared.change(|world| {
            let now = world.now();
            let Some(j) = world.jenkins.as_mut().filter(|j| j.jobs.contains_key(job)) else { return 0 };
            let index = j.enqueue(order, now);
            j.runs[index].id
        })
    }

    /// Moves a run; false if there is none with this queue id.
    pub fn move_jenkins_run(&self, queue_id: u64, to: JenkinsMove) -> bool {
        self.with_jenkins(|j| j.move_run(queue_id, to))
    }

    /// Cancels a queue item as if somebody else had done so; false if it waits no more.
    pub fn cancel_jenkins_item(&self, queue_id: u64) -> bool {
        self.shared.change(|world| {
            let now = world.now();
            let Some(j) = world.jenkins.as_mut() else { return false };
            j.runs.iter().position(|r| r.id == queue_id).is_some_and(|i| j.cancel(i, now))
        })
    }

    /// Forgets a queue item, as after five minutes or by a restart.
    pub fn forget_jenkins_item(&self, queue_id: u64) {
        self.with_jenkins(|j| j.runs.iter_mut().filter(|r| r.id == queue_id).for_each(|r| r.item_gone = true));
    }

    /// Restarts the Jenkins: another session id, no sessions, no items that left the queue. If connections are to be
    /// refused, they are when this returns.
    pub fn restart_jenkins(&self, restart: Restart) {
        self.shared.restart_jenkins(&restart);
    }

    /// Every API token of a user, oldest first: uuid, name, and how often it was used.
    pub fn jenkins_tokens(&self, user: &str) -> Vec<(String, String, u64)> {
        self.with_jenkins(|j| {
            let own = j.tokens.iter().filter(|t| t.user == user);
            own.map(|t| (t.uuid.clone(), t.name.clone(), t.uses)).collect()
        })
    }

    /// `config.xml` of a job, if it was set.
    pub fn jenkins_config_xml(&self, job: &str) -> Option<String> {
        self.with_jenkins(|j| j.jobs.get(job).and_then(|job| job.config_xml.clone()))
    }
}
