//! The architecture of `src/README.md`, held against the files: no file uses a floor above its own,
//! and there is no circle between files.
//!
//! Reads paths such as `crate::http::Url` and `super::wire` as text, and follows what a `mod.rs` re-exports to the file
//! that defines it. Unit tests below `#[cfg(test)]` are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors from bottom to top. Rooms on one floor do not know each other.
const FLOORS: [&[&str]; 9] = [
    &[
        "error",
        "sanitize",
        "secret",
        "lenient",
        "model",
        "nearest",
        "document",
        "clock",
        "files",
        "input_files",
        "lock",
        "signals",
    ],
    &["http", "output"],
    &["panics"],
    &["download"],
    &["lifecycle"],
    &["codemagic", "jenkins"],
    &["cli"],
    &["commands"],
    &["main"],
];

/// Plain data and small tools at the bottom, which may use each other.
const GROUND: usize = 0;

struct Source {
    /// Where the file is in the module tree: `http/url` is `["http", "url"]`, `http/mod.rs` is `["http"]`.
    module: Vec<String>,
    text: String,
}

fn sources() -> Vec<Source> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { collect(&entry, found) } else { found.push(entry) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    let is_code = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        path.extension().is_some_and(|extension| extension == "rs")
            && !name.ends_with("_tests")
            && !["package_files", "document_schema"].contains(&name)
    };
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
        let inner = path.strip_prefix(&root).unwrap().with_extension("");
        let mut module: Vec<_> = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        module.pop_if(|last| last == "mod");
        Source { module, text }
    };
    paths.into_iter().filter(is_code).map(source).collect()
}

/// The paths that a file names, from the root of the crate.
fn paths(source: &Source) -> Vec<Vec<String>> {
    let code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (start, above) in [("crate::", None), ("super::super::", Some(2)), ("super::", Some(1))] {
        for rest in code.split(start).skip(1) {
            let base = above.map_or(0, |above| source.module.len().saturating_sub(above));
            let base = source.module.iter().take(base).cloned();
            let (path, names) = match rest.split_once("::{") {
                Some((path, names)) if path.chars().all(|c| c.is_alphanumeric() || "_:".contains(c)) => {
                    (path, names.split('}').next().unwrap())
                }
                _ => {
                    let path = rest.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)).next().unwrap();
                    (path, "")
                }
            };
            let path: Vec<_> =
                base.chain(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned)).collect();
            if names.is_empty() {
                found.push(path);
                continue;
            }
            for name in names.split(',').map(|name| name.split_whitespace().next().unwrap_or_default()) {
                found.push([&path[..], &[name.split("::").next().unwrap().to_owned()]].concat());
            }
        }
    }
    found
}

/// The file that a path leads to: by its modules, then by what `mod.rs` re-exports.
fn target<'a>(path: &[String], files: &'a BTreeMap<Vec<String>, &Source>) -> Option<&'a Vec<String>> {
    let length = (1..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let (module, source) = files.get_key_value(&path[..length])?;
    let Some(name) = path.get(length) else { return Some(module) };
    for statement in source.text.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap();
        let Some((inner, names)) = statement.split_once("::") else { continue };
        if names.split(|c: char| !c.is_alphanumeric() && c != '_').any(|own| own == name) {
            let inner = [module, &[inner.to_owned()][..]].concat();
            return files.get_key_value(&inner).map(|(module, _)| module);
        }
    }
    Some(module)
}

fn uses(sources: &[Source]) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let files: BTreeMap<_, _> = sources.iter().map(|source| (source.module.clone(), source)).collect();
    let used = |source: &Source| {
        let all = paths(source).into_iter().filter_map(|path| target(&path, &files).cloned());
        all.filter(|module| *module != source.module).collect()
    };
    sources.iter().map(|source| (source.module.clone(), used(source))).collect()
}

#[test]
fn no_file_uses_a_floor_above_its_own() {
    let floor = |module: &[String]| {
        let floor = FLOORS.iter().position(|rooms| rooms.contains(&module[0].as_str()));
        floor.unwrap_or_else(|| panic!("{module:?} is on no floor"))
    };
    let uses = uses(&sources());
    for (module, used) in &uses {
        for other in used.iter().filter(|other| other[0] != module[0]) {
            let (own, other_floor) = (floor(module), floor(other));
            let beside = own == GROUND && other_floor == GROUND;
            assert!(other_floor < own || beside, "{} uses {}", module.join("/"), other.join("/"));
        }
    }
    let arrows: usize = uses.values().map(BTreeSet::len).sum();
    assert!(arrows > 150, "only {arrows} arrows were seen");
}

#[test]
fn no_circle_between_files() {
    let uses = uses(&sources());
    for start in uses.keys() {
        // Every file that `start` leads to, each with the file that names it.
        let mut named_by = BTreeMap::new();
        let mut open = vec![start];
        while let Some(module) = open.pop() {
            for other in &uses[module] {
                if !named_by.contains_key(other) {
                    named_by.insert(other, module);
                    open.push(other);
                }
            }
        }
        let mut circle = Vec::new();
        let mut at = named_by.get(start);
        while let Some(module) = at {
            circle.push(module.join("/"));
            at = named_by.get(module).filter(|_| *module != start);
        }
        assert!(circle.is_empty(), "{} is used by {}", start.join("/"), circle.join(", which is used by "));
    }
}
