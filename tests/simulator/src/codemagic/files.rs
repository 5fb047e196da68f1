//! Artifacts, logs and the object storage: links, redirects, ranges.

use super::{Call, legacy_error};
use crate::builds::Artifact;
use crate::config::LogHost;
use crate::http::{Request, Response, encode, storage_error};
use crate::time::{SECOND, SimTime, micros};
use crate::world::World;
use serde_json::json;

/// An artifact by its build and its place in it.
type Place = (usize, usize);

/// Answers requests for files behind links that need no key; `None` for every other path.
pub(super) fn linked(world: &mut World, request: &Request) -> Option<Response> {
    if !request.path.starts_with("//artifacts/") && !request.path.starts_with("/artifacts/.") {
        return None;
    }
    // A link works only in the form in which it was given.
    Some(match (world.links.get(&request.path).copied(), request.method.as_str()) {
        (None, _) => legacy_error(404, "Artifact not found"),
        (Some(place), "GET" | "HEAD") => deliver(world, place),
        _ => legacy_error(405, "The method is not allowed for the requested URL"),
    })
}

/// `/artifacts/{uuid}/{uuid}/{name}` with a key, and `…/public-url` below it.
pub(super) fn legacy_artifact(world: &mut World, call: &Call<'_>) -> Response {
    let path = call.request.path.trim_start_matches("/artifacts/");
    let (path, public) = path.strip_suffix("/public-url").map_or((path, false), |path| (path, true));
    match (find(world, |a| a.path == path), public, call.method) {
        (None, ..) => legacy_error(404, "Artifact not found"),
        (Some(place), false, "GET") => deliver(world, place),
        (Some(place), true, "POST") => public_url(world, place, call.request),
        _ => legacy_error(405, "The method is not allowed for the requested URL"),
    }
}

fn public_url(world: &mut World, place: Place, request: &Request) -> Response {
    let expires = request.json().ok().and_then(|body| body["expiresAt"].as_i64());
    let Some(expires) = expires.map(|s| SimTime::from_micros(s.saturating_mul(SECOND))) else {
        return legacy_error(400, "expiresAt must be a UNIX timestamp in seconds");
    };
    if expires <= world.now() {
        return legacy_error(400, "expiresAt must be in the future");
    }
    let longest = world.config.links.longest_public_seconds.map(|s| world.now().plus(micros(s)));
    let expires = longest.map_or(expires, |longest| longest.min(expires));
    let path = format!("/artifacts/.eJw{}.{}", world.ids.opaque(317), world.ids.opaque(27));
    let url = format!("{}{path}", world.addresses.api);
    world.links.insert(path, place);
    Response::json(200, &json!({"url": url, "expiresAt": expires.offset()}))
}

/// The first artifact that is shown and fits.
fn find(world: &World, fits: impl Fn(&Artifact) -> bool) -> Option<Place> {
    world.builds.iter().enumerate().find_map(|(b, build)| {
        let at = build.artifacts.iter().position(&fits)?;
        build.has_artifacts(&world.clock).then_some((b, at))
    })
}

/// Redirects to the storage by a signed link.
fn deliver(world: &mut World, (build, at): Place) -> Response {
    let expires = world.now().unix_seconds() + 3600;
    let (account, path) = (encode("artifacts@demo.iam.gserviceaccount.com"), &world.builds[build].artifacts[at].path);
    // Real signatures hold characters that must stay encoded.
    let signature = encode(&format!("{}+/{}==", world.ids.opaque(40), world.ids.opaque(40)));
    let signed =
        format!("/codemagic-build-artifacts/{path}?Expires={expires}&GoogleAccessId={account}&Signature={signature}");
    let url = format!("{}{signed}", world.addresses.storage);
    world.signed.insert(signed);
    Response::html(world.config.links.redirect_status, "<p>You should be redirected.</p>").with("Location", &url)
}

/// The object storage: no credentials, signed links only.
pub(super) fn storage(world: &mut World, request: &Request) -> Response {
    if request.header("x-auth-token").is_some() || request.header("authorization").is_some() {
        world.counters.leaked_credentials += 1;
        return storage_error(400, "InvalidArgument", "Only one auth mechanism allowed");
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return storage_error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
    }
    let missing = || storage_error(404, "NoSuchKey", "The specified key does not exist.");
    if request.path.starts_with("/logs/") {
        return find_log(world, &request.path).unwrap_or_else(missing);
    }
    if let Some(response) = crate::jenkins::stored(world, request) {
        return response;
    }
    let path = request.path.trim_start_matches("/codemagic-build-artifacts/");
    let Some(place) = find(world, |a| a.path == path) else { return missing() };
    if !world.signed.contains(&format!("{}?{}", request.path, request.query)) {
        return storage_error(403, "SignatureDoesNotMatch", "Access denied.");
    }
    file(world, place, request)
}

/// The bytes of an artifact.
fn file(world: &World, (build, at): Place, request: &Request) -> Response {
    let (options, build) = (&world.config.storage, &world.builds[build]);
    let artifact = &build.artifacts[at];
    let mut response = Response::new(200, "application/octet-stream", artifact.content.clone());
    let etag = artifact.etag();
    let modified = build.time(build.timeline.artifacts_at().unwrap_or_default()).http_date();
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
        Some(range) => response.ranged(range),
        None => response,
    }
}

/// `/logs/{uuid}/{uuid}` of the API.
pub(super) fn log(world: &World, path: &str) -> Response {
    if world.config.logs.host == LogHost::Redirect {
        return Response::empty(302).with("Location", &format!("{}{path}", world.addresses.storage));
    }
    find_log(world, path).unwrap_or_else(|| legacy_error(404, "Log not found"))
}

fn find_log(world: &World, path: &str) -> Option<Response> {
    world.builds.iter().enumerate().find_map(|(b, build)| {
        let at = build.steps.iter().position(|s| s.log == path || s.subaction_log.as_deref() == Some(path))?;
        step_log(world, b, at)
    })
}

/// The log of a step as far as it exists.
pub(super) fn step_log(world: &World, build: usize, at: usize) -> Option<Response> {
    let build = &world.builds[build];
    let (content, len) = build.log(at, &build.moment(&world.clock).steps[at], world.config.logs.html)?;
    Some(Response { len, ..Response::new(200, "text/plain; charset=utf-8", content) })
}
