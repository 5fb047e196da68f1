//! The watch loop against scripted builds, on a clock that takes no time.

use std::sync::{Arc, Mutex};

use super::*;
use crate::lifecycle::fake::{Fake, JumpClock, Script, failed};

/// A log that is kept.
#[derive(Clone, Default)]
struct KeptLog(Arc<Mutex<String>>);

impl LogSink for KeptLog {
    fn step(&mut self, step: &Step) {
        self.0.lock().unwrap().push_str(&step.name);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
    }

    fn end(&mut self) {
        self.0.lock().unwrap().push_str("end\n");
    }
}

fn run_with(fake: &Fake, scripts: Vec<Script>, started: bool, limits: &Limits) -> (Vec<WatchEnd>, Vec<String>) {
    let watch = |script| Watch::new(fake, script, started, limits, None, &fake.clock);
    let mut watches: Vec<_> = scripts.into_iter().map(watch).collect();
    let mut lines = Vec::new();
    watch_all(&mut watches, &fake.clock, &mut |_, event| lines.push(format!("{event:?}")));
    (watches.into_iter().map(|watch| watch.end.unwrap()).collect(), lines)
}

fn run(fake: &Fake, script: Script, limits: &Limits) -> (WatchEnd, Vec<String>) {
    let (mut ends, lines) = run_with(fake, vec![script], true, limits);
    (ends.remove(0), lines)
}

fn count(lines: &[String], word: &str) -> usize {
    lines.iter().filter(|line| line.contains(word)).count()
}

#[test]
fn a_build_is_watched_to_its_end_and_only_changes_are_reported() {
    let fake = Fake::default();
    let (end, lines) = run(&fake, Script::new(10, 4000), &Limits::default());
    assert_eq!(end, WatchEnd::Finished(ExitCode::Success));
    assert!((4010..=4040).contains(&fake.clock.seconds()), "{}", fake.clock.seconds());
    assert_eq!((count(&lines, "Status"), count(&lines, "Step"), count(&lines, "Commit")), (3, 2, 1), "{lines:#?}");
    assert!((60..=68).contains(&count(&lines, "Heartbeat")), "{}", count(&lines, "Heartbeat"));
    assert!(lines.last().unwrap().contains("finished"), "the end is the last thing to say: {lines:#?}");
}

#[test]
fn failed_polls_never_end_the_wait() {
    let fake = Fake::default();
    let mut build = Script::new(10, 1000);
    build.failures = vec![(30, 400, failed(ExitCode::Unavailable, true)), (500, 600, failed(ExitCode::Denied, false))];
    let (end, lines) = run(&fake, build, &Limits::default());
    assert_eq!(end, WatchEnd::Finished(ExitCode::Success));
    assert!(count(&lines, "PollFailed") > 5, "{lines:#?}");
}

#[test]
fn refusals_end_the_wait_only_when_they_last_for_minutes() {
    for (since, started, least, most) in [(300, true, 480, 560), (0, true, 180, 260), (0, false, 5, 20)] {
        let fake = Fake::default();
        let mut build = Script::new(10, 100_000);
        build.failures = vec![(since, 100_000, failed(ExitCode::Denied, false))];
        let (ends, _) = run_with(&fake, vec![build], started, &Limits::default());
        assert!(matches!(&ends[0], WatchEnd::Unreachable(error) if error.code() == ExitCode::Denied), "{ends:?}");
        assert!((least..most).contains(&fake.clock.seconds()), "{since} {started}: {}", fake.clock.seconds());
    }
}

#[test]
fn a_named_build_that_was_never_reached_is_given_up_and_one_that_was_is_not() {
    let fake = Fake::default();
    let mut build = Script::new(10, 7200);
    build.failures = vec![(0, 100_000, failed(ExitCode::NoConnection, true))];
    let (ends, _) = run_with(&fake, vec![build.clone()], false, &Limits::default());
    assert!(matches!(&ends[0], WatchEnd::Unreachable(error) if error.code() == ExitCode::NoConnection));
    assert!((600..700).contains(&fake.clock.seconds()), "{}", fake.clock.seconds());
    let fake = Fake::default();
    build.failures = vec![(5, 7000, failed(ExitCode::NoConnection, true))];
    let (ends, _) = run_with(&fake, vec![build], false, &Limits::default());
    assert_eq!(ends, [WatchEnd::Finished(ExitCode::Success)]);
}

#[test]
fn an_unknown_id_right_after_the_start_is_waited_for_but_not_for_ever() {
    for (known_after, started, found) in [(90, true, true), (100_000, true, false), (60, false, false)] {
        let fake = Fake::default();
        let mut build = Script::new(10, 200);
        build.failures = vec![(0, known_after, failed(ExitCode::NotFound, false))];
        let (ends, lines) = run_with(&fake, vec![build], started, &Limits::default());
        assert_eq!(ends[0] == WatchEnd::Finished(ExitCode::Success), found, "{known_after}: {ends:?}");
        assert_eq!(count(&lines, "PollFailed"), 0, "a 404 in the grace is no news");
    }
}

