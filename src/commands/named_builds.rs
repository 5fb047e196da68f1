//! The builds that a command line names, and their documents.

use crate::document::Document;
use crate::error::Error;
use crate::lifecycle::Provider;

use super::session::Session;

/// The builds that the command line names, found where they are named as the latest, with their documents in the session.
pub fn find_builds<P: Provider>(
    provider: &P,
    references: &[P::Reference],
    session: &mut Session,
) -> Result<Vec<P::Build>, Error> {
    let mut builds = references.iter().map(|reference| provider.build(reference)).collect::<Result<Vec<_>, _>>()?;
    for build in &mut builds {
        session.with_retries(|| provider.resolve(build))?;
    }
    session.writer.several = builds.len() > 1;
    session.writer.documents = documents(provider, &builds);
    Ok(builds)
}

/// The one build that the command line names; see [`find_builds`].
pub fn find_build<P: Provider>(
    provider: &P,
    reference: &P::Reference,
    session: &mut Session,
) -> Result<P::Build, Error> {
    find_builds(provider, std::slice::from_ref(reference), session).map(|mut builds| builds.remove(0))
}

/// A document for each build, filled in as far as the build is known. One that is named as the latest is not, until it was
/// looked up. Until something else is known a build may be running.
pub fn documents<P: Provider>(provider: &P, builds: &[P::Build]) -> Vec<Document> {
    let known = |build| Some(provider.summary(build)).filter(|build| !build.id.is_empty());
    let document = |build| Document { build: known(build), still_running: true, ..Document::new(P::NAME) };
    builds.iter().map(document).collect()
}
