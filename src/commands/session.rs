//! What a call has: console, clock and interrupt, how it reports, how it connects, and its result document.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::{HttpArgs, OutputArgs};
use crate::document::{Details, Document, Outcome};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Credential, Http, HttpOptions, RequestLogger};
use crate::lenient;
use crate::lifecycle::Runtime;
use crate::model::{BuildSnapshot, Phase};
use crate::output::{Console, Table};

use super::result_writer::ResultWriter;

/// How a verb ends: with the code of the call, or with the error that ended it.
pub type CommandResult = Result<ExitCode, Error>;

/// The time for the last poll of a build, which may have ended when the limit of the call passes.
const LAST_POLL: Duration = Duration::from_secs(2);

/// What a call has.
pub struct Session {
    /// Console, clock, interrupt and time limit.
    pub runtime: Runtime,
    /// The result document.
    pub writer: ResultWriter,
    output: OutputArgs,
    http: HttpArgs,
}

impl Session {
    /// A session that has done nothing yet.
    pub fn new(runtime: Runtime, output: OutputArgs, http: HttpArgs, writer: ResultWriter) -> Self {
        Self { runtime, writer, output, http }
    }

    /// Checks what can be checked before anything remote happens.
    pub fn prepare(&mut self) -> Result<(), Error> {
        // An older binary may not know what a newer library asks for, so this comes first.
        let is_new_enough = self.output.require_version.as_deref().map_or(Ok(()), require_version);
        if let Some(path) = &self.output.result_file {
            self.writer.check_file(path, &self.runtime.console)?;
        }
        self.writer.arm(self.output.json);
        is_new_enough?;
        self.output.locale_probe.as_deref().map_or(Ok(()), require_unchanged)
    }

    /// Ends the call: reports an error, completes the document, writes and prints it, and gives the exit code.
    pub fn finish(&mut self, result: Result<ExitCode, Error>) -> ExitCode {
        match result {
            Ok(code) => self.publish(code),
            Err(error) => {
                self.runtime.console.error(&error);
                self.finish_after(&error)
            }
        }
    }

    /// Ends a call whose error was reported already.
    pub fn finish_after(&mut self, error: &Error) -> ExitCode {
        self.writer.fail(error);
        self.publish(error.code())
    }

    fn publish(&mut self, code: ExitCode) -> ExitCode {
        let console = self.runtime.console.clone();
        self.writer.disarm();
        let left_out = lenient::left_out();
        if left_out > 0 {
            console.line(&format!("a list is too long to be read whole: at least {left_out} entries are left out"));
            self.writer.note_left_out(left_out);
        }
        self.writer.complete();
        if self.output.json {
            self.writer.print(&console);
        }
        let mut code = code;
        // The file says what the process says: `main` reports data that could not be written and ends with its code.
        if let Some(error) = console.stdout_failure().filter(|_| code == ExitCode::Success) {
            self.writer.fail_after_success(&error);
            code = error.code();
        }
        match self.writer.write() {
            Ok(()) => code,
            Err(error) => {
                console.error(&error);
                if code == ExitCode::Success { error.code() } else { code }
            }
        }
    }

    pub fn console(&self) -> &Console {
        &self.runtime.console
    }

    /// Whether stdout is for the JSON document alone.
    pub fn is_json(&self) -> bool {
        self.output.json
    }

    /// One line of data on stdout, unless that is for the JSON document.
    pub fn data(&self, text: &str) {
        if !self.output.json {
            self.runtime.console.data(text);
        }
    }

    /// Rows of data on stdout, unless that is for the JSON document.
    pub fn table(&self, table: &Table) {
        if !self.output.json {
            self.runtime.console.table(table);
        }
    }

    /// The document of the only build.
    pub fn document(&mut self) -> &mut Document {
        &mut self.writer.documents[0]
    }

    /// Notes in the document of the only build what it is now.
    pub fn note_build(&mut self, seen: BuildSnapshot) {
        let document = self.document();
        document.still_running = !matches!(seen.phase, Phase::Ended(_));
        document.build = Some(seen.build);
    }

    /// Ends a call that was about no build with what it was asked for.
    pub fn succeed_with(&mut self, details: Details) -> ExitCode {
        self.writer.call.details = Some(details);
        self.writer.succeed()
    }

    /// Ends the document of the only build, which was found and read as asked.
    pub fn succeed_with_build(&mut self) -> ExitCode {
        self.document().end(Outcome::Success, ExitCode::Success);
        self.writer.worst()
    }

    /// Sends a request again while its error is retryable; see [`Runtime::with_retries`].
    pub fn with_retries<T>(&self, request: impl FnMut() -> Result<T, RequestError>) -> Result<T, Error> {
        self.runtime.with_retries(request)
    }

    /// Sets the time limit of the whole call, of which earlier calls have used `waited`.
    pub fn limit(&mut self, timeout: Option<Duration>, waited: Duration) {
        let left = timeout.map(|limit| limit.saturating_sub(waited));
        self.runtime.deadline = left.map(|left| self.runtime.clock.now() + left);
        self.runtime
            .interrupt
            .set_deadline(left.and_then(|left| Instant::now().checked_add(left.saturating_add(LAST_POLL))));
    }

    /// The settings of connections to a service that closes idle ones after `keep_idle`.
    pub fn http_options(&self, keep_idle: Duration) -> HttpOptions {
        HttpOptions {
            ca_cert: self.http.ca_cert.clone(),
            client_cert: None,
            client_key: None,
            keep_idle,
            connect_timeout: self.http.connect_timeout,
            answer_timeout: self.http.answer_timeout,
            allow_http: self.http.allow_http,
        }
    }

    /// Connections with these credentials.
    pub fn connections(&self, options: HttpOptions, credentials: Vec<Credential>) -> Http {
        let console = self.runtime.console.clone();
        let log = self.output.verbose.then(|| Arc::new(move |line: &str| console.line(line)) as RequestLogger);
        Http::new(options, credentials, self.runtime.interrupt.clone(), log)
    }
}

/// Refuses to run as a binary that is older than the one that is needed.
pub fn require_version(wanted: &str) -> Result<(), Error> {
    let own = env!("CARGO_PKG_VERSION");
    let numbers = |text: &str| text.split('.').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    let Some(required) = numbers(wanted).filter(|numbers| numbers.len() == 3) else {
        return Err(Error::usage(format!("--require-version {wanted}"), "not a valid version (expected X.Y.Z)"));
    };
    if numbers(own).is_some_and(|own| own < required) {
        return Err(Error::message(
            ExitCode::Usage,
            format!("this cibridge {own} is older than {wanted}, which is needed"),
        )
        .with_hint(install(wanted)));
    }
    Ok(())
}

/// Refuses values in which Java has replaced characters. On an agent in a POSIX locale it does so with all that are not
/// ASCII, and the `?` that it puts in their place is a pattern: `Ä*` would mean every file.
fn require_unchanged(probe: &OsStr) -> Result<(), Error> {
    if probe == "ü" {
        return Ok(());
    }
    let error = Error::message(ExitCode::Usage, "this agent replaces characters that are not ASCII in the environment");
    Err(error.with_hint("start its Java in a UTF-8 locale, e.g. with LC_ALL=C.UTF-8"))
}

/// Where a version is, and the sums to compare a download with.
fn install(version: &str) -> String {
    let releases = concat!(env!("CARGO_PKG_REPOSITORY"), "/releases");
    format!(
        "install cibridge {version} on this machine from {releases}/tag/v{version} (sums: {releases}/download/v{version}/SHA256SUMS)"
    )
}
