//! Builds: their state and their stages.

use std::time::{Duration, UNIX_EPOCH};

use super::client::{Client, tree};
use super::input::Question;
use super::queue::reported_build;
use super::reference::{BuildName, BuildRef, JobRef};
use super::wire;
use crate::clock::format_time;
use crate::error::{ExitCode, RequestError};
use crate::http::Body;
use crate::model::{Artifact, Build, BuildSnapshot, Phase, Step};

/// What is asked for about a build.
const BUILD_FIELDS: &str = "_class,number,building,inProgress,result,duration,estimatedDuration,timestamp,queueId,\
    actions[_class,executions[id,settled,input[id,message,submitter,\
    parameters[name,type,description,choices,defaultParameterValue[value]]]]],artifacts[fileName,relativePath],runs[number,url]";

/// What is asked for about each build of a list.
pub(super) const LISTED_FIELDS: &str =
    "_class,number,building,inProgress,result,duration,estimatedDuration,timestamp,queueId";

/// A build as it is now.
#[derive(Debug, Clone)]
pub struct BuildView {
    /// Which one it is.
    pub build: BuildRef,
    /// What the rest of the program knows of builds.
    pub snapshot: BuildSnapshot,
    /// Whether it is a Pipeline, which can be terminated and killed.
    pub is_pipeline: bool,
    /// Whether it is running, and nobody has interrupted it. A Pipeline that is just being created ignores a stop.
    pub is_undisturbed: bool,
    /// Whether it has no result although nothing works on it: it is just being created, or its record is damaged.
    pub is_idle: bool,
    /// How long such builds take, as Jenkins estimates it.
    pub estimate: Option<Duration>,
    /// What it asks people.
    pub questions: Vec<Question>,
    /// The builds of its configurations, when it is a matrix build. One that was not built again is of an earlier number.
    pub configurations: Vec<BuildRef>,
}

impl Client {
    /// A build as it is now, in one request.
    pub fn build(&self, job: &JobRef, name: &BuildName) -> Result<BuildView, RequestError> {
        let path = format!("{}/{name}/api/json?{}", job.path(), tree(BUILD_FIELDS));
        let is_it = |build: &wire::Build| match name {
            BuildName::Number(number) => build.number.0 == Some(*number),
            BuildName::Permalink(_) => build.number.0.is_some(),
        };
        let wire = self.json(&format!("build {job}#{name}"), &path, is_it)?;
        Ok(view(wire, job, &self.page(&job.path()), self.controller_time()))
    }

