//! Apps, their workflows and their caches.

use std::collections::HashSet;

use super::client::{Client, below, is_done, segment};
use super::errors::{About, failed};
use super::reference::AppId;
use super::request::TriggerRequest;
use super::wire;
use crate::document::{Cache, Named};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Method, Request};
use crate::nearest::nearest;

/// The most workflows that an error lists.
const MOST_LISTED: usize = 20;

impl Client {
    /// The ids and names of the apps that the key's user or a team of theirs has.
    pub fn apps(&self) -> Result<Vec<Named>, RequestError> {
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        self.each_app(&mut |app| {
            // A team's app may be in the user's list as well.
            if known.insert(app.id.clone()) {
                found.push(app);
            }
            true
        })?;
        Ok(found)
    }

    /// The name of an app, or `None` if neither the user nor a team has it.
    pub fn app_name(&self, app_id: &AppId) -> Result<Option<String>, RequestError> {
        let mut found = None;
        self.each_app(&mut |app| {
            if app.id == app_id.as_str() {
                found = Some(app.name.unwrap_or(app.id));
            }
            found.is_none()
        })?;
        Ok(found)
    }

    /// Hands the apps to `take` until it gives false.
    fn each_app(&self, take: &mut dyn FnMut(Named) -> bool) -> Result<(), RequestError> {
        let about = About::new("listing apps", "list of apps");
        let mut paths = vec!["/user/apps".to_owned()];
        for team in self.teams()? {
            paths.push(format!("/teams/{}/apps", segment("team ID", &team.id)?));
        }
        for path in paths {
            let mut is_open = true;
            self.pages(&about, &path, |app: &wire::Named| app.id.text(), &mut |app: wire::Named, _| {
                is_open = app.named().is_none_or(&mut *take);
                is_open
            })?;
            if !is_open {
                break;
            }
        }
        Ok(())
    }

    /// An app's known workflows. One that never ran may be missing (HelgeSverre/codemagic-skill, `api.md`).
    pub fn workflows(&self, app_id: &AppId) -> Result<Vec<Named>, RequestError> {
        let about = About::new("listing workflows", format!("app {app_id}"));
        self.named(&about, &format!("/apps/{}/workflows", app_id.segment()))
    }

    /// The request with its workflow's id, where what was given can only be a display name. Any other request is given
    /// back as it is, without asking the service.
    pub(super) fn with_workflow_id(&self, request: &TriggerRequest) -> Result<TriggerRequest, RequestError> {
        let wanted = request.workflow_id.as_str();
        if !wanted.contains(char::is_whitespace) {
            return Ok(request.clone());
        }
        let known = self.workflows(&request.app_id)?;
        if known.iter().any(|workflow| workflow.id == wanted) {
            return Ok(request.clone());
        }
        let named = |same: &dyn Fn(&str) -> bool| -> Vec<&str> {
            let matches = known.iter().filter(|workflow| workflow.name.as_deref().is_some_and(same));
            matches.map(|workflow| workflow.id.as_str()).collect()
        };
        let exact = named(&|name| name == wanted);
        let ids = if exact.is_empty() { named(&|name| name.to_lowercase() == wanted.to_lowercase()) } else { exact };
        match ids.as_slice() {
            [id] => {
                let mut resolved = request.clone();
                (*id).clone_into(&mut resolved.workflow_id);
                Ok(resolved)
            }
            [] => Err(RequestError::permanent(unknown_workflow(wanted, &known))),
            several => Err(RequestError::permanent(
                Error::usage(format!("workflow {wanted:?}"), "several workflows have this name")
                    .with_hint(format!("pass the ID of one: {}", several.join(", "))),
            )),
        }
    }

    pub fn caches(&self, app_id: &AppId) -> Result<Vec<Cache>, RequestError> {
        let about = About::new("listing caches", format!("app {app_id}"));
        let address = below(&self.endpoints.legacy, &format!("/apps/{}/caches", app_id.segment()))?;
        let (response, answer) = self.get::<wire::CacheList>(&about, address)?;
        if !answer.caches.given {
            return Err(failed(&about, &response));
        }
        let cache = |cache: wire::Cache| {
            let (workflow_id, size, last_used) = (cache.workflow_id.0, cache.size.0, cache.last_used.0);
            Some(Cache { id: cache.id.0?, workflow_id, size, last_used })
        };
        Ok(answer.caches.entries.into_iter().filter_map(cache).collect())
    }

    /// Asks for the removal of one cache of an app, or of all. The service does it later (202).
    pub fn clear_caches(&self, app_id: &AppId, cache: Option<&str>) -> Result<(), RequestError> {
        let thing = cache.map_or_else(|| format!("app {app_id}"), |cache| format!("cache {cache}"));
        let about = About::new(format!("clearing caches of app {app_id}"), thing);
        let mut path = format!("/apps/{}/caches", app_id.segment());
        if let Some(cache) = cache {
            path = format!("{path}/{}", segment("cache ID", cache)?);
        }
        let address = below(&self.endpoints.legacy, &path)?;
        let response = self.exchange(&about, &Request::new(Method::Delete, address))?;
        if is_done(&response) { Ok(()) } else { Err(failed(&about, &response)) }
    }
}

/// The error for a workflow that is not among the known ones.
pub fn unknown_workflow(wanted: &str, known: &[Named]) -> Error {
    let error =
        Error::new(ExitCode::NotFound, format!("workflow {wanted:?}"), "not among the known workflows of this app");
    error.with_hint(suggestion(wanted, known).unwrap_or_else(|| {
        "the ID is the key below `workflows:` in codemagic.yaml; a workflow that never ran may be missing from the list".to_owned()
    }))
}

/// What may have been meant instead of an unknown workflow; `None` if the app has no known one.
pub(super) fn suggestion(wanted: &str, known: &[Named]) -> Option<String> {
    if known.is_empty() {
        return None;
    }
    let words = |workflow: &'_ Named| [Some(workflow.id.clone()), workflow.name.clone()].into_iter().flatten();
    let all: Vec<String> = known.iter().flat_map(words).collect();
    let near = nearest(wanted, all.iter().map(String::as_str));
    let meant = near.and_then(|near| known.iter().find(|workflow| words(workflow).any(|word| word == near)));
    let shown = |workflow: &Named| match &workflow.name {
        Some(name) if *name != workflow.id => format!("{} ({name})", workflow.id),
        _ => workflow.id.clone(),
    };
    let mut list: Vec<_> = known.iter().take(MOST_LISTED).map(shown).collect();
    list.extend((known.len() > MOST_LISTED).then(|| "…".to_owned()));
    let list = format!("known workflows: {}", list.join(", "));
    Some(match meant {
        Some(workflow) => format!("did you mean {}? {list}", workflow.id),
        None => list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_suggested_only_where_it_is_near() {
        let workflow = |id: &str, name: Option<&str>| Named { id: id.to_owned(), name: name.map(str::to_owned) };
        let known = [workflow("ios-release", Some("iOS release")), workflow("android", None), workflow("x", Some("x"))];
        let list = "known workflows: ios-release (iOS release), android, x";
        for (wanted, expected) in [
            ("ios-relaese", format!("did you mean ios-release? {list}")),
            ("IOS-Release", format!("did you mean ios-release? {list}")),
            ("iOS relase", format!("did you mean ios-release? {list}")),
            ("andriod", format!("did you mean android? {list}")),
            ("web", list.to_owned()),
            ("y", list.to_owned()),
        ] {
            assert_eq!(suggestion(wanted, &known), Some(expected), "{wanted}");
        }
        assert_eq!(suggestion("ios", &[]), None);
    }
}
