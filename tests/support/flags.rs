//! Flags that errors and hints name: who follows a hint must not meet `unknown argument`.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Mutex;

use super::binary;

/// The help pages that were read so far, by the words of their commands.
static PAGES: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

/// The help page of a command, e.g. `codemagic trigger`; empty if there is no such command.
fn page(command: &str) -> String {
    let mut pages = PAGES.lock().unwrap();
    let read = || {
        let output = Command::new(binary()).env_clear().args(command.split(' ')).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    pages.get_or_insert_default().entry(command.to_owned()).or_insert_with(read).clone()
}

/// The first two or three words of a command line that name a command.
fn command<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words = words.skip_while(|word| !["codemagic", "jenkins"].contains(word));
    let system = words.next().unwrap_or_default();
    let mut words = words.filter(|word| !word.starts_with('-'));
    let verb = words.next().unwrap_or_default();
    let inner = words.next().filter(|_| verb == "token").unwrap_or_default();
    [system, verb, inner].join(" ").trim().to_owned()
}

/// The flags that a text names.
fn flags(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let is_flag =
        |word: &&str| word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_lowercase()));
    words.filter(is_flag).collect()
}

/// Checks the errors and hints on the stderr of a call.
#[track_caller]
pub(crate) fn check(arguments: &[String], stderr: &str) {
    let own = command(arguments.iter().map(String::as_str));
    for line in stderr.lines().filter(|line| line.starts_with("cibridge: error: ") || line.starts_with("hint: ")) {
        // A command in backticks is another call; the rest is about this one.
        for (index, part) in line.split('`').enumerate() {
            let named =
                if index % 2 == 1 && part.starts_with("cibridge ") { command(part.split(' ')) } else { own.clone() };
            let page = page(&named);
            if page.is_empty() || line.contains("unknown argument") {
                continue;
            }
            for flag in flags(part) {
                let is_known = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == flag);
                assert!(is_known, "`cibridge {named}` has no {flag}, which is named in\n{line}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "`cibridge codemagic share` has no --allow-none")]
fn a_flag_that_the_verb_lacks_is_found() {
    check(
        &["codemagic".into(), "share".into(), "--json".into()],
        "hint: see `cibridge codemagic builds --status x`; --allow-none\n",
    );
}
