//! `codemagic trigger`: starts a build, and follows it when asked to.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::{PROVIDER, ResultWriter, client, collecting, connect, endpoints, runtime, watching};
use crate::cli::{self, ApiArg, TriggerArgs};
use crate::codemagic::{Api, TriggerDraft, TriggerRequest};
use crate::commands::Context;
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
    let wishes = collecting::CollectOptions::check(&args.collect, args.follow.poll_interval)?;
    if !args.wait && !wishes.are_none() {
        return Err(Error::usage("", "--artifacts and --junit require --wait")
            .with_hint("add --wait, or use `cibridge codemagic artifacts` and `tests` later")
            .into());
    }
    let client = client(&args.connection, &args.output, context)?;
    let started = start_once(&client, &request, &runtime(context))?;
    let build = client.summary(&started.build);
    let word = if started.adopted { "adopted" } else { "started" };
    context.console.line(&format!("Codemagic build {word}: {}", build.url));
    if !args.output.json {
        context.console.data(&build.id);
    }
    publication.documents.push(Document { build: Some(build), adopted: started.adopted, ..Document::new(PROVIDER) });
    publication.write_partial(&context.console);
    if let Some(code) = context.clock.interrupted() {
        watching::interrupted(&client, args.follow.no_cancel, code, context, &mut publication.documents[0]);
        return Ok(publication.worst());
    }
    if args.wait {
        let mode = watching::Mode { fresh: true, ..Default::default() };
        watching::run(&client, &args.follow, mode, vec![started.build], context, publication);
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
    let environment = TriggerDraft {
        app_id: cli::variable("CODEMAGIC_APP_ID"),
        workflow_id: cli::variable("CODEMAGIC_WORKFLOW"),
        branch: cli::variable("CODEMAGIC_BRANCH"),
        tag: cli::variable("CODEMAGIC_TAG"),
        ..TriggerDraft::default()
    };
    let mut flags = TriggerDraft {
        app_id: args.app_id.clone(),
        workflow_id: args.workflow.clone(),
        branch: args.branch.clone(),
        tag: args.tag.clone(),
        labels: cli::repeated(&args.labels, "CIBRIDGE_LABEL"),
        instance_type: args.instance_type.clone(),
        idempotency_key: args.idempotency_key.clone(),
        ..TriggerDraft::default()
    };
    flags.environment.groups = cli::repeated(&args.groups, "CIBRIDGE_GROUP");
    let versions = &mut flags.environment.software_versions;
    texts("--software", cli::repeated(&args.software, "CIBRIDGE_SOFTWARE"), versions)?;
    texts("--var", cli::repeated(&args.variables, "CIBRIDGE_VAR"), &mut flags.environment.variables)?;
    for name in cli::repeated(&args.var_from_env, "CIBRIDGE_VAR_FROM_ENV") {
        let value = std::env::var(&name).map_err(|_| {
            Error::usage(format!("--var-from-env {name}"), "the environment has no such variable")
                .with_hint("export it first, or bind it with withCredentials")
        })?;
        context.console.add_secret(&Secret::new(value.clone()));
        flags.environment.variables.insert(name, json!(value));
    }
    for input in cli::repeated(&args.inputs, "CIBRIDGE_INPUT") {
        let (name, value) = typed(&input)?;
        flags.inputs.insert(name, value);
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

/// Reads `NAME=TEXT` arguments into a map.
fn texts(flag: &str, arguments: Vec<String>, into: &mut Map<String, Value>) -> Result<(), Error> {
    for argument in arguments {
        match argument.split_once('=') {
            Some((name, text)) if !name.is_empty() => drop(into.insert(name.to_owned(), json!(text))),
            _ => return Err(Error::usage(format!("{flag} {argument:?}"), "is not of the form NAME=TEXT")),
        }
    }
    Ok(())
}

/// Reads `NAME=TEXT` or `NAME:=JSON`. Codemagic checks the type of an input, so a boolean must be sent as one.
fn typed(argument: &str) -> Result<(String, Value), Error> {
    let form = || Error::usage(format!("--input {argument:?}"), "is not of the form NAME=TEXT or NAME:=JSON");
    let (name, text) = argument.split_once('=').ok_or_else(form)?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let value = serde_json::from_str(text).map_err(|error| {
                Error::usage(format!("--input {argument:?}"), format!("`{text}` is not JSON ({error})"))
                    .with_hint("write NAME:=true or NAME:=7, or NAME=TEXT for text")
            })?;
            (name, value)
        }
        None => (name, json!(text)),
    };
    if name.is_empty() { Err(form()) } else { Ok((name.to_owned(), value)) }
}

fn dry_run(
    args: &TriggerArgs,
    context: &Context,
    request: &TriggerRequest,
    publication: &mut ResultWriter,
) -> anyhow::Result<ExitCode> {
    let client = connect(&args.connection, &args.output, context, endpoints(&args.connection)?, None);
    let request = client.start_request(request)?;
    let body: Value = request.body.and_then(|body| serde_json::from_slice(body.as_bytes()?).ok()).unwrap_or_default();
    context.console.line("Nothing was sent (dry run); the request would be:");
    if args.output.json {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_keep_their_type() {
        assert_eq!(typed("a=true").unwrap(), ("a".to_owned(), json!("true")));
        assert_eq!(typed("a:=true").unwrap(), ("a".to_owned(), json!(true)));
        assert_eq!(typed("n:=7.5").unwrap(), ("n".to_owned(), json!(7.5)));
        assert_eq!(typed("t=x:=y").unwrap(), ("t".to_owned(), json!("x:=y")));
        for wrong in ["a", "=x", ":=1", "a:=yes"] {
            assert!(typed(wrong).is_err(), "{wrong}");
        }
    }
}
