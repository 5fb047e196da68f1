//! `jenkins status`: where builds and queue items stand, in one look each.

use super::wait::{documents, remote};
use super::{Reached, reach};
use crate::cli::JenkinsBuildsArgs;
use crate::commands::{Context, ResultWriter, record_snapshot, with_retries};
use crate::error::ExitCode;
use crate::lifecycle::old_watch::Remote as _;
use crate::old_jenkins::parse;

pub(super) fn run(
    args: &JenkinsBuildsArgs,
    context: &Context,
    publication: &mut ResultWriter,
) -> anyhow::Result<ExitCode> {
    let named: Vec<&str> = args.builds.iter().map(String::as_str).collect();
    let Reached { client, places } = reach(&named, context)?;
    publication.documents = documents(&client, &places, &named)?;
    publication.several = named.len() > 1;
    let job = args.job.as_deref().map(parse).transpose()?.map(|place| place.job);
    for (document, place) in publication.documents.iter_mut().zip(places) {
        let mut remote = remote(&client, context, place, job.clone());
        let seen = with_retries(&*context.clock, || remote.look())?;
        remote.notes().iter().for_each(|note| context.console.line(note));
        document.steps = with_retries(&*context.clock, || remote.steps()).unwrap_or_default();
        record_snapshot(seen, &context.output, &context.console, document);
    }
    Ok(publication.worst())
}
