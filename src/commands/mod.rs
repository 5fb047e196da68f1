//! The verbs: one file each, for both systems where the verb is the same.
//!
//! Here the command line is taken apart once, and the end of every call, of whatever kind, becomes a result document,
//! lines for people and an exit code.

mod api;
mod artifacts;
mod builds;
mod cancel;
mod check;
mod codemagic;
mod jenkins;
mod log_sink;
mod logs;
mod named_builds;
mod request_file;
mod result_writer;
mod session;
mod status;
mod tests;
mod trigger;
mod wait;
mod wait_for_builds;

use crate::cli::{Cli, CodemagicArgs, CodemagicVerb, Command, JenkinsArgs, JenkinsVerb, TokenVerb, UsageError};
use crate::error::{Error, ExitCode};
use crate::lifecycle::Runtime;
use crate::output::Console;
use crate::panics;
pub use result_writer::LastResort;
use result_writer::ResultWriter;
use session::{CommandResult, Session};

/// Runs the verb that the command line names, and gives the exit code.
///
/// `last_resort` has the document for whoever has to end the process while this is stuck. Where `signals` failed, a signal
/// would leave builds behind, so nothing is begun.
pub fn run(cli: Cli, runtime: Runtime, last_resort: LastResort, signals: Result<(), Error>) -> ExitCode {
    let Cli { output, http, command } = cli;
    let provider = match command {
        Command::Codemagic(_) => "codemagic",
        Command::Jenkins(_) => "jenkins",
        // Printed by the parser.
        Command::Completions(_) => return ExitCode::Success,
    };
    let mut session = Session::new(runtime, output, http, ResultWriter::new(provider, last_resort));
    // A panic unwinds to here; on its way it has canceled the build that this call owns.
    let result = panics::catch(|| {
        session.prepare()?;
        signals?;
        match &command {
            Command::Codemagic(args) => codemagic_verb(args, &mut session),
            Command::Jenkins(args) => jenkins_verb(args, &mut session),
            Command::Completions(_) => Ok(ExitCode::Success),
        }
    });
    match result {
        Ok(result) => session.finish(result),
        Err(bug) => session.finish_after(&bug),
    }
}

/// Ends a call whose command line cannot be used.
pub fn refuse(usage: UsageError, console: &Console) -> ExitCode {
    let mut writer = ResultWriter::new(usage.provider.unwrap_or("codemagic"), LastResort::default());
    // What this version does not know may be what a newer library asks for.
    let version = usage.require_version.as_deref().map_or(Ok(()), session::require_version);
    let error = version.err().unwrap_or(usage.error);
    console.error(&error);
    writer.fail(&error);
    if let Some(path) = &usage.result_file {
        // There is nothing better to end with than the code of the first error.
        drop(writer.check_file(path, console).and_then(|()| writer.write()));
    }
    if usage.json {
        writer.print(console);
    }
    error.code()
}

fn codemagic_verb(args: &CodemagicArgs, session: &mut Session) -> CommandResult {
    let connection = &args.connection;
    match &args.verb {
        CodemagicVerb::Trigger(args) => trigger::codemagic(args, connection, session),
        CodemagicVerb::Wait(args) => wait::codemagic(args, connection, session),
        CodemagicVerb::Status(args) => {
            let builds = codemagic::references(args)?;
            status::run(&codemagic::connect(connection, session)?, &builds, session)
        }
        CodemagicVerb::Cancel(args) => {
            let builds = codemagic::references(args)?;
            cancel::run(&codemagic::connect(connection, session)?, &builds, None, session)
        }
        CodemagicVerb::Builds(args) => builds::codemagic(args, connection, session),
        CodemagicVerb::Artifacts(args) => {
            let build = codemagic::reference(&args.artifacts.build, &args.filter)?;
            artifacts::check(&args.artifacts)?;
            artifacts::run(&codemagic::connect(connection, session)?, &build, &args.artifacts, session)
        }
        CodemagicVerb::Logs(args) => logs::codemagic(args, connection, session),
        CodemagicVerb::Tests(args) => {
            let build = codemagic::reference(&args.tests.build, &args.filter)?;
            tests::check(&args.tests)?;
            tests::run(&codemagic::connect(connection, session)?, &build, &args.tests, session)
        }
        CodemagicVerb::Share(args) => codemagic::share::run(args, connection, session),
        CodemagicVerb::Apps => codemagic::apps::apps(connection, session),
        CodemagicVerb::Workflows(args) => codemagic::apps::workflows(args, connection, session),
        CodemagicVerb::Caches(args) => codemagic::caches::run(args, connection, session),
        CodemagicVerb::Api(args) => api::codemagic(args, connection, session),
        CodemagicVerb::Check(args) => check::codemagic(args, connection, session),
    }
}

fn jenkins_verb(args: &JenkinsArgs, session: &mut Session) -> CommandResult {
    let connection = &args.connection;
    match &args.verb {
        JenkinsVerb::Trigger(args) => trigger::jenkins(args, connection, session),
        JenkinsVerb::Wait(args) => wait::jenkins(args, connection, session),
        JenkinsVerb::Status(args) => {
            let (provider, builds) = jenkins::connect_to_builds(args, connection, session)?;
            status::run(&provider, &builds, session)
        }
        JenkinsVerb::Console(args) => logs::jenkins(args, connection, session),
        JenkinsVerb::Stop(args) => {
            let (provider, builds) = jenkins::connect_to_builds(&args.builds, connection, session)?;
            cancel::run(&provider, &builds, Some(args.stop_wait), session)
        }
        JenkinsVerb::Input(args) => jenkins::input::run(args, connection, session),
        JenkinsVerb::Params(args) => jenkins::params::run(args, connection, session),
        JenkinsVerb::Jobs(args) => jenkins::jobs_and_queue::jobs(args, connection, session),
        JenkinsVerb::Builds(args) => builds::jenkins(args, connection, session),
        JenkinsVerb::Queue => jenkins::jobs_and_queue::queue(connection, session),
        JenkinsVerb::Artifacts(args) => {
            artifacts::check(args)?;
            let (provider, build) = jenkins::connect_to_build(&args.build, connection, session)?;
            artifacts::run(&provider, &build, args, session)
        }
        JenkinsVerb::Tests(args) => {
            tests::check(args)?;
            let (provider, build) = jenkins::connect_to_build(&args.build, connection, session)?;
            tests::run(&provider, &build, args, session)
        }
        JenkinsVerb::Config(args) => jenkins::config::run(args, connection, session),
        JenkinsVerb::Token(args) => match &args.verb {
            TokenVerb::Create(args) => jenkins::token::create(args, connection, session),
            TokenVerb::Rotate(args) => jenkins::token::rotate(args, connection, session),
            TokenVerb::Revoke(args) => jenkins::token::revoke(args, connection, session),
        },
        JenkinsVerb::Api(args) => api::jenkins(args, connection, session),
        JenkinsVerb::Check(args) => check::jenkins(args, connection, session),
    }
}
