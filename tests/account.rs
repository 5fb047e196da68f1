//! Apps that no team of the key lists: those of a personal account, and those of somebody else's team.

use cibridge_simulator::{App, Builder, CutPoint, DEFAULT_APP, Fault, History, Plan, Simulator, StepPlan};
use serde_json::json;

use crate::support::{Call, simulator, started, together};

/// An account without teams: only the legacy `GET /user` names its personal team, whose builds v3 lists.
fn personal() -> Builder {
    simulator().config(|config| config.list_teams = false)
}

/// An app whose builds only the legacy list shows, without their labels.
fn unlisted() -> Builder {
    simulator().config(|config| config.apps = vec![App { unlisted: true, ..App::new(DEFAULT_APP) }])
}

fn slow(builder: Builder) -> Simulator {
    builder.plan(Plan { hold: Some("building".into()), ..Plan::default() }).start().unwrap()
}

fn keyed(sim: &Simulator) -> Call {
    Call::to(sim, "codemagic trigger --idempotency-key release-1")
}

#[test]
fn a_key_makes_a_call_repeatable_on_every_kind_of_account() {
    for (kind, sim) in [("personal", slow(personal())), ("unlisted", slow(unlisted()))] {
        let other = if kind == "unlisted" { vec![started(&sim)] } else { Vec::new() };
        let before = other.len() as u64;
        let first = keyed(&sim).run();
        first.exit_code(0).stderr_contains("Codemagic build started: ");
        let second = keyed(&sim).run();
        second.exit_code(0).stderr_contains("a build with this idempotency key exists already; adopting it\n");
        assert_eq!((&second.stdout, second.document()["adopted"].clone()), (&first.stdout, json!(true)), "{kind}");
        assert_eq!(sim.counters().builds_started, before + 1, "{kind}");
        Call::to(&sim, "codemagic trigger --idempotency-key release-2").run().exit_code(0);
        assert_eq!(sim.counters().builds_started, before + 2, "{kind}");
    }
}

/// The first build of an app that no list shows may not be the first with its key.
#[test]
fn a_key_whose_absence_no_list_shows_starts_nothing() {
    let refusal = "cibridge: error: starting app APP: no list shows whether a build with this idempotency key exists";
    let sim = unlisted().start().unwrap();
    keyed(&sim).run().exit_code(12).stderr_contains(refusal).stdout_is("");
    assert_eq!(sim.counters().builds_started, 0, "an app without builds in anybody's team");
    // Neither the personal team nor the legacy list can be read.
    let sim = personal().start().unwrap();
    sim.fault(Fault::status(404).on("GET", "/user*").always());
    sim.fault(Fault::status(403).on("GET", "/builds*").always());
    let done = keyed(&sim).run();
    done.exit_code(12)
        .stderr_contains(refusal)
        .stderr_contains("app APP: access denied for this API key (HTTP 403")
        .stdout_is("");
    assert_eq!(sim.counters().builds_started, 0, "nothing is known about the account");
    // A list that was refused says more than one that does not exist.
    let sim = unlisted().start().unwrap();
    sim.fault(Fault::status(403).on("GET", "/api/v3/teams/*/builds").always());
    sim.fault(Fault::status(404).on("GET", "/builds*").always());
    keyed(&sim).run().exit_code(12).stderr_contains("access denied for this API key (HTTP 403");
    assert_eq!(sim.counters().builds_started, 0);
    // A list that is out of order is no absence.
    let sim = unlisted().start().unwrap();
    started(&sim);
    sim.fault(Fault::status(503).on("GET", "/builds*").always());
    keyed(&sim).run().exit_code(13).stdout_is("");
    assert_eq!(sim.counters().builds_started, 1);
}

#[test]
fn a_lost_answer_is_resolved_on_every_kind_of_account() {
    together(&[personal as fn() -> Builder, unlisted], |account| {
        let sim = slow(account());
        sim.fault(Fault::cut(CutPoint::BeforeAnswer).acted().on("POST", "/builds"));
        let done = Call::to(&sim, "codemagic trigger").run();
        done.exit_code(0).stderr_contains("the build was started: found by its label\n");
        assert_eq!((done.stdout.trim(), sim.counters().builds_started), (&*sim.builds()[0].id, 1));
        // The list weighs megabytes.
        assert!(sim.requests_to("GET", "/builds").iter().filter(|request| request.path == "/builds").count() <= 1);
    });
}

#[test]
fn builds_are_listed_on_every_kind_of_account() {
    for sim in [personal().start().unwrap(), unlisted().start().unwrap()] {
        let ids = [started(&sim), started(&sim)];
        let done = Call::to(&sim, "codemagic builds").run();
        let listed: Vec<_> = done.exit_code(0).stdout.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(listed, [&*ids[1], &*ids[0]]);
        let latest = Call::to(&sim, "codemagic status latest").run();
        latest.exit_code(0);
        assert!(latest.stdout.starts_with(&ids[1]), "{latest}");
        let first = Call::to(&sim, "codemagic status 1").run();
        first.exit_code(0);
        assert!(first.stdout.starts_with(&ids[0]), "{first}");
    }
}

/// An empty list would be a lie: the app may have builds that this key cannot see.
#[test]
fn builds_of_an_app_that_no_list_shows_are_no_empty_list() {
    let sim = unlisted().start().unwrap();
    Call::to(&sim, "codemagic builds").run().exit_code(11).stdout_is("").stderr_contains(
        "app APP: not found, or not visible with this API key: no list shows its builds\nhint: check the app ID",
    );
    // An app of a listed team that has no builds yet is no error.
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic builds").run().exit_code(0).stdout_is("");
}

#[test]
fn earlier_builds_are_known_on_every_kind_of_account() {
    let history = History { durations: vec![830.0, 840.0, 850.0], ..History::default() };
    let steps = vec![StepPlan::of("Build ipa", "script", 100.0)];
    for account in [personal(), unlisted()] {
        let sim =
            account.plan(Plan { steps: steps.clone(), ..Plan::default() }).history(history.clone()).start().unwrap();
        Call::following(&sim, "").run().exit_code(0).stderr_contains("usual duration: 14m");
    }
}
