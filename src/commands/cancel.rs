//! `cancel` and `stop`: end builds, side by side. One that has ended already is no error.

use std::time::Duration;

use crate::document::Outcome;
use crate::error::{Error, ExitCode};
use crate::lifecycle::Provider;
use crate::lifecycle::finish::{CancelResult, PATIENCE, cancel_all};

use super::named_builds::find_builds;
use super::session::{CommandResult, Session};

/// Cancels the builds. `patience` is how long each may take to end after each request.
pub fn run<P: Provider>(
    provider: &P,
    references: &[P::Reference],
    patience: Option<Duration>,
    session: &mut Session,
) -> CommandResult {
    let builds = find_builds(provider, references, session)?;
    let Session { runtime, writer, .. } = session;
    let results = cancel_all(provider, &builds.iter().collect::<Vec<_>>(), patience.unwrap_or(PATIENCE), runtime);
    for (document, result) in writer.documents.iter_mut().zip(results) {
        let title = document.build.as_ref().map(|build| build.title.clone()).unwrap_or_default();
        if let CancelResult::Failed(error) = &result {
            let is_known = error.code() != ExitCode::NotFound;
            let failed = match error.hint() {
                _ if !is_known => error.clone(),
                hint => Error::new(error.code(), title, result.to_string()).with_optional_hint(hint),
            };
            runtime.console.error(&failed);
            document.fail(&failed);
            document.still_running = is_known;
        } else {
            let summary = format!("{title}: {result}");
            runtime.console.line(&summary);
            document.end(Outcome::Success, ExitCode::Success);
            document.still_running = false;
            document.summary = Some(summary);
        }
    }
    Ok(writer.worst())
}
