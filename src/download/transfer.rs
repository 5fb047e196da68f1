//! One try at one file: from a link to a checked file under its name, or to a part that the next try goes on with.

use std::io::{self, Read, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use md5::{Digest as _, Md5};
use ring::digest::{Context as Sha, SHA256};
use tempfile::NamedTempFile;

use super::{Item, Saved, Shared};
use crate::error::{Error, ExitCode};
use crate::http::retry;
use crate::http::{self, Fault, Request, Stream};

/// Bytes read before they are hashed and written: a read gives 16 KiB of TLS at most.
pub(super) const CHUNK: usize = 128 * 1024;

/// A file on its way.
pub(super) struct Partial {
    file: NamedTempFile,
    /// Bytes that are written, and counted in the sums.
    pub(super) got: u64,
    sha256: Sha,
    /// Only where there is a sum to compare with: it costs more than all else.
    md5: Option<Md5>,
    /// The `ETag` or `Last-Modified` of what the bytes are of.
    stamp: Option<String>,
}

/// What a broken try means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It may go on in a moment.
    Passing,
    /// The link is not good, or not any more.
    Refused,
    /// What came is not the file.
    Damaged,
    /// No other try will help.
    Lasting,
}

/// A try that gave no file.
#[derive(Debug)]
pub(super) struct Break {
    pub(super) kind: Kind,
    pub(super) failure: Error,
    /// How long the service asks to wait.
    pub(super) asked: Option<Duration>,
}

/// What an answer's head says about its body.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    html: bool,
    length: Option<u64>,
    /// First byte and length of the whole, from `Content-Range`.
    range: Option<(u64, u64)>,
    stamp: Option<String>,
}

/// How a body goes on with what is there.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// It is the whole file.
    Whole,
    /// It is the rest of it.
    Rest,
}

impl Partial {
    /// An empty temporary file beside the target.
    pub(super) fn new(shared: &Shared, item: &Item) -> Result<Self, Break> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".cibridge-");
        #[cfg(unix)]
        {
            // A temporary file is private by default; a file of the workspace gets what the umask leaves.
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(shared.dir).map_err(|error| disk(shared, item, &error, 0))?;
        if !shared.scraps.add(file.path()) {
            return Err(Break { kind: Kind::Lasting, failure: ended(item), asked: None });
        }
        Ok(Self { file, got: 0, sha256: Sha::new(&SHA256), md5: item.md5.as_ref().map(|_| Md5::new()), stamp: None })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_file_mut().write_all(bytes)?;
        self.sha256.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.got += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    fn restart(&mut self) -> io::Result<()> {
        use std::io::Seek as _;
        let file = self.file.as_file_mut();
        file.set_len(0)?;
        file.rewind()?;
        (self.got, self.stamp) = (0, None);
        (self.sha256, self.md5) = (Sha::new(&SHA256), self.md5.as_ref().map(|_| Md5::new()));
        Ok(())
    }
}

