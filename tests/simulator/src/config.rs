//! Everything that can be set about a simulator, in Rust or as a JSON file.

use crate::clock::Advance;
use crate::fault::Fault;
use crate::jenkins::JenkinsConfig;
use crate::plan::Plan;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The key that is valid if none is given.
pub const DEFAULT_KEY: &str = "sim-key-0123456789abcdef";
/// The app that exists if none is given.
pub const DEFAULT_APP: &str = "60a0b1c2d3e4f56789abcdef";
/// The team that owns all apps.
pub const DEFAULT_TEAM: &str = "5f1e2d3c4b5a69788796a5b4";

/// Settings of a simulator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Port of the API; 0 takes a free one.
    pub port: u16,
    /// Port of the storage; 0 takes a free one.
    pub storage_port: u16,
    /// Host name in the API's address: `127.0.0.1` or `localhost`.
    pub api_host: String,
    /// Host name in the storage's address.
    pub storage_host: String,
    /// Speak https.
    pub tls: Option<TlsOptions>,
    /// What makes builds go on.
    pub advance: Advance,
    /// Simulated seconds in a real one.
    pub speed: f64,
    /// First moment of the simulated clock in seconds since 1970; `None` is now.
    pub start_time: Option<i64>,
    /// Valid keys.
    pub keys: Vec<Key>,
    /// Existing apps.
    pub apps: Vec<App>,
    /// Id of the team.
    pub team_id: String,
    /// Name of the team.
    pub team_name: String,
    /// Is the team in v3 `/user/teams`? Personal accounts have none there.
    pub list_teams: bool,
    /// Status for an app of somebody else: 403 or 404.
    pub foreign_app_status: u16,
    /// What happens with workflows nobody knows.
    pub unknown_workflow: UnknownWorkflow,
    /// This many GETs of a fresh build answer 404.
    pub not_found_polls: u32,
    /// GETs of a fresh build answer 404 for so many simulated seconds.
    pub not_found_seconds: f64,
    /// This many list requests after a start do not show the build yet.
    pub hidden_lists: u32,
    /// Simulated seconds from a cancel to the status `canceled`.
    pub cancel_delay_seconds: f64,
    /// Limit of requests.
    pub rate_limit: RateLimit,
    /// Links to artifacts.
    pub links: Links,
    /// The object storage.
    pub storage: StorageOptions,
    /// Where logs are.
    pub logs: LogOptions,
    /// Send bodies in chunks instead of with a length.
    pub chunked: bool,
    /// Keep connections open after an answer.
    pub keep_alive: bool,
    /// Real time after which an idle connection is closed.
    pub idle_ms: u64,
    /// The legacy list.
    pub legacy_list: LegacyList,
    /// Error bodies of v3 repeat the submitted value, as the service is said to do.
    pub echo_values: bool,
    /// Plans for coming builds; the last one that fits is taken.
    pub plans: Vec<Plan>,
    /// Builds of the past.
    pub history: Vec<History>,
    /// A Jenkins on a port of its own.
    pub jenkins: Option<JenkinsConfig>,
    /// Faults that are armed from the start.
    #[serde(deserialize_with = "strict_faults")]
    pub faults: Vec<Fault>,
}

/// Reads faults with their unknown keys refused.
fn strict_faults<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fault>, D::Error> {
    let all = Vec::<Value>::deserialize(deserializer)?;
    all.iter().map(Fault::from_json).collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// A key and what it may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The value of `x-auth-token`.
    pub key: String,
    /// What it may do.
    #[serde(default)]
    pub access: Access,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everything.
    #[default]
    Full,
    /// Look, but neither start nor cancel.
    ReadOnly,
    /// Its own user, nothing else.
    None,
}

/// An app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// 24 hex digits.
    pub id: String,
    /// Shown name.
    #[serde(default = "demo")]
    pub name: String,
    /// Its workflows.
    #[serde(default = "workflows")]
    pub workflows: Vec<Workflow>,
    /// It exists, but belongs to somebody else.
    #[serde(default)]
    pub foreign: bool,
}

fn demo() -> String {
    "demo-app".into()
}

/// A workflow of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Key in `codemagic.yaml`, or 24 hex digits for one of the Workflow Editor.
    pub id: String,
    /// Shown name.
    #[serde(default)]
    pub name: Option<String>,
}

fn workflows() -> Vec<Workflow> {
    let named = |id: &str, name: &str| Workflow { id: id.into(), name: Some(name.into()) };
    vec![named("ios-release", "iOS release"), named("android-release", "Android release")]
}

impl App {
    /// An app with the two usual workflows.
    pub fn new(id: &str) -> Self {
        Self { id: id.into(), name: demo(), workflows: workflows(), foreign: false }
    }
}

/// What happens with a workflow id nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownWorkflow {
    /// The start is accepted and the build fails, as the service does.
    #[default]
    FailBuild,
    /// The start is refused.
    Refuse,
    /// The build runs as if the workflow were known.
    Run,
}

/// TLS of both listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// The certificate that is shown.
    pub leaf: Leaf,
    /// Speak TLS 1.2 only.
    pub tls12_only: bool,
    /// Want a certificate of the client, by the CA of the file; [`crate::Simulator::client_pem`] is one.
    pub client_auth: bool,
}

