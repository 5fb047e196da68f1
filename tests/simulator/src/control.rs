//! The simulator's own paths below `/_sim/`, for tests that are not written in Rust.
//!
//! They need no key, are not recorded, and no fault hits them.

use crate::clock::Advance;
use crate::config::{Config, History};
use crate::fault::Fault;
use crate::http::{Request, Response};
use crate::jenkins;
use crate::patch::merge;
use crate::plan::Plan;
use crate::world::{Shared, Target, World};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::error::Error;
use std::time::Duration;

/// Does the request go to the simulator itself?
pub(crate) fn is_control(request: &Request) -> bool {
    request.path == "/_sim" || request.path.starts_with("/_sim/")
}

/// Carries out a control request.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Response {
    let path = request.path.trim_start_matches("/_sim").trim_matches('/');
    let result = if path == "wait" { wait(shared, request) } else { route(&mut shared.lock(), request, path) };
    shared.notify();
    shared.follow_port();
    if path == "jenkins/start" && request.method == "POST" {
        shared.start_jenkins();
    }
    match result {
        Ok(value) => Response::json(200, &value),
        Err((status, problem)) => Response::json(status, &json!({"error": problem})),
    }
}

pub(crate) type Outcome = Result<Value, (u16, String)>;

pub(crate) fn bad(problem: impl Into<Box<dyn Error>>) -> (u16, String) {
    (400, problem.into().to_string())
}

pub(crate) fn body(request: &Request) -> Result<Value, (u16, String)> {
    if request.body.is_empty() { Ok(json!({})) } else { request.json().map_err(bad) }
}

/// One object or an array of them.
pub(crate) fn items(request: &Request) -> Result<Vec<Value>, (u16, String)> {
    Ok(match body(request)? {
        Value::Array(all) => all,
        one => vec![one],
    })
}

pub(crate) fn parse<T: DeserializeOwned>(value: Value) -> Result<T, (u16, String)> {
    serde_json::from_value(value).map_err(bad)
}

fn route(world: &mut World, request: &Request, path: &str) -> Outcome {
    match (request.method.as_str(), path) {
        ("GET", "" | "state") => Ok(state(world)),
        ("GET", "requests") => Ok(json!({"requests": requests(world, request)})),
        ("DELETE", "requests") => {
            world.requests.clear();
            Ok(json!({}))
        }
        ("GET", "builds") => Ok(json!({"builds": world.build_infos()})),
        ("GET", "connections") => Ok(json!({"connections": world.connections})),
        ("GET", "fault") => Ok(json!({"faults": faults(world)})),
        ("POST", "fault") => {
            let faults = items(request)?.iter().map(Fault::from_json).collect::<Result<Vec<_>, _>>().map_err(bad)?;
            for fault in faults {
                world.faults.arm(fault);
            }
            Ok(json!({"faults": faults_len(world)}))
        }
        ("DELETE", "fault") => {
            world.faults.clear();
            Ok(json!({}))
        }
        ("GET", "plan") => Ok(json!({"plans": world.plans})),
        ("POST", "plan") => {
            let plans = items(request)?.into_iter().map(parse::<Plan>).collect::<Result<Vec<_>, _>>()?;
            world.plans.extend(plans);
            Ok(json!({"plans": world.plans.len()}))
        }
        ("DELETE", "plan") => {
            world.plans.clear();
            Ok(json!({}))
        }
        ("POST", "history") => {
            let all = items(request)?.into_iter().map(parse::<History>).collect::<Result<Vec<_>, _>>()?;
            for history in &all {
                world.add_history(history);
            }
            Ok(json!({"builds": world.builds.len()}))
        }
        ("POST", "advance") => advance(world, &body(request)?),
        ("GET", "config") => serde_json::to_value(&world.config).map_err(bad),
        ("POST", "config") => {
            let mut config = serde_json::to_value(&world.config).map_err(bad)?;
            merge(&mut config, &body(request)?);
            world.config = parse::<Config>(config)?;
            Ok(json!({}))
        }
        ("POST", "reset") => {
            world.reset();
            Ok(json!({}))
        }
        (_, path) if path.starts_with("jenkins/") => {
            jenkins::control(world, request, path.trim_start_matches("jenkins/"))
        }
        (method, path) => Err((404, format!("no control {method} /_sim/{path}"))),
    }
}

fn faults_len(world: &World) -> usize {
    world.faults.list().len()
}

