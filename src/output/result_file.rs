//! The file that receives the result document.

use std::path::{Path, PathBuf};

use serde::Serialize;

use anyhow::Context as _;

use super::json;
use crate::error::Error;
use crate::files;
use crate::secret::Redactor;

/// A path that was checked, and that receives the document as soon as the build's id is known and again at the end.
#[derive(Clone)]
pub struct ResultFile {
    path: PathBuf,
    redactor: Redactor,
}

impl ResultFile {
    /// Checks that `path` can be written before anything remote happens. Fails with code 16.
    pub fn check(path: &Path, redactor: &Redactor) -> Result<Self, Error> {
        files::check_writable(path, &what(path))?;
        Ok(Self { path: path.to_owned(), redactor: redactor.clone() })
    }

    /// Writes the document as it is while the call still runs. A device or a FIFO takes only the one at the end.
    /// Fails with code 16.
    pub fn write_partial(&self, document: &impl Serialize) -> Result<(), Error> {
        if files::is_replaceable(&self.path) { self.write(document) } else { Ok(()) }
    }

    /// Replaces the file, so that a reader sees the old document or the new one, never a part. Fails with code 16.
    pub fn write(&self, document: &impl Serialize) -> Result<(), Error> {
        files::replace_file_with(&self.path, &|file| json::write_pretty(document, &self.redactor, file))
            .with_context(|| what(&self.path))?;
        Ok(())
    }
}

fn what(path: &Path) -> String {
    format!("the result file {}", path.display())
}
