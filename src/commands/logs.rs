//! `codemagic logs` and `jenkins console`: print or save the log of a build, also while it grows.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use crate::cli::{CodemagicConnectionArgs, ConsoleArgs, JenkinsConnectionArgs, LogsArgs};
use crate::codemagic::{BuildId, Client, LogFormat, StepLog};
use crate::document::{Details, StepLogEntry};
use crate::download;
use crate::error::{Error, ExitCode};
use crate::files;
use crate::lifecycle::Provider as _;
use crate::lifecycle::finish::FinishOptions;
use crate::output::{Console, LogPrinter, LogTarget, LogText, format_size};

use super::named_builds::find_build;
use super::session::{CommandResult, Session};
use super::wait_for_builds::{LogOptions, WaitOptions, wait_for};
use super::{codemagic, jenkins};

pub fn codemagic(args: &LogsArgs, connection: &CodemagicConnectionArgs, session: &mut Session) -> CommandResult {
    let reference = codemagic::reference(&args.build, &args.filter)?;
    if session.is_json() && args.dir.is_none() && !args.follow {
        return Err(Error::message(ExitCode::Usage, "--json needs stdout for the document, where the logs would go")
            .with_hint("pass --dir for the logs, or --result-file for the document"));
    }
    if let Some(dir) = &args.dir {
        files::check_folder(dir)?;
    }
    let provider = codemagic::connect(connection, session)?;
    let mut build = find_build(&provider, &reference, session)?;
    if args.follow {
        let log = LogOptions { target: target(session), stages_only: false };
        let finish = FinishOptions { log_lines: usize::MAX, ..FinishOptions::default() };
        let options = WaitOptions { log: Some(log), finish, ..WaitOptions::default() };
        return Ok(wait_for(&provider, vec![build], &options, session));
    }
    let seen = session.with_retries(|| provider.poll(&mut build))?;
    let id = BuildId::new(&seen.build.id);
    session.note_build(seen);
    let id = id.ok_or_else(|| Error::message(ExitCode::NotFound, "the build has no ID"))?;
    let steps = session.with_retries(|| provider.step_logs(&id))?;
    let chosen = choose(&steps, args)?;
    let format = if args.raw { LogFormat::Raw } else { LogFormat::Text };
    let mut logs = Vec::new();
    for (index, step) in chosen.iter().copied() {
        let bytes = match &args.dir {
            Some(dir) => {
                fs::create_dir_all(dir).with_context(|| format!("folder {}", dir.display()))?;
                let name = format!("{:02}-{}.log", index + 1, download::file_name(&step.name).replace(' ', "-"));
                save(&provider, step, format, &dir.join(name), session)?
            }
            None => print(&provider, step, format, chosen.len() > 1, session.console())?,
        };
        match bytes {
            Some(entry) => logs.push(entry),
            None if args.step.is_some() => {
                return Err(Error::message(ExitCode::NotFound, format!("step {:?} has no log", step.name)));
            }
            None => {}
        }
        if session.console().is_stdout_closed() {
            // `| head` is no failure.
            break;
        }
    }
    if chosen.is_empty() {
        session.console().line("no step of this build failed");
    }
    session.document().details = Some(Details::Logs(logs));
    Ok(session.succeed_with_build())
}

/// With `--json` stdout is for the document alone.
fn target(session: &Session) -> LogTarget {
    if session.is_json() { LogTarget::People } else { LogTarget::Data }
}

/// The steps that are wanted, each with its number.
fn choose<'a>(steps: &'a [StepLog], args: &LogsArgs) -> Result<Vec<(usize, &'a StepLog)>, Error> {
    let all: Vec<_> = steps.iter().enumerate().filter(|(_, step)| !args.failed || step.is_failed()).collect();
    let Some(wanted) = &args.step else { return Ok(all) };
    let ways: [fn(&StepLog, &str) -> bool; 3] = [
        |step, wanted| step.id == wanted,
        |step, wanted| step.name == wanted,
        |step, wanted| step.name.to_lowercase() == wanted.to_lowercase(),
    ];
    let found = ways.iter().map(|is_same| all.iter().copied().filter(|(_, step)| is_same(step, wanted)).collect());
    found.into_iter().find(|found: &Vec<_>| !found.is_empty()).ok_or_else(|| {
        let kind = if args.failed { "failed step" } else { "step" };
        let names: Vec<&str> = all.iter().map(|(_, step)| step.name.as_str()).collect();
        let error = Error::message(ExitCode::NotFound, format!("the build has no {kind} {wanted:?}"));
        let hint =
            if names.is_empty() { "it has none".to_owned() } else { format!("its {kind}s: {}", names.join(", ")) };
        error.with_hint(hint)
    })
}

fn entry(step: &StepLog, bytes: u64, path: Option<&Path>) -> StepLogEntry {
    let path = path.map(|path| path.display().to_string());
    StepLogEntry { step: step.name.clone(), status: step.status.clone(), bytes, path }
}

