//! Name resolution that works where the system's alone would not.
//!
//! The C library of a static binary (musl) fails a name if the query for either address family fails, and gives up at
//! the first search domain whose server fails. So both families are asked for separately, as curl and glibc do, and a
//! failed name is tried once more without search domains. The answers are kept for a minute, and while the process
//! ends they are kept longer: a cancel must not wait for a slow server.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType};

use crate::lock::lock;

/// How long an answer is used for new connections.
const FRESH: Duration = Duration::from_secs(60);

/// How long the answer of one address family waits for the other one (RFC 8305, section 3, recommends 50 ms).
const OTHER_FAMILY_DELAY: Duration = Duration::from_millis(50);

/// How long an answer for a name with the search domains is awaited before the name is tried without them, too. They
/// come first where both exist, as the system's settings say.
const SEARCH_DELAY: Duration = Duration::from_millis(500);

/// How often a wait checks whether the process is to end.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The answers of name resolution, shared by all clients of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Dns(Arc<Mutex<HashMap<String, KnownAddresses>>>);

#[derive(Debug, Clone)]
struct KnownAddresses {
    addresses: Vec<IpAddr>,
    at: Instant,
}

/// Why a name has no address.
#[derive(Debug)]
pub(super) enum DnsError {
    /// The server does not know the name, or the name has no address.
    NotFound(String),
    /// The server failed, so that another attempt may succeed.
    Temporary(String),
    /// No answer within the time limit.
    Timeout,
    /// No thread could be started, so that nobody was asked.
    Shortage(io::Error),
    /// The process is to end.
    Interrupted,
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(why) | Self::Temporary(why) => f.write_str(why),
            Self::Shortage(error) => error.fmt(f),
            Self::Timeout => f.write_str("no answer"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for DnsError {}

impl From<LookupError> for DnsError {
    fn from(error: LookupError) -> Self {
        let kind = error.kind();
        let why = std::io::Error::from(error).to_string();
        let why = why.trim_start_matches("failed to lookup address information: ").to_owned();
        match kind {
            LookupErrorKind::Again | LookupErrorKind::Fail | LookupErrorKind::System => Self::Temporary(why),
            _ => Self::NotFound(why),
        }
    }
}

impl Dns {
    /// The addresses of a host in the order in which they are to be tried (RFC 8305, section 4: families alternate).
    /// The wait ends early when `is_interrupted` says so.
    pub(super) fn resolve(
        &self,
        host: &str,
        limit: Duration,
        is_interrupted: fn() -> bool,
    ) -> Result<Vec<IpAddr>, DnsError> {
        if let Some(address) = literal(host) {
            return Ok(vec![address]);
        }
        // musl finds a name in /etc/hosts only as it is spelled there, which is in lower case.
        let host = &*host.to_ascii_lowercase();
        let known = self.lock().get(host).cloned();
        if let Some(answer) = &known
            && answer.at.elapsed() < FRESH
        {
            return Ok(answer.addresses.clone());
        }
        match (look_up(host, limit, is_interrupted), known) {
            (Ok(addresses), _) => {
                let answer = KnownAddresses { addresses: addresses.clone(), at: Instant::now() };
                self.lock().insert(host.to_owned(), answer);
                Ok(addresses)
            }
            // An old answer is better than none.
            (Err(DnsError::Temporary(_) | DnsError::Timeout | DnsError::Shortage(_)), Some(answer)) => {
                Ok(answer.addresses)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The newest answer for a host, however old it is.
    pub(super) fn known(&self, host: &str) -> Option<Vec<IpAddr>> {
        self.lock().get(&host.to_ascii_lowercase()).map(|answer| answer.addresses.clone())
    }

    /// Resolves a name in the background unless it is known, so that a later request finds the answer.
    pub(super) fn resolve_ahead(&self, host: &str, limit: Duration) {
        if literal(host).is_some() || self.known(host).is_some() {
            return;
        }
        let (dns, host) = (self.clone(), host.to_owned());
        // Without a thread the request finds no answer and asks for itself.
        drop(thread::Builder::new().spawn(move || drop(dns.resolve(&host, limit, || false))));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, KnownAddresses>> {
        lock(&self.0)
    }
}

/// The address that a host is already.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

type FamilyAnswer = Result<Vec<IpAddr>, DnsError>;

/// Asks for both families at the same time. One that fails or is slow does not matter if the other has an address.
fn look_up(host: &str, limit: Duration, is_interrupted: fn() -> bool) -> FamilyAnswer {
    let started = Instant::now();
    let mut deadline = started.checked_add(limit);
    let (sender, answers) = mpsc::channel();
    ask(host, &sender);
    let mut asked = 2;
    // With a dot at its end a name is complete, and no search domain is tried.
    let mut complete_name = (host.contains('.') && !host.ends_with('.')).then(|| format!("{host}."));
    let (mut v6, mut v4) = (Vec::new(), Vec::new());
    let mut failure = None;
    loop {
        let now = Instant::now();
        let has_address = !v6.is_empty() || !v4.is_empty();
        if has_address && asked == 0 || deadline.is_some_and(|deadline| now >= deadline) {
            return if has_address { Ok(alternate(&v6, &v4)) } else { Err(failure.unwrap_or(DnsError::Timeout)) };
        }
        let has_failed = asked == 0 && matches!(failure, Some(DnsError::Temporary(_)));
        if !has_address
            && (has_failed || now.duration_since(started) >= SEARCH_DELAY)
            && let Some(name) = complete_name.take()
        {
            ask(&name, &sender);
            asked += 2;
        }
        if asked == 0 {
            return Err(failure.unwrap_or_else(|| DnsError::NotFound("no address".to_owned())));
        }
        if is_interrupted() {
            return Err(DnsError::Interrupted);
        }
        let left = deadline.map_or(CHECK_INTERVAL, |deadline| deadline.saturating_duration_since(now));
        let Ok((family, answer)) = answers.recv_timeout(left.min(CHECK_INTERVAL)) else { continue };
        asked -= 1;
        match answer {
            Ok(addresses) => {
                *(if family == AddrFamily::Inet6 { &mut v6 } else { &mut v4 }) = addresses;
                let soon = Instant::now() + OTHER_FAMILY_DELAY;
                deadline = Some(deadline.map_or(soon, |deadline| deadline.min(soon)));
            }
            // A name without an address in one family is normal, so the more serious error is reported.
            Err(error) => {
                if !matches!(failure, Some(DnsError::Temporary(_) | DnsError::Shortage(_))) {
                    failure = Some(error);
                }
            }
        }
    }
}

/// Asks for the addresses of both families in threads. They may outlive the caller: a query of the C library cannot be
/// stopped.
fn ask(name: &str, sender: &mpsc::Sender<(AddrFamily, FamilyAnswer)>) {
    // IPv4 first: a slow server that answers one query after the other gives the address that is nearly always there.
    for family in [AddrFamily::Inet, AddrFamily::Inet6] {
        let (answers, name) = (sender.clone(), name.to_owned());
        let look_up = move || drop(answers.send((family, look_up_family(&name, family))));
        if let Err(error) = thread::Builder::new().spawn(look_up) {
            drop(sender.send((family, Err(DnsError::Shortage(error)))));
        }
    }
}

fn look_up_family(name: &str, family: AddrFamily) -> FamilyAnswer {
    let hints = AddrInfoHints { address: family.into(), socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = dns_lookup::getaddrinfo(Some(name), None, Some(hints))?;
    let mut addresses: Vec<IpAddr> = found.flatten().map(|entry| entry.sockaddr.ip()).collect();
    addresses.dedup();
    if addresses.is_empty() { Err(DnsError::NotFound("no address".to_owned())) } else { Ok(addresses) }
}

/// IPv6 and IPv4 in turns, IPv6 first.
fn alternate(v6: &[IpAddr], v4: &[IpAddr]) -> Vec<IpAddr> {
    (0..v6.len().max(v4.len())).flat_map(|n| [v6.get(n), v4.get(n)]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_server() {
        let dns = Dns::default();
        assert_eq!(dns.resolve("127.0.0.1", Duration::ZERO, || false).unwrap(), [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(dns.resolve("[::1]", Duration::ZERO, || false).unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn localhost_has_an_address_and_is_known_then() {
        let dns = Dns::default();
        let addresses = dns.resolve("localhost", Duration::from_secs(10), || false).unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
        assert_eq!(dns.known("localhost"), Some(addresses.clone()));
        assert_eq!(dns.resolve("LocalHost", Duration::ZERO, || false).unwrap(), addresses);
        assert_eq!(dns.known("other"), None);
    }

    #[test]
    fn families_take_turns() {
        let v6 = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let v4 = |n: u8| IpAddr::from([192, 0, 2, n]);
        assert_eq!(alternate(&[v6(1)], &[v4(1), v4(2)]), [v6(1), v4(1), v4(2)]);
        assert_eq!(alternate(&[v6(1), v6(2)], &[v4(1)]), [v6(1), v4(1), v6(2)]);
    }
}
