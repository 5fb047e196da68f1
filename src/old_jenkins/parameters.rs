//! What a job is, which parameters it declares, and what can be said against values before they are sent.
//!
//! Jenkins itself drops unknown names without a word, takes every boolean that is not `true` for false, and answers
//! a wrong choice with an exception. Pure: no request.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::error::{Error, ExitCode};
use crate::json::{self, flag, objects, text};

/// The kind of a parameter, as far as it matters for its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// One of these; empty when a plugin computes them, so that they are not known here.
    Choice(Vec<String>),
    /// A file: Jenkins' own kind, or the plugin's stashed or base64 kind. All are sent in the same way.
    File,
    /// A kind of a plugin that this program does not know.
    Other,
}

/// One declared parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Jenkins' word for the kind, e.g. `StringParameterDefinition`.
    pub type_name: String,
    /// What the job says about it.
    pub description: Option<String>,
    /// The default value; secret ones and files have none to show.
    pub default: Option<String>,
}

/// A value for a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, also for booleans and choices.
    Text(String),
    /// The contents of a file.
    File(PathBuf),
}

/// A job as far as a start needs to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// The full name, as Jenkins has it.
    pub full_name: String,
    /// Jenkins' class.
    pub class: String,
    /// Whether it can be started now; `None` for what is no job at all.
    pub buildable: Option<bool>,
    /// Whether somebody disabled it.
    pub disabled: bool,
    /// The number that its next build gets.
    pub next_build: u64,
    /// Its item that waits in the queue, if there is one.
    pub queue_item: Option<u64>,
    /// The items of a folder, or the branches of a multibranch project.
    pub children: Option<Vec<String>>,
    /// Its parameters, in order.
    pub definitions: Vec<Definition>,
}

impl Job {
    /// Reads what `GET /job/X/api/json` answers.
    pub(super) fn read(wire: &Json) -> Self {
        let lists = objects(wire, "property").chain(objects(wire, "actions"));
        // The same list is there twice on some versions.
        let mut definitions: Vec<Definition> = Vec::new();
        for definition in lists.flat_map(|list| objects(list, "parameterDefinitions")).filter_map(definition) {
            if definitions.iter().all(|known| known.name != definition.name) {
                definitions.push(definition);
            }
        }
        let children = || objects(wire, "jobs").filter_map(|job| text(job, "name")).collect();
        Self {
            full_name: text(wire, "fullName").unwrap_or_default(),
            class: text(wire, "_class").unwrap_or_default(),
            buildable: flag(wire, "buildable"),
            disabled: flag(wire, "disabled").unwrap_or_default(),
            next_build: json::number(wire, "nextBuildNumber").unwrap_or_default(),
            queue_item: json::number(&wire["queueItem"], "id"),
            children: wire["jobs"].is_array().then(children),
            definitions,
        }
    }

    /// Whether it is a Pipeline, whose parameters exist only after a first run has read them from its script.
    pub fn is_pipeline(&self) -> bool {
        self.class.ends_with("WorkflowJob")
    }

    /// Refuses what cannot be started: a folder, a multibranch project, a disabled job.
    pub fn check_buildable(&self, shown: &str) -> Result<(), Error> {
        let what = format!("starting {shown}");
        let listed = |children: &[String]| {
            let names: Vec<_> = children.iter().take(8).map(|name| name.replace("%2F", "/")).collect();
            format!("{}{}", names.join(", "), if children.len() > 8 { ", …" } else { "" })
        };
        // A multibranch project says that it is buildable: its scan is.
        if let Some(children) = &self.children {
            let (thing, hint) = if self.class.contains("MultiBranch") || self.class.contains("OrganizationFolder") {
                ("is a multibranch project: starting it would only scan it for branches", "name one with --branch")
            } else {
                ("is a folder", "name a job in it")
            };
            let known = if children.is_empty() { "none to be seen".to_owned() } else { listed(children) };
            return Err(Error::new(ExitCode::Refused, what, thing).with_hint(format!("{hint}: {known}")));
        }
        if self.disabled {
            return Err(Error::new(ExitCode::Refused, what, "the job is disabled")
                .with_hint("enable it on its page; a branch's job is disabled when its branch is gone"));
        }
        if self.buildable == Some(false) {
            return Err(Error::new(ExitCode::Refused, what, "Jenkins says that the job is not buildable")
                .with_hint("it may never have been saved, or a plugin holds it"));
        }
        Ok(())
    }
}

