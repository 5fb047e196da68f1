//! The simulated clock: runs by a factor, or stands still until it is moved. Knows no builds.

use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What makes builds go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advance {
    /// The clock runs, `speed` simulated seconds in a real one.
    #[default]
    Clock,
    /// Each GET of a build (v3 or legacy) moves that build to its next status after it was answered.
    Poll,
    /// Only `advance` moves anything.
    Manual,
}

/// The simulator's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    mode: Advance,
    speed: f64,
    base: SimTime,
    since: Instant,
}

impl Clock {
    pub(crate) fn new(mode: Advance, speed: f64, start: SimTime) -> Self {
        Self { mode, speed: speed.max(0.0), base: start, since: Instant::now() }
    }

    pub(crate) fn mode(&self) -> Advance {
        self.mode
    }

    pub(crate) fn speed(&self) -> f64 {
        self.speed
    }

    pub(crate) fn now(&self) -> SimTime {
        match self.mode {
            Advance::Clock => self.base.plus((self.since.elapsed().as_secs_f64() * self.speed * 1e6).round() as i64),
            Advance::Poll | Advance::Manual => self.base,
        }
    }

    /// Changes pace or mode; the present moment stays what it is.
    pub(crate) fn set(&mut self, mode: Option<Advance>, speed: Option<f64>) {
        self.base = self.now();
        self.since = Instant::now();
        self.mode = mode.unwrap_or(self.mode);
        self.speed = speed.unwrap_or(self.speed).max(0.0);
    }

    pub(crate) fn jump(&mut self, micros: i64) {
        self.base = self.base.plus(micros.max(0));
    }

    /// Moves forward to `time`; never back.
    pub(crate) fn jump_to(&mut self, time: SimTime) {
        self.jump(time.since(self.now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    #[test]
    fn stands_still_until_moved() {
        let start = SimTime::from_micros(5 * SECOND);
        let mut clock = Clock::new(Advance::Manual, 60.0, start);
        assert_eq!(clock.now(), start);
        clock.jump(SECOND);
        assert_eq!(clock.now(), start.plus(SECOND));
        clock.jump_to(start);
        assert_eq!(clock.now(), start.plus(SECOND), "time never runs backwards");
    }

    #[test]
    fn a_change_of_pace_keeps_the_present() {
        let start = SimTime::from_micros(0);
        let mut clock = Clock::new(Advance::Clock, 0.0, start);
        clock.jump(7 * SECOND);
        clock.set(Some(Advance::Manual), None);
        assert_eq!(clock.now(), start.plus(7 * SECOND));
    }
}