/// Downloads item `n`, or the rest of it, with `request`. `buffer` has [`CHUNK`] bytes.
pub(super) fn attempt(
    shared: &Shared,
    n: usize,
    request: Request,
    partial: &mut Option<Partial>,
    buffer: &mut [u8],
) -> Result<Saved, Break> {
    let item = &shared.items[n];
    let part = match partial {
        Some(part) => part,
        None => partial.insert(Partial::new(shared, item)?),
    };
    let mut stream = shared.http.stream(&ranged(request, part)).map_err(|fault| broken(item, fault))?;
    let head = head(&stream);
    let whole = head.range.filter(|_| head.status == 206).map(|(_, whole)| whole).or(head.length);
    match judge(&head, part.got, part.stamp.as_deref(), item) {
        Ok(Body::Rest) => {}
        Ok(Body::Whole) => {
            if part.got > 0 {
                part.restart().map_err(|error| disk(shared, item, &error, 0))?;
            }
            part.stamp = head.stamp;
            shared.got[n].store(0, Ordering::Relaxed);
        }
        Err((kind, why)) => {
            if head.status == 206 || head.status == 416 {
                part.restart().map_err(|error| disk(shared, item, &error, 0))?;
            }
            let code = match head.status {
                401 | 403 => ExitCode::Denied,
                404 | 410 => ExitCode::NotFound,
                200..300 if head.html => ExitCode::NoConnection,
                _ => ExitCode::Unavailable,
            };
            let failure = Error::new(code, what(item), format!("{} {why}", stream.url.host()));
            let hint = match kind {
                _ if head.html => "a login page or proxy stands in between: check HTTPS_PROXY and NO_PROXY",
                Kind::Refused => "files are kept for a while only: is the build an old one?",
                _ => "try again later",
            };
            let asked = retry::reset(|name| stream.header(name)).filter(|_| matches!(head.status, 429 | 503));
            return Err(Break { kind, failure: failure.with_hint(hint), asked });
        }
    }
    let expected = item.size.or(whole);
    receive(shared, n, part, expected, &mut stream, buffer)?;
    if expected.is_some_and(|expected| part.got < expected) {
        let why = format!("{} closed the connection before the end", stream.url.host());
        return Err(Break {
            kind: Kind::Passing,
            failure: Error::new(ExitCode::NoConnection, what(item), why),
            asked: None,
        });
    }
    if shared.is_stopped() {
        // A body without a length looks complete when its connection was closed by the signal.
        return Err(Break { kind: Kind::Lasting, failure: ended(item), asked: None });
    }
    keep(shared, item, partial)
}

/// Reads the body to its end, or until the file of `expected` bytes is there: a connection that breaks after the last
/// one took nothing with it.
fn receive(
    shared: &Shared,
    n: usize,
    part: &mut Partial,
    expected: Option<u64>,
    stream: &mut Stream,
    buffer: &mut [u8],
) -> Result<(), Break> {
    let item = &shared.items[n];
    loop {
        let (filled, end) = fill(stream, buffer, &shared.got[n]);
        part.append(&buffer[..filled]).map_err(|error| {
            let missing = expected.unwrap_or_default().saturating_sub(part.got);
            disk(shared, item, &error, missing)
        })?;
        if let Some(stated) = item.size.filter(|size| part.got > *size) {
            return Err(damaged(item, format!("it is longer than the {stated} bytes that are stated")));
        }
        match end {
            Ok(true) => return Ok(()),
            Ok(false) if shared.is_stopped() => {
                return Err(Break { kind: Kind::Lasting, failure: ended(item), asked: None });
            }
            Ok(false) => {}
            Err(_) if expected == Some(part.got) => return Ok(()),
            Err(error) => return Err(broken(item, stream.fault(error))),
        }
    }
}

/// Checks the complete file and gives it its name.
fn keep(shared: &Shared, item: &Item, partial: &mut Option<Partial>) -> Result<Saved, Break> {
    let Some(part) = partial.take() else { return Err(damaged(item, "nothing came".to_owned())) };
    // Where no size is stated, a date or tag tells an empty file from an answer without anything in it.
    if part.got == 0 && item.size != Some(0) && part.stamp.is_none() {
        return Err(damaged(item, "it is empty".to_owned()));
    }
    let md5 = part.md5.map(|md5| hex(&md5.finalize()));
    if let (Some(md5), Some(stated)) = (&md5, &item.md5)
        && !md5.eq_ignore_ascii_case(stated)
    {
        return Err(damaged(item, format!("its MD5 sum is {md5}, not {stated}")));
    }
    let target = shared.dir.join(&item.name);
    part.file.persist(&target).map_err(|error| disk(shared, item, &error.error, 0))?;
    Ok(Saved { path: target, size: part.got, sha256: hex(part.sha256.finish().as_ref()) })
}

