//! Downloads artifacts, several at once: temporary files beside the target, checksums, resumption, large files in parts.
//!
//! A scheduler thread asks the source of each file for a link and decides about retries; worker threads make one
//! attempt after the other. This module knows no provider: a [`DownloadSource`] makes the requests.

mod attempt;
mod body;
mod file_name;
mod head;
#[cfg(test)]
mod random_tests;
mod ranges;
mod scheduler;
mod temp_files;

use std::fs;
use std::path::Path;
use std::time::Duration;

pub use file_name::{distinct_file_names, file_name};

use anyhow::Context as _;

use crate::clock::{Clock, Interrupt, Timestamp};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Http, Request};
use crate::model::{Artifact, DownloadEvent};

/// An artifact to download, with the source of its links.
pub struct Selected<'a> {
    /// The artifact. Size and MD5 are checked where they are known; the download fills in `path`, `size` and `sha256`.
    pub artifact: &'a mut Artifact,
    /// Where its bytes are.
    pub source: Box<dyn DownloadSource + 'a>,
}

/// Makes the requests for one file.
pub trait DownloadSource {
    /// The GET for the next attempt, with a link that is valid now.
    ///
    /// A retryable error uses up an attempt and is followed by another one; any other error gives the file up.
    fn request(&mut self, attempts: Attempts) -> Result<Request, RequestError>;
}

/// The attempts at a file so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// All of them.
    pub made: u32,
    /// Those that failed because the link was refused.
    pub refused: u32,
}

/// Where and how to download.
pub struct DownloadOptions<'a> {
    /// The client; see [`Http::for_downloads`].
    pub http: &'a Http,
    /// The folder for the files. It is created.
    pub dir: &'a Path,
    /// Transfers at once: one for each file, and those that are left over for the parts of large ones. `None` for as
    /// many as pay.
    pub jobs: Option<usize>,
    /// Where time comes from.
    pub clock: &'a dyn Clock,
    /// Closes connections and removes temporary files at once when it is raised.
    pub interrupt: &'a Interrupt,
    /// The time between two [`DownloadEvent::Progress`].
    pub progress_interval: Duration,
    /// When to give up what is not complete by then, on `clock`.
    pub deadline: Option<Timestamp>,
}

/// What a download did. What became of a file is in its [`Artifact`]: one that is complete has a `path`.
#[derive(Debug, Default)]
pub struct DownloadReport {
    /// Complete files.
    pub files: usize,
    /// Bytes of the complete files.
    pub bytes: u64,
    /// What failed, in the order in which it did. Files that were given up because of another file's error have no
    /// entry.
    pub failures: Vec<Error>,
}

/// Downloads all files into `options.dir`, under names made from those of the artifacts (see [`file_name`]) and kept
/// apart. Every file that is there afterwards is complete and checked.
pub fn download(
    selected: Vec<Selected>,
    options: &DownloadOptions,
    emit: &mut dyn FnMut(DownloadEvent),
) -> DownloadReport {
    let needed = selected.iter().filter_map(|file| file.artifact.size).fold(0, u64::saturating_add);
    match prepare_folder(options.dir, needed) {
        Ok(()) => scheduler::run(selected, options, emit),
        Err(error) => DownloadReport { failures: vec![error], ..DownloadReport::default() },
    }
}

/// Creates the folder, and refuses a disk on which `needed` bytes surely do not fit.
fn prepare_folder(dir: &Path, needed: u64) -> Result<(), Error> {
    fs::create_dir_all(dir).with_context(|| format!("folder {}", dir.display()))?;
    match free_space(dir) {
        Some(free) if free < needed => {
            let missing = needed - free;
            Err(disk_full(dir, &format!("{needed} bytes are needed, {free} are free, {missing} are missing")))
        }
        _ => Ok(()),
    }
}

fn disk_full(dir: &Path, why: &str) -> Error {
    Error::new(ExitCode::Local, format!("folder {}", dir.display()), format!("the disk is full: {why}"))
        .with_hint("free some space, or choose a folder on another disk")
}

/// Bytes that an ordinary user may still write, where the system says so.
#[cfg(unix)]
fn free_space(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    (disk.f_blocks > 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_surely_too_small_is_refused_with_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a/b");
        prepare_folder(&dir, 1).unwrap();
        assert!(dir.is_dir());
        if free_space(&dir).is_some() {
            let error = prepare_folder(&dir, (1 << 62) + 1).unwrap_err();
            assert_eq!(error.code(), ExitCode::Local);
            assert!(error.reason().starts_with("the disk is full: 4611686018427387905 bytes are needed"), "{error}");
        }
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(prepare_folder(&folder.path().join("file/x"), 0).unwrap_err().code(), ExitCode::Local);
    }
}
