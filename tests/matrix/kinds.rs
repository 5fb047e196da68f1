//! Every kind of request that the program makes: which call makes it, in which situation, and what the call is to achieve.

use cibridge_simulator::{
    Advance, App, Builder, DEFAULT_APP, History, JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, JenkinsArtifact, JenkinsConfig,
    JenkinsInput, JenkinsJob, JenkinsMove, JenkinsParameter, JenkinsPlan, JenkinsStep, JenkinsStop, JenkinsTest,
    Listener, Plan, Simulator, StartRequest, Target,
};

use super::{Call, Ran};

/// What a request is for, which decides what its failure may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Starts a build.
    Start,
    /// Changes something else; may or may not be sent again.
    Change,
    /// Reads what the call is about.
    Read,
    /// Reads what the call can do without.
    Extra,
}

use Role::{Change, Extra, Read, Start};

/// The situation in which a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// Nothing was started.
    Fresh,
    /// The same, in a personal account.
    Personal,
    /// The same, and only the legacy API lists the app.
    Unlisted,
    /// A build that proceeds with each poll.
    Moving,
    /// A build that runs until it is canceled.
    Running,
    /// A build that ends only when it is killed.
    Stubborn,
    /// A build in the queue.
    Queued,
    /// A build that waits for input.
    Asking,
    /// A build that succeeded.
    Succeeded,
    /// A build that failed.
    Failed,
}

use Scene::{Asking, Failed, Fresh, Moving, Personal, Queued, Running, Stubborn, Succeeded, Unlisted};

/// A kind of request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// The call that makes it. `{build}` is the build of the situation, `{item}` its queue item, `{dir}` a folder.
    arguments: &'static str,
    /// The request that the fault hits.
    pub(super) method: &'static str,
    path: &'static str,
    pub(super) role: Role,
    scene: Scene,
    /// The exit code without a fault.
    pub(super) code: i32,
}

