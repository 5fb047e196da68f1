//! How far a download is: a bar on a terminal, a line every ten seconds in a console.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use cibridge_simulator::{Fault, FaultKind, Listener};

use super::{call, demo, is_whole};

/// The storage sends `bytes` every fifth of a second.
fn dripping(bytes: u64) -> Fault {
    Fault::new(FaultKind::Drip { bytes, interval_ms: 200 }).listener(Listener::Storage)
}

/// One line when ten seconds have passed, with what is known; a shorter download has none.
#[test]
fn a_console_gets_a_line_every_ten_seconds() {
    let (sim, id) = demo();
    // Fifteen seconds for all of it.
    sim.fault(dripping(4000));
    let since = Instant::now();
    let running = call(&sim, &id).spawn();
    running.wait_for_stderr("download: ");
    let heard = since.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_secs(15)).contains(&heard), "{heard:?}");
    let done = running.finish();
    is_whole(&sim, &id, &done);
    let lines: Vec<_> = done.stderr.lines().filter(|line| line.starts_with("download: ")).collect();
    let [line] = lines[..] else { panic!("{done}") };
    assert!(line.contains(" of 300.0 kB (") && line.contains(" kB/s, ") && line.ends_with("s left"), "{line}");

    let (sim, id) = demo();
    let done = call(&sim, &id).run();
    assert!(!done.stderr.contains("download: "), "{done}");
}

/// Takes the cursor to the start of the line and erases it.
const CLEAR: &str = "\r\u{1b}[K";

/// What a terminal so many columns wide is sent while the artifact is downloaded; `script` plays the terminal.
fn terminal(columns: u16, kind: &str) -> String {
    let (sim, id) = demo();
    sim.fault(dripping(30_000));
    let call = call(&sim, &id);
    let sent = call.folder().join("sent");
    let path = std::env::var("PATH").unwrap_or_default();
    let script = format!("script -qec \"stty cols {columns}; exec $*\" \"$SENT\" > /dev/null");
    let done = call.env("PATH", &path).env("TERM", kind).env("SENT", sent.to_str().unwrap()).shell(&script).run();
    done.exit_code(0);
    fs::read_to_string(sent).unwrap()
}

#[test]
fn a_terminal_gets_a_bar_that_the_next_line_replaces() {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no `script` here");
        return;
    }
    let wide = terminal(120, "xterm");
    let mut bars: Vec<_> = wide.split(CLEAR).skip(1).collect();
    let saved = bars.pop().unwrap();
    assert!(
        saved.starts_with("saved /") && saved.contains("/Demo.ipa (300.0 kB)\r\ndownloaded 1 artifact, "),
        "{wide:?}"
    );
    let (first, last) = (bars[0], bars[bars.len() - 1]);
    assert!(bars.len() > 3 && first.starts_with('[') && last.starts_with("[===="), "{wide:?}");
    let amounts: std::collections::BTreeSet<_> = bars.iter().map(|bar| bar.split(" of ").next().unwrap()).collect();
    assert!(amounts.len() > 3, "it moves with each piece that comes: {wide:?}");
    assert!(last.contains(" kB of 300.0 kB (") && last.contains(" kB/s, ") && last.ends_with("s left"), "{wide:?}");

    // A line that wraps could not be erased.
    let narrow = terminal(40, "xterm");
    let longest = narrow.split(CLEAR).filter(|text| text.contains(" of ")).map(|text| text.chars().count()).max();
    assert_eq!(longest, Some(39), "{narrow:?}");
    // What cannot redraw a line is a console.
    let dumb = terminal(120, "dumb");
    assert!(!dumb.contains('\u{1b}') && dumb.contains("saved /"), "{dumb:?}");
}
