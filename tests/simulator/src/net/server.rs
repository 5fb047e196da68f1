//! Accepts connections and takes each through its requests, one thread for each connection.

use super::connection::{Connection, reset};
use super::send::{Framing, send};
use crate::apply::{Outcome, Tweaks, apply};
use crate::codemagic;
use crate::control;
use crate::fault::{CutHow, CutPoint, Fault, FaultKind, Listener};
use crate::http::{Request, Response};
use crate::jenkins::Port;
use crate::record::RequestRecord;
use crate::world::Shared;
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Longest time for a handshake, and for silence between two requests.
const PATIENCE: Duration = Duration::from_secs(75);
/// Connections that may wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;

/// A listening socket and its open connections.
pub(crate) struct Server {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
    open: Open,
}

/// The open connections with their threads, to end them with the simulator.
type Open = Arc<Mutex<HashMap<u64, (TcpStream, JoinHandle<()>)>>>;

fn lock(open: &Open) -> MutexGuard<'_, HashMap<u64, (TcpStream, JoinHandle<()>)>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Ends everything and waits for the threads; the flag of `Shared` must be set already.
    pub(crate) fn shut(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Wakes the thread from its `accept`.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        let _ = thread.join();
        let open: Vec<_> = lock(&self.open).drain().map(|(_, connection)| connection).collect();
        for (stream, _) in &open {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for (_, thread) in open {
            let _ = thread.join();
        }
    }
}

/// Begins to accept connections.
pub(crate) fn listen(
    mut socket: TcpListener,
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
) -> io::Result<Server> {
    let address = socket.local_addr()?;
    let open = Open::default();
    let theirs = Arc::clone(&open);
    let accept = move || {
        loop {
            let stream = socket.accept();
            if shared.stopped() {
                return;
            }
            let closing = shared.lock().jenkins.as_ref().is_some_and(|j| j.port == Port::Closing);
            if listener == Listener::Jenkins && closing {
                drop((stream, socket));
                lock(&theirs).values().for_each(|(stream, _)| drop(stream.shutdown(Shutdown::Both)));
                let Some(held) = hold(address, &shared) else { return };
                shared.set_port(Port::Closed);
                shared.wait_for_port();
                if held.listen(BACKLOG).is_err() {
                    return;
                }
                socket = held.into();
                shared.set_port(Port::Open);
            } else if let Ok((stream, _)) = stream {
                let _ = serve(stream, listener, tls.clone(), &shared, &theirs);
            }
        }
    };
    let thread = Builder::new().name(format!("{listener:?} listener")).spawn(accept)?;
    Ok(Server { address, thread: Some(thread), open })
}

/// Takes a port again without listening: connections to it are refused, and no other socket gets it meanwhile. Somebody
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
fn serve(
    stream: TcpStream,
    listener: Listener,
    tls: Option<Arc<ServerConfig>>,
    shared: &Arc<Shared>,
    open: &Open,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let copy = stream.try_clone()?;
    let id = shared.change(|world| world.open_connection(listener));
    // Held until the thread is entered, so that it cannot leave before it was.
    let mut connections = lock(open);
    let (their_shared, their_open) = (Arc::clone(shared), Arc::clone(open));
    let run = move || {
        Visit { shared: &their_shared, listener, connection: id }.run(stream, tls);
        their_shared.change(|world| world.connection(id, |c| c.closed = true));
        lock(&their_open).remove(&id);
    };
    let thread = Builder::new().name(format!("connection {id}")).spawn(run)?;
    connections.insert(id, (copy, thread));
    Ok(())
}

/// One connection.
struct Visit<'a> {
    shared: &'a Shared,
    listener: Listener,
    connection: u64,
}

/// What follows a request.
enum Next {
    Request(Connection),
    Close(Connection),
    Cut(Connection, CutHow),
    Gone,
}

