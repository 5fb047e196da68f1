//! What was noticed while waiting and downloading, as one line each. Pure.

use std::time::Duration;

use super::format::{format_duration, format_progress, format_size};
use crate::model::{DownloadEvent, Event, Step};

/// The line about an event of a build.
pub(super) fn describe(event: &Event) -> String {
    match event {
        Event::Status { status, known: true } => format!("status: {status}"),
        Event::Status { status, known: false } => {
            format!("status: {status} (unrecognized; still waiting for the build to finish)")
        }
        Event::Commit(commit) => format!("commit: {commit}"),
        Event::UsualDuration(usual) => format!("usual duration: {}", format_duration(*usual)),
        Event::Step(step) => describe_step(step),
        Event::Heartbeat { running, step, age, usual } => {
            // The provider's word for the state may be old by now.
            let status = if *running { "running" } else { "queued" };
            let step = step.as_ref().map(|step| format!(", step \"{step}\"")).unwrap_or_default();
            let usual = usual.map(|usual| format!(" (usually {})", format_duration(usual))).unwrap_or_default();
            format!("status: {status} for {}{step}{usual}", format_duration(*age))
        }
        Event::Note(note) => note.clone(),
        Event::PollFailed { why, again } => format!("{why}; retrying in {}", format_duration(*again)),
    }
}

/// The line about an event of a download.
pub(super) fn describe_download(event: &DownloadEvent) -> String {
    match event {
        DownloadEvent::Progress(progress) => format!("download: {}", format_progress(progress)),
        DownloadEvent::Retry { why, again, got } => {
            let from = if *got > 0 { format!(", resuming at {}", format_size(*got)) } else { String::new() };
            format!("{why}; retrying in {}{from}", format_duration(*again))
        }
        DownloadEvent::Saved { path, bytes } => format!("saved {} ({})", path.display(), format_size(*bytes)),
    }
}

fn describe_step(step: &Step) -> String {
    let state = match step.status.as_str() {
        "running" => "started",
        "success" => "succeeded",
        status => status,
    };
    let ended = !matches!(state, "started" | "skipped" | "pending");
    let took = step.seconds.filter(|_| ended).map(|seconds| format_duration(Duration::from_secs(seconds)));
    format!("step \"{}\": {state}{}", step.name, took.map(|took| format!(" in {took}")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_noun_first() {
        let step =
            |status: &str, seconds| Event::Step(Step { name: "Build ipa".into(), status: status.into(), seconds });
        let minutes = Duration::from_secs(300);
        for (event, line) in [
            (Event::Status { status: "building".into(), known: true }, "status: building"),
            (
                Event::Status { status: "resting".into(), known: false },
                "status: resting (unrecognized; still waiting for the build to finish)",
            ),
            (step("running", Some(0)), "step \"Build ipa\": started"),
            (step("success", Some(125)), "step \"Build ipa\": succeeded in 2m 05s"),
            (step("failed", None), "step \"Build ipa\": failed"),
            (step("skipped", Some(0)), "step \"Build ipa\": skipped"),
            (Event::UsualDuration(minutes), "usual duration: 5m 00s"),
            (
                Event::Heartbeat { running: true, step: Some("Build ipa".into()), age: minutes, usual: Some(minutes) },
                "status: running for 5m 00s, step \"Build ipa\" (usually 5m 00s)",
            ),
            (Event::Heartbeat { running: false, step: None, age: minutes, usual: None }, "status: queued for 5m 00s"),
            (
                Event::PollFailed { why: "build 7: no answer".into(), again: minutes },
                "build 7: no answer; retrying in 5m 00s",
            ),
        ] {
            assert_eq!(describe(&event), line);
        }
        let retry =
            |got| DownloadEvent::Retry { why: "app.ipa: connection lost".into(), again: Duration::from_secs(2), got };
        assert_eq!(describe_download(&retry(0)), "app.ipa: connection lost; retrying in 2s");
        assert_eq!(
            describe_download(&retry(5_000_000)),
            "app.ipa: connection lost; retrying in 2s, resuming at 5.0 MB"
        );
        let saved = DownloadEvent::Saved { path: "dist/app.ipa".into(), bytes: 27_000_000 };
        assert_eq!(describe_download(&saved), "saved dist/app.ipa (27.0 MB)");
    }
}
