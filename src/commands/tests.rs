//! `tests`: shows the test results of a build, or writes them as `JUnit` XML.

use crate::cli::TestsArgs;
use crate::error::Error;
use crate::lifecycle::Provider;
use crate::lifecycle::test_results::{
    JunitFile, MOST_FAILURES, check_junit, counts_in_words, failure_lines, note_tests,
};

use super::named_builds::find_build;
use super::session::{CommandResult, Session};

/// Checks that this machine can do it, before anything remote happens.
pub fn check(args: &TestsArgs) -> Result<(), Error> {
    args.junit.as_deref().map_or(Ok(()), check_junit)
}

pub fn run<P: Provider>(
    provider: &P,
    reference: &P::Reference,
    args: &TestsArgs,
    session: &mut Session,
) -> CommandResult {
    let mut build = find_build(provider, reference, session)?;
    let report = session.with_retries(|| provider.tests(&build))?;
    match session.with_retries(|| provider.poll(&mut build)) {
        Ok(seen) => session.note_build(seen),
        // The results are what was asked for; but without any there may be no such build.
        Err(error) if !report.is_empty() && session.runtime.clock.interrupted().is_none() => {
            session.console().line(&format!("the state of the build is unknown: {error}"));
        }
        Err(error) => return Err(error),
    }
    match &args.junit {
        Some(path) => {
            let mut junit = JunitFile::new(path, session.console());
            junit.add(&report, None);
            junit.finish()?;
        }
        None if report.is_empty() => session.console().line("no test results"),
        None => {}
    }
    if !report.is_empty() {
        failure_lines(&report).for_each(|line| session.data(&line));
        session.data(&counts_in_words(&report.counts));
    }
    let document = &mut session.writer.documents[0];
    note_tests(&report, args.junit.as_deref(), MOST_FAILURES, document, &session.runtime.console);
    document.summary = Some(counts_in_words(&report.counts));
    Ok(session.succeed_with_build())
}
