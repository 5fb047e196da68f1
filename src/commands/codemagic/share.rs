//! `codemagic share`: links to artifacts that anyone may open until they expire.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use crate::cli::{CodemagicConnectionArgs, ShareArgs};
use crate::clock::format_time;
use crate::commands::named_builds::find_build;
use crate::commands::session::{CommandResult, Session};
use crate::document::{Details, Link};
use crate::download;
use crate::error::Error;
use crate::files;
use crate::lifecycle::Provider as _;
use crate::lifecycle::artifacts::{matches, no_match};
use crate::output::{Cell, QrCode, Table};

/// A difference between the expiry that was asked for and the one given that needs no word.
const SLACK: Duration = Duration::from_secs(60);

pub fn run(args: &ShareArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    let reference = super::reference(&args.build, &args.filter)?;
    if args.expires.is_zero() {
        return Err(
            Error::usage("--expires 0s", "the expiry must be in the future").with_hint("write it like 12h, 7d or 1y")
        );
    }
    args.qr_dir.as_deref().map_or(Ok(()), files::check_folder)?;
    let client = super::connect(connection, session)?;
    let build = find_build(&client, &reference, session)?;
    let (seen, mut artifacts) = session.with_retries(|| client.artifacts(&build))?;
    let title = seen.build.title.clone();
    session.note_build(seen);
    if !artifacts.iter().any(|artifact| matches(artifact, &args.globs, &[])) {
        return Err(no_match::<crate::codemagic::Client>(&title, &artifacts, &[&args.globs], ""));
    }
    session.with_retries(|| client.add_sums(&build, &mut artifacts))?;
    session.document().artifacts = artifacts.iter().map(|artifact| artifact.artifact.clone()).collect();
    artifacts.retain(|artifact| matches(artifact, &args.globs, &[]));
    let images: Vec<String> = artifacts.iter().map(|artifact| format!("{}.png", artifact.artifact.name)).collect();
    let images = download::distinct_file_names(images.iter().map(String::as_str));
    let asked = session.runtime.clock.wall() + args.expires;
    let (mut links, mut failed) = (Vec::new(), None);
    let mut table = Table::new("links", &["name", "expires", "url"]);
    for (artifact, image) in artifacts.iter().zip(images) {
        let (name, kind) = (&artifact.artifact.name, &artifact.artifact.kind);
        let link = match session.with_retries(|| client.create_public_link(artifact, asked)) {
            Ok(link) => link,
            // The links that exist already are not lost for it.
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        let expires_at = link.expires_at.and_then(format_time);
        if link.expires_at.is_none_or(|end| distance(end, asked) > SLACK) {
            let given = expires_at.as_deref().unwrap_or("an unspecified time");
            let asked = format_time(asked).unwrap_or_default();
            session.console().line(&format!("{name}: the service set the expiry to {given}, not to {asked}"));
        }
        table.row(vec![Cell::text(name), Cell::optional(expires_at.as_deref()), Cell::text(&link.url)]);
        let qr_path = match qr_code(&link.url, name, &image, args, session) {
            Ok(path) => path,
            Err(error) => {
                failed.get_or_insert(error);
                None
            }
        };
        links.push(Link { name: name.clone(), kind: kind.clone(), url: link.url, expires_at, qr_path });
    }
    session.table(&table);
    session.document().details = Some(Details::Links(links));
    failed.map_or_else(|| Ok(session.succeed_with_build()), Err)
}

/// Shows and saves the QR code of a link, as far as that is asked for. Gives the path of its image.
fn qr_code(url: &str, name: &str, image: &str, args: &ShareArgs, session: &Session) -> Result<Option<String>, Error> {
    if !args.qr && args.qr_dir.is_none() {
        return Ok(None);
    }
    let Some(code) = QrCode::new(url) else {
        session.console().line(&format!("{name}: the link is too long for a QR code"));
        return Ok(None);
    };
    if args.qr {
        session.console().line(&format!("{name}:"));
        session.console().qr_code(name, &code);
    }
    let Some(dir) = &args.qr_dir else { return Ok(None) };
    let path = dir.join(image);
    let saved = fs::create_dir_all(dir).and_then(|()| files::replace_file(&path, &code.png()));
    let path = path.display().to_string();
    saved.with_context(|| format!("QR code {path}"))?;
    session.console().line(&format!("saved {path}"));
    Ok(Some(path))
}

fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|earlier| earlier.duration())
}
