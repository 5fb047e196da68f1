//! One attempt at one file: from a request to a checked file under its name, or to a partial one that the next attempt
//! resumes.

use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use md5::{Digest as _, Md5};
use ring::digest::{Context as Sha, SHA256};
use tempfile::NamedTempFile;

use super::body::{BUFFER, fill};
use super::head::{Head, read_head};
use super::ranges::{self, RangeError, Rest, SplitDecision};
use super::temp_files::TempFiles;
use super::{DownloadOptions, disk_full};
use crate::error::{Error, ExitCode, is_shortage};
use crate::files;
use crate::http::{Fault, FaultKind, Request, Stream};

/// Filled buffers that wait for the thread that hashes and writes them.
const QUEUED_BUFFERS: usize = 2;

/// A file as the workers see it.
#[derive(Debug, Default)]
pub(super) struct TargetFile {
    /// The file's name in the folder.
    pub(super) file_name: String,
    /// Bytes, as the service states them.
    pub(super) size: Option<u64>,
    /// The MD5 sum in hexadecimal digits, as the service states it.
    pub(super) md5: Option<String>,
    /// Bytes received so far.
    pub(super) received: AtomicU64,
}

/// What all workers share.
pub(super) struct Workers<'a> {
    /// What was asked for.
    pub(super) options: &'a DownloadOptions<'a>,
    /// The folder for the files without links, so that a temporary file can be removed when a link was changed.
    pub(super) temp_dir: PathBuf,
    /// What is removed when the process ends early.
    pub(super) temp_files: TempFiles,
    /// Set once no file is to be completed any more.
    pub(super) stopped: AtomicBool,
}

impl Workers<'_> {
    /// Whether no file is to be completed any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// An attempt of one of the workers at one file.
pub(super) struct Attempt<'a> {
    pub(super) workers: &'a Workers<'a>,
    pub(super) target: &'a TargetFile,
}

/// A file of which some bytes may be there.
pub(super) struct Partial {
    file: NamedTempFile,
    /// Bytes that are written and hashed.
    pub(super) received: u64,
    sha256: Sha,
    /// Only where there is a sum to compare with: MD5 costs more CPU than everything else here.
    md5: Option<Md5>,
    /// The `ETag` or `Last-Modified` of the file that the bytes are of.
    validator: Option<String>,
    /// How long the last answer took to begin.
    latency: Duration,
    /// An attempt failed: from now on one connection has to do, because what others received behind a gap is lost with
    /// each failure.
    has_failed: bool,
}

/// A complete file that was checked.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    /// The SHA-256 sum in hexadecimal digits.
    pub(super) sha256: String,
    /// How long its answer took to begin.
    pub(super) latency: Duration,
}

/// What a failed attempt means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptFault {
    /// The next attempt may succeed.
    Transient,
    /// The link is not valid, or no longer.
    Refused,
    /// What was received is not the file.
    Damaged,
    /// No other attempt will succeed.
    Permanent,
}

/// An attempt that gave no file.
#[derive(Debug)]
pub(super) struct AttemptError {
    pub(super) kind: AttemptFault,
    pub(super) error: Error,
    /// How long the service asks to wait.
    pub(super) retry_after: Option<Duration>,
}

impl AttemptError {
    fn new(kind: AttemptFault, error: Error) -> Self {
        Self { kind, error, retry_after: None }
    }
}

/// How a body continues what is there.
#[derive(Debug, PartialEq, Eq)]
enum Continuation {
    /// It is the whole file.
    Whole,
    /// It is the rest of the file.
    Rest,
}

impl Partial {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_file_mut().write_all(bytes)?;
        count(bytes, &mut self.sha256, self.md5.as_mut(), &mut self.received);
        Ok(())
    }

    /// Discards what is there.
    fn restart(&mut self) -> io::Result<()> {
        let file = self.file.as_file_mut();
        file.set_len(0)?;
        file.rewind()?;
        (self.received, self.validator) = (0, None);
        (self.sha256, self.md5) = (Sha::new(&SHA256), self.md5.as_ref().map(|_| Md5::new()));
        Ok(())
    }
}

/// Counts and hashes bytes that were written.
fn count(bytes: &[u8], sha256: &mut Sha, md5: Option<&mut Md5>, received: &mut u64) {
    sha256.update(bytes);
    if let Some(md5) = md5 {
        md5.update(bytes);
    }
    *received += bytes.len() as u64;
}

