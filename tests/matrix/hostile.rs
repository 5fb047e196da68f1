//! The hostile matrix: names, texts, links and sizes as somebody would choose them who wants to deceive.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use cibridge_simulator::{
    Advance, ArtifactPlan, Fault, FaultKind, JenkinsArtifact, JenkinsConfig, JenkinsInput, JenkinsJob, JenkinsMove,
    JenkinsParameter, JenkinsPlan, JenkinsStep, JenkinsTest, Plan, Simulator, StartRequest, StepPlan, Target, TestPlan,
};
use serde_json::json;

use super::{Call, Codes, Ran, chosen, files, report, run_all, table, write_table};

/// Texts that steer a terminal, a log, another CI system, a spreadsheet or a reader.
const TEXTS: &[&str] = &[
    "plain",
    "\u{1b}[2J\u{1b}[1;1Hgone",
    "\u{1b}]0;title\u{7}\u{1b}]8;;https://evil.example\u{1b}\\link",
    "\u{9b}31mred",
    "\rcibridge: error: not ours",
    "a\ncibridge: error: not ours\nhint: run this",
    "a\r\n::error file=x::not ours\n##vso[task.complete result=Failed;]\n##teamcity[buildStatus status='FAILURE']",
    "::set-output name=x::y",
    "a\u{85}b\u{2028}cibridge: error: not ours\u{2029}c\u{b}d\u{c}e",
    "\u{202e}gpj.exe\u{202c}\u{2066}x\u{2069}",
    "zero\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}width",
    "soft\u{ad}hyphen \u{61c} \u{180e} \u{e0041}\u{e007f} \u{fff9}x\u{fffb}",
    "\u{0}nul\u{8}\u{8}\u{8}back\u{7f}",
    "<script>alert(1)</script><img src=x onerror=y>&lt;&#x1b;[31m",
    "]]><testcase name='x'/><!--",
    "=cmd|'/c calc'!A0\t@x",
    "$(touch owned) `touch owned` ;touch owned| touch owned",
    "%s%n%x {} {0} \\e[31m \\u001b[31m",
    "\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10ffff}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{65e5}\u{672c}\u{8a9e} \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{5d0}\u{5d1}",
    "",
    " ",
];

/// Names of files that lead elsewhere, mean something to a system, or are the same as another.
const NAMES: &[&str] = &[
    "../../escaped",
    "..",
    ".",
    "/etc/cibridge-owned",
    "a/../../escaped",
    "..\\..\\escaped",
    "C:\\owned",
    "\\\\host\\share\\x",
    "c:x",
    "-rf",
    "--help",
    "~/owned",
    ".bashrc",
    ".git/config",
    "CON",
    "nul.txt",
    "aux.ipa",
    "com1",
    "x:stream",
    "trailing.",
    "trailing ",
    "a\0b",
    "a\nb",
    "a\u{202e}gpj.exe",
    "na\u{ef}ve.apk",
    "nai\u{308}ve.apk",
    "STRASSE",
    "stra\u{df}e",
    "Same.txt",
    "same.txt",
    "same.txt",
    "",
    " ",
    "*",
    "?.ipa",
    "a|b<c>d\"e",
    "%2e%2e%2fescaped",
    "result.json",
    ".tmpabc",
    "a.part",
    "\u{1f4e6}.zip",
];

/// How lines of the program begin, which a text of the service must not imitate.
const OURS: [&str; 3] = ["cibridge: error:", "hint:", "--- "];

/// How commands to a CI system begin.
const COMMANDS: [&str; 4] = ["::", "##vso[", "##teamcity[", "##["];

