//! Why a build failed, and the logs of its steps. Only the legacy API knows them.

use std::collections::VecDeque;
use std::io::Read as _;

use serde_json::Value;

use super::client::{Client, below};
use super::wire;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::retry::{self, ResumeBudget};
use crate::http::{Fault, Method, Request, Segment, Stream, Url};
use crate::json::{objects, str, text};
use crate::model::BuildFailure;
use crate::output::lines::Lines;

/// The longest line of a log's end that is kept, in bytes.
const LINE: usize = 4096;

/// Bytes of a log that are read at once.
const CHUNK: usize = 64 * 1024;

/// A step and where its log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLog {
    /// The step's id.
    pub id: String,
    /// The step's name.
    pub name: String,
    /// The service's word for its state; `None` if it did not end.
    pub status: Option<String>,
    /// The parts of its log in order; none if it never ran.
    parts: Vec<Url>,
}

impl StepLog {
    /// Whether the step failed.
    pub fn is_failed(&self) -> bool {
        self.status.as_deref() == Some("failed")
    }
}

impl Client {
    /// Why a build failed: the service's message, the failed step and the last `lines` lines of its log.
    ///
    /// Only the three things leave this function: the document holds passwords.
    pub fn reason(&self, id: &str, lines: usize) -> Result<BuildFailure, RequestError> {
        let build = self.legacy(&format!("reading why build {id} failed"), id)?;
        let culprit = ["failed", "canceled"]
            .iter()
            .find_map(|status| objects(&build, "buildActions").find(|action| str(action, "status") == Some(status)));
        let log_tail = match culprit {
            Some(action) if lines > 0 => {
                // A missing log must not hide the reason.
                self.log_address(id, wire::legacy_log(action), str(action, "_id"))
                    .map(|url| self.tail(&url, lines))
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        };
        Ok(BuildFailure {
            message: text(&build, "message").filter(|message| !message.trim().is_empty()),
            step: culprit.and_then(|action| text(action, "name")),
            log_tail,
        })
    }

    /// The steps of a build with their logs, in order.
    pub fn step_logs(&self, id: &str) -> Result<Vec<StepLog>, RequestError> {
        let build = self.legacy(&format!("reading the logs of build {id}"), id)?;
        let step = |action| StepLog {
            id: text(action, "_id").unwrap_or_default(),
            name: text(action, "name").unwrap_or_default(),
            status: text(action, "status"),
            parts: self.parts(id, action),
        };
        Ok(objects(&build, "buildActions").map(step).collect())
    }

    /// Where the whole log of a step is: its own link, else the links of all its parts, else the address that two
    /// clients build from the ids.
    fn parts(&self, id: &str, action: &Value) -> Vec<Url> {
        let links: Vec<&str> = match str(action, "logUrl") {
            Some(own) => vec![own],
            None => objects(action, "subactions").filter_map(|part| str(part, "logUrl")).collect(),
        };
        if links.is_empty() && str(action, "startedAt").is_some() {
            return self.log_address(id, None, str(action, "_id")).into_iter().collect();
        }
        links.into_iter().filter_map(|link| Url::parse(link).ok()).collect()
    }

    fn log_address(&self, id: &str, link: Option<&str>, step: Option<&str>) -> Option<Url> {
        let by_link = link.and_then(|link| Url::parse(link).ok());
        by_link.or_else(|| {
            below(&self.endpoints.legacy, &format!("/builds/{}/step/{}", Segment::new(id)?, Segment::new(step?)?)).ok()
        })
    }

    /// The last lines of a log, read as a stream: a log may be larger than memory, and so may one line.
    fn tail(&self, url: &Url, lines: usize) -> Vec<String> {
        let mut tail = VecDeque::new();
        let mut fresh = true;
        let mut keep = |piece: &[u8], ends: bool| {
            // What follows the first piece of a long line is left out.
            if fresh {
                if tail.len() == lines {
                    tail.pop_front();
                }
                tail.push_back(String::from_utf8_lossy(piece.trim_ascii_end()).into_owned());
            }
            fresh = ends;
        };
        let Ok(mut stream) = self.http.stream(&Request::new(Method::Get, url.clone())) else { return Vec::new() };
        if stream.status != 200 {
            return Vec::new();
        }
        let mut pieces = Lines::new(LINE);
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            pieces.push(&buffer[..length], &mut keep);
        }
        pieces.finish(&mut keep);
        tail.into()
    }

