//! `cibridge jenkins …`: what its verbs share.

mod artifacts;
mod check;
mod config;
mod console;
mod input;
mod params;
mod remote;
mod starting;
mod status;
mod stop;
mod tests;
mod token;
mod trigger;
mod wait;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Context, ResultWriter, conclude, secret_file, with_retries};
use crate::cli::{self, JenkinsConnectionArgs, JenkinsVerb, TokenVerb};
use crate::error::{Error, ExitCode};
use crate::http::{Credential, Http, HttpOptions, RequestLogger, Url};
use crate::old_jenkins::{BuildName, Client, Credentials, JobPath, Place, State, has_token_shape, parse};
use crate::secret::Secret;

pub(super) const PROVIDER: &str = "jenkins";

/// Jenkins closes a connection that is idle for 30 s.
const KEEP_IDLE: Duration = Duration::from_secs(20);

pub(super) fn run(verb: &JenkinsVerb, context: &Context) -> ExitCode {
    use JenkinsVerb as C;
    conclude(PROVIDER, context, &mut |into| match verb {
        C::Trigger(args) => trigger::run(args, context, into),
        C::Wait(args) => wait::run(args, context, into),
        C::Status(args) => status::run(args, context, into),
        C::Console(args) => console::run(args, context, into),
        C::Stop(args) => stop::run(args, context, into),
        C::Input(args) => input::run(args, context, into),
        C::Params(args) => params::run(args, context, into),
        C::Artifacts(args) => artifacts::run(args, context, into),
        C::Tests(args) => tests::run(args, context, into),
        C::Config(args) => config::run(args, context, into),
        C::Check(args) => check::run(args, context, into),
        C::Token(args) => match &args.verb {
            TokenVerb::Create(args) => token::create(args, context, into),
            TokenVerb::Rotate(args) => token::rotate(args, context, into),
            TokenVerb::Revoke(args) => token::revoke(args, context, into),
        },
        C::Jobs(_) | C::Builds(_) | C::Queue | C::Api(_) => Err(Error::usage("", "not implemented yet").into()),
    })
}

/// What the command line names on a controller, and a client of that controller.
struct Reached {
    client: Client,
    /// The places in the order in which they were named.
    places: Vec<Place>,
}

/// Reads the places that the command line names, finds out which controller they are on, and makes a client of it.
fn reach(named: &[&str], context: &Context) -> anyhow::Result<Reached> {
    let connection = context.jenkins();
    let mut places = named.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
    let base = base(connection, &places, named, context)?;
    let prefix = parse(&base)?;
    for place in places.iter_mut().filter(|place| place.root.is_none() && place.queue_id.is_none()) {
        // A base such as https://host/job/team: the team's folder belongs before every name.
        place.job = prefix.job.clone().join(std::mem::take(&mut place.job));
    }
    let root = prefix.root.unwrap_or(base);
    let root = Url::parse(&root).map_err(|why| Error::usage("the controller's address", why))?;
    let (credentials, login) = credentials(connection, &root, context)?;
    let http = http(context, credentials);
    Ok(Reached { client: Client::new(http, root, login, Arc::clone(&context.clock)), places })
}

/// The controller's address: `--url` or `CIBRIDGE_JENKINS_URL`, then what a pasted address names, then `JENKINS_URL`.
fn base(
    connection: &JenkinsConnectionArgs,
    places: &[Place],
    named: &[&str],
    context: &Context,
) -> anyhow::Result<String> {
    let given = connection.url.as_deref().map(|url| url.trim().trim_end_matches('/').to_owned());
    let mut pasted = places.iter().zip(named).filter_map(|(place, text)| Some((place.root.clone()?, *text)));
    let first = pasted.next();
    for (root, text) in first.iter().cloned().chain(pasted) {
        let expected = given.clone().or_else(|| first.as_ref().map(|(root, _)| root.clone())).unwrap_or_default();
        let origin = |text: &str| Url::parse(text).map(|url| url.origin());
        if let (Ok(one), Ok(other)) = (origin(&root), origin(&expected))
            && one != other
        {
            return Err(Error::usage(format!("{text:?}"), format!("is on {one}, but the call is about {other}"))
                .with_hint("name the job without the address, or leave out --url and CIBRIDGE_JENKINS_URL")
                .into());
        }
    }
    if let Some(given) = given {
        return Ok(given);
    }
    if let Some((root, _)) = first {
        return Ok(root);
    }
    match cli::environment("JENKINS_URL")? {
        Some(url) => {
            context
                .console
                .line(&format!("using the controller {url} (JENKINS_URL: inside a build, its own controller)"));
            Ok(url.trim().trim_end_matches('/').to_owned())
        }
        None => Err(Error::usage("the controller's address", "not given")
            .with_hint("give --url, set CIBRIDGE_JENKINS_URL, or name the job or build by its full address")
            .into()),
    }
}

