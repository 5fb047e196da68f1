//! `codemagic tests`: what the tests of a build said, in words or as XML.

use super::{client, collecting, insist, placeholders};
use crate::cli::TestsArgs;
use crate::commands::{Context, Publication};
use crate::error::Code;
use crate::model::Outcome;

pub(super) fn run(args: &TestsArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    publication.documents = placeholders(std::slice::from_ref(&args.build))?;
    let document = &mut publication.documents[0];
    let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
    if let Some(path) = &args.junit {
        collecting::check_junit(path)?;
    }
    let client = client(&args.connection, &args.output, context)?;
    let suites = insist(&*context.clock, || client.test_results(&id))?;
    match &args.junit {
        Some(path) => collecting::write_junit(path, &suites, context)?,
        None if suites.is_empty() => context.report.line("no test results"),
        None => {}
    }
    if !args.output.json && !suites.is_empty() {
        for line in collecting::bad_ones(&suites) {
            context.report.data(&line);
        }
        context.report.data(&collecting::sentence(&suites));
    }
    collecting::note_tests(&suites, args.junit.as_deref().filter(|_| !suites.is_empty()), document);
    document.end(Outcome::Success, Code::Success);
    Ok(publication.worst())
}
