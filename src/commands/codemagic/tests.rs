//! `codemagic tests`: what the tests of a build said, in words or as XML.

use super::{client, collecting, placeholders, watched, with_retries};
use crate::cli::TestsArgs;
use crate::commands::{Context, ResultWriter};
use crate::document::Outcome;
use crate::error::ExitCode;
use crate::lifecycle::Provider as _;

pub(super) fn run(args: &TestsArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(std::slice::from_ref(&args.build))?;
    let document = &mut publication.documents[0];
    let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
    if let Some(path) = &args.junit {
        collecting::check_junit(path)?;
    }
    let client = client(context)?;
    let build = watched(&client, &id)?;
    let suites = with_retries(&*context.clock, || client.tests(&build))?.suites;
    match &args.junit {
        Some(path) => collecting::write_junit(path, &suites, context)?,
        None if suites.is_empty() => context.console.line("no test results"),
        None => {}
    }
    if !context.output.json && !suites.is_empty() {
        for line in collecting::bad_ones(&suites) {
            context.console.data(&line);
        }
        context.console.data(&collecting::sentence(&suites));
    }
    collecting::note_tests(&suites, args.junit.as_deref().filter(|_| !suites.is_empty()), document);
    document.end(Outcome::Success, ExitCode::Success);
    Ok(publication.worst())
}
