//! What a build leaves behind, brought home: choosing artifacts, downloading them, writing test results.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::super::{Context, ResultWriter, fetching, settle};
use super::{watched, watching, with_retries};
use crate::cli::{CollectArgs, DownloadArgs};
use crate::codemagic::{Client, WatchedBuild};
use crate::document::{Document, Outcome};
use crate::download::{Attempts, DownloadSource};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::Request;
use crate::lifecycle::{Provider as _, RemoteArtifact};
use crate::model::{Artifact, TestStatus, TestSuite};
use crate::output::junit::{self, Counts};

/// Looks at a build that has just ended and does not show the artifacts yet.
const LATE_LOOKS: u32 = 5;

/// The pause between them.
const LATE_PAUSE: Duration = Duration::from_secs(2);

/// The links of one artifact.
struct ArtifactSource<'a> {
    client: &'a Client,
    build: &'a WatchedBuild,
    artifact: &'a RemoteArtifact,
}

impl DownloadSource for ArtifactSource<'_> {
    fn request(&mut self, attempts: Attempts) -> Result<Request, RequestError> {
        self.client.artifact_request(self.build, self.artifact, attempts)
    }
}

/// The failure of choosing nothing, with what there is.
pub(super) fn nothing(id: &str, there: &[Artifact], wanted: &[&[String]]) -> Error {
    fetching::nothing(id, there, wanted, "does the workflow list them under `artifacts:`?")
}

/// Downloads the chosen artifacts into a folder, and notes in `document` where each lies.
pub(super) fn fetch(
    client: &Client,
    build: &WatchedBuild,
    mut offers: Vec<RemoteArtifact>,
    chosen: &[usize],
    place: (&Path, u8),
    context: &Context,
    document: &mut Document,
) -> Result<(), Error> {
    if let Err(failure) = with_retries(&*context.clock, || client.add_sums(build, &mut offers)) {
        context.console.line(&format!("{failure}; only the sizes are checked"));
    }
    document.artifacts = offers.iter().map(|offer| offer.artifact.clone()).collect();
    let source =
        |n: usize| -> Box<dyn DownloadSource + '_> { Box::new(ArtifactSource { client, build, artifact: &offers[n] }) };
    fetching::fetch(&client.downloads(), &source, chosen, place, context, document)
}

/// What `trigger` and `wait` are to bring home.
pub(super) struct CollectOptions {
    globs: Vec<String>,
    dir: PathBuf,
    junit: Option<PathBuf>,
    download: DownloadArgs,
    /// The pause between looks for artifacts that are late.
    pause: Duration,
}

impl CollectOptions {
    /// Reads the wishes, and checks that they can be fulfilled here before anything remote happens.
    pub(super) fn check(args: &CollectArgs, poll_interval: Option<Duration>) -> anyhow::Result<Self> {
        let globs = args.artifacts.clone();
        if !globs.is_empty() {
            crate::files::check_folder(&args.artifacts_dir)?;
        }
        if let Some(path) = &args.junit {
            check_junit(path)?;
        }
        Ok(Self {
            globs,
            dir: args.artifacts_dir.clone(),
            junit: args.junit.clone(),
            download: args.download.clone(),
            pause: poll_interval.unwrap_or(LATE_PAUSE),
        })
    }

    /// Whether nothing is wished for.
    pub(super) fn are_none(&self) -> bool {
        self.globs.is_empty() && self.junit.is_none()
    }
}

/// Checks that the file of test results can be written, and makes its folder.
pub(super) fn check_junit(path: &Path) -> anyhow::Result<()> {
    let what = || format!("the JUnit file {}", path.display());
    fs::create_dir_all(crate::files::folder(path)).with_context(what)?;
    Ok(crate::files::check_writable(path, &what())?)
}

