//! Which account an app belongs to, and so which list shows its builds.
//!
//! v3 lists builds by team, and does not list the personal team of a user; the legacy `GET /user` names it
//! (todah-zg/codemagic-mcp, Becca-Saka/codemagic-mcp). An app may also belong to a team that the key does not list; then
//! only the legacy list shows its builds, without their labels. What was found out is kept for the call.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::client::{Client, Query, segment};
use super::errors::{About, optional};
use super::memory::Owner;
use super::reference::{AppId, BuildId, Filter};
use super::request::TriggerRequest;
use super::wire;
use crate::document::Named;
use crate::error::{Error, ExitCode, RequestError};
use crate::lifecycle::Mark;
use crate::lock::lock;
use crate::model::{BuildSnapshot, Phase};

/// The most builds of the legacy list whose labels are read, one request each. Its pages held 20 to 50 builds (clients of
/// 2021 to 2026).
const MOST_LOOKUPS: usize = 50;

/// How old a build of the legacy list may be to come from a start of this call: the search takes half a minute, the rest
/// is for clocks that disagree.
const YOUNG: Duration = Duration::from_secs(3600);

/// The most teams of a key that are asked for builds, one request each.
const MOST_TEAMS: usize = 100;

/// The most builds with one label that are read.
const SAME_LABEL: usize = 50;

/// Builds of an app.
#[derive(Debug, Default)]
pub(super) struct AppBuilds {
    /// The builds, newest first.
    pub(super) builds: Vec<BuildSnapshot>,
    /// Whether a list that shows this app's builds was read.
    pub(super) is_conclusive: bool,
}

impl AppBuilds {
    fn conclusive(builds: Vec<BuildSnapshot>) -> Self {
        Self { builds, is_conclusive: true }
    }
}

/// What the legacy list is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LegacySearch {
    /// To list builds.
    All,
    /// To search one by a mark, among those that are at most so old.
    Marked { by: Mark, oldest: Duration },
}

impl Client {
    /// The names of the teams that the key's user belongs to.
    pub fn team_names(&self) -> Result<Vec<String>, RequestError> {
        Ok(self.teams()?.iter().map(|team| team.name.as_ref().unwrap_or(&team.id).clone()).collect())
    }

    /// The teams that v3 lists for the key.
    pub(super) fn teams(&self) -> Result<&[Named], RequestError> {
        if let Some(teams) = self.account.teams.get() {
            return Ok(teams);
        }
        let mut teams = self.named(&About::new("listing the teams of the API key", "list of teams"), "/user/teams")?;
        teams.truncate(MOST_TEAMS);
        Ok(self.account.teams.get_or_init(|| teams))
    }

    /// The user's personal team, if it is known and v3 does not list it among the others.
    pub(super) fn personal_team(&self) -> Result<Option<&str>, RequestError> {
        if let Some(team) = self.account.personal_team.get() {
            return Ok(team.as_deref());
        }
        let team = optional(self.find_personal_team())?.flatten();
        let team =
            team.filter(|team| self.account.teams.get().is_none_or(|teams| teams.iter().all(|own| own.id != *team)));
        Ok(self.account.personal_team.get_or_init(|| team).as_deref())
    }

    /// The newest builds that match, newest first, at most `limit`. Fails with code 11 if the filter names an app whose
    /// builds no list shows.
    pub fn list_builds(&self, filter: &Filter, limit: usize) -> Result<Vec<BuildSnapshot>, RequestError> {
        self.list_builds_until(filter, limit, &|_| false)
    }

