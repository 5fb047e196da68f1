//! Jenkins: answers as a Jenkins 2.516.2 was seen to give them.

use crate::client::{Reply, once};
use cibridge_simulator::{
    Advance, Builder, Fault, JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, JENKINS_TOKEN, JENKINS_USER, JENKINS_VIEWER_TOKEN,
    JenkinsArtifact, JenkinsConfig, JenkinsInput, JenkinsJob, JenkinsMove, JenkinsParameter, JenkinsPlan, JenkinsStep,
    JenkinsStop, JenkinsTest, ParameterKind, Restart, Simulator,
};
use serde_json::{Value, json};

/// A Jenkins with a job of every kind, below a context path; polls move its builds.
fn config() -> JenkinsConfig {
    let trimmed = JenkinsParameter { trim: true, ..JenkinsParameter::string("S", "def") };
    let params = JenkinsJob::freestyle("params")
        .parameter(trimmed)
        .parameter(JenkinsParameter::choice("C", &["one", "two"]))
        .parameter(JenkinsParameter::boolean("B", false))
        .parameter(JenkinsParameter::password("P", "secret"));
    let files = JenkinsJob::freestyle("files")
        .parameter(JenkinsParameter::string("S", "def"))
        .parameter(JenkinsParameter::new(ParameterKind::File, "F"));
    JenkinsConfig::with_jobs([
        JenkinsJob::freestyle("plain"),
        JenkinsJob::pipeline("pipe"),
        params,
        files,
        JenkinsJob::freestyle("off").disabled(),
        JenkinsJob::freestyle("vetoed").refusing(),
        JenkinsJob::freestyle("remote").token("My-token"),
        JenkinsJob::pipeline("folder/with space/100%"),
        JenkinsJob::multibranch("repo", &["main", "feature/x"]),
        JenkinsJob::matrix("mx", &["A=1", "A=2"]),
    ])
    .context("/jenkins")
}

fn built(config: JenkinsConfig) -> Builder {
    Simulator::builder().advance(Advance::Poll).jenkins(config)
}

fn with(plan: JenkinsPlan) -> Simulator {
    built(config().plan(plan)).start().unwrap()
}

/// `user:secret` as basic authentication.
fn basic(user: &str, secret: &str) -> String {
    use base64::Engine;
    let coded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"));
    format!("Authorization: Basic {coded}")
}

fn dev() -> String {
    basic(JENKINS_USER, JENKINS_TOKEN)
}

/// A request of `dev`, by the token, to a path below the context.
fn ask(sim: &Simulator, method: &str, path: &str) -> Reply {
    ask_with(sim, method, path, &[&dev()], "")
}

fn json_of(sim: &Simulator, path: &str) -> Value {
    ask(sim, "GET", path).json()
}

fn ask_with(sim: &Simulator, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
    let origin = sim.jenkins_url().trim_end_matches("/jenkins");
    once(origin, method, &format!("/jenkins{path}"), headers, body).unwrap()
}

fn form(sim: &Simulator, path: &str, body: &str) -> Reply {
    ask_with(sim, "POST", path, &[&dev(), "Content-Type: application/x-www-form-urlencoded"], body)
}

/// The id at the end of a `Location`.
fn queue_id(reply: &Reply) -> u64 {
    let id = reply.header("location").split("/queue/item/").nth(1);
    id.unwrap_or_else(|| panic!("{}", reply.status)).trim_end_matches('/').parse().unwrap()
}

/// Starts a job and polls the item until it has a build; returns its path.
fn started(sim: &Simulator, job: &str) -> String {
    let id = queue_id(&ask(sim, "POST", &format!("/job/{job}/build")));
    sim.move_jenkins_run(id, JenkinsMove::Start);
    format!("/job/{job}/{}", json_of(sim, &format!("/queue/item/{id}/api/json"))["executable"]["number"])
}

/// Polls a build to its end.
fn end(sim: &Simulator, path: &str) -> Value {
    let poll = || json_of(sim, &format!("{path}/api/json"));
    (0..20).map(|_| poll()).find(|build| build["inProgress"] == false).unwrap()
}

