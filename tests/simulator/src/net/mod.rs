//! Sockets: TLS, reading requests, sending answers whole or broken. An HTTP library would not serve here: a fault is
//! chosen by the request and then acts on the socket in the middle of that very answer.

mod connection;
mod send;
mod server;
mod tls;

pub(crate) use server::{Server, listen};
pub(crate) use tls::Tls;
