//! The order of the rooms in `src/`, and what only one of them may do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From top to bottom: a room uses only what stands below it.
const ROOMS: [&str; 21] = [
    "main",
    "commands",
    "follow",
    "download",
    "codemagic",
    "jenkins",
    "http",
    "report",
    "junit",
    "lines",
    "signals",
    "unwinder",
    "cli",
    "pace",
    "model",
    "clock",
    "retry",
    "secret",
    "json",
    "error",
    "-",
];

/// Neighbours that must not know each other, beside what the order says.
const STRANGERS: [(&str, &str); 4] =
    [("codemagic", "jenkins"), ("follow", "http"), ("follow", "codemagic"), ("follow", "jenkins")];

/// What only these rooms may name.
const RESERVED: [(&str, &[&str]); 9] = [
    ("ureq", &["http"]),
    ("rustls", &["http"]),
    ("process::exit", &["main"]),
    ("println!", &[]),
    ("eprintln!", &[]),
    ("io::stdout", &["report", "main"]),
    ("io::stderr", &["report", "main"]),
    ("thread::sleep", &["clock"]),
    ("park_timeout", &["clock"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `src/`, without its tests and comments.
struct Source {
    path: PathBuf,
    room: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    let source = |path: PathBuf| {
        let inside = path.strip_prefix(root().join("src")).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        Source { path, room, code }
    };
    let shipped = |path: &PathBuf| !path.to_str().unwrap().ends_with("_tests.rs");
    files.into_iter().filter(shipped).map(source).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The rooms that a file names: `crate::room` anywhere, in groups too, and what it reaches by climbing up.
fn named(source: &Source) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = BTreeSet::new();
    for rest in source.code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split_once("};").map_or(group, |(group, _)| group);
                let mut depth = 0_usize;
                for part in group.split_inclusive([',', '{', '}']) {
                    if depth == 0 {
                        rooms.insert(word(part.trim_start()));
                    }
                    depth = (depth + part.matches('{').count()).saturating_sub(part.matches('}').count());
                }
            }
            None => drop(rooms.insert(word(rest))),
        }
    }
    // `mod.rs` and `room.rs` are the room itself; each folder below it is one step more.
    let inside = source.path.strip_prefix(root().join("src")).unwrap();
    let is_mod = source.path.ends_with("mod.rs");
    let depth = inside.iter().count() - usize::from(is_mod);
    for line in source.code.lines() {
        let climbed = line.matches("super::").count();
        if climbed >= depth && !line.contains("pub(") && climbed > 0 {
            rooms.insert(word(line.rsplit("super::").next().unwrap()));
        }
    }
    rooms.remove("");
    rooms
}

#[test]
fn a_room_uses_only_what_stands_below_it() {
    let place = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut wrong = Vec::new();
    for source in sources() {
        let own = place(&source.room).unwrap_or_else(|| panic!("{} has no place in the order", source.room));
        for room in named(&source).iter().filter(|room| **room != source.room) {
            let Some(other) = place(room) else { continue };
            let strangers = STRANGERS.iter().any(|(a, b)| {
                (*a, *b) == (source.room.as_str(), room.as_str()) || (*b, *a) == (source.room.as_str(), room.as_str())
            });
            if other < own || strangers {
                wrong.push(format!("{} uses {room}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_arrows_are_really_seen() {
    let all = sources();
    let of = |room: &str| -> BTreeSet<String> { all.iter().filter(|s| s.room == room).flat_map(named).collect() };
    for room in ["follow", "codemagic", "http", "report", "clock", "cli", "model", "error"] {
        assert!(of("commands").contains(room), "commands uses {room}");
    }
    assert!(of("http").contains("secret") && of("pace").contains("retry"));
    assert_eq!(of("error"), BTreeSet::new());
    let grouped = Source {
        path: root().join("src/codemagic/client.rs"),
        room: "codemagic".into(),
        code:
            "use crate::{error::{Code, Failure}, http::Http, report};\nuse super::super::follow::x;\nuse super::wire;"
                .into(),
    };
    assert_eq!(named(&grouped).into_iter().collect::<Vec<_>>(), ["error", "follow", "http", "report"]);
}

#[test]
fn what_one_room_may_do_no_other_does() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (text, rooms) in RESERVED {
            // `ureq` is no part of a longer word.
            let found = source.code.match_indices(text).any(|(at, _)| {
                let before = source.code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            });
            if found && !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{} names {text}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_grows_beyond_reading() {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    for path in files {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

/// Jenkins loads this repository as a library: it rejects one with a symbolic link anywhere, and prints two lines into
/// every log for a folder `src/test`.
#[test]
fn the_repository_is_fit_to_be_a_library() {
    assert!(!root().join("src/test").exists());
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "--stage"]).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        println!("skipped: this is no git repository");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let special: Vec<_> = listed.lines().filter(|line| !line.starts_with("100")).collect();
    assert!(special.is_empty(), "neither file nor folder: {special:?}");
    let groovy = listed.lines().any(|line| line.contains("\tsrc/") && line.ends_with(".groovy"));
    assert!(!groovy, "a Groovy class in src/");
}
