//! Who asks: basic authentication with token or password, sessions, crumbs.

use super::Ctx;
use super::pages;
use super::state::{Jenkins, Session};
use crate::http::{Request, Response};
use crate::ids::{hash, mix};
use crate::time::SimTime;

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// Name; `None` is anonymous.
    pub(crate) name: Option<String>,
    /// An API token proved it in this very request.
    pub(crate) by_token: bool,
    /// The session that the request belongs to.
    pub(crate) session: Option<String>,
}

/// Reads base64; what is none gives an empty text.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let (mut out, mut word, mut bits) = (Vec::new(), 0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Vec::new(),
        };
        word = word << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    out
}

/// Finds out who asks; the error is the refusal.
pub(crate) fn authenticate(j: &mut Jenkins, request: &Request, now: SimTime) -> Result<Caller, Box<Response>> {
    let cookies = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("cookie"));
    let given: Vec<&str> = cookies.flat_map(|(_, v)| v.split(';')).map(str::trim).collect();
    let id = given.iter().find_map(|c| c.strip_prefix("JSESSIONID.362191f9="));
    let session: Option<Session> = id.and_then(|id| j.sessions.iter().find(|s| s.id == id)).cloned();
    let mut caller = Caller { session: session.as_ref().map(|s| s.id.clone()), ..Caller::default() };
    let known = session.and_then(|s| s.user);
    let header = request.header("authorization").filter(|_| !j.config.strip_authorization).unwrap_or_default();
    if let Some(token) = header.strip_prefix("Bearer ") {
        // A proxy in front turns one that it knows into a user; Jenkins itself does not look at it.
        let Some(token) = j.tokens.iter_mut().find(|t| t.value == token) else {
            return Ok(Caller { name: known, ..caller });
        };
        token.uses += 1;
        return Ok(Caller { name: Some(token.user.clone()), by_token: true, ..caller });
    }
    let Some(coded) = header.strip_prefix("Basic ") else {
        caller.name = known;
        return Ok(caller);
    };
    let plain = String::from_utf8_lossy(&base64(coded.trim())).into_owned();
    let (user, secret) = plain.split_once(':').unwrap_or((&plain, ""));
    if known.as_deref() == Some(user) {
        // The session is enough, so the token is not looked at, and a crumb is wanted after all.
        caller.name = known;
        return Ok(caller);
    }
    let valid = |t: &&mut super::state::Token| t.user == user && t.value == secret && t.expires.is_none_or(|e| e > now);
    if let Some(token) = j.tokens.iter_mut().find(valid) {
        token.uses += 1;
        return Ok(Caller { name: Some(user.to_owned()), by_token: true, ..caller });
    }
    let by_password = j.config.users.iter().any(|u| u.name == user && u.password.as_deref() == Some(secret));
    if by_password {
        return Ok(Caller { name: Some(user.to_owned()), ..caller });
    }
    Err(Box::new(refused(request)))
}

fn refused(request: &Request) -> Response {
    pages::unauthorized(&request.path)
}

/// The crumb of a session and a user.
fn crumb(session: &str, user: Option<&str>, salt: &str) -> String {
    let mut state = hash(&format!("{session} {} {salt}", user.unwrap_or("anonymous")));
    let mut next = || {
        state = mix(state);
        state
    };
    format!("{:016x}{:016x}{:016x}{:016x}", next(), next(), next(), next())
}

impl Ctx<'_> {
    fn own_crumb(&self) -> Option<String> {
        let session = self.caller.session.as_deref()?;
        Some(crumb(session, self.caller.name.as_deref(), &self.j.config.version))
    }

    /// `/crumbIssuer/api/json`
    pub(crate) fn crumb_issuer(&mut self) -> Response {
        if !self.j.config.crumbs {
            return self.not_found();
        }
        let mut cookie = Response::empty(200);
        self.remember(&mut cookie);
        let crumb = self.own_crumb().unwrap_or_default();
        let body = serde_json::json!({
            "_class": "hudson.security.csrf.DefaultCrumbIssuer",
            "crumb": crumb,
            "crumbRequestField": "Jenkins-Crumb",
        });
        let mut response = self.json(&body);
        response.headers.extend(cookie.headers);
        response
    }

    /// Refuses a POST without the crumb it needs.
    pub(crate) fn check_crumb(&mut self) -> Result<(), Box<Response>> {
        if self.request.method != "POST" || self.caller.by_token || !self.j.config.crumbs {
            return Ok(());
        }
        let given =
            self.request.header("jenkins-crumb").map(str::to_owned).or_else(|| self.form.first("Jenkins-Crumb"));
        if given.is_some() && given == self.own_crumb() {
            return Ok(());
        }
        let mut refusal = pages::container(&self.request.path, 403, "No valid crumb was included in the request");
        if given.is_some() {
            // To look at a crumb opens a session.
            self.remember(&mut refusal);
        }
        Err(Box::new(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_base64() {
        assert_eq!(base64("ZGV2OnBhc3M="), b"dev:pass");
        assert_eq!(base64("w6Q6"), "ä:".as_bytes());
        assert!(base64("%%").is_empty());
    }

    #[test]
    fn crumbs_belong_to_a_session_and_a_user() {
        assert_ne!(crumb("a", Some("dev"), "1"), crumb("b", Some("dev"), "1"));
        assert_ne!(crumb("a", Some("dev"), "1"), crumb("a", None, "1"));
        assert_eq!(crumb("a", None, "1").len(), 64);
    }
}
