//! Accepts connections and takes each through its requests, one thread for each connection.

use super::send::{Framing, Sent, send, send_raw};
use super::stream::{Wire, cut};
use crate::control;
use crate::fault::{CutHow, CutPoint, Fault, FaultKind, Listener};
use crate::http::{Request, Response};
use crate::jenkins::Port;
use crate::misbehave::{Tweaks, Verdict, judge};
use crate::record::{ConnectionRecord, RequestRecord};
use crate::world::{Shared, World};
use crate::{api, http};
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest time for a handshake, and for a client to send what it announced.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that may wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;

/// A listening socket and its open connections.
pub(crate) struct Door {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
    open: Arc<Open>,
}

/// A connection's socket and its thread.
struct Guest {
    stream: TcpStream,
    thread: JoinHandle<()>,
}

/// The open connections, to end them with the simulator.
#[derive(Default)]
struct Open {
    streams: Mutex<HashMap<u64, Guest>>,
}

impl Open {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Guest>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    /// Ends everything and waits for the threads; the flag of `Shared` must be set already.
    pub(crate) fn shut(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Wakes the thread from its `accept`.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        let _ = thread.join();
        let open: Vec<_> = self.open.lock().drain().collect();
        for (_, guest) in &open {
            let _ = guest.stream.shutdown(Shutdown::Both);
        }
        for (_, guest) in open {
            let _ = guest.thread.join();
        }
    }
}

/// Begins to accept connections.
pub(crate) fn listen(
    socket: TcpListener,
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
) -> io::Result<Door> {
    let address = socket.local_addr()?;
    let open = Arc::new(Open::default());
    let theirs = Arc::clone(&open);
    let mut socket = socket;
    let accept = move || {
        loop {
            let stream = socket.accept();
            if shared.stopped() {
                return;
            }
            if listener == Listener::Jenkins && shared.lock().jenkins.as_ref().is_some_and(|j| j.port == Port::Closing)
            {
                drop((stream, socket));
                for guest in theirs.lock().values() {
                    let _ = guest.stream.shutdown(Shutdown::Both);
                }
                let Some(held) = hold(address, &shared) else { return };
                shared.set_port(Port::Closed);
                shared.wait_for_port();
                if held.listen(BACKLOG).is_err() {
                    return;
                }
                socket = held.into();
                shared.set_port(Port::Open);
                continue;
            }
            let Ok((stream, _)) = stream else { continue };
            let _ = welcome(stream, listener, tls.clone(), &shared, &theirs);
        }
    };
    let thread = std::thread::Builder::new().name(format!("{listener:?} listener")).spawn(accept)?;
    Ok(Door { address, thread: Some(thread), open })
}

/// Takes a port again without listening: connections to it are refused, and nobody else gets it meanwhile. Somebody
/// else's connection may have it for a moment.
fn hold(address: SocketAddr, shared: &Shared) -> Option<Socket> {
    let take = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        Ok::<_, io::Error>(socket)
    };
    while !shared.stopped() {
        if let Ok(socket) = take() {
            return Some(socket);
        }
        shared.pause(Duration::from_millis(5));
    }
    None
}

/// Gives a connection its number and its thread.
fn welcome(
    stream: TcpStream,
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    shared: &Arc<Shared>,
    open: &Arc<Open>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let copy = stream.try_clone()?;
    let id = shared.lock().open_connection(listener);
    shared.notify();
    // Held until the thread is entered, so that it cannot leave before it was.
    let mut streams = open.lock();
    let (their_shared, their_open) = (Arc::clone(shared), Arc::clone(open));
    let run = move || {
        let visit = Visit { shared: &their_shared, listener, connection: id };
        visit.run(stream, tls);
        their_shared.lock().connection(id, |c| c.closed = true);
        their_shared.notify();
        their_open.lock().remove(&id);
    };
    let thread = std::thread::Builder::new().name(format!("connection {id}")).spawn(run)?;
    streams.insert(id, Guest { stream: copy, thread });
    Ok(())
}

/// One connection.
struct Visit<'a> {
    shared: &'a Shared,
    listener: Listener,
    connection: u64,
}

