//! A connection with or without TLS, and the ways it can end.

use crate::fault::CutHow;
use crate::http::{BodyLength, Request};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Largest head of a request.
const MAX_HEAD: usize = 256 * 1024;
/// Largest body of a request.
const MAX_BODY: u64 = 256 << 20;

/// How long the client may take to notice an orderly end.
const LINGER: Duration = Duration::from_millis(500);

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

/// A connection and what was read from it ahead of time.
pub(crate) struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
}

/// What a handshake came to.
pub(crate) struct Handshake {
    pub(crate) version: String,
    pub(crate) resumed: bool,
}

impl Wire {
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self { stream: Stream::Plain(tcp), buffer: Vec::new() }
    }

    /// Does the handshake to its end.
    pub(crate) fn tls(mut tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<(Self, Handshake)> {
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut tcp) {
                // The alert that tells the client why.
                let _ = connection.complete_io(&mut tcp);
                return Err(error);
            }
        }
        let handshake = Handshake {
            version: connection.protocol_version().map(|v| format!("{v:?}")).unwrap_or_default(),
            resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        };
        let stream = Stream::Tls(Box::new(StreamOwned::new(connection, tcp)));
        Ok((Self { stream, buffer: Vec::new() }, handshake))
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref(),
        }
    }

    /// Reads more into the buffer; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let n = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(&mut chunk)?,
            Stream::Tls(tls) => tls.read(&mut chunk)?,
        };
        self.buffer.extend_from_slice(&chunk[..n]);
        Ok(n > 0)
    }

    fn need(&mut self) -> io::Result<()> {
        if self.fill()? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The head of the next request; `None` when the client is gone or has been silent for `idle`.
    pub(crate) fn head(&mut self, idle: Duration) -> io::Result<Option<String>> {
        self.tcp().set_read_timeout(Some(idle.max(Duration::from_millis(1))))?;
        loop {
            // Empty lines before a request are to be ignored.
            let blank = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.buffer.drain(..blank);
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 4);
                self.tcp().set_read_timeout(None)?;
                return Ok(Some(head));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    /// The body of a request, or its first `most` bytes.
    pub(crate) fn body(&mut self, request: &Request, most: Option<u64>) -> io::Result<Vec<u8>> {
        match request.body_length() {
            BodyLength::None => Ok(Vec::new()),
            BodyLength::Known(length) => self.exactly(length.min(most.unwrap_or(u64::MAX))),
            BodyLength::Chunked => self.chunks(most),
        }
    }

    fn exactly(&mut self, length: u64) -> io::Result<Vec<u8>> {
        if length > MAX_BODY {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = length as usize;
        while self.buffer.len() < length {
            self.need()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.need()?;
        }
    }

    fn chunks(&mut self, most: Option<u64>) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            if body.len() as u64 + size > MAX_BODY {
                return Err(io::ErrorKind::InvalidData.into());
            }
            body.extend(self.exactly(size)?);
            self.line()?;
            if most.is_some_and(|m| body.len() as u64 >= m) {
                return Ok(body);
            }
        }
    }

    /// Waits for the client to go away, but not longer than `time`; what it sends is thrown away.
    pub(crate) fn drain(&mut self, time: Duration) {
        let end = std::time::Instant::now() + time;
        let mut chunk = [0; 4096];
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() || self.tcp().set_read_timeout(Some(left)).is_err() {
                return;
            }
            let mut tcp = self.tcp();
            if !tcp.read(&mut chunk).is_ok_and(|n| n > 0) {
                return;
            }
        }
    }

    /// Ends the connection as an honest server does.
    pub(crate) fn close(mut self) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        let _ = self.tcp().shutdown(Shutdown::Write);
        // Closing with unread bytes would turn into a reset and could destroy the answer.
        self.drain(LINGER);
    }

    /// Ends the connection as a broken one ends.
    pub(crate) fn cut(mut self, how: CutHow) {
        if how == CutHow::Reset {
            delivered(self.tcp());
        }
        cut(self.tcp(), how);
        if how == CutHow::Close {
            // See `close`: what was not read would turn this end into a reset.
            self.drain(LINGER);
        }
    }
}

/// Waits until the peer's system has all that was written: a reset would destroy what is still on its way.
fn delivered(tcp: &TcpStream) {
    const LOOKS: u32 = 1000;
    for _ in 0..LOOKS {
        match unacknowledged(tcp) {
            Some(0) => return,
            Some(_) => std::thread::sleep(Duration::from_millis(1)),
            // Unknown: give loopback the moment it needs.
            None => return std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Bytes the peer has not acknowledged, as Linux lists them.
fn unacknowledged(tcp: &TcpStream) -> Option<u64> {
    let (here, there) = (tcp.local_addr().ok()?.port(), tcp.peer_addr().ok()?.port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").ok()?;
    let (here, there) = (format!(":{here:04X}"), format!(":{there:04X}"));
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let queue = fields.get(4).filter(|_| fields[1].ends_with(&here) && fields[2].ends_with(&there))?;
        u64::from_str_radix(queue.split(':').next()?, 16).ok()
    })
}

/// Ends a bare connection as a broken one ends.
pub(crate) fn cut(tcp: &TcpStream, how: CutHow) {
    match how {
        CutHow::Reset => {
            // With a linger of zero closing sends a reset.
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
        CutHow::Close => {
            let _ = tcp.shutdown(Shutdown::Write);
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Tls(tls) => tls.flush(),
        }
    }
}
