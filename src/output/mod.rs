//! Everything that leaves the process as text: lines for people on stderr, data on stdout, the result file.
//!
//! The only room that prints, beside `main`. It cleans remote text and masks secrets; it must know no provider
//! and no HTTP.

pub mod html_text;
pub mod junit;
pub mod lines;
mod progress;

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::model::{DownloadEvent, Event};
use crate::secret::{Redactor, Secret};
pub use html_text::{HtmlText, LineEnds};
pub use progress::size;
use progress::{amount, bar, columns, draws_bars};

/// Where text goes. Cheap to clone; clones share the known secrets.
#[derive(Clone, Default)]
pub struct Console {
    redactor: Arc<Mutex<Redactor>>,
    /// A bar stands on the terminal's last line; any other text must replace it.
    bar: Arc<AtomicBool>,
}

impl Console {
    /// From now on `secret` is masked in every output.
    pub fn hide(&self, secret: &Secret) {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// One line for people, on stderr.
    pub fn line(&self, text: &str) {
        self.clear_bar();
        self.write_line(&mut io::stderr().lock(), text);
    }

    /// The error line and its hint, on stderr.
    pub fn failure(&self, failure: &Error) {
        self.line(&format!("cibridge: error: {failure}"));
        if let Some(hint) = &failure.hint() {
            self.line(&format!("hint: {hint}"));
        }
    }

    /// One line about what was noticed while following; `prefix` tells builds apart.
    pub fn event(&self, prefix: &str, event: &Event) {
        let text = match event {
            Event::Status { status, known: true } => format!("status: {status}"),
            Event::Status { status, known: false } => {
                format!("status: {status} (unknown to this cibridge; the build is followed until it has an end)")
            }
            Event::Commit(commit) => format!("commit: {commit}"),
            Event::UsualDuration(usual) => format!("usually {}", words(*usual)),
            Event::Step(step) => {
                let took = step.seconds.map(|seconds| format!(" after {}", words(Duration::from_secs(seconds))));
                match step.status.as_str() {
                    "running" => format!("step: {} started", step.name),
                    "success" => format!("step: {} succeeded{}", step.name, took.unwrap_or_default()),
                    "skipped" => format!("step: {} skipped", step.name),
                    "canceled" => format!("step: {} canceled{}", step.name, took.unwrap_or_default()),
                    status => format!("step: {} {status}{}", step.name, took.unwrap_or_default()),
                }
            }
            Event::Heartbeat { running, step, age, usual } => {
                // The provider's word for the state may be old by now.
                let status = if *running { "running" } else { "queued" };
                let step = step.as_ref().map(|step| format!(", step {step}")).unwrap_or_default();
                let usual = usual.map(|usual| format!(", usually {}", words(usual))).unwrap_or_default();
                format!("{status} for {}{step}{usual}", words(*age))
            }
            Event::Note(note) => note.clone(),
            Event::PollFailed { why, again } => format!("{why}; next try in {}", words(*again)),
        };
        self.line(&format!("{prefix}{text}"));
    }

    /// What was noticed while downloading: a line, or on a terminal a bar that the next text replaces.
    pub fn transfer(&self, transfer: &DownloadEvent) {
        match transfer {
            DownloadEvent::DownloadProgress(progress) if draws_bars() => {
                self.bar.store(true, Ordering::Relaxed);
                let mut stderr = io::stderr().lock();
                drop(write!(stderr, "{CLEAR}{}", bar(progress, columns())).and_then(|()| stderr.flush()));
            }
            DownloadEvent::DownloadProgress(progress) => self.line(&format!("downloading: {}", amount(progress))),
            DownloadEvent::Retry { why, again, got } => {
                let from = if *got > 0 { format!(" goes on after {}", size(*got)) } else { String::new() };
                self.line(&format!("{why}; the next try{from} in {}", words(*again)));
            }
            DownloadEvent::Saved { path, bytes } => self.line(&format!("saved {} ({})", path.display(), size(*bytes))),
        }
    }

    /// How often a download's progress is worth telling: a bar moves, a CI console keeps every line.
    pub fn beat() -> Duration {
        if draws_bars() { Duration::from_millis(200) } else { Duration::from_secs(10) }
    }

    /// Remote text as data, on stdout: it may be many lines. Fails when nobody reads any more.
    pub fn text(&self, text: &str) -> io::Result<()> {
        self.clear_bar();
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())
    }

    /// A piece of remote text made safe for a console, every known secret masked.
    pub fn cleaned(&self, text: &[u8]) -> String {
        clean(&self.redact(&String::from_utf8_lossy(text)))
    }

