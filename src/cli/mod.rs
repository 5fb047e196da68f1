//! The command line: arguments, their environment variables and help.
//!
//! Parsing ends here: nobody else reads the command line, or a variable that has a flag.
//! It must know no network and no output.
//!
//! `///` above an argument, a verb or [`Cli`] is its help text. Above a struct of arguments it would replace the text of the
//! verb that has them, so there is `//`.

#![expect(clippy::doc_markdown, reason = "the comments of arguments are help texts for a terminal, not Markdown")]

mod codemagic;
mod jenkins;
#[cfg(test)]
mod random_tests;
mod shared;
mod usage;
mod values;

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{BoolishValueParser, Resettable};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, Command as ClapCommand, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
};

pub use codemagic::{
    AppArgs, BuildsArgs, BuildsOfApp, CachesArgs, CheckArgs, CodemagicApiArgs, CodemagicArgs, CodemagicConnectionArgs,
    CodemagicVerb, CodemagicWaitArgs, FilterArgs, GivenByFlag, LogsArgs, ShareArgs, TriggerArgs,
};
pub use jenkins::{
    BuildsArgs as JenkinsBuildsArgs, ConfigArgs, ConsoleArgs, CreateArgs, InputArgs, JenkinsArgs, JenkinsCheckArgs,
    JenkinsConnectionArgs, JenkinsTriggerArgs, JenkinsVerb, JenkinsWaitArgs, JobArgs, JobBuildsArgs, JobsArgs,
    RevokeArgs, RotateArgs, TokenVerb,
};
pub use shared::{ApiArgs, ArtifactsArgs, CollectArgs, HttpArgs, OutputArgs, TestsArgs, WaitArgs, WatchArgs};
pub use values::{Pair, environment};

use crate::error::Error;

/// Shown at the end of every help page.
const EXIT_CODES: &str = "Exit codes: 0 success or accepted, 1 failed, 2 usage, 3 unstable, 4 canceled, 5 skipped, \
    6 own time limit, 7 wrong commit, 10 credentials, 11 not found, 12 refused, 13 unavailable, 14 no connection, \
    15 outcome unknown, 16 local fault, 70 a bug in cibridge, 130/143 ended by a signal.";

/// Start, watch and collect builds of another CI system
#[derive(Debug, Parser)]
#[command(name = "cibridge", disable_version_flag = true, max_term_width = 110)]
#[command(
    after_help = "The API key of Codemagic is read from CODEMAGIC_API_KEY, the token of Jenkins from JENKINS_API_TOKEN."
)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub http: HttpArgs,

    #[command(subcommand)]
    pub command: Command,
}

/// The CI system to talk to, or something about this program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Builds on codemagic.io
    Codemagic(CodemagicArgs),
    /// Jobs on a Jenkins controller
    Jenkins(JenkinsArgs),
    /// Print completions for a shell
    #[command(after_help = "Examples:
  cibridge completions bash > /etc/bash_completion.d/cibridge
  cibridge completions fish > ~/.config/fish/completions/cibridge.fish")]
    Completions(CompletionsArgs),
}

// Arguments of `cibridge completions`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Parsed {
    /// Work to do.
    Work(Box<Cli>),
    /// A text for stdout: a help page, the version or completions.
    Text(String),
    /// A help page for stderr, because no verb was given; exit code 2.
    MissingVerb(String),
}

/// A command line that cannot be used, with what is known of how to report it.
#[derive(Debug)]
pub struct UsageError {
    /// What is wrong; exit code 2.
    pub error: Error,
    /// Whether a JSON document was asked for.
    pub json: bool,
    /// Where a result document was asked for.
    pub result_file: Option<PathBuf>,
    /// The version that this program must have at least: an older one explains the wrong command line.
    pub require_version: Option<String>,
    /// `codemagic` or `jenkins`, as far as it is known.
    pub provider: Option<&'static str>,
}

