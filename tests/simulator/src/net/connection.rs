//! A connection with or without TLS, and the ways it can end.

use crate::fault::CutHow;
use crate::http::Request;
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Largest head and largest body of a request.
const LIMITS: (usize, usize) = (256 << 10, 256 << 20);
/// How long the client may take to notice an orderly end.
const LINGER: Duration = Duration::from_millis(500);

trait Duplex: Read + Write + Send {
    /// Says that nothing more follows.
    fn finish(&mut self) {}
}
impl Duplex for TcpStream {}
impl Duplex for StreamOwned<ServerConnection, TcpStream> {
    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

/// A connection.
pub(crate) struct Connection {
    pub(crate) tcp: TcpStream,
    stream: Box<dyn Duplex>,
    /// What was read ahead of time.
    pub(crate) buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn plain(tcp: TcpStream) -> io::Result<Self> {
        Ok(Self { tcp: tcp.try_clone()?, stream: Box::new(tcp), buffer: Vec::new() })
    }

    /// Does the handshake to its end; returns the version and whether an earlier session was resumed.
    pub(crate) fn tls(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<(Self, String, bool)> {
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut socket = tcp.try_clone()?;
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut socket) {
                // The alert with the reason for the client.
                let _ = connection.complete_io(&mut socket);
                return Err(error);
            }
        }
        let version = connection.protocol_version().map(|v| format!("{v:?}")).unwrap_or_default();
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let stream = Box::new(StreamOwned::new(connection, socket));
        Ok((Self { tcp, stream, buffer: Vec::new() }, version, resumed))
    }

    /// Reads more into the buffer; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let n = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..n]);
        Ok(n > 0)
    }

    /// Reads up to the end of `mark`, which is returned with it.
    fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|w| w == mark) {
                return Ok(self.buffer.drain(..at + mark.len()).collect());
            }
            if self.buffer.len() > LIMITS.0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The head of the next request; `None` when the client is gone or has been silent for `idle`.
    pub(crate) fn head(&mut self, idle: Duration) -> Option<Vec<u8>> {
        self.tcp.set_read_timeout(Some(idle)).ok()?;
        let head = self.until(b"\r\n\r\n").ok()?;
        self.tcp.set_read_timeout(None).ok()?;
        Some(head)
    }

    /// The body of a request, or its first `most` bytes.
    pub(crate) fn body(&mut self, request: &Request, most: usize) -> io::Result<Vec<u8>> {
        if !request.says("transfer-encoding", "chunked") {
            let length = request.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
            return self.exactly(length, most);
        }
        let mut body = Vec::new();
        while body.len() < most {
            let line = self.until(b"\r\n")?;
            let digits = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(digits.split(';').next().unwrap_or_default().trim(), 16);
            match size.map_err(io::Error::other)? {
                0 => {
                    while self.until(b"\r\n")? != b"\r\n" {}
                    break;
                }
                size => body.extend(self.exactly(size, usize::MAX)?),
            }
            self.until(b"\r\n")?;
        }
        Ok(body)
    }

    fn exactly(&mut self, length: usize, most: usize) -> io::Result<Vec<u8>> {
        let length = length.min(most);
        if length > LIMITS.1 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while self.buffer.len() < length {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Waits for the client to go away, but not longer than `time`; what it sends is thrown away.
    pub(crate) fn drain(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let mut chunk = [0; 4096];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.tcp.set_read_timeout(Some(left)).is_err() {
                return;
            }
            if !self.tcp.read(&mut chunk).is_ok_and(|n| n > 0) {
                return;
            }
        }
    }

    /// Ends the connection as an honest server does.
    pub(crate) fn close(mut self) {
        self.stream.finish();
        self.cut(CutHow::Close);
    }

    /// Ends the connection as a broken one ends.
    pub(crate) fn cut(mut self, how: CutHow) {
        match how {
            CutHow::Reset => {
                self.wait_for_delivery();
                reset(&self.tcp);
            }
            CutHow::Close => {
                let _ = self.tcp.shutdown(Shutdown::Write);
                // Closing with unread bytes would turn into a reset and could destroy the answer.
                self.drain(LINGER);
            }
        }
    }

    /// Waits until the peer's system has all that was written: a reset would destroy what is still on its way.
    fn wait_for_delivery(&self) {
        for _ in 0..1000 {
            match unacknowledged(&self.tcp) {
                Some(0) => return,
                Some(_) => sleep(Duration::from_millis(1)),
                // Unknown: give loopback the moment it needs.
                None => return sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Lets the connection end with a reset instead of an orderly end.
pub(crate) fn reset(tcp: &TcpStream) {
    let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

/// Bytes the peer has not acknowledged, as Linux lists them.
fn unacknowledged(tcp: &TcpStream) -> Option<u64> {
    let ends = [tcp.local_addr().ok()?.port(), tcp.peer_addr().ok()?.port()].map(|port| format!(":{port:04X}"));
    let table = std::fs::read_to_string("/proc/self/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let queue = fields.get(4).filter(|_| fields[1].ends_with(&ends[0]) && fields[2].ends_with(&ends[1]))?;
        u64::from_str_radix(queue.split(':').next()?, 16).ok()
    })
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
