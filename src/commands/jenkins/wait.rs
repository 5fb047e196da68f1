//! `jenkins wait`: follows builds and queue items that are there already.

use super::artifacts::CollectOptions;
use super::remote::{BuildRemote, LogFollow};
use super::{PROVIDER, Reached, no_build, reach, watching};
use crate::cli::JenkinsWaitArgs;
use crate::commands::{Context, FollowArgs, ResultWriter};
use crate::document::Document;
use crate::error::ExitCode;
use crate::model::Build;
use crate::old_jenkins::{BuildName, Client, JobPath, Place};
use crate::output::{LogPrinter, LogTarget};

pub(super) fn run(
    args: &JenkinsWaitArgs,
    context: &Context,
    publication: &mut ResultWriter,
) -> anyhow::Result<ExitCode> {
    let home = CollectOptions::check(&args.collect)?;
    let named: Vec<&str> = args.builds.builds.iter().map(String::as_str).collect();
    let Reached { client, places } = reach(&named, context)?;
    publication.documents = documents(&client, &places, &named)?;
    publication.several = named.len() > 1;
    let job = super::job_of_items(args.builds.job.as_deref(), args.builds.branch.as_deref())?;
    let remotes = places.into_iter().map(|place| {
        let mut remote = remote(&client, context, place, job.clone());
        remote.on_input = args.input.on_input;
        remote.log =
            args.watch.console.then(|| LogFollow::new(LogPrinter::new(&context.console, LogTarget::People, false), 0));
        remote
    });
    let remotes = remotes.collect();
    publication.write_partial(&context.console);
    let follow = FollowArgs {
        watch: args.watch.clone(),
        expect: None,
        on_input: args.input.on_input,
        no_cancel: !args.wait.cancel,
    };
    let mode = watching::Mode { fail_fast: args.wait.fail_fast, once: args.wait.once, home: Some(&home), keep: false };
    Ok(watching::run(remotes, &follow, mode, context, publication))
}

/// A document for each build that the command line names.
pub(super) fn documents(client: &Client, places: &[Place], named: &[&str]) -> anyhow::Result<Vec<Document>> {
    let document = |(place, text): (&Place, &&str)| {
        let (id, path) = match (place.queue_id, &place.build) {
            (Some(id), _) => (format!("queue/item/{id}"), format!("/queue/item/{id}/")),
            (None, Some(build)) if !place.job.is_root() => {
                (format!("{}#{build}", place.job), format!("{}/{build}/", place.job.path()))
            }
            _ => return Err(no_build(text).into()),
        };
        let build = Build { id, url: client.page(&path), status: "unknown".to_owned(), ..Build::default() };
        Ok(Document { build: Some(build), ..Document::new(PROVIDER) })
    };
    places.iter().zip(named).map(document).collect()
}

/// The build or queue item that was named; `job` is where a queue item's build is searched.
pub(super) fn remote<'a>(
    client: &'a Client,
    context: &'a Context,
    place: Place,
    job: Option<JobPath>,
) -> BuildRemote<'a> {
    let mut remote = BuildRemote::new(client, &*context.clock, crate::cli::OnInput::Wait);
    remote.queue_id = place.queue_id;
    if let Some(BuildName::Number(number)) = place.build {
        remote.build = Some(BuildName::Number(number));
    } else {
        remote.build = place.build;
    }
    remote.job = if place.job.is_root() { job } else { Some(place.job) };
    remote
}
