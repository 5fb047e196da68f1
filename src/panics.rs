//! A panic is a bug of this program. It is reported once, cancels the owned build as a signal does, and ends the call
//! with code 70.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::{Interrupt, StopCause};
use crate::error::{Error, ExitCode};
use crate::lock::lock;
use crate::output::Console;

/// Where to report it.
const REPORT: &str =
    concat!("this is a bug in cibridge; please report this line at ", env!("CARGO_PKG_REPOSITORY"), "/issues");

/// What the first panic of the process said.
static FIRST: Mutex<Option<Error>> = Mutex::new(None);

/// Whether a panic was reported.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// From now on a panic of any thread is one line on the console instead of a stack trace, and raises `interrupt`.
pub fn report_to(console: &Console, interrupt: &Interrupt) {
    let (console, interrupt) = (console.clone(), interrupt.clone());
    panic::set_hook(Box::new(move |info| {
        // What follows the first one is its consequence.
        if !REPORTED.swap(true, Ordering::SeqCst) {
            let error = internal_error(info);
            console.error(&error);
            *lock(&FIRST) = Some(error);
        }
        interrupt.raise(StopCause::InternalError);
    }));
}

/// Runs `work`, and gives the error of a panic in it, which has been reported already.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    // What `work` leaves half done is at most a document, which then gets this error.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let first = lock(&FIRST).clone();
        first.unwrap_or_else(|| Error::new(ExitCode::InternalError, "internal error", "a panic").with_hint(REPORT))
    })
}

fn internal_error(info: &PanicHookInfo) -> Error {
    let message = info.payload_as_str().unwrap_or("a panic");
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
    Error::new(ExitCode::InternalError, "internal error", format!("{message}{place}")).with_hint(REPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_an_interrupt() {
        let interrupt = Interrupt::default();
        report_to(&Console::default(), &interrupt);
        let error = catch(|| std::thread::spawn(|| panic!("first")).join().expect("second")).unwrap_err();
        // Other tests go on with the usual report.
        drop(panic::take_hook());
        assert_eq!(error.code(), ExitCode::InternalError);
        assert!(error.reason().starts_with("first (src/panics.rs:"), "{error}");
        assert_eq!(interrupt.code(), Some(ExitCode::InternalError));
        assert_eq!(catch(|| 1).unwrap(), 1);
    }
}
