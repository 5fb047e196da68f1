//! Arguments about following builds, shared by both systems.

use std::time::Duration;

use clap::Args;

use super::duration;

/// How builds are followed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Following")]
pub struct FollowArgs {
    /// Longest time that the build may be queued; past it the build is canceled
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_QUEUE_TIMEOUT", value_parser = duration)]
    pub queue_timeout: Option<Duration>,

    /// Longest time that the build may run; past it the build is canceled
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_RUN_TIMEOUT", value_parser = duration)]
    pub run_timeout: Option<Duration>,

    /// Longest time to follow altogether; past it the build is canceled
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_TIMEOUT", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Leave the build alone when a limit passes or a signal ends this program
    #[arg(long, env = "CIBRIDGE_NO_CANCEL")]
    pub no_cancel: bool,

    /// Cancel the build, and end with code 7, if it is of another commit than this one
    #[arg(long, value_name = "SHA", env = "CIBRIDGE_EXPECT_COMMIT")]
    pub expect_commit: Option<String>,

    /// End with code 3 when a step failed that the build ignored
    #[arg(long, env = "CIBRIDGE_FAIL_ON_STEP_FAILURE")]
    pub fail_on_step_failure: bool,

    /// Lines of a failed step's log to show
    #[arg(long, value_name = "N", env = "CIBRIDGE_LOG_LINES", default_value_t = 50)]
    pub log_lines: usize,

    /// Look at the build this often, instead of as often as its usual duration and the rate limit suggest
    #[arg(long, value_name = "TIME", env = "CIBRIDGE_POLL_INTERVAL", value_parser = duration)]
    pub poll_interval: Option<Duration>,
}
