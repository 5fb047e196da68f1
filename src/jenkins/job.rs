//! Jobs: their kind, whether they can be started, their parameters and builds, and lists of jobs.

use super::build::{BuildView, LISTED_FIELDS, view};
use super::client::{Client, tree};
use super::parameters::{ParameterDefinition, ParameterValue, did_you_mean, validate};
use super::reference::JobRef;
use super::wire;
use crate::document;
use crate::error::{Error, ExitCode, RequestError};

/// A job as far as a start needs to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// Jenkins' class.
    class: String,
    /// Whether it can be started now; `None` for what is no job at all.
    buildable: Option<bool>,
    /// Whether somebody disabled it.
    disabled: bool,
    /// The number that its next build gets; 0 when that is not known.
    pub next_build: u64,
    /// Its item that waits in the queue, if there is one.
    pub queue_item: Option<u64>,
    /// The items of a folder, or the branches of a multibranch project.
    pub children: Option<Vec<String>>,
    /// Its parameters, in order.
    pub definitions: Vec<ParameterDefinition>,
}

impl Job {
    /// Reads what `GET /job/X/api/json` answers.
    pub(super) fn read(wire: wire::Job) -> Self {
        let lists = wire.property.entries.into_iter().chain(wire.actions.entries);
        let all = lists.flat_map(|list| list.parameter_definitions.entries);
        // The same list is there twice on some versions.
        let mut definitions: Vec<ParameterDefinition> = Vec::new();
        for definition in all.filter_map(ParameterDefinition::read) {
            if definitions.iter().all(|known| known.name != definition.name) {
                definitions.push(definition);
            }
        }
        Self {
            class: wire.class.0.unwrap_or_default(),
            buildable: wire.buildable.0,
            disabled: wire.disabled.0.unwrap_or_default(),
            next_build: wire.next_build_number.0.unwrap_or_default(),
            queue_item: wire.queue_item.0.and_then(|item| item.id.0),
            children: wire.jobs.given.then(|| names(wire.jobs.entries)),
            definitions,
        }
    }

    /// Whether it declares parameters.
    pub fn is_parameterized(&self) -> bool {
        !self.definitions.is_empty()
    }

    /// Whether it declares a parameter of this name.
    pub fn declares(&self, name: &str) -> bool {
        self.definitions.iter().any(|definition| definition.name == name)
    }

    /// Whether it is a Pipeline that has never run: its parameters exist only after a first run has read them from its
    /// script.
    pub fn is_new_pipeline(&self) -> bool {
        self.class.ends_with("WorkflowJob") && self.next_build <= 1
    }

    /// Refuses (code 12) what cannot be started: a folder, a multibranch project, a disabled job. `subject` names it.
    pub fn check_buildable(&self, subject: &str) -> Result<(), Error> {
        let refused = |why: &str| Error::new(ExitCode::Refused, subject, why);
        // A multibranch project reports that it is buildable: its scan is.
        if let Some(children) = &self.children {
            let (kind, hint) = if is_multibranch(&self.class) {
                ("a multibranch project; starting it would only scan it for branches", "name a branch with --branch")
            } else {
                ("a folder, not a job", "name a job in it")
            };
            let known = match children.as_slice() {
                [] => "none is visible".to_owned(),
                children => {
                    let names: Vec<_> = children.iter().take(8).map(|name| name.replace("%2F", "/")).collect();
                    format!("{}{}", names.join(", "), if children.len() > 8 { ", …" } else { "" })
                }
            };
            return Err(refused(kind).with_hint(format!("{hint}: {known}")));
        }
        if self.disabled {
            return Err(refused("disabled")
                .with_hint("enable it on its page; the job of a branch is disabled when its branch is gone"));
        }
        if self.buildable == Some(false) {
            return Err(refused("not buildable")
                .with_hint("its configuration may never have been saved, or a plugin holds it back"));
        }
        Ok(())
    }

    /// Refuses (code 12) values that Jenkins would ignore, change or fail on. Booleans become lower case.
    pub fn validate(&self, subject: &str, values: &mut [(String, ParameterValue)]) -> Result<(), Error> {
        if self.definitions.is_empty() && self.is_new_pipeline() && !values.is_empty() {
            return Err(Error::new(
                ExitCode::Refused,
                subject,
                "has never run, so Jenkins does not know its parameters yet and would ignore the values",
            )
            .with_hint("start it once without parameters: the first run reads them from the Jenkinsfile"));
        }
        validate(&self.definitions, subject, values)
    }
}

