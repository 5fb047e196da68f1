//! One start of a job from the queue to the last line of its log: a list of events. Knows no HTTP.

use super::config::{JenkinsParameter, JobKind};
use super::log::{Log, escape};
use super::plan::{JenkinsInput, JenkinsPlan, JenkinsStep};
use crate::time::{SimTime, micros};
use serde::Serialize;
use serde_json::Value;
use std::collections::VecDeque;

/// Where a queue item is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    Waiting,
    Blocked,
    Buildable,
    Left,
    Canceled,
}

/// Something that happens when the time before it has passed.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) left: i64,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
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

/// An input step that was reached.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) input: JenkinsInput,
    pub(crate) settled: bool,
}

/// An answer to an input step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JenkinsAnswer {
    /// Id of the input step.
    pub id: String,
    /// Proceeded, not aborted.
    pub proceeded: bool,
    /// Who answered.
    pub user: String,
    /// What was filled in.
    pub parameters: Value,
}

/// A stage of a Pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) node: u32,
    pub(crate) start: SimTime,
    pub(crate) end: Option<SimTime>,
}

/// The queue item of a `node` step that waits for an agent.
#[derive(Clone, Debug)]
pub(crate) struct NodeItem {
    pub(crate) id: u64,
    pub(crate) label: String,
    pub(crate) since: SimTime,
    /// An agent was found.
    pub(crate) left: bool,
}

/// A way to end a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Stop,
    Term,
    Kill,
}

/// What starts a run.
#[derive(Default)]
pub(crate) struct Order {
    pub(crate) job: String,
    pub(crate) params: Vec<ParamValue>,
    pub(crate) files: Vec<JenkinsFile>,
    pub(crate) cause: Value,
    pub(crate) quiet_seconds: f64,
}

/// A start of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Id of the queue item.
    pub(crate) id: u64,
    pub(crate) job: String,
    pub(crate) kind: JobKind,
    pub(crate) plan: JenkinsPlan,
    pub(crate) params: Vec<ParamValue>,
    pub(crate) files: Vec<JenkinsFile>,
    pub(crate) causes: Vec<Value>,
    /// Starts that were coalesced with this one.
    pub(crate) joined: u32,
    pub(crate) since: SimTime,
    /// Its own time.
    pub(crate) time: SimTime,
    /// The clock when it was last moved.
    pub(crate) seen: SimTime,
    pub(crate) events: VecDeque<Event>,
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
    pub(crate) log_closed: bool,
    pub(crate) questions: Vec<Question>,
    pub(crate) answers: Vec<JenkinsAnswer>,
    pub(crate) held: bool,
    pub(crate) node_item: Option<NodeItem>,
    pub(crate) stages: Vec<Stage>,
    nodes: u32,
    step_node: Option<u32>,
    pub(crate) stops: u32,
    pub(crate) terms: u32,
    pub(crate) kills: u32,
    aborted: bool,
    /// Who interrupted it, whether or not it ended.
    pub(crate) interrupted_by: Option<String>,
    pub(crate) description: Option<String>,
}

impl Run {
    pub(crate) fn new(id: u64, kind: JobKind, order: Order, plan: JenkinsPlan, now: SimTime) -> Self {
        let mut events = VecDeque::new();
        let mut push = |seconds: f64, action| events.push_back(Event { left: micros(seconds), action });
        let mut wait = order.quiet_seconds;
        if plan.blocked_seconds > 0.0 {
            push(wait, Action::Enter(Place::Blocked));
            wait = plan.blocked_seconds;
        }
        push(wait, Action::Enter(Place::Buildable));
        push(1.0, Action::Enter(Place::Left));
        push(plan.left_seconds, Action::Start);
        plan.steps.iter().for_each(|step| push(step.seconds, Action::Step(Box::new(step.clone()))));
        if plan.post_seconds > 0.0 {
            push(0.0, Action::PostProduction);
        }
        push(plan.post_seconds, Action::End);
        push(plan.log_late_seconds, Action::CloseLog);
        Self {
            id,
            job: order.job,
            kind,
            params: order.params,
            files: order.files,
            causes: vec![order.cause],
            since: now,
            time: now,
            seen: now,
            events,
            started: now,
            held: plan.hold_queue,
            nodes: 1,
            description: plan.description.clone(),
            plan,
            ..Self::default()
        }
    }

