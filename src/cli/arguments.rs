//! Arguments as data: the notation in which the tables of this room are written, and the one loop that tells clap.
//!
//! A declaration in one of the three macros makes the public type with its fields, a constant table of [`Row`]s, and
//! the reader of clap's answer. What every argument shares is said once, in [`argument`].

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, PossibleValue, PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// One line of a table: an argument, a group of arguments, or a command.
pub struct Row {
    /// What is written down of it, one thing a line: a pointer to each would double the table.
    ///
    /// First the notation, which is how help shows the argument and clap's id as well: `--limit <N>`, `-v, --verbose`,
    /// `--clear [<ID>]`, `<JOB>`, `[APP]`, `<BUILD>...`; for a command its name, for a group nothing. Then lines of a
    /// key, a blank and a text:
    ///
    /// - `Help`: the help text,
    /// - `Env`: the environment variable that stands in for the flag,
    /// - `Default`: the value without flag and variable,
    /// - `Missing`: the value of a flag that is given without one,
    /// - `UpTo`: the greatest number, of numbers from 1,
    /// - `OneOf`: the only values, with blanks between them,
    /// - `Requires` and `Conflicts`: the notation of an argument that must or must not be given too.
    pub text: &'static str,
    /// What the type of the field says.
    pub kind: Kind,
}

/// What a value is, or what stands below a row.
pub enum Kind {
    /// A flag without a value; its variable is off when it holds `0`, `n`, `no`, `f`, `false` or `off`.
    Switch,
    /// Any text.
    Text,
    /// Any text, several times.
    Texts,
    /// A path.
    Path,
    /// A duration such as `30m`.
    Duration,
    /// A whole number from 0.
    Number,
    /// One of these words, each with its help.
    Words(&'static &'static [(&'static str, &'static str)]),
    /// Arguments that belong together.
    Group(&'static Group),
    /// Commands, of which one must be given.
    Commands(&'static &'static [Row]),
}

/// Arguments that belong together.
pub struct Group {
    /// The heading that help shows over them, if they have one of their own.
    pub heading: Option<&'static str>,
    /// One for each field.
    pub rows: &'static [Row],
}

/// A type that can be a field of a declaration.
pub trait Field: Sized {
    /// What it says of the argument.
    const KIND: Kind;

