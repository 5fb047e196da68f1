//! The sentence and hint of every refusal in the tables of the remote API, word for word.
//!
//! Statuses, headers and page texts are those of a real controller (2.516) where it gives them, else of the source.

use super::*;

/// Page texts, cut down to what tells them apart.
const OOPS: &str =
    "<html><h1>Oops!</h1>A problem occurred while processing the request Logging ID=6f5a16d5-a6bc</html>";
const CRUMB: &str = "<html><title>Error 403 No valid crumb was included in the request</title></html>";
const JOB_TOKEN: &str = "<html><title>Jenkins</title><h1>Access Denied</h1>Invalid token provided.</html>";
const LOGIN: &str =
    "<html><head><meta http-equiv='refresh' content='1;url=/login?from=%2F'/></head>Authentication required</html>";
const STARTING: &str =
    "<html><title>Starting Jenkins</title>Please wait while Jenkins is getting ready to work ...</html>";
const JOB: &str = "https://ci.example/job/a/build";

type Row = (&'static str, u16, &'static [(&'static str, &'static str)], &'static str, &'static str);

fn dev() -> Identity {
    Identity::Token("dev".to_owned())
}

fn told(failure: &Error) -> String {
    format!("{} {} | {}", failure.code().number(), failure.reason(), failure.hint().unwrap_or_default())
}

#[track_caller]
fn check(rows: &[Row], refused: impl Fn(&Response) -> Error) {
    for (row, status, headers, body, expected) in rows {
        let response = Response::example(*status, JOB, headers, body);
        assert_eq!(told(&refused(&response)), *expected, "{row}");
    }
}

#[test]
fn starts() {
    check(
        &[
            (
                "vetoed by a plugin",
                302,
                &[("location", "https://ci.example/job/a/")],
                "",
                "12 Jenkins accepted the request but queued nothing (HTTP 302 to the job's page) | a plugin refused the build (a throttle, a hold, a shutdown: see the controller's log), or it is a multibranch project, which was only scanned",
            ),
            (
                "vetoed, relative",
                302,
                &[("location", ".")],
                "",
                "12 Jenkins accepted the request but queued nothing (HTTP 302 to the job's page) | a plugin refused the build (a throttle, a hold, a shutdown: see the controller's log), or it is a multibranch project, which was only scanned",
            ),
            (
                "disabled",
                409,
                &[("x-jenkins", "2.516.2")],
                OOPS,
                "12 not buildable: disabled, or its configuration was never saved (HTTP 409) | enable the job on its page, or save its configuration once",
            ),
            (
                "has parameters, started as if not",
                400,
                &[],
                "<title>Error 400 Nothing is submitted</title>",
                "12 it has parameters, and was started without any (HTTP 400) | leave out --no-validate, so that the parameters are looked up first, or pass them with --param",
            ),
            (
                "the same, older",
                400,
                &[],
                "This page expects a form submission",
                "12 it has parameters, and was started without any (HTTP 400) | leave out --no-validate, so that the parameters are looked up first, or pass them with --param",
            ),
            (
                "GET",
                405,
                &[("allow", "POST"), ("x-jenkins", "2.516.2")],
                "",
                "12 ci.example does not allow this method (HTTP 405, allowed: POST) | a redirect from http to https, or a proxy, turns the POST into a GET; use the final URL shown by the browser",
            ),
            (
                "wrong job token",
                403,
                &[("x-jenkins", "2.516.2")],
                JOB_TOKEN,
                "10 the job token is wrong (HTTP 403) | a wrong job token is refused even for a user who may build: correct it, or leave it out",
            ),
            (
                "other host",
                301,
                &[("location", "https://jenkins.example/job/a/build")],
                "",
                "14 ci.example redirects to https://jenkins.example:443 (HTTP 301) | use that address as the controller URL; a start is never repeated elsewhere",
            ),
            (
                "login page",
                302,
                &[("location", "https://ci.example/securityRealm/commenceLogin?from=%2F")],
                "",
                "14 ci.example redirects to a login page, https://ci.example/securityRealm/commenceLogin (HTTP 302) | single sign-on or a proxy is in front of Jenkins: it must let API tokens pass, or needs --header or a bearer token",
            ),
        ],
        |response| refused_start("job a", &dev(), false, response),
    );
    for status in [400, 500] {
        let response = Response::example(status, JOB, &[("x-jenkins", "2.516.2")], OOPS);
        assert_eq!(
            told(&refused_start("job a", &dev(), true, &response)),
            format!(
                "12 Jenkins failed on the parameters (HTTP {status}, logging ID 6f5a16d5-a6bc) | usual reasons: the job has no \
                 parameters, a value is not one of the choices, a parameter is given twice; without --no-validate they are reported \
                 before the start"
            )
        );
    }
}

