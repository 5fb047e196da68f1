//! What holds for every value on a command line.

use super::values::{duration, variable};
use crate::random_tests::fuzz;

#[test]
fn every_value_is_read_or_refused_in_one_line() {
    fuzz("text", |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for refused in [duration(&text).err(), variable(&text).err()].into_iter().flatten() {
            assert_eq!(refused.code(), crate::error::ExitCode::Usage, "{text:?}");
        }
    });
}
