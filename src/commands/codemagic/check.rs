//! `codemagic check`: says what works and what does not, one line each, with the remedy.

use super::{choose, client, insist};
use crate::cli::CheckArgs;
use crate::codemagic::{Client, Filter};
use crate::commands::{Context, Publication};
use crate::error::{Code, Failure};
use crate::model::Outcome;

pub(super) fn run(args: &CheckArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    let report = &context.report;
    let client = client(&args.connection, &args.output, context)?;
    let app_id = choose(args.app_id.as_deref(), None, "CODEMAGIC_APP_ID");
    let workflow = choose(args.workflow.as_deref(), None, "CODEMAGIC_WORKFLOW");
    let mut first: Option<Failure> = None;
    let mut tell = |good: Result<String, Failure>| match good {
        Ok(line) => report.line(&format!("ok: {line}")),
        Err(failure) => {
            report.line(&format!("failed: {failure}"));
            if let Some(hint) = &failure.hint {
                report.line(&format!("  hint: {hint}"));
            }
            first.get_or_insert(failure);
        }
    };
    for line in client.surroundings() {
        tell(line);
    }
    let teams = insist(&*context.clock, || client.team_names());
    let valid = teams.is_ok();
    tell(teams.map(|teams| match teams.as_slice() {
        [] => "the API key is valid; its user is in no team that v3 shows".to_owned(),
        teams => format!("the API key is valid; its teams: {}", teams.join(", ")),
    }));
    tell(
        insist(&*context.clock, || client.legacy_answers())
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
            publication.call.end(Outcome::Success, Code::Success);
            Ok(Code::Success)
        }
        Some(failure) => {
            let code = failure.code;
            publication.call.fail(&failure);
            Ok(code)
        }
    }
}

fn app(client: &Client, app_id: &str, context: &Context) -> Result<String, Failure> {
    let filter = Filter { app_id: Some(app_id.to_owned()), ..Filter::default() };
    match insist(&*context.clock, || client.app_name(app_id))? {
        Some(name) => Ok(format!("the app {app_id} is visible: {name}")),
        None if !insist(&*context.clock, || client.builds(&filter, 1))?.is_empty() => {
            Ok(format!("the app {app_id} is visible by its builds"))
        }
        None => Err(Failure::new(
            Code::NotFound,
            format!("the app {app_id}"),
            "does not exist, or is hidden from this API key",
        )
        .hint(
            "the id is the part after /app/ in the app's page; the key's user must be in the team that owns the app",
        )),
    }
}

fn known_workflow(client: &Client, app_id: &str, workflow: &str, context: &Context) -> Result<String, Failure> {
    let known = insist(&*context.clock, || client.workflows(app_id))?;
    if known.iter().any(|(id, _)| id == workflow) {
        return Ok(format!("the workflow {workflow} is known"));
    }
    let list: Vec<_> =
        known.iter().map(|(id, name)| name.as_ref().map_or(id.clone(), |name| format!("{id} ({name})"))).collect();
    if let Some((id, _)) = known.iter().find(|(_, name)| name.as_deref() == Some(workflow)) {
        return Err(Failure::new(Code::NotFound, format!("the workflow {workflow}"), "is a display name, not an id")
            .hint(format!("use its id, {id}")));
    }
    Err(Failure::new(
        Code::NotFound,
        format!("the workflow {workflow}"),
        format!("is not among the known ones: {}", list.join(", ")),
    )
    .hint("it is the key below `workflows:` in codemagic.yaml; a workflow that never ran may be missing here"))
}
