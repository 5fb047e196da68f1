//! The rest of a large file over several connections, where one of them does not fill the link.
//!
//! A connection sends at most one window in each round trip, so on a link with a long one several are faster. Where the
//! disk, the processor or the link itself is the limit they are not. So a download begins with one connection, tries
//! more only if there is much left ([`SplitDecision`]), and goes back to one if they do not pay. This module knows
//! neither names nor checksums: it fills a file and hands its bytes on in their order.

use std::collections::VecDeque;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::body::{BUFFER, fill};
use super::head::{Head, read_head};
use crate::clock::{Clock, Timestamp};
use crate::http::{Fault, Http, Request};
use crate::lock::lock;

/// The time before the rate of the first connection is measured: TCP's slow start is over on most links.
const WARM_UP: Duration = Duration::from_millis(300);

/// The time over which it is measured.
const MEASURED: Duration = Duration::from_millis(200);

/// More connections are not tried for less than this at the measured rate: opening them costs three round trips.
const WORTHWHILE: Duration = Duration::from_millis(1500);

/// The time over which several connections are measured, from the moment when all of them receive.
const TRIAL: Duration = Duration::from_secs(1);

/// Several connections are kept if they are faster than one by this factor.
const PAYS: f64 = 1.25;

/// The largest and the smallest part that is requested at once: each part costs a round trip without data, and those
/// in progress are lost when a connection fails.
const LARGEST_PART: u64 = 32 * 1024 * 1024;
const SMALLEST_PART: u64 = 4 * 1024 * 1024;

/// How often a wait for bytes checks whether several connections pay.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Decides whether a body that arrives over one connection is worth more of them.
pub(super) struct SplitDecision {
    began: Timestamp,
    /// When the measurement began, and the position at that time.
    measured_from: Option<(Timestamp, u64)>,
    /// The length of the file.
    end: u64,
}

impl SplitDecision {
    /// For a file of `end` bytes.
    pub(super) fn new(now: Timestamp, end: u64) -> Self {
        Self { began: now, measured_from: None, end }
    }

    /// The rate of the connection in bytes per second, once, if it is known and there is much left after `position`.
    pub(super) fn rate_if_slow(&mut self, now: Timestamp, position: u64) -> Option<f64> {
        if now.since(self.began) < WARM_UP {
            return None;
        }
        let (from, before) = *self.measured_from.get_or_insert((now, position));
        let seconds = now.since(from);
        if seconds < MEASURED {
            return None;
        }
        self.measured_from = Some((now, position));
        let rate = (position - before) as f64 / seconds.as_secs_f64();
        let left = self.end.saturating_sub(position);
        (left >= 2 * SMALLEST_PART && left as f64 > rate * WORTHWHILE.as_secs_f64()).then_some(rate)
    }
}

/// What is to be fetched, and how.
pub(super) struct Rest<'a> {
    /// The client.
    pub(super) http: &'a Http,
    /// Where time comes from.
    pub(super) clock: &'a dyn Clock,
    /// The GET of the whole file from where it is stored.
    pub(super) request: Request,
    /// The `ETag` or `Last-Modified` of the file.
    pub(super) validator: &'a str,
    /// The file on the disk, complete up to the first of `bytes`.
    pub(super) file: &'a NamedTempFile,
    /// The bytes that are missing.
    pub(super) bytes: Range<u64>,
    /// Connections to use.
    pub(super) connections: usize,
    /// What one connection achieved, in bytes per second.
    pub(super) single_rate: f64,
    /// Grows with each read.
    pub(super) received: &'a AtomicU64,
    /// Whether to give up.
    pub(super) is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// Why a part is missing.
#[derive(Debug)]
pub(super) enum RangeError {
    /// The connection failed.
    Connection(Fault),
    /// The answer is not the part that was requested. In words that follow the host's name.
    Unexpected(String),
    /// The file cannot be written or read.
    Disk(io::Error),
    /// Not even one thread could be started.
    Thread(io::Error),
    /// The process is to end.
    Stopped,
}

