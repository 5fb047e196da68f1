//! Certificates: what is trusted, and the sentence for each fault.

use cibridge_simulator::{Issuer, Leaf, Simulator, TlsOptions};

use crate::support::net::Blurt;
use crate::support::{Call, Done, simulator};

fn speaking(leaf: Leaf, tls12_only: bool) -> Simulator {
    simulator().tls_with(TlsOptions { leaf, tls12_only, ..TlsOptions::default() }).start().unwrap()
}

fn trusting(sim: &Simulator) -> Done {
    Call::to(sim, "codemagic trigger --ca-cert").arg(sim.ca_file().unwrap()).run()
}

#[test]
fn both_versions_of_tls_are_spoken() {
    for (tls12_only, version) in [(false, "TLSv1_3"), (true, "TLSv1_2")] {
        let sim = speaking(Leaf::Good, tls12_only);
        trusting(&sim).exit_code(0);
        assert_eq!(sim.connections()[0].tls.as_deref(), Some(version));
    }
}

#[test]
fn roots_come_from_a_flag_or_a_variable() {
    let sim = speaking(Leaf::Good, false);
    let ca = sim.ca_file().unwrap().to_str().unwrap();
    for name in ["CIBRIDGE_CA_CERT", "SSL_CERT_FILE"] {
        Call::to(&sim, "codemagic trigger").env(name, ca).run().exit_code(0);
    }
    // One adds to the other.
    let other = speaking(Leaf::Good, false);
    let call = Call::to(&sim, "codemagic trigger").env("SSL_CERT_FILE", other.ca_file().unwrap().to_str().unwrap());
    call.env("CIBRIDGE_CA_CERT", ca).run().exit_code(0);
    assert_eq!(sim.counters().builds_started, 3);
}

#[test]
fn each_fault_of_a_certificate_is_named() {
    let start = "cibridge: error: starting a build of app APP: the certificate of 127.0.0.1 ";
    for (leaf, sentence) in [
        (
            Leaf::OtherCa,
            "is signed by an unknown authority\nhint: if a company proxy or an internal CA signs it, pass its root certificate with --ca-cert or SSL_CERT_FILE\n",
        ),
        (
            Leaf::Expired,
            "expired on 2020-01-01T00:00:00Z\nhint: renew it on the server, and check this machine's clock\n",
        ),
        (Leaf::Future, "is not valid yet\nhint: check this machine's clock\n"),
        (Leaf::WrongHost, "is for another host name (elsewhere.example.com)\nhint: check the host name of the URL\n"),
    ] {
        let sim = speaking(leaf, false);
        trusting(&sim).exit_code(14).stderr_is(&format!("{start}{sentence}"));
        let counters = sim.counters();
        assert_eq!((counters.connections, counters.requests), (1, 0), "a certificate does not change by trying again");
    }
    let sim = speaking(Leaf::Good, false);
    Call::to(&sim, "codemagic trigger").run().exit_code(14).stderr_contains("is signed by an unknown authority");
    let url = sim.v3_url().replace("127.0.0.1", "127.1");
    let done = Call::to(&sim, "codemagic trigger").env("CODEMAGIC_API_URL", &url).run();
    done.exit_code(14).stderr_contains("the certificate of 127.1 is for another host name\n");
    assert_eq!(sim.connections().len(), 2, "a name does not change by trying again");
}

/// Of many roots the one counts that signed the last certificate that is shown.
#[test]
fn a_chain_ends_at_one_of_many_roots() {
    let options = |leaf| TlsOptions { leaf, issuer: Issuer::Intermediate, ..TlsOptions::default() };
    let pem = |sim: &Simulator| std::fs::read_to_string(sim.ca_file().unwrap()).unwrap();
    let others = [Leaf::Good, Leaf::OtherCa].map(|leaf| pem(&speaking(leaf, false))).concat();
    for (leaf, code) in [(Leaf::Good, 0), (Leaf::OtherCa, 14)] {
        let sim = simulator().tls_with(options(leaf)).start().unwrap();
        let call = Call::to(&sim, "codemagic trigger --ca-cert");
        let roots = call.file("roots.pem", &format!("{others}{}{others}", pem(&sim)));
        call.arg(roots).run().exit_code(code);
    }
}

