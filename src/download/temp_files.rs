//! Temporary files that a signal removes at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::clock::Interrupt;
use crate::lock::lock;

/// The temporary files of a download. They are removed as soon as a signal arrives, because the process may end while
/// a worker still waits for a connection.
#[derive(Clone)]
pub(super) struct TempFiles(Arc<Mutex<Option<Vec<PathBuf>>>>);

impl TempFiles {
    /// No files yet; what is added is removed when `interrupt` is raised.
    pub(super) fn removed_on(interrupt: &Interrupt) -> Self {
        let files = Self(Arc::new(Mutex::new(Some(Vec::new()))));
        let on_raise = files.clone();
        interrupt.on_raise(move || {
            let paths = lock(&on_raise.0).take();
            for path in paths.unwrap_or_default() {
                // A file that was renamed to its target is no longer there.
                drop(fs::remove_file(path));
            }
        });
        files
    }

    /// Adds a file. False if the signal has arrived already, so that nobody would remove it.
    #[must_use]
    pub(super) fn add(&self, path: &Path) -> bool {
        let mut paths = lock(&self.0);
        paths.as_mut().map(|paths| paths.push(path.to_owned())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::StopCause;

    #[test]
    fn a_signal_removes_partial_files() {
        let folder = tempfile::tempdir().unwrap();
        let interrupt = Interrupt::default();
        let files = TempFiles::removed_on(&interrupt);
        let path = folder.path().join("partial");
        fs::write(&path, "x").unwrap();
        assert!(files.add(&path));
        interrupt.raise(StopCause::Terminate);
        assert!(!path.exists());
        assert!(!files.add(&path), "no new file after the signal");
    }
}
