//! What only Jenkins has, and how its verbs connect.

pub mod config;
pub mod input;
pub mod lists;
pub mod params;
pub mod token;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::{self, JenkinsBuildsArgs, JenkinsConnectionArgs};
use crate::error::Error;
use crate::files;
use crate::http::{Credential, Http};
use crate::jenkins::{Given, JenkinsProvider, JobRef, OnInput, Settings, Target};

use super::session::Session;

/// Jenkins closes a connection that is idle for 30 s.
const KEEP_IDLE: Duration = Duration::from_secs(20);

/// A provider, and the builds or queue items that the command line names.
pub fn connect_to_builds(
    args: &JenkinsBuildsArgs,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> anyhow::Result<(JenkinsProvider, Vec<Target>)> {
    let mut targets = args.builds.iter().map(|text| Target::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let job = args.job.as_deref().map(Target::parse).transpose()?;
    let has_job = job.is_some();
    targets.extend(job);
    let provider = connect(&mut targets, connection, session)?;
    let job = if has_job { targets.pop().map(Target::into_job).transpose()? } else { None };
    Ok((provider.with_item_job(job.map(|job| on_branch(job, args.branch.as_deref()))), targets))
}

/// A provider, and the one build that the command line names.
pub fn connect_to_build(
    build: &str,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> anyhow::Result<(JenkinsProvider, Target)> {
    let mut targets = [Target::parse(build)?];
    let provider = connect(&mut targets, connection, session)?;
    let [target] = targets;
    Ok((provider, target))
}

/// A provider, and the job that the command line names.
pub fn connect_to_job(
    job: &str,
    branch: Option<&str>,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> anyhow::Result<(JenkinsProvider, JobRef)> {
    let mut targets = [Target::parse(job)?];
    let provider = connect(&mut targets, connection, session)?;
    let [target] = targets;
    Ok((provider, on_branch(target.into_job()?, branch)))
}

/// A provider, and a job that may be named.
pub fn connect_to_optional_job(
    job: Option<&str>,
    branch: Option<&str>,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> anyhow::Result<(JenkinsProvider, Option<JobRef>)> {
    match job {
        Some(job) if !matches!(Target::parse(job)?, Target::Controller(_)) => {
            let (provider, job) = connect_to_job(job, branch, connection, session)?;
            Ok((provider, Some(job)))
        }
        Some(root) => Ok((connect(&mut [Target::parse(root)?], connection, session)?, None)),
        None => Ok((connect(&mut [], connection, session)?, None)),
    }
}

fn on_branch(job: JobRef, branch: Option<&str>) -> JobRef {
    match branch {
        Some(branch) => job.branch(branch),
        None => job,
    }
}

/// A provider of the controller that the targets are on. Nothing is sent yet.
fn connect(
    targets: &mut [Target],
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> anyhow::Result<JenkinsProvider> {
    let settings = Settings {
        url: connection.url.clone(),
        jenkins_url: cli::environment("JENKINS_URL")?,
        credentials: Given {
            user: connection.user.clone(),
            api_token: secret_of(connection.token_file.as_deref(), "JENKINS_API_TOKEN", "API token")?,
            bearer_token: secret_of(connection.bearer_token_file.as_deref(), "CIBRIDGE_BEARER_TOKEN", "bearer token")?,
            headers: connection
                .headers
                .iter()
                .map(|header| format!("{}: {}", header.name, header.value.expose()))
                .collect(),
        },
    };
    let controller = settings.controller(targets)?;
    controller.secrets().for_each(|secret| session.console().add_secret(secret));
    controller.notes.iter().for_each(|note| session.console().line(note));
    let client = controller.client(|headers| http(connection, session, headers), Arc::clone(&session.runtime.clock));
    Ok(JenkinsProvider::new(client.with_redactor(session.console().redactor().clone())))
}

/// Connections to a controller.
pub fn http(connection: &JenkinsConnectionArgs, session: &Session, credentials: Vec<Credential>) -> Http {
    let mut options = session.http_options(KEEP_IDLE);
    options.client_cert.clone_from(&connection.client_cert);
    options.client_key.clone_from(&connection.client_key);
    session.connections(options, credentials)
}

/// A secret from a file that was named, else from a variable.
pub fn secret_of(file: Option<&Path>, variable: &str, what: &str) -> Result<Option<String>, Error> {
    match file {
        Some(path) => files::read_secret(path, &format!("{what} file {}", path.display())).map(Some),
        None => cli::environment(variable),
    }
}

/// What to do when a build asks a person.
pub fn on_input(argument: cli::OnInput) -> OnInput {
    match argument {
        cli::OnInput::Wait => OnInput::Wait,
        cli::OnInput::Fail => OnInput::Fail,
        cli::OnInput::Proceed => OnInput::Proceed,
        cli::OnInput::Abort => OnInput::Abort,
    }
}
