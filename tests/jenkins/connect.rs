//! Who asks, and over what: bearer tokens, headers, client certificates, passwords with their crumb, and addresses.

use std::fs;
use std::path::PathBuf;

use cibridge_simulator::{JENKINS_PASSWORD, JENKINS_TOKEN, JenkinsPlan, JenkinsStep, Restart, Simulator, TlsOptions};

use super::{Call, built, config, planned, simulator, under_way};

/// A file with these contents that only its owner can read.
fn private(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn over_tls(client_auth: bool) -> Simulator {
    built(config()).tls_with(TlsOptions { client_auth, ..TlsOptions::default() }).start().unwrap()
}

#[test]
fn a_client_certificate_is_shown_to_who_wants_one() {
    let sim = over_tls(true);
    let ca = sim.ca_file().unwrap();
    let start = || Call::new(&sim, &["trigger", "plain", "--ca-cert"]).arg(ca);
    start().run().exit_code(14).stderr_contains("certificate");
    // In TLS 1.3 the refusal comes after the request was sent, but nobody has read it.
    start().arg("--no-validate").run().exit_code(14).stderr_contains("127.0.0.1 requires a client certificate");
    assert!(sim.requests().is_empty());
    let folder = tempfile::tempdir().unwrap();
    let pem = sim.client_pem().unwrap();
    let both = private(&folder, "both.pem", pem);
    start().arg("--client-cert").arg(&both).run().exit_code(0);
    let at = pem.find("-----BEGIN PRIVATE KEY").unwrap();
    let (certificate, key) = (private(&folder, "cert.pem", &pem[..at]), private(&folder, "key.pem", &pem[at..]));
    start().arg("--client-cert").arg(&certificate).arg("--client-key").arg(&key).run().exit_code(0);
    assert_eq!(sim.jenkins_runs().len() + sim.jenkins_runs()[0].joined as usize, 2);
    let wrong = |arguments: &[&PathBuf]| {
        let call = start().arg("--client-cert").arg(arguments[0]);
        arguments
            .get(1)
            .map_or_else(|| start().arg("--client-cert").arg(arguments[0]), |key| call.arg("--client-key").arg(key))
            .run()
    };
    wrong(&[&certificate]).exit_code(16).stderr_contains("cert.pem: the file holds no private key");
    wrong(&[&key]).exit_code(16).stderr_contains("key.pem: the file holds no certificate");
    wrong(&[&certificate, &certificate]).exit_code(16).stderr_contains("the file holds no private key");
    wrong(&[&folder.path().join("none.pem")])
        .exit_code(16)
        .stderr_contains("--client-cert ")
        .stderr_contains("No such file");
    let other = over_tls(true).client_pem().unwrap().to_owned();
    let stranger = private(&folder, "other.pem", &other[other.find("-----BEGIN PRIVATE KEY").unwrap()..]);
    wrong(&[&certificate, &stranger])
        .exit_code(16)
        .stderr_contains("cert.pem: the private key belongs to another certificate");
    // One that another authority made.
    let stranger = private(&folder, "stranger.pem", over_tls(true).client_pem().unwrap());
    wrong(&[&stranger]).exit_code(14).stderr_contains("certificate");
    let alone = start().arg("--client-key").arg(&key).run().exit_code(2);
    assert!(alone.stderr.contains("--client-cert"), "{alone}");
}

#[test]
fn a_whole_round_over_tls_takes_one_connection_and_a_new_one_for_the_start() {
    let sim = over_tls(false);
    Call::new(&sim, &["trigger", "plain", "--wait", "--ca-cert"]).arg(sim.ca_file().unwrap()).run().exit_code(0);
    // The connection of the requests before may be closed by now, and a start must not be lost.
    assert_eq!(sim.counters().tls_handshakes, 2);
    Call::new(&sim, &["trigger", "plain"]).run().exit_code(14).stderr_contains("is signed by an unknown authority");
}

#[test]
fn a_bearer_token_takes_the_place_of_user_and_token() {
    let sim = simulator();
    let bearer = || Call::anonymous(&sim, &["trigger", "plain", "--wait"]);
    bearer().env("CIBRIDGE_BEARER_TOKEN", JENKINS_TOKEN).run().exit_code(0);
    let folder = tempfile::tempdir().unwrap();
    let file = private(&folder, "bearer", &format!("{JENKINS_TOKEN}\n"));
    bearer().arg("--bearer-token-file").arg(&file).run().exit_code(0);
    let header = |name: &str| {
        let requests = sim.requests();
        let values =
            requests.iter().flat_map(|request| &request.headers).filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(header("authorization").len(), sim.requests().len());
    assert!(header("authorization").iter().all(|value| *value == format!("Bearer {JENKINS_TOKEN}")));
    Call::new(&sim, &["check"])
        .env("CIBRIDGE_BEARER_TOKEN", "x")
        .run()
        .exit_code(2)
        .stderr_contains("only one of API token, bearer token and --header Authorization can be used");
    bearer()
        .env("CIBRIDGE_BEARER_TOKEN", "no-such-token")
        .run()
        .exit_code(10)
        .stderr_contains("Jenkins does not accept bearer tokens itself");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    bearer()
        .arg("--bearer-token-file")
        .arg(&file)
        .run()
        .exit_code(16)
        .stderr_contains("permissions 0640 are too open")
        .stderr_contains("chmod 600");
}

#[test]
fn headers_for_an_access_proxy_are_sent_and_never_shown() {
    let mut guarded = config();
    guarded.proxy_header = Some(("CF-Access-Client-Secret".into(), "s3cr3t-of-the-proxy".into()));
    let sim = built(guarded).start().unwrap();
    let start = || Call::new(&sim, &["trigger", "plain", "--wait", "--verbose"]);
    start().run().exit_code(10).stderr_contains("does not identify itself as Jenkins (HTTP 403, page \"Forbidden\")");
    let header = "CF-Access-Client-Secret: s3cr3t-of-the-proxy";
    for run in [
        start().arg("--header").arg(header).run(),
        start().env("CIBRIDGE_HEADER", &format!("CF-Access-Client-Id: me\n{header}")).run(),
    ] {
        let run = run.exit_code(0);
        assert!(!run.stderr.contains("s3cr3t"), "{run}");
    }
    for wrong in ["s3cr3t", "a b: s3cr3t", "x: s3cr3t\u{e4}"] {
        let run =
            start().arg("--header").arg(wrong).run().exit_code(2).stderr_contains("--header: expected NAME:VALUE");
        assert!(!run.stderr.contains("s3cr3t"), "{run}");
    }
}

/// Two headers of one name are none: servers take the first, the last or refuse both.
#[test]
fn two_proofs_in_one_header_are_refused() {
    let sim = simulator();
    let basic = "Authorization: Basic s3cr3t";
    let both = Call::new(&sim, &["check", "--header", basic])
        .run()
        .exit_code(2)
        .stderr_contains("only one of API token, bearer token and --header Authorization can be used");
    assert!(!both.stderr.contains("s3cr3t"), "{both}");
    let bearer = Call::anonymous(&sim, &["check", "--header", basic]).env("CIBRIDGE_BEARER_TOKEN", "x-token");
    bearer
        .run()
        .exit_code(2)
        .stderr_contains("only one of API token, bearer token and --header Authorization can be used");
    assert!(sim.requests().is_empty());
    let alone = format!("authorization: Bearer {JENKINS_TOKEN}");
    Call::anonymous(&sim, &["check", "plain", "--header", &alone])
        .run()
        .exit_code(0)
        .stderr_contains("the credentials are valid: user dev");
}

#[test]
fn a_password_gets_one_crumb_for_the_whole_call_and_another_when_its_session_ends() {
    let plan = || JenkinsPlan::steps([JenkinsStep::hold()]);
    let sim = planned(plan());
    let start = Call::new(&sim, &["trigger", "pipe", "--wait", "--timeout", "300ms"]);
    start.env("JENKINS_API_TOKEN", JENKINS_PASSWORD).run().exit_code(6).stderr_contains("does not look like one");
    assert_eq!(sim.jenkins_runs()[0].stops, 1);
    assert_eq!(sim.requests_to("GET", "/crumbIssuer/api/json").len(), 1);
    let sim = planned(plan());
    under_way(&sim);
    let stop = Call::new(&sim, &["trigger", "pipe", "--wait"]).env("JENKINS_API_TOKEN", JENKINS_PASSWORD).spawn();
    crate::support::until("the second hold", || sim.jenkins_runs().get(1).is_some_and(|run| run.state == "held"));
    sim.restart_jenkins(Restart::default());
    stop.terminate();
    stop.wait().exit_code(143).stderr_contains("stopped");
    assert_eq!(sim.jenkins_runs()[1].stops, 1);
    assert_eq!(sim.requests_to("GET", "/crumbIssuer/api/json").len(), 2);
}

#[test]
fn a_token_gets_no_crumb_and_keeps_no_session() {
    let sim = simulator();
    Call::new(&sim, &["trigger", "plain", "--wait"]).run().exit_code(0);
    assert!(sim.requests_to("GET", "/jenkins/crumbIssuer/api/json").is_empty());
    let cookies = |name: &String| name.eq_ignore_ascii_case("cookie");
    assert!(sim.requests().iter().all(|request| !request.headers.iter().any(|(name, _)| cookies(name))));
}

#[test]
fn half_of_the_credentials_is_reported_and_a_token_may_come_from_a_file() {
    let sim = simulator();
    Call::new(&sim, &["check"])
        .without("JENKINS_API_TOKEN")
        .run()
        .exit_code(2)
        .stderr_contains("missing API token of user dev");
    Call::new(&sim, &["check"])
        .without("JENKINS_USER_ID")
        .run()
        .exit_code(2)
        .stderr_contains("missing user of the API token");
    let folder = tempfile::tempdir().unwrap();
    let file = private(&folder, "token", JENKINS_TOKEN);
    Call::new(&sim, &["check", "--token-file"])
        .arg(&file)
        .without("JENKINS_API_TOKEN")
        .run()
        .exit_code(0)
        .stderr_contains("user dev");
}

#[test]
fn the_controller_is_the_one_that_was_named() {
    let sim = simulator();
    let root = sim.jenkins_url().to_owned();
    // Inside a build, JENKINS_URL is the build's own controller.
    let own = || Call::new(&sim, &["trigger", "plain"]).without("CIBRIDGE_JENKINS_URL").env("JENKINS_URL", &root);
    own().run().exit_code(0).stderr_contains("(JENKINS_URL: inside a build, its own controller)");
    // A base with a folder in it, as CloudBees' teams have.
    let team = format!("{root}/job/folder");
    Call::new(&sim, &["trigger", "with space/100%"]).env("CIBRIDGE_JENKINS_URL", &team).run().exit_code(0);
    assert_eq!(sim.jenkins_runs().last().unwrap().job, "folder/with space/100%");
    Call::new(&sim, &["check"])
        .env("CIBRIDGE_JENKINS_URL", "http://ci.example/")
        .run()
        .exit_code(2)
        .stderr_contains("is plain http, which shows the credentials");
}
