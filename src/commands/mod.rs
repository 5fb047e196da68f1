//! The commands: one file for each verb, which wires the rooms below together.
//!
//! What every command shares stands here: its surroundings, and the one place where an end of any kind becomes a
//! result document, console lines and an exit code.

mod codemagic;

use std::rc::Rc;

use crate::cli::{Cli, OutputArgs, System};
use crate::clock::{Clock, Interrupt};
use crate::error::{Code, Failure};
use crate::model::Document;
use crate::report::{Report, ResultFile};

/// What a command is given by `main`.
pub struct Context {
    /// Where text goes.
    pub report: Report,
    /// Where time comes from.
    pub clock: Rc<dyn Clock>,
    /// The request to end, for connections to register with.
    pub interrupt: Interrupt,
}

/// Runs the command that the command line names, and gives the exit code.
pub fn run(cli: &Cli, context: &Context) -> Code {
    match &cli.system {
        System::Codemagic(command) => codemagic::run(command, context),
    }
}

/// A result document with its file.
struct Publication<'a> {
    document: Document,
    file: Option<ResultFile>,
    report: &'a Report,
}

impl Publication<'_> {
    /// Replaces the result file, if there is one, with the document as it is now.
    fn publish(&self) -> anyhow::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.write(&self.document))
    }
}

/// Runs `work` on a fresh document; then, however it ended, prints the error, completes the document and publishes it.
fn conclude(
    provider: &'static str,
    output: &OutputArgs,
    context: &Context,
    work: impl FnOnce(&mut Publication) -> anyhow::Result<Code>,
) -> Code {
    let report = &context.report;
    let mut publication = Publication { document: Document::new(provider), file: None, report };
    let result = prepare(output, report).and_then(|file| {
        publication.file = file;
        work(&mut publication)
    });
    let code = match result {
        Ok(code) => code,
        Err(error) => {
            let failure = failure(&error);
            report.failure(&failure);
            publication.document.fail(&failure);
            failure.code
        }
    };
    let published = publication.publish();
    if output.json {
        report.json(&publication.document);
    }
    match published {
        Ok(()) => code,
        Err(error) => {
            let failure = failure(&error);
            report.failure(&failure);
            if code == Code::Success { failure.code } else { code }
        }
    }
}

/// Checks what can be checked before anything remote happens.
fn prepare(output: &OutputArgs, report: &Report) -> anyhow::Result<Option<ResultFile>> {
    let file = output.result_file.as_deref().map(|path| ResultFile::check(path, report)).transpose()?;
    if let Some(wanted) = &output.require_version {
        require_version(wanted)?;
    }
    Ok(file)
}

fn require_version(wanted: &str) -> Result<(), Failure> {
    let own = env!("CARGO_PKG_VERSION");
    let numbers = |text: &str| text.split('.').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    let Some(required) = numbers(wanted) else {
        return Err(Failure::usage(format!("--require-version {wanted}"), "is no version like 1.2.3"));
    };
    if numbers(own).is_some_and(|own| own < required) {
        return Err(Failure::usage(
            format!("this cibridge {own}"),
            format!("is older than the {wanted} that is needed"),
        )
        .hint("install the newer cibridge on this machine"));
    }
    Ok(())
}

/// The failure behind an error; what no room called a failure is a fault of this machine.
fn failure(error: &anyhow::Error) -> Failure {
    error.downcast_ref::<Failure>().cloned().unwrap_or_else(|| {
        let (what, why) =
            (error.to_string(), error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": "));
        if why.is_empty() {
            let (what, why) = what.split_once(": ").unwrap_or(("this machine", &what));
            return Failure::new(Code::Local, what, why);
        }
        Failure::new(Code::Local, what, why)
    })
}
