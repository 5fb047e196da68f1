//! HTTP and TLS: the only module that names ureq.
//!
//! Time limits, root certificates, proxies, credentials that stay at their origin, redirects, bodies with a limit.
//! It must know no provider and no output; what it reports about each request goes to a [`RequestLogger`].

mod client;
mod connection;
mod dns;
mod error;
mod head;
mod multipart;
mod proxy;
#[cfg(test)]
mod random_tests;
mod rate_limit;
mod request;
mod response;
pub mod retry;
mod tls;
mod tls_connector;
mod url;

pub use client::{Credential, Http, HttpOptions, RequestLogger};
pub use error::{Fault, FaultKind};
pub use multipart::Multipart;
pub use rate_limit::RateLimit;
pub use request::{Body, Method, Request};
pub use response::{Response, Stream};
pub use url::{Segment, Url, query};