/// Fills the buffer; true at the end of the body. An error comes with the bytes before it. `got` grows with each read:
/// a slow line takes long to fill a buffer.
fn fill(stream: &mut impl Read, buffer: &mut [u8], got: &AtomicU64) -> (usize, io::Result<bool>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return (filled, Ok(true)),
            Ok(read) => {
                filled += read;
                got.fetch_add(read as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(false))
}

/// The request for what is missing. Bytes are asked for as they are stored: a compressed answer has no ranges.
fn ranged(request: Request, part: &Partial) -> Request {
    let request = request.header("accept-encoding", "identity");
    match &part.stamp {
        _ if part.got == 0 => request,
        Some(stamp) => request.header("range", format!("bytes={}-", part.got)).header("if-range", stamp),
        None => request.header("range", format!("bytes={}-", part.got)),
    }
}

fn head(stream: &Stream) -> Head {
    let text = |name: &str| stream.header(name).map(str::trim);
    let range = text("content-range").and_then(|range| {
        let (place, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        Some((place.split_once('-')?.0.parse().ok()?, whole.parse().ok()?))
    });
    Head {
        status: stream.status,
        html: text("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html")),
        length: text("content-length").and_then(|length| length.parse().ok()),
        range,
        // A weak tag says that two bodies mean the same, not that their bytes are the same.
        stamp: text("etag").filter(|tag| tag.starts_with('"')).or_else(|| text("last-modified")).map(str::to_owned),
    }
}

/// What to do with an answer, or what is wrong with it: words that follow the host's name.
/// `got` bytes of a file with this `stamp` are there already.
fn judge(head: &Head, got: u64, stamp: Option<&str>, item: &Item) -> Result<Body, (Kind, String)> {
    let status = head.status;
    let stated = item.size;
    match status {
        200 | 203 | 206 => {}
        408 | 425 | 429 | 500.. => return Err((Kind::Passing, format!("has trouble (HTTP {status})"))),
        // The part that is here is longer than the file, or the file changed.
        416 => return Err((Kind::Passing, "has no such part of the file (HTTP 416)".to_owned())),
        400..500 => return Err((Kind::Refused, format!("refuses the link (HTTP {status})"))),
        _ => return Err((Kind::Passing, format!("gave no file (HTTP {status})"))),
    }
    let whole = if status == 206 { head.range.map(|(_, whole)| whole) } else { head.length };
    let exact = stated.is_some() && whole == stated;
    if head.html && !names_html(&item.name) && !exact {
        return Err((Kind::Refused, "sent an HTML page instead of the file".to_owned()));
    }
    if let (Some(whole), Some(stated)) = (whole, stated)
        && whole != stated
    {
        return Err((Kind::Damaged, format!("has a file of {whole} bytes, not of {stated}")));
    }
    if status != 206 {
        return Ok(Body::Whole);
    }
    let same = stamp.is_none() || head.stamp.is_none() || stamp == head.stamp.as_deref();
    match head.range {
        Some((first, _)) if first == got && got > 0 && same => Ok(Body::Rest),
        _ => Err((Kind::Passing, "sent another part of the file than the one that was asked for".to_owned())),
    }
}

fn names_html(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| ["html", "htm", "xhtml"].iter().any(|html| extension.eq_ignore_ascii_case(html)))
}

/// A local fault. `missing` bytes were still to be written.
fn disk(shared: &Shared, item: &Item, error: &io::Error, missing: u64) -> Break {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let path = shared.dir.join(&item.name);
    let failure = Error::new(ExitCode::Local, format!("writing {}", path.display()), error.to_string());
    let failure = match full {
        true if missing > 0 => {
            super::too_small(shared.dir, &format!("{missing} more bytes were needed for {}", item.name))
        }
        true => super::too_small(shared.dir, &format!("{} does not fit", item.name)),
        false => failure,
    };
    Break { kind: Kind::Lasting, failure, asked: None }
}

fn broken(item: &Item, fault: Fault) -> Break {
    let kind = match fault.kind {
        http::Kind::Redirect => Kind::Refused,
        _ if fault.is_retryable() => Kind::Passing,
        _ => Kind::Lasting,
    };
    Break { kind, failure: fault.into_failure(what(item)), asked: None }
}

fn damaged(item: &Item, why: String) -> Break {
    let failure = Error::new(ExitCode::Unavailable, what(item), why)
        .with_hint("the file may be damaged on the service: download it from the build's page and compare");
    Break { kind: Kind::Damaged, failure, asked: None }
}

/// The failure of a file that a signal, or another file's fault, left undone.
pub(super) fn ended(item: &Item) -> Error {
    Error::new(ExitCode::Terminated, what(item), "ended before it was complete")
}

