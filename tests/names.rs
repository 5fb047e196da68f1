//! Name look-up with name servers as companies have them: a failing AAAA, a failing search domain, slow answers.
//!
//! The name server needs port 53 and a `/etc/resolv.conf` of its own, so the tests run in a network and mount namespace
//! that they make themselves; where that is not allowed they say so and are skipped.

use std::collections::HashMap;
use std::net::{Ipv6Addr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::json;

use crate::support::Call;
use crate::support::net::{BlackHole, Reply, Scripted, response};

/// Set in the process that runs inside the namespaces.
const INSIDE: &str = "CIBRIDGE_TEST_NAMESPACE";

/// Response codes of DNS (RFC 1035, section 4.1.1).
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const NOTIMP: u8 = 4;
const REFUSED: u8 = 5;

/// What the name server does with a question.
#[derive(Clone, Copy)]
enum Answer {
    Loopback,
    /// An IPv6 address where nobody answers.
    Silent,
    Code(u8),
    Never,
}

/// The type of a question for IPv4 addresses.
const A: u16 = 1;

/// Answers questions by name and type; each after `delay`, one after the other, as a slow server does.
fn serve(delay: Duration, rule: impl Fn(&str, u16) -> Answer + Send + 'static) {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut question) {
            let (mut at, mut labels) = (12, Vec::new());
            while question[at] > 0 {
                let end = at + 1 + usize::from(question[at]);
                labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
                at = end;
            }
            let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
            let mut reply = question[..(at + 5).min(length)].to_vec();
            let (code, count) = match rule(&labels.join("."), kind) {
                Answer::Loopback if kind == A => (0, 1),
                Answer::Loopback => (0, 0),
                Answer::Silent => (0, 1),
                Answer::Code(code) => (code, 0),
                Answer::Never => continue,
            };
            reply[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
            if count == 1 {
                // A pointer to the name, its type, class IN, one second, so many bytes.
                let (length, address) =
                    if kind == A { (4, vec![127, 0, 0, 1]) } else { (16, Ipv6Addr::LOCALHOST.octets().to_vec()) };
                reply.extend([0xc0, 12, 0, u8::try_from(kind).unwrap(), 0, 1, 0, 0, 0, 1, 0, length]);
                reply.extend(address);
            }
            thread::sleep(delay);
            drop(socket.send_to(&reply, client));
        }
    });
}

/// Runs this test again inside namespaces of its own. True for the process that is to do the work.
fn is_inside(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output();
    match output {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("unshare failed") => {
            let printed = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&printed));
        }
        _ => println!("skipped: this machine does not allow a network namespace"),
    }
    false
}

/// Prepares the namespaces: a loopback device, and a resolver configuration that the machine does not see.
fn prepare(configuration: &str) {
    let folder = tempfile::tempdir().unwrap().keep();
    let path = folder.join("resolv.conf");
    fs::write(&path, configuration).unwrap();
    let done = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    done(Command::new("ip").args(["link", "set", "lo", "up"]));
    done(Command::new("mount").arg("--bind").arg(&path).arg("/etc/resolv.conf"));
}

fn call(server: &Scripted) -> Call {
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    Call::new("codemagic api GET /user/teams")
        .env("CIBRIDGE_ALLOW_HTTP", "true")
        .env("CODEMAGIC_API_KEY", "key-0123456789abcdef")
        .env("CODEMAGIC_API_URL", &format!("http://cm.example:{port}/api/v3"))
        .env("CODEMAGIC_LEGACY_API_URL", &format!("http://cm.example:{port}"))
}

#[test]
fn an_ipv4_address_is_enough_whatever_becomes_of_the_other_questions() {
    if !is_inside("names::an_ipv4_address_is_enough_whatever_becomes_of_the_other_questions") {
        return;
    }
    prepare("nameserver 127.0.0.1\nsearch bad.example\noptions ndots:5 timeout:30 attempts:1\n");
    let answers = HashMap::from([
        ("servfail", Answer::Code(SERVFAIL)),
        ("refused", Answer::Code(REFUSED)),
        ("notimp", Answer::Code(NOTIMP)),
        ("never", Answer::Never),
    ]);
    let others = answers.clone();
    serve(Duration::ZERO, move |name, kind| match name.strip_suffix(".cm.example") {
        Some(_) if kind == A => Answer::Loopback,
        Some(other) => others.get(other).copied().unwrap_or(Answer::Loopback),
        // Every name below the search domain fails.
        None if name.ends_with(".bad.example") => Answer::Code(SERVFAIL),
        None => Answer::Code(NXDOMAIN),
    });
    let server = Scripted::start(|_| Reply::Send(response(200, &["Content-Type: application/json"], "{\"data\": []}")));
    for other in answers.keys() {
        let port = server.url().rsplit_once(':').unwrap().1.to_owned();
        let started = Instant::now();
        let call = call(&server).env("CODEMAGIC_API_URL", &format!("http://{other}.cm.example:{port}/api/v3"));
        let done = call.run();
        done.exit_code(0);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&done.stdout).unwrap(), json!({"data": []}), "{other}");
        // Far below the 30 seconds of the C library.
        assert!(started.elapsed() < Duration::from_secs(15), "{other} took {:?}", started.elapsed());
    }
}

#[test]
fn a_name_that_no_server_knows_is_named_with_the_proxy_as_the_likely_remedy() {
    if !is_inside("names::a_name_that_no_server_knows_is_named_with_the_proxy_as_the_likely_remedy") {
        return;
    }
    prepare("nameserver 127.0.0.1\n");
    serve(Duration::ZERO, |_, _| Answer::Code(NXDOMAIN));
    let server = Scripted::start(|_| Reply::Close);
    call(&server).run().exit_code(14).stderr_contains("cm.example").stderr_contains("HTTPS_PROXY");
    assert_eq!(server.received().len(), 0);
}

/// IPv6 is there and leads nowhere, as behind many company networks: packets vanish without an answer.
#[test]
fn a_dead_ipv6_route_costs_a_fraction_of_a_second() {
    if !is_inside("names::a_dead_ipv6_route_costs_a_fraction_of_a_second") {
        return;
    }
    prepare("nameserver 127.0.0.1\n");
    serve(Duration::ZERO, |_, kind| if kind == A { Answer::Loopback } else { Answer::Silent });
    let server = Scripted::start(|_| Reply::Send(response(200, &["Content-Type: application/json"], "{\"data\": []}")));
    let took = |call: Call| {
        let started = Instant::now();
        call.run().exit_code(0);
        started.elapsed()
    };
    let port: u16 = server.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let _silent = BlackHole::at((Ipv6Addr::LOCALHOST, port).into());
    let direct = || call(&server).env("CODEMAGIC_API_URL", &format!("http://127.0.0.1:{port}/api/v3"));
    let least = |run: &dyn Fn() -> Duration| (0..3).map(|_| run()).min().unwrap();
    let (without, with) = (least(&|| took(direct())), least(&|| took(call(&server))));
    assert!(with < without + Duration::from_millis(400), "{with:?} instead of {without:?}");
}
