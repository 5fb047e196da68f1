//! The fault matrix: every kind of request meets every fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cibridge_simulator::{Builder, Fault, Leaf, TlsOptions};

use super::faults::{CLASSES, Case, Hit, Line, is_plausible, lasting, passing};
use super::kinds::{KINDS, Kind, Role};
use super::{Ran, chosen, report, run_all, shown, table, write_table};
use crate::support::net::{BlackHole, ClosedPort, Manner, Proxy, silent_port};

/// A kind of request and a fault.
struct Cell {
    kind: &'static Kind,
    case: Case,
    /// Whether the fault hits every request of the kind, or only the first.
    is_lasting: bool,
}

fn cells() -> Vec<Cell> {
    let of = |kind: &'static Kind, cases: Vec<Case>, is_lasting| {
        cases.into_iter().map(move |case| Cell { kind, case, is_lasting })
    };
    KINDS.iter().flat_map(|kind| of(kind, lasting(), true).chain(of(kind, passing(), false))).collect()
}

impl Cell {
    fn name(&self) -> String {
        let Self { kind, case, is_lasting } = self;
        let how = if *is_lasting { "" } else { ", once" };
        format!("{}: {} × {}: {}{how}", kind.service(), kind.name, case.class, case.name)
    }

    /// Runs it, and gives the exit code with what is wrong, if anything is.
    fn run(&self) -> (i32, Option<String>) {
        let (stage, ran, is_hit) = match &self.case.hit {
            Hit::Answer(fault) => {
                let stage = self.kind.stage(|builder| builder);
                let fault = Fault::clone(fault).listener(stage.listener()).times(u32::from(!self.is_lasting));
                let path = stage.path();
                let fault = if path == "storage" { fault } else { fault.on(self.kind.method, &path) };
                stage.sim.fault(fault);
                let ran = stage.call().run();
                let is_hit = stage.sim.counters().faults > 0;
                (stage, ran, is_hit)
            }
            Hit::Line(line) => {
                let (stage, ran) = on_bad_line(self.kind, *line);
                (stage, ran, true)
            }
        };
        let code = ran.code;
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ran.check();
            stage.check(&ran, !matches!(self.case.class, "JSON" | "length" | "page"));
            assert!(is_hit, "no request met the fault");
            let Self { kind, case, .. } = self;
            // A bad line is bad for every request of the call.
            let is_line = matches!(case.hit, Hit::Line(_));
            let role = match kind.role {
                Role::Extra if is_line => Role::Read,
                _ if is_line && kind.is_start() => Role::Start,
                role => role,
            };
            if kind.is_other(code) {
                return;
            }
            assert!(
                is_plausible(case.meaning, role, kind.name == "file of an artifact", kind.code, code),
                "{code} is no code for this fault"
            );
        }));
        let wrong = checked.err().map(|panic| format!("{}: {}\n{ran}", self.name(), super::message(&*panic)));
        (code, wrong)
    }
}

/// Runs the call of a kind while the line to both services is bad.
fn on_bad_line(kind: &Kind, line: Line) -> (super::kinds::Stage, Ran) {
    let tls = |leaf, tls12_only| {
        move |builder: Builder| builder.tls_with(TlsOptions { leaf, tls12_only, ..TlsOptions::default() })
    };
    let stage = match line {
        Line::Expired => kind.stage(tls(Leaf::Expired, false)),
        Line::NotYetValid => kind.stage(tls(Leaf::Future, false)),
        Line::WrongHost => kind.stage(tls(Leaf::WrongHost, false)),
        Line::OtherAuthority => kind.stage(tls(Leaf::OtherCa, false)),
        Line::Tls12 => kind.stage(tls(Leaf::Good, true)),
        Line::Proxy(_) | Line::TlsOnPlain => kind.stage(tls(Leaf::Good, false)),
        _ => kind.stage(|builder| builder),
    };
    let (closed, full, silent) = (ClosedPort::take(), BlackHole::open(), silent_port());
    let origin = match line {
        Line::NoSuchHost => Some("https://no-such-host.invalid".to_owned()),
        Line::Refused => Some(format!("http://127.0.0.1:{}", closed.port())),
        Line::Full => Some(format!("http://127.0.0.1:{}", full.port())),
        Line::Silent => Some(format!("http://127.0.0.1:{}", silent.1)),
        _ => None,
    };
    let mut call = stage.call();
    let scheme = |url: &str| match line {
        Line::PlainOnTls => url.replace("http:", "https:"),
        Line::TlsOnPlain => url.replace("https:", "http:"),
        _ => url.to_owned(),
    };
    let (v3, legacy, jenkins) = match &origin {
        Some(origin) => (format!("{origin}/api/v3"), origin.clone(), origin.clone()),
        None => (scheme(stage.sim.v3_url()), scheme(stage.sim.legacy_url()), scheme(stage.sim.jenkins_url())),
    };
    call = call
        .env("CODEMAGIC_API_URL", &v3)
        .env("CODEMAGIC_LEGACY_API_URL", &legacy)
        .env("CIBRIDGE_JENKINS_URL", &jenkins);
    if let Line::Proxy(answer) = line {
        call = call.env("HTTPS_PROXY", &Proxy::start(Manner::Answer(answer)).url(""));
    }
    let ran = call.run();
    (stage, ran)
}

