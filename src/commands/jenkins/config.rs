//! `jenkins config`: a job's `config.xml`, read or replaced.

use super::reach_job;
use super::trigger::{read, suggest};
use crate::cli::ConfigArgs;
use crate::commands::{Context, ResultWriter, with_retries};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};

pub(super) fn run(args: &ConfigArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let (client, job) = reach_job(&args.job, None, context)?;
    let clock = &*context.clock;
    match &args.set {
        None => {
            let xml = with_retries(clock, || client.config(&job)).map_err(|failure| match failure.code() {
                ExitCode::NotFound => suggest(&client, &job, failure),
                _ => failure,
            })?;
            if !context.output.json {
                context.console.write_bytes(&xml);
            }
            publication.call.more.insert("config".to_owned(), String::from_utf8_lossy(&xml).into());
        }
        Some(path) => {
            let xml = read(path)?;
            if !xml.trim_start().starts_with('<') {
                return Err(Error::usage(format!("the file {}", path.display()), "is no XML").into());
            }
            with_retries(clock, || client.set_config(&job, xml.clone().into_bytes()))?;
            context.console.line(&format!("job {job}: the configuration was replaced"));
        }
    }
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}