#[test]
fn starts_are_answered_as_measured() {
    let sim = with(JenkinsPlan::default());
    let viewer = basic("viewer", JENKINS_VIEWER_TOKEN);
    let long = format!("/job/params/buildWithParameters?S={}", "x".repeat(9000));
    for (method, path, headers, status, header) in [
        ("GET", "/job/plain/build", dev(), 405, ("allow", "POST")),
        ("POST", "/job/off/build", dev(), 409, ("location", "")),
        ("POST", "/job/nope/build", dev(), 404, ("expires", "0")),
        ("POST", "/job/folder/build", dev(), 404, ("location", "")),
        ("POST", "/job/plain/buildWithParameters", dev(), 500, ("location", "")),
        ("POST", "/job/params/build", dev(), 400, ("location", "")),
        ("POST", "/job/files/buildWithParameters?S=1", dev(), 500, ("location", "")),
        ("POST", "/job/params/buildWithParameters?C=three", dev(), 500, ("location", "")),
        ("POST", "/job/vetoed/build", dev(), 302, ("location", "/jenkins/job/vetoed/")),
        ("POST", "/job/repo/build", dev(), 302, ("location", "/jenkins/job/repo/")),
        ("POST", &long, dev(), 414, ("location", "")),
        ("POST", "/job/plain/build", viewer.clone(), 403, ("x-required-permission", "hudson.model.Item.Build")),
        ("POST", "/job/plain/build", basic("dev", "11x"), 401, ("www-authenticate", "Basic realm=\"Jenkins\"")),
        ("POST", "/job/plain/build", "X-A: 1".to_owned(), 403, ("x-jenkins", "")),
        ("GET", "/job/plain/api/json", "X-A: 1".to_owned(), 403, ("location", "")),
        ("GET", "/job/remote/build?token=My-token", viewer.clone(), 201, ("x-jenkins", "")),
        ("POST", "/job/remote/build?token=x", dev(), 403, ("location", "")),
        (
            "GET",
            "/buildByToken/build?job=remote&token=My-token",
            "X-A: 1".into(),
            303,
            ("location", "/jenkins/queue/item/1/"),
        ),
        ("POST", "/buildByToken/build?job=remote&token=x", "X-A: 1".into(), 403, ("location", "")),
        ("POST", "/buildByToken/build?job=nope&token=x", "X-A: 1".into(), 404, ("location", "")),
        ("POST", "/job/plain/build", basic("DEV", JENKINS_TOKEN), 201, ("x-jenkins", "")),
    ] {
        let reply = ask_with(&sim, method, path, &[&headers], "");
        assert_eq!((reply.status, reply.header(header.0)), (status, header.1), "{method} {path}");
    }
    // A name in another case is found, and spelled as Jenkins does.
    assert_eq!(sim.jenkins_runs()[1].causes[0]["userId"], "dev");
    let outside = once(sim.jenkins_url().trim_end_matches("/jenkins"), "GET", "/api/json", &[&dev()], "").unwrap();
    assert_eq!((outside.status, outside.header("x-jenkins")), (404, ""));
    assert_eq!(json_of(&sim, "/api/json/job/plain/77/api/json")["_class"], "hudson.model.Hudson");
}

