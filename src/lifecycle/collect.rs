//! Results of a finished build: artifacts chosen by name and downloaded, test results written as `JUnit` XML.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::{Details, Document, FailedTest, Outcome, Tests};
use crate::download::{self, Attempts, DownloadOptions, DownloadReport, DownloadSource, Selected};
use crate::error::{Error, ExitCode, RequestError};
use crate::files;
use crate::http::Request;
use crate::lifecycle::provider::{Provider, RemoteArtifact, TestReport};
use crate::lifecycle::runtime::Runtime;
use crate::model::{TestCase, TestCounts, TestStatus};
use crate::output::junit::JunitWriter;
use crate::output::{self, Console};

/// Artifacts named in the message that none matches.
const NAMED: usize = 20;

/// Polls of a build that has just finished and does not show the artifacts yet. Both services list them seconds after
/// the end.
const LATE_POLLS: u32 = 5;

/// The pause between them.
const LATE_PAUSE: Duration = Duration::from_secs(2);

/// The bytes of failed tests that the document of a call holds, at most, and those that each has beside its texts.
pub const MOST_FAILURES: usize = 1024 * 1024;
const FAILURE: usize = 256;

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

/// Checks that the file of test results can be written, and creates its folder.
pub fn check_junit(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(files::folder(path)).map_err(|error| Error::local(junit_name(path), &error))?;
    files::check_writable(path, &junit_name(path))
}

/// Whether an artifact has one of the names and one of the types. An empty list takes all.
pub fn matches(artifact: &RemoteArtifact, globs: &[String], types: &[String]) -> bool {
    let artifact = &artifact.artifact;
    // A name may hold a path; people mean its end, or the whole of it. A name with brackets is meant literally, too.
    let last = artifact.name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_like = |glob: &String| {
        [artifact.name.as_str(), last].iter().any(|name| glob == name || fast_glob::glob_match(glob, name))
    };
    let has_name = globs.is_empty() || globs.iter().any(is_like);
    let has_type = types.is_empty() || types.iter().any(|wanted| wanted.eq_ignore_ascii_case(&artifact.kind));
    has_name && has_type
}

/// How a verb that downloads accepts that there is nothing to download; the end of a hint.
pub const ALLOW_NONE: &str = "; --allow-none (allowNone in a Jenkinsfile) accepts it";

/// The error of choosing nothing of the build, with what there is; `remedy` is what the verb has beside that.
pub fn no_match<P: Provider>(title: &str, artifacts: &[RemoteArtifact], wanted: &[&[String]], remedy: &str) -> Error {
    if artifacts.is_empty() {
        return Error::message(ExitCode::NotFound, format!("{title} has no artifacts"))
            .with_hint(format!("{}{remedy}", P::ARTIFACTS_HINT));
    }
    let shown = |artifact: &RemoteArtifact| match artifact.artifact.kind.as_str() {
        "" => artifact.artifact.name.clone(),
        kind => format!("{} ({kind})", artifact.artifact.name),
    };
    let mut listed: Vec<String> = artifacts.iter().take(NAMED).map(shown).collect();
    if artifacts.len() > NAMED {
        listed.push(format!("{} more", artifacts.len() - NAMED));
    }
    Error::message(ExitCode::NotFound, format!("no artifact of {title} matches {}", quoted(&wanted.concat())))
        .with_hint(format!("it has {}{remedy}", listed.join(", ")))
}

fn quoted(globs: &[String]) -> String {
    globs.iter().map(|glob| format!("'{glob}'")).collect::<Vec<_>>().join(" or ")
}

/// Makes the links of one artifact.
struct ArtifactSource<'a, P: Provider> {
    provider: &'a P,
    build: &'a P::Build,
    artifact: RemoteArtifact,
}

impl<P: Provider> DownloadSource for ArtifactSource<'_, P> {
    fn request(&mut self, attempts: Attempts) -> Result<Request, RequestError> {
        self.provider.artifact_request(self.build, &self.artifact, attempts)
    }
}

