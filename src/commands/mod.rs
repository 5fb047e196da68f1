//! The commands: one file for each verb, which wires the rooms below together.
//!
//! What every command shares stands here: its surroundings, and the one place where an end of any kind becomes a
//! result document, console lines and an exit code.

mod codemagic;
mod fetching;
mod jenkins;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::{
    Cli, CodemagicConnectionArgs, Command, ExpectArgs, HttpArgs, JenkinsConnectionArgs, OnInput, OutputArgs,
    UsageError, WatchArgs,
};
use crate::clock::{Clock, Interrupt};
use crate::document::{Document, Outcome, SCHEMA, Several, severity};
use crate::error::{Error, ExitCode, RequestError};
use crate::files;
use crate::http::retry;
use crate::model::{BuildSnapshot, Phase};
use crate::output::{Console, ResultFile};
use crate::panics;

/// What a command is given by `main`.
pub struct Context {
    /// Where text goes.
    pub console: Console,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The request to end, for connections to register with.
    pub interrupt: Interrupt,
    /// How to report.
    pub output: OutputArgs,
    /// How to connect.
    pub http: HttpArgs,
    /// How to reach Codemagic.
    pub codemagic: Option<CodemagicConnectionArgs>,
    /// How to reach Jenkins.
    pub jenkins: Option<JenkinsConnectionArgs>,
}

impl Context {
    fn codemagic(&self) -> &CodemagicConnectionArgs {
        self.codemagic.as_ref().expect("a verb of Codemagic")
    }

    fn jenkins(&self) -> &JenkinsConnectionArgs {
        self.jenkins.as_ref().expect("a verb of Jenkins")
    }
}

/// How builds are watched.
struct FollowArgs {
    watch: WatchArgs,
    expect: Option<ExpectArgs>,
    on_input: OnInput,
    no_cancel: bool,
}

impl std::ops::Deref for FollowArgs {
    type Target = WatchArgs;

    fn deref(&self) -> &WatchArgs {
        &self.watch
    }
}

/// Runs the command that the command line names, and gives the exit code.
pub fn run(cli: &Cli, context: &Context) -> ExitCode {
    match &cli.command {
        Command::Codemagic(args) => codemagic::run(&args.verb, context),
        Command::Jenkins(args) => jenkins::run(&args.verb, context),
        Command::Completions(_) => ExitCode::Success,
    }
}

/// The result document of a call, with its file.
struct ResultWriter {
    provider: &'static str,
    /// One document a build; none before the first build is known.
    documents: Vec<Document>,
    /// The document lists builds, even if it is one: the call was about several.
    several: bool,
    /// What is said about the call as a whole.
    call: Document,
    file: Option<ResultFile>,
}

impl ResultWriter {
    /// Replaces the result file, if there is one, with the document as it is now.
    fn publish(&self) -> Result<(), Error> {
        match &self.file {
            Some(file) if self.several => file.write(&self.list()),
            Some(file) => file.write(self.single()),
            None => Ok(()),
        }
    }

    /// The same while the call goes on. A full disk is told, but the build that was started is not left alone for it;
    /// the write at the end decides about the exit code.
    fn write_partial(&self, report: &Console) {
        let Some(file) = &self.file else { return };
        let written = if self.several { file.write_partial(&self.list()) } else { file.write_partial(self.single()) };
        if let Err(error) = written {
            report.error(&error);
        }
    }

    fn single(&self) -> &Document {
        self.documents.first().unwrap_or(&self.call)
    }

    fn list(&self) -> Several {
        Several {
            schema: SCHEMA,
            provider: self.provider,
            outcome: self.call.outcome,
            exit_code: self.call.exit_code,
            severity: self.call.severity,
            call_failed: self.call.call_failed,
            summary: self.call.summary.clone(),
            builds: self.documents.clone(),
            error: self.call.error.clone(),
        }
    }

    /// Notes a failure of the call: in its own document, and in that of a build that has no end yet.
    fn fail(&mut self, failure: &Error) {
        self.call.fail(failure);
        for document in self.documents.iter_mut().filter(|document| document.exit_code.is_none()) {
            document.fail(failure);
        }
    }

    /// The worst end of all builds becomes the call's.
    fn worst(&mut self) -> ExitCode {
        // A build that goes on has no bad end, and is no good end either.
        let worse = |end: &(ExitCode, Outcome)| (severity(end.0), end.1 == Outcome::Running);
        let ends = self.documents.iter().filter_map(|document| Some((document.exit_code?, document.outcome)));
        let (code, outcome) = ends.max_by_key(worse).unwrap_or((ExitCode::Success, Outcome::Success));
        self.call.end(outcome, code);
        code
    }
}

/// Runs `work` on a fresh document; then, however it ended, prints the error, completes the document and publishes it.
fn conclude(
    provider: &'static str,
    context: &Context,
    work: &mut dyn FnMut(&mut ResultWriter) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    let (report, output) = (&context.console, &context.output);
    let mut publication =
        ResultWriter { provider, documents: Vec::new(), several: false, call: Document::new(provider), file: None };
    let result = prepare(output, report, &mut publication).and_then(|()| panics::catch(|| work(&mut publication))?);
    let code = match result {
        Ok(code) => code,
        Err(error) => {
            let failure = failure(&error);
            // A bug was reported when it happened.
            if failure.code() != ExitCode::InternalError {
                report.error(&failure);
            }
            publication.fail(&failure);
            failure.code()
        }
    };
    let published = publication.publish();
    match output.json {
        true if publication.several => report.json(&publication.list()),
        true => report.json(publication.single()),
        false => {}
    }
    match published {
        Ok(()) => code,
        Err(error) => {
            report.error(&error);
            if code == ExitCode::Success { error.code() } else { code }
        }
    }
}

