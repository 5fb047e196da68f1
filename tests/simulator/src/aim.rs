//! Finds the fault that hits a request or a connection, and counts what was met. Pure.

use crate::fault::{CutPoint, Fault, Listener};
use crate::http::Request;

impl Fault {
    fn matches(&self, listener: Listener, request: &Request) -> bool {
        self.strikes_connection().is_none()
            && self.listener.is_none_or(|l| l == listener)
            && self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(&request.method))
            && self.path.as_ref().is_none_or(|p| path_matches(p, &request.path))
            && self.query.as_ref().is_none_or(|q| request.query.contains(q.as_str()))
            && self.header.as_ref().is_none_or(|h| request.header(h).is_some())
    }
}

/// A fault and how often it was met.
#[derive(Debug)]
pub(crate) struct Armed {
    fault: Fault,
    seen: u32,
}

/// All faults of a simulator.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed.push(Armed { fault, seen: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// All faults with the number of requests each of them matched.
    pub(crate) fn list(&self) -> Vec<(Fault, u32)> {
        self.armed.iter().map(|a| (a.fault.clone(), a.seen)).collect()
    }

    /// The fault that hits this request; every one that matches counts it.
    pub(crate) fn take(&mut self, listener: Listener, request: &Request) -> Option<Fault> {
        self.take_where(|f| f.matches(listener, request))
    }

    /// The fault that hits this connection at this point.
    pub(crate) fn take_connection(&mut self, listener: Listener, point: CutPoint) -> Option<Fault> {
        self.take_where(|f| f.strikes_connection() == Some(point) && f.listener.is_none_or(|l| l == listener))
    }

    fn take_where(&mut self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut hit = None;
        for armed in self.armed.iter_mut().filter(|a| matches(&a.fault)) {
            armed.seen += 1;
            let Fault { nth, times, .. } = armed.fault;
            let due = armed.seen >= nth && (times == 0 || armed.seen - nth < times);
            if due && hit.is_none() {
                hit = Some(armed.fault.clone());
            }
        }
        hit
    }
}

/// Substring, or with `*` a pattern for the whole path in which `*` stands for anything.
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return path.contains(pattern);
    };
    let Some(mut left) = path.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Request {
        Request { method: "GET".into(), path: path.into(), ..Request::default() }
    }

    #[test]
    fn paths_match_by_part_or_pattern() {
        assert!(path_matches("/builds", "/api/v3/builds/1"));
        assert!(path_matches("/api/*/builds/*", "/api/v3/builds/1"));
        assert!(!path_matches("/api/*/builds", "/api/v3/builds/1"));
        assert!(path_matches("*", ""));
        assert!(!path_matches("/a*b*c", "/ab"));
    }

    #[test]
    fn hits_the_nth_and_so_many() {
        let mut faults = Faults::default();
        faults.arm(Fault::status(500).path("/x").nth(2).times(2));
        let hits: Vec<_> = (0..5).map(|_| faults.take(Listener::Api, &get("/x")).is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(faults.take(Listener::Api, &get("/y")).is_none());
    }
}
