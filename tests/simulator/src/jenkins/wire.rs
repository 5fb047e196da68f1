//! The JSON of the root, of jobs, queue items and builds.

use super::config::{JobKind, ParameterKind};
use super::log::escape;
use super::run::{ParamValue, Place, Run};
use super::segment;
use super::state::{Jenkins, Job};
use crate::apply::merge;
use crate::time::{SECOND, SimTime};
use serde_json::{Map, Value, json};

fn class(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Freestyle => "hudson.model.FreeStyleProject",
        JobKind::Pipeline => "org.jenkinsci.plugins.workflow.job.WorkflowJob",
        JobKind::Folder => "com.cloudbees.hudson.plugins.folder.Folder",
        JobKind::Multibranch => "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject",
        JobKind::Matrix => "hudson.matrix.MatrixProject",
        JobKind::Configuration => "hudson.matrix.MatrixConfiguration",
    }
}

fn build_class(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Pipeline => "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        JobKind::Matrix => "hudson.matrix.MatrixBuild",
        JobKind::Configuration => "hudson.matrix.MatrixRun",
        _ => "hudson.model.FreeStyleBuild",
    }
}

/// Milliseconds since 1970.
pub(crate) fn millis(time: SimTime) -> i64 {
    time.as_micros() / 1000
}

fn short_name(full: &str) -> &str {
    full.rsplit('/').next().unwrap_or(full)
}

impl Jenkins {
    fn job_url(&self, full: &str) -> String {
        format!("{}{}", self.base(), self.job_path(full))
    }

    fn color(&self, job: &Job) -> String {
        let builds = self.builds(&job.def.name);
        let color = match builds.iter().find(|b| !b.in_progress).and_then(|b| b.result.as_deref()) {
            _ if job.disabled => "disabled",
            None => "notbuilt",
            Some("SUCCESS") => "blue",
            Some("UNSTABLE") => "yellow",
            Some("ABORTED") => "aborted",
            Some(_) => "red",
        };
        if builds.iter().any(|b| b.in_progress) { format!("{color}_anime") } else { color.to_owned() }
    }

    /// The items below one that `user` may see.
    fn jobs_json(&self, parent: &str, user: Option<&str>) -> Vec<Value> {
        let seen = |job: &&Job| user.is_none_or(|u| !job.def.hidden_from.iter().any(|h| h == u));
        let children = self.children(parent).into_iter().filter(seen);
        let shown = |job: &Job| {
            let name = &job.def.name;
            let mut value = json!({"_class": class(job.def.kind), "name": short_name(name), "url": self.job_url(name)});
            value["fullName"] = json!(name);
            if job.is_project() {
                value["color"] = json!(self.color(job));
                value["buildable"] = json!(!job.disabled);
                value["lastBuild"] = self.builds(name).first().map_or(Value::Null, |run| self.build_json(run));
            } else {
                // As deep as a tree asks for.
                value["jobs"] = json!(self.jobs_json(name, user));
            }
            value
        };
        children.map(shown).collect()
    }

    pub(crate) fn root_json(&self, user: Option<&str>) -> Value {
        json!({
            "_class": "hudson.model.Hudson", "assignedLabels": [{"name": "built-in"}], "mode": "NORMAL",
            "nodeDescription": "the Jenkins controller's built-in node", "nodeName": "", "numExecutors": 2,
            "description": null, "jobs": self.jobs_json("", user),
            "primaryView": {"_class": "hudson.model.AllView", "name": "all", "url": format!("{}/", self.base())},
            "quietDownReason": null, "overallLoad": {}, "quietingDown": false, "slaveAgentPort": -1,
            "unlabeledLoad": {"_class": "jenkins.model.UnlabeledLoadStatistics"}, "url": format!("{}/", self.base()),
            "useCrumbs": self.config.crumbs, "useSecurity": true,
            "views": [{"_class": "hudson.model.AllView", "name": "all", "url": format!("{}/", self.base())}],
        })
    }

