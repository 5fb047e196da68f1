//! A Codemagic on loopback: both APIs, the storage behind them, builds on a simulated clock, faults on demand.
//!
//! A test starts a [`Simulator`], points the program under test at [`Simulator::v3_url`] and
//! [`Simulator::legacy_url`], and reads afterwards what was requested. Builds are moved by a clock that runs as fast
//! as the test wants, by polls, or by hand, and [`Simulator::wait_for`] waits for events.
//!
//! ```
//! use cibridge_simulator::{Advance, Fault, Plan, Simulator};
//!
//! let sim = Simulator::builder().advance(Advance::Poll).plan(Plan::ending("timeout")).start()?;
//! sim.fault(Fault::status(503).on("GET", "/api/v3/builds/").times(2));
//! assert!(sim.v3_url().starts_with("http://127.0.0.1:"));
//! assert_eq!(sim.counters().builds_started, 0);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`Builder::jenkins`] adds a Jenkins on a third port; see [`JenkinsConfig`] and [`JenkinsPlan`].

mod apply;
mod builds;
mod clock;
mod codemagic;
mod config;
mod content;
mod control;
mod fault;
mod http;
mod ids;
mod jenkins;
mod net;
mod plan;
mod record;
mod simulator;
mod time;
mod timeline;
mod world;

pub use builds::{ArtifactInfo, BuildInfo, StartRequest, Via};
pub use clock::Advance;
pub use codemagic::LEAK_TRAPS;
pub use config::{
    Access, App, Config, DEFAULT_APP, DEFAULT_KEY, DEFAULT_TEAM, History, Issuer, Key, Leaf, Links, LogHost,
    LogOptions, StorageOptions, TlsOptions, UnknownWorkflow, Workflow,
};
pub use fault::{CutHow, CutPoint, Fault, FaultKind, Listener, Page, WrongShape};
pub use jenkins::{
    JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, JENKINS_TOKEN, JENKINS_USER, JENKINS_VIEWER_TOKEN, JenkinsAccess,
    JenkinsAnswer, JenkinsArtifact, JenkinsConfig, JenkinsFile, JenkinsInput, JenkinsJob, JenkinsLog, JenkinsMove,
    JenkinsParameter, JenkinsPlan, JenkinsRun, JenkinsStep, JenkinsStop, JenkinsTest, JenkinsUser, JobKind,
    ParameterKind, Restart, encode_branch,
};
pub use plan::{ArtifactPlan, CancelPlan, LogLink, Plan, StepPlan, TestPlan};
pub use record::{ConnectionRecord, Counters, RequestRecord};
pub use simulator::{Builder, Simulator, State};
pub use time::SimTime;
pub use world::Target;
