//! Text of any length in pieces of a bounded one. Pure: no stream, no output.

/// Cuts text that comes in chunks into lines, and lines longer than a limit into pieces.
///
/// A log may be one line of gigabytes; nothing here grows with it.
pub struct Lines {
    limit: usize,
    /// The piece that is not complete yet.
    rest: Vec<u8>,
}

impl Lines {
    /// Pieces of at most `limit` bytes, at least four: the length of the longest character.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(4), rest: Vec::new() }
    }

    /// Takes in a chunk. `take` gets each piece that is complete by now, without the line feed, and whether a line
    /// ends with it.
    pub fn push(&mut self, chunk: &[u8], take: &mut dyn FnMut(&[u8], bool)) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            while self.rest.len() + text.len() > self.limit {
                let (now, later) = text.split_at(self.limit - self.rest.len());
                self.rest.extend_from_slice(now);
                text = later;
                let end = whole_characters(&self.rest);
                take(&self.rest[..end], false);
                self.rest.drain(..end);
            }
            self.rest.extend_from_slice(text);
            if ends {
                take(&self.rest, true);
                self.rest.clear();
            }
        }
    }

    /// Hands out what is left at the end of the text.
    pub fn finish(&mut self, take: &mut dyn FnMut(&[u8], bool)) {
        if !self.rest.is_empty() {
            take(&self.rest, true);
            self.rest.clear();
        }
    }
}

/// The end of the last whole UTF-8 character, or of the text where it is not UTF-8.
fn whole_characters(text: &[u8]) -> usize {
    let length = |lead: u8| match lead {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => 1,
    };
    let tail = text.len().saturating_sub(3)..text.len();
    tail.rev().find(|at| at + length(text[*at]) > text.len()).filter(|at| *at > 0).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(limit: usize, chunk: usize, text: &str) -> Vec<(String, bool)> {
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        let mut take = |piece: &[u8], ends| found.push((String::from_utf8(piece.to_vec()).unwrap(), ends));
        for chunk in text.as_bytes().chunks(chunk) {
            lines.push(chunk, &mut take);
        }
        lines.finish(&mut take);
        found
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text = "one\r\n\ntwo\nüüü🚀\nthe last";
        for chunk in 1..text.len() {
            let found = pieces(64, chunk, text);
            let lines: Vec<&str> = found.iter().map(|(line, _)| line.as_str()).collect();
            assert_eq!(lines, ["one\r", "", "two", "üüü🚀", "the last"], "{chunk}");
            assert!(found.iter().all(|(_, ends)| *ends));
        }
    }

    #[test]
    fn long_lines_come_in_pieces_of_whole_characters() {
        let text = "aü🚀".repeat(100) + "\nshort\n";
        for limit in 4..20 {
            for chunk in [1, 3, 7, 1000] {
                let found = pieces(limit, chunk, &text);
                assert!(found.iter().all(|(piece, _)| piece.len() <= limit));
                let again: String =
                    found.iter().map(|(piece, ends)| piece.clone() + if *ends { "\n" } else { "" }).collect();
                assert_eq!(again, text, "{limit} {chunk}");
            }
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut lines = Lines::new(4096);
        let mut bytes = 0;
        for _ in 0..100_000 {
            lines.push(&[b'x'; 1000], &mut |piece, _| bytes += piece.len());
            assert!(lines.rest.capacity() <= 16 * 1024);
        }
        lines.finish(&mut |piece, _| bytes += piece.len());
        assert_eq!(bytes, 100_000_000);
    }
}
