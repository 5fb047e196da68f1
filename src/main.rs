//! cibridge starts builds of another CI system, waits for them and collects their results.
//!
//! `src/README.md` shows the modules, the way of one call through them and what holds for all of them.

#[cfg(target_env = "musl")]
mod allocator;
mod cli;
mod clock;
mod codemagic;
mod commands;
mod document;
#[cfg(test)]
mod document_schema;
mod download;
mod error;
mod files;
mod http;
mod input_files;
mod jenkins;
mod lenient;
mod lifecycle;
mod lock;
mod model;
mod nearest;
mod output;
#[cfg(test)]
mod package_files;
mod panics;
#[cfg(test)]
mod random_tests;
mod sanitize;
mod secret;
mod signals;

use std::process;
use std::sync::Arc;

use clock::{Interrupt, SystemClock};
use commands::LastResort;
use error::ExitCode;
use lifecycle::Runtime;
use output::{Console, ConsoleSettings};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> process::ExitCode {
    signals::forbid_core_dumps();
    signals::make_large_files_an_error();
    let console = Console::default();
    let interrupt = Interrupt::default();
    panics::report_to(&console, &interrupt);
    let code = panics::catch(|| run(&console, &interrupt)).unwrap_or_else(|bug| bug.code());
    process::ExitCode::from(console.finish(code).number())
}

/// Parses the command line and does what it asks for.
fn run(console: &Console, interrupt: &Interrupt) -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli::Parsed::Work(cli)) => cli,
        Ok(cli::Parsed::Text(text)) => {
            console.write_bytes(format!("{}\n", text.trim_end()).as_bytes());
            return ExitCode::Success;
        }
        Ok(cli::Parsed::MissingVerb(help)) => {
            help.trim_end().lines().for_each(|line| console.line(line));
            return ExitCode::Usage;
        }
        Err(usage) => return commands::refuse(usage, console),
    };
    console.configure(ConsoleSettings { color: cli.output.color, quiet: cli.output.quiet });
    let last_resort = LastResort::default();
    let signals = signals::watch(interrupt, give_up(console, &last_resort));
    let clock = Arc::new(SystemClock::new(interrupt.clone()));
    let runtime = Runtime { console: console.clone(), clock, interrupt: interrupt.clone(), deadline: None };
    commands::run(*cli, runtime, last_resort, signals)
}

/// Ends a process that was asked to end and is stuck: a name resolution or a connect cannot be interrupted.
#[expect(clippy::exit, reason = "the main thread is stuck, so nothing else ends the process")]
fn give_up(console: &Console, last_resort: &LastResort) -> impl FnOnce(ExitCode) + Send + 'static {
    let (console, last_resort) = (console.clone(), last_resort.clone());
    move |code| {
        last_resort.report(code, &console);
        process::exit(i32::from(console.finish(code).number()))
    }
}
