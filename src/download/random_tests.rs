//! What holds for the names of all files.

use std::collections::HashSet;

use super::file_name::{distinct_file_names, file_name};
use crate::random_tests::fuzz;

#[test]
fn every_name_of_a_file_is_safe_and_its_own() {
    fuzz("text", |bytes: &[u8]| {
        // The same name twice, and names that may be the same for a file system.
        let text = String::from_utf8_lossy(bytes);
        let (half, other) = text.split_at(text.floor_char_boundary(text.len() / 2));
        let names = [half, &half.to_uppercase(), other, half, &text].map(str::to_owned);
        let files = distinct_file_names(names.iter().map(String::as_str));
        let distinct: HashSet<String> = files.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!((files.len(), distinct.len()), (names.len(), names.len()), "{names:?} {files:?}");
        for file in &files {
            assert!(!file.is_empty() && file.len() <= 255 && !file.starts_with(['.', '-', ' ']), "{file:?}");
            assert!(!file.ends_with(['.', ' ']) && !file.contains(['/', '\\', ':']), "{file:?}");
            assert!(!file.chars().any(char::is_control), "{file:?}");
            // A number may make it longer than a name is at first.
            assert!(file.len() > 200 || file_name(file) == *file, "a safe name stays as it is: {file:?}");
        }
    });
}
