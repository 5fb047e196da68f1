//! Where text leaves the process: lines for people on stderr, data on stdout.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anstream::ColorChoice;
use anstyle::Style;
use serde::Serialize;

use super::json;
use super::progress::{ERASE_LINE, bar, columns, fit};
use super::qr_code::QrCode;
use super::table::Table;
use super::{events, style};
use crate::error::{Error, ExitCode};
use crate::lock::lock;
use crate::model::{DownloadEvent, Event};
use crate::sanitize::{one_line, sanitize, shorten};
use crate::secret::{Redactor, Secret};

/// What a line of remote text on stderr begins with, so that it can never pass for a line of this program, nor for a command that
/// a CI reads from its console (`::error`, `##vso[`).
pub(super) const REMOTE: &str = "| ";

/// The longest message or hint of an error, and the longest event, in characters: a screen line of a wide terminal, thrice.
const LONGEST_MESSAGE: usize = 600;

/// The longest of the other lines for people but those of a log, in characters: a path has up to 4096 bytes.
const LONGEST_LINE: usize = 5000;

/// How often a line is redrawn that says what a build does.
const LIVE_INTERVAL: Duration = Duration::from_secs(1);

/// How a call reports.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsoleSettings {
    /// When to use colors.
    pub color: ColorChoice,
    /// Errors and data only.
    pub quiet: bool,
}

/// The console of a call. Cheap to clone; clones write to the same streams and share the known secrets.
#[derive(Clone, Default)]
pub struct Console(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Known as soon as the command line is.
    settings: OnceLock<ConsoleSettings>,
    redactor: Redactor,
    /// A line that is redrawn stands on the terminal; any other text must replace it.
    live: AtomicBool,
    /// The first write to stdout that failed.
    stdout_error: Mutex<Option<io::Error>>,
}

impl Console {
    /// Sets how this call reports. Only the first call counts.
    pub fn configure(&self, settings: ConsoleSettings) {
        self.0.settings.get_or_init(|| settings);
    }

    /// The secrets of this process.
    pub fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    /// From now on `secret` is masked in every output.
    pub fn add_secret(&self, secret: &Secret) {
        self.0.redactor.add_secret(secret);
    }

    /// One line for people, of bounded length.
    pub fn line(&self, text: &str) {
        if !self.is_quiet() {
            self.write_styled("", Style::new(), &shorten(self.sanitize(text.as_bytes()), LONGEST_LINE));
        }
    }

    /// An error and its hint, each one line of bounded length.
    pub fn error(&self, error: &Error) {
        let (message, hint) = (self.message(&error.to_string()), error.hint().map(|hint| self.message(hint)));
        self.write_styled("cibridge: error: ", style::ERROR, &message);
        if let Some(hint) = hint {
            self.write_styled("hint: ", style::HINT, &hint);
        }
    }

    /// What was noticed while waiting for a build; `prefix` says which build it is about.
    pub fn event(&self, prefix: &str, event: &Event) {
        let text = self.message(&format!("{prefix}{}", events::describe(event)));
        if matches!(event, Event::Heartbeat { .. }) && is_live() {
            self.draw(&text);
        } else {
            self.line(&text);
        }
    }

    /// What was noticed while downloading.
    pub fn download(&self, event: &DownloadEvent) {
        match event {
            DownloadEvent::Progress(progress) if is_live() => self.draw(&bar(progress, columns())),
            event => self.line(&events::describe_download(event)),
        }
    }

    /// How often a download's progress is worth a report: a bar moves, a CI console keeps every line.
    pub fn progress_interval() -> Duration {
        if is_live() { Duration::from_millis(200) } else { Duration::from_secs(10) }
    }

    /// How often a heartbeat is worth a report where it redraws a line; nothing where it would be a line of its own.
    pub fn live_interval(&self) -> Option<Duration> {
        (is_live() && !self.is_quiet()).then_some(LIVE_INTERVAL)
    }

