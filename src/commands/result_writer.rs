//! The result document of a call: kept while it runs, written to the result file and printed at the end.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::document::{Document, Outcome, SCHEMA, Several, severity};
use crate::error::{Error, ExitCode};
use crate::lock::lock;
use crate::output::{Console, ResultFile};

/// The result document of a call, with its file.
#[derive(Clone)]
pub struct ResultWriter {
    provider: &'static str,
    /// One document for each build; none before the first build is known.
    pub documents: Vec<Document>,
    /// The document lists builds, even if it is one: the call was about several.
    pub several: bool,
    /// What is said about the call as a whole.
    pub call: Document,
    file: Option<ResultFile>,
    last_resort: LastResort,
}

/// The document as it was last, for a thread that has to end the process because the main thread is stuck in a call
/// that nothing interrupts.
#[derive(Clone, Default)]
pub struct LastResort(Arc<Mutex<Option<LastDocument>>>);

struct LastDocument {
    writer: ResultWriter,
    /// Whether it is for stdout as well.
    json: bool,
}

impl LastResort {
    /// Ends the call in the place of the main thread: reports, writes and prints that it ended by `code`.
    pub fn report(&self, code: ExitCode, console: &Console) {
        // Nothing is left of it once the main thread ends the call itself.
        let Some(LastDocument { mut writer, json }) = self.take() else { return };
        let mut stuck = Error::message(
            code,
            "ended by a signal while waiting for a connection or for input; no build was started or canceled",
        );
        let open = |document: &&mut Document| document.exit_code.is_none() || document.still_running;
        for document in writer.documents.iter_mut().filter(open) {
            let Some(build) = &document.build else { continue };
            let reason = "ended by a signal, and could not be canceled in time; it may still be running";
            stuck = Error::new(code, &build.title, reason).with_hint(format!("see {}", build.url));
            document.fail(&stuck);
            document.still_running = true;
            console.error(&stuck);
        }
        writer.call.fail(&stuck);
        if writer.documents.is_empty() {
            console.error(&stuck);
        }
        writer.complete();
        if let Err(error) = writer.write() {
            console.error(&error);
        }
        if json {
            writer.print(console);
        }
    }

    fn take(&self) -> Option<LastDocument> {
        lock(&self.0).take()
    }
}

impl ResultWriter {
    /// A writer of a call that knows no build yet, without a file.
    pub fn new(provider: &'static str, last_resort: LastResort) -> Self {
        let call = Document::new(provider);
        Self { provider, documents: Vec::new(), several: false, call, file: None, last_resort }
    }

    /// From now on a thread that ends the process in the place of the main thread has a document.
    pub fn arm(&self, json: bool) {
        let writer = Self { last_resort: LastResort::default(), ..self.clone() };
        *lock(&self.last_resort.0) = Some(LastDocument { writer, json });
    }

    /// From now on only the main thread ends the call.
    pub fn disarm(&self) {
        drop(self.last_resort.take());
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
        if let Some(LastDocument { json, .. }) = self.last_resort.take() {
            self.arm(json);
        }
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

    fn list(&self) -> Several<'_> {
        let call = &self.call;
        Several {
            schema: SCHEMA,
            provider: self.provider,
            outcome: call.outcome,
            exit_code: call.exit_code,
            severity: call.severity,
            call_failed: call.call_failed,
            summary: call.summary.clone(),
            builds: &self.documents,
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

    /// Notes an error that came after everything had succeeded.
    pub fn fail_after_success(&mut self, error: &Error) {
        self.call.fail(error);
        for document in self.documents.iter_mut().filter(|document| document.exit_code == Some(ExitCode::Success)) {
            document.fail(error);
        }
    }

    /// Notes that so many entries of a list were left out.
    pub fn note_left_out(&mut self, entries: usize) {
        for document in self.documents.iter_mut().chain([&mut self.call]) {
            document.entries_left_out = Some(entries);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Build;

    #[test]
    fn the_last_resort_names_each_build_that_may_be_running_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        let (console, last_resort) = (Console::default(), LastResort::default());
        let mut writer = ResultWriter::new("codemagic", last_resort.clone());
        writer.several = true;
        writer.check_file(&path, &console).unwrap();
        writer.arm(false);
        let document = |number: u32| {
            let (title, url) = (format!("build {number}"), format!("https://x/{number}"));
            Document { build: Some(Build { title, url, ..Build::default() }), ..Document::new("codemagic") }
        };
        let (mut finished, mut canceling) = (document(1), document(2));
        finished.end(Outcome::Success, ExitCode::Success);
        finished.still_running = false;
        canceling.fail(&Error::message(ExitCode::TimedOut, "build 2 is being canceled and may still be running"));
        canceling.still_running = true;
        writer.documents = vec![finished, canceling, document(3)];
        writer.write_partial(&console);
        last_resort.report(ExitCode::Terminated, &console);
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let builds = written["builds"].as_array().unwrap();
        let ends: Vec<_> =
            builds.iter().map(|build| (build["exit_code"].as_i64().unwrap(), build["still_running"] == true)).collect();
        assert_eq!(ends, [(0, false), (143, true), (143, true)]);
        for (build, title) in builds.iter().zip(["build 1", "build 2", "build 3"]).skip(1) {
            let error = &build["error"];
            assert!(error["message"].as_str().unwrap().starts_with(&format!("{title}: ")), "{error}");
            assert!(error["hint"].as_str().unwrap().starts_with("see https://x/"), "{error}");
        }
        assert_eq!(written["exit_code"], 143);
    }

    #[test]
    fn the_last_resort_writes_what_is_known_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        let read = || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() };
        let (console, last_resort) = (Console::default(), LastResort::default());
        let mut writer = ResultWriter::new("codemagic", last_resort.clone());
        writer.check_file(&path, &console).unwrap();
        writer.arm(false);
        let build = Build { title: "Codemagic build 7".to_owned(), url: "https://x/7".to_owned(), ..Build::default() };
        writer.documents = vec![Document { build: Some(build), ..Document::new("codemagic") }];
        writer.write_partial(&console);
        assert_eq!(read()["outcome"], "running");
        last_resort.report(ExitCode::Terminated, &console);
        let document = read();
        assert_eq!((&document["exit_code"], &document["still_running"]), (&143.into(), &true.into()));
        assert!(document["error"]["message"].as_str().unwrap().starts_with("Codemagic build 7: "));
        std::fs::remove_file(&path).unwrap();
        last_resort.report(ExitCode::Terminated, &console);
        writer.arm(false);
        writer.disarm();
        last_resort.report(ExitCode::Terminated, &console);
        assert!(!path.exists());
    }
}
