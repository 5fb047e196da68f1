//! `codemagic apps` and `workflows`: their IDs and names.

use serde_json::json;

use crate::cli::{AppArgs, CodemagicConnectionArgs};
use crate::commands::session::Session;
use crate::error::ExitCode;
use crate::output::{Cell, Table};

pub fn apps(connection: &CodemagicConnectionArgs, session: &mut Session) -> anyhow::Result<ExitCode> {
    let client = super::connect(connection, session)?;
    let apps = session.with_retries(|| client.apps())?;
    Ok(list("apps", apps, session))
}

pub fn workflows(
    args: &AppArgs,
    connection: &CodemagicConnectionArgs,
    session: &mut Session,
) -> anyhow::Result<ExitCode> {
    let app_id = super::app_id(args.app_id.as_deref())?;
    let client = super::connect(connection, session)?;
    let workflows = session.with_retries(|| client.workflows(&app_id))?;
    Ok(list("workflows", workflows.into_iter().map(|workflow| (workflow.id, workflow.name)).collect(), session))
}

fn list(what: &'static str, entries: Vec<(String, Option<String>)>, session: &mut Session) -> ExitCode {
    let mut table = Table::new(what, &["id", "name"]);
    for (id, name) in &entries {
        table.row(vec![Cell::text(id), Cell::optional(name.as_deref())]);
    }
    if !session.is_json() {
        session.console().table(&table);
    }
    let entries: Vec<_> = entries.into_iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
    session.writer.call.more.insert(what.to_owned(), json!(entries));
    session.writer.succeed()
}