/// What comes after a request.
enum Next {
    /// The next request.
    Stay(Wire),
    /// An honest end.
    Close(Wire),
    /// A broken end.
    Cut(Wire, CutHow),
}

impl Visit<'_> {
    fn run(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        if let Some((how, delay)) = self.connection_fault(CutPoint::Accept) {
            self.shared.pause(delay);
            cut(&stream, how);
            return;
        }
        let Some(mut wire) = self.handshake(stream, tls) else { return };
        if let Some((how, delay)) = self.connection_fault(CutPoint::Handshake) {
            self.shared.pause(delay);
            wire.cut(how);
            return;
        }
        loop {
            wire = match self.request(wire) {
                Ok(Next::Stay(wire)) => wire,
                Ok(Next::Close(wire)) => return wire.close(),
                Ok(Next::Cut(wire, how)) => return wire.cut(how),
                Err(_) => return,
            };
        }
    }

    fn connection_fault(&self, point: CutPoint) -> Option<(CutHow, Duration)> {
        let mut world = self.shared.lock();
        let fault = world.faults.take_connection(self.listener, point)?;
        world.counters.faults += 1;
        match fault.kind {
            FaultKind::Cut { how, .. } => Some((how, Duration::from_millis(fault.delay_ms))),
            _ => None,
        }
    }

    fn handshake(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> Option<Wire> {
        let Some(config) = tls else { return Some(Wire::plain(stream)) };
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let result = Wire::tls(stream, config);
        let mut world = self.shared.lock();
        let wire = match result {
            Ok((wire, handshake)) => {
                world.counters.tls_handshakes += 1;
                world.connection(self.connection, |c| {
                    c.tls = Some(handshake.version);
                    c.resumed = handshake.resumed;
                });
                Some(wire)
            }
            Err(error) => {
                world.counters.tls_failures += 1;
                world.connection(self.connection, |c| c.tls_error = Some(error.to_string()));
                None
            }
        };
        drop(world);
        self.shared.notify();
        wire
    }

    /// Reads one request and answers it in whatever way it deserves.
    fn request(&self, mut wire: Wire) -> io::Result<Next> {
        let idle = Duration::from_millis(self.shared.lock().config.idle_ms);
        let Some(head) = wire.head(idle)? else { return Ok(Next::Close(wire)) };
        let mut request = match Request::parse(&head) {
            Ok(request) => request,
            Err(problem) => {
                let response = Response::text(400, &problem);
                let framing = Framing { head_only: false, chunked: false, keep_alive: false };
                send(&mut wire, self.shared, &response, &Tweaks::default(), framing);
                return Ok(Next::Close(wire));
            }
        };
        let control = control::is_control(&request);
        let (id, fault) = if control { (0, None) } else { self.arrive(&request) };
        if request.expects_continue() {
            wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            wire.flush()?;
        }
        if let Some(Fault { kind: FaultKind::Cut { at: CutPoint::RequestBody, bytes, how }, .. }) = fault {
            let part = wire.body(&request, Some(bytes)).unwrap_or_default();
            self.update(id, |r| {
                note_body(r, &part);
                r.done = true;
            });
            return Ok(Next::Cut(wire, how));
        }
        let body = match wire.body(&request, None) {
            Ok(body) => body,
            Err(error) => {
                self.update(id, |r| r.done = true);
                return Err(error);
            }
        };
        request.body = body;
        if control {
            let response = control::answer(self.shared, &request);
            return Ok(self.reply(wire, 0, &request, &response, &Tweaks::default()));
        }
        self.update(id, |r| note_body(r, &request.body));
        self.carry_out(wire, id, &request, fault.as_ref())
    }

    fn carry_out(&self, mut wire: Wire, id: u64, request: &Request, fault: Option<&Fault>) -> io::Result<Next> {
        let verdict = {
            let mut world = self.shared.lock();
            let acts = fault.is_none_or(Fault::acts);
            let real = acts.then(|| api::answer(&mut world, self.listener, request));
            world.update_request(id, |r| r.acted = acts);
            judge(&world, fault, self.listener, request, real)
        };
        self.shared.notify();
        let delay = fault.map_or(0, |f| f.delay_ms);
        if delay > 0 {
            self.shared.pause(Duration::from_millis(delay));
        }
        let end = |next| {
            self.update(id, |r| r.done = true);
            Ok(next)
        };
        match verdict {
            Verdict::Send(response, tweaks) => Ok(self.reply(wire, id, request, &response, &tweaks)),
            Verdict::Cut(how) => end(Next::Cut(wire, how)),
            Verdict::Raw(text) => {
                send_raw(&mut wire, &text);
                end(Next::Close(wire))
            }
            Verdict::Hang(time) => {
                wire.drain(time);
                end(Next::Cut(wire, CutHow::Close))
            }
        }
    }

    fn reply(&self, mut wire: Wire, id: u64, request: &Request, response: &Response, tweaks: &Tweaks) -> Next {
        let (chunked, keep) = {
            let config = &self.shared.lock().config;
            (config.chunked, config.keep_alive)
        };
        let framing = Framing {
            head_only: request.method == "HEAD",
            chunked: (chunked || response.chunked()) && !request.old,
            keep_alive: keep && request.keeps_alive(),
        };
        // Known to those who wait before the client can act on the answer.
        self.update(id, |r| r.status = Some(response.status));
        let Sent { body, cut, complete } = send(&mut wire, self.shared, response, tweaks, framing);
        self.update(id, |r| {
            r.sent = body;
            r.complete = complete;
            r.done = true;
        });
        match cut {
            Some(how) => Next::Cut(wire, how),
            None if framing.keep_alive => Next::Stay(wire),
            None => Next::Close(wire),
        }
    }

    /// Records a request and finds the fault that hits it.
    fn arrive(&self, request: &Request) -> (u64, Option<Fault>) {
        let mut world = self.shared.lock();
        let fault = world.faults.take(self.listener, request);
        let id = world.record_request(self.connection, self.listener, request, fault.as_ref());
        drop(world);
        self.shared.notify();
        (id, fault)
    }

    fn update(&self, id: u64, change: impl FnOnce(&mut RequestRecord)) {
        self.shared.lock().update_request(id, change);
        self.shared.notify();
    }
}

