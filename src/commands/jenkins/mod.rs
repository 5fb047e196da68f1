//! What only Jenkins has, and how its verbs connect.

pub mod config;
pub mod input;
pub mod jobs_and_queue;
pub mod params;
pub mod sources;
pub mod token;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::{self, JenkinsBuildsArgs, JenkinsConnectionArgs, JobArgs};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Credential, Http};
use crate::input_files;
use crate::jenkins::{Client, ControllerSettings, Given, JenkinsProvider, JobRef, Target};

use super::session::Session;

/// Jenkins closes a connection that is idle for 30 s.
const KEEP_IDLE: Duration = Duration::from_secs(20);

/// A provider, and the builds or queue items that the command line names.
pub fn connect_to_builds(
    args: &JenkinsBuildsArgs,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> Result<(JenkinsProvider, Vec<Target>), Error> {
    let mut targets = args.builds.iter().map(|text| Target::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let job = args.job.as_deref().map(Target::parse).transpose()?;
    let has_job = job.is_some();
    targets.extend(job);
    let provider = connect(&mut targets, connection, session)?;
    let job = if has_job { targets.pop().map(Target::into_job).transpose()? } else { None };
    Ok((provider.with_item_job(job.map(|job| on_branch(job, args.branch.as_deref()))), targets))
}

/// A provider, and the one thing that the command line names: mostly a build.
pub fn connect_to_build(
    build: &str,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> Result<(JenkinsProvider, Target), Error> {
    let mut targets = [Target::parse(build)?];
    let provider = connect(&mut targets, connection, session)?;
    let [target] = targets;
    Ok((provider, target))
}

/// A provider, and the job that the command line names.
pub fn connect_to_job(
    args: &JobArgs,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> Result<(JenkinsProvider, JobRef), Error> {
    let (provider, target) = connect_to_build(&args.job, connection, session)?;
    Ok((provider, on_branch(target.into_job()?, args.branch.as_deref())))
}

/// A provider, and a job that may be named.
pub fn connect_to_optional_job(
    job: Option<&str>,
    branch: Option<&str>,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> Result<(JenkinsProvider, Option<JobRef>), Error> {
    let Some(job) = job else { return Ok((connect_to_controller(connection, session)?, None)) };
    Ok(match connect_to_build(job, connection, session)? {
        (provider, Target::Controller(_)) => (provider, None),
        (provider, target) => (provider, Some(on_branch(target.into_job()?, branch))),
    })
}

/// A provider of the controller that the settings name.
pub fn connect_to_controller(connection: &JenkinsConnectionArgs, session: &Session) -> Result<JenkinsProvider, Error> {
    connect(&mut [], connection, session)
}

/// Reads something of a job. The error about a job that is not there names those that are.
pub fn read_job<T>(
    client: &Client,
    job: &JobRef,
    session: &Session,
    request: impl FnMut() -> Result<T, RequestError>,
) -> Result<T, Error> {
    session.with_retries(request).map_err(|error| match error.code() {
        ExitCode::NotFound => client.suggest_jobs(job, error),
        _ => error,
    })
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
) -> Result<JenkinsProvider, Error> {
    let settings = ControllerSettings {
        url: connection.url.clone(),
        jenkins_url: cli::environment("JENKINS_URL")?,
        credentials: Given {
            user: connection.user.clone(),
            api_token: secret_of(connection.token_file.as_deref(), "JENKINS_API_TOKEN", "API token")?,
            bearer_token: secret_of(connection.bearer_token_file.as_deref(), "CIBRIDGE_BEARER_TOKEN", "bearer token")?,
            headers: connection.headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
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
        Some(path) => input_files::read_secret(path, &format!("{what} file {}", path.display())).map(Some),
        None => cli::environment(variable),
    }
}
