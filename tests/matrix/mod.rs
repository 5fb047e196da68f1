//! Generated runs of the built program against services that misbehave. `cargo test` runs a sample of each matrix;
//! `make matrix` runs them whole and writes a table of each, `tests/*-matrix.md`. `CIBRIDGE_MATRIX_ONLY` limits it to the
//! runs whose name contains a text, e.g. `kill:` or `poll × JSON`; no table is written then.

mod faults;
mod found;
mod hostile;
mod kill;
mod kinds;
mod large;
mod load;
mod requests;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cibridge_simulator::{DEFAULT_KEY, JENKINS_PASSWORD, JENKINS_TOKEN, JENKINS_USER, LEAK_TRAPS, Simulator};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{binary, document, forms};

/// The exit codes of the README, of which a panic (70) is none that may be seen.
const CODES: [i32; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 130, 143];

/// The most memory that a run of the program that is shipped may have in use at any moment. The code of a debug build
/// takes some more, and glibc keeps what was freed.
fn most_memory() -> u64 {
    if std::env::var_os("CIBRIDGE_TEST_BIN").is_some() { 30 << 20 } else { 44 << 20 }
}

/// A run that takes longer is taken for one that never ends.
const LONGEST: Duration = Duration::from_secs(180);

/// A call of the program, not yet made.
struct Call {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    stdin: Vec<u8>,
    folder: TempDir,
}

impl Call {
    /// A call with these arguments, separated by spaces, against both services of a simulator; `{dir}` stands for a
    /// folder that lives as long as the call.
    fn new(sim: &Simulator, arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap();
        let arguments = arguments.split_whitespace().map(|argument| argument.replace("{dir}", place)).collect();
        let variables = [
            ("CODEMAGIC_API_KEY", DEFAULT_KEY),
            ("CODEMAGIC_API_URL", sim.v3_url()),
            ("CODEMAGIC_LEGACY_API_URL", sim.legacy_url()),
            ("CODEMAGIC_APP_ID", &sim.app_id()),
            ("CIBRIDGE_JENKINS_URL", sim.jenkins_url()),
            ("JENKINS_USER_ID", JENKINS_USER),
            ("JENKINS_API_TOKEN", JENKINS_TOKEN),
            ("CIBRIDGE_RESULT_FILE", &format!("{place}/result.json")),
            ("CIBRIDGE_POLL_INTERVAL", "20ms"),
            ("CIBRIDGE_ANSWER_TIMEOUT", "4s"),
            ("CIBRIDGE_CONNECT_TIMEOUT", "2s"),
            ("TMPDIR", place),
        ];
        let mut environment: BTreeMap<_, _> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Some(ca) = sim.ca_file() {
            environment.insert("CIBRIDGE_CA_CERT".to_owned(), ca.to_str().unwrap().to_owned());
        }
        Self { arguments, environment, stdin: Vec::new(), folder }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn spawn(self) -> Running {
        let mut command = Command::new(binary());
        command.env_clear().envs(&self.environment).args(&self.arguments).current_dir(self.folder());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.stdin.clone();
        thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, &input)));
        let stdout = Reader::of(child.stdout.take().unwrap());
        let stderr = Reader::of(child.stderr.take().unwrap());
        Running { child, stdout, stderr, call: self, since: Instant::now(), peak: 0 }
    }

    fn run(self) -> Ran {
        self.spawn().wait()
    }
}

/// A stream that a thread reads to its end.
struct Reader {
    text: Arc<Mutex<Vec<u8>>>,
    thread: thread::JoinHandle<()>,
}

impl Reader {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        let theirs = Arc::clone(&text);
        let thread = thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                theirs.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        Self { text, thread }
    }

    fn end(self) -> String {
        self.thread.join().unwrap();
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

/// The program while it runs.
struct Running {
    child: Child,
    stdout: Reader,
    stderr: Reader,
    call: Call,
    since: Instant,
    peak: u64,
}

impl Running {
    /// Sends a signal, e.g. `TERM`; the program may have ended already.
    fn signal(&self, name: &str) {
        drop(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).output());
    }

    /// Waits for the end, and meanwhile watches the memory: the peak that the kernel keeps is gone with the process.
    fn wait(mut self) -> Ran {
        let status = loop {
            self.peak = self.peak.max(peak_memory(self.child.id()));
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.since.elapsed() > LONGEST {
                self.child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(10));
        };
        let result = fs::read_to_string(self.call.folder().join("result.json")).unwrap_or_default();
        Ran {
            code: status.code().unwrap_or_else(|| -status.signal().unwrap_or_default()),
            stdout: self.stdout.end(),
            stderr: self.stderr.end(),
            document: serde_json::from_str(&result).unwrap_or_default(),
            result,
            took: self.since.elapsed(),
            peak: self.peak,
            call: self.call,
        }
    }
}

/// The most memory that a process had in use so far, in bytes; 0 when it has ended, and as long as it still is a copy of
/// this one.
fn peak_memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let name = binary().file_name().unwrap().to_string_lossy().chars().take(15).collect::<String>();
    let is_program = status.starts_with(&format!("Name:\t{name}\n"));
    let line = status.lines().filter(|_| is_program).find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// What a run left.
struct Ran {
    /// The exit code, or minus the number of the signal.
    code: i32,
    stdout: String,
    stderr: String,
    /// The text of the result file.
    result: String,
    document: Value,
    took: Duration,
    peak: u64,
    call: Call,
}

