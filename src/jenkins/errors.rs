//! From an answer that is no success to an error with its exit code.
//!
//! Jenkins hides the reason of most refusals in a page for people; headers and a few fixed texts of these pages show
//! which one it is. The texts are those of the source and of recorded answers (2.516.2); they are not translated.

use super::credentials::Identity;
use crate::error::{Error, ExitCode};
use crate::http::{Response, Url};
use crate::sanitize::shorten;

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

/// What to do when Jenkins treats the sender of a bearer token as anonymous.
pub const NO_BEARER: &str = "Jenkins does not accept bearer tokens itself; the proxy in front of it must map the token to a user. Otherwise set JENKINS_USER_ID and JENKINS_API_TOKEN";

const SET_CREDENTIALS: &str = "set JENKINS_USER_ID and JENKINS_API_TOKEN";

/// The longest text of a service, and the longest title of a page, that an error repeats, in characters.
const QUOTED: usize = 160;
const TITLE: usize = 80;

/// The error that an unusable answer means. `subject` is the thing that the request was about, e.g. `job a/b`.
pub(super) fn refused(subject: &str, identity: &Identity, response: &Response) -> Error {
    let status = response.status;
    let host = response.url.host();
    let text = response.text();
    let error = |code, reason: String| Error::new(code, subject, reason);
    match status {
        300..400 => redirected(subject, response),
        401 => unauthorized(subject, identity, response),
        403 => forbidden(subject, identity, response, &text),
        404 => error(ExitCode::NotFound, format!("not found, or not visible to {identity} (HTTP 404)")).with_hint(
            match identity {
                Identity::Anonymous => "set JENKINS_USER_ID and JENKINS_API_TOKEN; Jenkins also answers 404 for what anonymous users may not see",
                _ if subject.contains("build ") => {
                    "check job and number; a job may delete old builds, and Jenkins also answers 404 for what a user may not see"
                }
                _ => "check the name; Jenkins also answers 404 for what a user may not see",
            },
        ),
        405 => {
            let allowed = response.header("allow").unwrap_or("unknown");
            error(ExitCode::Refused, format!("{host} does not allow this method (HTTP 405, allowed: {allowed})"))
                .with_hint("a redirect from http to https, or a proxy, turns the POST into a GET; use the final URL shown by the browser")
        }
        407 => error(ExitCode::NoConnection, format!("the proxy requires a login (HTTP 407 from {host})"))
            .with_hint("set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"),
        409 => error(ExitCode::Refused, "not buildable: disabled, or its configuration was never saved (HTTP 409)".to_owned())
            .with_hint("enable the job on its page, or save its configuration once"),
        400 if text.contains("Nothing is submitted") || text.contains("expects a form submission") => {
            error(ExitCode::Refused, "it has parameters, and was started without any (HTTP 400)".to_owned())
                .with_hint("leave out --no-validate, so that the parameters are looked up first, or pass them with --param")
        }
        413 => error(ExitCode::Refused, format!("request too large for {host} or a proxy in front of it (HTTP 413)"))
            .with_hint("raise the limit of the proxy, e.g. nginx: client_max_body_size (1 MB by default)"),
        414 | 431 => error(ExitCode::Refused, format!("address or headers too long for {host} (HTTP {status})"))
            .with_hint("pass large values as parameters, not in --header or the address"),
        429 => error(ExitCode::Unavailable, format!("too many requests (HTTP 429 from {host})"))
            .with_hint("a proxy in front of Jenkins limits requests: raise --poll-interval"),
        408 | 499 | 502 | 504 | 520..=524 => {
            error(ExitCode::Unavailable, format!("a gateway in front of Jenkins got no answer from it (HTTP {status} from {host})"))
                .with_hint("Jenkins is restarting, or needs longer than the gateway waits")
        }
        503 if is_starting(&text) => {
            error(ExitCode::Unavailable, format!("Jenkins on {host} is starting or restarting (HTTP 503)"))
                .with_hint("try again in a minute")
        }
        425 | 503 => error(ExitCode::Unavailable, format!("{host} is unavailable (HTTP {status})"))
            .with_hint("Jenkins or a proxy in front of it is down; try again later"),
        500.. if response.header("x-jenkins").is_none() => {
            error(ExitCode::Unavailable, format!("{host} failed, and does not identify itself as Jenkins (HTTP {status}{})", page(response)))
                .with_hint("see the log of the controller, or of a proxy in front of it")
        }
        500.. => error(ExitCode::Unavailable, format!("Jenkins failed with an exception (HTTP {status}{})", logging_id(&text)))
            .with_hint("the reason is in the controller's log, below that ID"),
        200..300 => error(ExitCode::NoConnection, format!("{host} did not answer as Jenkins does{}", page(response)))
            .with_hint("a login page or a proxy may answer instead, or the URL is not the controller's root: run `cibridge jenkins check`"),
        _ => match response.header("x-error") {
            Some(reason) => error(ExitCode::Refused, format!("{} (HTTP {status})", quoted(reason))),
            None => error(ExitCode::Refused, format!("Jenkins refused the request (HTTP {status}{}{})", page(response), logging_id(&text))),
        },
    }
}

