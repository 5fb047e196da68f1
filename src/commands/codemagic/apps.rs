//! `codemagic apps`, `workflows` and `caches`: what there is beside builds.

use serde_json::json;

use super::{app_id, client, with_retries};
use crate::cli::{AppArgs, CachesArgs};
use crate::codemagic::AppId;
use crate::commands::{Context, ResultWriter};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};

/// What `--clear` without an id means.
const ALL: &str = "all";

pub(super) fn apps(context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let client = client(context)?;
    let apps = with_retries(&*context.clock, || client.apps())?;
    list("apps", apps, context.output.json, context, publication);
    Ok(ExitCode::Success)
}

pub(super) fn workflows(args: &AppArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let app_id = app(args.app_id.as_deref())?;
    let client = client(context)?;
    let workflows = with_retries(&*context.clock, || client.workflows(&app_id))?;
    let workflows = workflows.into_iter().map(|workflow| (workflow.id, workflow.name)).collect();
    list("workflows", workflows, context.output.json, context, publication);
    Ok(ExitCode::Success)
}

pub(super) fn caches(args: &CachesArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let app_id = app(args.app_id.as_deref())?;
    let client = client(context)?;
    if let Some(cache) = &args.clear {
        let cache = Some(cache.as_str()).filter(|cache| *cache != ALL);
        with_retries(&*context.clock, || client.clear_caches(&app_id, cache))?;
        let which = cache.map_or_else(|| format!("all caches of app {app_id}"), |cache| format!("cache {cache}"));
        context.console.line(&format!("Codemagic removes {which}; it may take a while"));
    } else {
        let caches = with_retries(&*context.clock, || client.caches(&app_id))?;
        for cache in caches.iter().filter(|_| !context.output.json) {
            let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
            let size = cache.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
            let (workflow, used) = (text(cache.workflow_id.as_deref()), text(cache.last_used.as_deref()));
            context.console.data(&format!("{}\t{size}\t{used}\t{workflow}", cache.id));
        }
        publication.call.more.insert("caches".to_owned(), json!(caches));
    }
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}

fn app(argument: Option<&str>) -> Result<AppId, Error> {
    app_id(argument.map(str::to_owned))?.ok_or_else(|| {
        Error::usage("", "missing app ID").with_hint("name the app after the verb, or set CODEMAGIC_APP_ID")
    })
}

/// Ids with their names, a tab between them.
fn list(
    what: &str,
    entries: Vec<(String, Option<String>)>,
    as_json: bool,
    context: &Context,
    publication: &mut ResultWriter,
) {
    for (id, name) in entries.iter().filter(|_| !as_json) {
        context.console.data(&format!("{id}\t{}", name.as_deref().unwrap_or("-")));
    }
    let entries: Vec<_> = entries.into_iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
    publication.call.more.insert(what.to_owned(), json!(entries));
    publication.call.end(Outcome::Success, ExitCode::Success);
}
