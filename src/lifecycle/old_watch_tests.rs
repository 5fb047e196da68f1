//! The watch loop against a scripted build, on a clock that takes no time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::*;
use crate::clock::Timestamp;
use crate::model::Build;

/// A clock that jumps to the end of each sleep.
#[derive(Clone, Default)]
struct Jump {
    now: Arc<Mutex<Timestamp>>,
    interrupt_at: Arc<Mutex<Option<Timestamp>>>,
}

impl Clock for Jump {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.now().since(Timestamp::START)
    }

    fn sleep(&self, pause: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = *now + pause;
    }

    fn interrupted(&self) -> Option<ExitCode> {
        self.interrupt_at.lock().unwrap().filter(|at| *at <= self.now()).map(|_| ExitCode::Terminated)
    }
}

/// A build that is queued, runs and ends at fixed moments; each look takes a tenth of a second.
struct Script {
    clock: Jump,
    queued: u64,
    run: u64,
    end: (&'static str, Phase),
    /// Misses between these seconds.
    misses: Vec<(u64, u64, RequestError)>,
    /// How long such builds usually run.
    usual: Option<DurationEstimate>,
    looks: Rc<Cell<u32>>,
    looks_at_steps: Rc<Cell<u32>>,
}

fn miss(code: ExitCode, retryable: bool) -> RequestError {
    RequestError { error: Error::new(code, "reading build 1", "no"), retryable, retry_after: None }
}

impl Remote for Script {
    fn look(&mut self) -> Result<BuildSnapshot, RequestError> {
        self.looks.set(self.looks.get() + 1);
        self.clock.sleep(Duration::from_millis(100));
        let now = self.clock.now().since(Timestamp::START).as_secs();
        if let Some((_, _, miss)) = self.misses.iter().find(|(from, to, _)| (*from..*to).contains(&now)) {
            return Err(miss.clone());
        }
        let (status, phase) = match now {
            now if now < self.queued => ("queued", Phase::Queued),
            now if now < self.queued + self.run => ("building", Phase::Running),
            _ => self.end,
        };
        let run = now.checked_sub(self.queued).map(|run| run.min(self.run));
        let build = Build {
            id: "1".into(),
            status: status.into(),
            commit: run.map(|_| "c5f94176aa".to_owned()),
            queued_seconds: Some(now.min(self.queued)),
            run_seconds: run,
            ..Build::default()
        };
        Ok(BuildSnapshot { build, phase, known: status != "dreaming", artifacts: Vec::new() })
    }

    fn steps(&mut self) -> Result<Vec<Step>, RequestError> {
        self.looks_at_steps.set(self.looks_at_steps.get() + 1);
        let status = if self.clock.now().since(Timestamp::START).as_secs() < self.queued + self.run {
            "running"
        } else {
            "success"
        };
        Ok(vec![Step { name: "Build".into(), status: status.into(), seconds: Some(1) }])
    }

    fn budget(&self) -> Option<RateLimit> {
        None
    }

