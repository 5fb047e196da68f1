//! The artifacts of a build: chosen by name and type, and downloaded.

use std::path::Path;

use crate::download::{self, Attempts, DownloadOptions, DownloadReport, DownloadSource, Selected};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::Request;
use crate::lifecycle::provider::{Provider, RemoteArtifact};
use crate::lifecycle::runtime::Runtime;
use crate::output::{self, Console};

/// Artifacts named in the message that none matches.
const NAMED: usize = 20;

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

/// Names in quotes, for a sentence.
pub fn quoted(globs: &[String]) -> String {
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

/// Whose artifacts go where.
pub struct ArtifactDownload<'a, P: Provider> {
    pub provider: &'a P,
    pub build: &'a P::Build,
    pub dir: &'a Path,
    /// Files to download at once.
    pub jobs: Option<u8>,
    pub runtime: &'a Runtime,
}

impl<P: Provider> ArtifactDownload<'_, P> {
    /// Downloads the artifacts that `is_chosen` names into the folder. Those that are complete have a `path` afterwards.
    ///
    /// Fails with the first error; the others are printed.
    pub fn download(
        &self,
        artifacts: &mut [RemoteArtifact],
        is_chosen: &dyn Fn(&RemoteArtifact) -> bool,
    ) -> Result<(), Error> {
        let Self { provider, build, dir, jobs, runtime } = *self;
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
}
