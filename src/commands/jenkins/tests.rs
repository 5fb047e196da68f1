//! `jenkins tests`: the counts and failures of a build's test report.

use serde_json::json;

use super::reach_build;
use crate::cli::TestsArgs;
use crate::commands::{Context, ResultWriter, with_retries};
use crate::document::Outcome;
use crate::error::ExitCode;

pub(super) fn run(args: &TestsArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let (client, job, number) = reach_build(&args.build, context)?;
    let tests = with_retries(&*context.clock, || client.tests(&job, number))?;
    let failures = tests.failures;
    if !context.output.json {
        let (passed, failed, skipped) = (tests.passed, tests.failed, tests.skipped);
        context.console.data(&format!("{passed} passed, {failed} failed, {skipped} skipped"));
        for (name, details) in &failures {
            let details = details.as_ref().map(|details| format!(": {details}")).unwrap_or_default();
            context.console.data(&format!("failed: {name}{details}"));
        }
    }
    let failures: Vec<_> = failures.iter().map(|(name, details)| json!({"name": name, "message": details})).collect();
    let counts = [("passed", tests.passed), ("failed", tests.failed), ("skipped", tests.skipped)];
    publication.call.more.extend(counts.map(|(name, count)| (name.to_owned(), json!(count))));
    publication.call.more.insert("failures".to_owned(), json!(failures));
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}
