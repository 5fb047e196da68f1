//! API tokens of the user who asks: made and revoked over HTTP.

use serde_json::Value;

use super::client::Client;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::Body;
use crate::secret::Secret;

const PROPERTY: &str = "/me/descriptorByName/jenkins.security.ApiTokenProperty";

/// A token that was just made. Its text is never shown again.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name by which the user's page lists it.
    pub name: String,
    /// What revokes it.
    pub uuid: String,
    /// The token itself.
    pub value: Secret,
    /// When it ends, as Jenkins says it; versions before 2.548 know no end.
    pub expiry: Option<String>,
}

impl Client {
    /// Makes a token; `expires` is a date like `2026-12-31`.
    pub fn create_token(&self, name: &str, expires: Option<&str>) -> Result<Token, RequestError> {
        let what = format!("making the API token {name}");
        let mut pairs = vec![("newTokenName", name)];
        if let Some(date) = expires {
            pairs.extend([("expirationDuration", "custom"), ("tokenExpiration", date)]);
        }
        let response = self
            .post(&format!("{PROPERTY}/generateNewToken"), Some(Body::form(pairs)))
            .map_err(|error| error.into_miss(&what))?;
        let answer = serde_json::from_slice::<Value>(&response.body).ok().filter(|_| response.status == 200);
        let Some(answer) = answer else { return Err(self.miss(&what, "the user's tokens", &response)) };
        let text = |path: &str| answer.pointer(path).and_then(Value::as_str).map(str::to_owned);
        match (text("/data/tokenUuid"), text("/data/tokenValue")) {
            (Some(uuid), Some(value)) => Ok(Token {
                name: text("/data/tokenName").unwrap_or_else(|| name.to_owned()),
                uuid,
                value: Secret::new(value),
                expiry: text("/data/expirationDate"),
            }),
            _ => Err(RequestError::permanent(Error::new(
                ExitCode::Refused,
                what,
                text("/message").unwrap_or_else(|| "Jenkins refused it without a reason".to_owned()),
            ))),
        }
    }

    /// Revokes a token. Jenkins does not say whether there was one with this uuid.
    pub fn revoke_token(&self, uuid: &str) -> Result<(), RequestError> {
        let path = format!("{PROPERTY}/revoke");
        self.act(
            &format!("revoking the API token {uuid}"),
            "the user's tokens",
            &path,
            Some(Body::form([("tokenUuid", uuid)])),
        )
        .map(drop)
    }
}