    /// In the queue, so that an equal start is coalesced with it and a cancel takes it out.
    pub(crate) fn queued(&self) -> bool {
        matches!(self.place, Place::Waiting | Place::Blocked | Place::Buildable)
    }

    /// Will anything happen to it by itself?
    pub(crate) fn active(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn pipeline(&self) -> bool {
        self.kind == JobKind::Pipeline
    }

    /// Do lines of the Pipeline itself stand in the log?
    fn decorated(&self) -> bool {
        self.pipeline() && !self.plan.bare_console
    }

    /// The input step that waits for an answer.
    pub(crate) fn question(&self) -> Option<&Question> {
        self.questions.iter().find(|q| !q.settled)
    }

    /// Lets time pass. `number` is the next build's, `queue_id` that of the next queue item.
    pub(crate) fn go(&mut self, mut time: i64, number: &mut u32, queue_id: &mut u64) {
        while self.question().is_none() && !(self.held && self.number.is_some()) {
            let Some(event) = self.events.front_mut() else { break };
            if event.left > time {
                event.left -= time;
                break;
            }
            time -= event.left;
            self.time = self.time.plus(event.left);
            event.left = 0;
            if matches!(event.action, Action::Enter(Place::Left)) && self.held {
                break;
            }
            let Some(event) = self.events.pop_front() else { break };
            self.apply(event.action, number, queue_id);
        }
        self.time = self.time.plus(time);
    }

    fn apply(&mut self, action: Action, number: &mut u32, queue_id: &mut u64) {
        match action {
            Action::Enter(place) => {
                self.place = place;
                if place == Place::Left {
                    self.left = Some(self.seen);
                }
            }
            Action::Start => {
                self.number = Some(*number);
                *number += 1;
                self.start();
            }
            Action::Step(step) => {
                if let Some(label) = &step.node {
                    self.node_item =
                        Some(NodeItem { id: *queue_id, label: label.clone(), since: self.time, left: false });
                    *queue_id += 1;
                    self.print(&format!(
                        "Still waiting to schedule task\nThere are no nodes with the label ‘{label}’\n"
                    ));
                }
                self.happen(&step);
            }
            Action::PostProduction => self.building = false,
            Action::End => self.end(),
            Action::CloseLog => {
                if !self.plan.bare_console {
                    let result = self.result.clone().unwrap_or_default();
                    self.log.text(None, &format!("Finished: {result}\n"));
                }
                self.log_closed = true;
            }
        }
    }

    fn start(&mut self) {
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

    /// A line of the Pipeline itself; it begins a node.
    fn marker(&mut self, text: &str, attributes: &str) {
        self.nodes += 1;
        let html = format!("<span class=\"pipeline-new-node\" {attributes}>[Pipeline] {}\n</span>", escape(text));
        self.log.noted("", &format!("[Pipeline] {text}\n"), &html);
    }

    /// A step within the stage; returns its node.
    fn step_marker(&mut self, text: &str) -> u32 {
        let within = self.stages.last().map_or(4, |s| s.node);
        let id = self.nodes + 1;
        self.marker(text, &format!("nodeId=\"{id}\" enclosingId=\"{within}\""));
        id
    }

    fn closes(&mut self, text: &str, opened: u32) {
        let id = self.nodes + 1;
        self.marker(text, &format!("nodeId=\"{id}\" startId=\"{opened}\""));
    }

    /// A text of the build itself, with its timestamps.
    fn print(&mut self, text: &str) {
        if self.plan.timestamps {
            self.log.stamped(self.step_node, text, self.time, self.pipeline());
        } else {
            self.log.text(self.step_node, text);
        }
    }

    fn happen(&mut self, step: &JenkinsStep) {
        if let Some(name) = &step.stage {
            self.stage(name);
        }
        if self.decorated() && self.step_node.is_none() && (!step.text.is_empty() || step.lines > 0) {
            self.step_node = Some(self.step_marker("sh"));
        }
        self.print(&step.text);
        self.log.numbered(self.step_node, step.lines, &step.line_text);
        if step.result.is_some() {
            self.result.clone_from(&step.result);
        }
        if let Some(input) = &step.input {
            if self.decorated() {
                let id = self.step_marker("input");
                self.log.text(Some(id), &format!("{}\n{} or Abort\n", input.message, input.ok));
                self.step_node = None;
            }
            self.questions.push(Question { input: input.clone(), settled: false });
        }
        self.held |= step.hold || step.node.is_some();
    }

    fn stage(&mut self, name: &str) {
        self.close_stage();
        if self.decorated() {
            let outer = self.nodes + 1;
            self.marker("stage", &self.opens(Some(4), None));
            self.marker(&format!("{{ ({name})"), &self.opens(Some(outer), Some(name)));
        }
        self.stages.push(Stage { name: name.to_owned(), node: self.nodes, start: self.time, end: None });
    }

    fn close_stage(&mut self) {
        self.step_node = None;
        let Some(stage) = self.stages.last_mut().filter(|s| s.end.is_none()) else { return };
        stage.end = Some(self.time);
        let node = stage.node;
        if self.decorated() {
            self.closes("}", node);
            self.closes("// stage", node - 1);
        }
    }

    fn end(&mut self) {
        self.close_stage();
        if self.decorated() {
            self.closes("}", 4);
            self.closes("// node", 3);
            self.closes("End of Pipeline", 2);
        }
        if !self.aborted {
            self.result = Some(self.plan.result.clone());
        }
        self.ended = Some(self.time);
        (self.building, self.in_progress) = (false, false);
    }

    /// A request to end the build.
    pub(crate) fn order_stop(&mut self, how: Ending, user: &str) {
        let stop = &self.plan.stop;
        let (count, ignored) = match how {
            Ending::Stop => (&mut self.stops, stop.ignores_stop),
            Ending::Term => (&mut self.terms, stop.ignores_term),
            Ending::Kill => (&mut self.kills, stop.ignores_kill),
        };
        *count += 1;
        if !self.in_progress || how == Ending::Stop && *count <= stop.lost {
            return;
        }
        self.interrupted_by = Some(user.to_owned());
        let kill = how == Ending::Kill;
        if self.decorated() {
            let by = if self.aborted || kill { String::new() } else { format!("Aborted by {user}\n") };
            let line = if kill { "Hard kill!\n" } else { "Sending interrupt signal to process\n" };
            self.log.text(self.step_node, &(by + line));
        }
        // A second request shortens nothing, unless it is the hard one.
        if ignored || (self.aborted && !kill) {
            return;
        }
        let seconds = if kill { 0.0 } else { self.plan.stop.seconds };
        let plain = !self.pipeline() && !self.plan.bare_console;
        let last = if plain { format!("Build was aborted\nAborted by {user}\n") } else { String::new() };
        self.abort(seconds, &last);
    }

    /// Ends the build as aborted after so many seconds.
    fn abort(&mut self, seconds: f64, last: &str) {
        self.aborted = true;
        self.result = Some("ABORTED".to_owned());
        self.release();
        self.questions.iter_mut().for_each(|q| q.settled = true);
        let event = |seconds, action| Event { left: micros(seconds), action };
        self.events = [
            event(seconds, Action::Step(Box::new(JenkinsStep::text(last)))),
            event(0.0, Action::End),
            event(self.plan.log_late_seconds, Action::CloseLog),
        ]
        .into();
    }

    /// An answer to the input step that waits.
    pub(crate) fn answer(&mut self, answer: JenkinsAnswer) {
        if let Some(question) = self.questions.iter_mut().find(|q| !q.settled && q.input.id() == answer.id) {
            question.settled = true;
        }
        if !self.plan.bare_console {
            let word = if answer.proceeded { "Approved" } else { "Rejected" };
            self.log.text(None, &format!("{word} by {}\n", answer.user));
        }
        if !answer.proceeded {
            self.abort(0.0, "");
        }
        self.answers.push(answer);
    }

    /// Out of the place where the plan holds it.
    pub(crate) fn release(&mut self) {
        self.held = false;
        self.node_item.iter_mut().for_each(|item| item.left = true);
    }
}
