//! What holds for every log, however it comes.

use super::html_text::HtmlText;
use super::lines::Lines;
use crate::random_tests::{choices, fuzz, pieces};

#[test]
fn a_log_in_html_is_the_same_text_however_it_is_cut() {
    fuzz("log", |log: &[u8]| {
        let read = |pieces: &[&[u8]]| {
            let (mut html, mut out) = (HtmlText::default(), Vec::new());
            for piece in pieces {
                html.feed(piece, &mut out);
            }
            html.end(&mut out);
            out
        };
        let cut = pieces(&mut choices(log), log);
        assert_eq!(read(&cut), read(&[log]), "{}", String::from_utf8_lossy(log));
    });
}

#[test]
fn lines_lose_nothing_and_are_never_longer_than_the_limit() {
    fuzz("log", |log: &[u8]| {
        let mut random = choices(log);
        let limit = random.usize(4..40);
        let (mut lines, mut joined) = (Lines::new(limit), Vec::new());
        let mut take = |piece: &[u8], ends: bool| {
            assert!(piece.len() <= limit);
            joined.extend_from_slice(piece);
            if ends {
                joined.push(b'\n');
            }
        };
        for piece in pieces(&mut random, log) {
            lines.push(piece, &mut take);
        }
        lines.finish(&mut take);
        let whole = if log.is_empty() || log.ends_with(b"\n") { log.to_vec() } else { [log, b"\n"].concat() };
        assert_eq!(joined, whole);
    });
}
