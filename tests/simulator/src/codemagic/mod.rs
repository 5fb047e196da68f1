//! Codemagic: from a request to its answer. Knows the state, not the sockets.

mod files;
mod legacy;
mod start;
mod v3;

use crate::config::Access;
use crate::fault::Listener;
use crate::http::{Request, Response, decode, reason};
use crate::jenkins;
use crate::world::World;
use serde_json::{Value, json};

/// Secrets that stand in answers of the service and that no client may print.
pub const LEAK_TRAPS: [&str; 4] =
    ["sim-trap-vnc-password", "sim-trap-app-variable", "sim-trap-script-source", "sim-trap-ssh-script"];
/// The user behind every key.
const USER: &str = "5c9c064185dd2310123b8e96";

/// One of the two APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V3,
    Legacy,
}

/// The API that a path belongs to.
pub(crate) fn family(path: &str) -> Family {
    if path.starts_with("/api/v3/") { Family::V3 } else { Family::Legacy }
}

/// A request with a valid key on its way through the routes.
struct Call<'a> {
    request: &'a Request,
    /// Method; GET for HEAD.
    method: &'a str,
    /// Decoded parts of the path.
    segments: &'a [&'a str],
    access: Access,
}

/// Carries out a request.
pub(crate) fn answer(world: &mut World, listener: Listener, request: &Request) -> Response {
    let response = match listener {
        Listener::Storage => files::storage(world, request),
        Listener::Jenkins => jenkins::answer(world, request),
        Listener::Api => match files::linked(world, request) {
            Some(response) => response,
            None => with_key(world, request),
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
fn with_key(world: &mut World, request: &Request) -> Response {
    let family = family(&request.path);
    let given = request.header("x-auth-token").unwrap_or_default();
    let Some(key) = world.config.keys.iter().find(|k| k.key == given) else {
        let text = match (family, given.is_empty()) {
            (Family::V3, true) => "No authentication token provided",
            (Family::V3, false) => "Invalid authentication token",
            (Family::Legacy, _) => "You are not authorized to perform this action",
        };
        return error(family, 401, text);
    };
    let path = if family == Family::V3 { &request.path["/api/v3".len()..] } else { &request.path };
    let segments: Vec<String> = path.split('/').skip(1).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // A GET route answers HEAD as well; the sender leaves the body out.
    let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
    let call = Call { request, method, segments: &segments, access: key.access };
    let (remaining, reset) = world.take_request();
    let mut response = match family {
        _ if remaining.is_none() => error(family, 429, "Too many requests"),
        _ if call.access == Access::None && segments.first() != Some(&"user") => {
            error(family, 403, "You do not have permission to perform this action")
        }
        Family::V3 => v3::route(world, &call),
        Family::Legacy => legacy::route(world, &call),
    };
    if world.config.limit_headers {
        response.headers.extend(limit_headers(world, family, remaining.unwrap_or_default(), reset));
    }
    response
}

/// An error in the body of the API that was asked.
pub(crate) fn error(family: Family, status: u16, text: &str) -> Response {
    match family {
        Family::V3 => v3_error(status, text, json!({})),
        Family::Legacy => legacy_error(status, text),
    }
}

fn v3_error(status: u16, detail: &str, extra: Value) -> Response {
    let mut body = json!({"status_code": status, "detail": detail});
    body["extra"] = extra;
    Response::json(status, &body)
}

fn legacy_error(status: u16, message: &str) -> Response {
    let word = reason(status).to_ascii_uppercase().replace(' ', "_");
    Response::json(status, &json!({"error": word, "message": message}))
}

/// Refused fields in the form of v3's framework: a key and what is wrong with it, each from `source`.
fn invalid(request: &Request, problems: &[(String, String)], source: &str) -> Response {
    let shown = |(key, message): &(String, String)| json!({"message": message, "key": key, "source": source});
    let detail = format!("Validation failed for {} {}", request.method, request.path);
    v3_error(400, &detail, problems.iter().map(shown).collect())
}

/// The headers of the rate limit: the reset of v3 counts the seconds left, that of legacy is the Unix time.
pub(crate) fn limit_headers(world: &World, family: Family, remaining: u64, reset: u64) -> Vec<(String, String)> {
    let (prefix, reset) = match family {
        Family::V3 => ("ratelimit-", reset),
        Family::Legacy => ("X-RateLimit-", world.now().unix_seconds() as u64 + reset),
    };
    let values = [("Limit", world.config.hourly_limit), ("Remaining", remaining), ("Reset", reset)];
    let named = |(name, value): (&str, u64)| (format!("{prefix}{name}"), value.to_string());
    let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
    let all = values.into_iter().map(named);
    if family == Family::V3 { all.map(lower).collect() } else { all.collect() }
}