fn is_multibranch(class: &str) -> bool {
    class.contains("MultiBranch") || class.contains("OrganizationFolder")
}

impl Client {
    /// What the job is, and which parameters it declares.
    pub fn job(&self, job: &JobRef) -> Result<Job, RequestError> {
        let tree = tree(
            "_class,name,buildable,disabled,nextBuildNumber,queueItem[id],jobs[name],\
             property[parameterDefinitions[name,type,description,choices,defaultParameterValue[value]]]",
        );
        let wire: wire::Job =
            self.json(&format!("job {job}"), &format!("{}/api/json?{tree}", job.path()), wire::is_job)?;
        Ok(Job::read(wire))
    }

    /// The jobs and folders in a folder, or at the root.
    pub fn jobs(&self, folder: Option<&JobRef>) -> Result<Vec<document::Job>, RequestError> {
        let fields = "jobs[_class,name,color,buildable,lastBuild[number,timestamp],jobs[name]]";
        Ok(self.children(folder, fields)?.into_iter().filter_map(|job| entry(folder, &job)).collect())
    }

    /// The names of the items in a folder, or at the root.
    fn names(&self, folder: Option<&JobRef>) -> Result<Vec<String>, RequestError> {
        Ok(names(self.children(folder, "jobs[name]")?))
    }

    fn children(&self, folder: Option<&JobRef>, fields: &str) -> Result<Vec<wire::Job>, RequestError> {
        let path = folder.map(JobRef::path).unwrap_or_default();
        let subject = folder.map_or_else(|| "the controller".to_owned(), |folder| format!("folder {folder}"));
        let holder: wire::Job =
            self.json(&subject, &format!("{path}/api/json?{}", tree(&format!("_class,name,{fields}"))), is_item)?;
        holder.jobs.given.then_some(holder.jobs.entries).ok_or_else(|| {
            RequestError::permanent(
                Error::new(ExitCode::Refused, subject.replacen("folder", "job", 1), "a job, not a folder").with_hint(
                    format!(
                        "`cibridge jenkins builds {}` lists its builds",
                        folder.map(ToString::to_string).unwrap_or_default()
                    ),
                ),
            )
        })
    }

    /// The newest builds of a job, the newest first; at most `limit`, and never more than a hundred.
    pub fn builds(&self, job: &JobRef, limit: usize) -> Result<Vec<BuildView>, RequestError> {
        let fields = format!("_class,name,builds[{LISTED_FIELDS}]{{0,{}}}", limit.min(wire::MOST_BUILDS));
        let path = format!("{}/api/json?{}", job.path(), tree(&fields));
        let wire: wire::Job = self.json(&format!("job {job}"), &path, wire::is_job)?;
        let now = self.controller_time();
        let page = self.page(&job.path());
        let builds = wire.builds.entries.into_iter().filter(|build| build.number.0.is_some());
        Ok(builds.map(|build| view(build, job, &page, now)).collect())
    }

    /// Whether the job could be started, without starting it: a GET is refused for its method (405) only after the
    /// permission was checked (`jenkins.model.ParameterizedJobMixIn#doBuildWithParameters`). A GET of `build` would show
    /// everybody the form of a job with parameters.
    pub fn may_build(&self, job: &JobRef, parameterized: bool) -> Result<(), RequestError> {
        let verb = if parameterized { "buildWithParameters" } else { "build" };
        let subject = format!("job {job}");
        let response = self.exchange(&subject, &self.get(&format!("{}/{verb}", job.path()))?)?;
        if response.status == 405 { Ok(()) } else { Err(self.refusal(&subject, &response)) }
    }