#[test]
fn a_start_passes_the_queue_to_its_end() {
    let sim = with(JenkinsPlan { left_seconds: 1.0, blocked_seconds: 2.0, ..JenkinsPlan::default() });
    let reply = ask(&sim, "POST", "/job/plain/build");
    assert_eq!((reply.status, reply.header("location")), (201, &*format!("{}/queue/item/1/", sim.jenkins_url())));
    let queue = json_of(&sim, "/queue/api/json?tree=items%5Bid,why,task%5Bname%5D%5D");
    assert_eq!(queue["items"][0]["why"], "In the quiet period. Expires in 5.0 sec");
    let items: Vec<Value> = (0..5).map(|_| json_of(&sim, "/queue/item/1/api/json")).collect();
    let classes: Vec<_> =
        items.iter().map(|i| i["_class"].as_str().unwrap().replace("hudson.model.Queue$", "")).collect();
    assert_eq!(classes, ["WaitingItem", "BlockedItem", "BuildableItem", "LeftItem", "LeftItem"]);
    assert_eq!((&items[3]["executable"], &items[3]["cancelled"]), (&json!(null), &json!(false)));
    assert_eq!(items[4]["executable"]["url"], format!("{}1/", sim.jenkins_job_url("plain")));
    let build = end(&sim, "/job/plain/1");
    assert_eq!((&build["result"], &build["duration"], &build["queueId"]), (&json!("SUCCESS"), &json!(3000), &json!(1)));
    let console = ask(&sim, "GET", "/job/plain/1/consoleText").text();
    assert!(
        console.starts_with("Started by user dev\nRunning as SYSTEM\n") && console.ends_with("Finished: SUCCESS\n")
    );
    // Without `tree` a build shows no neighbors, and a job little of its builds.
    let plain = json_of(&sim, "/job/plain/1/api/json");
    assert!(plain.get("changeSet").is_some() && plain.get("changeSets").is_none() && plain.get("nextBuild").is_none());
    let job = json_of(&sim, "/job/plain/api/json");
    assert_eq!((job["builds"][0].as_object().unwrap().len(), job.get("allBuilds")), (3, None));
    let some = json_of(&sim, "/job/plain/api/json?tree=allBuilds%5Bnumber,queueId%5D%7B0,50%7D");
    assert_eq!(some["allBuilds"], json!([{"_class": "hudson.model.FreeStyleBuild", "number": 1, "queueId": 1}]));
    let waiting = queue_id(&ask(&sim, "POST", "/job/plain/build"));
    let path = format!("/queue/cancelItem?id={waiting}");
    assert_eq!(
        [ask(&sim, "GET", &path).status, ask(&sim, "POST", &path).status, ask(&sim, "POST", &path).status],
        [405, 204, 500]
    );
    assert_eq!(json_of(&sim, &format!("/queue/item/{waiting}/api/json"))["cancelled"], true);
    sim.advance(301.0);
    assert_eq!(ask(&sim, "GET", &format!("/queue/item/{waiting}/api/json")).status, 404);
}

#[test]
fn values_are_read_by_their_types_and_equal_starts_are_coalesced() {
    let sim = with(JenkinsPlan::default());
    let first = form(&sim, "/job/params/buildWithParameters", "S=%20a%20b%26%C3%A4&B=maybe&Z=1&delay=5sec");
    let run = sim.jenkins_run(queue_id(&first)).unwrap();
    assert_eq!(json!(run.parameters), json!({"S": "a b&ä", "C": "one", "B": false, "P": "secret"}));
    let again = form(&sim, "/job/params/buildWithParameters", "S=a%20b%26%C3%A4&delay=5sec");
    assert_eq!((again.status, queue_id(&again)), (303, run.queue_id));
    assert_eq!(form(&sim, "/job/params/buildWithParameters", "S=other").status, 201);
    let (one, two) = (ask(&sim, "POST", "/job/plain/build"), ask(&sim, "POST", "/job/plain/build"));
    assert_eq!((two.status, two.header("location")), (201, one.header("location")));
    let body = "--b\r\nContent-Disposition: form-data; name=\"S\"\r\n\r\nä\r\n--b\r\nContent-Disposition: form-data; \
                name=\"S2\"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"F\"; filename=\"d/hello.bin\"\r\n\
                \r\nabc\r\n--b--\r\n";
    let headers = [&*dev(), "Content-Type: multipart/form-data; boundary=b"];
    assert_eq!(ask_with(&sim, "POST", "/job/files/buildWithParameters", &headers, body).status, 201);
    let run = sim.jenkins_runs().pop().unwrap();
    assert_eq!(
        (&run.parameters["S"], run.files[0].filename.as_str(), run.files[0].size),
        (&json!("Ã¤"), "hello.bin", 3)
    );
    assert!(run.files[0].sha256.starts_with("ba7816bf"));
    let definitions = json_of(&sim, "/job/params/api/json")["property"][0]["parameterDefinitions"].clone();
    assert_eq!(
        (&definitions[1]["type"], &definitions[1]["choices"]),
        (&json!("ChoiceParameterDefinition"), &json!(["one", "two"]))
    );
    let repo = json_of(&sim, "/job/repo/api/json?tree=jobs%5Bname,url%5D");
    assert!(repo["jobs"][0]["url"].as_str().unwrap().ends_with("/job/repo/job/feature%252Fx/"));
    assert_eq!(ask(&sim, "GET", "/job/repo/job/feature%2Fx/api/json").status, 404);
}

