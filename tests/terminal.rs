//! The program on a terminal: what moves, what has colors, what is asked, and how wide it is.

use std::process::Command;

use cibridge_simulator::{
    Advance, JENKINS_TOKEN, JENKINS_USER, JenkinsConfig, JenkinsJob, JenkinsMove, JenkinsParameter, Simulator,
};

use crate::support::{Call, binary, simulator, started};

/// Takes the cursor to the start of the line and erases it.
const ERASE: &str = "\r\u{1b}[K";

fn list(sim: &Simulator, arguments: &str) -> Call {
    Call::to(sim, "codemagic builds").args(arguments)
}

#[test]
fn a_line_says_what_the_build_does_and_is_gone_when_something_happens() {
    let sim = simulator().advance(Advance::Manual).start().unwrap();
    let call = Call::following(&sim, "--artifacts *.ipa --artifacts-dir");
    let dir = call.folder().join("dist");
    let screen = call.arg(dir).on_terminal(80);
    screen.wait_for(&format!("{ERASE}status: queued for 1s\r"));
    sim.advance(10_000.0);
    let (code, seen) = screen.finish();
    assert_eq!(code, 0, "{seen}");
    let last = seen.rsplit("status: queued for ").next().unwrap();
    assert!(last.contains(&format!("{ERASE}step \"Preparing build machine\": ")), "the live line stays:\n{seen}");
    let lines: Vec<&str> = seen.split(['\n', '\r']).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("Codemagic build started: ")).count(), 1);
    assert!(lines.iter().all(|line| line.chars().count() < 80 || line.contains("http")), "{seen}");
}

#[test]
fn a_line_is_drawn_on_a_terminal_that_can_and_not_when_it_is_to_be_quiet() {
    for (variable, value) in [("TERM", "dumb"), ("CIBRIDGE_QUIET", "true")] {
        let sim = simulator().start().unwrap();
        let (code, seen) = Call::following(&sim, "").env(variable, value).on_terminal(80).finish();
        assert_eq!(code, 0, "{seen}");
        assert!(!seen.contains(ERASE), "{variable}={value} draws:\n{seen}");
    }
}

#[test]
fn states_have_colors_on_a_terminal_unless_they_are_not_wanted() {
    let sim = simulator().start().unwrap();
    let id = started(&sim);
    Call::to(&sim, "codemagic wait").arg(&id).env("CIBRIDGE_POLL_INTERVAL", "20ms").run().exit_code(0);
    let green = "\u{1b}[32mfinished\u{1b}[0m";
    let shown = |call: Call| call.on_terminal(200).finish().1;
    assert!(shown(list(&sim, "")).contains(green));
    assert!(shown(list(&sim, "").env("NO_COLOR", "1").args("--color always")).contains(green));
    for call in [list(&sim, "").env("NO_COLOR", "1"), list(&sim, "--color never"), list(&sim, "").env("TERM", "dumb")] {
        let seen = shown(call);
        assert!(!seen.contains('\u{1b}') && seen.starts_with("ID ") && seen.contains("finished"), "{seen}");
    }
    let error = shown(Call::to(&sim, "codemagic status nonsense"));
    assert!(error.contains("\u{1b}[31mcibridge: error: \u{1b}[0m"), "{error}");
    let piped = list(&sim, "").run();
    assert!(piped.stdout.starts_with(&format!("{id}\t")), "{}", piped.stdout);
}

#[test]
fn an_empty_list_says_so_on_a_terminal() {
    let sim = simulator().start().unwrap();
    assert_eq!(list(&sim, "").on_terminal(80).finish(), (0, "no builds found\n".to_owned()));
}

#[test]
fn removing_all_caches_asks_a_person_and_no_script() {
    for (answer, code) in [("yes", 0), ("no", 2), ("", 2)] {
        let sim = simulator().start().unwrap();
        let mut screen = Call::to(&sim, "codemagic caches --clear").on_terminal(80);
        screen.wait_for("Type `yes`:\r");
        screen.types(answer);
        let (exit, seen) = screen.finish();
        assert_eq!(exit, code, "{answer:?}:\n{seen}");
        assert_eq!(sim.requests_to("DELETE", "/caches").len(), usize::from(code == 0), "{answer:?}");
    }
    let sim = simulator().start().unwrap();
    let screen = Call::to(&sim, "codemagic caches --clear").on_terminal(80);
    screen.wait_for("Type `yes`:\r");
    screen.signal("TERM");
    let (exit, seen) = screen.finish();
    assert!(exit == 143 && seen.contains("ended before the answer; nothing was removed"), "{exit} {seen}");
    assert_eq!(sim.requests_to("DELETE", "/caches").len(), 0);
    Call::to(&sim, "codemagic caches --clear --yes").on_terminal(80).finish();
    Call::to(&sim, "codemagic caches --clear").run().exit_code(0);
    assert_eq!(sim.requests_to("DELETE", "/caches").len(), 2);
}

#[test]
fn who_waits_for_a_build_reads_what_ctrl_c_does() {
    for (flag, words) in [("", "Ctrl-C leaves the build running"), ("--cancel", "Ctrl-C cancels the build")] {
        let sim = simulator().start().unwrap();
        let id = started(&sim);
        let call = Call::to(&sim, "codemagic wait").arg(id).args(flag).env("CIBRIDGE_POLL_INTERVAL", "20ms");
        let (_, seen) = call.on_terminal(80).finish();
        assert!(seen.contains(words), "{seen}");
    }
}

