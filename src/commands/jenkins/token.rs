//! `jenkins token`: makes, rotates and revokes API tokens. A secret goes to stdout or to a file of its owner only.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Reached, http, reach, with_retries};
use crate::cli::{CreateArgs, RevokeArgs, RotateArgs};
use crate::commands::{Context, ResultWriter};
use crate::document::Outcome;
use crate::error::{Error, ExitCode};
use crate::files;
use crate::http::Credential;
use crate::old_jenkins::{Client, Credentials, Token};
use crate::secret::Secret;

pub(super) fn create(args: &CreateArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let client = signed_in(args, context)?;
    let token = make(&client, args, context, publication)?;
    hand_over(&token, args, context).map_err(|error| discard(&client, &token, context, error))?;
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}

pub(super) fn rotate(args: &RotateArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let old = match (&args.old_uuid, &args.new.out) {
        (Some(uuid), _) => uuid.clone(),
        (None, Some(out)) => {
            let path = uuid_path(out);
            let text = super::secret_file(&path, "uuid").context("the uuid of the token to replace")?;
            text.trim().to_owned()
        }
        (None, None) => {
            return Err(Error::usage("the token to replace", "not given")
                .with_hint("give --out FILE, beside which `create` left FILE.uuid, or --old-uuid")
                .into());
        }
    };
    let client = signed_in(&args.new, context)?;
    let user = with_retries(&*context.clock, || client.who_am_i())?.name;
    let token = make(&client, &args.new, context, publication)?;
    // The new token must work before the old one ends, and it is what revokes the old one.
    let basic = Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", token.value.expose()))));
    context.console.add_secret(&basic);
    let credential = Credential { origin: client.root().origin(), header: "authorization".into(), value: basic };
    let renewed = client.with_login(http(context, vec![credential]), Credentials::Token(user.clone()));
    let works = with_retries(&*context.clock, || renewed.who_am_i()).and_then(|seen| {
        if seen.anonymous || seen.name != user {
            let why = format!("Jenkins takes it for {}, not for {user}", seen.name);
            return Err(
                Error::new(ExitCode::Denied, "the new API token", why).with_hint("the old token was left alone")
            );
        }
        Ok(())
    });
    works
        .map_err(anyhow::Error::from)
        .and_then(|()| hand_over(&token, &args.new, context))
        .map_err(|error| discard(&client, &token, context, error))?;
    with_retries(&*context.clock, || renewed.revoke_token(&old)).map_err(|failure| {
        failure.with_hint(format!("the new token is in use already; revoke the old one by hand: {old}"))
    })?;
    context.console.line(&format!("the old token {old} was revoked"));
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}

pub(super) fn revoke(args: &RevokeArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    if args.uuid.trim().is_empty() {
        return Err(Error::usage("the uuid", "is empty").into());
    }
    let Reached { client, .. } = reach(&[], context)?;
    with_retries(&*context.clock, || client.revoke_token(&args.uuid))?;
    context.console.line(&format!("the token {} is revoked (Jenkins does not say whether there was one)", args.uuid));
    publication.call.end(Outcome::Success, ExitCode::Success);
    Ok(ExitCode::Success)
}

fn signed_in(args: &CreateArgs, context: &Context) -> anyhow::Result<Client> {
    if context.output.json && args.out.is_none() {
        return Err(Error::usage("--json", "needs stdout for the document, where the token would go")
            .with_hint("give --out FILE")
            .into());
    }
    if let Some(out) = &args.out {
        files::check_writable(out, &format!("the file {}", out.display()))?;
    }
    let Reached { client, .. } = reach(&[], context)?;
    if *client.login() == Credentials::Anonymous {
        return Err(Error::usage("the credentials", "not given: a token belongs to a user")
            .with_hint("set JENKINS_USER_ID and JENKINS_API_TOKEN; a password will do for the first token")
            .into());
    }
    Ok(client)
}

fn make(client: &Client, args: &CreateArgs, context: &Context, publication: &mut ResultWriter) -> Result<Token, Error> {
    let date = args.expires.map(|expires| {
        let end = context.clock.wall() + expires;
        humantime::format_rfc3339_seconds(end).to_string().chars().take(10).collect::<String>()
    });
    // Not repeated: each success makes a token.
    let token = client.create_token(&args.name, date.as_deref()).map_err(|miss| miss.error)?;
    if args.out.is_some() {
        context.console.add_secret(&token.value);
    }
    let until = match (&token.expiry, &date) {
        (Some(expiry), _) => format!(", valid until {expiry}"),
        (None, Some(_)) => " (this Jenkins knows no end of a token: --expires needs 2.548)".to_owned(),
        (None, None) => String::new(),
    };
    context
        .console
        .line(&format!("the token {:?} was made{until}; its uuid, which revokes it: {}", token.name, token.uuid));
    let shown = json!({"name": token.name, "uuid": token.uuid, "expires": token.expiry});
    publication.call.more.insert("token".to_owned(), shown);
    Ok(token)
}

/// Revokes a token that could not be handed over: nobody holds it, so nobody would.
fn discard(client: &Client, token: &Token, context: &Context, error: anyhow::Error) -> anyhow::Error {
    context.console.line(&match with_retries(&*context.clock, || client.revoke_token(&token.uuid)) {
        Ok(()) => "the new token was revoked again".to_owned(),
        Err(failure) => {
            format!("the new token {} is valid and could not be revoked ({})", token.uuid, failure.reason())
        }
    });
    error
}

/// Gives the secret to a file, or to stdout.
fn hand_over(token: &Token, args: &CreateArgs, context: &Context) -> anyhow::Result<()> {
    let Some(out) = &args.out else {
        return Ok(context.console.deliver(format!("{}\n", token.value.expose()).as_bytes())?);
    };
    for (path, text) in [(out, token.value.expose()), (&uuid_path(out), &token.uuid)] {
        files::write_private(path, &format!("the file {}", path.display()), format!("{text}\n").as_bytes())?;
    }
    context.console.line(&format!("the token is in {}", out.display()));
    Ok(())
}

fn uuid_path(out: &Path) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(".uuid");
    path.into()
}
