//! `status`: the state of builds, in one poll each.

use std::io::{self, IsTerminal as _};

use crate::document::Outcome;
use crate::error::{Error, ExitCode};
use crate::lifecycle::Provider;
use crate::model::{Event, Phase};
use crate::output::{Cell, Table};

use super::named_builds::documents;
use super::session::{CommandResult, Session};

pub fn run<P: Provider>(provider: &P, references: &[P::Reference], session: &mut Session) -> CommandResult {
    let mut builds = references.iter().map(|reference| provider.build(reference)).collect::<Result<Vec<_>, Error>>()?;
    session.writer.several = builds.len() > 1;
    session.writer.documents = documents(provider, &builds);
    let mut table = Table::new("builds", &["id", "number", "status", "url"]);
    for (index, build) in builds.iter_mut().enumerate() {
        session.runtime.with_retries(|| provider.resolve(build))?;
        let seen = session.runtime.with_retries(|| provider.poll(build))?;
        provider.take_notes(build).iter().for_each(|note| session.console().line(note));
        let document = &mut session.writer.documents[index];
        document.steps = session.runtime.with_retries(|| provider.steps(build)).unwrap_or_default();
        let shown = &seen.build;
        table.row(vec![
            Cell::text(&shown.id),
            Cell::optional(shown.number),
            Cell::state(&shown.status),
            Cell::text(&shown.url),
        ]);
        let summary = format!("{}: {}", shown.title, shown.status);
        match seen.phase {
            Phase::Ended(code) => {
                document.end(Outcome::of(code), code);
                document.still_running = false;
            }
            Phase::Queued | Phase::Running => document.end(Outcome::Running, ExitCode::Success),
        }
        document.summary = Some(summary);
        document.build = Some(seen.build);
        document.artifacts = seen.artifacts;
    }
    session.table(&table);
    // A person who asks about one build wants to know how far it is, or what failed.
    if let ([document], true) = (&*session.writer.documents, io::stdout().is_terminal() && !session.is_json()) {
        document.steps.iter().for_each(|step| session.console().event("", &Event::Step(step.clone())));
    }
    Ok(session.writer.worst())
}
