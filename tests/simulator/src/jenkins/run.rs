//! One start of a job from the queue to the last line of its log: a list of beats that time works off. Knows no HTTP.

use super::config::{JenkinsParameter, JobKind};
use super::log::{Log, escape};
use super::plan::{JenkinsInput, JenkinsPlan, JenkinsStep};
use crate::time::{SimTime, micros};
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;

/// Where a queue item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Waiting,
    Blocked,
    Buildable,
    Left,
    Cancelled,
}

/// Something that happens after a time.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    /// Simulated time that is left before it.
    pub(crate) left: i64,
    pub(crate) then: Does,
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    Enter(Place),
    Start,
    Step(Box<JenkinsStep>),
    PostProduction,
    End,
    CloseLog,
}

/// A value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParamValue {
    pub(crate) definition: JenkinsParameter,
    pub(crate) value: Value,
}

/// A file that came with a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JenkinsFile {
    /// Name of the parameter.
    pub parameter: String,
    /// Name of the file, without folders.
    pub filename: String,
    /// Number of bytes.
    pub size: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// A question that was or is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) input: JenkinsInput,
    pub(crate) settled: bool,
}

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JenkinsAnswer {
    /// Id of the question.
    pub id: String,
    /// Proceeded, not aborted.
    pub proceeded: bool,
    /// Who answered.
    pub user: String,
    /// What was filled in.
    pub parameters: Value,
}

/// A stage of a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct StageInfo {
    pub(crate) name: String,
    pub(crate) node: u32,
    pub(crate) start: SimTime,
    pub(crate) end: Option<SimTime>,
}

/// How a build was told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) stops: u32,
    pub(crate) terms: u32,
    pub(crate) kills: u32,
}

/// A start of a job.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Id of the queue item.
    pub(crate) id: u64,
    pub(crate) job: String,
    pub(crate) kind: JobKind,
    pub(crate) plan: JenkinsPlan,
    pub(crate) params: Vec<ParamValue>,
    pub(crate) files: Vec<JenkinsFile>,
    pub(crate) causes: Vec<Value>,
    /// Starts that were joined with this one.
    pub(crate) joined: u32,
    pub(crate) since: SimTime,
    /// Its own time.
    pub(crate) time: SimTime,
    /// The clock when it was last looked at.
    pub(crate) seen: SimTime,
    pub(crate) beats: VecDeque<Beat>,
    pub(crate) place: Place,
    /// The clock when it left the queue.
    pub(crate) left: Option<SimTime>,
    /// The item is no longer known, whatever its age.
    pub(crate) item_gone: bool,
    pub(crate) number: Option<u32>,
    pub(crate) started: SimTime,
    pub(crate) ended: Option<SimTime>,
    pub(crate) building: bool,
    pub(crate) in_progress: bool,
    pub(crate) result: Option<String>,
    pub(crate) log: Log,
    pub(crate) log_open: bool,
    pub(crate) questions: Vec<Question>,
    pub(crate) answers: Vec<JenkinsAnswer>,
    pub(crate) held: bool,
    pub(crate) stages: Vec<StageInfo>,
    nodes: u32,
    step_node: Option<u32>,
    pub(crate) orders: Orders,
    pub(crate) aborted_by: Option<String>,
    /// Who interrupted it, whether or not it heeds that.
    pub(crate) interrupted_by: Option<String>,
    pub(crate) description: Option<String>,
    /// The build was deleted.
    pub(crate) deleted: bool,
}

/// What starts a run.
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) job: String,
    pub(crate) kind: JobKind,
    pub(crate) params: Vec<ParamValue>,
    pub(crate) files: Vec<JenkinsFile>,
    pub(crate) cause: Value,
    pub(crate) quiet_seconds: f64,
}

