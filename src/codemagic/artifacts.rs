//! Artifacts and the ways to their bytes.
//!
//! v3 states no sums and gives links that are the permission themselves and end soon; the legacy API states MD5 and gives
//! links that last and need the key. Names repeat within one build, so the two lists are matched by name, size and order.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::client::{Client, below, unusable};
use super::errors::{About, failed, is_ambiguous};
use super::reference::BuildId;
use super::wire;
use crate::clock::parse_time;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Method, Request, Url};
use crate::lenient;
use crate::lifecycle::{ArtifactLinks, RemoteArtifact};
use crate::model::BuildSnapshot;

/// A link that anyone may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicLink {
    /// The address.
    pub url: String,
    /// When it ends, as the service really set it; `None` if its answer does not say.
    pub expires_at: Option<SystemTime>,
}

impl Client {
    /// A build and its artifacts with fresh signed links, in one request.
    pub(super) fn signed_artifacts(&self, id: &BuildId) -> Result<(BuildSnapshot, Vec<RemoteArtifact>), RequestError> {
        let (build, now) = self.build(id)?;
        let signed_url = |artifact: &wire::Artifact| Url::parse(artifact.short_lived_download_url.text()?).ok();
        let links: Vec<_> = build.artifacts.entries.iter().map(signed_url).collect();
        let Some(snapshot) = build.snapshot(now) else {
            return Err(unusable(format!("reading build {id}"), "the answer has no build ID or status"));
        };
        let artifacts = snapshot.artifacts.iter().cloned().zip(links).map(|(artifact, signed_url)| RemoteArtifact {
            artifact,
            links: ArtifactLinks { signed_url, lasting_url: None },
        });
        let artifacts = artifacts.collect();
        Ok((snapshot, artifacts))
    }

    /// Adds what only the legacy API knows: MD5 sums and lasting links.
    pub(super) fn load_checksums(&self, id: &BuildId, artifacts: &mut [RemoteArtifact]) -> Result<(), RequestError> {
        let build = self.legacy_build(&format!("reading the checksums of build {id}"), id)?;
        let mut known: Vec<wire::LegacyArtifact> = build.artefacts.entries.clone();
        for RemoteArtifact { artifact, links } in artifacts {
            let same = known.iter().position(|other| {
                let size = other.size.0;
                other.name.text() == Some(&artifact.name)
                    && (size.is_none() || artifact.size.is_none() || size == artifact.size)
            });
            if let Some(at) = same {
                let other = known.remove(at);
                artifact.size = artifact.size.or(other.size.0);
                artifact.md5 =
                    other.md5.0.filter(|md5| md5.len() == 32 && md5.bytes().all(|byte| byte.is_ascii_hexdigit()));
                links.lasting_url = other.url.text().and_then(|url| Url::parse(url).ok());
            }
        }
        Ok(())
    }

    /// Makes a link to an artifact that anyone may open until about `expires_at`. Its checksums must have been loaded:
    /// only lasting links can be made public (codemagic-docs, `rest-api/artifacts.md`).
    ///
    /// Public links cannot be listed. Where the answer is lost, one that nobody knows may exist: it opens nothing that the
    /// wanted link does not open, so another try is right, and the last one fails with code 15.
    pub fn create_public_link(
        &self,
        artifact: &RemoteArtifact,
        expires_at: SystemTime,
    ) -> Result<PublicLink, RequestError> {
        let thing = format!("artifact {}", artifact.artifact.name);
        let about = About::new(format!("creating a public link to {thing}"), thing);
        let Some(link) = &artifact.links.lasting_url else {
            let why = "the legacy API does not list it, and only its links can be made public";
            return Err(RequestError::permanent(Error::new(ExitCode::NotFound, about.thing, why)));
        };
        let address = below(link, "/public-url")?;
        let seconds = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = Request::new(Method::Post, address).header("accept", "application/json");
        let response = match self.http.send(&request.json(&json!({ "expiresAt": seconds }))) {
            Ok(response) => response,
            Err(fault) => {
                let is_lost = fault.sent;
                let error = fault.into_request_error(&about.doing);
                return Err(if is_lost { perhaps_shared(error, &about) } else { error });
            }
        };
        let answer = lenient::parse::<wire::PublicLinkAnswer>(&response.body).filter(|_| response.is_success());
        let is_link = |url: &String| Url::parse(url).is_ok();
        match answer.and_then(|answer| Some((answer.url.0.filter(is_link)?, answer.expires_at.0))) {
            Some((url, expires_at)) => Ok(PublicLink { url, expires_at: expires_at.as_deref().and_then(parse_time) }),
            None if is_ambiguous(&response) => Err(perhaps_shared(failed(&about, &response), &about)),
            None => Err(failed(&about, &response)),
        }
    }
}

/// The error of a public link that may exist although its answer was lost.
fn perhaps_shared(error: RequestError, about: &About) -> RequestError {
    let why = format!("{}; {} may be public now, by a link that was not received", error.error.reason(), about.thing);
    let hint = "run the command again for a link; the other one ends at the same time";
    RequestError { error: error.error.with_code(ExitCode::Unknown, why).with_hint(hint), ..error }
}

/// The signed link in a newer list to the artifact that `old` is in an older one, whatever their orders. Of artifacts that
/// look alike each gets its own.
pub(super) fn renewed_url(old: &RemoteArtifact, older: &[RemoteArtifact], newer: &[RemoteArtifact]) -> Option<Url> {
    let alike = |other: &&RemoteArtifact| {
        (&other.artifact.name, &other.artifact.kind) == (&old.artifact.name, &old.artifact.kind)
    };
    let place = older.iter().filter(alike).position(|other| other.links.signed_url == old.links.signed_url);
    newer.iter().filter(alike).nth(place.unwrap_or(0))?.links.signed_url.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Artifact;

    #[test]
    fn links_are_renewed_in_whatever_order_they_come() {
        let artifact = |name: &str, link: &str| RemoteArtifact {
            artifact: Artifact { name: name.to_owned(), ..Artifact::default() },
            links: ArtifactLinks {
                signed_url: Url::parse(&format!("https://a.example/{link}")).ok(),
                lasting_url: None,
            },
        };
        let older = [artifact("a", "1"), artifact("b", "2"), artifact("a", "3"), artifact("gone", "4")];
        let newer = [artifact("new", "5"), artifact("b", "6"), artifact("a", "7"), artifact("a", "8")];
        let links: Vec<_> =
            older.iter().map(|old| renewed_url(old, &older, &newer).map(|url| url.to_string())).collect();
        let link = |n: u8| Some(format!("https://a.example/{n}"));
        assert_eq!(links, [link(7), link(6), link(8), None]);
    }
}
