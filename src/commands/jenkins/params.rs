//! `jenkins params`: what a job can be given.

use serde_json::json;

use super::reach_job;
use super::trigger::suggest;
use crate::cli::JobArgs;
use crate::commands::{Context, ResultWriter, with_retries};
use crate::document::Outcome;
use crate::error::ExitCode;
use crate::old_jenkins::Kind;

pub(super) fn run(args: &JobArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let (client, path) = reach_job(&args.job, args.branch.as_deref(), context)?;
    let job = with_retries(&*context.clock, || client.job(&path)).map_err(|failure| match failure.code() {
        ExitCode::NotFound => suggest(&client, &path, failure),
        _ => failure,
    })?;
    if job.children.is_some() {
        job.check_buildable(&format!("job {path}"))?;
    }
    let mut listed = Vec::new();
    for definition in &job.definitions {
        let kind = match &definition.kind {
            Kind::Text => "text".to_owned(),
            Kind::Boolean => "boolean".to_owned(),
            Kind::Choice(choices) => format!("choice of {}", choices.join(" | ")),
            Kind::File => "file".to_owned(),
            Kind::Other => definition.type_name.clone(),
        };
        if !context.output.json {
            let default = definition.default.as_ref().map(|value| format!(", default {value:?}")).unwrap_or_default();
            let about = definition
                .description
                .as_ref()
                .map(|text| format!(": {}", text.split_whitespace().collect::<Vec<_>>().join(" ")));
            context.console.data(&format!("{} ({kind}{default}){}", definition.name, about.unwrap_or_default()));
        }
        let choices = if let Kind::Choice(choices) = &definition.kind { Some(choices) } else { None };
        listed.push(json!({
            "name": definition.name, "type": definition.type_name, "description": definition.description,
            "default": definition.default, "choices": choices,
        }));
    }
    if job.definitions.is_empty() {
        let fresh = if job.is_pipeline() && job.next_build <= 1 {
            " yet: its first run reads them from the Jenkinsfile"
        } else {
            ""
        };
        context.console.line(&format!("job {path} has no parameters{fresh}"));
    }
    publication.call.more.insert("parameters".to_owned(), json!(listed));
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}
