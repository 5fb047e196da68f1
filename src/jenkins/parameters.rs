//! Declared parameters, and what can be said against values before they are sent.
//!
//! Jenkins itself ignores unknown names (`hudson.model.ParametersDefinitionProperty#buildWithParameters` goes through the
//! definitions), treats any boolean other than `true` as false, and answers a wrong choice with an exception. Pure: no
//! request.

use std::path::PathBuf;

use super::wire;
use crate::error::{Error, ExitCode};
use crate::nearest::nearest;

/// The kind of a parameter, as far as it matters for its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// One of these; empty when a plugin computes them, so that they are not known here.
    Choice(Vec<String>),
    /// A file: Jenkins' own kind, or the stashed or base64 kind of the plugin file-parameters. All are sent in the same
    /// way.
    File,
    /// A text that Jenkins never shows.
    Password,
    /// A kind of a plugin that this program does not know.
    Other,
}

/// One declared parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterDefinition {
    pub name: String,
    pub kind: ParameterKind,
    /// Jenkins' word for the kind, e.g. `StringParameterDefinition`.
    pub type_name: String,
    /// What the job says about it.
    pub description: Option<String>,
    /// The default value; secret ones and files have none to show.
    pub default: Option<String>,
}

/// A value for a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// A text, also for booleans and choices.
    Text(String),
    /// The contents of a file.
    File(PathBuf),
}

impl ParameterDefinition {
    /// Reads a definition; `None` for one without a name.
    pub(super) fn read(wire: wire::ParameterDefinition) -> Option<Self> {
        Some(Self {
            name: wire.name.0?,
            kind: kind(wire.type_name.text_or_empty(), &wire.choices.0),
            type_name: wire.type_name.0.unwrap_or_default(),
            description: wire.description.0.filter(|text| !text.trim().is_empty()),
            default: wire.default_parameter_value.0.and_then(|default| wire::shown(&default.value)),
        })
    }
}

/// The kind that the simple name of a definition's class stands for.
pub(super) fn kind(type_name: &str, choices: &[String]) -> ParameterKind {
    match type_name {
        "BooleanParameterDefinition" => ParameterKind::Boolean,
        "ChoiceParameterDefinition" => ParameterKind::Choice(choices.to_vec()),
        "FileParameterDefinition" | "StashedFileParameterDefinition" | "Base64FileParameterDefinition" => {
            ParameterKind::File
        }
        "StringParameterDefinition"
        | "TextParameterDefinition"
        | "CredentialsParameterDefinition"
        | "RunParameterDefinition" => ParameterKind::Text,
        "PasswordParameterDefinition" => ParameterKind::Password,
        _ => ParameterKind::Other,
    }
}

/// Refuses (code 12) values that Jenkins would ignore, turn into something else, or fail on. Booleans become lower case.
///
/// `owner` is what declares them, e.g. `job a/b` or `input Deploy`.
pub fn validate(
    definitions: &[ParameterDefinition],
    owner: &str,
    values: &mut [(String, ParameterValue)],
) -> Result<(), Error> {
    for (index, (name, _)) in values.iter().enumerate() {
        if values[..index].iter().any(|(other, _)| other == name) {
            return Err(Error::new(ExitCode::Refused, format!("parameter {name}"), "given twice"));
        }
    }
    for (name, value) in values {
        let refuse = |why: String| Error::new(ExitCode::Refused, format!("parameter {name}"), why);
        let Some(definition) = definitions.iter().find(|definition| definition.name == *name) else {
            let known: Vec<_> = definitions.iter().map(|definition| definition.name.as_str()).collect();
            let hint = match known.as_slice() {
                [] => "leave it out; Jenkins silently ignores unknown parameters".to_owned(),
                known => format!("{}its parameters: {}", did_you_mean(name, known), known.join(", ")),
            };
            return Err(refuse(format!("not defined by {owner}")).with_hint(hint));
        };
        definition.check(value)?;
    }
    Ok(())
}

