//! `codemagic cancel`: cancels builds. One that ended already is no error.

use super::{client, placeholders, watched, with_retries};
use crate::cli::BuildsOfApp;
use crate::commands::{Context, ResultWriter, end_each};
use crate::error::ExitCode;
use crate::lifecycle::{CancelMode, Provider as _};

pub(super) fn run(args: &BuildsOfApp, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let client = client(context)?;
    Ok(end_each(publication, &context.console, &mut |_, document| {
        let id = document.build.as_ref().map(|build| build.id.as_str()).unwrap_or_default();
        let build = watched(&client, id)?;
        with_retries(&*context.clock, || client.cancel(&build, CancelMode::Quick))?;
        Ok(format!("Codemagic build {id}: canceled, or ended before"))
    }))
}
