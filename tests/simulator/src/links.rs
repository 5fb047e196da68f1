//! Addresses of artifacts and logs, made and checked again. A link carries all that is needed to know it.

use crate::builds::Artifact;
use crate::http::{encode, parse_query};
use crate::ids::{hash, mix, opaque};
use crate::time::SimTime;

/// Begins the paths of a Jenkins' artifacts in the storage.
pub(crate) const STORAGE_MARK: &str = "/jenkins-artifacts/";

/// What a short-lived or public link grants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grant {
    /// First UUID of the artifact without its dashes.
    pub(crate) artifact: String,
    /// End of its life.
    pub(crate) expires: SimTime,
    /// Tells links to the same artifact apart.
    pub(crate) nonce: u64,
    /// Made by `public-url`.
    pub(crate) public: bool,
}

/// Never, for links that do not expire.
pub(crate) const NEVER: SimTime = SimTime::from_micros(i64::MAX / 4);

/// Length of a payload, as long as those of the service.
const PAYLOAD: usize = 320;
/// Length of a signature.
const SIGNATURE: usize = 27;

impl Grant {
    /// `.payload.signature`
    pub(crate) fn token(&self) -> String {
        let kind = if self.public { 'P' } else { 'S' };
        let facts = format!("eJw{kind}{}{:016x}{:016x}", self.artifact, self.expires.as_micros(), self.nonce);
        let payload = format!("{facts}{}", opaque(&facts, PAYLOAD - facts.len()));
        format!(".{payload}.{}", sign(&payload))
    }

    /// Reads a token again; `None` if anything about it was changed.
    pub(crate) fn read(token: &str) -> Option<Self> {
        let (payload, signature) = token.strip_prefix('.')?.split_once('.')?;
        if signature != sign(payload) || payload.len() != PAYLOAD {
            return None;
        }
        let number = |from: usize| u64::from_str_radix(payload.get(from..from + 16)?, 16).ok();
        Some(Self {
            public: payload.get(3..4)? == "P",
            artifact: payload.get(4..36)?.to_owned(),
            expires: SimTime::from_micros(number(36)? as i64),
            nonce: number(52)?,
        })
    }
}

fn sign(payload: &str) -> String {
    opaque(&format!("signed:{payload}"), SIGNATURE)
}

/// First UUID of an artifact as it stands in a grant.
pub(crate) fn compact(uuid: &str) -> String {
    uuid.replace('-', "")
}

/// A v3 link: two slashes, a leading dot, no file name.
pub(crate) fn short_lived(api: &str, grant: &Grant) -> String {
    format!("{api}//artifacts/{}", grant.token())
}

/// A public link.
pub(crate) fn public(api: &str, grant: &Grant) -> String {
    format!("{api}/artifacts/{}", grant.token())
}

/// A legacy artifact's address.
pub(crate) fn legacy_artifact(api: &str, artifact: &Artifact) -> String {
    let (a, b) = &artifact.ids;
    format!("{api}/artifacts/{a}/{b}/{}", encode(&artifact.plan.name))
}

/// A log's address.
pub(crate) fn log(base: &str, ids: &(String, String)) -> String {
    format!("{base}/logs/{}/{}", ids.0, ids.1)
}

/// Path of an artifact in the storage.
pub(crate) fn storage_path(artifact: &Artifact) -> String {
    let (a, b) = &artifact.ids;
    format!("/codemagic-build-artifacts/{a}/{b}/{}", encode(&artifact.plan.name))
}

/// A signed link to the storage.
pub(crate) fn storage(base: &str, path: &str, expires: SimTime, nonce: u64) -> String {
    let seconds = expires.unix_seconds();
    let account = encode("artifacts@demo.iam.gserviceaccount.com");
    let signature = encode(&storage_signature(path, seconds, nonce));
    format!("{base}{path}?Expires={seconds}&GoogleAccessId={account}&Signature={signature}")
}

/// What a storage link's query grants: its end and its nonce; `None` if it is not signed rightly.
pub(crate) fn read_storage(path: &str, query: &str) -> Option<(i64, u64)> {
    let pairs = parse_query(query);
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let expires: i64 = value("Expires")?.parse().ok()?;
    let signature = value("Signature")?;
    let nonce = u64::from_str_radix(signature.get(..16)?, 16).ok()?;
    (signature == storage_signature(path, expires, nonce)).then_some((expires, nonce))
}

/// Holds characters that must be encoded, as real signatures do.
fn storage_signature(path: &str, expires: i64, nonce: u64) -> String {
    let key = mix(hash(path) ^ mix(expires as u64) ^ nonce);
    format!("{nonce:016x}/{}+{}==", opaque(&key.to_string(), 40), opaque(&format!("{key}+"), 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_and_cannot_be_changed() {
        let grant = Grant {
            artifact: compact("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
            expires: SimTime::from_micros(77),
            nonce: 5,
            public: false,
        };
        let token = grant.token();
        let (payload, signature) = token[1..].split_once('.').unwrap();
        assert!((256..=512).contains(&payload.len()) && signature.len() == 27);
        assert_eq!(Grant::read(&token), Some(grant));
        assert_eq!(Grant::read(&token.replace("eJwS", "eJwP")), None);
        assert_eq!(Grant::read("nonsense"), None);
    }

    #[test]
    fn a_storage_link_is_bound_to_its_path_and_end() {
        let url = storage("http://h", "/b/a%20b", SimTime::from_micros(9_000_000), 3);
        let (path, query) = url["http://h".len()..].split_once('?').unwrap();
        assert_eq!(read_storage(path, query), Some((9, 3)));
        assert_eq!(read_storage("/b/other", query), None);
        assert_eq!(read_storage(path, &query.replace("Expires=9", "Expires=99")), None);
    }
}
