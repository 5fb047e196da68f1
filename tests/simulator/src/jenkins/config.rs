//! What a Jenkins consists of: users, jobs, parameters, settings.

use super::plan::JenkinsPlan;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smart_default::SmartDefault;

/// The user that may build if nothing else is said.
pub const JENKINS_USER: &str = "dev";
/// The API token of that user.
pub const JENKINS_TOKEN: &str = "11f0e1d2c3b4a5968778695a4b3c2d1e0f";
/// The password of that user.
pub const JENKINS_PASSWORD: &str = "sim-password-of-dev";
/// API token of `viewer`, who may only read.
pub const JENKINS_VIEWER_TOKEN: &str = "110123456789abcdef0123456789abcdef";
/// API token of `admin`, who may do everything.
pub const JENKINS_ADMIN_TOKEN: &str = "11ad00ad00ad00ad00ad00ad00ad00ad00";

/// Settings of a Jenkins.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct JenkinsConfig {
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Host name in its address.
    #[default = "127.0.0.1"]
    pub host: String,
    /// Context path, `/jenkins` or empty.
    pub context: String,
    /// The URL that the administrator configured; `Location` is made of it. `None` is its own address.
    pub root_url: Option<String>,
    /// Who is known.
    #[default(default_users())]
    pub users: Vec<JenkinsUser>,
    /// What anonymous may do.
    #[default(JenkinsAccess::None)]
    pub anonymous: JenkinsAccess,
    /// Ask for crumbs.
    #[default = true]
    pub crumbs: bool,
    /// The jobs; folders on the way to them need not be named.
    pub jobs: Vec<JenkinsJob>,
    /// Plans for coming builds; the last one that fits is taken.
    pub plans: Vec<JenkinsPlan>,
    /// How live logs are served.
    pub log: JenkinsLog,
    /// The plugin `pipeline-rest-api` is installed.
    #[default = true]
    pub wfapi: bool,
    /// The plugin `build-token-root` is installed.
    #[default = true]
    pub build_token_root: bool,
    /// API tokens may expire, as since 2.548.
    pub token_expiry: bool,
    /// `buildWithParameters` on a job without parameters is 400 as since 2.524, not 500.
    pub refuse_parameters: bool,
    /// Artifacts are redirected to the storage.
    pub artifact_redirect: bool,
    /// Whoever sends no `Authorization` is redirected to this address of a single sign-on.
    pub sso: Option<String>,
    /// A proxy in front wants this header with this value, and redirects to `sso` or refuses without it.
    pub proxy_header: Option<(String, String)>,
    /// A proxy in front removes `Authorization`.
    pub strip_authorization: bool,
}

fn default_users() -> Vec<JenkinsUser> {
    let user = |name: &str, token: &str, access| JenkinsUser {
        name: name.into(),
        password: Some(format!("sim-password-of-{name}")),
        tokens: vec![token.into()],
        access,
    };
    vec![
        user(JENKINS_USER, JENKINS_TOKEN, JenkinsAccess::Build),
        user("viewer", JENKINS_VIEWER_TOKEN, JenkinsAccess::Read),
        user("admin", JENKINS_ADMIN_TOKEN, JenkinsAccess::Admin),
    ]
}

impl JenkinsConfig {
    /// A Jenkins with these jobs and the usual three users.
    pub fn with_jobs(jobs: impl IntoIterator<Item = JenkinsJob>) -> Self {
        Self { jobs: jobs.into_iter().collect(), ..Self::default() }
    }

    /// A Jenkins with a job of every kind.
    pub fn demo() -> Self {
        let string = |name: &str| JenkinsParameter::string(name, "");
        Self::with_jobs([
            JenkinsJob::freestyle("plain"),
            JenkinsJob::pipeline("pipeline"),
            JenkinsJob::freestyle("params")
                .parameter(string("TEXT"))
                .parameter(JenkinsParameter::choice("CHOICE", &["one", "two"]))
                .parameter(JenkinsParameter::boolean("FLAG", false))
                .parameter(JenkinsParameter::password("SECRET", "")),
            JenkinsJob::pipeline("files")
                .parameter(JenkinsParameter::new(ParameterKind::StashedFile, "FILE"))
                .parameter(JenkinsParameter::new(ParameterKind::Base64File, "SMALL")),
            JenkinsJob::freestyle("disabled").disabled(),
            JenkinsJob::freestyle("remote").token("sim-job-token"),
            JenkinsJob::freestyle("folder/with space/job").parameter(string("TEXT")),
            JenkinsJob::multibranch("repo", &["main", "feature/x"]),
            JenkinsJob::matrix("matrix", &["OS=linux", "OS=windows"]),
        ])
    }

