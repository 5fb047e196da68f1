//! Hands out attempts to the workers until every file is complete or given up.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::attempt::{Attempt, AttemptError, AttemptFault, Completed, Partial, TargetFile, Workers};
use super::body::BUFFER;
use super::file_name::distinct_file_names;
use super::temp_files::TempFiles;
use super::{Attempts, DownloadOptions, DownloadReport, DownloadSource, Selected};
use crate::clock::Timestamp;
use crate::error::{Error, ExitCode};
use crate::files;
use crate::http::Request;
use crate::http::retry::{self, ResumeBudget};
use crate::lock::lock;
use crate::model::{Artifact, DownloadEvent, DownloadProgress};
use crate::output;

/// Attempts whose link was refused before a file is given up; each has a fresh link.
const MAX_REFUSED: u32 = 3;

/// Complete downloads with wrong bytes before a file is given up.
const MAX_DAMAGED: u32 = 2;

/// Transfers at once where nobody says how many: enough for a link that is full.
const FEW_JOBS: usize = 4;

/// The same where files turn out to wait for their answers more than they are received. As many connections stay open.
const MANY_JOBS: usize = 16;

/// An answer that takes at least so long to begin leaves the link unused meanwhile. Within a machine or a building it
/// takes less, and more connections would only cost their handshakes.
const LONG_LATENCY: Duration = Duration::from_millis(10);

/// A file mostly waited if it took less than so many times as long as its answer took to begin.
const MOSTLY_WAITING: u32 = 8;

/// The longest wait for a worker before checking whether the process is to end.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Rates are means over this time.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// A file with what became of it so far.
struct Transfer<'a> {
    artifact: &'a mut Artifact,
    source: Box<dyn DownloadSource + 'a>,
    target: &'a TargetFile,
    budget: ResumeBudget,
    refused: u32,
    damaged: u32,
    /// What the last attempt left, while no worker has it.
    partial: Option<Partial>,
    state: TransferState,
}

enum TransferState {
    /// The next attempt is due at this time on the clock.
    Waiting(Timestamp),
    /// A worker has it.
    Running,
    /// It is complete or given up.
    Ended,
}

/// One attempt for a worker. The number is that of the transfer.
struct AttemptJob<'a> {
    transfer: usize,
    target: &'a TargetFile,
    request: Request,
    /// Connections that it may use.
    connections: usize,
    partial: Option<Partial>,
}

struct AttemptResult {
    transfer: usize,
    result: Result<Completed, AttemptError>,
    partial: Option<Partial>,
    /// How long the attempt took, unless connections had to be opened for it.
    took: Option<Duration>,
}

/// Downloads all files, several at once.
pub(super) fn run(
    selected: Vec<Selected>,
    options: &DownloadOptions,
    emit: &mut dyn FnMut(DownloadEvent),
) -> DownloadReport {
    let targets = target_files(&selected);
    let now = options.clock.now();
    let transfers = selected.into_iter().zip(&targets).map(|(file, target)| Transfer::new(file, target, now)).collect();
    let workers = Workers {
        options,
        temp_dir: options.dir.canonicalize().unwrap_or_else(|_| options.dir.to_owned()),
        temp_files: TempFiles::removed_on(options.interrupt),
        stopped: AtomicBool::new(false),
    };
    files::remove_abandoned(&workers.temp_dir);
    let (job_sender, job_receiver) = mpsc::channel();
    let job_receiver = Mutex::new(job_receiver);
    let (result_sender, results) = mpsc::channel();
    thread::scope(|scope| {
        let spawn = || {
            let result_sender = result_sender.clone();
            let (workers, job_receiver) = (&workers, &job_receiver);
            thread::Builder::new().spawn_scoped(scope, move || work(workers, job_receiver, &result_sender))
        };
        // Where not all threads can be had, fewer do the work.
        let mut threads = Vec::new();
        for _ in 0..options.jobs.unwrap_or(MANY_JOBS).min(targets.len()) {
            match spawn() {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => {
                    return DownloadReport { failures: vec![Error::local("download", &error)], ..Default::default() };
                }
                Err(_) => break,
            }
        }
        // A worker ends early only by a panic, which the end of this scope passes on.
        let has_panicked = || threads.iter().any(ScopedJoinHandle::is_finished);
        let jobs = options.jobs.unwrap_or(FEW_JOBS);
        let mut scheduler = Scheduler { workers: &workers, transfers, jobs, report: DownloadReport::default(), emit };
        // The workers end when the sender of jobs is dropped.
        scheduler.run(&job_sender, &results, &has_panicked);
        drop(job_sender);
        scheduler.report
    })
}

