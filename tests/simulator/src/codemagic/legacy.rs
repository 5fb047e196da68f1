//! The legacy API: routes and the shapes of its answers, with what real ones leak.

use super::{Call, LEAK_TRAPS, USER, files, legacy_error, start, v3};
use crate::apply::merge;
use crate::builds::Build;
use crate::config::{Access, DEFAULT_TEAM, LogHost};
use crate::http::Response;
use crate::ids::is_object_id;
use crate::plan::LogLink;
use crate::time::micros;
use crate::timeline::{Moment, StepMoment};
use crate::world::World;
use serde_json::{Value, json};

/// The only workflow that an app shows, although it is in no file.
const UI_WORKFLOW: &str = "5d85eaa0e941e00019e81bd2";
/// The personal team beside a listed one: nothing is in it.
const PERSONAL_TEAM: &str = "5f1e2d3c4b5a69788796a500";

pub(super) fn route(world: &mut World, call: &Call<'_>) -> Response {
    match (call.method, call.segments) {
        ("POST", ["builds"]) => start::legacy(world, call),
        ("GET", ["builds"]) => list(world, call),
        ("GET", ["builds", id]) => match world.find(id).filter(|&index| world.builds[index].visible()) {
            Some(index) => {
                let app = application(world, &world.builds[index].request.app_id);
                let answer = json!({"application": app, "build": build(world, index)});
                world.polled(index);
                Response::json(200, &answer)
            }
            None => legacy_error(404, "Build not found"),
        },
        ("POST", ["builds", id, "cancel"]) => cancel(world, id, call),
        ("GET", ["builds", id, "step", step]) => {
            let found = world.find(id).and_then(|b| {
                let at = world.builds[b].steps.iter().position(|s| s.id == *step)?;
                files::step_log(world, b, at)
            });
            found.unwrap_or_else(|| legacy_error(404, "Log not found"))
        }
        ("GET", ["logs", ..]) => files::log(world, &call.request.path),
        ("GET" | "POST", ["artifacts", ..]) => files::legacy_artifact(world, call),
        ("GET", ["apps"]) => {
            let own = world.config.apps.iter().filter(|a| !a.foreign).map(|a| application(world, &a.id));
            Response::json(200, &json!({"applications": own.collect::<Vec<_>>()}))
        }
        ("GET" | "DELETE", ["apps", id, ..]) if world.own_app(id).is_none() => {
            legacy_error(403, "You don't have the permission to access this application")
        }
        ("GET", ["apps", id]) => Response::json(200, &json!({"application": application(world, id)})),
        ("GET", ["apps", id, "caches"]) => Response::json(200, &json!({"caches": caches(world, id)})),
        ("DELETE", ["apps", id, "caches"]) => delete_caches(world, id, None, call),
        ("DELETE", ["apps", id, "caches", cache]) => delete_caches(world, id, Some(cache), call),
        ("GET", ["user"]) => {
            let personal = if world.config.list_teams { PERSONAL_TEAM } else { DEFAULT_TEAM };
            let teams = if world.config.list_teams { json!([DEFAULT_TEAM]) } else { json!([]) };
            let user = json!({
                "_id": USER, "email": "dev@example.com", "name": "Developer", "teams": teams,
                "personalTeam": {"_id": personal, "name": "Personal Account"},
            });
            Response::json(200, &json!({"user": user}))
        }
        (_, ["builds" | "apps" | "user"] | ["builds" | "apps", _] | ["builds", _, "cancel"]) => {
            legacy_error(405, "The method is not allowed for the requested URL").with("Allow", "GET, POST")
        }
        _ => legacy_error(404, "The requested URL was not found on the server"),
    }
}

/// Cancels whatever the id names, also while a GET would not show it yet.
fn cancel(world: &mut World, id: &str, call: &Call<'_>) -> Response {
    if call.access != Access::Full {
        return legacy_error(403, "You don't have the permission to cancel this build");
    }
    let Some(index) = world.find(id) else { return legacy_error(404, "Build not found") };
    if world.cancel(index) {
        Response::json(200, &json!({"build": build(world, index)}))
    } else {
        Response::html(208, "Build has already finished")
    }
}

