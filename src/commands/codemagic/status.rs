//! `codemagic status`: where builds stand, in one look each.

use super::{build_id, client, placeholders, with_retries};
use crate::cli::BuildsOfApp;
use crate::commands::{Context, ResultWriter, record_snapshot};
use crate::error::ExitCode;

pub(super) fn run(args: &BuildsOfApp, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let client = client(context)?;
    for document in &mut publication.documents {
        let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
        let id = build_id(&id)?;
        let seen = with_retries(&*context.clock, || client.poll_build(&id))?;
        document.steps = with_retries(&*context.clock, || client.build_steps(&id)).unwrap_or_default();
        record_snapshot(seen, &context.output, &context.console, document);
    }
    Ok(publication.worst())
}
