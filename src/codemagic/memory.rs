//! What a call has found out and keeps: about the account behind the key, and the signed links of artifacts.
//!
//! Plain data. It must not know how anything is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::errors::optional;
use super::reference::{AppId, BuildId};
use crate::clock::Timestamp;
use crate::document::Named;
use crate::error::{Error, ExitCode, RequestError};
use crate::lifecycle::{Mark, RemoteArtifact};
use crate::lock::lock;

/// Pauses before each search for a build whose start was not answered. The list shows a new build late.
pub(super) const SEARCH_PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// The number of the last of these searches.
const LAST_SEARCH: &[usize] = &[SEARCH_PAUSES.len() - 1];

/// What was found out about the account behind the key.
#[derive(Default)]
pub(super) struct Account {
    pub(super) teams: OnceLock<Vec<Named>>,
    pub(super) personal_team: OnceLock<Option<String>>,
    pub(super) owners: Mutex<HashMap<AppId, Owner>>,
    /// Teams that do not own an app.
    pub(super) strangers: Mutex<HashSet<(String, AppId)>>,
    /// Why a list of builds could not be read.
    refusal: Mutex<Option<Error>>,
    /// Searches by each mark so far that came as far as the legacy list.
    start_searches: AtomicUsize,
    key_searches: AtomicUsize,
    last_searches: AtomicUsize,
}

impl Account {
    /// What a list gave; `None`, and the reason noted, for one that this key may not read.
    pub(super) fn readable<T>(&self, list: Result<T, RequestError>) -> Result<Option<T>, RequestError> {
        let why = list.as_ref().err().map(|failed| failed.error.clone());
        let list = optional(list)?;
        if list.is_none() {
            let mut known = lock(&self.refusal);
            // That access was denied says more than that there is no such list.
            if known.as_ref().is_none_or(|known| known.code() == ExitCode::NotFound) {
                *known = why;
            }
        }
        Ok(list)
    }

    /// Why a list of builds could not be read, if one could not.
    pub(super) fn refusal(&self) -> Option<Error> {
        lock(&self.refusal).clone()
    }

    /// The searches by a mark so far, and the numbers of those that read the legacy list, from 0.
    ///
    /// The list weighs megabytes, so it is read when a new build should be in it, not each time: for a key before the
    /// start, right after it and twice more if the build is not listed yet; for a start whose answer was lost in the last
    /// search; and once by a process that is asked to end. A search that failed does not count.
    pub(super) fn legacy_turns(&self, by: Mark, is_last: bool) -> (&AtomicUsize, &'static [usize]) {
        match by {
            _ if is_last => (&self.last_searches, &[0]),
            Mark::Start => (&self.start_searches, LAST_SEARCH),
            Mark::Key => (&self.key_searches, &[0, 1, 4, 6]),
        }
    }
}

/// What lists the builds of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// v3's list of this team.
    Team(String),
    /// Only the legacy API's list.
    LegacyList,
}

/// The signed links of the newest answers, by build.
#[derive(Default)]
pub(super) struct SignedLinks(Mutex<HashMap<BuildId, Signed>>);

pub(super) struct Signed {
    /// The list that was given out first: artifacts are recognized by their links in it.
    pub(super) first: Arc<Vec<RemoteArtifact>>,
    pub(super) newest: Arc<Vec<RemoteArtifact>>,
    pub(super) at: Timestamp,
}

impl SignedLinks {
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut HashMap<BuildId, Signed>) -> T) -> T {
        work(&mut lock(&self.0))
    }
}
