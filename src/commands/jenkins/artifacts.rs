//! `jenkins artifacts`: lists or downloads what a build archived.

use super::{PROVIDER, reach_build};
use crate::cli::{self, JenkinsArtifactsArgs};
use crate::commands::{Context, Publication, insist};
use crate::download::{self, Haul, Item, Links, Room, Tries};
use crate::error::{Code, Failure, Miss};
use crate::http::Request;
use crate::jenkins::{BuildName, Client, JobPath};
use crate::model::{Document, Outcome, Phase};
use crate::report::{self, Report};

/// Artifacts named in the message that there is no such one.
const NAMED: usize = 20;

/// The links of a build's artifacts, which last.
struct BuildLinks<'a> {
    client: &'a Client,
    job: &'a JobPath,
    number: u64,
    paths: Vec<&'a str>,
}

impl Links for BuildLinks<'_> {
    fn fresh(&mut self, n: usize, _: Tries) -> Result<Request, Miss> {
        self.client.artifact(self.job, self.number, self.paths[n]).map_err(Miss::lasting)
    }
}

pub(super) fn run(
    args: &JenkinsArtifactsArgs,
    context: &Context,
    publication: &mut Publication,
) -> anyhow::Result<Code> {
    let (client, job, number) = reach_build(&args.build, &args.connection, &args.output, context)?;
    let report = &context.report;
    let globs = cli::repeated(&args.globs, "CIBRIDGE_MATCH");
    let seen = insist(&*context.clock, || client.build(&job, &BuildName::Number(number)))?.sighting;
    if !matches!(seen.phase, Phase::Ended(_)) {
        report.line("the build goes on: it may archive more artifacts");
    }
    publication.documents.push(Document {
        build: Some(seen.build),
        artifacts: seen.artifacts.clone(),
        ..Document::new(PROVIDER)
    });
    let document = &mut publication.documents[0];
    let wanted = |path: &str| {
        // People mean the name, or the whole path.
        let last = path.rsplit('/').next().unwrap_or_default();
        globs.is_empty() || globs.iter().any(|glob| [path, last].iter().any(|text| fast_glob::glob_match(glob, text)))
    };
    let chosen: Vec<usize> = (0..seen.artifacts.len()).filter(|n| wanted(&seen.artifacts[*n].name)).collect();
    if chosen.is_empty() {
        if !args.download.allow_none {
            return Err(nothing(
                &job,
                number,
                &seen.artifacts.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
                &globs,
            )
            .into());
        }
        report.line("no such artifact");
    } else if args.list {
        for n in chosen.iter().filter(|_| !args.output.json) {
            report.data(&seen.artifacts[*n].name);
        }
    } else {
        let began = context.clock.now();
        let mut names: Vec<String> = chosen.iter().map(|n| download::safe(&seen.artifacts[*n].name)).collect();
        download::distinct(&mut names);
        let items: Vec<Item> = chosen
            .iter()
            .zip(names)
            .map(|(n, name)| Item { name, size: None, md5: seen.artifacts[*n].md5.clone() })
            .collect();
        let paths = chosen.iter().map(|n| seen.artifacts[*n].name.as_str()).collect();
        let mut links = BuildLinks { client: &client, job: &job, number, paths };
        let room = Room {
            http: &client.downloads(),
            dir: &args.dir,
            jobs: args.download.jobs.into(),
            clock: &*context.clock,
            interrupt: &context.interrupt,
            beat: Report::beat(),
        };
        let Haul { files, mut failures } =
            download::download(&items, &mut links, &room, &mut |event| report.transfer(&event));
        let (mut count, mut bytes) = (0, 0);
        for (n, saved) in chosen.iter().zip(files) {
            let Some(saved) = saved else { continue };
            (count, bytes) = (count + 1, bytes + saved.size);
            let artifact = &mut document.artifacts[*n];
            let path = saved.path.display().to_string();
            if !args.output.json {
                report.data(&path);
            }
            artifact.path = Some(path);
            artifact.size = Some(saved.size);
            artifact.sha256 = Some(saved.sha256);
        }
        if !failures.is_empty() {
            let first = failures.remove(0);
            for failure in &failures {
                report.failure(failure);
            }
            return Err(first.into());
        }
        let took = report::words(context.clock.now().saturating_sub(began));
        report.line(&format!(
            "{count} artifact{}, {} in {took}",
            if count == 1 { "" } else { "s" },
            report::size(bytes)
        ));
    }
    document.end(Outcome::Success, Code::Success);
    Ok(publication.worst())
}

/// The failure of choosing nothing, with what there is.
fn nothing(job: &JobPath, number: u64, there: &[&str], globs: &[String]) -> Failure {
    let what = format!("the artifacts of build {job}#{number}");
    if there.is_empty() {
        return Failure::new(Code::NotFound, what, "there are none")
            .hint("does the job archive them (archiveArtifacts)? With --allow-none this is no error");
    }
    let mut listed = there.iter().take(NAMED).map(|path| (*path).to_owned()).collect::<Vec<_>>();
    if there.len() > NAMED {
        listed.push(format!("{} more", there.len() - NAMED));
    }
    Failure::new(Code::NotFound, what, format!("none is like {}", globs.join(" or ")))
        .hint(format!("there are {}; with --allow-none this is no error", listed.join(", ")))
}
