//! `cibridge-simulator`: the simulator as a process of its own, for tests in other languages and for trying by hand.

use cibridge_simulator::{Access, Advance, App, Builder, Config, JenkinsConfig, Key, Simulator, TlsOptions, Workflow};
use clap::{Parser, ValueEnum};
use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

/// Plays Codemagic on loopback: v3 below /api/v3, the legacy API at the root, a storage on a second port; and a
/// Jenkins on a third one if it is asked for.
#[derive(Parser)]
#[command(name = "cibridge-simulator", version)]
struct Args {
    /// Settings as a JSON file; the other flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Play a Jenkins with a job of every kind, too, on this port; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    jenkins_port: Option<u16>,
    /// Speak https
    #[arg(long)]
    tls: bool,
    /// Simulated seconds in a real one
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
    /// What moves builds
    #[arg(long, value_name = "MODE")]
    advance: Option<AdvanceArg>,
    /// A valid key; may be repeated
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Ids of the apps
    #[arg(long, value_name = "ID", num_args = 1..)]
    app: Vec<String>,
    /// A workflow of every app; may be repeated
    #[arg(long, value_name = "ID")]
    workflow: Vec<String>,
    /// Write the addresses into this file when they can be used
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// End when the standard input ends
    #[arg(long)]
    exit_on_stdin_close: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum AdvanceArg {
    Clock,
    Poll,
    Manual,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "cibridge-simulator: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let (end, ended) = mpsc::channel();
    #[cfg(unix)]
    watch_signals(end.clone())?;
    if args.exit_on_stdin_close {
        watch_stdin(end.clone());
    }
    let simulator = Builder::from_config(config(args)?).start()?;
    announce(&simulator, args.ready_file.as_deref())?;
    // Whatever ends the process sends here; the senders live as long as it does.
    ended.recv()?;
    Ok(())
}

fn config(args: &Args) -> Result<Config, Box<dyn Error>> {
    let mut config = match &args.config {
        None => Config::default(),
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
    };
    if let Some(port) = args.jenkins_port {
        config.jenkins.get_or_insert_with(JenkinsConfig::demo).port = port;
    }
    if args.tls {
        config.tls = Some(TlsOptions::default());
    }
    config.speed = args.speed.unwrap_or(config.speed);
    config.advance = match args.advance {
        None => config.advance,
        Some(AdvanceArg::Clock) => Advance::Clock,
        Some(AdvanceArg::Poll) => Advance::Poll,
        Some(AdvanceArg::Manual) => Advance::Manual,
    };
    if !args.key.is_empty() {
        config.keys = args.key.iter().map(|k| Key { key: k.clone(), access: Access::Full }).collect();
    }
    if !args.app.is_empty() {
        config.apps = args.app.iter().map(|id| App::new(id)).collect();
    }
    if !args.workflow.is_empty() {
        let workflow = |id: &String| Workflow { id: id.clone(), name: None };
        for app in &mut config.apps {
            app.workflows = args.workflow.iter().map(workflow).collect();
        }
    }
    Ok(config)
}

/// Prints where the simulator listens, and writes it into a file that is either absent or complete.
fn announce(simulator: &Simulator, file: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let line = format!("{}\n", simulator.ready_line());
    if let Some(path) = file {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(line.as_bytes())?;
        temporary.persist(path)?;
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

#[cfg(unix)]
fn watch_signals(end: mpsc::Sender<()>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || signals.forever().for_each(|_| end.send(()).unwrap_or_default()));
    Ok(())
}

fn watch_stdin(end: mpsc::Sender<()>) {
    thread::spawn(move || {
        let mut buffer = [0; 1024];
        let mut stdin = io::stdin().lock();
        while stdin.read(&mut buffer).is_ok_and(|n| n > 0) {}
        let _ = end.send(());
    });
}
