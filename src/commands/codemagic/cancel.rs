//! `codemagic cancel`: cancels builds. One that ended already is no error.

use super::{client, insist, placeholders};
use crate::cli::BuildArgs;
use crate::commands::{Context, Publication, end_each};
use crate::error::Code;

pub(super) fn run(args: &BuildArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let client = client(&args.connection, &args.output, context)?;
    Ok(end_each(publication, &context.report, &mut |_, document| {
        let id = document.build.as_ref().map(|build| build.id.as_str()).unwrap_or_default();
        insist(&*context.clock, || client.cancel(id))?;
        Ok(format!("Codemagic build {id}: cancelled, or ended before"))
    }))
}
