//! The client: connections, credentials, redirects.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, NextTimeout, RustlsConnector, TcpConnector};

use super::error::{DnsError, Fault, FaultKind};
use super::proxy;
use super::request::{BodyReader, Method, Request};
use super::response::{Response, Stream};
use super::tls::{self, Roots};
use super::url::{Origin, Url};
use crate::clock::Interrupt;
use crate::error::Error;
use crate::secret::Secret;

/// Bytes of an answer that is read into memory as a whole, at most.
const BODY_LIMIT: u64 = 16 * 1024 * 1024;

/// Redirects followed for one GET, at most.
const MAX_REDIRECTS: usize = 5;

/// Bytes of a redirect's page that are read so that its connection can be reused, at most.
const REDIRECT_BODY: u64 = 16 * 1024;

/// Idle connections kept for one host: as many as downloads run at once.
const MAX_IDLE: usize = 16;

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
    /// The limit for an answer to begin, and again for its body; for downloads, between two reads.
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
    options: HttpOptions,
    credentials: Vec<Credential>,
    interrupt: Interrupt,
    logger: Option<RequestLogger>,
    /// The limit for a request as a whole; set for the last requests of a process that is to end.
    overall: Option<Duration>,
    /// Bytes of the input buffer of a connection.
    input_buffer: usize,
    plain: OnceLock<Connector>,
    tls: OnceLock<Connector>,
}

struct Connector {
    agent: ureq::Agent,
    proxy: Option<proxy::Proxy>,
    answer: Option<Duration>,
}

impl Connector {
    /// Sends a request. Where much is sent or read, the limits are for each piece instead of for the whole.
    fn run(
        &self,
        request: ureq::http::Request<impl ureq::AsSendBody>,
        limit: Option<u64>,
        upload: bool,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        if limit.is_some() && !upload {
            return self.agent.run(request);
        }
        let mut config = self.agent.configure_request(request);
        if upload {
            config = config.timeout_send_body(None).timeout_per_write(self.answer);
        }
        if limit.is_none() {
            config = config.timeout_recv_body(None).timeout_per_read(self.answer);
        }
        self.agent.run(config.build())
    }
}

impl Http {
    /// A client that has read no file yet: roots and proxy settings are loaded when a request needs them.
    /// Requests in flight end when `interrupt` is raised. Each request is reported to `logger`.
    pub fn new(
        options: HttpOptions,
        credentials: Vec<Credential>,
        interrupt: Interrupt,
        logger: Option<RequestLogger>,
    ) -> Self {
        Self {
            options,
            credentials,
            interrupt,
            logger,
            overall: None,
            // Small: a fifth less CPU and half a megabyte less memory for each start of the program.
            input_buffer: 16 * 1024,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
        }
    }

    /// A client for the last requests of a process that was asked to end: the interrupt does not end them, and each
    /// takes at most `limit` as a whole.
    pub fn shutdown_client(&self, limit: Duration) -> Self {
        Self { interrupt: Interrupt::default(), overall: Some(limit), ..self.without_connections() }
    }

    /// A client for bodies of many megabytes: connections of its own, whose larger buffers save a third of the time.
    pub fn for_downloads(&self) -> Self {
        Self { input_buffer: 128 * 1024, ..self.without_connections() }
    }

    /// The same client without connections.
    fn without_connections(&self) -> Self {
        Self {
            options: self.options.clone(),
            credentials: self.credentials.clone(),
            interrupt: self.interrupt.clone(),
            logger: self.logger.clone(),
            overall: self.overall,
            input_buffer: self.input_buffer,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
        }
    }

