//! Answers to the questions of a pipeline.

use super::Ctx;
use super::config::JenkinsAccess as Access;
use super::pages::BUILD;
use super::run::JenkinsAnswer;
use crate::http::Response;
use serde_json::{Map, Value};

impl Ctx<'_> {
    /// `/job/X/N/input/ID/ACTION`, and `wfapi/inputSubmit` as the action `wfapi`.
    pub(crate) fn input(&mut self, index: usize, id: &str, action: &str) -> Response {
        let run = &self.j.runs[index];
        let known = ["proceed", "proceedEmpty", "abort", "submit", "wfapi"].contains(&action);
        let Some(question) = run.questions.iter().find(|q| q.input.id() == id).filter(|_| known && run.in_progress)
        else {
            return self.not_found();
        };
        let (settled, submitter) = (question.settled, question.input.submitter.clone());
        let declared = question.input.parameters.clone();
        if self.method != "POST" {
            return self.post_only();
        }
        if self.access < Access::Build {
            return self.forbidden(&BUILD);
        }
        if settled {
            return self.failure("This input has been already given");
        }
        let user = self.caller.name.clone().unwrap_or_else(|| "anonymous".to_owned());
        if let Some(wanted) = submitter.filter(|s| !s.split(',').any(|n| n.trim() == user))
            && self.access < Access::Admin
        {
            return self.failure(&format!("You need to be {wanted} to submit this."));
        }
        let proceeded = match action {
            "abort" => false,
            "submit" => self.form.first("proceed").is_some(),
            _ => true,
        };
        let Ok(parameters) = self.filled(action, &declared) else { return self.oops(500) };
        let answer = JenkinsAnswer { id: id.to_owned(), proceeded, user, parameters };
        self.j.runs[index].answer(answer);
        self.j.move_on(index, Some(0));
        if action == "submit" { self.to_path(&self.build_path(index)) } else { Response::empty(200) }
    }

    /// What was filled in; declared parameters that are missing become null, not their defaults.
    fn filled(&self, action: &str, declared: &[super::config::JenkinsParameter]) -> Result<Value, ()> {
        if action == "abort" {
            return Ok(Value::Null);
        }
        if action == "proceedEmpty" {
            let all = declared.iter().map(|p| (p.name.clone(), p.default_value()));
            return Ok(Value::Object(all.collect()));
        }
        let json: Value = match self.form.first("json") {
            Some(text) => serde_json::from_str(&text).map_err(|_| ())?,
            None => Value::Null,
        };
        let given = match &json["parameter"] {
            Value::Array(all) => all.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let mut filled = Map::new();
        for parameter in declared {
            let value = given.iter().find(|g| g["name"] == parameter.name).map_or(Value::Null, |g| g["value"].clone());
            filled.insert(parameter.name.clone(), value);
        }
        let known = |g: &Value| declared.iter().any(|p| g["name"] == p.name);
        if given.iter().all(known) { Ok(Value::Object(filled)) } else { Err(()) }
    }
}