/// Largest body that is kept as a whole; of larger ones only so much is.
const KEPT_BODY: usize = 8 << 20;

fn note_body(record: &mut RequestRecord, body: &[u8]) {
    record.body_len = body.len() as u64;
    let body = &body[..body.len().min(KEPT_BODY)];
    record.body = String::from_utf8_lossy(body).into_owned();
    record.body_bytes = body.to_vec();
}

impl World {
    fn open_connection(&mut self, listener: Listener) -> u64 {
        self.connections_made += 1;
        self.counters.connections += 1;
        self.connections.push(ConnectionRecord {
            id: self.connections_made,
            listener,
            opened_ms: self.real_ms(),
            tls: None,
            resumed: false,
            tls_error: None,
            requests: 0,
            closed: false,
        });
        self.connections_made
    }

    fn connection(&mut self, id: u64, change: impl FnOnce(&mut ConnectionRecord)) {
        if let Ok(at) = self.connections.binary_search_by_key(&id, |c| c.id) {
            change(&mut self.connections[at]);
        }
    }

    fn record_request(
        &mut self,
        connection: u64,
        listener: Listener,
        request: &http::Request,
        fault: Option<&Fault>,
    ) -> u64 {
        self.requests_made += 1;
        self.counters.requests += 1;
        self.counters.faults += u64::from(fault.is_some());
        self.connection(connection, |c| c.requests += 1);
        let record = RequestRecord {
            id: self.requests_made,
            connection,
            listener,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: String::new(),
            body_bytes: Vec::new(),
            body_len: 0,
            real_ms: self.real_ms(),
            sim_time: self.now().v3(),
            status: None,
            sent: 0,
            done: false,
            complete: false,
            fault: fault.map(Fault::label),
            acted: false,
        };
        self.requests.push(record);
        self.requests_made
    }

    fn update_request(&mut self, id: u64, change: impl FnOnce(&mut RequestRecord)) {
        if let Ok(at) = self.requests.binary_search_by_key(&id, |r| r.id) {
            change(&mut self.requests[at]);
        }
    }
}
