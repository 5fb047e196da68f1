//! `check`: reports what works and what does not, a line each, with a hint where something does not.

use crate::cli::{CheckArgs, CodemagicConnectionArgs, JenkinsCheckArgs, JenkinsConnectionArgs};
use crate::codemagic::{AppId, Client, Endpoints, Filter, unknown_workflow};
use crate::document::{Check, CheckState, Details};
use crate::error::{Error, ExitCode};
use crate::http::{Http, Url};
use crate::jenkins::{Identity, JobRef, NO_BEARER};

use super::session::{CommandResult, Session};
use super::{codemagic, jenkins};

/// The checks of a call so far. Each is reported as soon as it is done.
struct Checks<'a> {
    session: &'a mut Session,
    done: Vec<Check>,
    first_error: Option<Error>,
}

impl<'a> Checks<'a> {
    fn new(session: &'a mut Session) -> Self {
        Self { session, done: Vec::new(), first_error: None }
    }

    fn note(&mut self, name: &'static str, result: Result<String, Error>) {
        let console = self.session.console();
        match result {
            Ok(message) => {
                console.line(&format!("ok: {message}"));
                self.done.push(Check { name, state: CheckState::Ok, message, hint: None });
            }
            Err(error) => {
                console.line(&format!("failed: {error}"));
                if let Some(hint) = error.hint() {
                    console.line(&format!("  hint: {hint}"));
                }
                let hint = error.hint().map(str::to_owned);
                self.done.push(Check { name, state: CheckState::Failed, message: error.to_string(), hint });
                self.first_error.get_or_insert(error);
            }
        }
    }

    fn skip(&mut self, name: &'static str, message: &str) {
        self.session.console().line(&format!("not checked: {message}"));
        self.done.push(Check { name, state: CheckState::Skipped, message: message.to_owned(), hint: None });
    }

    /// The first failure is the call's.
    fn finish(self) -> ExitCode {
        let Self { session, done, first_error } = self;
        let call = &mut session.writer.call;
        call.details = Some(Details::Checks(done));
        match first_error {
            None => session.writer.succeed(),
            Some(error) => {
                call.fail(&error);
                error.code()
            }
        }
    }
}

pub fn codemagic(args: &CheckArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    let (client, source) = codemagic::connect_with_source(connection, session)?;
    let mut checks = Checks::new(session);
    let Endpoints { v3, legacy } = client.endpoints();
    checks.note("network", route(&format!("v3 API ({})", v3.host()), v3));
    checks.note("network", route(&format!("legacy API ({})", legacy.host()), legacy));
    if v3.is_https() {
        checks.note("network", client.roots().map(|source| format!("certificates are checked with {source}")));
    }
    let teams = checks.session.with_retries(|| client.team_names());
    let is_valid = teams.is_ok();
    checks.note(
        "api_key",
        teams.map(|teams| match teams.as_slice() {
            [] => format!("the API key from {source} is valid; v3 lists no team of its user"),
            teams => format!("the API key from {source} is valid; teams: {}", teams.join(", ")),
        }),
    );
    let legacy = checks.session.with_retries(|| client.ping_legacy());
    checks.note(
        "legacy_api",
        legacy.map(|()| "the legacy API answers (it cancels builds and holds the logs)".to_owned()),
    );
    match args.app_id.as_ref().filter(|_| is_valid) {
        Some(app_id) => {
            let found = find_app(&client, app_id, checks.session);
            checks.note("app", found);
            if let Some(workflow) = &args.workflow {
                let found = find_workflow(&client, app_id, workflow, checks.session);
                checks.note("workflow", found);
            }
        }
        None if is_valid => checks.skip("app", "the app (pass --app-id or set CODEMAGIC_APP_ID)"),
        None => {}
    }
    Ok(checks.finish())
}

/// How `target` is reached at `url`.
fn route(target: &str, url: &Url) -> Result<String, Error> {
    Ok(match Http::proxy_for(url).map_err(|fault| fault.into_error("proxy"))? {
        Some(proxy) => format!("{target}: through the proxy {proxy}"),
        None => format!("{target}: connected directly, without a proxy"),
    })
}

