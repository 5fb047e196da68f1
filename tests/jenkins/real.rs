//! Jenkins as it is: shapes of real controllers (2.516.2 and public recordings) that the simulator does not play, and
//! what proxies and gateways make of an answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::scripted::{Received, Reply, Scripted};

fn json(text: &str) -> Reply {
    Reply::Json(text.to_owned())
}

fn build(class: &str, result: &str) -> Reply {
    Reply::Json(format!(
        r#"{{"_class":"{class}","number":1,"building":false,"inProgress":false,"result":"{result}","timestamp":1,"duration":1000}}"#
    ))
}

/// A plain log, as Jenkins sends it.
fn log(text: &str) -> Reply {
    let headers = vec![("Content-Type", "text/plain;charset=utf-8".into()), ("X-Text-Size", text.len().to_string())];
    Reply::Headers(200, headers, text.replace('\n', "\r\n").into_bytes())
}

const PIPELINE: &str = "org.jenkinsci.plugins.workflow.job.WorkflowRun";

/// A running Pipeline that asks `Ok`.
const ASKING: &str = r#"{"_class":"org.jenkinsci.plugins.workflow.job.WorkflowRun","number":1,"inProgress":true,"result":null,
    "actions":[{"executions":[{"id":"Ok","settled":false,"input":{"id":"Ok","message":"go?","parameters":[]}}]}]}"#;

#[test]
fn an_answer_without_what_was_asked_for_is_no_answer() {
    // What Jenkins sends for every path below `/api/json`: the controller's root.
    let sim = Scripted::start(|request| match request.path.as_str() {
        "/job/plain/api/json" => json(r#"{"_class":"hudson.model.FreeStyleProject","name":"plain","buildable":true}"#),
        _ => json(r#"{"_class":"hudson.model.Hudson","mode":"NORMAL","jobs":[{"name":"plain"}]}"#),
    });
    for arguments in [
        &["status", "plain#1"][..],
        &["status", "plain#lastBuild"],
        &["wait", "plain#77", "--once"],
        &["status", "queue/item/7"],
        &["queue"],
        &["params", "other"],
        &["tests", "plain#1"],
        &["console", "plain#1"],
        &["config", "plain"],
    ] {
        let run = sim.call(arguments).env("CIBRIDGE_TIMEOUT", "2s").run();
        assert_ne!(run.code, 0, "{arguments:?}: {run}");
        assert!(!run.stdout.contains("plain#0") && !run.stderr.contains("#0"), "{run}");
    }
    sim.call(&["status", "plain#1"]).run().exit_code(14).stderr_contains("did not answer as Jenkins does");
}

#[test]
fn a_login_page_is_no_success() {
    let sim = Scripted::start(|request: &Received| match request.path.as_str() {
        path if request.method == "POST" || path.contains("onsole") || path.contains("logText") => Reply::login_page(),
        "/job/pipe/config.xml" | "/job/pipe/1/testReport/api/json" => Reply::login_page(),
        "/job/pipe/1/api/json" => json(ASKING),
        "/whoAmI/api/json" => json(r#"{"name":"dev","anonymous":false}"#),
        _ => Reply::not_found(),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.xml");
    std::fs::write(&file, "<project/>").unwrap();
    for arguments in [
        &["token", "revoke", "30097265-2b5d-4d3f-9c58-1c7f5b2e9a10"][..],
        &["token", "create", "ci"],
        &["config", "pipe"],
        &["config", "pipe", "--set", file.to_str().unwrap()],
        &["input", "pipe#1", "--proceed"],
        &["input", "pipe#1", "--abort"],
        &["console", "pipe#1"],
        &["tests", "pipe#1"],
    ] {
        let run = sim.call(arguments).run().exit_code(14);
        assert_eq!(run.stdout, "", "{arguments:?}: {run}");
    }
}

/// Matrix job `mx`, axis A: the configuration 1 succeeds, 2 fails, and so does the whole.
fn matrix(request: &Received) -> Reply {
    let item = |id: u64, task: &str, run: &str| {
        Reply::Json(format!(
            r#"{{"_class":"hudson.model.Queue$LeftItem","id":{id},"cancelled":false,"task":{{"_class":"hudson.matrix.MatrixConfiguration",
                "name":"A=1","url":"http://inside:8080/{task}"}},"executable":{{"number":1,"url":"http://inside:8080/{run}"}}}}"#
        ))
    };
    match request.path.as_str() {
        "/queue/item/17/api/json" => item(17, "job/mx/A=1/", "job/mx/A=1/1/"),
        "/queue/item/15/api/json" => item(15, "job/mx/", "job/mx/1/"),
        // The item of a `node` step, whose task has a relative address.
        "/queue/item/3/api/json" => item(3, "job/pipe/1/", "job/pipe/1/"),
        "/job/mx/1/api/json" => json(
            r#"{"_class":"hudson.matrix.MatrixBuild","number":1,"inProgress":false,"result":"FAILURE","artifacts":[],
                "runs":[{"number":1,"url":"http://inside:8080/job/mx/A=1/1/"},{"number":1,"url":"http://inside:8080/job/mx/A=2/1/"},
                        {"number":0,"url":"http://inside:8080/job/mx/A=3/0/"}]}"#,
        ),
        "/job/mx/A=1/1/api/json" => json(
            r#"{"_class":"hudson.matrix.MatrixRun","number":1,"inProgress":false,"result":"SUCCESS",
                "artifacts":[{"fileName":"a.txt","relativePath":"out/a.txt"}]}"#,
        ),
        "/job/mx/A=2/1/api/json" => build("hudson.matrix.MatrixRun", "FAILURE"),
        "/job/pipe/1/api/json" => build(PIPELINE, "SUCCESS"),
        "/job/mx/A=1/1/consoleText" => log("the log of A=1\n"),
        path if path.contains("logText") => log("a log\n"),
        "/job/mx/A=1/1/artifact/out/a.txt" => Reply::Text(200, "text/plain", "one".into()),
        "/job/mx/A=1/api/json" => {
            json(r#"{"_class":"hudson.matrix.MatrixConfiguration","name":"A=1","buildable":true}"#)
        }
        "/job/mx/A=1/build" if request.method == "POST" => {
            Reply::Headers(201, vec![("Location", "http://inside:8080/queue/item/17/".into())], Vec::new())
        }
        _ => Reply::not_found(),
    }
}