    /// The last lines of the log of `what`.
    pub fn log_tail(&self, what: &str, lines: &[String]) {
        self.line(&format!("last lines of the log of {what}:"));
        for line in lines {
            self.remote_line(line);
        }
    }

    /// One line of a remote log, for people.
    fn remote_line(&self, line: &str) {
        if !self.is_quiet() {
            self.write_line(&format!("{REMOTE}{line}"));
        }
    }

    /// One line of data. Failed writes are remembered, see [`Console::finish`].
    pub fn data(&self, text: &str) {
        let mut line = self.0.redactor.redact(&sanitize(text));
        line.push('\n');
        self.write_bytes(line.as_bytes());
    }

    /// Rows of data: a table with headings on a terminal, else lines with tabs.
    pub fn table(&self, table: &Table) {
        let terminal = io::stdout().is_terminal();
        if terminal && table.is_empty() {
            return self.line(&format!("no {} found", table.what()));
        }
        if !terminal {
            return table.lines().for_each(|line| self.data(&line));
        }
        let color = self.colors(&io::stdout());
        for line in table.aligned(|text| self.sanitize(text.as_bytes()), color) {
            // Sanitized cell by cell, because sanitizing would remove the colors.
            self.write_bytes(format!("{line}\n").as_bytes());
        }
    }

    /// A QR code for people; a terminal that is too narrow for it gets its width instead.
    pub fn qr_code(&self, what: &str, code: &QrCode) {
        let lines = code.lines();
        let width = lines[0].chars().count();
        if is_live() && width > columns() {
            return self.line(&format!("{what}: the QR code needs {width} columns; --qr-dir saves it as an image"));
        }
        for line in lines.iter().filter(|_| !self.is_quiet()) {
            self.write_styled(line, style::QR_CODE, "");
        }
    }

    /// One JSON document as data.
    pub fn json(&self, document: &impl Serialize) {
        self.erase();
        if let Err(error) = json::write_compact(document, &self.0.redactor, &mut DataStream) {
            self.stdout_failed(error);
        }
    }

    /// Bytes as data, as they are.
    pub fn write_bytes(&self, bytes: &[u8]) {
        self.erase();
        if let Err(error) = write_stdout(bytes) {
            self.stdout_failed(error);
        }
    }

    /// A secret that was just made, as data. That nobody reads it any more is an error, too. Fails with code 16.
    pub fn deliver(&self, bytes: &[u8]) -> Result<(), Error> {
        self.erase();
        write_stdout(bytes).map_err(|error| stdout_error(&error))
    }

    /// Whether stdout takes no more data, so that more need not be read for it.
    pub fn is_stdout_closed(&self) -> bool {
        lock(&self.0.stdout_error).is_some()
    }

