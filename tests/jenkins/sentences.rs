//! Every row of the tables about starts, job tokens and refusals: what the program says, word for word, and its code.
//!
//! The sentences stand in the snapshot beside this file, one block a row, in the order of the rows here.
//! Rows that only a proxy before Jenkins can make are faults of the simulator; the others are what its Jenkins does,
//! as a real one was recorded.

use cibridge_simulator::{
    JENKINS_PASSWORD, JENKINS_VIEWER_TOKEN, JenkinsAccess, JenkinsConfig, JenkinsInput, JenkinsJob, JenkinsParameter,
    JenkinsPlan, JenkinsStep, JenkinsUser, Restart, Simulator,
};
use serde_json::{Map, Value, json};

use super::{Call, Run, built, config, fault};
use crate::support::{normal, until};

const WRONG_TOKEN: &str = "11ffffffffffffffffffffffffffffffff";
const GUEST_TOKEN: &str = "11aa00aa00aa00aa00aa00aa00aa00aa00";

/// A page that a proxy or firewall might show.
const BLOCKED: &str = "<html><title>Blocked by policy</title></html>";

/// One row: what is the case, and the call that meets it.
struct Row {
    name: &'static str,
    arguments: &'static [&'static str],
    login: Login,
    environment: &'static [(&'static str, &'static str)],
    config: fn(&mut JenkinsConfig),
    faults: Vec<Value>,
    /// What happens before the call.
    before: fn(&Simulator),
}

#[derive(Clone, Copy)]
enum Login {
    Dev,
    Viewer,
    /// May know that jobs are there.
    Guest,
    Nobody,
    Password,
    WrongToken,
    WrongPassword,
    Bearer,
}

