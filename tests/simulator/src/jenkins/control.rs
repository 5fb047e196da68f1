//! `/_sim/jenkins/…`: the Jenkins for tests that are not written in Rust.

use super::config::{JenkinsConfig, JenkinsJob};
use super::handle::{JenkinsMove, Restart};
use super::log::Form;
use super::plan::JenkinsPlan;
use crate::control::{Outcome, bad, body, items, parse};
use crate::http::Request;
use crate::patch::merge;
use crate::world::World;
use serde_json::{Value, json};

/// Carries out a control request below `jenkins/`.
pub(crate) fn route(world: &mut World, request: &Request, path: &str) -> Outcome {
    let now = world.now();
    if world.jenkins.is_none() {
        return Err((404, "there is no Jenkins in this simulator".into()));
    }
    if (request.method.as_str(), path) == ("POST", "restart") {
        let restart: Restart = parse(body(request)?)?;
        world.restart_jenkins(&restart);
        return Ok(json!({}));
    }
    let Some(j) = world.jenkins.as_mut() else { return Ok(Value::Null) };
    match (request.method.as_str(), path) {
        ("GET", "runs") => Ok(json!({"runs": j.infos()})),
        ("GET", "state") => Ok(json!({
            "session": j.session_id,
            "restarts": j.restarts,
            "jobs": j.jobs.keys().collect::<Vec<_>>(),
            "runs": j.runs.len(),
            "plans": j.plans.len(),
            "starting": j.starting,
        })),
        ("GET", "console") => {
            let number = request.query_one("number").and_then(|n| n.parse().ok()).unwrap_or(0);
            let job = request.query_one("job").unwrap_or_default();
            let index = j.build(&job, number).ok_or_else(|| (404, format!("no build {number} of {job:?}")))?;
            let log = &j.runs[index].log;
            let content = log.read(0, log.len(), Form::Plain);
            let mut bytes = vec![0; content.len() as usize];
            content.read_at(0, &mut bytes);
            Ok(json!({"text": String::from_utf8_lossy(&bytes)}))
        }
        ("POST", "plan") => {
            let plans = items(request)?.into_iter().map(parse::<JenkinsPlan>).collect::<Result<Vec<_>, _>>()?;
            j.plans.extend(plans);
            Ok(json!({"plans": j.plans.len()}))
        }
        ("DELETE", "plan") => {
            j.plans.clear();
            Ok(json!({}))
        }
        ("POST", "job") => {
            for job in items(request)?.into_iter().map(parse::<JenkinsJob>).collect::<Result<Vec<_>, _>>()? {
                j.add_job(job);
            }
            Ok(json!({"jobs": j.jobs.len()}))
        }
        ("GET", "config") => serde_json::to_value(&j.config).map_err(bad),
        ("POST", "config") => {
            let mut config = serde_json::to_value(&j.config).map_err(bad)?;
            merge(&mut config, &body(request)?);
            j.config = parse::<JenkinsConfig>(config)?;
            Ok(json!({}))
        }
        ("POST", "move") => {
            let body = body(request)?;
            let id = body["queue_id"].as_u64().ok_or_else(|| bad("queue_id is missing"))?;
            let to: JenkinsMove = parse(body.get("to").cloned().unwrap_or_else(|| json!("next")))?;
            if j.move_run(id, to) { Ok(json!({})) } else { Err((404, format!("no queue item {id}"))) }
        }
        ("POST", "cancel") => {
            let id = body(request)?["queue_id"].as_u64();
            let index = j.runs.iter().position(|r| Some(r.id) == id).ok_or_else(|| (404, "no such item".to_owned()))?;
            Ok(json!({"cancelled": j.cancel(index, now)}))
        }
        ("POST", "forget") => {
            let id = body(request)?["queue_id"].as_u64();
            let run = j.runs.iter_mut().find(|r| Some(r.id) == id).ok_or_else(|| (404, "no such item".to_owned()))?;
            run.item_gone = true;
            Ok(json!({}))
        }
        ("POST", "log") => {
            let body = body(request)?;
            let number = body["number"].as_u64().unwrap_or(0) as u32;
            let job = body["job"].as_str().unwrap_or_default();
            let index = j.build(job, number).ok_or_else(|| (404, format!("no build {number} of {job:?}")))?;
            j.runs[index].log.text(None, body["text"].as_str().unwrap_or_default());
            Ok(json!({}))
        }
        ("POST", "delete") => {
            let body = body(request)?;
            let number = body["number"].as_u64().unwrap_or(0) as u32;
            let job = body["job"].as_str().unwrap_or_default();
            let index = j.build(job, number).ok_or_else(|| (404, format!("no build {number} of {job:?}")))?;
            j.runs[index].deleted = true;
            Ok(json!({}))
        }
        // The rest is done without the lock.
        ("POST", "start") => Ok(json!({})),
        (method, path) => Err((404, format!("no control {method} /_sim/jenkins/{path}"))),
    }
}

/// Is there a run of this job in this state? For `wait`.
pub(crate) fn jenkins_run_is(world: &World, job: Option<&str>, state: &str) -> bool {
    let Some(j) = &world.jenkins else { return false };
    j.runs.iter().any(|r| job.is_none_or(|name| name == r.job) && r.state() == state)
}