    /// The failure of the call whose data could not be written. Nobody reading any more is none: `| head` is content.
    pub fn stdout_failure(&self) -> Option<Error> {
        let error = lock(&self.0.stdout_error);
        error.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe).map(stdout_error)
    }

    /// Ends the call: reports data that could not be written, and gives the exit code.
    pub fn finish(&self, code: ExitCode) -> ExitCode {
        self.erase();
        match self.stdout_failure() {
            Some(error) => {
                self.error(&error);
                if code == ExitCode::Success { error.code() } else { code }
            }
            None => code,
        }
    }

    /// Text with every known secret masked.
    pub fn redact(&self, text: &str) -> String {
        self.0.redactor.redact(text)
    }

    /// A piece of remote text made safe for a console, every known secret masked.
    pub fn sanitize(&self, text: &[u8]) -> String {
        self.redact(&sanitize(&String::from_utf8_lossy(text)))
    }

    /// Lines of a log as they go to stderr; see [`REMOTE`].
    pub(super) fn write_remote(&self, lines: &[u8]) {
        if !self.is_quiet() {
            self.erase();
            drop(io::stderr().lock().write_all(lines));
        }
    }

    /// An error's text: redacted while it is whole, then cut.
    fn message(&self, text: &str) -> String {
        shorten(self.redact(&one_line(&self.redact(text), usize::MAX)), LONGEST_MESSAGE)
    }

    fn write_line(&self, text: &str) {
        self.write_styled("", Style::new(), &self.sanitize(text.as_bytes()));
    }

    /// A line whose first words have a style. Whether somebody reads stderr decides about nothing.
    fn write_styled(&self, first: &str, style: Style, text: &str) {
        self.erase();
        let mut stderr = io::stderr().lock();
        let line =
            if self.colors(&stderr) { format!("{style}{first}{style:#}{text}\n") } else { format!("{first}{text}\n") };
        drop(stderr.write_all(line.as_bytes()).and_then(|()| stderr.flush()));
    }

    /// Draws a line that the next text replaces.
    fn draw(&self, text: &str) {
        if self.is_quiet() {
            return;
        }
        self.0.live.store(true, Ordering::Relaxed);
        let text = fit(self.sanitize(text.as_bytes()), columns());
        let mut stderr = io::stderr().lock();
        drop(write!(stderr, "{ERASE_LINE}{text}").and_then(|()| stderr.flush()));
    }

    fn erase(&self) {
        if self.0.live.swap(false, Ordering::Relaxed) {
            let mut stderr = io::stderr().lock();
            drop(stderr.write_all(ERASE_LINE.as_bytes()).and_then(|()| stderr.flush()));
        }
    }

    /// Whether a stream gets colors: as asked, else on a terminal that has them, unless `NO_COLOR` is set.
    fn colors(&self, stream: &impl anstream::stream::RawStream) -> bool {
        match self.0.settings.get().copied().unwrap_or_default().color {
            ColorChoice::Auto => anstream::AutoStream::choice(stream) != ColorChoice::Never,
            choice => choice != ColorChoice::Never,
        }
    }

    fn is_quiet(&self) -> bool {
        self.0.settings.get().is_some_and(|settings| settings.quiet)
    }

    fn stdout_failed(&self, error: io::Error) {
        lock(&self.0.stdout_error).get_or_insert(error);
    }
}

/// Stdout as a stream, see [`write_stdout`].
struct DataStream;

impl Write for DataStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_stdout(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to stdout. A descriptor that is not open for writing is an error, too: `Stdout` takes it for no stdout at all
/// (`handle_ebadf` in library/std/src/io/stdio.rs at 1.95.0).
fn write_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    #[cfg(unix)]
    if rustix::fs::fcntl_getfl(&stdout)? & rustix::fs::OFlags::RWMODE == rustix::fs::OFlags::RDONLY {
        return Err(rustix::io::Errno::BADF.into());
    }
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn stdout_error(error: &io::Error) -> Error {
    Error::local("stdout", error)
}

/// Whether stderr is a terminal that can redraw a line.
fn is_live() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_redacted_before_it_is_cut() {
        let console = Console::default();
        console.add_secret(&Secret::new("0123456789abcdef"));
        let message = console.message(&format!("{}0123456789abcdef\nmore", "x".repeat(LONGEST_MESSAGE - 10)));
        assert!(!message.contains("0123") && message.chars().count() == LONGEST_MESSAGE, "{message}");
        assert_eq!(console.message("a 0123\u{1b}[31m456789abcdef"), "a ********");
    }

    #[test]
    fn data_that_nobody_reads_is_no_failure_and_a_full_disk_is() {
        for (kind, code) in
            [(io::ErrorKind::BrokenPipe, ExitCode::Success), (io::ErrorKind::StorageFull, ExitCode::Local)]
        {
            let console = Console::default();
            assert!(!console.is_stdout_closed());
            console.stdout_failed(kind.into());
            assert!(console.is_stdout_closed());
            assert_eq!(console.finish(ExitCode::Success), code);
            assert_eq!(console.finish(ExitCode::Failed), ExitCode::Failed);
        }
    }
}