/// The error for a 404 that means a wrong controller URL: nothing there identified itself as Jenkins, or what every
/// controller has is missing. `found` is where Jenkins answers instead.
pub(super) fn no_controller(subject: &str, root: &Url, found: Option<&Url>, response: &Response) -> Error {
    let root = root.without_query();
    let root = root.trim_end_matches('/');
    let reason = format!("not found: {root} is not the root of a Jenkins controller (HTTP 404{})", page(response));
    Error::new(ExitCode::NotFound, subject, reason).with_hint(match found {
        Some(found) => format!("Jenkins answers at {}: use that as the controller URL", found.without_query()),
        None => format!("check the controller URL: does Jenkins have a context path, as in {root}/jenkins?"),
    })
}

/// The same for the request that starts a build, where an exception has a few usual reasons.
pub(super) fn refused_start(subject: &str, identity: &Identity, with_parameters: bool, response: &Response) -> Error {
    let text = response.text();
    match response.status {
        302 if !is_login(response) && is_same_place(response) => {
            Error::new(ExitCode::Refused, subject, "Jenkins accepted the request but queued nothing (HTTP 302 to the job's page)").with_hint(
                "a plugin refused the build (a throttle, a hold, a shutdown: see the controller's log), or it is a multibranch project, which was only scanned",
            )
        }
        400 | 500 if with_parameters && text.contains("Logging ID") => Error::new(
            ExitCode::Refused,
            subject,
            format!("Jenkins failed on the parameters (HTTP {}{})", response.status, logging_id(&text)),
        )
        .with_hint(
            "usual reasons: the job has no parameters, a value is not one of the choices, a parameter is given twice; \
             without --no-validate they are reported before the start",
        ),
        _ => refused(subject, identity, response),
    }
}

/// The same for a configuration that Jenkins cannot read: `AbstractItem#updateByXml` throws, so the answer is 500 as for
/// a fault of its own, with the name of Jenkins on it. One without is from a gateway.
pub(super) fn refused_config(subject: &str, response: &Response) -> Option<Error> {
    let is_ours = response.status == 500 && response.header("x-jenkins").is_some();
    let reason = || format!("Jenkins cannot read it (HTTP 500{})", logging_id(&response.text()));
    is_ours.then(|| {
        Error::new(ExitCode::Refused, subject, reason()).with_hint(
            "the XML is not well-formed, or needs a plugin that is not installed; the controller's log has the reason",
        )
    })
}

/// The same for a start through the plugin build-token-root, whose answers are bare.
pub(super) fn refused_token_root(subject: &str, response: &Response) -> Error {
    let error = |code, reason: &str| Error::new(code, subject, format!("{reason} (HTTP {})", response.status));
    match response.status {
        404 => error(
            ExitCode::NotFound,
            "it does not exist, has no job token, or the plugin build-token-root is not installed",
        )
        .with_hint("set the token in the job's configuration, under `Trigger builds remotely`"),
        403 => error(
            ExitCode::Denied,
            "the job token is wrong, the start was refused, or the plugin build-token-root is not installed",
        )
        .with_hint("use the token from the job's configuration, under `Trigger builds remotely`"),
        400 => error(
            ExitCode::Refused,
            "not buildable, or parameters were passed to a job that has none, or the other way round",
        )
        .with_hint("the parameters of the job cannot be read here: pass --param if it has parameters, and only then"),
        _ => refused(subject, &Identity::Anonymous, response),
    }
}

