//! `jenkins params`: lists the parameters of a job.

use crate::cli::{JenkinsConnectionArgs, JobArgs};
use crate::commands::session::{CommandResult, Session};
use crate::document::{Details, Parameter};
use crate::jenkins::{ParameterDefinition, ParameterKind};
use crate::output::{Cell, Table};

pub fn run(args: &JobArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let (provider, job) = super::connect_to_job(args, connection, session)?;
    let client = provider.client();
    let known = super::read_job(client, &job, session, || client.job(&job))?;
    if known.children.is_some() {
        known.check_buildable(&format!("job {job}"))?;
    }
    let mut table = Table::new("parameters", &["name", "type", "default", "description"]);
    let mut listed = Vec::new();
    for definition in &known.definitions {
        let description =
            definition.description.as_deref().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        table.row(vec![
            Cell::text(&definition.name),
            Cell::text(kind(definition)),
            Cell::optional(definition.default.as_deref()),
            Cell::optional(description),
        ]);
        let choices = if let ParameterKind::Choice(choices) = &definition.kind { Some(choices.clone()) } else { None };
        listed.push(Parameter {
            name: definition.name.clone(),
            kind: definition.type_name.clone(),
            description: definition.description.clone(),
            default: definition.default.clone(),
            choices,
        });
    }
    if known.definitions.is_empty() {
        let why = if known.is_new_pipeline() { " yet: its first run reads them from the Jenkinsfile" } else { "" };
        session.console().line(&format!("job {job} has no parameters{why}"));
    } else {
        session.table(&table);
    }
    Ok(session.succeed_with(Details::Parameters(listed)))
}

/// The kind of a parameter in words.
fn kind(definition: &ParameterDefinition) -> String {
    match &definition.kind {
        ParameterKind::Text => "text".to_owned(),
        ParameterKind::Boolean => "boolean".to_owned(),
        ParameterKind::Choice(choices) => format!("choice of {}", choices.join(" | ")),
        ParameterKind::File => "file".to_owned(),
        ParameterKind::Password => "password".to_owned(),
        ParameterKind::Other => definition.type_name.clone(),
    }
}