    /// The same, but no builds after one for which `enough` holds.
    pub(super) fn list_builds_until(
        &self,
        filter: &Filter,
        limit: usize,
        enough: &dyn Fn(&BuildSnapshot) -> bool,
    ) -> Result<Vec<BuildSnapshot>, RequestError> {
        let query = Query { filter, limit, enough };
        if let Some(app_id) = &filter.app_id {
            let found = self.app_builds(app_id, query, LegacySearch::All)?;
            return if found.is_conclusive { Ok(found.builds) } else { Err(RequestError::permanent(unlisted(app_id))) };
        }
        let mut found: Vec<BuildSnapshot> = Vec::new();
        let personal = self.teams().and_then(|_| self.personal_team())?;
        for team in self.teams()?.iter().map(|team| team.id.as_str()).chain(personal) {
            for build in optional(self.team_builds(team, query))?.unwrap_or_default() {
                if !found.iter().any(|known| known.build.id == build.build.id) {
                    found.push(build);
                }
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Builds of the request's app that carry its mark, the oldest first and those that were canceled last, and whether
    /// finding none means that there is none.
    pub(super) fn marked_builds(&self, request: &TriggerRequest, by: Mark) -> Result<AppBuilds, RequestError> {
        let label = match by {
            Mark::Start => Some(request.start_label()),
            Mark::Key => request.key_label(),
        };
        let Some(label) = label else { return Ok(AppBuilds::default()) };
        let search = match by {
            Mark::Key => LegacySearch::Marked { by, oldest: Duration::MAX },
            Mark::Start => LegacySearch::Marked { by, oldest: YOUNG },
        };
        let filter = Filter { labels: vec![label.to_owned()], ..Filter::app(&request.app_id) };
        let mut found = self.app_builds(&request.app_id, Query::new(&filter, SAME_LABEL), search)?;
        // A service that ignores the filter must not make a stranger's build ours.
        found.builds.retain(|seen| seen.build.labels.iter().any(|own| own == label));
        found.builds.sort_by_key(|seen| {
            (matches!(seen.phase, Phase::Ended(ExitCode::Canceled)), seen.build.number, seen.build.id.clone())
        });
        Ok(found)
    }

    fn app_builds(&self, app_id: &AppId, query: Query<'_>, search: LegacySearch) -> Result<AppBuilds, RequestError> {
        let owner = lock(&self.account.owners).get(app_id).cloned();
        match owner {
            Some(Owner::Team(team)) => {
                return self.team_builds(&team, query).map(AppBuilds::conclusive);
            }
            Some(Owner::LegacyList) => {
                return Ok(self.legacy_app_builds(app_id, query, search)?.unwrap_or_default());
            }
            None => {}
        }
        let (mut is_any_unreadable, mut is_personal_silent) = (false, false);
        let listed = self.teams()?.iter().map(|team| Some((team.id.as_str(), false)));
        for team in listed.chain([None]) {
            // The personal team comes last: an app of a listed one is found without asking for it.
            let (team, is_personal) = match team {
                Some(listed) => listed,
                None => match self.personal_team()? {
                    Some(personal) => (personal, true),
                    None => break,
                },
            };
            match self.ask_team(team, is_personal, app_id, query)? {
                TeamList::Owner(found) => return Ok(AppBuilds::conclusive(found)),
                TeamList::Stranger => {}
                TeamList::Silent => is_personal_silent |= is_personal,
                TeamList::Unreadable => is_any_unreadable = true,
            }
        }
        // Now it is an app without builds of the personal team, or one of a team that the key does not list.
        match self.legacy_app_builds(app_id, query, search)? {
            Some(found) if found.is_conclusive => Ok(found),
            Some(_) => Ok(AppBuilds { builds: Vec::new(), is_conclusive: is_personal_silent && !is_any_unreadable }),
            None => Ok(AppBuilds::default()),
        }
    }

    /// Reads a team's list, and finds out whether the app is one of the team's.
    fn ask_team(
        &self,
        team: &str,
        is_personal: bool,
        app_id: &AppId,
        query: Query<'_>,
    ) -> Result<TeamList, RequestError> {
        let pair = (team.to_owned(), app_id.clone());
        if lock(&self.account.strangers).contains(&pair) {
            return Ok(TeamList::Stranger);
        }
        let of_app = |seen: &BuildSnapshot| seen.build.app_id.as_deref() == Some(app_id.as_str());
        let Some(found) = self.account.readable(self.team_builds(team, query))? else {
            return Ok(TeamList::Unreadable);
        };
        let all = Filter::app(app_id);
        let has_builds = found.iter().any(of_app)
            || *query.filter != all && self.team_builds(team, Query::new(&all, 1))?.iter().any(of_app);
        let has_app = if has_builds { Some(true) } else { self.has_app(team, is_personal, app_id)? };
        Ok(match has_app {
            Some(true) => {
                self.note_owner(app_id, Owner::Team(team.to_owned()));
                TeamList::Owner(found)
            }
            Some(false) => {
                lock(&self.account.strangers).insert(pair);
                TeamList::Stranger
            }
            None => TeamList::Silent,
        })
    }

    /// Whether a team's list of apps has the app; `None` if the list cannot be read. Where that of the personal team cannot,
    /// v3's list of the user's own apps will do if it has the app.
    fn has_app(&self, team: &str, is_personal: bool, app_id: &AppId) -> Result<Option<bool>, RequestError> {
        let team = segment("team ID", team)?;
        let about = About::new("listing apps", "list of apps");
        let has = |path: &str| -> Result<Option<bool>, RequestError> {
            let mut found = false;
            let listed = self.pages(&about, path, |app: &wire::Named| app.id.text(), &mut |app: wire::Named, _| {
                found = app.id.text() == Some(app_id.as_str());
                !found
            });
            Ok(optional(listed)?.map(|()| found))
        };
        match has(&format!("/teams/{team}/apps"))? {
            None if is_personal => Ok(has("/user/apps")?.filter(|found| *found)),
            found => Ok(found),
        }
    }

    /// Builds of the app in the legacy list; `None` if the list was not read. It is conclusive if it shows any build of
    /// the app, and all of them that may carry the labels were read.
    fn legacy_app_builds(
        &self,
        app_id: &AppId,
        Query { filter, limit, .. }: Query<'_>,
        search: LegacySearch,
    ) -> Result<Option<AppBuilds>, RequestError> {
        let turn = match search {
            LegacySearch::All => None,
            LegacySearch::Marked { by, oldest } => {
                let (counter, turns) = self.account.legacy_turns(by, self.is_last);
                if !turns.contains(&counter.load(Ordering::Relaxed)) {
                    counter.fetch_add(1, Ordering::Relaxed);
                    return Ok(None);
                }
                Some((counter, oldest))
            }
        };
        let answer = self.account.readable(self.legacy_builds(app_id))?;
        if let Some((counter, _)) = turn {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let Some((listed, now)) = answer else { return Ok(None) };
        let since = turn.and_then(|(_, oldest)| now.checked_sub(oldest));
        let (mut found, mut lookups, mut is_complete) = (AppBuilds::default(), 0, true);
        for listed in listed {
            let is_too_old = listed.created().zip(since).is_some_and(|(created, since)| created < since);
            let Some(mut seen) = listed.snapshot(now) else { continue };
            // A service that ignores the filter must not make a stranger's build ours.
            if seen.build.app_id.as_deref() != Some(app_id.as_str()) {
                continue;
            }
            found.is_conclusive = true;
            if is_too_old || !filter.fits_without_labels(&seen.build) {
                continue;
            }
            if !filter.labels.is_empty() {
                if lookups == MOST_LOOKUPS {
                    is_complete = false;
                    break;
                }
                lookups += 1;
                let Some(build) = self.labeled(&seen, &filter.labels)? else { continue };
                seen = build;
            }
            found.builds.push(seen);
            if found.builds.len() == limit {
                break;
            }
        }
        if found.is_conclusive {
            self.note_owner(app_id, Owner::LegacyList);
        }
        found.is_conclusive &= is_complete;
        Ok(Some(found))
    }

    /// A build of the legacy list as v3 has it, if it carries all of these labels. One that is gone by now carries none.
    fn labeled(&self, listed: &BuildSnapshot, labels: &[String]) -> Result<Option<BuildSnapshot>, RequestError> {
        let Some(id) = BuildId::new(&listed.build.id) else { return Ok(None) };
        let build = optional(self.poll_build(&id))?;
        Ok(build.filter(|seen| labels.iter().all(|label| seen.build.labels.contains(label))))
    }

    fn note_owner(&self, app_id: &AppId, owner: Owner) {
        lock(&self.account.owners).insert(app_id.clone(), owner);
    }
}

/// What a team's list says about an app.
enum TeamList {
    /// The team owns the app, and these builds match.
    Owner(Vec<BuildSnapshot>),
    /// The team does not own the app.
    Stranger,
    /// The list was read and shows no build of the app; whether the team owns it is not known.
    Silent,
    /// The key may not read the list.
    Unreadable,
}

fn unlisted(app_id: &AppId) -> Error {
    Error::new(ExitCode::NotFound, format!("app {app_id}"), "not found, or not visible with this API key: no list shows its builds").with_hint(
        "check the app ID (`cibridge codemagic apps` lists the visible ones); the user of the key should be in the team that owns the app",
    )
}