impl Run {
    pub(crate) fn new(order: Order, plan: JenkinsPlan, now: SimTime) -> Self {
        let mut beats: Vec<(f64, Does)> = Vec::new();
        let mut wait = order.quiet_seconds;
        if plan.blocked_seconds > 0.0 {
            beats.push((wait, Does::Enter(Place::Blocked)));
            wait = plan.blocked_seconds;
        }
        beats.push((wait, Does::Enter(Place::Buildable)));
        beats.push((plan.buildable_seconds, Does::Enter(Place::Left)));
        beats.push((plan.left_seconds, Does::Start));
        beats.extend(plan.steps.iter().map(|s| (s.seconds, Does::Step(Box::new(s.clone())))));
        let ends = ends(&plan);
        let beats = beats.into_iter().map(|(s, then)| Beat { left: micros(s), then }).chain(ends).collect();
        Self {
            id: order.id,
            job: order.job,
            kind: order.kind,
            params: order.params,
            files: order.files,
            causes: vec![order.cause],
            joined: 0,
            since: now,
            time: now,
            seen: now,
            beats,
            place: Place::Waiting,
            left: None,
            item_gone: false,
            number: None,
            started: now,
            ended: None,
            building: false,
            in_progress: false,
            result: None,
            log: Log::default(),
            log_open: true,
            questions: Vec::new(),
            answers: Vec::new(),
            held: plan.hold_queue,
            stages: Vec::new(),
            nodes: 1,
            step_node: None,
            orders: Orders::default(),
            aborted_by: None,
            interrupted_by: None,
            description: plan.description.clone(),
            deleted: false,
            plan,
        }
    }

    /// In the queue, so that an equal start joins it and a cancel takes it out.
    pub(crate) fn queued(&self) -> bool {
        matches!(self.place, Place::Waiting | Place::Blocked | Place::Buildable)
    }

    /// Will anything happen to it by itself?
    pub(crate) fn active(&self) -> bool {
        !self.beats.is_empty()
    }

    pub(crate) fn pipeline(&self) -> bool {
        self.kind == JobKind::Pipeline
    }

    /// The question that waits for an answer.
    pub(crate) fn question(&self) -> Option<&Question> {
        self.questions.iter().find(|q| !q.settled)
    }

    /// Lets time pass. `gate` is false while it may not leave the queue; `number` is the next build's.
    pub(crate) fn go(&mut self, mut time: i64, gate: bool, number: &mut u32) {
        loop {
            if self.question().is_some() || (self.held && self.number.is_some()) {
                break;
            }
            let Some(beat) = self.beats.front_mut() else { break };
            if beat.left > time {
                beat.left -= time;
                break;
            }
            time -= beat.left;
            self.time = self.time.plus(beat.left);
            beat.left = 0;
            if matches!(beat.then, Does::Enter(Place::Left)) && (!gate || self.held) {
                break;
            }
            let Some(beat) = self.beats.pop_front() else { break };
            self.apply(beat.then, number);
        }
        self.time = self.time.plus(time);
    }

    /// Lets the next thing happen, whatever time that takes.
    pub(crate) fn step(&mut self, gate: bool, number: &mut u32) {
        let left = self.beats.front().map_or(0, |b| b.left);
        self.go(left, gate, number);
    }

    fn apply(&mut self, does: Does, number: &mut u32) {
        match does {
            Does::Enter(place) => {
                self.place = place;
                if place == Place::Left {
                    self.left = Some(self.seen);
                }
            }
            Does::Start => self.start(number),
            Does::Step(step) => self.happen(&step),
            Does::PostProduction => self.building = false,
            Does::End => self.end(),
            Does::CloseLog => {
                let result = self.result.clone().unwrap_or_default();
                if !self.plan.bare_console {
                    self.log.text(None, &format!("Finished: {result}\n"));
                }
                self.log_open = false;
            }
        }
    }

