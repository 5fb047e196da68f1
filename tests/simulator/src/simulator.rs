//! The simulator as tests use it: a builder before the start, a handle after it.

use crate::builds::{BuildInfo, StartRequest, Via};
use crate::clock::Advance;
use crate::config::{Access, App, Config, History, Key, TlsOptions};
use crate::fault::{Fault, Listener};
use crate::jenkins::{Jenkins, JenkinsConfig, JenkinsRun};
use crate::net::{Server, Tls, listen};
use crate::plan::Plan;
use crate::record::{ConnectionRecord, Counters, RequestRecord};
use crate::world::{Addresses, Shared, Target, World};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a simulator that does not run yet.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    config: Config,
}

impl Builder {
    /// Begins with these settings.
    pub fn from_config(config: Config) -> Self {
        Self { config }
    }

    /// Changes any setting.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// What moves builds.
    pub fn advance(self, advance: Advance) -> Self {
        self.config(|c| c.advance = advance)
    }

    /// Speak https with a good certificate.
    pub fn tls(self) -> Self {
        self.tls_with(TlsOptions::default())
    }

    /// Speak https with this certificate and these versions.
    pub fn tls_with(self, options: TlsOptions) -> Self {
        self.config(|c| c.tls = Some(options))
    }

    /// Only this key is valid.
    pub fn key(self, key: &str) -> Self {
        self.config(|c| c.keys = vec![Key { key: key.into(), access: Access::Full }])
    }

    /// One more valid key.
    pub fn another_key(self, key: &str, access: Access) -> Self {
        self.config(|c| c.keys.push(Key { key: key.into(), access }))
    }

    /// Only these apps exist.
    pub fn apps(self, apps: Vec<App>) -> Self {
        self.config(|c| c.apps = apps)
    }

    /// A plan for coming builds.
    pub fn plan(self, plan: Plan) -> Self {
        self.config(|c| c.plans.push(plan))
    }

    /// Builds of the past.
    pub fn history(self, history: History) -> Self {
        self.config(|c| c.history.push(history))
    }

    /// With a Jenkins on a port of its own.
    pub fn jenkins(self, jenkins: JenkinsConfig) -> Self {
        self.config(|c| c.jenkins = Some(jenkins))
    }

    /// A fault that is there from the start.
    pub fn fault(self, fault: Fault) -> Self {
        self.config(|c| c.faults.push(fault))
    }

    /// This many GETs of a fresh build answer 404.
    pub fn not_found_polls(self, polls: u32) -> Self {
        self.config(|c| c.not_found_polls = polls)
    }

    /// Opens the sockets and begins to answer.
    pub fn start(self) -> io::Result<Simulator> {
        let config = self.config;
        let tls = config.tls.map(Tls::new).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let bind = |host: &str, port| {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            let address = format!("{scheme}://{host}:{}", socket.local_addr()?.port());
            Ok::<_, io::Error>((socket, address))
        };
        let (api, storage) = (bind("127.0.0.1", 0)?, bind("127.0.0.1", 0)?);
        let jenkins = config.jenkins.as_ref().map(|j| bind(&j.host, j.port)).transpose()?;
        let context = config.jenkins.as_ref().map(|j| j.context.clone()).unwrap_or_default();
        let jenkins_origin = jenkins.as_ref().map(|(_, address)| address.clone()).unwrap_or_default();
        let addresses = Addresses { api: api.1, storage: storage.1, jenkins: jenkins_origin };
        let ca = tls.as_ref().map(|tls| write_ca(&tls.ca)).transpose()?;
        let client = tls.as_ref().map(|tls| tls.client.clone());
        let tls = tls.map(|tls| tls.config);
        let shared = Arc::new(Shared::new(World::new(config, addresses.clone())));
        let sockets = [(api.0, Listener::Api), (storage.0, Listener::Storage)].into_iter();
        let sockets = sockets.chain(jenkins.map(|(socket, _)| (socket, Listener::Jenkins)));
        let servers = sockets.map(|(socket, listener)| listen(socket, listener, tls.clone(), Arc::clone(&shared)));
        Ok(Simulator {
            servers: servers.collect::<io::Result<_>>()?,
            shared,
            v3: format!("{}/api/v3", addresses.api),
            jenkins_url: format!("{}{context}", addresses.jenkins),
            addresses,
            ca,
            client,
        })
    }
}

fn write_ca(pem: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("cibridge-sim-ca-").suffix(".pem").tempfile()?;
    file.write_all(pem.as_bytes())?;
    Ok(file)
}

/// A running simulator; dropping it ends it.
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
    servers: Vec<Server>,
    addresses: Addresses,
    v3: String,
    pub(crate) jenkins_url: String,
    ca: Option<tempfile::NamedTempFile>,
    client: Option<String>,
}

/// The state as a predicate of `wait_for` sees it.
pub struct State<'a>(&'a World);

