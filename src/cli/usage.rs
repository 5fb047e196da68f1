//! clap's errors in the shape of all others: one clause, and one thing to do.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::error::{Error, ExitCode};
use crate::nearest::nearest;
use crate::secret::CUT;

/// Words that people bring along from other tools.
const COMMANDS: [(&[&str], &str, &str); 15] = [
    (&["run", "start", "build", "new", "create", "rerun", "retry", "restart", "dispatch"], "trigger", "trigger"),
    (&["list", "ls", "history", "list-jobs"], "builds", "jobs"),
    (&["watch", "follow"], "wait", "wait"),
    (&["download", "get", "fetch", "artifact"], "artifacts", "artifacts"),
    (&["abort", "stop", "kill", "terminate", "stop-builds"], "cancel", "stop"),
    (&["cancel"], "cancel", "stop"),
    (&["doctor", "diagnose", "ping", "login", "auth", "whoami", "who-am-i"], "check", "check"),
    (&["show", "view", "info", "state", "open", "browse"], "status", "status"),
    (&["console", "log", "tail", "output"], "logs", "console"),
    (&["logs"], "logs", "console"),
    (&["test", "junit", "results"], "tests", "tests"),
    (&["publish", "link", "links", "qr"], "share", "artifacts"),
    (&["parameters", "inputs"], "workflows", "params"),
    (&["get-job", "update-job"], "workflows", "config"),
    (&["request", "curl", "http"], "api", "api"),
];

/// Flags that people bring along, and ours; the hint names those that the verb has.
const FLAGS: [(&[&str], &[&str]); 20] = [
    (&["--no-color", "--no-colour", "--nocolor"], &["--color never"]),
    (&["--debug", "--trace"], &["--verbose"]),
    (&["--silent"], &["--quiet"]),
    (&["-s"], &["--status", "--step", "--wait", "--quiet"]),
    (&["--output", "--format", "-o"], &["--dir", "--json"]),
    (&["--insecure", "-k"], &["--ca-cert FILE"]),
    (&["--watch"], &["--wait", "--follow"]),
    (&["-f"], &["--follow", "--wait", "--var NAME=TEXT", "--param NAME=TEXT"]),
    (&["-w"], &["--wait", "--workflow"]),
    (&["--follow", "-F"], &["--console"]),
    (&["--app", "-a"], &["--app-id"]),
    (&["--glob", "--pattern", "--name", "-n"], &["--match", "--limit"]),
    (&["-p"], &["--param NAME=TEXT", "--match"]),
    (&["-d", "-D", "--destination"], &["--dir", "--artifacts-dir"]),
    (&["-b", "-r", "--ref"], &["--branch"]),
    (&["-t"], &["--tag", "--type"]),
    (&["-L", "--max", "--count"], &["--limit"]),
    (&["--tail", "--lines"], &["--log-lines"]),
    (&["-e", "--env", "--variable"], &["--var NAME=TEXT"]),
    (&["--log-failed"], &["--failed"]),
];

/// Flags with which other tools take a secret.
const SECRETS: [&str; 4] = ["--token", "--api-key", "--key", "--password"];

/// States of builds that people bring along.
const STATES: [(&[&str], &str); 5] = [
    (&["success", "succeeded", "passed", "ok", "done"], "finished"),
    (&["cancelled", "aborted"], "canceled"),
    (&["running", "started", "in_progress"], "building"),
    (&["failure", "error", "errored"], "failed"),
    (&["pending", "waiting"], "queued"),
];

/// What is repeated of a message with a long value in it: its beginning and its end, in characters.
const SHOWN: (usize, usize) = (160, 80);

