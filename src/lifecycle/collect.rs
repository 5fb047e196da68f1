//! Collects what finished builds left: artifacts and test results.

use std::path::PathBuf;
use std::time::Duration;

use crate::document::{Document, Outcome};
use crate::download;
use crate::error::{Error, ExitCode};
use crate::files;
use crate::lifecycle::artifacts::{ALLOW_NONE, ArtifactDownload, matches, no_match, quoted};
use crate::lifecycle::provider::{Provider, RemoteArtifact};
use crate::lifecycle::runtime::Runtime;
use crate::lifecycle::test_results::{JunitFile, MOST_FAILURES, check_junit, note_tests};
use crate::output::Console;

/// Polls of a build that has just finished and does not show the artifacts yet. Both services list them seconds after
/// the end.
const LATE_POLLS: u32 = 5;

/// The pause between them.
const LATE_PAUSE: Duration = Duration::from_secs(2);

/// What to download of a finished build.
#[derive(Debug, Clone, Default)]
pub struct CollectOptions {
    /// Names of artifacts; none means that nothing is downloaded.
    pub globs: Vec<String>,
    /// The folder for the artifacts; each of several builds gets its own folder in it.
    pub dir: PathBuf,
    /// Where the test results go.
    pub junit: Option<PathBuf>,
    /// Files to download at once.
    pub jobs: Option<u8>,
    /// Finding no artifact is no error.
    pub allow_none: bool,
    /// The pause between polls for artifacts that are late, where somebody asked for a pause.
    pub interval: Option<Duration>,
}

impl CollectOptions {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.globs.is_empty() && self.junit.is_none()
    }

    /// Checks that this machine can do it, before anything remote happens.
    pub fn check(&self) -> Result<(), Error> {
        if !self.globs.is_empty() {
            files::check_folder(&self.dir)?;
        }
        self.junit.as_deref().map_or(Ok(()), check_junit)
    }
}

/// Collects what the finished builds left: of successful ones all that is asked for, of failed ones what there is. A
/// failed build's own code is never hidden by an error here.
pub fn collect<P: Provider>(
    provider: &P,
    builds: &[&P::Build],
    options: &CollectOptions,
    documents: &mut [Document],
    runtime: &Runtime,
) {
    if options.is_empty() {
        return;
    }
    let collector = Collector { provider, options, build_count: documents.len(), runtime };
    let mut junit = options.junit.as_deref().map(|path| JunitFile::new(path, &runtime.console));
    for (build, document) in builds.iter().zip(documents.iter_mut()) {
        if matches!(document.outcome, Outcome::Success | Outcome::Unstable | Outcome::Failed) {
            collector.collect_artifacts(build, document);
            collector.collect_tests(build, document, junit.as_mut());
        }
    }
    let still_running = documents.iter().any(|document| document.outcome == Outcome::Running);
    if let Some(junit) = junit.filter(|_| !still_running && runtime.clock.interrupted().is_none())
        && let Err(error) = junit.finish()
    {
        for document in documents.iter_mut() {
            note_error(document, &error, &runtime.console);
        }
    }
}

struct Collector<'a, P: Provider> {
    provider: &'a P,
    options: &'a CollectOptions,
    build_count: usize,
    runtime: &'a Runtime,
}

impl<P: Provider> Collector<'_, P> {
    fn collect_artifacts(&self, build: &P::Build, document: &mut Document) {
        if !self.options.globs.is_empty()
            && self.runtime.clock.interrupted().is_none()
            && let Err(error) = self.download_artifacts(build, document)
        {
            note_error(document, &error, &self.runtime.console);
        }
    }

    fn download_artifacts(&self, build: &P::Build, document: &mut Document) -> Result<(), Error> {
        let Self { provider, options, runtime, .. } = *self;
        let known = document.build.clone().unwrap_or_default();
        let is_chosen = |artifact: &RemoteArtifact| matches(artifact, &options.globs, &[]);
        let may_be_none = options.allow_none || document.outcome == Outcome::Failed;
        let mut dir = options.dir.clone();
        if self.build_count > 1 {
            dir.push(download::file_name(&known.id.replace(['/', '\\', '#'], "-")));
        }
        for poll in 1.. {
            let (_, mut artifacts) = runtime.with_retries(|| provider.artifacts(build))?;
            let result = if artifacts.iter().any(is_chosen) {
                ArtifactDownload { provider, build, dir: &dir, jobs: options.jobs, runtime }
                    .download(&mut artifacts, &is_chosen)
            } else if may_be_none {
                runtime.console.line(&format!("no artifact of {} matches {}", known.title, quoted(&options.globs)));
                Ok(())
            } else if poll < LATE_POLLS {
                runtime.clock.sleep(options.interval.unwrap_or(LATE_PAUSE).min(LATE_PAUSE));
                if let Some(code) = runtime.clock.interrupted() {
                    let reason = format!("ended by a signal before the artifacts of {} were there", known.title);
                    return Err(Error::message(code, reason));
                }
                continue;
            } else {
                Err(no_match::<P>(&known.title, &artifacts, &[&options.globs], ALLOW_NONE))
            };
            document.artifacts = artifacts.into_iter().map(|artifact| artifact.artifact).collect();
            return result;
        }
        Ok(())
    }

    fn collect_tests(&self, build: &P::Build, document: &mut Document, junit: Option<&mut JunitFile>) {
        let Self { provider, options, build_count, runtime } = *self;
        let Some(junit) = junit.filter(|_| runtime.clock.interrupted().is_none()) else { return };
        match runtime.with_retries(|| provider.tests(build)) {
            Ok(report) => {
                let most = MOST_FAILURES / build_count;
                note_tests(&report, options.junit.as_deref(), most, document, &runtime.console);
                let title = document.build.as_ref().filter(|_| build_count > 1).map(|build| build.title.as_str());
                junit.add(&report, title);
            }
            Err(error) => note_error(document, &error, &runtime.console),
        }
    }
}

/// Notes an error after a build's end: it decides how the call ends for a build that succeeded; a signal decides always.
fn note_error(document: &mut Document, error: &Error, console: &Console) {
    console.error(error);
    let signal = matches!(error.code(), ExitCode::Interrupted | ExitCode::Terminated);
    if signal || matches!(document.outcome, Outcome::Success | Outcome::Unstable) {
        document.fail(error);
    } else {
        document.error.get_or_insert(error.into());
    }
}
