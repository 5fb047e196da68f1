//! The shapes of Codemagic's answers, and their translation into the program's own.
//!
//! Everything may be missing or null: the published schema and real answers disagree in both directions.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use crate::error::Code;
use crate::model::{Artifact, Build, Phase, Sighting, Step};

/// The envelope of every v3 answer; `cursor` in cursor-paged ones, the page numbers in others.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: T,
    #[serde(default)]
    pub(super) cursor: Option<String>,
    #[serde(default)]
    pub(super) current_page: Option<u64>,
    #[serde(default)]
    pub(super) total_pages: Option<u64>,
}

/// Anything with an id and perhaps a name: teams, workflows.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// A build of v3, from `GET /builds/{id}` or a list.
#[derive(Debug, Deserialize)]
pub(super) struct V3Build {
    pub(super) id: String,
    #[serde(default)]
    pub(super) app_id: Option<String>,
    #[serde(default)]
    pub(super) workflow: Option<Named>,
    pub(super) status: String,
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default)]
    pub(super) artifacts: Option<Vec<V3Artifact>>,
    #[serde(default)]
    pub(super) labels: Option<Vec<String>>,
    #[serde(default)]
    pub(super) commit: Option<Commit>,
    #[serde(default)]
    pub(super) branch: Option<String>,
    #[serde(default)]
    pub(super) tag: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) started_at: Option<String>,
    #[serde(default)]
    pub(super) finished_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    #[serde(default)]
    pub(super) hash: Option<String>,
}

/// An artifact of v3.
#[derive(Debug, Deserialize)]
pub(super) struct V3Artifact {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) size_in_bytes: Option<u64>,
    #[serde(default)]
    pub(super) short_lived_download_url: Option<String>,
}

/// A step of v3, from `GET /builds/{id}/actions`.
#[derive(Debug, Deserialize)]
pub(super) struct V3Action {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) started_at: Option<String>,
    #[serde(default)]
    pub(super) finished_at: Option<String>,
}

/// What `GET /builds/{id}` of the legacy API adds: why a build failed, where its logs are, what its tests said, and the
/// sums of its artifacts.
///
/// Lists whose entries are read one by one stay as they came: an odd one must not hide the rest. The same document holds VNC passwords and the app's variables: it is never shown as it is.
#[derive(Debug, Deserialize)]
pub(super) struct LegacyAnswer {
    pub(super) build: LegacyBuild,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LegacyBuild {
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) build_actions: Option<Vec<LegacyAction>>,
    #[serde(default)]
    pub(super) finished_at: Option<String>,
    #[serde(default)]
    artefacts: Option<Value>,
}

/// An artifact of the legacy API.
#[derive(Debug, Deserialize)]
pub(super) struct LegacyArtifact {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) md5: Option<String>,
    #[serde(default)]
    pub(super) url: Option<String>,
}

