//! Routes of v3.

use super::reply::{Session, error, invalid, v3_error};
use super::{Call, Family, start, v3_wire, variables};
use crate::config::{Access, App};
use crate::http::Response;
use crate::ids::is_object_id;
use crate::world::World;
use serde_json::{Value, json};

/// The user behind every key.
pub(crate) const USER: &str = "5c9c064185dd2310123b8e96";

pub(crate) fn route(world: &mut World, call: &Call<'_>, session: &Session) -> Response {
    if session.access == Access::None && call.segments.first() != Some(&"user") {
        return error(Family::V3, 403, "You do not have permission to perform this action");
    }
    match (call.method, call.segments) {
        ("GET", ["user"]) => user(world, session),
        ("GET", ["user", "teams"]) => page(call, &teams(world), 30),
        ("GET", ["user", "teams", team, "permissions"]) => permissions(world, team),
        ("GET", ["user", "apps"]) => page(call, &apps(world, call, false), 30),
        ("GET", ["user", "api-key"]) => Response::json(200, &json!({"data": {"api_key": session.key}})),
        ("DELETE", ["user", "api-key"]) => {
            world.config.keys.retain(|k| k.key != session.key);
            Response::empty(204)
        }
        ("GET", ["teams", team, "apps"]) => match foreign_team(world, team) {
            Some(refusal) => refusal,
            None => page(call, &apps(world, call, true), 30),
        },
        ("GET", ["teams", team, "builds"]) => match foreign_team(world, team) {
            Some(refusal) => refusal,
            None => list(world, call),
        },
        ("GET", ["apps", app, "workflows"]) => match find_app(world, app) {
            Ok(app) => Response::json(200, &json!({"data": v3_wire::workflows(app)})),
            Err(response) => *response,
        },
        ("POST", ["apps", app, "builds"]) => start::v3(world, call, session, app),
        ("GET", ["builds", id]) => build(world, call, id, |world, index| {
            let answer = Response::json(200, &json!({"data": v3_wire::build(world, index)}));
            world.polled(index);
            answer
        }),
        ("GET", ["builds", id, "actions"]) => {
            build(world, call, id, |world, index| page(call, &v3_wire::actions(world, index), 30))
        }
        ("GET", ["builds", id, "remote-access"]) => {
            build(world, call, id, |_, _| v3_error(400, "Remote access is not enabled for this build", json!({})))
        }
        (_, ["user" | "builds" | "teams" | "apps", ..]) if known(call) => {
            error(Family::V3, 405, "Method Not Allowed").with("Allow", "GET")
        }
        _ => variables::route(world, call).unwrap_or_else(|| error(Family::V3, 404, "Not Found")),
    }
}

/// Is it a path that another method would find?
fn known(call: &Call<'_>) -> bool {
    matches!(
        call.segments,
        ["user"]
            | ["user", "teams" | "apps" | "api-key"]
            | ["teams", _, "apps" | "builds"]
            | ["apps", _, "workflows" | "builds"]
            | ["builds", _]
            | ["builds", _, "actions" | "remote-access"]
    )
}

/// The networks of the build machines; needs no key.
pub(crate) fn meta() -> Response {
    let data = json!({
        "address_prefixes": ["192.0.2.0/27", "198.51.100.64/26"],
        "simulator_address_prefixes": ["203.0.113.0/28"],
    });
    Response::json(200, &json!({"data": data}))
}

fn user(world: &World, session: &Session) -> Response {
    let permissions = match session.access {
        Access::None => json!([]),
        _ => json!(["can_read_team", "can_read_apps", "can_read_builds"]),
    };
    let mut by_team = json!({});
    by_team[&world.config.team_id] = permissions;
    let avatar = "https://avatars.example.com/u/1";
    Response::json(200, &json!({"data": {"id": USER, "avatar_url": avatar, "permissions": by_team}}))
}

fn teams(world: &World) -> Vec<Value> {
    let config = &world.config;
    let team = json!({"id": config.team_id, "name": config.team_name, "icon_url": null});
    if config.list_teams { vec![team] } else { Vec::new() }
}

fn permissions(world: &World, team: &str) -> Response {
    if let Some(refusal) = foreign_team(world, team) {
        return refusal;
    }
    let data = json!({
        "user_id": USER,
        "team_id": team,
        "team": ["can_read_team", "can_read_apps"],
        "default_app_permissions": ["can_read_builds"],
        "apps": {},
    });
    Response::json(200, &json!({"data": data}))
}

fn foreign_team(world: &World, team: &str) -> Option<Response> {
    if !is_object_id(team) {
        return Some(v3_error(400, "Invalid team id", json!({})));
    }
    (team != world.config.team_id).then(|| error(Family::V3, 404, "Team not found"))
}