    /// Bytes as they are, unless they hold a secret.
    pub fn masked_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let text = String::from_utf8_lossy(bytes);
        let masked = self.redact(&text);
        if masked == text { Cow::Borrowed(bytes) } else { Cow::Owned(masked.into_bytes()) }
    }

    /// One line of data, on stdout.
    pub fn data(&self, text: &str) {
        self.clear_bar();
        self.write_line(&mut io::stdout().lock(), text);
    }

    /// Lines of a remote log, on stdout or stderr.
    fn log(&self, on_stdout: bool, bytes: &[u8], whole: bool) {
        let text = self.redact(&String::from_utf8_lossy(bytes));
        let mut out = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            out.push_str(&clean(line.trim_end_matches('\n')));
            if line.ends_with('\n') || !whole {
                out.push('\n');
            }
        }
        let write = |stream: &mut dyn io::Write| drop(stream.write_all(out.as_bytes()).and_then(|()| stream.flush()));
        if on_stdout { write(&mut io::stdout().lock()) } else { write(&mut io::stderr().lock()) }
    }

    /// One JSON document, on stdout.
    pub fn json(&self, document: &impl Serialize) {
        if let Ok(document) = serde_json::to_value(document) {
            // JSON escapes control characters by itself.
            let text = self.masked(document);
            let mut stdout = io::stdout().lock();
            drop(writeln!(stdout, "{text}").and_then(|()| stdout.flush()));
        }
    }

    /// Text with every known secret masked.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).redact(text)
    }

    /// A document with every known secret masked in its texts. Its keys and the program's own words stay: a variable
    /// whose value happens to be `success` must not hide how the call ended.
    fn masked(&self, mut document: Value) -> Value {
        match &mut document {
            Value::String(text) => *text = self.redact(text),
            Value::Array(items) => items.iter_mut().for_each(|item| *item = self.masked(item.take())),
            Value::Object(entries) => entries
                .iter_mut()
                .filter(|(key, _)| !matches!(key.as_str(), "provider" | "outcome" | "status"))
                .for_each(|(_, value)| *value = self.masked(value.take())),
            _ => {}
        }
        document
    }

    fn clear_bar(&self) {
        if self.bar.swap(false, Ordering::Relaxed) {
            let mut stderr = io::stderr().lock();
            drop(stderr.write_all(CLEAR.as_bytes()).and_then(|()| stderr.flush()));
        }
    }

    fn write_line(&self, stream: &mut dyn io::Write, text: &str) {
        // A closed pipe must not end the process: the remote build still needs its end or its cancel.
        drop(writeln!(stream, "{}", clean(&self.redact(text))).and_then(|()| stream.flush()));
    }
}

/// Raw bytes that somebody asked for as they are, on stdout: a file's contents, a secret that was just made.
pub fn raw(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    drop(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// The longest unfinished line of a log that is held back, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// A remote log on its way to the console: whole lines, cleaned, secrets masked.
pub struct Log {
    report: Console,
    on_stdout: bool,
    stages_only: bool,
    pending: Vec<u8>,
}

impl Log {
    /// A log that is shown on stdout as data, or on stderr for people; `stages_only` shows the stages of a Pipeline.
    pub fn new(report: &Console, on_stdout: bool, stages_only: bool) -> Self {
        Self { report: report.clone(), on_stdout, stages_only, pending: Vec::new() }
    }

    /// Takes in text, and shows the lines that are complete.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let complete = self.pending.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let cut = complete.or_else(|| {
            // A line without end must not fill the memory; it is cut between characters.
            (self.pending.len() > LONGEST_LINE)
                .then(|| (0..self.pending.len()).rev().find(|at| self.pending[*at] & 0xc0 != 0x80).unwrap_or_default())
        });
        if let Some(cut) = cut.filter(|cut| *cut > 0) {
            let rest = self.pending.split_off(cut);
            let ready = std::mem::replace(&mut self.pending, rest);
            self.show(&ready);
        }
    }

    /// Shows a last line without an end.
    pub fn end(&mut self) {
        let ready = std::mem::take(&mut self.pending);
        self.show(&ready);
    }

    fn show(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !self.stages_only {
            // On stderr other lines may follow, so there a last line gets its end.
            return self.report.log(self.on_stdout, bytes, self.on_stdout);
        }
        let text = String::from_utf8_lossy(bytes);
        for name in text.lines().filter_map(|line| line.strip_prefix("[Pipeline] { (")?.strip_suffix(')')) {
            self.report.log(self.on_stdout, format!("stage: {name}\n").as_bytes(), true);
        }
    }
}

/// A duration as people say it: `12 s`, `5 min 12 s`, `1 h 3 min`.
pub fn words(duration: Duration) -> String {
    let seconds = (duration + Duration::from_millis(500)).as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) if !duration.is_zero() => "under 1 s".to_owned(),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Takes the cursor to the start of the line and erases it.
