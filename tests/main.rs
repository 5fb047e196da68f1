//! The built program, tried from outside: its streams, exit codes, files and requests.

#![cfg(test)]

mod account;
mod answers;
mod artifacts;
mod check;
mod connections;
mod follow;
mod house;
mod jenkins;
mod limits;
mod matrix;
mod names;
mod once;
mod output;
mod proxy;
mod readme;
mod refusals;
mod repository;
mod secrets;
mod share;
mod signals;
mod start;
mod support;
mod terminal;
mod tls;
