//! The command line: arguments, their environment variables and help. Plain data, no work.

#![expect(clippy::doc_markdown, reason = "the comments of arguments are help texts for a terminal, not Markdown")]

mod codemagic;
mod commands;
mod controller;
mod files;
mod following;
mod jenkins;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

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

use crate::error::Error;
use commands::commands;

/// Start, follow and collect builds of another CI system.
#[derive(Debug, Parser)]
#[command(name = "cibridge", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 success, 1 failed, 2 usage, 3 unstable, 4 canceled, 5 skipped, 6 own time limit, \
    7 wrong commit, 10 credentials, 11 not found, 12 refused, 13 unavailable, 14 no connection, 15 outcome unknown, \
    16 local fault, 130/143 ended by a signal."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub system: System,
}

commands! {
    /// The CI system to talk to.
    pub enum System {
        /// Builds on codemagic.io
        Codemagic(CodemagicCommand) = "codemagic" by Subcommand,
        /// Jobs on a Jenkins controller
        Jenkins(JenkinsCommand) = "jenkins" by Subcommand,
    }
}

/// How a call reports.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print exactly one JSON document on stdout
    #[arg(long, env = "CIBRIDGE_JSON")]
    pub json: bool,

    /// Keep that document in a file, replaced atomically as soon as the build's id is known and again at the end
    #[arg(long, value_name = "PATH", env = "CIBRIDGE_RESULT_FILE")]
    pub result_file: Option<PathBuf>,

    /// Show each request with its status and time
    #[arg(long, short, env = "CIBRIDGE_VERBOSE")]
    pub verbose: bool,

    /// Refuse to run when this program is older than X.Y.Z
    #[arg(long, value_name = "X.Y.Z", env = "CIBRIDGE_REQUIRE_VERSION")]
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
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, Error> {
    let result = Cli::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match result {
        Ok(cli) => Ok(Parsed::Work(Box::new(cli))),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Text(error.to_string()))
        }
        Err(error) => Err(usage(&error)),
    }
}

/// clap's error in the shape of all others: one line, and a hint.
fn usage(error: &clap::Error) -> Error {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::usage("the command line", "names no command").with_hint("`cibridge --help` lists them");
    }
    let text = error.to_string();
    let why = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .iter()
        .find_map(|kind| error.get(*kind))
        .map(|suggested| format!("did you mean `{suggested}`? "));
    Error::usage("the command line", why)
        .with_hint(format!("{}`--help` after a command lists its arguments", suggestion.unwrap_or_default()))
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

    #[test]
    fn what_an_argument_says_holds() {
        let said = |line: &str| match parse(line.split(' ').map(OsString::from)) {
            Ok(Parsed::Work(cli)) => format!("{:?}", cli.system),
            Ok(Parsed::Text(text)) => text,
            Err(failure) => failure.to_string(),
        };
        for (line, part) in [
            ("cibridge codemagic artifacts", "were not provided: <BUILD>"),
            ("cibridge codemagic wait", "were not provided: <BUILD>..."),
            ("cibridge codemagic wait a b", r#"builds: ["a", "b"]"#),
            ("cibridge codemagic workflows", "app_id: None"),
            ("cibridge codemagic apps -v", "json: false, result_file: None, verbose: true"),
            ("cibridge codemagic apps --json --json", "'--json' cannot be used multiple times"),
            ("cibridge codemagic apps --ca-cert", "a value is required for '--ca-cert <FILE>' but none was supplied"),
            ("cibridge codemagic artifacts b", r#"dir: ".", list: false, download: DownloadArgs { jobs: 4,"#),
            ("cibridge codemagic artifacts b --jobs 16", "jobs: 16"),
            ("cibridge codemagic artifacts b --jobs 17", "'17' for '--jobs <N>': 17 is not in 1..=16"),
            ("cibridge codemagic artifacts b --jobs 0", "'0' for '--jobs <N>': 0 is not in 1..=16"),
            ("cibridge codemagic builds --limit=-1", "'-1' for '--limit <N>': invalid digit found in string"),
            ("cibridge codemagic builds --status queued", r#"status: Some("queued")"#),
            ("cibridge codemagic builds --status queue", "[possible values: queued, building, finished, "),
            ("cibridge codemagic wait b --timeout 1m", "timeout: Some(60s)"),
            ("cibridge codemagic wait b --timeout soon", "write it like 90s, 30m or 1h"),
            ("cibridge codemagic trigger --label a --label b", r#"labels: ["a", "b"]"#),
            ("cibridge codemagic trigger --api legacy", "api: Legacy"),
            ("cibridge codemagic trigger --api v4", "'v4' for '--api <API>' [possible values: v3, legacy]"),
            ("cibridge codemagic caches a", "clear: None"),
            ("cibridge codemagic caches a --clear", r#"clear: Some("all")"#),
            ("cibridge codemagic caches a --clear c", r#"clear: Some("c")"#),
            ("cibridge jenkins check --client-key k", "were not provided: --client-cert <FILE>"),
            ("cibridge jenkins input b --proceed --abort", "'--proceed' cannot be used with '--abort'"),
            ("cibridge codemagic trigger --help", "Start a build, and with --wait follow it to its end\n\nUsage: "),
            ("cibridge jenkins token rotate --help", "Connection:\n      --url <URL>"),
            ("cibridge jenkins token create --version", "cibridge-jenkins-token-create 0."),
        ] {
            let said = said(line);
            assert!(said.contains(part), "{line}: {said}");
        }
    }
}
