//! Files that can be trusted, for both systems: a temporary file beside the target, sums, resumption, several at once.
//!
//! One thread plans: it asks for a fresh link for each try, tells what happens and decides about the next try. Workers
//! do the tries and know nothing but their file. This room knows no provider: [`Links`] makes the requests.

mod names;
mod transfer;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use names::{distinct, safe};
use transfer::{Break, CHUNK, Kind, Partial};

use crate::clock::{Clock, Interrupt, Timestamp};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::retry::{self, ResumeBudget};
use crate::http::{Http, Request};
use crate::model::{DownloadEvent, DownloadProgress};
use crate::output;

/// Links of one file that are tried, each a fresh one.
const REFUSALS: u32 = 3;

/// Downloads of one file whose bytes are wrong in the end.
const DAMAGES: u32 = 2;

/// The longest wait for a worker before looking whether the process is to end.
const SLICE: Duration = Duration::from_secs(1);

/// Rates are means over this time.
const WINDOW: Duration = Duration::from_secs(10);

/// A file to download.
#[derive(Debug, Clone, Default)]
pub struct Item {
    /// The file's name: a [`safe`] and [`distinct`] one.
    pub name: String,
    /// Bytes, as the service states them.
    pub size: Option<u64>,
    /// The MD5 sum in hexadecimal digits, as the service states it.
    pub md5: Option<String>,
}

/// A complete file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// The SHA-256 sum in hexadecimal digits.
    pub sha256: String,
}

/// What became of the tries for a file so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tries {
    /// All of them.
    pub made: u32,
    /// Those whose link was refused.
    pub refused: u32,
}

/// Makes the links.
pub trait Links {
    /// The GET for item `n`, with a link that is good now. `tries` went before.
    fn fresh(&mut self, n: usize, tries: Tries) -> Result<Request, RequestError>;
}

/// Where and how to download.
pub struct Room<'a> {
    /// Connections; see [`Http::for_downloads`].
    pub http: &'a Http,
    /// The folder for the files.
    pub dir: &'a Path,
    /// Files at once.
    pub jobs: usize,
    /// Where time comes from.
    pub clock: &'a dyn Clock,
    /// Ends connections, and removes temporary files at once.
    pub interrupt: &'a Interrupt,
    /// The time between two [`DownloadEvent::DownloadProgress`].
    pub beat: Duration,
}

/// What came of a download.
#[derive(Debug, Default)]
pub struct DownloadReport {
    /// For each item its file, if it is complete.
    pub files: Vec<Option<Saved>>,
    /// What went wrong, in the order in which it did. A file that was given up for another one's fault has no entry.
    pub failures: Vec<Error>,
}

/// What the workers share.
struct Shared<'a> {
    http: &'a Http,
    dir: &'a Path,
    items: &'a [Item],
    /// Bytes of each item that are there.
    got: Vec<AtomicU64>,
    stop: AtomicBool,
    scraps: TempFiles,
}

impl Shared<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Temporary files, removed as soon as a signal comes: the process may be ended while a worker is stuck in a connect.
#[derive(Clone, Default)]
struct TempFiles(Arc<Mutex<Option<Vec<PathBuf>>>>);

impl TempFiles {
    fn watched(interrupt: &Interrupt) -> Self {
        let scraps = Self(Arc::new(Mutex::new(Some(Vec::new()))));
        let closing = scraps.clone();
        interrupt.on_raise(move || {
            let paths = closing.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            for path in paths.unwrap_or_default() {
                // One that has its final name by now is not there any more.
                drop(fs::remove_file(path));
            }
        });
        scraps
    }

    /// False when the signal came before.
    fn add(&self, path: &Path) -> bool {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.as_mut().map(|paths| paths.push(path.to_owned())).is_some()
    }
}

/// A file that is not there yet.
struct Task {
    n: usize,
    growth: ResumeBudget,
    refused: u32,
    damages: u32,
    due: Timestamp,
    partial: Option<Partial>,
}

struct Job {
    task: Task,
    request: Request,
}

struct Done {
    task: Task,
    result: Result<Saved, Break>,
}

/// Downloads all items into `room.dir`. Every file that is there afterwards is complete and checked.
pub fn download(
    items: &[Item],
    links: &mut dyn Links,
    room: &Room,
    emit: &mut dyn FnMut(DownloadEvent),
) -> DownloadReport {
    let mut haul = DownloadReport { files: items.iter().map(|_| None).collect(), failures: Vec::new() };
    if let Err(failure) = make_room(items, room.dir) {
        haul.failures.push(failure);
        return haul;
    }
    let shared = Shared {
        http: room.http,
        dir: room.dir,
        items,
        got: items.iter().map(|_| AtomicU64::new(0)).collect(),
        stop: AtomicBool::new(false),
        scraps: TempFiles::watched(room.interrupt),
    };
    let (give, jobs) = mpsc::channel();
    let jobs = Mutex::new(jobs);
    let (tell, done) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..room.jobs.min(items.len()) {
            let tell = tell.clone();
            let (shared, jobs) = (&shared, &jobs);
            scope.spawn(move || work(shared, jobs, &tell));
        }
        // The workers end when the planner drops its end of their queue.
        plan(&shared, links, room, &mut haul, (give, done), emit);
    });
    haul
}

