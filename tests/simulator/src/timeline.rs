//! From a plan to the state of a build at any moment of its life; positions are microseconds since its creation.

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
    cancel: Option<i64>,
    /// The step that fails the build.
    pub(crate) failed_step: Option<usize>,
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
            "canceled" | "cancelled" | "timeout" => plan.steps.iter().rposition(|s| status_of(s) == "building"),
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

    /// The build is canceled at `position` unless it is over before.
    pub(crate) fn cancel_at(&mut self, position: i64) {
        self.cancel = self.cancel.or(Some(position));
    }

    /// Position of the end, if there is one.
    pub(crate) fn end(&self) -> Option<i64> {
        self.cancel.into_iter().chain(self.end).min()
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
        let canceled = over && self.cancel == end && self.end.is_none_or(|e| self.cancel.is_some_and(|at| at < e));
        // Nothing after the end, or after the present, has happened.
        let now = end.map_or(position, |e| position.min(e));
        let steps = self.steps.iter().map(|span| span.at(now, canceled)).collect();
        let running = self.steps.iter().rev().find(|s| s.start.is_some_and(|start| start <= now));
        let started = self.start.filter(|&s| s <= now && (!canceled || s < now));
        let status = match (over, canceled) {
            (true, true) => "canceled",
            (true, false) => &self.last_status,
            (false, _) if started.is_none() && now < self.initializing_end => "initializing",
            (false, _) if started.is_none() => "queued",
            (false, _) => running.map_or("preparing", |s| s.build_status.as_str()),
        };
        Moment { status: status.to_owned(), started, finished: end.filter(|_| over), steps, canceled }
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
    fn a_failure_skips_what_follows_but_publishing_and_cleaning() {
        let t = Timeline::compile(&Plan::failing("Install dependencies", "no"));
        let end = t.at(i64::MAX);
        assert_eq!(end.status, "failed");
        assert_eq!(steps(&end), ["success", "success", "failed", "skipped", "skipped", "success", "success"]);
        let mut plan = Plan::failing("Build ipa", "no");
        plan.steps[4].ignore_failure = true;
        assert_eq!(status(&Timeline::compile(&plan), 1000), "finished");
    }

    #[test]
    fn a_cancel_ends_the_running_step_and_leaves_the_rest_null() {
        let mut t = Timeline::compile(&Plan::default());
        t.cancel_at(30 * SECOND);
        assert_eq!(status(&t, 29), "fetching");
        let end = t.at(40 * SECOND);
        assert_eq!((end.status.as_str(), end.finished), ("canceled", Some(30 * SECOND)));
        assert_eq!(steps(&end), ["success", "canceled", "-", "-", "-", "-", "-"]);
        let mut t = Timeline::compile(&Plan { hold: Some("queued".into()), ..Plan::default() });
        assert_eq!(status(&t, 100_000), "queued");
        t.cancel_at(100_001 * SECOND);
        let end = t.at(100_002 * SECOND);
        assert_eq!((end.status.as_str(), end.started), ("canceled", None));
    }

    #[test]
    fn a_timeout_stops_a_step_and_a_skipped_build_never_starts() {
        let end = Timeline::compile(&Plan::ending("timeout")).at(i64::MAX);
        assert_eq!(steps(&end), ["success", "success", "success", "success", "canceled", "-", "-"]);
        let skipped = Timeline::compile(&Plan::ending("skipped")).at(i64::MAX);
        assert_eq!((skipped.status.as_str(), skipped.started), ("skipped", None));
        assert!(skipped.finished.is_some());
    }
}
