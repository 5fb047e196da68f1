//! `artifacts`: downloads or lists the artifacts of a build.

use crate::cli::ArtifactsArgs;
use crate::error::Error;
use crate::files;
use crate::lifecycle::artifacts::{ALLOW_NONE, ArtifactDownload, matches, no_match};
use crate::lifecycle::{Provider, RemoteArtifact};
use crate::output::{Cell, Table};

use super::named_builds::find_build;
use super::session::{CommandResult, Session};

/// Checks that this machine can do it, before anything remote happens.
pub fn check(args: &ArtifactsArgs) -> Result<(), Error> {
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
) -> CommandResult {
    let build = find_build(provider, reference, session)?;
    let (seen, mut artifacts) = session.with_retries(|| provider.artifacts(&build))?;
    let title = seen.build.title.clone();
    session.note_build(seen);
    if session.document().still_running {
        session.console().line(&format!("{title} is still running; it may create more artifacts"));
    }
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
        let (dir, jobs, runtime) = (&args.dir, args.download.jobs, &session.runtime);
        let result =
            ArtifactDownload { provider, build: &build, dir, jobs, runtime }.download(&mut artifacts, &is_chosen);
        artifacts.iter().filter_map(|artifact| artifact.artifact.path.as_ref()).for_each(|path| session.data(path));
        result
    };
    session.document().artifacts = artifacts.into_iter().map(|artifact| artifact.artifact).collect();
    result.map(|()| session.succeed_with_build())
}

fn list<'a>(artifacts: impl Iterator<Item = &'a RemoteArtifact>, session: &Session) {
    let mut table = Table::new("artifacts", &["size", "type", "name"]);
    for RemoteArtifact { artifact, .. } in artifacts {
        table.row(vec![Cell::size(artifact.size), Cell::text(&artifact.kind), Cell::text(&artifact.name)]);
    }
    session.table(&table);
}
