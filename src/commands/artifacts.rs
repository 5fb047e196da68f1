//! `artifacts`: downloads or lists what a build left.

use crate::cli::ArtifactsArgs;
use crate::document::Outcome;
use crate::error::ExitCode;
use crate::files;
use crate::lifecycle::collect::{ALLOW_NONE, download, matches, no_match};
use crate::lifecycle::{Provider, RemoteArtifact};
use crate::model::Phase;
use crate::output::{Cell, Table};

use super::session::Session;
use super::waiting::documents;

/// Checks that this machine can do it, before anything remote happens.
pub fn check(args: &ArtifactsArgs) -> anyhow::Result<()> {
    if !args.list {
        files::check_folder(&args.dir)?;
    }
    Ok(())
}

pub fn run<P: Provider>(
    provider: &P,
    reference: &P::Reference,
    args: &ArtifactsArgs,
    session: &mut Session,
) -> anyhow::Result<ExitCode> {
    let mut build = provider.build(reference)?;
    session.runtime.with_retries(|| provider.resolve(&mut build))?;
    session.writer.documents = documents(provider, std::slice::from_ref(&build));
    let (seen, mut artifacts) = session.with_retries(|| provider.artifacts(&build))?;
    let title = seen.build.title.clone();
    let still_running = !matches!(seen.phase, Phase::Ended(_));
    session.writer.documents[0].still_running = still_running;
    if still_running {
        session.console().line(&format!("{title} is still running; it may create more artifacts"));
    }
    session.writer.documents[0].build = Some(seen.build);
    let is_chosen = |artifact: &RemoteArtifact| matches(artifact, &args.globs, &args.types);
    let result = if !artifacts.iter().any(is_chosen) {
        if args.download.allow_none {
            session.console().line(&format!("no matching artifact of {title}"));
            Ok(())
        } else {
            Err(no_match::<P>(&title, &artifacts, &[&args.globs, &args.types], ALLOW_NONE))
        }
    } else if args.list {
        // Without its checksum an artifact is still worth listing.
        if session.is_json() {
            drop(provider.add_sums(&build, &mut artifacts));
        }
        list(artifacts.iter().filter(|artifact| is_chosen(artifact)), session);
        Ok(())
    } else {
        let place = (args.dir.as_path(), args.download.jobs);
        let result = download(provider, &build, &mut artifacts, &is_chosen, place, &session.runtime);
        artifacts.iter().filter_map(|artifact| artifact.artifact.path.as_ref()).for_each(|path| session.data(path));
        result
    };
    let document = &mut session.writer.documents[0];
    document.artifacts = artifacts.into_iter().map(|artifact| artifact.artifact).collect();
    result?;
    document.end(Outcome::Success, ExitCode::Success);
    Ok(session.writer.worst())
}

fn list<'a>(artifacts: impl Iterator<Item = &'a RemoteArtifact>, session: &Session) {
    let mut table = Table::new("artifacts", &["size", "type", "name"]);
    for RemoteArtifact { artifact, .. } in artifacts {
        table.row(vec![Cell::size(artifact.size), Cell::text(&artifact.kind), Cell::text(&artifact.name)]);
    }
    if !session.is_json() {
        session.console().table(&table);
    }
}
