//! `wait`: waits until builds are finished that exist already.

use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::{CodemagicConnectionArgs, CodemagicWaitArgs, JenkinsConnectionArgs, JenkinsWaitArgs, WaitArgs};
use crate::lifecycle::Provider;
use crate::lifecycle::finish::CancelPolicy;

use super::named_builds::find_builds;
use super::session::{CommandResult, Session};
use super::wait_for_builds::{WaitOptions, collect_options, wait_for};
use super::{codemagic, jenkins};

pub fn codemagic(
    args: &CodemagicWaitArgs,
    connection: &CodemagicConnectionArgs,
    session: &mut Session,
) -> CommandResult {
    let references = codemagic::references(&args.builds)?;
    let mut options = WaitOptions {
        collect: collect_options(&args.collect, args.watch.poll_interval),
        ..WaitOptions::new(&args.watch)
    };
    options.limits.commit.clone_from(&args.expect.expect_commit);
    options.finish.fail_on_step_failure = args.expect.fail_on_step_failure;
    options.collect.check()?;
    let provider = codemagic::connect(connection, session)?;
    run(&provider, &references, &args.wait, options, session)
}

pub fn jenkins(args: &JenkinsWaitArgs, connection: &JenkinsConnectionArgs, session: &mut Session) -> CommandResult {
    let options = WaitOptions {
        collect: collect_options(&args.collect, args.watch.poll_interval),
        ..WaitOptions::new(&args.watch)
    };
    options.collect.check()?;
    let (provider, references) = jenkins::connect_to_builds(&args.builds, connection, session)?;
    let provider = provider.with_on_input(args.input.on_input);
    run(&provider, &references, &args.wait, options, session)
}

fn run<P: Provider>(
    provider: &P,
    references: &[P::Reference],
    args: &WaitArgs,
    mut options: WaitOptions,
    session: &mut Session,
) -> CommandResult {
    options.finish.cancel = if args.cancel { CancelPolicy::Cancel } else { CancelPolicy::Leave };
    let limits = &mut options.limits;
    (limits.once, limits.fail_fast) = (args.once, args.fail_fast);
    limits.waited = args.waiting_since.map(|since| waited(since, session.runtime.clock.wall())).unwrap_or_default();
    session.limit(limits.total, limits.waited);
    let builds = find_builds(provider, references, session)?;
    session.writer.write_partial(&session.runtime.console);
    if !args.once && std::io::stderr().is_terminal() {
        let what = if args.cancel { "cancels the build" } else { "leaves the build running; --cancel changes that" };
        session.console().line(&format!("Ctrl-C {what}"));
    }
    Ok(wait_for(provider, builds, &options, session))
}

/// The time since `since`, in milliseconds since 1970; none if that is in the future.
fn waited(since: u64, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(since))
}
