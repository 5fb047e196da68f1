//! What a build leaves behind, brought home: choosing artifacts, downloading them, writing test results.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::super::{Context, ResultWriter, fetching, settle, writable};
use super::{watching, with_retries};
use crate::cli::{self, CollectArgs, DownloadArgs};
use crate::clock::Clock;
use crate::codemagic::{Client, Offer};
use crate::document::{Document, Outcome};
use crate::download::{Attempts, DownloadSource};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::Request;
use crate::model::{Artifact, TestStatus, TestSuite};
use crate::output;
use crate::output::junit::{self, Counts};

/// How long a link of v3 is taken for fresh. Its life is not documented; the links of one look serve the many small
/// files that are fetched within seconds of it.
const FRESH: Duration = Duration::from_secs(30);

/// Looks at a build that has just ended and does not show the artifacts yet.
const LATE_LOOKS: u32 = 5;

/// The pause between them.
const LATE_PAUSE: Duration = Duration::from_secs(2);

/// The links of the chosen artifacts of a build.
struct BuildLinks<'a> {
    client: &'a Client,
    clock: &'a dyn Clock,
    id: &'a str,
    offers: &'a mut [Offer],
    seen: crate::clock::Timestamp,
}

impl BuildLinks<'_> {
    fn look(&mut self) -> Result<(), RequestError> {
        let (_, newer) = self.client.offers(self.id)?;
        Offer::renew(self.offers, newer);
        self.seen = self.clock.now();
        Ok(())
    }
}

/// The links of one artifact.
struct ArtifactSource<'a, 'b> {
    links: &'b RefCell<BuildLinks<'a>>,
    n: usize,
}

impl DownloadSource for ArtifactSource<'_, '_> {
    fn request(&mut self, attempts: Attempts) -> Result<Request, RequestError> {
        self.links.borrow_mut().request(self.n, attempts)
    }
}

impl BuildLinks<'_> {
    fn request(&mut self, n: usize, attempts: Attempts) -> Result<Request, RequestError> {
        if attempts.made > 0 || self.clock.now().since(self.seen) > FRESH {
            self.look()?;
        }
        let offer = &self.offers[n];
        let (short_lived, lasting) = (offer.by_short_lived_link(), offer.by_lasting_link());
        // The old link is the last resort: it needs the key.
        let request = if attempts.refused > 1 { lasting.or(short_lived) } else { short_lived.or(lasting) };
        request.ok_or_else(|| {
            let what = format!("downloading {}", offer.artifact.name);
            RequestError::permanent(Error::new(ExitCode::NotFound, what, "the service gives no link to it"))
        })
    }
}

/// The failure of choosing nothing, with what there is.
pub(super) fn nothing(id: &str, there: &[Artifact], wanted: &[&[String]]) -> Error {
    fetching::nothing(id, there, wanted, "does the workflow list them under `artifacts:`?")
}

/// Downloads the chosen artifacts into a folder, and notes in `document` where each lies.
pub(super) fn fetch(
    client: &Client,
    id: &str,
    mut offers: Vec<Offer>,
    chosen: &[usize],
    place: (&Path, u8),
    context: &Context,
    document: &mut Document,
) -> Result<(), Error> {
    let seen = context.clock.now();
    if let Err(failure) = with_retries(&*context.clock, || client.add_sums(id, &mut offers)) {
        context.console.line(&format!("{failure}; only the sizes are checked"));
    }
    document.artifacts = offers.iter().map(|offer| offer.artifact.clone()).collect();
    let links = RefCell::new(BuildLinks { client, clock: &*context.clock, id, offers: &mut offers, seen });
    let source = |n| -> Box<dyn DownloadSource + '_> { Box::new(ArtifactSource { links: &links, n }) };
    fetching::fetch(&client.downloads(), &source, chosen, place, context, document)
}

/// What `trigger` and `wait` are to bring home.
pub(super) struct CollectOptions {
    globs: Vec<String>,
    dir: PathBuf,
    junit: Option<PathBuf>,
    download: DownloadArgs,
    /// The pause between looks for artifacts that are late.
    pause: Duration,
}

