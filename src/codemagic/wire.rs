//! The shapes of Codemagic's answers, and their translation into the program's own.
//!
//! Everything may be missing or null: the published schema and real answers disagree in both directions.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::ExitCode;
use crate::json::{self, str, text};
use crate::model::{Artifact, Build, BuildSnapshot, Phase, Step};

/// Anything with an id and perhaps a name: teams, apps, workflows.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: Option<String>,
}

/// The entries of a list in v3's envelope that have an id.
pub(super) fn named(answer: &Value) -> impl Iterator<Item = Named> {
    json::objects(answer, "data").filter_map(|entry| Some(Named { id: text(entry, "id")?, name: text(entry, "name") }))
}

/// Whether `page` of a list in v3's envelope is the last one.
pub(super) fn is_last_page(answer: &Value, page: u64) -> bool {
    json::entries(&answer["data"]).is_empty()
        || json::number(answer, "current_page").unwrap_or(page) >= json::number(answer, "total_pages").unwrap_or(1)
}

/// An artifact of the legacy API.
#[derive(Debug)]
pub(super) struct LegacyArtifact {
    pub(super) name: String,
    pub(super) size: Option<u64>,
    pub(super) md5: Option<String>,
    pub(super) url: Option<String>,
}

/// The artifacts of a legacy build that have a name.
pub(super) fn legacy_artifacts(build: &Value) -> Vec<LegacyArtifact> {
    let artifact = |entry| {
        let (size, md5, url) = (json::number(entry, "size"), text(entry, "md5"), text(entry, "url"));
        Some(LegacyArtifact { name: text(entry, "name")?, size, md5, url })
    };
    json::objects(build, "artefacts").filter_map(artifact).collect()
}

/// Where the log of a legacy build's step is: its own link, else a failed part's, else the first part's that has one.
pub(super) fn legacy_log(action: &Value) -> Option<&str> {
    let parts = json::objects(action, "subactions");
    let failed = parts.clone().filter(|part| str(part, "status") == Some("failed"));
    str(action, "logUrl").or_else(|| failed.chain(parts).find_map(|part| str(part, "logUrl")))
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

/// A build of v3 as the program knows builds; `None` without an id or a status. `now` is the service's clock.
pub(super) fn snapshot(wire: &Value, page: fn(&str, &str) -> String, now: SystemTime) -> Option<BuildSnapshot> {
    let (id, status) = (text(wire, "id")?, text(wire, "status")?);
    let (started, ended) = (str(wire, "started_at"), str(wire, "finished_at"));
    let (phase, known) = phase(&status, started.is_some(), ended.is_some());
    let app_id = text(wire, "app_id").filter(|app_id| !app_id.is_empty());
    let number = json::number(wire, "index");
    let build = Build {
        title: format!("Codemagic build {}", number.map_or_else(|| id.clone(), |number| number.to_string())),
        url: page(app_id.as_deref().unwrap_or_default(), &id),
        number,
        status,
        workflow_id: text(&wire["workflow"], "id"),
        branch: text(wire, "branch"),
        tag: text(wire, "tag"),
        commit: text(&wire["commit"], "hash"),
        labels: json::entries(&wire["labels"]).iter().filter_map(|label| Some(label.as_str()?.to_owned())).collect(),
        queued_seconds: between(str(wire, "created_at"), started.or(ended), now),
        run_seconds: started.and_then(|_| between(started, ended, now)),
        id,
        app_id,
    };
    let artifact = |artifact| Artifact {
        name: text(artifact, "name").unwrap_or_default(),
        kind: text(artifact, "type").unwrap_or_default(),
        size: json::number(artifact, "size_in_bytes"),
        ..Artifact::default()
    };
    Some(BuildSnapshot { artifacts: json::objects(wire, "artifacts").map(artifact).collect(), build, phase, known })
}

/// A step of v3 as the program knows steps. A step without a status is running if it has begun, else pending.
pub(super) fn step(action: &Value, now: SystemTime) -> Step {
    let started = str(action, "started_at");
    let begun = if started.is_some() { "running" } else { "pending" };
    Step {
        name: text(action, "name").unwrap_or_default(),
        status: str(action, "status").unwrap_or(begun).to_owned(),
        seconds: between(started, str(action, "finished_at"), now),
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
}
