//! Error bodies of both APIs, keys, and the limit of requests.

use crate::config::Access;
use crate::http::{Request, Response, reason};
use crate::world::World;
use serde_json::{Value, json};

/// One of the two APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V3,
    Legacy,
}

/// Somebody with a valid key.
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) access: Access,
    pub(crate) headers: Vec<(String, String)>,
}

/// An error in the body of the API that was asked.
pub(crate) fn error(family: Family, status: u16, text: &str) -> Response {
    match family {
        Family::V3 => v3_error(status, text, json!({})),
        Family::Legacy => legacy_error(status, text),
    }
}

pub(crate) fn v3_error(status: u16, detail: &str, extra: Value) -> Response {
    let mut body = json!({"status_code": status, "detail": detail});
    body["extra"] = extra;
    Response::json(status, &body)
}

pub(crate) fn legacy_error(status: u16, message: &str) -> Response {
    let word = reason(status).to_ascii_uppercase().replace(' ', "_");
    Response::json(status, &json!({"error": word, "message": message}))
}

/// A refused field in the form of v3's framework.
pub(crate) fn invalid(request: &Request, problems: &[(String, String, &str)]) -> Response {
    let extra: Vec<Value> = problems
        .iter()
        .map(|(key, message, source)| json!({"message": message, "key": key, "source": source}))
        .collect();
    let detail = format!("Validation failed for {} {}", request.method, request.path);
    v3_error(400, &detail, Value::Array(extra))
}

/// Checks the key and takes one request out of its bucket.
pub(crate) fn authorize(world: &mut World, request: &Request, family: Family) -> Result<Session, Box<Response>> {
    let given = request.header("x-auth-token").unwrap_or_default();
    let Some(key) = world.config.keys.iter().find(|k| k.key == given).cloned() else {
        let text = match (family, given.is_empty()) {
            (Family::V3, true) => "No authentication token provided",
            (Family::V3, false) => "Invalid authentication token",
            (Family::Legacy, _) => "You are not authorized to perform this action",
        };
        return Err(Box::new(error(family, 401, text)));
    };
    let rules = world.config.rate_limit.clone();
    let bucket = match (rules.shared, family) {
        (true, _) => key.key.clone(),
        (false, Family::V3) => format!("v3 {}", key.key),
        (false, Family::Legacy) => format!("legacy {}", key.key),
    };
    let now = if rules.simulated { world.now().as_micros() as f64 / 1e6 } else { world.began.elapsed().as_secs_f64() };
    let allowance = world.buckets.take(&bucket, &rules, now);
    let headers = if rules.headers {
        let reset = allowance.reset_seconds.ceil() as u64;
        limit_headers(world, family, allowance.limit, allowance.remaining, reset)
    } else {
        Vec::new()
    };
    if allowance.allowed {
        return Ok(Session { key: key.key, access: key.access, headers });
    }
    world.counters.rate_limited += 1;
    let mut response = error(family, 429, "Too Many Requests");
    response.headers.extend(headers);
    Err(Box::new(response))
}

/// The headers that tell the limit: v3 counts the seconds left, legacy names the moment.
pub(crate) fn limit_headers(
    world: &World,
    family: Family,
    limit: u64,
    remaining: u64,
    reset_seconds: u64,
) -> Vec<(String, String)> {
    let (names, reset) = match family {
        Family::V3 => (["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"], reset_seconds as i64),
        Family::Legacy => (
            ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
            world.now().unix_seconds() + reset_seconds as i64,
        ),
    };
    let values = [limit.to_string(), remaining.to_string(), reset.to_string()];
    names.iter().map(|n| (*n).to_owned()).zip(values).collect()
}