/// Reads the command line and the environment. Fails with exit code 2.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let result = command().try_get_matches_from(&arguments).and_then(|mut matches| {
        let given = given_by_flag(&matches);
        let mut cli = Cli::from_arg_matches_mut(&mut matches)?;
        if let Command::Codemagic(CodemagicArgs { verb: CodemagicVerb::Trigger(args), .. }) = &mut cli.command {
            args.given_by_flag = given.unwrap_or_default();
        }
        Ok(cli)
    });
    match result {
        Ok(cli) if cli.output.version => Ok(Parsed::Text(version(cli.output.json))),
        Ok(Cli { command: Command::Completions(wanted), .. }) => Ok(Parsed::Text(completions(wanted.shell))),
        Ok(cli) => Ok(Parsed::Work(Box::new(cli))),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Text(error.to_string())),
        Err(error) => {
            let known = partly(&arguments);
            if known.version {
                return Ok(Parsed::Text(version(known.json)));
            }
            let missing = matches!(
                error.kind(),
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
            );
            if missing && !known.json && known.result_file.is_none() {
                return Ok(Parsed::MissingVerb(usage::help_of_verb(&arguments)));
            }
            let provider = ["codemagic", "jenkins"].into_iter().find(|name| arguments.iter().any(|text| text == name));
            let mut command = command();
            command.build();
            let error = usage::explain(&error, &command, &arguments);
            Err(UsageError {
                error,
                json: known.json,
                result_file: known.result_file,
                require_version: known.require_version,
                provider,
            })
        }
    }
}

/// The whole command line as clap sees it.
pub fn command() -> ClapCommand {
    // One layout for `-h` and `--help`.
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).global(true).help("Print help");
    complete(Cli::command().disable_help_flag(true).arg(help))
}

/// How to report, read from a command line that has a fault somewhere.
fn partly(arguments: &[OsString]) -> Partly {
    let variable = |name| std::env::var_os(name).filter(|value| !value.to_string_lossy().trim().is_empty());
    let truthy = |value: OsString| !matches!(value.to_string_lossy().trim(), "0" | "false" | "no" | "off" | "n" | "f");
    let mut known = Partly {
        json: variable("CIBRIDGE_JSON").is_some_and(truthy),
        result_file: variable("CIBRIDGE_RESULT_FILE").map(PathBuf::from),
        require_version: variable("CIBRIDGE_REQUIRE_VERSION").map(|value| value.to_string_lossy().into_owned()),
        version: false,
    };
    let mut rest = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("--json") => known.json = true,
            // A value is an error, but what is wanted is clear.
            Some(text) if text.starts_with("--json=") => known.json = true,
            Some("--version" | "-V") => known.version = true,
            Some("--result-file") => known.result_file = rest.next().map(PathBuf::from),
            Some(text) => {
                known.result_file = text.strip_prefix("--result-file=").map(PathBuf::from).or(known.result_file);
            }
            None => {}
        }
    }
    known
}

/// What is known of the global arguments on a command line that has a fault.
struct Partly {
    json: bool,
    result_file: Option<PathBuf>,
    require_version: Option<String>,
    version: bool,
}

/// Applies to a command, and to all below it, what holds for every argument. The arguments of a verb are defined only when it
/// is the one that is called (`defer`); their structs apply [`complete_argument`] themselves.
fn complete(command: ClapCommand) -> ClapCommand {
    let after = match command.get_after_help() {
        Some(own) => format!("{own}\n\n{EXIT_CODES}"),
        None => EXIT_CODES.to_owned(),
    };
    command.after_help(after).mut_args(complete_argument).mut_subcommands(complete)
}

/// A variable that is set to nothing counts as unset, as Jenkins leaves unset parameters. That of a switch holds
/// `true` or `false`, `1` or `0`, `yes` or `no`, `on` or `off`. That of a list holds one value per line; clap's own
/// delimiter would split the values of flags as well, and a value may have several lines.
fn complete_argument(argument: Arg) -> Arg {
    let Some(name) = argument.get_env().map(ToOwned::to_owned) else { return argument };
    if argument.is_hide_env_values_set() {
        return argument;
    }
    let argument = argument.hide_env_values(true);
    let value = std::env::var_os(&name);
    let is_blank = value.as_ref().is_some_and(|value| value.to_string_lossy().trim().is_empty());
    let is_list = matches!(argument.get_action(), ArgAction::Append);
    let argument = if is_list {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        argument.hide_env(true).help(format!("{help} [env: {}, one per line]", name.to_string_lossy()))
    } else {
        argument
    };
    if is_blank {
        return argument.env(Resettable::Reset);
    }
    match (argument.get_action(), value.map(OsString::into_string)) {
        (ArgAction::Append, Some(Ok(text))) => {
            let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
            argument.env(Resettable::Reset).required(false).default_values(lines).hide_default_value(true)
        }
        // Text that is not valid Unicode is left to clap, which refuses it: it must not pass for unset.
        (ArgAction::SetTrue, _) => argument.value_parser(BoolishValueParser::new()),
        _ => argument,
    }
}