    /// One more job.
    pub fn job(mut self, job: JenkinsJob) -> Self {
        self.jobs.push(job);
        self
    }

    /// One more plan.
    pub fn plan(mut self, plan: JenkinsPlan) -> Self {
        self.plans.push(plan);
        self
    }

    /// Below this context path.
    pub fn context(mut self, path: &str) -> Self {
        path.clone_into(&mut self.context);
        self
    }
}

/// How live logs are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JenkinsLog {
    /// As 2.509 and later: the text form of a running build leaves out what it counts.
    #[default]
    Lossy,
    /// As before 2.509: the text form is exact, too, and without notes.
    Classic,
}

/// What a user may do; each includes those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JenkinsAccess {
    /// Nothing.
    None,
    /// See that jobs exist.
    Discover,
    /// Read.
    Read,
    /// Start and stop builds.
    #[default]
    Build,
    /// Everything.
    Admin,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JenkinsUser {
    /// Log-in name.
    pub name: String,
    /// Password; without one only tokens work.
    #[serde(default)]
    pub password: Option<String>,
    /// API tokens.
    #[serde(default)]
    pub tokens: Vec<String>,
    /// What they may do.
    #[serde(default)]
    pub access: JenkinsAccess,
}

/// What kind of item a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// A freestyle project.
    #[default]
    Freestyle,
    /// A pipeline.
    Pipeline,
    /// A folder.
    Folder,
    /// A multibranch project; its branches are pipelines.
    Multibranch,
    /// A matrix project; its configurations are jobs of their own.
    Matrix,
    /// A configuration of a matrix project.
    Configuration,
}

/// A job or folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct JenkinsJob {
    /// Full name: the names of the folders and its own, with slashes between them.
    pub name: String,
    /// What it is.
    pub kind: JobKind,
    /// Branches of a multibranch project, as git names them; configurations of a matrix project, `AXIS=value`.
    pub branches: Vec<String>,
    /// Declared parameters; those of a multibranch project hold for its branches.
    pub parameters: Vec<JenkinsParameter>,
    /// The parameters are declared in the pipeline itself, so that the job knows them only after a first build.
    pub learns_parameters: bool,
    /// Disabled.
    pub disabled: bool,
    /// Starts are refused, as a plugin may do it.
    pub refuses: bool,
    /// Token of "trigger builds remotely".
    pub token: Option<String>,
    /// Quiet period; `None` is five seconds.
    pub quiet_seconds: Option<f64>,
    /// Users who cannot see it.
    pub hidden_from: Vec<String>,
}

impl JenkinsJob {
    fn of(kind: JobKind, name: &str) -> Self {
        Self { name: name.into(), kind, ..Self::default() }
    }

    /// A freestyle project of this full name.
    pub fn freestyle(name: &str) -> Self {
        Self::of(JobKind::Freestyle, name)
    }

    /// A pipeline of this full name.
    pub fn pipeline(name: &str) -> Self {
        Self::of(JobKind::Pipeline, name)
    }

    /// An empty folder.
    pub fn folder(name: &str) -> Self {
        Self::of(JobKind::Folder, name)
    }

    /// A multibranch project with these branches.
    pub fn multibranch(name: &str, branches: &[&str]) -> Self {
        Self { branches: branches.iter().map(|&b| b.to_owned()).collect(), ..Self::of(JobKind::Multibranch, name) }
    }

    /// A matrix project with these configurations, for example `OS=linux`.
    pub fn matrix(name: &str, configurations: &[&str]) -> Self {
        Self { kind: JobKind::Matrix, ..Self::multibranch(name, configurations) }
    }