/// Prints a log; `None` if the service has none.
fn print(
    client: &Client,
    step: &StepLog,
    format: LogFormat,
    with_heading: bool,
    console: &Console,
) -> Result<Option<StepLogEntry>, Error> {
    let mut printer = LogPrinter::new(console, LogTarget::Data, false);
    let mut raw = LogText::raw(console.redactor());
    let mut bytes = 0;
    let found = client.read_step_log(step, format, &mut |chunk| {
        if with_heading && bytes == 0 {
            console.data(&format!("==> {} <==", step.name));
        }
        bytes += chunk.len() as u64;
        match format {
            LogFormat::Text => printer.feed(chunk),
            LogFormat::Raw => raw.push(chunk, &mut |piece, ends| write_raw(console, piece, ends)),
        }
        // What nobody reads any more need not be fetched.
        if console.is_stdout_closed() { Err(Error::message(ExitCode::Local, "stdout is closed")) } else { Ok(()) }
    });
    printer.end();
    raw.finish(&mut |piece, _| write_raw(console, piece, false));
    match found {
        Err(_) if console.is_stdout_closed() => Ok(Some(entry(step, bytes, None))),
        found => Ok(found?.then(|| entry(step, bytes, None))),
    }
}

fn write_raw(console: &Console, piece: &[u8], ends: bool) {
    console.write_bytes(piece);
    if ends {
        console.write_bytes(b"\n");
    }
}

/// Saves a log, secrets masked; `None` if the service has none.
fn save(
    client: &Client,
    step: &StepLog,
    format: LogFormat,
    path: &Path,
    session: &Session,
) -> Result<Option<StepLogEntry>, Error> {
    let console = session.console();
    let failed = |error: io::Error| Error::local(format!("log file {}", path.display()), &error);
    let file = files::temporary_beside(path).map_err(failed)?;
    let half = file.path().to_owned();
    // The process may be ended while it is stuck in a connect. A log that has its name by now is not there any more.
    session.runtime.interrupt.on_raise(move || drop(fs::remove_file(half)));
    let mut file = BufWriter::new(file);
    let mut text = match format {
        LogFormat::Text => LogText::new(console.redactor()),
        LogFormat::Raw => LogText::raw(console.redactor()),
    };
    let mut bytes = 0;
    let found = client.read_step_log(step, format, &mut |chunk| {
        bytes += chunk.len() as u64;
        let mut result = Ok(());
        text.push(chunk, &mut |piece, ends| {
            if result.is_ok() {
                result = write_piece(&mut file, piece, ends);
            }
        });
        result.map_err(failed)
    })?;
    let mut result = Ok(());
    text.finish(&mut |piece, _| result = write_piece(&mut file, piece, false));
    result.map_err(failed)?;
    if !found {
        return Ok(None);
    }
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    console.line(&format!("saved {} ({})", path.display(), format_size(bytes)));
    Ok(Some(entry(step, bytes, Some(path))))
}

fn write_piece(file: &mut impl Write, piece: &[u8], ends: bool) -> io::Result<()> {
    file.write_all(piece)?;
    if ends { file.write_all(b"\n") } else { Ok(()) }
}

pub fn jenkins(args: &ConsoleArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let (provider, reference) = jenkins::connect_to_build(&args.build, connection, session)?;
    let provider = provider.with_on_input(args.input.on_input);
    let mut build = find_build(&provider, &reference, session)?;
    build.set_log_offset(args.from);
    let target = target(session);
    if args.follow {
        let log = LogOptions { target, stages_only: args.stages };
        let options = WaitOptions { log: Some(log), shows_log_offset: true, ..WaitOptions::new(&args.watch) };
        session.limit(options.limits.total, std::time::Duration::ZERO);
        return Ok(wait_for(&provider, vec![build], &options, session));
    }
    let seen = session.with_retries(|| provider.poll(&mut build))?;
    session.note_build(seen);
    let known = build.build_ref().cloned().ok_or_else(|| {
        Error::message(ExitCode::NotFound, format!("{reference} has no build yet"))
            .with_hint("`cibridge jenkins wait --console` waits for it")
    })?;
    let client = provider.client();
    let mut printer = LogPrinter::new(session.console(), target, args.stages);
    let mut position = crate::jenkins::LogPosition::at(args.from);
    let is_complete = session.with_retries(|| client.log_is_complete(&known))?
        && session.with_retries(|| client.finished_log(&known, &mut position, &mut |text| printer.feed(text)))?;
    if !is_complete {
        loop {
            let chunk =
                session.with_retries(|| client.live_log(&known, &mut position, &mut |text| printer.feed(text)))?;
            if !chunk.grew || !chunk.more || session.console().is_stdout_closed() {
                break;
            }
        }
        session
            .console()
            .line(&format!("the build is still running; --from {} shows what comes after this", position.offset));
    }
    printer.end();
    Ok(session.succeed_with_build())
}