impl Ran {
    /// Panics unless everything is as it is to be after every run, whatever went wrong.
    #[track_caller]
    fn check(&self) {
        assert!(self.took < LONGEST, "it hangs");
        assert!(CODES.contains(&self.code), "exit code {}", self.code);
        assert!(self.peak <= most_memory(), "{} KiB of memory", self.peak / 1024);
        let verb = self.call.arguments.get(1).map(String::as_str).unwrap_or_default();
        let errors = self.stderr.lines().filter(|line| line.starts_with("cibridge: error: ")).count();
        if verb == "status" && self.document["call_failed"] == false {
            assert_eq!(errors, 0, "the state of a build is no error");
        } else if verb == "check" {
            assert_eq!(self.stderr.lines().any(|line| line.starts_with("failed: ")), self.code != 0, "what failed");
        } else {
            assert_eq!(errors, usize::from(self.code != 0), "lines with an error");
        }
        assert!(!self.stderr.contains("panicked"), "a panic");
        document::check(&self.document);
        assert_eq!(self.document["exit_code"], self.code, "the result file and the process disagree");
        let output = [&self.stdout, &self.stderr, &self.result];
        // Whoever sends a request of their own wants to see the answer.
        let is_own = self.call.arguments.iter().any(|argument| argument == "api");
        let traps = LEAK_TRAPS.into_iter().filter(|_| !is_own);
        for secret in [DEFAULT_KEY, JENKINS_TOKEN, JENKINS_PASSWORD].into_iter().chain(traps) {
            for form in forms(secret) {
                assert!(!output.iter().any(|text| text.contains(&form)), "{secret:?} is shown as {form:?}");
            }
        }
        // An own request's answer is given as it is.
        for text in output.into_iter().skip(usize::from(is_own)) {
            let steers = |c: &char| c.is_control() && !"\n\t".contains(*c);
            assert_eq!(text.chars().find(steers), None, "a control character");
        }
        let left: Vec<_> = files(self.call.folder()).into_iter().filter(|path| is_temporary(path)).collect();
        assert!(left.is_empty(), "temporary files are left: {left:?}");
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |text: &str| text.chars().take(3000).collect::<String>();
        writeln!(
            f,
            "cibridge {}: {} after {:?}, {} KiB\n--- stdout\n{}\n--- stderr\n{}\n--- result\n{}",
            self.call.arguments.join(" "),
            self.code,
            self.took,
            self.peak / 1024,
            cut(&self.stdout),
            cut(&self.stderr),
            cut(&self.result),
        )
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.is_symlink() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Whether a file is one that the program should have renamed or removed.
fn is_temporary(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with(".cibridge-")
}

/// Runs `test` for each entry, many at once because the program waits more than it works, and gives the results in order.
/// A panic of one is its result and ends no other. A long run reports how far it is.
fn run_all<T: Sync, R: Send>(entries: &[T], at_once: usize, test: impl Fn(&T) -> R + Sync) -> Vec<Result<R, String>> {
    let (next, since) = (AtomicUsize::new(0), Instant::now());
    let results: Vec<Mutex<Option<Result<R, String>>>> = entries.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..at_once.min(entries.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(entry) = entries.get(index) else { break };
                    if index > 0 && index.is_multiple_of(500) {
                        println!("{index} of {} runs after {} s", entries.len(), since.elapsed().as_secs());
                    }
                    let result = catch_unwind(AssertUnwindSafe(|| test(entry)));
                    let result = result.map_err(|panic| message(&*panic));
                    *results[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
            });
        }
    });
    results.into_iter().map(|result| result.into_inner().unwrap().unwrap()).collect()
}

/// The runs of a matrix that were asked for, and whether these are all.
fn chosen<T>(matrix: &str, all: Vec<T>, name: impl Fn(&T) -> String) -> (Vec<T>, bool) {
    let only = std::env::var("CIBRIDGE_MATRIX_ONLY").unwrap_or_default();
    let count = all.len();
    let chosen: Vec<_> = all.into_iter().filter(|run| format!("{matrix}: {}", name(run)).contains(&only)).collect();
    println!("{matrix} matrix: {} of {count} runs", chosen.len());
    let is_whole = chosen.len() == count;
    (chosen, is_whole)
}

/// A table as Markdown.
fn table(corner: &str, columns: &[String], rows: &[String], cell: impl Fn(usize, usize) -> String) -> String {
    let mut text = format!("| {corner} | {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len() + 1));
    for (row, name) in rows.iter().enumerate() {
        let cells: Vec<_> = (0..columns.len()).map(|column| cell(row, column)).collect();
        writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    text
}

/// Exit codes as a cell of a table.
fn shown<'a>(codes: impl IntoIterator<Item = &'a i32>) -> String {
    codes.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Writes the table of a matrix that was run whole.
fn write_table(matrix: &str, text: &str) {
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(format!("{matrix}.md")), text).unwrap();
}

/// The exit codes of runs that each are in a row and a column, and what was wrong with them.
#[derive(Default)]
struct Codes {
    cells: BTreeMap<(usize, usize), BTreeSet<i32>>,
    wrong: Vec<String>,
}

impl Codes {
    /// Adds a run: its exit code, with what is wrong if something is, or the words of a panic.
    fn add(&mut self, row: usize, column: usize, result: Result<(i32, Option<String>), String>) {
        match result {
            Ok((code, fault)) => {
                self.cells.entry((row, column)).or_default().insert(code);
                self.wrong.extend(fault);
            }
            Err(panic) => self.wrong.push(panic),
        }
    }

    fn cell(&self, row: usize, column: usize) -> String {
        shown(self.cells.get(&(row, column)).into_iter().flatten())
    }
}

/// The words of a panic.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// Panics if there are faults, and lists them all.
#[track_caller]
fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n\n{}", faults.len(), faults.join("\n\n"));
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    crate::support::mode(path, 0o600);
}
