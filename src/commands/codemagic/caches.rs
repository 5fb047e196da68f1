//! `codemagic caches`: lists or removes the build caches of an app.

use std::io::{self, BufRead as _, IsTerminal as _};

use crate::cli::{CachesArgs, CodemagicConnectionArgs};
use crate::commands::session::{CommandResult, Session};
use crate::document::Details;
use crate::error::{Error, ExitCode};
use crate::output::{Cell, Table};

/// What `--clear` without an id means.
const ALL: &str = "all";

pub fn run(args: &CachesArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    let app_id = &args.app.app_id;
    let client = super::connect(connection, session)?;
    if let Some(cache) = &args.clear {
        let cache = Some(cache.as_str()).filter(|cache| *cache != ALL);
        let which = cache.map_or_else(|| format!("all caches of app {app_id}"), |cache| format!("cache {cache}"));
        if cache.is_none() && !args.yes {
            confirm(&which, session)?;
        }
        session.with_retries(|| client.clear_caches(app_id, cache))?;
        session.console().line(&format!("Codemagic removes {which}; it may take a while"));
        return Ok(session.writer.succeed());
    }
    let caches = session.with_retries(|| client.caches(app_id))?;
    let mut table = Table::new("caches", &["id", "size", "last used", "workflow"]);
    let now = session.runtime.clock.wall();
    for cache in &caches {
        table.row(vec![
            Cell::text(&cache.id),
            Cell::size(cache.size),
            Cell::time(cache.last_used.as_deref(), now),
            Cell::optional(cache.workflow_id.as_deref()),
        ]);
    }
    session.table(&table);
    Ok(session.succeed_with(Details::Caches(caches)))
}

/// Asks a person on a terminal before everything is removed. A script was written by one who knew.
fn confirm(which: &str, session: &Session) -> Result<(), Error> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    session.console().line(&format!("remove {which}? Type `yes`:"));
    let ask = || {
        let mut answer = String::new();
        drop(io::stdin().lock().read_line(&mut answer));
        answer
    };
    let answer = session.runtime.interrupt.cut_short(ask);
    let answer = answer.map_err(|code| Error::message(code, "ended before the answer; nothing was removed"))?;
    if matches!(answer.trim(), "yes" | "y") {
        Ok(())
    } else {
        Err(Error::message(ExitCode::Usage, "nothing was removed").with_hint("--yes removes without asking"))
    }
}
