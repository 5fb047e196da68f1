//! Sockets that the simulator does not have: a proxy, a line that is cut after so many bytes, and silence.

use std::io::{BufRead as _, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// What a proxy does with a `CONNECT`.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Connects.
    Open,
    /// Connects if the credentials are these, in base64; answers 407 otherwise.
    Guarded(String),
    /// Answers with this instead.
    Answer(&'static str),
    /// Never answers.
    Silent,
}

/// A proxy on loopback that notes the heads of the requests it got.
pub(crate) struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manner, heads) = (manner.clone(), Arc::clone(&theirs));
                thread::spawn(move || serve(stream, &manner, &heads));
            }
        });
        Self { address, heads }
    }

    /// `http://HOST:PORT`, with this before the host: nothing, or `USER:PASSWORD@`.
    pub(crate) fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}{}", self.address)
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, manner: &Manner, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match client.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let answer = match manner {
        Manner::Open => "HTTP/1.1 200 Connection established\r\n\r\n",
        Manner::Guarded(pair) if head.lines().any(|line| line.ends_with(&format!("Basic {pair}"))) => {
            "HTTP/1.1 200 OK\r\n\r\n"
        }
        Manner::Guarded(_) => {
            "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"corp\"\r\n\
             content-length: 0\r\n\r\n"
        }
        Manner::Answer(answer) => answer,
        Manner::Silent => {
            // Until the client goes away.
            drop(client.read(&mut [0]));
            return;
        }
    };
    client.write_all(answer.as_bytes()).unwrap();
    if answer.contains(" 200 ") {
        let target = head.split(' ').nth(1).unwrap();
        join(client, TcpStream::connect(target).unwrap());
    }
}

/// Carries bytes both ways until both sides are done.
fn join(client: TcpStream, server: TcpStream) {
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || {
        drop(std::io::copy(&mut from_client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Write));
    });
    let (mut from_server, mut to_client) = (server, client);
    drop(std::io::copy(&mut from_server, &mut to_client));
    drop(to_client.shutdown(Shutdown::Write));
    drop(up.join());
}

/// A line to a server that is cut when so many bytes of the first `POST` have passed. Other requests pass whole.
pub(crate) struct Scissors {
    address: SocketAddr,
}

impl Scissors {
    /// Cuts after so many bytes of the request; the server gets those before.
    pub(crate) fn new(server: &str, bytes: usize) -> Self {
        let server = server.split_once("://").unwrap().1.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(Mutex::new(false));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, cut) = (TcpStream::connect(&server).unwrap(), Arc::clone(&cut));
                thread::spawn(move || carry(client, server, bytes, &cut));
            }
        });
        Self { address }
    }

    /// The address in place of the server's.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn carry(client: TcpStream, server: TcpStream, bytes: usize, cut: &Mutex<bool>) {
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        drop(std::io::copy(&mut from_server, &mut to_client));
        drop(to_client.shutdown(Shutdown::Write));
    });
    let (mut client, mut server) = (client, server);
    let mut chunk = vec![0; 64 * 1024];
    let mut passed = None;
    while let Ok(length @ 1..) = client.read(&mut chunk) {
        let first =
            passed.is_none() && chunk.starts_with(b"POST") && !std::mem::replace(&mut cut.lock().unwrap(), true);
        if first {
            passed = Some(0);
        }
        let part = passed.map_or(length, |passed| length.min(bytes - passed));
        if server.write_all(&chunk[..part]).is_err() {
            break;
        }
        if let Some(passed) = &mut passed {
            *passed += part;
            if *passed == bytes {
                reset(&client);
                reset(&server);
                break;
            }
        }
    }
    drop(server.shutdown(Shutdown::Both));
    drop(client.shutdown(Shutdown::Both));
}

/// Closing will send a reset instead of an orderly end.
fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A server that says its text to whatever it hears.
pub(crate) struct Blurt {
    address: SocketAddr,
}

impl Blurt {
    pub(crate) fn start(text: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                drop(stream.read(&mut [0; 4096]));
                drop(stream.write_all(text.as_bytes()));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A port that takes no connection and refuses none: its queue is full.
pub(crate) struct BlackHole {
    listener: Socket,
    _waiting: Vec<Socket>,
}

impl BlackHole {
    pub(crate) fn open() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The same at this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let domain = Domain::for_address(address);
        let listener = Socket::new(domain, Type::STREAM, None).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = std::iter::repeat_with(|| {
            let client = Socket::new(domain, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            drop(client.connect(&address));
            client
        });
        Self { listener, _waiting: waiting.take(4).collect() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().as_socket().unwrap().port()
    }
}

/// A port that refuses connections: it is taken, and nobody listens.
pub(crate) struct ClosedPort(Socket);

impl ClosedPort {
    pub(crate) fn take() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().as_socket().unwrap().port()
    }
}

/// A port that accepts connections and says nothing.
pub(crate) fn silent_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A request that a [`Scripted`] server received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The number of the connection, and of the request on it; both from 0.
    pub(crate) connection: usize,
    pub(crate) nth: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
}

/// What a [`Scripted`] server does with a request.
pub(crate) enum Reply {
    /// Sends these bytes and keeps the connection.
    Send(Vec<u8>),
    /// Sends these bytes and closes the connection.
    SendAndClose(Vec<u8>),
    /// Sends these bytes in pieces of this size, with a pause after each, and closes the connection.
    Slow(Vec<u8>, usize, Duration),
    /// Closes the connection without an answer.
    Close,
}

/// A server whose answers are bytes, for what no real server sends.
pub(crate) struct Scripted {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Scripted {
    pub(crate) fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, reply) = (Arc::clone(&received), Arc::new(reply));
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                thread::spawn(move || answer_each(stream, connection, &log, &*reply));
            }
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn answer_each(
    stream: TcpStream,
    connection: usize,
    log: &Mutex<Vec<Received>>,
    reply: &(dyn Fn(&Received) -> Reply + Send + Sync),
) {
    let mut input = std::io::BufReader::new(stream.try_clone().unwrap());
    let mut output = stream;
    for nth in 0.. {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match input.read_line(&mut head) {
                Ok(1..) => {}
                _ => return,
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<u64>().unwrap())
        });
        std::io::copy(&mut (&mut input).take(length.unwrap_or_default()), &mut std::io::sink()).unwrap();
        let mut words = head.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let request = Received { connection, nth, method, target, head };
        log.lock().unwrap().push(request.clone());
        let (bytes, is_last) = match reply(&request) {
            Reply::Send(bytes) => (bytes, false),
            Reply::SendAndClose(bytes) => (bytes, true),
            Reply::Slow(bytes, piece, pause) => {
                for piece in bytes.chunks(piece) {
                    if output.write_all(piece).is_err() {
                        return;
                    }
                    thread::sleep(pause);
                }
                (Vec::new(), true)
            }
            Reply::Close => (Vec::new(), true),
        };
        if output.write_all(&bytes).is_err() || is_last {
            drop(output.shutdown(Shutdown::Both));
            return;
        }
    }
}

/// A response with this status, these header lines and this body.
pub(crate) fn response(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len()).into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
