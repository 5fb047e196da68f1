//! Arguments about reaching a Jenkins controller.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::duration;

/// How to reach the controller.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct JenkinsConnectionArgs {
    /// The controller's root, e.g. https://ci.example.com/jenkins; without it, JENKINS_URL, or the address in the job's or build's URL
    #[arg(long, value_name = "URL", env = "CIBRIDGE_JENKINS_URL", hide_env_values = true)]
    pub url: Option<String>,

    /// The user; the API token stands in the environment variable JENKINS_API_TOKEN
    #[arg(long, value_name = "ID", env = "JENKINS_USER_ID", hide_env_values = true)]
    pub user: Option<String>,

    /// Read the API token from a file that only its owner can read, instead of JENKINS_API_TOKEN
    #[arg(long, value_name = "FILE", env = "JENKINS_API_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,

    /// Read a bearer token for a proxy before Jenkins from such a file, instead of CIBRIDGE_BEARER_TOKEN
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_BEARER_TOKEN_FILE", hide_env_values = true)]
    pub bearer_token_file: Option<PathBuf>,

    /// A header for an access proxy, sent to the controller only; better in the environment, where other users do not see it [env: CIBRIDGE_HEADER, one a line]
    #[arg(long = "header", value_name = "NAME:VALUE")]
    pub headers: Vec<String>,

    /// Prove who we are with the certificate in this PEM file
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_CLIENT_CERT", hide_env_values = true)]
    pub client_cert: Option<PathBuf>,

    /// The certificate's key, if it is in another PEM file
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_CLIENT_KEY", hide_env_values = true, requires = "client_cert")]
    pub client_key: Option<PathBuf>,

    /// Trust the certificates in this PEM file as well
    #[arg(long, value_name = "FILE", env = "CIBRIDGE_CA_CERT", hide_env_values = true)]
    pub ca_cert: Option<PathBuf>,

    /// Longest time to connect
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_CONNECT_TIMEOUT", hide_env_values = true, default_value = "15s", value_parser = duration)]
    pub connect_timeout: Duration,

    /// Longest time to wait for an answer
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_ANSWER_TIMEOUT", hide_env_values = true, default_value = "60s", value_parser = duration)]
    pub answer_timeout: Duration,

    /// Allow plain http to other machines
    #[arg(long, env = "CIBRIDGE_ALLOW_HTTP", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub allow_http: bool,
}