impl State<'_> {
    /// All recorded requests, oldest first. One that just arrived has no status yet.
    pub fn requests(&self) -> &[RequestRecord] {
        &self.0.requests
    }

    /// How many requests there are of this method on paths that contain `path`.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.0.requests.iter().filter(|r| r.is(method, path)).count()
    }

    /// All builds, oldest first.
    pub fn builds(&self) -> Vec<BuildInfo> {
        self.0.build_infos()
    }

    /// All starts of jobs of the Jenkins, oldest first.
    pub fn jenkins_runs(&self) -> Vec<JenkinsRun> {
        self.0.jenkins.as_ref().map(Jenkins::infos).unwrap_or_default()
    }

    /// All connections.
    pub fn connections(&self) -> &[ConnectionRecord] {
        &self.0.connections
    }

    /// Counts of what happened.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }
}

impl Simulator {
    /// Settings to begin with.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts with the default settings.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Base of v3, without a slash at its end.
    pub fn v3_url(&self) -> &str {
        &self.v3
    }

    /// Base of the legacy API, without a slash at its end.
    pub fn legacy_url(&self) -> &str {
        &self.addresses.api
    }

    /// Base of the storage, without a slash at its end.
    pub fn storage_url(&self) -> &str {
        &self.addresses.storage
    }

    /// PEM file of the authority, if https is spoken. It goes with the simulator.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca.as_ref().map(tempfile::NamedTempFile::path)
    }

    /// A client's certificate and its key in PEM, if https is spoken: what `TlsOptions::client_auth` wants to see.
    pub fn client_pem(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The key that is valid.
    pub fn key(&self) -> String {
        self.shared.lock().config.keys.first().map(|k| k.key.clone()).unwrap_or_default()
    }

    /// The app that exists.
    pub fn app_id(&self) -> String {
        self.shared.lock().config.apps.first().map(|a| a.id.clone()).unwrap_or_default()
    }

    /// What the binary prints when it is ready.
    pub fn ready_line(&self) -> Value {
        let mut line = json!({
            "api": self.addresses.api, "v3": self.v3, "legacy": self.addresses.api, "storage": self.addresses.storage,
            "ca_file": self.ca_file(), "pid": std::process::id(), "key": self.key(), "app_id": self.app_id(),
        });
        let world = self.shared.lock();
        if let Some(jenkins) = &world.jenkins {
            let user = jenkins.config.users.first();
            line["jenkins"] = json!(self.jenkins_url);
            line["jenkins_user"] = json!(user.map(|u| &u.name));
            line["jenkins_token"] = json!(user.and_then(|u| u.tokens.first()));
        }
        line
    }

    /// All requests so far, oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.lock().requests.clone()
    }

    /// The requests of this method on paths that contain `path` (or match it, with a `*`).
    pub fn requests_to(&self, method: &str, path: &str) -> Vec<RequestRecord> {
        self.shared.lock().requests.iter().filter(|r| r.is(method, path)).cloned().collect()
    }

    /// All builds, those of the past first.
    pub fn builds(&self) -> Vec<BuildInfo> {
        self.shared.lock().build_infos()
    }

    /// The build of this id.
    pub fn build(&self, id: &str) -> Option<BuildInfo> {
        self.builds().into_iter().find(|b| b.id == id)
    }

    /// All connections so far.
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.shared.lock().connections.clone()
    }

    /// Counts of what happened.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters.clone()
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().faults.add(fault);
    }

    /// A plan for coming builds.
    pub fn plan(&self, plan: Plan) {
        self.shared.lock().plans.push(plan);
    }

    /// Builds of the past.
    pub fn history(&self, history: &History) {
        self.shared.lock().add_history(history);
    }

    /// Changes settings; those of the sockets have no effect any more.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        self.shared.change(|world| change(&mut world.config));
    }

    /// Moves simulated time on.
    pub fn advance(&self, seconds: f64) {
        self.shared.change(|world| world.advance(seconds));
    }

    /// Moves a build on; false if there is none of this id.
    pub fn advance_build(&self, id: &str, target: &Target) -> bool {
        self.shared.change(|world| world.find(id).map(|index| world.advance_build(index, target)).is_some())
    }

    /// Starts a build without a request; returns its id.
    pub fn start_build(&self, request: StartRequest) -> String {
        self.shared.change(|world| {
            let index = world.start_build(request, Via::V3);
            world.builds[index].id.clone()
        })
    }

    /// The state as JSON, as `/_sim/state` shows it.
    pub fn state(&self) -> Value {
        crate::control::state(&self.shared.lock())
    }

    /// Waits until `test` holds; false after `limit`.
    pub fn wait_for(&self, limit: Duration, mut test: impl FnMut(&State<'_>) -> bool) -> bool {
        self.shared.wait(limit, |world| test(&State(world)))
    }

    /// Waits for `count` requests of this method on paths that contain `path`; false after ten seconds.
    pub fn wait_for_requests(&self, method: &str, path: &str, count: usize) -> bool {
        self.wait_for(Duration::from_secs(10), |state| state.count(method, path) >= count)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop();
        self.servers.iter_mut().for_each(Server::shut);
    }
}
