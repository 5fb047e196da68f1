//! `jenkins input`: what a build asks people, and answering it.

use serde_json::{Value, json};

use super::reach_build;
use crate::cli::{InputArgs, Pair};
use crate::commands::{Context, ResultWriter, with_retries};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};
use crate::old_jenkins::{BuildName, nearest};

pub(super) fn run(args: &InputArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let (client, job, number) = reach_build(&args.build, context)?;
    let clock = &*context.clock;
    let questions = with_retries(clock, || client.build(&job, &BuildName::Number(number)))?.questions;
    let what = format!("build {job}#{number}");
    if !args.proceed && !args.abort {
        let mut listed = Vec::new();
        for question in &questions {
            let values =
                with_retries(clock, || client.input_parameters(&job, number, &question.id))?.unwrap_or_default();
            if !context.output.json {
                let names: Vec<_> = values.iter().map(|(name, default)| format!("{name}={}", plain(default))).collect();
                let names = if names.is_empty() { String::new() } else { format!(" [{}]", names.join(", ")) };
                context.console.data(&format!("{}: {}{names}", question.id, question.message));
            }
            let values: Vec<_> =
                values.iter().map(|(name, default)| json!({"name": name, "default": default})).collect();
            listed.push(json!({"id": question.id, "message": question.message, "submitter": question.submitter, "parameters": values}));
        }
        if questions.is_empty() {
            context.console.line(&format!("{what} asks nothing"));
        }
        publication.call.more.insert("inputs".to_owned(), json!(listed));
        publication.call.end(Outcome::Success, ExitCode::Success);
        return Ok(ExitCode::Success);
    }
    let ids: Vec<&str> = questions.iter().map(|question| question.id.as_str()).collect();
    let id = match (args.id.as_deref(), ids.as_slice()) {
        (Some(id), _) if ids.contains(&id) => id,
        (None, [id]) => id,
        (_, []) => return Err(Error::new(ExitCode::NotFound, what, "asks nothing (any more)").into()),
        (Some(id), _) => {
            return Err(Error::new(ExitCode::NotFound, what, format!("does not ask {id}"))
                .with_hint(format!("it asks: {}", ids.join(", ")))
                .into());
        }
        (None, _) => {
            return Err(Error::usage(what, "asks several things")
                .with_hint(format!("name one: {}", ids.join(", ")))
                .into());
        }
    };
    let mut values = None;
    if args.proceed {
        let known = with_retries(clock, || client.input_parameters(&job, number, id))?;
        let unknown_names = known.is_none();
        // Jenkins gives no default to what is left out, so everything is sent.
        let mut all: Vec<(String, Value)> = known.unwrap_or_default();
        for Pair { name, value } in args.params.clone() {
            match all.iter_mut().find(|(own, _)| *own == name) {
                Some((_, own)) if own.is_boolean() => *own = json!(value.eq_ignore_ascii_case("true")),
                Some((_, own)) => *own = json!(value),
                None if unknown_names => all.push((name, json!(value))),
                None => {
                    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
                    let near = nearest(&name, &names).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
                    return Err(Error::new(
                        ExitCode::Refused,
                        format!("the parameter {name}"),
                        format!("{what} does not ask for it"),
                    )
                    .with_hint(format!("{near}it asks for: {}", names.join(", ")))
                    .into());
                }
            }
        }
        values = Some(all);
    }
    with_retries(clock, || client.answer(&job, number, id, values.as_deref()))?;
    context
        .console
        .line(&format!("{what}: input {id} was answered: {}", if args.proceed { "proceed" } else { "abort" }));
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
