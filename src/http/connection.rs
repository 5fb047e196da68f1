//! Connections below ureq: which one a request may use, what was written on it, and how a signal ends it.
//!
//! ureq hands nothing of a request to its resolver, connectors and transports, and runs all of them on the thread of
//! the request. So what a request wants of its connection, and what became of it, is in a thread-local for the
//! time of [`observe`].

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, ShutdownHandle, TcpConnector, Transport,
};

use super::dns::{Dns, DnsError};
use super::head::{self, HeadState};
use crate::clock::{self, Interrupt};
use crate::lock::lock;

/// The pause before the next address is tried beside one that does not answer (RFC 8305, section 5).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Addresses of a host that are tried, at most: as many as ureq has room for.
const MAX_ADDRESSES: usize = 16;

/// How often a wait checks whether the process is to end.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The time that a signal leaves to a request that may finish. Jenkins gives five seconds, in the rest of which a request
/// that got no answer is sent once more.
const FINISH_LIMIT: Duration = Duration::from_secs(1);

/// What a request wants of its connection.
pub(super) struct Wanted {
    /// Ends name resolution and connecting when it is raised.
    pub(super) interrupt: Interrupt,
    /// An idle connection may be closed by now; only a new one will do.
    pub(super) is_new: bool,
    /// Whether a proxy is asked to connect.
    pub(super) through_proxy: bool,
    /// An address from an earlier resolution will do, however old it is.
    pub(super) old_address: bool,
    /// What a signal does to the request once it was sent.
    pub(super) on_signal: OnSignal,
}

/// What a signal does to a request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnSignal {
    /// Its connection is closed at once.
    End,
    /// It may finish, for [`FINISH_LIMIT`] at most.
    Finish,
    /// Nothing: it is one of the last requests of the process, which have a time limit of their own.
    Ignore,
}

/// What became of the connection of a request.
#[derive(Default)]
pub(super) struct Observed {
    /// Whether a connection was opened for the request. If not, and something was written, it went over an idle one.
    pub(super) opened: bool,
    /// Whether bytes of the request itself (not of TLS or of a proxy's tunnel) were handed to the connection.
    pub(super) written: bool,
    /// The connection in use.
    pub(super) socket: Option<SocketUse>,
}

struct Exchange {
    wanted: Wanted,
    observed: Observed,
}

thread_local! {
    static EXCHANGE: RefCell<Option<Exchange>> = const { RefCell::new(None) };
}

/// Runs a request of ureq, and reports what became of its connection.
pub(super) fn observe<T>(wanted: Wanted, run: impl FnOnce() -> T) -> (T, Observed) {
    EXCHANGE.set(Some(Exchange { wanted, observed: Observed::default() }));
    let result = run();
    (result, EXCHANGE.take().map(|exchange| exchange.observed).unwrap_or_default())
}

fn with_exchange<T>(read: impl FnOnce(&mut Exchange) -> T) -> Option<T> {
    EXCHANGE.with_borrow_mut(|exchange| exchange.as_mut().map(read))
}

/// Whether the process is to end, so that the request on this thread must not wait any longer.
fn is_interrupted() -> bool {
    with_exchange(|exchange| exchange.wanted.interrupt.code().is_some()).unwrap_or_default()
}

/// The open sockets of a client.
#[derive(Debug, Clone, Default)]
pub(super) struct Sockets(Arc<Mutex<Vec<Weak<Socket>>>>);

#[derive(Debug)]
struct Socket {
    handle: Weak<dyn ShutdownHandle>,
    /// What a signal does to each request that uses it: one request, or none while it is idle.
    users: Mutex<Vec<OnSignal>>,
}

/// Marks a socket as in use until it is dropped.
pub(super) struct SocketUse(Arc<Socket>, OnSignal);

impl SocketUse {
    fn new(socket: Arc<Socket>, on_signal: OnSignal) -> Self {
        socket.users().push(on_signal);
        Self(socket, on_signal)
    }
}

impl Drop for SocketUse {
    fn drop(&mut self) {
        let mut users = self.0.users();
        if let Some(own) = users.iter().position(|user| *user == self.1) {
            users.swap_remove(own);
        }
    }
}

