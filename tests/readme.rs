//! The README's claims about verbs, flags, codes and documents, held against the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Call, binary, simulator};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

fn help(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).arg("--help").env_clear().output().unwrap()
}

/// The verbs that a system's help lists.
fn verbs(system: &str) -> BTreeSet<String> {
    let output = help(&[system]);
    let text = String::from_utf8(output.stdout).unwrap();
    let list = text.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let words = names.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    words.filter(|verb| verb != "help").collect()
}

/// The verbs of the README's table that follows `marker`.
fn table(text: &str, marker: &str) -> BTreeSet<String> {
    let rows =
        text.split(marker).nth(1).unwrap().split("| --- | --- |\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let cells = rows.lines().map(|row| row.split('|').nth(1).unwrap());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(|name| name.split([' ', '…']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_verb_is_in_the_readme_and_the_readme_names_no_other() {
    let text = readme();
    assert_eq!(table(&text, "## On a command line"), verbs("codemagic"));
    assert_eq!(table(&text, "And on a Jenkins controller"), verbs("jenkins"));
}

#[test]
fn the_flags_that_it_names_exist() {
    let mut known = BTreeSet::new();
    for system in ["codemagic", "jenkins"] {
        for verb in verbs(system) {
            known.extend(flags(&String::from_utf8(help(&[system, &verb]).stdout).unwrap()));
        }
    }
    for flag in flags(&readme()) {
        assert!(known.contains(&flag) || ["--help"].contains(&flag.as_str()), "{flag}");
    }
}

fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect()
}

#[test]
fn every_exit_code_of_the_help_is_in_its_table() {
    let text = readme();
    let rows = text.split("### Exit codes").nth(1).unwrap().split("###").next().unwrap();
    let codes = rows.lines().filter_map(|row| row.strip_prefix("| ")?.split(" |").next().map(str::to_owned));
    let listed: BTreeSet<_> = codes.flat_map(|cell| cell.split(" / ").map(str::to_owned).collect::<Vec<_>>()).collect();
    let help = String::from_utf8(help(&[]).stdout).unwrap();
    let told = help.split("Exit codes:").nth(1).unwrap();
    let told: BTreeSet<_> =
        told.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).map(str::to_owned).collect();
    assert_eq!(listed.into_iter().filter(|code| code.parse::<u8>().is_ok()).collect::<BTreeSet<_>>(), told);
}

#[test]
fn the_document_has_the_keys_that_it_shows() {
    let text = readme();
    let shown = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    let sim = simulator().plan(cibridge_simulator::Plan::failing("Build ipa", "no\n")).start().unwrap();
    let done = Call::following(&sim, "--json").run();
    let real = done.code(1).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&shown), keys(&real));
    for part in ["build", "failure"] {
        assert_eq!(keys(&shown[part]), keys(&real[part]), "{part}");
    }
    assert_eq!(keys(&shown["steps"][0]), keys(&real["steps"][0]));
}

#[test]
fn the_make_rules_that_it_names_exist() {
    let makefile = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile")).unwrap();
    let text = readme();
    let rules: BTreeSet<_> =
        text.split("make ").skip(1).filter_map(|rest| rest.split([' ', '`', '\n']).next()).collect();
    for rule in rules.into_iter().filter(|rule| ["demo", "test", "build", "install"].contains(rule)) {
        assert!(makefile.contains(&format!("\n{rule}:")), "{rule}");
    }
}
