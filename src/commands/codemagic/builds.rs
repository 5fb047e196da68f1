//! `codemagic builds`: the newest builds that match, newest first.

use crate::cli::{BuildsArgs, CodemagicConnectionArgs};
use crate::codemagic::{AppId, Filter};
use crate::commands::session::Session;
use crate::document::{Document, Outcome};
use crate::error::ExitCode;
use crate::model::{BuildSnapshot, Phase};
use crate::output::{Cell, Table, format_duration};

pub fn run(args: &BuildsArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> anyhow::Result<ExitCode> {
    session.writer.several = true;
    let filter = Filter {
        app_id: args.app_id.as_deref().map(AppId::parse).transpose()?,
        workflow_id: args.workflow.clone(),
        branch: args.branch.clone(),
        tag: args.tag.clone(),
        labels: args.labels.clone(),
        status: args.status.clone(),
    };
    let client = super::connect(connection, session)?;
    let builds = session.with_retries(|| client.list_builds(&filter, args.limit))?;
    let mut table = Table::new("builds", &["id", "number", "status", "workflow", "branch or tag", "duration", "url"]);
    for seen in &builds {
        table.row(row(seen));
    }
    if !session.is_json() {
        session.console().table(&table);
    }
    session.writer.documents = builds.into_iter().map(document).collect();
    // How the listed builds ended is not how the listing ended.
    Ok(session.writer.succeed())
}

fn row(seen: &BuildSnapshot) -> Vec<Cell> {
    let build = &seen.build;
    let run = build.run_seconds.map(|seconds| format_duration(std::time::Duration::from_secs(seconds)));
    vec![
        Cell::text(&build.id),
        Cell::optional(build.number),
        Cell::state(&build.status),
        Cell::optional(build.workflow_id.as_deref()),
        Cell::optional(build.branch.as_deref().or(build.tag.as_deref())),
        Cell::optional(run),
        Cell::text(&build.url),
    ]
}

/// A listed build has an outcome, but no exit code: the call was not about its end.
fn document(seen: BuildSnapshot) -> Document {
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
        ..Document::new("codemagic")
    }
}