    /// Hands the log of a step to `take` as it comes. False if the service has none.
    ///
    /// A broken connection is opened again, and the log goes on where it broke.
    pub fn read_log(&self, step: &StepLog, take: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<bool, Error> {
        let mut found = false;
        for part in &step.parts {
            found |= self.read_part(step, part, take)?;
        }
        Ok(found)
    }

    fn read_part(
        &self,
        step: &StepLog,
        url: &Url,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let what = || format!("reading the log of step {}", step.name);
        let (mut budget, mut got) = (ResumeBudget::default(), 0);
        let mut buffer = vec![0; CHUNK];
        loop {
            // A service that knows no ranges sends what is known already once more.
            let mut skip = 0;
            let fault = match self.open_log(url, got, &mut skip) {
                Ok(stream) if matches!(stream.status, 404 | 410) && got == 0 => return Ok(false),
                // The connection broke after the last byte.
                Ok(stream) if stream.status == 416 && got > 0 => return Ok(true),
                Ok(stream) if !matches!(stream.status, 200 | 206) || is_html(&stream) => {
                    let failure = no_log(what(), &stream);
                    if !retry::is_retryable(stream.status) {
                        return Err(failure);
                    }
                    failure
                }
                Ok(mut stream) => loop {
                    match stream.read(&mut buffer) {
                        Ok(0) => return Ok(true),
                        Ok(length) => {
                            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(length);
                            skip -= known as u64;
                            got += (length - known) as u64;
                            take(&buffer[known..length])?;
                        }
                        Err(error) => {
                            let fault = stream.fault(error);
                            if !fault.is_retryable() {
                                return Err(fault.into_error(what()));
                            }
                            break fault.into_error(what());
                        }
                    }
                },
                Err(fault) if fault.is_retryable() => fault.into_error(what()),
                Err(fault) => return Err(fault.into_error(what())),
            };
            if let Some(code) = self.clock.interrupted() {
                return Err(Error::new(code, what(), "ended by a signal"));
            }
            match budget.record_failure(got, None, fastrand::f64()) {
                Some(pause) => self.clock.sleep(pause),
                None => return Err(fault),
            }
        }
    }

    /// Opens a log from byte `from` on. `skip` becomes the number of bytes of the answer that come before that.
    fn open_log(&self, url: &Url, from: u64, skip: &mut u64) -> Result<Stream, Fault> {
        let mut request = Request::new(Method::Get, url.clone());
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let mut stream = self.http.stream(&request)?;
        // A part that does not say which one it is, or is another one than was asked for, would be glued on wrongly.
        let first = stream.header("content-range").and_then(|range| range.strip_prefix("bytes ")?.split_once('-'));
        if stream.status == 206 && first.and_then(|(first, _)| first.parse().ok()) != Some(from) {
            stream = self.http.stream(&Request::new(Method::Get, url.clone()))?;
        }
        *skip = if stream.status == 206 { 0 } else { from };
        Ok(stream)
    }
}

fn is_html(stream: &Stream) -> bool {
    stream.header("content-type").is_some_and(|kind| kind.contains("html"))
}

fn no_log(what: String, stream: &Stream) -> Error {
    let (status, host) = (stream.status, stream.url.host());
    if is_html(stream) {
        return Error::new(ExitCode::NoConnection, what, format!("an HTML page came from {host} (HTTP {status})"))
            .with_hint("a login page or proxy stands in between: check HTTPS_PROXY and NO_PROXY");
    }
    let code = match status {
        401 | 403 => ExitCode::Denied,
        404 | 410 => ExitCode::NotFound,
        status if retry::is_retryable(status) => ExitCode::Unavailable,
        _ => ExitCode::Refused,
    };
    Error::new(code, what, format!("{host} answers with HTTP {status}"))
}
