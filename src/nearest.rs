//! The known word that a wrong one is most likely meant to be.

/// The known word that is nearest to `word` in whatever case, if at most a third of the letters of the longer one differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &known.to_lowercase());
    let longer = |known: &str| known.chars().count().max(word.chars().count());
    let near = known.into_iter().filter(|known| distance(known) * 3 <= longer(known));
    near.min_by_key(|known| distance(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_is_near() {
        for (word, known, expected) in [
            ("FLAVR", &["STAGE", "FLAVOR"][..], Some("FLAVOR")),
            ("deplyo-prod", &["deploy-prod", "deploy-test"], Some("deploy-prod")),
            ("prd", &["test", "prod"], Some("prod")),
            ("IOS-Relaese", &["android", "ios-release"], Some("ios-release")),
            ("WY", &["WHY"], Some("WHY")),
            ("ab", &["xy", "abcd"], None),
            ("y", &["x"], None),
        ] {
            assert_eq!(nearest(word, known.iter().copied()), expected, "{word}");
        }
    }
}
