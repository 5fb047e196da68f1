//! What holds for every address and every header.

use ureq::unversioned::transport::{Buffers as _, LazyBuffers};

use super::head::prepare;
use super::rate_limit::{LONGEST_WAIT, RateLimit, parse_http_date, retry_after};
use super::url::without_secrets;
use super::{Segment, Url, query};
use crate::random_tests::fuzz;

#[test]
fn an_address_is_refused_or_is_one_whatever_it_is_joined_with() {
    let base = Url::parse("https://a.example/x/y?z=1").unwrap();
    fuzz("text", move |bytes: &[u8]| {
        let reference = String::from_utf8_lossy(bytes);
        if let Ok(url) = Url::parse(&reference) {
            assert_eq!(Url::parse(&url.to_string()).as_ref().map(ToString::to_string), Ok(url.to_string()));
            let shown = url.to_string();
            let authority = shown.split('/').nth(2).unwrap_or_default();
            assert!(!url.host().is_empty() && !authority.contains('@'), "{url}");
        }
        if let Ok(url) = base.join(&*reference) {
            assert!(url.to_string().is_ascii() && !url.to_string().contains([' ', '\n', '\r']), "{url}");
        }
        if let Ok(url) = base.below(&format!("/{reference}")) {
            assert_eq!(url.host(), "a.example", "{reference:?}");
        }
        let shown = without_secrets(&format!("https://user:0th3r@a.example/{reference}"));
        assert!(!shown.contains("0th3r") || reference.contains("0th3r"), "{shown}");
    });
}

#[test]
fn a_segment_and_a_query_keep_their_place() {
    fuzz("text", |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Some(segment) = Segment::new(&text) {
            let segment = segment.to_string();
            assert!(!segment.is_empty() && !segment.contains(['/', '?', '#', ' ']), "{segment}");
            assert!(![".", ".."].contains(&segment.as_str()), "{text:?}");
        }
        let pairs = query([("name", &*text), ("last", "1")]);
        assert!(
            pairs.ends_with("&last=1") && pairs.matches('&').count() == 1 && pairs.matches('=').count() == 2,
            "{pairs}"
        );
    });
}

#[test]
fn no_header_makes_a_wait_longer_than_an_hour() {
    fuzz("text", |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        // Each line is the value of one header; the last one stands for the others.
        let values: Vec<&str> =
            text.lines().chain(std::iter::repeat(text.lines().last().unwrap_or_default())).take(7).collect();
        let header = |name: &str| {
            let names = [
                "retry-after",
                "ratelimit-reset",
                "ratelimit-limit",
                "ratelimit-remaining",
                "date",
                "x-ratelimit-reset",
                "x",
            ];
            names.iter().position(|known| *known == name).map(|at| values[at])
        };
        assert!(retry_after(header).is_none_or(|wait| wait <= LONGEST_WAIT), "{values:?}");
        assert!(RateLimit::read(header).is_none_or(|limit| limit.reset <= LONGEST_WAIT), "{values:?}");
        parse_http_date(values[0]);
    });
}

#[test]
fn a_head_of_many_lines_keeps_its_frame_and_its_body() {
    fuzz("head", |bytes: &[u8]| {
        let mut buffers = LazyBuffers::new(1 << 20, 1 << 20);
        buffers.input_append_buf()[..bytes.len()].copy_from_slice(bytes);
        buffers.input_appended(bytes.len());
        prepare(&mut buffers);
        assert!(buffers.input().len() <= bytes.len());
        assert!(bytes.ends_with(&buffers.input()[buffers.input().len().saturating_sub(1)..]));
    });
}
