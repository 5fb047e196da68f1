//! `codemagic apps` and `workflows`: their IDs and names.

use crate::cli::{AppArgs, CodemagicConnectionArgs};
use crate::commands::session::Session;
use crate::document::Named;
use crate::error::ExitCode;
use crate::output::{Cell, Table};

pub fn apps(connection: &CodemagicConnectionArgs, session: &mut Session) -> anyhow::Result<ExitCode> {
    let client = super::connect(connection, session)?;
    let apps = session.with_retries(|| client.apps())?;
    session.writer.call.details.apps = Some(list("apps", apps, session));
    Ok(session.writer.succeed())
}

pub fn workflows(
    args: &AppArgs,
    connection: &CodemagicConnectionArgs,
    session: &mut Session,
) -> anyhow::Result<ExitCode> {
    let app_id = super::app_id(args.app_id.as_deref())?;
    let client = super::connect(connection, session)?;
    let workflows = session.with_retries(|| client.workflows(&app_id))?;
    let workflows = workflows.into_iter().map(|workflow| (workflow.id, workflow.name)).collect();
    session.writer.call.details.workflows = Some(list("workflows", workflows, session));
    Ok(session.writer.succeed())
}

/// Shows ids with their names.
fn list(what: &'static str, entries: Vec<(String, Option<String>)>, session: &Session) -> Vec<Named> {
    let mut table = Table::new(what, &["id", "name"]);
    for (id, name) in &entries {
        table.row(vec![Cell::text(id), Cell::optional(name.as_deref())]);
    }
    if !session.is_json() {
        session.console().table(&table);
    }
    entries.into_iter().map(|(id, name)| Named { id, name }).collect()
}
