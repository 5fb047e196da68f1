//! The simulator seen from a socket.

#![cfg(test)]

mod client;
mod control;
mod faults;
mod files;
mod jenkins;
mod legacy;
mod openapi;
mod process;
mod schema;
mod tls;
mod v3;
