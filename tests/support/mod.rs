//! Runs the built program against a simulator, and checks of every run what holds for all of them.

pub(crate) mod document;
pub(crate) mod flags;
pub(crate) mod net;
mod terminal;
mod text;

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use cibridge_simulator::{Advance, Builder, Simulator, StartRequest};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use text::{forms, normal};

/// A run that takes longer is taken for one that never ends.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// The program under test: the one that is to be shipped if there is one, else the one that cargo built.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("CIBRIDGE_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_cibridge").into(), PathBuf::from)
}

/// A simulator whose builds advance with each poll, and whose rate limit does not stretch the polls of a test.
pub(crate) fn simulator() -> Builder {
    Simulator::builder().advance(Advance::Poll).config(|config| config.limit_headers = false)
}

/// Starts a build as somebody else would, and gives its id.
pub(crate) fn started(sim: &Simulator) -> String {
    sim.start_build(StartRequest {
        app_id: sim.app_id(),
        workflow_id: "ios-release".into(),
        branch: Some("main".into()),
        ..StartRequest::default()
    })
}

/// Runs scenarios side by side: they wait more than they work.
pub(crate) fn together<T: Sync>(scenarios: &[T], run: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        let threads: Vec<_> = scenarios.iter().map(|scenario| scope.spawn(|| run(scenario))).collect();
        let failed = threads.into_iter().map(|thread| thread.join().is_err()).filter(|failed| *failed).count();
        assert_eq!(failed, 0, "scenarios failed");
    });
}

/// Waits for something that nobody announces.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A call of the program that is being put together. Its environment is empty but for what is named here.
pub(crate) struct Call {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    shell: Option<String>,
    stdin: Option<String>,
    secrets: Vec<String>,
    folder: TempDir,
}

impl Call {
    /// A call with these arguments, separated by spaces, and with a result file.
    pub(crate) fn new(arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let call = Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            shell: None,
            stdin: None,
            secrets: Vec::new(),
            folder,
        };
        let result = call.result_path();
        call.args(arguments).env("CIBRIDGE_RESULT_FILE", result.to_str().unwrap())
    }

    /// The same, with the variables that a Jenkinsfile sets, for this simulator.
    pub(crate) fn to(sim: &Simulator, arguments: &str) -> Self {
        let key = sim.key();
        Self::new(arguments)
            .secret(&key)
            .env("CODEMAGIC_API_KEY", &key)
            .env("CODEMAGIC_API_URL", sim.v3_url())
            .env("CODEMAGIC_LEGACY_API_URL", sim.legacy_url())
            .env("CODEMAGIC_APP_ID", &sim.app_id())
            .env("CODEMAGIC_WORKFLOW", "ios-release")
            .env("CODEMAGIC_BRANCH", "main")
    }

    /// Starts a build and follows it with hardly a pause.
    pub(crate) fn following(sim: &Simulator, arguments: &str) -> Self {
        Self::to(sim, "codemagic trigger --wait").args(arguments).env("CIBRIDGE_POLL_INTERVAL", "20ms")
    }

    /// More arguments, separated by spaces.
    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.arguments.extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    /// One more argument, whatever it holds.
    pub(crate) fn arg(mut self, argument: impl AsRef<Path>) -> Self {
        self.arguments.push(argument.as_ref().to_str().unwrap().to_owned());
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a variable away again.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// What the program reads on its stdin.
    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// A text that must not come out again in any form.
    pub(crate) fn secret(mut self, text: &str) -> Self {
        self.secrets.push(text.to_owned());
        self
    }

    /// Runs the program from a shell: the script finds it, with its arguments, in `"$@"`.
    pub(crate) fn shell(mut self, script: &str) -> Self {
        self.shell = Some(script.to_owned());
        self
    }

    /// A folder that lives as long as the call.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into that folder, readable by its owner alone.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        mode(&path, 0o600);
        path
    }

    /// Where the result file is to be.
    pub(crate) fn result_path(&self) -> PathBuf {
        self.folder().join("result.json")
    }

    /// The program with its arguments and its environment.
    fn command(&self) -> Command {
        let mut command = match &self.shell {
            Some(script) => {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(script).arg("sh").arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value))).args(&self.arguments);
        command
    }

    /// Starts the program.
    pub(crate) fn spawn(self) -> Running {
        let mut command = self.command();
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(text) = &self.stdin {
            // The program may end without reading it.
            drop(child.stdin.take().unwrap().write_all(text.as_bytes()));
        }
        let stdout = StreamText::of(child.stdout.take().unwrap(), b'\n');
        let stderr = StreamText::of(child.stderr.take().unwrap(), b'\n');
        Running { child, stdout, stderr, call: self }
    }

    /// Runs the program to its end.
    pub(crate) fn run(self) -> Done {
        self.spawn().finish()
    }
}