    pub(crate) fn job_json(&self, full: &str, user: Option<&str>) -> Value {
        let job = &self.jobs[full];
        let mut value = json!({
            "_class": class(job.def.kind), "actions": [{}, {}], "description": "", "displayName": short_name(full),
            "displayNameOrNull": null, "fullDisplayName": full.replace('/', " » "), "fullName": full,
            "name": short_name(full), "url": self.job_url(full),
        });
        if !job.is_project() {
            value["jobs"] = json!(self.jobs_json(full, user));
            value["primaryView"] = json!({"_class": "hudson.model.AllView", "name": "All", "url": self.job_url(full)});
            return value;
        }
        let builds = self.builds(full);
        let short = |run: &&Run| self.build_json(run);
        let all: Vec<Value> = builds.iter().map(short).collect();
        let newest: Vec<Value> = all.iter().take(100).cloned().collect();
        let last = |test: &dyn Fn(&Run) -> bool| builds.iter().find(|r| test(r)).map_or(Value::Null, short);
        let done = |r: &Run| !r.in_progress;
        let ended = |r: &Run, result: &str| done(r) && r.result.as_deref() == Some(result);
        let good = |r: &Run| ended(r, "SUCCESS") || ended(r, "UNSTABLE");
        let definitions: Vec<Value> = self.definitions(full).iter().map(definition).collect();
        let property = if definitions.is_empty() {
            json!([])
        } else {
            json!([{"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": definitions}])
        };
        let queued = self.runs.iter().find(|r| r.job == full && r.queued());
        let more = json!({
            "buildable": !job.disabled, "builds": newest, "allBuilds": all, "color": self.color(job),
            "concurrentBuild": true, "disabled": job.disabled, "firstBuild": builds.last().map(short),
            "healthReport": [], "inQueue": queued.is_some(), "keepDependencies": false, "lastBuild": last(&|_| true),
            "lastCompletedBuild": last(&done), "lastFailedBuild": last(&|r| ended(r, "FAILURE")),
            "lastStableBuild": last(&|r| ended(r, "SUCCESS")), "lastSuccessfulBuild": last(&good),
            "lastUnstableBuild": last(&|r| ended(r, "UNSTABLE")),
            "lastUnsuccessfulBuild": last(&|r| done(r) && !ended(r, "SUCCESS")), "nextBuildNumber": job.next_number,
            "property": property, "queueItem": queued.map(|r| self.item_json(r)),
        });
        extend(&mut value, more);
        if job.def.kind == JobKind::Matrix {
            value["activeConfigurations"] = json!(self.jobs_json(full, user));
        }
        value
    }

    fn why(run: &Run) -> Option<String> {
        let left = run.events.front().map_or(0, |e| e.left);
        match run.place {
            Place::Left | Place::Canceled => None,
            Place::Waiting => Some(format!("In the quiet period. Expires in {}", span(left))),
            Place::Blocked => Some("Build #1 is already in progress (ETA: N/A)".to_owned()),
            Place::Buildable => Some("Waiting for next available executor".to_owned()),
        }
    }

    /// The items of the queue, those of waiting `node` steps among them.
    pub(crate) fn queued_items(&self) -> Vec<Value> {
        let queued = self.runs.iter().filter(|r| r.queued() && !r.item_gone).map(|r| self.item_json(r));
        let nodes = self.runs.iter().filter_map(|r| r.node_item.as_ref()).filter(|n| !n.left);
        queued.chain(nodes.filter_map(|n| self.node_item_json(n.id))).collect()
    }

