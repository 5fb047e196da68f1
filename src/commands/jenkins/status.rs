//! `jenkins status`: where builds and queue items stand, in one look each.

use super::wait::{documents, remote};
use super::{Reached, reach};
use crate::cli::JenkinsBuildsArgs;
use crate::commands::{Context, Publication, insist, note_look};
use crate::error::Code;
use crate::follow::Remote as _;
use crate::jenkins::parse;

pub(super) fn run(args: &JenkinsBuildsArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    let named: Vec<&str> = args.builds.iter().map(String::as_str).collect();
    let Reached { client, places } = reach(&named, &args.connection, &args.output, context)?;
    publication.documents = documents(&client, &places, &named)?;
    publication.several = named.len() > 1;
    let job = args.job.as_deref().map(parse).transpose()?.map(|place| place.job);
    for (document, place) in publication.documents.iter_mut().zip(places) {
        let mut remote = remote(&client, context, place, job.clone());
        let seen = insist(&*context.clock, || remote.look())?;
        remote.notes().iter().for_each(|note| context.report.line(note));
        document.steps = insist(&*context.clock, || remote.steps()).unwrap_or_default();
        note_look(seen, &args.output, &context.report, document);
    }
    Ok(publication.worst())
}