/// The list: filters, `skip`, no labels, and all apps with all their branches (megabytes) beside the builds.
fn list(world: &mut World, call: &Call<'_>) -> Response {
    const PAGE: usize = 50;
    const BRANCHES: usize = 40_000;
    let skip = call.request.query_one("skip").and_then(|s| s.parse().ok()).unwrap_or(0);
    let skip = if world.config.endless_pages { 0 } else { skip };
    let shown = world.listed(call.request).into_iter().skip(skip).take(PAGE);
    let mut builds: Vec<Value> = shown.map(|i| build(world, i)).collect();
    for build in builds.iter_mut().filter_map(Value::as_object_mut) {
        build.remove("labels");
    }
    let own: Vec<_> = world.config.apps.iter().filter(|a| !a.foreign).collect();
    let branch = |i| json!(format!("feature/a-branch-that-nobody-deleted-after-its-merge-{i:06}"));
    let branches: Value = (0..BRANCHES / own.len().max(1)).map(branch).collect();
    let with_branches = |app: &&crate::config::App| {
        let mut value = application(world, &app.id);
        value["branches"] = branches.clone();
        value
    };
    let applications: Vec<Value> = own.iter().map(with_branches).collect();
    Response::json(200, &json!({"applications": applications, "builds": builds}))
}

fn caches(world: &World, app: &str) -> Vec<Value> {
    let workflows = world.own_app(app).map(|a| &a.workflows[..]).unwrap_or_default();
    let cache = |(i, workflow): (usize, &crate::config::Workflow)| {
        json!({
            "_id": format!("{}{:04x}", &app[..app.len().min(20)], i + 1), "appId": app,
            "lastUsed": world.now().plus(-micros(86_400.0)).legacy(), "size": 1_048_576 * (i + 1),
            "workflowId": workflow.id,
        })
    };
    let all = workflows.iter().enumerate().map(cache);
    all.filter(|c| !world.deleted_caches.iter().any(|d| c["_id"] == **d)).collect()
}

