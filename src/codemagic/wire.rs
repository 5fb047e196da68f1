//! The shapes of Codemagic's answers, and their translation into the program's own.
//!
//! v3 (`snake_case`, in an envelope `data`) is that of Codemagic's own API document of July 2026, the legacy API (`camelCase`) what
//! clients recorded: 56 builds of tsimbalar/codemagic-build-monitor, `src/infra/codemagic/__tests__`. Everything may be
//! missing, null or of another type. Wire types do not leave this folder.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::reference::BuildId;
use crate::clock::{format_time, parse_time};
use crate::document;
use crate::error::ExitCode;
use crate::lenient::{Entries, Field, List, Object, TextOr, Texts};
use crate::model::{self, BuildSnapshot, Phase};

/// v3's envelope of one thing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "T: Default + Deserialize<'de>")]
pub(super) struct Data<T> {
    pub(super) data: Object<T>,
}

/// v3's envelope of a list, paged by a cursor (builds) or by number (everything else).
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "T: Default + Deserialize<'de>")]
pub(super) struct Page<T> {
    pub(super) data: List<T>,
    pub(super) cursor: Field<String>,
    #[serde(rename = "current_page")]
    current: Field<u64>,
    #[serde(rename = "total_pages")]
    total: Field<u64>,
}

impl<T> Page<T> {
    /// Whether `page` is the last one of a list that is paged by number.
    pub(super) fn is_last(&self, page: u64) -> bool {
        self.data.entries.is_empty() || self.current.0.unwrap_or(page) >= self.total.0.unwrap_or(1)
    }
}

/// Anything of v3 with an id and perhaps a name: teams, apps, workflows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) id: Field<String>,
    pub(super) name: Field<String>,
}

impl Named {
    /// The same as the program knows it; `None` without an id.
    pub(super) fn named(self) -> Option<document::Named> {
        Some(document::Named { id: self.id.0?, name: self.name.0 })
    }
}

/// What both starts answer: v3 `{"data": {"id": …}}`, the legacy API `{"buildId": …}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StartAnswer {
    data: Object<Named>,
    #[serde(rename = "buildId")]
    build_id: Field<String>,
    id: Field<String>,
}

impl StartAnswer {
    pub(super) fn id(self) -> Option<BuildId> {
        let id = self.data.0.and_then(|data| data.id.0).or(self.build_id.0).or(self.id.0)?;
        BuildId::new(&id)
    }
}

/// A build of v3's `GET /builds/{id}` and `GET /teams/{id}/builds`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Build {
    id: Field<String>,
    app_id: Field<String>,
    workflow: Object<Named>,
    status: Field<String>,
    index: Field<u64>,
    pub(super) artifacts: List<Artifact>,
    labels: Texts,
    commit: Object<Commit>,
    branch: Field<String>,
    tag: Field<String>,
    created_at: Field<String>,
    started_at: Field<String>,
    finished_at: Field<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Commit {
    hash: Field<String>,
}

/// An artifact of v3. Its link is the permission itself, and ends soon.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Artifact {
    name: Field<String>,
    #[serde(rename = "type")]
    kind: Field<String>,
    size_in_bytes: Field<u64>,
    pub(super) short_lived_download_url: Field<String>,
}

/// A step of v3's `GET /builds/{id}/actions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Action {
    id: Field<String>,
    name: Field<String>,
    status: Field<String>,
    started_at: Field<String>,
    finished_at: Field<String>,
}

impl Action {
    pub(super) fn id(&self) -> Option<&str> {
        self.id.text()
    }
}

/// The legacy `GET /builds/{id}`. Its sibling `application` holds the app's variables: it is not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LegacyAnswer {
    pub(super) build: Object<LegacyBuild>,
}

/// A build of the legacy API. It also holds VNC passwords (`vncAccess`), which are not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LegacyBuild {
    finished_at: Field<String>,
    /// Why the build failed, e.g. ``Step 5 script `Build` exited with status code 1``.
    pub(super) message: Field<String>,
    pub(super) artefacts: List<LegacyArtifact>,
    pub(super) build_actions: List<LegacyAction>,
}

