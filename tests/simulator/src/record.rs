//! What a simulator remembers of the requests and connections it saw. Plain data.

use crate::fault::Listener;
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
    /// Body as text; what is not UTF-8 is replaced.
    pub body: String,
    /// Body as it came.
    #[serde(skip)]
    pub body_bytes: Vec<u8>,
    /// Number of body bytes that were read.
    pub body_len: u64,
    /// Real milliseconds from the start of the simulator to the arrival.
    pub real_ms: u64,
    /// Simulated time of the arrival, v3 form.
    pub sim_time: String,
    /// Status of the answer; `None` as long as there is none, or if there never was one.
    pub status: Option<u16>,
    /// Body bytes of the answer that were handed to the socket.
    pub sent: u64,
    /// Everything is over: answered in full, or cut.
    pub done: bool,
    /// The answer was sent as a whole.
    pub complete: bool,
    /// The fault that hit it.
    pub fault: Option<String>,
    /// The request was carried out.
    pub acted: bool,
}

fn headers<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (i, (name, value)) in headers.iter().enumerate() {
        if headers[..i].iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
            continue;
        }
        let more = headers[i + 1..].iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
        let all: Vec<&str> = std::iter::once(value.as_str()).chain(more).collect();
        map.serialize_entry(&name.to_ascii_lowercase(), &all.join(", "))?;
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
        serde_json::from_slice(&self.body_bytes).unwrap_or(Value::Null)
    }

    /// Is it this method on a path that contains `path` (or matches it, with a `*`)?
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && crate::aim::path_matches(path, &self.path)
    }
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionRecord {
    /// Counted from 1 over all listeners.
    pub id: u64,
    /// The listener it came to.
    pub listener: Listener,
    /// Real milliseconds from the start of the simulator to its opening.
    pub opened_ms: u64,
    /// `TLSv1_2` or `TLSv1_3`; `None` without TLS or when the handshake failed.
    pub tls: Option<String>,
    /// The handshake resumed an earlier session.
    pub resumed: bool,
    /// Why the handshake failed.
    pub tls_error: Option<String>,
    /// Requests so far.
    pub requests: u64,
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
    /// Starts that were refused.
    pub starts_refused: u64,
    /// Cancel requests for builds that exist.
    pub cancels: u64,
    /// Requests hit by a fault.
    pub faults: u64,
    /// Requests refused for the limit.
    pub rate_limited: u64,
    /// Requests to the storage that carried credentials.
    pub leaked_credentials: u64,
    /// Starts that reached the queue of the Jenkins.
    pub jenkins_triggers: u64,
    /// Those of them that joined an equal one.
    pub jenkins_joined: u64,
    /// Requests to cancel an item of that queue.
    pub jenkins_cancels: u64,
    /// Requests to end a build of the Jenkins.
    pub jenkins_stops: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_an_object() {
        let record = RequestRecord {
            id: 1,
            connection: 1,
            listener: Listener::Api,
            method: "GET".into(),
            path: "/a".into(),
            query: String::new(),
            headers: vec![("X-A".into(), "1".into()), ("B".into(), "2".into()), ("x-a".into(), "3".into())],
            body: String::new(),
            body_bytes: b"{\"k\":1}".to_vec(),
            body_len: 0,
            real_ms: 0,
            sim_time: String::new(),
            status: None,
            sent: 0,
            done: false,
            complete: false,
            fault: None,
            acted: false,
        };
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(json["headers"], serde_json::json!({"x-a": "1, 3", "b": "2"}));
        assert_eq!(record.json()["k"], 1);
        assert_eq!(record.header("X-a"), Some("1"));
        assert!(record.is("GET", "/a"));
    }
}
