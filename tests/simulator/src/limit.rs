//! The limit of requests per key: buckets that are really enforced. Pure.

use crate::config::RateLimit;
use std::collections::HashMap;

/// What a bucket says after a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Allowance {
    pub(crate) allowed: bool,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Seconds until the window ends.
    pub(crate) reset_seconds: f64,
}

#[derive(Debug)]
struct Bucket {
    since: f64,
    used: u64,
}

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Buckets(HashMap<String, Bucket>);

impl Buckets {
    /// Takes one request out of the bucket `name` at `now` seconds.
    pub(crate) fn take(&mut self, name: &str, rules: &RateLimit, now: f64) -> Allowance {
        let bucket = self.0.entry(name.to_owned()).or_insert(Bucket { since: now, used: 0 });
        if now - bucket.since >= rules.window_seconds {
            *bucket = Bucket { since: now, used: 0 };
        }
        let allowed = bucket.used < rules.limit;
        bucket.used += u64::from(allowed);
        Allowance {
            allowed,
            limit: rules.limit,
            remaining: rules.limit - bucket.used,
            reset_seconds: (bucket.since + rules.window_seconds - now).max(0.0),
        }
    }

    /// How many requests each bucket gave in its present window.
    pub(crate) fn used(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, bucket)| (name.as_str(), bucket.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_until_the_window_ends() {
        let rules = RateLimit { limit: 2, window_seconds: 10.0, ..RateLimit::default() };
        let mut buckets = Buckets::default();
        let mut take = |name: &str, now: f64| {
            let a = buckets.take(name, &rules, now);
            (a.allowed, a.remaining, a.reset_seconds as u64)
        };
        assert_eq!(take("a", 0.0), (true, 1, 10));
        assert_eq!(take("a", 1.0), (true, 0, 9));
        assert_eq!(take("a", 4.0), (false, 0, 6));
        assert_eq!(take("b", 4.0), (true, 1, 10));
        assert_eq!(take("a", 10.0), (true, 1, 10));
    }
}
