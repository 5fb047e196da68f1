//! `jenkins check`: says what works and what does not, one line each, with the remedy.

use super::trigger::suggest;
use super::{Reached, reach};
use crate::cli::JenkinsCheckArgs;
use crate::commands::{Context, Publication, insist};
use crate::error::{Code, Failure};
use crate::http::Http;
use crate::jenkins::{Client, JobPath, Login, NO_BEARER};
use crate::model::Outcome;

pub(super) fn run(args: &JenkinsCheckArgs, context: &Context, publication: &mut Publication) -> anyhow::Result<Code> {
    let report = &context.report;
    let clock = &*context.clock;
    let named: Vec<&str> = args.job.iter().map(String::as_str).collect();
    let Reached { client, mut places } = reach(&named, &args.connection, &args.output, context)?;
    let mut first: Option<Failure> = None;
    let mut tell = |good: Result<String, Failure>| match good {
        Ok(line) => report.line(&format!("ok: {line}")),
        Err(failure) => {
            report.line(&format!("failed: {failure}"));
            if let Some(hint) = &failure.hint {
                report.line(&format!("  hint: {hint}"));
            }
            first.get_or_insert(failure);
        }
    };
    tell(match Http::proxy_for(client.root()) {
        Ok(Some(proxy)) => Ok(format!("{} goes through the proxy {proxy}", client.root().host())),
        Ok(None) => Ok(format!("{} is connected directly, without a proxy", client.root().host())),
        Err(fault) => Err(fault.into_failure("the proxy")),
    });
    let who = insist(clock, || client.who_am_i());
    let valid = who.is_ok();
    match client.version() {
        Some(version) => tell(Ok(format!("{} is Jenkins {version}", client.root()))),
        None if valid => tell(Ok(format!("{} answers as Jenkins; a proxy hides its version", client.root()))),
        None => {}
    }
    tell(who.and_then(|who| match (who.anonymous, client.login()) {
        (true, Login::Anonymous) => Ok("no credentials are given: anonymous".to_owned()),
        (true, _) => {
            Err(Failure::new(Code::Denied, "the credentials", "Jenkins saw none, though some were sent").hint(
                if *client.login() == Login::Bearer { NO_BEARER } else { "a proxy stripped the Authorization header" },
            ))
        }
        (false, Login::Token(_)) => Ok(format!("the API token is valid: user {}, no crumb is needed", who.name)),
        (false, Login::Password(_)) => Ok(format!(
            "the password is valid: user {}; each change needs a crumb, which an API token would not",
            who.name
        )),
        (false, _) => Ok(format!("the credentials are valid: user {}", who.name)),
    }));
    if valid && !matches!(client.login(), Login::Token(_)) {
        tell(insist(clock, || client.crumbs_in_use()).map(|crumbs| match crumbs {
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
            publication.call.end(Outcome::Success, Code::Success);
            Ok(Code::Success)
        }
        Some(failure) => {
            let code = failure.code;
            publication.call.fail(&failure);
            Ok(code)
        }
    }
}

fn check_job(client: &Client, path: &JobPath, context: &Context, tell: &mut dyn FnMut(Result<String, Failure>)) {
    let clock = &*context.clock;
    match insist(clock, || client.job(path)) {
        Err(failure) if failure.code == Code::NotFound => tell(Err(suggest(client, path, failure))),
        Err(failure) => tell(Err(failure)),
        Ok(job) => {
            let names: Vec<_> = job.definitions.iter().map(|definition| definition.name.as_str()).collect();
            let shown =
                if names.is_empty() { "no parameters".to_owned() } else { format!("parameters {}", names.join(", ")) };
            tell(Ok(format!("job {path} is visible: {shown}")));
            match job.check_buildable(&format!("job {path}")) {
                Err(failure) => tell(Err(failure)),
                Ok(()) => tell(
                    insist(clock, || client.may_build(path, !names.is_empty()))
                        .map(|()| format!("job {path} can be started with these credentials")),
                ),
            }
        }
    }
}