/// Panics if a text of the service stands where only the program's own may stand.
#[track_caller]
fn check(ran: &Ran) {
    ran.check();
    // Lines of the program that quote a text.
    let quoting = ["cibridge: error: Codemagic", "cibridge: error: Jenkins", "hint: its choices: "];
    let is_ours = |line: &str| quoting.iter().any(|start| line.starts_with(start));
    for line in ran.stderr.lines().filter(|line| !is_ours(line)) {
        assert!(
            !OURS.iter().any(|start| line.starts_with(start)) || !line.contains("not ours"),
            "{line:?} looks like ours"
        );
        assert!(!COMMANDS.iter().any(|start| line.starts_with(start)), "{line:?} is a command");
    }
    // A log on stdout is data: whoever prints it decides where it goes.
    let is_log = ran.call.arguments.iter().any(|argument| ["logs", "console"].contains(&argument.as_str()));
    for line in ran.stdout.lines().filter(|_| !is_log) {
        assert!(!COMMANDS.iter().any(|start| line.starts_with(start)), "{line:?} is a command");
    }
    for text in [&ran.stdout, &ran.stderr, &ran.result] {
        let is_hidden = |c: &char| {
            matches!(*c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        };
        assert_eq!(text.chars().find(is_hidden), None, "a character that hides or turns text");
    }
    let longest = ran.stderr.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    assert!(longest < 4000, "a line of {longest} characters");
}

/// A service whose every text is this one.
fn saying(text: &str) -> (Simulator, String) {
    let case = json!({"name": text, "status": "failed", "error": text, "stackTrace": text});
    let tests = json!([{"name": text, "suites": [{"name": text, "tests": [case]}]}]);
    let mut plan = Plan::failing("Build ipa", &format!("{text}\n{text}"));
    plan.steps[4].name = text.into();
    plan.steps[3].tests = Some(TestPlan { failed: 1, results: Some(tests), ..TestPlan::default() });
    plan.message = Some(text.into());
    plan.commit = Some(text.into());
    plan.labels = vec![text.into()];
    plan.artifacts = vec![ArtifactPlan { r#type: text.into(), ..ArtifactPlan::text(text, "ipa", "content") }];
    let input = JenkinsInput::new("Ask", text).parameter(JenkinsParameter::string("P", text));
    let steps = [JenkinsStep::stage(text), JenkinsStep::text(&format!("{text}\n{text}")), JenkinsStep::input(input)];
    let pipe = JenkinsPlan {
        description: Some(text.into()),
        build_patch: json!({"displayName": text, "fullDisplayName": text}),
        ..JenkinsPlan::steps(steps).result("FAILURE")
    };
    let pipe = pipe.tests([JenkinsTest::failed(text, text, text)]).artifact(JenkinsArtifact::text("out/x", "content"));
    let params = JenkinsJob::freestyle("params").parameter(JenkinsParameter::choice("P", &[text, "other"]));
    let sim = Simulator::builder()
        .advance(Advance::Poll)
        .plan(plan)
        .config(|config| {
            config.limit_headers = false;
            config.apps[0].name = text.into();
            config.apps[0].workflows[0].name = Some(text.into());
        })
        .jenkins(JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe"), params]).plan(pipe.job("pipe")))
        .start()
        .unwrap();
    let request = StartRequest {
        app_id: sim.app_id(),
        workflow_id: "ios-release".into(),
        branch: Some(text.into()),
        ..StartRequest::default()
    };
    let build = sim.start_build(request);
    sim.advance_build(&build, &Target::End);
    let item = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(item, JenkinsMove::End);
    (sim, build)
}

const VERBS: &[&str] = &[
    "codemagic wait {build}",
    "codemagic status {build} --json",
    "codemagic builds",
    "codemagic apps",
    "codemagic apps --json",
    "codemagic workflows",
    "codemagic logs {build}",
    "codemagic logs {build} --dir {dir}/logs",
    "codemagic tests {build} --junit {dir}/junit.xml",
    "codemagic artifacts {build} --list",
    "codemagic artifacts {build} --dir {dir}/files",
    "codemagic trigger --workflow nosuch --dry-run",
    "codemagic check --workflow nosuch",
    "jenkins status pipe#1",
    "jenkins status pipe#1 --json",
    "jenkins console pipe#1",
    "jenkins input pipe#1",
    "jenkins input pipe#1 --proceed",
    "jenkins wait pipe#1 --on-input fail",
    "jenkins wait pipe#1 --console --on-input proceed",
    "jenkins builds pipe",
    "jenkins params params",
    "jenkins trigger params --param P=nosuch",
    "jenkins tests pipe#1 --junit {dir}/junit.xml",
    "jenkins artifacts pipe#1 --list",
];

/// A verb and a text, by their numbers.
type Cell = (usize, usize);

fn cells() -> Vec<Cell> {
    (0..TEXTS.len()).flat_map(|text| (0..VERBS.len()).map(move |verb| (verb, text))).collect()
}

fn name((verb, text): Cell) -> String {
    format!("{} × {:?}", VERBS[verb], TEXTS[text])
}

fn run(cells: &[Cell], at_once: usize) -> Codes {
    let results = run_all(cells, at_once, |cell| {
        let (sim, build) = saying(TEXTS[cell.1]);
        let ran = Call::new(&sim, &VERBS[cell.0].replace("{build}", &build)).env("CODEMAGIC_BRANCH", "main").run();
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check(&ran);
            let xml = fs::read(ran.call.folder().join("junit.xml"));
            if let Ok(xml) = xml {
                check_xml(&String::from_utf8(xml).expect("JUnit in UTF-8"));
            }
            let is_owned = |path: &std::path::PathBuf| path.file_name().is_some_and(|name| name == "owned");
            assert!(!files(ran.call.folder()).iter().any(is_owned), "a text was run");
        }));
        (ran.code, checked.err().map(|panic| format!("{}: {}\n{ran}", name(*cell), super::message(&*panic))))
    });
    let mut codes = Codes::default();
    for ((verb, text), result) in cells.iter().zip(results) {
        codes.add(*verb, *text, result);
    }
    codes
}

/// Panics unless a reader of XML takes it, with the elements that are there by right.
fn check_xml(xml: &str) {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut cases = 0;
    loop {
        match reader.read_event().expect("well-formed XML") {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag) => {
                cases += usize::from(tag.name().as_ref() == "testcase");
            }
            _ => {}
        }
    }
    assert_eq!(cases, 1, "test cases in\n{xml}");
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    assert!(xml.chars().all(is_allowed), "a control character in\n{xml}");
}

