//! `codemagic apps`, `workflows` and `caches`: what there is beside builds.

use serde_json::json;

use super::{choose, client, insist};
use crate::cli::{AppsArgs, CachesArgs, WorkflowsArgs};
use crate::commands::{Context, Publication};
use crate::error::{Code, Failure};
use crate::model::Outcome;

/// What `--clear` without an id means.
const ALL: &str = "all";

pub(super) fn apps(args: &AppsArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    let client = client(&args.connection, &args.output, context)?;
    let apps = insist(&*context.clock, || client.apps())?;
    list("apps", apps, args.output.json, context, publication);
    Ok(Code::Success)
}

pub(super) fn workflows(
    args: &WorkflowsArgs,
    context: &Context,
    publication: &mut Publication,
) -> anyhow::Result<Code> {
    let app_id = app(args.app_id.as_deref())?;
    let client = client(&args.connection, &args.output, context)?;
    let workflows = insist(&*context.clock, || client.workflows(&app_id))?;
    list("workflows", workflows, args.output.json, context, publication);
    Ok(Code::Success)
}

pub(super) fn caches(args: &CachesArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    let app_id = app(args.app_id.as_deref())?;
    let client = client(&args.connection, &args.output, context)?;
    if let Some(cache) = &args.clear {
        let cache = Some(cache.as_str()).filter(|cache| *cache != ALL);
        insist(&*context.clock, || client.clear_caches(&app_id, cache))?;
        let which = cache.map_or_else(|| format!("all caches of app {app_id}"), |cache| format!("cache {cache}"));
        context.report.line(&format!("Codemagic removes {which}; it may take a while"));
    } else {
        let caches = insist(&*context.clock, || client.caches(&app_id))?;
        for cache in caches.iter().filter(|_| !args.output.json) {
            let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
            let size = cache.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
            let (workflow, used) = (text(cache.workflow_id.as_deref()), text(cache.last_used.as_deref()));
            context.report.data(&format!("{}\t{size}\t{used}\t{workflow}", cache.id));
        }
        publication.call.more.insert("caches".to_owned(), json!(caches));
    }
    publication.call.end(Outcome::Success, Code::Success);
    Ok(Code::Success)
}

fn app(argument: Option<&str>) -> Result<String, Failure> {
    choose(argument, None, "CODEMAGIC_APP_ID").ok_or_else(|| {
        Failure::usage("the app id", "not given").hint("name the app after the verb, or set CODEMAGIC_APP_ID")
    })
}

/// Ids with their names, a tab between them.
fn list(
    what: &str,
    entries: Vec<(String, Option<String>)>,
    as_json: bool,
    context: &Context,
    publication: &mut Publication,
) {
    for (id, name) in entries.iter().filter(|_| !as_json) {
        context.report.data(&format!("{id}\t{}", name.as_deref().unwrap_or("-")));
    }
    let entries: Vec<_> = entries.into_iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
    publication.call.more.insert(what.to_owned(), json!(entries));
    publication.call.end(Outcome::Success, Code::Success);
}