/// The legacy `GET /builds`: the newest builds of an app. Its sibling `applications` weighs megabytes and is not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LegacyList {
    pub(super) builds: List<LegacyListed>,
}

/// A build in the legacy list. It has no labels.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LegacyListed {
    #[serde(rename = "_id")]
    id: Field<String>,
    app_id: Field<String>,
    index: Field<u64>,
    status: Field<String>,
    workflow_id: Field<String>,
    file_workflow_id: Field<String>,
    branch: Field<String>,
    tag: Field<String>,
    commit: Object<Commit>,
    created_at: Field<String>,
    started_at: Field<String>,
    finished_at: Field<String>,
}

/// An artifact of the legacy API. Its link lasts and needs the key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LegacyArtifact {
    pub(super) name: Field<String>,
    pub(super) size: Field<u64>,
    pub(super) md5: Field<String>,
    pub(super) url: Field<String>,
}

/// A step of a legacy build.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LegacyAction {
    #[serde(rename = "_id")]
    pub(super) id: Field<String>,
    pub(super) name: Field<String>,
    pub(super) status: Field<String>,
    pub(super) started_at: Field<String>,
    log_url: Field<String>,
    subactions: List<LegacyPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LegacyPart {
    status: Field<String>,
    log_url: Field<String>,
}

impl LegacyAction {
    /// The log that shows why the step failed: its own, else a failed part's, else the first part's that has one. In
    /// recordings of 2021 both have one; a client of 2026 (Becca-Saka/codemagic-mcp, `transform.py`) finds it only at
    /// the parts.
    pub(super) fn telling_log(&self) -> Option<&str> {
        let parts = &self.subactions.entries;
        let failed = parts.iter().filter(|part| part.status.text() == Some("failed"));
        self.log_url.text().or_else(|| failed.chain(parts).find_map(|part| part.log_url.text()))
    }

    /// The logs that together are the step's: its own, else those of all parts.
    pub(super) fn all_logs(&self) -> Vec<&str> {
        match self.log_url.text() {
            Some(own) => vec![own],
            None => self.subactions.entries.iter().filter_map(|part| part.log_url.text()).collect(),
        }
    }
}

/// The same answer as [`LegacyAnswer`], with the test results of its steps alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TestedAnswer<'a> {
    #[serde(borrow)]
    pub(super) build: Object<TestedBuild<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestedBuild<'a> {
    #[serde(borrow)]
    pub(super) build_actions: Entries<'a, TestedAction<'a>>,
}

/// A step that may have run tests.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestedAction<'a> {
    pub(super) name: Field<String>,
    pub(super) started_at: Field<String>,
    #[serde(borrow)]
    pub(super) results: Entries<'a, LegacyResults<'a>>,
}

/// Test results of a step. A report without suites may be one itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LegacyResults<'a> {
    #[serde(borrow)]
    pub(super) suites: Entries<'a, LegacySuite<'a>>,
    pub(super) name: Field<String>,
    pub(super) tests: Entries<'a, LegacyTest>,
}

/// Tests of one file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LegacySuite<'a> {
    pub(super) name: Field<String>,
    #[serde(borrow)]
    pub(super) tests: Entries<'a, LegacyTest>,
}

/// A test. All recorded ones have an id, a name and the status `success`. The counts beside them show that `failed`,
/// `errored` and `skipped` exist; what such a test carries is not known, so the likely names are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LegacyTest {
    pub(super) name: Field<String>,
    pub(super) title: Field<String>,
    pub(super) status: Field<String>,
    pub(super) result: Field<String>,
    pub(super) time: Field<f64>,
    pub(super) message: Words,
    pub(super) error: Words,
    pub(super) failure: Words,
    pub(super) reason: Words,
    pub(super) details: Words,
    #[serde(rename = "stackTrace")]
    pub(super) stack_trace: Words,
    #[serde(rename = "stack_trace")]
    pub(super) stack_trace_snake: Words,
    #[serde(rename = "stacktrace")]
    pub(super) stack_trace_word: Words,
    pub(super) trace: Words,
}

/// An object that carries a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    message: Field<String>,
}

/// A text, or an object that carries one.
pub(super) type Words = TextOr<Message>;

