//! From an answer that is no success to a sentence and an exit code.
//!
//! Jenkins hides the reason of most refusals in a page for people; headers and a few fixed texts of these pages tell
//! which one it is. The texts are those of the source and of recorded answers (2.516); they are not translated.

use super::client::Credentials;
use crate::error::{Error, ExitCode};
use crate::http::{Response, Url};

/// Words in the address of a login page that a controller or a proxy redirects to.
const LOGINS: [&str; 9] = [
    "commenceLogin",
    "/login",
    "/oauth2",
    "/oauth/authorize",
    "/saml",
    "/adfs",
    "login.microsoftonline",
    "accounts.google",
    "/cdn-cgi/access",
];

/// What to do when Jenkins treats the bearer of a token as nobody.
pub const NO_BEARER: &str = "Jenkins itself does not look at bearer tokens: the proxy before it must make a user of this one, else give user and API token";

/// The failure of `what` that an unusable answer means. `subject` is the thing that the request named, e.g. `job a/b`.
pub(super) fn refused(what: &str, subject: &str, login: &Credentials, response: &Response) -> Error {
    let status = response.status;
    let host = response.url.host();
    let text = response.text();
    let failure = |code, why: String| Error::new(code, what, why);
    match status {
        300..400 => redirected(what, response),
        401 => unauthorized(what, login, response),
        403 => forbidden(what, subject, login, response, &text),
        404 => failure(ExitCode::NotFound, format!("{subject} does not exist, or is hidden from {login} (HTTP 404)")).with_hint(
            match login {
                Credentials::Anonymous => "set JENKINS_USER_ID and JENKINS_API_TOKEN: Jenkins says 404 for what it does not show",
                _ if subject.starts_with("build ") => {
                    "check the job and the number; a job may delete its old builds, and Jenkins says 404 as well for what the user may not see"
                }
                _ => "check the name; Jenkins says 404 as well for what the user may not see",
            },
        ),
        405 => failure(ExitCode::Refused, format!("{host} wants another method here (HTTP 405, allowed: {})", response.header("allow").unwrap_or("unknown")))
            .with_hint("a redirect from http to https, or a proxy, makes a GET of a POST: give the address that the browser ends at"),
        407 => failure(ExitCode::NoConnection, format!("a proxy wants a login first (HTTP 407 from {host})"))
            .with_hint("HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"),
        409 => failure(ExitCode::Refused, format!("{subject} is not buildable: it is disabled, or was never saved (HTTP 409)"))
            .with_hint("enable the job on its page, or save its configuration once"),
        400 if text.contains("Nothing is submitted") || text.contains("expects a form submission") => {
            failure(ExitCode::Refused, format!("{subject} has parameters, and was started as if it had none (HTTP 400)"))
                .with_hint("leave out --no-validate, so that the parameters are asked for first; or give them with --param")
        }
        413 => failure(ExitCode::Refused, format!("the request is too large for {host} or a proxy before it (HTTP 413)"))
            .with_hint("raise the limit of the proxy, e.g. nginx: client_max_body_size (1 MB by default)"),
        414 | 431 => failure(ExitCode::Refused, format!("the address or the headers are too long for {host} (HTTP {status})"))
            .with_hint("send large values as parameters, not in --header or the address"),
        429 => failure(ExitCode::Unavailable, format!("too many requests (HTTP 429 from {host})"))
            .with_hint("a proxy before Jenkins limits requests: raise --poll-interval"),
        502 | 504 => failure(ExitCode::Unavailable, format!("a gateway before Jenkins got no answer from it (HTTP {status} from {host})"))
            .with_hint("Jenkins restarts, or needs longer than the gateway waits"),
        503 if is_starting(&text) => {
            failure(ExitCode::Unavailable, format!("Jenkins on {host} is starting up or restarting (HTTP 503)")).with_hint("try again in a minute")
        }
        503 => failure(ExitCode::Unavailable, format!("{host} is not available (HTTP 503)")).with_hint("Jenkins or a proxy before it is down; try again later"),
        500.. if response.header("x-jenkins").is_none() => {
            failure(ExitCode::Unavailable, format!("{host} failed, and does not say that it is Jenkins (HTTP {status}{})", page(response)))
                .with_hint("a proxy may stand in between; its log or the controller's has the reason")
        }
        500.. => failure(ExitCode::Unavailable, format!("Jenkins failed with an exception (HTTP {status}{})", logging_id(&text)))
            .with_hint("the reason is in the controller's log only, below that id"),
        200..300 => failure(ExitCode::NoConnection, format!("{host} did not answer as Jenkins does{}", page(response))).with_hint(
            "a login page or proxy stands in between, or the address is not a controller's root: `cibridge jenkins check` tells more",
        ),
        _ => match response.header("x-error") {
            Some(reason) => failure(ExitCode::Refused, format!("{reason} (HTTP {status})")),
            None => failure(ExitCode::Refused, format!("Jenkins refused the request (HTTP {status}{}{})", page(response), logging_id(&text))),
        },
    }
}