/// Explains what is wrong with a command line. Values are not repeated where they may be secrets.
pub(super) fn explain(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Error {
    let error = reason(error, command, arguments);
    let text: Vec<char> = error.to_string().chars().collect();
    if text.len() <= SHOWN.0 + SHOWN.1 {
        return error;
    }
    let (start, end) = (&text[..SHOWN.0], &text[text.len() - SHOWN.1..]);
    let short = start.iter().chain(&[CUT]).chain(end).collect::<String>();
    Error::message(ExitCode::Usage, short).with_optional_hint(error.hint())
}

fn reason(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Error {
    let (verb, names) = verb(command, arguments);
    let help = format!("`{} --help` lists its arguments", names.join(" "));
    let commands = format!("`{} --help` lists the commands", names.join(" "));
    let argument = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    let subject = given_as(&argument, verb, arguments);
    match error.kind() {
        ErrorKind::InvalidUtf8 => not_unicode(verb)
            .unwrap_or_else(|| Error::usage("the command line", "an argument is not valid UTF-8").with_hint(help)),
        ErrorKind::ValueValidation => invalid_value(error, subject, &value, help),
        ErrorKind::InvalidValue if value.is_empty() => Error::usage(subject, "missing value").with_hint(help),
        ErrorKind::TooManyValues => Error::usage(subject, "takes no value").with_hint(help),
        ErrorKind::InvalidValue => unlisted_value(error, subject, &value),
        ErrorKind::UnknownArgument => unknown_argument(&argument, verb, help),
        ErrorKind::InvalidSubcommand => {
            let unknown = context(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            unknown_command(&unknown, verb, &names, commands)
        }
        ErrorKind::MissingRequiredArgument => missing_argument(error, verb, help),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Error::message(ExitCode::Usage, "missing command").with_hint(commands)
        }
        ErrorKind::ArgumentConflict => {
            let plain = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
            let (first, other) = (plain(&argument), plain(&context(error, ContextKind::PriorArg).unwrap_or_default()));
            if other.is_empty() || first == other {
                return Error::message(ExitCode::Usage, format!("`{first}` is given twice")).with_hint(help);
            }
            Error::message(ExitCode::Usage, format!("`{first}` cannot be used with `{other}`"))
        }
        _ => {
            let text = error.to_string();
            let reason = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            Error::message(ExitCode::Usage, reason.split_whitespace().collect::<Vec<_>>().join(" ")).with_hint(help)
        }
    }
}

/// What clap says about an error, as one text.
fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(" ")),
        _ => None,
    }
}

/// A value that its parser refused: one of ours, which says why, or clap's for booleans and numbers.
fn invalid_value(error: &clap::Error, subject: String, value: &str, help: String) -> Error {
    let Some(cause) = std::error::Error::source(error) else {
        return Error::usage(subject, format!("`{value}` is not a valid value")).with_hint(help);
    };
    if let Some(own) = cause.downcast_ref::<Error>() {
        return Error::usage(subject, own.reason()).with_optional_hint(own.hint());
    }
    let cause = cause.to_string();
    if cause.contains("boolean") {
        return Error::usage(subject, format!("`{value}` is not one of true, false, yes, no, on, off, 1, 0"));
    }
    let range = cause.rsplit_once(" is not in ").map(|(_, range)| format!(" from {}", range.replace("..=", " to ")));
    Error::usage(subject, format!("`{value}` is not a number{}", range.unwrap_or_default())).with_hint(help)
}

/// A value that is not among the valid ones.
fn unlisted_value(error: &clap::Error, subject: String, value: &str) -> Error {
    let valid = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) => valid.as_slice(),
        _ => &[],
    };
    let brought = STATES.iter().find(|(words, state)| words.contains(&value) && valid.iter().any(|own| own == state));
    let near = brought.map(|(_, state)| *state).or_else(|| nearest(value, valid.iter().map(String::as_str)));
    Error::usage(subject, format!("`{value}` is not one of {}", valid.join(", ")))
        .with_optional_hint(near.map(|near| format!("did you mean `{near}`?")))
}