/// Sets a file's permissions.
pub(crate) fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A stream that is read as it comes.
#[derive(Clone)]
struct StreamText(Arc<(Mutex<(String, bool)>, Condvar)>);

impl StreamText {
    /// Reads up to each `end`, and to the end of the stream.
    fn of(stream: impl Read + Send + 'static, end: u8) -> Self {
        let heard = Self(Arc::default());
        let theirs = heard.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(end, &mut line).is_ok_and(|length| length > 0) {
                theirs.0.0.lock().unwrap().0.push_str(&String::from_utf8_lossy(&line));
                theirs.0.1.notify_all();
                line.clear();
            }
            // A terminal ends with an error, not with an end; what came before it counts.
            let mut state = theirs.0.0.lock().unwrap();
            state.0.push_str(&String::from_utf8_lossy(&line));
            state.1 = true;
            drop(state);
            theirs.0.1.notify_all();
        });
        heard
    }

    /// What was heard when `enough` held, or the stream ended; `None` if neither happens in time.
    fn wait(&self, limit: Duration, mut enough: impl FnMut(&str) -> bool) -> Option<String> {
        let state = self.0.0.lock().unwrap();
        let (state, late) = self.0.1.wait_timeout_while(state, limit, |(text, over)| !*over && !enough(text)).unwrap();
        (!late.timed_out()).then(|| state.0.clone())
    }
}

/// The program while it runs.
pub(crate) struct Running {
    child: Child,
    stdout: StreamText,
    stderr: StreamText,
    call: Call,
}

impl Running {
    /// The process id of the program, or of the shell around it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on stderr that contains this.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&self, part: &str) {
        let heard = self.stderr.wait(Duration::from_secs(20), |text| text.contains(part));
        let heard = heard.unwrap_or_else(|| "nothing in time".to_owned());
        assert!(heard.contains(part), "no line with {part:?}:\n{heard}");
    }

    /// Waits for a line on stdout and gives it.
    #[track_caller]
    pub(crate) fn first_line(&self) -> String {
        let heard = self.stdout.wait(Duration::from_secs(20), |text| text.contains('\n')).unwrap();
        heard.lines().next().expect("a line on stdout").to_owned()
    }

    /// Sends a signal, e.g. `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// The result file as it is now.
    pub(crate) fn result(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.call.result_path()).unwrap()).unwrap()
    }

    /// A folder that lives as long as the call.
    pub(crate) fn folder(&self) -> &Path {
        self.call.folder()
    }

    /// Waits for the end, and checks what holds for every run.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Done {
        let over = |heard: &StreamText| heard.wait(LONGEST_RUN, |_| false);
        let (Some(stdout), Some(stderr)) = (over(&self.stdout), over(&self.stderr)) else {
            drop(self.child.kill());
            let shown = self.stderr.wait(Duration::from_secs(5), |_| true);
            panic!("{:?} hangs:\n{}", self.call.arguments, shown.unwrap_or_default());
        };
        let status = self.child.wait().unwrap();
        let result = fs::read_to_string(self.call.result_path()).unwrap_or_default();
        let done = Done { status, stdout, stderr, result, call: self.call };
        done.check();
        done
    }
}

