//! Sockets: TLS, reading requests byte by byte, sending answers whole or broken.

mod send;
mod serve;
mod stream;
mod tls;

pub(crate) use serve::{Door, listen};
pub(crate) use tls::Tls;
