//! The kill matrix: a signal at a random moment of a call, in a third of the runs with a service that is failing.

use std::time::Duration;

use cibridge_simulator::{
    Advance, CutPoint, Fault, FaultKind, JenkinsConfig, JenkinsJob, JenkinsParameter, JenkinsPlan, Simulator,
};
use fastrand::Rng;

use super::kinds::held;
use super::{Call, Ran, chosen, report, run_all, table, write_table};

/// The seed of all random choices, so that a run can be repeated.
const SEED: u64 = 20_261_127;

/// One run: what is called, how the service fails, and which signal comes when.
#[derive(Clone, Debug)]
struct Shot {
    is_jenkins: bool,
    has_key: bool,
    sick: Option<usize>,
    signal: &'static str,
    after: Duration,
}

fn shots(count: usize) -> Vec<Shot> {
    let mut random = Rng::with_seed(SEED);
    let shot = |number: usize| Shot {
        is_jenkins: random.bool(),
        has_key: random.bool(),
        sick: number.is_multiple_of(3).then(|| random.usize(..SICK.len())),
        signal: ["TERM", "INT", "HUP", "KILL"][random.usize(..4)],
        // Half of them in the first tenth of a second, where a start is under way.
        after: Duration::from_micros(if random.bool() { random.u64(..100_000) } else { random.u64(..1_500_000) }),
    };
    (0..count).map(shot).collect()
}

/// How a service fails, for all of its requests or for some of them. None of it lasts: what cannot be canceled at all
/// is another matter.
const SICK: [fn() -> Vec<Fault>; 7] = [
    || vec![Fault::status(503).times(2)],
    || vec![Fault::slow(Duration::from_millis(400)).always()],
    || vec![Fault::cut(CutPoint::BeforeAnswer).acted().on("POST", "")],
    || vec![Fault::status(502).acted().on("POST", "")],
    || vec![Fault::new(FaultKind::Hang { max_ms: 60_000 }).on("GET", "").nth(2)],
    || vec![Fault::cut(CutPoint::AfterAnswer).always()],
    || vec![Fault::status(500).on("POST", "/cancel"), Fault::status(500).on("POST", "/stop")],
];

fn simulator(shot: &Shot) -> Simulator {
    let job = JenkinsJob::pipeline("pipe").parameter(JenkinsParameter::string("CIBRIDGE_ID", "")).quiet(0.2);
    let sim = Simulator::builder()
        .advance(Advance::Clock)
        .plan(cibridge_simulator::Plan { queued_seconds: 0.2, ..held() })
        .config(|config| config.limit_headers = false)
        .jenkins(JenkinsConfig::with_jobs([job]).plan(JenkinsPlan::endless()))
        .start()
        .unwrap();
    for fault in shot.sick.map(|sick| SICK[sick]()).into_iter().flatten() {
        sim.fault(fault);
    }
    sim
}

fn call(sim: &Simulator, shot: &Shot) -> Call {
    let arguments = if shot.is_jenkins { "jenkins trigger pipe --wait" } else { "codemagic trigger --wait" };
    let call = Call::new(sim, arguments).env("CODEMAGIC_WORKFLOW", "ios-release").env("CODEMAGIC_BRANCH", "main");
    if shot.has_key { call.env("CIBRIDGE_IDEMPOTENCY_KEY", "the-key") } else { call }
}

/// Builds that nobody has canceled, and all that were started.
fn left_running(sim: &Simulator) -> (usize, usize) {
    let builds = sim.builds();
    let runs = sim.jenkins_runs();
    let open = builds.iter().filter(|build| build.cancels == 0).count();
    let is_open = |state: &str| !matches!(state, "cancelled" | "finished");
    let open_runs = runs.iter().filter(|run| run.stops == 0 && is_open(&run.state)).count();
    (open + open_runs, builds.len() + runs.len())
}