    /// The value of the argument with this notation, or of a whole group.
    fn read(matches: &ArgMatches, notation: &'static str) -> Self;
}

/// Declares groups of arguments: `pub field: Type = "notation" Key("text") Key("text"),` for each argument, with the
/// keys of [`Row::text`]; `pub field: Type,` for a group within the group.
macro_rules! arguments {
    ($(
        $(#[doc = $doc:literal])+
        $(#[heading = $heading:literal])?
        pub struct $name:ident {$(
            #[doc = $help:literal]
            pub $field:ident: $type:ty $(= $notation:literal $($key:ident($value:literal))*)?,
        )+}
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub struct $name {$(
            #[doc = $help]
            pub $field: $type,
        )+}

        impl $crate::cli::arguments::Field for $name {
            const KIND: $crate::cli::arguments::Kind =
                $crate::cli::arguments::Kind::Group(&$crate::cli::arguments::Group {
                    heading: [$(Some($heading),)? None][0],
                    rows: &[$($crate::cli::arguments::Row {
                        text: concat!($($notation, "\nHelp", $help $(, "\n", stringify!($key), " ", $value)*)?),
                        kind: <$type as $crate::cli::arguments::Field>::KIND,
                    }),+],
                });

            fn read(matches: &clap::ArgMatches, _: &'static str) -> Self {
                Self {$($field: $crate::cli::arguments::Field::read(matches, concat!($($notation)?)),)+}
            }
        }
    )+};
}

/// Declares the commands of one level: `Variant(Arguments) = "name",` for each.
macro_rules! commands {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {$(
            #[doc = $help:literal]
            $variant:ident($type:ty) = $verb:literal,
        )+}
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub enum $name {$(
            #[doc = $help]
            $variant($type),
        )+}

        impl $crate::cli::arguments::Field for $name {
            const KIND: $crate::cli::arguments::Kind = $crate::cli::arguments::Kind::Commands(
                const { &(&[$($crate::cli::arguments::Row {
                    text: concat!($verb, "\nHelp", $help),
                    kind: <$type as $crate::cli::arguments::Field>::KIND,
                }),+] as &[_]) },
            );

            fn read(matches: &clap::ArgMatches, _: &'static str) -> Self {
                match matches.subcommand() {
                    $(Some(($verb, matches)) => Self::$variant($crate::cli::arguments::Field::read(matches, "")),)+
                    _ => unreachable!("clap lets only commands of the table through"),
                }
            }
        }
    };
}

/// Declares a choice: `Variant = "word",` for each.
macro_rules! words {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {$(
            #[doc = $help:literal]
            $variant:ident = $word:literal,
        )+}
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {$(
            #[doc = $help]
            $variant,
        )+}

        impl $crate::cli::arguments::Field for $name {
            const KIND: $crate::cli::arguments::Kind =
                $crate::cli::arguments::Kind::Words(const { &(&[$(($word, $help)),+] as &[_]) });

            fn read(matches: &clap::ArgMatches, notation: &'static str) -> Self {
                match <String as $crate::cli::arguments::Field>::read(matches, notation).as_str() {
                    $($word => Self::$variant,)+
                    _ => unreachable!("clap lets only words of the table through"),
                }
            }
        }
    };
}

pub(super) use {arguments, commands, words};

/// The command that a row describes, with everything below it.
pub fn command(row: &Row) -> Command {
    let (name, about) = row.text.split_once("\nHelp ").unwrap_or_default();
    add(Command::new(name).about(about), row, None)
}

/// The command with the argument that a row describes, or with what stands below the row.
fn add(command: Command, row: &Row, heading: Option<&'static str>) -> Command {
    match row.kind {
        Kind::Group(group) => {
            group.rows.iter().fold(command, |command, row| add(command, row, group.heading.or(heading)))
        }
        Kind::Commands(rows) => {
            let command = command.subcommand_required(true).arg_required_else_help(true);
            rows.iter().fold(command, |command, row| command.subcommand(self::command(row)))
        }
        _ => command.arg(argument(row).help_heading(heading)),
    }
}

/// clap's argument for a row.
fn argument(row: &Row) -> Arg {
    let mut lines = row.text.split('\n');
    let notation = lines.next().unwrap_or_default();
    let mut argument = Arg::new(notation).hide_env_values(true);
    for word in notation.split(' ') {
        argument = if let Some(long) = word.strip_prefix("--") {
            argument.long(long)
        } else if let Some(short) = word.strip_prefix('-') {
            argument.short(short.chars().next())
        } else {
            let named = argument.value_name(word.trim_matches(['<', '>', '[', ']', '.']));
            let named = if word.ends_with("...") { named.num_args(1..) } else { named };
            let is_positional = word == notation;
            named.required(is_positional && word.starts_with('<'))
        };
    }
    argument = match row.kind {
        Kind::Switch => argument.action(ArgAction::SetTrue).value_parser(FalseyValueParser::new()),
        Kind::Texts => argument.action(ArgAction::Append),
        Kind::Path => argument.value_parser(ValueParser::path_buf()),
        Kind::Duration => argument.value_parser(duration),
        Kind::Number => argument.value_parser(|text: &str| text.parse::<u64>()),
        Kind::Words(words) => argument.value_parser(PossibleValuesParser::new(
            words.iter().map(|(word, help)| PossibleValue::new(*word).help(help.trim())),
        )),
        Kind::Text | Kind::Group(..) | Kind::Commands(_) => argument,
    };
    lines.filter_map(|line| line.split_once(' ')).fold(argument, |argument, (key, text)| match key {
        "Help" => argument.help(text),
        "Env" if is_empty(text) => argument,
        "Env" => argument.env(text),
        "Default" => argument.default_value(text),
        "Missing" => argument.num_args(0..=1).default_missing_value(text),
        "UpTo" => argument.value_parser(move |number: &str| up_to(text, number)),
        "OneOf" => argument.value_parser(PossibleValuesParser::new(text.split(' '))),
        "Requires" => argument.requires(text),
        "Conflicts" => argument.conflicts_with(text),
        _ => unreachable!("no row has a key {key}"),
    })
}

/// Whether a variable is set to nothing: it counts as not set, as Jenkins leaves unset parameters.
fn is_empty(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value.to_string_lossy().trim().is_empty())
}

/// Reads a number from 1 to a greatest one.
fn up_to(greatest: &str, text: &str) -> Result<u64, String> {
    let number = text.parse::<i64>().map_err(|error| error.to_string())?;
    if number < 1 || greatest.parse().is_ok_and(|greatest: i64| greatest < number) {
        return Err(format!("{number} is not in 1..={greatest}"));
    }
    Ok(number.unsigned_abs())
}

/// Reads a duration such as `90s`, `30m` or `1h 30m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 90s, 30m or 1h"))
}

/// Fields whose type is a value: the kind, how it is read, and the same without a value. What a row requires or gives
/// a default is always there.
macro_rules! fields {
    ($($type:ty: $kind:ident, $read:expr;)+) => {$(
        impl Field for Option<$type> {
            const KIND: Kind = Kind::$kind;

            fn read(matches: &ArgMatches, notation: &'static str) -> Self {
                $read(matches, notation)
            }
        }

        impl Field for $type {
            const KIND: Kind = Kind::$kind;

            fn read(matches: &ArgMatches, notation: &'static str) -> Self {
                $read(matches, notation).unwrap_or_default()
            }
        }
    )+};
}

fields! {
    bool: Switch, |matches: &ArgMatches, notation| matches.get_one(notation).copied();
    String: Text, |matches: &ArgMatches, notation| matches.get_one(notation).cloned();
    PathBuf: Path, |matches: &ArgMatches, notation| matches.get_one(notation).cloned();
    Duration: Duration, |matches: &ArgMatches, notation| matches.get_one(notation).copied();
    u64: Number, |matches: &ArgMatches, notation| matches.get_one(notation).copied();
    usize: Number, |matches, notation| u64::read(matches, notation).try_into().ok();
    u8: Number, |matches, notation| u64::read(matches, notation).try_into().ok();
}

impl Field for Vec<String> {
    const KIND: Kind = Kind::Texts;

    fn read(matches: &ArgMatches, notation: &'static str) -> Self {
        matches.get_many(notation).into_iter().flatten().cloned().collect()
    }
}

impl<T: Field> Field for Box<T> {
    const KIND: Kind = T::KIND;

    fn read(matches: &ArgMatches, notation: &'static str) -> Self {
        Self::new(T::read(matches, notation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert!(duration("soon").is_err());
    }
}
