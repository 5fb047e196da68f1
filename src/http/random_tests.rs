//! What holds for every address and every header.

use super::rate_limit::{LONGEST_WAIT, RateLimit, parse_http_date, retry_after};
use super::url::without_secrets;
use super::{Segment, Url, query};
use crate::random_tests::{rounds, text};

#[test]
fn an_address_is_refused_or_is_one_whatever_it_is_joined_with() {
    let base = Url::parse("https://a.example/x/y?z=1").unwrap();
    rounds(|random| {
        let reference = text(random);
        if let Ok(url) = Url::parse(&reference) {
            assert_eq!(Url::parse(&url.to_string()).as_ref().map(ToString::to_string), Ok(url.to_string()));
            assert!(!url.host().is_empty() && !url.to_string().contains('@'), "{url}");
        }
        if let Ok(url) = base.join(&reference) {
            assert!(url.to_string().is_ascii() && !url.to_string().contains([' ', '\n', '\r']), "{url}");
        }
        if let Ok(url) = base.below(&format!("/{reference}")) {
            assert_eq!(url.host(), "a.example", "{reference:?}");
        }
        let shown = without_secrets(&format!("https://user:p4ssw0rd@a.example/{reference}"));
        assert!(!shown.contains("p4ssw0rd"), "{shown}");
    });
}

#[test]
fn a_segment_and_a_query_keep_their_place() {
    rounds(|random| {
        let text = text(random);
        if let Some(segment) = Segment::new(&text) {
            let segment = segment.to_string();
            assert!(!segment.is_empty() && !segment.contains(['/', '?', '#', ' ']), "{segment}");
            assert!(![".", ".."].contains(&segment.as_str()), "{text:?}");
        }
        let pairs = query([("name", text.as_str()), ("last", "1")]);
        assert!(
            pairs.ends_with("&last=1") && pairs.matches('&').count() == 1 && pairs.matches('=').count() == 2,
            "{pairs}"
        );
    });
}

#[test]
fn no_header_makes_a_wait_longer_than_an_hour() {
    rounds(|random| {
        let values: Vec<String> = (0..6).map(|_| text(random)).collect();
        let header = |name: &str| {
            let names = ["retry-after", "ratelimit-reset", "x-ratelimit-reset", "ratelimit-remaining", "date", "x"];
            names.iter().position(|known| *known == name).map(|at| values[at].as_str())
        };
        assert!(retry_after(header).is_none_or(|wait| wait <= LONGEST_WAIT), "{values:?}");
        assert!(RateLimit::read(header).is_none_or(|limit| limit.reset <= LONGEST_WAIT), "{values:?}");
        parse_http_date(&values[0]);
    });
}