impl CollectOptions {
    /// Reads the wishes, and checks that they can be fulfilled here before anything remote happens.
    pub(super) fn check(args: &CollectArgs, poll_interval: Option<Duration>) -> anyhow::Result<Self> {
        let globs = cli::repeated(&args.artifacts, "CIBRIDGE_ARTIFACTS");
        if !globs.is_empty() {
            writable(&args.artifacts_dir)?;
        }
        if let Some(path) = &args.junit {
            check_junit(path)?;
        }
        Ok(Self {
            globs,
            dir: args.artifacts_dir.clone(),
            junit: args.junit.clone(),
            download: args.download.clone(),
            pause: poll_interval.unwrap_or(LATE_PAUSE),
        })
    }

    /// Whether nothing is wished for.
    pub(super) fn are_none(&self) -> bool {
        self.globs.is_empty() && self.junit.is_none()
    }
}

/// Checks that the file of test results can be written, and makes its folder.
pub(super) fn check_junit(path: &Path) -> anyhow::Result<()> {
    let what = || format!("the JUnit file {}", path.display());
    fs::create_dir_all(output::folder(path)).with_context(what)?;
    output::check_writable(path, &what())
}

/// Brings home what the builds left that have ended: of good builds all that is wished for, of failed ones what is
/// there. A failed build's own code is never hidden by a failure here.
pub(super) fn run(
    client: &Client,
    wishes: &CollectOptions,
    context: &Context,
    publication: &mut ResultWriter,
) -> ExitCode {
    let several = publication.documents.len() > 1;
    let mut suites = Vec::new();
    for document in &mut publication.documents {
        let good = matches!(document.outcome, Outcome::Success | Outcome::Unstable);
        if !good && document.outcome != Outcome::Failed {
            continue;
        }
        let build = document.build.clone().unwrap_or_default();
        let dir = if several { wishes.dir.join(&build.id) } else { wishes.dir.clone() };
        if !wishes.globs.is_empty()
            && let Err(failure) = collect(client, wishes, (&build.id, &dir, good), context, document)
        {
            settle(document, &failure, &context.console);
        }
        if wishes.junit.is_none() || context.clock.interrupted().is_some() {
            continue;
        }
        match with_retries(&*context.clock, || client.test_results(&build.id)) {
            Ok(mut own) => {
                note_tests(&own, wishes.junit.as_deref().filter(|_| !own.is_empty()), document);
                if several {
                    for suite in &mut own {
                        suite.group = format!("{} {}", watching::title(&build), suite.group);
                    }
                }
                suites.extend(own);
            }
            Err(failure) => settle(document, &failure, &context.console),
        }
    }
    let goes_on = publication.documents.iter().any(|document| document.outcome == Outcome::Running);
    if let Some(path) = &wishes.junit
        && context.clock.interrupted().is_none()
        && !goes_on
        && let Err(error) = write_junit(path, &suites, context)
    {
        let failure = super::super::failure(&error);
        publication.documents.iter_mut().for_each(|document| settle(document, &failure, &context.console));
    }
    publication.worst()
}

fn collect(
    client: &Client,
    wishes: &CollectOptions,
    (id, dir, good): (&str, &Path, bool),
    context: &Context,
    document: &mut Document,
) -> Result<(), Error> {
    let clock = &*context.clock;
    for look in 1.. {
        let (seen, offers) = with_retries(clock, || client.offers(id))?;
        let chosen = fetching::choose(&seen.artifacts, &wishes.globs, &[]);
        if !chosen.is_empty() {
            return fetch(client, id, offers, &chosen, (dir, wishes.download.jobs), context, document);
        }
        if !good || wishes.download.allow_none {
            context.console.line(&format!("no artifact of build {id} is like {}", wishes.globs.join(" or ")));
            return Ok(());
        }
        if look == LATE_LOOKS {
            return Err(nothing(id, &seen.artifacts, &[&wishes.globs]));
        }
        clock.sleep(wishes.pause);
        if let Some(code) = clock.interrupted() {
            return Err(Error::new(code, format!("the artifacts of build {id}"), "ended by a signal"));
        }
    }
    Ok(())
}

/// Writes the results, or says that there are none. What an earlier build left under the name must not pass for them.
pub(super) fn write_junit(path: &Path, suites: &[TestSuite], context: &Context) -> anyhow::Result<()> {
    let what = || format!("the JUnit file {}", path.display());
    if suites.is_empty() {
        let gone = if path.exists() {
            fs::remove_file(path).with_context(what)?;
            ", and the one of an earlier build was removed"
        } else {
            ""
        };
        context.console.line(&format!("no test results: {} is not written{gone}", path.display()));
        return Ok(());
    }
    let xml = junit::xml(suites).with_context(what)?;
    output::replace_file(path, &context.console.masked_bytes(&xml)).with_context(what)?;
    context.console.line(&format!("{}; written to {}", sentence(suites), path.display()));
    Ok(())
}