#[test]
fn configurations_of_a_matrix_are_builds_of_their_own() {
    let sim = built(config().plan(JenkinsPlan::ending("FAILURE").job("mx/A=2"))).start().unwrap();
    let parent = started(&sim, "mx");
    for run in sim.jenkins_runs() {
        sim.move_jenkins_run(run.queue_id, JenkinsMove::End);
    }
    let url = format!("{}/job/mx/A=1/1/", sim.jenkins_url());
    assert_eq!(json_of(&sim, "/queue/item/2/api/json")["executable"]["url"], url);
    assert_eq!(json_of(&sim, &format!("{parent}/api/json"))["runs"][0]["url"], url);
    let results =
        ["/job/mx/A=1/1", "/job/mx/1/A=2"].map(|path| json_of(&sim, &format!("{path}/api/json"))["result"].clone());
    assert_eq!(results, ["SUCCESS", "FAILURE"]);
    let alone = queue_id(&ask(&sim, "POST", "/job/mx/A=1/build"));
    assert_eq!(sim.jenkins_run(alone).unwrap().job, "mx/A=1");
    assert_eq!(json_of(&sim, "/job/mx/A=1/1/api/json")["actions"][0]["causes"][0]["upstreamUrl"], "job/mx/");
}

#[test]
fn a_node_step_waits_in_the_queue_with_an_item_of_its_own() {
    let sim = with(JenkinsPlan::steps([JenkinsStep::node("mac"), JenkinsStep::text("on\n")]));
    let path = started(&sim, "pipe");
    json_of(&sim, &format!("{path}/api/json"));
    let item = json_of(&sim, "/queue/api/json")["items"][0].clone();
    assert_eq!(
        (&item["task"]["url"], &item["why"]),
        (&json!("job/pipe/1/"), &json!("There are no nodes with the label ‘mac’"))
    );
    assert_eq!(json_of(&sim, "/queue/item/2/api/json")["id"], 2);
    sim.move_jenkins_run(1, JenkinsMove::Release);
    let left = json_of(&sim, "/queue/item/2/api/json");
    let url = format!("{}1/", sim.jenkins_job_url("pipe"));
    assert_eq!((&left["task"]["url"], &left["executable"]["url"]), (&json!("job/pipe/1/"), &json!(url)));
    assert_eq!(end(&sim, &path)["result"], "SUCCESS");
}

#[test]
fn the_text_form_of_a_live_log_loses_what_the_html_form_delivers() {
    let steps = [JenkinsStep::text("a <b> & c\npart").after(1.0), JenkinsStep::lines(25_000, "burst <&>").after(1.0)];
    let plan = JenkinsPlan { log_late_seconds: 1.0, ..JenkinsPlan::steps(steps).bare() };
    let sim = built(config().plan(plan)).advance(Advance::Manual).start().unwrap();
    started(&sim, "pipe");
    let log = |form: &str, at: u64| {
        let reply = ask(&sim, "GET", &format!("/job/pipe/1/logText/progressive{form}?start={at}"));
        (reply.text(), reply.header("x-text-size").parse::<u64>().unwrap(), reply.header("x-more-data").to_owned())
    };
    sim.move_jenkins_run(1, JenkinsMove::Next);
    let (text, at, more) = log("Text", 0);
    // It counts the open line that it did not send.
    assert_eq!((text.as_str(), at, more.as_str()), ("a <b> & c\r\n", 14, "true"));
    sim.move_jenkins_run(1, JenkinsMove::Next);
    let (text, at, _) = log("Text", 14);
    assert_eq!((text.matches("burst").count(), log("Text", at).0.as_str()), (10_000, ""));
    let (mut html, mut at) = (String::new(), 0);
    for _ in 0..3 {
        let (part, next, _) = log("Html", at);
        html += &part;
        at = next;
    }
    sim.move_jenkins_run(1, JenkinsMove::End);
    let shown = html.replace("\r\n", "\n").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    assert_eq!(shown, ask(&sim, "GET", "/job/pipe/1/consoleText").text());
    assert_eq!(log("Text", at + 1).0.matches("burst").count(), 25_000, "beyond the end it begins again");
}