/// The same for the request that starts a build, where an exception has a few usual reasons.
pub(super) fn refused_start(subject: &str, login: &Credentials, with_parameters: bool, response: &Response) -> Error {
    let what = format!("starting {subject}");
    let text = response.text();
    match response.status {
        302 if !is_login(response) && is_same_place(response) => Error::new(
            ExitCode::Refused,
            what,
            "Jenkins took the request but queued nothing (HTTP 302 back to the job's page)",
        )
        .with_hint("a plugin that may refuse builds did so (a throttle, a hold, a shutdown: see the controller's log), or it is a multibranch project, which was only scanned"),
        400 | 500 if with_parameters && text.contains("Logging ID") => Error::new(
            ExitCode::Refused,
            what,
            format!("Jenkins failed on the parameters (HTTP {}{})", response.status, logging_id(&text)),
        )
        .with_hint(
            "usual reasons: the job has no parameters, a choice is not in its list, a parameter is given twice; \
             leave out --no-validate, and they are found before the start",
        ),
        _ => refused(&what, subject, login, response),
    }
}

/// The same for a start through the Build Token Root plugin, whose answers are bare.
pub(super) fn refused_token_root(subject: &str, response: &Response) -> Error {
    let what = format!("starting {subject} by its token alone");
    let failure = |code, why: &str| Error::new(code, &what, format!("{why} (HTTP {})", response.status));
    match response.status {
        404 => failure(
            ExitCode::NotFound,
            "the job does not exist, has no token, or the plugin Build Token Root is not installed",
        )
        .with_hint("the token is set in the job's configuration, `Trigger builds remotely`; the plugin's id is build-token-root"),
        403 => failure(ExitCode::Denied, "the job's token is wrong, the start was refused, or the plugin Build Token Root is not installed")
            .with_hint("take the token from the job's configuration, `Trigger builds remotely`; the plugin's id is build-token-root"),
        400 => failure(ExitCode::Refused, "the job is not buildable, or parameters were given to a job without any (or none to one with some)")
            .with_hint("with --no-validate nothing is known of the job: give --param for a job with parameters, and only for one"),
        _ => refused(&what, subject, &Credentials::Anonymous, response),
    }
}

/// Whether a body is the page that Jenkins shows while it starts.
pub(super) fn is_starting(text: &str) -> bool {
    ["getting ready to work", "Starting Jenkins", "is restarting", "Please wait while Jenkins"]
        .iter()
        .any(|part| text.contains(part))
}

/// Whether the filter that wants a crumb stopped the request, so that nothing happened.
pub(super) fn wants_crumb(response: &Response) -> bool {
    response.status == 403 && response.text().contains("No valid crumb")
}

/// Whether a redirect leads to a login.
pub(super) fn is_login(response: &Response) -> bool {
    response.header("location").is_some_and(|location| LOGINS.iter().any(|word| location.contains(word)))
}

/// Whether a redirect stays on the page that was asked, or its parent.
fn is_same_place(response: &Response) -> bool {
    let Some(target) = response.header("location").and_then(|location| response.url.join(location).ok()) else {
        return true;
    };
    let folder = |url: &Url| url.without_query().trim_end_matches(['.', '/']).to_owned();
    let path = |text: String| text.split_once("://").and_then(|(_, rest)| Some(rest.split_once('/')?.1.to_owned()));
    let (from, to) = (path(folder(&response.url)), path(folder(&target)));
    matches!((from, to), (Some(from), Some(to)) if from.starts_with(&to) && target.is_https() == response.url.is_https())
}

fn redirected(what: &str, response: &Response) -> Error {
    let (status, host) = (response.status, response.url.host());
    let location = response.header("location").unwrap_or("nowhere");
    let shown = location.split('?').next().unwrap_or_default();
    if is_login(response) {
        return Error::new(ExitCode::NoConnection, what, format!("{host} sends to a login page, {shown} (HTTP {status})")).with_hint(
            "a single sign-on or proxy stands before Jenkins: it must let API tokens pass, or wants --header or a bearer token",
        );
    }
    let target = response.url.join(location).ok();
    let moved = target.as_ref().filter(|target| target.origin() != response.url.origin());
    match moved {
        Some(target) => {
            Error::new(ExitCode::NoConnection, what, format!("{host} sends on to {} (HTTP {status})", target.origin()))
                .with_hint("give that address as the controller's; a start is not repeated elsewhere by itself")
        }
        None => Error::new(ExitCode::NoConnection, what, format!("{host} redirects to {shown} (HTTP {status})"))
            .with_hint("check the controller's address: its root is what stands before /job/"),
    }
}