#[test]
fn a_qr_code_is_dark_on_light_where_there_is_room_for_it() {
    let sim = simulator().start().unwrap();
    let id = started(&sim);
    Call::to(&sim, "codemagic wait").arg(&id).env("CIBRIDGE_POLL_INTERVAL", "20ms").run().exit_code(0);
    let share = |columns| Call::to(&sim, "codemagic share --match *.ipa --qr").arg(&id).on_terminal(columns).finish().1;
    let seen = share(200);
    assert!(seen.lines().filter(|line| line.starts_with("\u{1b}[30m\u{1b}[107m ")).count() > 20, "{seen}");
    assert!(share(20).contains("columns; --qr-dir saves it as an image"), "no room");
}

#[test]
fn a_person_who_asks_about_one_build_sees_its_steps() {
    let sim = simulator().start().unwrap();
    let id = started(&sim);
    Call::to(&sim, "codemagic wait").arg(&id).env("CIBRIDGE_POLL_INTERVAL", "20ms").run().exit_code(0);
    let status = |arguments: &str| Call::to(&sim, "codemagic status").arg(&id).args(arguments);
    let step = "\nstep \"Build ipa\": succeeded in 2m 00s\n";
    assert!(status("").on_terminal(200).finish().1.contains(step));
    assert!(!status(&id).on_terminal(200).finish().1.contains(step), "two builds");
    status("").run().exit_code(0).stderr_is("");
}

#[test]
fn an_answer_leaves_the_prompt_a_line_of_its_own() {
    let sim = simulator().start().unwrap();
    let call = || Call::to(&sim, "codemagic api GET /user/teams");
    assert!(call().on_terminal(200).finish().1.ends_with("}\n"));
    assert!(call().run().exit_code(0).stdout.ends_with('}'));
}

#[test]
fn the_columns_of_each_list_are_those_of_its_page() {
    let job = JenkinsJob::freestyle("params").parameter(JenkinsParameter::string("S", "def"));
    let sim = simulator().jenkins(JenkinsConfig::with_jobs([job])).start().unwrap();
    let id = started(&sim);
    Call::to(&sim, "codemagic wait").arg(&id).env("CIBRIDGE_POLL_INTERVAL", "20ms").run().exit_code(0);
    let items: Vec<u64> = (0..2).map(|_| sim.start_jenkins_build("params")).collect();
    sim.move_jenkins_run(items[0], JenkinsMove::End);
    let page = include_str!("../jenkins-lib/docs/command-line.md").split("## Lists").nth(1).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once(" | "));
    let mut lists = 0;
    for (verbs, columns) in rows.take_while(|(verbs, _)| !verbs.starts_with("--")) {
        let verb = verbs.split('`').next().unwrap();
        let words = match verb {
            "codemagic status" => format!("{verb} {id}"),
            "artifacts --list" => format!("codemagic {verb} {id}"),
            "codemagic share" => format!("{verb} {id} --match *.ipa"),
            "jenkins status" => format!("{verb} queue/item/{}", items[0]),
            "jenkins builds" | "jenkins params" => format!("{verb} params"),
            verb => verb.to_owned(),
        };
        let call = Call::to(&sim, &words)
            .env("CIBRIDGE_JENKINS_URL", sim.jenkins_url())
            .env("JENKINS_USER_ID", JENKINS_USER)
            .env("JENKINS_API_TOKEN", JENKINS_TOKEN);
        let (code, seen) = call.args("--color never").on_terminal(200).finish();
        let heading =
            seen.lines().next().unwrap_or_default().split("  ").map(str::trim).filter(|part| !part.is_empty());
        let heading = heading.collect::<Vec<_>>().join(", ").to_lowercase();
        assert!(heading == columns, "{words} ended with {code}:\n{seen}\nthe page: {columns}");
        lists += 1;
    }
    assert_eq!(lists, 10);
}

/// The commands that a help page lists.
fn commands(page: &str) -> Vec<String> {
    let lines = page.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    names.filter_map(|line| line.split(' ').next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_help_page_fits_into_the_terminal_and_has_examples_and_exit_codes() {
    let help = |words: &str| {
        let (code, seen) = Call::new(words).args("--help").on_terminal(80).finish();
        assert_eq!(code, 0);
        seen
    };
    let mut pages = 0;
    let mut check = |words: &str| {
        let page = help(words);
        // A word that is longer than the line stays whole.
        let long = page.lines().find(|line| line.chars().count() > 80 && line.trim().contains(' '));
        assert_eq!(long, None, "{words}");
        assert!(page.contains("Exit codes: 0 success"), "{words}");
        let inner = commands(&page);
        let examples =
            page.lines().skip_while(|line| *line != "Examples:").filter(|line| line.contains("cibridge ")).count();
        assert!(!inner.is_empty() || examples >= 2, "{words} has {examples} examples:\n{page}");
        pages += 1;
        inner
    };
    let mut rest = vec![String::new()];
    while let Some(words) = rest.pop() {
        rest.extend(check(&words).into_iter().map(|name| format!("{words} {name}").trim().to_owned()));
    }
    assert!(pages > 35, "{pages}");
    let plain = Command::new(binary()).arg("--help").output().unwrap();
    assert!(!String::from_utf8(plain.stdout).unwrap().contains('\u{1b}'));
}
