//! Requests over HTTP and TLS: the only room that names ureq.
//!
//! Time limits, roots, proxy, credentials that stay at their origin, redirects by hand, bodies with a limit.
//! It must know no provider, no retries and no output; what it says about each request goes to a [`Trace`].

mod body;
mod error;
mod identity;
mod message;
mod proxy;
pub mod retry;
mod roots;
mod url;

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, NextTimeout, RustlsConnector, TcpConnector};

pub use body::{Body, Chunk};
pub use error::{Fault, Kind};
pub use message::{Method, Request, Response, Stream};
pub use url::{Origin, Segment, Url, query};

use crate::clock::Interrupt;
use crate::error::Error;
use crate::secret::{Redactor, Secret};
use body::Sender;
use roots::Roots;

/// The most bytes of an answer that is read into memory whole.
const BODY_LIMIT: u64 = 16 * 1024 * 1024;

/// Redirects followed for one GET.
const REDIRECTS: usize = 5;

/// The most bytes of a redirect's page that are read.
const REDIRECT_BODY: u64 = 16 * 1024;

/// Idle connections kept for one host: as many as downloads run at once.
const WARM: usize = 16;

/// Receives one line for each request: method, address without query, status, milliseconds.
pub type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// What the user sets about connections.
#[derive(Debug, Clone)]
pub struct Options {
    /// A PEM file of roots in addition to the system's.
    pub ca_cert: Option<PathBuf>,
    /// A PEM file with a certificate that proves who we are, and its key.
    pub client_cert: Option<PathBuf>,
    /// The PEM file of that key, if it is another one.
    pub client_key: Option<PathBuf>,
    /// How long an idle connection is kept; less than the service keeps it, or the next request meets a closed one.
    pub keep_idle: Duration,
    /// The limit for name look-up, and again for connecting including TLS.
    pub connect_timeout: Duration,
    /// The limit for an answer to begin, and again for its body; for downloads, between two reads.
    pub answer_timeout: Duration,
    /// Whether plain `http` to another machine is allowed.
    pub allow_http: bool,
}

/// A header that proves who we are, sent to its own origin only.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Where it may be sent.
    pub origin: Origin,
    /// The header's name.
    pub header: Cow<'static, str>,
    /// The header's value.
    pub value: Secret,
}

/// The client: connections that stay warm between requests. Threads may share it.
pub struct Http {
    options: Options,
    credentials: Vec<Credential>,
    redactor: Redactor,
    interrupt: Interrupt,
    trace: Option<Trace>,
    /// Bounds every request as a whole; set for the last requests of a process that must end.
    overall: Option<Duration>,
    /// Bytes of a connection's input buffer.
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
    /// A client that has read nothing yet: roots and proxy settings are looked at when a request needs them.
    /// Requests in flight end when `interrupt` is raised.
    pub fn new(options: Options, credentials: Vec<Credential>, interrupt: Interrupt, trace: Option<Trace>) -> Self {
        let mut redactor = Redactor::default();
        for credential in &credentials {
            redactor.add(&credential.value);
        }
        Self {
            options,
            credentials,
            redactor,
            interrupt,
            trace,
            overall: None,
            // Small: a fifth less CPU and half a megabyte less memory for each start of the program.
            input_buffer: 16 * 1024,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
        }
    }

    /// A new client for the last requests of a process that was asked to end: fresh connections that the
    /// interrupt does not close, and at most `limit` for each request as a whole.
    pub fn shutdown_client(&self, limit: Duration) -> Self {
        Self { interrupt: Interrupt::default(), overall: Some(limit), ..self.twin() }
    }

    /// A new client for bodies of many megabytes: connections of its own, whose larger buffers save a third of the time.
    pub fn for_downloads(&self) -> Self {
        Self { input_buffer: 128 * 1024, ..self.twin() }
    }

    /// The same client without connections.
    fn twin(&self) -> Self {
        Self {
            options: self.options.clone(),
            credentials: self.credentials.clone(),
            redactor: self.redactor.clone(),
            interrupt: self.interrupt.clone(),
            trace: self.trace.clone(),
            overall: self.overall,
            input_buffer: self.input_buffer,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
        }
    }