impl From<io::Error> for RangeError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Fetches the rest. `in_order` gets every byte once and in order, also those before an error.
pub(super) fn fetch(rest: &Rest, in_order: &mut dyn FnMut(&[u8])) -> Result<(), RangeError> {
    let parts = Parts::new(rest.bytes.clone(), rest.connections);
    thread::scope(|scope| {
        let spawn = |connection| {
            let parts = &parts;
            let fetch = move || {
                if let Err(error) = fetch_parts(rest, parts, connection) {
                    parts.fail(error);
                }
            };
            thread::Builder::new().spawn_scoped(scope, fetch)
        };
        // Where not all threads can be had, fewer do the work.
        let mut threads = Vec::new();
        for connection in 0..rest.connections {
            match spawn(connection) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    if threads.is_empty() {
                        parts.fail(RangeError::Thread(error));
                    }
                    break;
                }
            }
        }
        // Without an error and before the end that is a panic, which the end of this scope passes on.
        let have_ended = || threads.iter().all(ScopedJoinHandle::is_finished);
        if let Err(error) = hand_on(rest, &parts, &have_ended, in_order) {
            parts.fail(error);
        }
    });
    parts.into_result()
}

/// One connection: fetches one part after the other.
fn fetch_parts(rest: &Rest, parts: &Parts, connection: usize) -> Result<(), RangeError> {
    let mut file = rest.file.reopen()?;
    let mut buffer = vec![0; BUFFER];
    while let Some(part) = parts.take(connection) {
        let range = format!("bytes={}-{}", part.start, part.end - 1);
        let request = rest.request.clone().header("range", range).header("if-range", rest.validator);
        let mut stream = rest.http.stream(&request).map_err(RangeError::Connection)?;
        check(&read_head(&stream), &part, rest)?;
        file.seek(SeekFrom::Start(part.start))?;
        let mut position = part.start;
        let mut is_end = false;
        // To the end of the body, so that the connection can be used for the next part.
        while !is_end {
            let (length, end) = fill(&mut stream, &mut buffer, rest.received);
            if position + length as u64 > part.end {
                return Err(RangeError::Unexpected("sent more than was requested".to_owned()));
            }
            file.write_all(&buffer[..length])?;
            position += length as u64;
            parts.advance(part.start, position);
            is_end = end.map_err(|error| RangeError::Connection(stream.fault(error)))?;
            if (rest.is_stopped)() {
                return Err(RangeError::Stopped);
            }
            if parts.has_failed() {
                return Ok(());
            }
        }
        if position < part.end {
            return Err(RangeError::Unexpected("closed the connection before the end".to_owned()));
        }
    }
    Ok(())
}

fn check(head: &Head, part: &Range<u64>, rest: &Rest) -> Result<(), RangeError> {
    if head.status != 206 {
        return Err(RangeError::Unexpected(format!("sent no part of the file (HTTP {})", head.status)));
    }
    let is_same_file = head.validator.as_deref().is_none_or(|validator| validator == rest.validator);
    if head.range != Some((part.start, rest.bytes.end)) || !is_same_file {
        return Err(RangeError::Unexpected("sent another part of the file than requested".to_owned()));
    }
    Ok(())
}

/// Reads what was written in order, as soon as there is no gap before it, until everything is there or a part failed.
/// Meanwhile it decides whether several connections pay.
fn hand_on(
    rest: &Rest,
    parts: &Parts,
    have_ended: &dyn Fn() -> bool,
    in_order: &mut dyn FnMut(&[u8]),
) -> Result<(), RangeError> {
    let mut file = rest.file.reopen()?;
    file.seek(SeekFrom::Start(rest.bytes.start))?;
    let mut buffer = vec![0; BUFFER];
    let mut position = rest.bytes.start;
    let mut trial = Trial::default();
    while position < rest.bytes.end {
        let is_last = have_ended();
        let (available, progress) = parts.wait_beyond(position);
        if !trial.is_over && trial.is_slow(rest.clock.now(), &progress, rest.single_rate) {
            parts.use_one_connection();
        }
        if available == position && (progress.has_failed || is_last) {
            return Ok(());
        }
        while position < available {
            let wanted = buffer.len().min(usize::try_from(available - position).unwrap_or(usize::MAX));
            file.read_exact(&mut buffer[..wanted])?;
            in_order(&buffer[..wanted]);
            position += wanted as u64;
        }
    }
    Ok(())
}

