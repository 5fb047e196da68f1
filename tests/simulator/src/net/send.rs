//! Writes an answer, whole or as a fault wants it.

use super::connection::Connection;
use crate::apply::Tweaks;
use crate::fault::CutHow;
use crate::http::{Response, reason};
use crate::world::Shared;
use std::io::{self, Write};
use std::time::Duration;

/// Bytes read from a content at once.
const PIECE: u64 = 64 * 1024;

/// How an answer is framed.
#[derive(Clone, Copy)]
pub(crate) struct Framing {
    /// Leave the body out, as for HEAD.
    pub(crate) head_only: bool,
    pub(crate) chunked: bool,
    pub(crate) keep_alive: bool,
}

/// Counts bytes up to the point of a cut and slows them down.
struct Pipe<'a> {
    connection: &'a mut Connection,
    shared: &'a Shared,
    left: Option<u64>,
    drip: Option<(u64, Duration)>,
    /// Bytes of the body that were written.
    body: u64,
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
    fn put(&mut self, bytes: &[u8], of_body: bool) -> Result<(), Stop> {
        let room = self.left.map_or(bytes.len(), |left| bytes.len().min(left as usize));
        let piece = self.drip.map_or(room.max(1), |(size, _)| size.max(1) as usize);
        for piece in bytes[..room].chunks(piece) {
            if self.shared.stopped() {
                return Err(Stop::Gone);
            }
            self.connection.write_all(piece)?;
            if let Some((_, interval)) = self.drip {
                self.connection.flush()?;
                self.shared.pause(interval);
            }
        }
        self.left = self.left.map(|left| left - room as u64);
        self.body += if of_body { room as u64 } else { 0 };
        if room < bytes.len() { Err(Stop::Cut) } else { Ok(()) }
    }

    fn frame(&mut self, bytes: &[u8], chunked: bool) -> Result<(), Stop> {
        if !chunked {
            return self.put(bytes, true);
        }
        self.put(format!("{:x}\r\n", bytes.len()).as_bytes(), false)?;
        self.put(bytes, true)?;
        self.put(b"\r\n", false)
    }
}

/// Sends an answer; returns the bytes of its body that were written, and how the connection has to end.
pub(crate) fn send(
    connection: &mut Connection,
    shared: &Shared,
    response: &Response,
    tweaks: &Tweaks,
    framing: Framing,
) -> (u64, Option<CutHow>) {
    let chunked = framing.chunked && tweaks.truncate.is_none();
    let head = head(response, tweaks, Framing { chunked, ..framing });
    let left = tweaks.cut_total.or_else(|| tweaks.cut_body.map(|n| head.len() as u64 + n));
    let mut pipe = Pipe { connection, shared, left, drip: tweaks.drip, body: 0 };
    let result = pipe.put(head.as_bytes(), false).and_then(|()| {
        if bodyless(response.status) || framing.head_only {
            Ok(())
        } else if let Some(limit) = tweaks.endless {
            while pipe.body < limit {
                pipe.frame(&vec![b' '; PIECE as usize], true)?;
            }
            Err(Stop::Cut)
        } else {
            content(&mut pipe, response, tweaks, chunked)
        }
    });
    let body = pipe.body;
    let _ = connection.flush();
    match result {
        // A cut that lies behind the end of the answer takes place at the end.
        Ok(()) if left.is_some() || tweaks.cut_after => (body, Some(tweaks.how)),
        Ok(()) => (body, None),
        Err(Stop::Cut) => (body, Some(tweaks.how)),
        Err(Stop::Gone) => (body, Some(CutHow::Close)),
    }
}

fn bodyless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

fn head(response: &Response, tweaks: &Tweaks, framing: Framing) -> String {
    let mut lines = vec![format!("HTTP/1.1 {} {}", response.status, reason(response.status))];
    let said = response.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
    lines.extend(said.map(|(name, value)| format!("{name}: {value}")));
    if framing.chunked || tweaks.endless.is_some() {
        lines.push("Transfer-Encoding: chunked".to_owned());
    } else if !bodyless(response.status) && !response.has("content-length") {
        lines.push(format!("Content-Length: {}", response.len + tweaks.pad));
    }
    if !framing.keep_alive || tweaks.truncate.is_some() || tweaks.endless.is_some() {
        lines.push("Connection: close".to_owned());
    }
    lines.join("\r\n") + "\r\n\r\n"
}

fn content(pipe: &mut Pipe<'_>, response: &Response, tweaks: &Tweaks, chunked: bool) -> Result<(), Stop> {
    let end = tweaks.truncate.unwrap_or(u64::MAX).min(response.len);
    for at in (0..end).step_by(PIECE as usize) {
        let place = response.start + at;
        let mut piece = response.content.bytes(place, PIECE.min(end - at));
        let corrupt = tweaks.corrupt.and_then(|o| o.checked_sub(place)).and_then(|o| piece.get_mut(o as usize));
        if let Some(byte) = corrupt {
            *byte ^= 0x20;
        }
        pipe.frame(&piece, chunked)?;
    }
    if tweaks.truncate.is_some() {
        return Err(Stop::Cut);
    }
    for at in (0..tweaks.pad).step_by(PIECE as usize) {
        pipe.frame(&vec![b'x'; PIECE.min(tweaks.pad - at) as usize], chunked)?;
    }
    if chunked { pipe.put(b"0\r\n\r\n", false) } else { Ok(()) }
}