impl Socket {
    fn users(&self) -> MutexGuard<'_, Vec<OnSignal>> {
        lock(&self.users)
    }
}

impl Sockets {
    /// Ends the requests in flight, those that may finish a while later. Idle sockets stay open: what the process has to
    /// send before it ends can go over them at once.
    pub(super) fn end_requests(&self) {
        self.close(OnSignal::End);
        let sockets = self.clone();
        let end_others = move || {
            clock::wait(FINISH_LIMIT);
            sockets.close(OnSignal::Finish);
        };
        // Without a thread nobody could end them later.
        if thread::Builder::new().spawn(end_others).is_err() {
            self.close(OnSignal::Finish);
        }
    }

    fn close(&self, which: OnSignal) {
        let sockets = lock(&self.0).clone();
        for socket in sockets.iter().filter_map(Weak::upgrade) {
            if socket.users().contains(&which)
                && let Some(handle) = socket.handle.upgrade()
            {
                handle.shutdown();
            }
        }
    }

    fn add(&self, handle: Weak<dyn ShutdownHandle>) -> Arc<Socket> {
        let socket = Arc::new(Socket { handle, users: Mutex::default() });
        let mut sockets = lock(&self.0);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Arc::downgrade(&socket));
        socket
    }
}

/// Resolves names for ureq.
#[derive(Debug, Clone)]
pub(super) struct Names(pub(super) Dns);

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let old = with_exchange(|exchange| exchange.wanted.old_address).unwrap_or_default();
        let addresses = match self.0.known(host).filter(|_| old) {
            Some(addresses) => addresses,
            None => self.0.resolve(host, *timeout.after, is_interrupted).map_err(|error| match error {
                DnsError::Timeout => ureq::Error::Timeout(timeout.reason),
                error => ureq::Error::Other(Box::new(error)),
            })?,
        };
        let mut resolved = self.empty();
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            resolved.push(SocketAddr::new(address, port));
        }
        Ok(resolved)
    }
}

/// Connects to the first address that answers ("happy eyeballs", RFC 8305): one that is silent costs a quarter of a
/// second, not the whole time limit.
#[derive(Debug)]
pub(super) struct RaceConnector {
    pub(super) sockets: Sockets,
    pub(super) names: Names,
}

type Connected = Result<Box<dyn Transport>, ureq::Error>;