#[test]
fn a_matrix_configuration_is_a_build_of_its_own_in_every_verb() {
    let sim = Scripted::start(matrix);
    sim.call(&["wait", "queue/item/17"]).run().exit_code(0).stderr_contains("Jenkins build mx/A=1#1 succeeded");
    sim.call(&["wait", "queue/item/15"]).run().exit_code(1).stderr_contains("Jenkins build mx#1 failed");
    sim.call(&["status", "mx/A=2#1"]).run().exit_code(1);
    let page = format!("{}/job/mx/1/A=1/", sim.url());
    assert_eq!(sim.call(&["console", &page]).run().exit_code(0).stdout, "the log of A=1\n");
    let run = sim.call(&["trigger", &format!("{}/job/mx/A=1/", sim.url()), "--wait"]).run().exit_code(0);
    assert_eq!(run.document["build"]["id"], "mx/A=1#1");
    assert_eq!(sim.received("POST", "/job/mx/A=1/build").len(), 1);
    // The whole has no artifacts of its own.
    let folder = tempfile::tempdir().unwrap();
    let list = sim.call(&["artifacts", "mx#1", "--list"]).run().exit_code(0);
    assert!(list.stdout.ends_with("A=1/out/a.txt\n"), "{list}");
    sim.call(&["artifacts", "mx#1", "--dir", folder.path().to_str().unwrap()]).run().exit_code(0);
    assert_eq!(std::fs::read_to_string(folder.path().join("a.txt")).unwrap(), "one");
}