/// Which values of `codemagic trigger` are flags: a request file comes between flags and variables.
fn given_by_flag(matches: &ArgMatches) -> Option<GivenByFlag> {
    let matches = matches.subcommand_matches("codemagic")?.subcommand_matches("trigger")?;
    let by_flag = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    Some(GivenByFlag {
        app_id: by_flag("app_id"),
        workflow: by_flag("workflow"),
        branch: by_flag("branch"),
        tag: by_flag("tag"),
    })
}

/// The text of `--version`.
fn version(json: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    if !json {
        return format!("cibridge {version}");
    }
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    serde_json::json!({"name": "cibridge", "version": version, "os": os, "arch": arch}).to_string()
}

/// A completion script for `shell`.
fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cibridge", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Whether an argument is a path, which need not be valid Unicode.
fn is_path(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(command: &ClapCommand) {
        assert!(command.get_about().is_some(), "{} has no help", command.get_name());
        command.get_subcommands().filter(|command| command.get_name() != "help").for_each(about);
    }

    fn each(command: &ClapCommand, check: &mut dyn FnMut(&ClapCommand, &Arg)) {
        command.get_arguments().for_each(|argument| check(command, argument));
        command.get_subcommands().for_each(|command| each(command, check));
    }

    /// Flags that change something remote, make a secret or are meant for one call only.
    const WITHOUT_VARIABLE: [&str; 15] = [
        "abort",
        "clear",
        "content_type",
        "expires",
        "help",
        "id",
        "input",
        "legacy",
        "old_uuid",
        "out",
        "proceed",
        "set",
        "version",
        "yes",
        "shell",
    ];

    #[test]
    fn the_definition_is_sound_and_what_describes_has_a_variable() {
        let mut command = command();
        command.build();
        command.clone().debug_assert();
        each(&command, &mut |command, argument| {
            let name = format!("{} {}", command.get_name(), argument.get_id());
            assert!(!argument.get_help().map(ToString::to_string).unwrap_or_default().is_empty(), "{name} has no help");
            let without = WITHOUT_VARIABLE.contains(&argument.get_id().as_str());
            assert!(argument.get_env().is_some() || argument.is_positional() || without, "{name} has no variable");
            assert!(argument.get_env().is_none() || argument.is_hide_env_values_set(), "{name} is not completed");
        });
        about(&command);
    }

    #[test]
    fn what_changes_something_remote_has_no_variable() {
        let mut command = Cli::command();
        command.build();
        each(&command, &mut |command, argument| {
            let changes = ["clear", "set", "proceed", "abort", "old_uuid", "out", "yes"];
            let name = argument.get_id().as_str();
            assert!(!changes.contains(&name) || argument.get_env().is_none(), "{} {name}", command.get_name());
        });
    }

    #[test]
    fn one_thing_has_one_variable_in_every_verb() {
        let mut command = Cli::command();
        command.build();
        let mut known = std::collections::BTreeMap::new();
        each(&command, &mut |command, argument| {
            if let Some(env) = argument.get_env().map(|env| env.to_string_lossy().into_owned()) {
                let name = argument.get_id().to_string();
                // A branch, a job or labels are different things on the two systems.
                if !["branch", "labels", "globs", "artifacts", "dir", "artifacts_dir", "app_id"]
                    .contains(&name.as_str())
                {
                    let before = known.insert(name.clone(), env.clone());
                    assert!(before.is_none() || before == Some(env), "{} {name}", command.get_name());
                }
            }
        });
        assert!(known.len() > 40);
    }

    #[test]
    fn what_an_argument_says_holds() {
        let parsed = |line: &str| match parse(line.split(' ').map(OsString::from)) {
            Ok(Parsed::Work(cli)) => format!("{cli:?}"),
            Ok(Parsed::Text(text) | Parsed::MissingVerb(text)) => text,
            Err(UsageError { error, .. }) => format!("{error}\nhint: {}", error.hint().unwrap_or_default()),
        };
        for (line, part) in [
            ("cibridge codemagic artifacts", "missing BUILD"),
            ("cibridge codemagic share b", "missing --match"),
            ("cibridge codemagic caches --app-id a", "unknown argument `--app-id`\nhint: pass APP without a flag"),
            ("cibridge codemagic builds -w a", "use `--workflow`"),
            ("cibridge codemagic trigger -w", "use `--wait` or `--workflow`"),
            ("cibridge codemagic rerun a", "did you mean `trigger`?"),
            ("cibridge codemagic trigger --timeout -5m", "`-5…` is no argument\nhint: no value is negative"),
            ("cibridge version", "use `cibridge --version`"),
            ("cibridge codemagic wait b --once=yes", "--once: takes no value\nhint: `cibridge codemagic wait --help`"),
            ("cibridge codemagic wait a b", r#"builds: ["a", "b"]"#),
            ("cibridge codemagic workflows", "missing APP\nhint: pass it, or set CODEMAGIC_APP_ID"),
            ("cibridge codemagic apps -v", "json: false, result_file: None, quiet: false, verbose: true"),
            ("cibridge -v codemagic apps", "json: false, result_file: None, quiet: false, verbose: true"),
            ("cibridge codemagic --json apps", "json: true"),
            ("cibridge codemagic apps --ca-cert", "--ca-cert: missing value"),
            ("cibridge codemagic artifacts b", r#"dir: ".", list: false, download: DownloadArgs { jobs: None,"#),
            ("cibridge codemagic artifacts b --jobs 16", "jobs: Some(16)"),
            ("cibridge codemagic artifacts b --jobs 17", "--jobs: `17` is not a number from 1 to 16"),
            ("cibridge codemagic builds --limit=-1", "--limit: `-1` is not a number"),
            ("cibridge codemagic builds --status queued", r#"status: Some("queued")"#),
            ("cibridge codemagic builds --status success", "did you mean `finished`?"),
            ("cibridge codemagic builds --status succeeded", "did you mean `finished`?"),
            ("cibridge codemagic builds --status queue", "did you mean `queued`?"),
            ("cibridge codemagic wait b --timeout 1m", "timeout: Some(60s)"),
            ("cibridge codemagic trigger --label a --label b", r#"labels: ["a", "b"]"#),
            ("cibridge codemagic trigger --api legacy", "api: Legacy"),
            ("cibridge codemagic trigger --no-color", "use `--color never`"),
            (
                "cibridge codemagic trigger --xyzzy",
                "unknown argument `--xyzzy`\nhint: `cibridge codemagic trigger --help`",
            ),
            ("cibridge codemagic artifacts b --match a.ipa b.ipa", "quote a pattern"),
            ("cibridge codemagic list", "did you mean `builds`?"),
            ("cibridge jenkins abort", "did you mean `stop`?"),
            ("cibridge codemagic doctor", "did you mean `check`?"),
            ("cibridge codemagic caches a", "clear: None"),
            ("cibridge codemagic caches a --clear", r#"clear: Some("all")"#),
            ("cibridge codemagic caches a --clear c", r#"clear: Some("c")"#),
            ("cibridge jenkins input b --proceed --abort", "`--proceed` cannot be used with `--abort`"),
            (
                "cibridge codemagic trigger --help",
                "Start a build, and with --wait wait until it is finished\n\nUsage: ",
            ),
            ("cibridge codemagic trigger --help", "15 outcome unknown"),
            ("cibridge codemagic trigger --help", "--app-id <ID>              The app: its ID"),
            ("cibridge jenkins token rotate --help", "--url <URL>"),
            ("cibridge jenkins token create --version", "cibridge 0."),
            ("cibridge --version", "cibridge 0."),
            ("cibridge --version --json", r#"{"name":"cibridge","version":"0."#),
            ("cibridge", "Usage: cibridge [OPTIONS] <COMMAND>"),
            ("cibridge codemagic", "Usage: cibridge codemagic [OPTIONS] <COMMAND>"),
            ("cibridge completions bash", "complete -F _cibridge"),
        ] {
            let parsed = parsed(line);
            assert!(parsed.contains(part), "{line}: {parsed}");
        }
        let long = parsed(&format!("cibridge codemagic wait b --timeout {}", "x".repeat(5000)));
        assert!(
            long.starts_with("--timeout: `xxx") && long.contains("…xxx") && long.contains("xxx` is not a duration\n"),
            "{long}"
        );
        assert_eq!(long.lines().next().unwrap().chars().count(), 241);
    }

    #[test]
    fn how_to_report_is_known_of_a_wrong_command_line_too() {
        let wrong = |line: &str| match parse(line.split(' ').map(OsString::from)) {
            Err(UsageError { json, result_file, provider, .. }) => (json, result_file, provider),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(
            wrong("cibridge jenkins wait --nope --json --result-file r.json"),
            (true, Some("r.json".into()), Some("jenkins"))
        );
        assert_eq!(
            wrong("cibridge codemagic wait --result-file=r.json"),
            (false, Some("r.json".into()), Some("codemagic"))
        );
        assert_eq!(wrong("cibridge codemagic wait --json=true"), (true, None, Some("codemagic")));
        assert_eq!(wrong("cibridge nope -- --json"), (false, None, None));
    }
}
