//! A client that knows nothing but bytes, so that it sees what really was sent: one request for each connection.

use cibridge_simulator::{DEFAULT_APP, DEFAULT_KEY, Simulator};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body came to the end that its head announced.
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

/// Sends these bytes; returns all that comes back, and the error that ended it if there was one.
pub(crate) fn exchange(base: &str, request: &[u8]) -> (Vec<u8>, Option<io::Error>) {
    let mut stream = TcpStream::connect(base.split_once("://").unwrap().1).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut bytes = Vec::new();
    let result = stream.write_all(request).and_then(|()| stream.read_to_end(&mut bytes));
    (bytes, result.err())
}

pub(crate) fn once(base: &str, method: &str, path: &str, headers: &[&str], body: &str) -> io::Result<Reply> {
    let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let first = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close");
    let request = [&[first.as_str()], headers, &[length.as_str()]].concat().join("\r\n");
    let (bytes, error) = exchange(base, request.as_bytes());
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Err(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|l| l.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let mut reply = Reply { status, headers, body: bytes[end + 4..].to_vec(), whole: true };
    if reply.header("transfer-encoding") == "chunked" {
        let mut chunks = std::mem::take(&mut reply.body);
        reply.whole = chunks.ends_with(b"\r\n0\r\n\r\n") || chunks == b"0\r\n\r\n";
        while let Some(at) = chunks.windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(&String::from_utf8_lossy(&chunks[..at]), 16).unwrap();
            let rest = chunks.split_off(at + 2);
            reply.body.extend_from_slice(&rest[..size.min(rest.len())]);
            chunks = rest.get(size + 2..).unwrap_or_default().to_vec();
        }
    } else if let Ok(length) = reply.header("content-length").parse::<usize>() {
        reply.whole = method == "HEAD" || reply.body.len() == length;
    }
    Ok(reply)
}

/// One request to the API with the default key.
pub(crate) fn call(sim: &Simulator, method: &str, path: &str, body: &str) -> Reply {
    once(sim.legacy_url(), method, path, &[&auth()], body).unwrap()
}

pub(crate) fn get(sim: &Simulator, path: &str) -> Reply {
    call(sim, "GET", path, "")
}

/// The header of the default key.
pub(crate) fn auth() -> String {
    format!("x-auth-token: {DEFAULT_KEY}")
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
