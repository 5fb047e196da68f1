//! `trigger`: starts a build, and waits for it when asked to.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::{
    self, CodemagicConnectionArgs, JenkinsConnectionArgs, JenkinsTriggerArgs, JobArgs, Pair, TriggerArgs,
};
use crate::codemagic::{EnvironmentDraft, TriggerDraft};
use crate::document::{Document, Outcome};
use crate::error::{Error, ExitCode};
use crate::files;
use crate::jenkins::{Identity, Job, JobRef, ParameterValue, StartOptions, StartRequest};
use crate::lifecycle::finish::{CancelPolicy, finish_interrupted};
use crate::lifecycle::start::{StartedBuild, start_once};
use crate::lifecycle::{IdempotencyKey, Provider, first_call};
use crate::secret::Secret;

use super::session::{CommandResult, Session};
use super::wait_for_builds::{WaitOptions, collect_options, wait_for};
use super::{codemagic, jenkins, request_file};

pub fn codemagic(args: &TriggerArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    session.limit(args.watch.timeout, std::time::Duration::ZERO);
    let request = codemagic_draft(args, session)?.complete(args.api)?;
    // GIT_BRANCH of Jenkins is like this; but a branch may really have such a name.
    if let Some(name) = request.head.branch().and_then(|name| name.strip_prefix("origin/")) {
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

/// What the sources say about the build: flags over `--request` over variables.
fn codemagic_draft(args: &TriggerArgs, session: &Session) -> Result<TriggerDraft, Error> {
    let by_flag = args.given_by_flag;
    let given = |value: &Option<String>, is_wanted: bool| value.clone().filter(|_| is_wanted);
    let text = |pairs: &[Pair]| -> Map<String, Value> {
        pairs.iter().map(|pair| (pair.name.clone(), json!(pair.value))).collect()
    };
    let mut variables = text(&args.variables);
    for name in &args.var_from_env {
        let Some(value) = cli::environment(name)? else {
            return Err(Error::usage(format!("--var-from-env {name}"), "the environment variable is not set")
                .with_hint("export it first, or bind it with withCredentials"));
        };
        session.console().add_secret(&Secret::new(value.clone()));
        variables.insert(name.clone(), json!(value));
    }
    let flags = TriggerDraft {
        app_id: given(&args.app_id, by_flag.app_id),
        workflow_id: given(&args.workflow, by_flag.workflow),
        branch: given(&args.branch, by_flag.branch),
        tag: given(&args.tag, by_flag.tag),
        labels: args.labels.clone(),
        instance_type: args.instance_type.clone(),
        inputs: args.inputs.iter().map(|input| (input.name.clone(), input.value.clone())).collect(),
        environment: EnvironmentDraft {
            variables,
            groups: args.groups.clone(),
            software_versions: text(&args.software),
        },
        idempotency_key: args.idempotency_key.clone(),
    };
    let environment = TriggerDraft {
        app_id: given(&args.app_id, !by_flag.app_id),
        workflow_id: given(&args.workflow, !by_flag.workflow),
        branch: given(&args.branch, !by_flag.branch),
        tag: given(&args.tag, !by_flag.tag),
        ..TriggerDraft::default()
    };
    let file = request_file::read(
        args.request.as_deref(),
        "app_id, workflow_id, branch or tag, labels, instance_type, inputs, idempotency_key and \
         environment with variables, groups and software_versions",
    )?;
    Ok(flags.or(file).or(environment))
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
    if let Some(code) = runtime.clock.interrupted() {
        finish_interrupted(provider, &started.build, options.finish.cancel, code, document, runtime);
    } else {
        document.end(Outcome::Started, ExitCode::Success);
        document.summary = Some(format!("{} was {}: {}", build.title, P::STARTED, build.url));
        document.next_poll_seconds = Some(first_call(&options.limits, options.interval).as_secs().max(1));
    }
    writer.worst()
}

pub fn jenkins(args: &JenkinsTriggerArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    session.limit(args.watch.timeout, std::time::Duration::ZERO);
    let file: JenkinsRequest = request_file::read(
        args.request.as_deref(),
        "job, branch, parameters, files, cause and idempotency_key; parameters and files are objects",
    )?;
    let values = jenkins_values(args, &file)?;
    let mut options = WaitOptions {
        started: true,
        collect: collect_options(&args.collect, args.watch.poll_interval),
        ..WaitOptions::new(&args.watch)
    };
    options.limits.until_started = args.wait_for_start && !args.wait;
    check_collect(&options, args.wait, "jenkins")?;
    let Some(job) = args.job.as_ref().or(file.job.as_ref()) else {
        return Err(Error::message(ExitCode::Usage, "missing job")
            .with_hint("name it, or set CIBRIDGE_JOB (in a Jenkinsfile: job)"));
    };
    let job = JobArgs { job: job.clone(), branch: args.branch.clone().or(file.branch) };
    let (provider, job) = jenkins::connect_to_job(&job, connection, session)?;
    let provider = provider.with_on_input(args.input.on_input);
    let client = provider.client();
    let job_token = jenkins::secret_of(args.job_token_file.as_deref(), "JENKINS_JOB_TOKEN", "job token")?;
    let job_token = job_token.map(Secret::new);
    if let Some(token) = &job_token {
        session.console().add_secret(token);
    }
    let cause = args.cause.clone().or(file.cause);
    if cause.is_some() && job_token.is_none() && !args.wait {
        session.console().line(
            "note: Jenkins keeps --cause only if a job token is used; with --wait it is written on the build's page",
        );
    }
    let known = known_job(&provider, &job, args, job_token.is_some(), session)?;
    let start = StartOptions {
        job: job.clone(),
        values,
        delay: args.delay,
        job_token,
        cause,
        marker_param: args.marker_param.clone(),
        marker: args.marker.clone(),
        idempotency_key: args.idempotency_key.clone().or(file.idempotency_key),
    };
    let mut request = StartRequest::new(start, known.as_ref(), client.controller_time())?;
    if request.needs_next_build() {
        // Without validation too an earlier build must not be taken for the one of this start.
        let next_build = client.job(&job).map_or(0, |job| job.next_build);
        request = request.with_next_build(next_build, client.controller_time());
    }
    if args.wait && request.is_by_token && *client.identity() == Identity::Anonymous {
        session
            .console()
            .line("note: a job token can start a build, but not read it; waiting needs credentials with Job/Read");
    }
    let has_key = request.has_key;
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
        false if started.coalesced && !has_key => CancelPolicy::Leave,
        false => CancelPolicy::Cancel,
    };
    Ok(continue_with(&provider, started, args.wait, &options, session))
}

/// What the job is. `None` when nothing is to be asked, or a start by the job's token cannot ask.
fn known_job(
    provider: &crate::jenkins::JenkinsProvider,
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

/// The request file of `jenkins trigger`. Null counts as not given.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JenkinsRequest {
    job: Option<String>,
    branch: Option<String>,
    parameters: Map<String, Value>,
    files: Map<String, Value>,
    cause: Option<String>,
    #[serde(alias = "idempotencyKey")]
    idempotency_key: Option<IdempotencyKey>,
}

/// The parameters: flags over `--param-json` over `--params-from` over `--request`.
fn jenkins_values(args: &JenkinsTriggerArgs, file: &JenkinsRequest) -> Result<Vec<(String, ParameterValue)>, Error> {
    let mut values: Vec<(String, ParameterValue)> = Vec::new();
    let mut set = |name: String, value: ParameterValue| {
        values.retain(|(own, _)| *own != name);
        values.push((name, value));
    };
    for (name, value) in texts(file.parameters.clone(), "request")? {
        set(name, ParameterValue::Text(value));
    }
    for (name, value) in texts(file.files.clone(), "request")? {
        set(name, ParameterValue::File(PathBuf::from(value)));
    }
    if let Some(path) = &args.params_from {
        for (name, value) in parameters_from(path)? {
            set(name, ParameterValue::Text(value));
        }
    }
    if let Some(text) = &args.param_json {
        for (name, value) in object(text, "--param-json")? {
            set(name, ParameterValue::Text(value));
        }
    }
    let mut given: Vec<&str> = Vec::new();
    for pair in args.params.iter().chain(&args.param_files) {
        if given.contains(&pair.name.as_str()) {
            return Err(Error::message(ExitCode::Usage, format!("parameter {} is given twice", pair.name))
                .with_hint("pass it once; Jenkins fails on a parameter that is given twice"));
        }
        given.push(&pair.name);
    }
    for Pair { name, value } in args.params.iter().cloned() {
        set(name, ParameterValue::Text(value));
    }
    for Pair { name, value } in args.param_files.iter().cloned() {
        set(name, ParameterValue::File(PathBuf::from(value)));
    }
    Ok(values)
}

fn parameters_from(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let source = format!("file {}", path.display());
    let text = files::read_text(path, "parameters")?;
    if text.trim_start().starts_with('{') {
        return object(&text, &source);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let pair: Pair = line.parse().map_err(|error: Error| Error::usage(source.clone(), error.reason()))?;
        Ok((pair.name, pair.value))
    };
    lines.map(pair).collect()
}

fn object(text: &str, source: &str) -> Result<Vec<(String, String)>, Error> {
    match serde_json::from_str(text) {
        Ok(object) => texts(object, source),
        Err(_) => Err(Error::usage(source, "not a JSON object").with_hint(OBJECT_HINT)),
    }
}

const OBJECT_HINT: &str = "write it like {\"NAME\": \"text\", \"CLEAN\": true, \"N\": 7}";

fn texts(object: Map<String, Value>, source: &str) -> Result<Vec<(String, String)>, Error> {
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Bool(_) | Value::Number(_) => Ok((name, value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Error::usage(source, format!("the value of {name} is not a text, number or boolean"))
                .with_hint(OBJECT_HINT))
        }
    };
    object.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_an_object_are_texts_and_never_quoted() {
        let values = object(r#"{"A": "x", "B": true, "C": 7}"#, "--param-json").unwrap();
        let expected = [("A", "x"), ("B", "true"), ("C", "7")];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for text in [r#"{"A": ["s3cret"]}"#, r#"["s3cret"]"#, "s3cret", r#"{"A": "s3cret""#] {
            let error = object(text, "--param-json").unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
