//! The simulator seen from a socket: what it shows is what the real services were seen to do.

#![cfg(test)]

mod client;
mod codemagic;
mod faults;
mod jenkins;
mod openapi;
mod process;
