//! The secret matrix: every verb against a service that sends back what it got, in every spelling and place.

use cibridge_simulator::{DEFAULT_KEY, Fault, JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, JENKINS_TOKEN};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fs;

use super::kinds::KINDS;
use super::{Codes, Ran, chosen, files, report, run_all, table, write_table};
use crate::support::forms;

/// A value that encoders change, as a build's variable may have it.
const VALUE: &str = "p@ss \"wörd\"&<x>/\\'%+;=$2y$\u{e9}";

/// All the texts that must not come out.
const SECRETS: [&str; 4] = [DEFAULT_KEY, JENKINS_TOKEN, JENKINS_PASSWORD, VALUE];

/// What JavaScript's `encodeURIComponent` leaves as it is, besides letters and digits.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// All spellings of a secret, each once: those of [`forms`], and what encoders of other languages make of it.
fn spellings(secret: &str) -> Vec<String> {
    let component = utf8_percent_encode(secret, COMPONENT).to_string();
    let json = serde_json::to_string(secret).unwrap();
    let json = &json[1..json.len() - 1];
    // As PHP writes a slash, and Go what HTML would read.
    let escaped = json.replace('/', "\\/");
    let unicode = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e").replace('+', "\\u002B");
    let hex = secret.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let others = [
        component.replace("%20", "+"),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string().to_ascii_lowercase(),
        component,
        escaped,
        unicode,
        secret.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"),
        hex.to_ascii_uppercase(),
        hex,
    ];
    let mut all: Vec<String> = Vec::new();
    for spelling in forms(secret).into_iter().chain(others) {
        if !all.contains(&spelling) {
            all.push(spelling);
        }
    }
    all
}

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
fn check(ran: &Ran, secret: &str, spellings: &[String]) {
    ran.check();
    let mut places = vec![("stdout".to_owned(), ran.stdout.clone()), ("stderr".to_owned(), ran.stderr.clone())];
    for path in files(ran.call.folder()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The call was given these.
        if name != "password" && !name.starts_with("token") {
            places.push((name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        }
    }
    for (place, text) in &places {
        let spelling = spellings.iter().find(|spelling| text.contains(spelling.as_str()));
        assert!(spelling.is_none(), "{place} shows {secret:?} as {spelling:?}");
    }
}

/// A kind of request, a place in which its answer repeats a secret, and which one: in all spellings at once. Each kind
/// begins with another spelling, because a long text is shown in part.
struct Cell {
    kind: usize,
    echo: usize,
    secret: &'static str,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (kind, entry) in KINDS.iter().enumerate() {
        let secrets: &[&str] = match entry.service() {
            "Codemagic" if entry.is_start() => &[DEFAULT_KEY, VALUE],
            "Codemagic" => &[DEFAULT_KEY],
            // The secrets that these calls are given.
            _ if entry.name == "crumb" => &[JENKINS_PASSWORD],
            _ if entry.name.ends_with("configuration") => &[JENKINS_ADMIN_TOKEN],
            _ => &[JENKINS_TOKEN],
        };
        for echo in 0..ECHOES.len() {
            cells.extend(secrets.iter().map(|secret| Cell { kind, echo, secret }));
        }
    }
    cells
}

impl Cell {
    fn name(&self) -> String {
        let kind = &KINDS[self.kind];
        format!("{}: {} × {:?} × {:?}", kind.service(), kind.name, ECHOES[self.echo], self.secret)
    }

    fn run(&self) -> (i32, Option<String>) {
        let kind = &KINDS[self.kind];
        let stage = kind.stage(|builder| builder);
        let mut spellings = spellings(self.secret);
        let first = self.kind % spellings.len();
        spellings.rotate_left(first);
        let text = format!("got <{}>", spellings.join("> <"));
        stage.sim.fault(ECHOES[self.echo].fault(&text).listener(stage.listener()).always());
        let mut call = stage.call().env("CIBRIDGE_VERBOSE", "true");
        if kind.service() == "Codemagic" && kind.is_start() {
            call = call.env("CIBRIDGE_VAR_FROM_ENV", "SECRET_VALUE").env("SECRET_VALUE", VALUE);
        }
        let ran = call.run();
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&ran, self.secret, &spellings)));
        (ran.code, checked.err().map(|panic| format!("{}: {}\n{ran}", self.name(), super::message(&*panic))))
    }
}

fn run(cells: &[Cell], at_once: usize) -> Codes {
    let mut codes = Codes::default();
    for (cell, result) in cells.iter().zip(run_all(cells, at_once, Cell::run)) {
        codes.add(cell.kind, cell.echo, result);
    }
    codes
}

/// A prime step, so that all rows and columns have some.
#[test]
fn a_sample_of_the_secret_matrix() {
    let sample: Vec<_> = cells().into_iter().step_by(13).collect();
    report(&run(&sample, 16).wrong);
}

#[test]
#[ignore = "minutes: make matrix"]
fn the_whole_secret_matrix() {
    let (cells, is_whole) = chosen("secret", cells(), Cell::name);
    let codes = run(&cells, 48);
    if is_whole {
        let places: Vec<_> = ECHOES.iter().map(|echo| format!("{echo:?}")).collect();
        let kinds: Vec<_> = KINDS.iter().map(|kind| format!("{}: {}", kind.service(), kind.name)).collect();
        let text = format!(
            "# Secret matrix\n\nGenerated by `make matrix`; do not edit. {} runs: {} kinds of requests, whose answers repeat a secret that the\n\
             call was given, in {} places and in each run in all spellings (key or token {}, value of a variable {}). A cell has the\n\
             exit codes. Runs with a spelling in stdout, stderr or a file: {}.\n\n{}",
            cells.len(),
            KINDS.len(),
            ECHOES.len(),
            spellings(DEFAULT_KEY).len(),
            spellings(VALUE).len(),
            codes.wrong.len(),
            table("request", &places, &kinds, |row, column| codes.cell(row, column)),
        );
        write_table("secret-matrix", &text);
    }
    report(&codes.wrong);
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