#[test]
fn each_limit_ends_the_wait_in_time_but_not_for_a_build_that_just_finished() {
    let limit = |queue: u64, run: u64, total: u64| {
        let some = |seconds: u64| Some(Duration::from_secs(seconds)).filter(|limit| !limit.is_zero());
        Limits { queue: some(queue), run: some(run), total: some(total), ..Limits::default() }
    };
    let waited = Limits { waited: Duration::from_secs(450), ..limit(0, 0, 500) };
    for (limits, queued, run_for, ended_at, word) in [
        (limit(60, 0, 0), 1000, 10, 60, "queued longer than 1m"),
        (limit(0, 300, 0), 50, 1000, 350, "ran longer than 5m"),
        (limit(0, 0, 500), 50, 1000, 500, "did not finish within 8m 20s"),
        (waited, 10, 1000, 50, "did not finish within 8m 20s"),
        (limit(60, 300, 500), 50, 299, 349, ""),
    ] {
        let fake = Fake::default();
        let (end, _) = run(&fake, Script::new(queued, run_for), &limits);
        let now = fake.clock.seconds();
        assert!((ended_at..ended_at + 30).contains(&now), "{now} {ended_at}");
        match end {
            WatchEnd::TimedOut(why) => {
                assert!(why.contains(word) && !word.is_empty() && now <= ended_at + 1, "{why} at {now}");
            }
            end => assert_eq!((end, word), (WatchEnd::Finished(ExitCode::Success), "")),
        }
    }
}

#[test]
fn times_from_outside_may_be_absurd() {
    let fake =
        Fake { estimate: DurationEstimate::of(&[Duration::MAX, Duration::from_secs(u64::MAX)]), ..Fake::default() };
    let limits = Limits {
        queue: Some(Duration::MAX),
        run: Some(Duration::MAX),
        total: Some(Duration::from_secs(900)),
        ..Limits::default()
    };
    let mut build = Script::new(10, u64::MAX - 20);
    build.failures =
        vec![(20, 30, RequestError { retry_after: Some(Duration::MAX), ..failed(ExitCode::Unavailable, true) })];
    let (end, _) = run(&fake, build, &limits);
    assert!(matches!(end, WatchEnd::TimedOut(_)));
    assert!(fake.clock.seconds() <= 902);
}

#[test]
fn another_commit_ends_it_as_soon_as_it_is_known() {
    let wrong = || WatchEnd::WrongCommit("c5f94176aa".into());
    for (wanted, expected) in [
        ("c5f94176aa", WatchEnd::Finished(ExitCode::Success)),
        ("C5F9417", WatchEnd::Finished(ExitCode::Success)),
        ("c5f", wrong()),
        ("deadbeef00", wrong()),
    ] {
        let fake = Fake::default();
        let limits = Limits { commit: Some(wanted.to_owned()), ..Limits::default() };
        let (end, _) = run(&fake, Script::new(10, 1000), &limits);
        assert_eq!(fake.clock.seconds() < 60, matches!(end, WatchEnd::WrongCommit(_)));
        assert_eq!(end, expected);
    }
}

#[test]
fn a_log_is_shown_to_its_end_and_one_that_cannot_be_read_is_reported_once_and_waited_out() {
    for (log_until, log_failures, complete, longest) in [
        (0, Vec::new(), true, 140),
        (120, Vec::new(), true, 140),
        (100_000, Vec::new(), false, 180),
        (0, vec![(0, 60, failed(ExitCode::Denied, false))], true, 140),
        (0, vec![(0, 100_000, failed(ExitCode::Denied, false))], false, 140),
        (0, vec![(0, 100_000, failed(ExitCode::Unavailable, true))], false, 180),
    ] {
        let fake = Fake { interval: Some(Duration::from_secs(1)), ..Fake::default() };
        let build = Script { log_until, log_failures: log_failures.clone(), ..Script::new(10, 100) };
        let limits = Limits::default();
        let log = KeptLog::default();
        let mut watches = [Watch::new(&fake, build, true, &limits, None, &fake.clock).with_log(Box::new(log.clone()))];
        let mut lines = Vec::new();
        watch_all(&mut watches, &fake.clock, &mut |_, event| lines.push(format!("{event:?}")));
        assert_eq!(watches[0].end, Some(WatchEnd::Finished(ExitCode::Success)));
        assert_eq!(watches[0].log_is_complete, complete, "{log_until} {log_failures:?}");
        assert!(fake.clock.seconds() <= longest, "{}", fake.clock.seconds());
        assert_eq!(count(&lines, "cannot be read"), usize::from(!log_failures.is_empty()), "{lines:#?}");
        assert_eq!(log.0.lock().unwrap().ends_with("line\nend\n"), complete);
        assert_eq!(lines.iter().rposition(|line| line.contains("finished")), Some(lines.len() - 1), "{lines:#?}");
    }
}

