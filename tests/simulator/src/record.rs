//! What a simulator remembers of the requests and connections it saw.

use crate::fault::{Fault, Listener, path_matches};
use crate::http::Request;
use crate::world::World;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    /// Counted from 1 in the order of arrival.
    pub id: u64,
    /// The connection it came on.
    pub connection: u64,
    /// The listener it came to.
    pub listener: Listener,
    /// Method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query as sent, without the question mark.
    pub query: String,
    /// Headers in order, names as sent; an object with lower-case names in JSON.
    #[serde(serialize_with = "headers")]
    pub headers: Vec<(String, String)>,
    /// Body as text, at most 8 MiB of it; what is not UTF-8 is replaced.
    pub body: String,
    /// Number of body bytes that were read.
    pub body_len: u64,
    /// Status of the answer; `None` as long as there is none, or if there never was one.
    pub status: Option<u16>,
    /// Body bytes of the answer that were handed to the socket.
    pub sent: u64,
    /// Everything is over: answered in full, or cut.
    pub done: bool,
    /// Kind of the fault that hit it.
    pub fault: Option<String>,
    /// The request was carried out.
    pub acted: bool,
}

fn headers<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in headers {
        map.serialize_entry(&name.to_ascii_lowercase(), value)?;
    }
    map.end()
}

impl RequestRecord {
    /// First header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Body as JSON, `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// Is it this method on a path that contains `path` (or matches it, with a `*`)?
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && path_matches(path, &self.path)
    }

    pub(crate) fn set_body(&mut self, body: &[u8]) {
        self.body_len = body.len() as u64;
        self.body = String::from_utf8_lossy(&body[..body.len().min(8 << 20)]).into_owned();
    }
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionRecord {
    /// Counted from 1 over all listeners.
    pub id: u64,
    /// The listener it came to.
    pub listener: Listener,
    /// `TLSv1_2` or `TLSv1_3`; `None` without TLS or when the handshake failed.
    pub tls: Option<String>,
    /// The handshake resumed an earlier session.
    pub resumed: bool,
    /// It is over.
    pub closed: bool,
}

/// Counts of what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests, control requests not counted.
    pub requests: u64,
    /// Connections opened.
    pub connections: u64,
    /// TLS handshakes that succeeded.
    pub tls_handshakes: u64,
    /// TLS handshakes that failed.
    pub tls_failures: u64,
    /// Builds started.
    pub builds_started: u64,
    /// Cancel requests for builds that exist.
    pub cancels: u64,
    /// Requests and connections hit by a fault.
    pub faults: u64,
    /// Requests to the storage that carried credentials.
    pub leaked_credentials: u64,
}

impl World {
    pub(crate) fn open_connection(&mut self, listener: Listener) -> u64 {
        self.counters.connections += 1;
        self.connections_made += 1;
        let id = self.connections_made;
        self.connections.push(ConnectionRecord { id, listener, tls: None, resumed: false, closed: false });
        id
    }

    pub(crate) fn connection(&mut self, id: u64, change: impl FnOnce(&mut ConnectionRecord)) {
        if let Ok(at) = self.connections.binary_search_by_key(&id, |c| c.id) {
            change(&mut self.connections[at]);
        }
    }

    /// The fault that hits a connection before there is a request.
    pub(crate) fn take_connection_fault(&mut self, listener: Listener, point: crate::fault::CutPoint) -> Option<Fault> {
        let fault = self.faults.take_connection(listener, point);
        self.counters.faults += u64::from(fault.is_some());
        fault
    }

    /// Records a request and finds the fault that hits it.
    pub(crate) fn arrive(&mut self, connection: u64, listener: Listener, request: &Request) -> (u64, Option<Fault>) {
        let fault = self.faults.take(listener, request);
        self.requests_made += 1;
        self.counters.requests += 1;
        self.counters.faults += u64::from(fault.is_some());
        self.requests.push(RequestRecord {
            id: self.requests_made,
            connection,
            listener,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: String::new(),
            body_len: 0,
            status: None,
            sent: 0,
            done: false,
            fault: fault.as_ref().map(Fault::label),
            acted: false,
        });
        (self.requests_made, fault)
    }

    pub(crate) fn update_request(&mut self, id: u64, change: impl FnOnce(&mut RequestRecord)) {
        if let Ok(at) = self.requests.binary_search_by_key(&id, |r| r.id) {
            change(&mut self.requests[at]);
        }
    }
}