const fn kind(
    name: &'static str,
    arguments: &'static str,
    request: (&'static str, &'static str),
    role: Role,
    scene: Scene,
    code: i32,
) -> Kind {
    Kind { name, arguments, method: request.0, path: request.1, role, scene, code }
}

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    kind("start, v3", "codemagic trigger", ("POST", "/api/v3/apps/*/builds"), Start, Fresh, 0),
    kind("start, legacy", "codemagic trigger --api legacy", ("POST", "/builds*"), Start, Fresh, 0),
    kind("start of a wait", "codemagic trigger --wait --timeout 6s", ("POST", "/api/v3/apps/*/builds"), Start, Fresh, 0),
    kind("search by key", "codemagic trigger --idempotency-key k1", ("GET", "/api/v3/teams/*/builds"), Read, Fresh, 0),
    kind("search by key, personal account", "codemagic trigger --idempotency-key k1", ("GET", "/user*"), Read, Personal, 0),
    kind("search by key, legacy list", "codemagic trigger --idempotency-key k1", ("GET", "/builds*"), Read, Unlisted, 0),
    kind("teams", "codemagic builds", ("GET", "/api/v3/user/teams*"), Read, Fresh, 0),
    kind("list of builds", "codemagic builds", ("GET", "/api/v3/teams/*/builds"), Read, Succeeded, 0),
    kind("list of builds, latest", "codemagic status latest", ("GET", "/api/v3/teams/*/builds"), Read, Succeeded, 0),
    kind("poll", "codemagic wait {build} --timeout 6s", ("GET", "/api/v3/b*/{build}"), Read, Moving, 0),
    kind("poll of an own build", "codemagic trigger --wait --timeout 6s", ("GET", "/api/v3/builds/*"), Read, Fresh, 0),
    kind("poll once", "codemagic wait {build} --once", ("GET", "/api/v3/b*/{build}"), Read, Running, 0),
    kind("steps", "codemagic wait {build} --timeout 20s", ("GET", "/api/v3/builds/*/actions"), Extra, Moving, 0),
    kind("status", "codemagic status {build}", ("GET", "/api/v3/b*/{build}"), Read, Succeeded, 0),
    kind("reason of a failure", "codemagic wait {build} --timeout 20s", ("GET", "/b*/{build}"), Extra, Failed, 1),
    kind("log of a failed step", "codemagic wait {build} --timeout 20s", ("GET", "/logs/*"), Extra, Failed, 1),
    kind("cancel", "codemagic cancel {build}", ("POST", "/builds/*/cancel"), Change, Running, 0),
    kind("artifacts", "codemagic artifacts {build} --list", ("GET", "/api/v3/b*/{build}"), Read, Succeeded, 0),
    kind("link of an artifact", "codemagic artifacts {build} --match *.ipa --dir {dir}/files", ("GET", "/api/v3/b*/{build}"), Read, Succeeded, 0),
    kind("file of an artifact", "codemagic artifacts {build} --match *.ipa --dir {dir}/files", ("GET", "storage"), Read, Succeeded, 0),
    kind("public link", "codemagic share {build} --match *.ipa", ("POST", "/public-url"), Change, Succeeded, 0),
    kind("apps", "codemagic apps", ("GET", "/api/v3/user/apps*"), Read, Fresh, 0),
    kind("apps of a team", "codemagic apps", ("GET", "/api/v3/teams/*/apps"), Read, Fresh, 0),
    kind("workflows", "codemagic workflows", ("GET", "/api/v3/apps/*/workflows"), Read, Fresh, 0),
    kind("caches", "codemagic caches", ("GET", "/apps/*/caches"), Read, Fresh, 0),
    kind("clear caches", "codemagic caches --clear --yes", ("DELETE", "/caches"), Change, Fresh, 0),
    kind("test results", "codemagic tests {build}", ("GET", "/b*/{build}"), Read, Succeeded, 0),
    kind("links of logs", "codemagic logs {build}", ("GET", "/b*/{build}"), Read, Failed, 0),
    kind("log", "codemagic logs {build} --failed", ("GET", "/logs/*"), Read, Failed, 0),
    kind("own GET", "codemagic api GET /user/teams", ("GET", "/api/v3/user/teams*"), Read, Fresh, 0),
    kind("own POST", "codemagic api POST /builds/{build}/cancel --legacy", ("POST", "/builds/*/cancel"), Change, Running, 0),
    kind("check of the key", "codemagic check", ("GET", "/api/v3/user/*"), Read, Fresh, 0),
    kind("check of the legacy API", "codemagic check", ("GET", "/user*"), Read, Fresh, 0),

    kind("start", "jenkins trigger plain", ("POST", "/job/plain/build"), Start, Fresh, 0),
    kind("start with parameters", "jenkins trigger params --param S=x", ("POST", "/job/params/buildWithParameters"), Start, Fresh, 0),
    kind("start with a marker", "jenkins trigger marked", ("POST", "/job/marked/buildWithParameters"), Start, Fresh, 0),
    kind("start of a wait", "jenkins trigger marked --wait --timeout 6s", ("POST", "/job/marked/buildWithParameters"), Start, Fresh, 0),
    kind("search by key", "jenkins trigger marked --idempotency-key k1", ("GET", "/job/marked/api/json"), Read, Fresh, 0),
    kind("job", "jenkins trigger plain", ("GET", "/job/plain/api/json"), Read, Fresh, 0),
    kind("crumb", "jenkins trigger plain --user dev --token-file {dir}/password", ("GET", "/crumbIssuer/api/json"), Read, Fresh, 0),
    kind("queue item", "jenkins trigger pipe --wait --timeout 6s", ("GET", "/queue/item/*"), Read, Fresh, 0),
    kind("poll", "jenkins wait pipe#1 --timeout 6s", ("GET", "/job/pipe/1/api/json"), Read, Moving, 0),
    kind("poll once", "jenkins wait pipe#1 --once", ("GET", "/job/pipe/1/api/json"), Read, Running, 0),
    kind("stages", "jenkins wait pipe#1 --timeout 20s", ("GET", "/job/pipe/1/wfapi/describe"), Extra, Failed, 1),
    kind("log of a failed build", "jenkins wait pipe#1 --timeout 20s", ("GET", "/job/pipe/1/*ext*"), Extra, Failed, 1),
    kind("status", "jenkins status pipe#1", ("GET", "/job/pipe/1/api/json"), Read, Succeeded, 0),
    kind("log", "jenkins console pipe#1", ("GET", "/job/pipe/1/logText/*"), Read, Succeeded, 0),
    kind("log as it grows", "jenkins console pipe#1 --follow --timeout 20s", ("GET", "/job/pipe/1/logText/*"), Read, Moving, 0),
    kind("stop", "jenkins stop pipe#1 --stop-wait 500ms", ("POST", "/job/pipe/1/stop"), Change, Running, 0),
    kind("term", "jenkins stop pipe#1 --stop-wait 500ms", ("POST", "/job/pipe/1/term"), Change, Stubborn, 0),
    kind("kill", "jenkins stop pipe#1 --stop-wait 500ms", ("POST", "/job/pipe/1/kill"), Change, Stubborn, 0),
    kind("cancel a queue item", "jenkins stop queue/item/{item}", ("POST", "/queue/cancelItem"), Change, Queued, 0),
    kind("inputs", "jenkins input pipe#1", ("GET", "/job/pipe/1/api/json"), Read, Asking, 0),
    kind("proceed", "jenkins input pipe#1 --proceed", ("POST", "/job/pipe/1/input/*"), Change, Asking, 0),
    kind("abort", "jenkins input pipe#1 --abort", ("POST", "/job/pipe/1/input/*"), Change, Asking, 0),
    kind("parameters", "jenkins params params", ("GET", "/job/params/api/json"), Read, Fresh, 0),
    kind("jobs", "jenkins jobs", ("GET", "/api/json"), Read, Fresh, 0),
    kind("builds", "jenkins builds pipe", ("GET", "/job/pipe/api/json"), Read, Succeeded, 0),
    kind("queue", "jenkins queue", ("GET", "/queue/api/json"), Read, Queued, 0),
    kind("artifacts", "jenkins artifacts pipe#1 --list", ("GET", "/job/pipe/1/api/json"), Read, Succeeded, 0),
    kind("file of an artifact", "jenkins artifacts pipe#1 --dir {dir}/files", ("GET", "/job/pipe/1/artifact/*"), Read, Succeeded, 0),
    kind("test results", "jenkins tests pipe#1", ("GET", "/job/pipe/1/testReport/api/json"), Read, Succeeded, 0),
    kind("configuration", "jenkins config plain", ("GET", "/job/plain/config.xml"), Read, Fresh, 0),
    kind("replace a configuration", "jenkins config plain --set {dir}/config.xml", ("POST", "/job/plain/config.xml"), Change, Fresh, 0),
    kind("create a token", "jenkins token create t1 --out {dir}/token", ("POST", "/me/*generateNewToken"), Change, Fresh, 0),
    kind("revoke a token", "jenkins token revoke {uuid}", ("POST", "/me/*revoke"), Change, Fresh, 0),
    kind("check of a new token", "jenkins token rotate t2 --old-uuid {uuid} --out {dir}/token", ("GET", "/whoAmI/api/json"), Read, Fresh, 0),
    kind("own GET", "jenkins api GET /queue/api/json", ("GET", "/queue/api/json"), Read, Fresh, 0),
    kind("own POST", "jenkins api POST /job/pipe/1/stop", ("POST", "/job/pipe/1/stop"), Change, Running, 0),
    kind("check of the user", "jenkins check", ("GET", "/whoAmI/api/json"), Read, Fresh, 0),
    kind("check of a job", "jenkins check plain", ("GET", "/job/plain/api/json"), Read, Fresh, 0),
];