/// The certificate that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaf {
    /// For `localhost` and `127.0.0.1`, by the CA of the file.
    #[default]
    Good,
    /// For another host.
    WrongHost,
    /// No longer valid.
    Expired,
    /// Not yet valid.
    Future,
    /// By a CA that is not in the file.
    OtherCa,
}

/// The limit of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Requests in a window.
    pub limit: u64,
    /// Length of a window.
    pub window_seconds: f64,
    /// Both APIs draw from one bucket.
    pub shared: bool,
    /// Windows run in simulated instead of real time.
    pub simulated: bool,
    /// Send the headers.
    pub headers: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { limit: 5000, window_seconds: 3600.0, shared: true, simulated: false, headers: true }
    }
}

/// Links to artifacts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// Life of a v3 link in simulated seconds.
    pub short_lived_seconds: Option<f64>,
    /// How often a v3 link works.
    pub short_lived_uses: Option<u32>,
    /// Life of a link to the storage in simulated seconds.
    pub storage_seconds: Option<f64>,
    /// How often a link to the storage works.
    pub storage_uses: Option<u32>,
    /// Status of the redirect to the storage.
    pub redirect_status: u16,
    /// The API sends the file itself instead of a redirect.
    pub direct: bool,
    /// Status for a v3 link that is too old or used up.
    pub expired_status: u16,
    /// The longest life of a public link in simulated seconds; one that is asked to live longer gets this.
    pub longest_public_seconds: Option<f64>,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            short_lived_seconds: None,
            short_lived_uses: None,
            storage_seconds: None,
            storage_uses: None,
            redirect_status: 302,
            direct: false,
            expired_status: 403,
            longest_public_seconds: None,
        }
    }
}

/// The object storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageOptions {
    /// Answer 400 to requests that carry `x-auth-token` or `Authorization`.
    pub refuse_credentials: bool,
    /// Honour `Range`.
    pub ranges: bool,
    /// Send `ETag`.
    pub etag: bool,
    /// Send `Last-Modified`.
    pub last_modified: bool,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self { refuse_credentials: true, ranges: true, etag: true, last_modified: true }
    }
}

/// Where logs are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// Host of `logUrl`.
    pub host: LogHost,
    /// A running step shows the part of its log that exists.
    pub live: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { host: LogHost::Api, live: true }
    }
}

/// Host of `logUrl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogHost {
    /// The API, with the key.
    #[default]
    Api,
    /// The storage, without it.
    Storage,
    /// The API, which redirects to the storage.
    Redirect,
}

/// The legacy list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyList {
    /// Builds on a page.
    pub page_size: usize,
    /// The apps' branches fill a full page up to this size.
    pub bytes: usize,
    /// Only builds of the last simulated seconds.
    pub window_seconds: Option<f64>,
}

impl Default for LegacyList {
    fn default() -> Self {
        Self { page_size: 50, bytes: 2_500_000, window_seconds: None }
    }
}

/// Finished builds of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// App; `None` is the first one.
    pub app_id: Option<String>,
    /// Workflow.
    pub workflow_id: String,
    /// Branch.
    pub branch: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Run time of each build in simulated seconds, oldest first.
    pub durations: Vec<f64>,
    /// Time in the queue of each.
    pub queued_seconds: f64,
    /// Time from the end of one to the start of the next, and from the last to the start of the simulator.
    pub gap_seconds: f64,
    /// Their last status.
    pub status: String,
}

impl Default for History {
    fn default() -> Self {
        Self {
            app_id: None,
            workflow_id: "ios-release".into(),
            branch: "main".into(),
            labels: Vec::new(),
            durations: Vec::new(),
            queued_seconds: 5.0,
            gap_seconds: 3600.0,
            status: "finished".into(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            storage_port: 0,
            api_host: "127.0.0.1".into(),
            storage_host: "127.0.0.1".into(),
            tls: None,
            advance: Advance::Clock,
            speed: 1.0,
            start_time: None,
            keys: vec![Key { key: DEFAULT_KEY.into(), access: Access::Full }],
            apps: vec![App::new(DEFAULT_APP)],
            team_id: DEFAULT_TEAM.into(),
            team_name: "Demo team".into(),
            list_teams: true,
            foreign_app_status: 403,
            unknown_workflow: UnknownWorkflow::FailBuild,
            not_found_polls: 0,
            not_found_seconds: 0.0,
            hidden_lists: 0,
            cancel_delay_seconds: 2.0,
            rate_limit: RateLimit::default(),
            links: Links::default(),
            storage: StorageOptions::default(),
            logs: LogOptions::default(),
            chunked: false,
            keep_alive: true,
            idle_ms: 75_000,
            legacy_list: LegacyList::default(),
            echo_values: false,
            plans: Vec::new(),
            history: Vec::new(),
            jenkins: None,
            faults: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_needs_only_what_differs_and_typos_are_refused() {
        let fault = json!({"kind": "delay", "delay_ms": 5});
        let config: Config = serde_json::from_value(json!({"speed": 60, "faults": [fault]})).unwrap();
        assert_eq!((config.keys[0].key.as_str(), config.faults[0].delay_ms), (DEFAULT_KEY, 5));
        let again: Config = serde_json::from_value(serde_json::to_value(&config).unwrap()).unwrap();
        assert_eq!(again.faults, config.faults);
        for wrong in [json!({"sped": 1}), json!({"faults": [{"kind": "delay", "dely": 1}]}), json!({"tls": {"x": 1}})] {
            assert!(serde_json::from_value::<Config>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
