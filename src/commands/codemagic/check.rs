//! `codemagic check`: says what works and what does not, one line each, with the remedy.

use super::{app_id, client, with_retries};
use crate::cli::CheckArgs;
use crate::codemagic::{AppId, Client, Filter, unknown_workflow};
use crate::commands::{Context, ResultWriter};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};

pub(super) fn run(args: &CheckArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let report = &context.console;
    let client = client(context)?;
    let app_id = app_id(args.app_id.clone())?;
    let workflow = args.workflow.clone();
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
    for line in client.network_info() {
        tell(line);
    }
    let teams = with_retries(&*context.clock, || client.team_names());
    let valid = teams.is_ok();
    tell(teams.map(|teams| match teams.as_slice() {
        [] => "the API key is valid; its user is in no team that v3 shows".to_owned(),
        teams => format!("the API key is valid; its teams: {}", teams.join(", ")),
    }));
    tell(
        with_retries(&*context.clock, || client.ping_legacy())
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

fn app(client: &Client, app_id: &AppId, context: &Context) -> Result<String, Error> {
    let filter = Filter::app(app_id);
    match with_retries(&*context.clock, || client.app_name(app_id))? {
        Some(name) => Ok(format!("the app {app_id} is visible: {name}")),
        None if !with_retries(&*context.clock, || client.list_builds(&filter, 1))?.is_empty() => {
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

fn known_workflow(client: &Client, app_id: &AppId, workflow: &str, context: &Context) -> Result<String, Error> {
    let known = with_retries(&*context.clock, || client.workflows(app_id))?;
    if known.iter().any(|known| known.id == workflow) {
        return Ok(format!("the workflow {workflow} is known"));
    }
    if let Some(named) = known.iter().find(|known| known.name.as_deref() == Some(workflow)) {
        return Err(Error::new(ExitCode::NotFound, format!("workflow {workflow:?}"), "is a display name, not an ID")
            .with_hint(format!("use its ID, {}", named.id)));
    }
    Err(unknown_workflow(workflow, &known))
}