/// The measurement of several connections.
#[derive(Default)]
struct Trial {
    /// When all connections had begun to receive, and the bytes at that time.
    began: Option<(Timestamp, u64)>,
    is_over: bool,
}

impl Trial {
    /// Whether several connections turn out not to be faster than one. True at most once.
    fn is_slow(&mut self, now: Timestamp, progress: &PartsProgress, single_rate: f64) -> bool {
        if !progress.all_receive {
            return false;
        }
        let (began, before) = *self.began.get_or_insert((now, progress.received));
        let time = now.since(began);
        if time < TRIAL {
            return false;
        }
        self.is_over = true;
        ((progress.received - before) as f64 / time.as_secs_f64()) < single_rate * PAYS
    }
}

/// The parts of the rest, shared by the connections.
struct Parts {
    state: Mutex<PartsState>,
    changed: Condvar,
    connections: usize,
    end: u64,
}

struct PartsState {
    /// The first byte that no connection has taken.
    next: u64,
    /// Connections that may take another part.
    active: usize,
    /// Parts that were taken and are not complete, and complete ones behind a gap; in order.
    taken: VecDeque<Part>,
    /// Up to here there is no gap.
    complete: u64,
    /// Bytes written, wherever.
    received: u64,
    /// Connections that have received something.
    receiving: usize,
    error: Option<RangeError>,
}

struct Part {
    start: u64,
    position: u64,
    end: u64,
}

/// How far the parts are.
struct PartsProgress {
    received: u64,
    all_receive: bool,
    has_failed: bool,
}