fn delete_caches(world: &mut World, app: &str, id: Option<&str>, call: &Call<'_>) -> Response {
    if call.access != Access::Full {
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

/// A build as `GET /builds/{id}` shows it.
fn build(world: &World, index: usize) -> Value {
    let build = &world.builds[index];
    let moment = build.moment(&world.clock);
    let request = &build.request;
    let time = |position: Option<i64>| position.map(|p| build.time(p).legacy());
    let workflow = Some(&request.workflow_id);
    let (ui, file) = if is_object_id(&request.workflow_id) { (workflow, None) } else { (None, workflow) };
    let actions = moment.steps.iter().enumerate().map(|(at, step)| action(world, build, &moment, at, step));
    let mut value = json!({
        "_id": build.id, "appId": request.app_id, "artefacts": artefacts(world, build, &moment),
        "branch": request.branch, "buildActions": actions.collect::<Vec<_>>(), "commit": commit(build),
        "config": {
            "name": build.workflow_name,
            "buildSettings": {"flutterVersion": "stable", "platforms": ["ios"], "url": null, "xcodeVersion": "latest",
                              "environmentVariables": request.variables},
        },
        "createdAt": build.origin.legacy(), "dynamicConfig": {}, "feedback": null, "fileWorkflowId": file,
        "finishedAt": time(moment.finished), "index": build.index,
        "instanceType": request.instance_type.as_deref().unwrap_or("mac_mini_m2"), "labels": build.labels(),
        "message": build.message(&moment), "pullRequest": null, "scheduledBuildId": null, "screenshots": null,
        "sshAccess": {"scriptUrl": format!("https://ssh.example.com/{}.sh", LEAK_TRAPS[3])},
        "sshAccessEnabled": false, "startedAt": time(moment.started), "startedBy": "dev@example.com",
        "status": moment.status, "tag": request.tag, "version": null,
        "vncAccess": {"host": "192.0.2.7", "port": 21912, "username": "builder", "password": LEAK_TRAPS[0]},
        "workflowId": ui,
    });
    if let Some(patch) = &build.plan.legacy_patch {
        merge(&mut value, patch);
    }
    value
}

fn commit(build: &Build) -> Value {
    let Some(hash) = &build.commit else { return Value::Null };
    json!({
        "authorAvatarUrl": "https://avatars.example.com/u/1", "authorEmail": "dev@example.com",
        "authorName": "Developer", "branch": build.request.branch, "commitMessage": "Change something",
        "committerEmail": "dev@example.com", "committerName": "Developer", "hash": hash, "isPullRequest": false,
        "pullRequestNumber": null, "url": format!("https://git.example.com/team/app/commit/{hash}"),
    })
}

/// An empty array while the build runs, null when it ended without artifacts.
fn artefacts(world: &World, build: &Build, moment: &Moment) -> Value {
    if !build.has_artifacts(&world.clock) {
        return if moment.finished.is_some() { Value::Null } else { json!([]) };
    }
    let show = |artifact: &crate::builds::Artifact| {
        json!({
            "name": artifact.plan.name, "type": artifact.plan.r#type,
            "url": format!("{}/artifacts/{}", world.addresses.api, artifact.path), "size": artifact.declared_size(),
            "md5": artifact.declared_md5(),
        })
    };
    build.artifacts.iter().map(show).collect()
}

/// A step. Keys that say nothing are left out, as real answers leave them out.
fn action(world: &World, build: &Build, moment: &Moment, at: usize, step: &StepMoment) -> Value {
    let (plan, files) = (&build.plan.steps[at], &build.steps[at]);
    let mut value = json!({"_id": files.id, "name": plan.name});
    put_times(&mut value, build, step);
    let status = step.status.as_deref();
    // What never ran or was stopped has no link.
    let has_log = step.started.is_some() && status != Some("canceled") && !plan.no_log;
    let script = plan.r#type == "script";
    let place = plan.log_link.unwrap_or(if script { LogLink::Subaction } else { LogLink::Action });
    let host = match world.config.logs.host {
        LogHost::Api | LogHost::Redirect => &world.addresses.api,
        LogHost::Storage => &world.addresses.storage,
    };
    if has_log && (place != LogLink::Subaction || !script || status == Some("skipped")) {
        value["logUrl"] = json!(format!("{host}{}", files.log));
    }
    if !script {
        value["type"] = json!(plan.r#type);
    }
    if plan.ignore_failure {
        value["ignore_failure"] = json!(true);
    }
    if let Some(tests) = &plan.tests {
        value["test_report"] = json!("test-results.json");
        if step.finished.is_some() && status != Some("skipped") && !(moment.canceled && status == Some("canceled")) {
            value["results"] = tests.results();
        }
    }
    if let Some(log) = &files.subaction_log {
        let command = format!("#!/usr/bin/env bash\nexport SECRET={}\n\n./ci/step.sh", LEAK_TRAPS[2]);
        let mut subaction = json!({"command": command});
        if status == Some("skipped") || status == Some("canceled") {
            subaction["startedAt"] = json!(step.started.map(|p| build.time(p).legacy()));
        } else {
            put_times(&mut subaction, build, step);
            if has_log && place != LogLink::Action {
                subaction["logUrl"] = json!(format!("{host}{log}"));
            }
        }
        value["subactions"] = json!([subaction]);
    }
    value
}

fn put_times(value: &mut Value, build: &Build, step: &StepMoment) {
    for (key, position) in [("startedAt", step.started), ("finishedAt", step.finished)] {
        if let Some(position) = position {
            value[key] = json!(build.time(position).legacy());
        }
    }
    if let Some(status) = &step.status {
        value["status"] = json!(status);
    }
}

/// An app with what real answers leak about it.
fn application(world: &World, id: &str) -> Value {
    let app = world.config.apps.iter().find(|a| a.id == id);
    let name = app.map_or("demo-app", |a| a.name.as_str());
    json!({
        "_id": id, "appName": name,
        "appEnvironmentVariables": [{"key": "STORE_PASSWORD", "value": LEAK_TRAPS[1], "encrypted": false}],
        "branches": ["main", "develop"], "iconUrl": null, "lastBuildId": v3::last_build(world, id),
        "ownerTeam": DEFAULT_TEAM, "projectType": "flutter-app",
        "repository": {
            "htmlUrl": format!("https://git.example.com/team/{name}"),
            "cloneUrl": format!("https://git.example.com/team/{name}.git"), "provider": "github",
            "defaultBranch": "main",
        },
        "workflowIds": [UI_WORKFLOW], "workflows": {UI_WORKFLOW: {"_id": UI_WORKFLOW, "name": "Default Workflow"}},
    })
}