#[test]
fn starts_by_a_token_alone() {
    check(
        &[
            (
                "no job, no token, no plugin",
                404,
                &[],
                "",
                "11 it does not exist, has no job token, or the plugin build-token-root is not installed (HTTP 404) | set the token in the job's configuration, under `Trigger builds remotely`",
            ),
            (
                "wrong token",
                403,
                &[("x-jenkins", "2.516.2")],
                LOGIN,
                "10 the job token is wrong, the start was refused, or the plugin build-token-root is not installed (HTTP 403) | use the token from the job's configuration, under `Trigger builds remotely`",
            ),
            (
                "wrong endpoint",
                400,
                &[("x-jenkins", "2.516.2")],
                OOPS,
                "12 not buildable, or parameters were passed to a job that has none, or the other way round (HTTP 400) | the parameters of the job cannot be read here: pass --param if it has parameters, and only then",
            ),
        ],
        |response| refused_token_root("job a", response),
    );
}

#[test]
fn everything_else() {
    check(
        &[
            (
                "wrong token",
                401,
                &[("www-authenticate", "Basic realm=\"Jenkins\"")],
                "",
                "10 user dev and this API token were refused (HTTP 401) | the token is wrong, revoked or expired, or belongs to another user; with single sign-on it may end with the user's session",
            ),
            (
                "a proxy's own login",
                401,
                &[("www-authenticate", "Basic realm=\"Corp\"")],
                "",
                "10 ci.example requires credentials other than Jenkins' own (HTTP 401, Basic realm=\"Corp\") | a proxy is in front of Jenkins: pass its credentials with --header",
            ),
            (
                "permission",
                403,
                &[
                    ("x-you-are-authenticated-as", "viewer"),
                    ("x-required-permission", "hudson.model.Item.Build"),
                    ("x-permission-implied-by", "hudson.security.Permission.GenericUpdate"),
                    ("x-permission-implied-by", "hudson.model.Hudson.Administer"),
                ],
                "",
                "10 user viewer lacks the permission Job/Build (HTTP 403) | an administrator can grant it (hudson.model.Item.Build, implied by Permission/GenericUpdate, Overall/Administer)",
            ),
            (
                "credentials that did not arrive",
                403,
                &[("x-you-are-authenticated-as", "anonymous"), ("x-required-permission", "hudson.model.Item.Build")],
                "",
                "10 Jenkins saw no credentials although some were sent (HTTP 403, anonymous) | a proxy strips the Authorization header: it must pass it on, or use another header for its own login",
            ),
            (
                "the same on the login page",
                403,
                &[("x-jenkins", "2.516.2")],
                LOGIN,
                "10 Jenkins saw no credentials although some were sent (HTTP 403, anonymous) | a proxy strips the Authorization header: it must pass it on, or use another header for its own login",
            ),
            (
                "crumb, with a token",
                403,
                &[],
                CRUMB,
                "10 Jenkins requires a crumb for requests without an API token (HTTP 403) | the token did not reach Jenkins: a proxy strips or replaces the Authorization header",
            ),
            (
                "discover only",
                403,
                &[("x-jenkins", "2.516.2")],
                "Access Denied Please login to access job a",
                "10 user dev has Job/Discover but not Job/Read (HTTP 403) | an administrator can grant Job/Read",
            ),
            (
                "a firewall",
                403,
                &[],
                "<html><title>Blocked by policy</title></html>",
                "10 ci.example refused the request, and does not identify itself as Jenkins (HTTP 403, page \"Blocked by policy\") | a proxy or firewall may have answered: does it need --header or a client certificate?",
            ),
            (
                "another reason of Jenkins",
                403,
                &[("x-jenkins", "2.516.2")],
                "<title>Forbidden</title>",
                "10 Jenkins refused user dev (HTTP 403, page \"Forbidden\") | `cibridge jenkins check` shows what these credentials may do",
            ),
            (
                "missing or hidden",
                404,
                &[("x-jenkins", "2.516.2")],
                "",
                "11 not found, or not visible to user dev (HTTP 404) | check the name; Jenkins also answers 404 for what a user may not see",
            ),
            (
                "failure with a reason",
                400,
                &[("x-error", "You need to be admin to submit this.")],
                "",
                "12 You need to be admin to submit this. (HTTP 400) | ",
            ),
            (
                "proxy login",
                407,
                &[],
                "",
                "14 the proxy requires a login (HTTP 407 from ci.example) | set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
            ),
            (
                "too large",
                413,
                &[],
                "",
                "12 request too large for ci.example or a proxy in front of it (HTTP 413) | raise the limit of the proxy, e.g. nginx: client_max_body_size (1 MB by default)",
            ),
            (
                "address too long",
                414,
                &[],
                "",
                "12 address or headers too long for ci.example (HTTP 414) | pass large values as parameters, not in --header or the address",
            ),
            (
                "headers too long",
                431,
                &[],
                "",
                "12 address or headers too long for ci.example (HTTP 431) | pass large values as parameters, not in --header or the address",
            ),
            (
                "rate limit of a proxy",
                429,
                &[],
                "",
                "13 too many requests (HTTP 429 from ci.example) | a proxy in front of Jenkins limits requests: raise --poll-interval",
            ),
            (
                "exception",
                500,
                &[("x-jenkins", "2.516.2")],
                OOPS,
                "13 Jenkins failed with an exception (HTTP 500, logging ID 6f5a16d5-a6bc) | the reason is in the controller's log, below that ID",
            ),
            (
                "gateway",
                502,
                &[],
                "",
                "13 a gateway in front of Jenkins got no answer from it (HTTP 502 from ci.example) | Jenkins is restarting, or needs longer than the gateway waits",
            ),
            (
                "gateway timeout",
                504,
                &[],
                "",
                "13 a gateway in front of Jenkins got no answer from it (HTTP 504 from ci.example) | Jenkins is restarting, or needs longer than the gateway waits",
            ),
            (
                "starting",
                503,
                &[],
                STARTING,
                "13 Jenkins on ci.example is starting or restarting (HTTP 503) | try again in a minute",
            ),
            (
                "away",
                503,
                &[],
                "",
                "13 ci.example is unavailable (HTTP 503) | Jenkins or a proxy in front of it is down; try again later",
            ),
            (
                "a sign-on page as an answer",
                200,
                &[("content-type", "text/html")],
                "<title>Sign in</title>",
                "14 ci.example did not answer as Jenkins does, page \"Sign in\" | a login page or a proxy may answer instead, or the URL is not the controller's root: run `cibridge jenkins check`",
            ),
            (
                "sign-on elsewhere",
                302,
                &[("location", "https://login.microsoftonline.com/x?y=z")],
                "",
                "14 ci.example redirects to a login page, https://login.microsoftonline.com/x (HTTP 302) | single sign-on or a proxy is in front of Jenkins: it must let API tokens pass, or needs --header or a bearer token",
            ),
            (
                "another path",
                302,
                &[("location", "/jenkins/")],
                "",
                "14 ci.example redirects to https://ci.example/jenkins/ (HTTP 302) | check the controller URL: its root is what comes before /job/",
            ),
        ],
        |response| refused("job a", &dev(), response),
    );
}

