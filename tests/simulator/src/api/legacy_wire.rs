//! Shapes of the legacy API's answers, with what real ones leak.

use super::LEAK_TRAPS;
use crate::builds::Build;
use crate::config::LogHost;
use crate::ids::is_object_id;
use crate::links;
use crate::patch::patched;
use crate::plan::LogLink;
use crate::timeline::{Moment, StepMoment};
use crate::world::World;
use serde_json::{Map, Value, json};

/// The only workflow a legacy app shows, and one that nobody wants to start.
const UI_WORKFLOW: &str = "5d85eaa0e941e00019e81bd2";

/// A build as `GET /builds/{id}` shows it.
pub(crate) fn build(world: &World, index: usize) -> Value {
    let build = &world.builds[index];
    let moment = build.moment(&world.clock);
    let request = &build.request;
    let time = |position: Option<i64>| position.map(|p| build.time(p).legacy());
    let by_ui = is_object_id(&request.workflow_id);
    let (ui, file) = if by_ui { (Some(&request.workflow_id), None) } else { (None, Some(&request.workflow_id)) };
    let version = build.plan.artifacts.iter().find_map(|a| a.version_name.as_ref());
    let actions: Vec<Value> =
        moment.steps.iter().enumerate().map(|(at, step)| action(world, build, &moment, at, step)).collect();
    let value = json!({
        "_id": build.id,
        "appId": request.app_id,
        "artefacts": artefacts(world, build),
        "branch": request.branch,
        "buildActions": actions,
        "commit": commit(build),
        "config": {
            "name": build.workflow_name,
            "buildSettings": {"flutterVersion": "stable", "platforms": ["ios"], "url": null, "xcodeVersion": "latest",
                              "environmentVariables": request.variables},
        },
        "createdAt": build.origin.legacy(),
        "dynamicConfig": {},
        "feedback": null,
        "fileWorkflowId": file,
        "finishedAt": time(moment.finished),
        "index": build.index,
        "instanceType": request.instance_type.as_ref().or(build.plan.instance_type.as_ref()),
        "labels": build.labels(),
        "message": build.message(&moment),
        "pullRequest": null,
        "scheduledBuildId": null,
        "screenshots": null,
        "sshAccess": {"scriptUrl": format!("https://ssh.example.com/{}.sh", LEAK_TRAPS[3])},
        "sshAccessEnabled": false,
        "startedAt": time(moment.started),
        "startedBy": "dev@example.com",
        "status": moment.status,
        "tag": request.tag,
        "version": version,
        "vncAccess": {"host": "192.0.2.7", "port": 21912, "username": "builder", "password": LEAK_TRAPS[0]},
        "workflowId": ui,
    });
    patched(value, build.plan.legacy_patch.as_ref())
}

fn commit(build: &Build) -> Value {
    let Some(hash) = &build.commit else { return Value::Null };
    json!({
        "authorAvatarUrl": "https://avatars.example.com/u/1",
        "authorEmail": "dev@example.com",
        "authorName": "Developer",
        "branch": build.request.branch,
        "commitMessage": "Change something",
        "committerEmail": "dev@example.com",
        "committerName": "Developer",
        "hash": hash,
        "isPullRequest": false,
        "pullRequestNumber": null,
        "url": format!("https://git.example.com/team/app/commit/{hash}"),
    })
}

