//! Builds: where they stand, their stages and tests, and stopping them.

use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::input::Pending;
use super::queue::brackets;
use super::reference::{BuildName, JobPath};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Body, Http, Method, Request, Segment};
use crate::json::{flag, number, objects, str, text};
use crate::model::{Artifact, Build, BuildSnapshot, Phase, Step};

const BUILD: &str = "_class,number,building,inProgress,result,duration,estimatedDuration,timestamp,queueId,\
    actions[executions[id,settled,input[id,message,submitter]]],artifacts[fileName,relativePath],fingerprint[fileName,hash]";

/// How hard a build is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Interrupts it; it may clean up.
    Stop,
    /// Ends the running steps of a Pipeline.
    Term,
    /// Ends a Pipeline without any clean-up; its processes may go on.
    Kill,
}

impl Severity {
    fn verb(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Term => "term",
            Self::Kill => "kill",
        }
    }
}

/// A build as it was seen at one moment.
#[derive(Debug, Clone)]
pub struct BuildView {
    /// Its number.
    pub number: u64,
    /// What the rest of the program knows of builds.
    pub snapshot: BuildSnapshot,
    /// Whether it is a Pipeline, which can be terminated and killed.
    pub is_pipeline: bool,
    /// Whether it goes on, and nobody has interrupted it: a Pipeline that is just being made does not hear a stop.
    pub is_undisturbed: bool,
    /// Whether it has no result though nothing works on it: it is just being made, or its record is damaged.
    pub is_idle: bool,
    /// How long such builds take, as Jenkins estimates it.
    pub estimate: Option<Duration>,
    /// What it asks people.
    pub questions: Vec<Pending>,
}

/// A build's test report.
#[derive(Debug)]
pub struct Tests {
    /// Passed tests.
    pub passed: u64,
    /// Failed tests.
    pub failed: u64,
    /// Skipped tests.
    pub skipped: u64,
    /// The failed tests' names, with the first line of what they say.
    pub failures: Vec<(String, Option<String>)>,
}

impl Tests {
    /// Reads a report: of one job, or of a build that collects the reports of others.
    fn read(wire: &Value) -> Self {
        let (failed, skipped) =
            (number(wire, "failCount").unwrap_or_default(), number(wire, "skipCount").unwrap_or_default());
        let rest = number(wire, "totalCount").map(|total| total.saturating_sub(failed + skipped));
        let mut tests = Self {
            passed: number(wire, "passCount").or(rest).unwrap_or_default(),
            failed,
            skipped,
            failures: Vec::new(),
        };
        for case in objects(wire, "suites").flat_map(|suite| objects(suite, "cases")) {
            if matches!(str(case, "status"), Some("FAILED" | "REGRESSION")) {
                let class = str(case, "className").filter(|class| !class.is_empty());
                let name = str(case, "name").unwrap_or("?");
                let details = str(case, "errorDetails").unwrap_or_default();
                tests.failures.push((
                    class.map_or_else(|| name.to_owned(), |class| format!("{class}.{name}")),
                    details.lines().find(|line| !line.trim().is_empty()).map(str::to_owned),
                ));
            }
        }
        for child in objects(wire, "childReports") {
            tests.failures.append(&mut Self::read(&child["result"]).failures);
        }
        tests
    }
}

impl Client {
    /// A build as it is now, in one request.
    pub fn build(&self, job: &JobPath, name: &BuildName) -> Result<BuildView, RequestError> {
        let path = format!("{}/{name}/api/json?tree={}", job.path(), brackets(BUILD));
        let subject = format!("build {job}#{name}");
        let wire = self.json(&format!("reading {subject}"), &subject, &path)?;
        Ok(view(&wire, job, &self.page(&job.path()), self.controller_time()))
    }

    /// Asks Jenkins to end a build. One that ended already is no error.
    pub fn stop_build(&self, job: &JobPath, number: u64, severity: Severity) -> Result<(), RequestError> {
        let verb = severity.verb();
        let subject = format!("build {job}#{number}");
        self.act(&format!("sending {verb} to {subject}"), &subject, &format!("{}/{number}/{verb}", job.path()), None)
            .map(drop)
    }

