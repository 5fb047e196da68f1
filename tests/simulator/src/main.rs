//! `cibridge-simulator`: the simulator as a process of its own, for tests in other languages and for trying by hand.

use cibridge_simulator::{
    Access, Advance, App, Builder, Config, JenkinsConfig, Key, Leaf, Plan, Simulator, TlsOptions, Workflow,
};
use clap::{Parser, ValueEnum};
use serde_json::Value;
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
    /// Port of the API; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the storage; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    storage_port: u16,
    /// Play a Jenkins, too, on this port; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    jenkins_port: Option<u16>,
    /// Play a Jenkins with these settings (a JSON file); without it --jenkins-port plays a demo
    #[arg(long, value_name = "FILE")]
    jenkins: Option<PathBuf>,
    /// Settings as a JSON file; the other flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Speak https
    #[arg(long)]
    tls: bool,
    /// The certificate that is shown
    #[arg(long, value_name = "KIND", requires = "tls")]
    leaf: Option<LeafArg>,
    /// Speak TLS 1.2 only
    #[arg(long, requires = "tls")]
    tls12: bool,
    /// Simulated seconds in a real one
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
    /// What makes builds go on
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
    /// A plan, or an array of plans, as a JSON file; may be repeated
    #[arg(long, value_name = "FILE")]
    plan: Vec<PathBuf>,
    /// Requests in a window
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Length of a window in real seconds
    #[arg(long, value_name = "SECONDS")]
    window: Option<f64>,
    /// Write the addresses into this file when they can be used
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// End when the standard input ends
    #[arg(long)]
    exit_on_stdin_close: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LeafArg {
    Good,
    WrongHost,
    Expired,
    Future,
    OtherCa,
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
    // Whatever ends the process says so here; the senders live as long as it does.
    ended.recv()?;
    Ok(())
}

fn config(args: &Args) -> Result<Config, Box<dyn Error>> {
    let mut config: Config = match &args.config {
        Some(path) => serde_json::from_value(read_json(path)?)?,
        None => Config::default(),
    };
    config.port = if args.port == 0 { config.port } else { args.port };
    config.storage_port = if args.storage_port == 0 { config.storage_port } else { args.storage_port };
    if let Some(path) = &args.jenkins {
        let jenkins = serde_json::from_value(read_json(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
        config.jenkins = Some(jenkins);
    }
    if let Some(port) = args.jenkins_port {
        config.jenkins.get_or_insert_with(JenkinsConfig::demo).port = port;
    }
    if args.tls {
        let leaf = match args.leaf {
            None | Some(LeafArg::Good) => Leaf::Good,
            Some(LeafArg::WrongHost) => Leaf::WrongHost,
            Some(LeafArg::Expired) => Leaf::Expired,
            Some(LeafArg::Future) => Leaf::Future,
            Some(LeafArg::OtherCa) => Leaf::OtherCa,
        };
        config.tls = Some(TlsOptions { leaf, tls12_only: args.tls12, ..TlsOptions::default() });
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
    for path in &args.plan {
        let plans = match read_json(path)? {
            Value::Array(plans) => plans,
            plan => vec![plan],
        };
        for plan in plans {
            let plan: Plan = serde_json::from_value(plan).map_err(|e| format!("{}: {e}", path.display()))?;
            config.plans.push(plan);
        }
    }
    config.rate_limit.limit = args.limit.unwrap_or(config.rate_limit.limit);
    config.rate_limit.window_seconds = args.window.unwrap_or(config.rate_limit.window_seconds);
    Ok(config)
}

fn read_json(path: &Path) -> Result<Value, Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|e| named(&e))?;
    Ok(serde_json::from_str(&text).map_err(|e| named(&e))?)
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
    thread::spawn(move || {
        for _ in signals.forever() {
            let _ = end.send(());
        }
    });
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
