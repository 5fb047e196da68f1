//! Writes what the packages contain beside the binary: man pages and completions, made from the command line's own
//! definition. It is a test, so that nothing of it is in the binary and every run of the tests shows that it works.
//! `.ci/release/dist.sh` names a folder in `CIBRIDGE_PACKAGE_FILES` and keeps the result.

use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// Writes all files below `folder`, for the shells that the packages support.
fn write(folder: &Path) {
    let man = folder.join("man");
    fs::create_dir_all(&man).unwrap();
    clap_mangen::generate_to(Cli::command(), &man).unwrap();
    let completions = folder.join("completions");
    fs::create_dir_all(&completions).unwrap();
    for shell in [Shell::Bash, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut Cli::command(), "cibridge", &completions).unwrap();
    }
}

#[test]
fn every_verb_has_a_man_page_and_every_shell_a_completion() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = env::var_os("CIBRIDGE_PACKAGE_FILES").map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    write(&folder);
    for name in ["cibridge.1", "cibridge-codemagic-trigger.1", "cibridge-jenkins-token-rotate.1"] {
        let page = fs::read_to_string(folder.join("man").join(name)).unwrap();
        assert!(page.contains("\n.SH SYNOPSIS\n"), "{name}: {page}");
    }
    for name in ["cibridge.bash", "cibridge.fish", "_cibridge", "_cibridge.ps1"] {
        let script = fs::read_to_string(folder.join("completions").join(name)).unwrap();
        assert!(script.contains("artifacts-dir"), "{name} lacks the flags of `trigger`");
    }
}