/// Whether a signal (`INT`, `HUP`, `TERM`) does nothing here: what the tests were started to ignore (below `nohup`, or
/// in the background of a script), the program is started to ignore as well.
pub(crate) fn is_ignored(name: &str) -> bool {
    let number = match name {
        "HUP" => 1,
        "INT" => 2,
        _ => 15,
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let ignored = mask.unwrap_or_default() & (1 << (number - 1)) != 0;
    if ignored {
        println!("skipped: SIG{name} is ignored here");
    }
    ignored
}

/// Sends a signal to a process.
pub(crate) fn signal(id: u32, name: &str) {
    let script = format!("kill -{name} {id}");
    assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success(), "{script}");
}

/// A run that is over.
pub(crate) struct Done {
    status: ExitStatus,
    /// Everything on stdout.
    pub(crate) stdout: String,
    /// Everything on stderr.
    pub(crate) stderr: String,
    /// The result file's text, empty without one.
    pub(crate) result: String,
    /// The call.
    pub(crate) call: Call,
}

impl Done {
    /// What holds for every run: no secret comes out, nothing steers a terminal, no hint names a flag that the verb lacks,
    /// the file says what the process says.
    #[track_caller]
    fn check(&self) {
        for secret in self.call.secrets.iter().map(String::as_str).chain(cibridge_simulator::LEAK_TRAPS) {
            for form in forms(secret) {
                for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr), ("the file", &self.result)] {
                    assert!(!text.contains(&form), "{name} shows {secret:?} as {form:?}:\n{text}");
                }
            }
        }
        for text in [&self.stdout, &self.stderr] {
            let control = text.chars().find(|c| c.is_control() && !"\n\t".contains(*c));
            assert_eq!(control, None, "a control character in\n{text}");
        }
        flags::check(&self.call.arguments, &self.stderr);
        if self.stdout.starts_with("{\"schema\"") {
            document::check(&self.json());
        }
        if let (false, Some(code)) = (self.result.is_empty(), self.status.code()) {
            let document = self.document();
            document::check(&document);
            let said = document["exit_code"].as_i64();
            assert_eq!(said, Some(i64::from(code)), "the result file and the process disagree:\n{self}");
        }
    }

    /// The exit code, or minus the signal's number.
    pub(crate) fn exit(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        self.status.code().unwrap_or_else(|| -self.status.signal().unwrap_or_default())
    }

    /// The exit code is this one.
    #[track_caller]
    pub(crate) fn exit_code(&self, code: i32) -> &Self {
        assert_eq!(self.exit(), code, "exit code\n{self}");
        self
    }

    /// Stderr, normalised, contains this.
    #[track_caller]
    pub(crate) fn stderr_contains(&self, part: &str) -> &Self {
        assert!(self.stderr_text().contains(part), "nothing about {part:?}\n{self}");
        self
    }

    /// Stderr, normalised, does not contain this.
    #[track_caller]
    pub(crate) fn stderr_lacks(&self, part: &str) -> &Self {
        assert!(!self.stderr_text().contains(part), "{part:?} is shown\n{self}");
        self
    }

    /// Stderr is exactly this, once normalised.
    #[track_caller]
    pub(crate) fn stderr_is(&self, text: &str) -> &Self {
        assert_eq!(self.stderr_text(), text, "stderr\n{self}");
        self
    }

    /// Stdout is exactly this, once normalised.
    #[track_caller]
    pub(crate) fn stdout_is(&self, text: &str) -> &Self {
        assert_eq!(normal(&self.stdout), text, "stdout\n{self}");
        self
    }

    /// Stderr with ids, ports and times replaced by words.
    pub(crate) fn stderr_text(&self) -> String {
        normal(&self.stderr)
    }

    /// The result document.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.result).unwrap_or_else(|error| panic!("no result document ({error})\n{self}"))
    }

    /// The document on stdout, which is all of stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "not one document\n{self}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no document ({error})\n{self}"))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, stdout, stderr, result, call, .. } = self;
        let arguments = call.arguments.join(" ");
        writeln!(f, "cibridge {arguments}: {status}\n--- stdout\n{stdout}--- stderr\n{stderr}--- result\n{result}")
    }
}
