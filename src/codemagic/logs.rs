//! Why a build failed, and the logs of its steps. Only the legacy API knows them.
//!
//! A log is served as `text/plain` and is HTML: each line in a `<span style="color:…">`, and `<`, `>`, `&` and quotes as
//! entities (seen in 2026 by cascalheira/codemagic-cli and Becca-Saka/codemagic-mcp). It is read as text.

use std::collections::VecDeque;
use std::io::Read as _;

use super::apps;
use super::client::{Client, below};
use super::reference::{AppId, BuildId};
use super::wire::LegacyAction;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::retry::{self, ResumeBudget};
use crate::http::{Fault, Method, Request, Segment, Stream, Url};
use crate::model::{Build, BuildFailure};
use crate::output::HtmlText;
use crate::output::lines::Lines;
use crate::secret::CUT;

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

/// How a log is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// As the text that it shows.
    Text,
    /// The bytes as the service sends them.
    Raw,
}

impl Client {
    /// Why a build failed: the service's message, the failed step and the last `lines` lines of its log.
    pub(super) fn build_failure(
        &self,
        id: &BuildId,
        build: &Build,
        lines: usize,
    ) -> Result<BuildFailure, RequestError> {
        let legacy = self.legacy_build(&format!("reading why build {id} failed"), id)?;
        let actions = &legacy.build_actions.entries;
        let culprit = ["failed", "canceled"]
            .iter()
            .find_map(|status| actions.iter().find(|action| action.status.text() == Some(status)));
        let log_tail = match culprit {
            Some(action) if lines > 0 => {
                // A missing log must not hide the reason.
                let address = self.log_address(id, action.telling_log(), action.id.text());
                address.map(|url| self.log_tail(&url, lines)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let message = legacy.message.0.clone().filter(|message| !message.trim().is_empty());
        Ok(BuildFailure {
            message: message.map(|message| self.explained(message, build)),
            step: culprit.and_then(|action| action.name.0.clone()),
            log_tail,
        })
    }

    /// The message, with the known workflows where it says that the build's one is unknown.
    fn explained(&self, message: String, build: &Build) -> String {
        let unknown = message.contains("not found") && message.to_lowercase().contains("workflow");
        let (Some(workflow), true) = (&build.workflow_id, unknown) else { return message };
        let known = build.app_id.as_deref().and_then(|app_id| self.workflows(&AppId::parse(app_id).ok()?).ok());
        match known.and_then(|known| apps::suggestion(workflow, &known)) {
            Some(suggestion) => format!("{message}; {suggestion}"),
            None => message,
        }
    }

    /// The steps of a build with their logs, in order.
    pub fn step_logs(&self, id: &BuildId) -> Result<Vec<StepLog>, RequestError> {
        let build = self.legacy_build(&format!("reading the logs of build {id}"), id)?;
        let step = |action: &LegacyAction| StepLog {
            id: action.id.0.clone().unwrap_or_default(),
            name: action.name.0.clone().unwrap_or_default(),
            status: action.status.0.clone(),
            parts: self.log_parts(id, action),
        };
        Ok(build.build_actions.entries.iter().map(step).collect())
    }

    /// Where the whole log of a step is; where the document has no link, the address that public clients build from the
    /// ids (todah-zg/codemagic-mcp, AgiMaulana/CodemagicMcp).
    fn log_parts(&self, id: &BuildId, action: &LegacyAction) -> Vec<Url> {
        let links = action.all_logs();
        if links.is_empty() && action.started_at.0.is_some() {
            return self.log_address(id, None, action.id.text()).into_iter().collect();
        }
        links.into_iter().filter_map(|link| Url::parse(link).ok()).collect()
    }

    fn log_address(&self, id: &BuildId, link: Option<&str>, step: Option<&str>) -> Option<Url> {
        let by_link = link.and_then(|link| Url::parse(link).ok());
        by_link.or_else(|| below(&self.endpoints.legacy, &format!("/builds/{id}/step/{}", Segment::new(step?)?)).ok())
    }

    /// The last lines of a log, read as a stream: a log may be larger than memory, and so may one line.
    fn log_tail(&self, url: &Url, lines: usize) -> Vec<String> {
        let mut tail = VecDeque::new();
        let mut at_line_start = true;
        let mut keep = |piece: &[u8], ends: bool| {
            // What follows the first piece of a long line is left out.
            if at_line_start {
                if tail.len() == lines {
                    tail.pop_front();
                }
                let mut line = String::from_utf8_lossy(piece.trim_ascii_end()).into_owned();
                // A secret of which this is the beginning is masked only where it is seen to be cut.
                line.extend((!ends).then_some(CUT));
                tail.push_back(line);
            }
            at_line_start = ends;
        };
        let Ok(mut stream) = self.http.stream(&Request::new(Method::Get, url.clone())) else { return Vec::new() };
        if stream.status != 200 || wrong_kind(&stream).is_some() {
            return Vec::new();
        }
        let (mut html, mut pieces) = (HtmlText::default(), Lines::new(LINE));
        let (mut buffer, mut text) = (vec![0; CHUNK], Vec::new());
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            text.clear();
            html.feed(&buffer[..length], &mut text);
            pieces.push(&text, &mut keep);
        }
        text.clear();
        html.end(&mut text);
        pieces.push(&text, &mut keep);
        pieces.finish(&mut keep);
        tail.into()
    }

    /// Hands the log of a step to `take` as it comes. False if the service has none.
    ///
    /// A broken connection is opened again, and the log is continued where it broke.
    pub fn read_step_log(
        &self,
        step: &StepLog,
        format: LogFormat,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let mut found = false;
        for part in &step.parts {
            let (mut html, mut text) = (HtmlText::default(), Vec::new());
            found |= self.read_part(step, part, &mut |bytes| match format {
                LogFormat::Raw => take(bytes),
                LogFormat::Text => {
                    text.clear();
                    html.feed(bytes, &mut text);
                    take(&text)
                }
            })?;
            text.clear();
            html.end(&mut text);
            if !text.is_empty() {
                take(&text)?;
            }
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
            let failed = match self.open_log(url, got) {
                Ok(stream) if matches!(stream.status, 404 | 410) && got == 0 => return Ok(false),
                // The connection broke after the last byte.
                Ok(stream) if stream.status == 416 && got > 0 => return Ok(true),
                Ok(stream) if !matches!(stream.status, 200 | 206) || wrong_kind(&stream).is_some() => {
                    let retryable = retry::is_retryable(stream.status);
                    RequestError { error: no_log(what(), &stream), retryable, retry_after: None }
                }
                Ok(mut stream) => {
                    // A service that knows no ranges sends what is known already once more.
                    let mut skip = if stream.status == 206 { 0 } else { got };
                    let fault = loop {
                        match stream.read(&mut buffer) {
                            Ok(0) => return Ok(true),
                            Ok(length) => {
                                let known = usize::try_from(skip).unwrap_or(usize::MAX).min(length);
                                skip -= known as u64;
                                got += (length - known) as u64;
                                take(&buffer[known..length])?;
                            }
                            Err(error) => break stream.fault(error),
                        }
                    };
                    fault.into_request_error(what())
                }
                Err(fault) => fault.into_request_error(what()),
            };
            if !failed.retryable {
                return Err(failed.error);
            }
            if let Some(code) = self.clock.interrupted() {
                return Err(Error::new(code, what(), "interrupted by a signal"));
            }
            match budget.record_failure(got, None, fastrand::f64()) {
                Some(pause) => self.clock.sleep(pause),
                None => return Err(failed.error),
            }
        }
    }

    /// Opens a log from byte `from` on, or as a whole where the service does not give that part.
    fn open_log(&self, url: &Url, from: u64) -> Result<Stream, Fault> {
        let mut request = Request::new(Method::Get, url.clone());
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let stream = self.http.stream(&request)?;
        // A part that does not say which one it is, or is another one than was asked for, would be glued on wrongly.
        let first = stream.header("content-range").and_then(|range| range.strip_prefix("bytes ")?.split_once('-'));
        if stream.status == 206 && first.and_then(|(first, _)| first.parse().ok()) != Some(from) {
            return self.http.stream(&Request::new(Method::Get, url.clone()));
        }
        Ok(stream)
    }
}

/// What is no log: a page of a proxy, or a JSON document, which may hold secrets.
fn wrong_kind(stream: &Stream) -> Option<&'static str> {
    let kind = stream.header("content-type").unwrap_or_default();
    [("html", "an HTML page"), ("json", "JSON")].into_iter().find(|(part, _)| kind.contains(part)).map(|(_, name)| name)
}

fn no_log(what: String, stream: &Stream) -> Error {
    let (status, host) = (stream.status, stream.url.host());
    // The service's own errors are JSON.
    if let Some(kind) = wrong_kind(stream).filter(|kind| status < 400 || *kind != "JSON") {
        return Error::new(
            ExitCode::NoConnection,
            what,
            format!("{host} answered with {kind} instead of a log (HTTP {status})"),
        )
        .with_hint("this is a login page or a proxy: check HTTPS_PROXY and NO_PROXY");
    }
    let code = match status {
        401 | 403 => ExitCode::Denied,
        407 => ExitCode::NoConnection,
        404 | 410 => ExitCode::NotFound,
        status if matches!(status, 499..) || retry::is_retryable(status) => ExitCode::Unavailable,
        _ => ExitCode::Refused,
    };
    Error::new(code, what, format!("{host} answered with HTTP {status}"))
}