#[test]
fn a_pipeline_shows_its_stages_and_timestamps() {
    let steps =
        [JenkinsStep::stage("A"), JenkinsStep::text("in <A>\n"), JenkinsStep::stage("B"), JenkinsStep::text("x\n")];
    let sim = with(JenkinsPlan { timestamps: true, ..JenkinsPlan::steps(steps).result("UNSTABLE") });
    let path = started(&sim, "pipe");
    end(&sim, &path);
    let console = ask(&sim, "GET", &format!("{path}/consoleText")).text();
    assert!(
        console.contains("[Pipeline] stage\n[Pipeline] { (A)\n[Pipeline] sh\n[20") && console.contains("Z] in <A>\n")
    );
    let html = ask(&sim, "GET", &format!("{path}/logText/progressiveHtml")).text();
    let stage = "<span class=\"pipeline-new-node\" nodeId=\"6\" startId=\"6\" enclosingId=\"5\" label=\"A\">[Pipeline] { (A)\r\n</span>";
    assert!(
        html.contains(stage) && html.contains("<span class=\"pipeline-node-7\"><span class=\"timestamp\"><b>"),
        "{html}"
    );
    assert!(
        html.contains("</b> </span><span style=\"display: none\">[20") && html.contains("Z]</span> in &lt;A&gt;\r\n")
    );
    let text = ask(&sim, "GET", &format!("{path}/logText/progressiveText")).text();
    assert!(text.contains("\u{1b}[8mha:////4"));
    let stages = json_of(&sim, &format!("{path}/wfapi/describe"));
    assert_eq!((&stages["status"], &stages["stages"][1]["name"]), (&"UNSTABLE".into(), &"B".into()));
    // Freestyle: the time stands in the live log only.
    let path = started(&sim, "plain");
    end(&sim, &path);
    assert!(ask(&sim, "GET", &format!("{path}/logText/progressiveHtml")).text().contains("</b> </span>in &lt;A&gt;"));
    assert!(ask(&sim, "GET", &format!("{path}/consoleText")).text().contains("\nin <A>\n"));
}

#[test]
fn a_stop_takes_its_time_and_may_need_to_be_a_kill() {
    let sim = with(JenkinsPlan::endless());
    let path = started(&sim, "plain");
    let reply = ask(&sim, "POST", &format!("{path}/stop"));
    assert_eq!((reply.status, reply.header("location")), (302, "/jenkins/job/plain/1/"));
    let build = json_of(&sim, &format!("{path}/api/json"));
    assert_eq!((&build["building"], &build["result"]), (&json!(true), &json!("ABORTED")));
    end(&sim, &path);
    assert!(sim.jenkins_console("plain", 1).ends_with("Build was aborted\nAborted by dev\nFinished: ABORTED\n"));
    assert_eq!(
        [ask(&sim, "POST", "/job/plain/99/stop").status, ask(&sim, "POST", &format!("{path}/kill")).status],
        [404, 404]
    );
    let sim = with(JenkinsPlan::endless().stop(JenkinsStop::stubborn()));
    let path = started(&sim, "pipe");
    for how in ["stop", "term", "kill"] {
        assert_eq!(json_of(&sim, &format!("{path}/api/json"))["result"], json!(null), "{how}");
        assert_eq!(ask(&sim, "POST", &format!("{path}/{how}")).status, 302);
    }
    assert_eq!(end(&sim, &path)["result"], "ABORTED");
    let run = &sim.jenkins_runs()[0];
    assert_eq!((run.stops, run.terms, run.kills), (1, 1, 1));
}