    /// Sends a request and reads the answer whole.
    ///
    /// Up to five redirects of a GET are followed; a credential goes to its own origin only, so a redirect to another
    /// host drops it. For any other method the 3xx itself is the answer.
    pub fn send(&self, request: &Request) -> Result<Response, Fault> {
        let mut stream = self.open(request, Some(BODY_LIMIT))?;
        let mut bytes = Vec::new();
        let read = (&mut stream).take(BODY_LIMIT + 1).read_to_end(&mut bytes);
        // The status of a refusal counts even if its explanation is cut off.
        if let Err(error) = read
            && !(400..500).contains(&stream.status)
        {
            return Err(stream.fault(error));
        }
        if bytes.len() as u64 > BODY_LIMIT {
            return Err(Fault::too_large(BODY_LIMIT));
        }
        Ok(Response { status: stream.status, url: stream.url, body: bytes, headers: stream.headers })
    }

    /// Sends a GET, follows redirects as [`Http::send`] does, and gives the body as a stream of any length.
    /// There is no limit to its time, only to the time between two reads.
    pub fn stream(&self, request: &Request) -> Result<Stream, Fault> {
        self.open(request, None)
    }

    /// Which root certificates are in use for `https`, in words. Fails with code 16.
    pub fn roots(&self) -> Result<String, Error> {
        tls::load_roots(self.options.ca_cert.as_deref()).map(|roots| roots.source)
    }

    /// The address of the proxy for requests to `url`, without its credentials.
    pub fn proxy_for(url: &Url) -> Result<Option<String>, Fault> {
        Ok(proxy::from_environment(url.is_https())?.filter(|proxy| !proxy.is_bypassed(url)).map(|proxy| proxy.shown))
    }

    /// Closes every connection, in use or not. Requests in flight fail, and no other is possible with this client.
    pub fn close_connections(&self) {
        for connector in [&self.plain, &self.tls].into_iter().filter_map(OnceLock::get) {
            connector.agent.clone().shutdown();
        }
    }

