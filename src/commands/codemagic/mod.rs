//! `cibridge codemagic …`: what its verbs share.

mod apps;
mod artifacts;
mod builds;
mod cancel;
mod check;
mod collecting;
mod logs;
mod share;
mod status;
mod tests;
mod trigger;
mod wait;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use super::{Context, ResultWriter, conclude, secret_file, with_retries};
use crate::cli::{self, CodemagicConnectionArgs, CodemagicVerb};
use crate::codemagic::{ApiKey, AppId, BuildId, BuildRef, Client, Endpoints, Filter, WatchedBuild};
use crate::document::Document;
use crate::error::{Error, ExitCode};
use crate::http::{Credential, Http, HttpOptions, RequestLogger, Url};
use crate::lifecycle::{Provider as _, Runtime};
use crate::model::Build;
use crate::secret::Secret;

pub(super) const PROVIDER: &str = "codemagic";

pub(super) fn run(verb: &CodemagicVerb, context: &Context) -> ExitCode {
    use CodemagicVerb as Verb;
    conclude(PROVIDER, context, &mut |into| match verb {
        Verb::Trigger(args) => trigger::run(args, context, into),
        Verb::Wait(args) => wait::run(args, context, into),
        Verb::Status(args) => status::run(args, context, into),
        Verb::Cancel(args) => cancel::run(args, context, into),
        Verb::Builds(args) => builds::run(args, context, into),
        Verb::Artifacts(args) => artifacts::run(&args.artifacts, context, into),
        Verb::Logs(args) => logs::run(args, context, into),
        Verb::Tests(args) => tests::run(&args.tests, context, into),
        Verb::Share(args) => share::run(args, context, into),
        Verb::Apps => apps::apps(context, into),
        Verb::Workflows(args) => apps::workflows(args, context, into),
        Verb::Caches(args) => apps::caches(args, context, into),
        Verb::Check(args) => check::run(args, context, into),
        Verb::Api(_) => Err(Error::usage("", "not implemented yet").into()),
    })
}

/// Documents of the builds that the command line names by id or page.
fn placeholders(builds: &[String]) -> Result<Vec<Document>, Error> {
    builds
        .iter()
        .map(|named| {
            let BuildRef::Id { id, .. } = BuildRef::parse(named, &Filter::default())? else {
                return Err(Error::usage("", format!("invalid build {named:?}")));
            };
            let build = Build { id: id.as_str().to_owned(), status: "unknown".to_owned(), ..Build::default() };
            Ok(Document { build: Some(build), ..Document::new(PROVIDER) })
        })
        .collect()
}

fn build_id(id: &str) -> Result<BuildId, Error> {
    BuildId::new(id).ok_or_else(|| Error::usage("", format!("invalid build {id:?}")))
}

/// The build behind an id, for the rooms that any provider serves.
fn watched(client: &Client, id: &str) -> Result<WatchedBuild, Error> {
    client.build(&BuildRef::Id { id: build_id(id)?, app_id: None })
}

fn app_id(text: Option<String>) -> Result<Option<AppId>, Error> {
    text.map(|text| AppId::parse(&text)).transpose()
}

/// A client with the user's key. Reads the key, and refuses one that cannot be right.
fn client(context: &Context) -> anyhow::Result<Client> {
    let endpoints = endpoints(context.codemagic())?;
    let key = api_key(context.codemagic())?;
    context.console.add_secret(key.secret());
    Ok(connect(context, endpoints, Some(key.secret())))
}

fn connect(context: &Context, endpoints: Endpoints, key: Option<&Secret>) -> Client {
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
        ca_cert: context.http.ca_cert.clone(),
        client_cert: None,
        client_key: None,
        keep_idle: Duration::from_secs(60),
        connect_timeout: context.http.connect_timeout,
        answer_timeout: context.http.answer_timeout,
        allow_http: context.http.allow_http,
    };
    let report = context.console.clone();
    let trace = context.output.verbose.then(|| Arc::new(move |line: &str| report.line(line)) as RequestLogger);
    let http = Http::new(options, credentials.collect(), context.interrupt.clone(), trace);
    Client::new(http, endpoints, Arc::clone(&context.clock))
}

fn endpoints(connection: &CodemagicConnectionArgs) -> Result<Endpoints, Error> {
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

fn api_key(connection: &CodemagicConnectionArgs) -> anyhow::Result<ApiKey> {
    if let Some(path) = &connection.api_key_file {
        let key = secret_file(path, "API key")?;
        return Ok(ApiKey::parse(&key, &path.display().to_string())?);
    }
    match cli::environment("CODEMAGIC_API_KEY")? {
        Some(key) => Ok(ApiKey::parse(&key, "CODEMAGIC_API_KEY")?),
        None => Err(ApiKey::missing().into()),
    }
}

fn runtime(context: &Context) -> Runtime {
    Runtime {
        console: context.console.clone(),
        clock: Arc::clone(&context.clock),
        interrupt: context.interrupt.clone(),
        deadline: None,
    }
}
