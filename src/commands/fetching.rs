//! A build's artifacts, of whichever system: choosing them by name, downloading them, telling where they lie.
//!
//! It must know neither client: who calls brings the artifacts and makes their links.

use std::path::Path;

use super::Context;
use crate::document::Document;
use crate::download::{self, DownloadOptions, DownloadReport, DownloadSource, Selected};
use crate::error::{Error, ExitCode};
use crate::http::Http;
use crate::model::Artifact;
use crate::output;

/// Artifacts named in the message that there is no such one.
const NAMED: usize = 20;

/// The numbers of the artifacts that are wanted: those with one of the names, and of one of the types. An empty list
/// takes all.
pub(super) fn choose(there: &[Artifact], globs: &[String], types: &[String]) -> Vec<usize> {
    let named = |name: &str| {
        // A name may hold a path; people mean its end, or the whole of it.
        let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
        globs.is_empty() || globs.iter().any(|glob| [name, last].iter().any(|name| fast_glob::glob_match(glob, name)))
    };
    let of_type = |kind: &str| types.is_empty() || types.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind));
    (0..there.len()).filter(|n| of_type(&there[*n].kind) && named(&there[*n].name)).collect()
}

/// The failure of choosing nothing of `build`, with what there is. `source` asks where a build gets artifacts from.
pub(super) fn nothing(build: &str, there: &[Artifact], wanted: &[&[String]], source: &str) -> Error {
    let what = format!("the artifacts of build {build}");
    if there.is_empty() {
        let hint = format!("{source} With --allow-none this is no error");
        return Error::new(ExitCode::NotFound, what, "there are none").with_hint(hint);
    }
    let shown = |artifact: &Artifact| match artifact.kind.as_str() {
        "" => artifact.name.clone(),
        kind => format!("{} ({kind})", artifact.name),
    };
    let mut listed: Vec<String> = there.iter().take(NAMED).map(shown).collect();
    if there.len() > NAMED {
        listed.push(format!("{} more", there.len() - NAMED));
    }
    Error::new(ExitCode::NotFound, what, format!("none is like {}", wanted.concat().join(" or ")))
        .with_hint(format!("there are {}; with --allow-none this is no error", listed.join(", ")))
}

/// Downloads the chosen ones of `document`'s artifacts into `dir`, and notes there where each lies. `source` makes the
/// links of the artifact with that number.
pub(super) fn fetch<'a>(
    http: &Http,
    source: &'a dyn Fn(usize) -> Box<dyn DownloadSource + 'a>,
    chosen: &[usize],
    (dir, jobs): (&Path, u8),
    context: &Context,
    document: &mut Document,
) -> Result<(), Error> {
    let report = &context.console;
    let began = context.clock.now();
    let chosen = document.artifacts.iter_mut().enumerate().filter(|(n, _)| chosen.contains(n));
    let selected = chosen.map(|(n, artifact)| Selected { artifact, source: source(n) }).collect();
    let options = DownloadOptions {
        http,
        dir,
        jobs: jobs.into(),
        clock: &*context.clock,
        interrupt: &context.interrupt,
        progress_interval: context.console.progress_interval(),
        deadline: None,
    };
    let DownloadReport { files, bytes, mut failures } =
        download::download(selected, &options, &mut |event| report.download(&event));
    if failures.is_empty() {
        let took = output::format_duration(context.clock.now().since(began));
        let noun = if files == 1 { "artifact" } else { "artifacts" };
        report.line(&format!("{files} {noun}, {} in {took}", output::format_size(bytes)));
        return Ok(());
    }
    let first = failures.remove(0);
    for failure in &failures {
        report.error(failure);
    }
    Err(first)
}
