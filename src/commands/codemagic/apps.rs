//! `codemagic apps` and `workflows`: their IDs and names.

use crate::cli::{AppArgs, CodemagicConnectionArgs};
use crate::commands::session::{CommandResult, Session};
use crate::document::{Details, Named};
use crate::output::{Cell, Table};

pub fn apps(connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    let client = super::connect(connection, session)?;
    let apps = session.with_retries(|| client.apps())?;
    show("apps", &apps, session);
    Ok(session.succeed_with(Details::Apps(apps)))
}

pub fn workflows(args: &AppArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    let client = super::connect(connection, session)?;
    let workflows = session.with_retries(|| client.workflows(&args.app_id))?;
    show("workflows", &workflows, session);
    Ok(session.succeed_with(Details::Workflows(workflows)))
}

fn show(what: &'static str, entries: &[Named], session: &Session) {
    let mut table = Table::new(what, &["id", "name"]);
    for Named { id, name } in entries {
        table.row(vec![Cell::text(id), Cell::optional(name.as_deref())]);
    }
    session.table(&table);
}
