//! Commands with commands below them.
//!
//! clap's own derive describes all arguments of all commands at every start, which takes more time than the rest of a
//! start together. Here a command is described when it is called, or when its help is.

use clap::builder::{FalseyValueParser, Resettable};
use clap::{Arg, ArgAction, Command};

/// Declares what derive(Subcommand) would: `Variant(Type) = "name" by Args,` for a command with arguments, and
/// `by Subcommand` for one with commands below it. The comment of a variant is its help.
macro_rules! commands {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {$(
            #[doc = $help:literal]
            $variant:ident($type:ty) = $verb:literal by $kind:ident,
        )+}
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub enum $name {$(
            #[doc = $help]
            $variant($type),
        )+}

        impl clap::Subcommand for $name {
            fn augment_subcommands(command: clap::Command) -> clap::Command {
                command.subcommand_required(true).arg_required_else_help(true)$(.subcommand(
                    clap::Command::new($verb).about($help.trim()).defer($crate::cli::commands::described!($kind, $type, $help)),
                ))+
            }

            fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
                Self::augment_subcommands(command)
            }

            fn has_subcommand(name: &str) -> bool {
                [$($verb),+].contains(&name)
            }
        }

        impl clap::FromArgMatches for $name {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                match matches.subcommand() {
                    $(Some(($verb, matches)) => <$type>::from_arg_matches(matches).map(Self::$variant),)+
                    _ => Err(clap::Error::new(clap::error::ErrorKind::MissingSubcommand)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

/// The function that describes a command with arguments, or with commands below it. The comment of a type with
/// arguments is for the reader of the code, so it is not the help.
macro_rules! described {
    (Args, $type:ty, $help:literal) => {
        |command| {
            let command = <$type as clap::Args>::augment_args(command);
            $crate::cli::commands::completed(command).about($help.trim()).long_about(None)
        }
    };
    (Subcommand, $type:ty, $help:literal) => {
        <$type as clap::Subcommand>::augment_subcommands
    };
}

pub(super) use {commands, described};

/// The command with what holds for all arguments: help does not show what a variable holds, a variable that is set to
/// nothing counts as not set, as Jenkins leaves unset parameters, and that of a switch may say `0`, `no`, `off` or
/// `false`.
pub(super) fn completed(command: Command) -> Command {
    let is_empty = |argument: &Arg| {
        argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.to_string_lossy().trim().is_empty())
    };
    command.mut_args(|argument| {
        let argument = if is_empty(&argument) { argument.env(Resettable::Reset) } else { argument };
        match argument.get_action() {
            ArgAction::SetTrue => argument.value_parser(FalseyValueParser::new()),
            _ => argument,
        }
        .hide_env_values(true)
    })
}
