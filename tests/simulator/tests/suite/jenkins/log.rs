//! Logs, live and whole.

use super::{ask, built, config, started};
use crate::client::Reply;
use cibridge_simulator::{Advance, JenkinsLog, JenkinsMove, JenkinsPlan, JenkinsStep, Simulator};

fn progressive(sim: &Simulator, form: &str, start: u64) -> Reply {
    ask(sim, "GET", &format!("/job/pipe/1/logText/progressive{form}?start={start}"))
}

fn size(reply: &Reply) -> u64 {
    reply.header("x-text-size").parse().unwrap()
}

/// HTML as a client reads it.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut tag = false;
    for c in html.chars() {
        match c {
            '<' => tag = true,
            '>' if tag => tag = false,
            '\r' => {}
            c if !tag => text.push(c),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Moves a build on by hand, one step at a time.
fn manual(plan: JenkinsPlan) -> Simulator {
    let sim = built(config().plan(plan)).advance(Advance::Manual).start().unwrap();
    let id = sim.start_jenkins_build("pipe");
    assert!(sim.move_jenkins_run(id, JenkinsMove::Start));
    sim
}

#[test]
fn the_text_form_loses_what_the_html_form_delivers() {
    let steps = [
        JenkinsStep::text("a <b> & c\npart").after(1.0),
        JenkinsStep::text("ial-END\n").after(1.0),
        JenkinsStep::lines(25_000, "burst <&>").after(1.0),
        JenkinsStep::text("open end").after(1.0),
    ];
    let sim = manual(JenkinsPlan::steps(steps).bare());
    let next = || assert!(sim.move_jenkins_run(1, JenkinsMove::Next));
    let (mut text, mut html) = (String::new(), String::new());
    let (mut text_at, mut html_at) = (0, 0);
    let mut pages = Vec::new();
    for _ in 0..4 {
        next();
        let reply = progressive(&sim, "Text", text_at);
        text += &reply.text();
        text_at = size(&reply);
        loop {
            let reply = progressive(&sim, "Html", html_at);
            html += &reply.text();
            if size(&reply) == html_at {
                break;
            }
            pages.push(reply.text().matches("\r\n").count());
            html_at = size(&reply);
        }
    }
    let whole = ask(&sim, "GET", "/job/pipe/1/consoleText").text();
    assert_eq!(whole, sim.jenkins_console("pipe", 1));
    assert!(whole.ends_with("0000025000 burst <&>\nopen end"));
    assert_eq!(plain(&html), whole);
    assert_eq!(pages, [1, 1, 10_000, 10_000, 5_000, 0]);
    // The beginning of a line is lost, and so is what goes beyond a page.
    assert!(text.starts_with("a <b> & c\r\nial-END\r\n0000000001 "));
    assert_eq!(text.matches("burst").count(), 10_000);
    let over = progressive(&sim, "Text", text_at + 1);
    assert_eq!((over.text().len() as u64, over.header("x-more-data")), (size(&over) + 25_002, ""));
}

#[test]
fn a_live_log_has_more_to_come_and_complete_lines_only() {
    let sim = manual(JenkinsPlan::steps([JenkinsStep::text("one\ntw").after(1.0), JenkinsStep::hold()]).bare());
    let nothing = progressive(&sim, "Html", 0);
    assert_eq!((size(&nothing), nothing.header("x-more-data")), (0, "true"));
    sim.move_jenkins_run(1, JenkinsMove::Next);
    let text = progressive(&sim, "Text", 0);
    assert_eq!((text.text().as_str(), size(&text)), ("one\r\n", 6));
    let html = progressive(&sim, "Html", 0);
    assert_eq!((html.text().as_str(), size(&html), html.header("x-jenkins")), ("one\r\n", 4, ""));
    assert_eq!(ask(&sim, "GET", "/job/pipe/1/consoleText").text(), "one\n");
    sim.append_jenkins_log("pipe", 1, "o\n");
    assert_eq!(progressive(&sim, "Html", 4).text(), "two\r\n");
    sim.configure_jenkins(|c| c.log = JenkinsLog::Classic);
    let classic = progressive(&sim, "Text", 4);
    assert_eq!((classic.text().as_str(), size(&classic)), ("two\r\n", 8));
}

#[test]
fn a_pipeline_shows_its_stages() {
    let steps =
        [JenkinsStep::stage("A"), JenkinsStep::text("in A\n"), JenkinsStep::stage("B"), JenkinsStep::text("x\n")];
    let sim = manual(JenkinsPlan::steps(steps).result("UNSTABLE"));
    sim.move_jenkins_run(1, JenkinsMove::End);
    let console = ask(&sim, "GET", "/job/pipe/1/consoleText").text();
    let expected = "Started by user somebody\n[Pipeline] Start of Pipeline\n[Pipeline] node\nRunning on Jenkins in \
                    /var/lib/jenkins/workspace/pipe\n[Pipeline] {\n[Pipeline] stage\n[Pipeline] { (A)\n[Pipeline] sh\n\
                    in A\n[Pipeline] }\n[Pipeline] // stage\n[Pipeline] stage\n[Pipeline] { (B)\n[Pipeline] sh\nx\n\
                    [Pipeline] }\n[Pipeline] // stage\n[Pipeline] }\n[Pipeline] // node\n[Pipeline] End of Pipeline\n\
                    Finished: UNSTABLE\n";
    assert_eq!(console, expected);
    let html = progressive(&sim, "Html", 0);
    assert_eq!(plain(&html.text()), console);
    let stage = "<span class=\"pipeline-new-node\" nodeId=\"6\" startId=\"6\" enclosingId=\"5\" label=\"A\">[Pipeline] { (A)\r\n</span>";
    assert!(html.text().contains(stage), "{}", html.text());
    assert!(html.text().contains("<span class=\"pipeline-node-7\">in A\r\n</span>"));
    assert!(progressive(&sim, "Text", 0).text().contains("\u{1b}[8mha:////4"));
    let stages = ask(&sim, "GET", "/job/pipe/1/wfapi/describe").json();
    assert_eq!((&stages["status"], &stages["stages"][1]["name"]), (&"UNSTABLE".into(), &"B".into()));
}

#[test]
fn the_log_may_end_after_the_build() {
    let plan = JenkinsPlan { log_late_seconds: 2.0, post_seconds: 1.0, ..JenkinsPlan::default() };
    let sim = built(config().plan(plan)).advance(Advance::Manual).start().unwrap();
    let id = sim.start_jenkins_build("plain");
    sim.move_jenkins_run(id, JenkinsMove::Start);
    sim.advance(3.0);
    let build = |sim: &Simulator| ask(sim, "GET", "/job/plain/1/api/json").json();
    assert_eq!((&build(&sim)["building"], &build(&sim)["inProgress"]), (&false.into(), &true.into()));
    sim.advance(1.0);
    assert_eq!((&build(&sim)["inProgress"], &build(&sim)["result"]), (&false.into(), &"SUCCESS".into()));
    let log = ask(&sim, "GET", "/job/plain/1/logText/progressiveHtml");
    assert!(log.header("x-more-data") == "true" && !log.text().contains("Finished"));
    sim.advance(2.0);
    let log = ask(&sim, "GET", "/job/plain/1/logText/progressiveHtml");
    assert!(log.header("x-more-data").is_empty() && log.text().contains("Finished: SUCCESS"));
}

#[test]
fn a_gigabyte_is_made_when_it_is_read() {
    let plan = JenkinsPlan::steps([JenkinsStep::lines(20_000_000, &"x".repeat(40))]).bare();
    let sim = built(config().plan(plan)).start().unwrap();
    started(&sim, "pipe");
    let run = sim.jenkins_build("pipe", 1).unwrap();
    assert_eq!((run.state.as_str(), run.log_size), ("finished", 20_000_000 * 52));
    let tail = progressive(&sim, "Html", run.log_size - 104).text();
    assert!(tail.ends_with(&format!("0020000000 {}\r\n", "x".repeat(40))) && tail.lines().count() == 2, "{tail}");
}