    /// The queue item of a `node` step: its task is a part of a build and has a relative URL.
    pub(crate) fn node_item_json(&self, id: u64) -> Option<Value> {
        let run = self.runs.iter().find(|r| r.node_item.as_ref().is_some_and(|n| n.id == id))?;
        let (item, number) = (run.node_item.as_ref()?, run.number?);
        let task = "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask";
        let path = format!("{}{number}/", self.job_path(&run.job));
        let mut value = json!({
            "_class": if item.left { "hudson.model.Queue$LeftItem" } else { "hudson.model.Queue$BuildableItem" },
            "actions": [], "blocked": false, "buildable": !item.left, "id": id, "inQueueSince": millis(item.since),
            "params": "", "stuck": !item.left,
            "task": {"_class": task, "name": format!("part of {} #{number}", run.job), "url": &path[1..]},
            "url": format!("queue/item/{id}/"),
            "why": (!item.left).then(|| format!("There are no nodes with the label ‘{}’", item.label)),
        });
        if item.left {
            value["cancelled"] = json!(false);
            let class = format!("{task}$PlaceholderExecutable");
            value["executable"] = json!({"_class": class, "number": number, "url": self.build_url(run, number)});
        }
        Some(value)
    }

    pub(crate) fn item_json(&self, run: &Run) -> Value {
        let kind = match run.place {
            Place::Waiting => "Waiting",
            Place::Blocked => "Blocked",
            Place::Buildable => "Buildable",
            Place::Left | Place::Canceled => "Left",
        };
        let job = self.jobs.get(&run.job);
        let params = run.params.iter().fold(String::new(), |all, p| all + "\n" + &p.definition.name + "=" + &shown(p));
        let mut value = json!({
            "_class": format!("hudson.model.Queue${kind}Item"), "actions": Self::first_actions(run),
            "blocked": run.place == Place::Blocked, "buildable": run.place == Place::Buildable, "id": run.id,
            "inQueueSince": millis(run.since), "params": params, "stuck": false,
            "task": {
                "_class": class(run.kind), "name": short_name(&run.job), "url": self.job_url(&run.job),
                "color": job.map(|j| self.color(j)),
            },
            "url": format!("queue/item/{}/", run.id), "why": Self::why(run),
        });
        let more = match run.place {
            Place::Waiting => {
                json!({"timestamp": millis(run.time.plus(run.events.front().map_or(0, |e| e.left)))})
            }
            Place::Blocked => json!({"buildableStartMilliseconds": millis(run.time)}),
            Place::Buildable => json!({"buildableStartMilliseconds": millis(run.time), "pending": false}),
            Place::Left | Place::Canceled => {
                let executable = run.number.map(|number| {
                    let url = self.build_url(run, number);
                    json!({"_class": build_class(run.kind), "number": number, "url": url})
                });
                json!({"cancelled": run.place == Place::Canceled, "executable": executable})
            }
        };
        extend(&mut value, more);
        value
    }

    pub(crate) fn build_url(&self, run: &Run, number: u32) -> String {
        format!("{}{number}/", self.job_url(&run.job))
    }

    /// Parameters and causes.
    fn first_actions(run: &Run) -> Vec<Value> {
        let mut actions = Vec::new();
        if !run.params.is_empty() {
            let all: Vec<Value> = run.params.iter().map(parameter).collect();
            actions.push(json!({"_class": "hudson.model.ParametersAction", "parameters": all}));
        }
        actions.push(json!({"_class": "hudson.model.CauseAction", "causes": run.causes}));
        actions
    }