fn target_files(selected: &[Selected]) -> Vec<TargetFile> {
    let names = distinct_file_names(selected.iter().map(|file| file.artifact.name.as_str()));
    let files = selected.iter().zip(names).map(|(Selected { artifact, .. }, file_name)| TargetFile {
        file_name,
        size: artifact.size,
        md5: artifact.md5.clone(),
        received: AtomicU64::new(0),
    });
    files.collect()
}

/// A worker: one attempt after the other.
fn work(workers: &Workers, jobs: &Mutex<Receiver<AttemptJob>>, results: &Sender<AttemptResult>) {
    let mut buffer = Vec::new();
    let clock = workers.options.clock;
    loop {
        let next = lock(jobs).recv();
        let Ok(AttemptJob { transfer, target, request, connections, mut partial }) = next else { return };
        let is_first = buffer.is_empty();
        // A byte more than the file has, so that one read finds its end.
        let wanted = target
            .size
            .and_then(|size| usize::try_from(size.saturating_add(1)).ok())
            .map_or(BUFFER, |size| size.min(BUFFER));
        buffer.resize(wanted.max(buffer.len()), 0);
        let began = clock.now();
        let result = Attempt { workers, target }.run(request, connections, &mut partial, &mut buffer);
        let took = (!is_first).then(|| clock.now().since(began));
        if results.send(AttemptResult { transfer, result, partial, took }).is_err() {
            return;
        }
    }
}

struct Scheduler<'a, 'e> {
    workers: &'a Workers<'a>,
    transfers: Vec<Transfer<'a>>,
    /// Transfers at once, at present.
    jobs: usize,
    report: DownloadReport,
    emit: &'e mut dyn FnMut(DownloadEvent),
}

