//! What a build archived: `jenkins artifacts` lists or downloads it, `trigger` and `wait` bring it home at the end.

use std::path::Path;

use super::{PROVIDER, reach_build};
use crate::cli::{ArtifactsArgs, CollectArgs};
use crate::commands::{Context, ResultWriter, fetching, settle, with_retries};
use crate::document::{Document, Outcome};
use crate::download::{self, Attempts, DownloadSource};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::Request;
use crate::model::{Artifact, Phase};
use crate::old_jenkins::{BuildName, Client, JobPath};

/// The link of an artifact, which lasts.
struct ArtifactSource<'a> {
    client: &'a Client,
    job: &'a JobPath,
    number: u64,
    path: String,
}

impl DownloadSource for ArtifactSource<'_> {
    fn request(&mut self, _: Attempts) -> Result<Request, RequestError> {
        self.client.artifact(self.job, self.number, &self.path).map_err(RequestError::permanent)
    }
}

pub(super) fn run(args: &ArtifactsArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    if !args.list {
        crate::files::check_folder(&args.dir)?;
    }
    let (client, job, number) = reach_build(&args.build, context)?;
    let report = &context.console;
    let globs = args.globs.clone();
    let seen = with_retries(&*context.clock, || client.build(&job, &BuildName::Number(number)))?.snapshot;
    if !matches!(seen.phase, Phase::Ended(_)) {
        report.line("the build goes on: it may archive more artifacts");
    }
    publication.documents.push(Document {
        build: Some(seen.build),
        artifacts: seen.artifacts,
        ..Document::new(PROVIDER)
    });
    let document = &mut publication.documents[0];
    let chosen = fetching::choose(&document.artifacts, &globs, &[]);
    if chosen.is_empty() {
        if !args.download.allow_none {
            return Err(nothing(&job, number, &document.artifacts, &globs).into());
        }
        report.line("no such artifact");
    } else if args.list {
        for n in chosen.iter().filter(|_| !context.output.json) {
            report.data(&document.artifacts[*n].name);
        }
    } else {
        let done = fetch((&client, &job, number), &chosen, (&args.dir, args.download.jobs), context, document);
        let paths = chosen.iter().filter_map(|n| document.artifacts[*n].path.as_ref());
        paths.filter(|_| !context.output.json).for_each(|path| report.data(path));
        done?;
    }
    document.end(Outcome::Success, ExitCode::Success);
    Ok(publication.worst())
}

/// Downloads the chosen artifacts into a folder, and notes in `document` where each lies.
fn fetch(
    (client, job, number): (&Client, &JobPath, u64),
    chosen: &[usize],
    place: (&Path, u8),
    context: &Context,
    document: &mut Document,
) -> Result<(), Error> {
    let paths: Vec<String> = document.artifacts.iter().map(|artifact| artifact.name.clone()).collect();
    let source = |n: usize| -> Box<dyn DownloadSource + '_> {
        Box::new(ArtifactSource { client, job, number, path: paths[n].clone() })
    };
    fetching::fetch(&client.downloads(), &source, chosen, place, context, document)
}

/// The failure of choosing nothing, with what there is.
fn nothing(job: &JobPath, number: u64, there: &[Artifact], globs: &[String]) -> Error {
    fetching::nothing(&format!("{job}#{number}"), there, &[globs], "does the job archive them (archiveArtifacts)?")
}

/// What `trigger` and `wait` are to bring home.
pub(super) struct CollectOptions<'a> {
    globs: Vec<String>,
    args: &'a CollectArgs,
}

impl<'a> CollectOptions<'a> {
    /// Reads the wishes, and checks that they can be fulfilled here before anything remote happens.
    pub(super) fn check(args: &'a CollectArgs) -> anyhow::Result<Self> {
        let globs = args.artifacts.clone();
        if !globs.is_empty() {
            crate::files::check_folder(&args.artifacts_dir)?;
        }
        Ok(Self { globs, args })
    }

    /// Whether nothing is wished for.
    pub(super) fn are_none(&self) -> bool {
        self.globs.is_empty()
    }

    /// Brings home what a build left: of a good one all that is wished for, of a failed one what is there. A failed
    /// build's own code is never hidden by a failure here.
    pub(super) fn bring(
        &self,
        (client, job, number): (&Client, &JobPath, u64),
        several: bool,
        context: &Context,
        document: &mut Document,
    ) {
        let good = matches!(document.outcome, Outcome::Success | Outcome::Unstable);
        if self.are_none() || !good && document.outcome != Outcome::Failed {
            return;
        }
        let chosen = fetching::choose(&document.artifacts, &self.globs, &[]);
        let mut dir = self.args.artifacts_dir.clone();
        if several {
            dir.push(download::file_name(&format!("{job}-{number}").replace(['/', '\\'], "-")));
        }
        let done = if !chosen.is_empty() {
            fetch((client, job, number), &chosen, (&dir, self.args.download.jobs), context, document)
        } else if good && !self.args.download.allow_none {
            Err(nothing(job, number, &document.artifacts, &self.globs))
        } else {
            let globs = self.globs.join(" or ");
            context.console.line(&format!("no artifact of build {job}#{number} is like {globs}"));
            Ok(())
        };
        if let Err(failure) = done {
            settle(document, &failure, &context.console);
        }
    }
}