#[test]
fn an_input_step_waits_for_its_answer() {
    let why = JenkinsInput::new("Ask", "go?").parameter(JenkinsParameter::string("WHY", "d"));
    let steps = [JenkinsStep::input(why), JenkinsStep::input(JenkinsInput::new("Sure", "sure?").submitter("boss"))];
    let sim = with(JenkinsPlan::steps(steps));
    let path = started(&sim, "pipe");
    let tree = "tree=actions%5BwaitingForInput,executions%5Bid,input%5Bmessage%5D%5D%5D";
    json_of(&sim, &format!("{path}/api/json"));
    let actions = json_of(&sim, &format!("{path}/api/json?{tree}"))["actions"].clone();
    let waiting = actions.as_array().unwrap().iter().find(|a| a["waitingForInput"] == true).unwrap();
    assert_eq!(waiting["executions"], json!([{"id": "Ask", "input": {"message": "go?"}}]));
    let pending = json_of(&sim, &format!("{path}/wfapi/pendingInputActions"));
    assert_eq!(
        (&pending[0]["inputs"][0]["definition"], &pending[0]["abortUrl"]),
        (&json!({"defaultVal": "d"}), &json!("/jenkins/job/pipe/1/input/Ask/abort"))
    );
    let body = "json=%7B%22parameter%22%3A%5B%7B%22name%22%3A%22WHY%22%2C%22value%22%3A%22so%22%7D%5D%7D";
    // The answer may get lost.
    sim.fault(Fault::cut(cibridge_simulator::CutPoint::BeforeAnswer).path("/proceed").acted());
    let origin = sim.jenkins_url().trim_end_matches("/jenkins");
    let headers = [&*dev(), "Content-Type: application/x-www-form-urlencoded"];
    assert!(once(origin, "POST", &format!("/jenkins{path}/input/Ask/proceed"), &headers, body).is_err());
    assert_eq!(
        form(&sim, &format!("{path}/input/Ask/proceed"), body).header("x-error"),
        "This input has been already given"
    );
    let other = ask(&sim, "POST", &format!("{path}/input/Sure/proceedEmpty"));
    assert_eq!((other.status, other.header("x-error")), (400, "You need to be boss to submit this."));
    let admin = basic("admin", JENKINS_ADMIN_TOKEN);
    assert_eq!(ask_with(&sim, "POST", &format!("{path}/input/Sure/abort"), &[&admin], "").status, 200);
    assert_eq!(end(&sim, &path)["result"], "ABORTED");
    let answers = sim.jenkins_runs()[0].answers.clone();
    assert_eq!((&answers[0].parameters, answers[1].proceeded), (&json!({"WHY": "so"}), false));
}

#[test]
fn artifacts_and_tests_are_served() {
    let plan = JenkinsPlan { steps: Vec::new(), ..JenkinsPlan::ending("UNSTABLE") }
        .artifact(JenkinsArtifact::text("out/dir/a b.txt", "nested\n").fingerprinted())
        .artifact(JenkinsArtifact::sized("out/ü.bin", 5_000_000_000))
        .tests([
            JenkinsTest::passed("a.B", "x"),
            JenkinsTest::failed("a.B", "y", "no"),
            JenkinsTest::skipped("a.C", "z"),
        ]);
    let sim = with(plan);
    let path = started(&sim, "plain");
    let build = end(&sim, &path);
    assert_eq!(
        build["artifacts"][0],
        json!({"displayPath": "a b.txt", "fileName": "a b.txt", "relativePath": "out/dir/a b.txt"})
    );
    let prints = json_of(&sim, &format!("{path}/api/json?tree=fingerprint%5Bhash%5D"));
    assert_eq!(prints["fingerprint"][0]["hash"], "6983b4cd210aab338877de6d3b33c926");
    let file = ask(&sim, "GET", &format!("{path}/artifact/out/dir/a%20b.txt"));
    assert_eq!(
        (file.text().as_str(), file.header("content-type"), file.header("etag")),
        ("nested\n", "text/plain", "")
    );
    assert!(file.header("content-security-policy").starts_with("sandbox"));
    let range = ["Range: bytes=4999999990-", &*dev()];
    let part = ask_with(&sim, "GET", &format!("{path}/artifact/out/%C3%BC.bin"), &range, "");
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 4999999990-4999999999/5000000000"));
    let statuses = ["out/nope", "out/dir"].map(|name| ask(&sim, "GET", &format!("{path}/artifact/{name}")).status);
    assert_eq!(statuses, [404, 302]);
    let report = json_of(&sim, &format!("{path}/testReport/api/json"));
    assert_eq!((&report["failCount"], &report["skipCount"], &report["passCount"]), (&json!(1), &json!(1), &json!(1)));
    sim.configure_jenkins(|c| c.artifact_redirect = true);
    let reply = ask(&sim, "GET", &format!("{path}/artifact/out/dir/a%20b.txt"));
    let location = reply.header("location").strip_prefix(sim.storage_url()).unwrap().to_owned();
    assert_eq!(once(sim.storage_url(), "GET", &location, &[], "").unwrap().text(), "nested\n");
    assert_eq!(once(sim.storage_url(), "GET", &location, &[&dev()], "").unwrap().status, 400);
}