    /// The stages of a Pipeline; none without the plugin that tells (pipeline-rest-api), and none for other jobs.
    pub fn stages(&self, job: &JobPath, number: u64) -> Result<Vec<Step>, RequestError> {
        let subject = format!("build {job}#{number}");
        let path = format!("{}/{number}/wfapi/describe", job.path());
        match self.json(&format!("reading the stages of {subject}"), &subject, &path) {
            Ok(described) => Ok(objects(&described, "stages").map(stage).collect()),
            Err(miss) if miss.error.code() == ExitCode::NotFound => Ok(Vec::new()),
            Err(miss) => Err(miss),
        }
    }

    /// The request for an artifact. It may lead to another host, where no credential goes along.
    pub fn artifact(&self, job: &JobPath, number: u64, path: &str) -> Result<Request, Error> {
        let segments: Option<Vec<String>> =
            path.split('/').map(|name| Segment::new(name).map(|name| name.to_string())).collect();
        let Some(segments) = segments else {
            return Err(Error::new(
                ExitCode::Refused,
                format!("the artifact {path:?}"),
                "has a path that leads elsewhere",
            ));
        };
        let url = self.below(&format!("{}/{number}/artifact/{}", job.path(), segments.join("/")))?;
        Ok(Request::new(Method::Get, url))
    }

    /// Connections for downloads.
    pub fn downloads(&self) -> Http {
        self.http.for_downloads()
    }

    /// A build's test report.
    pub fn tests(&self, job: &JobPath, number: u64) -> Result<Tests, RequestError> {
        let cases = "suites[cases[className,name,status,errorDetails]]";
        let tree = format!(
            "failCount,skipCount,passCount,totalCount,{cases},childReports[result[failCount,skipCount,passCount,{cases}]]"
        );
        let path = format!("{}/{number}/testReport/api/json?tree={}", job.path(), brackets(&tree));
        let subject = format!("build {job}#{number}");
        match self.json(&format!("reading the tests of {subject}"), &subject, &path) {
            Ok(wire) => Ok(Tests::read(&wire)),
            Err(miss) if miss.error.code() == ExitCode::NotFound => {
                let what = format!("the tests of {subject}");
                let failure = Error::new(ExitCode::NotFound, what, "there is no test report (HTTP 404)");
                Err(RequestError::permanent(failure.with_hint("the job must publish one, e.g. with the step `junit`")))
            }
            Err(miss) => Err(miss),
        }
    }

    /// Notes a text on a build's page.
    pub fn describe(&self, job: &JobPath, number: u64, text: &str) -> Result<(), RequestError> {
        let subject = format!("build {job}#{number}");
        let path = format!("{}/{number}/submitDescription", job.path());
        self.act(&format!("describing {subject}"), &subject, &path, Some(Body::form([("description", text)]))).map(drop)
    }

    /// A job's `config.xml`.
    pub fn config(&self, job: &JobPath) -> Result<Vec<u8>, RequestError> {
        let (what, subject) = (format!("reading the configuration of job {job}"), format!("job {job}"));
        let request = self.get(&format!("{}/config.xml", job.path())).map_err(RequestError::permanent)?;
        let response = self.exchange(&what, &request)?;
        if response.status == 200 && !response.text().trim_start().to_ascii_lowercase().starts_with("<!doctype html") {
            return Ok(response.body);
        }
        Err(self.miss(&what, &subject, &response))
    }

    /// Replaces a job's `config.xml`.
    pub fn set_config(&self, job: &JobPath, xml: Vec<u8>) -> Result<(), RequestError> {
        let (what, subject) = (format!("replacing the configuration of job {job}"), format!("job {job}"));
        self.act(&what, &subject, &format!("{}/config.xml", job.path()), Some(Body::bytes("application/xml", xml)))
            .map(drop)
    }
}

