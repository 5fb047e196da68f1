//! Writes an answer, whole or as a fault wants it.

use super::stream::Wire;
use crate::fault::CutHow;
use crate::http::{Response, reason};
use crate::misbehave::Tweaks;
use crate::world::Shared;
use std::io::{self, Write};
use std::time::Duration;

/// Bytes read from a content at once.
const PIECE: usize = 64 * 1024;

/// How an answer is framed.
#[derive(Clone, Copy)]
pub(crate) struct Framing {
    /// Leave the body out, as for HEAD.
    pub(crate) head_only: bool,
    /// Send the body in chunks.
    pub(crate) chunked: bool,
    /// Say that the connection stays open.
    pub(crate) keep_alive: bool,
}

/// What became of an answer.
pub(crate) struct Sent {
    /// Bytes of the body that were handed over.
    pub(crate) body: u64,
    /// The connection has to end in this way.
    pub(crate) cut: Option<CutHow>,
    /// Nothing was left out.
    pub(crate) complete: bool,
}

/// Counts bytes up to the point of a cut and slows them down.
struct Pipe<'a> {
    wire: &'a mut Wire,
    shared: &'a Shared,
    left: Option<u64>,
    drip: Option<(u64, Duration)>,
}

/// Why writing ended before the end.
enum Stop {
    Cut,
    Gone,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Pipe<'_> {
    /// Writes `bytes`, and returns how many of them there was room for.
    fn put(&mut self, bytes: &[u8]) -> Result<u64, Stop> {
        let room = self.left.map_or(bytes.len(), |left| bytes.len().min(left as usize));
        match self.drip {
            None => self.wire.write_all(&bytes[..room])?,
            Some((size, interval)) => {
                for piece in bytes[..room].chunks(size.max(1) as usize) {
                    if self.shared.stopped() {
                        return Err(Stop::Gone);
                    }
                    self.wire.write_all(piece)?;
                    self.wire.flush()?;
                    self.shared.pause(interval);
                }
            }
        }
        if let Some(left) = &mut self.left {
            *left -= room as u64;
        }
        Ok(room as u64)
    }

    fn put_all(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if self.put(bytes)? < bytes.len() as u64 { Err(Stop::Cut) } else { Ok(()) }
    }
}

/// Sends an answer.
pub(crate) fn send(wire: &mut Wire, shared: &Shared, response: &Response, tweaks: &Tweaks, framing: Framing) -> Sent {
    let head = head(response, tweaks, framing);
    let left = match (tweaks.cut_total, tweaks.cut_body) {
        (Some(n), _) => Some(n),
        (None, Some(n)) => Some(head.len() as u64 + n),
        (None, None) => None,
    };
    let mut pipe = Pipe { wire, shared, left, drip: tweaks.drip };
    let mut body = 0;
    let result = pipe.put_all(head.as_bytes()).and_then(|()| {
        if bodyless(response.status) || framing.head_only {
            Ok(())
        } else if let Some(limit) = tweaks.endless {
            endless(&mut pipe, limit, &mut body)
        } else {
            content(&mut pipe, response, tweaks, framing.chunked, &mut body)
        }
    });
    // A cut that lies behind the end of the answer takes place at the end.
    let beyond = result.is_ok() && left.is_some();
    let _ = wire.flush();
    Sent {
        body,
        complete: result.is_ok() && tweaks.truncate.is_none(),
        cut: match result {
            Ok(()) if beyond => Some(tweaks.how),
            Ok(()) => None,
            Err(Stop::Cut) => Some(tweaks.how),
            Err(Stop::Gone) => Some(CutHow::Close),
        },
    }
}

/// Sends bytes that are no answer.
pub(crate) fn send_raw(wire: &mut Wire, text: &str) {
    let _ = wire.write_all(text.as_bytes()).and_then(|()| wire.flush());
}

fn bodyless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

fn head(response: &Response, tweaks: &Tweaks, framing: Framing) -> String {
    let mut lines = vec![format!("HTTP/1.1 {} {}", response.status, reason(response.status))];
    let said = response.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
    lines.extend(said.map(|(name, value)| format!("{name}: {value}")));
    let chunked = framing.chunked && tweaks.truncate.is_none();
    if bodyless(response.status) || response.has("content-length") {
        // Nothing to say about a length.
    } else if chunked || tweaks.endless.is_some() {
        lines.push("Transfer-Encoding: chunked".to_owned());
    } else {
        lines.push(format!("Content-Length: {}", response.len + tweaks.pad));
    }
    let ends = tweaks.truncate.is_some() || tweaks.endless.is_some();
    if !framing.keep_alive || ends {
        lines.push("Connection: close".to_owned());
    }
    lines.join("\r\n") + "\r\n\r\n"
}

fn content(
    pipe: &mut Pipe<'_>,
    response: &Response,
    tweaks: &Tweaks,
    chunked: bool,
    sent: &mut u64,
) -> Result<(), Stop> {
    let chunked = chunked && tweaks.truncate.is_none();
    let end = tweaks.truncate.unwrap_or(u64::MAX).min(response.len);
    let mut buffer = vec![0; PIECE.min(end as usize)];
    let mut at = 0;
    while at < end {
        let part = (end - at).min(PIECE as u64) as usize;
        let place = response.start + at;
        response.content.read_at(place, &mut buffer[..part]);
        if let Some(offset) = tweaks.corrupt.and_then(|o| o.checked_sub(place)).filter(|o| *o < part as u64) {
            buffer[offset as usize] ^= 0x20;
        }
        frame(pipe, &buffer[..part], chunked, sent)?;
        at += part as u64;
    }
    if tweaks.truncate.is_some() {
        return Err(Stop::Cut);
    }
    let mut pad = tweaks.pad;
    while pad > 0 {
        let part = pad.min(PIECE as u64);
        frame(pipe, &vec![b'x'; part as usize], chunked, sent)?;
        pad -= part;
    }
    if chunked { pipe.put_all(b"0\r\n\r\n") } else { Ok(()) }
}

fn frame(pipe: &mut Pipe<'_>, bytes: &[u8], chunked: bool, sent: &mut u64) -> Result<(), Stop> {
    if chunked {
        pipe.put_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
    }
    let n = pipe.put(bytes)?;
    *sent += n;
    if n < bytes.len() as u64 {
        return Err(Stop::Cut);
    }
    if chunked { pipe.put_all(b"\r\n") } else { Ok(()) }
}

fn endless(pipe: &mut Pipe<'_>, limit: u64, sent: &mut u64) -> Result<(), Stop> {
    let filler = vec![b' '; PIECE];
    while *sent < limit {
        if pipe.shared.stopped() {
            return Err(Stop::Gone);
        }
        frame(pipe, &filler, true, sent)?;
    }
    Err(Stop::Cut)
}