impl Visit<'_> {
    fn run(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        if let Some(how) = self.connection_fault(CutPoint::Accept) {
            if how == CutHow::Reset {
                reset(&stream);
            }
            return;
        }
        let Some(mut connection) = self.handshake(stream, tls) else { return };
        if let Some(how) = self.connection_fault(CutPoint::Handshake) {
            return connection.cut(how);
        }
        loop {
            connection = match self.request(connection) {
                Next::Request(connection) => connection,
                Next::Close(connection) => return connection.close(),
                Next::Cut(connection, how) => return connection.cut(how),
                Next::Gone => return,
            };
        }
    }

    fn connection_fault(&self, point: CutPoint) -> Option<CutHow> {
        let fault = self.shared.lock().take_connection_fault(self.listener, point)?;
        self.shared.pause(Duration::from_millis(fault.delay_ms));
        match fault.kind {
            FaultKind::Cut { how, .. } => Some(how),
            _ => None,
        }
    }

    fn handshake(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> Option<Connection> {
        let Some(config) = tls else { return Connection::plain(stream).ok() };
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let result = Connection::tls(stream, config);
        self.shared.change(|world| {
            let Ok((connection, version, resumed)) = result else {
                world.counters.tls_failures += 1;
                return None;
            };
            world.counters.tls_handshakes += 1;
            world.connection(self.connection, |c| (c.tls, c.resumed) = (Some(version), resumed));
            Some(connection)
        })
    }

    /// Reads one request and answers it as its fault wants it.
    fn request(&self, mut connection: Connection) -> Next {
        let Some(head) = connection.head(PATIENCE) else { return Next::Close(connection) };
        let mut request = match Request::parse(&head) {
            Ok(request) => request,
            Err(problem) => {
                let framing = Framing { head_only: false, chunked: false, keep_alive: false };
                let response = Response::text(400, &problem.to_string());
                send(&mut connection, self.shared, &response, &Tweaks::default(), framing);
                return Next::Close(connection);
            }
        };
        let control = request.path.starts_with("/_sim/");
        let (id, fault) = if control {
            (0, None)
        } else {
            self.shared.change(|world| world.arrive(self.connection, self.listener, &request))
        };
        if request.says("expect", "100-continue") {
            let _ = connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").and_then(|()| connection.flush());
        }
        if let Some(Fault { kind: FaultKind::Cut { at: CutPoint::RequestBody, bytes, how }, .. }) = fault {
            let part = connection.body(&request, bytes as usize).unwrap_or_default();
            self.update(id, |r| {
                r.set_body(&part);
                r.done = true;
            });
            return Next::Cut(connection, how);
        }
        let Ok(body) = connection.body(&request, usize::MAX) else {
            self.update(id, |r| r.done = true);
            return Next::Gone;
        };
        request.body = body;
        if control {
            let response = control::answer(self.shared, &request);
            return self.reply(connection, 0, &request, &response, &Tweaks::default());
        }
        self.update(id, |r| r.set_body(&request.body));
        self.carry_out(connection, id, &request, fault.as_ref())
    }

    fn carry_out(&self, mut connection: Connection, id: u64, request: &Request, fault: Option<&Fault>) -> Next {
        let outcome = self.shared.change(|world| {
            let acts = fault.is_none_or(Fault::acts);
            let real = acts.then(|| codemagic::answer(world, self.listener, request));
            world.update_request(id, |r| r.acted = acts);
            apply(world, fault, self.listener, request, real)
        });
        self.shared.pause(Duration::from_millis(fault.map_or(0, |f| f.delay_ms)));
        let next = match outcome {
            Outcome::Send(_, _) if fault.is_none() && request.method == "CONNECT" => {
                self.update(id, |r| r.status = Some(200));
                tunnel(connection, &request.path)
            }
            Outcome::Send(response, tweaks) => return self.reply(connection, id, request, &response, &tweaks),
            Outcome::Cut(how) => Next::Cut(connection, how),
            Outcome::Raw(text) => {
                let _ = connection.write_all(text.as_bytes()).and_then(|()| connection.flush());
                Next::Close(connection)
            }
            Outcome::Hang(time) => {
                connection.drain(time);
                Next::Cut(connection, CutHow::Close)
            }
        };
        self.update(id, |r| r.done = true);
        next
    }

    fn reply(
        &self,
        mut connection: Connection,
        id: u64,
        request: &Request,
        response: &Response,
        tweaks: &Tweaks,
    ) -> Next {
        let (chunked, keep) = {
            let config = &self.shared.lock().config;
            (config.chunked, config.keep_alive)
        };
        let framing = Framing {
            head_only: request.method == "HEAD",
            chunked: (chunked || response.has("transfer-encoding")) && !request.old,
            keep_alive: keep && request.keeps_alive(),
        };
        // Known to those who wait before the client can act on the answer.
        self.update(id, |r| r.status = Some(response.status));
        let (body, cut) = send(&mut connection, self.shared, response, tweaks, framing);
        self.update(id, |r| (r.sent, r.done) = (body, true));
        match cut {
            Some(how) => Next::Cut(connection, how),
            None if framing.keep_alive => Next::Request(connection),
            None => Next::Close(connection),
        }
    }

    fn update(&self, id: u64, change: impl FnOnce(&mut RequestRecord)) {
        self.shared.change(|world| world.update_request(id, change));
    }
}

/// Plays a proxy: carries bytes to `target`, an address on loopback, and back until one side is done.
fn tunnel(mut connection: Connection, target: &str) -> Next {
    let near = target.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    let Some(mut far) = near.and_then(|address| TcpStream::connect(address).ok()) else {
        return Next::Close(connection);
    };
    let answer = connection.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
    if answer.and_then(|()| far.write_all(&connection.buffer)).is_err() {
        return Next::Gone;
    }
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(&far, &connection.tcp));
        copy(&connection.tcp, &far);
    });
    Next::Gone
}
