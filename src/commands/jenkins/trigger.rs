//! `jenkins trigger`: starts a job, and follows the build when asked to.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value as Json};

use super::artifacts::CollectOptions;
use super::remote::{BuildRemote, LogFollow};
use super::{PROVIDER, reach_job, starting, watching};
use crate::cli::{JenkinsTriggerArgs, Pair};
use crate::commands::{Context, FollowArgs, ResultWriter, check_key, secret_file, with_retries};
use crate::document::{Document, Outcome};
use crate::error::{Error, ExitCode};
use crate::model::Build;
use crate::old_jenkins::{Client, Credentials, Job, JobPath, Start, Started, Trace, Value, nearest, validate};
use crate::output::{LogPrinter, LogTarget};
use crate::secret::Secret;

/// The parameter that carries a unique value when the job declares it.
const MARKER: &str = "CIBRIDGE_ID";

pub(super) fn run(
    args: &JenkinsTriggerArgs,
    context: &Context,
    publication: &mut ResultWriter,
) -> anyhow::Result<ExitCode> {
    let mut values = values(args)?;
    let home = CollectOptions::check(&args.collect)?;
    if !args.wait && !home.are_none() {
        return Err(Error::usage("--artifacts", "there is nothing to bring home without --wait")
            .with_hint("add --wait, or fetch it later with `cibridge jenkins artifacts`")
            .into());
    }
    let (client, job) = reach_job(args.job.as_deref().unwrap_or_default(), args.branch.as_deref(), context)?;
    let job_token = job_token(args, context)?;
    let known = know(&client, &job, args, job_token.is_some(), context)?;
    let shown = format!("job {job}");
    let mut marker = args.marker_param.clone();
    if let Some(known) = &known {
        known.check_buildable(&shown)?;
        let declares = |name: &str| known.definitions.iter().any(|definition| definition.name == name);
        marker = marker.or_else(|| declares(MARKER).then(|| MARKER.to_owned()));
    }
    let marker = marker.filter(|name| values.iter().all(|(own, _)| own != name));
    let key = args.idempotency_key.as_deref();
    if let Some(key) = key {
        check_key(key)?;
        if marker.is_none() {
            let why = "the job has no parameter that could carry the idempotency key";
            return Err(Error::new(ExitCode::Refused, format!("starting {shown}"), why)
                .with_hint(
                    "give the job a string parameter CIBRIDGE_ID, or name another one that is free with --marker-param",
                )
                .into());
        }
    }
    let value =
        key.or(args.marker.as_deref()).map_or_else(|| format!("cibridge-{:016x}", fastrand::u64(..)), str::to_owned);
    let marker = marker.map(|name| (name, value));
    values.extend(marker.clone().map(|(name, value)| (name, Value::Text(value))));
    if let Some(known) = &known {
        validate(known, &shown, &mut values)?;
    }
    check_files(&values)?;
    let start = Start {
        parameterized: known.as_ref().map_or(!values.is_empty(), |known| !known.definitions.is_empty()),
        job: job.clone(),
        values,
        delay: args.delay,
        waiting: known.as_ref().and_then(|known| known.queue_item),
        cause: args.cause.clone(),
        job_token,
    };
    if args.cause.is_some() && start.job_token.is_none() && !args.wait {
        context.console.line("note: Jenkins keeps --cause only for starts by a job's token, and with --wait it is written on the build's page");
    }
    let next_build = match known {
        Some(known) => known.next_build,
        // Without validation too an earlier build must not be taken for the one of this start.
        None if marker.is_none() && start.job_token.is_none() => client.job(&start.job).map_or(0, |job| job.next_build),
        None => 0,
    };
    let trace = Trace { marker, since: client.controller_time(), next_build };
    let there = match key {
        Some(_) => with_retries(&*context.clock, || client.find_started(&start, &trace))?,
        None => None,
    };
    if there.is_some() {
        context.console.line("A build with this idempotency key is there already: taking it over");
    }
    let started = match there {
        Some(queue_id) => Ok(Started { queue_id, joined: false }),
        None => starting::start(&client, &start, &trace, context),
    };
    let started = started.map_err(|failure| {
        // A signal that came while nothing was started leaves nothing to stop.
        let signal = context.clock.interrupted().filter(|_| failure.code() != ExitCode::Unknown);
        match signal {
            Some(code) => failure.with_code(code, "ended by a signal before the build was started"),
            None => failure,
        }
    })?;
    let page = client.page(&format!("/queue/item/{}/", started.queue_id));
    if started.joined {
        if args.fail_if_coalesced {
            return Err(Error::new(
                ExitCode::Refused,
                format!("starting {shown}"),
                format!(
                    "an identical start waits already, and Jenkins folded this one into it: queue item {}",
                    started.queue_id
                ),
            )
            .with_hint(
                "give a parameter another value, e.g. one named CIBRIDGE_ID on the job, or leave out --fail-if-coalesced",
            )
            .into());
        }
        context.console.line(&format!(
            "Jenkins queue item {} joined: {page} (an identical start waits already; Jenkins folded this one into it)",
            started.queue_id
        ));
    } else {
        context.console.line(&format!("Jenkins queue item {} for {shown}: {page}", started.queue_id));
    }
    if !context.output.json {
        context.console.data(&page);
    }
    let build = Build {
        id: format!("queue/item/{}", started.queue_id),
        url: page,
        status: "queued".to_owned(),
        ..Build::default()
    };
    publication.documents.push(Document {
        build: Some(build),
        adopted: started.joined || there.is_some(),
        ..Document::new(PROVIDER)
    });
    publication.write_partial(&context.console);
    let mut remote = BuildRemote::new(&client, &*context.clock, args.input.on_input);
    remote.queue_id = Some(started.queue_id);
    // One that was there already may be of any age.
    remote.oldest = if there.is_some() { 0 } else { next_build };
    remote.job = Some(job);
    // What waited already is somebody else's, unless it carries our key.
    let keep = started.joined && key.is_none();
    if let Some(code) = context.clock.interrupted() {
        let keep = args.no_cancel || keep;
        watching::interrupted(&remote, keep, code, context, &mut publication.documents[0]);
        return Ok(publication.worst());
    }
    if !args.wait {
        publication.documents[0].end(Outcome::Started, ExitCode::Success);
        return Ok(publication.worst());
    }
    if *client.login() == Credentials::Anonymous && start.job_token.is_some() {
        context.console.line("note: a job's token starts a build, but does not let anybody see it; following needs credentials with Job/Read");
    }
    remote.description = args.cause.clone().filter(|_| start.job_token.is_none());
    remote.log =
        args.watch.console.then(|| LogFollow::new(LogPrinter::new(&context.console, LogTarget::People, false), 0));
    let follow = FollowArgs {
        watch: args.watch.clone(),
        expect: None,
        on_input: args.input.on_input,
        no_cancel: args.no_cancel,
    };
    let mode = watching::Mode { keep, home: Some(&home), ..Default::default() };
    Ok(watching::run(vec![remote], &follow, mode, context, publication))
}

