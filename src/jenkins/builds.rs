//! Builds: where they stand, their stages and tests, and stopping them.

use std::time::Duration;

use serde::Deserialize;

use super::address::{BuildName, JobPath};
use super::client::{Client, form};
use super::input::Pending;
use super::queue::brackets;
use super::wire::WireBuild;
use crate::error::{Code, Failure, Miss};
use crate::http::{Body, Http, Method, Request, Segment};
use crate::model::{Artifact, Build, Phase, Sighting, Step};

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
    pub sighting: Sighting,
    /// Whether it is a Pipeline, which can be terminated and killed.
    pub is_pipeline: bool,
    /// Whether it has no result though nothing works on it: it is just being made, or its record is damaged.
    pub is_idle: bool,
    /// How long such builds take, as Jenkins estimates it.
    pub estimate: Option<Duration>,
    /// What it asks people.
    pub questions: Vec<Pending>,
}

/// A build's test report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tests {
    /// Failed tests.
    #[serde(rename = "failCount")]
    pub failed: u64,
    /// Skipped tests.
    #[serde(rename = "skipCount")]
    pub skipped: u64,
    #[serde(rename = "passCount")]
    passed: Option<u64>,
    #[serde(rename = "totalCount")]
    total: Option<u64>,
    suites: Vec<Suite>,
    #[serde(rename = "childReports")]
    children: Vec<Child>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Child {
    result: Box<Tests>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Suite {
    cases: Vec<Case>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Case {
    #[serde(rename = "className")]
    class: Option<String>,
    name: Option<String>,
    status: Option<String>,
    #[serde(rename = "errorDetails")]
    details: Option<String>,
}

impl Tests {
    /// Passed tests.
    pub fn passed(&self) -> u64 {
        let total = self.total.map(|total| total.saturating_sub(self.failed + self.skipped));
        self.passed.or(total).unwrap_or_default()
    }

    /// The failed tests' names, with the first line of what they say.
    pub fn failures(&self) -> Vec<(String, Option<String>)> {
        let own = self.suites.iter().flat_map(|suite| &suite.cases);
        let failed = own.filter(|case| matches!(case.status.as_deref(), Some("FAILED" | "REGRESSION")));
        let mut all: Vec<_> = failed
            .map(|case| {
                let class = case.class.as_deref().filter(|class| !class.is_empty()).map(|class| format!("{class}."));
                let details =
                    case.details.as_deref().and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
                (
                    format!("{}{}", class.unwrap_or_default(), case.name.as_deref().unwrap_or("?")),
                    details.map(str::to_owned),
                )
            })
            .collect();
        all.extend(self.children.iter().flat_map(|child| child.result.failures()));
        all
    }
}

impl Client {
    /// A build as it is now, in one request.
    pub fn build(&self, job: &JobPath, name: &BuildName) -> Result<BuildView, Miss> {
        let path = format!("{}/{name}/api/json?tree={}", job.path(), brackets(BUILD));
        let subject = format!("build {job}#{name}");
        let wire: WireBuild = self.json(&format!("reading {subject}"), &subject, &path)?;
        Ok(view(&wire, job, &self.page(&job.path()), self.controller_time()))
    }

    /// Asks Jenkins to end a build. One that ended already is no error.
    pub fn stop_build(&self, job: &JobPath, number: u64, severity: Severity) -> Result<(), Miss> {
        let verb = severity.verb();
        let subject = format!("build {job}#{number}");
        self.act(&format!("sending {verb} to {subject}"), &subject, &format!("{}/{number}/{verb}", job.path()), None)
            .map(drop)
    }

    /// The stages of a Pipeline; none without the plugin that tells (pipeline-rest-api), and none for other jobs.
    pub fn stages(&self, job: &JobPath, number: u64) -> Result<Vec<Step>, Miss> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Described {
            stages: Vec<Stage>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Stage {
            name: String,
            status: String,
            #[serde(rename = "durationMillis")]
            millis: Option<i64>,
        }
        let subject = format!("build {job}#{number}");
        let path = format!("{}/{number}/wfapi/describe", job.path());
        match self.json::<Described>(&format!("reading the stages of {subject}"), &subject, &path) {
            Ok(described) => Ok(described
                .stages
                .into_iter()
                .map(|stage| Step {
                    name: stage.name,
                    status: match stage.status.as_str() {
                        "IN_PROGRESS" => "running".to_owned(),
                        "PAUSED_PENDING_INPUT" => "waiting for input".to_owned(),
                        "NOT_EXECUTED" => "skipped".to_owned(),
                        "ABORTED" => "canceled".to_owned(),
                        other => other.to_ascii_lowercase(),
                    },
                    seconds: stage
                        .millis
                        .and_then(|millis| u64::try_from(millis).ok())
                        .map(|millis| (millis + 500) / 1000),
                })
                .collect()),
            Err(miss) if miss.failure.code == Code::NotFound => Ok(Vec::new()),
            Err(miss) => Err(miss),
        }
    }

    /// The request for an artifact. It may lead to another host, where no credential goes along.
    pub fn artifact(&self, job: &JobPath, number: u64, path: &str) -> Result<Request, Failure> {
        let segments: Option<Vec<String>> =
            path.split('/').map(|name| Segment::new(name).map(|name| name.to_string())).collect();
        let Some(segments) = segments else {
            return Err(Failure::new(
                Code::Refused,
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
    pub fn tests(&self, job: &JobPath, number: u64) -> Result<Tests, Miss> {
        let cases = "suites[cases[className,name,status,errorDetails]]";
        let tree = format!(
            "failCount,skipCount,passCount,totalCount,{cases},childReports[result[failCount,skipCount,passCount,{cases}]]"
        );
        let path = format!("{}/{number}/testReport/api/json?tree={}", job.path(), brackets(&tree));
        let subject = format!("build {job}#{number}");
        self.json(&format!("reading the tests of {subject}"), &subject, &path).map_err(|miss| {
            if miss.failure.code == Code::NotFound {
                return Miss::lasting(
                    Failure::new(
                        Code::NotFound,
                        format!("the tests of {subject}"),
                        "there is no test report (HTTP 404)",
                    )
                    .hint("the job must publish one, e.g. with the step `junit`"),
                );
            }
            miss
        })
    }

    /// Notes a text on a build's page.
    pub fn describe(&self, job: &JobPath, number: u64, text: &str) -> Result<(), Miss> {
        let subject = format!("build {job}#{number}");
        let path = format!("{}/{number}/submitDescription", job.path());
        self.act(&format!("describing {subject}"), &subject, &path, Some(form([("description", text)]))).map(drop)
    }

    /// A job's `config.xml`.
    pub fn config(&self, job: &JobPath) -> Result<Vec<u8>, Miss> {
        let (what, subject) = (format!("reading the configuration of job {job}"), format!("job {job}"));
        let request = self.get(&format!("{}/config.xml", job.path())).map_err(Miss::lasting)?;
        let response = self.exchange(&what, &request)?;
        if response.status == 200 && !response.text().trim_start().to_ascii_lowercase().starts_with("<!doctype html") {
            return Ok(response.body);
        }
        Err(self.miss(&what, &subject, &response))
    }

    /// Replaces a job's `config.xml`.
    pub fn set_config(&self, job: &JobPath, xml: Vec<u8>) -> Result<(), Miss> {
        let (what, subject) = (format!("replacing the configuration of job {job}"), format!("job {job}"));
        self.act(&what, &subject, &format!("{}/config.xml", job.path()), Some(Body::bytes("application/xml", xml)))
            .map(drop)
    }
}

fn view(wire: &WireBuild, job: &JobPath, job_page: &str, now: u64) -> BuildView {
    // `building` ends before the post-build work of a freestyle job does; `result` may be there long before the end.
    // A Pipeline that is just being made is not in progress yet, and has no result either.
    let running = wire.in_progress.unwrap_or(wire.building == Some(true)) || wire.result.is_none();
    let status = if running { "running".to_owned() } else { wire.result.clone().unwrap_or_default() };
    let (phase, known) = match (running, status.as_str()) {
        (true, _) => (Phase::Running, true),
        (_, "SUCCESS") => (Phase::Ended(Code::Success), true),
        (_, "UNSTABLE") => (Phase::Ended(Code::Unstable), true),
        (_, "FAILURE") => (Phase::Ended(Code::Failed), true),
        (_, "NOT_BUILT") => (Phase::Ended(Code::Skipped), true),
        (_, "ABORTED") => (Phase::Ended(Code::Cancelled), true),
        _ => (Phase::Ended(Code::Failed), false),
    };
    let run = match (running, wire.duration, wire.timestamp) {
        (false, Some(duration), _) => Some(duration),
        (_, _, Some(began)) => Some(now.saturating_sub(began)),
        _ => None,
    };
    let build = Build {
        id: format!("{job}#{}", wire.number),
        number: Some(wire.number),
        url: format!("{job_page}/{}/", wire.number),
        status,
        run_seconds: run.map(|millis| (millis + 500) / 1000),
        ..Build::default()
    };
    // A fingerprint names a file by its path or by its last part: a part that two files share says nothing.
    let hash = |name: &str| {
        let mut prints = wire.fingerprint.iter().filter(|print| print.name.as_deref() == Some(name));
        let first = prints.next()?.hash.clone();
        prints.next().is_none().then_some(first).flatten()
    };
    let artifacts = wire.artifacts.iter().filter_map(|artifact| {
        let path = artifact.path.clone()?;
        let name = artifact.name.as_deref()?;
        let alone = wire.artifacts.iter().filter(|other| other.name.as_deref() == Some(name)).count() == 1;
        let md5 = hash(&path).or_else(|| hash(name).filter(|_| alone));
        Some(Artifact { md5, name: path, ..Artifact::default() })
    });
    let questions = wire.actions.iter().flat_map(|action| &action.executions).filter(|wait| wait.settled != Some(true));
    BuildView {
        number: wire.number,
        is_idle: wire.result.is_none() && wire.in_progress == Some(false),
        sighting: Sighting { artifacts: artifacts.collect(), build, phase, known },
        is_pipeline: wire.class.as_deref().is_some_and(|class| class.ends_with("WorkflowRun")),
        estimate: wire
            .estimated
            .and_then(|millis| u64::try_from(millis).ok())
            .filter(|millis| *millis > 0)
            .map(Duration::from_millis),
        questions: questions
            .filter_map(|wait| {
                let asked = wait.input.as_ref();
                Some(Pending {
                    id: asked.and_then(|asked| asked.id.clone()).or_else(|| wait.id.clone())?,
                    message: asked.and_then(|asked| asked.message.clone()).unwrap_or_default(),
                    submitter: asked.and_then(|asked| asked.submitter.clone()).filter(|names| !names.is_empty()),
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_in_progress_has_ended() {
        for (text, phase, known) in [
            (r#"{"building":true,"inProgress":true,"result":"UNSTABLE"}"#, Phase::Running, true),
            (r#"{"building":false,"inProgress":true,"result":"SUCCESS"}"#, Phase::Running, true),
            (r#"{"building":false,"inProgress":false,"result":"SUCCESS"}"#, Phase::Ended(Code::Success), true),
            (r#"{"building":false,"result":null}"#, Phase::Running, true),
            (r#"{"building":false,"result":"UNSTABLE"}"#, Phase::Ended(Code::Unstable), true),
            (r#"{"building":false,"inProgress":false,"result":"FAILURE"}"#, Phase::Ended(Code::Failed), true),
            (r#"{"building":false,"inProgress":false,"result":"NOT_BUILT"}"#, Phase::Ended(Code::Skipped), true),
            (r#"{"building":false,"inProgress":false,"result":"ABORTED"}"#, Phase::Ended(Code::Cancelled), true),
            (r#"{"building":false,"inProgress":false,"result":"STRANGE"}"#, Phase::Ended(Code::Failed), false),
            (r#"{"building":false,"inProgress":false,"result":null}"#, Phase::Running, true),
        ] {
            let wire: WireBuild = serde_json::from_str(text).unwrap();
            let seen = view(&wire, &JobPath::from_full_name("a").unwrap(), "", 0).sighting;
            assert_eq!((seen.phase, seen.known), (phase, known), "{text}");
        }
    }
}
