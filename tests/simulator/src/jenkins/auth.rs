//! Authentication by token, password or session; crumbs; API tokens that are made and revoked over HTTP.

use super::pages;
use super::state::{Jenkins, Token};
use super::{Call, OPAQUE_JSON};
use crate::content::Content;
use crate::http::{Request, Response};
use crate::ids::{hash, mix};
use crate::time::{SECOND, SimTime};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Who sent a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// Name as Jenkins spells it; `None` is anonymous.
    pub(crate) name: Option<String>,
    /// An API token proved it in this very request.
    pub(crate) by_token: bool,
    /// The session that the request belongs to.
    pub(crate) session: Option<String>,
}

/// Finds out who sent a request; the error is the refusal.
pub(crate) fn authenticate(j: &mut Jenkins, request: &Request, now: SimTime) -> Result<Caller, Box<Response>> {
    let cookies = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("cookie"));
    let mut given = cookies.flat_map(|(_, v)| v.split(';')).map(str::trim);
    let id = given.find_map(|c| c.strip_prefix("JSESSIONID.362191f9="));
    // A session that no log-in form has opened says nothing about who asks (`BasicHeaderProcessor` at 2.516.2).
    let session = id.and_then(|id| j.sessions.iter().find(|session| *session == id)).cloned();
    let caller = |name: Option<String>, by_token| Ok(Caller { name, by_token, session: session.clone() });
    let header = request.header("authorization").filter(|_| !j.config.strip_authorization).unwrap_or_default();
    if let Some(value) = header.strip_prefix("Bearer ") {
        // A proxy in front turns a token that it knows into a user; Jenkins itself does not read it.
        let Some(token) = j.tokens.iter_mut().find(|t| t.value == value) else { return caller(None, false) };
        token.uses += 1;
        return caller(Some(token.user.clone()), true);
    }
    let Some(coded) = header.strip_prefix("Basic ") else { return caller(None, false) };
    let plain = String::from_utf8_lossy(&STANDARD.decode(coded.trim()).unwrap_or_default()).into_owned();
    let (user, secret) = plain.split_once(':').unwrap_or((&plain, ""));
    // Names are found whatever their case, and from there on spelled as Jenkins does.
    let found = j.config.users.iter().find(|u| u.name.eq_ignore_ascii_case(user)).cloned();
    let Some(found) = found else { return Err(Box::new(pages::unauthorized(&request.path))) };
    let valid =
        |t: &&mut Token| t.user == found.name && t.value == secret && t.expires.is_none_or(|expires| expires > now);
    if let Some(token) = j.tokens.iter_mut().find(valid) {
        token.uses += 1;
        return caller(Some(found.name), true);
    }
    if found.password.as_deref() == Some(secret) {
        return caller(Some(found.name), false);
    }
    Err(Box::new(pages::unauthorized(&request.path)))
}

impl Call<'_> {
    /// The crumb of the session and the user.
    fn own_crumb(&self) -> Option<String> {
        let session = self.caller.session.as_deref()?;
        let seed = hash(&format!("{session} {}", self.caller.name.as_deref().unwrap_or("anonymous")));
        Some((0..4).fold(String::new(), |crumb, n| format!("{crumb}{:016x}", mix(seed ^ n))))
    }

    /// Opens a session by a cookie, if there is none yet.
    pub(crate) fn open_session(&mut self, response: &mut Response) {
        if self.caller.session.is_none() {
            let id = format!("node0{:x}.node0", self.ids.next());
            let path = if self.j.config.context.is_empty() { "/" } else { &self.j.config.context };
            let cookie = format!("JSESSIONID.362191f9={id}; Path={path}; HttpOnly; SameSite=Lax");
            self.j.sessions.push(id.clone());
            self.caller.session = Some(id);
            response.set("Set-Cookie", &cookie);
            response.set("Expires", pages::LONG_AGO);
        }
    }

    /// `/crumbIssuer/api/json`
    pub(crate) fn crumb_issuer(&mut self) -> Response {
        if !self.j.config.crumbs {
            return self.not_found();
        }
        let mut cookie = Response::empty(200);
        self.open_session(&mut cookie);
        let mut response = self.json(&json!({
            "_class": "hudson.security.csrf.DefaultCrumbIssuer", "crumb": self.own_crumb(),
            "crumbRequestField": "Jenkins-Crumb",
        }));
        response.headers.extend(cookie.headers);
        response
    }

    /// The refusal of a POST without the crumb that it needs.
    pub(crate) fn missing_crumb(&mut self) -> Option<Response> {
        if self.request.method != "POST" || self.caller.by_token || !self.j.config.crumbs {
            return None;
        }
        let given =
            self.request.header("jenkins-crumb").map(str::to_owned).or_else(|| self.form.first("Jenkins-Crumb"));
        if given.is_some() && given == self.own_crumb() {
            return None;
        }
        let mut refusal = pages::container_page(&self.request.path, 403, "No valid crumb was included in the request");
        if given.is_some() {
            // Reading a crumb opens a session.
            self.open_session(&mut refusal);
        }
        Some(refusal)
    }

    /// `/me/descriptorByName/jenkins.security.ApiTokenProperty/ACTION`, or the same of a user.
    pub(crate) fn tokens(&mut self, user: Option<&str>, action: &str) -> Response {
        let Some(me) = self.caller.name.clone() else { return self.log_in() };
        if !matches!(action, "generateNewToken" | "revoke") {
            return self.not_found();
        }
        if self.method != "POST" {
            return self.post_only();
        }
        if user.is_some_and(|u| u != me) {
            return Response::empty(403);
        }
        if action == "generateNewToken" {
            return self.new_token(&me);
        }
        match self.form.first("tokenUuid").filter(|uuid| !uuid.is_empty()) {
            None => self.oops(400),
            Some(uuid) => {
                self.j.tokens.retain(|t| t.user != me || t.uuid != uuid);
                Response::empty(200)
            }
        }
    }

    fn new_token(&mut self, user: &str) -> Response {
        const DAY: i64 = 86_400 * SECOND;
        let name = self.form.first("newTokenName").filter(|n| !n.trim().is_empty());
        let name = name.unwrap_or_else(|| format!("Token created on {}", self.now.offset()));
        let value = format!("11{:016x}{:016x}", self.ids.next(), self.ids.next());
        let uuid = self.ids.uuid();
        let mut data = json!({"tokenName": name, "tokenUuid": uuid, "tokenValue": value});
        let days = self.form.first("expirationDuration").and_then(|days| days.parse::<i64>().ok());
        let day = self.form.first("tokenExpiration").and_then(|text| SimTime::from_date(&text));
        let expires = days.map(|days| self.now.plus(days * DAY)).or(day).filter(|_| self.j.config.token_expiry);
        if self.j.config.token_expiry {
            data["expirationDate"] = json!(expires.map(|e| e.v3()[..10].to_owned()));
            data["aboutToExpire"] = json!(expires.is_some_and(|e| e.since(self.now) < 7 * DAY));
        }
        self.j.tokens.push(Token { user: user.to_owned(), value, name, uuid, expires, uses: 0 });
        let body: Value = json!({"status": "ok", "data": data});
        Response::new(200, OPAQUE_JSON, Content::from_text(&body.to_string()))
    }
}
