//! Routes of the legacy API.

use super::reply::{Session, legacy_error};
use super::{Call, files, legacy_wire, start, v3};
use crate::config::Access;
use crate::http::Response;
use crate::time::micros;
use crate::world::World;
use serde_json::{Value, json};

pub(crate) fn route(world: &mut World, call: &Call<'_>, session: &Session) -> Response {
    if session.access == Access::None && call.segments.first() != Some(&"user") {
        return legacy_error(403, "You don't have the permission to access this resource");
    }
    match (call.method, call.segments) {
        ("POST", ["builds"]) => start::legacy(world, call, session),
        ("GET", ["builds"]) => list(world, call),
        ("GET", ["builds", id]) => build(world, id, |world, index| {
            let answer = json!({
                "application": legacy_wire::application(world, &world.builds[index].request.app_id),
                "build": legacy_wire::build(world, index),
            });
            world.polled(index);
            Response::json(200, &answer)
        }),
        ("POST", ["builds", id, "cancel"]) => cancel(world, id, session),
        ("GET", ["builds", id, "step", step]) => step_log(world, id, step),
        ("GET", ["logs", first, second]) => files::log(world, first, second),
        ("GET" | "POST", ["artifacts", ..]) => files::legacy_artifact(world, call),
        ("GET", ["apps"]) => {
            let apps: Vec<Value> = own_apps(world).iter().map(|id| legacy_wire::application(world, id)).collect();
            Response::json(200, &json!({"applications": apps}))
        }
        ("GET", ["apps", id]) => {
            app(world, id, |world| Response::json(200, &json!({"application": legacy_wire::application(world, id)})))
        }
        ("GET", ["apps", id, "caches"]) => app(world, id, |world| {
            let caches: Vec<Value> = caches(world, id);
            Response::json(200, &json!({"caches": caches}))
        }),
        ("DELETE", ["apps", id, "caches", rest @ ..]) if rest.len() < 2 => {
            app(world, id, |world| delete_caches(world, id, rest.first().copied(), session))
        }
        ("GET", ["user"]) => user(world),
        ("GET", ["team", id]) if *id == world.config.team_id => {
            let apps = own_apps(world);
            Response::json(200, &json!({"team": {"_id": id, "name": world.config.team_name, "applicationIds": apps}}))
        }
        (_, ["builds" | "apps" | "user" | "team"] | ["builds" | "apps", _] | ["builds", _, "cancel"]) => {
            legacy_error(405, "The method is not allowed for the requested URL").with("Allow", "GET, POST")
        }
        _ => legacy_error(404, "The requested URL was not found on the server"),
    }
}

fn own_apps(world: &World) -> Vec<String> {
    world.config.apps.iter().filter(|a| !a.foreign).map(|a| a.id.clone()).collect()
}

fn app(world: &mut World, id: &str, answer: impl FnOnce(&mut World) -> Response) -> Response {
    if world.own_app(id).is_none() {
        return legacy_error(403, "You don't have the permission to access this application");
    }
    answer(world)
}

/// Finds a build that is already shown and hands it on.
fn build(world: &mut World, id: &str, answer: impl FnOnce(&mut World, usize) -> Response) -> Response {
    let World { builds, clock, .. } = world;
    match builds.iter_mut().position(|b| b.id == id).filter(|&i| builds[i].visible(clock)) {
        Some(index) => answer(world, index),
        None => legacy_error(404, "Build not found"),
    }
}

/// Cancels whatever the id names, also while a GET would not show it yet.
fn cancel(world: &mut World, id: &str, session: &Session) -> Response {
    if session.access != Access::Full {
        return legacy_error(403, "You don't have the permission to cancel this build");
    }
    let Some(index) = world.find(id) else {
        return legacy_error(404, "Build not found");
    };
    if world.cancel(index) {
        Response::json(200, &json!({"build": legacy_wire::build(world, index)}))
    } else {
        Response::html(208, "Build has already finished")
    }
}

fn step_log(world: &mut World, id: &str, step: &str) -> Response {
    let found = world.find(id).and_then(|b| {
        let at = world.builds[b].steps.iter().position(|s| s.id == step)?;
        Some((b, at))
    });
    found.and_then(|(b, at)| files::step_log(world, b, at)).unwrap_or_else(|| legacy_error(404, "Log not found"))
}

/// The list: filters, `skip`, and all apps with all branches beside the builds.
fn list(world: &mut World, call: &Call<'_>) -> Response {
    let query = |name: &str| call.request.query_one(name);
    let skip = query("skip").and_then(|s| s.parse().ok()).unwrap_or(0);
    let rules = world.config.legacy_list.clone();
    let oldest = rules.window_seconds.map(|s| world.now().plus(-micros(s)));
    let mut found = Vec::new();
    for index in world.newest_first() {
        if !world.builds[index].listed() {
            continue;
        }
        let build = &world.builds[index];
        let request = &build.request;
        let same = |wanted: Option<String>, value: Option<&str>| wanted.is_none_or(|w| Some(w.as_str()) == value);
        if same(query("appId"), Some(&request.app_id))
            && same(query("workflowId"), Some(&request.workflow_id))
            && same(query("branch"), request.branch.as_deref())
            && same(query("tag"), request.tag.as_deref())
            && oldest.is_none_or(|t| build.origin >= t)
        {
            found.push(index);
        }
    }
    let builds: Vec<Value> =
        found.iter().skip(skip).take(rules.page_size).map(|&i| legacy_wire::build(world, i)).collect();
    let apps = own_apps(world);
    let share = rules.bytes / apps.len().max(1);
    let applications: Vec<Value> = apps
        .iter()
        .map(|id| {
            let mut app = legacy_wire::application(world, id);
            app["branches"] = legacy_wire::many_branches(share);
            app
        })
        .collect();
    Response::json(200, &json!({"applications": applications, "builds": builds}))
}

fn caches(world: &World, app: &str) -> Vec<Value> {
    let Some(found) = world.own_app(app) else { return Vec::new() };
    let cache = |(i, workflow): (usize, &crate::config::Workflow)| {
        json!({
            "_id": format!("{}{:04x}", &app[..app.len().min(20)], i + 1),
            "appId": app,
            "lastUsed": world.now().plus(-micros(86_400.0)).legacy(),
            "size": 1_048_576 * (i + 1),
            "workflowId": workflow.id,
        })
    };
    let all = found.workflows.iter().enumerate().map(cache);
    all.filter(|c| !world.deleted_caches.iter().any(|d| c["_id"] == **d)).collect()
}

fn delete_caches(world: &mut World, app: &str, id: Option<&str>, session: &Session) -> Response {
    if session.access != Access::Full {
        return legacy_error(403, "You don't have the permission to delete caches");
    }
    let all = caches(world, app).into_iter().filter_map(|c| c["_id"].as_str().map(str::to_owned));
    let gone: Vec<String> = all.filter(|c| id.is_none_or(|id| id == c)).collect();
    if id.is_some() && gone.is_empty() {
        return legacy_error(404, "Cache not found");
    }
    world.deleted_caches.extend(gone.clone());
    Response::json(202, &json!({"message": "Caches deletion started.", "caches": gone}))
}

fn user(world: &World) -> Response {
    let user = json!({
        "_id": v3::USER,
        "email": "dev@example.com",
        "name": "Developer",
        "personalTeam": {"_id": world.config.team_id, "name": world.config.team_name},
        "teams": [world.config.team_id],
    });
    Response::json(200, &json!({"user": user}))
}
