//! v3: routes and the shapes of its answers.

use super::{Call, Family, LEAK_TRAPS, USER, error, invalid, start, v3_error};
use crate::builds::Build;
use crate::config::{App, DEFAULT_TEAM, Workflow};
use crate::http::Response;
use crate::ids::is_object_id;
use crate::world::World;
use serde_json::{Value, json};

pub(super) fn route(world: &mut World, call: &Call<'_>) -> Response {
    match (call.method, call.segments) {
        ("GET", ["user"]) => {
            let avatar = "https://avatars.example.com/u/1";
            Response::json(200, &json!({"data": {"id": USER, "avatar_url": avatar, "permissions": {}}}))
        }
        ("GET", ["user", "teams"]) => {
            let team = json!({"id": DEFAULT_TEAM, "name": "Demo team", "icon_url": null});
            page(world, call, &if world.config.list_teams { vec![team] } else { Vec::new() })
        }
        ("GET", ["teams", team, "apps" | "builds"]) if *team != DEFAULT_TEAM => {
            error(Family::V3, 404, "Team not found")
        }
        ("GET", ["user", "apps"] | ["teams", _, "apps"]) => page(world, call, &apps(world, call)),
        ("GET", ["teams", _, "builds"]) => list(world, call),
        ("GET", ["apps", app, "workflows"]) => match find_app(world, app) {
            Ok(app) => Response::json(200, &json!({"data": app.workflows.iter().map(workflow).collect::<Value>()})),
            Err(response) => *response,
        },
        ("POST", ["apps", app, "builds"]) => start::v3(world, call, app),
        ("GET", ["builds", id]) => find(world, call, id, |world, index| {
            let answer = Response::json(200, &json!({"data": build(world, index)}));
            world.polled(index);
            answer
        }),
        ("GET", ["builds", id, "actions"]) => {
            find(world, call, id, |world, index| page(world, call, &actions(world, index)))
        }
        (_, ["user"] | ["builds", _] | ["apps" | "teams", _, "builds"]) => {
            error(Family::V3, 405, "Method Not Allowed").with("Allow", "GET")
        }
        _ => error(Family::V3, 404, "Not Found"),
    }
}

/// Apps of a team; every word of `name` must occur, whatever its case.
fn apps(world: &World, call: &Call<'_>) -> Vec<Value> {
    let name = call.request.query_one("name").unwrap_or_default().to_lowercase();
    let listed = world.config.apps.iter().filter(|a| !a.foreign && !a.unlisted);
    let named = listed.filter(|a| name.split_whitespace().all(|word| a.name.to_lowercase().contains(word)));
    let of_team = call.segments[0] == "teams";
    named
        .map(|app| {
            let mut value = json!({
                "id": app.id, "name": app.name, "icon_url": null, "archived": false,
                "last_build_id": last_build(world, &app.id).unwrap_or("000000000000000000000000"),
            });
            if of_team {
                value["repository"] = json!({"url": format!("https://git.example.com/team/{}.git", app.name)});
                value["settings_source"] = json!("file");
                value["project_type"] = json!("flutter");
            }
            value
        })
        .collect()
}

/// Id of the newest build of an app.
pub(super) fn last_build<'a>(world: &'a World, app: &str) -> Option<&'a str> {
    let newest = world.newest_first().into_iter().map(|i| &world.builds[i]);
    newest.filter(|b| b.request.app_id == app).map(|b| b.id.as_str()).next()
}

/// The app of this id, or the refusal.
pub(super) fn find_app<'a>(world: &'a World, id: &str) -> Result<&'a App, Box<Response>> {
    if !is_object_id(id) {
        return Err(Box::new(v3_error(400, "Invalid app id", json!({}))));
    }
    world.own_app(id).ok_or_else(|| Box::new(error(Family::V3, 403, "You do not have access to this app")))
}

/// Finds a build that is already shown and hands it on.
fn find(world: &mut World, call: &Call<'_>, id: &str, answer: impl FnOnce(&mut World, usize) -> Response) -> Response {
    if !is_object_id(id) {
        return invalid(call.request, &[("build_id".into(), "Invalid ObjectId".into())], "path");
    }
    match world.find(id).filter(|&index| world.builds[index].visible()) {
        Some(index) => answer(world, index),
        None => error(Family::V3, 404, "Build not found"),
    }
}

