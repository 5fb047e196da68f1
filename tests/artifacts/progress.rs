//! How far a download is: a bar on a terminal, a line every ten seconds in a console.

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
    // A little over ten seconds for two thirds of it; the rest is dripped faster.
    sim.fault(dripping(4000));
    let since = Instant::now();
    let running = call(&sim, &id).spawn();
    running.hear("downloading: ");
    let heard = since.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_secs(13)).contains(&heard), "{heard:?}");
    let done = running.finish();
    is_whole(&sim, &id, &done);
    let lines: Vec<_> = done.stderr.lines().filter(|line| line.starts_with("downloading: ")).collect();
    let [line] = lines[..] else { panic!("{done}") };
    assert!(line.contains(" of 300.0 kB (") && line.contains(" kB/s, ") && line.ends_with(" s left"), "{line}");

    let (sim, id) = demo();
    let done = call(&sim, &id).run();
    assert!(!done.stderr.contains("downloading: "), "{done}");
}

/// `script` runs the program on a terminal of its own.
#[test]
fn a_terminal_gets_a_bar_that_the_next_line_replaces() {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no `script` here");
        return;
    }
    let (sim, id) = demo();
    sim.fault(dripping(30_000));
    let path = std::env::var("PATH").unwrap_or_default();
    let on_a_terminal = |width: &str, term: &str| {
        let script = format!(
            "printf '%s\\n' \"stty cols {width}\" \"exec $*\" > \"$0.run\"; script -qec \"sh $0.run\" \"$0.tty\" > /dev/null; cat \"$0.tty\" | od -An -c -v -w100000 | tr -d '\\n'"
        );
        let call = call(&sim, &id).env("PATH", &path).env("TERM", term);
        let name = call.folder().join("terminal").to_str().unwrap().to_owned();
        let done = call.shell(&script.replace("$0", &name)).run();
        done.code(0);
        done.stdout.split_whitespace().collect::<Vec<_>>().join("")
    };
    let seen = on_a_terminal("100", "xterm");
    assert!(seen.contains("\\r033[K["), "a bar\n{seen}");
    assert!(seen.contains("===") && seen.contains("%)") && seen.contains("kB/s"), "{seen}");
    let last = seen.rsplit("\\r033[K").next().unwrap();
    assert!(last.starts_with("saved/") || last.starts_with("saved"), "the next line takes its place\n{seen}");
    // A terminal that cannot redraw is a console.
    sim.fault(dripping(30_000));
    assert!(!on_a_terminal("100", "dumb").contains("033[K"));
}