/// A kind of request in its situation.
pub(super) struct Stage {
    pub(super) sim: Simulator,
    pub(super) kind: Kind,
    /// Builds of the past.
    given: usize,
    build: String,
    item: u64,
    uuid: String,
}

impl Kind {
    /// Whether the call starts a build.
    pub(super) fn is_start(&self) -> bool {
        self.arguments.split_whitespace().nth(1) == Some("trigger")
    }

    /// Whether a code is one that only this kind of request leads to, with the reason.
    pub(super) fn is_other(&self, code: i32) -> bool {
        match self.name {
            // Jenkins answers 422 for a missing permission, and 500 for an item that is gone.
            "cancel a queue item" => [10, 11].contains(&code),
            // Without a crumb the start itself is refused; and the token that is revoked is the caller's own, so that a
            // second try is refused.
            "crumb" | "revoke a token" => code == 10,
            // Bytes that are not those of the file.
            "file of an artifact" => code == 13,
            // A rate limit holds for the polls as well.
            "steps" => code == 6,
            _ => false,
        }
    }

    /// `Codemagic` or `Jenkins`.
    pub(super) fn service(&self) -> &'static str {
        if self.arguments.starts_with("codemagic") { "Codemagic" } else { "Jenkins" }
    }

    /// Makes the situation; `change` may change the simulator before it starts.
    pub(super) fn stage(&self, change: impl FnOnce(Builder) -> Builder) -> Stage {
        let input = JenkinsInput::new("Ask", "deploy?");
        let (plan, pipe) = match self.scene {
            Running | Queued => (held(), JenkinsPlan::endless()),
            Stubborn => (held(), JenkinsPlan::endless().stop(JenkinsStop::stubborn())),
            Asking => (Plan::default(), JenkinsPlan::steps([JenkinsStep::input(input), JenkinsStep::text("done\n")])),
            Failed => (
                Plan::failing("Build ipa", "no profile\n"),
                JenkinsPlan::steps([JenkinsStep::stage("Build"), JenkinsStep::text("no profile\n")]).result("FAILURE"),
            ),
            _ => (
                Plan::default(),
                JenkinsPlan::default()
                    .artifact(JenkinsArtifact::sized("out/app.apk", 30_000))
                    .tests([JenkinsTest::passed("demo.Test", "adds")]),
            ),
        };
        let pipe = JenkinsPlan { hold_queue: self.scene == Queued, ..pipe }.job("pipe");
        let jobs = [
            JenkinsJob::freestyle("plain"),
            JenkinsJob::pipeline("pipe"),
            JenkinsJob::freestyle("params").parameter(JenkinsParameter::string("S", "")),
            JenkinsJob::freestyle("marked").parameter(JenkinsParameter::string("CIBRIDGE_ID", "")),
        ];
        let builder = Simulator::builder().advance(Advance::Poll).plan(plan).config(|config| {
            config.limit_headers = false;
            config.list_teams = self.scene != Personal;
            config.apps = vec![App { unlisted: self.scene == Unlisted, ..App::new(DEFAULT_APP) }];
        });
        // A list without any build does not show whether it would list those of this app.
        let past = History { durations: vec![300.0], ..History::default() };
        let builder = if self.scene == Unlisted { builder.history(past) } else { builder };
        let sim = change(builder.jenkins(JenkinsConfig::with_jobs(jobs).plan(pipe))).start().unwrap();
        let given = sim.builds().len();
        let mut stage = Stage { sim, kind: *self, given, build: String::new(), item: 0, uuid: String::new() };
        if !matches!(self.scene, Fresh | Personal | Unlisted) {
            stage.start_builds();
        }
        if let Some((uuid, ..)) = stage.sim.jenkins_tokens("dev").first() {
            stage.uuid.clone_from(uuid);
        }
        stage
    }
}

