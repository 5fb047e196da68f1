//! `codemagic cancel`: cancels builds. One that ended already is no error.

use super::{client, insist, placeholders};
use crate::cli::BuildArgs;
use crate::commands::{Context, Publication};
use crate::error::Code;
use crate::model::Outcome;

pub(super) fn run(args: &BuildArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let client = client(&args.connection, &args.output, context)?;
    let mut first = None;
    for document in &mut publication.documents {
        let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
        match insist(&*context.clock, || client.cancel(&id)) {
            Ok(()) => {
                context.report.line(&format!("Codemagic build {id}: cancelled, or ended before"));
                document.end(Outcome::Success, Code::Success);
            }
            // One wrong id must not keep the others running.
            Err(failure) => {
                context.report.failure(&failure);
                document.fail(&failure);
                first.get_or_insert(failure);
            }
        }
    }
    if let (Some(failure), false) = (first, publication.several) {
        publication.call.fail(&failure);
    }
    Ok(publication.worst())
}
