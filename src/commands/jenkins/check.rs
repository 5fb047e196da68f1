//! `jenkins check`: says what works and what does not, one line each, with the remedy.

use super::trigger::suggest;
use super::{Reached, reach};
use crate::cli::JenkinsCheckArgs;
use crate::commands::{Context, ResultWriter, with_retries};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};
use crate::http::Http;
use crate::old_jenkins::{Client, Credentials, JobPath, NO_BEARER};

pub(super) fn run(
    args: &JenkinsCheckArgs,
    context: &Context,
    publication: &mut ResultWriter,
) -> anyhow::Result<ExitCode> {
    let report = &context.console;
    let clock = &*context.clock;
    let named: Vec<&str> = args.job.iter().map(String::as_str).collect();
    let Reached { client, mut places } = reach(&named, context)?;
    let mut first: Option<Error> = None;
    let mut tell = |good: Result<String, Error>| match good {
        Ok(line) => report.line(&format!("ok: {line}")),
        Err(failure) => {
            report.line(&format!("failed: {failure}"));
            if let Some(hint) = &failure.hint() {
                report.line(&format!("  hint: {hint}"));
            }
            first.get_or_insert(failure);
        }
    };
    tell(match Http::proxy_for(client.root()) {
        Ok(Some(proxy)) => Ok(format!("{} goes through the proxy {proxy}", client.root().host())),
        Ok(None) => Ok(format!("{} is connected directly, without a proxy", client.root().host())),
        Err(fault) => Err(fault.into_error("the proxy")),
    });
    let who = with_retries(clock, || client.who_am_i());
    let valid = who.is_ok();
    match client.version() {
        Some(version) => tell(Ok(format!("{} is Jenkins {version}", client.root()))),
        None if valid => tell(Ok(format!("{} answers as Jenkins; a proxy hides its version", client.root()))),
        None => {}
    }
    tell(who.and_then(|who| match (who.anonymous, client.login()) {
        (true, Credentials::Anonymous) => Ok("no credentials are given: anonymous".to_owned()),
        (true, _) => {
            Err(Error::new(ExitCode::Denied, "the credentials", "Jenkins saw none, though some were sent").with_hint(
                if *client.login() == Credentials::Bearer {
                    NO_BEARER
                } else {
                    "a proxy stripped the Authorization header"
                },
            ))
        }
        (false, Credentials::Token(_)) => Ok(format!("the API token is valid: user {}, no crumb is needed", who.name)),
        (false, Credentials::Password(_)) => Ok(format!(
            "the password is valid: user {}; each change needs a crumb, which an API token would not",
            who.name
        )),
        (false, _) => Ok(format!("the credentials are valid: user {}", who.name)),
    }));
    if valid && !matches!(client.login(), Credentials::Token(_)) {
        tell(with_retries(clock, || client.crumbs_in_use()).map(|crumbs| match crumbs {
            Some(true) => "Jenkins wants crumbs, and gives one".to_owned(),
            Some(false) => "Jenkins wants no crumbs".to_owned(),
            None => "whether Jenkins wants crumbs is hidden from these credentials".to_owned(),
        }));
    }
    if valid {
        match places.pop().filter(|place| !place.job.is_root()) {
            Some(place) => {
                let path = args.branch.as_deref().map_or(place.job.clone(), |branch| place.job.clone().branch(branch));
                check_job(&client, &path, context, &mut tell);
            }
            None => report.line("not checked: a job (name one)"),
        }
    }
    match first {
        None => {
            publication.call.end(Outcome::Success, ExitCode::Success);
            Ok(ExitCode::Success)
        }
        Some(failure) => {
            let code = failure.code();
            publication.call.fail(&failure);
            Ok(code)
        }
    }
}

fn check_job(client: &Client, path: &JobPath, context: &Context, tell: &mut dyn FnMut(Result<String, Error>)) {
    let clock = &*context.clock;
    match with_retries(clock, || client.job(path)) {
        Err(failure) if failure.code() == ExitCode::NotFound => tell(Err(suggest(client, path, failure))),
        Err(failure) => tell(Err(failure)),
        Ok(job) => {
            let names: Vec<_> = job.definitions.iter().map(|definition| definition.name.as_str()).collect();
            let shown =
                if names.is_empty() { "no parameters".to_owned() } else { format!("parameters {}", names.join(", ")) };
            tell(Ok(format!("job {path} is visible: {shown}")));
            match job.check_buildable(&format!("job {path}")) {
                Err(failure) => tell(Err(failure)),
                Ok(()) => tell(
                    with_retries(clock, || client.may_build(path, !names.is_empty()))
                        .map(|()| format!("job {path} can be started with these credentials")),
                ),
            }
        }
    }
}
