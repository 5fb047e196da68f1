//! Time, and sleep that a signal ends.
//!
//! The only module that sleeps. It must not know what is waited for.

use std::fmt::{self, Write as _};
use std::ops::Add;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant, SystemTime};

use crate::error::ExitCode;
use crate::lock::lock;

/// A point in time on the clock of this call; [`Duration`] is for spans only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The start of the clock.
    #[cfg(test)]
    pub const START: Self = Self(Duration::ZERO);

    /// The span between an earlier point and this one; zero if the other is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// The point this long after. A span from outside may be absurd, so it never overflows.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// A point in time as RFC 3339 has it, to the second: `2027-01-15T08:00:00Z`; `None` for one before 1970 or beyond the
/// year 9999.
pub fn format_time(at: SystemTime) -> Option<String> {
    at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_seconds(at)).ok()?;
    Some(text)
}

/// Reads a time of any of the forms that services send: RFC 3339 with `Z` or an offset such as `+00:00`, and `+0000`. One
/// without an offset is UTC; an offset of a day or more is no time.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    // A sign after the date begins the offset.
    let sign = text.get(10..)?.find(['+', '-']).map_or(text.len(), |at| 10 + at);
    let (text, offset) = text.split_at(sign);
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    let Some((sign, digits)) = offset.split_at_checked(1) else { return Some(time) };
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = Duration::from_secs(u64::from(hours) * 3600 + u64::from(minutes) * 60);
    if sign == "-" { time.checked_add(offset) } else { time.checked_sub(offset) }
}

/// Where the program gets time from. Tests inject their own, so that hours take no time.
pub trait Clock: Send + Sync {
    /// The time; it never goes backwards.
    fn now(&self) -> Timestamp;

    /// The wall clock, for stamps that people and other machines read.
    fn wall(&self) -> SystemTime;

    /// Waits for `pause`, or until the process is asked to end.
    fn sleep(&self, pause: Duration);

    /// Why the process is asked to end, if it is.
    fn stop_cause(&self) -> Option<StopCause>;

    /// The code that the process is asked to end with, if it is.
    fn interrupted(&self) -> Option<ExitCode> {
        self.stop_cause().map(StopCause::code)
    }
}

/// Why a process is asked to end; shown as what follows "ended by".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// SIGTERM.
    #[cfg_attr(all(not(unix), not(test)), expect(dead_code, reason = "a signal of Unix"))]
    Terminate,
    /// SIGINT, or Ctrl+C on Windows.
    Interrupt,
    /// SIGHUP.
    #[cfg_attr(all(not(unix), not(test)), expect(dead_code, reason = "a signal of Unix"))]
    HangUp,
    /// The process that started this one has ended.
    ParentLost,
    /// A panic.
    InternalError,
}

impl StopCause {
    /// The exit code of a process that ends for this reason.
    pub fn code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::Interrupted,
            Self::Terminate | Self::HangUp | Self::ParentLost => ExitCode::Terminated,
            Self::InternalError => ExitCode::InternalError,
        }
    }
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::HangUp => "SIGHUP",
            Self::ParentLost => "the loss of its parent process",
            Self::InternalError => "an internal error",
        })
    }
}

/// The request to end the process, shared with the thread that receives signals, and the time at which requests end.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<SharedInterrupt>);

#[derive(Default)]
struct SharedInterrupt {
    state: Mutex<InterruptState>,
    raised: Condvar,
}

#[derive(Default)]
struct InterruptState {
    cause: Option<StopCause>,
    deadline: Option<Instant>,
    raised_at: Option<Instant>,
    closers: Vec<Box<dyn FnOnce() + Send>>,
}

impl Interrupt {
    /// Asks the process to end: wakes every sleeper and closes what was registered.
    /// Gives false, and does nothing, when it was asked before: a second signal is a no-op.
    pub fn raise(&self, cause: StopCause) -> bool {
        let closers = {
            let mut state = self.lock();
            if state.cause.is_some() {
                return false;
            }
            (state.cause, state.raised_at) = (Some(cause), Some(Instant::now()));
            self.0.raised.notify_all();
            std::mem::take(&mut state.closers)
        };
        for close in closers {
            close();
        }
        true
    }

    /// The code that the process was asked to end with.
    pub fn code(&self) -> Option<ExitCode> {
        self.lock().cause.map(StopCause::code)
    }