fn find_app(client: &Client, app_id: &AppId, session: &Session) -> Result<String, Error> {
    if let Some(name) = session.with_retries(|| client.app_name(app_id))? {
        return Ok(format!("app {app_id} is visible: {name}"));
    }
    match session.with_retries(|| client.list_builds(&Filter::app(app_id), 1)) {
        Ok(builds) if !builds.is_empty() => Ok(format!("app {app_id} is visible by its builds")),
        Err(error) if error.code() != ExitCode::NotFound => Err(error),
        _ => {
            Err(Error::new(ExitCode::NotFound, format!("app {app_id}"), "not found, or not visible with this API key")
                .with_hint(
                    "`cibridge codemagic apps` lists the IDs; the key's user must be in the team that owns the app",
                ))
        }
    }
}

fn find_workflow(client: &Client, app_id: &AppId, workflow: &str, session: &Session) -> Result<String, Error> {
    let known = session.with_retries(|| client.workflows(app_id))?;
    if known.iter().any(|own| own.id == workflow) {
        return Ok(format!("workflow {workflow} is known"));
    }
    Err(unknown_workflow(workflow, &known))
}

pub fn jenkins(args: &JenkinsCheckArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let (provider, job) =
        jenkins::connect_to_optional_job(args.job.as_deref(), args.branch.as_deref(), connection, session)?;
    let client = provider.client();
    let mut checks = Checks::new(session);
    checks.note("network", route(client.root().host(), client.root()));
    let who = checks.session.with_retries(|| client.who_am_i());
    let is_valid = who.is_ok();
    match client.version() {
        Some(version) if is_valid => checks.note("controller", Ok(format!("{} is Jenkins {version}", client.root()))),
        None if is_valid => {
            checks.note("controller", Ok(format!("{} answers as Jenkins; a proxy hides its version", client.root())));
        }
        _ => {}
    }
    checks.note(
        "credentials",
        who.and_then(|who| match (who.anonymous, client.identity()) {
            (true, Identity::Anonymous) => Ok("no credentials were given: anonymous".to_owned()),
            (true, identity) => {
                Err(Error::new(ExitCode::Denied, "credentials", "some were sent, but Jenkins saw none").with_hint(
                    match identity {
                        Identity::Bearer => NO_BEARER,
                        _ => "a proxy on the way removed the Authorization header",
                    },
                ))
            }
            (false, Identity::Token(_)) => Ok(format!("the API token is valid: user {}, no crumb is needed", who.name)),
            (false, Identity::Password(_)) => Ok(format!(
                "the password is valid: user {}; each change needs a crumb, which an API token would not",
                who.name
            )),
            (false, _) => Ok(format!("the credentials are valid: user {}", who.name)),
        }),
    );
    if is_valid && !matches!(client.identity(), Identity::Token(_)) {
        let crumbs = checks.session.with_retries(|| client.crumbs_in_use());
        checks.note(
            "crumbs",
            crumbs.map(|crumbs| match crumbs {
                Some(true) => "Jenkins requires crumbs, and gives one".to_owned(),
                Some(false) => "Jenkins requires no crumbs".to_owned(),
                None => "these credentials do not show whether Jenkins requires crumbs".to_owned(),
            }),
        );
    }
    match job.filter(|_| is_valid) {
        Some(job) => check_job(client, &job, &mut checks),
        None if is_valid => checks.skip("job", "a job (name one)"),
        None => {}
    }
    Ok(checks.finish())
}

fn check_job(client: &crate::jenkins::Client, job: &JobRef, checks: &mut Checks) {
    let known = match jenkins::read_job(client, job, checks.session, || client.job(job)) {
        Ok(known) => known,
        Err(error) => return checks.note("job", Err(error)),
    };
    let names: Vec<_> = known.definitions.iter().map(|definition| definition.name.as_str()).collect();
    let parameters =
        if names.is_empty() { "no parameters".to_owned() } else { format!("parameters {}", names.join(", ")) };
    checks.note("job", Ok(format!("job {job} is visible: {parameters}")));
    let may_start = known
        .check_buildable(&format!("job {job}"))
        .and_then(|()| checks.session.with_retries(|| client.may_build(job, known.is_parameterized())));
    checks.note("start", may_start.map(|()| format!("job {job} can be started with these credentials")));
}
