//! `jenkins stop`: cancels queue items and stops builds: stop, then term, then kill. One that ended already is no error.

use super::wait::documents;
use super::{Reached, reach, watching};
use crate::cli::StopArgs;
use crate::commands::{Context, ResultWriter, end_each, with_retries};
use crate::error::{Error, ExitCode};
use crate::old_jenkins::{BuildName, Client, JobPath, Place};

pub(super) fn run(args: &StopArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let named: Vec<&str> = args.builds.builds.iter().map(String::as_str).collect();
    let Reached { client, places } = reach(&named, context)?;
    publication.documents = documents(&client, &places, &named)?;
    publication.several = named.len() > 1;
    let job = super::job_of_items(args.builds.job.as_deref(), args.builds.branch.as_deref())?;
    Ok(end_each(publication, &context.console, &mut |n, _| {
        Ok(format!("{}: {}", named[n], stop(&client, &places[n], job.as_ref(), args, context)?))
    }))
}

fn stop(
    client: &Client,
    place: &Place,
    job: Option<&JobPath>,
    args: &StopArgs,
    context: &Context,
) -> Result<String, Error> {
    let clock = &*context.clock;
    let (job, number) = match (place.queue_id, &place.build) {
        (None, Some(BuildName::Number(number))) => (place.job.clone(), *number),
        (None, Some(name)) => (place.job.clone(), with_retries(clock, || client.build(&place.job, name))?.number),
        (Some(id), _) => {
            if with_retries(clock, || client.cancel_item(id))? {
                return Ok("it was canceled in the queue".to_owned());
            }
            // It left meanwhile: then there is a build to stop.
            with_retries(clock, || watching::build_of(client, id, (job, 0), clock))?.ok_or_else(|| unknown(id))?
        }
        (None, None) => return Err(super::no_build("the argument")),
    };
    watching::escalate(client, &job, number, args.stop_wait, clock, &mut |line| context.console.line(line))
}

fn unknown(id: u64) -> Error {
    Error::new(ExitCode::NotFound, format!("queue item {id}"), "Jenkins does not know it (any more)")
        .with_hint("name its job with --job: the build is found by the item's id then")
}