    fn usual(&self) -> Option<DurationEstimate> {
        self.usual
    }
}

fn script(clock: &Jump, queued: u64, run: u64) -> Script {
    let end = ("finished", Phase::Ended(ExitCode::Success));
    Script {
        clock: clock.clone(),
        queued,
        run,
        end,
        misses: Vec::new(),
        usual: None,
        looks: Rc::default(),
        looks_at_steps: Rc::default(),
    }
}

fn run(scripts: Vec<Script>, limits: &Limits, fail_fast: bool, clock: &Jump) -> (Vec<End>, Vec<String>) {
    let mut watches: Vec<_> = scripts
        .into_iter()
        .map(|script| Watch::new(script, limits.clone(), PollSchedule::default(), clock, Duration::ZERO))
        .collect();
    let mut lines = Vec::new();
    follow(&mut watches, fail_fast, clock, &mut |n, _, event| lines.push(format!("{n} {event:?}")));
    (watches.into_iter().map(|watch| watch.end.unwrap()).collect(), lines)
}

fn patient() -> Limits {
    Limits { unknown: Duration::from_secs(120), ..Limits::default() }
}

#[test]
fn a_build_is_followed_to_its_end_and_only_changes_are_told() {
    let clock = Jump::default();
    let (ends, lines) = run(vec![script(&clock, 10, 4000)], &patient(), false, &clock);
    assert_eq!(ends, [End::Ended(ExitCode::Success)]);
    assert!((4010..=4040).contains(&clock.now().since(Timestamp::START).as_secs()), "{:?}", clock.now());
    let count = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
    assert_eq!((count("Status"), count("Step"), count("Commit")), (3, 2, 1), "{lines:#?}");
    assert!((60..=68).contains(&count("Heartbeat")), "{}", count("Heartbeat"));
}

#[test]
fn bad_looks_never_end_the_wait() {
    let clock = Jump::default();
    let mut build = script(&clock, 10, 1000);
    build.misses = vec![(30, 400, miss(ExitCode::Unavailable, true)), (500, 503, miss(ExitCode::Denied, false))];
    let (ends, _) = run(vec![build], &patient(), false, &clock);
    assert_eq!(ends, [End::Ended(ExitCode::Success)]);
}

#[test]
fn a_lasting_refusal_ends_it_after_some_tries() {
    let clock = Jump::default();
    let mut build = script(&clock, 10, 100_000);
    build.misses = vec![(300, 100_000, miss(ExitCode::Denied, false))];
    let (ends, _) = run(vec![build], &patient(), false, &clock);
    assert!(matches!(&ends[0], End::Unreachable(failure) if failure.code() == ExitCode::Denied));
    assert!(clock.now().since(Timestamp::START) < Duration::from_secs(400));
}

#[test]
fn an_unknown_id_right_after_the_start_is_waited_for_but_not_for_ever() {
    for (known_after, limits, found) in
        [(90, patient(), true), (100_000, patient(), false), (60, Limits::default(), false)]
    {
        let clock = Jump::default();
        let mut build = script(&clock, 10, 200);
        build.misses = vec![(0, known_after, miss(ExitCode::NotFound, false))];
        let (ends, lines) = run(vec![build], &limits, false, &clock);
        assert_eq!(ends[0] == End::Ended(ExitCode::Success), found, "{known_after}: {ends:?}");
        assert!(!lines.iter().any(|line| line.contains("PollFailed")), "a 404 in the grace is no news");
    }
}

#[test]
fn each_limit_ends_the_wait_in_time_but_not_a_build_that_just_ended() {
    let limit = |queue: u64, run: u64, total: u64| {
        let some = |seconds: u64| Some(Duration::from_secs(seconds)).filter(|limit| !limit.is_zero());
        Limits { queue: some(queue), run: some(run), total: some(total), ..patient() }
    };
    for (limits, queued, run_for, ended_at, word) in [
        (limit(60, 0, 0), 1000, 10, 60, "queued longer than 1m"),
        (limit(0, 300, 0), 50, 1000, 350, "ran longer than 5m"),
        (limit(0, 0, 500), 50, 1000, 500, "did not end within 8m 20s"),
        (limit(60, 300, 500), 50, 299, 349, ""),
    ] {
        let clock = Jump::default();
        let (ends, _) = run(vec![script(&clock, queued, run_for)], &limits, false, &clock);
        let now = clock.now().since(Timestamp::START).as_secs();
        assert!((ended_at..ended_at + 30).contains(&now), "{now} {ended_at}");
        match &ends[0] {
            End::TimedOut(why) => {
                assert!(why.contains(word) && !word.is_empty() && now <= ended_at + 1, "{why} at {now}");
            }
            end => assert_eq!((end, word), (&End::Ended(ExitCode::Success), "")),
        }
    }
}

#[test]
fn an_unknown_status_is_polled_on_and_told_once() {
    let clock = Jump::default();
    let mut build = script(&clock, 10, 100);
    build.end = ("dreaming", Phase::Running);
    let limits = Limits { total: Some(Duration::from_secs(3600)), ..patient() };
    let (ends, lines) = run(vec![build], &limits, false, &clock);
    assert!(matches!(ends[0], End::TimedOut(_)));
    assert_eq!(lines.iter().filter(|line| line.contains("dreaming") && line.contains("known: false")).count(), 1);
}

#[test]
fn another_commit_ends_it_as_soon_as_it_is_known() {
    for (wanted, end) in [
        ("c5f94176aa", End::Ended(ExitCode::Success)),
        ("C5F9417", End::Ended(ExitCode::Success)),
        ("c5f", End::WrongCommit("c5f94176aa".into())),
        ("deadbeef00", End::WrongCommit("c5f94176aa".into())),
    ] {
        let clock = Jump::default();
        let limits = Limits { commit: Some(wanted.to_owned()), ..patient() };
        let (ends, _) = run(vec![script(&clock, 10, 1000)], &limits, false, &clock);
        assert_eq!(ends[0], end);
        assert_eq!(clock.now().since(Timestamp::START) < Duration::from_secs(60), matches!(end, End::WrongCommit(_)));
    }
}

#[test]
fn several_builds_are_followed_side_by_side_and_fail_fast_abandons_the_rest() {
    for (fail_fast, last) in [(false, End::Ended(ExitCode::Success)), (true, End::CanceledByFailFast)] {
        let clock = Jump::default();
        let mut bad = script(&clock, 5, 100);
        bad.end = ("failed", Phase::Ended(ExitCode::Failed));
        let (ends, _) = run(vec![script(&clock, 5, 50), bad, script(&clock, 5, 5000)], &patient(), fail_fast, &clock);
        assert_eq!(ends, [End::Ended(ExitCode::Success), End::Ended(ExitCode::Failed), last]);
    }
}

#[test]
fn a_signal_ends_it_at_once() {
    let clock = Jump::default();
    *clock.interrupt_at.lock().unwrap() = Some(Timestamp::START + Duration::from_secs(500));
    let (ends, _) = run(vec![script(&clock, 5, 5000)], &patient(), false, &clock);
    assert_eq!(ends, [End::Interrupted(ExitCode::Terminated)]);
    assert!(clock.now().since(Timestamp::START) < Duration::from_secs(530));
}

#[test]
fn one_look_says_when_the_next_is_worth_while_and_keeps_the_limits() {
    let once = Limits { once: true, run: Some(Duration::from_secs(300)), ..patient() };
    for (queued, run_for, at, bad) in
        [(10, 1000, 0, false), (10, 1000, 200, false), (10, 1000, 400, false), (0, 5, 20, false), (10, 1000, 50, true)]
    {
        let clock = Jump::default();
        *clock.now.lock().unwrap() = Timestamp::START + Duration::from_secs(at);
        let mut build = script(&clock, queued, run_for);
        if bad {
            build.misses = vec![(0, 10_000, miss(ExitCode::Unavailable, true))];
        }
        let looks = Rc::clone(&build.looks);
        let (ends, _) = run(vec![build], &once, false, &clock);
        match &ends[0] {
            End::StillRunning(next) => assert!(*next >= Duration::from_secs(2) && at < 300, "{at}: {next:?}"),
            End::TimedOut(_) => assert_eq!(at, 400),
            end => assert_eq!((end, run_for), (&End::Ended(ExitCode::Success), 5)),
        }
        assert_eq!(looks.get(), if bad { 3 } else { 1 }, "{at}");
    }
}

#[test]
fn the_pause_between_single_looks_costs_few_agents_and_keeps_the_limits() {
    let usual = DurationEstimate::of(&[Duration::from_secs(900)]);
    // (usual, limit of the run, seconds that it has run) -> the pause
    for (usual, limit, at, least, most) in [
        (usual, None, 20, 480, 520),
        (usual, None, 860, 30, 32),
        (None, None, 60, 30, 30),
        (None, None, 1800, 180, 182),
        (usual, None, 3000, 300, 302),
        (usual, Some(120), 20, 98, 100),
        (None, Some(1810), 1800, 8, 10),
    ] {
        let clock = Jump::default();
        *clock.now.lock().unwrap() = Timestamp::START + Duration::from_secs(at);
        let mut build = script(&clock, 0, 10_000);
        build.usual = usual;
        let limits = Limits { once: true, run: limit.map(Duration::from_secs), ..patient() };
        let (ends, _) = run(vec![build], &limits, false, &clock);
        let End::StillRunning(next) = &ends[0] else { panic!("{:?}", ends[0]) };
        assert!((least..=most).contains(&next.as_secs()), "{usual:?} {limit:?} {at}: {next:?}");
    }
}

#[test]
fn a_build_with_history_costs_few_requests_and_one_that_fails_early_is_noticed_on_the_way() {
    for (run_for, ended) in [(900, ExitCode::Success), (200, ExitCode::Failed)] {
        let clock = Jump::default();
        let mut build = script(&clock, 6, run_for);
        build.usual = DurationEstimate::of(&[880, 900, 905, 910, 890].map(Duration::from_secs));
        build.end.1 = Phase::Ended(ended);
        let (looks, steps) = (Rc::clone(&build.looks), Rc::clone(&build.looks_at_steps));
        let (ends, _) = run(vec![build], &patient(), false, &clock);
        assert_eq!(ends, [End::Ended(ended)]);
        assert!(looks.get() + steps.get() <= 10, "{} {}", looks.get(), steps.get());
        assert!(
            clock.now().since(Timestamp::START)
                < Duration::from_secs(if ended == ExitCode::Success { 916 } else { 600 }),
            "{:?}",
            clock.now()
        );
    }
}