#[test]
fn a_single_poll_says_when_the_next_is_worthwhile_and_keeps_the_limits() {
    let once = Limits { once: true, run: Some(Duration::from_secs(300)), ..Limits::default() };
    for (queued, run_for, at, bad) in
        [(10, 1000, 0, false), (10, 1000, 200, false), (10, 1000, 400, false), (0, 5, 20, false), (10, 1000, 50, true)]
    {
        let fake = Fake { clock: JumpClock::at(at), ..Fake::default() };
        let mut build = Script::new(queued, run_for);
        if bad {
            build.failures = vec![(0, 10_000, failed(ExitCode::Unavailable, true))];
        }
        let (ends, _) = run_with(&fake, vec![build], false, &once);
        match &ends[0] {
            WatchEnd::StillRunning(next) => assert!(*next >= Duration::from_secs(2) && at < 300, "{at}: {next:?}"),
            WatchEnd::TimedOut(_) => assert_eq!(at, 400),
            end => assert_eq!((end, run_for), (&WatchEnd::Finished(ExitCode::Success), 5)),
        }
        assert_eq!(fake.count("poll"), if bad { 3 } else { 1 }, "{at}");
    }
}

/// Each single poll is a process of its own, so only what earlier ones waited shows that an id does not exist.
#[test]
fn single_polls_of_an_id_that_does_not_exist_end_as_one_wait_would() {
    for (waited, ends_at_once) in [(0, false), (3600, true)] {
        let fake = Fake::default();
        let mut build = Script::new(10, 200);
        build.failures = vec![(0, 100_000, failed(ExitCode::NotFound, false))];
        let limits = Limits { once: true, waited: Duration::from_secs(waited), ..Limits::default() };
        let mut watches = [Watch::new(&fake, build, false, &limits, None, &fake.clock)];
        watch_all(&mut watches, &fake.clock, &mut |_, _| {});
        assert_eq!(matches!(watches[0].end, Some(WatchEnd::Unreachable(_))), ends_at_once, "{:?}", watches[0].end);
        assert!(watches[0].unseen_because().is_some());
        assert_eq!(fake.count("poll"), 3, "one 404 alone is not believed");
    }
}

#[test]
fn the_pause_between_single_polls_costs_few_agents_and_keeps_the_limits() {
    let usual = DurationEstimate::of(&[Duration::from_secs(900)]);
    // (usual, limit of the run, seconds that it has run) -> the pause
    for (estimate, limit, at, least, most) in [
        (usual, None, 20, 480, 520),
        (usual, None, 860, 30, 32),
        (None, None, 60, 30, 30),
        (None, None, 1800, 180, 182),
        (usual, None, 3000, 300, 302),
        (usual, Some(120), 20, 98, 100),
        (None, Some(1810), 1800, 8, 10),
    ] {
        let fake = Fake { clock: JumpClock::at(at), estimate, ..Fake::default() };
        let limits = Limits { once: true, run: limit.map(Duration::from_secs), ..Limits::default() };
        let (ends, _) = run_with(&fake, vec![Script::new(0, 10_000)], false, &limits);
        let WatchEnd::StillRunning(next) = &ends[0] else { panic!("{:?}", ends[0]) };
        assert!((least..=most).contains(&next.as_secs()), "{estimate:?} {limit:?} {at}: {next:?}");
    }
}

#[test]
fn a_fixed_interval_is_the_pause_between_single_polls() {
    let limits = Limits { once: true, total: Some(Duration::from_secs(300)), ..Limits::default() };
    for (interval, next) in [(10, 10), (600, 299)] {
        let fake = Fake::default();
        let interval = Some(Duration::from_secs(interval));
        let mut watches = [Watch::new(&fake, Script::new(0, 1000), false, &limits, interval, &fake.clock)];
        watch_all(&mut watches, &fake.clock, &mut |_, _| {});
        let Some(WatchEnd::StillRunning(pause)) = &watches[0].end else { panic!("{:?}", watches[0].end) };
        assert_eq!(pause.as_secs(), next);
    }
}

#[test]
fn a_build_with_history_costs_few_requests_and_one_that_fails_early_is_noticed_on_the_way() {
    for (run_for, code) in [(900, ExitCode::Success), (200, ExitCode::Failed)] {
        let estimate = DurationEstimate::of(&[880, 900, 905, 910, 890].map(Duration::from_secs));
        let fake = Fake { estimate, ..Fake::default() };
        let mut build = Script::new(6, run_for);
        build.end.1 = Phase::Ended(code);
        let (end, _) = run(&fake, build, &Limits::default());
        assert_eq!(end, WatchEnd::Finished(code));
        assert!(fake.requests.lock().unwrap().len() <= 10, "{:?}", fake.requests.lock().unwrap());
        let latest = if code == ExitCode::Success { 916 } else { 600 };
        assert!(fake.clock.seconds() < latest, "{}", fake.clock.seconds());
    }
}
