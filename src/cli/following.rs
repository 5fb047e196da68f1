//! Arguments about following builds, shared by both systems.

use std::time::Duration;

use super::arguments::arguments;

arguments! {
    /// How builds are followed.
    #[heading = "Following"]
    pub struct FollowArgs {
        /// Longest time that the build may be queued; past it the build is cancelled
        pub queue_timeout: Option<Duration> = "--queue-timeout <TIME>" Env("CIBRIDGE_QUEUE_TIMEOUT"),

        /// Longest time that the build may run; past it the build is cancelled
        pub run_timeout: Option<Duration> = "--run-timeout <TIME>" Env("CIBRIDGE_RUN_TIMEOUT"),

        /// Longest time to follow altogether; past it the build is cancelled
        pub timeout: Option<Duration> = "--timeout <TIME>" Env("CIBRIDGE_TIMEOUT"),

        /// Leave the build alone when a limit passes or a signal ends this program
        pub no_cancel: bool = "--no-cancel" Env("CIBRIDGE_NO_CANCEL"),

        /// Cancel the build, and end with code 7, if it is of another commit than this one
        pub expect_commit: Option<String> = "--expect-commit <SHA>" Env("CIBRIDGE_EXPECT_COMMIT"),

        /// End with code 3 when a step failed that the build ignored
        pub fail_on_step_failure: bool = "--fail-on-step-failure" Env("CIBRIDGE_FAIL_ON_STEP_FAILURE"),

        /// Lines of a failed step's log to show
        pub log_lines: usize = "--log-lines <N>" Env("CIBRIDGE_LOG_LINES") Default("50"),

        /// Look at the build this often, instead of as often as its usual duration and the rate limit suggest
        pub poll_interval: Option<Duration> = "--poll-interval <TIME>" Env("CIBRIDGE_POLL_INTERVAL"),
    }
}