#[test]
fn the_queue_item_of_a_node_step_leads_to_its_pipeline() {
    let sim = Scripted::start(matrix);
    for verb in ["wait", "status"] {
        let run = sim.call(&[verb, "queue/item/3"]).run().exit_code(0);
        assert_eq!(run.document["build"]["id"], "pipe#1");
    }
}

#[test]
fn an_action_is_done_when_it_leads_to_a_page_of_jenkins() {
    // /quietDown and a deleted job lead to the root, an agent's switch to its page; the redirect itself has no name on it.
    let redirect = |to: &str| Reply::Headers(302, vec![("Location", to.into())], Vec::new());
    let answer = move |request: &Received, page: fn() -> Reply| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/quietDown" | "/job/old/doDelete") => redirect("/"),
        ("POST", "/computer/mac/toggleOffline") => redirect("/computer/mac/"),
        ("POST", "/elsewhere") => redirect("http://localhost:9/"),
        ("GET", "/api/json" | "/computer/mac/api/json") => page(),
        _ => Reply::not_found(),
    };
    let jenkins = Scripted::start(move |request| answer(request, Reply::not_found));
    let portal = Scripted::start(move |request| answer(request, Reply::login_page));
    for path in ["/quietDown", "/job/old/doDelete", "/computer/mac/toggleOffline"] {
        jenkins.call(&["api", "POST", path]).run().exit_code(0);
        portal.call(&["api", "POST", path]).run().exit_code(14).stderr_contains("redirects to");
        assert_eq!(jenkins.received("POST", path).len(), 1);
    }
    jenkins.call(&["api", "POST", "/elsewhere"]).run().exit_code(14).stderr_contains("redirects to");
}