/// What the job is. `None` when nothing is to be asked, or a start by the job's token cannot ask.
fn know(
    client: &Client,
    job: &JobPath,
    args: &JenkinsTriggerArgs,
    by_token: bool,
    context: &Context,
) -> Result<Option<Job>, Error> {
    if args.no_validate {
        return Ok(None);
    }
    match with_retries(&*context.clock, || client.job(job)) {
        Ok(known) => Ok(Some(known)),
        Err(failure) if by_token && matches!(failure.code(), ExitCode::Denied | ExitCode::NotFound) => {
            if args.wait {
                // Better now than with a build that runs and cannot be seen.
                return Err(Error::new(
                    failure.code(),
                    format!("following a build of job {job}"),
                    format!("{}; a job's token starts a build, but shows it to nobody", failure.reason()),
                )
                .with_hint(
                    "set JENKINS_USER_ID and JENKINS_API_TOKEN of somebody with Job/Read, or leave out --wait",
                ));
            }
            context.console.line(&format!(
                "note: {}; starting by the job's token without a look at its parameters",
                failure.reason()
            ));
            Ok(None)
        }
        Err(failure) if failure.code() == ExitCode::NotFound => Err(suggest(client, job, failure)),
        Err(failure) => Err(failure),
    }
}

/// Adds to a job that is not there the names of those that are.
pub(super) fn suggest(client: &Client, job: &JobPath, failure: Error) -> Error {
    let parent = job.parent();
    let Ok(names) = client.items(parent.as_ref()) else { return failure };
    let shown: Vec<String> = names.iter().map(|name| name.replace("%2F", "/")).collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let place = parent.map_or_else(|| "the controller".to_owned(), |parent| format!("{parent}"));
    let near = nearest(job.name(), &known).map(|near| format!("did you mean {:?}? ", near.replace("%2F", "/")));
    let listed = shown.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if shown.len() > 10 { ", …" } else { "" };
    let hint = match (near, shown.is_empty()) {
        (_, true) => format!("{place} shows no job to these credentials"),
        (near, false) => format!("{}{place} has: {listed}{more}", near.unwrap_or_default()),
    };
    failure.with_hint(hint)
}

