//! The service: from a request to its answer. Knows the world, not the sockets.

mod files;
mod legacy;
mod legacy_wire;
mod reply;
mod start;
mod v3;
mod v3_wire;
mod variables;

use crate::fault::Listener;
use crate::http::{Request, Response, decode};
use crate::jenkins;
use crate::world::World;
pub(crate) use files::{cut_range, storage_error};
pub(crate) use reply::{Family, error, limit_headers};

/// Secrets that stand in answers of the service and that no client may print.
pub const LEAK_TRAPS: [&str; 4] =
    ["sim-trap-vnc-password", "sim-trap-app-variable", "sim-trap-script-source", "sim-trap-ssh-script"];

/// Which of the two APIs a path belongs to.
pub(crate) fn family(path: &str) -> Family {
    if path == "/api/v3" || path.starts_with("/api/v3/") { Family::V3 } else { Family::Legacy }
}

/// Carries out a request.
pub(crate) fn answer(world: &mut World, listener: Listener, request: &Request) -> Response {
    let response = match listener {
        Listener::Storage => files::storage(world, request),
        Listener::Jenkins => jenkins::answer(world, request),
        Listener::Api => match files::linked(world, request) {
            Some(response) => response,
            None => named(world, request),
        },
    };
    dated(world, response)
}

/// Puts the simulated time into an answer.
pub(crate) fn dated(world: &World, mut response: Response) -> Response {
    if !response.has("date") {
        response.set("Date", &world.now().http_date());
    }
    response
}

/// What needs a key: everything but files behind signed links.
fn named(world: &mut World, request: &Request) -> Response {
    let family = family(&request.path);
    let rest = match family {
        Family::V3 => request.path.strip_prefix("/api/v3").unwrap_or_default(),
        Family::Legacy => request.path.as_str(),
    };
    let segments: Vec<String> = rest.split('/').skip(1).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // A GET route answers HEAD as well; the sender leaves the body out.
    let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
    let call = Call { request, method, segments: &segments };
    if family == Family::V3 && (method, &segments[..]) == ("GET", &["meta"]) {
        return v3::meta();
    }
    let session = match reply::authorize(world, request, family) {
        Ok(session) => session,
        Err(response) => return *response,
    };
    let mut response = match family {
        Family::V3 => v3::route(world, &call, &session),
        Family::Legacy => legacy::route(world, &call, &session),
    };
    for (name, value) in session.headers {
        response.set(&name, &value);
    }
    response
}

/// A request on its way through the routes.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    /// Method; GET for HEAD.
    pub(crate) method: &'a str,
    /// Decoded parts of the path.
    pub(crate) segments: &'a [&'a str],
}