const CLEAR: &str = "\r\u{1b}[K";

/// Remote text made safe for a console: control, bidirectional and zero-width characters are dropped,
/// escape sequences with what belongs to them. Tabs stay.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\t' => out.push('\t'),
            '\u{1b}' => match rest.peek() {
                // CSI: up to a final byte; OSC: up to BEL or ESC \.
                Some('[') => {
                    rest.next();
                    while rest.next_if(|c| !('\u{40}'..='\u{7e}').contains(c)).is_some() {}
                    rest.next();
                }
                Some(']') => {
                    while rest.next_if(|c| *c != '\u{7}' && *c != '\u{1b}').is_some() {}
                    if rest.next() == Some('\u{1b}') {
                        rest.next_if_eq(&'\\');
                    }
                }
                _ => {}
            },
            c if c.is_control() => {}
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out
}

/// The file that receives the result document.
pub struct ResultFile {
    path: PathBuf,
    report: Console,
}

impl ResultFile {
    /// Checks that `path` can be written before anything remote happens.
    pub fn check(path: &Path, report: &Console) -> anyhow::Result<Self> {
        check_writable(path, &format!("the result file {}", path.display()))?;
        Ok(Self { path: path.to_owned(), report: report.clone() })
    }

    /// Replaces the file atomically, so that a reader sees the old document or the new one, never a part.
    pub fn write(&self, document: &impl Serialize) -> anyhow::Result<()> {
        let context = || format!("the result file {}", self.path.display());
        let text = self.report.masked(serde_json::to_value(document).with_context(context)?);
        replace_file(&self.path, format!("{text:#}\n").as_bytes()).with_context(context)
    }
}

/// Checks that the file `path`, called `what`, can be written.
pub fn check_writable(path: &Path, what: &str) -> anyhow::Result<()> {
    anyhow::ensure!(!path.is_dir(), "{what}: it is a folder");
    if path.exists() {
        fs::OpenOptions::new().append(true).open(path).with_context(|| what.to_owned())?;
    }
    tempfile::NamedTempFile::new_in(folder(path)).with_context(|| what.to_owned())?;
    Ok(())
}

/// Replaces a file atomically.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// A temporary file that is to get the name `path`, for whoever may read the folder.
pub fn temporary_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let file = tempfile::Builder::new().prefix(".cibridge-").tempfile_in(folder(path))?;
    #[cfg(unix)]
    {
        // A temporary file is private by default.
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    Ok(file)
}

/// The folder that a file lies in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_say_them() {
        for (millis, said) in [
            (0, "0 s"),
            (250, "under 1 s"),
            (500, "1 s"),
            (59_600, "1 min"),
            (312_000, "5 min 12 s"),
            (3_600_000, "1 h"),
            (3_780_000, "1 h 3 min"),
        ] {
            assert_eq!(words(Duration::from_millis(millis)), said);
        }
    }

    #[test]
    fn remote_text_cannot_steer_a_terminal() {
        for (remote, shown) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\link", "xlink"),
            ("a\rb\u{8}c\u{0}", "abc"),
            ("name\u{202e}gpj.exe\u{200b}", "namegpj.exe"),
            ("tab\tünï 🚀", "tab\tünï 🚀"),
            ("cut \u{1b}[", "cut "),
        ] {
            assert_eq!(clean(remote), shown);
        }
    }

    #[test]
    fn masking_a_document_leaves_its_keys_and_words() {
        let report = Console::default();
        for secret in ["success", "outcome", "builds"] {
            report.hide(&Secret::new(secret));
        }
        let document = serde_json::json!({"outcome": "success", "builds": [{"error": "no success", "code": 0}]});
        let masked = serde_json::json!({"outcome": "success", "builds": [{"error": "no ********", "code": 0}]});
        assert_eq!(report.masked(document), masked);
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters_and_nothing_is_lost() {
        let mut log = Log::new(&Console::default(), false, true);
        log.feed("[Pipeline] { (A)\n".as_bytes());
        assert!(log.pending.is_empty());
        log.feed(&"ü".repeat(LONGEST_LINE).as_bytes()[..=LONGEST_LINE]);
        assert_eq!(log.pending, [0xc3]);
    }

    #[test]
    fn a_result_path_is_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let report = Console::default();
        assert!(ResultFile::check(folder.path(), &report).is_err());
        assert!(ResultFile::check(&folder.path().join("missing/result.json"), &report).is_err());
        let path = folder.path().join("result.json");
        let file = ResultFile::check(&path, &report).unwrap();
        assert!(!path.exists());
        file.write(&serde_json::json!({"a": 1})).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"a\": 1\n}\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