    fn start(&mut self, number: &mut u32) {
        self.number = Some(*number);
        *number += 1;
        self.started = self.time;
        (self.building, self.in_progress) = (true, true);
        if self.plan.bare_console {
            return;
        }
        let cause = self.causes[0]["shortDescription"].as_str().unwrap_or_default().to_owned();
        match cause.strip_prefix("Started by user ") {
            Some(user) => {
                let class = "jenkins-table__link model-link model-link--float";
                let html = format!("Started by user <a href='/user/{user}' class='{class}'>{}</a>\n", escape(user));
                self.log.noted("Started by user ", &format!("{user}\n"), &html);
            }
            None => self.log.text(None, &format!("{cause}\n")),
        }
        let name = self.job.rsplit('/').next().unwrap_or_default().to_owned();
        if self.pipeline() {
            self.marker("Start of Pipeline", &self.opens(None, None));
            self.marker("node", &self.opens(Some(2), None));
            self.log.text(Some(3), &format!("Running on Jenkins in /var/lib/jenkins/workspace/{name}\n"));
            self.marker("{", &self.opens(Some(3), None));
        } else {
            self.log.text(None, "Running as SYSTEM\n");
            let place = format!("Building on the built-in node in workspace /var/lib/jenkins/workspace/{name}\n");
            self.log.text(None, &place);
        }
    }

    /// Attributes of a node that others lie in.
    fn opens(&self, within: Option<u32>, label: Option<&str>) -> String {
        let id = self.nodes + 1;
        let within = within.map_or_else(String::new, |n| format!(" enclosingId=\"{n}\""));
        let label = label.map_or_else(String::new, |l| format!(" label=\"{}\"", escape(l)));
        format!("nodeId=\"{id}\" startId=\"{id}\"{within}{label}")
    }

    /// A line of the pipeline itself; it begins a node.
    fn marker(&mut self, text: &str, attributes: &str) {
        self.nodes += 1;
        let html = format!("<span class=\"pipeline-new-node\" {attributes}>[Pipeline] {}\n</span>", escape(text));
        self.log.noted("", &format!("[Pipeline] {text}\n"), &html);
    }

    fn happen(&mut self, step: &JenkinsStep) {
        if let Some(name) = &step.stage {
            self.stage(name);
        }
        if self.pipeline() && !self.plan.bare_console && self.step_node.is_none() && has_output(step) {
            let within = self.stages.last().map_or(4, |s| s.node);
            let id = self.nodes + 1;
            self.marker("sh", &format!("nodeId=\"{id}\" enclosingId=\"{within}\""));
            self.step_node = Some(id);
        }
        self.log.text(self.step_node, &step.text);
        self.log.numbered(self.step_node, step.lines, &step.line_text);
        if let Some(result) = &step.result {
            self.result = Some(result.clone());
        }
        if let Some(input) = &step.input {
            if self.pipeline() && !self.plan.bare_console {
                let within = self.stages.last().map_or(4, |s| s.node);
                let id = self.nodes + 1;
                self.marker("input", &format!("nodeId=\"{id}\" enclosingId=\"{within}\""));
                self.log.text(Some(id), &format!("{}\n{} or Abort\n", input.message, input.ok));
                self.step_node = None;
            }
            self.questions.push(Question { input: input.clone(), settled: false });
        }
        self.held |= step.hold;
    }

    fn stage(&mut self, name: &str) {
        self.close_stage();
        let decorated = self.pipeline() && !self.plan.bare_console;
        if decorated {
            let outer = self.nodes + 1;
            self.marker("stage", &self.opens(Some(4), None));
            self.marker(&format!("{{ ({name})"), &self.opens(Some(outer), Some(name)));
        }
        let stage = StageInfo { name: name.to_owned(), node: self.nodes, start: self.time, end: None };
        self.stages.push(stage);
    }

    fn close_stage(&mut self) {
        self.step_node = None;
        let decorated = self.pipeline() && !self.plan.bare_console;
        let Some(stage) = self.stages.last_mut().filter(|s| s.end.is_none()) else { return };
        stage.end = Some(self.time);
        let node = stage.node;
        if decorated {
            self.closes("}", node);
            self.closes("// stage", node - 1);
        }
    }

    fn closes(&mut self, text: &str, opened: u32) {
        let id = self.nodes + 1;
        self.marker(text, &format!("nodeId=\"{id}\" startId=\"{opened}\""));
    }