    /// From now on answers are awaited until this time at most.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.lock().deadline = deadline;
    }

    /// The time until that, if there is such a limit.
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.lock().deadline?.saturating_duration_since(Instant::now()))
    }

    /// Does what must be done even if the limit passes: finding or canceling a build.
    pub fn without_deadline<T>(&self, work: impl FnOnce() -> T) -> T {
        let deadline = self.lock().deadline.take();
        let result = work();
        self.set_deadline(deadline);
        result
    }

    /// The time since it was raised; zero if it was not.
    pub fn raised_for(&self) -> Duration {
        self.lock().raised_at.map(|at| at.elapsed()).unwrap_or_default()
    }

    /// Runs `close` when the interrupt is raised, or at once if it was.
    pub fn on_raise(&self, close: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.cause.is_some() {
            drop(state);
            close();
        } else {
            state.closers.push(Box::new(close));
        }
    }

    /// Does what nothing can interrupt (asking a person) in a thread, and gives the code instead when the process is asked
    /// to end meanwhile.
    pub fn cut_short<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ExitCode> {
        let (sender, result) = mpsc::channel();
        // Where no thread can be had, nobody waits.
        drop(std::thread::Builder::new().spawn(move || drop(sender.send(work()))));
        loop {
            match result.recv_timeout(INPUT_CHECK) {
                Ok(result) => return Ok(result),
                Err(mpsc::RecvTimeoutError::Timeout) if self.code().is_none() => {}
                Err(_) => return Err(self.code().unwrap_or(ExitCode::Local)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, InterruptState> {
        lock(&self.0.state)
    }
}

/// Waits for `pause`, whatever happens.
pub fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

/// How often a wait for a person checks whether the process is to end.
const INPUT_CHECK: Duration = Duration::from_millis(50);

/// How often a long sleep checks whether the parent is still there.
const PARENT_CHECK: Duration = Duration::from_secs(5);

/// The machine's clocks.
pub struct SystemClock {
    start: Instant,
    interrupt: Interrupt,
    /// The parent at the start. Where aborting a step does not reach its processes (the controller gave up on them,
    /// or an agent died), losing the parent is the only sign.
    parent: u32,
}

impl SystemClock {
    /// A clock whose sleeps end when `interrupt` is raised.
    pub fn new(interrupt: Interrupt) -> Self {
        Self { start: Instant::now(), interrupt, parent: parent() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.start.elapsed())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, pause: Duration) {
        let end = self.now() + pause;
        while self.now() < end && self.interrupted().is_none() {
            let left = end.since(self.now());
            let state = self.interrupt.lock();
            let slice = left.min(PARENT_CHECK);
            drop(self.interrupt.0.raised.wait_timeout_while(state, slice, |state| state.cause.is_none()));
        }
    }

    fn stop_cause(&self) -> Option<StopCause> {
        let orphaned = self.parent != 1 && parent() != self.parent;
        self.interrupt.lock().cause.or(orphaned.then_some(StopCause::ParentLost))
    }
}

/// The parent's process id; 1, which never changes, where there is no such thing.
fn parent() -> u32 {
    #[cfg(unix)]
    return std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    return 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time_is_read() {
        let expected = SystemTime::UNIX_EPOCH + Duration::from_millis(1_613_048_548_009);
        for text in [
            "2021-02-11T13:02:28.009+0000",
            "2021-02-11T13:02:28.009000Z",
            "2021-02-11T13:02:28.009+00:00",
            "2021-02-11T15:02:28.009+02:00",
            "2021-02-11T08:32:28.009-04:30",
            "2021-02-11T13:02:28.009",
        ] {
            assert_eq!(parse_time(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2021-02-11T13:02:28é",
            "2021-13-11T13:02:28Z",
            "99999-01-01T00:00:00Z",
            "2021-02-11T13:02:28+2",
            "2021-02-11T13:02:28+24:00",
            "2021-02-11T13:02:28-00:60",
            "2021-02-11T13:02:28+0242:222020777117777779",
            "2021-02-11T13:02:28-999999999999999999:00",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_raised_interrupt_ends_every_sleep_and_is_raised_once() {
        let interrupt = Interrupt::default();
        let clock = SystemClock::new(interrupt.clone());
        assert!(interrupt.raise(StopCause::HangUp));
        assert!(!interrupt.raise(StopCause::Interrupt));
        clock.sleep(Duration::from_secs(3600));
        assert_eq!(clock.interrupted(), Some(ExitCode::Terminated));
    }
}