fn stage(wire: &Value) -> Step {
    let status = match str(wire, "status").unwrap_or_default() {
        "IN_PROGRESS" => "running".to_owned(),
        "PAUSED_PENDING_INPUT" => "waiting for input".to_owned(),
        "NOT_EXECUTED" => "skipped".to_owned(),
        "ABORTED" => "canceled".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    let seconds = number(wire, "durationMillis").map(|millis| (millis + 500) / 1000);
    Step { name: text(wire, "name").unwrap_or_default(), status, seconds }
}

/// Reads what `GET /job/X/N/api/json` answers.
fn view(wire: &Value, job: &JobPath, job_page: &str, now: u64) -> BuildView {
    // `building` ends before the post-build work of a freestyle job does; `result` may be there long before the end.
    // A Pipeline that is just being made is not in progress yet, and has no result either.
    let result = str(wire, "result");
    let in_progress = flag(wire, "inProgress");
    let running = in_progress.unwrap_or(flag(wire, "building") == Some(true)) || result.is_none();
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
    let duration = number(wire, "duration").filter(|_| !running);
    let run = duration.or_else(|| Some(now.saturating_sub(number(wire, "timestamp")?)));
    let own_number = number(wire, "number").unwrap_or_default();
    let build = Build {
        title: format!("Jenkins build {job}#{own_number}"),
        id: format!("{job}#{own_number}"),
        number: Some(own_number),
        url: format!("{job_page}/{own_number}/"),
        status: status.to_owned(),
        run_seconds: run.map(|millis| (millis + 500) / 1000),
        ..Build::default()
    };
    let asked = objects(wire, "actions")
        .flat_map(|action| objects(action, "executions"))
        .filter(|wait| flag(wait, "settled") != Some(true));
    BuildView {
        number: own_number,
        is_idle: result.is_none() && in_progress == Some(false),
        snapshot: BuildSnapshot { artifacts: artifacts(wire), build, phase, known },
        is_undisturbed: running
            && !objects(wire, "actions")
                .any(|action| str(action, "_class").is_some_and(|class| class.ends_with("InterruptedBuildAction"))),
        is_pipeline: str(wire, "_class").is_some_and(|class| class.ends_with("WorkflowRun")),
        estimate: number(wire, "estimatedDuration").filter(|millis| *millis > 0).map(Duration::from_millis),
        questions: asked.filter_map(question).collect(),
    }
}

/// The artifacts of a build, with the sums of those that Jenkins keeps a fingerprint of.
fn artifacts(wire: &Value) -> Vec<Artifact> {
    // A fingerprint names a file by its path or by its last part: a part that two files share says nothing.
    let hash = |name: &str| {
        let mut prints = objects(wire, "fingerprint").filter(|print| str(print, "fileName") == Some(name));
        let first = text(prints.next()?, "hash");
        prints.next().is_none().then_some(first).flatten()
    };
    let artifact = |artifact: &Value| {
        let (path, name) = (text(artifact, "relativePath")?, str(artifact, "fileName")?);
        let alone = objects(wire, "artifacts").filter(|other| str(other, "fileName") == Some(name)).count() == 1;
        let md5 = hash(&path).or_else(|| hash(name).filter(|_| alone));
        Some(Artifact { md5, name: path, ..Artifact::default() })
    };
    objects(wire, "artifacts").filter_map(artifact).collect()
}

/// One wait of an `input` step.
fn question(wait: &Value) -> Option<Pending> {
    let asked = &wait["input"];
    Some(Pending {
        id: text(asked, "id").or_else(|| text(wait, "id"))?,
        message: text(asked, "message").unwrap_or_default(),
        submitter: text(asked, "submitter").filter(|names| !names.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let wire: Value = serde_json::from_str(text).unwrap();
            let seen = view(&wire, &JobPath::from_full_name("a").unwrap(), "", 0).snapshot;
            assert_eq!((seen.phase, seen.known), (phase, known), "{text}");
        }
    }
}
