//! Builds and what they leave behind.

use crate::clock::{Advance, Clock};
use crate::content::Content;
use crate::http::encode;
use crate::ids::{IdSource, hash};
use crate::plan::{ArtifactPlan, Plan, StepPlan};
use crate::time::{SimTime, micros};
use crate::timeline::{Moment, StepMoment, Timeline};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// Sums of larger artifacts are not computed.
const LARGEST_SUMMED: u64 = 32 << 20;

/// What a start asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StartRequest {
    /// App.
    pub app_id: String,
    /// Workflow.
    pub workflow_id: String,
    /// Branch.
    pub branch: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Labels of the request, without the workflow's own.
    pub labels: Vec<String>,
    /// Instance type.
    pub instance_type: Option<String>,
    /// Build inputs with their types.
    pub inputs: Map<String, Value>,
    /// Environment variables.
    pub variables: Map<String, Value>,
    /// Variable groups.
    pub groups: Vec<String>,
    /// Software versions.
    pub software_versions: Map<String, Value>,
}

/// Where a build comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Started by v3.
    V3,
    /// Started by the legacy API.
    Legacy,
    /// It was there before.
    History,
}

/// One build.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) id: String,
    pub(crate) request: StartRequest,
    pub(crate) workflow_name: Option<String>,
    pub(crate) via: Via,
    pub(crate) index: u64,
    pub(crate) origin: SimTime,
    pub(crate) plan: Plan,
    pub(crate) timeline: Timeline,
    pub(crate) steps: Vec<StepFiles>,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) commit: Option<String>,
    /// Position when polls move the build.
    pub(crate) polled: i64,
    pub(crate) not_found_left: u32,
    pub(crate) hidden_lists: u32,
    pub(crate) polls: u32,
    pub(crate) cancels: u32,
}

/// Ids of a step.
#[derive(Debug)]
pub(crate) struct StepFiles {
    pub(crate) id: String,
    /// Path of the step's log.
    pub(crate) log: String,
    /// Path of its subaction's log: scripts have one.
    pub(crate) subaction_log: Option<String>,
}

/// One artifact.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) plan: ArtifactPlan,
    /// The two UUIDs and the encoded name at the end of its links.
    pub(crate) path: String,
    pub(crate) content: Content,
    sum: OnceLock<Option<String>>,
}

impl Build {
    pub(crate) fn new(ids: &mut IdSource, request: StartRequest, plan: Plan, via: Via, origin: SimTime) -> Self {
        let commit = match plan.commit.as_deref() {
            Some("") => None,
            Some(hash) => Some(hash.to_owned()),
            None => Some(ids.commit()),
        };
        Self {
            id: ids.object_id(origin),
            request,
            workflow_name: None,
            via,
            index: 0,
            origin,
            timeline: Timeline::compile(&plan),
            steps: plan.steps.iter().map(|s| StepFiles::new(ids, s, origin)).collect(),
            artifacts: plan.artifacts.iter().map(|a| Artifact::new(ids, a)).collect(),
            commit,
            polled: 0,
            not_found_left: 0,
            hidden_lists: 0,
            polls: 0,
            cancels: 0,
            plan,
        }
    }

    /// Where the build stands on its timeline.
    pub(crate) fn position(&self, clock: &Clock) -> i64 {
        match clock.mode {
            Advance::Poll if self.via != Via::History => self.polled,
            _ => clock.now().since(self.origin),
        }
    }

    pub(crate) fn moment(&self, clock: &Clock) -> Moment {
        self.timeline.at(self.position(clock))
    }

    /// Is the build shown by a GET? Each question counts as a poll.
    pub(crate) fn visible(&mut self) -> bool {
        let shown = self.not_found_left == 0;
        self.not_found_left = self.not_found_left.saturating_sub(1);
        shown
    }

    /// Is the build shown by a list? Each question counts.
    pub(crate) fn listed(&mut self) -> bool {
        let shown = self.hidden_lists == 0;
        self.hidden_lists = self.hidden_lists.saturating_sub(1);
        shown
    }

