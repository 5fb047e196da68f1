//! The command line: arguments, their environment variables and help. Plain data, no work.

#![expect(clippy::doc_markdown, reason = "the comments of arguments are help texts for a terminal, not Markdown")]

mod codemagic;
mod controller;
mod files;
mod following;
mod jenkins;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, Resettable};
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use codemagic::{
    ApiArg, BuildArgs, BuildsArgs, CheckArgs, CodemagicCommand, ConnectionArgs, TriggerArgs, WaitArgs,
};
pub use controller::{JenkinsCollectArgs, JenkinsConnectionArgs, JenkinsFollowArgs, OnInput};
pub use files::{
    AppsArgs, ArtifactsArgs, CachesArgs, CollectArgs, DownloadArgs, LogsArgs, ShareArgs, TestsArgs, WorkflowsArgs,
};
pub use following::FollowArgs;
pub use jenkins::{
    ConfigArgs, ConsoleArgs, InputArgs, JenkinsArtifactsArgs, JenkinsBuildArgs, JenkinsBuildsArgs, JenkinsCheckArgs,
    JenkinsCommand, JenkinsTriggerArgs, JenkinsWaitArgs, JobArgs, RevokeArgs, StopArgs, TokenArgs, TokenCommand,
};

use crate::error::Failure;

/// Start, follow and collect builds of another CI system.
#[derive(Debug, Parser)]
#[command(name = "cibridge", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 success, 1 failed, 2 usage, 3 unstable, 4 cancelled, 5 skipped, 6 own time limit, \
    7 wrong commit, 10 credentials, 11 not found, 12 refused, 13 unavailable, 14 no connection, 15 outcome unknown, \
    16 local fault, 130/143 ended by a signal."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub system: System,
}

/// The CI system to talk to.
#[derive(Debug, Subcommand)]
pub enum System {
    /// Builds on codemagic.io
    #[command(subcommand)]
    Codemagic(CodemagicCommand),
    /// Jobs on a Jenkins controller
    #[command(subcommand)]
    Jenkins(JenkinsCommand),
}

/// How a call reports.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print exactly one JSON document on stdout
    #[arg(long, env = "CIBRIDGE_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub json: bool,

    /// Keep that document in a file, replaced atomically as soon as the build's id is known and again at the end
    #[arg(long, value_name = "PATH", env = "CIBRIDGE_RESULT_FILE", hide_env_values = true)]
    pub result_file: Option<PathBuf>,

    /// Show each request with its status and time
    #[arg(long, short, env = "CIBRIDGE_VERBOSE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub verbose: bool,

    /// Refuse to run when this program is older than X.Y.Z
    #[arg(long, value_name = "X.Y.Z", env = "CIBRIDGE_REQUIRE_VERSION", hide_env_values = true)]
    pub require_version: Option<String>,
}

/// What the command line asked for instead of work.
pub enum Parsed {
    /// Work to do.
    Work(Box<Cli>),
    /// A help page or the version, for stdout.
    Text(String),
}

/// Reads the command line and the environment. Fails with code 2.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    let result = without_empty_variables(Cli::command())
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match result {
        Ok(cli) => Ok(Parsed::Work(Box::new(cli))),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Text(error.to_string()))
        }
        Err(error) => Err(usage(&error)),
    }
}

/// The command without the environment variables that are set to nothing: they count as not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |argument: &clap::Arg| {
        argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.to_string_lossy().trim().is_empty())
    };
    command
        .mut_args(|argument| if is_empty(&argument) { argument.env(Resettable::Reset) } else { argument })
        .mut_subcommands(without_empty_variables)
}

/// clap's error in the shape of all others: one line, and a hint.
fn usage(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("the command line", "names no command").hint("`cibridge --help` lists them");
    }
    let text = error.to_string();
    let why = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .iter()
        .find_map(|kind| error.get(*kind))
        .map(|suggested| format!("did you mean `{suggested}`? "));
    Failure::usage("the command line", why)
        .hint(format!("{}`--help` after a command lists its arguments", suggestion.unwrap_or_default()))
}

/// An environment variable that holds something; an empty one counts as not set, as Jenkins leaves unset parameters.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// A repeated flag's values, or without any the lines of its environment variable.
pub fn repeated(flags: &[String], name: &str) -> Vec<String> {
    if flags.is_empty() {
        return variable(name)
            .map(|text| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
            .unwrap_or_default();
    }
    flags.to_vec()
}

/// Reads a duration such as `90s`, `30m` or `1h 30m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 90s, 30m or 1h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_flag_has_a_variable_and_help() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for argument in
                command.get_arguments().filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
            {
                let name = format!("{} {}", command.get_name(), argument.get_id());
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{name} has no help");
                let named =
                    argument.get_env().is_some() || help.contains("[env: ") || help.contains("environment variable");
                assert!(named || argument.is_positional(), "{name} has no environment variable");
            }
            command.get_subcommands().for_each(check);
        }
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for system in command.get_subcommands().filter(|command| command.get_name() != "help") {
            system.get_subcommands().filter(|command| command.get_name() != "help").for_each(check);
        }
    }

    #[test]
    fn durations_are_read_with_and_without_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert!(duration("soon").is_err());
    }
}