fn artefacts(world: &World, build: &Build) -> Value {
    if !build.has_artifacts(&world.clock) || build.plan.null_lists {
        return Value::Null;
    }
    let show = |artifact: &crate::builds::Artifact| {
        let plan = &artifact.plan;
        let mut value = Map::new();
        value.insert("name".into(), json!(plan.name));
        value.insert("type".into(), json!(plan.r#type));
        value.insert("url".into(), json!(links::legacy_artifact(&world.addresses.api, artifact)));
        value.insert("size".into(), json!(artifact.declared_size()));
        value.insert("md5".into(), json!(artifact.declared_md5()));
        let optional = [
            ("bundleId", &plan.bundle_id),
            ("bundle_id", &plan.bundle_id),
            ("packageName", &plan.package_name),
            ("package_name", &plan.package_name),
            ("versionName", &plan.version_name),
            ("version", &plan.version_name),
            ("versionCode", &plan.version_code),
            ("version_code", &plan.version_code),
        ];
        for (key, text) in optional {
            if let Some(text) = text {
                value.insert(key.into(), json!(text));
            }
        }
        Value::Object(value)
    };
    build.artifacts.iter().map(show).collect()
}

/// A step. Keys that say nothing are left out, as real answers leave them out.
fn action(world: &World, build: &Build, moment: &Moment, at: usize, step: &StepMoment) -> Value {
    let (plan, files) = (&build.plan.steps[at], &build.steps[at]);
    let mut value = json!({"_id": files.id, "name": plan.name});
    put_times(&mut value, build, step);
    let is_script = plan.r#type == "script";
    let status = step.status.as_deref();
    // What never ran or was stopped has no link.
    let has_log = step.started.is_some() && status != Some("canceled") && !plan.no_log;
    let place = plan.log_link.unwrap_or(if is_script { LogLink::Subaction } else { LogLink::Action });
    let host = match world.config.logs.host {
        LogHost::Api | LogHost::Redirect => &world.addresses.api,
        LogHost::Storage => &world.addresses.storage,
    };
    if has_log && (place != LogLink::Subaction || files.subaction_logs.is_empty() || status == Some("skipped")) {
        value["logUrl"] = json!(links::log(host, &files.log));
    }
    if !is_script {
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
    if files.subaction_logs.is_empty() {
        return value;
    }
    let subaction = |(i, ids): (usize, &(String, String))| {
        let command = plan.commands.get(i).cloned();
        let command =
            command.unwrap_or_else(|| format!("#!/usr/bin/env bash\nexport SECRET={}\n\n./ci/step.sh", LEAK_TRAPS[2]));
        let mut value = json!({"command": command});
        if status == Some("skipped") || status == Some("canceled") {
            value["startedAt"] = json!(step.started.map(|p| build.time(p).legacy()));
            return value;
        }
        put_times(&mut value, build, step);
        if has_log && place != LogLink::Action {
            value["logUrl"] = json!(links::log(host, ids));
        }
        value
    };
    value["subactions"] = files.subaction_logs.iter().enumerate().map(subaction).collect();
    value
}

fn put_times(value: &mut Value, build: &Build, step: &StepMoment) {
    let time = |position: i64| json!(build.time(position).legacy());
    if let Some(started) = step.started {
        value["startedAt"] = time(started);
    }
    if let Some(finished) = step.finished {
        value["finishedAt"] = time(finished);
    }
    if let Some(status) = &step.status {
        value["status"] = json!(status);
    }
}

/// An app with what real answers leak about it.
pub(crate) fn application(world: &World, id: &str) -> Value {
    let app = world.config.apps.iter().find(|a| a.id == id);
    let name = app.map_or("demo-app", |a| a.name.as_str());
    let last = world.newest_first().into_iter().map(|i| &world.builds[i]).find(|b| b.request.app_id == id);
    let mut workflows = json!({});
    workflows[UI_WORKFLOW] = json!({"_id": UI_WORKFLOW, "name": "Default Workflow"});
    json!({
        "_id": id,
        "appName": name,
        "appEnvironmentVariables": [{"key": "STORE_PASSWORD", "value": LEAK_TRAPS[1], "encrypted": false}],
        "branches": ["main", "develop"],
        "iconUrl": null,
        "lastBuildId": last.map(|b| b.id.clone()),
        "ownerTeam": world.config.team_id,
        "projectType": "flutter-app",
        "repository": {
            "htmlUrl": format!("https://git.example.com/team/{name}"),
            "cloneUrl": format!("https://git.example.com/team/{name}.git"),
            "provider": "github",
            "defaultBranch": "main",
        },
        "workflowIds": [UI_WORKFLOW],
        "workflows": workflows,
    })
}

/// So many branches that they fill `bytes` as JSON.
pub(crate) fn many_branches(bytes: usize) -> Value {
    const NAME: &str = "feature/a-branch-that-nobody-deleted-after-its-merge-";
    let count = bytes / (NAME.len() + 9);
    let mut all = vec![json!("main"), json!("develop")];
    all.extend((0..count).map(|i| json!(format!("{NAME}{i:06}"))));
    Value::Array(all)
}