    /// Releases the build from the place where its plan holds it.
    pub(crate) fn release(&mut self, clock: &Clock) {
        let position = self.position(clock);
        let Some(hold) = self.plan.hold.take() else { return };
        let moment = self.timeline.at(position);
        let elapsed = |from: i64| (position - from) as f64 / 1e6;
        if moment.started.is_none() && hold == "queued" {
            self.plan.queued_seconds = elapsed(micros(self.plan.initializing_seconds));
        } else if let Some(at) = moment.steps.iter().rposition(|s| s.started.is_some() && s.finished.is_none()) {
            self.plan.steps[at].seconds = elapsed(moment.steps[at].started.unwrap_or(position));
        }
        self.timeline = Timeline::compile(&self.plan);
    }

    /// Labels of the workflow and of the request.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.plan.labels.iter().chain(&self.request.labels).cloned().collect()
    }

    /// The point in simulated time of a position.
    pub(crate) fn time(&self, position: i64) -> SimTime {
        self.origin.plus(position)
    }

    /// Are the artifacts there?
    pub(crate) fn has_artifacts(&self, clock: &Clock) -> bool {
        let late = micros(self.plan.artifacts_late_seconds);
        let moment = self.moment(clock);
        !moment.canceled
            && !self.artifacts.is_empty()
            && self.timeline.artifacts_at().is_some_and(|at| self.position(clock) >= at + late)
    }

    /// Legacy `message`.
    pub(crate) fn message(&self, moment: &Moment) -> Option<String> {
        if moment.finished.is_none() || moment.canceled {
            return None;
        }
        if self.plan.message.is_some() {
            return self.plan.message.clone();
        }
        match (moment.status.as_str(), self.timeline.failed_step) {
            ("failed", Some(at)) => {
                let step = &self.plan.steps[at];
                Some(match step.r#type.as_str() {
                    "fetching" => "Failed to clone repository".to_owned(),
                    "installing" => "Failed to install dependencies".to_owned(),
                    _ => format!("Step {} script `{}` exited with status code 1", at + 1, step.name),
                })
            }
            ("timeout", _) => Some("Build timed out".to_owned()),
            _ => None,
        }
    }

    /// The log of a step as far as it exists, and how many bytes of it are shown.
    pub(crate) fn log(&self, step: usize, moment: &StepMoment, html: bool) -> Option<(Content, u64)> {
        let plan = &self.plan.steps[step];
        if plan.no_log || moment.started.is_none() {
            return None;
        }
        let text = plan.log.clone().unwrap_or_else(|| default_log(plan));
        let text = if html { text.lines().map(as_html).collect() } else { text };
        let content = if plan.log_bytes > 0 { Content::log(plan.log_bytes, &text) } else { Content::from_text(&text) };
        let over = moment.finished.is_some() && moment.status.as_deref() != Some("canceled");
        let shown = if over { 1.0 } else { moment.fraction.clamp(0.0, 1.0) };
        let shown = (content.len() as f64 * shown) as u64;
        Some((content, shown))
    }
}

/// A line of a log as the service sends it: commands are colored, five characters are entities.
fn as_html(line: &str) -> String {
    let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let line = line.replace('"', "&quot;").replace('\'', "&#39;");
    if line.starts_with('$') { format!("<span style=\"color:#268BD2\">{line}</span>\n") } else { line + "\n" }
}

fn default_log(step: &StepPlan) -> String {
    let name = &step.name;
    let end = match step.status.as_str() {
        "failed" => format!("error: {name} went wrong\n\nBuild failed :|\nStep 1 exited with status 1\n"),
        _ => format!("{name}: done\n"),
    };
    format!("== {name} ==\n$ ./ci/step.sh\nworking\n{end}")
}

