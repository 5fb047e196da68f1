//! The simulated clock: it runs by a factor, or stands still until it is moved.

use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What moves builds from one status to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advance {
    /// The clock: `speed` simulated seconds in a real one.
    #[default]
    Clock,
    /// Each GET of a build moves that build to its next status after it was answered.
    Poll,
    /// Only `advance`.
    Manual,
}

#[derive(Debug)]
pub(crate) struct Clock {
    pub(crate) mode: Advance,
    pub(crate) speed: f64,
    base: SimTime,
    since: Instant,
}

impl Clock {
    pub(crate) fn new(mode: Advance, speed: f64, start: SimTime) -> Self {
        Self { mode, speed: speed.max(0.0), base: start, since: Instant::now() }
    }

    pub(crate) fn now(&self) -> SimTime {
        match self.mode {
            Advance::Clock => self.base.plus((self.since.elapsed().as_secs_f64() * self.speed * 1e6).round() as i64),
            Advance::Poll | Advance::Manual => self.base,
        }
    }

    /// Changes mode or speed; the present time stays what it is.
    pub(crate) fn set(&mut self, mode: Option<Advance>, speed: Option<f64>) {
        *self = Self::new(mode.unwrap_or(self.mode), speed.unwrap_or(self.speed), self.now());
    }

    /// Moves forward by `micros`; never back.
    pub(crate) fn jump(&mut self, micros: i64) {
        self.base = self.base.plus(micros.max(0));
    }
}
