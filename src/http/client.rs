//! The client: connections, credentials, redirects.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _};

use super::connection::{self, Names, Observed, ObservingConnector, OnSignal, RaceConnector, Sockets, Wanted};
use super::dns::Dns;
use super::error::{Fault, FaultKind};
use super::proxy::{self, Proxy};
use super::request::{BodyReader, Method, Request};
use super::response::{Response, Stream};
use super::tls;
use super::tls_connector::TlsConnector;
use super::url::{Origin, Url};
use crate::clock::Interrupt;
use crate::error::Error;
use crate::secret::Secret;

/// Bytes of an answer that is read into memory as a whole, at most.
const BODY_LIMIT: u64 = 12 * 1024 * 1024;

/// Bytes of such an answer that must arrive within each time limit. At the default of a minute slower is less than a
/// modem's speed.
const BODY_PART: usize = 64 * 1024;

/// Redirects followed for one GET, at most.
const MAX_REDIRECTS: usize = 5;

/// Bytes of a redirect's page that are read so that its connection can be reused, at most.
const REDIRECT_BODY: u64 = 16 * 1024;

/// Idle connections kept for one host: as many as downloads run at once.
const MAX_IDLE: usize = 16;

/// Bytes of the buffer into which the head of an answer must fit (64 KiB and a little).
const HEAD_BUFFER: usize = 66 * 1024;

/// Bytes that are read from a connection at once: a TLS record.
const INPUT_BUFFER: usize = 18 * 1024;

/// The same where bodies of many megabytes are read.
const DOWNLOAD_BUFFER: usize = 128 * 1024;

/// The longest time limit: more would overflow the clocks below.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Receives one line for each request: method, address without query, status, milliseconds.
pub type RequestLogger = Arc<dyn Fn(&str) + Send + Sync>;

/// What the user sets about connections.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// A PEM file of root certificates in addition to the system's.
    pub ca_cert: Option<PathBuf>,
    /// A PEM file with the client certificate for mutual TLS, and its key.
    pub client_cert: Option<PathBuf>,
    /// The PEM file of that key, if it is not in the same one.
    pub client_key: Option<PathBuf>,
    /// How long an idle connection is kept. Less than the service keeps it, else the next request finds it closed.
    pub keep_idle: Duration,
    /// The limit for name resolution, and again for connecting including TLS.
    pub connect_timeout: Duration,
    /// The limit for an answer to begin, and again for each [`BODY_PART`] of it; for downloads, between two reads.
    pub answer_timeout: Duration,
    /// Whether plain `http` to another machine is allowed.
    pub allow_http: bool,
}

/// A header with credentials, sent to its own origin only.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Where it may be sent.
    pub origin: Origin,
    /// The header's name.
    pub header: Cow<'static, str>,
    /// The header's value.
    pub value: Secret,
}

/// A client that keeps connections open between requests. Threads may share it.
pub struct Http {
    shared: Arc<Shared>,
    /// Ends requests in flight when it is raised.
    interrupt: Interrupt,
    /// The limit for a request as a whole; set for the last requests of a process that is to end.
    overall: Option<Duration>,
}

/// What the clients of a call have in common: their connections above all.
struct Shared {
    options: HttpOptions,
    credentials: Vec<Credential>,
    logger: Option<RequestLogger>,
    /// Bytes that are read from a connection at once.
    input_buffer: usize,
    dns: Dns,
    sockets: Sockets,
    /// Roots, client certificate and sessions, loaded when they are needed.
    tls: Arc<OnceLock<TlsConnector>>,
    /// ureq's agents, made when they are needed: for `http` and `https`, directly and through a proxy.
    agents: [OnceLock<ureq::Agent>; 4],
}

impl Http {
    /// A client that has read no file yet: roots and proxy settings are loaded when a request needs them.
    /// Requests in flight end when `interrupt` is raised, but see [`Request::repeatable`]. Each is reported to `logger`.
    pub fn new(
        options: HttpOptions,
        credentials: Vec<Credential>,
        interrupt: Interrupt,
        logger: Option<RequestLogger>,
    ) -> Self {
        let options = HttpOptions {
            connect_timeout: options.connect_timeout.min(LONGEST_TIMEOUT),
            answer_timeout: options.answer_timeout.min(LONGEST_TIMEOUT),
            ..options
        };
        Self::with(options, credentials, interrupt, logger, INPUT_BUFFER, Dns::default(), Arc::default())
    }