/// Downloads the artifacts that `is_chosen` names into a folder. Those that are complete have a `path` afterwards.
///
/// Fails with the first error; the others are printed.
pub fn download<P: Provider>(
    provider: &P,
    build: &P::Build,
    artifacts: &mut [RemoteArtifact],
    is_chosen: &dyn Fn(&RemoteArtifact) -> bool,
    (dir, jobs): (&Path, Option<u8>),
    runtime: &Runtime,
) -> Result<(), Error> {
    let console = &runtime.console;
    let began = runtime.clock.now();
    if let Err(error) = runtime.with_retries(|| provider.add_sums(build, artifacts)) {
        console.line(&format!("{error}; only the sizes are checked"));
    }
    let chosen = artifacts.iter_mut().filter(|artifact| is_chosen(artifact));
    let selected: Vec<Selected> = chosen
        .map(|artifact| {
            let source = ArtifactSource { provider, build, artifact: artifact.clone() };
            Selected { artifact: &mut artifact.artifact, source: Box::new(source) }
        })
        .collect();
    let options = DownloadOptions {
        http: &provider.downloads(),
        dir,
        jobs: jobs.map(usize::from),
        clock: &*runtime.clock,
        interrupt: &runtime.interrupt,
        progress_interval: Console::progress_interval(),
        deadline: runtime.deadline,
    };
    let DownloadReport { files, bytes, failures } =
        download::download(selected, &options, &mut |event| console.download(&event));
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        let took = output::format_duration(runtime.clock.now().since(began));
        let noun = if files == 1 { "artifact" } else { "artifacts" };
        console.line(&format!("downloaded {files} {noun}, {} in {took}", output::format_size(bytes)));
        return Ok(());
    };
    for other in failures {
        console.error(&other);
    }
    Err(first)
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
    let several = documents.len() > 1;
    let most_failures = MOST_FAILURES / documents.len().max(1);
    let mut junit = options.junit.as_deref().map(|path| JunitFile::new(path, &runtime.console));
    let mut written = Ok(());
    for (build, document) in builds.iter().zip(documents.iter_mut()) {
        let succeeded = matches!(document.outcome, Outcome::Success | Outcome::Unstable);
        if !succeeded && document.outcome != Outcome::Failed || runtime.clock.interrupted().is_some() {
            continue;
        }
        if !options.globs.is_empty()
            && let Err(error) = collect_artifacts(provider, build, (options, several, succeeded), document, runtime)
        {
            note_error(document, &error, &runtime.console);
        }
        if options.junit.is_none() || runtime.clock.interrupted().is_some() {
            continue;
        }
        match runtime.with_retries(|| provider.tests(build)) {
            Ok(report) => {
                note_tests(&report, options.junit.as_deref(), most_failures, document, &runtime.console);
                let title = document.build.as_ref().filter(|_| several).map(|build| build.title.as_str());
                if let Some(junit) = junit.as_mut().filter(|_| written.is_ok()) {
                    written = junit.add(&report, title);
                }
            }
            Err(error) => note_error(document, &error, &runtime.console),
        }
    }
    let still_running = documents.iter().any(|document| document.outcome == Outcome::Running);
    if let Some(junit) = junit.filter(|_| !still_running && runtime.clock.interrupted().is_none())
        && let Err(error) = written.and_then(|()| junit.finish())
    {
        for document in documents.iter_mut() {
            note_error(document, &error, &runtime.console);
        }
    }
}

fn collect_artifacts<P: Provider>(
    provider: &P,
    build: &P::Build,
    (options, several, succeeded): (&CollectOptions, bool, bool),
    document: &mut Document,
    runtime: &Runtime,
) -> Result<(), Error> {
    let known = document.build.clone().unwrap_or_default();
    let is_chosen = |artifact: &RemoteArtifact| matches(artifact, &options.globs, &[]);
    let mut dir = options.dir.clone();
    if several {
        dir.push(download::file_name(&known.id.replace(['/', '\\', '#'], "-")));
    }
    for poll in 1.. {
        let (_, mut artifacts) = runtime.with_retries(|| provider.artifacts(build))?;
        let found = artifacts.iter().any(is_chosen);
        let result = if found {
            download(provider, build, &mut artifacts, &is_chosen, (&dir, options.jobs), runtime)
        } else if !succeeded || options.allow_none {
            runtime.console.line(&format!("no artifact of {} matches {}", known.title, quoted(&options.globs)));
            Ok(())
        } else if poll < LATE_POLLS {
            runtime.clock.sleep(options.interval.unwrap_or(LATE_PAUSE).min(LATE_PAUSE));
            if let Some(code) = runtime.clock.interrupted() {
                return Err(Error::message(
                    code,
                    format!("ended by a signal before the artifacts of {} were there", known.title),
                ));
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

/// The file of test results.
pub struct JunitFile<'a> {
    path: &'a Path,
    console: &'a Console,
    /// Nothing before there are tests.
    writer: Option<JunitWriter>,
}

impl<'a> JunitFile<'a> {
    /// A file that is not touched before [`JunitFile::finish`].
    pub fn new(path: &'a Path, console: &'a Console) -> Self {
        Self { path, console, writer: None }
    }

    /// Adds the tests of a build, below its `title` where there are several.
    pub fn add(&mut self, report: &TestReport, title: Option<&str>) -> Result<(), Error> {
        let Self { path, console, writer } = self;
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
        add().map_err(|error| Error::local(junit_name(path), &error))
    }

    /// Writes the file, or says that there are no tests. What an earlier build left under the name must not pass for them.
    pub fn finish(self) -> Result<(), Error> {
        let Self { path, console, writer } = self;
        let failed = |error| Error::local(junit_name(path), &error);
        let Some(writer) = writer else {
            let was_there = files::remove_regular_file(path).map_err(failed)?;
            let removed = if was_there { ", and the one of an earlier build was removed" } else { "" };
            console.line(&format!("no test results: {} was not written{removed}", path.display()));
            return Ok(());
        };
        let written =
            writer.finish().and_then(|(counts, write)| files::replace_file_with(path, &write).map(|()| counts));
        let counts = written.map_err(failed)?;
        console.line(&format!("saved {} ({})", path.display(), in_words(&counts)));
        Ok(())
    }
}

fn junit_name(path: &Path) -> String {
    format!("JUnit file {}", path.display())
}

/// The counts in words.
pub fn sentence(report: &TestReport) -> String {
    in_words(&report.counts)
}

fn in_words(TestCounts { passed, failed, errored, skipped }: &TestCounts) -> String {
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
