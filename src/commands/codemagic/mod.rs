//! `cibridge codemagic …`: what its verbs share.

mod apps;
mod artifacts;
mod builds;
mod cancel;
mod check;
mod collecting;
mod logs;
mod share;
mod starting;
mod status;
mod tests;
mod trigger;
mod wait;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use super::{Context, ResultWriter, conclude, secret_file, with_retries};
use crate::cli::{self, CodemagicCommand, ConnectionArgs, OutputArgs};
use crate::codemagic::{Client, Endpoints, key_fault};
use crate::document::Document;
use crate::error::{Error, ExitCode};
use crate::http::{Credential, Http, HttpOptions, RequestLogger, Url};
use crate::model::Build;
use crate::secret::Secret;

pub(super) const PROVIDER: &str = "codemagic";

pub(super) fn run(command: &CodemagicCommand, context: &Context) -> ExitCode {
    use CodemagicCommand as Verb;

    let output = match command {
        Verb::Trigger(args) => &args.output,
        Verb::Wait(args) => &args.output,
        Verb::Status(args) | Verb::Cancel(args) => &args.output,
        Verb::Builds(args) => &args.output,
        Verb::Artifacts(args) => &args.output,
        Verb::Logs(args) => &args.output,
        Verb::Tests(args) => &args.output,
        Verb::Share(args) => &args.output,
        Verb::Apps(args) => &args.output,
        Verb::Workflows(args) => &args.output,
        Verb::Caches(args) => &args.output,
        Verb::Check(args) => &args.output,
    };
    conclude(PROVIDER, output, context, &mut |into| match command {
        Verb::Trigger(args) => trigger::run(args, context, into),
        Verb::Wait(args) => wait::run(args, context, into),
        Verb::Status(args) => status::run(args, context, into),
        Verb::Cancel(args) => cancel::run(args, context, into),
        Verb::Builds(args) => builds::run(args, context, into),
        Verb::Artifacts(args) => artifacts::run(args, context, into),
        Verb::Logs(args) => logs::run(args, context, into),
        Verb::Tests(args) => tests::run(args, context, into),
        Verb::Share(args) => share::run(args, context, into),
        Verb::Apps(args) => apps::apps(args, context, into),
        Verb::Workflows(args) => apps::workflows(args, context, into),
        Verb::Caches(args) => apps::caches(args, context, into),
        Verb::Check(args) => check::run(args, context, into),
    })
}

/// Documents of the builds that the command line names by id or page.
fn placeholders(builds: &[String]) -> Result<Vec<Document>, Error> {
    builds
        .iter()
        .map(|named| {
            let id = named.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let id = if id.contains("://") { id.rsplit_once("/build/").map_or("", |(_, id)| id) } else { id };
            if id.is_empty() || id.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_') {
                return Err(Error::usage(format!("the build {named:?}"), "is neither a build's id nor its page")
                    .with_hint("an id has 24 hexadecimal digits; it is the last part of the page's address"));
            }
            let build = Build { id: id.to_owned(), status: "unknown".to_owned(), ..Build::default() };
            Ok(Document { build: Some(build), ..Document::new(PROVIDER) })
        })
        .collect()
}

/// A client with the user's key. Reads the key, and refuses one that cannot be right.
fn client(connection: &ConnectionArgs, output: &OutputArgs, context: &Context) -> anyhow::Result<Client> {
    let endpoints = endpoints(connection)?;
    let key = api_key(connection)?;
    context.console.hide(&key);
    Ok(connect(connection, output, context, endpoints, Some(&key)))
}

fn connect(
    connection: &ConnectionArgs,
    output: &OutputArgs,
    context: &Context,
    endpoints: Endpoints,
    key: Option<&Secret>,
) -> Client {
    // Both APIs behind one address (a gateway of the company's own) must not get the key twice.
    let mut origins = vec![endpoints.v3.origin(), endpoints.legacy.origin()];
    origins.dedup();
    let credentials = key.iter().flat_map(|key| {
        origins.iter().map(|origin| Credential {
            origin: origin.clone(),
            header: "x-auth-token".into(),
            value: (*key).clone(),
        })
    });
    let options = HttpOptions {
        ca_cert: connection.ca_cert.clone(),
        client_cert: None,
        client_key: None,
        keep_idle: Duration::from_secs(60),
        connect_timeout: connection.connect_timeout,
        answer_timeout: connection.answer_timeout,
        allow_http: connection.allow_http,
    };
    let report = context.console.clone();
    let trace = output.verbose.then(|| Arc::new(move |line: &str| report.line(line)) as RequestLogger);
    let http = Http::new(options, credentials.collect(), context.interrupt.clone(), trace);
    Client::new(http, endpoints, Arc::clone(&context.clock))
}

fn endpoints(connection: &ConnectionArgs) -> Result<Endpoints, Error> {
    let base = |text: &str, name: &str| {
        Url::parse(text.trim()).map_err(|why| {
            Error::usage(format!("the address in {name}"), why).with_hint("it looks like https://codemagic.io/api/v3")
        })
    };
    Ok(Endpoints {
        v3: base(&connection.api_url, "CODEMAGIC_API_URL")?,
        legacy: base(&connection.legacy_api_url, "CODEMAGIC_LEGACY_API_URL")?,
    })
}

fn api_key(connection: &ConnectionArgs) -> anyhow::Result<Secret> {
    if let Some(path) = &connection.api_key_file {
        let key = secret_file(path, "API key")?;
        key_fault(&key, &path.display().to_string())?;
        return Ok(Secret::new(key));
    }
    match std::env::var("CODEMAGIC_API_KEY") {
        Ok(key) => {
            key_fault(&key, "CODEMAGIC_API_KEY")?;
            Ok(Secret::new(key))
        }
        Err(_) => Err(Error::usage("the API key", "not given")
            .with_hint("set the environment variable CODEMAGIC_API_KEY, or name a file with --api-key-file; there is no flag for the key itself")
            .into()),
    }
}

/// The first of these that is given: a flag, the request file, the environment.
fn choose(flag: Option<&str>, request: Option<String>, variable: &str) -> Option<String> {
    flag.map(str::to_owned).or(request).or_else(|| cli::variable(variable))
}
