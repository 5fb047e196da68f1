//! From a start to the end of a build.

use super::{ask, ask_with, basic, built, config, dev, form, queue_id, sim, started};
use cibridge_simulator::{JENKINS_VIEWER_TOKEN, JenkinsConfig, JenkinsMove, JenkinsParameter, JenkinsPlan};
use serde_json::json;

#[test]
fn says_who_asks() {
    let sim = sim();
    let reply = ask(&sim, "GET", "/whoAmI/api/json?tree=name,anonymous");
    assert_eq!(reply.json(), json!({"_class": "hudson.security.WhoAmI", "name": "dev", "anonymous": false}));
    assert_eq!((reply.header("x-jenkins"), reply.header("x-jenkins-session").len()), ("2.516.2", 8));
    let nobody = ask_with(&sim, "GET", "/whoAmI/api/json", &[], "").json();
    assert_eq!((&nobody["name"], &nobody["authorities"]), (&json!("anonymous"), &json!(["anonymous"])));
    let wrong = ask_with(&sim, "GET", "/whoAmI/api/json", &[&basic("dev", "11x")], "");
    assert_eq!((wrong.status, wrong.header("www-authenticate")), (401, "Basic realm=\"Jenkins\""));
    assert_eq!(wrong.header("x-jenkins"), "");
}