    /// One more parameter.
    pub fn parameter(mut self, parameter: JenkinsParameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// May be triggered with this token.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }

    /// With this quiet period.
    pub fn quiet(mut self, seconds: f64) -> Self {
        self.quiet_seconds = Some(seconds);
        self
    }

    /// Disabled.
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// Refuses starts with 302.
    pub fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterKind {
    /// One line.
    #[default]
    String,
    /// Several lines.
    Text,
    /// True or false.
    Boolean,
    /// One of a list.
    Choice,
    /// A password.
    Password,
    /// A file of the core.
    File,
    /// `base64File` of the File Parameters plugin.
    Base64File,
    /// `stashedFile` of the File Parameters plugin.
    StashedFile,
    /// Id of a credential.
    Credentials,
    /// A run of another job.
    Run,
}

impl ParameterKind {
    pub(crate) fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Base64File | Self::StashedFile)
    }

    /// Name without its `Definition` or `Value`, with its package.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::String => "hudson.model.StringParameter",
            Self::Text => "hudson.model.TextParameter",
            Self::Boolean => "hudson.model.BooleanParameter",
            Self::Choice => "hudson.model.ChoiceParameter",
            Self::Password => "hudson.model.PasswordParameter",
            Self::File => "hudson.model.FileParameter",
            Self::Base64File => "io.jenkins.plugins.file_parameters.Base64FileParameter",
            Self::StashedFile => "io.jenkins.plugins.file_parameters.StashedFileParameter",
            Self::Credentials => "com.cloudbees.plugins.credentials.CredentialsParameter",
            Self::Run => "hudson.model.RunParameter",
        }
    }

    /// Class of its values.
    pub(crate) fn value_class(self) -> String {
        match self {
            Self::Choice => "hudson.model.StringParameterValue".to_owned(),
            other => format!("{}Value", other.class()),
        }
    }

    /// What the API calls its type.
    pub(crate) fn type_name(self) -> String {
        let class = self.class();
        let name = class.rsplit('.').next().unwrap_or(class);
        format!("{name}Definition")
    }
}

/// A declared parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsParameter {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: ParameterKind,
    /// Value that is taken if none is sent.
    pub default: Value,
    /// Values of a choice; the first one is the default.
    pub choices: Vec<String>,
    /// Description.
    pub description: Option<String>,
    /// Blanks around the value are cut off.
    pub trim: bool,
}

impl JenkinsParameter {
    /// A parameter of this type without a default.
    pub fn new(kind: ParameterKind, name: &str) -> Self {
        Self { name: name.into(), kind, ..Self::default() }
    }

    /// A string with a default.
    pub fn string(name: &str, default: &str) -> Self {
        Self { default: default.into(), ..Self::new(ParameterKind::String, name) }
    }

    /// A boolean with a default.
    pub fn boolean(name: &str, default: bool) -> Self {
        Self { default: default.into(), ..Self::new(ParameterKind::Boolean, name) }
    }

    /// A choice.
    pub fn choice(name: &str, choices: &[&str]) -> Self {
        let all: Vec<String> = choices.iter().map(|&c| c.to_owned()).collect();
        Self { choices: all, ..Self::new(ParameterKind::Choice, name) }
    }

    /// A password with a default.
    pub fn password(name: &str, default: &str) -> Self {
        Self { default: default.into(), ..Self::new(ParameterKind::Password, name) }
    }

    pub(crate) fn default_value(&self) -> Value {
        match (self.kind, &self.default) {
            (ParameterKind::Choice, Value::Null) => self.choices.first().map_or(Value::Null, |c| c.as_str().into()),
            (ParameterKind::Boolean, Value::Null) => false.into(),
            (kind, Value::Null) if !kind.is_file() => "".into(),
            (_, value) => value.clone(),
        }
    }
}

/// The item name of a branch, as the branch API encodes it.
pub fn encode_branch(branch: &str) -> String {
    match branch {
        "" => "%00".into(),
        "." => "%2E".into(),
        ".." => "%2E.".into(),
        _ => branch.chars().fold(String::new(), |name, c| match c {
            '#' | '%' | '/' | '?' | '[' | ']' | '\\' => format!("{name}%{:02X}", c as u32),
            _ => name + c.encode_utf8(&mut [0; 4]),
        }),
    }
}
