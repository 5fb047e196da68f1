//! API tokens of the user who calls: created and revoked over HTTP (`jenkins.security.ApiTokenProperty`).

use super::client::{Client, PostError};
use super::errors::is_ambiguous;
use super::wire;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::Body;
use crate::secret::Secret;

const PROPERTY: &str = "/me/descriptorByName/jenkins.security.ApiTokenProperty";

/// A token that was just created. Its text is never shown again.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name by which the user's page lists it.
    pub name: String,
    /// What revokes it.
    pub uuid: String,
    /// The token itself.
    pub value: Secret,
    /// When it expires, as Jenkins writes it; versions before 2.548 have no expiry.
    pub expiry: Option<String>,
}

impl Client {
    /// Creates a token; `expires` is a date like `2026-12-31`. Never sent twice: each success creates one.
    ///
    /// Fails with code 15 when the answer was lost: no list of tokens can be read over the API, and a token whose text
    /// was lost is of no use to anybody.
    pub fn create_token(&self, name: &str, expires: Option<&str>) -> Result<Token, RequestError> {
        let subject = format!("API token {name:?}");
        let mut pairs = vec![("newTokenName", name)];
        if let Some(date) = expires {
            pairs.extend([("expirationDuration", "custom"), ("tokenExpiration", date)]);
        }
        let lost =
            |error: Error| {
                let reason = format!("{}; it may have been created", error.reason());
                RequestError::permanent(error.with_code(ExitCode::Unknown, reason).with_hint(format!(
                    "look for {name:?} under Security on {} and revoke it there",
                    self.page("/me/")
                )))
            };
        let response = match self.post(&format!("{PROPERTY}/generateNewToken"), Some(Body::form(pairs))) {
            Ok(response) if is_ambiguous(&response) => return Err(lost(self.refusal(&subject, &response).error)),
            Ok(response) => response,
            Err(PostError::Fault(fault)) if fault.sent => return Err(lost(fault.into_error(subject))),
            Err(error) => return Err(error.into_request_error(&subject)),
        };
        let answer = wire::decode::<wire::NewToken>(&response.body).filter(|_| response.status == 200);
        let has_uuid = |answer: &wire::NewToken| answer.data.0.as_ref().is_some_and(|data| data.token_uuid.0.is_some());
        let Some(answer) = answer.filter(|answer| answer.status.0.is_some() || has_uuid(answer)) else {
            return Err(self.refusal(&subject, &response));
        };
        let data = answer.data.0.unwrap_or_default();
        let is_secret = |value: &String| {
            (16..=128).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let value = data.token_value.0;
        if value.as_ref().is_some_and(|value| !is_secret(value)) {
            return Err(lost(Error::new(ExitCode::Unavailable, subject, "the answer holds no token")));
        }
        let (Some(uuid), Some(value)) = (data.token_uuid.0, value) else {
            let reason = answer.message.0.unwrap_or_else(|| "refused without a reason".to_owned());
            return Err(RequestError::permanent(Error::new(ExitCode::Refused, subject, reason)));
        };
        Ok(Token {
            name: data.token_name.0.unwrap_or_else(|| name.to_owned()),
            uuid,
            value: Secret::new(value),
            expiry: data.expiration_date.0,
        })
    }

    /// Revokes a token. Jenkins does not report whether there was one with this uuid.
    pub fn revoke_token(&self, uuid: &str) -> Result<(), RequestError> {
        let body = Body::form([("tokenUuid", uuid)]);
        self.act(&format!("API token {uuid}"), &format!("{PROPERTY}/revoke"), Some(body)).map(drop)
    }
}