#[test]
fn a_sample_of_hostile_texts() {
    let sample: Vec<_> = cells().into_iter().step_by(11).collect();
    report(&run(&sample, 12).wrong);
}

#[test]
#[ignore = "minutes: make matrix"]
fn the_whole_hostile_matrix() {
    let (cells, is_whole) = chosen("hostile", cells(), |cell| name(*cell));
    let codes = run(&cells, 24);
    if is_whole {
        let verbs: Vec<_> = VERBS.iter().map(|verb| format!("`{verb}`")).collect();
        let numbers: Vec<_> = (1..=TEXTS.len()).map(|number| number.to_string()).collect();
        let texts: Vec<_> = TEXTS.iter().map(|text| format!("1. `{text:?}`\n")).collect();
        let text = format!(
            "# Hostile matrix\n\nGenerated by `make matrix`; do not edit. {} runs: {} verbs, each against services of which every name, text\n\
             and message is one of {} texts. A cell has the exit code. What is checked of every run is in\n\
             `tests/matrix/hostile.rs`, with names of files and sizes. Wrong runs: {}.\n\n{}\nThe texts:\n\n{}",
            cells.len(),
            VERBS.len(),
            TEXTS.len(),
            codes.wrong.len(),
            table("verb", &numbers, &verbs, |row, column| codes.cell(row, column)),
            texts.concat(),
        );
        write_table("hostile-matrix", &text);
    }
    report(&codes.wrong);
}

