//! Everything that can be set about a simulator, in Rust or as a JSON file.

use crate::clock::Advance;
use crate::fault::Fault;
use crate::jenkins::JenkinsConfig;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// The key that is valid if none is given.
pub const DEFAULT_KEY: &str = "sim-key-0123456789abcdef";
/// The app that exists if none is given.
pub const DEFAULT_APP: &str = "60a0b1c2d3e4f56789abcdef";
/// The team that owns all apps; in a personal account the personal team.
pub const DEFAULT_TEAM: &str = "5f1e2d3c4b5a69788796a5b4";

/// Settings of a simulator.
#[derive(Clone, Debug, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Speak https.
    pub tls: Option<TlsOptions>,
    /// What moves builds.
    pub advance: Advance,
    /// Simulated seconds in a real one.
    #[default = 1.0]
    pub speed: f64,
    /// Valid keys.
    #[default(vec![Key { key: DEFAULT_KEY.into(), access: Access::Full }])]
    pub keys: Vec<Key>,
    /// Existing apps.
    #[default(vec![App::new(DEFAULT_APP)])]
    pub apps: Vec<App>,
    /// Is the team in v3 `/user/teams`? If not, the account is a personal one: only legacy `/user` names its team.
    #[default = true]
    pub list_teams: bool,
    /// What happens with unknown workflows.
    pub unknown_workflow: UnknownWorkflow,
    /// This many GETs of a fresh build answer 404.
    pub not_found_polls: u32,
    /// This many list requests after a start do not show the build yet.
    pub hidden_lists: u32,
    /// Lists begin again whatever page is asked for, and say that there is always one more.
    pub endless_pages: bool,
    /// Requests with valid keys in a simulated hour; the next ones are refused.
    #[default = 5000]
    pub hourly_limit: u64,
    /// Send the headers of the rate limit.
    #[default = true]
    pub limit_headers: bool,
    /// Links to artifacts.
    pub links: Links,
    /// The object storage.
    pub storage: StorageOptions,
    /// Where logs are.
    pub logs: LogOptions,
    /// Send bodies in chunks instead of with a length.
    pub chunked: bool,
    /// Keep connections open after an answer.
    #[default = true]
    pub keep_alive: bool,
    /// Plans for coming builds; the last one that fits is taken.
    pub plans: Vec<Plan>,
    /// Builds of the past.
    pub history: Vec<History>,
    /// A Jenkins on a port of its own.
    pub jenkins: Option<JenkinsConfig>,
    /// Faults from the start.
    pub faults: Vec<Fault>,
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
    /// Read, but neither start nor cancel.
    ReadOnly,
    /// Its own user, nothing else.
    None,
}

/// An app.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// 24 hex digits.
    pub id: String,
    /// Shown name.
    #[default = "demo-app"]
    pub name: String,
    /// Its workflows.
    #[default(vec![Workflow::new("ios-release", "iOS release"), Workflow::new("android-release", "Android release")])]
    pub workflows: Vec<Workflow>,
    /// It exists, but the keys may not see it.
    pub foreign: bool,
    /// No team that the key knows has it: only the legacy API lists it and its builds.
    pub unlisted: bool,
}

impl App {
    /// An app with the two usual workflows.
    pub fn new(id: &str) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
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

impl Workflow {
    fn new(id: &str, name: &str) -> Self {
        Self { id: id.into(), name: Some(name.into()) }
    }
}

/// What happens with an unknown workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownWorkflow {
    /// The start is accepted and the build fails, as the service does.
    #[default]
    FailBuild,
    /// The start is refused.
    Refuse,
}

/// TLS of all listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// The certificate that is shown.
    pub leaf: Leaf,
    /// Who signed it.
    pub issuer: Issuer,
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

/// Who signed the certificate that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issuer {
    /// The CA of the file.
    #[default]
    Ca,
    /// An intermediate CA that is shown, too, and that the CA of the file signed.
    Intermediate,
    /// A CA; the file holds the certificate that is shown.
    HiddenCa,
    /// Itself, as a CA (`openssl req -x509`); the file holds it, or another one with the same names for [`Leaf::OtherCa`].
    Itself,
}

/// Links to artifacts.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// Status of the redirect to the storage.
    #[default = 302]
    pub redirect_status: u16,
    /// The longest life of a public link in simulated seconds; one that is asked to live longer gets this.
    pub longest_public_seconds: Option<f64>,
}

/// The object storage.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageOptions {
    /// Serve `Range`.
    #[default = true]
    pub ranges: bool,
    /// Send `ETag`.
    #[default = true]
    pub etag: bool,
    /// Send `Last-Modified`.
    #[default = true]
    pub last_modified: bool,
}

/// Logs of steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// Host of `logUrl`.
    pub host: LogHost,
    /// The logs of plans are HTML below `text/plain`, as the service sends them: colored spans, entities.
    pub html: bool,
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

/// Finished builds of the past.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// App; `None` is the first one.
    pub app_id: Option<String>,
    /// Workflow.
    #[default = "ios-release"]
    pub workflow_id: String,
    /// Branch.
    #[default = "main"]
    pub branch: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Run time of each build in simulated seconds, oldest first; an hour lies between them.
    pub durations: Vec<f64>,
    /// Time in the queue of each.
    #[default = 5.0]
    pub queued_seconds: f64,
    /// Their last status.
    #[default = "finished"]
    pub status: String,
}