    pub(crate) fn build_json(&self, run: &Run) -> Value {
        let number = run.number.unwrap_or_default();
        let mut actions = Self::first_actions(run);
        actions.push(json!({"_class": "jenkins.metrics.impl.TimeInQueueAction"}));
        if run.pipeline() {
            actions.push(json!({"_class": "org.jenkinsci.plugins.workflow.libs.LibrariesAction"}));
            if !run.questions.is_empty() {
                actions.push(Self::input_action(run));
            }
            if run.answers.iter().any(|a| a.proceeded) {
                actions.push(json!({"_class": "org.jenkinsci.plugins.workflow.support.steps.input.ApproverAction"}));
            }
            actions.push(json!({}));
            actions.push(json!({"_class": "org.jenkinsci.plugins.workflow.job.views.FlowGraphAction"}));
        }
        if let Some(user) = &run.interrupted_by {
            actions.push(json!({
                "_class": "jenkins.model.InterruptedBuildAction",
                "causes": [{
                    "_class": "jenkins.model.CauseOfInterruption$UserInterruption",
                    "shortDescription": format!("Aborted by {user}"),
                }],
            }));
        }
        actions.push(json!({}));
        if !run.plan.tests.is_empty() && !run.in_progress {
            let count = |word: &[&str]| run.plan.tests.iter().filter(|t| word.contains(&t.status.as_str())).count();
            actions.push(json!({
                "_class": "hudson.tasks.junit.TestResultAction", "failCount": count(&["FAILED", "REGRESSION"]),
                "skipCount": count(&["SKIPPED"]), "totalCount": run.plan.tests.len(), "urlName": "testReport",
            }));
        }
        actions.push(json!({"_class": "org.jenkinsci.plugins.displayurlapi.actions.RunDisplayAction"}));
        let artifacts = if run.in_progress { Vec::new() } else { run.plan.artifacts.clone() };
        let listed: Vec<Value> = artifacts
            .iter()
            .map(|a| json!({"displayPath": short_name(&a.path), "fileName": short_name(&a.path), "relativePath": a.path}))
            .collect();
        let known = artifacts.iter().filter(|a| a.fingerprint);
        let prints: Vec<Value> = known.map(|a| json!({"fileName": short_name(&a.path), "hash": a.md5})).collect();
        let estimated =
            run.plan.estimated_seconds.map_or_else(|| self.usual_duration(&run.job), |s| (s * 1000.0) as i64);
        let done = if run.in_progress { None } else { run.ended };
        let builds = self.builds(&run.job);
        let near = |number: Option<u32>| {
            let number = builds.iter().find(|b| b.number.is_some() && b.number == number).and(number)?;
            Some(json!({"number": number, "url": self.build_url(run, number)}))
        };
        let mut value = json!({
            "_class": build_class(run.kind), "actions": actions, "artifacts": listed, "building": run.building,
            "description": run.description, "displayName": format!("#{number}"),
            "duration": done.map_or(0, |end| end.since(run.started) / 1000), "estimatedDuration": estimated,
            "executor": null, "fingerprint": prints,
            "fullDisplayName": format!("{} #{number}", run.job.replace('/', " » ")), "id": number.to_string(),
            "keepLog": false, "number": number, "queueId": run.id, "result": run.result,
            "timestamp": millis(run.started), "url": self.build_url(run, number), "inProgress": run.in_progress,
            "previousBuild": near(number.checked_sub(1)), "nextBuild": near(Some(number + 1)), "culprits": [],
        });
        if run.pipeline() {
            value["changeSets"] = json!([]);
        } else {
            value["builtOn"] = json!("");
            value["changeSet"] = json!({"_class": "hudson.scm.EmptyChangeLogSet", "items": [], "kind": null});
        }
        if run.kind == JobKind::Matrix {
            let runs = self.children(&run.job).into_iter().flat_map(|j| self.builds(&j.def.name));
            let shown = |r: &Run| Some(json!({"number": r.number?, "url": self.build_url(r, r.number?)}));
            value["runs"] = runs.filter_map(shown).collect();
        }
        if !run.plan.build_patch.is_null() {
            merge(&mut value, &run.plan.build_patch);
        }
        value
    }

