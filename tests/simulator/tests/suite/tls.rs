//! https: the good case, and certificates no client may accept.

use crate::client::{Client, auth, start_body, start_path, trusting};
use cibridge_simulator::{CutPoint, Fault, Leaf, Simulator, TlsOptions};
use std::time::Duration;

#[test]
fn speaks_https_on_both_listeners() {
    let sim = Simulator::builder().tls().start().unwrap();
    let config = trusting(sim.ca_file().unwrap());
    let mut client = Client::tls(sim.legacy_url(), &config).unwrap();
    assert_eq!(client.request("POST", &start_path(), &[&auth()], &start_body()).unwrap().status, 202);
    let mut storage = Client::tls(sim.storage_url(), &config).unwrap();
    assert_eq!(storage.request("GET", "/x", &[], "").unwrap().status, 404);
    let mut again = Client::tls(sim.legacy_url(), &config).unwrap();
    assert_eq!(again.request("GET", "/api/v3/user", &[&auth()], "").unwrap().status, 200);
    let connections = sim.connections();
    assert!(connections.iter().all(|c| c.tls.as_deref() == Some("TLSv1_3")));
    assert!(connections[2].resumed && !connections[0].resumed);
    assert_eq!(sim.counters().tls_handshakes, 3);
}

#[test]
fn shows_certificates_that_must_be_refused() {
    let cases = [
        (Leaf::WrongHost, "NotValidForName"),
        (Leaf::Expired, "Expired"),
        (Leaf::Future, "NotValidYet"),
        (Leaf::OtherCa, "UnknownIssuer"),
    ];
    for (leaf, expected) in cases {
        let options = TlsOptions { leaf, ..TlsOptions::default() };
        let sim = Simulator::builder().tls_with(options).start().unwrap();
        let error = Client::tls(sim.legacy_url(), &trusting(sim.ca_file().unwrap())).err().unwrap();
        assert!(format!("{error:?}").contains(expected), "{leaf:?}: {error:?}");
        assert!(sim.wait_for(Duration::from_secs(5), |s| s.counters().tls_failures == 1));
    }
}

#[test]
fn old_tls_and_cuts_around_the_handshake() {
    let options = TlsOptions { tls12_only: true, ..TlsOptions::default() };
    let sim = Simulator::builder().tls_with(options).start().unwrap();
    let config = trusting(sim.ca_file().unwrap());
    sim.fault(Fault::cut(CutPoint::Accept));
    assert!(Client::tls(sim.legacy_url(), &config).is_err());
    assert_eq!(sim.counters().tls_handshakes, 0);
    sim.fault(Fault::cut(CutPoint::Handshake));
    let cut = Client::tls(sim.legacy_url(), &config).and_then(|mut c| c.request("GET", "/user", &[], ""));
    assert!(cut.is_err());
    let mut client = Client::tls(sim.legacy_url(), &config).unwrap();
    assert_eq!(client.request("GET", "/user", &[&auth()], "").unwrap().status, 200);
    assert_eq!(sim.connections()[2].tls.as_deref(), Some("TLSv1_2"));
}

#[test]
fn the_authority_goes_with_the_simulator() {
    let sim = Simulator::builder().tls().start().unwrap();
    let path = sim.ca_file().unwrap().to_owned();
    assert!(path.exists());
    drop(sim);
    assert!(!path.exists());
}
