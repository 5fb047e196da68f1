//! Builds that wait for a person (step `input`): what they ask, and answering it.

use serde_json::{Value, json};

use super::client::{Change, Client};
use super::parameters::{ParameterDefinition, ParameterKind, ParameterValue, kind, validate};
use super::reference::{BuildName, BuildRef};
use super::wire;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Body, Response, Segment};

/// What to do when a build asks a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OnInput {
    /// Report it, and keep waiting.
    #[default]
    Wait,
    /// Stop the build.
    Fail,
    /// Proceed with the default values.
    Proceed,
    /// Abort.
    Abort,
}

/// A question that a build waits with.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The id of the `input` step.
    pub id: String,
    /// What it asks.
    pub message: String,
    /// Who may answer; everybody with Job/Build when nobody is named.
    pub submitter: Option<String>,
    /// Its parameters; `None` where this version of the plugin does not export them.
    parameters: Option<Vec<InputParameter>>,
}

/// A parameter of a question, with the value that is sent unless another one is given.
#[derive(Debug, Clone, PartialEq)]
pub struct InputParameter {
    /// What it takes.
    pub definition: ParameterDefinition,
    /// Its default. Jenkins gives none to what is left out (`InputStepExecution#parseValue`), so it is sent.
    pub default: Value,
}

/// Values for all parameters of a question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputValues(Vec<(String, Value)>);

/// What to answer.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// The build proceeds with these values.
    Proceed(&'a InputValues),
    /// The build is aborted.
    Abort,
}

impl Question {
    /// Reads a wait of an `input` step; `None` for one that was answered.
    pub(super) fn read(wire: wire::InputExecution) -> Option<Self> {
        if wire.settled.0 == Some(true) {
            return None;
        }
        let input = wire.input.0.unwrap_or_default();
        let parameters = input.parameters;
        Some(Self {
            id: input.id.0.or(wire.id.0)?,
            message: input.message.0.unwrap_or_default(),
            submitter: input.submitter.0.filter(|names| !names.is_empty()),
            parameters: parameters
                .given
                .then(|| parameters.entries.into_iter().filter_map(InputParameter::of).collect()),
        })
    }
}

impl InputParameter {
    /// Reads a parameter in the build's own JSON.
    fn of(wire: wire::ParameterDefinition) -> Option<Self> {
        let default = wire.default_parameter_value.0.as_ref().map(|default| default.value.clone());
        let default = default.filter(|value| !value.is_null()).unwrap_or_else(|| json!(""));
        Some(Self { definition: ParameterDefinition::read(wire)?, default })
    }

    /// Reads a parameter as pipeline-rest-api lists it.
    fn read(wire: wire::InputParameter) -> Self {
        let definition = wire.definition.0.unwrap_or_default();
        let default = Some(definition.default_val).filter(|value| !value.is_null()).unwrap_or_else(|| json!(""));
        let kind = match kind(wire.type_name.text_or_empty(), &definition.choices.0) {
            ParameterKind::Other if default.is_boolean() => ParameterKind::Boolean,
            kind => kind,
        };
        Self {
            definition: ParameterDefinition {
                name: wire.name.0.unwrap_or_default(),
                kind,
                type_name: wire.type_name.0.unwrap_or_default(),
                description: None,
                default: wire::shown(&default),
            },
            default,
        }
    }
}

impl InputValues {
    /// The defaults of all parameters, with `given` in their places. `known` is `None` where Jenkins does not list the
    /// parameters: then the given ones are taken as they are.
    ///
    /// Fails with code 12 for values that Jenkins would ignore, change or fail on. `owner` names the question.
    pub fn new(known: Option<&[InputParameter]>, given: Vec<(String, String)>, owner: &str) -> Result<Self, Error> {
        let Some(known) = known else {
            return Ok(Self(given.into_iter().map(|(name, text)| (name, json!(text))).collect()));
        };
        let definitions: Vec<_> = known.iter().map(|parameter| parameter.definition.clone()).collect();
        let mut given: Vec<_> = given.into_iter().map(|(name, text)| (name, ParameterValue::Text(text))).collect();
        validate(&definitions, owner, &mut given)?;
        let value = |parameter: &InputParameter| {
            let own = given.iter().find(|(name, _)| *name == parameter.definition.name);
            match (own, &parameter.definition.kind) {
                (Some((_, ParameterValue::Text(text))), ParameterKind::Boolean) => json!(text == "true"),
                (Some((_, ParameterValue::Text(text))), _) => json!(text),
                _ => parameter.default.clone(),
            }
        };
        Ok(Self(known.iter().map(|parameter| (parameter.definition.name.clone(), value(parameter))).collect()))
    }
}

impl Client {
    /// The parameters of a question: as the build itself exports them, else as the plugin pipeline-rest-api lists them.
    /// `None` where neither does.
    pub fn input_parameters(
        &self,
        build: &BuildRef,
        question: &Question,
    ) -> Result<Option<Vec<InputParameter>>, RequestError> {
        if question.parameters.is_some() {
            return Ok(question.parameters.clone());
        }
        let subject = format!("inputs of build {build}");
        let path = format!("{}/wfapi/pendingInputActions", build.path());
        let response = self.exchange(&subject, &self.get(&path)?)?;
        if response.status == 404 {
            return Ok(None);
        }
        let pending = wire::decode_list::<wire::PendingInput>(&response.body).filter(|_| response.status == 200);
        let Some(pending) = pending else { return Err(self.refusal(&subject, &response)) };
        let own = pending.into_iter().find(|pending| pending.id.text() == Some(&question.id));
        Ok(own.map(|own| own.inputs.entries.into_iter().map(InputParameter::read).collect()))
    }