/// A number of the query from 1 to `most`, or the refusal.
fn number(call: &Call<'_>, name: &str, default: usize, most: usize) -> Result<usize, Box<Response>> {
    let Some(text) = call.request.query_one(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    let message = format!("Expected `int` >= 1 and <= {most}");
    number.ok_or_else(|| Box::new(invalid(call.request, &[(name.into(), message)], "query")))
}

/// One page of a list with page numbers.
fn page(world: &World, call: &Call<'_>, items: &[Value]) -> Response {
    let (mut page, size) = match (number(call, "page", 1, 1_000_000), number(call, "page_size", 30, 100)) {
        (Ok(page), Ok(size)) => (page, size),
        (Err(response), _) | (_, Err(response)) => return *response,
    };
    let mut pages = items.len().div_ceil(size);
    if world.config.endless_pages {
        (page, pages) = (1, page + 1);
    }
    let data: Vec<&Value> = items.iter().skip((page - 1) * size).take(size).collect();
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
        return invalid(call.request, &[("status".into(), message)], "query");
    }
    let labels = call.request.query_all("label");
    let endless = world.config.endless_pages;
    let cursor = query("cursor").filter(|_| !endless);
    let mut found = Vec::new();
    for index in world.listed(call.request) {
        let build = &world.builds[index];
        let have = build.labels();
        if world.config.apps.iter().all(|a| a.id != build.request.app_id || !a.unlisted)
            && status.as_ref().is_none_or(|s| *s == build.moment(&world.clock).status)
            && labels.iter().all(|l| have.contains(l))
            && cursor.as_ref().is_none_or(|c| build.id < *c)
        {
            found.push(index);
        }
    }
    let data: Vec<Value> = found.iter().take(size).map(|&i| list_item(world, i)).collect();
    let next = data.last().map(|b| b["id"].clone()).filter(|_| found.len() > size || endless);
    Response::json(200, &json!({"data": data, "page_size": size, "cursor": next}))
}

/// A build as `GET /builds/{id}` shows it.
fn build(world: &mut World, index: usize) -> Value {
    let mut value = list_item(world, index);
    let build = &world.builds[index];
    value["config"] = json!({
        "flutter_mode": null, "shorebird_mode": null, "flutter_version": "stable",
        "xcode_version": "latest", "platforms": ["ios"],
    });
    value["build_inputs"] = Value::Object(build.request.inputs.clone());
    value["instance_type"] = json!(build.request.instance_type.as_deref().unwrap_or("mac_mini_m2"));
    value["remote_access_enabled"] = json!(false);
    value
}

/// A build as a list shows it.
fn list_item(world: &mut World, index: usize) -> Value {
    let artifacts = artifacts(world, index);
    let build = &world.builds[index];
    let moment = build.moment(&world.clock);
    let status = match (&build.plan.v3_status, moment.finished) {
        (Some(status), Some(_)) if !moment.canceled => status.clone(),
        _ => moment.status,
    };
    let time = |position: Option<i64>| position.map(|p| build.time(p).v3());
    let request = &build.request;
    let own = Workflow { id: request.workflow_id.clone(), name: build.workflow_name.clone() };
    json!({
        "id": build.id, "app_id": request.app_id, "workflow": workflow(&own), "status": status, "index": build.index,
        "artifacts": artifacts, "labels": build.labels(), "release_notes": [], "created_at": build.origin.v3(),
        "started_at": time(moment.started), "finished_at": time(moment.finished), "commit": commit(build),
        "branch": request.branch, "tag": request.tag, "pull_request": null, "app_store_connect_status": null,
    })
}

fn commit(build: &Build) -> Value {
    let Some(hash) = &build.commit else { return Value::Null };
    json!({
        "hash": hash, "avatar_url": "https://avatars.example.com/u/1", "author_name": "Developer",
        "author_email": "dev@example.com", "message": "Change something",
        "url": format!("https://git.example.com/team/app/commit/{hash}"),
    })
}

/// Workflows of the Workflow Editor have ids like everything else; those of files have names.
fn workflow(workflow: &Workflow) -> Value {
    let source = if is_object_id(&workflow.id) { "ui" } else { "file" };
    json!({"id": workflow.id, "source": source, "name": workflow.name})
}

/// Artifacts with a link of their own in every answer, as signed links are.
fn artifacts(world: &mut World, index: usize) -> Vec<Value> {
    let World { builds, clock, ids, links, addresses, .. } = world;
    let build = &builds[index];
    let shown = if build.has_artifacts(clock) { &build.artifacts[..] } else { &[] };
    let show = |(at, artifact): (usize, &crate::builds::Artifact)| {
        let path = format!("//artifacts/.{}.{}", ids.opaque(320), ids.opaque(27));
        let value = json!({
            "name": artifact.plan.name, "type": artifact.plan.r#type, "size_in_bytes": artifact.declared_size(),
            "short_lived_download_url": format!("{}{path}", addresses.api), "version_name": null,
            "version_code": null,
        });
        links.insert(path, (index, at));
        value
    };
    shown.iter().enumerate().map(show).collect()
}

/// The steps of a build.
fn actions(world: &World, index: usize) -> Vec<Value> {
    let build = &world.builds[index];
    let moment = build.moment(&world.clock);
    let show = |at: usize| {
        let (plan, step) = (&build.plan.steps[at], &moment.steps[at]);
        let time = |position: Option<i64>| position.map(|p| build.time(p).v3());
        let script = (plan.r#type == "script").then(|| format!("export SECRET={}\n./ci/step.sh", LEAK_TRAPS[2]));
        json!({
            "id": build.steps[at].id, "name": plan.name, "type": plan.r#type,
            "has_test_results": plan.tests.is_some() && step.finished.is_some(), "script": script,
            "status": step.status, "started_at": time(step.started), "finished_at": time(step.finished),
        })
    };
    (0..build.plan.steps.len()).map(show).collect()
}
