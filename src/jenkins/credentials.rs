//! Who calls Jenkins: the one place that reads and checks what was given as proof.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ExitCode};
use crate::http::{Credential, Url};
use crate::secret::Secret;

/// What was given on the command line and in the environment; an empty text counts as not given.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The user's id.
    pub user: Option<String>,
    /// The user's API token, or password.
    pub api_token: Option<String>,
    /// A bearer token for the proxy in front of Jenkins.
    pub bearer_token: Option<String>,
    /// Headers for access proxies: the name in lower case, and the value.
    pub headers: Vec<(String, Secret)>,
}

/// Who calls, as far as requests and messages differ by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody.
    Anonymous,
    /// This user with an API token: no crumb, no session.
    Token(String),
    /// This user with a password: every change needs a crumb and its session.
    Password(String),
    /// The user to whom a proxy maps the bearer token.
    Bearer,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous users"),
            Self::Token(user) | Self::Password(user) => write!(f, "user {user}"),
            Self::Bearer => f.write_str("the bearer token's user"),
        }
    }
}

/// Credentials that are complete and well-formed: an identity, and the headers that prove it.
#[derive(Debug, Clone)]
pub struct Credentials {
    identity: Identity,
    headers: Vec<(String, Secret)>,
    secrets: Vec<Secret>,
}

impl Credentials {
    /// Reads what was given. Fails with code 2, without quoting what may be a secret, where it is incomplete,
    /// contradictory or cannot be sent.
    pub fn new(given: Given) -> Result<Self, Error> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let mut headers = given.headers;
        let mut secrets: Vec<Secret> = headers.iter().map(|(_, value)| value.clone()).collect();
        let user = some(given.user.map(|user| user.trim().to_owned()));
        let (api_token, bearer_token) = (some(given.api_token), some(given.bearer_token));
        let has_header = headers.iter().any(|(name, _)| name == "authorization");
        if [api_token.is_some(), bearer_token.is_some(), has_header].iter().filter(|given| **given).count() > 1 {
            return Err(Error::usage(
                "credentials",
                "only one of API token, bearer token and --header Authorization can be used",
            )
            .with_hint(
                "each of them is sent in the Authorization header; a token for a proxy may fit into another --header",
            ));
        }
        let identity = match (user, api_token, bearer_token) {
            (None, Some(_), None) => {
                return Err(Error::message(ExitCode::Usage, "missing user of the API token")
                    .with_hint("set JENKINS_USER_ID, or pass --user"));
            }
            (Some(user), None, None) => {
                return Err(Error::message(ExitCode::Usage, format!("missing API token of user {user}")).with_hint(
                    "set JENKINS_API_TOKEN, or name a file with --token-file; no flag takes the token itself",
                ));
            }
            (Some(user), Some(token), None) => {
                if user.contains([':', '\n', '\r']) || token.contains(char::is_control) {
                    return Err(Error::usage(
                        "credentials",
                        "the user contains a colon, or the API token a line break",
                    ));
                }
                headers.push(("authorization".to_owned(), basic(&user, &token)));
                let is_token = has_token_shape(&token);
                secrets.push(Secret::new(token));
                if is_token { Identity::Token(user) } else { Identity::Password(user) }
            }
            (_, _, Some(token)) => {
                headers.push(("authorization".to_owned(), Secret::new(format!("Bearer {token}"))));
                secrets.push(Secret::new(token));
                Identity::Bearer
            }
            (None, None, None) => Identity::Anonymous,
        };
        Ok(Self { identity, headers, secrets })
    }

    /// The credentials of `user` with an API token that was just created.
    pub fn of_token(user: &str, token: &Secret) -> Self {
        Self {
            identity: Identity::Token(user.to_owned()),
            headers: vec![("authorization".to_owned(), basic(user, token.expose()))],
            secrets: vec![token.clone()],
        }
    }

    /// Who calls.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What must never be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().chain(self.headers.iter().map(|(_, value)| value))
    }

    /// The headers, bound to the origin of the controller at `root`.
    pub fn bound_to(&self, root: &Url) -> Vec<Credential> {
        let bound = |(header, value): &(String, Secret)| Credential {
            origin: root.origin(),
            header: header.clone().into(),
            value: value.clone(),
        };
        self.headers.iter().map(bound).collect()
    }

    /// What a person should know about them: a secret that does not look like an API token is used as a password.
    pub fn note(&self) -> Option<String> {
        match &self.identity {
            Identity::Password(user) => Some(format!(
                "note: the API token of user {user} does not look like one (`11` followed by 32 hexadecimal digits); using it as a password, with a crumb and a session"
            )),
            _ => None,
        }
    }
}

fn basic(user: &str, token: &str) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{token}"))))
}

/// Whether a text looks like an API token: `11` and 32 hexadecimal digits, or the 32 of a token from before 2.129
/// (`jenkins.security.apitoken.ApiTokenStore`).
fn has_token_shape(text: &str) -> bool {
    let digits = text.strip_prefix("11").filter(|rest| rest.len() == 32).unwrap_or(text);
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef";

    fn given(user: &str, api_token: &str, bearer_token: &str, headers: &[&str]) -> Given {
        let some = |text: &str| Some(text.to_owned());
        Given {
            user: some(user),
            api_token: some(api_token),
            bearer_token: some(bearer_token),
            headers: headers.iter().map(|name| ((*name).to_owned(), Secret::new("s3cret"))).collect(),
        }
    }

    #[test]
    fn a_token_is_told_from_a_password_by_its_shape() {
        for (text, token) in [
            (format!("11{HEX}"), true),
            (HEX.to_owned(), true),
            (format!("12{HEX}"), false),
            ("hunter2".to_owned(), false),
            (format!("11{}", &HEX[1..]), false),
        ] {
            let credentials = Credentials::new(given("dev", &text, "", &[])).unwrap();
            assert_eq!(matches!(credentials.identity(), Identity::Token(_)), token, "{text}");
            assert_eq!(credentials.note().is_none(), token);
        }
    }

    #[test]
    fn incomplete_and_contradictory_credentials_are_refused_without_quoting_them() {
        for (given, reason) in [
            (given("", "s3cret", "", &[]), "missing user of the API token"),
            (given("dev", "", "", &[]), "missing API token of user dev"),
            (given("dev", "s3cret", "s3cret", &[]), "only one of"),
            (given("", "", "s3cret", &["authorization"]), "only one of"),
            (given("d:v", "s3cret", "", &[]), "contains a colon"),
        ] {
            let text = Credentials::new(given).unwrap_err().to_string();
            assert!(text.contains(reason) && !text.contains("s3cret"), "{text}");
        }
        assert_eq!(*Credentials::new(Given::default()).unwrap().identity(), Identity::Anonymous);
        assert_eq!(*Credentials::new(given("dev", "", "b", &[])).unwrap().identity(), Identity::Bearer);
    }
}
