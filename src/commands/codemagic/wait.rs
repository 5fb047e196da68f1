//! `codemagic wait`: follows builds that are there already.

use super::{client, collecting, placeholders, watching};
use crate::cli::WaitArgs;
use crate::commands::{Context, ResultWriter};
use crate::error::ExitCode;

pub(super) fn run(args: &WaitArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let wishes = collecting::CollectOptions::check(&args.collect, args.follow.poll_interval)?;
    let client = client(&args.connection, &args.output, context)?;
    publication.write_partial(&context.console);
    let mode = watching::Mode { fail_fast: args.fail_fast, once: args.once, ..Default::default() };
    watching::run(&client, &args.follow, mode, context, publication);
    Ok(collecting::run(&client, &wishes, context, publication))
}