    /// The stages of a Pipeline; none without the plugin pipeline-rest-api, and none for other jobs.
    pub fn stages(&self, build: &BuildRef) -> Result<Vec<Step>, RequestError> {
        let path = format!("{}/wfapi/describe", build.path());
        match self.json(&format!("stages of build {build}"), &path, |run: &wire::Run| run.stages.given) {
            Ok(run) => Ok(run.stages.entries.into_iter().map(stage).collect()),
            Err(error) if error.error.code() == ExitCode::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Sets the description on a build's page.
    pub fn describe(&self, build: &BuildRef, text: &str) -> Result<(), RequestError> {
        let path = format!("{}/submitDescription", build.path());
        let body = Body::form([("description", text)]);
        self.act(&format!("description of build {build}"), &path, Some(body)).map(drop)
    }
}

/// Reads a stage. Its status is null when an exception interrupted it.
fn stage(wire: wire::Stage) -> Step {
    let interrupted =
        wire.error.0.is_some_and(|error| error.type_name.text_or_empty().ends_with("FlowInterruptedException"));
    let status = match wire.status.text_or_empty() {
        "IN_PROGRESS" => "running".to_owned(),
        "PAUSED_PENDING_INPUT" => "waiting for input".to_owned(),
        "NOT_EXECUTED" => "skipped".to_owned(),
        "ABORTED" => "canceled".to_owned(),
        "" if interrupted => "canceled".to_owned(),
        "" => "unknown".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    Step { name: wire.name.0.unwrap_or_default(), status, seconds: wire.duration_millis.0.map(rounded_seconds) }
}

fn rounded_seconds(millis: u64) -> u64 {
    millis.saturating_add(500) / 1000
}

/// Reads what `GET /job/X/N/api/json` answers. `now` is the controller's time in milliseconds.
pub(super) fn view(wire: wire::Build, job: &JobRef, job_page: &str, now: u64) -> BuildView {
    // `building` ends before the post-build work of a freestyle job does; `result` may be there long before the end.
    // `inProgress` is exact (since 2.369). A Pipeline that is just being created is not in progress yet, and has no
    // result either.
    let result = wire.result.text();
    let running = wire.in_progress.0.or(wire.building.0).unwrap_or_default() || result.is_none();
    let status = result.filter(|_| !running).unwrap_or("running");
    let (phase, known) = match (running, status) {
        (true, _) => (Phase::Running, true),
        (_, "SUCCESS") => (Phase::Ended(ExitCode::Success), true),
        (_, "UNSTABLE") => (Phase::Ended(ExitCode::Unstable), true),
        (_, "FAILURE") => (Phase::Ended(ExitCode::Failed), true),
        (_, "NOT_BUILT") => (Phase::Ended(ExitCode::Skipped), true),
        (_, "ABORTED") => (Phase::Ended(ExitCode::Canceled), true),
        _ => (Phase::Ended(ExitCode::Failed), false),
    };
    let age = wire.timestamp.0.map(|started| now.saturating_sub(started));
    let run = wire.duration.0.filter(|_| !running).or(age);
    let created = wire.timestamp.0.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    let build = job.build(wire.number.0.unwrap_or_default());
    let shown = Build {
        title: format!("Jenkins build {build}"),
        id: build.to_string(),
        number: Some(build.number),
        url: format!("{job_page}/{}/", build.number),
        status: status.to_owned(),
        created_at: created.and_then(format_time),
        run_seconds: run.map(rounded_seconds),
        ..Build::default()
    };
    let is_interrupted =
        wire.actions.entries.iter().any(|action| action.class.text_or_empty().ends_with("InterruptedBuildAction"));
    let artifacts = wire.artifacts.entries.into_iter().filter_map(|artifact| {
        Some(Artifact { name: artifact.relative_path.0.or(artifact.file_name.0)?, ..Artifact::default() })
    });
    // The address says which configuration it is; its beginning may lead nowhere from here.
    let configurations = wire.runs.entries.iter().filter_map(|run| {
        let configuration = job.configuration(reported_build(run.url.text()?)?.job.name());
        Some(configuration.build(run.number.0?)).filter(|run| run.number == build.number)
    });
    let executions = wire.actions.entries.into_iter().flat_map(|action| action.executions.entries);
    BuildView {
        configurations: configurations.collect(),
        build,
        is_idle: result.is_none() && wire.in_progress.0 == Some(false),
        snapshot: BuildSnapshot { artifacts: artifacts.collect(), build: shown, phase, known },
        is_undisturbed: running && !is_interrupted,
        is_pipeline: wire.class.text_or_empty().ends_with("WorkflowRun"),
        estimate: wire.estimated_duration.0.filter(|millis| *millis > 0).map(Duration::from_millis),
        questions: executions.filter_map(Question::read).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> BuildView {
        let job = JobRef::from_full_name("a").unwrap();
        view(wire::decode(text.as_bytes()).unwrap(), &job, "http://ci.example/job/a", 5000)
    }

    #[test]
    fn only_what_is_not_in_progress_has_ended() {
        for (text, phase, known) in [
            (r#"{"building":true,"inProgress":true,"result":"UNSTABLE"}"#, Phase::Running, true),
            (r#"{"building":false,"inProgress":true,"result":"SUCCESS"}"#, Phase::Running, true),
            (r#"{"building":false,"inProgress":false,"result":"SUCCESS"}"#, Phase::Ended(ExitCode::Success), true),
            (r#"{"building":false,"result":null}"#, Phase::Running, true),
            (r#"{"building":false,"result":"UNSTABLE"}"#, Phase::Ended(ExitCode::Unstable), true),
            (r#"{"building":false,"inProgress":false,"result":"FAILURE"}"#, Phase::Ended(ExitCode::Failed), true),
            (r#"{"building":false,"inProgress":false,"result":"NOT_BUILT"}"#, Phase::Ended(ExitCode::Skipped), true),
            (r#"{"building":false,"inProgress":false,"result":"ABORTED"}"#, Phase::Ended(ExitCode::Canceled), true),
            (r#"{"building":false,"inProgress":false,"result":"STRANGE"}"#, Phase::Ended(ExitCode::Failed), false),
            (r#"{"building":false,"inProgress":false,"result":null}"#, Phase::Running, true),
        ] {
            let snapshot = seen(text).snapshot;
            assert_eq!((snapshot.phase, snapshot.known), (phase, known), "{text}");
        }
    }

    #[test]
    fn numbers_from_the_controller_are_never_trusted_to_fit() {
        let huge = seen(
            r#"{"number":18446744073709551615,"inProgress":true,"timestamp":18446744073709551615,"estimatedDuration":-1}"#,
        );
        assert_eq!((huge.snapshot.build.run_seconds, huge.estimate), (Some(0), None));
        let ended = seen(r#"{"number":1,"inProgress":false,"result":"SUCCESS","duration":18446744073709551615}"#);
        assert_eq!(ended.snapshot.build.run_seconds, Some(u64::MAX / 1000));
    }

    #[test]
    fn a_stage_has_a_word_for_its_state_also_when_an_exception_interrupted_it() {
        for (text, status) in [
            (r#"{"name":"x","status":"FAILED"}"#, "failed"),
            (
                r#"{"name":"x","status":null,"error":{"message":null,"type":"org.jenkinsci.plugins.workflow.steps.FlowInterruptedException"}}"#,
                "canceled",
            ),
            (r#"{"name":"x","status":null}"#, "unknown"),
            (r#"{"name":"x"}"#, "unknown"),
        ] {
            assert_eq!(stage(wire::decode(text.as_bytes()).unwrap()).status, status, "{text}");
        }
    }
}
