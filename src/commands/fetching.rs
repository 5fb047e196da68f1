//! A build's artifacts, of whichever system: choosing them by name, downloading them, telling where they lie.
//!
//! It must know neither client: who calls brings the artifacts and makes their links.

use std::path::Path;

use super::Context;
use crate::document::Document;
use crate::download::{self, DownloadReport, Item, Links, Room};
use crate::error::{Error, ExitCode};
use crate::http::Http;
use crate::model::Artifact;
use crate::output::{self, Console};

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

/// Downloads the chosen ones of `document`'s artifacts into `dir`, and notes there where each lies. `links` counts as
/// `chosen` does.
pub(super) fn fetch(
    http: &Http,
    links: &mut dyn Links,
    chosen: &[usize],
    (dir, jobs): (&Path, u8),
    context: &Context,
    document: &mut Document,
) -> Result<(), Error> {
    let report = &context.console;
    let began = context.clock.now();
    let there = &document.artifacts;
    let mut names: Vec<String> = chosen.iter().map(|n| download::safe(&there[*n].name)).collect();
    download::distinct(&mut names);
    let item = |(n, name): (&usize, String)| Item { name, size: there[*n].size, md5: there[*n].md5.clone() };
    let items: Vec<Item> = chosen.iter().zip(names).map(item).collect();
    let room = Room {
        http,
        dir,
        jobs: jobs.into(),
        clock: &*context.clock,
        interrupt: &context.interrupt,
        beat: Console::beat(),
    };
    let DownloadReport { files, mut failures } =
        download::download(&items, links, &room, &mut |event| report.transfer(&event));
    let (mut count, mut bytes) = (0, 0);
    for (n, saved) in chosen.iter().zip(files) {
        let Some(saved) = saved else { continue };
        (count, bytes) = (count + 1, bytes + saved.size);
        let artifact = &mut document.artifacts[*n];
        artifact.path = Some(saved.path.display().to_string());
        artifact.size = Some(saved.size);
        artifact.sha256 = Some(saved.sha256);
    }
    if failures.is_empty() {
        let took = output::words(context.clock.now().since(began));
        let files = if count == 1 { "artifact" } else { "artifacts" };
        report.line(&format!("{count} {files}, {} in {took}", output::size(bytes)));
        return Ok(());
    }
    let first = failures.remove(0);
    for failure in &failures {
        report.failure(failure);
    }
    Err(first)
}
