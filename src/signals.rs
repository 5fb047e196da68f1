//! Turns the signals that ask a process to end into the [`Interrupt`].
//!
//! Jenkins sends SIGTERM to every process of an aborted step, possibly several times, and gives about five seconds.
//! It must not know what the process does.

use std::time::Duration;

#[cfg(unix)]
use anyhow::Context as _;

use crate::clock::{self, Interrupt, StopCause};
use crate::error::{Error, ExitCode};

/// The time that the process has to cancel its build and to end by itself.
const GRACE: Duration = Duration::from_millis(4500);

/// Makes sure that a crash of this process leaves no core dump: it would hold the API key, in the workspace.
///
/// A limit of one byte, not of zero: with a handler that gets the dump through a pipe (`core_pattern` begins with `|`, as
/// systemd's does) Linux ignores every limit but this one (core(5); `do_coredump` in fs/coredump.c). A file of one byte
/// is not written either. `PR_SET_DUMPABLE` would also hide the environment from Jenkins, which finds the processes of
/// an aborted step by it (`hudson.util.ProcessTree`).
#[cfg(unix)]
pub fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Core).maximum.map_or(1, |maximum| maximum.min(1));
    // It only fails where a policy forbids the call, which is no reason not to work.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(limit), maximum: Some(limit) });
}

/// Windows writes no dumps beside the program.
#[cfg(not(unix))]
pub fn forbid_core_dumps() {}

/// Lets a write beyond the limit of the size of files (`ulimit -f`) fail instead of ending the process, which owns a build.
#[cfg(unix)]
#[expect(unsafe_code, reason = "there is no safe interface to ignoring a signal")]
pub fn make_large_files_an_error() {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Windows has no such limit.
#[cfg(not(unix))]
pub fn make_large_files_an_error() {}

/// From now on SIGTERM, SIGINT and SIGHUP raise `interrupt`; a process that has not ended a while later runs `give_up`.
///
/// A signal that is ignored when the process starts stays ignored: Jenkins starts the shell of a step with SIGHUP and
/// SIGINT ignored, and so does `nohup`. Fails with code 16 where no thread can be started.
#[cfg(unix)]
pub fn watch(interrupt: &Interrupt, give_up: impl FnOnce(ExitCode) + Send + 'static) -> Result<(), Error> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let ignored = ignored();
    let wanted: Vec<_> =
        [SIGTERM, SIGINT, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0).collect();
    // Without handlers the signals end the process at once, as they do by default.
    let Ok(mut signals) = held_back(&wanted, || signal_hook::iterator::Signals::new(&wanted)) else { return Ok(()) };
    let interrupt = interrupt.clone();
    let wait = move || {
        let Some(signal) = signals.forever().next() else { return };
        let cause = match signal {
            SIGINT => StopCause::Interrupt,
            SIGHUP => StopCause::HangUp,
            _ => StopCause::Terminate,
        };
        interrupt.raise(cause);
        clock::wait(GRACE);
        give_up(cause.code());
    };
    let started = std::thread::Builder::new().spawn(wait);
    started.context("a thread that waits for signals")?;
    Ok(())
}

/// Runs `install` while these signals wait for it. One that came between the handler and what it calls would be lost
/// (`race_fallback` in signal-hook-registry 1.4.8), and the process would go on and start a build.
#[cfg(unix)]
#[expect(unsafe_code, reason = "there is no safe interface to the signal mask")]
fn held_back<T>(signals: &[i32], install: impl FnOnce() -> T) -> T {
    let mut mask = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    let mut before = mask;
    // SAFETY: both sets are ours and are initialized by the calls; the mask is that of this thread.
    unsafe {
        libc::sigemptyset(mask.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(mask.as_mut_ptr(), *signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, mask.as_ptr(), before.as_mut_ptr());
    }
    let installed = install();
    // SAFETY: `before` was filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    installed
}

/// The bit mask of ignored signals; bit 0 is signal 1.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// From now on Ctrl+C, and the end of the console, raise `interrupt`.
#[cfg(windows)]
pub fn watch(interrupt: &Interrupt, give_up: impl FnOnce(ExitCode) + Send + 'static) -> Result<(), Error> {
    let interrupt = interrupt.clone();
    let mut give_up = Some(give_up);
    drop(ctrlc::set_handler(move || {
        if interrupt.raise(StopCause::Interrupt) {
            clock::wait(GRACE);
            if let Some(give_up) = give_up.take() {
                give_up(ExitCode::Interrupted);
            }
        }
    }));
    Ok(())
}
