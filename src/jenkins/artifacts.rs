//! Archived files of a build.
//!
//! Jenkins keeps no sum of an artifact. Its fingerprints (`fingerprint[fileName,hash]`) name files that the build used or
//! made by a name that others share, so a difference says nothing about a download.

use super::client::Client;
use super::reference::BuildRef;
use crate::error::{Error, ExitCode};
use crate::http::{Segment, Url};

impl Client {
    /// The address of an artifact. It may redirect to another host (a bucket, the resource root URL), where no credential
    /// is sent. Fails with code 12 for a path that would lead out of the build's artifacts.
    pub fn artifact_url(&self, build: &BuildRef, path: &str) -> Result<Url, Error> {
        let segments: Option<Vec<String>> =
            path.split('/').map(|name| Segment::new(name).map(|name| name.to_string())).collect();
        let Some(segments) = segments else {
            return Err(Error::new(
                ExitCode::Refused,
                format!("artifact {path:?}"),
                "its path leads out of the build's artifacts",
            ));
        };
        self.below(&format!("{}/artifact/{}", build.path(), segments.join("/")))
    }
}
