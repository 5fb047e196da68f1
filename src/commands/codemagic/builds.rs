//! `codemagic builds`: the newest builds that match, newest first.

use super::{app_id, client, with_retries};
use crate::cli::BuildsArgs;
use crate::codemagic::Filter;
use crate::commands::{Context, ResultWriter};
use crate::document::{Document, Outcome};
use crate::error::ExitCode;
use crate::model::Phase;

pub(super) fn run(args: &BuildsArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.several = true;
    let client = client(context)?;
    let filter = Filter {
        app_id: app_id(args.app_id.clone())?,
        workflow_id: args.workflow.clone(),
        branch: args.branch.clone(),
        tag: args.tag.clone(),
        labels: args.labels.clone(),
        status: args.status.clone(),
    };
    for seen in with_retries(&*context.clock, || client.list_builds(&filter, args.limit))? {
        let build = &seen.build;
        if !context.output.json {
            let number = build.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let head = build.branch.as_deref().or(build.tag.as_deref()).unwrap_or("-");
            let workflow = build.workflow_id.as_deref().unwrap_or("-");
            context.console.data(&format!("{} {number} {} {workflow} {head} {}", build.id, build.status, build.url));
        }
        let mut document = Document::new(super::PROVIDER);
        if let Phase::Ended(code) = seen.phase {
            document.outcome = Outcome::of(code);
        }
        document.build = Some(seen.build);
        document.artifacts = seen.artifacts;
        publication.documents.push(document);
    }
    // How the listed builds ended is not how the listing ended.
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}