    /// Answers a question.
    ///
    /// An answer that was lost on the way is looked up: a question that is no longer pending was answered. Fails with
    /// code 15 when it stays pending although the request may have arrived, and with code 11 when nothing is pending.
    pub fn answer_input(&self, build: &BuildRef, id: &str, answer: Answer<'_>) -> Result<(), Error> {
        let subject = format!("input {id} of build {build}");
        let segment = Segment::new(id).ok_or_else(|| Error::usage(format!("input {id:?}"), "not a valid input ID"))?;
        let path = format!("{}/input/{segment}", build.path());
        let (path, body) = match answer {
            Answer::Abort => (format!("{path}/abort"), None),
            Answer::Proceed(InputValues(values)) if values.is_empty() => (format!("{path}/proceedEmpty"), None),
            Answer::Proceed(InputValues(values)) => {
                let values: Vec<_> = values.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
                let text = json!({"parameter": values}).to_string();
                (format!("{path}/proceed"), Some(Body::form([("json", text.as_str())])))
            }
        };
        let hint = format!("`cibridge jenkins input {build}` lists what is pending");
        // A question that is no longer pending was answered.
        let was_done = || self.is_pending(build, id).is_ok_and(|pending| !pending);
        let perhaps = "it may have been answered";
        let refusal = |response: &Response| self.refusal(&subject, response);
        let change = Change {
            subject: &subject,
            path: &path,
            body,
            was_done: &was_done,
            refusal: &refusal,
            perhaps,
            hint: &hint,
        };
        self.post_until_done(&change).map_err(|error| match error.code() {
            ExitCode::NotFound => {
                let reason = "not pending: it was answered before, or never asked (HTTP 404)";
                error.with_code(ExitCode::NotFound, reason).with_hint(hint.as_str())
            }
            _ => error,
        })
    }

    fn is_pending(&self, build: &BuildRef, id: &str) -> Result<bool, RequestError> {
        let view = self.build(&build.job, &BuildName::Number(build.number))?;
        Ok(view.questions.iter().any(|question| question.id == id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_itself_exports_the_parameters_of_a_question() {
        let execution = |parameters: &str| {
            let text = format!(r#"{{"id":"Ok","settled":false,"input":{{"id":"Ok","message":"go?"{parameters}}}}}"#);
            Question::read(wire::decode(text.as_bytes()).unwrap()).unwrap().parameters
        };
        assert_eq!(execution(""), None);
        assert_eq!(execution(r#","parameters":[]"#), Some(Vec::new()));
        let parameters = execution(
            r#","parameters":[{"name":"B","type":"BooleanParameterDefinition","defaultParameterValue":{"value":true}},
                {"name":"C","type":"ChoiceParameterDefinition","choices":["one"],"defaultParameterValue":{"value":"one"}}]"#,
        );
        let parameters = parameters.unwrap();
        assert_eq!((&parameters[0].default, &parameters[0].definition.kind), (&json!(true), &ParameterKind::Boolean));
        assert_eq!(parameters[1].definition.kind, ParameterKind::Choice(vec!["one".to_owned()]));
        assert!(Question::read(wire::decode(br#"{"id":"Ok","settled":true,"input":{"id":"Ok"}}"#).unwrap()).is_none());
    }

    fn parameters() -> Vec<InputParameter> {
        let pending: Vec<wire::PendingInput> = wire::decode_list(
            br#"[{"id":"Deploy","inputs":[
                {"type":"StringParameterDefinition","name":"S","definition":{"defaultVal":"ds"}},
                {"type":"BooleanParameterDefinition","name":"B","definition":{"defaultVal":true}},
                {"type":"ChoiceParameterDefinition","name":"C","definition":{"defaultVal":"one","choices":["one","two"]}},
                {"type":"PasswordParameterDefinition","name":"P","definition":{"defaultVal":null}}]}]"#,
        )
        .unwrap();
        pending.into_iter().flat_map(|one| one.inputs.entries).map(InputParameter::read).collect()
    }

    fn values(given: &[(&str, &str)]) -> Result<Value, String> {
        let given = given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let values = InputValues::new(Some(&parameters()), given, "input Deploy").map_err(|error| error.to_string())?;
        Ok(values.0.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn every_parameter_is_sent_and_checked_like_one_of_a_job() {
        assert_eq!(values(&[]), Ok(json!(["ds", true, "one", ""])));
        assert_eq!(values(&[("B", "False"), ("C", "two"), ("S", "x")]), Ok(json!(["x", false, "two", ""])));
        assert_eq!(values(&[("X", "1")]), Err("parameter X: not defined by input Deploy".to_owned()));
        assert_eq!(values(&[("S", "1"), ("S", "2")]), Err("parameter S: given twice".to_owned()));
        let unlisted = InputValues::new(None, vec![("A".to_owned(), "1".to_owned())], "input Deploy").unwrap();
        assert_eq!(unlisted.0, [("A".to_owned(), json!("1"))]);
    }
}