impl<'a> Scheduler<'a, '_> {
    fn run(
        &mut self,
        jobs: &Sender<AttemptJob<'a>>,
        results: &Receiver<AttemptResult>,
        has_panicked: &dyn Fn() -> bool,
    ) {
        let options = self.workers.options;
        let clock = options.clock;
        let mut meter = RateMeter::new(clock.now());
        let mut next_progress = clock.now() + options.progress_interval;
        loop {
            self.check_end();
            self.start_due_attempts(jobs);
            let now = clock.now();
            if self.running() == 0 {
                match self.next_due() {
                    Some(due) => clock.sleep(due.since(now).min(CHECK_INTERVAL)),
                    None => return,
                }
                continue;
            }
            if now >= next_progress {
                let progress = self.progress(&mut meter, now);
                (self.emit)(DownloadEvent::Progress(progress));
                next_progress = now + options.progress_interval;
            }
            // What is due while every worker has a file waits for the result of one of them.
            let due = self.next_due().filter(|_| self.running() < self.jobs);
            let wake = due.map_or(next_progress, |due| due.min(next_progress));
            let Ok(AttemptResult { transfer, result, partial, took }) =
                results.recv_timeout(wake.since(now).min(CHECK_INTERVAL))
            else {
                if has_panicked() {
                    return;
                }
                continue;
            };
            match result {
                Ok(file) => {
                    if options.jobs.is_none() && took.is_some_and(|took| mostly_waited(file.latency, took)) {
                        self.jobs = MANY_JOBS;
                    }
                    self.complete(transfer, file);
                }
                Err(error) => self.retry_or_give_up(transfer, error, partial),
            }
        }
    }

    /// Stops everything when the process is to end or the deadline has passed.
    fn check_end(&mut self) {
        let DownloadOptions { clock, interrupt, deadline, http, .. } = *self.workers.options;
        if self.workers.is_stopped() {
            self.drop_waiting();
            return;
        }
        let unfinished = self.transfers.iter().any(|transfer| !matches!(transfer.state, TransferState::Ended));
        if let Some(cause) = clock.stop_cause() {
            self.workers.stopped.store(true, Ordering::Relaxed);
            self.report.failures.insert(
                0,
                Error::new(cause.code(), "download", format!("interrupted by {cause}; partial files are removed")),
            );
            // A lost parent raises nothing by itself, and open connections would keep the workers.
            interrupt.raise(cause);
        } else if deadline.is_some_and(|deadline| clock.now() >= deadline) && unfinished {
            self.workers.stopped.store(true, Ordering::Relaxed);
            let error = Error::new(ExitCode::TimedOut, "download", "not complete when the time limit passed");
            self.report.failures.insert(0, error.with_hint("raise --timeout"));
            http.close_connections();
        }
    }

    fn drop_waiting(&mut self) {
        for transfer in &mut self.transfers {
            if matches!(transfer.state, TransferState::Waiting(..)) {
                transfer.state = TransferState::Ended;
            }
        }
    }

    fn running(&self) -> usize {
        self.transfers.iter().filter(|transfer| matches!(transfer.state, TransferState::Running)).count()
    }

    /// When the next attempt is due.
    fn next_due(&self) -> Option<Timestamp> {
        let due = self.transfers.iter().filter_map(|transfer| match transfer.state {
            TransferState::Waiting(due) => Some(due),
            TransferState::Running | TransferState::Ended => None,
        });
        let due = due.min()?;
        Some(self.workers.options.deadline.map_or(due, |deadline| due.min(deadline)))
    }

    fn start_due_attempts(&mut self, jobs: &Sender<AttemptJob<'a>>) {
        let options = self.workers.options;
        while self.running() < self.jobs && !self.workers.is_stopped() {
            let now = options.clock.now();
            let is_due = |transfer: &Transfer| matches!(transfer.state, TransferState::Waiting(due) if due <= now);
            let Some(number) = self.transfers.iter().position(is_due) else { return };
            let unfinished =
                self.transfers.iter().filter(|transfer| !matches!(transfer.state, TransferState::Ended)).count();
            let connections = (self.jobs / unfinished).max(1);
            let transfer = &mut self.transfers[number];
            transfer.state = TransferState::Running;
            let partial = transfer.partial.take();
            let attempts = Attempts { made: transfer.budget.attempts(), refused: transfer.refused };
            match transfer.source.request(attempts) {
                // The workers live as long as this sender, so the job finds a receiver.
                Ok(request) => {
                    let target = transfer.target;
                    drop(jobs.send(AttemptJob { transfer: number, target, request, connections, partial }));
                }
                Err(error) => {
                    let kind = if error.retryable { AttemptFault::Transient } else { AttemptFault::Permanent };
                    let error = AttemptError { kind, error: error.error, retry_after: error.retry_after };
                    self.retry_or_give_up(number, error, partial);
                }
            }
        }
    }

    fn complete(&mut self, number: usize, file: Completed) {
        let transfer = &mut self.transfers[number];
        transfer.state = TransferState::Ended;
        transfer.artifact.path = Some(file.path.display().to_string());
        transfer.artifact.size = Some(file.size);
        transfer.artifact.sha256 = Some(file.sha256);
        self.report.files += 1;
        self.report.bytes += file.size;
        (self.emit)(DownloadEvent::Saved { path: file.path, bytes: file.size });
    }

    fn retry_or_give_up(&mut self, number: usize, failed: AttemptError, partial: Option<Partial>) {
        let clock = self.workers.options.clock;
        let transfer = &mut self.transfers[number];
        let received = partial.as_ref().map_or(0, |partial| partial.received);
        let pause = transfer.count(failed.kind, received, failed.retry_after);
        if self.workers.is_stopped() || clock.interrupted().is_some() {
            transfer.state = TransferState::Ended;
            return;
        }
        if let Some(pause) = pause {
            let partial = partial.filter(|_| failed.kind != AttemptFault::Damaged);
            let received = partial.as_ref().map_or(0, |partial| partial.received);
            transfer.target.received.store(received, Ordering::Relaxed);
            transfer.state = TransferState::Waiting(clock.now() + pause);
            transfer.partial = partial;
            (self.emit)(DownloadEvent::Retry { why: failed.error.to_string(), again: pause, got: received });
            return;
        }
        transfer.state = TransferState::Ended;
        transfer.target.received.store(0, Ordering::Relaxed);
        let mut error = failed.error;
        if error.code() == ExitCode::Local {
            // The other files would meet the same disk.
            self.workers.stopped.store(true, Ordering::Relaxed);
        }
        if transfer.budget.attempts() > 1 {
            let mut reason = format!("{}; gave up after {} attempts", error.reason(), transfer.budget.attempts());
            if received > 0 {
                reason = format!("{reason}, the last with {} received", output::format_size(received));
            }
            error = error.with_reason(reason);
        }
        self.report.failures.push(error);
    }

    fn progress(&self, meter: &mut RateMeter, now: Timestamp) -> DownloadProgress {
        let bytes = self.transfers.iter().map(|transfer| transfer.target.received.load(Ordering::Relaxed)).sum();
        DownloadProgress {
            files: self.transfers.len(),
            complete: self.report.files,
            bytes,
            total: self.transfers.iter().map(|transfer| transfer.target.size).sum(),
            rate: meter.rate(now, bytes),
        }
    }
}