/// Whether an answer to a POST leaves open what became of it: a gateway gave up, or something else than Jenkins failed.
pub(super) fn is_ambiguous(response: &Response) -> bool {
    match response.status {
        408 | 499 | 502 | 504 | 520..=524 => true,
        500 | 503 => response.header("x-jenkins").is_none() && !is_starting(&response.text()),
        _ => false,
    }
}

/// Whether a body is the page that Jenkins shows while it starts (`hudson.util.HudsonIsLoading`).
pub(super) fn is_starting(text: &str) -> bool {
    ["getting ready to work", "Starting Jenkins", "is restarting", "Please wait while Jenkins"]
        .iter()
        .any(|part| text.contains(part))
}

/// Whether the filter that requires a crumb stopped the request, so that nothing happened (`hudson.security.csrf.CrumbFilter`).
pub(super) fn wants_crumb(response: &Response) -> bool {
    response.status == 403 && response.text().contains("No valid crumb")
}

/// Whether a redirect leads to a login.
pub(super) fn is_login(response: &Response) -> bool {
    response.header("location").is_some_and(|location| LOGINS.iter().any(|word| location.contains(word)))
}

/// Whether a redirect stays on the page that was requested, or its parent.
fn is_same_place(response: &Response) -> bool {
    let Some(target) = response.header("location").and_then(|location| response.url.join(location).ok()) else {
        return true;
    };
    let folder = |url: &Url| url.without_query().trim_end_matches(['.', '/']).to_owned();
    let path = |text: String| text.split_once("://").and_then(|(_, rest)| Some(rest.split_once('/')?.1.to_owned()));
    let (from, to) = (path(folder(&response.url)), path(folder(&target)));
    matches!((from, to), (Some(from), Some(to)) if from.starts_with(&to) && target.is_https() == response.url.is_https())
}

fn redirected(subject: &str, response: &Response) -> Error {
    let (status, host) = (response.status, response.url.host());
    let location = response.header("location").unwrap_or("nowhere");
    let target = response.url.join(location).ok();
    // Without the query, which may hold a token; an address with a user and password is not a target.
    let shown = target.as_ref().map_or_else(|| "an address that cannot be used".to_owned(), Url::without_query);
    let error = |reason: String| Error::new(ExitCode::NoConnection, subject, reason);
    if is_login(response) {
        return error(format!("{host} redirects to a login page, {shown} (HTTP {status})")).with_hint(
            "single sign-on or a proxy is in front of Jenkins: it must let API tokens pass, or needs --header or a bearer token",
        );
    }
    match target.as_ref().filter(|target| target.origin() != response.url.origin()) {
        Some(target) => error(format!("{host} redirects to {} (HTTP {status})", target.origin()))
            .with_hint("use that address as the controller URL; a start is never repeated elsewhere"),
        None => error(format!("{host} redirects to {shown} (HTTP {status})"))
            .with_hint("check the controller URL: its root is what comes before /job/"),
    }
}

fn unauthorized(subject: &str, identity: &Identity, response: &Response) -> Error {
    let error = |reason: String| Error::new(ExitCode::Denied, subject, reason);
    let realm = response.header("www-authenticate").unwrap_or_default();
    if !realm.contains("Jenkins") && !realm.is_empty() {
        let (host, realm) = (response.url.host(), quoted(realm));
        return error(format!("{host} requires credentials other than Jenkins' own (HTTP 401, {realm})"))
            .with_hint("a proxy is in front of Jenkins: pass its credentials with --header");
    }
    match identity {
        Identity::Anonymous => error("credentials required (HTTP 401)".to_owned()).with_hint(SET_CREDENTIALS),
        Identity::Token(user) => error(format!("user {user} and this API token were refused (HTTP 401)")).with_hint(
            "the token is wrong, revoked or expired, or belongs to another user; with single sign-on it may end with the user's session",
        ),
        Identity::Password(user) => error(format!("user {user} and this password were refused (HTTP 401)")).with_hint(
            "an API token is `11` followed by 32 hexadecimal digits; create one under Security on the user's page",
        ),
        Identity::Bearer => error("the bearer token was refused (HTTP 401)".to_owned())
            .with_hint("it may have expired; Jenkins itself knows only user and API token"),
    }
}