fn definition(wire: &Json) -> Option<Definition> {
    let type_name = text(wire, "type").unwrap_or_default();
    let choices = json::entries(&wire["choices"]).iter().filter_map(json::shown).collect();
    let kind = match type_name.as_str() {
        "BooleanParameterDefinition" => Kind::Boolean,
        "ChoiceParameterDefinition" => Kind::Choice(choices),
        "FileParameterDefinition" | "StashedFileParameterDefinition" | "Base64FileParameterDefinition" => Kind::File,
        "StringParameterDefinition"
        | "TextParameterDefinition"
        | "PasswordParameterDefinition"
        | "CredentialsParameterDefinition"
        | "RunParameterDefinition" => Kind::Text,
        _ => Kind::Other,
    };
    Some(Definition {
        name: text(wire, "name")?,
        kind,
        type_name,
        description: text(wire, "description").filter(|text| !text.trim().is_empty()),
        default: json::shown(&wire["defaultParameterValue"]["value"]),
    })
}

/// Refuses values that Jenkins would drop, turn into something else, or fail on. Booleans become lower case.
pub fn validate(job: &Job, shown: &str, values: &mut [(String, Value)]) -> Result<(), Error> {
    for (index, (name, _)) in values.iter().enumerate() {
        if values[..index].iter().any(|(other, _)| other == name) {
            return Err(Error::new(ExitCode::Refused, format!("the parameter {name}"), "is given twice"));
        }
    }
    if job.definitions.is_empty() && !values.is_empty() {
        if job.is_pipeline() && job.next_build <= 1 {
            return Err(Error::new(
                ExitCode::Refused,
                format!("starting {shown}"),
                "it has never run, so Jenkins does not know its parameters yet and would drop the values",
            )
            .with_hint("start it once without parameters: the first run reads them from the Jenkinsfile"));
        }
        return Err(Error::new(
            ExitCode::Refused,
            format!("the parameter {}", values[0].0),
            format!("{shown} has no parameters"),
        )
        .with_hint("leave it out; Jenkins would drop it without a word"));
    }
    for (name, value) in values {
        let what = format!("the parameter {name}");
        let refuse = |why: String| Error::new(ExitCode::Refused, what.clone(), why);
        let Some(definition) = job.definitions.iter().find(|definition| definition.name == *name) else {
            let known: Vec<_> = job.definitions.iter().map(|definition| definition.name.as_str()).collect();
            let near = nearest(name, &known).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
            return Err(refuse(format!("{shown} does not have it"))
                .with_hint(format!("{near}its parameters: {}", known.join(", "))));
        };
        match (&definition.kind, value) {
            (Kind::File, Value::Text(_)) => {
                return Err(refuse("is a file".to_owned()).with_hint(format!("give it with --param-file {name}=PATH")));
            }
            (Kind::File | Kind::Other, Value::File(_)) => {}
            (_, Value::File(_)) => {
                return Err(refuse(format!("takes no file, it is a {}", definition.type_name))
                    .with_hint(format!("give it with --param {name}=TEXT")));
            }
            (Kind::Boolean, Value::Text(text)) => match text.to_ascii_lowercase().as_str() {
                lower @ ("true" | "false") => lower.clone_into(text),
                _ => {
                    return Err(refuse(format!("is true or false, not {text:?}"))
                        .with_hint("Jenkins takes every word but `true` for false"));
                }
            },
            (Kind::Choice(choices), Value::Text(text)) if !choices.is_empty() && !choices.contains(text) => {
                let near = nearest(text, &choices.iter().map(String::as_str).collect::<Vec<_>>())
                    .map(|near| format!("did you mean {near}? "))
                    .unwrap_or_default();
                return Err(refuse(format!("has no choice {text:?}"))
                    .with_hint(format!("{near}its choices: {}", choices.join(", "))));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The known name that a wrong one is most likely meant to be.
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let scored = known.iter().map(|name| (distance(&wrong, &name.to_lowercase()), *name));
    let limit = wrong.chars().count().div_ceil(3).min(3);
    scored.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let text = r#"{"_class":"hudson.model.FreeStyleProject","buildable":true,"nextBuildNumber":4,"property":[{},null,
            {"parameterDefinitions":[
                {"name":"FLAVOR","type":"StringParameterDefinition","defaultParameterValue":{"value":"dev"}},
                {"name":"STAGE","type":"ChoiceParameterDefinition","choices":["test","prod"]},
                {"name":"CLEAN","type":"BooleanParameterDefinition","defaultParameterValue":{"value":false}},
                {"name":"PW","type":"PasswordParameterDefinition","defaultParameterValue":{}},
                {"name":"DATA","type":"StashedFileParameterDefinition","defaultParameterValue":null},
                {"name":"DYN","type":"CascadeChoiceParameter"}]}]}"#;
        Job::read(&serde_json::from_str(text).unwrap())
    }

    fn check(name: &str, value: &str) -> Result<String, String> {
        let value = value.strip_prefix('@').map_or_else(|| Value::Text(value.into()), |path| Value::File(path.into()));
        let mut values = [(name.to_owned(), value)];
        match validate(&job(), "job a", &mut values) {
            Ok(()) => Ok(match &values[0].1 {
                Value::Text(text) => text.clone(),
                Value::File(path) => path.display().to_string(),
            }),
            Err(failure) => Err(format!("{failure} | {}", failure.hint().as_deref().unwrap_or_default())),
        }
    }

    #[test]
    fn what_jenkins_would_drop_or_bend_is_refused_with_the_nearest_name() {
        for (name, value, expected) in [
            ("FLAVOR", "x y", Ok("x y")),
            ("STAGE", "prod", Ok("prod")),
            ("CLEAN", "True", Ok("true")),
            ("PW", "s", Ok("s")),
            ("DATA", "@f.bin", Ok("f.bin")),
            ("DYN", "anything", Ok("anything")),
            (
                "FLAVOUR",
                "x",
                Err(
                    "the parameter FLAVOUR: job a does not have it | did you mean FLAVOR? its parameters: FLAVOR, STAGE, CLEAN, PW, DATA, DYN",
                ),
            ),
            (
                "zzz",
                "x",
                Err("the parameter zzz: job a does not have it | its parameters: FLAVOR, STAGE, CLEAN, PW, DATA, DYN"),
            ),
            (
                "STAGE",
                "prd",
                Err("the parameter STAGE: has no choice \"prd\" | did you mean prod? its choices: test, prod"),
            ),
            (
                "CLEAN",
                "yes",
                Err(
                    "the parameter CLEAN: is true or false, not \"yes\" | Jenkins takes every word but `true` for false",
                ),
            ),
            ("DATA", "x", Err("the parameter DATA: is a file | give it with --param-file DATA=PATH")),
            (
                "FLAVOR",
                "@f",
                Err(
                    "the parameter FLAVOR: takes no file, it is a StringParameterDefinition | give it with --param FLAVOR=TEXT",
                ),
            ),
        ] {
            assert_eq!(check(name, value), expected.map(str::to_owned).map_err(str::to_owned));
        }
    }

    #[test]
    fn what_cannot_be_started_is_told_as_what_it_is() {
        let table = [
            (
                r#"{"_class":"com.cloudbees.hudson.plugins.folder.Folder","jobs":[{"name":"a"},{"name":"b"}]}"#,
                "starting job x: is a folder | name a job in it: a, b",
            ),
            (
                r#"{"_class":"org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject","buildable":true,"jobs":[{"name":"feature%2Fx"}]}"#,
                "starting job x: is a multibranch project: starting it would only scan it for branches | name one with --branch: feature/x",
            ),
            (
                r#"{"buildable":false,"disabled":true}"#,
                "starting job x: the job is disabled | enable it on its page; a branch's job is disabled when its branch is gone",
            ),
            (
                r#"{"buildable":false}"#,
                "starting job x: Jenkins says that the job is not buildable | it may never have been saved, or a plugin holds it",
            ),
        ];
        for (text, expected) in table {
            let failure = Job::read(&serde_json::from_str(text).unwrap()).check_buildable("job x").unwrap_err();
            assert_eq!(format!("{failure} | {}", failure.hint().as_deref().unwrap_or_default()), expected);
        }
        let text =
            r#"{"_class":"org.jenkinsci.plugins.workflow.job.WorkflowJob","buildable":true,"nextBuildNumber":1}"#;
        let fresh = Job::read(&serde_json::from_str(text).unwrap());
        assert_eq!(fresh.check_buildable("job x"), Ok(()));
        let failure = validate(&fresh, "job x", &mut [("A".into(), Value::Text("1".into()))]).unwrap_err();
        assert!(failure.reason().contains("has never run"), "{failure}");
    }
}