    fn input_action(run: &Run) -> Value {
        let mut action = json!({"_class": "org.jenkinsci.plugins.workflow.support.steps.input.InputAction"});
        if run.in_progress {
            let waiting: Vec<Value> = run
                .questions
                .iter()
                .filter(|q| !q.settled)
                .map(|q| {
                    let (id, input) = (q.input.id(), &q.input);
                    let shown = json!({
                        "id": id, "message": input.message, "ok": input.ok, "submitter": input.submitter,
                        "parameters": input.parameters.iter().map(definition).collect::<Vec<_>>(),
                    });
                    json!({"displayName": input.message, "id": id, "input": shown, "settled": false})
                })
                .collect();
            action["waitingForInput"] = json!(!waiting.is_empty());
            action["executions"] = json!(waiting);
        }
        action
    }
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(map), Value::Object(more)) = (value, more) {
        map.extend(more);
    }
}

/// Milliseconds as Jenkins words them, roughly.
fn span(micros: i64) -> String {
    match micros {
        m if m < SECOND => format!("{} ms", m / 1000),
        m if m < 10 * SECOND => format!("{:.1} sec", m as f64 / 1e6),
        m if m < 60 * SECOND => format!("{} sec", m / SECOND),
        m => format!("{} min {} sec", m / SECOND / 60, m / SECOND % 60),
    }
}

/// A declared parameter.
pub(crate) fn definition(parameter: &super::config::JenkinsParameter) -> Value {
    let mut value = json!({
        "_class": format!("{}Definition", parameter.kind.class()), "defaultParameterValue": null,
        "description": parameter.description, "name": parameter.name, "type": parameter.kind.type_name(),
    });
    if !parameter.kind.is_file() {
        let mut default = json!({"_class": parameter.kind.value_class(), "name": parameter.name});
        if parameter.kind != ParameterKind::Password {
            default["value"] = parameter.default_value();
        }
        value["defaultParameterValue"] = default;
    }
    if parameter.kind == ParameterKind::Choice {
        value["choices"] = json!(parameter.choices);
    }
    value
}

/// A parameter's value; those of passwords and files are not shown.
pub(crate) fn parameter(param: &ParamValue) -> Value {
    let mut value = Map::new();
    value.insert("_class".to_owned(), json!(param.definition.kind.value_class()));
    value.insert("name".to_owned(), json!(param.definition.name));
    if param.definition.kind != ParameterKind::Password && !param.definition.kind.is_file() {
        value.insert("value".to_owned(), param.value.clone());
    }
    Value::Object(value)
}

fn shown(param: &ParamValue) -> String {
    match (&param.value, param.definition.kind) {
        (_, ParameterKind::Password) => "****".to_owned(),
        (Value::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    }
}

/// `config.xml` of a job that was given none.
pub(crate) fn default_config_xml(job: &Job) -> String {
    let root = match job.def.kind {
        JobKind::Freestyle => "project",
        JobKind::Pipeline => "flow-definition",
        other => class(other),
    };
    let (name, disabled) = (escape(job.short_name()), job.disabled);
    format!(
        "<?xml version='1.1' encoding='UTF-8'?>\n<{root}>\n  <description>{name}</description>\n  \
         <disabled>{disabled}</disabled>\n</{root}>\n"
    )
}

/// What an answer without `tree` shows: of the builds of a job their class, number and URL; a freestyle build without
/// its neighbors and fingerprints.
pub(crate) fn without_tree(mut value: Value) -> Value {
    let freestyle = value.get("builtOn").is_some();
    let Some(map) = value.as_object_mut() else { return value };
    map.remove("allBuilds");
    if freestyle {
        map.retain(|key, _| !["nextBuild", "previousBuild", "fingerprint"].contains(&key.as_str()));
    }
    let brief = |build: &mut Value| {
        if let Some(build) = build.as_object_mut() {
            build.retain(|key, _| ["_class", "number", "url"].contains(&key.as_str()));
        }
    };
    for (key, value) in map.iter_mut().filter(|(key, _)| key.ends_with("Build") || *key == "builds") {
        match value {
            Value::Array(builds) => builds.iter_mut().for_each(brief),
            build if key != "concurrentBuild" => brief(build),
            _ => {}
        }
    }
    value
}

/// A path of an artifact as part of a URL.
pub(crate) fn artifact_path(path: &str) -> String {
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}