fn forbidden(subject: &str, identity: &Identity, response: &Response, text: &str) -> Error {
    let error = |reason: String| Error::new(ExitCode::Denied, subject, reason);
    let user = response.header("x-you-are-authenticated-as");
    if text.contains("No valid crumb") {
        return error("Jenkins requires a crumb for requests without an API token (HTTP 403)".to_owned()).with_hint(
            match identity {
                Identity::Token(_) => {
                    "the token did not reach Jenkins: a proxy strips or replaces the Authorization header"
                }
                Identity::Bearer => NO_BEARER,
                _ => "use an API token (JENKINS_USER_ID and JENKINS_API_TOKEN), which needs no crumb",
            },
        );
    }
    if text.contains("Invalid token provided") {
        return error("the job token is wrong (HTTP 403)".to_owned())
            .with_hint("a wrong job token is refused even for a user who may build: correct it, or leave it out");
    }
    if let Some(permission) = response.header("x-required-permission") {
        let shown = permission_name(permission);
        let implied: Vec<_> = response.headers("x-permission-implied-by").map(permission_name).collect();
        let also = if implied.is_empty() { String::new() } else { format!(", implied by {}", implied.join(", ")) };
        return match user {
            Some("anonymous") if !matches!(identity, Identity::Anonymous) => unseen(subject, identity),
            Some("anonymous") | None if matches!(identity, Identity::Anonymous) => {
                error(format!("anonymous users lack the permission {shown} (HTTP 403)")).with_hint(SET_CREDENTIALS)
            }
            user => {
                let user = user.map_or_else(|| identity.to_string(), |user| format!("user {}", quoted(user)));
                error(format!("{user} lacks the permission {shown} (HTTP 403)"))
                    .with_hint(format!("an administrator can grant it ({permission}{also})"))
            }
        };
    }
    if text.contains("Please login to access") || text.contains("Please log in to access") {
        return error(format!("{identity} has Job/Discover but not Job/Read (HTTP 403)"))
            .with_hint("an administrator can grant Job/Read");
    }
    if user == Some("anonymous") || text.contains("Authentication required") {
        return match identity {
            Identity::Anonymous => {
                error("not visible to anonymous users (HTTP 403)".to_owned()).with_hint(SET_CREDENTIALS)
            }
            _ => unseen(subject, identity),
        };
    }
    if response.header("x-jenkins").is_none() {
        let (host, page) = (response.url.host(), page(response));
        return error(format!("{host} refused the request, and does not identify itself as Jenkins (HTTP 403{page})"))
            .with_hint("a proxy or firewall may have answered: does it need --header or a client certificate?");
    }
    error(format!("Jenkins refused {identity} (HTTP 403{})", page(response)))
        .with_hint("`cibridge jenkins check` shows what these credentials may do")
}

/// Credentials were sent, and Jenkins saw none.
fn unseen(subject: &str, identity: &Identity) -> Error {
    let reason = "Jenkins saw no credentials although some were sent (HTTP 403, anonymous)";
    Error::new(ExitCode::Denied, subject, reason).with_hint(match identity {
        Identity::Bearer => NO_BEARER,
        _ => "a proxy strips the Authorization header: it must pass it on, or use another header for its own login",
    })
}

/// `hudson.model.Item.Build` as the permission matrix shows it: `Job/Build`.
fn permission_name(id: &str) -> String {
    let id = quoted(id);
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

/// The ID under which the controller's log has an exception.
fn logging_id(text: &str) -> String {
    let id = text
        .split_once("Logging ID=")
        .map(|(_, rest)| rest.chars().take(36).take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect::<String>());
    id.filter(|id| !id.is_empty()).map(|id| format!(", logging ID {id}")).unwrap_or_default()
}

fn page(response: &Response) -> String {
    let title = shorten(response.title(), TITLE);
    if title.is_empty() { String::new() } else { format!(", page {title:?}") }
}

/// A text of a service, not longer than a screen line.
fn quoted(text: &str) -> String {
    shorten(text.to_owned(), QUOTED)
}