    /// Sends a request and reads the answer whole.
    ///
    /// A GET is redirected by hand up to five times; a credential goes to its own origin only, so it is lost on
    /// the way to another. Any other method is answered with the 3xx itself.
    pub fn send(&self, request: &Request) -> Result<Response, Fault> {
        let mut stream = self.open(request, Some(BODY_LIMIT))?;
        let mut bytes = Vec::new();
        let read = (&mut stream).take(BODY_LIMIT + 1).read_to_end(&mut bytes);
        // A refusal is one by its status, also when what it says about itself is cut off.
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

    /// Sends a GET, redirected as in [`Http::send`], and gives the body as a stream of any length.
    /// There is no limit to its time, only to the silence between two reads.
    pub fn stream(&self, request: &Request) -> Result<Stream, Fault> {
        self.open(request, None)
    }

    /// The roots in use for `https`, in words.
    pub fn roots(&self) -> Result<String, Error> {
        roots::load(self.options.ca_cert.as_deref()).map(|roots| roots.source)
    }

    /// The proxy that a request to `url` goes through, without its credentials.
    pub fn proxy_for(url: &Url) -> Result<Option<String>, Fault> {
        Ok(proxy::from_environment(url.is_https())?.filter(|proxy| !proxy.is_bypassed(url)).map(|proxy| proxy.shown))
    }

    fn open(&self, request: &Request, limit: Option<u64>) -> Result<Stream, Fault> {
        let mut url = request.url.clone();
        for hop in 0..=REDIRECTS {
            let mut stream = self.open_once(request, &url, limit).map_err(|mut fault| {
                if hop > 0 && fault.kind == Kind::Policy {
                    // The service named that address, not the user.
                    fault.kind = Kind::Redirect;
                }
                fault
            })?;
            let location =
                stream.header("location").filter(|_| (300..400).contains(&stream.status) && stream.status != 304);
            match location {
                Some(location) if request.method == Method::Get && request.redirected => {
                    let next = url.redirected(location).map_err(|why| {
                        Fault::unsent(
                            Kind::Redirect,
                            format!("{} redirects to a place that cannot be followed: {why}", url.host()),
                            "check the address",
                        )
                    })?;
                    // A connection is used again only when its answer was read. A long page is not worth it.
                    drop(std::io::copy(&mut (&mut stream).take(REDIRECT_BODY), &mut std::io::sink()));
                    url = next;
                }
                _ => return Ok(stream),
            }
        }
        Err(Fault::unsent(
            Kind::Redirect,
            format!("{} redirects in a circle (more than {REDIRECTS} times)", url.host()),
            "check the address",
        ))
    }

    fn open_once(&self, request: &Request, url: &Url, limit: Option<u64>) -> Result<Stream, Fault> {
        if !url.is_https() && !url.is_loopback() && !self.options.allow_http {
            return Err(Fault::unsent(
                Kind::Policy,
                format!(
                    "{} is plain http, which would show the credentials to everybody on the way",
                    url.without_query()
                ),
                "use https://, or --allow-http if you accept that",
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
                let mut reader = Sender::new(body, &sent);
                let builder = builder.header("content-type", &body.kind).header("content-length", body.len());
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
            if let Some(trace) = &self.trace {
                // An address that is a permission in itself is not shown.
                let shown = if request.anonymous && *url == request.url {
                    format!("{origin}/…")
                } else {
                    url.without_query()
                };
                trace(&self.redactor.redact(&format!("{} {shown} {end} in {elapsed} ms", request.method.name())));
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
            Some(roots::load(self.options.ca_cert.as_deref()).map_err(|failure| local(&failure))?)
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
            .max_idle_connections(2 * WARM)
            .max_idle_connections_per_host(WARM)
            .max_idle_age(self.options.keep_idle);
        if let Some(Roots { certs, .. }) = roots {
            let identity = identity::load(self.options.client_cert.as_deref(), self.options.client_key.as_deref());
            let identity = identity.map_err(|failure| local(&failure))?;
            let tls = ureq::tls::TlsConfig::builder().root_certs(certs).client_cert(identity);
            config = config.tls_config(tls.build());
        }
        // ureq's own chain without its links for what was not compiled in: SOCKS and a second TLS.
        let chain = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
        let agent = ureq::Agent::with_parts(config.build(), chain.chain(RustlsConnector::default()), Names);
        let closing = agent.clone();
        self.interrupt.on_raise(move || closing.shutdown());
        Ok(Connector { agent, proxy, answer })
    }
}

/// A request that a file of this machine makes impossible.
fn local(failure: &Error) -> Fault {
    Fault::unsent(Kind::Local, failure.to_string(), failure.hint().as_deref().unwrap_or("name a readable PEM file"))
}

/// Looks up names as the system does; marks its errors, so that they are not taken for connection errors.
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
            ureq::Error::Io(error) => ureq::Error::Other(Box::new(error::DnsError(error))),
            other => other,
        })
    }
}