impl<'a> Transfer<'a> {
    /// A file whose first attempt is due at once.
    fn new(Selected { artifact, source }: Selected<'a>, target: &'a TargetFile, now: Timestamp) -> Self {
        let (budget, state) = (ResumeBudget::default(), TransferState::Waiting(now));
        Self { artifact, source, target, budget, refused: 0, damaged: 0, partial: None, state }
    }

    /// Counts a failed attempt that left `received` bytes, and gives the pause before the next one if there is to be
    /// one.
    fn count(&mut self, kind: AttemptFault, received: u64, retry_after: Option<Duration>) -> Option<Duration> {
        let jitter = fastrand::f64();
        let pause = self.budget.record_failure(received, retry_after, jitter);
        match kind {
            AttemptFault::Permanent => None,
            AttemptFault::Transient => pause,
            AttemptFault::Refused => {
                self.refused += 1;
                (self.refused < MAX_REFUSED).then(|| retry::pause(1, None, jitter)).flatten()
            }
            AttemptFault::Damaged => {
                self.damaged += 1;
                self.budget.reset_progress();
                (self.damaged < MAX_DAMAGED).then(|| retry::pause(1, None, jitter)).flatten()
            }
        }
    }
}

/// Whether more transfers at once would have used the time of one whose answer began after `latency`.
fn mostly_waited(latency: Duration, took: Duration) -> bool {
    latency >= LONG_LATENCY && took < latency * MOSTLY_WAITING
}

/// Measures bytes per second over the last [`RATE_WINDOW`].
struct RateMeter {
    /// Times and the bytes received by then.
    samples: VecDeque<(Timestamp, u64)>,
}

impl RateMeter {
    fn new(now: Timestamp) -> Self {
        Self { samples: VecDeque::from([(now, 0)]) }
    }

    fn rate(&mut self, now: Timestamp, bytes: u64) -> f64 {
        let is_old = |(at, _): &(Timestamp, u64)| now.since(*at) >= RATE_WINDOW;
        while self.samples.len() > 1 && self.samples.get(1).is_some_and(is_old) {
            self.samples.pop_front();
        }
        let (since, before) = self.samples.front().copied().unwrap_or((now, bytes));
        self.samples.push_back((now, bytes));
        let seconds = now.since(since).as_secs_f64();
        // A file that starts over takes bytes back.
        if seconds > 0.0 { bytes.saturating_sub(before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RequestError;

    #[test]
    fn more_transfers_at_once_pay_for_small_files_far_away() {
        let pay = |latency, took| mostly_waited(Duration::from_millis(latency), Duration::from_millis(took));
        assert!(pay(40, 41) && pay(40, 200));
        assert!(!pay(1, 2), "within a machine");
        assert!(!pay(40, 1000), "a file that fills the link");
    }

    struct NoSource;

    impl DownloadSource for NoSource {
        fn request(&mut self, _: Attempts) -> Result<Request, RequestError> {
            Err(RequestError::permanent(Error::message(ExitCode::NotFound, "no link")))
        }
    }

    fn transfer<'a>(artifact: &'a mut Artifact, target: &'a TargetFile) -> Transfer<'a> {
        Transfer {
            artifact,
            source: Box::new(NoSource),
            target,
            budget: ResumeBudget::default(),
            refused: 0,
            damaged: 0,
            partial: None,
            state: TransferState::Waiting(Timestamp::START),
        }
    }

    #[test]
    fn refused_links_and_damaged_files_have_limits_of_their_own() {
        let (mut artifact, target) = (Artifact::default(), TargetFile::default());
        let mut transfer = transfer(&mut artifact, &target);
        assert!(transfer.count(AttemptFault::Refused, 0, None).is_some());
        assert!(transfer.count(AttemptFault::Damaged, 0, None).is_some());
        assert!(transfer.count(AttemptFault::Refused, 0, None).is_some());
        assert_eq!(transfer.count(AttemptFault::Refused, 0, None), None);
        assert_eq!(transfer.count(AttemptFault::Damaged, 0, None), None);
        assert_eq!(transfer.count(AttemptFault::Permanent, 0, None), None);
        assert_eq!((transfer.budget.attempts(), transfer.refused), (6, 3));
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut meter = RateMeter::new(Timestamp::START);
        let mut rate = |at: u64, bytes| meter.rate(Timestamp::START + Duration::from_secs(at), bytes);
        assert!((rate(1, 100) - 100.0).abs() < 0.1);
        for at in 2..=10 {
            rate(at, 100 * at);
        }
        assert!((rate(20, 1000) - 0.0).abs() < 0.1, "a stalled download shows");
        assert!((rate(21, 0) - 0.0).abs() < 0.1, "a file that starts over is no negative rate");
    }
}