/// Checks what can be checked before anything remote happens.
fn prepare(output: &OutputArgs, report: &Console, publication: &mut ResultWriter) -> anyhow::Result<()> {
    publication.file =
        output.result_file.as_deref().map(|path| ResultFile::check(path, report.redactor())).transpose()?;
    if let Some(wanted) = &output.require_version {
        require_version(wanted)?;
    }
    Ok(())
}

/// Ends a call whose command line cannot be used.
pub fn refuse(usage: &UsageError, console: &Console) -> ExitCode {
    let outdated = usage.require_version.as_deref().and_then(|wanted| require_version(wanted).err());
    let error = outdated.as_ref().unwrap_or(&usage.error);
    console.error(error);
    let mut document = Document::new(usage.provider.unwrap_or("codemagic"));
    document.fail(error);
    if usage.json {
        console.json(&document);
    }
    if let Some(path) = &usage.result_file {
        // There is nothing better to end with than the code of the first failure.
        drop(ResultFile::check(path, console.redactor()).and_then(|file| file.write(&document)));
    }
    error.code()
}

fn require_version(wanted: &str) -> Result<(), Error> {
    let own = env!("CARGO_PKG_VERSION");
    let numbers = |text: &str| text.split('.').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    let Some(required) = numbers(wanted) else {
        return Err(Error::usage(format!("--require-version {wanted}"), "is no version like 1.2.3"));
    };
    if numbers(own).is_some_and(|own| own < required) {
        return Err(Error::usage(format!("this cibridge {own}"), format!("is older than the {wanted} that is needed"))
            .with_hint("install the newer cibridge on this machine"));
    }
    Ok(())
}

/// The failure behind an error; what no room called a failure is a fault of this machine.
fn failure(error: &anyhow::Error) -> Error {
    error.downcast_ref::<Error>().cloned().unwrap_or_else(|| {
        let (what, why) =
            (error.to_string(), error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": "));
        if why.is_empty() {
            let (what, why) = what.split_once(": ").unwrap_or(("this machine", &what));
            return Error::new(ExitCode::Local, what, why);
        }
        Error::new(ExitCode::Local, what, why)
    })
}

/// Refuses an idempotency key that a label or parameter cannot carry, or that nobody can have meant.
fn check_key(key: &str) -> Result<(), Error> {
    if key.trim().is_empty() || key.len() > 200 || key.contains(char::is_control) {
        return Err(Error::usage(
            format!("the idempotency key {key:?}"),
            "is empty, longer than 200 bytes or holds control characters",
        )
        .with_hint("in Jenkins, env.BUILD_TAG is a good one"));
    }
    Ok(())
}

/// Asks again while the fault is a passing one and a few tries are left.
fn with_retries<T>(clock: &dyn Clock, mut ask: impl FnMut() -> Result<T, RequestError>) -> Result<T, Error> {
    let mut attempt = 0;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(miss) => await_next_try(clock, miss, &mut attempt)?,
        }
    }
}

/// Pauses before the next try, or gives the failure when there is to be none.
#[cold]
#[inline(never)]
fn await_next_try(clock: &dyn Clock, miss: RequestError, attempt: &mut u32) -> Result<(), Error> {
    *attempt += 1;
    if let Some(code) = clock.interrupted() {
        return Err(miss.error.with_code(code, "ended by a signal"));
    }
    match retry::pause(*attempt, miss.retry_after, fastrand::f64()).filter(|_| miss.retryable) {
        Some(pause) => clock.sleep(pause),
        None => return Err(miss.error),
    }
    Ok(())
}

/// Notes a failure after a build's end: it decides how a good build's call ends, or a signal anyone's.
fn settle(document: &mut Document, failure: &Error, report: &Console) {
    report.error(failure);
    let signal = matches!(failure.code(), ExitCode::Interrupted | ExitCode::Terminated);
    if signal || matches!(document.outcome, Outcome::Success | Outcome::Unstable) {
        document.fail(failure);
    } else {
        document.error.get_or_insert(failure.into());
    }
}

/// Ends each build of a call by itself, told in a line. One that cannot be ended must not keep the others running.
fn end_each(
    publication: &mut ResultWriter,
    report: &Console,
    end: &mut dyn FnMut(usize, &Document) -> Result<String, Error>,
) -> ExitCode {
    for (n, document) in publication.documents.iter_mut().enumerate() {
        match end(n, document) {
            Ok(done) => {
                report.line(&done);
                document.end(Outcome::Success, ExitCode::Success);
            }
            Err(failure) => {
                report.error(&failure);
                document.fail(&failure);
            }
        }
    }
    publication.worst()
}

/// Notes in `document` where a build stands that was looked at once.
fn record_snapshot(seen: BuildSnapshot, output: &OutputArgs, report: &Console, document: &mut Document) {
    match seen.phase {
        Phase::Ended(code) => document.end(Outcome::of(code), code),
        Phase::Queued | Phase::Running => document.end(Outcome::Running, ExitCode::Success),
    }
    if !output.json {
        report.data(&format!("{} {} {}", seen.build.id, seen.build.status, seen.build.url));
    }
    document.build = Some(seen.build);
    document.artifacts = seen.artifacts;
}

/// Reads a secret from a file that nobody but its owner can use, or from stdin for `-`.
fn secret_file(path: &Path, name: &str) -> anyhow::Result<String> {
    Ok(files::read_secret(path, &format!("{name} file {}", path.display()))?)
}
