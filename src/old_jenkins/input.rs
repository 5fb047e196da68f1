//! Builds that wait for a person: what they ask, and answering it.

use serde_json::{Value, json};

use super::client::Client;
use super::reference::JobPath;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Body, Segment};
use crate::json::{entries, objects, str, text};

/// A question that a build waits with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The id of the `input` step.
    pub id: String,
    /// What it asks.
    pub message: String,
    /// Who may answer; everybody with Job/Build when nobody is named.
    pub submitter: Option<String>,
}

impl Client {
    /// The parameters of a question with their defaults. `None` without the plugin that tells (pipeline-rest-api).
    pub fn input_parameters(
        &self,
        job: &JobPath,
        number: u64,
        id: &str,
    ) -> Result<Option<Vec<(String, Value)>>, RequestError> {
        let path = format!("{}/{number}/wfapi/pendingInputActions", job.path());
        match self.value("reading what the build asks", &format!("build {job}#{number}"), &path) {
            Ok((_, pending)) => {
                let asked = entries(&pending).iter().find(|pending| str(pending, "id") == Some(id));
                Ok(asked.map(|asked| objects(asked, "inputs").map(default).collect()))
            }
            Err(miss) if miss.error.code() == ExitCode::NotFound => Ok(None),
            Err(miss) => Err(miss),
        }
    }

    /// Answers a question: proceeds with values for all of its parameters, or aborts the build.
    pub fn answer(
        &self,
        job: &JobPath,
        number: u64,
        id: &str,
        proceed: Option<&[(String, Value)]>,
    ) -> Result<(), RequestError> {
        let what = format!("answering input {id} of build {job}#{number}");
        let segment = Segment::new(id)
            .ok_or_else(|| RequestError::permanent(Error::usage(format!("the input id {id:?}"), "cannot be one")))?;
        let path = format!("{}/{number}/input/{segment}", job.path());
        let (path, body) = match proceed {
            None => (format!("{path}/abort"), None),
            Some([]) => (format!("{path}/proceedEmpty"), None),
            Some(values) => {
                let values: Vec<_> = values.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
                let text = json!({"parameter": values}).to_string();
                (format!("{path}/proceed"), Some(Body::form([("json", text.as_str())])))
            }
        };
        let response = self.post(&path, body).map_err(|error| error.into_miss(&what))?;
        match response.status {
            200..300 | 302 | 303 => Ok(()),
            404 => Err(RequestError::permanent(
                Error::new(
                    ExitCode::NotFound,
                    what,
                    "nobody is asked for it (any more): it was answered, or never asked (HTTP 404)",
                )
                .with_hint(format!("`cibridge jenkins input {job}#{number}` lists what is asked")),
            )),
            _ => Err(self.miss(&what, &format!("build {job}#{number}"), &response)),
        }
    }
}

/// A question's parameter with its default.
fn default(input: &Value) -> (String, Value) {
    let value = match &input["definition"]["defaultVal"] {
        Value::Null => json!(""),
        value => value.clone(),
    };
    (text(input, "name").unwrap_or_default(), value)
}
