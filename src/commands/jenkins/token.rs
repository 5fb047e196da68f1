//! `jenkins token`: creates, rotates and revokes API tokens. A token goes to stdout or to a file of its owner only.

use std::path::{Path, PathBuf};

use crate::cli::{CreateArgs, JenkinsConnectionArgs, RevokeArgs, RotateArgs};
use crate::clock::format_time;
use crate::commands::session::{CommandResult, Session};
use crate::document::{ApiToken, Details};
use crate::error::{Error, ExitCode};
use crate::files;
use crate::input_files;
use crate::jenkins::{Client, Credentials, Identity, JenkinsProvider, Token};

pub fn create(args: &CreateArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let provider = signed_in(args, connection, session)?;
    let token = create_token(provider.client(), args, session)?;
    deliver(&token, args, session).map_err(|error| discard(provider.client(), &token, session, error))?;
    Ok(session.writer.succeed())
}

pub fn rotate(args: &RotateArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let old = old_uuid(args)?;
    let provider = signed_in(&args.new, connection, session)?;
    let client = provider.client();
    let user = session.with_retries(|| client.who_am_i())?.name;
    let token = create_token(client, &args.new, session)?;
    // The new token must work and be delivered before the old one is revoked; it is the new one that revokes it.
    let credentials = Credentials::of_token(&user, &token.value);
    credentials.secrets().filter(|_| args.new.out.is_some()).for_each(|secret| session.console().add_secret(secret));
    let http = super::http(connection, session, credentials.bound_to(client.root()));
    let renewed = client.with_identity(http, credentials.identity().clone());
    let works = session.with_retries(|| renewed.who_am_i()).and_then(|seen| {
        if seen.anonymous || seen.name != user {
            let why = format!("Jenkins takes it for {}, not for {user}", seen.name);
            return Err(
                Error::new(ExitCode::Denied, "the new API token", why).with_hint("the old token was not revoked")
            );
        }
        Ok(())
    });
    works
        .and_then(|()| deliver(&token, &args.new, session))
        .map_err(|error| discard(client, &token, session, error))?;
    session.with_retries(|| renewed.revoke_token(&old)).map_err(|error| {
        error.with_hint(format!("the new token is in use already; revoke the old one by hand: {old}"))
    })?;
    session.console().line(&format!("revoked the old token {old}"));
    Ok(session.writer.succeed())
}

pub fn revoke(args: &RevokeArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let uuid = checked_uuid(&args.uuid)?;
    let provider = super::connect_to_controller(connection, session)?;
    session.with_retries(|| provider.client().revoke_token(uuid))?;
    session.console().line(&format!("revoked the token {uuid} (Jenkins does not report whether there was one)"));
    Ok(session.writer.succeed())
}

/// A uuid of the form that Jenkins gives every token. Jenkins takes anything else, revokes nothing, and says no word.
fn checked_uuid(text: &str) -> Result<&str, Error> {
    let uuid = text.trim();
    if uuid.is_empty() {
        return Err(Error::message(ExitCode::Usage, "missing token uuid").with_hint("pass what `create` reported"));
    }
    let groups = uuid.split('-').map(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(group.len()));
    if groups.eq([8, 4, 4, 4, 12].map(Some)) {
        return Ok(uuid);
    }
    // It is not shown: it may be the token itself.
    Err(Error::usage("token uuid", "not a uuid")
        .with_hint("pass what `create` reported, not the token's name or the token itself"))
}

/// The uuid of the token that is to be replaced.
fn old_uuid(args: &RotateArgs) -> Result<String, Error> {
    match (&args.old_uuid, &args.new.out) {
        (Some(uuid), _) => checked_uuid(uuid).map(str::to_owned),
        (None, Some(out)) => {
            let path = uuid_path(out);
            let uuid = input_files::read_secret(&path, &format!("file {}", path.display()))
                .map_err(|error| if path.exists() { error } else { error.with_hint("pass --old-uuid") })?;
            Ok(uuid.trim().to_owned())
        }
        (None, None) => Err(Error::message(ExitCode::Usage, "missing uuid of the token to replace")
            .with_hint("pass --out FILE, beside which `create` left FILE.uuid, or --old-uuid")),
    }
}

