//! `codemagic wait`: follows builds that are there already.

use super::{client, collecting, placeholders, watching};
use crate::cli::WaitArgs;
use crate::commands::{Context, Publication};
use crate::error::Code;

pub(super) fn run(args: &WaitArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let wishes = collecting::Wishes::check(&args.collect, args.follow.poll_interval)?;
    let client = client(&args.connection, &args.output, context)?;
    publication.publish_early(&context.report);
    let mode = watching::Mode { fail_fast: args.fail_fast, once: args.once, ..Default::default() };
    watching::run(&client, &args.follow, mode, context, publication);
    Ok(collecting::run(&client, &wishes, context, publication))
}