impl Parts {
    fn new(bytes: Range<u64>, connections: usize) -> Self {
        let state = PartsState {
            next: bytes.start,
            active: connections,
            taken: VecDeque::new(),
            complete: bytes.start,
            received: 0,
            receiving: 0,
            error: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), connections, end: bytes.end }
    }

    fn lock(&self) -> MutexGuard<'_, PartsState> {
        lock(&self.state)
    }

    /// The next part for this connection. They get smaller towards the end, so that all connections end together.
    fn take(&self, connection: usize) -> Option<Range<u64>> {
        let mut state = self.lock();
        if state.error.is_some() || state.next == self.end || connection >= state.active {
            return None;
        }
        let left = self.end - state.next;
        let length = match state.active {
            1 => left,
            active => (left / (2 * active as u64)).clamp(SMALLEST_PART, LARGEST_PART).min(left),
        };
        let part = state.next..state.next + length;
        state.next = part.end;
        state.taken.push_back(Part { start: part.start, position: part.start, end: part.end });
        Some(part)
    }

    /// Notes that the part that begins at `start` is written up to `position`.
    fn advance(&self, start: u64, position: u64) {
        let mut state = self.lock();
        let Some(part) = state.taken.iter_mut().find(|part| part.start == start) else { return };
        let is_first = part.position == start && position > start;
        let length = position - part.position;
        part.position = position;
        state.received += length;
        state.receiving += usize::from(is_first && state.receiving < self.connections);
        while let Some(&Part { position, end, .. }) = state.taken.front() {
            state.complete = position;
            if position < end {
                break;
            }
            state.taken.pop_front();
        }
        self.changed.notify_one();
    }

    /// Waits a moment for bytes without a gap beyond `position`. Gives where they end.
    fn wait_beyond(&self, position: u64) -> (u64, PartsProgress) {
        let mut state = self.lock();
        if state.complete <= position && state.error.is_none() {
            state = self.changed.wait_timeout(state, CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
        let progress = PartsProgress {
            received: state.received,
            all_receive: state.receiving == self.connections,
            has_failed: state.error.is_some(),
        };
        (state.complete, progress)
    }

    /// From now on only the first connection takes parts.
    fn use_one_connection(&self) {
        self.lock().active = 1;
    }

    /// The first error counts; the other ones may be its consequences.
    fn fail(&self, error: RangeError) {
        self.lock().error.get_or_insert(error);
        self.changed.notify_one();
    }

    fn has_failed(&self) -> bool {
        self.lock().error.is_some()
    }

    fn into_result(self) -> Result<(), RangeError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.error.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn at(millis: u64) -> Timestamp {
        Timestamp::START + Duration::from_millis(millis)
    }

    #[test]
    fn more_connections_are_tried_for_much_that_is_left_at_a_steady_rate() {
        let decide = |rate_per_ms: u64, end: u64| {
            let mut decision = SplitDecision::new(at(0), end);
            (0..=600).step_by(50).find_map(|ms| decision.rate_if_slow(at(ms), rate_per_ms * ms))
        };
        let rate = decide(50_000, 1024 * MIB).unwrap();
        assert!((rate - 50e6).abs() < 1.0, "{rate}");
        assert_eq!(decide(50_000, 90 * MIB), None, "it ends within 1.5 s");
        assert_eq!(decide(1_000, 6 * MIB), None, "too small for two parts");
        assert_eq!(decide(2_000_000, 2048 * MIB), None, "a fast link has no need");
    }

    #[test]
    fn parts_get_smaller_towards_the_end_and_leave_nothing_out() {
        let parts = Parts::new(10..1024 * MIB + 7, 4);
        let mut position = 10;
        let mut lengths = Vec::new();
        while let Some(part) = parts.take(lengths.len() % 4) {
            assert_eq!(part.start, position);
            position = part.end;
            lengths.push(part.end - part.start);
        }
        assert_eq!(position, 1024 * MIB + 7);
        assert_eq!((lengths[0], *lengths.iter().rev().nth(1).unwrap()), (LARGEST_PART, SMALLEST_PART));
        assert!(lengths.is_sorted_by(|a, b| a >= b), "{lengths:?}");
    }

    #[test]
    fn bytes_behind_a_gap_wait_for_it() {
        let parts = Parts::new(0..100 * MIB, 2);
        let (first, second) = (parts.take(0).unwrap(), parts.take(1).unwrap());
        parts.advance(second.start, second.end);
        let (complete, progress) = parts.wait_beyond(0);
        assert_eq!((complete, progress.received, progress.all_receive), (0, second.end - second.start, false));
        parts.advance(first.start, first.start + 5);
        let (complete, progress) = parts.wait_beyond(0);
        assert_eq!((complete, progress.all_receive), (5, true));
        parts.advance(first.start, first.end);
        assert_eq!(parts.wait_beyond(5).0, second.end);
    }

    #[test]
    fn connections_that_do_not_pay_are_given_up() {
        let progress = |received| PartsProgress { received, all_receive: true, has_failed: false };
        let is_slow = |rate: u64| {
            let mut trial = Trial::default();
            (0..20).any(|n| !trial.is_over && trial.is_slow(at(n * 100), &progress(n * 100 * rate), 50e6))
        };
        assert!(is_slow(55_000) && !is_slow(70_000));
        let parts = Parts::new(0..1024 * MIB, 4);
        assert_eq!(parts.take(3), Some(0..LARGEST_PART));
        parts.use_one_connection();
        assert_eq!(parts.take(1), None);
        assert_eq!(parts.take(0), Some(LARGEST_PART..1024 * MIB), "the rest in one piece");
    }

    #[test]
    fn the_first_error_counts_and_ends_the_others() {
        let parts = Parts::new(0..100 * MIB, 2);
        parts.fail(RangeError::Stopped);
        parts.fail(RangeError::Unexpected("later".to_owned()));
        assert!(parts.take(0).is_none() && parts.has_failed() && parts.wait_beyond(0).1.has_failed);
        assert!(matches!(parts.into_result(), Err(RangeError::Stopped)));
    }
}