/// What proves who we are, bound to the controller's origin, and how sentences name it.
fn credentials(
    connection: &JenkinsConnectionArgs,
    root: &Url,
    context: &Context,
) -> anyhow::Result<(Vec<Credential>, Credentials)> {
    let report = &context.console;
    let credential = |header: String, value: Secret| {
        report.add_secret(&value);
        Credential { origin: root.origin(), header: header.into(), value }
    };
    let mut all = Vec::new();
    for header in &connection.headers {
        all.push(credential(header.name.clone(), header.value.clone()));
    }
    let bearer = match &connection.bearer_token_file {
        Some(path) => Some(secret_file(path, "bearer token")?),
        None => cli::environment("CIBRIDGE_BEARER_TOKEN")?,
    };
    let token = match &connection.token_file {
        Some(path) => Some(secret_file(path, "API token")?),
        None => cli::environment("JENKINS_API_TOKEN")?,
    };
    let user = connection.user.as_deref().map(str::trim).filter(|user| !user.is_empty());
    let in_header = all.iter().any(|credential| credential.header == "authorization");
    if [token.is_some(), bearer.is_some(), in_header].iter().filter(|given| **given).count() > 1 {
        return Err(Error::usage(
            "the credentials",
            "more than one of API token, bearer token and --header Authorization is given, and there is one Authorization header",
        )
        .with_hint("give one of them; a proxy's token may fit into another --header")
        .into());
    }
    let login = match (user, token, bearer) {
        (None, Some(_), None) => {
            return Err(Error::usage("the credentials", "an API token is given without its user")
                .with_hint("set JENKINS_USER_ID, or give --user")
                .into());
        }
        (Some(user), None, None) => {
            return Err(Error::usage("the credentials", format!("the user {user} is given without an API token"))
                .with_hint(
                    "set JENKINS_API_TOKEN, or name a file with --token-file; there is no flag for the token itself",
                )
                .into());
        }
        (Some(user), Some(token), None) => {
            if user.contains([':', '\n', '\r']) || token.contains(char::is_control) {
                return Err(Error::usage("the credentials", "the user or token holds a colon or line break").into());
            }
            report.add_secret(&Secret::new(token.clone()));
            all.push(credential(
                "authorization".to_owned(),
                Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{token}")))),
            ));
            if has_token_shape(&token) {
                Credentials::Token(user.to_owned())
            } else {
                report.line(&format!(
                    "note: what was given for user {user} has not the shape of an API token (11 and 32 hexadecimal digits); \
                     it is used as a password, with a crumb and a session"
                ));
                Credentials::Password(user.to_owned())
            }
        }
        (_, _, Some(token)) => {
            report.add_secret(&Secret::new(token.clone()));
            all.push(credential("authorization".to_owned(), Secret::new(format!("Bearer {token}"))));
            Credentials::Bearer
        }
        (None, None, None) => Credentials::Anonymous,
    };
    Ok((all, login))
}

fn http(context: &Context, credentials: Vec<Credential>) -> Http {
    let (connection, http) = (context.jenkins(), &context.http);
    let options = HttpOptions {
        ca_cert: http.ca_cert.clone(),
        client_cert: connection.client_cert.clone(),
        client_key: connection.client_key.clone(),
        keep_idle: KEEP_IDLE,
        connect_timeout: http.connect_timeout,
        answer_timeout: http.answer_timeout,
        allow_http: http.allow_http,
    };
    let report = context.console.clone();
    let trace = context.output.verbose.then(|| Arc::new(move |line: &str| report.line(line)) as RequestLogger);
    Http::new(options, credentials, context.interrupt.clone(), trace)
}

/// A client and the job that a command is about.
fn reach_job(job: &str, branch: Option<&str>, context: &Context) -> anyhow::Result<(Client, JobPath)> {
    let Reached { client, mut places } = reach(&[job], context)?;
    let place = places.remove(0);
    if place.job.is_root() {
        return Err(Error::usage(format!("{job:?}"), "names no job")
            .with_hint("a job is named like folder/sub/job, or by its page")
            .into());
    }
    Ok((
        client,
        match branch {
            Some(branch) => place.job.branch(branch),
            None => place.job,
        },
    ))
}

/// The job that queue items belong to, by which the build is found of one that Jenkins has forgotten.
fn job_of_items(job: Option<&str>, branch: Option<&str>) -> Result<Option<JobPath>, Error> {
    let job = job.map(parse).transpose()?.map(|place| place.job);
    Ok(match (job, branch) {
        (Some(job), Some(branch)) => Some(job.branch(branch)),
        (job, _) => job,
    })
}

/// A client and the build that a command is about, found through its queue item if that is what was named.
fn reach_build(build: &str, context: &Context) -> anyhow::Result<(Client, JobPath, u64)> {
    let Reached { client, mut places } = reach(&[build], context)?;
    let place = places.remove(0);
    let number = match (&place.build, place.queue_id) {
        (Some(BuildName::Number(number)), _) => *number,
        (Some(name), _) => with_retries(&*context.clock, || client.build(&place.job, name))?.number,
        (None, Some(id)) => match with_retries(&*context.clock, || client.item(id))? {
            Some(item) => match (item.state, item.job) {
                (State::Started(number), Some(job)) => return Ok((client, job, number)),
                _ => {
                    return Err(Error::new(ExitCode::NotFound, format!("queue item {id}"), "has no build (yet)")
                        .with_hint("`cibridge jenkins wait` follows it")
                        .into());
                }
            },
            None => {
                return Err(Error::new(
                    ExitCode::NotFound,
                    format!("queue item {id}"),
                    "Jenkins does not know it (any more)",
                )
                .into());
            }
        },
        (None, None) => return Err(no_build(build).into()),
    };
    Ok((client, place.job, number))
}

fn no_build(text: &str) -> Error {
    Error::usage(format!("{text:?}"), "names no build")
        .with_hint("a build is named by its page, like folder/job#12, or like folder/job#lastBuild; a queue item by its page or queue/item/N")
}
