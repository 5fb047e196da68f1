//! What only Codemagic has, and how its verbs connect.

pub mod apps;
pub mod caches;
pub mod share;
pub mod sources;

use std::sync::Arc;
use std::time::Duration;

use crate::cli::{self, BuildsOfApp, CodemagicConnectionArgs, FilterArgs};
use crate::codemagic::{ApiKey, BuildRef, Client, Endpoints, Filter, KEY_VARIABLES};
use crate::error::Error;
use crate::http::{Credential, Url};
use crate::input_files;

use super::session::Session;

/// How long an idle connection is kept.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// The builds that the command line names.
pub fn references(args: &BuildsOfApp) -> Result<Vec<BuildRef>, Error> {
    args.builds.iter().map(|build| reference(build, &args.filter)).collect()
}

/// The one build that the command line names.
pub fn reference(build: &str, args: &FilterArgs) -> Result<BuildRef, Error> {
    BuildRef::parse(build, &filter(args))
}

/// Which builds are listed, or meant by a number or by `latest`; in any state.
pub fn filter(args: &FilterArgs) -> Filter {
    Filter {
        app_id: args.app_id.clone(),
        workflow_id: args.workflow.clone(),
        branch: args.branch.clone(),
        tag: args.tag.clone(),
        labels: args.labels.clone(),
        status: None,
    }
}

/// A client with the user's key. Nothing is sent yet.
pub fn connect(connection: &CodemagicConnectionArgs, session: &Session) -> Result<Client, Error> {
    Ok(connect_with_source(connection, session)?.0)
}

/// The same, and where the key comes from.
pub fn connect_with_source(connection: &CodemagicConnectionArgs, session: &Session) -> Result<(Client, String), Error> {
    let endpoints = endpoints(connection)?;
    let (key, source) = api_key(connection)?;
    session.console().add_secret(key.secret());
    Ok((client(endpoints, Some(&key), session), source))
}

/// A client that sends nothing: it shows what would be sent.
pub fn without_key(connection: &CodemagicConnectionArgs, session: &Session) -> Result<Client, Error> {
    Ok(client(endpoints(connection)?, None, session))
}

fn client(endpoints: Endpoints, key: Option<&ApiKey>, session: &Session) -> Client {
    // Both APIs behind one address (a gateway of the company's own) must not get the key twice.
    let mut origins = vec![endpoints.v3.origin(), endpoints.legacy.origin()];
    origins.dedup();
    let credential =
        |key: &ApiKey, origin| Credential { origin, header: "x-auth-token".into(), value: key.secret().clone() };
    let credentials = key.iter().flat_map(|key| origins.iter().map(|origin| credential(key, origin.clone()))).collect();
    let http = session.connections(session.http_options(KEEP_IDLE), credentials);
    Client::new(http, endpoints, Arc::clone(&session.runtime.clock))
}

fn endpoints(connection: &CodemagicConnectionArgs) -> Result<Endpoints, Error> {
    let base = |text: &str, flag: &str| {
        Url::parse(text.trim())
            .map_err(|why| Error::usage(flag, why).with_hint("it looks like https://codemagic.io/api/v3"))
    };
    Ok(Endpoints {
        v3: base(&connection.api_url, "--api-url")?,
        legacy: base(&connection.legacy_api_url, "--legacy-api-url")?,
    })
}

/// The key, and where it comes from: the file that was named, else the first variable that is set.
fn api_key(connection: &CodemagicConnectionArgs) -> Result<(ApiKey, String), Error> {
    if let Some(path) = &connection.api_key_file {
        let source = if path.as_os_str() == "-" { "stdin".to_owned() } else { format!("file {}", path.display()) };
        let text = input_files::read_secret(path, &format!("API key file {}", path.display()))?;
        return Ok((ApiKey::parse(&text, &source)?, source));
    }
    for variable in KEY_VARIABLES {
        if let Some(text) = cli::environment(variable)? {
            return Ok((ApiKey::parse(&text, variable)?, variable.to_owned()));
        }
    }
    Err(ApiKey::missing())
}