impl Shot {
    /// Runs it. Gives the exit code, or what is wrong.
    fn run(&self) -> Result<i32, String> {
        let sim = simulator(self);
        let running = call(&sim, self).spawn();
        std::thread::sleep(self.after);
        running.signal(self.signal);
        let ran = running.wait();
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.check(&sim, &ran)));
        checked.map(|()| ran.code).map_err(|panic| {
            let requests = sim.requests().into_iter().map(|request| {
                format!(
                    "{} {} {:?} acted {} {:?}",
                    request.method, request.path, request.status, request.acted, request.fault
                )
            });
            let requests = requests.collect::<Vec<_>>().join("\n");
            format!("{self:?}: {}\n{ran}--- requests\n{requests}", super::message(&*panic))
        })
    }

    fn check(&self, sim: &Simulator, ran: &Ran) {
        let (open, started) = left_running(sim);
        assert!(started <= 1, "{started} builds were started");
        if self.signal == "KILL" {
            assert_eq!(ran.code, -9);
            // What is there of the result file is whole.
            assert!(ran.result.is_empty() || ran.document["schema"] == 1, "a torn result file");
            if self.has_key {
                self.adopt(sim, started);
            }
            return;
        }
        let number = match self.signal {
            "TERM" => 15,
            "INT" => 2,
            _ => 1,
        };
        if ran.code == -number {
            // The signal came before the program was ready for it, and so before any request.
            assert!(started == 0 && sim.requests().is_empty(), "killed by the signal itself");
            return;
        }
        ran.check();
        let expected = if self.signal == "INT" { 130 } else { 143 };
        assert!([expected, 15].contains(&ran.code), "exit code {}", ran.code);
        let is_said = ran.code == 15 || ran.document["still_running"] == true;
        assert!(open == 0 || is_said, "an own build was left running, and nothing says so");
        assert!(open == 0 || self.sick.is_some(), "an own build was left running on a healthy service");
        assert!(ran.took < self.after + Duration::from_secs(8), "it took {:?} to end", ran.took);
    }

    /// The same key finds the build that the killed call has started.
    fn adopt(&self, sim: &Simulator, started: usize) {
        let mut call = call(sim, self).env("CIBRIDGE_TIMEOUT", "30s");
        call.arguments.retain(|argument| argument != "--wait");
        let again = call.run();
        assert_eq!(again.code, 0, "the same call again\n{again}");
        again.check();
        assert_eq!(again.document["adopted"], started == 1, "adopted\n{again}");
        assert_eq!(left_running(sim).1, 1, "one build\n{again}");
    }
}

fn run(shots: &[Shot], at_once: usize) -> (Vec<(Shot, i32)>, Vec<String>) {
    let results = run_all(shots, at_once, Shot::run);
    let (mut codes, mut wrong) = (Vec::new(), Vec::new());
    for (shot, result) in shots.iter().zip(results) {
        match result.and_then(|inner| inner) {
            Ok(code) => codes.push((shot.clone(), code)),
            Err(text) => wrong.push(text),
        }
    }
    (codes, wrong)
}

#[test]
fn a_sample_of_the_kill_matrix() {
    if ["HUP", "INT", "TERM"].into_iter().any(crate::support::is_ignored) {
        return;
    }
    report(&run(&shots(40), 8).1);
}

#[test]
#[ignore = "minutes: make matrix"]
fn the_whole_kill_matrix() {
    let (shots, is_whole) = chosen("kill", shots(500), |shot| format!("{shot:?}"));
    let (codes, wrong) = run(&shots, 16);
    if is_whole {
        let signals = ["TERM", "INT", "HUP", "KILL"];
        let rows: Vec<(&str, bool)> = signals.iter().flat_map(|signal| [(*signal, false), (*signal, true)]).collect();
        let names: Vec<_> = rows.iter().map(|(signal, _)| (*signal).to_owned()).collect();
        let table = table("signal", &["service", "runs", "exit codes"].map(str::to_owned), &names, |row, column| {
            let (signal, is_sick) = rows[row];
            let of = codes.iter().filter(|(shot, _)| shot.signal == signal && shot.sick.is_some() == is_sick);
            let mut counts = std::collections::BTreeMap::<i32, usize>::new();
            for (_, code) in of {
                *counts.entry(*code).or_default() += 1;
            }
            match column {
                0 => if is_sick { "failing" } else { "healthy" }.to_owned(),
                1 => counts.values().sum::<usize>().to_string(),
                _ => counts.iter().map(|(code, count)| format!("{code}: {count}")).collect::<Vec<_>>().join(", "),
            }
        });
        let text = format!(
            "# Kill matrix\n\nGenerated by `make matrix`; do not edit. {} runs of `trigger --wait`, seed {SEED}; a signal came at a random\n\
             moment, and a third of them had a service that fails. Runs by signal and exit code; -1, -2 and -15 are those whose\n\
             signal came before the program had begun. Wrong runs: {}.\n\n{table}",
            shots.len(),
            wrong.len(),
        );
        write_table("kill-matrix", &text);
    }
    report(&wrong);
}
