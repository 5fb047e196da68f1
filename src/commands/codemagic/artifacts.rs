//! `codemagic artifacts`: lists or downloads what a build left.

use super::{client, collecting, placeholders, watched, with_retries};
use crate::cli::ArtifactsArgs;
use crate::commands::{Context, ResultWriter, fetching};
use crate::document::Outcome;
use crate::error::ExitCode;
use crate::lifecycle::Provider as _;
use crate::model::Phase;

pub(super) fn run(args: &ArtifactsArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(std::slice::from_ref(&args.build))?;
    let document = &mut publication.documents[0];
    let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
    let globs = args.globs.clone();
    let types = args.types.clone();
    if !args.list {
        crate::files::check_folder(&args.dir)?;
    }
    let client = client(context)?;
    let build = watched(&client, &id)?;
    let (seen, mut offers) = with_retries(&*context.clock, || client.artifacts(&build))?;
    if !matches!(seen.phase, Phase::Ended(_)) {
        context.console.line(&format!("the build is {}: it may leave more artifacts", seen.build.status));
    }
    document.build = Some(seen.build);
    document.artifacts = seen.artifacts;
    let chosen = fetching::choose(&document.artifacts, &globs, &types);
    if chosen.is_empty() && !args.download.allow_none {
        return Err(collecting::nothing(&id, &document.artifacts, &[&globs, &types]).into());
    }
    if args.list {
        // Without its sum an artifact is still worth listing.
        if context.output.json && client.add_sums(&build, &mut offers).is_ok() {
            document.artifacts = offers.iter().map(|offer| offer.artifact.clone()).collect();
        }
        for artifact in chosen.iter().map(|n| &offers[*n].artifact).filter(|_| !context.output.json) {
            let size = artifact.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
            context.console.data(&format!("{size}\t{}\t{}", artifact.kind, artifact.name));
        }
    } else if !chosen.is_empty() {
        let place = (args.dir.as_path(), args.download.jobs);
        collecting::fetch(&client, &build, offers, &chosen, place, context, document)?;
        for path in document.artifacts.iter().filter_map(|artifact| artifact.path.as_ref()) {
            if !context.output.json {
                context.console.data(path);
            }
        }
    } else {
        context.console.line("no such artifact");
    }
    document.end(Outcome::Success, ExitCode::Success);
    Ok(publication.worst())
}
