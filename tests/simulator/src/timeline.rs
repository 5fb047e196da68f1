//! From a plan to the state of a build at any moment of its life. Pure: positions are microseconds since its creation.

use crate::plan::{Plan, StepPlan};
use crate::time::micros;

/// The life of one build.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    initializing_end: i64,
    /// End of the queue; `None` when it waits there for ever.
    start: Option<i64>,
    steps: Vec<Span>,
    /// End of the build; `None` when a step never ends.
    end: Option<i64>,
    last_status: String,
    cancel: Option<(i64, String)>,
    failed_step: Option<usize>,
}

#[derive(Clone, Debug)]
struct Span {
    start: Option<i64>,
    end: Option<i64>,
    status: Option<String>,
    build_status: String,
}

/// A build at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moment {
    pub(crate) status: String,
    pub(crate) started: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) steps: Vec<StepMoment>,
    pub(crate) canceled: bool,
}

/// A step at one moment.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct StepMoment {
    pub(crate) started: Option<i64>,
    pub(crate) finished: Option<i64>,
    pub(crate) status: Option<String>,
    /// The part of its time that has passed, for the part of the log that exists.
    pub(crate) fraction: f64,
}

/// What a skipped step takes, as the service shows it.
const SKIP: i64 = 1000;

/// The status a build shows while a step of this type runs.
fn status_of(step: &StepPlan) -> String {
    if let Some(status) = &step.build_status {
        return status.clone();
    }
    match step.r#type.as_str() {
        "preparing" => "preparing",
        "fetching" => "fetching",
        "pre_test" | "testing" | "post_test" => "testing",
        "pre_publish" | "publishing" | "post_publish" => "publishing",
        "finishing" => "finishing",
        _ => "building",
    }
    .to_owned()
}

