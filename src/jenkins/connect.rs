//! Which controller a call is about, and a client of it.

use std::sync::Arc;

use super::client::Client;
use super::credentials::{Credentials, Given};
use super::reference::Target;
use crate::clock::Clock;
use crate::error::{Error, ExitCode};
use crate::http::{Credential, Http, Url};
use crate::secret::Secret;

/// What a call says about the controller.
#[derive(Debug, Clone, Default)]
pub struct ControllerSettings {
    /// `--url` or `CIBRIDGE_JENKINS_URL`.
    pub url: Option<String>,
    /// `JENKINS_URL`, which inside a build names the build's own controller.
    pub jenkins_url: Option<String>,
    /// What proves who calls.
    pub credentials: Given,
}

/// A controller that was found, and what its requests carry.
pub struct Controller {
    pub root: Url,
    /// Who calls.
    pub credentials: Credentials,
    /// What a person should know about the choice.
    pub notes: Vec<String>,
}

impl ControllerSettings {
    /// Finds the controller that `targets` are on: `url`, then what a pasted address names, then `jenkins_url`. Targets
    /// without an address are put below the folder that `url` may name (`https://ci.example/job/team`).
    ///
    /// Fails with code 2 where no controller is named, or two are.
    pub fn controller(&self, targets: &mut [Target]) -> Result<Controller, Error> {
        let given = self.url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let first = targets.iter().find_map(Target::root).map(str::to_owned);
        for target in targets.iter() {
            let (Some(root), Some(expected)) = (target.root(), given.or(first.as_deref())) else { continue };
            if let (Ok(one), Ok(other)) = (Url::parse(root), Url::parse(expected))
                && one.origin() != other.origin()
            {
                return Err(target.on_other_controller(&one, &other));
            }
        }
        let mut notes = Vec::new();
        let own = self.jenkins_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let base = match (given, first, own) {
            (Some(given), ..) => given.to_owned(),
            (None, Some(first), _) => first,
            (None, None, Some(own)) => own.to_owned(),
            (None, None, None) => {
                return Err(Error::message(ExitCode::Usage, "missing controller URL")
                    .with_hint("pass --url, set CIBRIDGE_JENKINS_URL, or name the job or build by its full address"));
            }
        };
        let base = match Target::parse(&base) {
            Ok(base) => base,
            Err(error) => return Err(Error::usage("controller URL", error.reason().to_owned())),
        };
        let root = base.root().unwrap_or_default().to_owned();
        if root.is_empty() {
            return Err(Error::usage("controller URL", "must begin with https:// or http://"));
        }
        if given.is_none() && targets.iter().all(|target| target.root().is_none()) {
            notes.push(format!("using the controller {root} (JENKINS_URL: inside a build, its own controller)"));
        }
        if let Target::Job(folder) = &base {
            for target in targets.iter_mut() {
                let named = std::mem::replace(target, Target::Controller(String::new()));
                *target = named.below(folder);
            }
        }
        let root = Url::parse(&root).map_err(|why| Error::usage("controller URL", why))?;
        let credentials = Credentials::new(self.credentials.clone())?;
        notes.extend(credentials.note());
        Ok(Controller { root, credentials, notes })
    }
}

impl Controller {
    /// A client of this controller; `http` makes connections that carry these headers. Nothing is sent yet.
    pub fn client(&self, http: impl FnOnce(Vec<Credential>) -> Http, clock: Arc<dyn Clock>) -> Client {
        let identity = self.credentials.identity().clone();
        Client::new(http(self.credentials.bound_to(&self.root)), self.root.clone(), identity, clock)
    }

    /// What must never be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.credentials.secrets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, jenkins_url: &str) -> ControllerSettings {
        ControllerSettings {
            url: Some(url.to_owned()),
            jenkins_url: Some(jenkins_url.to_owned()),
            ..ControllerSettings::default()
        }
    }

    #[test]
    fn the_controller_is_the_given_one_then_a_pasted_one_then_the_own_one() {
        for (url, own, target, root, named) in [
            ("https://a.example/ctx/", "https://own.example", "f/j#1", "https://a.example/ctx", "f/j#1"),
            ("https://a.example/api/json", "", "j", "https://a.example", "j"),
            ("https://a.example/job/team", "", "j#2", "https://a.example", "team/j#2"),
            ("https://a.example/job/team", "", "https://a.example/job/x/3/", "https://a.example", "x#3"),
            ("", "https://own.example", "https://p.example/c/job/j/", "https://p.example/c", "j"),
            ("", " https://own.example/ ", "queue/item/4", "https://own.example", "queue/item/4"),
        ] {
            let mut targets = [Target::parse(target).unwrap()];
            let found = settings(url, own).controller(&mut targets).unwrap();
            assert_eq!((found.root.to_string().trim_end_matches('/'), targets[0].to_string().as_str()), (root, named));
            assert_eq!(found.notes.len(), usize::from(target == "queue/item/4"));
        }
    }

    #[test]
    fn a_missing_or_second_controller_is_refused_without_showing_a_password() {
        for (url, target, text) in [
            ("", "j", "missing controller URL"),
            ("a.example", "j", "controller URL: "),
            (
                "https://a.example",
                "https://b.example/job/j/1/",
                "on https://b.example:443, but this call is about https://a.example:443",
            ),
            ("https://me:s3cret@a.example", "j", "controller URL: "),
        ] {
            let error = settings(url, "").controller(&mut [Target::parse(target).unwrap()]).err().unwrap().to_string();
            assert!(error.contains(text) && !error.contains("s3cret"), "{error}");
        }
    }
}
