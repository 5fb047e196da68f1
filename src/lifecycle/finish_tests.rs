//! What each end means, and which builds are canceled.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::lifecycle::fake::{Fake, JumpClock, Script, failed, runtime};
use crate::lifecycle::watch::{Limits, watch_all};

const OWNED: FinishOptions = FinishOptions { cancel: CancelPolicy::Cancel, log_lines: 50, fail_on_step_failure: false };

fn finish_with(fake: &Fake, scripts: Vec<Script>, limits: &Limits, options: FinishOptions) -> Vec<Document> {
    let watch = |script| Watch::new(fake, script, true, limits, None, &fake.clock);
    let mut watches: Vec<_> = scripts.into_iter().map(watch).collect();
    let mut documents = vec![Document::new("fake"); watches.len()];
    watch_all(&mut watches, &fake.clock, &mut |_, _| {});
    if note_before_cancel(&mut watches, options.cancel, &mut documents) {
        assert!(documents.iter().any(|document| document.still_running), "until it is canceled it is running");
    }
    finish(&mut watches, options, &mut documents, &runtime(&fake.clock));
    documents
}

fn summary(document: &Document) -> &str {
    document.summary.as_deref().unwrap_or_default()
}

#[test]
fn a_successful_and_a_failed_build_are_said_in_one_line() {
    let documents = finish_with(&Fake::default(), vec![Script::new(1, 65)], &Limits::default(), OWNED);
    assert_eq!((documents[0].outcome, documents[0].exit_code), (Outcome::Success, Some(ExitCode::Success)));
    assert!(summary(&documents[0]).starts_with("build 1 succeeded after 1"), "{}", summary(&documents[0]));
    let bad = Script { end: ("failed", Phase::Ended(ExitCode::Failed)), ..Script::new(1, 5) };
    let fake = Fake::default();
    let documents = finish_with(&fake, vec![bad], &Limits::default(), OWNED);
    assert_eq!(summary(&documents[0]), "build 1 failed in step \"Build\": exit code 65 (https://ci.example/1)");
    assert_eq!(documents[0].failure.as_ref().unwrap().log_tail, ["line 0", "line 1"]);
    assert_eq!((documents[0].severity, documents[0].call_failed, fake.count("cancel")), (Some(6), Some(false), 0));
}

#[test]
fn an_owned_build_is_canceled_at_every_early_end_and_a_named_one_is_left_running() {
    let timeout = Limits { total: Some(Duration::from_secs(30)), ..Limits::default() };
    let commit = Limits { commit: Some("deadbeef".to_owned()), ..Limits::default() };
    let refused = Script { failures: vec![(20, 10_000, failed(ExitCode::Denied, false))], ..Script::new(1, 5000) };
    for (limits, script, code) in [
        (&timeout, Script::new(1, 5000), ExitCode::TimedOut),
        (&commit, Script::new(1, 5000), ExitCode::WrongCommit),
        (&Limits::default(), refused, ExitCode::Denied),
    ] {
        for (cancel, word, canceled) in
            [(CancelPolicy::Cancel, "; canceled", 1), (CancelPolicy::Leave, "; left running", 0)]
        {
            let fake = Fake::default();
            let documents = finish_with(&fake, vec![script.clone()], limits, FinishOptions { cancel, ..OWNED });
            assert_eq!(documents[0].exit_code, Some(code));
            assert!(summary(&documents[0]).ends_with(word), "{}", summary(&documents[0]));
            assert_eq!((fake.count("cancel 1"), documents[0].still_running), (canceled, canceled == 0));
        }
    }
}

#[test]
fn a_signal_cancels_quickly_and_repeats_what_fails() {
    let clock = JumpClock::default();
    clock.interrupt_at(10);
    let passing = || Err(failed(ExitCode::Unavailable, true));
    let fake = Fake { clock, cancels: Arc::new(Mutex::new(VecDeque::from([passing(), passing()]))), ..Fake::default() };
    let documents = finish_with(&fake, vec![Script::new(1, 5000)], &Limits::default(), OWNED);
    assert_eq!(fake.count("cancel 1 quickly"), 3);
    assert_eq!((documents[0].exit_code, documents[0].still_running), (Some(ExitCode::Terminated), false));
    assert!(summary(&documents[0]).contains("ended by SIGTERM; build 1: canceled"), "{}", summary(&documents[0]));
}

#[test]
fn a_build_that_could_not_be_canceled_is_named_with_how_to_continue() {
    let clock = JumpClock::default();
    clock.interrupt_at(10);
    let refused = || Err(failed(ExitCode::Denied, false));
    let cancels = Arc::new(Mutex::new(VecDeque::from([refused(), refused(), refused(), refused()])));
    let fake = Fake { clock, cancels, ..Fake::default() };
    let documents = finish_with(&fake, vec![Script::new(1, 5000)], &Limits::default(), OWNED);
    assert_eq!((fake.count("cancel"), documents[0].still_running), (3, true));
    let error = documents[0].error.as_ref().unwrap();
    assert!(error.message.contains("may still be running"), "{}", error.message);
    assert!(error.hint.as_ref().unwrap().contains("cibridge fake wait 1"), "{:?}", error.hint);
}

/// Another attempt takes as long as the one before, and the last line must be written before Jenkins kills.
#[test]
fn a_slow_cancel_is_repeated_as_long_as_another_attempt_fits() {
    for (millis, attempts) in [(1700, 2), (1000, 3), (1900, 1), (4000, 1)] {
        let clock = JumpClock::default();
        clock.interrupt_at(10);
        let cancels = Arc::new(Mutex::new((0..9).map(|_| Err(failed(ExitCode::Unavailable, true))).collect()));
        let fake = Fake { clock, cancels, cancel_takes: Duration::from_millis(millis), ..Fake::default() };
        let documents = finish_with(&fake, vec![Script::new(1, 5000)], &Limits::default(), OWNED);
        assert_eq!((fake.count("cancel 1 quickly"), documents[0].still_running), (attempts, true), "{millis} ms");
    }
}

#[test]
fn fail_fast_and_a_forbidden_question_cancel_what_was_named_too() {
    let named = FinishOptions { cancel: CancelPolicy::Leave, ..OWNED };
    let bad = Script { end: ("failed", Phase::Ended(ExitCode::Failed)), ..Script::new(1, 5) };
    let fake = Fake::default();
    let limits = Limits { fail_fast: true, ..Limits::default() };
    let documents = finish_with(&fake, vec![bad, Script { id: 2, ..Script::new(1, 5000) }], &limits, named);
    assert_eq!((fake.count("cancel 2"), documents[1].exit_code), (1, Some(ExitCode::Canceled)));
    let fake = Fake::default();
    let asks = Script { halted: Some("asks for a password"), ..Script::new(1, 5000) };
    let documents = finish_with(&fake, vec![asks], &Limits::default(), named);
    assert_eq!((fake.count("cancel 1"), documents[0].exit_code), (1, Some(ExitCode::Failed)));
}