    fn open(&self, request: &Request, limit: Option<u64>) -> Result<Stream, Fault> {
        let mut url = request.url.clone();
        for hop in 0..=MAX_REDIRECTS {
            let mut stream = self.open_once(request, &url, limit).map_err(|mut fault| {
                if hop > 0 && fault.kind == FaultKind::Policy {
                    // The service named this address, not the user.
                    fault.kind = FaultKind::Redirect;
                }
                fault
            })?;
            let location =
                stream.header("location").filter(|_| (300..400).contains(&stream.status) && stream.status != 304);
            match location {
                Some(location) if request.method == Method::Get && request.follow_redirects => {
                    let next = url.join(location).map_err(|why| {
                        Fault::unsent(
                            FaultKind::Redirect,
                            format!("{} redirects to an address that is not usable: {why}", url.host()),
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

    fn open_once(&self, request: &Request, url: &Url, limit: Option<u64>) -> Result<Stream, Fault> {
        if !url.is_https() && !url.is_loopback() && !self.options.allow_http {
            return Err(Fault::unsent(
                FaultKind::Policy,
                format!(
                    "{} is plain http, which shows the credentials to everybody on the network",
                    url.without_query()
                ),
                "use https://, or pass --allow-http to accept this",
            ));
        }
        let connector = self.connector(url)?;
        let origin = url.origin();
        let mut builder = ureq::http::Request::builder().method(request.method.name()).uri(url.uri());
        let own = |credential: &&Credential| credential.origin == origin && !request.anonymous;
        for credential in self.credentials.iter().filter(own) {
            builder = builder.header(&*credential.header, credential.value.expose());
        }
        for (name, value) in &request.headers {
            builder = builder.header(&**name, value);
        }
        let started = Instant::now();
        let sent = Cell::new(false);
        let result = match &request.body {
            Some(body) => {
                let mut reader = BodyReader::new(body, &sent);
                let builder = builder.header("content-type", body.content_type()).header("content-length", body.len());
                let request = builder.body(ureq::SendBody::from_reader(&mut reader)).map_err(ureq::Error::Http);
                request.and_then(|request| connector.run(request, limit, body.has_files()))
            }
            None if request.method == Method::Post => {
                sent.set(true);
                let request = builder.body(&[] as &[u8]).map_err(ureq::Error::Http);
                request.and_then(|request| connector.run(request, limit, false))
            }
            None => {
                sent.set(true);
                let request = builder.body(()).map_err(ureq::Error::Http);
                request.and_then(|request| connector.run(request, limit, false))
            }
        };
        let elapsed = started.elapsed().as_millis();
        let line = |end: String| {
            if let Some(logger) = &self.logger {
                // An address that is a permission by itself is not shown.
                let shown = if request.anonymous && *url == request.url {
                    format!("{origin}/…")
                } else {
                    url.without_query()
                };
                logger(&format!("{} {shown} {end} in {elapsed} ms", request.method.name()));
            }
        };
        let proxy = connector.proxy.as_ref().filter(|proxy| !proxy.is_bypassed(url)).map(|proxy| proxy.shown.clone());
        let response = result.map_err(|error| {
            let fault = Fault::new(error, url, proxy.as_deref(), sent.get());
            line(format!("failed ({})", fault.why()));
            fault
        })?;
        let (parts, body) = response.into_parts();
        line(parts.status.as_u16().to_string());
        let limit = limit.map_or(u64::MAX, |limit| limit + 1);
        let body = Box::new(body.into_with_config().limit(limit).reader());
        Ok(Stream { status: parts.status.as_u16(), url: url.clone(), headers: parts.headers, body, proxy })
    }

    fn connector(&self, url: &Url) -> Result<&Connector, Fault> {
        let cell = if url.is_https() { &self.tls } else { &self.plain };
        if let Some(connector) = cell.get() {
            return Ok(connector);
        }
        let connector = self.connect(url.is_https())?;
        Ok(cell.get_or_init(|| connector))
    }

    fn connect(&self, https: bool) -> Result<Connector, Fault> {
        let proxy = proxy::from_environment(https)?;
        let roots = if https {
            Some(tls::load_roots(self.options.ca_cert.as_deref()).map_err(|error| local_fault(&error))?)
        } else {
            None
        };
        let answer = Some(self.options.answer_timeout);
        let mut config = ureq::Agent::config_builder()
            .user_agent(concat!("cibridge/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy.as_ref().map(|proxy| proxy.setting.clone()))
            .timeout_global(self.overall)
            .timeout_resolve(Some(self.options.connect_timeout))
            .timeout_connect(Some(self.options.connect_timeout))
            .timeout_send_request(answer)
            .timeout_send_body(answer)
            .timeout_recv_response(answer)
            .timeout_recv_body(answer)
            .input_buffer_size(self.input_buffer)
            .output_buffer_size(8 * 1024)
            .max_idle_connections(2 * MAX_IDLE)
            .max_idle_connections_per_host(MAX_IDLE)
            .max_idle_age(self.options.keep_idle);
        if let Some(Roots { certs, .. }) = roots {
            let identity =
                tls::load_client_certificate(self.options.client_cert.as_deref(), self.options.client_key.as_deref());
            let identity = identity.map_err(|error| local_fault(&error))?;
            let settings = ureq::tls::TlsConfig::builder().root_certs(certs).client_cert(identity);
            config = config.tls_config(settings.build());
        }
        // ureq's default chain without the links that are not compiled in: SOCKS and a second TLS library.
        let chain = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
        let agent = ureq::Agent::with_parts(config.build(), chain.chain(RustlsConnector::default()), Names);
        let closing = agent.clone();
        self.interrupt.on_raise(move || closing.shutdown());
        Ok(Connector { agent, proxy, answer })
    }
}

/// The fault of a file of this machine that a request needs.
fn local_fault(error: &Error) -> Fault {
    Fault::unsent(FaultKind::Local, error.to_string(), error.hint().as_deref().unwrap_or("name a readable PEM file"))
}

/// Resolves names as the system does, and marks the errors, so that they are not taken for connection errors.
#[derive(Debug)]
struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        DefaultResolver::default().resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(error) => ureq::Error::Other(Box::new(DnsError(error))),
            other => other,
        })
    }
}