/// A worker: one try after the other.
fn work(shared: &Shared, jobs: &Mutex<Receiver<Job>>, tell: &Sender<Done>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut task, request }) = next else { return };
        let result = transfer::attempt(shared, task.n, request, &mut task.partial, &mut buffer);
        if tell.send(Done { task, result }).is_err() {
            return;
        }
    }
}

/// The planner: hands out tries until every file is there or given up.
fn plan(
    shared: &Shared,
    links: &mut dyn Links,
    room: &Room,
    haul: &mut DownloadReport,
    (give, done): (Sender<Job>, Receiver<Done>),
    emit: &mut dyn FnMut(DownloadEvent),
) {
    let clock = room.clock;
    let mut waiting: VecDeque<Task> = (0..shared.items.len()).map(|n| Task::new(n, clock.now())).collect();
    let mut running = 0;
    let mut meter = Meter::new(clock.now());
    let mut next_beat = clock.now() + room.beat;
    loop {
        if let Some(code) = clock.interrupted()
            && !shared.stop.swap(true, Ordering::Relaxed)
        {
            let why = "ended by a signal; nothing half-written is left";
            haul.failures.insert(0, Error::new(code, "downloading", why));
            // A lost parent raises nothing by itself, and connections must not keep the workers.
            room.interrupt.raise(code);
        }
        if shared.is_stopped() {
            waiting.clear();
        }
        while running < room.jobs
            && let Some(at) = waiting.iter().position(|task| task.due <= clock.now())
            && let Some(task) = waiting.remove(at)
        {
            match links.fresh(task.n, Tries { made: task.growth.made, refused: task.refused }) {
                Ok(request) => {
                    running += 1;
                    // The workers live as long as their queue, so there is somebody to take it.
                    drop(give.send(Job { task, request }));
                }
                Err(miss) => {
                    let kind = if miss.retryable { Kind::Passing } else { Kind::Lasting };
                    let broken = Break { kind, failure: miss.error, asked: miss.retry_after };
                    waiting.extend(next_try(task, broken, shared, clock, haul, emit));
                }
            }
        }
        if running == 0 {
            match waiting.iter().map(|task| task.due).min() {
                Some(due) => clock.sleep(due.since(clock.now())),
                None => return,
            }
            continue;
        }
        let now = clock.now();
        if now >= next_beat {
            let bytes = shared.got.iter().map(|got| got.load(Ordering::Relaxed)).sum();
            emit(DownloadEvent::DownloadProgress(meter.read(now, bytes, shared.items, haul)));
            next_beat = now + room.beat;
        }
        let soonest = waiting.iter().map(|task| task.due).chain([next_beat]).min().unwrap_or(next_beat);
        let Ok(Done { task, result }) = done.recv_timeout(soonest.since(now).min(SLICE)) else { continue };
        running -= 1;
        match result {
            Ok(saved) => {
                emit(DownloadEvent::Saved { path: saved.path.clone(), bytes: saved.size });
                haul.files[task.n] = Some(saved);
            }
            Err(broken) => waiting.extend(next_try(task, broken, shared, clock, haul, emit)),
        }
    }
}

impl Task {
    fn new(n: usize, due: Timestamp) -> Self {
        Self { n, growth: ResumeBudget::default(), refused: 0, damages: 0, due, partial: None }
    }

    /// Counts a broken try that left `got` bytes, and gives the pause before the next one if there is to be one.
    fn count(&mut self, kind: Kind, got: u64, asked: Option<Duration>) -> Option<Duration> {
        let jitter = fastrand::f64();
        let pause = self.growth.broke(got, asked, jitter);
        match kind {
            Kind::Lasting => None,
            Kind::Passing => pause,
            Kind::Refused => {
                self.refused += 1;
                (self.refused < REFUSALS).then(|| retry::pause(1, None, jitter)).flatten()
            }
            Kind::Damaged => {
                self.damages += 1;
                self.partial = None;
                self.growth.restart();
                (self.damages < DAMAGES).then(|| retry::pause(1, None, jitter)).flatten()
            }
        }
    }
}

/// The task with the time of its next try, or nothing when it is given up.
fn next_try(
    mut task: Task,
    broken: Break,
    shared: &Shared,
    clock: &dyn Clock,
    haul: &mut DownloadReport,
    emit: &mut dyn FnMut(DownloadEvent),
) -> Option<Task> {
    if shared.is_stopped() || clock.interrupted().is_some() {
        return None;
    }
    let got = task.partial.as_ref().map_or(0, |part| part.got);
    if let Some(pause) = task.count(broken.kind, got, broken.asked) {
        // A damaged part was thrown away.
        let got = task.partial.as_ref().map_or(0, |part| part.got);
        shared.got[task.n].store(got, Ordering::Relaxed);
        emit(DownloadEvent::Retry { why: broken.failure.to_string(), again: pause, got });
        task.due = clock.now() + pause;
        return Some(task);
    }
    shared.got[task.n].store(0, Ordering::Relaxed);
    if broken.failure.code() == ExitCode::Local {
        // The next file would meet the same disk.
        shared.stop.store(true, Ordering::Relaxed);
    }
    let mut failure = broken.failure;
    if task.growth.made > 1 {
        let mut reason = format!("{}; given up after {} tries", failure.reason(), task.growth.made);
        if got > 0 {
            reason = format!("{reason}, the last with {}", output::size(got));
        }
        failure = failure.with_reason(reason);
    }
    haul.failures.push(failure);
    None
}

