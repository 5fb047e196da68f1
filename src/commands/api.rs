//! `api`: sends a request of the user's own, with the credentials, retries and redaction of all others.

use std::io::{self, IsTerminal as _};

use crate::cli::{ApiArgs, CodemagicApiArgs, CodemagicConnectionArgs, JenkinsConnectionArgs};
use crate::document::{self, ApiResponse, Details};
use crate::error::{Error, RequestError};
use crate::http::{Body, Method, Response};
use crate::input_files;
use crate::secret::RedactedStream;

use super::session::{CommandResult, Session};
use super::{codemagic, jenkins};

/// A request that was given.
struct ApiRequest<'a> {
    method: Method,
    path: &'a str,
    body: Option<Body>,
}

impl<'a> ApiRequest<'a> {
    fn new(args: &'a ApiArgs) -> Result<Self, Error> {
        let method = Method::parse(&args.method).ok_or_else(|| {
            Error::usage(format!("method {:?}", args.method), "not supported")
                .with_hint("use GET, POST, PUT, PATCH or DELETE")
        })?;
        // The credentials belong to one service; an address could name another one.
        if !args.path.starts_with('/') || args.path.starts_with("//") {
            return Err(Error::usage(format!("path {:?}", args.path), "must begin with a single /")
                .with_hint("leave out the service's address: /user/teams"));
        }
        let body = match &args.input {
            Some(path) => Some(Body::bytes(&args.content_type, input_files::read_bytes(path, "input")?)),
            None => None,
        };
        Ok(Self { method, path: &args.path, body })
    }
}

pub fn codemagic(
    args: &CodemagicApiArgs,
    connection: &CodemagicConnectionArgs,
    session: &mut Session,
) -> CommandResult {
    let request = ApiRequest::new(&args.request)?;
    let client = codemagic::connect(connection, session)?;
    send(&request, session, || client.api(request.method, request.path, request.body.clone(), args.legacy))
}

pub fn jenkins(args: &ApiArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let request = ApiRequest::new(args)?;
    let provider = jenkins::connect_to_controller(connection, session)?;
    send(&request, session, || provider.client().api(request.method, request.path, request.body.clone()))
}

/// Sends the request, a GET again while its error is retryable, and gives the answer's body to stdout.
fn send(
    request: &ApiRequest,
    session: &mut Session,
    mut once: impl FnMut() -> Result<Response, RequestError>,
) -> CommandResult {
    let response = match request.method {
        Method::Get => session.with_retries(once)?,
        // What changes something must not be done twice.
        _ => once().map_err(|failed| failed.error)?,
    };
    if session.is_json() {
        let body = document::Body(response.body);
        session.writer.call.details = Some(Details::Response(ApiResponse { status: response.status, body }));
    } else {
        let console = session.console();
        // One byte that is no character must not let a secret through.
        let mut text = RedactedStream::new(console.redactor());
        text.push(&response.body, &mut |part| console.write_bytes(part));
        text.finish(&mut |part| console.write_bytes(part));
        // The prompt of a terminal begins a line of its own; a file gets the bytes of the answer.
        if io::stdout().is_terminal() && !response.body.ends_with(b"\n") {
            console.write_bytes(b"\n");
        }
    }
    Ok(session.writer.succeed())
}
