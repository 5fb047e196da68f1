//! `trigger`: starts a build, and waits for it when asked to.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{CodemagicConnectionArgs, JenkinsConnectionArgs, JenkinsTriggerArgs, TriggerArgs};
use crate::document::{Document, Outcome};
use crate::error::{Error, ExitCode};
use crate::jenkins::{Identity, JenkinsProvider, Job, JobRef, StartOptions, StartRequest};
use crate::lifecycle::finish::{CancelPolicy, finish_interrupted};
use crate::lifecycle::start::{StartedBuild, start_once};
use crate::lifecycle::{Provider, first_call};
use crate::secret::Secret;

use super::jenkins::sources::Sources;
use super::session::{CommandResult, Session};
use super::wait_for_builds::{WaitOptions, collect_options, wait_for};
use super::{codemagic, jenkins};

pub fn codemagic(args: &TriggerArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    session.limit(args.watch.timeout, Duration::ZERO);
    let request = codemagic::sources::draft(args, session)?.complete(args.api)?;
    // GIT_BRANCH of Jenkins is like this; but a branch may really have such a name.
    if let Some(name) = request.git_ref.branch().and_then(|name| name.strip_prefix("origin/")) {
        let hint =
            format!("if branch {name} of the remote origin is meant, pass --branch {name} (in a Jenkinsfile: branch)");
        session.console().line(&format!("branch origin/{name} is built; {hint}"));
    }
    let mut options = WaitOptions {
        started: true,
        collect: collect_options(&args.collect, args.watch.poll_interval),
        ..WaitOptions::new(&args.watch)
    };
    options.finish.cancel = if args.no_cancel { CancelPolicy::Never } else { CancelPolicy::Cancel };
    options.finish.fail_on_step_failure = args.expect.fail_on_step_failure;
    options.limits.commit.clone_from(&args.expect.expect_commit);
    check_collect(&options, args.wait, "codemagic")?;
    if args.dry_run {
        let request = codemagic::without_key(connection, session)?.preview(&request)?;
        if args.workflow.as_deref().is_some_and(|name| name.contains(char::is_whitespace)) {
            session
                .console()
                .line("workflow: this name is replaced by its ID, which is looked up when the build is started");
        }
        let body = request.body.as_ref().and_then(|body| serde_json::from_slice(body.as_bytes()?).ok());
        return Ok(dry_run(request.method.name(), &request.url.to_string(), &body.unwrap_or_default(), session));
    }
    let provider = codemagic::connect(connection, session)?;
    let started = start_once(&provider, &request, &session.runtime)?;
    let build = provider.summary(&started.build);
    let word = if started.adopted { "adopted" } else { "started" };
    session.console().line(&format!("Codemagic build {word}: {}", build.url));
    session.data(&build.id);
    Ok(continue_with(&provider, started, args.wait, &options, session))
}

/// Prints the request that is not sent.
fn dry_run(method: &str, url: &str, body: &Value, session: &mut Session) -> ExitCode {
    session.console().line("nothing was sent (dry run); the request would be:");
    let mask = crate::secret::MASK;
    session.data(&format!("{method} {url}"));
    session.data(&format!("x-auth-token: {mask}"));
    session.data("content-type: application/json");
    session.data("");
    for line in format!("{body:#}").lines() {
        session.data(line);
    }
    let headers = json!({"x-auth-token": mask, "content-type": "application/json"});
    let request = json!({"method": method, "url": url, "headers": headers, "body": body});
    session.writer.call.request = Some(request);
    session.writer.call.end(Outcome::DryRun, ExitCode::Success);
    ExitCode::Success
}

/// Nothing can be collected of a build that nobody waits for.
fn check_collect(options: &WaitOptions, waits: bool, system: &str) -> Result<(), Error> {
    if !waits && !options.collect.is_empty() {
        return Err(Error::message(ExitCode::Usage, "--artifacts and --junit require --wait")
            .with_hint(format!("add --wait, or use `cibridge {system} artifacts` and `tests` later")));
    }
    options.collect.check()
}

/// What comes after a start: the document, and the wait that was asked for.
fn continue_with<P: Provider>(
    provider: &P,
    started: StartedBuild<P::Build>,
    waits: bool,
    options: &WaitOptions,
    session: &mut Session,
) -> ExitCode {
    let build = provider.summary(&started.build);
    let document = Document {
        build: Some(build.clone()),
        adopted: started.adopted,
        still_running: true,
        ..Document::new(P::NAME)
    };
    session.writer.documents.push(document);
    session.writer.write_partial(&session.runtime.console);
    if waits || options.limits.until_started {
        return wait_for(provider, vec![started.build], options, session);
    }
    let Session { runtime, writer, .. } = session;
    let document = &mut writer.documents[0];
    if let Some(cause) = runtime.clock.stop_cause() {
        finish_interrupted(provider, &started.build, options.finish.cancel, cause, document, runtime);
    } else {
        document.end(Outcome::Started, ExitCode::Success);
        document.summary = Some(format!("{} was {}: {}", build.title, P::STARTED, build.url));
        document.next_poll_seconds = Some(first_call(&options.limits, options.interval).as_secs().max(1));
    }
    writer.worst()
}