/// As with curl: what `openssl req -x509` makes is a CA that signs itself.
#[test]
fn a_certificate_that_is_itself_in_the_file_is_trusted() {
    let start = "cibridge: error: starting a build of app APP: the certificate of 127.0.0.1 ";
    for (issuer, tls12_only) in
        [(Issuer::Itself, false), (Issuer::Itself, true), (Issuer::HiddenCa, false), (Issuer::HiddenCa, true)]
    {
        let speaking = |leaf| {
            let options = TlsOptions { leaf, issuer, tls12_only, ..TlsOptions::default() };
            simulator().tls_with(options).start().unwrap()
        };
        let sim = speaking(Leaf::Good);
        trusting(&sim).exit_code(0);
        assert_eq!(sim.connections()[0].tls.as_deref(), Some(if tls12_only { "TLSv1_2" } else { "TLSv1_3" }));
        Call::to(&sim, "codemagic trigger")
            .env("SSL_CERT_FILE", sim.ca_file().unwrap().to_str().unwrap())
            .run()
            .exit_code(0);
        Call::to(&sim, "codemagic trigger").run().exit_code(14).stderr_contains(start);
        let other = match issuer {
            Issuer::Itself => {
                "is self-signed, and not among the trusted ones\nhint: if it is the right one, pass it with --ca-cert\n"
            }
            _ => "is signed by an unknown authority\n",
        };
        for (leaf, sentence) in [
            (Leaf::WrongHost, "is for another host name (elsewhere.example.com)\n"),
            (Leaf::Expired, "expired on 2020-01-01T00:00:00Z\n"),
            (Leaf::Future, "is not valid yet\n"),
            (Leaf::OtherCa, other),
        ] {
            let sim = speaking(leaf);
            trusting(&sim).exit_code(14).stderr_contains(&format!("{start}{sentence}"));
            assert_eq!(sim.counters().requests, 0, "{issuer:?} {leaf:?}");
        }
    }
}

#[test]
fn a_file_of_roots_that_is_none_is_a_local_fault() {
    let sim = speaking(Leaf::Good, false);
    let call = Call::to(&sim, "codemagic trigger --ca-cert");
    let path = call.file("empty.pem", "no certificate\n");
    let shown = path.to_str().unwrap().to_owned();
    call.arg(path).run().exit_code(16).stderr_contains(&format!(
        "--ca-cert {shown}: the file holds no certificate that is readable\nhint: it must hold"
    ));
    // Beside the roots of the system a file that adds nothing would go unnoticed.
    for variable in ["SSL_CERT_FILE", "CIBRIDGE_CA_CERT"] {
        let call = Call::to(&sim, "codemagic trigger");
        let path = call.file("damaged.pem", "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n");
        let call = call.env(variable, path.to_str().unwrap());
        call.run().exit_code(16).stderr_contains("damaged.pem: the file holds no certificate that is readable\n");
    }
    Call::to(&sim, "codemagic trigger")
        .env("SSL_CERT_FILE", "/no/such/file.pem")
        .run()
        .exit_code(16)
        .stderr_contains("SSL_CERT_FILE /no/such/file.pem: No such file or directory");
    assert_eq!(sim.counters().connections, 0);
}

/// An empty container image has no bundle of roots.
#[test]
fn a_machine_without_roots_has_bundled_ones() {
    let script = "unshare -m /bin/sh -c 'mount -t tmpfs none /etc/ssl && exec \"$0\" \"$@\"' \"$@\"";
    let sim = speaking(Leaf::OtherCa, false);
    let check = || Call::to(&sim, "codemagic check").shell(script);
    let done = check().run();
    if done.stderr.starts_with("unshare:")
        || done.stderr.contains("unshare: not found")
        || done.stderr.starts_with("mount:")
    {
        println!("skipped: this machine does not allow hiding its roots\n{done}");
        return;
    }
    done.exit_code(14)
        .stderr_contains("ok: certificates are checked with the bundled Mozilla roots (this machine has no bundle)\n")
        .stderr_contains("the certificate of 127.0.0.1 is signed by an unknown authority");
    let good = speaking(Leaf::Good, false);
    let ca = good.ca_file().unwrap();
    Call::to(&good, "codemagic check --ca-cert").arg(ca).shell(script).run().exit_code(0).stderr_contains(&format!(
        "ok: certificates are checked with {} alone (this machine has no bundle)\n",
        ca.display()
    ));
}

#[test]
fn http_and_https_are_not_taken_for_each_other() {
    let plain = Blurt::start("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let url = plain.url().replace("http://", "https://");
    Call::new("codemagic trigger --app-id a --workflow w --branch b")
        .env("CODEMAGIC_API_KEY", "key-0123456789")
        .env("CODEMAGIC_API_URL", &url)
        .run()
        .exit_code(14)
        .stderr_is(
            "cibridge: error: starting a build of app a: 127.0.0.1 does not speak TLS on this port\n\
             hint: check whether the address must begin with http:// or have another port\n",
        );
    let secure = speaking(Leaf::Good, false);
    let url = secure.v3_url().replace("https://", "http://");
    let done = Call::to(&secure, "codemagic status 6a941a0014bf8ccd332f2844").env("CODEMAGIC_API_URL", &url).run();
    done.exit_code(14);
    assert_eq!(secure.counters().requests, 0, "{done}");
}

#[test]
fn a_whole_round_over_tls() {
    let sim = speaking(Leaf::Good, false);
    let done = Call::following(&sim, "--ca-cert").arg(sim.ca_file().unwrap()).run();
    done.exit_code(0);
    assert_eq!(sim.counters().tls_handshakes, 1, "one warm connection\n{done}");
}
