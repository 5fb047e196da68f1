//! What is said about the build to start: flags over `--param-json` over `--params-from` over the file of `--request`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::{JenkinsTriggerArgs, JobArgs, Pair};
use crate::commands::request_file;
use crate::error::{Error, ExitCode};
use crate::input_files;
use crate::jenkins::ParameterValue;
use crate::lifecycle::IdempotencyKey;

/// What all sources together say.
pub struct Sources {
    /// The job.
    pub job: JobArgs,
    /// The values of its parameters.
    pub values: Vec<(String, ParameterValue)>,
    /// Why the build is started.
    pub cause: Option<String>,
    /// Starts with the same key are one build.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// The request file of `jenkins trigger`. Null counts as not given.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RequestFile {
    job: Option<String>,
    branch: Option<String>,
    parameters: Map<String, Value>,
    files: Map<String, Value>,
    cause: Option<String>,
    #[serde(alias = "idempotencyKey")]
    idempotency_key: Option<IdempotencyKey>,
}

impl Sources {
    /// Reads all sources. Fails with code 2 for what is wrong in them, and with code 16 for a file that cannot be read.
    pub fn read(args: &JenkinsTriggerArgs) -> Result<Self, Error> {
        let file: RequestFile = request_file::read(
            args.request.as_deref(),
            "job, branch, parameters, files, cause and idempotency_key; parameters and files are objects",
        )?;
        let values = values(args, file.parameters, file.files)?;
        let Some(job) = args.job.clone().or(file.job) else {
            return Err(Error::message(ExitCode::Usage, "missing job")
                .with_hint("name it, or set CIBRIDGE_JOB (in a Jenkinsfile: job)"));
        };
        Ok(Self {
            job: JobArgs { job, branch: args.branch.clone().or(file.branch) },
            values,
            cause: args.cause.clone().or(file.cause),
            idempotency_key: args.idempotency_key.clone().or(file.idempotency_key),
        })
    }
}

/// The parameters: flags over `--param-json` over `--params-from` over `--request`.
fn values(
    args: &JenkinsTriggerArgs,
    parameters: Map<String, Value>,
    files: Map<String, Value>,
) -> Result<Vec<(String, ParameterValue)>, Error> {
    let mut values: Vec<(String, ParameterValue)> = Vec::new();
    let mut set = |name: String, value: ParameterValue| {
        values.retain(|(own, _)| *own != name);
        values.push((name, value));
    };
    for (name, value) in texts(parameters, "request")? {
        set(name, ParameterValue::Text(value));
    }
    for (name, value) in texts(files, "request")? {
        set(name, ParameterValue::File(PathBuf::from(value)));
    }
    if let Some(path) = &args.params_from {
        for (name, value) in parameters_from(path)? {
            set(name, ParameterValue::Text(value));
        }
    }
    if let Some(text) = &args.param_json {
        for (name, value) in object(text, "--param-json")? {
            set(name, ParameterValue::Text(value));
        }
    }
    let mut given: Vec<&str> = Vec::new();
    for pair in args.params.iter().chain(&args.param_files) {
        if given.contains(&pair.name.as_str()) {
            return Err(Error::message(ExitCode::Usage, format!("parameter {} is given twice", pair.name))
                .with_hint("pass it once; Jenkins fails on a parameter that is given twice"));
        }
        given.push(&pair.name);
    }
    for Pair { name, value } in args.params.iter().cloned() {
        set(name, ParameterValue::Text(value));
    }
    for Pair { name, value } in args.param_files.iter().cloned() {
        set(name, ParameterValue::File(PathBuf::from(value)));
    }
    Ok(values)
}

fn parameters_from(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let source = format!("file {}", path.display());
    let text = input_files::read_text(path, "parameters")?;
    if text.trim_start().starts_with('{') {
        return object(&text, &source);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let pair: Pair = line.parse().map_err(|error: Error| Error::usage(source.clone(), error.reason()))?;
        Ok((pair.name, pair.value))
    };
    lines.map(pair).collect()
}

fn object(text: &str, source: &str) -> Result<Vec<(String, String)>, Error> {
    match serde_json::from_str(text) {
        Ok(object) => texts(object, source),
        Err(_) => Err(Error::usage(source, "not a JSON object").with_hint(OBJECT_HINT)),
    }
}

const OBJECT_HINT: &str = "write it like {\"NAME\": \"text\", \"CLEAN\": true, \"N\": 7}";

fn texts(object: Map<String, Value>, source: &str) -> Result<Vec<(String, String)>, Error> {
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Bool(_) | Value::Number(_) => Ok((name, value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Error::usage(source, format!("the value of {name} is not a text, number or boolean"))
                .with_hint(OBJECT_HINT))
        }
    };
    object.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_an_object_are_texts_and_never_quoted() {
        let values = object(r#"{"A": "x", "B": true, "C": 7}"#, "--param-json").unwrap();
        let expected = [("A", "x"), ("B", "true"), ("C", "7")];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for text in [r#"{"A": ["s3cret"]}"#, r#"["s3cret"]"#, "s3cret", r#"{"A": "s3cret""#] {
            let error = object(text, "--param-json").unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