/// Does the step run although an earlier one failed?
fn runs_always(step: &StepPlan) -> bool {
    matches!(step.r#type.as_str(), "publishing" | "post_publish" | "finishing")
}

impl Timeline {
    pub(crate) fn compile(plan: &Plan) -> Self {
        let failed_step = plan.steps.iter().position(|s| s.status == "failed" && !s.ignore_failure);
        let last_status =
            plan.status.clone().unwrap_or_else(|| if failed_step.is_some() { "failed" } else { "finished" }.to_owned());
        let initializing_end = micros(plan.initializing_seconds);
        let queue_end = initializing_end + micros(plan.queued_seconds);
        let held = |name: &str, status: &str| plan.hold.as_deref().is_some_and(|h| h == name || h == status);
        let mut timeline = Self {
            initializing_end,
            start: (!held("queued", "queued")).then_some(queue_end),
            steps: Vec::new(),
            end: None,
            last_status,
            cancel: None,
            failed_step,
        };
        let never_runs = timeline.last_status == "skipped";
        let stops_in = match timeline.last_status.as_str() {
            "canceled" | "cancelled" | "timeout" => Some(ends_in(plan)),
            _ => None,
        };
        let (mut at, mut failed, mut stopped) = (timeline.start, false, false);
        for (index, step) in plan.steps.iter().enumerate() {
            let build_status = status_of(step);
            let Some(start) = at.filter(|_| !never_runs && !stopped) else {
                timeline.steps.push(Span { start: None, end: None, status: None, build_status });
                continue;
            };
            let skipped = step.status == "skipped" || (failed && !runs_always(step));
            let stays = held(&step.name, &build_status) && !skipped;
            let end = (!stays).then(|| start + if skipped { SKIP } else { micros(step.seconds) });
            let status = if stops_in == Some(index) {
                stopped = true;
                "canceled"
            } else if skipped {
                "skipped"
            } else {
                &step.status
            };
            failed |= failed_step == Some(index);
            timeline.steps.push(Span { start: Some(start), end, status: Some(status.to_owned()), build_status });
            at = end;
        }
        timeline.end = if stopped {
            stops_in.and_then(|i| timeline.steps[i].end)
        } else if never_runs {
            timeline.start
        } else {
            at
        };
        if never_runs {
            timeline.start = None;
        }
        timeline
    }

    /// The build ends at `position` with `status` unless it is over before.
    pub(crate) fn cancel_at(&mut self, position: i64, status: &str) {
        if self.cancel.is_none() {
            self.cancel = Some((position, status.to_owned()));
        }
    }

    /// Position of the end, if there is one.
    pub(crate) fn end(&self) -> Option<i64> {
        match (&self.cancel, self.end) {
            (Some((at, _)), Some(end)) => Some(end.min(*at)),
            (Some((at, _)), None) => Some(*at),
            (None, end) => end,
        }
    }

    /// The step that fails the build.
    pub(crate) fn failed_step(&self) -> Option<usize> {
        self.failed_step
    }

    /// When the artifacts come up: with the end of publishing, else with the end of the build.
    pub(crate) fn artifacts_at(&self) -> Option<i64> {
        let end = self.end()?;
        let publishing = self.steps.iter().filter(|s| s.build_status == "publishing").filter_map(|s| s.end).max();
        Some(publishing.unwrap_or(end).min(end))
    }

    /// The next position after `position` at which the shown status changes.
    pub(crate) fn next_change(&self, position: i64) -> Option<i64> {
        let now = self.at(position).status;
        let mut edges: Vec<i64> = self.steps.iter().flat_map(|s| [s.start, s.end]).flatten().collect();
        edges.extend([Some(self.initializing_end), self.start, self.end()].into_iter().flatten());
        edges.retain(|&e| e > position);
        edges.sort_unstable();
        edges.into_iter().find(|&e| self.at(e).status != now)
    }

    /// The build at `position`.
    pub(crate) fn at(&self, position: i64) -> Moment {
        let end = self.end();
        let over = end.is_some_and(|e| position >= e);
        let cut = self.cancel.as_ref().filter(|(at, _)| over && end == Some(*at) && self.end.is_none_or(|e| *at < e));
        // Nothing after the end, or after the present, has happened.
        let now = end.map_or(position, |e| position.min(e));
        let steps = self.steps.iter().map(|span| span.at(now, cut.is_some())).collect();
        let running = self.steps.iter().rev().find(|s| s.start.is_some_and(|start| start <= now));
        let started = self.start.filter(|&s| s <= now && (cut.is_none() || s < now));
        let status = match (over, cut) {
            (true, Some((_, status))) => status,
            (true, None) => &self.last_status,
            (false, _) if started.is_none() && now < self.initializing_end => "initializing",
            (false, _) if started.is_none() => "queued",
            (false, _) => running.map_or("preparing", |s| s.build_status.as_str()),
        };
        Moment { status: status.to_owned(), started, finished: end.filter(|_| over), steps, canceled: cut.is_some() }
    }
}

impl Span {
    fn at(&self, now: i64, cut: bool) -> StepMoment {
        let Some(start) = self.start.filter(|&s| s < now || (s == now && !cut)) else {
            return StepMoment::default();
        };
        match self.end.filter(|&e| e <= now) {
            Some(end) => {
                StepMoment { started: Some(start), finished: Some(end), status: self.status.clone(), fraction: 1.0 }
            }
            None => StepMoment {
                started: Some(start),
                finished: cut.then_some(now),
                status: cut.then(|| "canceled".to_owned()),
                fraction: self.end.map_or(0.5, |e| (now - start) as f64 / (e - start).max(1) as f64),
            },
        }
    }
}

/// The step during which a build of this plan is stopped from outside.
fn ends_in(plan: &Plan) -> usize {
    let named = plan.ends_in.as_deref().and_then(|n| plan.steps.iter().position(|s| s.name == n));
    let last_work = || plan.steps.iter().rposition(|s| status_of(s) == "building");
    named.or_else(last_work).unwrap_or(plan.steps.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    fn status(timeline: &Timeline, second: i64) -> String {
        timeline.at(second * SECOND).status
    }

    fn steps(moment: &Moment) -> Vec<&str> {
        moment.steps.iter().map(|s| s.status.as_deref().unwrap_or("-")).collect()
    }

    #[test]
    fn goes_through_all_statuses() {
        let t = Timeline::compile(&Plan { initializing_seconds: 1.0, ..Plan::default() });
        let mut seen = vec![status(&t, 0)];
        let mut at = 0;
        while let Some(next) = t.next_change(at) {
            at = next;
            seen.push(t.at(at).status);
        }
        let all =
            ["initializing", "queued", "preparing", "fetching", "building", "publishing", "finishing", "finished"];
        assert_eq!(seen, all);
        assert_eq!(at, 306 * SECOND);
        assert_eq!(t.at(i64::MAX).finished, Some(306 * SECOND));
    }

    #[test]
    fn a_failure_skips_what_follows_but_publishing_and_cleaning() {
        let t = Timeline::compile(&Plan::failing("Install dependencies", "no"));
        let end = t.at(t.end().unwrap());
        assert_eq!(end.status, "failed");
        assert_eq!(steps(&end), ["success", "success", "failed", "skipped", "skipped", "success", "success"]);
        assert_eq!(t.failed_step(), Some(2));
    }

    #[test]
    fn an_ignored_failure_is_a_finished_build() {
        let mut plan = Plan::failing("Build ipa", "no");
        plan.steps[4].ignore_failure = true;
        assert_eq!(status(&Timeline::compile(&plan), 1000), "finished");
    }

    #[test]
    fn a_cancel_ends_the_running_step_and_leaves_the_rest_null() {
        let mut t = Timeline::compile(&Plan::default());
        t.cancel_at(30 * SECOND, "canceled");
        assert_eq!(status(&t, 29), "fetching");
        let end = t.at(40 * SECOND);
        assert_eq!((end.status.as_str(), end.finished), ("canceled", Some(30 * SECOND)));
        assert_eq!(steps(&end), ["success", "canceled", "-", "-", "-", "-", "-"]);
        assert_eq!(end.steps[2].started, None);
    }

    #[test]
    fn a_cancel_in_the_queue_never_starts() {
        let mut t = Timeline::compile(&Plan { hold: Some("queued".into()), ..Plan::default() });
        assert_eq!(status(&t, 100_000), "queued");
        t.cancel_at(100_001 * SECOND, "canceled");
        let end = t.at(100_002 * SECOND);
        assert_eq!((end.status.as_str(), end.started), ("canceled", None));
    }

    #[test]
    fn holds_in_a_step_or_status() {
        for hold in ["Build ipa", "building"] {
            let t = Timeline::compile(&Plan { hold: Some(hold.into()), ..Plan::default() });
            assert_eq!(status(&t, 100_000), "building");
            assert_eq!(t.end(), None);
        }
    }

    #[test]
    fn ends_of_every_kind() {
        let timeout = Timeline::compile(&Plan::ending("timeout"));
        let end = timeout.at(i64::MAX);
        assert_eq!(steps(&end), ["success", "success", "success", "success", "canceled", "-", "-"]);
        let skipped = Timeline::compile(&Plan::ending("skipped")).at(i64::MAX);
        assert_eq!((skipped.status.as_str(), skipped.started), ("skipped", None));
        assert!(skipped.finished.is_some());
        assert_eq!(Timeline::compile(&Plan::ending("exploded")).at(i64::MAX).status, "exploded");
    }
}
