//! The result document of a call: kept while it runs, written to the result file and printed at the end.

use std::path::Path;

use crate::document::{Document, Outcome, SCHEMA, Several, severity};
use crate::error::{Error, ExitCode};
use crate::output::{Console, ResultFile};

/// The result document of a call, with its file.
pub struct ResultWriter {
    provider: &'static str,
    /// One document for each build; none before the first build is known.
    pub documents: Vec<Document>,
    /// The document lists builds, even if it is one: the call was about several.
    pub several: bool,
    /// What is said about the call as a whole.
    pub call: Document,
    file: Option<ResultFile>,
}

impl ResultWriter {
    /// A writer of a call that knows no build yet, without a file.
    pub fn new(provider: &'static str) -> Self {
        Self { provider, documents: Vec::new(), several: false, call: Document::new(provider), file: None }
    }

    /// Checks that the result file can be written, before anything remote happens.
    pub fn check_file(&mut self, path: &Path, console: &Console) -> Result<(), Error> {
        self.file = Some(ResultFile::check(path, console.redactor())?);
        Ok(())
    }

    /// Writes the document as it is at the end of the call.
    pub fn write(&self) -> Result<(), Error> {
        match &self.file {
            Some(file) if self.several => file.write(&self.list()),
            Some(file) => file.write(self.single()),
            None => Ok(()),
        }
    }

    /// Writes the document as it is while the call still runs. A full disk is reported, but the build that was started is
    /// not left alone for it; the write at the end decides about the exit code.
    pub fn write_partial(&self, console: &Console) {
        let written = match &self.file {
            Some(file) if self.several => file.write_partial(&self.list()),
            Some(file) => file.write_partial(self.single()),
            None => Ok(()),
        };
        if let Err(error) = written {
            console.error(&error);
        }
    }

    /// Prints the document on stdout.
    pub fn print(&self, console: &Console) {
        if self.several { console.json(&self.list()) } else { console.json(self.single()) }
    }

    fn single(&self) -> &Document {
        self.documents.first().unwrap_or(&self.call)
    }

    fn list(&self) -> Several {
        let call = &self.call;
        Several {
            schema: SCHEMA,
            provider: self.provider,
            outcome: call.outcome,
            exit_code: call.exit_code,
            severity: call.severity,
            call_failed: call.call_failed,
            summary: call.summary.clone(),
            builds: self.documents.clone(),
            error: call.error.clone(),
        }
    }

    /// Notes an error of the call: in its own document, and in that of a build that has no end yet.
    pub fn fail(&mut self, error: &Error) {
        self.call.fail(error);
        for document in self.documents.iter_mut().filter(|document| document.exit_code.is_none()) {
            document.fail(error);
        }
    }

    /// Notes that the call as a whole succeeded.
    pub fn succeed(&mut self) -> ExitCode {
        self.call.end(Outcome::Success, ExitCode::Success);
        ExitCode::Success
    }

    /// The worst end of all builds becomes the call's.
    pub fn worst(&mut self) -> ExitCode {
        // A build that is still running has no bad end, and is no success either.
        let how_bad = |document: &&Document| {
            document.exit_code.map(|code| (severity(code), document.outcome == Outcome::Running))
        };
        let worst = self.documents.iter().filter(|document| document.exit_code.is_some()).max_by_key(how_bad);
        let (outcome, code, summary) = match worst {
            Some(document) => {
                (document.outcome, document.exit_code.unwrap_or(ExitCode::Success), document.summary.clone())
            }
            None => (Outcome::Success, ExitCode::Success, None),
        };
        self.call.end(outcome, code);
        self.call.summary = summary;
        code
    }

    /// Fills in what every document has at the end.
    pub fn complete(&mut self) {
        for document in self.documents.iter_mut().chain([&mut self.call]) {
            if document.exit_code.is_some() && document.summary.is_none() {
                let title = document.build.as_ref().map(|build| format!("{}: ", build.title)).unwrap_or_default();
                document.summary = Some(format!("{title}{}", document.outcome.words()));
            }
        }
    }
}
