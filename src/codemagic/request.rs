//! The request that starts a build, and what can be said against it before it is sent.

use serde_json::{Map, Value, json};

use crate::error::Error;

/// What to build. The fields are those of v3's `POST /apps/{app_id}/builds`, and the app's id.
///
/// Codemagic has no field for a commit: the head of the branch or tag at fetch time is built.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StartRequest {
    /// The app: the part after `/app/` in its page's address.
    pub app_id: Option<String>,
    /// The workflow: its key below `workflows:` in `codemagic.yaml`, or a Workflow Editor id. Not its display name.
    pub workflow_id: Option<String>,
    /// The branch to build.
    pub branch: Option<String>,
    /// The tag to build.
    pub tag: Option<String>,
    /// Labels in addition to the workflow's own.
    pub labels: Vec<String>,
    /// The machine type instead of the workflow's own, e.g. `mac_mini_m2`.
    pub instance_type: Option<String>,
    /// The workflow's inputs: strings, numbers and booleans.
    pub inputs: Map<String, Value>,
    /// Variables, variable groups and software versions.
    pub environment: Environment,
}

/// The environment of a build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Environment {
    /// Variables; they win over the app's and the team's.
    pub variables: Map<String, Value>,
    /// Names of variable groups to add.
    pub groups: Vec<String>,
    /// Versions such as `xcode` or `flutter`.
    pub software_versions: Map<String, Value>,
}

