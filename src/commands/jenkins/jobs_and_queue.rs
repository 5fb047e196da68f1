//! `jenkins jobs` and `queue`: a controller at a glance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::{JenkinsConnectionArgs, JobsArgs};
use crate::clock::format_time;
use crate::commands::session::{CommandResult, Session};
use crate::document::{Details, QueueItem};
use crate::output::{Cell, Table};

/// A point in time on the controller's clock, in milliseconds since 1970.
fn time(millis: Option<u64>, now: SystemTime) -> Cell {
    let at = millis.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    Cell::time(at.and_then(format_time).as_deref(), now)
}

pub fn jobs(args: &JobsArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let (provider, folder) = super::connect_to_optional_job(args.folder.as_deref(), None, connection, session)?;
    let jobs = session.with_retries(|| provider.client().jobs(folder.as_ref()))?;
    let now = session.runtime.clock.wall();
    let mut table = Table::new("jobs", &["job", "status", "last build", "started"]);
    for entry in &jobs {
        let status = if entry.is_folder { "folder" } else { entry.status.as_str() };
        table.row(vec![
            Cell::text(&entry.job),
            Cell::state(status),
            Cell::optional(entry.last_build),
            time(entry.last_started, now),
        ]);
    }
    session.table(&table);
    Ok(session.succeed_with(Details::Jobs(jobs)))
}

pub fn queue(connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let provider = super::connect_to_controller(connection, session)?;
    let items = session.with_retries(|| provider.client().queue())?;
    let now = session.runtime.clock.wall();
    let mut table = Table::new("queue items", &["item", "job", "queued", "why"]);
    let mut listed = Vec::new();
    for item in &items {
        let job = item.job.as_ref().map(ToString::to_string);
        let since = Some(item.since).filter(|since| *since > 0);
        table.row(vec![
            Cell::text(format!("queue/item/{}", item.id)),
            Cell::optional(job.as_deref()),
            time(since, now),
            Cell::optional(item.why.as_deref()),
        ]);
        listed.push(QueueItem { id: item.id, job, since, why: item.why.clone(), stuck: item.stuck });
    }
    session.table(&table);
    Ok(session.succeed_with(Details::Queue(listed)))
}