/// Apps; every word of `name` must occur, whatever its case.
fn apps(world: &World, call: &Call<'_>, of_team: bool) -> Vec<Value> {
    let name = call.request.query_one("name").unwrap_or_default().to_lowercase();
    let mut ids = call.request.query_all("id");
    ids.extend(call.request.query_all("id[]"));
    world
        .config
        .apps
        .iter()
        .filter(|a| !a.foreign)
        .filter(|a| name.split_whitespace().all(|word| a.name.to_lowercase().contains(word)))
        .filter(|a| ids.is_empty() || ids.contains(&a.id))
        .map(|a| v3_wire::app(world, a, of_team))
        .collect()
}

/// The app of this id, or the refusal.
pub(crate) fn find_app<'a>(world: &'a World, id: &str) -> Result<&'a App, Box<Response>> {
    if !is_object_id(id) {
        return Err(Box::new(v3_error(400, "Invalid app id", json!({}))));
    }
    world.own_app(id).ok_or_else(|| {
        let status = world.config.foreign_app_status;
        let text = if status == 403 { "You do not have access to this app" } else { "App not found" };
        Box::new(error(Family::V3, status, text))
    })
}

/// Finds a build that is already shown and hands it on.
fn build(world: &mut World, call: &Call<'_>, id: &str, answer: impl FnOnce(&mut World, usize) -> Response) -> Response {
    if !is_object_id(id) {
        let message = "Invalid ObjectId".to_owned();
        return invalid(call.request, &[("build_id".into(), message, "path")]);
    }
    let Some(index) = world.find(id) else {
        return error(Family::V3, 404, "Build not found");
    };
    let World { builds, clock, .. } = world;
    if builds[index].visible(clock) { answer(world, index) } else { error(Family::V3, 404, "Build not found") }
}

/// A number from the query, or the refusal.
fn number(call: &Call<'_>, name: &str, default: usize, most: usize) -> Result<usize, Box<Response>> {
    let Some(text) = call.request.query_one(name) else { return Ok(default) };
    match text.parse::<usize>() {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        _ => {
            let message = format!("Expected `int` >= 1 and <= {most}");
            Err(Box::new(invalid(call.request, &[(name.into(), message, "query")])))
        }
    }
}

/// One page of a list with page numbers.
pub(crate) fn page(call: &Call<'_>, items: &[Value], default: usize) -> Response {
    let (page, size) = match (number(call, "page", 1, 1_000_000), number(call, "page_size", default, 100)) {
        (Ok(page), Ok(size)) => (page, size),
        (Err(response), _) | (_, Err(response)) => return *response,
    };
    let data: Vec<&Value> = items.iter().skip((page - 1) * size).take(size).collect();
    let pages = items.len().div_ceil(size);
    Response::json(200, &json!({"data": data, "page_size": size, "current_page": page, "total_pages": pages}))
}

/// The builds of a team, newest first, page by page with a cursor.
fn list(world: &mut World, call: &Call<'_>) -> Response {
    const STATUSES: [&str; 7] = ["queued", "building", "finished", "failed", "canceled", "timeout", "skipped"];
    let query = |name: &str| call.request.query_one(name);
    let size = match number(call, "page_size", 30, 100) {
        Ok(size) => size,
        Err(response) => return *response,
    };
    let status = query("status");
    if status.as_deref().is_some_and(|s| !STATUSES.contains(&s)) {
        let message = format!("Invalid enum value {:?}", status.unwrap_or_default());
        return invalid(call.request, &[("status".into(), message, "query")]);
    }
    let labels = call.request.query_all("label");
    let cursor = query("cursor");
    let mut left = Vec::new();
    for index in world.newest_first() {
        if !world.builds[index].listed() {
            continue;
        }
        let build = &world.builds[index];
        let have = build.labels();
        let same = |wanted: Option<String>, value: Option<&str>| wanted.is_none_or(|w| Some(w.as_str()) == value);
        let request = &build.request;
        if same(query("app_id"), Some(&request.app_id))
            && same(query("workflow_id"), Some(&request.workflow_id))
            && same(query("branch"), request.branch.as_deref())
            && same(query("tag"), request.tag.as_deref())
            && same(status.clone(), Some(&build.moment(&world.clock).status))
            && labels.iter().all(|l| have.contains(l))
            && cursor.as_ref().is_none_or(|c| build.id < *c)
        {
            left.push(index);
        }
    }
    let data: Vec<Value> = left.iter().take(size).map(|&i| v3_wire::list_item(world, i)).collect();
    let next = if left.len() > size { data.last().map(|b| b["id"].clone()) } else { None };
    Response::json(200, &json!({"data": data, "page_size": size, "cursor": next}))
}