/// Measures the rate.
struct Meter {
    marks: VecDeque<(Timestamp, u64)>,
}

impl Meter {
    fn new(now: Timestamp) -> Self {
        Self { marks: VecDeque::from([(now, 0)]) }
    }

    fn read(&mut self, now: Timestamp, bytes: u64, items: &[Item], haul: &DownloadReport) -> DownloadProgress {
        while self.marks.len() > 1 && self.marks.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.marks.pop_front();
        }
        let (since, before) = self.marks.front().copied().unwrap_or((now, bytes));
        self.marks.push_back((now, bytes));
        let time = now.since(since).as_secs_f64();
        DownloadProgress {
            files: items.len(),
            complete: haul.files.iter().flatten().count(),
            bytes,
            total: items.iter().map(|item| item.size).sum(),
            // A restarted file takes bytes back.
            rate: if time > 0.0 { bytes.saturating_sub(before) as f64 / time } else { 0.0 },
        }
    }
}

/// Makes the folder, and refuses a disk that is surely too small before an hour is spent on it.
fn make_room(items: &[Item], dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir)
        .map_err(|error| Error::new(ExitCode::Local, format!("the folder {}", dir.display()), error.to_string()))?;
    let needed: u64 = items.iter().filter_map(|item| item.size).sum();
    match free(dir) {
        Some(free) if free < needed => {
            let missing = needed - free;
            Err(too_small(dir, &format!("{needed} bytes are needed, {free} are free, {missing} are missing")))
        }
        _ => Ok(()),
    }
}

fn too_small(dir: &Path, why: &str) -> Error {
    Error::new(ExitCode::Local, format!("the folder {}", dir.display()), format!("its disk is full: {why}"))
        .with_hint("free some space, or choose a folder on another disk")
}

/// Bytes that an ordinary user may still write, where the system tells.
#[cfg(unix)]
fn free(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    (disk.f_blocks > 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_damages_have_limits_of_their_own() {
        let mut task = Task::new(0, Timestamp::START);
        assert!(task.count(Kind::Refused, 0, None).is_some());
        assert!(task.count(Kind::Damaged, 0, None).is_some());
        assert!(task.count(Kind::Refused, 0, None).is_some());
        assert_eq!(task.count(Kind::Refused, 0, None), None);
        assert_eq!(task.count(Kind::Damaged, 0, None), None);
        assert_eq!(Task::new(0, Timestamp::START).count(Kind::Lasting, 0, None), None);
        assert_eq!((task.growth.made, task.refused), (5, 3));
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let items = [Item { size: Some(1000), ..Item::default() }, Item { size: Some(500), ..Item::default() }];
        let haul = DownloadReport { files: vec![None, None], failures: Vec::new() };
        let mut meter = Meter::new(Timestamp::START);
        let mut rate =
            |at: u64, bytes| meter.read(Timestamp::START + Duration::from_secs(at), bytes, &items, &haul).rate;
        assert!((rate(1, 100) - 100.0).abs() < 0.1);
        for at in 2..=10 {
            rate(at, 100 * at);
        }
        assert!((rate(20, 1000) - 0.0).abs() < 0.1, "a stall shows");
        assert!((rate(21, 0) - 0.0).abs() < 0.1, "a restarted file is no negative rate");
        assert_eq!(meter.read(Timestamp::START + Duration::from_secs(22), 0, &items, &haul).total, Some(1500));
    }

    #[test]
    fn a_disk_that_is_surely_too_small_is_refused_with_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a/b");
        let item = |size| Item { name: "app.ipa".into(), size: Some(size), md5: None };
        make_room(&[item(1)], &dir).unwrap();
        assert!(dir.is_dir());
        if free(&dir).is_some() {
            let failure = make_room(&[item(1 << 62), item(1)], &dir).unwrap_err();
            assert_eq!(failure.code(), ExitCode::Local);
            assert!(
                failure.reason().starts_with("its disk is full: 4611686018427387905 bytes are needed"),
                "{failure}"
            );
        }
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(make_room(&[], &folder.path().join("file/x")).unwrap_err().code(), ExitCode::Local);
    }

    #[test]
    fn a_signal_removes_what_is_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let interrupt = Interrupt::default();
        let scraps = TempFiles::watched(&interrupt);
        let path = folder.path().join("half");
        fs::write(&path, "x").unwrap();
        assert!(scraps.add(&path));
        interrupt.raise(ExitCode::Terminated);
        assert!(!path.exists());
        assert!(!scraps.add(&path), "nothing new is begun");
    }
}
