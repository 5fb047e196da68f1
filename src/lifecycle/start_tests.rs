//! Exactly one build per call, whatever the service answers.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::lifecycle::fake::{Fake, FakeRequest, Found, JumpClock, failed, runtime};

fn fake(starts: Vec<Result<u64, StartError>>, searches: Vec<Found>) -> Fake {
    Fake {
        starts: Mutex::new(VecDeque::from(starts)),
        searches: Mutex::new(VecDeque::from(searches)),
        ..Fake::default()
    }
}

fn start(fake: &Fake, has_key: bool) -> Result<(u64, bool), Error> {
    let request = FakeRequest { has_key, is_searchable: true };
    start_once(fake, &request, &runtime(&fake.clock)).map(|started| (started.build.id, started.adopted))
}

fn lost() -> StartError {
    StartError::Ambiguous(Error::new(ExitCode::Unavailable, "starting app a", "the answer was lost"))
}

#[test]
fn a_start_whose_answer_was_lost_is_searched_and_never_sent_again() {
    let found = fake(vec![Err(lost())], vec![Ok((vec![], true)), Ok((vec![7], true))]);
    assert_eq!(start(&found, false), Ok((7, false)));
    assert_eq!(found.count("start"), 1);
    for (searches, words) in [
        (vec![Ok((vec![], true))], "no build could be identified"),
        (vec![Err(failed(ExitCode::Denied, false))], "the search for it failed as well"),
    ] {
        let fake = fake(vec![Err(lost())], searches);
        let error = start(&fake, false).unwrap_err();
        assert_eq!((error.code(), error.hint()), (ExitCode::Unknown, Some("look for it")));
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!((fake.count("start"), fake.count("find")), (1, 2));
    }
}

#[test]
fn a_signal_during_the_search_leaves_time_for_a_last_one() {
    let clock = JumpClock::default();
    clock.interrupt_at(2);
    let fake = Fake { clock, ..fake(vec![Err(lost())], vec![Ok((vec![], true)), Ok((vec![7], true))]) };
    assert_eq!(start(&fake, false), Ok((7, false)));
}

#[test]
fn a_signal_before_the_start_was_sent_says_that_nothing_was_started() {
    let clock = JumpClock::default();
    clock.interrupt_at(0);
    let not_started = StartError::NotStarted(Error::new(ExitCode::NoConnection, "starting app a", "no route"));
    let error = start(&Fake { clock, ..fake(vec![Err(not_started)], Vec::new()) }, false).unwrap_err();
    assert_eq!(error.code(), ExitCode::Terminated);
    assert!(error.to_string().contains("before the build was started"), "{error}");
}

#[test]
fn a_build_with_the_key_is_adopted_and_an_unanswered_question_for_it_refuses_to_start() {
    let known = fake(Vec::new(), vec![Ok((vec![3, 4], true))]);
    assert_eq!(start(&known, true), Ok((3, true)));
    let hidden = fake(Vec::new(), vec![Ok((vec![], false))]);
    let error = start(&hidden, true).unwrap_err();
    assert_eq!(error.code(), ExitCode::Refused);
    let unanswered = fake(Vec::new(), vec![Err(failed(ExitCode::Denied, false))]);
    assert_eq!(start(&unanswered, true).unwrap_err().code(), ExitCode::Denied);
    assert_eq!(known.count("start") + hidden.count("start") + unanswered.count("start"), 0);
}

#[test]
fn of_two_starts_with_one_key_the_older_build_stays() {
    let younger = fake(vec![Ok(8)], vec![Ok((vec![], true)), Ok((vec![7, 8], true))]);
    assert_eq!(start(&younger, true), Ok((7, true)));
    assert_eq!(*younger.requests.lock().unwrap(), ["find Key", "start", "find Key", "cancel 8"]);
    let older = fake(vec![Ok(7)], vec![Ok((vec![], true)), Ok((vec![7, 8], true))]);
    assert_eq!(start(&older, true), Ok((7, false)));
    assert_eq!(older.count("cancel"), 0);
}

#[test]
fn a_list_that_lags_is_read_until_it_shows_the_own_build() {
    let searches = vec![Ok((vec![], true)), Ok((vec![], true)), Ok((vec![7], true)), Ok((vec![7, 8], true))];
    let fake = fake(vec![Ok(8)], searches);
    assert_eq!(start(&fake, true), Ok((7, true)));
    assert_eq!(fake.count("cancel 8"), 1);
}
