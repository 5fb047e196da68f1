//! Values of arguments: how one is read from text, and the error for a wrong one.
//!
//! Pure, but for [`environment`]. Error texts never repeat a value that may be a secret.

use std::str::FromStr;
use std::time::Duration;

use anstream::ColorChoice;
use serde_json::Value;

use crate::error::{Error, ExitCode};

/// Reads a duration with units, such as `90s`, `30m` or `1h30m`.
///
/// Fails on a bare number: Jenkins' `timeout(time: 90)` counts minutes, `sleep 90` seconds.
pub(super) fn duration(text: &str) -> Result<Duration, Error> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong(format!("`{text}` has no unit"))
            .with_hint(format!("write {text}s for seconds or {text}m for minutes")));
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err(wrong(format!("`{text}` is longer than a hundred years"))),
        Err(_) => Err(wrong(format!("`{text}` is not a duration")).with_hint("write it like 90s, 30m or 1h30m")),
    }
}

/// The longest duration that is accepted: sums of times stay far below any limit.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `NAME=TEXT`, for example a parameter of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name, without surrounding white space; not empty.
    pub name: String,
    /// Everything after the first `=`.
    pub value: String,
}

impl FromStr for Pair {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Self { name: name.trim().to_owned(), value: value.to_owned() })
            }
            _ => Err(wrong("expected NAME=VALUE")),
        }
    }
}

/// `NAME=TEXT` where the name is that of an environment variable.
pub(super) fn variable(text: &str) -> Result<Pair, Error> {
    let pair: Pair = text.parse()?;
    variable_name(&pair.name)?;
    Ok(pair)
}

/// The name of an environment variable.
pub(super) fn variable_name(text: &str) -> Result<String, Error> {
    let name = text.trim();
    let good = !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good {
        Ok(name.to_owned())
    } else {
        Err(wrong(format!("`{name}` is not the name of an environment variable"))
            .with_hint("use letters, digits and underscores, and do not start with a digit"))
    }
}

/// An input of a workflow: `NAME=TEXT`, or `NAME:=JSON` for a number or boolean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowInput {
    /// The name, not empty.
    pub name: String,
    /// A text, or what the JSON says.
    pub value: Value,
}

impl FromStr for WorkflowInput {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, value) = text.split_once('=').ok_or_else(|| wrong("expected NAME=TEXT or NAME:=JSON"))?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                let value = serde_json::from_str(value).map_err(|error| {
                    wrong(format!("the value of {} is not JSON ({error})", name.trim()))
                        .with_hint("write NAME:=true or NAME:=7, and NAME=TEXT for a text")
                })?;
                (name, value)
            }
            None => (name, Value::String(value.to_owned())),
        };
        if name.trim().is_empty() {
            return Err(wrong("expected NAME=TEXT or NAME:=JSON"));
        }
        Ok(Self { name: name.trim().to_owned(), value })
    }
}

/// A header for an access proxy: `NAME:VALUE`.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The name in lower case.
    pub name: String,
    /// The value; it may be a secret.
    pub value: crate::secret::Secret,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.name, self.value)
    }
}

impl FromStr for Header {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, value) = text.split_once(':').ok_or_else(|| wrong("expected NAME:VALUE"))?;
        let (name, value) = (name.trim(), value.trim());
        let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !token || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(wrong("expected NAME:VALUE in ASCII"));
        }
        Ok(Self { name: name.to_ascii_lowercase(), value: crate::secret::Secret::new(value) })
    }
}

/// The type of a body. It becomes a header of the request.
pub(super) fn media_type(text: &str) -> Result<String, Error> {
    let is_type = text.contains('/') && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_type { Ok(text.to_owned()) } else { Err(wrong("expected a media type like application/json")) }
}

/// The hash of a commit, or its beginning. Nothing else would ever be the commit of a build, which would be canceled.
pub(super) fn commit(text: &str) -> Result<String, Error> {
    let hash = text.trim();
    let is_hash = (7..=64).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(hash.to_owned()) } else { Err(wrong("expected the hash of a commit, at least 7 of its digits")) }
}

/// A name that is not blank.
pub(super) fn name(text: &str) -> Result<String, Error> {
    if text.trim().is_empty() { Err(wrong("is empty")) } else { Ok(text.to_owned()) }
}

/// The choice of colors that one of its three words means.
pub(super) fn color(word: &str) -> ColorChoice {
    match word {
        "always" => ColorChoice::Always,
        "never" => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// A wrong value; [`super::parse`] adds the argument's name.
fn wrong(reason: impl Into<String>) -> Error {
    Error::message(ExitCode::Usage, reason)
}

/// An environment variable without a flag: one that holds a secret, that somebody else sets (`JENKINS_URL`), or that a flag
/// names (`--var-from-env`). An empty one counts as unset.
///
/// Fails when the value is not valid Unicode: it must not pass for unset.
pub fn environment(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(not_unicode(name)),
    }
}

/// The error about a variable whose value is not valid Unicode.
pub(super) fn not_unicode(name: &str) -> Error {
    Error::usage(format!("the environment variable {name}"), "its value is not valid UTF-8")
        .with_hint(format!("set {name} again, or unset it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_unit() {
        assert_eq!(duration("1h 30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(duration("50ms").unwrap(), Duration::from_millis(50));
        for text in ["90", "soon", "", "101y", "99999999999999999999y"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pairs_are_split_at_the_first_equals_sign() {
        let pair = |text: &str| text.parse::<Pair>().map(|pair| (pair.name, pair.value));
        assert_eq!(pair(" A =b=c\nd").unwrap(), ("A".to_owned(), "b=c\nd".to_owned()));
        assert!(pair("s3cr3t").is_err_and(|error| !error.to_string().contains("s3cr3t")));
        assert!(variable("A B=c").is_err());
        assert!(variable("1A=c").is_err());
        assert!(variable("_A1=").is_ok());
    }

    #[test]
    fn inputs_have_types() {
        let input = |text: &str| text.parse::<WorkflowInput>().map(|input| (input.name, input.value));
        assert_eq!(input("a=7").unwrap(), ("a".to_owned(), Value::from("7")));
        assert_eq!(input("a:=7").unwrap(), ("a".to_owned(), Value::from(7)));
        assert_eq!(input("a=b:=c").unwrap(), ("a".to_owned(), Value::from("b:=c")));
        assert!(input("a:=yes").is_err_and(|error| error.to_string().starts_with("the value of a is not JSON")));
        assert!(input("=x").is_err());
    }

    #[test]
    fn a_header_is_ascii_and_never_repeated() {
        assert_eq!("X-A: b c".parse::<Header>().unwrap().name, "x-a");
        for text in ["s3cr3t", "a b:s3cr3t", "a:s3cr3t\nb", ":s3cr3t", "a:s3cr3t\u{e4}"] {
            let error = text.parse::<Header>();
            assert!(error.is_err_and(|error| !error.to_string().contains("s3cr3t")), "{text}");
        }
    }
}
