//! `jenkins config`: a job's `config.xml`, read or replaced.

use crate::cli::{ConfigArgs, JenkinsConnectionArgs};
use crate::commands::session::{CommandResult, Session};
use crate::document::{Details, LongText};
use crate::input_files;
use crate::jenkins::JobConfig;

pub fn run(args: &ConfigArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let config = match &args.set {
        Some(path) => {
            Some(JobConfig::new(input_files::read_bytes(path, "configuration")?, &format!("file {}", path.display()))?)
        }
        None => None,
    };
    let (provider, job) = super::connect_to_job(&args.job, connection, session)?;
    let client = provider.client();
    if let Some(config) = config {
        client.set_config(&job, &config)?;
        session.console().line(&format!("replaced the configuration of job {job}"));
        return Ok(session.writer.succeed());
    }
    let xml = super::read_job(client, &job, session, || client.config(&job))?;
    if session.is_json() {
        return Ok(session.succeed_with(Details::Config(LongText(xml))));
    }
    session.console().write_bytes(&xml);
    Ok(session.writer.succeed())
}