/// The exit codes seen, by kind of request, class of faults, and whether those lasted.
type Table = BTreeMap<(usize, &'static str, bool), BTreeSet<i32>>;

/// Runs cells and gives the codes of each row and column; panics with all that is wrong.
fn run_cells(cells: &[Cell], at_once: usize) -> (Table, Vec<String>) {
    let results = run_all(cells, at_once, Cell::run);
    let (mut table, mut wrong) = (Table::new(), Vec::new());
    for (cell, result) in cells.iter().zip(results) {
        let row = KINDS.iter().position(|kind| std::ptr::eq(kind, cell.kind)).unwrap();
        match result {
            Ok((code, fault)) => {
                table.entry((row, cell.case.class, cell.is_lasting)).or_default().insert(code);
                wrong.extend(fault);
            }
            Err(panic) => wrong.push(format!("{}: {panic}", cell.name())),
        }
    }
    (table, wrong)
}

/// The table as Markdown: a row for each kind of request, a column for each class of faults.
fn table_of(cells: usize, wrong: usize, codes: &Table) -> String {
    let mut text = format!(
        "# Fault matrix\n\nGenerated by `make matrix`; do not edit. {cells} runs: {} kinds of requests, each with {} faults that hit every\n\
         request of the kind and {} that hit only the first. A cell has the exit codes that were seen, those of faults\n\
         that hit only the first request after `/`. What is checked of every run is in `tests/matrix/`. Wrong\n\
         runs: {wrong}.\n",
        KINDS.len(),
        lasting().len(),
        passing().len(),
    );
    for service in ["Codemagic", "Jenkins"] {
        let (places, names): (Vec<_>, Vec<_>) = KINDS
            .iter()
            .enumerate()
            .filter(|(_, kind)| kind.service() == service)
            .map(|(place, kind)| (place, kind.name.to_owned()))
            .unzip();
        let cell = |row: usize, column: usize| {
            let codes =
                |is_lasting| shown(codes.get(&(places[row], CLASSES[column], is_lasting)).into_iter().flatten());
            let once = codes(false);
            let separator = if once.is_empty() { "" } else { " / " };
            format!("{}{separator}{once}", codes(true))
        };
        write!(text, "\n## {service}\n\n{}", table("request", &CLASSES.map(str::to_owned), &names, cell)).unwrap();
    }
    text
}

#[test]
fn each_kind_of_request_is_made_without_faults() {
    let results = run_all(KINDS, 16, |kind| {
        let stage = kind.stage(|builder| builder);
        let ran = stage.call().run();
        let made = stage.sim.requests().iter().any(|request| {
            request.listener == stage.listener()
                && (stage.path() == "storage" || request.is(kind.method, &stage.path()))
        });
        assert!(
            made,
            "{}: no such request: {:?}\n{ran}",
            kind.name,
            stage.sim.requests().iter().map(|r| format!("{} {}", r.method, r.path)).collect::<Vec<_>>()
        );
        assert_eq!(ran.code, kind.code, "{ran}");
        ran.check();
        stage.check(&ran, true);
    });
    report(&results.into_iter().filter_map(Result::err).collect::<Vec<_>>());
}

/// Every 41st cell: 41 is prime, so that all rows and columns have some.
#[test]
fn a_sample_of_the_fault_matrix() {
    let is_quick = |cell: &Cell| cell.kind.role != Role::Start || !cell.is_lasting;
    let sample: Vec<_> = cells().into_iter().step_by(41).filter(is_quick).collect();
    report(&run_cells(&sample, 24).1);
}

#[test]
#[ignore = "minutes: make matrix"]
fn the_whole_fault_matrix() {
    let (cells, is_whole) = chosen("fault", cells(), Cell::name);
    let (codes, wrong) = run_cells(&cells, 96);
    if is_whole {
        write_table("fault-matrix", &table_of(cells.len(), wrong.len(), &codes));
    }
    report(&wrong);
}