fn job_token(args: &JenkinsTriggerArgs, context: &Context) -> anyhow::Result<Option<Secret>> {
    let token = match &args.job_token_file {
        Some(path) => Some(secret_file(path, "job token")?),
        None => crate::cli::environment("JENKINS_JOB_TOKEN")?,
    };
    let token = token.map(Secret::new);
    if let Some(token) = &token {
        context.console.add_secret(token);
    }
    Ok(token)
}

/// The parameters: flags over JSON over a file.
fn values(args: &JenkinsTriggerArgs) -> anyhow::Result<Vec<(String, Value)>> {
    let mut values: Vec<(String, Value)> = Vec::new();
    let mut set = |name: String, value: Value| {
        values.retain(|(own, _)| *own != name);
        values.push((name, value));
    };
    if let Some(path) = &args.params_from {
        let text = read(path)?;
        let source = format!("the file {}", path.display());
        if text.trim_start().starts_with('{') {
            object(&text, &source)?.into_iter().for_each(|(name, value)| set(name, value));
        } else {
            for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
                let (name, value) = pair(line, &source)?;
                set(name, Value::Text(value));
            }
        }
    }
    if let Some(text) = &args.param_json {
        object(text, "--param-json")?.into_iter().for_each(|(name, value)| set(name, value));
    }
    let (mut given, mut twice) = (Vec::new(), None);
    for (pair, is_file) in
        args.params.iter().map(|pair| (pair, false)).chain(args.param_files.iter().map(|pair| (pair, true)))
    {
        let Pair { name, value } = pair.clone();
        if given.contains(&name) {
            twice = Some(name.clone());
        }
        given.push(name.clone());
        set(name, if is_file { Value::File(PathBuf::from(value)) } else { Value::Text(value) });
    }
    if let Some(name) = twice {
        return Err(Error::usage(format!("the parameter {name}"), "is given twice")
            .with_hint("Jenkins fails on that")
            .into());
    }
    Ok(values)
}

pub(super) fn pair(text: &str, source: &str) -> Result<(String, String), Error> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        // The text may be a secret of which the name was forgotten.
        _ => Err(Error::usage(source, "has an entry that is not of the form NAME=TEXT")),
    }
}

fn object(text: &str, source: &str) -> Result<Vec<(String, Value)>, Error> {
    let form = |why: String| {
        Error::usage(source, why).with_hint("it must look like {\"NAME\": \"text\", \"CLEAN\": true, \"N\": 7}")
    };
    let object: Map<String, Json> =
        serde_json::from_str(text).map_err(|error| form(format!("is no JSON object ({error})")))?;
    let text = |(name, value): (String, Json)| match value {
        Json::String(text) => Ok((name, Value::Text(text))),
        Json::Bool(_) | Json::Number(_) => Ok((name, Value::Text(value.to_string()))),
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err(form(format!("the value of {name} is no text, number or boolean")))
        }
    };
    object.into_iter().map(text).collect()
}

pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("the file {}", path.display()))
}

/// Files must be there before anything is asked of the controller.
fn check_files(values: &[(String, Value)]) -> Result<(), Error> {
    for (name, value) in values {
        if let Value::File(path) = value
            && let Err(error) = std::fs::File::open(path)
        {
            return Err(Error::new(
                ExitCode::Local,
                format!("the file {} for parameter {name}", path.display()),
                error.to_string(),
            ));
        }
    }
    Ok(())
}