impl ParameterDefinition {
    /// Refuses a value that this parameter cannot take.
    fn check(&self, value: &mut ParameterValue) -> Result<(), Error> {
        let name = &self.name;
        let refuse = |why: String| Error::new(ExitCode::Refused, format!("parameter {name}"), why);
        match (&self.kind, value) {
            (ParameterKind::File, ParameterValue::Text(_)) => {
                Err(refuse("expects a file".to_owned()).with_hint(format!("pass --param-file {name}=PATH")))
            }
            (ParameterKind::File | ParameterKind::Other, ParameterValue::File(_)) => Ok(()),
            (_, ParameterValue::File(_)) => Err(refuse(format!("cannot be a file (it is a {})", self.type_name))
                .with_hint(format!("pass --param {name}=TEXT"))),
            (ParameterKind::Boolean, ParameterValue::Text(text)) => match text.to_ascii_lowercase().as_str() {
                lower @ ("true" | "false") => {
                    lower.clone_into(text);
                    Ok(())
                }
                _ => Err(refuse(format!("must be true or false, not {text:?}"))
                    .with_hint("Jenkins treats any value other than `true` as false")),
            },
            (ParameterKind::Choice(choices), ParameterValue::Text(text))
                if !choices.is_empty() && !choices.contains(text) =>
            {
                let known: Vec<_> = choices.iter().map(String::as_str).collect();
                Err(refuse(format!("{text:?} is not one of its choices")).with_hint(format!(
                    "{}its choices: {}",
                    did_you_mean(text, &known),
                    choices.join(", ")
                )))
            }
            _ => Ok(()),
        }
    }
}

/// `did you mean X? `, or nothing where no known name is near.
pub(super) fn did_you_mean(wrong: &str, known: &[&str]) -> String {
    nearest(wrong, known.iter().copied()).map(|near| format!("did you mean {near}? ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jenkins::job::Job;

    fn job() -> Job {
        let text = r#"{"_class":"hudson.model.FreeStyleProject","name":"a","buildable":true,"nextBuildNumber":4,"property":[{},null,
            {"parameterDefinitions":[
                {"name":"FLAVOR","type":"StringParameterDefinition","defaultParameterValue":{"value":"dev"}},
                {"name":"STAGE","type":"ChoiceParameterDefinition","choices":["test","prod"]},
                {"name":"CLEAN","type":"BooleanParameterDefinition","defaultParameterValue":{"value":false}},
                {"name":"PW","type":"PasswordParameterDefinition","defaultParameterValue":{}},
                {"name":"DATA","type":"StashedFileParameterDefinition","defaultParameterValue":null},
                {"name":"DYN","type":"CascadeChoiceParameter"}]}]}"#;
        Job::read(wire::decode(text.as_bytes()).unwrap())
    }

    #[test]
    fn values_that_jenkins_takes_pass_and_booleans_become_lower_case() {
        let text = |text: &str| ParameterValue::Text(text.to_owned());
        for (name, value, expected) in [
            ("FLAVOR", text("x y"), Some(text("x y"))),
            ("STAGE", text("prod"), Some(text("prod"))),
            ("STAGE", text("prd"), None),
            ("CLEAN", text("True"), Some(text("true"))),
            ("CLEAN", text("yes"), None),
            ("PW", text("s"), Some(text("s"))),
            ("DATA", ParameterValue::File("f.bin".into()), Some(ParameterValue::File("f.bin".into()))),
            ("DATA", text("x"), None),
            ("DYN", text("anything"), Some(text("anything"))),
            ("FLAVOUR", text("x"), None),
            ("FLAVOR", ParameterValue::File("f".into()), None),
        ] {
            let mut values = [(name.to_owned(), value)];
            let is_taken = job().validate("job a", &mut values).is_ok();
            assert_eq!(is_taken.then(|| values[0].1.clone()), expected, "{name}");
        }
    }
}