fn signed_in(
    args: &CreateArgs,
    connection: &JenkinsConnectionArgs,
    session: &Session,
) -> Result<JenkinsProvider, Error> {
    if session.is_json() && args.out.is_none() {
        return Err(Error::message(ExitCode::Usage, "--json needs stdout for the document, where the token would go")
            .with_hint("pass --out FILE"));
    }
    if let Some(out) = &args.out {
        files::check_private(out, &format!("file {}", out.display()))?;
        files::check_private(&uuid_path(out), &format!("file {}", uuid_path(out).display()))?;
    }
    let provider = super::connect_to_controller(connection, session)?;
    if *provider.client().identity() == Identity::Anonymous {
        return Err(Error::message(ExitCode::Usage, "missing credentials: a token belongs to a user")
            .with_hint("set JENKINS_USER_ID and JENKINS_API_TOKEN; a password will do for the first token"));
    }
    Ok(provider)
}

fn create_token(client: &Client, args: &CreateArgs, session: &mut Session) -> Result<Token, Error> {
    let date = args.expires.map(|expires| {
        let end = session.runtime.clock.wall().checked_add(expires).and_then(format_time);
        let day = end.map(|end| end.chars().take(10).collect::<String>());
        day.ok_or_else(|| Error::usage("--expires", "the time is beyond the year 9999"))
    });
    let date = date.transpose()?;
    // Not repeated: each success creates a token.
    let token = client.create_token(&args.name, date.as_deref()).map_err(|failed| failed.error)?;
    if args.out.is_some() {
        session.console().add_secret(&token.value);
    }
    let until = match (&token.expiry, &date) {
        (Some(expiry), _) => format!(", valid until {expiry}"),
        (None, Some(_)) => " (this Jenkins does not support token expiry, which needs 2.548 or later)".to_owned(),
        (None, None) => String::new(),
    };
    session
        .console()
        .line(&format!("created the token {:?}{until}; its uuid, which revokes it: {}", token.name, token.uuid));
    let shown = ApiToken { name: token.name.clone(), uuid: token.uuid.clone(), expires: token.expiry.clone() };
    session.writer.call.details = Some(Details::Token(shown));
    Ok(token)
}

/// Revokes a token that could not be delivered: nobody holds it, so nobody would.
fn discard(client: &Client, token: &Token, session: &Session, error: Error) -> Error {
    session.console().line(&match session.with_retries(|| client.revoke_token(&token.uuid)) {
        Ok(()) => "revoked the new token again".to_owned(),
        Err(failed) => format!("the new token {} is valid and could not be revoked ({})", token.uuid, failed.reason()),
    });
    error
}

/// Writes the token to a file, or to stdout. Fails when nobody has it afterwards.
fn deliver(token: &Token, args: &CreateArgs, session: &Session) -> Result<(), Error> {
    let line = |text: &str| format!("{text}\n").into_bytes();
    let Some(out) = &args.out else { return session.console().deliver(&line(token.value.expose())) };
    let uuid = uuid_path(out);
    let what = |path: &Path| format!("file {}", path.display());
    let old_uuid = std::fs::read(&uuid).ok();
    files::write_private(&uuid, &what(&uuid), &line(&token.uuid))?;
    if let Err(error) = files::write_private(out, &what(out), &line(token.value.expose())) {
        // The new token is about to be revoked: both files stay those of the old one.
        if let Some(old) = old_uuid {
            drop(files::write_private(&uuid, &what(&uuid), &old));
        }
        return Err(error);
    }
    session.console().line(&format!("the token is in {}", out.display()));
    Ok(())
}

fn uuid_path(out: &Path) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(".uuid");
    path.into()
}