fn unknown_argument(unknown: &str, verb: &Command, help: String) -> Error {
    if unknown.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        return Error::message(ExitCode::Usage, format!("`{unknown}…` is no argument"))
            .with_hint("no value is negative");
    }
    let longs = || verb.get_arguments().filter_map(Arg::get_long);
    let has = |flag: &&&str| {
        let name = flag.split(' ').next().unwrap_or_default().trim_start_matches('-');
        longs().any(|long| long == name)
    };
    let brought = FLAGS.iter().find(|(words, _)| words.contains(&unknown));
    let ours: Vec<String> =
        brought.iter().flat_map(|(_, ours)| *ours).filter(has).map(|flag| format!("`{flag}`")).collect();
    // `--app-id` where the app is named by its place.
    let place = unknown.trim_start_matches('-').trim_end_matches("-id").to_uppercase();
    let by_place = verb.get_positionals().filter_map(Arg::get_value_names).flatten().find(|name| **name == place);
    let near = unknown.strip_prefix("--").and_then(|word| nearest(word, longs()));
    let hint = if SECRETS.contains(&unknown) {
        "set CODEMAGIC_API_KEY or JENKINS_API_TOKEN; secrets are not taken from arguments".to_owned()
    } else if !ours.is_empty() {
        format!("use {}", ours.join(" or "))
    } else if let Some(name) = by_place {
        format!("pass {name} without a flag")
    } else if let Some(near) = near {
        format!("did you mean `--{near}`?")
    } else if !unknown.starts_with('-') && has(&&"--match") {
        "quote a pattern, so that the shell does not replace it by file names: --match '*.ipa'".to_owned()
    } else {
        help
    };
    Error::message(ExitCode::Usage, format!("unknown argument `{unknown}`")).with_hint(hint)
}

fn unknown_command(unknown: &str, verb: &Command, names: &[String], commands: String) -> Error {
    let is_jenkins = names.iter().any(|name| name == "jenkins");
    let brought = COMMANDS.iter().find(|(words, ..)| words.contains(&unknown));
    let brought = brought.map(|(_, codemagic, jenkins)| if is_jenkins { *jenkins } else { *codemagic });
    let known = || verb.get_subcommands().map(Command::get_name);
    let near = brought.filter(|word| known().any(|name| name == *word)).or_else(|| nearest(unknown, known()));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if unknown == "version" => "use `cibridge --version`".to_owned(),
        None if names.len() == 1 => "name the system first: `cibridge codemagic …` or `cibridge jenkins …`".to_owned(),
        None => commands,
    };
    Error::message(ExitCode::Usage, format!("unknown command `{unknown}`")).with_hint(hint)
}

fn missing_argument(error: &clap::Error, verb: &Command, help: String) -> Error {
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(all)) => all.first().cloned().unwrap_or_default(),
        _ => context(error, ContextKind::InvalidArg).unwrap_or_default(),
    };
    let variable = verb.get_arguments().find(|own| own.to_string() == missing).and_then(Arg::get_env);
    let hint = variable.map(|name| format!("pass it, or set {}", name.to_string_lossy()));
    let name = if missing.starts_with("--") { missing.split(' ').next().unwrap_or_default() } else { &missing };
    let message = format!("missing {}", name.replace(['<', '>'], ""));
    Error::message(ExitCode::Usage, message).with_hint(hint.unwrap_or(help))
}

/// The help page of the innermost command that the arguments name.
pub(super) fn help_of_verb(arguments: &[OsString]) -> String {
    let mut command = super::command();
    command.build();
    verb(&command, arguments).0.clone().render_help().to_string()
}

/// The innermost command that the arguments name, and the names that lead to it.
fn verb<'a>(command: &'a Command, arguments: &[OsString]) -> (&'a Command, Vec<String>) {
    let (mut verb, mut names) = (command, vec!["cibridge".to_owned()]);
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        if let Some(inner) = verb.find_subcommand(argument) {
            verb = inner;
            names.push(argument.to_owned());
        }
    }
    (verb, names)
}

/// How a value was given: by its flag, or by the variable of that flag.
fn given_as(argument: &str, verb: &Command, arguments: &[OsString]) -> String {
    let flag = argument.split([' ', '=']).next().unwrap_or_default().trim_matches(['<', '>', '.', '[', ']']);
    let on_the_line = arguments
        .iter()
        .filter_map(|own| own.to_str())
        .any(|own| own == flag || own.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')));
    let own = verb.get_arguments().find(|own| own.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long)));
    match own.and_then(Arg::get_env) {
        Some(variable) if !on_the_line => variable.to_string_lossy().into_owned(),
        _ => flag.to_owned(),
    }
}

/// The error about the variable of `verb` whose value is not valid Unicode, if there is one.
fn not_unicode(verb: &Command) -> Option<Error> {
    let names = verb.get_arguments().filter(|argument| !super::is_path(argument)).filter_map(Arg::get_env);
    let bad = names.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| value.to_str().is_none()))?;
    Some(super::values::not_unicode(&bad.to_string_lossy()))
}