fn faults(world: &World) -> Vec<Value> {
    let all = world.faults.list().into_iter();
    all.map(|(fault, seen)| json!({"fault": fault, "seen": seen})).collect()
}

fn requests(world: &World, request: &Request) -> Vec<Value> {
    let filter = Filter::new(request);
    world.requests.iter().filter(|r| filter.fits(r)).map(|r| json!(r)).collect()
}

/// Which requests a query asks for.
struct Filter {
    method: Option<String>,
    path: Option<String>,
    listener: Option<String>,
    since: u64,
}

impl Filter {
    fn new(request: &Request) -> Self {
        Self {
            method: request.query_one("method"),
            path: request.query_one("path"),
            listener: request.query_one("listener"),
            since: request.query_one("since").and_then(|s| s.parse().ok()).unwrap_or(0),
        }
    }

    fn fits(&self, record: &crate::record::RequestRecord) -> bool {
        record.id > self.since
            && self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(&record.method))
            && self.path.as_ref().is_none_or(|p| crate::aim::path_matches(p, &record.path))
            && self.listener.as_ref().is_none_or(|l| json!(record.listener) == **l)
    }
}

/// All there is to know in one answer, but for the long lists.
pub(crate) fn state(world: &World) -> Value {
    let used: Vec<Value> = world.buckets.used().map(|(key, used)| json!({"key": key, "used": used})).collect();
    json!({
        "now": world.now().v3(),
        "real_ms": world.real_ms(),
        "advance": world.clock.mode(),
        "speed": world.clock.speed(),
        "api": world.addresses.api,
        "storage": world.addresses.storage,
        "jenkins": world.jenkins.as_ref().map(crate::jenkins::Jenkins::base),
        "counters": world.counters,
        "buckets": used,
        "faults": faults(world),
        "plans": world.plans.len(),
        "builds": world.builds.len(),
        "open_connections": world.connections.iter().filter(|c| !c.closed).count(),
    })
}

/// `{"seconds": n}`, or `{"build": id, "to": "next" | "end" | "release" | status}`, or `{"mode": …, "speed": n}`.
fn advance(world: &mut World, body: &Value) -> Outcome {
    let known = ["seconds", "build", "to", "mode", "speed"];
    if let Some(odd) = body.as_object().and_then(|o| o.keys().find(|k| !known.contains(&k.as_str()))) {
        return Err(bad(format!("unknown key {odd:?}")));
    }
    if let Some(mode) = body.get("mode") {
        world.set_clock(Some(parse::<Advance>(mode.clone())?), None);
    }
    if let Some(speed) = body["speed"].as_f64() {
        world.set_clock(None, Some(speed));
    }
    if let Some(seconds) = body["seconds"].as_f64() {
        world.advance(seconds);
    }
    if let Some(id) = body["build"].as_str() {
        let index = world.find(id).ok_or_else(|| (404, format!("no build {id}")))?;
        let target = match body["to"].as_str().unwrap_or("next") {
            "next" => Target::Next,
            "end" => Target::End,
            "release" => Target::Release,
            status => Target::Status(status.to_owned()),
        };
        world.advance_build(index, &target);
    }
    Ok(json!({"now": world.now().v3()}))
}

/// Blocks until something happened: so many requests, a build in a status, a counter.
fn wait(shared: &Shared, request: &Request) -> Outcome {
    let query = |name: &str| request.query_one(name);
    let count: u64 = query("count").and_then(|c| c.parse().ok()).unwrap_or(1);
    let limit = query("timeout_ms").and_then(|t| t.parse().ok()).unwrap_or(10_000);
    let done = query("state").as_deref() == Some("done");
    let (counter, status, build) = (query("counter"), query("status"), query("build"));
    let (run, job) = (query("jenkins_state"), query("job"));
    let filter = Filter::new(request);
    let held = shared.wait(Duration::from_millis(limit), |world| {
        if let Some(counter) = &counter {
            return json!(world.counters)[counter].as_u64().is_some_and(|n| n >= count);
        }
        if let Some(state) = &run {
            return jenkins::jenkins_run_is(world, job.as_deref(), state);
        }
        if let Some(status) = &status {
            let mut builds = world.builds.iter().filter(|b| build.as_ref().is_none_or(|id| *id == b.id));
            return builds.any(|b| b.moment(&world.clock).status == *status);
        }
        let fits = world.requests.iter().filter(|r| filter.fits(r) && (!done || r.done));
        fits.count() as u64 >= count
    });
    if held { Ok(state(&shared.lock())) } else { Err((408, "it did not happen in time".into())) }
}