#[test]
fn a_pipeline_that_waits_for_an_agent_says_why_and_counts_as_queued() {
    let sim = Scripted::start(|request| match request.path.as_str() {
        "/job/pipe/1/api/json" => json(
            r#"{"_class":"org.jenkinsci.plugins.workflow.job.WorkflowRun","number":1,"inProgress":true,"timestamp":1}"#,
        ),
        "/queue/api/json" => json(
            r#"{"items":[{"id":6,"why":"There are no nodes with the label ‘x’","inQueueSince":1,"task":{"url":"job/pipe/1/"}},
                {"id":7,"why":"else","inQueueSince":1,"task":{"url":"job/pipe/2/"}}]}"#,
        ),
        "/computer/api/json" => json(
            r#"{"computer":[{"executors":[{"currentExecutable":null},{"currentExecutable":{"url":"http://x/job/pipe/2/"}}]}]}"#,
        ),
        path if path.ends_with("/stop") => Reply::Headers(302, vec![("Location", "/job/pipe/1/".into())], Vec::new()),
        _ => Reply::not_found(),
    });
    sim.call(&["wait", "pipe#1", "--queue-timeout", "1h"])
        .run()
        .exit_code(6)
        .stderr_contains("waiting for an agent: There are no nodes with the label ‘x’")
        .stderr_contains("was queued longer than 1h");
    // A build that works on another agent meanwhile is not queued.
    let busy = Scripted::start(|request| match request.path.as_str() {
        "/job/pipe/1/api/json" => json(
            r#"{"_class":"org.jenkinsci.plugins.workflow.job.WorkflowRun","number":1,"inProgress":true,"timestamp":1}"#,
        ),
        "/queue/api/json" => {
            json(r#"{"items":[{"id":6,"why":"Waiting for x","inQueueSince":1,"task":{"url":"job/pipe/1/"}}]}"#)
        }
        "/computer/api/json" => {
            json(r#"{"computer":[{"executors":[{"currentExecutable":{"url":"http://x/job/pipe/1/"}}]}]}"#)
        }
        _ => Reply::not_found(),
    });
    let run =
        busy.call(&["status", "pipe#1"]).run().exit_code(0).stderr_contains("waiting for an agent: Waiting for x");
    assert_eq!(run.document["build"]["status"], "running");
}

/// A log that grows line by line, annotated as Timestamper and Collapsing Console Sections do (measured on 2.516.2).
#[test]
fn the_text_of_annotators_is_not_log() {
    const STORED: [&str; 4] =
        ["[2026-11-27T10:00:00Z] + make\n", "cc <a.c> & b\n", "[2026-11-27T10:00:02Z] \n", "end\n"];
    const HTML: [&str; 4] = [
        "<span class=\"timestamp\"><b>10:00:00</b> </span><span style=\"display: none\">[2026-11-27T10:00:00Z]</span> + make\r\n",
        "<span class=\"timestamp\"><b>10:00:01</b> </span><details><summary class=\"collapseHeader\">Compile</summary><div>cc &lt;a.c&gt; &amp; b\r\n",
        "</div></details><span style=\"display: none\">[2026-11-27T10:00:02Z]</span> \r\n",
        "end\r\n",
    ];
    let polls = AtomicUsize::new(0);
    let sim = Scripted::start(move |request| {
        let line = |count: usize| STORED[..count].concat();
        match request.path.as_str() {
            "/job/pipe/1/logText/progressiveHtml" => {
                let count = polls.fetch_add(1, Ordering::Relaxed).min(3);
                let mut headers = vec![("X-Text-Size", line(count + 1).len().to_string())];
                headers.extend((count < 3).then(|| ("X-More-Data", "true".to_owned())));
                Reply::Headers(200, headers, HTML[count].into())
            }
            "/job/pipe/1/api/json" if polls.load(Ordering::Relaxed) < 4 => {
                json(r#"{"_class":"hudson.model.FreeStyleBuild","number":1,"inProgress":true,"timestamp":1}"#)
            }
            "/job/pipe/1/api/json" => build("hudson.model.FreeStyleBuild", "SUCCESS"),
            "/job/pipe/1/consoleText" => Reply::Text(200, "text/plain", line(4)),
            path if path.contains("logText") => log(&line(4)),
            _ => Reply::not_found(),
        }
    });
    let live = sim.call(&["console", "pipe#1", "--follow"]).run().exit_code(0).stdout;
    assert_eq!(live, sim.call(&["console", "pipe#1"]).run().exit_code(0).stdout);
    assert_eq!(live, STORED.concat());
}

#[test]
fn a_wrong_context_path_is_named_with_the_right_one() {
    let sim = Scripted::start(|request| match request.path.as_str() {
        "/jenkins/login" => Reply::Headers(200, vec![("X-Jenkins", "2.516.2".into())], Vec::new()),
        path if path.starts_with("/jenkins/") => Reply::not_found(),
        _ => Reply::Text(404, "text/html", "<title>Error 404 Not Found</title>".into()),
    });
    let right = format!("Jenkins answers at {}/jenkins: use that as the controller URL", sim.url());
    sim.call(&["check", "plain"])
        .run()
        .exit_code(11)
        .stderr_contains("is not the root of a Jenkins controller")
        .stderr_contains(&right);
    sim.call(&["status", "plain#1"]).run().exit_code(11).stderr_contains(&right);
    let below = format!("{}/jenkins/wrong", sim.url());
    sim.call(&["check"]).env("CIBRIDGE_JENKINS_URL", &below).run().exit_code(11).stderr_contains(&right);
}

#[test]
fn a_log_whose_size_a_proxy_removes_takes_no_memory() {
    let text = format!("{}\n", "x".repeat(99)).repeat(600_000) + "the last line\n";
    let sim = Scripted::start(move |request| match request.path.as_str() {
        "/job/pipe/1/api/json" => build("hudson.model.FreeStyleBuild", "FAILURE"),
        path if path.contains("logText") => Reply::Text(200, "text/plain", text.clone()),
        _ => Reply::not_found(),
    });
    sim.call(&["wait", "pipe#1", "--log-lines", "2"])
        .limit_memory(60_000)
        .run()
        .exit_code(1)
        .stderr_contains("the last line\n");
}

#[test]
fn the_effect_of_a_lost_answer_is_looked_up() {
    // The input was answered: the retry meets one that is gone.
    let posts = AtomicUsize::new(0);
    let sim = Scripted::start(move |request| match request.path.as_str() {
        "/job/pipe/1/api/json" if posts.load(Ordering::Relaxed) > 0 => json(
            r#"{"_class":"org.jenkinsci.plugins.workflow.job.WorkflowRun","number":1,"inProgress":true,"timestamp":1}"#,
        ),
        "/job/pipe/1/api/json" => json(ASKING),
        "/job/pipe/1/input/Ok/proceedEmpty" if posts.fetch_add(1, Ordering::Relaxed) == 0 => Reply::Drop,
        _ => Reply::not_found(),
    });
    sim.call(&["input", "pipe#1", "--proceed"]).run().exit_code(0).stderr_contains("answered input Ok");
    // It stays pending, and every answer is lost at a gateway: nobody knows.
    let sim = Scripted::start(|request| match request.path.as_str() {
        "/job/pipe/1/api/json" => json(ASKING),
        _ => Reply::Text(504, "text/html", "<title>Gateway Timeout</title>".into()),
    });
    let run = sim.call(&["input", "pipe#1", "--abort"]).run();
    run.exit_code(15)
        .stderr_contains("it may have been answered")
        .stderr_contains("`cibridge jenkins input pipe#1` lists what is pending");
    // A configuration that is there was replaced.
    let stored = "<?xml version='1.1' encoding='UTF-8'?>\n<project>\n  <a/>\n</project>";
    let sim = Scripted::start(move |request| match request.method.as_str() {
        "POST" => Reply::Text(499, "text/html", String::new()),
        _ => Reply::Text(200, "application/xml", stored.into()),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.xml");
    for (xml, code) in [(stored.replace('\n', ""), 0), (stored.replace("<a/>", "<b/>"), 15)] {
        std::fs::write(&file, xml).unwrap();
        sim.call(&["config", "pipe", "--set", file.to_str().unwrap()]).run().exit_code(code);
    }
}

#[test]
fn a_lost_start_is_found_although_jenkins_spells_user_and_value_differently() {
    // Jenkins takes `DEV` for `dev`, and a mail address where the security realm allows it.
    for user in ["dev", "DEV", "dev@example.com"] {
        let started = AtomicUsize::new(0);
        let sim = Scripted::start(move |request| match request.path.as_str() {
            "/job/p/buildWithParameters" => {
                started.fetch_add(1, Ordering::Relaxed);
                Reply::Drop
            }
            "/job/p/api/json" if started.load(Ordering::Relaxed) == 0 => json(
                r#"{"_class":"hudson.model.FreeStyleProject","name":"p","buildable":true,"nextBuildNumber":4,
                    "property":[{"parameterDefinitions":[{"name":"TRIM","type":"StringParameterDefinition"}]}]}"#,
            ),
            "/job/p/api/json" => json(
                r#"{"_class":"hudson.model.FreeStyleProject","name":"p","builds":[{"number":4,"queueId":9,"timestamp":18000000000000,
                    "actions":[{"parameters":[{"name":"TRIM","value":"x"}]},{"causes":[{"userId":"dev"}]}]}]}"#,
            ),
            "/queue/api/json" => json(r#"{"items":[]}"#),
            "/whoAmI/api/json" => json(r#"{"name":"dev","anonymous":false}"#),
            _ => Reply::not_found(),
        });
        let run = sim.call(&["trigger", "p", "--param", "TRIM=  x "]).env("JENKINS_USER_ID", user).run();
        run.exit_code(0).stderr_contains("found by its user, time and parameters");
    }
}

/// Jenkins answers 500 for XML that it cannot read, with its name and the ID of the entry in its log.
#[test]
fn a_configuration_that_jenkins_cannot_read_is_refused_at_once() {
    const OOPS: &str = "<html><title>Jenkins</title><h1>Oops!</h1>Logging ID=9f1c2d3e-0000-4444-8888-aaaabbbbcccc";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.xml");
    std::fs::write(&file, "<project><a></project>").unwrap();
    for (from_jenkins, code) in [(true, 12), (false, 15)] {
        let sim = Scripted::start(move |request| {
            let head = from_jenkins.then(|| ("X-Jenkins", "2.516.2".to_owned()));
            match request.method.as_str() {
                "POST" => Reply::Headers(500, head.into_iter().collect(), OOPS.as_bytes().to_vec()),
                _ => Reply::not_found(),
            }
        });
        let run = sim.call(&["config", "pipe", "--set", file.to_str().unwrap()]).run();
        let run = run.exit_code(code);
        assert_eq!(sim.received("POST", "/job/pipe/config.xml").len() == 1, from_jenkins);
        if from_jenkins {
            run.stderr_contains("configuration of job pipe: Jenkins cannot read it (HTTP 500, logging ID 9f1c2d3e-0000-4444-8888-aaaabbbbcccc)\n\
                                 hint: the XML is not well-formed, or needs a plugin that is not installed; the controller's log has the reason\n");
        }
    }
}

#[test]
fn a_configuration_is_sent_in_the_charset_in_which_it_is_written() {
    let sim = Scripted::start(|_| Reply::Headers(200, Vec::new(), Vec::new()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.xml");
    let latin = b"<?xml version='1.1' encoding='ISO-8859-1'?><project><description>Gr\xfc\xdfe</description></project>";
    let utf8 = "<?xml version='1.1' encoding='UTF-8'?><project><description>Grüße aus Köln</description></project>";
    for (bytes, charset) in [(&latin[..], "ISO-8859-1"), (utf8.as_bytes(), "UTF-8"), (b"<project/>", "UTF-8")] {
        std::fs::write(&file, bytes).unwrap();
        sim.call(&["config", "pipe", "--set", file.to_str().unwrap()]).run().exit_code(0);
        let sent = sim.received("POST", "/job/pipe/config.xml").pop().unwrap();
        assert_eq!(sent.header("content-type").unwrap(), format!("application/xml; charset={charset}"));
        assert_eq!(sent.body, bytes);
    }
}

#[test]
fn a_semicolon_is_part_of_a_name() {
    let sim = Scripted::start(|request| match request.path.as_str() {
        "/job/pipe/1/api/json" => json(
            r#"{"_class":"hudson.model.FreeStyleBuild","number":1,"inProgress":false,"result":"SUCCESS","artifacts":[
                {"fileName":"semi;colon.txt","relativePath":"out/a;b/semi;colon.txt"}]}"#,
        ),
        "/job/pipe/1/artifact/out/a%3Bb/semi%3Bcolon.txt" => Reply::Text(200, "text/plain", "there".into()),
        "/job/repo/job/fix%3Bsemi/api/json" => {
            json(r#"{"_class":"org.jenkinsci.plugins.workflow.job.WorkflowJob","name":"fix;semi","buildable":true}"#)
        }
        "/job/repo/job/fix%3Bsemi/build" => {
            Reply::Headers(201, vec![("Location", "http://x/queue/item/1/".into())], Vec::new())
        }
        _ => Reply::Text(400, "text/html", "<title>Bad Request</title>".into()),
    });
    let folder = tempfile::tempdir().unwrap();
    sim.call(&["artifacts", "pipe#1", "--dir", folder.path().to_str().unwrap()]).run().exit_code(0);
    assert_eq!(std::fs::read_to_string(folder.path().join("semi;colon.txt")).unwrap(), "there");
    sim.call(&["trigger", "repo", "--branch", "fix;semi"]).run().exit_code(0);
}

#[test]
fn a_stage_that_an_exception_interrupted_has_a_word_for_its_state() {
    let sim = Scripted::start(|request| match request.path.as_str() {
        "/job/pipe/1/api/json" => build(PIPELINE, "ABORTED"),
        "/job/pipe/1/wfapi/describe" => json(
            r#"{"stages":[{"name":"init","status":null,"durationMillis":1000,
                "error":{"message":null,"type":"org.jenkinsci.plugins.workflow.steps.FlowInterruptedException"}}]}"#,
        ),
        _ => Reply::not_found(),
    });
    let run = sim.call(&["status", "pipe#1"]).run().exit_code(4);
    assert_eq!(run.document["steps"][0]["status"], "canceled");
}