fn row(name: &'static str, arguments: &'static [&'static str]) -> Row {
    Row { name, arguments, login: Login::Dev, environment: &[], config: |_| (), faults: Vec::new(), before: |_| () }
}

impl Row {
    fn by(mut self, login: Login) -> Self {
        self.login = login;
        self
    }

    fn env(mut self, environment: &'static [(&'static str, &'static str)]) -> Self {
        self.environment = environment;
        self
    }

    fn with(mut self, config: fn(&mut JenkinsConfig)) -> Self {
        self.config = config;
        self
    }

    fn after(mut self, before: fn(&Simulator)) -> Self {
        self.before = before;
        self
    }

    /// Every request of this method gets this status instead.
    fn status(self, method: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers: Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        self.fault(
            json!({"kind": "status", "method": method, "status": status, "headers": headers, "body": body, "times": 0}),
        )
    }

    fn fault(mut self, mut value: Value) -> Self {
        value["listener"] = json!("jenkins");
        self.faults.push(value);
        self
    }

    fn run(&self) -> (Run, Simulator) {
        let mut config = config();
        let guest = JenkinsUser {
            name: "guest".into(),
            password: None,
            tokens: vec![GUEST_TOKEN.into()],
            access: JenkinsAccess::Discover,
        };
        config.users.push(guest);
        (self.config)(&mut config);
        let mut builder = built(config);
        for value in &self.faults {
            builder = builder.fault(fault(value));
        }
        let sim = builder.start().unwrap();
        (self.before)(&sim);
        let call = Call::anonymous(&sim, self.arguments);
        let call = match self.login {
            Login::Nobody => call,
            Login::Dev => call.user("dev", cibridge_simulator::JENKINS_TOKEN),
            Login::Viewer => call.user("viewer", JENKINS_VIEWER_TOKEN),
            Login::Guest => call.user("guest", GUEST_TOKEN),
            Login::Password => call.user("dev", JENKINS_PASSWORD),
            Login::WrongToken => call.user("dev", WRONG_TOKEN),
            Login::WrongPassword => call.user("dev", "no-such-password"),
            Login::Bearer => call.env("CIBRIDGE_BEARER_TOKEN", "no-such-bearer-token"),
        };
        let call = self.environment.iter().fold(call, |call, (name, value)| call.env(name, value));
        (call.run(), sim)
    }

    /// The block of the row: its call, its code, and all that it says.
    fn block(&self) -> String {
        let (run, sim) = self.run();
        let posts = sim.jenkins_runs().len();
        let said = normal(&run.stderr).lines().map(with_words).collect::<Vec<_>>().join("\n");
        format!("## {}\n$ {}\ncode {}, builds {posts}\n{said}\n", self.name, self.arguments.join(" "), run.code)
    }
}

/// Ids that differ from run to run, replaced.
fn with_words(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split(' ') {
        let core = word.trim_end_matches([')', ',', '.']);
        let is_id = core.len() == 36 && core.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        words.push(if is_id { word.replace(core, "ID") } else { word.to_owned() });
    }
    words.join(" ")
}

fn never_run(config: &mut JenkinsConfig) {
    let mut job = JenkinsJob::pipeline("fresh").parameter(JenkinsParameter::string("S", "def"));
    job.learns_parameters = true;
    config.jobs.push(job);
}

fn refusing_with_parameters(config: &mut JenkinsConfig) {
    config.jobs.push(JenkinsJob::freestyle("held").parameter(JenkinsParameter::string("S", "def")).refusing());
}

fn open_to_readers(config: &mut JenkinsConfig) {
    config.anonymous = JenkinsAccess::Read;
}

fn asking(config: &mut JenkinsConfig) {
    let ask = JenkinsInput::new("Ask", "deploy?").submitter("boss");
    config.plans.push(JenkinsPlan::steps([JenkinsStep::input(ask)]));
}

fn at_the_question(sim: &Simulator) {
    let id = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(id, cibridge_simulator::JenkinsMove::End);
    until("the question", || sim.jenkins_runs()[0].state == "input");
}

fn waiting(sim: &Simulator) {
    sim.start_jenkins_build("plain");
}

fn built_before(sim: &Simulator) {
    Call::new(sim, &["trigger", "plain", "--wait"]).run().exit_code(0);
}

fn forgotten(sim: &Simulator) {
    let id = sim.start_jenkins_build("plain");
    sim.cancel_jenkins_item(id);
    sim.forget_jenkins_item(id);
}

/// What `build` and `buildWithParameters` answer.
fn starts() -> Vec<Row> {
    vec![
        row("scheduled", &["trigger", "plain"]),
        row("scheduled with parameters", &["trigger", "params", "--param", "S=1"]),
        row("the same waits already: 201 with its item", &["trigger", "plain"]).after(waiting),
        row("the same, and that is not wanted", &["trigger", "plain", "--fail-if-coalesced"]).after(waiting),
        row("refused by a plugin: 302 to the job", &["trigger", "vetoed"]),
        row("refused by a plugin, with parameters", &["trigger", "held", "--param", "S=1"]).with(refusing_with_parameters),
        row("disabled, known before", &["trigger", "off"]),
        row("disabled: 409", &["trigger", "off", "--no-validate"]),
        row("a folder, known before", &["trigger", "folder"]),
        row("a folder: 404", &["trigger", "folder", "--no-validate"]),
        row("a multibranch project, known before", &["trigger", "repo"]),
        row("a multibranch project: 302, only scanned", &["trigger", "repo", "--no-validate"]),
        row("has parameters, started without: 400", &["trigger", "params", "--no-validate"]),
        row("the same, as older ones say it", &["trigger", "params", "--no-validate"]).status(
            "POST",
            400,
            &[],
            "This page expects a form submission",
        ),
        row("201 that names no queue item", &["trigger", "plain", "--no-validate"]).fault(json!({
            "kind": "status", "method": "POST", "status": 201, "act": true, "headers": {"Location": "http://inside.example:8080/job/plain/"}, "body": "",
        })),
        row("302 with a queue item, as before 1.519", &["trigger", "plain"]).fault(json!({
            "kind": "status", "method": "POST", "status": 302, "act": true, "headers": {"Location": "/jenkins/queue/item/1/"}, "body": "",
        })),
        row("a GET: 405", &["trigger", "plain"]).status("POST", 405, &[("Allow", "POST"), ("X-Jenkins", "2.516.2")], ""),
        row("no parameters, known before", &["trigger", "plain", "--param", "A=1"]),
        row("no parameters: 500", &["trigger", "plain", "--no-validate", "--param", "A=1"]),
        row("no parameters: 400 since 2.524", &["trigger", "plain", "--no-validate", "--param", "A=1"])
            .with(|config| config.refuse_parameters = true),
        row("a choice that is none, known before", &["trigger", "params", "--param", "C=tow"]),
        row("a choice that is none: 500", &["trigger", "params", "--no-validate", "--param", "C=tow"]),
        row("a boolean that is none", &["trigger", "params", "--param", "B=yes"]),
        row("a parameter given twice", &["trigger", "params", "--param", "S=1", "--param", "S=2"]),
        row("an unknown parameter", &["trigger", "params", "--param", "s=1"]),
        row("a delay that is none", &["trigger", "params", "--delay", "soon"]),
        row("a parameter called delay", &["trigger", "params", "--no-validate", "--param", "delay=5"]),
        row("a text for a file", &["trigger", "files", "--param", "F=x"]),
        row("a file for a text", &["trigger", "params", "--param-file", "S=Cargo.toml"]),
        row("a first run", &["trigger", "fresh"]).with(never_run),
        row("a first run with values", &["trigger", "fresh", "--param", "S=1"]).with(never_run),
    ]
}

/// The job's own token, with and without Build Token Root.
fn tokens() -> Vec<Row> {
    let right = &[("JENKINS_JOB_TOKEN", "My-token")];
    let wrong = &[("JENKINS_JOB_TOKEN", "other-token")];
    let (remote, to_follow) = (&["trigger", "remote", "--cause", "by hand"], &["trigger", "remote", "--wait"]);
    vec![
        row("right, by somebody who may only read", remote).by(Login::Viewer).env(right),
        row("right, by nobody who may read: with a crumb", remote).by(Login::Nobody).env(right).with(open_to_readers),
        row("right, by nobody: through Build Token Root", remote).by(Login::Nobody).env(right),
        row("right, by nobody, and following", to_follow).by(Login::Nobody).env(right),
        row("wrong, by somebody who may build", remote).env(wrong),
        row("wrong, by nobody", remote).by(Login::Nobody).env(wrong),
        row("right, and the parameter has its name", &["trigger", "remote", "--no-validate", "--param", "token=x"])
            .env(right),
        row("a job without a token", &["trigger", "plain"]).env(right),
        row("a job without a token, by nobody", &["trigger", "plain"]).by(Login::Nobody).env(right),
        row("a job that is not there, by nobody", &["trigger", "nope"]).by(Login::Nobody).env(right),
        row("parameters for a job without any, by nobody", &["trigger", "remote", "--param", "A=1"])
            .by(Login::Nobody)
            .env(right),
        row("without Build Token Root, by nobody", remote)
            .by(Login::Nobody)
            .env(right)
            .with(|config| config.build_token_root = false),
        row("without Build Token Root, by somebody from whom the job is hidden", remote).env(right).with(|config| {
            config.build_token_root = false;
            config
                .jobs
                .iter_mut()
                .filter(|job| job.name == "remote")
                .for_each(|job| job.hidden_from = vec!["dev".into()]);
        }),
        row("joined, through Build Token Root", remote).by(Login::Nobody).env(right).after(|sim| {
            sim.start_jenkins_build("remote");
        }),
    ]
}

/// What refusals of every other kind say.
fn refusals() -> Vec<Row> {
    let status = &["status", "plain#1"];
    let start = &["trigger", "plain", "--no-validate"];
    let realm = [("WWW-Authenticate", "Basic realm=\"Corp\"")];
    vec![
        row("401: a wrong, revoked or expired token", start).by(Login::WrongToken),
        row("401: a wrong password", start).by(Login::WrongPassword),
        row("401: a bearer token that a proxy refuses", start).by(Login::Bearer).status("POST", 401, &[], ""),
        row("403: a bearer token that is nothing to Jenkins", start).by(Login::Bearer),
        row("403: the same, looking", status).by(Login::Bearer),
        row("401: a proxy's own", start).status("POST", 401, &realm, ""),
        row("403: a permission is missing", start).by(Login::Viewer),
        row("401: nobody", start).by(Login::Nobody).status("POST", 401, &[], ""),
        row("403: nobody", start).by(Login::Nobody),
        row("403: nobody, with the permission that is missing", start).by(Login::Nobody).status(
            "POST",
            403,
            &[("X-You-Are-Authenticated-As", "anonymous"), ("X-Required-Permission", "hudson.model.Item.Build")],
            "",
        ),
        row("403: nobody, looking", status).by(Login::Nobody),
        row("403: credentials that do not arrive", &["trigger", "plain"]).with(|config| config.strip_authorization = true),
        row("403: no crumb, as the token does not arrive", start).with(|config| config.strip_authorization = true),
        row("403: no crumb, with a password", start)
            .by(Login::Password)
            .fault(json!({"kind": "status", "path": "/crumbIssuer", "status": 404, "times": 0})),
        row("403: a wrong job token", start).env(&[("JENKINS_JOB_TOKEN", "x")]).status(
            "POST",
            403,
            &[("X-Jenkins", "2.516.2")],
            "<h1>Access Denied</h1>Invalid token provided.",
        ),
        row("403: discover without read", status).by(Login::Guest),
        row("403: a firewall", status).status("GET", 403, &[], BLOCKED),
        row("403: another reason of Jenkins", status).status("GET", 403, &[("X-Jenkins", "2.516.2")], "<title>Forbidden</title>"),
        row("404: a job, with the nearest name", &["trigger", "plian"]),
        row("404: a job in a folder", &["params", "folder/nope"]),
        row("404: hidden from nobody", &["status", "nope#1"]).by(Login::Nobody).with(open_to_readers),
        row("404: a build", status),
        row("404: a queue item", &["wait", "queue/item/99"]),
        row("404: a queue item whose build is nowhere", &["wait", "queue/item/1", "--job", "plain"]).after(forgotten),
        row("404: a question", &["input", "pipe#1", "Other", "--proceed"]).with(asking).after(at_the_question),
        row("409", &["trigger", "params", "--no-validate", "--param", "S=1"])
            .with(|config| config.jobs.iter_mut().for_each(|job| job.disabled = true)),
        row("400 with X-Error", &["input", "pipe#1", "--proceed"]).with(asking).after(at_the_question),
        row("407: a proxy's login", start).status("POST", 407, &[("Proxy-Authenticate", "Basic realm=\"corp\"")], ""),
        row("413: too large", &["trigger", "files", "--no-validate", "--param-file", "F=Cargo.lock"]).status(
            "POST",
            413,
            &[],
            "<title>413 Request Entity Too Large</title>",
        ),
        row("414: the address is too long", status).status("GET", 414, &[], ""),
        row("headers that no server takes", &["params", "plain"]).env(&[("CIBRIDGE_HEADER", LONG)]),
        row("431: the headers are too long", start).status("POST", 431, &[], ""),
        row("429: a proxy's limit", start).status("POST", 429, &[], ""),
        row("500: an exception", status).status("GET", 500, &[("X-Jenkins", "2.516.2")], OOPS),
        row("502: a start that arrived", start).fault(json!({"kind": "page", "page": "gateway", "method": "POST", "act": true})),
        row("504: a start that arrived", start).fault(json!({"kind": "status", "status": 504, "body": "", "method": "POST", "act": true})),
        // A build of the same by the same user, a moment before, is not the one.
        row("504: a start that nobody knows of", start)
            .fault(json!({"kind": "status", "status": 504, "body": "", "method": "POST", "nth": 2}))
            .after(built_before),
        // Nothing tells its build from others, so nothing is guessed.
        row("504: a start of a job of which nothing is known", start)
            .fault(json!({"kind": "status", "status": 504, "body": "", "method": "POST", "act": true}))
            .fault(json!({"kind": "status", "status": 403, "path": "/job/plain/api/json", "times": 1})),
        row("500 that is not Jenkins': a start that arrived", start)
            .fault(json!({"kind": "status", "status": 500, "body": "", "method": "POST", "act": true})),
        row("504: a poll", status).status("GET", 504, &[], ""),
        row("503: starting, for ever", start)
            .after(|sim| sim.restart_jenkins(Restart { starting_requests: 99, ..Restart::default() })),
        row("503: away", status).status("GET", 503, &[], ""),
        row("200 of a login page", status).fault(json!({"kind": "page", "page": "sso", "times": 0})),
        row("302 to a login page", start).with(|config| {
            config.sso = Some("https://login.microsoftonline.com/common/oauth2?client_id=1".into());
            config.proxy_header = Some(("cf-access-client-id".into(), "x".into()));
        }),
        row("301 to another address", start)
            .fault(json!({"kind": "redirect", "status": 301, "location": "https://ci.example/job/plain/build", "method": "POST"})),
        row("302 to another path", status)
            .fault(json!({"kind": "redirect", "status": 302, "location": "/elsewhere/", "times": 0})),
        row("403 of an access proxy", start).with(|config| config.proxy_header = Some(("cf-access-client-id".into(), "x".into()))),
    ]
}

const OOPS: &str = "<h1>Oops!</h1><p>Logging ID=6f5a16d5-a6bc-4b1f-8f2e-0123456789ab</p>";

const LONG_BYTES: [u8; 9000] = {
    let mut bytes = [b'x'; 9000];
    bytes[1] = b':';
    bytes
};

/// A header that is longer than the servlet container takes.
const LONG: &str = match std::str::from_utf8(&LONG_BYTES) {
    Ok(text) => text,
    Err(_) => "",
};

#[test]
fn every_row_of_the_tables_has_its_message() {
    let groups = [("starts", starts()), ("job tokens", tokens()), ("refusals", refusals())];
    let mut blocks = Vec::new();
    for (name, rows) in &groups {
        blocks.push(format!("# {name}\n"));
        // Side by side: those that are tried again wait more than they work.
        std::thread::scope(|scope| {
            let threads: Vec<_> = rows.iter().map(|row| scope.spawn(|| row.block())).collect();
            blocks.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        });
    }
    let found = blocks.join("\n") + "\n";
    insta::assert_snapshot!(found);
}
