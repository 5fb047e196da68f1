//! `codemagic wait`: follows builds that are there already.

use super::{client, collecting, placeholders, watched, watching};
use crate::cli::{CodemagicWaitArgs, OnInput};
use crate::commands::{Context, FollowArgs, ResultWriter};
use crate::document::Document;
use crate::error::ExitCode;

pub(super) fn run(
    args: &CodemagicWaitArgs,
    context: &Context,
    publication: &mut ResultWriter,
) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(&args.builds)?;
    publication.several = args.builds.len() > 1;
    let wishes = collecting::CollectOptions::check(&args.collect, args.watch.poll_interval)?;
    let client = client(context)?;
    publication.write_partial(&context.console);
    let follow = FollowArgs {
        watch: args.watch.clone(),
        expect: Some(args.expect.clone()),
        on_input: OnInput::Wait,
        no_cancel: !args.wait.cancel,
    };
    let mode = watching::Mode { fail_fast: args.wait.fail_fast, once: args.wait.once, ..Default::default() };
    let id = |document: &Document| document.build.as_ref().map_or("", |build| build.id.as_str()).to_owned();
    let builds =
        publication.documents.iter().map(|document| watched(&client, &id(document))).collect::<Result<_, _>>()?;
    watching::run(&client, &follow, mode, builds, context, publication);
    Ok(collecting::run(&client, &wishes, context, publication))
}