/// The counts in words.
pub(super) fn sentence(suites: &[TestSuite]) -> String {
    let counts = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let Counts { passed, failed, errored, skipped } = counts;
    format!("{} tests: {passed} passed, {failed} failed, {errored} errored, {skipped} skipped", counts.total())
}

/// The tests that ended badly, one line each.
pub(super) fn bad_ones(suites: &[TestSuite]) -> Vec<String> {
    let word = |status| match status {
        TestStatus::Failed => Some("failed"),
        TestStatus::Errored => Some("errored"),
        TestStatus::Passed | TestStatus::Skipped => None,
    };
    let of = |suite: &TestSuite| {
        let line = |case: &crate::model::TestCase| {
            Some(format!("{}: {}: {}", word(case.status)?, suite.name, case.name.replace('\n', " ")))
        };
        suite.cases.iter().filter_map(line).collect::<Vec<_>>()
    };
    suites.iter().flat_map(of).collect()
}

/// Notes the counts in the document.
pub(super) fn note_tests(suites: &[TestSuite], junit: Option<&Path>, document: &mut Document) {
    let Counts { passed, failed, errored, skipped } = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let tests = json!({
        "passed": passed, "failed": failed, "errored": errored, "skipped": skipped,
        "junit": junit.map(|path| path.display().to_string()),
    });
    document.more.insert("tests".to_owned(), tests);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::SystemTime;

    use cibridge_simulator::{DEFAULT_APP, Simulator, StartRequest, Target};

    use super::*;
    use crate::clock::{Interrupt, Timestamp};
    use crate::codemagic::Endpoints;
    use crate::http::{Credential, Http, HttpOptions, Url};
    use crate::secret::Secret;

    /// A clock that a test sets.
    #[derive(Default)]
    struct Hand(Mutex<Timestamp>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + self.now().since(Timestamp::START)
        }
        fn sleep(&self, pause: Duration) {
            let mut now = self.0.lock().unwrap();
            *now = *now + pause;
        }
        fn interrupted(&self) -> Option<ExitCode> {
            None
        }
    }

    #[test]
    fn links_of_one_look_serve_files_that_are_fetched_soon_and_each_further_try_gets_a_fresh_one() {
        let sim = Simulator::start().unwrap();
        let start =
            StartRequest { app_id: DEFAULT_APP.into(), workflow_id: "ios-release".into(), ..StartRequest::default() };
        let id = sim.start_build(start);
        sim.advance_build(&id, &Target::End);
        let minute = Duration::from_secs(60);
        let options = HttpOptions {
            ca_cert: None,
            client_cert: None,
            client_key: None,
            keep_idle: minute,
            connect_timeout: minute,
            answer_timeout: minute,
            allow_http: false,
        };
        let (v3, legacy) = (Url::parse(sim.v3_url()).unwrap(), Url::parse(sim.legacy_url()).unwrap());
        let key = Credential { origin: v3.origin(), header: "x-auth-token".into(), value: Secret::new(sim.key()) };
        let http = Http::new(options, vec![key], Interrupt::default(), None);
        let clock = Arc::new(Hand::default());
        let client = Client::new(http, Endpoints { v3, legacy }, Arc::clone(&clock) as Arc<dyn Clock>);
        let (_, mut offers) = client.offers(&id).unwrap();
        client.add_sums(&id, &mut offers).unwrap();
        let mut links = BuildLinks { client: &client, clock: &*clock, id: &id, offers: &mut offers, seen: clock.now() };
        let looks = || sim.requests_to("GET", "/api/v3/builds/").len();
        let mut link = |n, made, refused| links.request(n, Attempts { made, refused }).unwrap().url.to_string();
        let first = link(1, 0, 0);
        clock.sleep(FRESH);
        assert_eq!((link(1, 0, 0) == first, looks()), (true, 1), "the same for a while");
        clock.sleep(Duration::from_secs(1));
        let second = link(1, 0, 0);
        assert_eq!((second == first, looks()), (false, 2), "it has waited for its turn too long");
        assert_ne!(link(1, 1, 1), second);
        assert_eq!(looks(), 3, "each further try");
        assert!(link(0, 2, 2).ends_with("/Demo.ipa"), "at last the one that lasts");
    }
}