impl Attempt<'_> {
    /// An empty temporary file beside the target.
    fn new_partial(&self) -> Result<Partial, AttemptError> {
        files::replaceable(&self.workers.options.dir.join(&self.target.file_name))
            .map_err(|error| self.write_error(&error, 0))?;
        let file = files::temporary_in(&self.workers.temp_dir).map_err(|error| self.write_error(&error, 0))?;
        if !self.workers.temp_files.add(file.path()) {
            return Err(self.interrupted());
        }
        let md5 = self.target.md5.as_ref().map(|_| Md5::new());
        let latency = Duration::ZERO;
        Ok(Partial { file, received: 0, sha256: Sha::new(&SHA256), md5, validator: None, latency, has_failed: false })
    }

    /// Downloads a file, or the rest of it, with `request`, over several `connections` if that is faster. `buffer` is
    /// for its first bytes.
    ///
    /// After an error `partial` holds what the next attempt can resume.
    pub(super) fn run(
        &self,
        request: Request,
        connections: usize,
        partial: &mut Option<Partial>,
        buffer: &mut [u8],
    ) -> Result<Completed, AttemptError> {
        let part = match partial {
            Some(part) => part,
            None => partial.insert(self.new_partial()?),
        };
        let result = self.transfer(request, connections, part, buffer);
        part.has_failed = result.is_err();
        result?;
        self.keep(partial)
    }

    /// Sends the request, and receives all of the answer.
    fn transfer(
        &self,
        request: Request,
        connections: usize,
        part: &mut Partial,
        buffer: &mut [u8],
    ) -> Result<(), AttemptError> {
        let clock = self.workers.options.clock;
        let resuming = resuming(request.clone(), part);
        let began = clock.now();
        let mut stream = self.workers.options.http.stream(&resuming).map_err(|fault| self.connection_error(fault))?;
        part.latency = clock.now().since(began);
        let head = read_head(&stream);
        let whole = head.range.filter(|_| head.status == 206).map(|(_, whole)| whole).or(head.length);
        self.accept(part, &head, &stream)?;
        let expected = self.target.size.or(whole);
        let can_split = connections > 1 && head.has_ranges && part.validator.is_some() && !part.has_failed;
        let mut split = whole.filter(|_| can_split).map(|end| SplitDecision::new(clock.now(), end));
        let received = self.receive(part, expected, &mut stream, split.as_mut(), buffer);
        if received.is_err() && stream.is_decoded() {
            // A range counts bytes as they are sent, so what was decompressed cannot be resumed.
            self.restart(part)?;
        }
        if let (Some(single_rate), Some(end)) = (received?, whole) {
            let mut request = request;
            request.url = stream.url.clone();
            // Its connection is closed with it: the rest of the body would have to be read first.
            drop(stream);
            return self.receive_ranges(part, request, end, connections, single_rate);
        }
        if expected.is_some_and(|expected| part.received < expected) {
            let why = format!("{} closed the connection before the end", stream.url.host());
            return Err(AttemptError::new(
                AttemptFault::Transient,
                Error::new(ExitCode::NoConnection, self.subject(), why),
            ));
        }
        if self.workers.is_stopped() {
            // A body without a length looks complete when its connection was closed by a signal.
            return Err(self.interrupted());
        }
        Ok(())
    }

    /// Prepares `part` for the body of an answer, or refuses the answer.
    fn accept(&self, part: &mut Partial, head: &Head, stream: &Stream) -> Result<(), AttemptError> {
        match judge(head, part.received, part.validator.as_deref(), self.target) {
            Ok(Continuation::Rest) => {}
            Ok(Continuation::Whole) => {
                if part.received > 0 {
                    self.restart(part)?;
                }
                part.validator.clone_from(&head.validator);
                self.target.received.store(0, Ordering::Relaxed);
            }
            Err((kind, why)) => {
                if head.status == 206 || head.status == 416 {
                    self.restart(part)?;
                }
                return Err(self.refused(stream, head, kind, &why));
            }
        }
        Ok(())
    }

    fn restart(&self, part: &mut Partial) -> Result<(), AttemptError> {
        part.restart().map_err(|error| self.write_error(&error, 0))
    }

    /// Fetches the rest of a file of `end` bytes over several connections.
    fn receive_ranges(
        &self,
        part: &mut Partial,
        request: Request,
        end: u64,
        connections: usize,
        single_rate: f64,
    ) -> Result<(), AttemptError> {
        let host = request.url.host().to_owned();
        let Partial { file, received, sha256, md5, validator, .. } = part;
        let rest = Rest {
            http: self.workers.options.http,
            clock: self.workers.options.clock,
            request,
            validator: validator.as_deref().unwrap_or_default(),
            file,
            bytes: *received..end,
            connections,
            single_rate,
            received: &self.target.received,
            is_stopped: &|| self.workers.is_stopped(),
        };
        let result = ranges::fetch(&rest, &mut |bytes| count(bytes, sha256, md5.as_mut(), received));
        let Err(error) = result else { return Ok(()) };
        // What lies behind a gap is lost, and the next attempt appends to what is before it.
        let cut = file.as_file().set_len(*received).and_then(|()| file.as_file_mut().seek(SeekFrom::Start(*received)));
        cut.map_err(|error| self.write_error(&error, 0))?;
        Err(match error {
            RangeError::Connection(fault) => self.connection_error(fault),
            // The next attempt uses one connection, which the service did accept.
            RangeError::Unexpected(why) => {
                let error = Error::new(ExitCode::Unavailable, self.subject(), format!("{host} {why}"));
                AttemptError::new(AttemptFault::Transient, error)
            }
            RangeError::Disk(error) => self.write_error(&error, end - *received),
            RangeError::Thread(error) => {
                AttemptError::new(AttemptFault::Transient, Error::local(self.subject(), &error))
            }
            RangeError::Stopped => self.interrupted(),
        })
    }

    /// The error of an answer that [`judge`] did not accept.
    fn refused(&self, stream: &Stream, head: &Head, kind: AttemptFault, why: &str) -> AttemptError {
        let is_page = head.is_html && (200..300).contains(&head.status);
        let code = match head.status {
            401 | 403 => ExitCode::Denied,
            404 | 410 => ExitCode::NotFound,
            _ if is_page => ExitCode::NoConnection,
            _ => ExitCode::Unavailable,
        };
        let hint = match kind {
            _ if is_page => "this is probably a login page or a proxy: check credentials, HTTPS_PROXY and NO_PROXY",
            AttemptFault::Refused => "artifacts are kept for a limited time: check the age of the build",
            _ => "try again later",
        };
        let error = Error::new(code, self.subject(), format!("{} {why}", stream.url.host())).with_hint(hint);
        AttemptError { kind, error, retry_after: stream.retry_after() }
    }

    /// Reads the body to its end, or until the `expected` bytes are there: a connection that breaks after the last byte
    /// lost nothing.
    ///
    /// What is read is hashed and written by another thread, so that on two cores the checksum costs no time. A body that
    /// fits into `buffer` is not worth one.
    ///
    /// Ends early, with the rate in bytes per second, where `split` finds it slow.
    fn receive(
        &self,
        part: &mut Partial,
        expected: Option<u64>,
        stream: &mut Stream,
        mut split: Option<&mut SplitDecision>,
        buffer: &mut [u8],
    ) -> Result<Option<f64>, AttemptError> {
        let write_failed = |part: &Partial, error: &io::Error| {
            self.write_error(error, expected.unwrap_or_default().saturating_sub(part.received))
        };
        let (filled, end) = fill(stream, buffer, &self.target.received);
        part.append(&buffer[..filled]).map_err(|error| write_failed(part, &error))?;
        let mut received = part.received;
        let mut next = self.verdict(expected, received, end, stream);
        if let Some(verdict) = next {
            return verdict.map(|()| None);
        }
        let mut slow_rate = None;
        let written = thread::scope(|scope| {
            let (filled_sender, filled_buffers) = mpsc::sync_channel::<(Vec<u8>, usize)>(QUEUED_BUFFERS);
            let (spare_sender, spare_buffers) = mpsc::channel();
            let part = &mut *part;
            let write = move || {
                filled_buffers.into_iter().try_for_each(|(buffer, length)| {
                    part.append(&buffer[..length])?;
                    // Nobody needs it any more if the body has ended.
                    drop(spare_sender.send(buffer));
                    Ok(())
                })
            };
            let writer = thread::Builder::new().spawn_scoped(scope, write)?;
            while next.is_none() {
                let mut buffer = spare_buffers.try_recv().unwrap_or_else(|_| vec![0; BUFFER]);
                let (length, end) = fill(stream, &mut buffer, &self.target.received);
                received += length as u64;
                if filled_sender.send((buffer, length)).is_err() {
                    // The writer has failed.
                    break;
                }
                next = self.verdict(expected, received, end, stream);
                slow_rate =
                    split.as_mut().and_then(|split| split.rate_if_slow(self.workers.options.clock.now(), received));
                if slow_rate.is_some() {
                    break;
                }
            }
            drop(filled_sender);
            writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        written.map_err(|error| write_failed(part, &error))?;
        next.unwrap_or(Ok(())).map(|()| slow_rate)
    }

    /// How the body ended when `received` bytes are there; `None` if there is more to read.
    fn verdict(
        &self,
        expected: Option<u64>,
        received: u64,
        end: io::Result<bool>,
        stream: &Stream,
    ) -> Option<Result<(), AttemptError>> {
        if let Some(stated) = self.target.size.filter(|size| received > *size) {
            return Some(Err(self.damaged(format!("longer than the {stated} bytes that the service stated"))));
        }
        match end {
            Ok(true) => Some(Ok(())),
            Ok(false) if self.workers.is_stopped() => Some(Err(self.interrupted())),
            Ok(false) => None,
            Err(_) if expected == Some(received) => Some(Ok(())),
            Err(error) => Some(Err(self.connection_error(stream.fault(error)))),
        }
    }

    /// Checks the complete file and gives it its name.
    fn keep(&self, partial: &mut Option<Partial>) -> Result<Completed, AttemptError> {
        let Some(part) = partial.take() else { return Err(self.damaged("nothing was received".to_owned())) };
        // Where no size is stated, a validator tells an empty file from an answer without content.
        if part.received == 0 && self.target.size != Some(0) && part.validator.is_none() {
            return Err(self.damaged("the file is empty".to_owned()));
        }
        let md5 = part.md5.map(|md5| base16ct::lower::encode_string(&md5.finalize()));
        if let (Some(md5), Some(stated)) = (&md5, &self.target.md5)
            && !md5.eq_ignore_ascii_case(stated)
        {
            return Err(self.damaged(format!("the MD5 sum is {md5} instead of {stated}")));
        }
        let path = self.workers.options.dir.join(&self.target.file_name);
        part.file.persist(&path).map_err(|error| self.write_error(&error.error, 0))?;
        let sha256 = base16ct::lower::encode_string(part.sha256.finish().as_ref());
        Ok(Completed { path, size: part.received, sha256, latency: part.latency })
    }

    /// A local fault. `missing` bytes were still to be written.
    fn write_error(&self, cause: &io::Error, missing: u64) -> AttemptError {
        let is_full = matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let (dir, name) = (self.workers.options.dir, &self.target.file_name);
        let error = match is_full {
            true if missing > 0 => disk_full(dir, &format!("{missing} more bytes were needed for {name}")),
            true => disk_full(dir, &format!("{name} does not fit")),
            false => Error::local(format!("writing {}", dir.join(name).display()), cause),
        };
        // The end of another file may leave what is missing.
        let kind = if is_shortage(cause) { AttemptFault::Transient } else { AttemptFault::Permanent };
        AttemptError::new(kind, error)
    }

    fn connection_error(&self, fault: Fault) -> AttemptError {
        let kind = match fault.kind {
            FaultKind::Redirect => AttemptFault::Refused,
            _ if fault.is_retryable() => AttemptFault::Transient,
            _ => AttemptFault::Permanent,
        };
        AttemptError::new(kind, fault.into_error(self.subject()))
    }

    fn damaged(&self, why: String) -> AttemptError {
        let error = Error::new(ExitCode::Unavailable, self.subject(), why)
            .with_hint("the file may be damaged on the service: download it in a browser and compare");
        AttemptError::new(AttemptFault::Damaged, error)
    }

    /// The error of a file that a signal, or another file's error, left incomplete.
    fn interrupted(&self) -> AttemptError {
        let error = Error::new(ExitCode::Terminated, self.subject(), "stopped before the file was complete");
        AttemptError::new(AttemptFault::Permanent, error)
    }

    fn subject(&self) -> String {
        format!("downloading {}", self.target.file_name)
    }
}

/// The request for the bytes that are missing.
fn resuming(request: Request, part: &Partial) -> Request {
    let range = format!("bytes={}-", part.received);
    match &part.validator {
        _ if part.received == 0 => request,
        Some(validator) => request.header("range", range).header("if-range", validator),
        // The sum at the end finds out whether both parts are of the same file.
        None if part.md5.is_some() => request.header("range", range),
        None => request,
    }
}

/// What to do with an answer, or what is wrong with it in words that follow the host's name.
/// `received` bytes of a file with this `validator` are there already.
fn judge(
    head: &Head,
    received: u64,
    validator: Option<&str>,
    target: &TargetFile,
) -> Result<Continuation, (AttemptFault, String)> {
    let status = head.status;
    let stated = target.size;
    match status {
        200 | 203 | 206 => {}
        429 => return Err((AttemptFault::Transient, format!("received too many requests (HTTP {status})"))),
        408 | 425 | 500.. => return Err((AttemptFault::Transient, format!("returned a server error (HTTP {status})"))),
        // The partial file is longer than the file, or the file changed.
        416 => {
            return Err((AttemptFault::Transient, format!("cannot resume the file at this position (HTTP {status})")));
        }
        404 | 410 => return Err((AttemptFault::Refused, format!("does not have the file (HTTP {status})"))),
        400..500 => return Err((AttemptFault::Refused, format!("refused the request (HTTP {status})"))),
        _ => return Err((AttemptFault::Transient, format!("sent no file (HTTP {status})"))),
    }
    let whole = if status == 206 { head.range.map(|(_, whole)| whole) } else { head.length };
    let has_stated_size = stated.is_some() && whole == stated;
    if head.is_html && !is_html_name(&target.file_name) && !has_stated_size {
        return Err((AttemptFault::Refused, "sent an HTML page instead of the file".to_owned()));
    }
    if let (Some(whole), Some(stated)) = (whole, stated)
        && whole != stated
    {
        return Err((AttemptFault::Damaged, format!("announced a file of {whole} bytes instead of {stated}")));
    }
    if status != 206 {
        return Ok(Continuation::Whole);
    }
    let is_same_file = validator.is_none() || head.validator.is_none() || validator == head.validator.as_deref();
    match head.range {
        Some((first, _)) if first == received && received > 0 && is_same_file => Ok(Continuation::Rest),
        _ => Err((AttemptFault::Transient, "sent another part of the file than requested".to_owned())),
    }
}

fn is_html_name(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| ["html", "htm", "xhtml"].iter().any(|html| extension.eq_ignore_ascii_case(html)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, size: Option<u64>) -> TargetFile {
        TargetFile { file_name: name.into(), size, ..TargetFile::default() }
    }

    #[test]
    fn only_the_rest_of_the_same_file_is_added() {
        let rest = Head { status: 206, range: Some((40, 100)), validator: Some("\"a\"".into()), ..Head::default() };
        let app = target("app.ipa", Some(100));
        assert_eq!(judge(&rest, 40, Some("\"a\""), &app), Ok(Continuation::Rest));
        assert_eq!(judge(&rest, 40, None, &app), Ok(Continuation::Rest));
        assert_eq!(judge(&rest, 40, Some("\"a\""), &target("app.ipa", None)), Ok(Continuation::Rest));
        for (received, validator) in [(39, "\"a\""), (40, "\"b\""), (0, "\"a\"")] {
            let (kind, why) = judge(&rest, received, Some(validator), &app).unwrap_err();
            assert_eq!(kind, AttemptFault::Transient, "{received} {validator}: {why}");
        }
        let unclear = Head { status: 206, ..Head::default() };
        assert_eq!(judge(&unclear, 40, None, &app).unwrap_err().0, AttemptFault::Transient);
        let longer = Head { status: 206, range: Some((40, 101)), ..Head::default() };
        assert_eq!(judge(&longer, 40, None, &app).unwrap_err().0, AttemptFault::Damaged);
        let whole = Head { status: 200, length: Some(100), ..Head::default() };
        assert_eq!(judge(&whole, 40, None, &app), Ok(Continuation::Whole), "a service without ranges");
    }

    #[test]
    fn a_page_is_no_file_unless_it_is_one() {
        let page = |length| Head { status: 200, is_html: true, length, ..Head::default() };
        for (name, size, length, good) in [
            ("app.ipa", Some(100), Some(80), false),
            ("app.ipa", None, Some(80), false),
            ("app.ipa", Some(100), None, false),
            // Some storages call everything HTML that begins like it; the size tells.
            ("report", Some(100), Some(100), true),
            ("lint.HTML", Some(100), Some(100), true),
            ("lint.html", None, None, true),
        ] {
            let judged = judge(&page(length), 0, None, &target(name, size));
            assert_eq!(judged.is_ok(), good, "{name} {size:?} {length:?}: {judged:?}");
            assert!(good || judged.unwrap_err().0 == AttemptFault::Refused);
        }
    }
}