#[test]
fn the_same_answer_means_another_thing_for_other_credentials() {
    let of = |identity: Identity, status, headers: &[(&'static str, &str)], body| {
        told(&refused("job a", &identity, &Response::example(status, JOB, headers, body)))
    };
    let password = || Identity::Password("dev".to_owned());
    for (told, expected) in [
        (
            of(Identity::Anonymous, 403, &[("x-jenkins", "2")], LOGIN),
            "10 not visible to anonymous users (HTTP 403) | set JENKINS_USER_ID and JENKINS_API_TOKEN",
        ),
        (
            of(Identity::Anonymous, 403, &[], CRUMB),
            "10 Jenkins requires a crumb for requests without an API token (HTTP 403) | use an API token (JENKINS_USER_ID and JENKINS_API_TOKEN), which needs no crumb",
        ),
        (
            of(Identity::Anonymous, 404, &[], ""),
            "11 not found, or not visible to anonymous users (HTTP 404) | set JENKINS_USER_ID and JENKINS_API_TOKEN; Jenkins also answers 404 for what anonymous users may not see",
        ),
        (
            of(Identity::Anonymous, 401, &[], ""),
            "10 credentials required (HTTP 401) | set JENKINS_USER_ID and JENKINS_API_TOKEN",
        ),
        (
            of(
                Identity::Anonymous,
                403,
                &[("x-you-are-authenticated-as", "anonymous"), ("x-required-permission", "hudson.model.Item.Build")],
                "",
            ),
            "10 anonymous users lack the permission Job/Build (HTTP 403) | set JENKINS_USER_ID and JENKINS_API_TOKEN",
        ),
        (
            of(password(), 401, &[("www-authenticate", "Basic realm=\"Jenkins\"")], ""),
            "10 user dev and this password were refused (HTTP 401) | an API token is `11` followed by 32 hexadecimal digits; create one under Security on the user's page",
        ),
        (
            of(Identity::Bearer, 401, &[], ""),
            "10 the bearer token was refused (HTTP 401) | it may have expired; Jenkins itself knows only user and API token",
        ),
    ] {
        assert_eq!(told, expected);
    }
}