/// A build that runs until it is canceled.
pub(super) fn held() -> Plan {
    Plan { hold: Some("building".into()), ..Plan::default() }
}

impl Stage {
    fn start_builds(&mut self) {
        let request = StartRequest {
            app_id: self.sim.app_id(),
            workflow_id: "ios-release".into(),
            branch: Some("main".into()),
            ..StartRequest::default()
        };
        self.build = self.sim.start_build(request);
        self.item = self.sim.start_jenkins_build("pipe");
        match self.kind.scene {
            Succeeded | Failed => {
                self.sim.advance_build(&self.build, &Target::End);
                self.sim.move_jenkins_run(self.item, JenkinsMove::End);
            }
            Running | Stubborn | Asking => {
                self.sim.advance_build(&self.build, &Target::Status("building".into()));
                self.sim.move_jenkins_run(self.item, JenkinsMove::End);
            }
            Moving => drop(self.sim.move_jenkins_run(self.item, JenkinsMove::Start)),
            _ => {}
        }
    }

    /// The path of the request that the fault hits, as the simulator matches it.
    pub(super) fn path(&self) -> String {
        self.kind.path.replace("{build}", &self.build)
    }

    /// Where it goes to.
    pub(super) fn listener(&self) -> Listener {
        match self.kind.path {
            "storage" => Listener::Storage,
            _ if self.kind.service() == "Jenkins" => Listener::Jenkins,
            _ => Listener::Api,
        }
    }

    /// The call that makes the request.
    pub(super) fn call(&self) -> Call {
        let arguments = self.kind.arguments.replace("{build}", &self.build).replace("{uuid}", &self.uuid);
        let call = Call::new(&self.sim, &arguments.replace("{item}", &self.item.to_string()));
        super::write_private(&call.folder().join("password"), JENKINS_PASSWORD);
        super::write_private(&call.folder().join("config.xml"), "<project><disabled>true</disabled></project>");
        let call = call.env("CODEMAGIC_WORKFLOW", "ios-release").env("CODEMAGIC_BRANCH", "main");
        match self.kind.arguments.split_whitespace().nth(1) {
            Some("config") => call.env("JENKINS_USER_ID", "admin").env("JENKINS_API_TOKEN", JENKINS_ADMIN_TOKEN),
            _ if self.kind.arguments.contains("--token-file") => call.without("JENKINS_API_TOKEN"),
            _ => call,
        }
    }

