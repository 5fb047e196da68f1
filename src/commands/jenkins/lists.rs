//! `jenkins jobs`, `builds` and `queue`: a controller at a glance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::{JenkinsConnectionArgs, JobBuildsArgs, JobsArgs};
use crate::commands::session::Session;
use crate::document::{Document, Job, Outcome, QueueItem};
use crate::error::ExitCode;
use crate::model::Phase;
use crate::output::{Cell, Table, format_duration, format_time};

/// A point in time on the controller's clock, in milliseconds since 1970.
fn time(millis: Option<u64>, now: SystemTime) -> Cell {
    let at = millis.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    let text = at.and_then(format_time);
    Cell::time(text.as_deref(), at, now)
}

pub fn jobs(args: &JobsArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> anyhow::Result<ExitCode> {
    let (provider, folder) = super::connect_to_optional_job(args.folder.as_deref(), None, connection, session)?;
    let jobs = session.with_retries(|| provider.client().jobs(folder.as_ref()))?;
    let now = session.runtime.clock.wall();
    let mut table = Table::new("jobs", &["job", "status", "last build", "started"]);
    let mut listed = Vec::new();
    for entry in &jobs {
        let status = if entry.is_folder { "folder" } else { entry.status.as_str() };
        table.row(vec![
            Cell::text(entry.job.to_string()),
            Cell::state(status),
            Cell::optional(entry.last_build),
            time(entry.last_started, now),
        ]);
        listed.push(Job {
            job: entry.job.to_string(),
            is_folder: entry.is_folder,
            status: entry.status.clone(),
            last_build: entry.last_build,
            last_started: entry.last_started,
        });
    }
    if !session.is_json() {
        session.console().table(&table);
    }
    session.writer.call.details.jobs = Some(listed);
    Ok(session.writer.succeed())
}

pub fn builds(
    args: &JobBuildsArgs,
    connection: &JenkinsConnectionArgs,
    session: &mut Session,
) -> anyhow::Result<ExitCode> {
    session.writer.several = true;
    let (provider, job) = super::connect_to_job(&args.job.job, args.job.branch.as_deref(), connection, session)?;
    let client = provider.client();
    let builds = session.with_retries(|| client.builds(&job, args.limit)).map_err(|error| match error.code() {
        ExitCode::NotFound => client.suggest_jobs(&job, error),
        _ => error,
    })?;
    let now = session.runtime.clock.wall();
    let mut table = Table::new("builds", &["build", "status", "started", "duration", "url"]);
    for view in &builds {
        let build = &view.snapshot.build;
        let run = build.run_seconds.map(|seconds| format_duration(Duration::from_secs(seconds)));
        table.row(vec![
            Cell::text(&build.id),
            Cell::state(&build.status),
            time(view.started, now),
            Cell::optional(run),
            Cell::text(&build.url),
        ]);
    }
    if !session.is_json() {
        session.console().table(&table);
    }
    let documents = builds.into_iter().map(|view| {
        let seen = view.snapshot;
        let outcome = match seen.phase {
            Phase::Ended(code) => Outcome::of(code),
            Phase::Queued | Phase::Running => Outcome::Running,
        };
        let still_running = outcome == Outcome::Running;
        Document {
            outcome,
            still_running,
            build: Some(seen.build),
            artifacts: seen.artifacts,
            ..Document::new("jenkins")
        }
    });
    session.writer.documents = documents.collect();
    // How the listed builds ended is not how the listing ended.
    Ok(session.writer.succeed())
}

pub fn queue(connection: &JenkinsConnectionArgs, session: &mut Session) -> anyhow::Result<ExitCode> {
    let (provider, _) = super::connect_to_optional_job(None, None, connection, session)?;
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
    if !session.is_json() {
        session.console().table(&table);
    }
    session.writer.call.details.queue = Some(listed);
    Ok(session.writer.succeed())
}