pub fn jenkins(args: &JenkinsTriggerArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    session.limit(args.watch.timeout, Duration::ZERO);
    let sources = Sources::read(args)?;
    let mut options = WaitOptions {
        started: true,
        collect: collect_options(&args.collect, args.watch.poll_interval),
        ..WaitOptions::new(&args.watch)
    };
    options.limits.until_started = args.wait_for_start && !args.wait;
    check_collect(&options, args.wait, "jenkins")?;
    let (provider, job) = jenkins::connect_to_job(&sources.job, connection, session)?;
    let provider = provider.with_on_input(args.input.on_input);
    let request = start_request(args, sources, &provider, &job, session)?;
    let started = start_once(&provider, &request, &session.runtime)?;
    let build = provider.summary(&started.build);
    if started.coalesced && args.fail_if_coalesced {
        return Err(Error::message(
            ExitCode::Refused,
            format!("Jenkins merged the request into an identical queued item: {}", build.title),
        )
        .with_hint(
            "give a parameter another value, e.g. one named CIBRIDGE_ID on the job, or leave out --fail-if-coalesced",
        ));
    }
    let word = match (started.coalesced, started.adopted) {
        (true, _) => " (Jenkins merged the request into this identical queued item)",
        (false, true) => " (adopted)",
        (false, false) => "",
    };
    // The title of a build names its job; that of a queue item does not.
    let of = if build.number.is_none() { format!(" of job {job}") } else { String::new() };
    session.console().line(&format!("{}{of}{word}: {}", build.title, build.url));
    session.data(&build.url);
    options.finish.cancel = match args.no_cancel {
        true => CancelPolicy::Never,
        // What was queued already is somebody else's, unless it carries the key of this call.
        false if started.coalesced && !request.has_key => CancelPolicy::Leave,
        false => CancelPolicy::Cancel,
    };
    Ok(continue_with(&provider, started, args.wait, &options, session))
}

/// The start, checked against what can be known of the job.
fn start_request(
    args: &JenkinsTriggerArgs,
    sources: Sources,
    provider: &JenkinsProvider,
    job: &JobRef,
    session: &Session,
) -> Result<StartRequest, Error> {
    let client = provider.client();
    let job_token = jenkins::secret_of(args.job_token_file.as_deref(), "JENKINS_JOB_TOKEN", "job token")?;
    let job_token = job_token.map(Secret::new);
    if let Some(token) = &job_token {
        session.console().add_secret(token);
    }
    if sources.cause.is_some() && job_token.is_none() && !args.wait {
        session.console().line(
            "note: Jenkins keeps --cause only if a job token is used; with --wait it is written on the build's page",
        );
    }
    let known = known_job(provider, job, args, job_token.is_some(), session)?;
    let start = StartOptions {
        job: job.clone(),
        values: sources.values,
        delay: args.delay,
        job_token,
        cause: sources.cause,
        marker_param: args.marker_param.clone(),
        marker: args.marker.clone(),
        idempotency_key: sources.idempotency_key,
    };
    let mut request = StartRequest::new(start, known.as_ref(), client.controller_time())?;
    if request.needs_next_build() {
        // Without validation too an earlier build must not be taken for the one of this start.
        let next_build = client.job(job).map_or(0, |job| job.next_build);
        request = request.with_next_build(next_build, client.controller_time());
    }
    if args.wait && request.is_by_token && *client.identity() == Identity::Anonymous {
        session
            .console()
            .line("note: a job token can start a build, but not read it; waiting needs credentials with Job/Read");
    }
    Ok(request)
}

/// What the job is. `None` when nothing is to be asked, or a start by the job's token cannot ask.
fn known_job(
    provider: &JenkinsProvider,
    job: &JobRef,
    args: &JenkinsTriggerArgs,
    by_token: bool,
    session: &Session,
) -> Result<Option<Job>, Error> {
    if args.no_validate {
        return Ok(None);
    }
    let client = provider.client();
    match session.with_retries(|| client.job(job)) {
        Ok(known) => Ok(Some(known)),
        Err(error) if by_token && matches!(error.code(), ExitCode::Denied | ExitCode::NotFound) => {
            if args.wait {
                // Better now than with a build that runs and cannot be seen.
                let reason = format!("{}; a job token can start a build, but not read it", error.reason());
                return Err(Error::new(error.code(), format!("waiting for a build of job {job}"), reason).with_hint(
                    "set JENKINS_USER_ID and JENKINS_API_TOKEN of somebody with Job/Read, or leave out --wait",
                ));
            }
            session.console().line(&format!(
                "note: {}; starting with the job token, without checking the parameters",
                error.reason()
            ));
            Ok(None)
        }
        Err(error) if error.code() == ExitCode::NotFound => Err(client.suggest_jobs(job, error)),
        Err(error) => Err(error),
    }
}
