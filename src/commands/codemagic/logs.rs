//! `codemagic logs`: the logs of a build's steps, to stdout or into files, whatever their size.

use std::fs;
use std::io::{self, BufWriter};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{build_id, client, placeholders, with_retries};
use crate::cli::LogsArgs;
use crate::codemagic::{Client, LogFormat, StepLog};
use crate::commands::{Context, ResultWriter};
use crate::document::Outcome;
use crate::download;
use crate::error::{Error, ExitCode};
use crate::output::{Console, LogText};

pub(super) fn run(args: &LogsArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    publication.documents = placeholders(std::slice::from_ref(&args.build))?;
    let document = &mut publication.documents[0];
    let id = document.build.as_ref().map(|build| build.id.clone()).unwrap_or_default();
    if context.output.json && args.dir.is_none() {
        return Err(Error::usage("--json", "stdout cannot hold the document and the logs")
            .with_hint("give --dir for the logs, or --result-file for the document")
            .into());
    }
    if let Some(dir) = &args.dir {
        crate::files::check_folder(dir)?;
    }
    let client = client(context)?;
    let id = build_id(&id)?;
    let steps = with_retries(&*context.clock, || client.step_logs(&id))?;
    let chosen = choose(&steps, args)?;
    let mut logs = Vec::new();
    for (n, step) in steps.iter().enumerate().filter(|(n, _)| chosen.contains(n)) {
        let written = match &args.dir {
            Some(dir) => {
                fs::create_dir_all(dir).with_context(|| format!("the folder {}", dir.display()))?;
                let name = format!("{:02}-{}.log", n + 1, download::file_name(&step.name).replace(' ', "-"));
                save(&client, step, &dir.join(name), context)?
            }
            None => print(&client, step, chosen.len() > 1, &context.console)?,
        };
        match written {
            Written::Log(log) => logs.push(log),
            Written::Nothing if args.step.is_some() => {
                let what = format!("the log of step {}", step.name);
                return Err(Error::new(ExitCode::NotFound, what, "there is none").into());
            }
            Written::Nothing => {}
            // `| head` is no failure.
            Written::Closed => break,
        }
    }
    if chosen.is_empty() {
        context.console.line("no step of this build failed");
    }
    document.more.insert("logs".to_owned(), Value::Array(logs));
    document.end(Outcome::Success, ExitCode::Success);
    Ok(publication.worst())
}

/// The numbers of the steps that are wanted.
fn choose(steps: &[StepLog], args: &LogsArgs) -> Result<Vec<usize>, Error> {
    let all = || (0..steps.len()).filter(|n| !args.failed || steps[*n].is_failed());
    let Some(wanted) = &args.step else { return Ok(all().collect()) };
    let ways: [fn(&StepLog, &str) -> bool; 3] = [
        |step, wanted| step.id == wanted,
        |step, wanted| step.name == wanted,
        |step, wanted| step.name.to_lowercase() == wanted.to_lowercase(),
    ];
    let found = ways.iter().map(|same| all().filter(|n| same(&steps[*n], wanted)).collect::<Vec<_>>());
    found.into_iter().find(|found| !found.is_empty()).ok_or_else(|| {
        let names: Vec<&str> = all().map(|n| steps[n].name.as_str()).collect();
        let kind = if args.failed { "failed step" } else { "step" };
        Error::new(ExitCode::NotFound, format!("the step {wanted}"), format!("the build has no such {kind}"))
            .with_hint(format!("its {kind}s: {}", names.join(", ")))
    })
}

/// What became of a log.
enum Written {
    /// It is there, and this is its entry in the document.
    Log(Value),
    /// The service has none.
    Nothing,
    /// Nobody reads stdout any more.
    Closed,
}

fn print(client: &Client, step: &StepLog, headed: bool, console: &Console) -> Result<Written, Error> {
    let mut lines = LogText::new(console.redactor());
    let mut bytes = 0;
    let result = client.read_step_log(step, LogFormat::Text, &mut |chunk| {
        let mut text = Vec::new();
        if headed && bytes == 0 {
            text = format!("==> {} <==\n", console.sanitize(step.name.as_bytes())).into_bytes();
        }
        bytes += chunk.len() as u64;
        lines.push(chunk, &mut |piece, ends| add(&mut text, piece, ends));
        // All lines of a chunk at once: a system call for each would cost more than the rest.
        console.write_bytes(&text);
        // The error only ends the reading; the console reports its cause.
        if console.is_stdout_closed() { Err(Error::message(ExitCode::Local, "stdout is closed")) } else { Ok(()) }
    });
    let mut text = Vec::new();
    lines.finish(&mut |piece, ends| add(&mut text, piece, ends));
    console.write_bytes(&text);
    match result {
        _ if console.is_stdout_closed() => Ok(Written::Closed),
        Ok(true) => Ok(Written::Log(json!({"step": step.name, "status": step.status, "bytes": bytes}))),
        Ok(false) => Ok(Written::Nothing),
        Err(failure) => Err(failure),
    }
}

fn add(text: &mut Vec<u8>, piece: &[u8], ends: bool) {
    text.extend_from_slice(piece);
    if ends {
        text.push(b'\n');
    }
}

/// Saves a log as text, known secrets masked.
fn save(client: &Client, step: &StepLog, path: &Path, context: &Context) -> Result<Written, Error> {
    let report = &context.console;
    let what = || format!("the log file {}", path.display());
    let failed = |error: io::Error| Error::new(ExitCode::Local, what(), error.to_string());
    let file = crate::files::temporary_beside(path).map_err(failed)?;
    let half = file.path().to_owned();
    // The process may be ended while it is stuck in a connect. A log that has its name by now is not there any more.
    context.interrupt.on_raise(move || drop(fs::remove_file(half)));
    let mut file = BufWriter::new(file);
    let mut lines = LogText::raw(report.redactor());
    let mut bytes = 0;
    let found = client.read_step_log(step, LogFormat::Text, &mut |chunk| {
        bytes += chunk.len() as u64;
        let mut result = Ok(());
        lines.push(chunk, &mut |piece, ends| {
            if result.is_ok() {
                result = write_piece(&mut file, piece, ends);
            }
        });
        result.map_err(failed)
    })?;
    let mut result = Ok(());
    lines.finish(&mut |piece, _| result = write_piece(&mut file, piece, false));
    result.map_err(failed)?;
    if !found {
        return Ok(Written::Nothing);
    }
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    report.line(&format!("saved {} ({})", path.display(), crate::output::format_size(bytes)));
    let path = path.display().to_string();
    Ok(Written::Log(json!({"step": step.name, "status": step.status, "bytes": bytes, "path": path})))
}

fn write_piece(file: &mut impl io::Write, piece: &[u8], ends: bool) -> io::Result<()> {
    file.write_all(piece)?;
    if ends { file.write_all(b"\n") } else { Ok(()) }
}