impl Words {
    /// The text, itself or as the object's message, unless it is blank.
    pub(super) fn message(&self) -> Option<&str> {
        let text = match self {
            Self::Absent => None,
            Self::Text(text) => Some(text.as_str()),
            Self::Object(object) => object.message.text(),
        };
        text.filter(|text| !text.trim().is_empty())
    }
}

/// The legacy `GET /user`, as far as public clients read it (todah-zg/codemagic-mcp and Becca-Saka/codemagic-mcp).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserAnswer {
    user: Object<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    #[serde(rename = "personalTeam")]
    personal_team: Object<LegacyTeam>,
}

/// A team of the legacy API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LegacyTeam {
    #[serde(rename = "_id")]
    id: Field<String>,
}

impl UserAnswer {
    /// The id of the user's personal team.
    pub(super) fn personal_team(self) -> Option<String> {
        self.user.0?.personal_team.0?.id.0
    }
}

/// The legacy `GET /apps/{id}/caches`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CacheList {
    pub(super) caches: List<Cache>,
}

/// A cache of an app.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Cache {
    #[serde(rename = "_id")]
    pub(super) id: Field<String>,
    pub(super) workflow_id: Field<String>,
    pub(super) size: Field<u64>,
    pub(super) last_used: Field<String>,
}

/// The legacy `POST …/public-url`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PublicLinkAnswer {
    pub(super) url: Field<String>,
    #[serde(rename = "expiresAt")]
    pub(super) expires_at: Field<String>,
}

/// Whole seconds between two times, or up to `now` when the second is missing.
fn between(from: &Field<String>, to: &Field<String>, now: SystemTime) -> Option<u64> {
    let from = parse_time(from.text()?)?;
    let to = to.text().and_then(parse_time).unwrap_or(now);
    Some((to.duration_since(from).unwrap_or_default() + Duration::from_millis(500)).as_secs())
}

/// The build's phase, and whether the status is a known one. An unknown one counts as running until the build has an end.
pub(super) fn phase(status: &str, started: bool, finished: bool) -> (Phase, bool) {
    let known = match status {
        "initializing" | "queued" => Phase::Queued,
        "preparing" | "fetching" | "testing" | "building" | "publishing" | "finishing" => Phase::Running,
        "finished" => Phase::Ended(ExitCode::Success),
        "failed" | "timeout" => Phase::Ended(ExitCode::Failed),
        "warning" => Phase::Ended(ExitCode::Unstable),
        "canceled" | "cancelled" => Phase::Ended(ExitCode::Canceled),
        "skipped" => Phase::Ended(ExitCode::Skipped),
        _ if finished => return (Phase::Ended(ExitCode::Failed), false),
        _ if started => return (Phase::Running, false),
        _ => return (Phase::Queued, false),
    };
    (known, true)
}

/// The build's name in a sentence.
pub(super) fn title(id: &str, number: Option<u64>) -> String {
    format!("Codemagic build {}", number.map_or_else(|| id.to_owned(), |number| number.to_string()))
}

impl Build {
    /// The id, if it can be one.
    pub(super) fn id(&self) -> Option<BuildId> {
        BuildId::new(self.id.text()?)
    }

    /// The build as the program knows builds; `None` without an id or a status. `now` is the service's clock.
    pub(super) fn snapshot(self, now: SystemTime) -> Option<BuildSnapshot> {
        let (id, status) = (self.id()?, self.status.0?);
        let (phase, known) = phase(&status, self.started_at.0.is_some(), self.finished_at.0.is_some());
        let app_id = self.app_id.0.filter(|app_id| !app_id.is_empty());
        let until_start = if self.started_at.0.is_some() { &self.started_at } else { &self.finished_at };
        let build = model::Build {
            title: title(id.as_str(), self.index.0),
            url: app_id.as_deref().map(|app_id| id.page(app_id)).unwrap_or_default(),
            number: self.index.0,
            status,
            workflow_id: self.workflow.0.and_then(|workflow| workflow.id.0),
            branch: self.branch.0,
            tag: self.tag.0,
            commit: self.commit.0.and_then(|commit| commit.hash.0),
            labels: self.labels.0,
            created_at: self.created_at.text().and_then(parse_time).and_then(format_time),
            queued_seconds: between(&self.created_at, until_start, now),
            run_seconds: between(&self.started_at, &self.finished_at, now),
            id: id.as_str().to_owned(),
            app_id,
        };
        let artifacts = self.artifacts.entries.into_iter().map(Artifact::into_model).collect();
        Some(BuildSnapshot { build, phase, known, artifacts })
    }
}

