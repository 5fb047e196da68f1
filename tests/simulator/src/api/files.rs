//! Artifacts, logs and the object storage: links, redirects, ranges.

use super::Call;
use super::reply::legacy_error;
use crate::config::LogHost;
use crate::content::Content;
use crate::http::{Request, Response};
use crate::links::{self, Grant, NEVER, compact};
use crate::time::{SECOND, SimTime, micros};
use crate::world::World;
use serde_json::json;

/// Where an artifact is: its build and its place in it.
type Place = (usize, usize);

/// Answers requests for files behind signed links of the API; `None` for every other path.
pub(crate) fn linked(world: &mut World, request: &Request) -> Option<Response> {
    let (token, short) = match request.path.strip_prefix("//artifacts/") {
        Some(token) => (token, true),
        None => (request.path.strip_prefix("/artifacts/").filter(|t| t.starts_with('.'))?, false),
    };
    // A link works only in the form in which it was given.
    let grant = Grant::read(token).filter(|g| g.public != short);
    let found = grant.and_then(|g| Some((find(world, |a| compact(&a.ids.0) == g.artifact)?, g)));
    let Some((place, grant)) = found else {
        return Some(legacy_error(404, "Artifact not found"));
    };
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Some(legacy_error(405, "The method is not allowed for the requested URL"));
    }
    let limit = if grant.public { None } else { world.config.links.short_lived_uses };
    if world.now() >= grant.expires || used_up(world, grant.nonce, limit) {
        let status = world.config.links.expired_status;
        return Some(legacy_error(status, "The link has expired"));
    }
    Some(deliver(world, place, request))
}

/// `/artifacts/{uuid}/{uuid}/{name}` with a key, and `…/public-url` below it.
pub(crate) fn legacy_artifact(world: &mut World, call: &Call<'_>) -> Response {
    let (place, public) = match call.segments {
        ["artifacts", a, b, name] => (find_named(world, a, b, name), false),
        ["artifacts", a, b, name, "public-url"] => (find_named(world, a, b, name), true),
        _ => (None, false),
    };
    match (place, public, call.method) {
        (None, ..) => legacy_error(404, "Artifact not found"),
        (Some(place), false, "GET") => deliver(world, place, call.request),
        (Some(place), true, "POST") => public_url(world, place, call.request),
        _ => legacy_error(405, "The method is not allowed for the requested URL"),
    }
}

fn public_url(world: &mut World, (build, at): Place, request: &Request) -> Response {
    let expires = request.json().ok().and_then(|body| body["expiresAt"].as_i64());
    let Some(expires) = expires.map(|s| SimTime::from_micros(s.saturating_mul(SECOND))) else {
        return legacy_error(400, "expiresAt must be a UNIX timestamp in seconds");
    };
    if expires <= world.now() {
        return legacy_error(400, "expiresAt must be in the future");
    }
    let longest = world.config.links.longest_public_seconds.map_or(NEVER, |s| world.now().plus(micros(s)));
    let expires = expires.min(longest);
    let artifact = compact(&world.builds[build].artifacts[at].ids.0);
    let grant = Grant { artifact, expires, nonce: world.ids.next(), public: true };
    let url = links::public(&world.addresses.api, &grant);
    Response::json(200, &json!({"url": url, "expiresAt": expires.offset()}))
}

fn find(world: &World, matches: impl Fn(&crate::builds::Artifact) -> bool) -> Option<Place> {
    world.builds.iter().enumerate().find_map(|(b, build)| {
        let shown = build.has_artifacts(&world.clock);
        let at = build.artifacts.iter().position(&matches)?;
        shown.then_some((b, at))
    })
}

fn find_named(world: &World, first: &str, second: &str, name: &str) -> Option<Place> {
    find(world, |a| a.ids.0 == first && a.ids.1 == second && a.plan.name == name)
}

/// Counts a use of a link; true if there are no more uses left.
fn used_up(world: &mut World, nonce: u64, limit: Option<u32>) -> bool {
    let used = world.link_uses.entry(nonce).or_insert(0);
    *used += 1;
    limit.is_some_and(|most| *used > most)
}

/// The file itself, or the way to the storage.
fn deliver(world: &mut World, (build, at): Place, request: &Request) -> Response {
    if world.config.links.direct {
        return file(world, (build, at), request);
    }
    let World { builds, config, clock, ids, addresses, .. } = world;
    let path = links::storage_path(&builds[build].artifacts[at]);
    let expires = config.links.storage_seconds.map_or(NEVER, |s| clock.now().plus(micros(s)));
    let url = links::storage(&addresses.storage, &path, expires, ids.next());
    Response::html(config.links.redirect_status, "<p>You should be redirected.</p>").with("Location", &url)
}

