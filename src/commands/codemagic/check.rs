//! `codemagic check`: says what works and what does not, one line each, with the remedy.

use super::{choose, client, with_retries};
use crate::cli::CheckArgs;
use crate::codemagic::{Client, Filter};
use crate::commands::{Context, ResultWriter};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};

pub(super) fn run(args: &CheckArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let report = &context.console;
    let client = client(&args.connection, &args.output, context)?;
    let app_id = choose(args.app_id.as_deref(), None, "CODEMAGIC_APP_ID");
    let workflow = choose(args.workflow.as_deref(), None, "CODEMAGIC_WORKFLOW");
    let mut first: Option<Error> = None;
    let mut tell = |good: Result<String, Error>| match good {
        Ok(line) => report.line(&format!("ok: {line}")),
        Err(failure) => {
            report.line(&format!("failed: {failure}"));
            if let Some(hint) = &failure.hint() {
                report.line(&format!("  hint: {hint}"));
            }
            first.get_or_insert(failure);
        }
    };
    for line in client.surroundings() {
        tell(line);
    }
    let teams = with_retries(&*context.clock, || client.team_names());
    let valid = teams.is_ok();
    tell(teams.map(|teams| match teams.as_slice() {
        [] => "the API key is valid; its user is in no team that v3 shows".to_owned(),
        teams => format!("the API key is valid; its teams: {}", teams.join(", ")),
    }));
    tell(
        with_retries(&*context.clock, || client.legacy_answers())
            .map(|()| "the legacy API answers (it cancels builds and holds the logs)".to_owned()),
    );
    if valid {
        if let Some(app_id) = &app_id {
            tell(app(&client, app_id, context));
            if let Some(workflow) = &workflow {
                tell(known_workflow(&client, app_id, workflow, context));
            }
        } else {
            report.line("not checked: the app (give --app-id or set CODEMAGIC_APP_ID)");
        }
    }
    match first {
        None => {
            publication.call.end(Outcome::Success, ExitCode::Success);
            Ok(ExitCode::Success)
        }
        Some(failure) => {
            let code = failure.code();
            publication.call.fail(&failure);
            Ok(code)
        }
    }
}

fn app(client: &Client, app_id: &str, context: &Context) -> Result<String, Error> {
    let filter = Filter { app_id: Some(app_id.to_owned()), ..Filter::default() };
    match with_retries(&*context.clock, || client.app_name(app_id))? {
        Some(name) => Ok(format!("the app {app_id} is visible: {name}")),
        None if !with_retries(&*context.clock, || client.builds(&filter, 1))?.is_empty() => {
            Ok(format!("the app {app_id} is visible by its builds"))
        }
        None => Err(Error::new(
            ExitCode::NotFound,
            format!("the app {app_id}"),
            "does not exist, or is hidden from this API key",
        )
        .with_hint(
            "the id is the part after /app/ in the app's page; the key's user must be in the team that owns the app",
        )),
    }
}

fn known_workflow(client: &Client, app_id: &str, workflow: &str, context: &Context) -> Result<String, Error> {
    let known = with_retries(&*context.clock, || client.workflows(app_id))?;
    if known.iter().any(|(id, _)| id == workflow) {
        return Ok(format!("the workflow {workflow} is known"));
    }
    let list: Vec<_> =
        known.iter().map(|(id, name)| name.as_ref().map_or(id.clone(), |name| format!("{id} ({name})"))).collect();
    if let Some((id, _)) = known.iter().find(|(_, name)| name.as_deref() == Some(workflow)) {
        return Err(Error::new(ExitCode::NotFound, format!("the workflow {workflow}"), "is a display name, not an id")
            .with_hint(format!("use its id, {id}")));
    }
    Err(Error::new(
        ExitCode::NotFound,
        format!("the workflow {workflow}"),
        format!("is not among the known ones: {}", list.join(", ")),
    )
    .with_hint("it is the key below `workflows:` in codemagic.yaml; a workflow that never ran may be missing here"))
}
