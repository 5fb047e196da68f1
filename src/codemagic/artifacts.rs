//! Artifacts and the ways to their bytes.
//!
//! v3 states no sums and gives links that live shortly and need no key; the legacy API states MD5 and gives links that
//! last and need it. Names repeat within one build, so the two lists are matched by name, size and order.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::client::{Client, below, miss};
use super::wire;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Http, Method, Request, Url};
use crate::json::{objects, str, text};
use crate::model::{Artifact, BuildSnapshot};

/// An artifact with its links.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What is known of it.
    pub artifact: Artifact,
    short_lived: Option<Url>,
    lasting: Option<Url>,
}

/// A link that anyone may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicLink {
    /// The address.
    pub url: String,
    /// When it ends, as the service really set it; `None` if its answer does not say.
    pub expires: Option<SystemTime>,
}

impl Offer {
    /// The GET by v3's link. It goes without the key: the link itself is the permission.
    pub fn by_short_lived_link(&self) -> Option<Request> {
        Some(Request::new(Method::Get, self.short_lived.clone()?).anonymous())
    }

    /// The GET by the legacy API's link, with the key.
    pub fn by_lasting_link(&self) -> Option<Request> {
        Some(Request::new(Method::Get, self.lasting.clone()?))
    }

    /// Takes over the links of a newer look, whatever its order. Of artifacts that look alike each gets its own.
    pub fn renew(offers: &mut [Self], mut newer: Vec<Self>) {
        for offer in offers {
            let (own, mut rest) = (&offer.artifact, newer.iter());
            let same = rest.position(|other| (&other.artifact.name, &other.artifact.kind) == (&own.name, &own.kind));
            offer.short_lived = same.and_then(|at| newer.remove(at).short_lived);
        }
    }
}

impl Client {
    /// Connections for artifacts.
    pub fn downloads(&self) -> Http {
        self.http.for_downloads()
    }

    /// A build and its artifacts with fresh links, in one request.
    pub fn offers(&self, id: &str) -> Result<(BuildSnapshot, Vec<Offer>), RequestError> {
        let (build, snapshot) = self.build(id)?;
        let links =
            objects(&build, "artifacts").map(|artifact| Url::parse(str(artifact, "short_lived_download_url")?).ok());
        let offers = snapshot.artifacts.iter().zip(links).map(|(artifact, short_lived)| Offer {
            artifact: artifact.clone(),
            short_lived,
            lasting: None,
        });
        let offers = offers.collect();
        Ok((snapshot, offers))
    }

    /// Adds what only the legacy API knows: MD5 sums and lasting links.
    pub fn add_sums(&self, id: &str, offers: &mut [Offer]) -> Result<(), RequestError> {
        let build = self.legacy(&format!("reading the sums of the artifacts of build {id}"), id)?;
        let mut known = wire::legacy_artifacts(&build);
        for offer in offers {
            let artifact = &mut offer.artifact;
            let same = known.iter().position(|other| {
                other.name == artifact.name
                    && (other.size == artifact.size || artifact.size.is_none() || other.size.is_none())
            });
            if let Some(at) = same {
                let other = known.remove(at);
                artifact.size = artifact.size.or(other.size);
                artifact.md5 = other.md5.filter(|md5| md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_hexdigit()));
                offer.lasting = other.url.and_then(|url| Url::parse(&url).ok());
            }
        }
        Ok(())
    }

    /// Makes a link to an artifact that anyone may open until about `expires`.
    pub fn publish(&self, offer: &Offer, expires: SystemTime) -> Result<PublicLink, RequestError> {
        let name = &offer.artifact.name;
        let what = format!("making a public link to {name}");
        let Some(link) = &offer.lasting else {
            let why = "the legacy API does not list it, and only its links can be made public";
            return Err(RequestError::permanent(Error::new(ExitCode::NotFound, what, why)));
        };
        let address = below(link, "/public-url").map_err(RequestError::permanent)?;
        let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = Request::new(Method::Post, address).header("accept", "application/json");
        let response = self.exchange(&what, &request.json(&json!({ "expiresAt": seconds })))?;
        if response.is_success()
            && let Ok(answer) = serde_json::from_slice::<Value>(&response.body)
            && let Some(url) = text(&answer, "url")
        {
            return Ok(PublicLink { url, expires: str(&answer, "expiresAt").and_then(wire::time) });
        }
        Err(miss(&what, &format!("artifact {name}"), &response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_renewed_in_whatever_order_they_come() {
        let offer = |name: &str, link: &str| Offer {
            artifact: Artifact { name: name.to_owned(), ..Artifact::default() },
            short_lived: Url::parse(&format!("https://a.example/{link}")).ok(),
            lasting: None,
        };
        let mut offers = vec![offer("a", "1"), offer("b", "2"), offer("a", "3"), offer("gone", "4")];
        Offer::renew(&mut offers, vec![offer("new", "5"), offer("b", "6"), offer("a", "7"), offer("a", "8")]);
        let links: Vec<_> = offers.iter().map(|offer| offer.short_lived.as_ref().map(ToString::to_string)).collect();
        let link = |n: u8| Some(format!("https://a.example/{n}"));
        assert_eq!(links, [link(7), link(6), link(8), None]);
    }
}
