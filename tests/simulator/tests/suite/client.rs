//! A client that knows nothing but bytes, so that it sees what really was sent.

use cibridge_simulator::{DEFAULT_APP, DEFAULT_KEY, Simulator};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body came to the end its head announced.
    pub(crate) whole: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Settings of a TLS client that trusts the simulator's authority.
pub(crate) fn trusting(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn connect(base: &str) -> TcpStream {
    let address = base.split_once("://").unwrap().1;
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

impl Client {
    pub(crate) fn to(base: &str) -> Self {
        Self { stream: Box::new(connect(base)), buffer: Vec::new() }
    }

    pub(crate) fn tls(base: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let mut tcp = connect(base);
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(Self { stream: Box::new(StreamOwned::new(connection, tcp)), buffer: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads what there is; 0 at the end.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 8192];
        let n = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..n]);
        Ok(n)
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> String {
        while self.fill().is_ok_and(|n| n > 0) {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &[&str], body: &str) -> io::Result<Reply> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
        for header in headers {
            head = head + header + "\r\n";
        }
        if !body.is_empty() {
            head = format!("{head}Content-Length: {}\r\n", body.len());
        }
        self.send(format!("{head}\r\n{body}").as_bytes())?;
        self.reply(method == "HEAD")
    }

    pub(crate) fn reply(&mut self, head_only: bool) -> io::Result<Reply> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end;
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|l| l.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let mut reply = Reply { status, headers, body: Vec::new(), whole: true };
        if head_only || status == 204 {
            return Ok(reply);
        }
        if reply.header("transfer-encoding") == "chunked" {
            reply.whole = self.chunks(&mut reply.body);
        } else {
            let length: usize = reply.header("content-length").parse().unwrap_or(0);
            while self.buffer.len() < length && self.fill().is_ok_and(|n| n > 0) {}
            reply.whole = self.buffer.len() >= length;
            let part = self.buffer.len().min(length);
            reply.body = self.buffer.drain(..part).collect();
        }
        Ok(reply)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") else {
                if self.fill().is_ok_and(|n| n > 0) {
                    continue;
                }
                return false;
            };
            let size = usize::from_str_radix(&String::from_utf8_lossy(&self.buffer[..end]), 16).unwrap();
            while self.buffer.len() < end + 2 + size + 2 {
                if !self.fill().is_ok_and(|n| n > 0) {
                    return false;
                }
            }
            body.extend_from_slice(&self.buffer[end + 2..end + 2 + size]);
            self.buffer.drain(..end + 2 + size + 2);
            if size == 0 {
                return true;
            }
        }
    }
}

/// One request on a connection of its own.
pub(crate) fn once(base: &str, method: &str, path: &str, headers: &[&str], body: &str) -> io::Result<Reply> {
    Client::to(base).request(method, path, headers, body)
}

/// The header of the default key.
pub(crate) fn auth() -> String {
    format!("x-auth-token: {DEFAULT_KEY}")
}

/// One request with the default key.
pub(crate) fn call(sim: &Simulator, method: &str, path: &str, body: &str) -> Reply {
    once(sim.legacy_url(), method, path, &[&auth()], body).unwrap()
}

pub(crate) fn get(sim: &Simulator, path: &str) -> Reply {
    call(sim, "GET", path, "")
}

/// Path of v3's start.
pub(crate) fn start_path() -> String {
    format!("/api/v3/apps/{DEFAULT_APP}/builds")
}

/// A body that starts a build.
pub(crate) fn start_body() -> String {
    json!({"workflow_id": "ios-release", "branch": "main"}).to_string()
}

/// Starts a build by v3.
pub(crate) fn start(sim: &Simulator) -> String {
    let reply = call(sim, "POST", &start_path(), &start_body());
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.json()["data"]["id"].as_str().unwrap().to_owned()
}

/// The part of an address behind its origin.
pub(crate) fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    &rest[rest.find('/').unwrap()..]
}