/// Brings home what the builds left that have ended: of good builds all that is wished for, of failed ones what is
/// there. A failed build's own code is never hidden by a failure here.
pub(super) fn run(
    client: &Client,
    wishes: &CollectOptions,
    context: &Context,
    publication: &mut ResultWriter,
) -> ExitCode {
    let several = publication.documents.len() > 1;
    let mut suites = Vec::new();
    for document in &mut publication.documents {
        let good = matches!(document.outcome, Outcome::Success | Outcome::Unstable);
        if !good && document.outcome != Outcome::Failed {
            continue;
        }
        let build = document.build.clone().unwrap_or_default();
        let dir = if several { wishes.dir.join(&build.id) } else { wishes.dir.clone() };
        if !wishes.globs.is_empty()
            && let Err(failure) = collect(client, wishes, (&build.id, &dir, good), context, document)
        {
            settle(document, &failure, &context.console);
        }
        if wishes.junit.is_none() || context.clock.interrupted().is_some() {
            continue;
        }
        let tests =
            watched(client, &build.id).and_then(|watched| with_retries(&*context.clock, || client.tests(&watched)));
        match tests.map(|report| report.suites) {
            Ok(mut own) => {
                note_tests(&own, wishes.junit.as_deref().filter(|_| !own.is_empty()), document);
                if several {
                    for suite in &mut own {
                        suite.group = format!("{} {}", watching::title(&build), suite.group);
                    }
                }
                suites.extend(own);
            }
            Err(failure) => settle(document, &failure, &context.console),
        }
    }
    let goes_on = publication.documents.iter().any(|document| document.outcome == Outcome::Running);
    if let Some(path) = &wishes.junit
        && context.clock.interrupted().is_none()
        && !goes_on
        && let Err(error) = write_junit(path, &suites, context)
    {
        let failure = super::super::failure(&error);
        publication.documents.iter_mut().for_each(|document| settle(document, &failure, &context.console));
    }
    publication.worst()
}

fn collect(
    client: &Client,
    wishes: &CollectOptions,
    (id, dir, good): (&str, &Path, bool),
    context: &Context,
    document: &mut Document,
) -> Result<(), Error> {
    let clock = &*context.clock;
    let build = watched(client, id)?;
    for look in 1.. {
        let (seen, offers) = with_retries(clock, || client.artifacts(&build))?;
        let chosen = fetching::choose(&seen.artifacts, &wishes.globs, &[]);
        if !chosen.is_empty() {
            return fetch(client, &build, offers, &chosen, (dir, wishes.download.jobs), context, document);
        }
        if !good || wishes.download.allow_none {
            context.console.line(&format!("no artifact of build {id} is like {}", wishes.globs.join(" or ")));
            return Ok(());
        }
        if look == LATE_LOOKS {
            return Err(nothing(id, &seen.artifacts, &[&wishes.globs]));
        }
        clock.sleep(wishes.pause);
        if let Some(code) = clock.interrupted() {
            return Err(Error::new(code, format!("the artifacts of build {id}"), "ended by a signal"));
        }
    }
    Ok(())
}

/// Writes the results, or says that there are none. What an earlier build left under the name must not pass for them.
pub(super) fn write_junit(path: &Path, suites: &[TestSuite], context: &Context) -> anyhow::Result<()> {
    let what = || format!("the JUnit file {}", path.display());
    if suites.is_empty() {
        let gone = if path.exists() {
            fs::remove_file(path).with_context(what)?;
            ", and the one of an earlier build was removed"
        } else {
            ""
        };
        context.console.line(&format!("no test results: {} is not written{gone}", path.display()));
        return Ok(());
    }
    let xml = junit::xml(suites).with_context(what)?;
    crate::files::replace_file(path, &context.console.redactor().redact_bytes(&xml)).with_context(what)?;
    context.console.line(&format!("{}; written to {}", sentence(suites), path.display()));
    Ok(())
}

/// The counts in words.
pub(super) fn sentence(suites: &[TestSuite]) -> String {
    let counts = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let Counts { passed, failed, errored, skipped } = counts;
    format!("{} tests: {passed} passed, {failed} failed, {errored} errored, {skipped} skipped", counts.total())
}

/// The tests that ended badly, one line each.
pub(super) fn bad_ones(suites: &[TestSuite]) -> Vec<String> {
    let word = |status| match status {
        TestStatus::Failed => Some("failed"),
        TestStatus::Errored => Some("errored"),
        TestStatus::Passed | TestStatus::Skipped => None,
    };
    let of = |suite: &TestSuite| {
        let line = |case: &crate::model::TestCase| {
            Some(format!("{}: {}: {}", word(case.status)?, suite.name, case.name.replace('\n', " ")))
        };
        suite.cases.iter().filter_map(line).collect::<Vec<_>>()
    };
    suites.iter().flat_map(of).collect()
}

/// Notes the counts in the document.
pub(super) fn note_tests(suites: &[TestSuite], junit: Option<&Path>, document: &mut Document) {
    let Counts { passed, failed, errored, skipped } = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let tests = json!({
        "passed": passed, "failed": failed, "errored": errored, "skipped": skipped,
        "junit": junit.map(|path| path.display().to_string()),
    });
    document.more.insert("tests".to_owned(), tests);
}
