//! The secret matrix: every verb against a service that sends back what it got, in every spelling and place.

use cibridge_simulator::{DEFAULT_KEY, Fault, JENKINS_PASSWORD, JENKINS_TOKEN};
use std::fs;

use super::kinds::KINDS;
use super::{Ran, files, report, run_all};
use crate::support::forms;

/// A value that encoders change, as a build's variable may have it.
const VALUE: &str = "p@ss \"wörd\"&<x>/\\'%+;=$2y$\u{e9}";

/// All the texts that must not come out.
const SECRETS: [&str; 4] = [DEFAULT_KEY, JENKINS_TOKEN, JENKINS_PASSWORD, VALUE];

/// Where a service repeats what it got.
#[derive(Clone, Copy, Debug)]
enum Echo {
    Json(u16),
    Text(u16),
    Page(u16),
    Header,
    Redirect,
    Name,
    Log,
}

const ECHOES: [Echo; 11] = [
    Echo::Json(200),
    Echo::Json(400),
    Echo::Json(401),
    Echo::Json(500),
    Echo::Text(403),
    Echo::Page(200),
    Echo::Page(404),
    Echo::Header,
    Echo::Redirect,
    Echo::Name,
    Echo::Log,
];

impl Echo {
    fn fault(self, text: &str) -> Fault {
        let quoted = serde_json::to_string(text).unwrap();
        match self {
            Self::Json(status) => Fault::answer(
                status,
                &format!(
                    "{{\"detail\":{quoted},\"message\":{quoted},\"error\":{quoted},\"extra\":[{{\"key\":\"x\",\"message\":{quoted}}}]}}"
                ),
            ),
            Self::Text(status) => Fault::answer(status, text),
            Self::Page(status) => {
                Fault::answer(status, &format!("<html><head><title>{text}</title></head><body>{text}</body></html>"))
            }
            Self::Header => Fault::status(400).set("X-Error", &ascii(text)).set("X-Jenkins", &ascii(text)),
            Self::Redirect => {
                Fault::redirect(302, &format!("https://sso.example.com/{}/?k={}", ascii(text), ascii(text)))
            }
            Self::Name => {
                Fault::replace("\"name\":\"", format!("\"name\":\"{} ", &quoted[1..quoted.len() - 1]).as_bytes())
            }
            Self::Log => Fault::replace("no profile", text.as_bytes()),
        }
    }
}

/// A header holds no control characters and nothing but ASCII.
fn ascii(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).collect()
}

/// Panics if a secret is anywhere it does not belong.
#[track_caller]
fn check(ran: &Ran, tables: &[(String, Vec<String>)]) {
    ran.check();
    let mut places = vec![("stdout".to_owned(), ran.stdout.clone()), ("stderr".to_owned(), ran.stderr.clone())];
    for path in files(ran.call.folder()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The call was given these.
        if name != "password" && !name.starts_with("token") {
            places.push((name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        }
    }
    for (secret, forms) in tables {
        for (place, text) in &places {
            let form = forms.iter().find(|form| text.contains(form.as_str()));
            assert!(form.is_none(), "{place} shows {secret:?} as {form:?}");
        }
    }
}

/// A kind of request, where what comes back is, and in which spelling.
struct Cell {
    kind: usize,
    echo: Echo,
    secret: &'static str,
    form: String,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (kind, entry) in KINDS.iter().enumerate() {
        let secrets: Vec<_> = match entry.service() {
            "Codemagic" if entry.is_start() => vec![DEFAULT_KEY, VALUE],
            "Codemagic" => vec![DEFAULT_KEY],
            _ => vec![JENKINS_TOKEN],
        };
        for echo in ECHOES {
            for secret in &secrets {
                cells.extend(forms(secret).into_iter().map(|form| Cell { kind, echo, secret, form }));
            }
        }
    }
    cells
}

impl Cell {
    fn run(&self) -> Option<String> {
        let kind = &KINDS[self.kind];
        let stage = kind.stage(|builder| builder);
        stage.sim.fault(self.echo.fault(&format!("got <{}>", self.form)).listener(stage.listener()).always());
        let mut call = stage.call().env("CIBRIDGE_VERBOSE", "true");
        if kind.service() == "Codemagic" && kind.is_start() {
            call = call.env("CIBRIDGE_VAR_FROM_ENV", "SECRET_VALUE").env("SECRET_VALUE", VALUE);
        }
        let ran = call.run();
        // Whoever sends a request of their own gets the answer, the key taken out.
        let tables: Vec<_> = [self.secret].map(|secret| (secret.to_owned(), forms(secret))).to_vec();
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&ran, &tables)));
        let name = format!("{}: {} × {:?} × {:?}", kind.service(), kind.name, self.echo, self.form);
        checked.err().map(|panic| format!("{name}: {}\n{ran}", super::message(&*panic)))
    }
}

fn run(cells: &[Cell], at_once: usize) -> Vec<String> {
    run_all(cells, at_once, Cell::run).into_iter().filter_map(|result| result.unwrap_or_else(Some)).collect()
}

/// A prime step, so that all rows and columns have some.
#[test]
fn a_sample_of_the_secret_matrix() {
    let sample: Vec<_> = cells().into_iter().step_by(127).collect();
    report(&run(&sample, 16));
}

#[test]
#[ignore = "minutes: make matrix"]
fn the_whole_secret_matrix() {
    let cells = cells();
    println!("{} runs", cells.len());
    report(&run(&cells, 48));
}

/// The list of processes, the memory of a crash, and the folder for temporary files are open to others.
#[test]
fn no_secret_is_in_arguments_and_no_core_is_dumped() {
    let kinds: Vec<_> =
        KINDS.iter().filter(|kind| kind.name.starts_with("start") || kind.name == "create a token").collect();
    let results = run_all(&kinds, 8, |kind| {
        let stage = kind.stage(|builder| builder);
        stage.sim.fault(Fault::slow(std::time::Duration::from_millis(600)).always());
        let running = stage.call().spawn();
        let process = format!("/proc/{}", running.child.id());
        assert!(stage.sim.wait_for(std::time::Duration::from_secs(10), |state| !state.requests().is_empty()));
        let arguments = String::from_utf8_lossy(&fs::read(format!("{process}/cmdline")).unwrap()).into_owned();
        let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
        for secret in SECRETS {
            assert!(!arguments.contains(secret), "{arguments}");
        }
        let children = fs::read_to_string(format!("{process}/task/{}/children", running.child.id()));
        assert_eq!(children.unwrap_or_default(), "", "another process");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        // A file of one byte holds nothing, and a limit of 1 keeps the kernel from passing the memory to a program
        // (core(5), "Piping core dumps to a program").
        assert!(["0", "1"].contains(&core.split_whitespace().nth(4).unwrap()), "{core}");
        running.wait();
    });
    report(&results.into_iter().filter_map(Result::err).collect::<Vec<_>>());
}
