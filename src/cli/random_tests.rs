//! What holds for every value on a command line.

use super::values::{duration, variable};
use crate::random_tests::{rounds, text};

#[test]
fn every_value_is_read_or_refused_in_one_line() {
    rounds(|random| {
        let text = text(random);
        for refused in [duration(&text).err(), variable(&text).err()].into_iter().flatten() {
            assert_eq!(refused.code(), crate::error::ExitCode::Usage, "{text:?}");
        }
    });
}