impl LegacyBuild {
    /// The artifacts, those left out that are none.
    pub(super) fn artifacts(&self) -> Vec<LegacyArtifact> {
        let entries = self.artefacts.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter_map(|entry| LegacyArtifact::deserialize(entry).ok()).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LegacyAction {
    #[serde(default, rename = "_id")]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) started_at: Option<String>,
    #[serde(default)]
    pub(super) log_url: Option<String>,
    /// The reports of the tests that the step ran.
    #[serde(default)]
    pub(super) results: Option<Value>,
    #[serde(default)]
    pub(super) subactions: Option<Vec<LegacyAction>>,
}

impl LegacyAction {
    /// Where the step's log is: its own link, else a failed part's, else the first part's that has one.
    pub(super) fn log(&self) -> Option<&str> {
        let parts = self.subactions.as_deref().unwrap_or_default();
        let failed = parts.iter().filter(|part| part.status.as_deref() == Some("failed"));
        self.log_url.as_deref().or_else(|| failed.chain(parts).find_map(|part| part.log_url.as_deref()))
    }
}

/// Reads a time stamp of any of the three forms: RFC 3339 with `Z`, with `+00:00`, and the legacy `+0000`.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    let clock_end = text.get(19..)?.find(['Z', '+', '-']).map_or(text.len(), |at| at + 19);
    let base = humantime::parse_rfc3339(&format!("{}Z", text.get(..clock_end)?)).ok()?;
    let zone = text.get(clock_end..)?;
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    if zone.is_empty() || zone == "Z" || digits.len() < 4 {
        return Some(base);
    }
    let minutes = digits.get(..2)?.parse::<u64>().ok()? * 60 + digits.get(2..4)?.parse::<u64>().ok()?;
    let offset = Duration::from_secs(minutes * 60);
    if zone.starts_with('-') { base.checked_add(offset) } else { base.checked_sub(offset) }
}

/// Seconds between two stamps, or up to `now` when the second is missing.
fn between(from: Option<&str>, to: Option<&str>, now: SystemTime) -> Option<u64> {
    let from = time(from?)?;
    let to = to.and_then(time).unwrap_or(now);
    Some((to.duration_since(from).unwrap_or_default() + Duration::from_millis(500)).as_secs())
}

/// The build's phase. Every known word is listed; an unknown one counts as running until the build has an end.
pub(super) fn phase(status: &str, started: bool, finished: bool) -> (Phase, bool) {
    let known = match status {
        "initializing" | "queued" => Phase::Queued,
        "preparing" | "fetching" | "testing" | "building" | "publishing" | "finishing" => Phase::Running,
        "finished" => Phase::Ended(Code::Success),
        "failed" | "timeout" => Phase::Ended(Code::Failed),
        "warning" => Phase::Ended(Code::Unstable),
        "canceled" | "cancelled" => Phase::Ended(Code::Cancelled),
        "skipped" => Phase::Ended(Code::Skipped),
        _ if finished => return (Phase::Ended(Code::Failed), false),
        _ if started => return (Phase::Running, false),
        _ => return (Phase::Queued, false),
    };
    (known, true)
}

impl V3Build {
    /// The build as the program knows builds. `now` is the service's clock.
    pub(super) fn sighting(self, page: impl Fn(&str, &str) -> String, now: SystemTime) -> Sighting {
        let (phase, known) = phase(&self.status, self.started_at.is_some(), self.finished_at.is_some());
        let app_id = self.app_id.unwrap_or_default();
        let started = self.started_at.as_deref();
        let ended = self.finished_at.as_deref();
        let build = Build {
            url: page(&app_id, &self.id),
            number: self.index,
            status: self.status,
            workflow_id: self.workflow.map(|workflow| workflow.id),
            branch: self.branch,
            tag: self.tag,
            commit: self.commit.and_then(|commit| commit.hash),
            labels: self.labels.unwrap_or_default(),
            queued_seconds: between(self.created_at.as_deref(), started.or(ended), now),
            run_seconds: started.and_then(|_| between(started, ended, now)),
            id: self.id,
            app_id: Some(app_id).filter(|app_id| !app_id.is_empty()),
        };
        let artifacts = self.artifacts.unwrap_or_default().into_iter().map(|artifact| Artifact {
            name: artifact.name.unwrap_or_default(),
            kind: artifact.kind.unwrap_or_default(),
            size: artifact.size_in_bytes,
            ..Artifact::default()
        });
        Sighting { artifacts: artifacts.collect(), build, phase, known }
    }
}

impl V3Action {
    /// The step as the program knows steps. A step without a status is running if it has begun, else pending.
    pub(super) fn step(self, now: SystemTime) -> Step {
        let seconds = between(self.started_at.as_deref(), self.finished_at.as_deref(), now);
        let status = match self.status {
            Some(status) => status,
            None if self.started_at.is_some() => "running".to_owned(),
            None => "pending".to_owned(),
        };
        Step { name: self.name.unwrap_or_default(), status, seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_of_time_are_one() {
        let expected = humantime::parse_rfc3339("2021-02-11T13:02:28.009Z").unwrap();
        for text in [
            "2021-02-11T13:02:28.009+0000",
            "2021-02-11T13:02:28.009000Z",
            "2021-02-11T13:02:28.009+00:00",
            "2021-02-11T15:02:28.009+02:00",
        ] {
            assert_eq!(time(text), Some(expected), "{text}");
        }
        assert_eq!(time("2021-02-11T13:02:28"), humantime::parse_rfc3339("2021-02-11T13:02:28Z").ok());
        assert_eq!(time("yesterday"), None);
        assert_eq!(time("2021-02-11T13:02:28é"), None);
    }

    #[test]
    fn every_status_has_its_phase() {
        for (status, finished, expected, known) in [
            ("queued", false, Phase::Queued, true),
            ("finishing", false, Phase::Running, true),
            ("finished", true, Phase::Ended(Code::Success), true),
            ("timeout", true, Phase::Ended(Code::Failed), true),
            ("warning", true, Phase::Ended(Code::Unstable), true),
            ("cancelled", true, Phase::Ended(Code::Cancelled), true),
            ("skipped", true, Phase::Ended(Code::Skipped), true),
            ("polishing", false, Phase::Running, false),
            ("polishing", true, Phase::Ended(Code::Failed), false),
        ] {
            assert_eq!(phase(status, true, finished), (expected, known), "{status}");
        }
        assert_eq!(phase("dreaming", false, false), (Phase::Queued, false));
    }
}
