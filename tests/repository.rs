//! What the repository itself must hold: Jenkins can load it as a library, and the version, which stands in
//! `Cargo.toml`, is the same in every other place that names it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below `folder` with one of these extensions, except what a build leaves there.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
                found.push(path);
            }
        }
    }
    found
}

/// The versions of three numbers that follow `prefix` in `text`.
fn versions_after<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let version = |rest: &'a str| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        Some(rest[..end].trim_end_matches('.')).filter(|version| version.split('.').count() == 3)
    };
    text.match_indices(prefix).filter_map(|(at, _)| version(&text[at + prefix.len()..])).collect()
}

/// Jenkins refuses a library with a symbolic link anywhere (SECURITY-3727), warns in every log of one with a folder
/// `src/test`, and compiles every Groovy file below `src`.
#[test]
fn jenkins_can_load_the_repository_as_a_library() {
    assert!(!root().join("src/test").exists());
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "--stage"]).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        println!("skipped: no git repository");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let special: Vec<_> = listed.lines().filter(|line| !line.starts_with("100")).collect();
    assert!(special.is_empty(), "neither a file nor a folder: {special:?}");
    let groovy = listed.lines().any(|line| line.contains("\tsrc/") && line.ends_with(".groovy"));
    assert!(!groovy, "a Groovy class in src/");
}

/// Every number of three parts in the code of the library is the version of the binary that it needs.
#[test]
fn the_library_requires_the_version_of_the_binary() {
    let code: String = files("vars", &["groovy"]).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(versions_after(&code, "return '"), [VERSION], "the version that vars/cibridgeRun.groovy requires");
}

/// A step that finds no binary says where it is.
#[test]
fn the_library_names_the_releases_of_the_repository() {
    let named = concat!("'", env!("CARGO_PKG_REPOSITORY"), "/releases'");
    assert!(read("vars/cibridgeResult.groovy").contains(named), "vars/cibridgeResult.groovy: no {named}");
}

#[test]
fn the_tests_of_the_library_have_the_version() {
    let pom = read("jenkins-lib/pom.xml");
    let own = pom.split_once("<artifactId>jenkins-lib</artifactId>").expect("the artifact of the pom").1;
    assert_eq!(versions_after(own, "<version>").first(), Some(&VERSION), "jenkins-lib/pom.xml");
}

#[test]
fn the_newest_entry_of_the_changelog_is_the_version() {
    let changelog = read("CHANGELOG.md");
    assert_eq!(versions_after(&changelog, "\n## ").first(), Some(&VERSION), "CHANGELOG.md");
}

#[test]
fn pages_and_recipes_name_the_version() {
    let mut pages = files("jenkins-lib", &["md", "yaml", "yml", "Jenkinsfile"]);
    pages.push(root().join("README.md"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in pages {
        let text = fs::read_to_string(&path).unwrap();
        // A tag of this repository, or the name of an archive or a package.
        let prefixes = [
            "defaultVersion: v",
            "release tag, such as `v",
            "/download/v",
            "cibridge-",
            "cibridge_",
            "cibridge/cibridge:",
        ];
        for version in prefixes.iter().flat_map(|prefix| versions_after(&text, prefix)) {
            seen += 1;
            if version != VERSION {
                wrong.push(format!("{}: {version}", path.display()));
            }
        }
    }
    assert!(seen > 0, "no page names a release");
    assert!(wrong.is_empty(), "Cargo.toml has {VERSION}, but:\n{}", wrong.join("\n"));
}
