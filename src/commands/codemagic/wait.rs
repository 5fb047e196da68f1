//! `codemagic wait`: follows builds that are there already.

use super::{client, collecting, placeholders, watched, watching};
use crate::cli::WaitArgs;
use crate::commands::{Context, ResultWriter};
use crate::document::Document;
use crate::error::ExitCode;

pub(super) fn run(args: &WaitArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let wishes = collecting::CollectOptions::check(&args.collect, args.follow.poll_interval)?;
    let client = client(&args.connection, &args.output, context)?;
    publication.write_partial(&context.console);
    let mode = watching::Mode { fail_fast: args.fail_fast, once: args.once, ..Default::default() };
    let id = |document: &Document| document.build.as_ref().map_or("", |build| build.id.as_str()).to_owned();
    let builds =
        publication.documents.iter().map(|document| watched(&client, &id(document))).collect::<Result<_, _>>()?;
    watching::run(&client, &args.follow, mode, builds, context, publication);
    Ok(collecting::run(&client, &wishes, context, publication))
}
