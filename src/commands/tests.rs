//! `tests`: what the tests of a build said, in words or as `JUnit` XML.

use crate::cli::TestsArgs;
use crate::document::Outcome;
use crate::error::ExitCode;
use crate::lifecycle::Provider;
use crate::lifecycle::collect::{check_junit, failure_lines, note_tests, sentence, write_junit};
use crate::model::Phase;

use super::session::Session;
use super::waiting::documents;

/// Checks that this machine can do it, before anything remote happens.
pub fn check(args: &TestsArgs) -> anyhow::Result<()> {
    args.junit.as_deref().map_or(Ok(()), check_junit)
}

pub fn run<P: Provider>(
    provider: &P,
    reference: &P::Reference,
    args: &TestsArgs,
    session: &mut Session,
) -> anyhow::Result<ExitCode> {
    let mut build = provider.build(reference)?;
    session.runtime.with_retries(|| provider.resolve(&mut build))?;
    session.writer.documents = documents(provider, std::slice::from_ref(&build));
    let seen = session.runtime.with_retries(|| provider.poll(&mut build))?;
    session.writer.documents[0].still_running = !matches!(seen.phase, Phase::Ended(_));
    session.writer.documents[0].build = Some(seen.build);
    let report = session.with_retries(|| provider.tests(&build))?;
    match &args.junit {
        Some(path) => write_junit(path, &report.suites, session.console())?,
        None if report.is_empty() => session.console().line("no test results"),
        None => {}
    }
    if !report.is_empty() {
        failure_lines(&report).for_each(|line| session.data(&line));
        session.data(&sentence(&report));
    }
    let junit = args.junit.as_deref().filter(|_| !report.suites.is_empty());
    let document = &mut session.writer.documents[0];
    note_tests(&report, junit, document);
    document.end(Outcome::Success, ExitCode::Success);
    document.summary = Some(sentence(&report));
    Ok(session.writer.worst())
}