impl StartRequest {
    /// Reads a request from JSON text. Unknown keys are refused by name.
    pub fn from_json(text: &str, source: &str) -> Result<Self, Error> {
        Self::read(text).map_err(|why| {
            Error::usage(format!("the request {source}"), why)
                .with_hint("the keys are those of the v3 API: app_id, workflow_id, branch or tag, labels, instance_type, inputs, environment")
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let Value::Object(whole) = serde_json::from_str(text).map_err(|error| error.to_string())? else {
            return Err("it is no JSON object".to_owned());
        };
        let mut fields = Fields(whole);
        let mut environment = Fields(fields.object("environment")?);
        let request = Self {
            app_id: fields.text("app_id")?,
            workflow_id: fields.text("workflow_id")?,
            branch: fields.text("branch")?,
            tag: fields.text("tag")?,
            labels: fields.texts("labels")?,
            instance_type: fields.text("instance_type")?,
            inputs: fields.object("inputs")?,
            environment: Environment {
                variables: environment.object("variables")?,
                groups: environment.texts("groups")?,
                software_versions: environment.object("software_versions")?,
            },
        };
        environment.all_known()?;
        fields.all_known()?;
        Ok(request)
    }

    /// Refuses a request that Codemagic would refuse, or would take and then fail on.
    pub fn check(&self) -> Result<(), Error> {
        let missing = |what: &str, flag: &str, variable: &str| {
            Error::usage(format!("the {what}"), "not given").with_hint(format!("give {flag}, or set {variable}"))
        };
        match self.app_id.as_deref() {
            None => return Err(missing("app id", "--app-id", "CODEMAGIC_APP_ID")),
            Some(app_id) => app_id_fault(app_id)?,
        }
        match self.workflow_id.as_deref() {
            None => return Err(missing("workflow id", "--workflow", "CODEMAGIC_WORKFLOW")),
            Some(workflow) => one_line("the workflow id", workflow)?,
        }
        match (self.branch.as_deref(), self.tag.as_deref()) {
            (None, None) => {
                return Err(missing("branch or tag", "--branch or --tag", "CODEMAGIC_BRANCH or CODEMAGIC_TAG"));
            }
            (Some(_), Some(_)) => {
                return Err(Error::usage("branch and tag", "both given, and a build has exactly one")
                    .with_hint("give only --branch or only --tag"));
            }
            (Some(branch), None) => one_line("the branch", branch)?,
            (None, Some(tag)) => one_line("the tag", tag)?,
        }
        for label in &self.labels {
            one_line("a label", label)?;
        }
        for group in &self.environment.groups {
            one_line("a variable group", group)?;
        }
        if let Some(instance_type) = &self.instance_type {
            one_line("the instance type", instance_type)?;
        }
        for (name, value) in &self.inputs {
            if name.is_empty() || !(value.is_string() || value.is_number() || value.is_boolean()) {
                return Err(Error::usage(format!("input `{name}`"), "is no text, number or boolean")
                    .with_hint("write --input NAME=TEXT, or --input NAME:=JSON for numbers and booleans"));
            }
        }
        for (kind, entries) in
            [("variable", &self.environment.variables), ("software version", &self.environment.software_versions)]
        {
            for (name, value) in entries {
                if name.is_empty() {
                    return Err(Error::usage(format!("a {kind}"), "has an empty name"));
                }
                if !value.is_string() {
                    return Err(Error::usage(format!("{kind} `{name}`"), format!("is {value}, not text"))
                        .with_hint("Codemagic takes only text here: put the value in quotes"));
                }
            }
        }
        Ok(())
    }

    /// The body for v3.
    pub(super) fn v3_body(&self) -> Value {
        let mut body = json!({ "workflow_id": self.workflow_id });
        self.shared(&mut body, "instance_type", "software_versions");
        body
    }

    /// The body for the legacy API.
    pub(super) fn legacy_body(&self) -> Value {
        let mut body = json!({ "appId": self.app_id, "workflowId": self.workflow_id });
        self.shared(&mut body, "instanceType", "softwareVersions");
        body
    }

    /// Adds what is set; what is not set is left out, because the service may read an empty value as a wish.
    fn shared(&self, body: &mut Value, instance_type: &str, software_versions: &str) {
        let mut set = |name: &str, value: Value| body[name] = value;
        if let Some(branch) = &self.branch {
            set("branch", json!(branch));
        }
        if let Some(tag) = &self.tag {
            set("tag", json!(tag));
        }
        if !self.labels.is_empty() {
            set("labels", json!(self.labels));
        }
        if let Some(value) = &self.instance_type {
            set(instance_type, json!(value));
        }
        if !self.inputs.is_empty() {
            set("inputs", json!(self.inputs));
        }
        let mut environment = Map::new();
        if !self.environment.variables.is_empty() {
            environment.insert("variables".to_owned(), json!(self.environment.variables));
        }
        if !self.environment.groups.is_empty() {
            environment.insert("groups".to_owned(), json!(self.environment.groups));
        }
        if !self.environment.software_versions.is_empty() {
            environment.insert(software_versions.to_owned(), json!(self.environment.software_versions));
        }
        if !environment.is_empty() {
            set("environment", Value::Object(environment));
        }
    }
}

/// The fields of a JSON object, each taken once. Null counts as not given.
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}` is no text")),
        }
    }

    fn texts(&mut self, name: &str) -> Result<Vec<String>, String> {
        let none = || format!("`{name}` is no list of texts");
        let Some(list) = self.take(name) else { return Ok(Vec::new()) };
        let entries = list.as_array().ok_or_else(none)?;
        entries.iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(none)).collect()
    }

    fn object(&mut self, name: &str) -> Result<Map<String, Value>, String> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(format!("`{name}` is no JSON object")),
        }
    }

    /// Refuses what nobody took.
    fn all_known(&self) -> Result<(), String> {
        self.0.keys().next().map_or(Ok(()), |name| Err(format!("unknown field `{name}`")))
    }
}

/// Refuses an app id that cannot be one.
pub fn app_id_fault(app_id: &str) -> Result<(), Error> {
    if app_id.is_empty() || app_id.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#".contains(c)) {
        return Err(Error::usage(format!("the app id {app_id:?}"), "is empty or holds spaces, line breaks or slashes")
            .with_hint("the app id is the part after /app/ in the address of the app's page on codemagic.io"));
    }
    Ok(())
}

/// Refuses an API key that cannot be one. The text of the key is not repeated.
pub fn key_fault(key: &str, source: &str) -> Result<(), Error> {
    let what = format!("the API key from {source}");
    if key.is_empty() {
        return Err(
            Error::usage(what, "is empty").with_hint("set CODEMAGIC_API_KEY, or name a file with --api-key-file")
        );
    }
    if key.contains(|c: char| c.is_whitespace() || c.is_control()) || !key.is_ascii() {
        return Err(Error::usage(what, "holds spaces, line breaks or characters that no key has")
            .with_hint("copy the key again, alone, from Codemagic's account settings"));
    }
    Ok(())
}

fn one_line(what: &str, text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::usage(what, "is empty"));
    }
    if text.contains(char::is_control) {
        return Err(Error::usage(what, format!("{text:?} holds a line break or control character")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> StartRequest {
        StartRequest::from_json(r#"{"app_id":"60a0b1c2d3e4f56789abcdef","workflow_id":"ios","branch":"main"}"#, "file")
            .unwrap()
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        for text in [r#"{"app_id":"a","workflow":"b"}"#, r#"{"environment":{"vars":{}}}"#] {
            let failure = StartRequest::from_json(text, "r.json").unwrap_err();
            assert!(
                failure.reason().contains("unknown field `workflow`")
                    || failure.reason().contains("unknown field `vars`"),
                "{failure}"
            );
        }
    }

    #[test]
    fn what_has_the_wrong_kind_is_refused_by_name() {
        for (text, why) in [
            ("[]", "it is no JSON object"),
            (r#"["60a0b1c2d3e4f56789abcdef"]"#, "it is no JSON object"),
            ("null", "it is no JSON object"),
            (r#"{"environment": []}"#, "`environment` is no JSON object"),
            (r#"{"app_id": 7}"#, "`app_id` is no text"),
            (r#"{"labels": "one"}"#, "`labels` is no list of texts"),
            (r#"{"environment": {"groups": [1]}}"#, "`groups` is no list of texts"),
            (r#"{"inputs": "a=b"}"#, "`inputs` is no JSON object"),
            (r#"{"app_id": "#, "EOF while parsing a value at line 1 column 11"),
        ] {
            assert_eq!(StartRequest::from_json(text, "r.json").unwrap_err().reason(), why, "{text}");
        }
        let nulls = StartRequest::from_json(r#"{"branch": null, "labels": null, "environment": null}"#, "r.json");
        assert_eq!(nulls, Ok(StartRequest::default()));
    }

    #[test]
    fn each_fault_names_the_thing() {
        type Change = fn(&mut StartRequest);
        let table: [(Change, &str); 9] = [
            (|r| r.app_id = None, "the app id"),
            (|r| r.app_id = Some("a b".into()), "the app id"),
            (|r| r.workflow_id = Some(" ".into()), "the workflow id"),
            (|r| r.branch = None, "the branch or tag"),
            (|r| r.tag = Some("v1".into()), "branch and tag"),
            (|r| r.branch = Some("a\nb".into()), "the branch"),
            (|r| drop(r.environment.variables.insert("N".into(), json!(1))), "variable `N`"),
            (|r| drop(r.inputs.insert("L".into(), json!([1]))), "input `L`"),
            (|r| r.labels.push(String::new()), "a label"),
        ];
        assert_eq!(request().check(), Ok(()));
        for (change, what) in table {
            let mut request = request();
            change(&mut request);
            assert_eq!(request.check().unwrap_err().subject().split(" \"").next().unwrap(), what);
        }
    }

    #[test]
    fn bodies_hold_only_what_is_set() {
        let mut request = request();
        assert_eq!(request.v3_body(), json!({"workflow_id": "ios", "branch": "main"}));
        request.environment.software_versions.insert("xcode".into(), json!("16.0"));
        request.instance_type = Some("mac_mini_m2".into());
        assert_eq!(
            request.legacy_body(),
            json!({"appId": "60a0b1c2d3e4f56789abcdef", "workflowId": "ios", "branch": "main", "instanceType": "mac_mini_m2",
                   "environment": {"softwareVersions": {"xcode": "16.0"}}})
        );
    }
}
