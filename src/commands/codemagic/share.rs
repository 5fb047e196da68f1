//! `codemagic share`: links to artifacts that anyone may open until they end.

use std::time::Duration;

use serde_json::{Value, json};

use super::{client, collecting, placeholders, watched, with_retries};
use crate::cli::ShareArgs;
use crate::commands::{Context, ResultWriter, fetching};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};
use crate::lifecycle::Provider as _;

/// A difference between the end that was asked for and the one given that needs no word.
const SLACK: Duration = Duration::from_secs(60);

/// A time stamp with a year of five digits cannot be written; nobody wants a link for a century.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) fn run(args: &ShareArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(std::slice::from_ref(&args.build))?;
    let document = &mut publication.documents[0];
    let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
    let globs = args.globs.clone();
    if globs.is_empty() {
        // What everybody may open is named, not guessed.
        return Err(Error::usage("--match", "not given")
            .with_hint("name the artifacts to share, e.g. --match '*.ipa'")
            .into());
    }
    if args.expires.is_zero() || args.expires > LONGEST {
        let given = humantime::format_duration(args.expires);
        return Err(Error::usage(format!("--expires {given}"), "a link must end in the time to come")
            .with_hint("write it like 12h, 7d or 1y")
            .into());
    }
    let client = client(context)?;
    let build = watched(&client, &id)?;
    let (seen, mut offers) = with_retries(&*context.clock, || client.artifacts(&build))?;
    document.build = Some(seen.build);
    let chosen = fetching::choose(&seen.artifacts, &globs, &[]);
    if chosen.is_empty() {
        return Err(collecting::nothing(&id, &seen.artifacts, &[&globs]).into());
    }
    with_retries(&*context.clock, || client.add_sums(&build, &mut offers))?;
    document.artifacts = offers.iter().map(|offer| offer.artifact.clone()).collect();
    let asked = context.clock.wall() + args.expires;
    let mut links = Vec::new();
    for offer in chosen.iter().map(|n| &offers[*n]) {
        let link = with_retries(&*context.clock, || client.create_public_link(offer, asked))?;
        let name = &offer.artifact.name;
        let end = link.expires_at.map(|end| humantime::format_rfc3339_seconds(end).to_string());
        let distance =
            |end: std::time::SystemTime| end.duration_since(asked).unwrap_or_else(|before| before.duration());
        if link.expires_at.is_none_or(|end| distance(end) > SLACK) {
            let given = end.as_deref().unwrap_or("no time that it told");
            let asked = humantime::format_rfc3339_seconds(asked);
            context.console.line(&format!("{name}: the service set the end to {given}, not to {asked}"));
        }
        if !context.output.json {
            context.console.data(&format!("{} {} {name}", link.url, end.as_deref().unwrap_or("-")));
        }
        links.push(json!({"name": name, "url": link.url, "expires": end}));
    }
    document.more.insert("links".to_owned(), Value::Array(links));
    document.end(Outcome::Success, ExitCode::Success);
    Ok(publication.worst())
}
