//! Shapes of v3's answers.

use crate::builds::Build;
use crate::config::App;
use crate::ids::is_object_id;
use crate::links::{self, Grant, NEVER, compact};
use crate::patch::patched;
use crate::time::micros;
use crate::world::World;
use serde_json::{Value, json};

/// A build as `GET /builds/{id}` shows it.
pub(crate) fn build(world: &mut World, index: usize) -> Value {
    let mut value = common(world, index);
    let build = &world.builds[index];
    let config = json!({
        "flutter_mode": null, "shorebird_mode": null, "flutter_version": "stable",
        "xcode_version": "latest", "platforms": ["ios"],
    });
    value["config"] = config;
    value["build_inputs"] = Value::Object(build.request.inputs.clone());
    value["instance_type"] = json!(build.request.instance_type.as_ref().or(build.plan.instance_type.as_ref()));
    value["remote_access_enabled"] = json!(false);
    patched(value, build.plan.v3_patch.as_ref())
}

/// A build as a list shows it.
pub(crate) fn list_item(world: &mut World, index: usize) -> Value {
    let value = common(world, index);
    patched(value, world.builds[index].plan.v3_patch.as_ref())
}

fn common(world: &mut World, index: usize) -> Value {
    let artifacts = artifacts(world, index);
    let build = &world.builds[index];
    let moment = build.moment(&world.clock);
    let status = match (&build.plan.v3_status, moment.finished) {
        (Some(status), Some(_)) if !moment.canceled => status.clone(),
        _ => moment.status,
    };
    let time = |position: Option<i64>| position.map(|p| build.time(p).v3());
    let request = &build.request;
    json!({
        "id": build.id,
        "app_id": request.app_id,
        "workflow": {
            "id": request.workflow_id,
            "source": source(&request.workflow_id),
            "name": build.workflow_name,
        },
        "status": status,
        "index": build.index,
        "artifacts": artifacts,
        "labels": build.labels(),
        "release_notes": if build.plan.null_lists { Value::Null } else { json!([]) },
        "created_at": build.origin.v3(),
        "started_at": time(moment.started),
        "finished_at": time(moment.finished),
        "commit": commit(build),
        "branch": request.branch,
        "tag": request.tag,
        "pull_request": null,
        "app_store_connect_status": build.store_status(&world.clock),
    })
}

fn commit(build: &Build) -> Value {
    let Some(hash) = &build.commit else { return Value::Null };
    json!({
        "hash": hash,
        "avatar_url": "https://avatars.example.com/u/1",
        "author_name": "Developer",
        "author_email": "dev@example.com",
        "message": "Change something",
        "url": format!("https://git.example.com/team/app/commit/{hash}"),
    })
}

/// Workflows of the Workflow Editor have ids like everything else; those of files have names.
fn source(workflow: &str) -> &'static str {
    if is_object_id(workflow) { "ui" } else { "file" }
}

fn artifacts(world: &mut World, index: usize) -> Vec<Value> {
    let World { builds, clock, config, ids, addresses, .. } = world;
    let build = &builds[index];
    if !build.has_artifacts(clock) {
        return Vec::new();
    }
    let life = config.links.short_lived_seconds;
    let expires = life.map_or(NEVER, |s| clock.now().plus(micros(s)));
    let show = |artifact: &crate::builds::Artifact| {
        // Every answer has links of its own, as signed links do.
        let grant = Grant { artifact: compact(&artifact.ids.0), expires, nonce: ids.next(), public: false };
        json!({
            "name": artifact.plan.name,
            "type": artifact.plan.r#type,
            "size_in_bytes": artifact.declared_size(),
            "short_lived_download_url": links::short_lived(&addresses.api, &grant),
            "version_name": artifact.plan.version_name,
            "version_code": artifact.plan.version_code,
        })
    };
    build.artifacts.iter().map(show).collect()
}

/// The steps of a build.
pub(crate) fn actions(world: &World, index: usize) -> Vec<Value> {
    let build = &world.builds[index];
    let moment = build.moment(&world.clock);
    let show = |at: usize| {
        let (plan, step) = (&build.plan.steps[at], &moment.steps[at]);
        let time = |position: Option<i64>| position.map(|p| build.time(p).v3());
        let script = plan.script.clone().or_else(|| {
            (plan.r#type == "script").then(|| format!("export SECRET={}\n./ci/step.sh", super::LEAK_TRAPS[2]))
        });
        json!({
            "id": build.steps[at].id,
            "name": plan.name,
            "type": plan.r#type,
            "has_test_results": plan.tests.is_some() && step.finished.is_some(),
            "script": script,
            "status": step.status,
            "started_at": time(step.started),
            "finished_at": time(step.finished),
        })
    };
    (0..build.plan.steps.len()).map(show).collect()
}

/// The workflows of an app.
pub(crate) fn workflows(app: &App) -> Vec<Value> {
    let show = |w: &crate::config::Workflow| json!({"id": w.id, "source": source(&w.id), "name": w.name});
    app.workflows.iter().map(show).collect()
}

/// An app as the user or a team has it.
pub(crate) fn app(world: &World, app: &App, of_team: bool) -> Value {
    let last = world.newest_first().into_iter().map(|i| &world.builds[i]).find(|b| b.request.app_id == app.id);
    let mut value = json!({
        "id": app.id,
        "name": app.name,
        "icon_url": null,
        "last_build_id": last.map_or("000000000000000000000000", |b| &b.id),
        "archived": false,
    });
    if of_team {
        value["repository"] = json!({"url": format!("https://git.example.com/team/{}.git", app.name)});
        value["settings_source"] = json!("file");
        value["project_type"] = json!("flutter");
    }
    value
}
