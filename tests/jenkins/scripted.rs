//! A controller that answers what a test writes: shapes of real ones that the simulator does not play, and answers of
//! what is in front of one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Call;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: String,
    /// The path without its query.
    pub(super) path: String,
    pub(super) headers: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        let of = |line: &String| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        self.headers.iter().find_map(of)
    }
}

/// What to answer.
pub(super) enum Reply {
    /// JSON of Jenkins.
    Json(String),
    /// Any text with a content type, without a header of Jenkins.
    Text(u16, &'static str, String),
    /// The same with more headers.
    Headers(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection is closed without an answer.
    Drop,
}

impl Reply {
    /// The login page of a single sign-on, sent instead of an answer.
    pub(super) fn login_page() -> Self {
        Self::Text(200, "text/html", "<!DOCTYPE html><html><head><title>Sign in</title></head></html>".into())
    }

    pub(super) fn not_found() -> Self {
        Self::Headers(
            404,
            vec![("Content-Type", "text/html".into()), ("X-Jenkins", "2.516.2".into())],
            b"<html><title>Not Found</title></html>".to_vec(),
        )
    }
}

/// The server; it ends with the test's process.
pub(super) struct Scripted {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Scripted {
    pub(super) fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&received), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || serve(&stream.unwrap(), &log, &*answer));
            }
        });
        Self { url, received }
    }

    pub(super) fn call(&self, arguments: &[&str]) -> Call {
        Call::at(&self.url, arguments)
            .env("JENKINS_USER_ID", "dev")
            .env("JENKINS_API_TOKEN", cibridge_simulator::JENKINS_TOKEN)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What came to this path, in order.
    pub(super) fn received(&self, method: &str, path: &str) -> Vec<Received> {
        self.received.lock().unwrap().iter().filter(|one| one.is(method, path)).cloned().collect()
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Vec<Received>>, answer: &dyn Fn(&Received) -> Reply) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines[0].split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
    let path = target.split('?').next().unwrap().to_owned();
    let mut request = Received { method, path, headers: lines.split_off(1), body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).unwrap();
    log.lock().unwrap().push(request.clone());
    let (status, headers, body) = match answer(&request) {
        Reply::Json(text) => {
            let headers = vec![("Content-Type", "application/json".to_owned()), ("X-Jenkins", "2.516.2".to_owned())];
            (200, headers, text.into_bytes())
        }
        Reply::Text(status, kind, text) => (status, vec![("Content-Type", kind.to_owned())], text.into_bytes()),
        Reply::Headers(status, headers, body) => (status, headers, body),
        Reply::Drop => return,
    };
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    // A client that has seen enough may be gone.
    let mut stream = stream;
    drop(stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat()));
}