#[test]
fn crumbs_sessions_and_tokens() {
    let sim = with(JenkinsPlan::default());
    let password = basic(JENKINS_USER, JENKINS_PASSWORD);
    let build = |headers: &[&str]| ask_with(&sim, "POST", "/job/plain/build", headers, "").status;
    let issued = ask_with(&sim, "GET", "/crumbIssuer/api/json", &[&password], "");
    let cookie = format!("Cookie: {}", issued.header("set-cookie").split(';').next().unwrap());
    let crumb = format!("Jenkins-Crumb: {}", issued.json()["crumb"].as_str().unwrap());
    assert_eq!(
        (build(&[&password]), build(&[&password, &crumb]), build(&[&password, &crumb, &cookie])),
        (403, 403, 201)
    );
    // A token needs no crumb, whatever else is sent.
    assert_eq!((build(&[&dev(), "Jenkins-Crumb: bad"]), build(&[&dev(), &cookie])), (201, 201));
    let path = "/me/descriptorByName/jenkins.security.ApiTokenProperty";
    let made = form(&sim, &format!("{path}/generateNewToken"), "newTokenName=cib").json()["data"].clone();
    let who =
        || ask_with(&sim, "GET", "/whoAmI/api/json", &[&basic("dev", made["tokenValue"].as_str().unwrap())], "").status;
    assert_eq!((who(), &sim.jenkins_tokens("dev")[1].1), (200, &"cib".to_owned()));
    let revoke = format!("tokenUuid={}", made["tokenUuid"].as_str().unwrap());
    assert_eq!((form(&sim, &format!("{path}/revoke"), &revoke).status, who()), (200, 401));
    assert_eq!(form(&sim, &format!("{path}/revoke"), "tokenUuid=").status, 400);
    let admin = basic("admin", JENKINS_ADMIN_TOKEN);
    let xml = "<project><disabled>true</disabled></project>";
    assert_eq!(ask_with(&sim, "POST", "/job/plain/config.xml", &[&admin, "Content-Type: text/xml"], xml).status, 200);
    assert_eq!(ask_with(&sim, "GET", "/job/plain/config.xml", &[&admin], "").text(), xml);
    assert_eq!(
        ask(&sim, "GET", "/job/plain/config.xml").header("x-required-permission"),
        "hudson.model.Item.ExtendedRead"
    );
}

#[test]
fn a_restart_keeps_the_queue_and_closes_the_port() {
    let sim = with(JenkinsPlan::endless().job("pipe"));
    let build = started(&sim, "pipe");
    let waits = queue_id(&ask(&sim, "POST", "/job/plain/build"));
    sim.restart_jenkins(Restart { starting_requests: 2, ..Restart::default() });
    for _ in 0..2 {
        let starting = ask(&sim, "GET", "/whoAmI/api/json");
        assert_eq!((starting.status, starting.header("x-jenkins"), starting.header("retry-after")), (503, "", ""));
    }
    let item = |id: u64| ask(&sim, "GET", &format!("/queue/item/{id}/api/json")).status;
    assert_eq!((item(waits), item(1)), (200, 404));
    assert_eq!(json_of(&sim, &format!("{build}/api/json"))["inProgress"], true);
    assert!(sim.jenkins_console("pipe", 1).contains("after Jenkins restart\nReady to run at "));
    sim.restart_jenkins(Restart { lose_queue: true, refused_ms: 60_000, ..Restart::default() });
    let address = sim.jenkins_url().trim_start_matches("http://").trim_end_matches("/jenkins").to_owned();
    assert!(std::net::TcpStream::connect(address).is_err());
    assert_eq!(sim.jenkins_runs()[1].state, "cancelled");
}
