//! `codemagic status`: where builds stand, in one look each.

use super::{client, insist, placeholders};
use crate::cli::BuildArgs;
use crate::commands::{Context, Publication, note_look};
use crate::error::Code;

pub(super) fn run(args: &BuildArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let client = client(&args.connection, &args.output, context)?;
    for document in &mut publication.documents {
        let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
        let seen = insist(&*context.clock, || client.look(&id))?;
        document.steps = insist(&*context.clock, || client.steps(&id)).unwrap_or_default();
        note_look(seen, &args.output, &context.report, document);
    }
    Ok(publication.worst())
}