fn unauthorized(what: &str, login: &Credentials, response: &Response) -> Error {
    let realm = response.header("www-authenticate").unwrap_or_default();
    if !realm.contains("Jenkins") && !realm.is_empty() {
        return Error::new(
            ExitCode::Denied,
            what,
            format!("{} wants credentials that are not Jenkins' (HTTP 401, {realm})", response.url.host()),
        )
        .with_hint("a proxy stands before Jenkins: give its credentials with --header");
    }
    let failure = |why: String| Error::new(ExitCode::Denied, what, why);
    match login {
        Credentials::Anonymous => failure("Jenkins wants credentials (HTTP 401)".to_owned())
            .with_hint("set JENKINS_USER_ID and JENKINS_API_TOKEN"),
        Credentials::Token(user) => failure(format!("Jenkins does not know user {user} with this API token (HTTP 401)")).with_hint(
            "the token is wrong, revoked or expired, or belongs to another user; with single sign-on it may also end with the user's session",
        ),
        Credentials::Password(user) => failure(format!("Jenkins does not know user {user} with this password (HTTP 401)"))
            .with_hint("what was given has not the shape of an API token (11 and 32 hexadecimal digits); make one with `cibridge jenkins token create`, or on the user's page, Security"),
        Credentials::Bearer => failure("the bearer token was refused (HTTP 401)".to_owned())
            .with_hint("it may have expired; Jenkins itself knows only user and API token"),
    }
}

fn forbidden(what: &str, subject: &str, login: &Credentials, response: &Response, text: &str) -> Error {
    let failure = |why: String| Error::new(ExitCode::Denied, what, why);
    let user = response.header("x-you-are-authenticated-as");
    if text.contains("No valid crumb") {
        return failure("Jenkins wants a crumb with requests that do not carry an API token (HTTP 403)".to_owned())
            .with_hint(match login {
                Credentials::Token(_) => {
                    "the token did not reach Jenkins: a proxy stripped or replaced the Authorization header"
                }
                Credentials::Bearer => NO_BEARER,
                _ => "use an API token (JENKINS_USER_ID and JENKINS_API_TOKEN): it needs no crumb",
            });
    }
    if text.contains("Invalid token provided") {
        return failure(format!("the token given for {subject} is not the one of its configuration (HTTP 403)"))
            .with_hint("a wrong job token is refused even to a user who may build: correct it, or leave it out");
    }
    if let Some(permission) = response.header("x-required-permission") {
        let shown = permission_name(permission);
        let implied: Vec<_> = response.headers("x-permission-implied-by").map(permission_name).collect();
        let also = if implied.is_empty() { String::new() } else { format!(", implied by {}", implied.join(", ")) };
        return match user {
            Some("anonymous") if !matches!(login, Credentials::Anonymous) => nobody(what, login),
            Some("anonymous") | None if matches!(login, Credentials::Anonymous) => {
                failure(format!("anonymous users lack the permission {shown} (HTTP 403)"))
                    .with_hint("set JENKINS_USER_ID and JENKINS_API_TOKEN")
            }
            user => {
                let user = user.map_or_else(|| login.to_string(), |user| format!("user {user}"));
                failure(format!("{user} lacks the permission {shown} (HTTP 403)"))
                    .with_hint(format!("an administrator can give it on {subject} or above it ({permission}{also})"))
            }
        };
    }
    if text.contains("Please login to access") || text.contains("Please log in to access") {
        return failure(format!("{login} may know that {subject} is there, but not see it (HTTP 403)"))
            .with_hint("the permission Job/Read is missing; Job/Discover alone is not enough");
    }
    if user == Some("anonymous") || text.contains("Authentication required") {
        return match login {
            Credentials::Anonymous => failure("Jenkins shows nothing here to anonymous users (HTTP 403)".to_owned())
                .with_hint("set JENKINS_USER_ID and JENKINS_API_TOKEN"),
            _ => nobody(what, login),
        };
    }
    if response.header("x-jenkins").is_none() {
        return failure(format!(
            "{} refuses the request, and does not say that it is Jenkins (HTTP 403{})",
            response.url.host(),
            page(response)
        ))
        .with_hint("a proxy or firewall may stand in between: does it want a --header or a client certificate?");
    }
    failure(format!("Jenkins refuses {login} (HTTP 403{})", page(response)))
        .with_hint("`cibridge jenkins check` shows what these credentials may do")
}

/// Credentials were sent, and Jenkins saw nobody.
fn nobody(what: &str, login: &Credentials) -> Error {
    Error::new(ExitCode::Denied, what, "Jenkins saw no credentials, though some were sent (HTTP 403, anonymous)").with_hint(
        match login {
            Credentials::Bearer => NO_BEARER,
            _ => "a proxy stripped the Authorization header: it must pass it on, or not ask for its own login in that header",
        },
    )
}

/// `hudson.model.Item.Build` as the permission matrix shows it: `Job/Build`.
fn permission_name(id: &str) -> String {
    let mut parts = id.rsplit('.');
    let (name, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let group = match group {
        "Item" => "Job",
        "Hudson" | "Jenkins" => "Overall",
        "Computer" => "Agent",
        other => other,
    };
    format!("{group}/{name}")
}

/// The id under which the controller's log has an exception.
fn logging_id(text: &str) -> String {
    let id = text
        .split_once("Logging ID=")
        .map(|(_, rest)| rest.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect::<String>());
    id.filter(|id| !id.is_empty()).map(|id| format!(", logging id {id}")).unwrap_or_default()
}

fn page(response: &Response) -> String {
    let title: String = response.title().chars().take(80).collect();
    if title.is_empty() { String::new() } else { format!(", page {title:?}") }
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