    /// Panics if more than one build was started, if one was started that nobody knows of although the exit code does
    /// not say so, or if the call reports success and did not do what it was for. Whether a file of Jenkins is the right
    /// one cannot be verified: Jenkins states neither size nor sum.
    #[track_caller]
    pub(super) fn check(&self, ran: &Ran, is_verifiable: bool) {
        let named = if self.kind.service() == "Jenkins" { "pipe#1" } else { self.build.as_str() };
        let id = ran.document["build"]["id"].as_str().unwrap_or_default();
        if !named.is_empty() && self.kind.arguments.contains(if named == "pipe#1" { "pipe#1" } else { "{build}" }) {
            assert!(id == named || id.is_empty(), "the document is about build {id}");
        }
        let given = usize::from(!self.build.is_empty());
        let codemagic = self.sim.builds().len() - self.given - given;
        let jenkins = self.sim.jenkins_runs().len() - given;
        let started = codemagic + jenkins;
        assert!(started <= 1, "{started} builds were started");
        let starts = self.kind.is_start();
        if started == 1 && starts && ran.code != 15 {
            assert!(!ran.document["build"].is_null(), "a build was started that nobody knows of");
        }
        if starts && ran.code == 0 {
            assert_eq!(started, 1, "no build was started");
        }
        if starts && ran.code == 6 {
            let is_canceled = self.sim.builds().iter().all(|build| build.cancels > 0 || build.finished_at.is_some())
                && self
                    .sim
                    .jenkins_runs()
                    .iter()
                    .all(|run| run.stops > 0 || run.state == "finished" || run.state == "cancelled");
            let is_said = ran.document["still_running"] == true;
            assert!(is_canceled || is_said, "an own build was left running, and nothing says so");
        }
        if ran.code == 0 {
            self.check_success(ran, is_verifiable);
        }
    }

    fn check_success(&self, ran: &Ran, is_verifiable: bool) {
        let sim = &self.sim;
        let folder = ran.call.folder();
        let run = || sim.jenkins_run(self.item).unwrap();
        let arguments = self.kind.arguments;
        if arguments.starts_with("codemagic cancel") || arguments.contains("api POST /builds") && is_verifiable {
            assert!(sim.build(&self.build).unwrap().cancels > 0, "the build was not canceled");
        } else if arguments.starts_with("codemagic artifacts") && arguments.contains("--dir") {
            let length = std::fs::metadata(folder.join("files/Demo.ipa")).map(|file| file.len());
            assert_eq!(length.ok(), Some(300_000), "the file is not whole");
        } else if arguments.starts_with("jenkins artifacts") && arguments.contains("--dir") && is_verifiable {
            let found = super::files(&folder.join("files"));
            let lengths: Vec<_> = found.iter().map(|path| std::fs::metadata(path).unwrap().len()).collect();
            assert_eq!(lengths, [30_000], "the file is not whole");
        } else if arguments.starts_with("codemagic share") {
            assert!(ran.stdout.contains("http"), "there is no link");
        } else if arguments.starts_with("codemagic caches --clear") {
            assert!(ran.code != 0 || sim.requests_to("DELETE", "/caches").iter().any(|request| request.acted));
        } else if arguments.starts_with("jenkins stop queue") {
            assert_eq!(run().state, "cancelled", "the item was not canceled");
        } else if arguments.starts_with("jenkins stop") || arguments.starts_with("jenkins api POST") && is_verifiable {
            assert!(run().stops + run().terms + run().kills > 0, "the build was not stopped");
        } else if arguments.contains("--proceed") || arguments.contains("--abort") {
            assert_eq!(run().answers.len(), 1, "the input was not answered once");
        } else if arguments.starts_with("jenkins config plain --set") {
            let changed = sim.requests_to("POST", "/config.xml").iter().any(|request| request.acted);
            assert!(changed, "the configuration was not replaced");
        } else if arguments.starts_with("jenkins token create") || arguments.starts_with("jenkins token rotate") {
            let secret = std::fs::read_to_string(folder.join("token")).unwrap();
            let is_known = sim.jenkins_tokens("dev").len();
            assert!(secret.trim().len() == 34 && is_known >= 1, "there is no token");
        }
    }
}