impl StepFiles {
    fn new(ids: &mut IdSource, step: &StepPlan, origin: SimTime) -> Self {
        let mut path = || format!("/logs/{}/{}", ids.uuid(), ids.uuid());
        let (log, subaction) = (path(), path());
        let subaction_log = (step.r#type == "script").then_some(subaction);
        Self { id: ids.object_id(origin), log, subaction_log }
    }
}

impl Artifact {
    fn new(ids: &mut IdSource, plan: &ArtifactPlan) -> Self {
        let content = match &plan.text {
            Some(text) => Content::from_text(text),
            None => Content::Generated { seed: plan.seed ^ hash(&plan.name), size: plan.size },
        };
        let path = format!("{}/{}/{}", ids.uuid(), ids.uuid(), encode(&plan.name));
        Self { plan: plan.clone(), path, content, sum: OnceLock::new() }
    }

    /// Size as the service states it, if it does.
    pub(crate) fn declared_size(&self) -> Option<u64> {
        let size = self.plan.declared_size.unwrap_or_else(|| self.content.len());
        (!self.plan.no_size).then_some(size)
    }

    /// The real sum, if the artifact is small enough to have one.
    pub(crate) fn real_md5(&self) -> Option<&str> {
        let compute = || (self.content.len() <= LARGEST_SUMMED).then(|| self.content.md5());
        self.sum.get_or_init(compute).as_deref()
    }

    /// Sum as the service states it.
    pub(crate) fn declared_md5(&self) -> Option<&str> {
        match self.plan.md5.as_deref() {
            Some("") => None,
            Some(sum) => Some(sum),
            None => self.real_md5(),
        }
    }

    /// Entity tag of the stored file.
    pub(crate) fn etag(&self) -> String {
        match self.real_md5() {
            Some(sum) => format!("\"{sum}\""),
            None => format!("\"{:016x}-{}\"", self.plan.seed, self.plan.size),
        }
    }
}

/// A build as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct BuildInfo {
    /// Id.
    pub id: String,
    /// What the start asked for.
    pub request: StartRequest,
    /// Where it comes from.
    pub via: Via,
    /// Number in its app.
    pub index: u64,
    /// Present status.
    pub status: String,
    /// All labels.
    pub labels: Vec<String>,
    /// Commit hash.
    pub commit: Option<String>,
    /// v3 form of its start.
    pub started_at: Option<String>,
    /// v3 form of its end.
    pub finished_at: Option<String>,
    /// Legacy reason of failure.
    pub message: Option<String>,
    /// Steps: name and status.
    pub steps: Vec<(String, Option<String>)>,
    /// GETs of this build so far.
    pub polls: u32,
    /// Cancel requests so far.
    pub cancels: u32,
    /// The artifacts.
    pub artifacts: Vec<ArtifactInfo>,
}

/// An artifact as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct ArtifactInfo {
    /// Name.
    pub name: String,
    /// Real size.
    pub size: u64,
    /// Real sum; `None` above 32 MiB.
    pub md5: Option<String>,
    /// Legacy address.
    pub legacy_url: String,
}

impl Build {
    pub(crate) fn info(&self, clock: &Clock, api: &str) -> BuildInfo {
        let moment = self.moment(clock);
        let show = |position: i64| self.time(position).v3();
        BuildInfo {
            id: self.id.clone(),
            request: self.request.clone(),
            via: self.via,
            index: self.index,
            labels: self.labels(),
            commit: self.commit.clone(),
            started_at: moment.started.map(show),
            finished_at: moment.finished.map(show),
            message: self.message(&moment),
            steps: self
                .plan
                .steps
                .iter()
                .zip(&moment.steps)
                .map(|(plan, step)| (plan.name.clone(), step.status.clone()))
                .collect(),
            polls: self.polls,
            cancels: self.cancels,
            artifacts: self
                .artifacts
                .iter()
                .map(|a| ArtifactInfo {
                    name: a.plan.name.clone(),
                    size: a.content.len(),
                    md5: a.real_md5().map(str::to_owned),
                    legacy_url: format!("{api}/artifacts/{}", a.path),
                })
                .collect(),
            status: moment.status,
        }
    }
}