/// Files with hostile names are all saved, whole, below the folder and nowhere else, and never over each other.
#[test]
fn files_with_hostile_names_stay_in_their_folder() {
    let artifacts =
        NAMES.iter().map(|name| ArtifactPlan::text(name, "file", &format!("content of {name:?}"))).collect();
    // Jenkins gives paths: one that leads elsewhere is refused.
    let leads_elsewhere = |name: &str| name.starts_with('/') || name.split('/').any(|part| [".", ".."].contains(&part));
    let paths = NAMES.iter().filter(|name| !name.is_empty() && !leads_elsewhere(name));
    let of_jenkins = paths.clone().count();
    let pipe = paths.fold(JenkinsPlan::default(), |plan, name| {
        plan.artifact(JenkinsArtifact::text(name, &format!("content of {name:?}")))
    });
    let sim = Simulator::builder()
        .advance(Advance::Poll)
        .plan(Plan { artifacts, ..Plan::default() })
        .jenkins(JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(pipe))
        .start()
        .unwrap();
    let request = StartRequest {
        app_id: sim.app_id(),
        workflow_id: "ios-release".into(),
        branch: Some("main".into()),
        ..StartRequest::default()
    };
    let build = sim.start_build(request);
    sim.advance_build(&build, &Target::End);
    let item = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(item, JenkinsMove::End);
    for arguments in [
        format!("codemagic artifacts {build} --dir {{dir}}/deep/files"),
        "jenkins artifacts pipe#1 --dir {dir}/deep/files".to_owned(),
    ] {
        let ran = Call::new(&sim, &arguments).run();
        check(&ran);
        let folder = ran.call.folder().join("deep/files");
        let found = files(&folder);
        let outside: Vec<_> = files(ran.call.folder()).into_iter().filter(|path| !path.starts_with(&folder)).collect();
        assert_eq!(outside, [ran.call.folder().join("result.json")], "{ran}");
        assert!(!std::path::Path::new("/etc/cibridge-owned").exists());
        let mut seen = std::collections::HashSet::new();
        for path in &found {
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            assert!(!path.is_symlink() && fs::metadata(path).unwrap().permissions().mode() & 0o111 == 0, "{name}");
            for part in name.split('/') {
                assert!(!part.starts_with(['-', '~']) && part != ".." && !part.ends_with(['.', ' ']), "{name:?}");
                assert!(!part.chars().any(|c| c.is_control() || "\\:*?\"<>|\u{202e}".contains(c)), "{name:?}");
            }
            assert!(
                seen.insert(fs::read_to_string(path).unwrap()) || name.to_lowercase().contains("same"),
                "twice: {name}"
            );
        }
        if ran.code == 0 {
            let wanted = if arguments.starts_with("jenkins") { of_jenkins } else { NAMES.len() };
            assert_eq!(found.len(), wanted, "{ran}");
        }
    }
}

/// Many and large things: 5000 artifacts, 3000 steps, a log of 50 MB.
#[test]
fn large_answers_take_little_memory() {
    let many = |count: usize| {
        (0..count).map(|n| ArtifactPlan { size: 1, ..ArtifactPlan::of(&format!("same{}.txt", n % 7), "file", 1) })
    };
    let step = |n: usize| StepPlan::of(&format!("Step {n}"), "script", 1.0);
    let plans = [
        (
            "many artifacts",
            Plan { artifacts: many(5000).collect(), ..Plan::default() },
            "codemagic artifacts {build} --list",
        ),
        ("many steps", Plan { steps: (0..3000).map(step).collect(), ..Plan::default() }, "codemagic wait {build}"),
        ("a large log", large_log(50 << 20), "codemagic wait {build}"),
        ("a large log", large_log(50 << 20), "codemagic logs {build} --failed"),
    ];
    let results = run_all(&plans, 4, |(what, plan, verb)| {
        let sim = Simulator::builder().advance(Advance::Poll).plan(plan.clone()).start().unwrap();
        let request = StartRequest {
            app_id: sim.app_id(),
            workflow_id: "ios-release".into(),
            branch: Some("main".into()),
            ..StartRequest::default()
        };
        let build = sim.start_build(request);
        sim.advance_build(&build, &Target::End);
        if *what == "a large log" {
            sim.fault(Fault::new(FaultKind::ContentType { value: "text/plain".into() }).path("/logs/").always());
        }
        let call = Call::new(&sim, &verb.replace("{build}", &build)).without("CIBRIDGE_ANSWER_TIMEOUT");
        let ran = call.run();
        assert!(ran.peak <= super::most_memory(), "{what}: {} KiB\n{verb}", ran.peak / 1024);
        assert!(ran.took < super::LONGEST, "{what}: {:?}", ran.took);
        assert!(
            [0, 1].contains(&ran.code),
            "{what}: {}\n{}",
            ran.code,
            ran.stderr.chars().take(2000).collect::<String>()
        );
    });
    report(&results.into_iter().filter_map(Result::err).collect::<Vec<_>>());
}

fn large_log(bytes: u64) -> Plan {
    let mut plan = Plan::failing("Build ipa", "the end\n");
    plan.steps[4].log_bytes = bytes;
    plan
}
