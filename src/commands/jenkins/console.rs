//! `jenkins console`: a build's log as it is stored, and with `--follow` as it grows.

use super::remote::{BuildRemote, LogFollow};
use super::{PROVIDER, reach_build, watching};
use crate::cli::ConsoleArgs;
use crate::commands::{Context, FollowArgs, ResultWriter, with_retries};
use crate::document::{Document, Outcome};
use crate::error::ExitCode;
use crate::model::Build;
use crate::old_jenkins::{BuildName, Source};
use crate::output::{LogPrinter, LogTarget};

pub(super) fn run(args: &ConsoleArgs, context: &Context, publication: &mut ResultWriter) -> anyhow::Result<ExitCode> {
    let (client, job, number) = reach_build(&args.build, context)?;
    let build = Build {
        id: format!("{job}#{number}"),
        number: Some(number),
        url: client.page(&format!("{}/{number}/", job.path())),
        status: "unknown".to_owned(),
        ..Build::default()
    };
    publication.documents.push(Document { build: Some(build), ..Document::new(PROVIDER) });
    // With --json stdout is for the document alone.
    let target = if context.output.json { LogTarget::People } else { LogTarget::Data };
    let mut log = LogPrinter::new(&context.console, target, args.stages);
    if args.follow {
        let mut remote = BuildRemote::new(&client, &*context.clock, args.input.on_input);
        remote.job = Some(job);
        remote.build = Some(BuildName::Number(number));
        remote.log = Some(LogFollow::new(log, args.from));
        // Whoever looks on does not own the build.
        let follow =
            FollowArgs { watch: args.watch.clone(), expect: None, on_input: args.input.on_input, no_cancel: true };
        let mode = watching::Mode { keep: true, ..Default::default() };
        return Ok(watching::run(vec![remote], &follow, mode, context, publication));
    }
    let clock = &*context.clock;
    let mut offset = args.from;
    if with_retries(clock, || client.log_ended(&job, number))? {
        let source = if offset == 0 { Source::Whole } else { Source::From(offset) };
        let mut shown = 0;
        with_retries(clock, || client.finished_log(&job, number, source, &mut shown, &mut |text| log.feed(text)))?;
    } else {
        loop {
            let chunk = with_retries(clock, || client.live_log(&job, number, offset, &mut |text| log.feed(text)))?;
            offset = chunk.next;
            if !chunk.grew || !chunk.more {
                break;
            }
        }
        context.console.line(&format!("the build goes on; --from {offset} shows what comes after this"));
    }
    log.end();
    publication.documents[0].end(Outcome::Success, ExitCode::Success);
    Ok(publication.worst())
}
