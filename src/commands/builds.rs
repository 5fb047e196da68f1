//! `builds`: the newest builds, newest first.

use crate::cli::{BuildsArgs, CodemagicConnectionArgs, JenkinsConnectionArgs, JobBuildsArgs};
use crate::codemagic::Filter;
use crate::document::{Document, Outcome};
use crate::error::ExitCode;
use crate::model::{BuildSnapshot, Phase};
use crate::output::{Cell, Table};

use super::session::{CommandResult, Session};
use super::{codemagic, jenkins};

pub fn codemagic(args: &BuildsArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    let filter = Filter { status: args.status.clone(), ..codemagic::filter(&args.filter) };
    let client = codemagic::connect(connection, session)?;
    let builds = session.with_retries(|| client.list_builds(&filter, args.limit))?;
    let now = session.runtime.clock.wall();
    let mut table =
        Table::new("builds", &["id", "number", "status", "workflow", "branch or tag", "created", "duration", "url"]);
    for BuildSnapshot { build, .. } in &builds {
        table.row(vec![
            Cell::text(&build.id),
            Cell::optional(build.number),
            Cell::state(&build.status),
            Cell::optional(build.workflow_id.as_deref()),
            Cell::optional(build.branch.as_deref().or(build.tag.as_deref())),
            Cell::time(build.created_at.as_deref(), now),
            Cell::seconds(build.run_seconds),
            Cell::text(&build.url),
        ]);
    }
    Ok(list(table, builds, "codemagic", session))
}

pub fn jenkins(args: &JobBuildsArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let (provider, job) = jenkins::connect_to_job(&args.job, connection, session)?;
    let client = provider.client();
    let builds = jenkins::read_job(client, &job, session, || client.builds(&job, args.limit))?;
    let now = session.runtime.clock.wall();
    let mut table = Table::new("builds", &["build", "status", "created", "duration", "url"]);
    for view in &builds {
        let build = &view.snapshot.build;
        table.row(vec![
            Cell::text(&build.id),
            Cell::state(&build.status),
            Cell::time(build.created_at.as_deref(), now),
            Cell::seconds(build.run_seconds),
            Cell::text(&build.url),
        ]);
    }
    let builds = builds.into_iter().map(|view| view.snapshot).collect();
    Ok(list(table, builds, "jenkins", session))
}

/// Shows the builds. A listed build has an outcome, but no exit code: the call was not about its end.
fn list(table: Table, builds: Vec<BuildSnapshot>, provider: &'static str, session: &mut Session) -> ExitCode {
    session.table(&table);
    drop(table);
    let document = |seen: BuildSnapshot| {
        let outcome = match seen.phase {
            Phase::Ended(code) => Outcome::of(code),
            Phase::Queued | Phase::Running => Outcome::Running,
        };
        Document {
            outcome,
            still_running: outcome == Outcome::Running,
            build: Some(seen.build),
            artifacts: seen.artifacts,
            ..Document::new(provider)
        }
    };
    session.writer.several = true;
    session.writer.documents = builds.into_iter().map(document).collect();
    session.writer.succeed()
}