#[test]
fn a_start_goes_through_the_queue_to_its_end() {
    let sim = sim();
    let reply = ask(&sim, "POST", "/job/plain/build");
    assert_eq!((reply.status, reply.header("x-jenkins")), (201, ""));
    let expected = format!("{}/queue/item/1/", sim.jenkins_url());
    assert_eq!(reply.header("location"), expected);
    let mut seen = Vec::new();
    let build = loop {
        let item = ask(&sim, "GET", "/queue/item/1/api/json").json();
        seen.push(item["_class"].as_str().unwrap().replace("hudson.model.Queue$", ""));
        if item["executable"].is_object() {
            break item["executable"]["url"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(seen, ["WaitingItem", "BuildableItem", "LeftItem"]);
    assert_eq!(build, format!("{}1/", sim.jenkins_job_url("plain")));
    let first = ask(&sim, "GET", "/job/plain/1/api/json").json();
    assert_eq!((&first["building"], &first["result"], &first["queueId"]), (&json!(true), &json!(null), &json!(1)));
    let last = loop {
        let build = ask(&sim, "GET", "/job/plain/1/api/json").json();
        if build["inProgress"] == false {
            break build;
        }
    };
    assert_eq!((&last["result"], &last["duration"]), (&json!("SUCCESS"), &json!(3000)));
    assert_eq!(last["actions"][0]["causes"][0]["shortDescription"], "Started by user dev");
    let console = ask(&sim, "GET", "/job/plain/1/consoleText").text();
    assert!(
        console.starts_with("Started by user dev\nRunning as SYSTEM\n") && console.ends_with("Finished: SUCCESS\n")
    );
    assert_eq!(console, sim.jenkins_console("plain", 1));
    let builds = ask(&sim, "GET", "/job/plain/api/json?tree=builds%5Bnumber,queueId%5D%7B0,50%7D").json();
    let build = json!({"_class": "hudson.model.FreeStyleBuild", "number": 1, "queueId": 1});
    assert_eq!(builds, json!({"_class": "hudson.model.FreeStyleProject", "builds": [build]}));
}

#[test]
fn jobs_are_told_with_their_parameters() {
    let sim = sim();
    let job = ask(&sim, "GET", "/job/params/api/json").json();
    assert_eq!((&job["buildable"], &job["nextBuildNumber"], &job["inQueue"]), (&json!(true), &json!(1), &json!(false)));
    let definitions = &job["property"][0]["parameterDefinitions"];
    let types: Vec<_> = definitions.as_array().unwrap().iter().map(|d| d["type"].as_str().unwrap()).collect();
    assert_eq!(types[1..3], ["ChoiceParameterDefinition", "BooleanParameterDefinition"]);
    assert_eq!(definitions[1]["choices"], json!(["one", "two"]));
    assert!(definitions[3]["defaultParameterValue"]["value"].is_null());
    let odd = ask(&sim, "GET", "/job/folder/job/with%20space/job/100%25/api/json?tree=url,fullName").json();
    assert_eq!(odd["fullName"], "folder/with space/100%");
    assert_eq!(odd["url"], sim.jenkins_job_url("folder/with space/100%"));
    let repo = ask(&sim, "GET", "/job/repo/api/json?tree=jobs%5Bname,url%5D").json();
    assert_eq!(repo["jobs"][0]["name"], "feature%2Fx");
    assert!(repo["jobs"][0]["url"].as_str().unwrap().ends_with("/job/repo/job/feature%252Fx/"));
    assert_eq!(ask(&sim, "GET", "/job/repo/job/feature%252Fx/api/json").status, 200);
    assert_eq!(ask(&sim, "GET", "/job/repo/job/feature%2Fx/api/json").status, 404);
    assert_eq!(ask(&sim, "GET", "/view/all/job/plain/api/json").status, 200);
}

#[test]
fn every_kind_of_start_is_answered_as_measured() {
    let sim = sim();
    let status = |path: &str| ask(&sim, "POST", path).status;
    assert_eq!(status("/job/off/build"), 409);
    assert_eq!(status("/job/nope/build"), 404);
    assert_eq!(status("/job/folder/build"), 404);
    assert_eq!(status("/job/plain/buildWithParameters"), 500);
    assert_eq!(status("/job/files/buildWithParameters?S=1"), 500);
    let by_get = ask(&sim, "GET", "/job/plain/build");
    assert_eq!((by_get.status, by_get.header("allow")), (405, "POST"));
    for path in ["/job/vetoed/build", "/job/repo/build"] {
        let reply = ask(&sim, "POST", path);
        assert_eq!((reply.status, reply.header("location")), (302, &*format!("/jenkins{}", &path[..path.len() - 5])));
    }
    let none = form(&sim, "/job/params/build", "x=1");
    assert_eq!((none.status, none.text().contains("Nothing is submitted")), (400, true));
    let json = form(
        &sim,
        "/job/params/build",
        "json=%7B%22parameter%22%3A%5B%7B%22name%22%3A%22S%22%2C%22value%22%3A%22j%22%7D%5D%7D",
    );
    assert_eq!((json.status, json.header("location")), (201, &*sim.jenkins_job_url("params")));
    let bad = form(&sim, "/job/params/buildWithParameters", "C=three");
    assert_eq!((bad.status, bad.text().contains("Logging ID=")), (500, true));
    assert_eq!(form(&sim, "/job/params/buildWithParameters", "S=1&S=2").status, 500);
    assert_eq!(form(&sim, "/job/files/buildWithParameters", "S=1").status, 201);
    assert_eq!(sim.jenkins_runs().len(), 2);
}

#[test]
fn values_are_read_by_their_types_and_equal_starts_join() {
    let sim = sim();
    let first = form(&sim, "/job/params/buildWithParameters", "S=a%20b%26%C3%A4&B=maybe&Z=1&delay=5sec");
    assert_eq!(first.status, 201);
    let run = sim.jenkins_run(queue_id(&first)).unwrap();
    assert_eq!(json!(run.parameters), json!({"S": "a b&ä", "C": "one", "B": false, "P": "secret"}));
    let again = form(&sim, "/job/params/buildWithParameters", "S=a%20b%26%C3%A4&delay=5sec");
    assert_eq!((again.status, queue_id(&again)), (303, run.queue_id));
    assert_eq!(form(&sim, "/job/params/buildWithParameters", "S=other").status, 201);
    let (one, two) = (ask(&sim, "POST", "/job/plain/build"), ask(&sim, "POST", "/job/plain/build"));
    assert_eq!((two.status, two.header("location")), (201, one.header("location")));
    assert_eq!((sim.counters().jenkins_triggers, sim.counters().jenkins_joined), (5, 2));
}

#[test]
fn files_come_in_parts() {
    let sim = sim();
    let body = "--b\r\nContent-Disposition: form-data; name=\"S\"\r\n\r\nä\r\n--b\r\nContent-Disposition: form-data; \
                name=\"F\"; filename=\"hello.bin\"\r\n\r\nabc\r\n--b--\r\n";
    let headers = [&*dev(), "Content-Type: multipart/form-data; boundary=b"];
    for _ in 0..2 {
        // Starts with files are never equal.
        assert_eq!(ask_with(&sim, "POST", "/job/files/buildWithParameters", &headers, body).status, 201);
    }
    let run = &sim.jenkins_runs()[1];
    assert_eq!(run.parameters["S"], "Ã¤");
    assert_eq!((run.files[0].filename.as_str(), run.files[0].size), ("hello.bin", 3));
    assert!(run.files[0].sha256.starts_with("ba7816bf"));
}

#[test]
fn the_queue_can_be_read_and_left() {
    let sim = sim();
    let id = queue_id(&ask(&sim, "POST", "/job/plain/build"));
    let queue = ask(&sim, "GET", "/queue/api/json?tree=items%5Bid,why,task%5Bname%5D%5D").json();
    assert_eq!((&queue["items"][0]["id"], &queue["items"][0]["task"]["name"]), (&json!(id), &json!("plain")));
    assert_eq!(queue["items"][0]["why"], "In the quiet period. Expires in 5.0 sec");
    let path = format!("/queue/cancelItem?id={id}");
    assert_eq!(ask(&sim, "GET", &path).status, 405);
    assert_eq!([ask(&sim, "POST", &path).status, ask(&sim, "POST", &path).status], [204, 500]);
    assert_eq!(ask(&sim, "POST", "/queue/cancelItem?id=99").status, 404);
    let item = ask(&sim, "GET", &format!("/queue/item/{id}/api/json")).json();
    assert_eq!((&item["cancelled"], &item["executable"], &item["why"]), (&json!(true), &json!(null), &json!(null)));
    sim.advance(301.0);
    assert_eq!(ask(&sim, "GET", &format!("/queue/item/{id}/api/json")).status, 404);
}

#[test]
fn an_item_may_have_left_without_a_build() {
    let plan = JenkinsPlan { left_seconds: 1.0, blocked_seconds: 2.0, stuck: true, ..JenkinsPlan::default() };
    let sim = built(config().plan(plan)).start().unwrap();
    let id = queue_id(&ask(&sim, "POST", "/job/plain/build?delay=0sec"));
    let items: Vec<_> = (0..4).map(|_| ask(&sim, "GET", &format!("/queue/item/{id}/api/json")).json()).collect();
    assert_eq!((&items[0]["blocked"], &items[1]["stuck"]), (&json!(true), &json!(true)));
    assert_eq!((&items[2]["executable"], &items[2]["cancelled"]), (&json!(null), &json!(false)));
    assert_eq!(items[3]["executable"]["number"], 1);
}

#[test]
fn serial_jobs_wait_for_the_build_before() {
    let job = cibridge_simulator::JenkinsJob::freestyle("one").serial().quiet(0.0);
    let sim = built(JenkinsConfig::with_jobs([job]).context("/jenkins")).start().unwrap();
    let (_, first) = started(&sim, "one");
    let second = queue_id(&ask(&sim, "POST", "/job/one/build"));
    let item = |id: u64| ask(&sim, "GET", &format!("/queue/item/{id}/api/json")).json();
    for _ in 0..3 {
        assert_eq!(item(second)["why"], "Build #1 is already in progress (ETA: N/A)");
    }
    sim.move_jenkins_run(1, JenkinsMove::End);
    item(second);
    assert_eq!(item(second)["executable"]["number"], 2);
    assert_eq!(first, "/job/one/1");
}

#[test]
fn parameters_of_a_pipeline_are_learnt_by_its_first_build() {
    let mut job = cibridge_simulator::JenkinsJob::pipeline("p").parameter(JenkinsParameter::string("S", ""));
    job.learns_parameters = true;
    let sim = built(JenkinsConfig::with_jobs([job]).context("/jenkins")).start().unwrap();
    assert_eq!(form(&sim, "/job/p/buildWithParameters", "S=1").status, 500);
    started(&sim, "p");
    assert_eq!(form(&sim, "/job/p/buildWithParameters", "S=1").status, 201);
}

#[test]
fn permissions_decide() {
    let sim = sim();
    let viewer = basic("viewer", JENKINS_VIEWER_TOKEN);
    let refused = ask_with(&sim, "POST", "/job/plain/build", &[&viewer], "");
    assert_eq!((refused.status, refused.header("x-you-are-authenticated-as")), (403, "viewer"));
    assert_eq!(refused.header("x-required-permission"), "hudson.model.Item.Build");
    assert_eq!(ask_with(&sim, "GET", "/job/plain/api/json", &[&viewer], "").status, 200);
    let nobody = ask_with(&sim, "GET", "/job/plain/api/json?a=1", &[], "");
    assert_eq!((nobody.status, nobody.header("location")), (403, ""));
    assert!(nobody.text().contains("url=/jenkins/login?from=%2Fjenkins%2Fjob%2Fplain%2Fapi%2Fjson%3Fa%3D1"));
    let crumb = ask_with(&sim, "POST", "/job/plain/build", &[], "");
    assert!(crumb.status == 403 && crumb.text().contains("No valid crumb was included in the request"));
}

#[test]
fn job_tokens_work_alone() {
    let sim = sim();
    let viewer = basic("viewer", JENKINS_VIEWER_TOKEN);
    let right = ask_with(&sim, "GET", "/job/remote/build?token=My-token&cause=by%20hand", &[&viewer], "");
    assert_eq!(right.status, 201);
    let cause = &sim.jenkins_runs()[0].causes[0];
    assert_eq!((&cause["_class"], &cause["note"]), (&json!("hudson.model.Cause$RemoteCause"), &json!("by hand")));
    let wrong = ask(&sim, "POST", "/job/remote/build?token=x");
    assert!(wrong.status == 403 && wrong.text().contains("Invalid token provided."));
    let root = ask_with(&sim, "GET", "/buildByToken/build?job=remote&token=My-token", &[], "");
    assert_eq!((root.status, root.header("location")), (303, "/jenkins/queue/item/1/"));
    assert_eq!(ask_with(&sim, "POST", "/buildByToken/build?job=remote&token=x", &[], "").status, 403);
    assert_eq!(ask_with(&sim, "POST", "/buildByToken/build?job=nope&token=x", &[], "").status, 404);
}

#[test]
fn anonymous_may_be_let_in_to_look() {
    let mut config = config();
    config.anonymous = cibridge_simulator::JenkinsAccess::Read;
    let sim = built(config).start().unwrap();
    let anybody = |method: &str, path: &str| ask_with(&sim, method, path, &[], "").status;
    assert_eq!(anybody("GET", "/job/remote/api/json"), 200);
    assert_eq!(anybody("GET", "/job/remote/build?token=My-token"), 201);
    assert_eq!(anybody("GET", "/job/remote/build?token=x"), 403);
    assert_eq!(anybody("POST", "/job/remote/build?token=My-token"), 403);
    sim.configure_jenkins(|c| c.anonymous = cibridge_simulator::JenkinsAccess::Discover);
    assert_eq!([anybody("GET", "/job/remote/api/json"), anybody("GET", "/job/nope/api/json")], [403, 404]);
}

#[test]
fn a_query_may_be_too_long() {
    let sim = sim();
    let path = format!("/job/params/buildWithParameters?S={}", "x".repeat(9000));
    assert_eq!(ask(&sim, "POST", &path).status, 414);
    assert_eq!(form(&sim, "/job/params/buildWithParameters", &format!("S={}", "x".repeat(9000))).status, 201);
}

#[test]
fn builds_go_on_by_the_clock_alone() {
    let sim = built(config()).advance(cibridge_simulator::Advance::Clock).speed(1e6).start().unwrap();
    queue_id(&ask(&sim, "POST", "/job/plain/build"));
    let limit = std::time::Duration::from_secs(10);
    assert!(sim.wait_for(limit, |state| state.jenkins_runs().iter().any(|r| r.state == "finished")));
}