impl<In: Transport> Connector<In> for RaceConnector {
    type Out = Either<In, Box<dyn Transport>>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let (sender, attempts) = mpsc::channel();
        let deadline = Instant::now().checked_add(*details.timeout.after);
        let mut addresses = details.addrs.iter();
        let (mut running, mut next, mut failure) = (0, Instant::now(), None);
        loop {
            if Instant::now() >= next
                && let Some(address) = addresses.next()
            {
                self.attempt(details, *address, sender.clone());
                running += 1;
                next = Instant::now() + NEXT_ADDRESS_DELAY;
            } else if running == 0 && addresses.len() == 0 {
                return Err(failure.unwrap_or(ureq::Error::ConnectionFailed));
            }
            let now = Instant::now();
            if is_interrupted() {
                return Err(interrupted());
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Err(ureq::Error::Timeout(details.timeout.reason));
            }
            let wait = if addresses.len() > 0 { next.saturating_duration_since(now) } else { CHECK_INTERVAL };
            match attempts.recv_timeout(wait.min(CHECK_INTERVAL)) {
                Ok((Ok(transport), handle)) => {
                    let socket = self.sockets.add(handle);
                    with_exchange(|exchange| {
                        exchange.observed.opened = true;
                        exchange.observed.socket = Some(SocketUse::new(socket, exchange.wanted.on_signal));
                    });
                    // A signal before the socket was known has not closed it.
                    return if is_interrupted() { Err(interrupted()) } else { Ok(Some(Either::B(transport))) };
                }
                Ok((Err(error), _)) => {
                    running -= 1;
                    failure = Some(error);
                    next = Instant::now();
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

fn interrupted() -> ureq::Error {
    ureq::Error::Other(Box::new(DnsError::Interrupted))
}

impl RaceConnector {
    /// Connects to one address, in a thread: connecting cannot be stopped, so a signal just stops waiting for it.
    fn attempt(
        &self,
        details: &ConnectionDetails,
        address: SocketAddr,
        sender: mpsc::Sender<(Connected, Weak<dyn ShutdownHandle>)>,
    ) {
        let (uri, config, names) = (details.uri.clone(), details.config.clone(), self.names.clone());
        let mut addrs = names.empty();
        addrs.push(address);
        let (request_level, now, timeout) = (details.request_level, details.now, details.timeout);
        let (current_time, run_connector) = (Arc::clone(&details.current_time), Arc::clone(&details.run_connector));
        let register = Arc::clone(&details.register_shutdown);
        let not_started = sender.clone();
        let connect = move || {
            let handle: Arc<Mutex<Weak<dyn ShutdownHandle>>> = Arc::new(Mutex::new(Weak::<NoHandle>::new()));
            let seen = Arc::clone(&handle);
            let details = ConnectionDetails {
                uri: &uri,
                addrs,
                config: &config,
                request_level,
                resolver: &names,
                now,
                timeout,
                current_time,
                run_connector,
                register_shutdown: Arc::new(move |handle| {
                    lock(&seen).clone_from(&handle);
                    register(handle)
                }),
            };
            let result = TcpConnector::default().connect(&details, None::<()>);
            let result = result.and_then(|transport| transport.ok_or(ureq::Error::ConnectionFailed));
            let handle = lock(&handle).clone();
            // Nobody waits any more if another address was faster; then the connection is closed here.
            drop(sender.send((result.map(|transport| Box::new(transport) as Box<dyn Transport>), handle)));
        };
        if let Err(error) = thread::Builder::new().spawn(connect) {
            drop(not_started.send((Err(ureq::Error::Io(error)), Weak::<NoHandle>::new())));
        }
    }
}

/// Stands for the handle of a socket that does not exist yet.
struct NoHandle;

impl ShutdownHandle for NoHandle {
    fn shutdown(&self) {}
}

/// The last link of the chain: watches what a request does with its connection.
#[derive(Debug)]
pub(super) struct ObservingConnector;

impl<In: Transport> Connector<In> for ObservingConnector {
    type Out = Either<In, ObservedTransport<In>>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        // The connection to a proxy is made by the same chain; what is written on it before the tunnel stands is not
        // the request.
        let is_tunnel = details.config.proxy().is_none()
            && with_exchange(|exchange| exchange.wanted.through_proxy).unwrap_or_default();
        let Some(transport) = chained else { return Ok(None) };
        if is_tunnel {
            return Ok(Some(Either::A(transport)));
        }
        let socket = with_exchange(|exchange| exchange.observed.socket.as_ref().map(|used| Arc::clone(&used.0)));
        Ok(Some(Either::B(ObservedTransport { inner: transport, socket: socket.flatten(), awaits_head: false })))
    }
}

/// A connection that reports what is written on it.
#[derive(Debug)]
pub(super) struct ObservedTransport<In> {
    inner: In,
    socket: Option<Arc<Socket>>,
    /// A request was sent whose response head has not been read completely.
    awaits_head: bool,
}

impl<In: Transport> Transport for ObservedTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        with_exchange(|exchange| {
            exchange.observed.written = true;
            if exchange.observed.socket.is_none() {
                let on_signal = exchange.wanted.on_signal;
                exchange.observed.socket = self.socket.clone().map(|socket| SocketUse::new(socket, on_signal));
            }
        });
        self.awaits_head = true;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let mut progress = self.inner.await_input(timeout)?;
        while progress && self.awaits_head {
            match head::prepare(self.inner.buffers()) {
                HeadState::Usable => break,
                HeadState::Complete => self.awaits_head = false,
                HeadState::Incomplete => progress = self.inner.await_input(timeout)?,
            }
        }
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        // The pool asks before it hands out an idle connection, and again when it takes one back.
        let is_refused = with_exchange(|exchange| exchange.wanted.is_new && !exchange.observed.opened);
        !is_refused.unwrap_or_default() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