impl Artifact {
    fn into_model(self) -> model::Artifact {
        model::Artifact {
            name: self.name.0.unwrap_or_default(),
            kind: self.kind.0.unwrap_or_default(),
            size: self.size_in_bytes.0,
            ..model::Artifact::default()
        }
    }
}

impl Action {
    /// The step as the program knows steps. A step without a status is running if it has begun, else pending.
    pub(super) fn into_step(self, now: SystemTime) -> model::Step {
        let begun = if self.started_at.0.is_some() { "running" } else { "pending" };
        model::Step {
            seconds: between(&self.started_at, &self.finished_at, now),
            name: self.name.0.unwrap_or_default(),
            status: self.status.0.unwrap_or_else(|| begun.to_owned()),
        }
    }
}

impl LegacyBuild {
    /// Whether the build has ended, so that its document does not change any more.
    pub(super) fn has_ended(&self) -> bool {
        self.finished_at.0.is_some()
    }
}

impl LegacyListed {
    /// When the build was created.
    pub(super) fn created(&self) -> Option<SystemTime> {
        parse_time(self.created_at.text()?)
    }

    /// The same as [`Build::snapshot`].
    pub(super) fn snapshot(self, now: SystemTime) -> Option<BuildSnapshot> {
        let build = Build {
            id: self.id,
            app_id: self.app_id,
            workflow: Object(Some(Named {
                id: Field(self.file_workflow_id.0.or(self.workflow_id.0)),
                name: Field(None),
            })),
            status: self.status,
            index: self.index,
            commit: self.commit,
            branch: self.branch,
            tag: self.tag,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            ..Build::default()
        };
        build.snapshot(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lenient;

    #[test]
    fn every_status_has_its_phase() {
        for (status, finished, expected, known) in [
            ("queued", false, Phase::Queued, true),
            ("finishing", false, Phase::Running, true),
            ("finished", true, Phase::Ended(ExitCode::Success), true),
            ("timeout", true, Phase::Ended(ExitCode::Failed), true),
            ("warning", true, Phase::Ended(ExitCode::Unstable), true),
            ("cancelled", true, Phase::Ended(ExitCode::Canceled), true),
            ("skipped", true, Phase::Ended(ExitCode::Skipped), true),
            ("polishing", false, Phase::Running, false),
            ("polishing", true, Phase::Ended(ExitCode::Failed), false),
        ] {
            assert_eq!(phase(status, true, finished), (expected, known), "{status}");
        }
        assert_eq!(phase("dreaming", false, false), (Phase::Queued, false));
    }

    #[test]
    fn a_build_without_id_or_status_is_no_build_and_all_else_may_be_odd() {
        let read = |text: &str| {
            let now = parse_time("2026-08-30T12:00:00Z").unwrap();
            lenient::parse::<Build>(text.as_bytes()).unwrap().snapshot(now)
        };
        for text in [
            "{}",
            r#"{"id": "b"}"#,
            r#"{"status": "building"}"#,
            r#"{"id": 7, "status": "building"}"#,
            r#"{"id": "a/b", "status": "building"}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let odd = r#"{"id": "b", "status": "building", "index": "7", "artifacts": {}, "labels": "x", "commit": "c", "workflow": null,
                     "created_at": 5, "started_at": "2026-08-30T11:59:00.4Z", "branch": ["main"]}"#;
        let seen = read(odd).unwrap();
        assert_eq!((seen.phase, seen.build.title.as_str()), (Phase::Running, "Codemagic build b"));
        assert_eq!((seen.build.run_seconds, seen.build.queued_seconds, seen.build.branch), (Some(60), None, None));
    }
}
