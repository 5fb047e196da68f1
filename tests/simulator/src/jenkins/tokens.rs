//! API tokens: made, renamed and revoked over HTTP.

use super::Ctx;
use super::state::Token;
use crate::content::Content;
use crate::http::Response;
use crate::time::{SECOND, SimTime};
use serde_json::{Value, json};

const DAY: i64 = 86_400 * SECOND;

impl Ctx<'_> {
    /// `/me/descriptorByName/jenkins.security.ApiTokenProperty/ACTION`, or the same of a user.
    pub(crate) fn tokens(&mut self, user: Option<&str>, action: &str) -> Response {
        let Some(me) = self.caller.name.clone() else { return self.log_in() };
        let actions = ["generateNewToken", "revoke", "revokeAll", "revokeAllExcept", "rename", "addFixedToken"];
        if !actions.contains(&action) {
            return self.not_found();
        }
        if self.method != "POST" {
            return self.post_only();
        }
        if user.is_some_and(|u| u != me) {
            return Response::empty(403);
        }
        let uuid = self.form.first("tokenUuid").unwrap_or_default();
        match action {
            "generateNewToken" => {
                let (a, b) = (self.ids.next(), self.ids.next());
                let value = format!("11{a:016x}{b:016x}");
                self.new_token(&me, value)
            }
            "addFixedToken" => {
                let value = self.form.first("newTokenPlainValue").unwrap_or_default();
                let digits = value.strip_prefix("11").unwrap_or_default();
                if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return said("error", json!("The token value must be 11 and 32 hex digits"));
                }
                self.new_token(&me, value)
            }
            "revoke" => {
                if uuid.is_empty() {
                    return self.oops(400);
                }
                self.j.tokens.retain(|t| t.user != me || t.uuid != uuid);
                Response::empty(200)
            }
            "revokeAll" => {
                self.j.tokens.retain(|t| t.user != me);
                Response::empty(200)
            }
            "revokeAllExcept" => {
                self.j.tokens.retain(|t| t.user != me || t.uuid == uuid);
                Response::empty(200)
            }
            _ => {
                let name = self.form.first("newName").unwrap_or_default();
                match self.j.tokens.iter_mut().find(|t| t.user == me && t.uuid == uuid) {
                    Some(token) if !name.is_empty() => {
                        token.name = name;
                        said("ok", Value::Null)
                    }
                    Some(_) => said("error", json!("The name cannot be empty")),
                    None => said("error", json!("The token could not be found")),
                }
            }
        }
    }

    fn new_token(&mut self, user: &str, value: String) -> Response {
        let name = self.form.first("newTokenName").filter(|n| !n.trim().is_empty());
        let name = name.unwrap_or_else(|| format!("Token created on {}", self.now.offset()));
        let expires = match self.expiry() {
            Ok(expires) => expires,
            Err(problem) => return said("error", json!(problem)),
        };
        let uuid = self.ids.uuid();
        let mut data = json!({"tokenName": name, "tokenUuid": uuid, "tokenValue": value});
        if self.j.config.token_expiry {
            data["expirationDate"] = json!(expires.map(|e| e.v3()[..10].to_owned()));
            data["aboutToExpire"] = json!(expires.is_some_and(|e| e.since(self.now) < 7 * DAY));
        }
        self.j.tokens.push(Token { user: user.to_owned(), value, name, uuid, expires, uses: 0 });
        said("ok", data)
    }

    /// When a new token ends; older versions do not look at it.
    fn expiry(&self) -> Result<Option<SimTime>, &'static str> {
        if !self.j.config.token_expiry {
            return Ok(None);
        }
        let duration = self.form.first("expirationDuration").unwrap_or_else(|| "never".to_owned());
        match duration.as_str() {
            "never" | "" => Ok(None),
            "custom" => {
                let date = self.form.first("tokenExpiration").unwrap_or_default();
                let begin = date_of(&date).ok_or("The expiration date is invalid")?;
                if begin <= self.now { Err("The expiration date must be in the future") } else { Ok(Some(begin)) }
            }
            days => {
                let days: i64 = days.parse().map_err(|_| "The expiration duration is invalid")?;
                Ok(Some(self.now.plus(days * DAY)))
            }
        }
    }
}

/// The beginning of a day in the form `2026-08-30`.
fn date_of(text: &str) -> Option<SimTime> {
    let mut parts = text.split('-').map(|p| p.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Days before a year that begins in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    (1..=12).contains(&month).then(|| SimTime::from_micros(days * DAY))
}

fn said(status: &str, data: Value) -> Response {
    let mut body = json!({"status": status});
    if status == "ok" {
        body["data"] = data;
    } else {
        body["message"] = data;
    }
    Response::new(200, "application/json;charset=utf-8", Content::from_text(&body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for day in ["1970-01-01", "2000-02-29", "2026-12-31", "2027-03-01"] {
            assert_eq!(&date_of(day).unwrap().v3()[..10], day);
        }
        assert!(date_of("2026-13-01").is_none() && date_of("soon").is_none());
    }
}
