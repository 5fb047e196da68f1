//! `codemagic trigger`: starts a build, and follows it when asked to.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{PROVIDER, ResultWriter, client, collecting, connect, endpoints, runtime, watching};
use crate::cli::{ApiArg, OnInput, Pair, TriggerArgs};
use crate::codemagic::{Api, TriggerDraft, TriggerRequest};
use crate::commands::{Context, FollowArgs};
use crate::document::{Document, Outcome};
use crate::error::{Error, ExitCode};
use crate::lifecycle::Provider as _;
use crate::lifecycle::start::start_once;
use crate::secret::Secret;

pub(super) fn run(args: &TriggerArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let api = match args.api {
        ApiArg::V3 => Api::V3,
        ApiArg::Legacy => Api::Legacy,
    };
    let request = draft(args, context)?.complete(api)?;
    if args.dry_run {
        return dry_run(args, context, &request, publication);
    }
    let wishes = collecting::CollectOptions::check(&args.collect, args.watch.poll_interval)?;
    if !args.wait && !wishes.are_none() {
        return Err(Error::usage("", "--artifacts and --junit require --wait")
            .with_hint("add --wait, or use `cibridge codemagic artifacts` and `tests` later")
            .into());
    }
    let client = client(context)?;
    let started = start_once(&client, &request, &runtime(context))?;
    let build = client.summary(&started.build);
    let word = if started.adopted { "adopted" } else { "started" };
    context.console.line(&format!("Codemagic build {word}: {}", build.url));
    if !context.output.json {
        context.console.data(&build.id);
    }
    publication.documents.push(Document { build: Some(build), adopted: started.adopted, ..Document::new(PROVIDER) });
    publication.write_partial(&context.console);
    if let Some(code) = context.clock.interrupted() {
        watching::interrupted(&client, args.no_cancel, code, context, &mut publication.documents[0]);
        return Ok(publication.worst());
    }
    if args.wait {
        let follow = FollowArgs {
            watch: args.watch.clone(),
            expect: Some(args.expect.clone()),
            on_input: OnInput::Wait,
            no_cancel: args.no_cancel,
        };
        let mode = watching::Mode { fresh: true, ..Default::default() };
        watching::run(&client, &follow, mode, vec![started.build], context, publication);
        return Ok(collecting::run(&client, &wishes, context, publication));
    }
    publication.documents[0].end(Outcome::Started, ExitCode::Success);
    Ok(publication.worst())
}

/// Puts the draft together: flags over `--request` over the environment.
fn draft(args: &TriggerArgs, context: &Context) -> anyhow::Result<TriggerDraft> {
    let file = match args.request.as_deref() {
        Some(path) => TriggerDraft::from_json(&read(path)?, &path.display().to_string())?,
        None => TriggerDraft::default(),
    };
    let given = args.given_by_flag;
    let environment = TriggerDraft {
        app_id: args.app_id.clone().filter(|_| !given.app_id),
        workflow_id: args.workflow.clone().filter(|_| !given.workflow),
        branch: args.branch.clone().filter(|_| !given.branch),
        tag: args.tag.clone().filter(|_| !given.tag),
        ..TriggerDraft::default()
    };
    let mut flags = TriggerDraft {
        app_id: args.app_id.clone().filter(|_| given.app_id),
        workflow_id: args.workflow.clone().filter(|_| given.workflow),
        branch: args.branch.clone().filter(|_| given.branch),
        tag: args.tag.clone().filter(|_| given.tag),
        labels: args.labels.clone(),
        instance_type: args.instance_type.clone(),
        idempotency_key: args.idempotency_key.clone(),
        ..TriggerDraft::default()
    };
    flags.environment.groups = args.groups.clone();
    let texts = |pairs: &[Pair]| pairs.iter().map(|pair| (pair.name.clone(), json!(pair.value))).collect::<Vec<_>>();
    flags.environment.software_versions.extend(texts(&args.software));
    flags.environment.variables.extend(texts(&args.variables));
    for name in args.var_from_env.clone() {
        let value = std::env::var(&name).map_err(|_| {
            Error::usage(format!("--var-from-env {name}"), "the environment has no such variable")
                .with_hint("export it first, or bind it with withCredentials")
        })?;
        context.console.add_secret(&Secret::new(value.clone()));
        flags.environment.variables.insert(name, json!(value));
    }
    for input in args.inputs.clone() {
        flags.inputs.insert(input.name, input.value);
    }
    Ok(flags.or(file).or(environment))
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("the request on stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("the request file {}", path.display()))
}

fn dry_run(
    args: &TriggerArgs,
    context: &Context,
    request: &TriggerRequest,
    publication: &mut ResultWriter,
) -> anyhow::Result<ExitCode> {
    let client = connect(context, endpoints(context.codemagic())?, None);
    let request = client.start_request(request)?;
    let body: Value = request.body.and_then(|body| serde_json::from_slice(body.as_bytes()?).ok()).unwrap_or_default();
    context.console.line("Nothing was sent (dry run); the request would be:");
    if context.output.json {
        publication.call.request = Some(json!({
            "method": request.method.name(), "url": request.url.to_string(),
            "headers": {"x-auth-token": "********", "content-type": "application/json"}, "body": body,
        }));
    } else {
        context.console.data(&format!("{} {}", request.method.name(), request.url));
        context.console.data("x-auth-token: ********");
        context.console.data("content-type: application/json");
        context.console.data("");
        for line in format!("{body:#}").lines() {
            context.console.data(line);
        }
    }
    publication.call.end(Outcome::DryRun, ExitCode::Success);
    Ok(ExitCode::Success)
}