    fn with(
        options: HttpOptions,
        credentials: Vec<Credential>,
        interrupt: Interrupt,
        logger: Option<RequestLogger>,
        input_buffer: usize,
        dns: Dns,
        tls: Arc<OnceLock<TlsConnector>>,
    ) -> Self {
        let sockets = Sockets::default();
        let closing = sockets.clone();
        interrupt.on_raise(move || closing.end_requests());
        let agents = std::array::from_fn(|_| OnceLock::new());
        let shared = Shared { options, credentials, logger, input_buffer, dns, sockets, tls, agents };
        Self { shared: Arc::new(shared), interrupt, overall: None }
    }

    /// A client for the last requests of a process that was asked to end: the interrupt does not end them, and each
    /// takes at most `limit` as a whole. It uses the idle connections and the resolved addresses of this one.
    pub fn shutdown_client(&self, limit: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), interrupt: Interrupt::default(), overall: Some(limit) }
    }

    /// A client for bodies of many megabytes: connections of its own, whose larger buffers save a third of the time.
    pub fn for_downloads(&self) -> Self {
        let Shared { options, credentials, logger, dns, tls, .. } = &*self.shared;
        Self::with(
            options.clone(),
            credentials.clone(),
            self.interrupt.clone(),
            logger.clone(),
            DOWNLOAD_BUFFER,
            dns.clone(),
            Arc::clone(tls),
        )
    }

    /// Resolves the host of `url` in the background unless it is known, so that a later request, even the last one of a
    /// process that is to end, does not wait for a slow server.
    pub fn resolve_ahead(&self, url: &Url) {
        if matches!(Self::proxy_for(url), Ok(None)) {
            self.shared.dns.resolve_ahead(url.host(), self.shared.options.connect_timeout);
        }
    }

    /// Sends a request and reads the answer whole.
    ///
    /// Up to five redirects of a GET are followed; a credential goes to its own origin only, so a redirect to another
    /// host drops it. For any other method the 3xx itself is the answer. A request that may be repeated (see
    /// [`Request::repeatable`]) is repeated at once if it went over an idle connection that turns out to be closed; any
    /// other one goes over a new connection.
    pub fn send(&self, request: &Request) -> Result<Response, Fault> {
        let mut stream = self.open(request)?;
        let (mut began, mut expected) = (Instant::now(), BODY_PART);
        let mut body: Vec<u8> = Vec::new();
        let mut buffer = [0; 8 * 1024];
        let read = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(length) => {
                    if body.capacity() - body.len() < length {
                        // Twice the size at each step would take twice the limit.
                        body.reserve_exact(body.len().clamp(buffer.len(), 1024 * 1024));
                    }
                    body.extend_from_slice(&buffer[..length]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(stream.fault(error)),
            }
            if body.len() as u64 > BODY_LIMIT {
                break Err(Fault::too_large(BODY_LIMIT));
            }
            if body.len() >= expected {
                (began, expected) = (Instant::now(), body.len() + BODY_PART);
            } else if began.elapsed() > self.shared.options.answer_timeout {
                break Err(stream.timed_out());
            }
        };
        match read {
            // The status of a refusal counts even if its explanation is cut off.
            Err(fault) if !(400..500).contains(&stream.status) => Err(fault),
            _ => Ok(stream.into_response(body)),
        }
    }

    /// Sends a GET, follows redirects as [`Http::send`] does, and gives the body as a stream of any length.
    /// There is no limit to its time, only to the time between two reads.
    pub fn stream(&self, request: &Request) -> Result<Stream, Fault> {
        self.open(request)
    }

    /// Which root certificates are in use for `https`, in words. Fails with code 16.
    pub fn roots(&self) -> Result<String, Error> {
        tls::load_roots(self.shared.options.ca_cert.as_deref()).map(|roots| roots.source)
    }

    /// The address of the proxy for requests to `url`, without its credentials.
    pub fn proxy_for(url: &Url) -> Result<Option<String>, Fault> {
        Ok(proxy::for_url(url)?.map(|proxy| proxy.shown))
    }

    /// Closes every connection, in use or not. Requests in flight fail, and no other is possible with this client.
    pub fn close_connections(&self) {
        for agent in self.shared.agents.iter().filter_map(OnceLock::get) {
            agent.clone().shutdown();
        }
    }

    fn open(&self, request: &Request) -> Result<Stream, Fault> {
        let mut url = request.url.clone();
        for hop in 0..=MAX_REDIRECTS {
            let mut stream = self.open_once(request, &url).map_err(|mut fault| {
                if hop > 0 && fault.kind == FaultKind::Policy {
                    // The service named this address, not the user.
                    fault.kind = FaultKind::Redirect;
                }
                fault
            })?;
            let is_redirect = (300..400).contains(&stream.status) && stream.status != 304;
            let location = stream.header_bytes("location").filter(|_| is_redirect);
            match location {
                Some(location) if request.method == Method::Get && request.follow_redirects => {
                    let next = url.join(location).map_err(|why| {
                        Fault::unsent(
                            FaultKind::Redirect,
                            format!("{} redirects to an unusable address: {why}", url.host()),
                            "check the address",
                        )
                    })?;
                    // A connection can be reused only if its answer was read to the end, which a long page is not worth.
                    drop(std::io::copy(&mut (&mut stream).take(REDIRECT_BODY), &mut std::io::sink()));
                    url = next;
                }
                _ => return Ok(stream),
            }
        }
        Err(Fault::unsent(
            FaultKind::Redirect,
            format!("too many redirects by {} (more than {MAX_REDIRECTS})", url.host()),
            "check the address",
        ))
    }

    fn open_once(&self, request: &Request, url: &Url) -> Result<Stream, Fault> {
        if !url.is_https() && !url.is_loopback() && !self.shared.options.allow_http {
            return Err(Fault::unsent(
                FaultKind::Policy,
                format!(
                    "{} is plain http, which shows the credentials to everybody on the network",
                    url.without_query()
                ),
                "use https://, or pass --allow-http to accept this",
            ));
        }
        let proxy = proxy::for_url(url)?;
        let agent = self.agent(url.is_https(), proxy.as_ref())?;
        let mut is_new = !request.is_repeatable();
        loop {
            let (result, observed) = self.exchange(agent, request, url, proxy.is_some(), is_new)?;
            let is_sent = match &request.body {
                Some(body) if body.len() > 0 => observed.body_begun,
                _ => observed.connection.written,
            };
            match result {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let proxy = proxy.map(|proxy| proxy.shown);
                    return Stream::new(parts, body, url.clone(), proxy, observed.connection.socket);
                }
                Err(error) => {
                    let fault = Fault::new(&error, url, proxy.as_ref().map(|proxy| proxy.shown.as_str()), is_sent);
                    let was_idle = observed.connection.written && !observed.connection.opened;
                    if was_idle && !is_new && fault.kind == FaultKind::Broken && self.interrupt.code().is_none() {
                        // The service had closed the idle connection in the meantime.
                        is_new = true;
                        continue;
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// Sends a request once, over an idle connection if there is one and `is_new` is not set.
    fn exchange(
        &self,
        agent: &ureq::Agent,
        request: &Request,
        url: &Url,
        through_proxy: bool,
        is_new: bool,
    ) -> Result<(Result<ureq::http::Response<ureq::Body>, ureq::Error>, Exchanged), Fault> {
        if self.interrupt.code().is_some() {
            return Err(Fault::interrupted());
        }
        let origin = url.origin();
        let mut builder = ureq::http::Request::builder().method(request.method.name()).uri(url.uri());
        let own = |credential: &&Credential| credential.origin == origin && !request.anonymous;
        for credential in self.shared.credentials.iter().filter(own) {
            builder = builder.header(&*credential.header, credential.value.expose());
        }
        for (name, value) in &request.headers {
            builder = builder.header(&**name, value);
        }
        // What changes something is not cut off: it would be unknown whether it did.
        let left = self.interrupt.time_left().filter(|_| request.method == Method::Get);
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Fault::out_of_time());
        }
        let on_signal = match self.overall {
            Some(_) => OnSignal::Ignore,
            None if request.method == Method::Post && request.is_repeatable() => OnSignal::Finish,
            None => OnSignal::End,
        };
        let old_address = self.overall.is_some();
        let wanted = Wanted { interrupt: self.interrupt.clone(), is_new, through_proxy, old_address, on_signal };
        let started = Instant::now();
        let begun = Cell::new(false);
        let (result, connection) = connection::observe(wanted, || match &request.body {
            Some(body) => {
                let mut reader = BodyReader::new(body, &begun);
                let builder = builder.header("content-type", body.content_type()).header("content-length", body.len());
                self.run(agent, left, builder.body(ureq::SendBody::from_reader(&mut reader)))
            }
            None if matches!(request.method, Method::Post | Method::Put | Method::Patch) => {
                self.run(agent, left, builder.body(&[] as &[u8]))
            }
            None => self.run(agent, left, builder.body(())),
        });
        if let Some(logger) = &self.shared.logger {
            // An address that is a permission by itself is not shown.
            let shown =
                if request.anonymous && *url == request.url { format!("{origin}/…") } else { url.without_query() };
            let end = match &result {
                Ok(response) => response.status().as_u16().to_string(),
                Err(error) => format!("failed ({})", Fault::describe(error, url)),
            };
            logger(&format!("{} {shown} {end} in {} ms", request.method.name(), started.elapsed().as_millis()));
        }
        Ok((result, Exchanged { connection, body_begun: begun.get() }))
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        agent: &ureq::Agent,
        left: Option<Duration>,
        request: Result<ureq::http::Request<B>, ureq::http::Error>,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let request = request.map_err(ureq::Error::Http)?;
        // The error says which one passed.
        agent.run(agent.configure_request(request).timeout_per_call(self.overall).timeout_global(left).build())
    }

    fn agent(&self, https: bool, proxy: Option<&Proxy>) -> Result<&ureq::Agent, Fault> {
        let cell = &self.shared.agents[usize::from(https) + 2 * usize::from(proxy.is_some())];
        if let Some(agent) = cell.get() {
            return Ok(agent);
        }
        let agent = self.new_agent(https, proxy)?;
        Ok(cell.get_or_init(|| agent))
    }

    fn tls(&self) -> Result<TlsConnector, Error> {
        let Shared { options, tls: cell, .. } = &*self.shared;
        if let Some(tls) = cell.get() {
            return Ok(tls.clone());
        }
        let roots = tls::load_roots(options.ca_cert.as_deref())?;
        let client = tls::load_client_certificate(options.client_cert.as_deref(), options.client_key.as_deref())?;
        let tls = TlsConnector::new(roots, client)?;
        Ok(cell.get_or_init(|| tls).clone())
    }

    fn new_agent(&self, https: bool, proxy: Option<&Proxy>) -> Result<ureq::Agent, Fault> {
        let Shared { options, input_buffer, dns, sockets, .. } = &*self.shared;
        let answer = Some(options.answer_timeout);
        // TLS has a buffer of its own for the head; that of a proxy's answer comes before it.
        let is_tls_only = https && proxy.is_none();
        // Bodies may be long, so their limits are for each read and write.
        let config = ureq::Agent::config_builder()
            .user_agent(concat!("cibridge/", env!("CARGO_PKG_VERSION")))
            // Ranges and stated sizes are those of the uncompressed bytes.
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy.map(|proxy| proxy.setting.clone()))
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .timeout_send_request(answer)
            .timeout_recv_response(answer)
            .timeout_per_read(answer)
            .timeout_per_write(answer)
            .max_response_header_size(HEAD_BUFFER)
            .input_buffer_size(if is_tls_only { *input_buffer } else { HEAD_BUFFER.max(*input_buffer) })
            .output_buffer_size(8 * 1024)
            .max_idle_connections(2 * MAX_IDLE)
            .max_idle_connections_per_host(MAX_IDLE)
            .max_idle_age(options.keep_idle);
        let tls = if https || proxy.is_some_and(|proxy| proxy.is_https) {
            self.tls().map_err(|error| local_fault(&error))?
        } else {
            TlsConnector::default()
        };
        let names = Names(dns.clone());
        let race = RaceConnector { sockets: sockets.clone(), names: names.clone() };
        let chain = ().chain(ConnectProxyConnector::default()).chain(race).chain(tls);
        Ok(ureq::Agent::with_parts(config.build(), chain.chain(ObservingConnector), names))
    }
}

/// What became of a request that was sent once.
struct Exchanged {
    connection: Observed,
    /// Whether the body was begun, so that the service may have received the whole request.
    body_begun: bool,
}

/// The fault of a file of this machine that a request needs.
fn local_fault(error: &Error) -> Fault {
    Fault::unsent(FaultKind::Local, error.to_string(), error.hint().unwrap_or("pass a readable PEM file"))
}