fn what(item: &Item) -> String {
    format!("downloading {}", item.name)
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, size: Option<u64>) -> Item {
        Item { name: name.into(), size, md5: None }
    }

    #[test]
    fn only_the_rest_of_the_same_file_is_added() {
        let rest = Head { status: 206, range: Some((40, 100)), stamp: Some("\"a\"".into()), ..Head::default() };
        let app = item("app.ipa", Some(100));
        assert_eq!(judge(&rest, 40, Some("\"a\""), &app), Ok(Body::Rest));
        assert_eq!(judge(&rest, 40, None, &app), Ok(Body::Rest));
        assert_eq!(judge(&rest, 40, Some("\"a\""), &item("app.ipa", None)), Ok(Body::Rest));
        for (got, stamp) in [(39, "\"a\""), (40, "\"b\""), (0, "\"a\"")] {
            let (kind, why) = judge(&rest, got, Some(stamp), &app).unwrap_err();
            assert_eq!(kind, Kind::Passing, "{got} {stamp}: {why}");
        }
        let unclear = Head { status: 206, ..Head::default() };
        assert_eq!(judge(&unclear, 40, None, &app).unwrap_err().0, Kind::Passing);
        let longer = Head { status: 206, range: Some((40, 101)), ..Head::default() };
        assert_eq!(judge(&longer, 40, None, &app).unwrap_err().0, Kind::Damaged);
        let whole = Head { status: 200, length: Some(100), ..Head::default() };
        assert_eq!(judge(&whole, 40, None, &app), Ok(Body::Whole), "a service without ranges");
    }

    #[test]
    fn a_page_is_no_file_unless_it_is_one() {
        let page = |length| Head { status: 200, html: true, length, ..Head::default() };
        for (name, size, length, good) in [
            ("app.ipa", Some(100), Some(80), false),
            ("app.ipa", None, Some(80), false),
            ("app.ipa", Some(100), None, false),
            // Some storages call everything HTML that begins like it; the size tells.
            ("report", Some(100), Some(100), true),
            ("lint.HTML", Some(100), Some(100), true),
            ("lint.html", None, None, true),
        ] {
            let judged = judge(&page(length), 0, None, &item(name, size));
            assert_eq!(judged.is_ok(), good, "{name} {size:?} {length:?}: {judged:?}");
            assert!(good || judged.unwrap_err().0 == Kind::Refused);
        }
    }

    #[test]
    fn each_status_has_its_consequence() {
        for (status, kind) in [
            (204, Kind::Passing),
            (304, Kind::Passing),
            (400, Kind::Refused),
            (401, Kind::Refused),
            (403, Kind::Refused),
            (404, Kind::Refused),
            (410, Kind::Refused),
            (416, Kind::Passing),
            (429, Kind::Passing),
            (500, Kind::Passing),
            (503, Kind::Passing),
        ] {
            let head = Head { status, ..Head::default() };
            assert_eq!(judge(&head, 0, None, &item("a", None)).unwrap_err().0, kind, "{status}");
        }
    }

    #[test]
    fn a_buffer_is_filled_up_to_the_end_or_the_error() {
        struct Drip(u8, bool);
        impl Read for Drip {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0 {
                    0 if self.1 => Err(io::ErrorKind::ConnectionReset.into()),
                    0 => Ok(0),
                    _ => {
                        self.0 -= 1;
                        buffer[0] = b'x';
                        Ok(1)
                    }
                }
            }
        }
        let mut buffer = [0; 4];
        let mut drip = Drip(6, false);
        let got = AtomicU64::new(0);
        assert!(matches!(fill(&mut drip, &mut buffer, &got), (4, Ok(false))));
        assert!(matches!(fill(&mut drip, &mut buffer, &got), (2, Ok(true))));
        assert_eq!(got.load(Ordering::Relaxed), 6);
        assert!(
            matches!(fill(&mut Drip(3, true), &mut buffer, &got), (3, Err(_))),
            "what came before the error counts"
        );
    }

    #[test]
    fn digits_are_those_of_the_bytes() {
        assert_eq!(hex(&[0x00, 0x9f, 0xa0, 0xff]), "009fa0ff");
    }
}
