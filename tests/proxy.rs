//! The proxy of the environment: used, bypassed, refusing, wrong.

use cibridge_simulator::Simulator;

use crate::support::net::{ClosedPort, Manner, Proxy};
use crate::support::{Call, simulator, together};

fn secure() -> Simulator {
    simulator().tls().start().unwrap()
}

fn through(sim: &Simulator, proxy: &str) -> Call {
    Call::to(sim, "codemagic trigger -v --ca-cert").arg(sim.ca_file().unwrap()).env("HTTPS_PROXY", proxy)
}

#[test]
fn a_proxy_is_asked_to_connect() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let (sim, proxy) = (secure(), Proxy::start(Manner::Open));
        through(&sim, "").env(name, &proxy.url("")).run().exit_code(0);
        let heads = proxy.heads();
        assert_eq!(heads.len(), 1, "one start is one connection");
        let target = sim.legacy_url().replace("https://", "");
        assert!(heads[0].starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{}", heads[0]);
        assert!(!heads[0].to_lowercase().contains("x-auth-token"), "{}", heads[0]);
    }
}

#[test]
fn a_proxy_gets_its_credentials_and_nobody_else() {
    let (sim, proxy) = (secure(), Proxy::start(Manner::Guarded("bWU6cEBzcy93b3Jk".into())));
    let done = through(&sim, &proxy.url("me:p%40ss%2Fword@")).secret("p@ss/word").run();
    done.exit_code(0);
    assert_eq!(sim.requests()[0].header("proxy-authorization"), None);
    let wrong = through(&sim, &proxy.url("me:another-password@")).secret("another-password").run();
    wrong
        .exit_code(14)
        .stderr_contains("the proxy refused the connection (")
        .stderr_contains("407")
        .stderr_contains("hint: the proxy requires credentials: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT");
    through(&sim, &proxy.url(""))
        .run()
        .exit_code(14)
        .stderr_contains("407")
        .stderr_contains(", through the proxy http://127.0.0.1:PORT\n");
    assert_eq!(sim.counters().builds_started, 1);
    Call::to(&sim, "codemagic check")
        .env("HTTPS_PROXY", &proxy.url("me:p%40ss%2Fword@"))
        .secret("p@ss/word")
        .env("SSL_CERT_FILE", sim.ca_file().unwrap().to_str().unwrap())
        .run()
        .exit_code(0)
        .stderr_contains("ok: v3 API (127.0.0.1): through the proxy http://127.0.0.1:PORT\n");
}

#[test]
fn no_proxy_names_what_is_connected_directly() {
    for bypass in ["127.0.0.1", "*", "example.com, 127.0.0.1", "127.0.0.0/8"] {
        let (sim, proxy) = (secure(), Proxy::start(Manner::Open));
        through(&sim, &proxy.url("")).env("NO_PROXY", bypass).run().exit_code(0);
        assert_eq!(proxy.heads().len(), 0, "{bypass}");
    }
    for other in ["example.com,27.0.0.1", "127.0.0.1:1", "10.0.0.0/8"] {
        let (sim, proxy) = (secure(), Proxy::start(Manner::Open));
        through(&sim, &proxy.url("")).env("NO_PROXY", other).run().exit_code(0);
        assert_eq!(proxy.heads().len(), 1, "{other}");
    }
}

#[test]
fn a_proxy_that_refuses_is_reported() {
    let answers = [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "403"),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>", "502"),
    ];
    for (answer, part) in answers {
        let (sim, proxy) = (secure(), Proxy::start(Manner::Answer(answer)));
        through(&sim, &proxy.url(""))
            .run()
            .exit_code(14)
            .stderr_contains("the proxy refused the connection (")
            .stderr_contains(part)
            .stderr_contains("hint: check HTTPS_PROXY, or list the host in NO_PROXY to connect directly");
        assert_eq!((proxy.heads().len(), sim.counters().connections), (1, 0));
    }
}

#[test]
fn a_proxy_that_is_not_there_or_silent_is_named() {
    let (sim, closed, silent) = (secure(), ClosedPort::take(), Proxy::start(Manner::Silent));
    let faults = [
        (
            format!("http://127.0.0.1:{}", closed.port()),
            "127.0.0.1 refused the connection, through the proxy http://127.0.0.1:PORT\nhint: check HTTPS_PROXY, or list",
        ),
        (silent.url(""), "connecting to 127.0.0.1 timed out, through the proxy http://127.0.0.1:PORT\n"),
    ];
    together(&faults, |(proxy, sentence)| {
        through(&sim, proxy).args("--connect-timeout 200ms").run().exit_code(14).stderr_contains(sentence);
    });
    assert_eq!(sim.counters().connections, 0);
}

#[test]
fn a_setting_that_is_no_proxy_is_refused_before_any_request() {
    let sim = secure();
    for (value, why) in [
        ("socks5://me:secret-pw@127.0.0.1:1080", "has the scheme `socks5`; only http and https proxies are supported"),
        ("http://me:secret-pw@", "is not a URL"),
        ("http://secret-pw host", "is not a URL"),
    ] {
        let hint = "hint: it must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
        through(&sim, value)
            .secret("secret-pw")
            .run()
            .exit_code(14)
            .stderr_contains("the proxy setting HTTPS_PROXY ")
            .stderr_contains(why)
            .stderr_contains(hint);
    }
    assert_eq!(sim.counters().connections, 0);
}

/// A web server can set the upper-case variable from a request's header; nothing here is behind one, but curl's rule
/// is the one that people know.
#[test]
fn upper_case_http_proxy_is_not_read() {
    let (sim, proxy) = (simulator().start().unwrap(), Proxy::start(Manner::Answer("HTTP/1.1 403 Forbidden\r\n\r\n")));
    Call::to(&sim, "codemagic trigger").env("HTTP_PROXY", &proxy.url("")).run().exit_code(0);
    assert_eq!(proxy.heads().len(), 0);
}
