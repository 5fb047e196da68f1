//! Apps, their workflows and their caches.

use serde::Serialize;
use serde_json::Value;

use super::client::{Client, below, miss, segment};
use super::wire::{self, Named};
use crate::error::RequestError;
use crate::http::{Method, Request};
use crate::json::{self, text};

/// A cache of an app, as the legacy API tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// The id.
    pub id: String,
    /// The workflow that filled it.
    pub workflow_id: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// When a build used it, in the service's own form.
    pub last_used: Option<String>,
}

impl Cache {
    fn read(wire: &Value) -> Option<Self> {
        Some(Self {
            id: text(wire, "_id")?,
            workflow_id: text(wire, "workflowId"),
            size: json::number(wire, "size"),
            last_used: text(wire, "lastUsed"),
        })
    }
}

impl Client {
    /// The ids and names of the apps that the key's user or a team of theirs has.
    pub fn apps(&self) -> Result<Vec<(String, Option<String>)>, RequestError> {
        let mut found: Vec<(String, Option<String>)> = Vec::new();
        self.each_app(&mut |app| {
            // A team's app may be in the user's list as well.
            if !found.iter().any(|(id, _)| *id == app.id) {
                found.push((app.id, app.name));
            }
            true
        })?;
        Ok(found)
    }

    /// The name of an app, or `None` if neither the user nor a team has it.
    pub fn app_name(&self, app_id: &str) -> Result<Option<String>, RequestError> {
        let mut name = None;
        self.each_app(&mut |app| {
            if app.id == app_id {
                name = Some(app.name.unwrap_or(app.id));
            }
            name.is_none()
        })?;
        Ok(name)
    }

    /// Hands the apps to `take` until it gives false.
    fn each_app(&self, take: &mut dyn FnMut(Named) -> bool) -> Result<(), RequestError> {
        let mut paths = vec!["/user/apps".to_owned()];
        for team in self.teams()? {
            paths.push(format!("/teams/{}/apps", segment("team id", team).map_err(RequestError::permanent)?));
        }
        for path in paths {
            for page in 1.. {
                let address = below(&self.endpoints.v3, &format!("{path}?page={page}&page_size=100"));
                let (_, answer) = self.read_list("listing apps", "the list of apps", address)?;
                for app in wire::named(&answer) {
                    if !take(app) {
                        return Ok(());
                    }
                }
                if wire::is_last_page(&answer, page) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The ids and names of an app's known workflows.
    pub fn workflows(&self, app_id: &str) -> Result<Vec<(String, Option<String>)>, RequestError> {
        let address = segment("app id", app_id)
            .and_then(|app_id| below(&self.endpoints.v3, &format!("/apps/{app_id}/workflows")));
        let (_, answer) = self.read_list("listing workflows", &format!("app {app_id}"), address)?;
        Ok(wire::named(&answer).map(|workflow| (workflow.id, workflow.name)).collect())
    }

    /// The caches of an app.
    pub fn caches(&self, app_id: &str) -> Result<Vec<Cache>, RequestError> {
        let address = segment("app id", app_id)
            .and_then(|app_id| below(&self.endpoints.legacy, &format!("/apps/{app_id}/caches")));
        let (_, answer) = self.read("listing caches", &format!("app {app_id}"), address)?;
        Ok(json::objects(&answer, "caches").filter_map(Cache::read).collect())
    }

    /// Asks for the removal of one cache of an app, or of all. The service does it later (202).
    pub fn clear_caches(&self, app_id: &str, cache: Option<&str>) -> Result<(), RequestError> {
        let what = format!("clearing caches of app {app_id}");
        let path = segment("app id", app_id).and_then(|app_id| {
            Ok(match cache {
                Some(cache) => format!("/apps/{app_id}/caches/{}", segment("cache id", cache)?),
                None => format!("/apps/{app_id}/caches"),
            })
        });
        let address = path.and_then(|path| below(&self.endpoints.legacy, &path)).map_err(RequestError::permanent)?;
        let response = self.exchange(&what, &Request::new(Method::Delete, address))?;
        if response.is_success() && !response.is_html() {
            return Ok(());
        }
        let subject = cache.map_or_else(|| format!("app {app_id}"), |cache| format!("cache {cache}"));
        Err(miss(&what, &subject, &response))
    }
}
