//! The Jenkins seen from a socket.

mod build;
mod door;
mod log;
mod start;

use crate::client::{Reply, once};
use cibridge_simulator::{
    Advance, Builder, JENKINS_TOKEN, JENKINS_USER, JenkinsConfig, JenkinsJob, JenkinsParameter, ParameterKind,
    Simulator,
};

/// A Jenkins with a job of every kind, below a context path; time goes by polls.
fn config() -> JenkinsConfig {
    let params = JenkinsJob::freestyle("params")
        .parameter(JenkinsParameter::string("S", "def"))
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
    ])
    .context("/jenkins")
}

fn built(config: JenkinsConfig) -> Builder {
    Simulator::builder().advance(Advance::Poll).jenkins(config)
}

fn sim() -> Simulator {
    built(config()).start().unwrap()
}

/// `user:secret` as basic authentication.
fn basic(user: &str, secret: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let plain = format!("{user}:{secret}");
    let mut coded = String::new();
    for chunk in plain.as_bytes().chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |w, (i, b)| w | u32::from(*b) << (16 - 8 * i));
        for i in 0..=chunk.len() {
            coded.push(char::from(ALPHABET[(word >> (18 - 6 * i) & 63) as usize]));
        }
        coded.push_str(&"=".repeat(3 - chunk.len()));
    }
    format!("Authorization: Basic {coded}")
}

fn dev() -> String {
    basic(JENKINS_USER, JENKINS_TOKEN)
}

/// A request of `dev`, by the token, to a path below the context.
fn ask(sim: &Simulator, method: &str, path: &str) -> Reply {
    ask_with(sim, method, path, &[&dev()], "")
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
    let location = reply.header("location");
    let id = location.split("/queue/item/").nth(1).unwrap_or_else(|| panic!("{} {location:?}", reply.status));
    id.trim_end_matches('/').parse().unwrap()
}

/// Starts `plain` and polls the item until it has a build; returns its path.
fn started(sim: &Simulator, job: &str) -> (u64, String) {
    let id = queue_id(&ask(sim, "POST", &format!("/job/{job}/build")));
    for _ in 0..10 {
        let item = ask(sim, "GET", &format!("/queue/item/{id}/api/json")).json();
        if let Some(number) = item["executable"]["number"].as_u64() {
            return (id, format!("/job/{job}/{number}"));
        }
    }
    panic!("{job} does not start");
}