    /// Adds to the error about a job that is not there the names of those that are.
    pub fn suggest_jobs(&self, job: &JobRef, error: Error) -> Error {
        let parent = job.parent();
        let names = match self.names(parent.as_ref()) {
            Ok(names) => names,
            Err(failed) if failed.error.code() == ExitCode::Refused => {
                let parent = parent.map(|parent| parent.to_string()).unwrap_or_default();
                let hint = format!(
                    "{parent} is a job, not a multibranch project or folder: leave out --branch, or what follows its name"
                );
                return error.with_hint(hint);
            }
            Err(_) => return error,
        };
        let shown: Vec<String> = names.iter().map(|name| name.replace("%2F", "/")).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let place = parent.map_or_else(|| "the controller".to_owned(), |parent| format!("folder {parent}"));
        if shown.is_empty() {
            return error.with_hint(format!("{place} shows no job to {}", self.identity()));
        }
        let near = did_you_mean(job.name(), &known).replace("%2F", "/");
        let listed = shown.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if shown.len() > 10 { ", …" } else { "" };
        error.with_hint(format!("{near}jobs of {place}: {listed}{more}"))
    }
}

fn names(jobs: Vec<wire::Job>) -> Vec<String> {
    jobs.into_iter().map(|job| job.name.0.unwrap_or_default()).collect()
}

/// Whether an answer is about an item or the controller.
fn is_item(wire: &wire::Job) -> bool {
    !wire.class.text_or_empty().is_empty() || wire::is_job(wire) || wire.jobs.given
}

/// A job in a list, with the state of its last build: empty for a folder.
fn entry(folder: Option<&JobRef>, wire: &wire::Job) -> Option<document::Job> {
    let name = wire.name.text().filter(|name| !name.is_empty())?;
    let full_name = folder.map_or_else(|| name.to_owned(), |folder| format!("{folder}/{name}"));
    let is_folder = wire.jobs.given;
    // The ball's color stands for the last result (`hudson.model.BallColor`), `_anime` for a running build.
    let color = wire.color.text_or_empty();
    let (color, runs) = color.strip_suffix("_anime").map_or((color, false), |color| (color, true));
    let status = match color {
        _ if is_folder => "",
        _ if runs => "running",
        "blue" | "green" => "SUCCESS",
        "yellow" => "UNSTABLE",
        "red" => "FAILURE",
        "aborted" => "ABORTED",
        "disabled" => "DISABLED",
        _ => "NOT_BUILT",
    };
    let last = wire.last_build.0.as_ref();
    Some(document::Job {
        job: JobRef::from_full_name(&full_name).ok()?.to_string(),
        is_folder,
        status: status.to_owned(),
        last_build: last.and_then(|build| build.number.0),
        last_started: last.and_then(|build| build.timestamp.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Job {
        Job::read(wire::decode(text.as_bytes()).unwrap())
    }

    /// What else cannot be started is in `tests/jenkins/sentences.rs`.
    #[test]
    fn a_job_that_is_not_buildable_is_refused_and_a_new_pipeline_only_with_values() {
        let error = read(r#"{"buildable":false}"#).check_buildable("job x").unwrap_err();
        assert_eq!(error.to_string(), "job x: not buildable");
        let fresh =
            read(r#"{"_class":"org.jenkinsci.plugins.workflow.job.WorkflowJob","buildable":true,"nextBuildNumber":1}"#);
        assert_eq!(fresh.check_buildable("job x"), Ok(()));
        assert_eq!(fresh.validate("job x", &mut []), Ok(()));
    }

    #[test]
    fn a_list_names_each_job_by_its_full_name_and_last_result() {
        let folder = JobRef::from_full_name("team").unwrap();
        let entries: Vec<document::Job> = [
            r#"{"name":"app","color":"red_anime","lastBuild":{"number":7,"timestamp":1500}}"#,
            r#"{"name":"lib","color":"blue"}"#,
            r#"{"name":"sub","jobs":[]}"#,
            r#"{"color":"blue"}"#,
        ]
        .iter()
        .filter_map(|text| entry(Some(&folder), &wire::decode(text.as_bytes()).unwrap()))
        .collect();
        let shown: Vec<_> =
            entries.iter().map(|one| (one.job.as_str(), one.status.as_str(), one.is_folder, one.last_build)).collect();
        assert_eq!(
            shown,
            [
                ("team/app", "running", false, Some(7)),
                ("team/lib", "SUCCESS", false, None),
                ("team/sub", "", true, None)
            ]
        );
    }
}