    fn end(&mut self) {
        self.close_stage();
        if self.pipeline() && !self.plan.bare_console {
            self.closes("}", 4);
            self.closes("// node", 3);
            self.closes("End of Pipeline", 2);
        }
        self.finish();
    }

    fn finish(&mut self) {
        if self.result.is_none() || self.aborted_by.is_none() {
            self.result = Some(self.plan.result.clone());
        }
        self.ended = Some(self.time);
        (self.building, self.in_progress) = (false, false);
    }

    /// Somebody tells the build to stop; true if that changes anything.
    pub(crate) fn order_stop(&mut self, how: Ending, user: &str) {
        let stop = self.plan.stop.clone();
        let (count, ignored, lines) = match how {
            Ending::Gently => (&mut self.orders.stops, stop.ignores_stop, "Sending interrupt signal to process\n"),
            Ending::Term => (&mut self.orders.terms, stop.ignores_term, "Sending interrupt signal to process\n"),
            Ending::Kill => (&mut self.orders.kills, stop.ignores_kill, "Hard kill!\n"),
        };
        *count += 1;
        if !self.in_progress || how == Ending::Gently && *count <= stop.lost {
            return;
        }
        self.interrupted_by = Some(user.to_owned());
        let again = self.aborted_by.is_some();
        if self.pipeline() && !self.plan.bare_console {
            let by = if again || how == Ending::Kill { String::new() } else { format!("Aborted by {user}\n") };
            self.log.text(self.step_node, &(by + lines));
        }
        // A second order shortens nothing, unless it is the hard one.
        if ignored || (again && how != Ending::Kill) {
            return;
        }
        self.aborted_by = Some(user.to_owned());
        self.result = Some(stop.result);
        self.held = false;
        for question in &mut self.questions {
            question.settled = true;
        }
        let text = if self.pipeline() { String::new() } else { format!("Build was aborted\nAborted by {user}\n") };
        let last = if self.plan.bare_console { stop.text } else { stop.text + &text };
        let wait = if how == Ending::Kill { 0.0 } else { stop.seconds };
        self.beats.clear();
        self.beats.push_back(Beat { left: micros(wait), then: Does::Step(Box::new(JenkinsStep::text(&last))) });
        self.beats.push_back(Beat { left: 0, then: Does::End });
        self.beats.push_back(Beat { left: micros(self.plan.log_late_seconds), then: Does::CloseLog });
    }

    /// An answer to the question that waits.
    pub(crate) fn answer(&mut self, answer: JenkinsAnswer) {
        let user = answer.user.clone();
        if let Some(question) = self.questions.iter_mut().find(|q| !q.settled && q.input.id() == answer.id) {
            question.settled = true;
        }
        let proceeded = answer.proceeded;
        self.answers.push(answer);
        if proceeded {
            self.log.text(None, &if self.plan.bare_console { String::new() } else { format!("Approved by {user}\n") });
        } else {
            self.aborted_by = Some(user.clone());
            self.result = Some("ABORTED".to_owned());
            self.log.text(None, &if self.plan.bare_console { String::new() } else { format!("Rejected by {user}\n") });
            let late = micros(self.plan.log_late_seconds);
            self.beats = [Beat { left: 0, then: Does::End }, Beat { left: late, then: Does::CloseLog }].into();
        }
    }

    /// Out of the place where the plan holds it.
    pub(crate) fn release(&mut self) {
        self.held = false;
    }
}

/// A way to end a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Gently,
    Term,
    Kill,
}

fn has_output(step: &JenkinsStep) -> bool {
    !step.text.is_empty() || step.lines > 0
}

fn ends(plan: &JenkinsPlan) -> Vec<Beat> {
    let mut ends = Vec::new();
    let mut left = 0;
    if plan.post_seconds > 0.0 {
        ends.push(Beat { left, then: Does::PostProduction });
        left = micros(plan.post_seconds);
    }
    ends.push(Beat { left, then: Does::End });
    ends.push(Beat { left: micros(plan.log_late_seconds), then: Does::CloseLog });
    ends
}
