//! The simulator's own paths below `/_sim/`, for tests that are not written in Rust. They need no key, are not
//! recorded, and no fault hits them.

use crate::apply::merge;
use crate::clock::Advance;
use crate::config::{Config, History};
use crate::fault::{Fault, path_matches};
use crate::http::{Request, Response};
use crate::jenkins::{JenkinsJob, JenkinsMove, JenkinsPlan};
use crate::plan::Plan;
use crate::world::{Shared, Target, World};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::error::Error;
use std::time::Duration;

type Outcome = Result<Value, Box<dyn Error>>;

/// Carries out a control request: 400 if it is wrong, 408 if what it waits for does not happen.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Response {
    let path = request.path.trim_start_matches("/_sim/").trim_matches('/');
    if path == "wait" {
        let held = wait(shared, request);
        return Response::json(if held { 200 } else { 408 }, &state(&shared.lock()));
    }
    match shared.change(|world| route(world, request, path)) {
        Ok(value) => Response::json(200, &value),
        Err(problem) => Response::json(400, &json!({"error": problem.to_string()})),
    }
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Box<dyn Error>> {
    let body = if request.body.is_empty() { b"{}" } else { &request.body[..] };
    Ok(serde_json::from_slice(body)?)
}

/// One object or an array of them.
fn items<T: DeserializeOwned>(request: &Request) -> Result<Vec<T>, Box<dyn Error>> {
    let all = match body(request)? {
        Value::Array(all) => all,
        one => vec![one],
    };
    Ok(all.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?)
}

fn route(world: &mut World, request: &Request, path: &str) -> Outcome {
    match (request.method.as_str(), path) {
        ("GET", "state") => return Ok(state(world)),
        ("GET", "requests") => {
            let shown: Vec<_> = world.requests.iter().filter(|r| fits(request, &r.method, &r.path)).collect();
            return Ok(json!({"requests": shown}));
        }
        ("GET", "builds") => return Ok(json!({"builds": world.build_infos()})),
        ("POST", "fault") => {
            for fault in items::<Value>(request)? {
                world.faults.add(Fault::from_json(&fault)?);
            }
        }
        ("DELETE", "fault") => world.faults.0.clear(),
        ("POST", "plan") => world.plans.extend(items::<Plan>(request)?),
        ("POST", "history") => items::<History>(request)?.iter().for_each(|history| world.add_history(history)),
        ("POST", "advance") => advance(world, &body(request)?)?,
        ("POST", "config") => {
            let mut config = serde_json::to_value(&world.config)?;
            merge(&mut config, &body(request)?);
            world.config = serde_json::from_value::<Config>(config)?;
        }
        ("POST", "reset") => world.reset(),
        (method, path) => {
            let jenkins = world.jenkins.as_mut().filter(|_| path.starts_with("jenkins/"));
            let j = jenkins.ok_or_else(|| format!("no control {method} /_sim/{path}"))?;
            match (method, path) {
                ("GET", "jenkins/runs") => return Ok(json!({"runs": j.infos()})),
                ("POST", "jenkins/plan") => j.plans.extend(items::<JenkinsPlan>(request)?),
                ("POST", "jenkins/job") => items::<JenkinsJob>(request)?.into_iter().for_each(|job| j.add_job(job)),
                ("POST", "jenkins/move") => {
                    let body: Value = body(request)?;
                    let to: JenkinsMove = serde_json::from_value(body["to"].clone())?;
                    let moved = j.move_run(body["queue_id"].as_u64().unwrap_or(0), to);
                    return if moved { Ok(json!({})) } else { Err("no such queue item".into()) };
                }
                _ => return Err(format!("no control {method} /_sim/{path}").into()),
            }
        }
    }
    Ok(json!({}))
}

/// Does the query ask for such a request?
fn fits(query: &Request, method: &str, path: &str) -> bool {
    query.query_one("method").is_none_or(|m| m.eq_ignore_ascii_case(method))
        && query.query_one("path").is_none_or(|p| path_matches(&p, path))
}

/// The clock, the counts, the addresses.
pub(crate) fn state(world: &World) -> Value {
    json!({
        "now": world.now().v3(), "advance": world.clock.mode, "speed": world.clock.speed, "counters": world.counters,
        "faults": world.faults.0.iter().map(|(fault, seen)| json!({"fault": fault, "seen": seen})).collect::<Vec<_>>(),
        "builds": world.builds.len(),
    })
}

/// `{"seconds": n}`, or `{"build": id, "to": "next" | "end" | "release" | status}`, or `{"mode": …, "speed": n}`.
fn advance(world: &mut World, body: &Value) -> Result<(), Box<dyn Error>> {
    let known = ["seconds", "build", "to", "mode", "speed"];
    if let Some(odd) = body.as_object().and_then(|o| o.keys().find(|k| !known.contains(&k.as_str()))) {
        return Err(format!("unknown key {odd:?}").into());
    }
    let mode = body.get("mode").map(|mode| serde_json::from_value::<Advance>(mode.clone())).transpose()?;
    world.set_clock(mode, body["speed"].as_f64());
    if let Some(seconds) = body["seconds"].as_f64() {
        world.advance(seconds);
    }
    if let Some(id) = body["build"].as_str() {
        let index = world.find(id).ok_or_else(|| format!("no build {id}"))?;
        let target = match body["to"].as_str().unwrap_or("next") {
            "next" => Target::Next,
            "end" => Target::End,
            "release" => Target::Release,
            status => Target::Status(status.to_owned()),
        };
        world.advance_build(index, &target);
    }
    Ok(())
}

/// Blocks until a build has a `status`, or `count` requests match `method` and `path`; at most `timeout_ms`.
fn wait(shared: &Shared, request: &Request) -> bool {
    let number = |name: &str| request.query_one(name).and_then(|n| n.parse().ok());
    let (count, status) = (number("count").unwrap_or(1), request.query_one("status"));
    shared.wait(Duration::from_millis(number("timeout_ms").unwrap_or(10_000)), |world| match &status {
        Some(status) => world.builds.iter().any(|b| b.moment(&world.clock).status == *status),
        None => world.requests.iter().filter(|r| fits(request, &r.method, &r.path)).count() as u64 >= count,
    })
}
