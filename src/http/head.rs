//! Response heads with more headers than ureq reads.
//!
//! ureq-proto parses at most 128 headers (`MAX_RESPONSE_HEADERS` in 0.7.1) and takes more for an invalid response.
//! Some gateways send hundreds (one `Set-Cookie` or `Link` each), and an answer to a start must not be lost for that.
//! So the superfluous lines of such a head are taken out of the input buffer before ureq sees it.

use ureq::unversioned::transport::Buffers;

/// Lines that are passed on; below the limit of ureq-proto.
const MAX_LINES: usize = 120;

/// Headers that decide how the response is read; they are kept wherever they are.
const NEEDED: [&str; 20] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "location",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "transfer-encoding",
    "x-jenkins",
    "x-more-data",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-text-size",
];

/// What the input buffer holds of a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadState {
    /// Few lines, maybe not all: ureq can parse them and asks for more.
    Usable,
    /// More lines than ureq parses, and not all of them yet.
    Incomplete,
    /// The whole head, with as many lines as ureq parses.
    Complete,
}

/// Looks at the beginning of the input, and shortens a complete head that is too long.
pub(super) fn prepare(buffers: &mut dyn Buffers) -> HeadState {
    let input = buffers.input();
    let Some(end) = end_of_head(input) else {
        return if has_many_lines(input) { HeadState::Incomplete } else { HeadState::Usable };
    };
    if has_many_lines(&input[..end]) {
        let mut shortened = shorten(&input[..end]);
        shortened.extend_from_slice(&input[end..]);
        let length = input.len();
        buffers.input_consume(length);
        buffers.input_append_buf()[..shortened.len()].copy_from_slice(&shortened);
        buffers.input_appended(shortened.len());
    }
    // An interim response (1xx) is followed by another head.
    if buffers.input().get(9) == Some(&b'1') { HeadState::Usable } else { HeadState::Complete }
}

/// Whether there are more lines than are passed on.
fn has_many_lines(input: &[u8]) -> bool {
    input.iter().filter(|byte| **byte == b'\n').nth(MAX_LINES).is_some()
}

/// The length of the head with its empty line.
fn end_of_head(input: &[u8]) -> Option<usize> {
    let crlf = input.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4);
    let lf = input.windows(2).position(|bytes| bytes == b"\n\n").map(|at| at + 2);
    match (crlf, lf) {
        (Some(crlf), Some(lf)) => Some(crlf.min(lf)),
        (crlf, lf) => crlf.or(lf),
    }
}

/// The head with its status line, every needed header, and of the others as many as there is room for.
fn shorten(head: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = head.split_inclusive(|byte| *byte == b'\n').collect();
    let is_needed = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        NEEDED.iter().any(|needed| needed.as_bytes().eq_ignore_ascii_case(name))
    };
    let needed = lines.iter().filter(|line| is_needed(line)).count();
    // The status line and the empty line at the end are no headers.
    let mut room = (MAX_LINES - 2).saturating_sub(needed);
    let mut shortened = Vec::with_capacity(head.len());
    for (number, line) in lines.iter().enumerate() {
        let is_frame = number == 0 || number + 1 == lines.len();
        if is_frame || is_needed(line) {
            shortened.extend_from_slice(line);
        } else if room > 0 {
            room -= 1;
            shortened.extend_from_slice(line);
        }
    }
    shortened
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    fn checked(input: &str) -> (HeadState, String) {
        let mut buffers = LazyBuffers::new(64 * 1024, 1024);
        buffers.input_append_buf()[..input.len()].copy_from_slice(input.as_bytes());
        buffers.input_appended(input.len());
        let state = prepare(&mut buffers);
        (state, String::from_utf8(buffers.input().to_vec()).unwrap())
    }

    fn many(count: usize) -> String {
        let lines: Vec<String> = (0..count).map(|n| format!("x-{n}: a\r\n")).collect();
        lines.concat()
    }

    #[test]
    fn a_short_head_is_left_as_it_is() {
        for (input, state) in [
            ("HTTP/1.1 200 OK\r\na: b\r\n\r\nbody", HeadState::Complete),
            ("HTTP/1.1 200 OK\na: b\n\nbody", HeadState::Complete),
            ("HTTP/1.1 200 OK\r\na: b\r\n", HeadState::Usable),
            ("HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n", HeadState::Usable),
        ] {
            assert_eq!(checked(input), (state, input.to_owned()));
        }
    }

    #[test]
    fn a_long_head_keeps_what_is_needed_and_the_body() {
        let head = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 4\r\n", many(300));
        assert_eq!(checked(&head).0, HeadState::Incomplete);
        let (state, input) = checked(&format!("{head}\r\nbody"));
        assert_eq!(state, HeadState::Complete);
        assert!(input.starts_with("HTTP/1.1 200 OK\r\nx-0: a\r\n"));
        assert!(input.ends_with("\r\nContent-Length: 4\r\n\r\nbody"));
        assert_eq!(input.lines().count(), MAX_LINES + 1, "{input}");
    }
}