/// The object storage.
pub(crate) fn storage(world: &mut World, request: &Request) -> Response {
    if request.header("x-auth-token").is_some() || request.header("authorization").is_some() {
        world.counters.leaked_credentials += 1;
        if world.config.storage.refuse_credentials {
            return storage_error(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return storage_error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
    }
    if let Some(response) = crate::jenkins::stored(world, request) {
        return response;
    }
    if let Some(ids) = request.path.strip_prefix("/logs/") {
        let (first, second) = ids.split_once('/').unwrap_or((ids, ""));
        return find_log(world, first, second)
            .and_then(|(b, at)| step_log(world, b, at))
            .unwrap_or_else(|| storage_error(404, "NoSuchKey", "The specified key does not exist."));
    }
    let Some(place) = find(world, |a| links::storage_path(a) == request.path) else {
        return storage_error(404, "NoSuchKey", "The specified key does not exist.");
    };
    let Some((expires, nonce)) = links::read_storage(&request.path, &request.query) else {
        return storage_error(403, "SignatureDoesNotMatch", "Access denied.");
    };
    let limit = world.config.links.storage_uses;
    // A link without an end has one that no clock here reaches.
    if world.now().unix_seconds() >= expires || used_up(world, nonce, limit) {
        return storage_error(400, "ExpiredToken", "The provided token has expired.");
    }
    file(world, place, request)
}

/// An error as the object storage tells it.
pub(crate) fn storage_error(status: u16, code: &str, message: &str) -> Response {
    let body =
        format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Response::new(status, "application/xml; charset=UTF-8", Content::from_text(&body))
}

/// The bytes of an artifact.
fn file(world: &World, (build, at): Place, request: &Request) -> Response {
    let options = &world.config.storage;
    let artifact = &world.builds[build].artifacts[at];
    let mut response = Response::new(200, "application/octet-stream", artifact.content.clone());
    let etag = artifact.etag();
    let end = world.builds[build].timeline.artifacts_at().unwrap_or_default();
    let modified = world.builds[build].time(end).http_date();
    if options.etag {
        response.set("ETag", &etag);
    }
    if options.last_modified {
        response.set("Last-Modified", &modified);
    }
    if !options.ranges {
        return response;
    }
    response.set("Accept-Ranges", "bytes");
    let same = request.header("if-range").is_none_or(|v| v == etag || v == modified);
    match request.header("range").filter(|_| same) {
        Some(range) => cut_range(response, range),
        None => response,
    }
}

/// A range of an answer. Forms that are not understood, and several ranges, give the whole as the RFC allows.
pub(crate) fn cut_range(mut response: Response, range: &str) -> Response {
    let whole = response.len;
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return response;
    };
    let (from, to) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => (from, to.min(whole.saturating_sub(1))),
        (Ok(from), Err(_)) if last.is_empty() => (from, whole.saturating_sub(1)),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 => (whole.saturating_sub(count), whole.saturating_sub(1)),
        _ => return response,
    };
    if from >= whole {
        let refused = storage_error(416, "InvalidRange", "The requested range cannot be satisfied.");
        return refused.with("Content-Range", &format!("bytes */{whole}"));
    }
    response.status = 206;
    response.start = from;
    response.len = to - from + 1;
    response.with("Content-Range", &format!("bytes {from}-{to}/{whole}"))
}

/// `/logs/{uuid}/{uuid}` of the API.
pub(crate) fn log(world: &mut World, first: &str, second: &str) -> Response {
    if world.config.logs.host == LogHost::Redirect {
        let url = format!("{}/logs/{first}/{second}", world.addresses.storage);
        return Response::empty(302).with("Location", &url);
    }
    find_log(world, first, second)
        .and_then(|(b, at)| step_log(world, b, at))
        .unwrap_or_else(|| legacy_error(404, "Log not found"))
}

fn find_log(world: &World, first: &str, second: &str) -> Option<Place> {
    let is = |ids: &(String, String)| ids.0 == first && ids.1 == second;
    world.builds.iter().enumerate().find_map(|(b, build)| {
        let at = build.steps.iter().position(|s| is(&s.log) || s.subaction_logs.iter().any(is))?;
        Some((b, at))
    })
}

/// The log of a step as far as it exists.
pub(crate) fn step_log(world: &World, build: usize, at: usize) -> Option<Response> {
    let build = &world.builds[build];
    let moment = build.moment(&world.clock);
    let (content, len) = build.log(at, &moment.steps[at], world.config.logs.live)?;
    let mut response = Response::new(200, "text/plain; charset=utf-8", content);
    response.len = len;
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranged(range: &str) -> (u16, u64, u64) {
        let r = cut_range(Response::text(200, "0123456789"), range);
        (r.status, r.start, r.len)
    }

    #[test]
    fn cuts_ranges() {
        assert_eq!(ranged("bytes=2-4"), (206, 2, 3));
        assert_eq!(ranged("bytes=7-"), (206, 7, 3));
        assert_eq!(ranged("bytes=-4"), (206, 6, 4));
        assert_eq!(ranged("bytes=8-99"), (206, 8, 2));
        assert_eq!(ranged("bytes=10-").0, 416);
        for odd in ["bytes=4-2", "bytes=1-2,4-5", "lines=1-2", "bytes=x-"] {
            assert_eq!(ranged(odd), (200, 0, 10), "{odd}");
        }
    }
}
