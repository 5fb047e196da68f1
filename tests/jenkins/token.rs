//! `token`: making, rotating and revoking, and that no secret is lost, left over or shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cibridge_simulator::{JENKINS_PASSWORD, Simulator};
use serde_json::json;

use super::{Call, built, config, fault, simulator};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(sim: &Simulator) -> Vec<String> {
    sim.jenkins_tokens("dev").into_iter().map(|(_, name, _)| name).collect()
}

/// A call with the token of a file.
fn by(sim: &Simulator, arguments: &[&str], file: &Path) -> Call {
    Call::new(sim, arguments).without("JENKINS_API_TOKEN").env("JENKINS_API_TOKEN_FILE", file.to_str().unwrap())
}

#[test]
fn a_token_is_made_checked_and_the_old_one_revoked() {
    let sim = simulator();
    let before = names(&sim).len();
    let folder = tempfile::tempdir().unwrap();
    let (file, uuid) = (folder.path().join("token"), folder.path().join("token.uuid"));
    let out = file.to_str().unwrap();
    let made = Call::new(&sim, &["token", "create", "first", "--out", out])
        .run()
        .exit_code(0)
        .stderr_contains("created the token \"first\"");
    let first = fs::read_to_string(&file).unwrap();
    assert_eq!((mode(&file), mode(&uuid), first.len(), made.stdout.as_str()), (0o600, 0o600, 35, ""));
    assert_eq!(made.document["token"]["uuid"], fs::read_to_string(&uuid).unwrap().trim());
    let rotated = by(&sim, &["token", "rotate", "second", "--out", out, "--json"], &file).run().exit_code(0);
    let second = fs::read_to_string(&file).unwrap();
    assert!(first != second && mode(&file) == 0o600);
    assert_eq!(rotated.json()["token"]["name"], "second");
    for run in [&made, &rotated] {
        for secret in [&first, &second] {
            assert!(!format!("{run}{}", run.document).contains(secret.trim()), "{run}");
        }
    }
    by(&sim, &["check"], &file).run().exit_code(0).stderr_contains("the API token is valid");
    Call::new(&sim, &["check"]).env("JENKINS_API_TOKEN", first.trim()).run().exit_code(10);
    assert_eq!(names(&sim)[before..], ["second"]);
    // What is beside the file is what the next call revokes.
    let own = fs::read_to_string(&uuid).unwrap();
    Call::new(&sim, &["token", "revoke", own.trim()]).run().exit_code(0);
    by(&sim, &["check"], &file).run().exit_code(10);
    assert_eq!(names(&sim).len(), before);
}

#[test]
fn a_password_will_do_for_the_first_token_and_stdout_for_the_secret() {
    let sim = simulator();
    let made =
        Call::new(&sim, &["token", "create", "first"]).env("JENKINS_API_TOKEN", JENKINS_PASSWORD).run().exit_code(0);
    let secret = made.stdout.trim();
    assert!(secret.len() == 34 && secret.starts_with("11") && !made.stderr.contains(secret), "{made}");
    Call::new(&sim, &["check"]).env("JENKINS_API_TOKEN", secret).run().exit_code(0);
    Call::anonymous(&sim, &["token", "create", "x"]).run().exit_code(2).stderr_contains("a token belongs to a user");
    let mixed =
        Call::new(&sim, &["token", "create", "x", "--json"]).run().exit_code(2).stderr_contains("pass --out FILE");
    assert_eq!(mixed.json()["exit_code"], 2);
    Call::new(&sim, &["token", "rotate", "x"])
        .run()
        .exit_code(2)
        .stderr_contains("missing uuid of the token to replace");
    Call::new(&sim, &["token", "revoke", " "]).run().exit_code(2).stderr_contains("missing token uuid");
    let before = names(&sim);
    for arguments in [&["token", "revoke", "ci"][..], &["token", "rotate", "ci", "--old-uuid", "ci"]] {
        Call::new(&sim, arguments).run().exit_code(2).stderr_contains("token uuid: not a uuid");
    }
    assert_eq!(names(&sim), before);
}

#[test]
fn an_end_is_asked_for_where_jenkins_knows_ends() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("token");
    let create = |sim: &Simulator| {
        Call::new(sim, &["token", "create", "short", "--expires", "30d", "--out"]).arg(&out).run().exit_code(0)
    };
    create(&simulator()).stderr_contains("this Jenkins does not support token expiry, which needs 2.548 or later");
    let mut newer = config();
    newer.token_expiry = true;
    let made = create(&built(newer).start().unwrap()).stderr_contains(", valid until ");
    assert!(made.document["token"]["expires"].is_string(), "{}", made.document);
}

#[test]
fn a_token_that_nobody_gets_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let out = file.to_str().unwrap();
    // The new token is refused when it is tried.
    let refused = json!({"kind": "status", "status": 401, "path": "/whoAmI", "nth": 2, "listener": "jenkins"});
    let sim = built(config()).fault(fault(&refused)).start().unwrap();
    let before = names(&sim);
    Call::new(&sim, &["token", "create", "first", "--out", out]).run().exit_code(0);
    let first = fs::read_to_string(&file).unwrap();
    by(&sim, &["token", "rotate", "second", "--out", out], &file)
        .run()
        .exit_code(10)
        .stderr_contains("revoked the new token again");
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    assert_eq!(names(&sim).len(), before.len() + 1);
    by(&sim, &["check"], &file).run().exit_code(0);
    // A place where no file can be is told before a token is made.
    for wrong in [folder.path().to_str().unwrap(), "/no/such/folder/token"] {
        Call::new(&sim, &["token", "create", "third", "--out", wrong]).run().exit_code(16).stderr_contains(wrong);
    }
    assert!(!names(&sim).contains(&"third".to_owned()));
}

#[test]
fn a_lost_answer_makes_no_second_token() {
    let cut = json!({"kind": "cut", "at": "before_answer", "method": "POST", "act": true, "listener": "jenkins"});
    let sim = built(config()).fault(fault(&cut)).start().unwrap();
    let before = names(&sim).len();
    Call::new(&sim, &["token", "create", "once"])
        .run()
        .exit_code(15)
        .stderr_contains("it may have been created")
        .stderr_contains("revoke it there");
    assert_eq!(names(&sim).len(), before + 1);
}

#[test]
fn a_rotation_without_the_old_uuid_names_the_flag_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let run = Call::new(&simulator(), &["token", "rotate", "ci", "--out", file.to_str().unwrap()]).run();
    run.exit_code(16).stderr_contains("token.uuid: No such file or directory\nhint: pass --old-uuid\n");
}

#[test]
fn a_token_has_a_name() {
    let run = Call::new(&simulator(), &["token", "create", " "]).run();
    run.exit_code(2).stderr_contains("NAME: is empty");
}
