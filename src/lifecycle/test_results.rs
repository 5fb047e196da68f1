//! The test results of a build: in words, in the document of a call, and as a file of `JUnit` XML.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;

use crate::document::{Details, Document, FailedTest, Tests};
use crate::error::Error;
use crate::files;
use crate::lifecycle::provider::TestReport;
use crate::model::{TestCase, TestCounts, TestStatus};
use crate::output::Console;
use crate::output::junit::JunitWriter;

/// The bytes of failed tests that the document of a call holds, at most, and those that each has beside its texts.
pub const MOST_FAILURES: usize = 1024 * 1024;
const FAILURE: usize = 256;

/// Checks that the file of test results can be written, and creates its folder.
pub fn check_junit(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(files::folder(path)).with_context(|| junit_name(path))?;
    files::check_writable(path, &junit_name(path))
}

/// The file of test results.
pub struct JunitFile<'a> {
    path: &'a Path,
    console: &'a Console,
    /// Nothing before there are tests; the first error is kept for the end.
    writer: Result<Option<JunitWriter>, Error>,
}

impl<'a> JunitFile<'a> {
    /// A file that is not touched before [`JunitFile::finish`].
    pub fn new(path: &'a Path, console: &'a Console) -> Self {
        Self { path, console, writer: Ok(None) }
    }

    /// Adds the tests of a build, below its `title` where there are several.
    pub fn add(&mut self, report: &TestReport, title: Option<&str>) {
        let Self { path, console, writer: Ok(writer) } = self else { return };
        let mut add = || -> io::Result<()> {
            for mut suite in report.suites() {
                if let Some(title) = title {
                    suite.group = format!("{title} {}", suite.group);
                }
                if writer.is_none() {
                    *writer = Some(JunitWriter::new(files::scratch_for(path)?, console.redactor())?);
                }
                if let Some(writer) = writer {
                    writer.add(&suite)?;
                }
            }
            Ok(())
        };
        if let Err(error) = add() {
            self.writer = Err(Error::local(junit_name(path), &error));
        }
    }

    /// Writes the file, or says that there are no tests. What an earlier build left under the name must not pass for them.
    pub fn finish(self) -> Result<(), Error> {
        let Self { path, console, writer } = self;
        let failed = |error| Error::local(junit_name(path), &error);
        let Some(writer) = writer? else {
            let was_there = files::remove_regular_file(path).map_err(failed)?;
            let removed = if was_there { ", and the one of an earlier build was removed" } else { "" };
            console.line(&format!("no test results: {} was not written{removed}", path.display()));
            return Ok(());
        };
        let written =
            writer.finish().and_then(|(counts, write)| files::replace_file_with(path, &write).map(|()| counts));
        let counts = written.map_err(failed)?;
        console.line(&format!("saved {} ({})", path.display(), counts_in_words(&counts)));
        Ok(())
    }
}

fn junit_name(path: &Path) -> String {
    format!("JUnit file {}", path.display())
}

/// The counts in words.
pub fn counts_in_words(TestCounts { passed, failed, errored, skipped }: &TestCounts) -> String {
    let mut parts = vec![format!("{passed} passed"), format!("{failed} failed")];
    parts.extend((*errored > 0).then(|| format!("{errored} errored")));
    parts.push(format!("{skipped} skipped"));
    parts.join(", ")
}

/// The tests that did not pass, one line each.
pub fn failure_lines(report: &TestReport) -> impl Iterator<Item = String> {
    report.failures().map(|(suite, case)| {
        let word = if case.status == TestStatus::Errored { "errored" } else { "failed" };
        let name = case.name.replace('\n', " ");
        let message = case.message.as_deref().and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
        let message = message.map(|line| format!(": {}", line.trim())).unwrap_or_default();
        // Jenkins names a test by its class and its own name.
        let is_named = suite.is_empty() || case.name.starts_with(&*suite);
        let suite = if is_named { String::new() } else { format!("{suite}: ") };
        format!("{word}: {suite}{name}{message}")
    })
}

/// Notes counts and failures in the document; says how many failures are left out because they are more than `most` bytes.
pub fn note_tests(report: &TestReport, junit: Option<&Path>, most: usize, document: &mut Document, console: &Console) {
    let (mut failures, mut left_out, mut bytes) = (Vec::new(), 0, 0);
    for (suite, TestCase { name, message, .. }) in report.failures() {
        bytes += FAILURE + suite.len() + name.len() + message.as_ref().map_or(0, String::len);
        if bytes > most {
            left_out += 1;
        } else {
            failures.push(FailedTest { suite: suite.to_string(), name, message });
        }
    }
    if left_out > 0 {
        console.line(&format!("{left_out} of the failed tests are left out of the result document"));
    }
    let tests = Tests {
        counts: report.counts,
        failures,
        failures_left_out: (left_out > 0).then_some(left_out),
        junit: junit.filter(|_| report.has_suites()).map(|path| path.display().to_string()),
    };
    document.details = Some(Details::Tests(tests));
}
