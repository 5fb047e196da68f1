//! Where the log of a watched build goes: the console, under a heading for each step, with a limit per step.

use std::collections::VecDeque;

use crate::lifecycle::LogSink;
use crate::model::Step;
use crate::output::{Console, LogPrinter, LogTarget};

/// The longest line that is kept for a step's last lines, in bytes; the rest of it is left out.
const LONGEST_LINE: usize = 64 * 1024;

/// Shows a log on the console.
pub struct ConsoleLog {
    console: Console,
    printer: LogPrinter,
    target: LogTarget,
    /// Lines of a successful step that are shown: its last ones.
    lines: Option<usize>,
    /// The last lines of the step that is read, if it is limited.
    kept: Option<LastLines>,
}

/// The last lines of a text that comes in pieces.
#[derive(Default)]
struct LastLines {
    limit: usize,
    lines: VecDeque<Vec<u8>>,
    current: Vec<u8>,
    left_out: usize,
}

impl LastLines {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LONGEST_LINE.saturating_sub(self.current.len());
            self.current.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.lines.push_back(std::mem::take(&mut self.current));
        if self.lines.len() > self.limit {
            self.lines.pop_front();
            self.left_out += 1;
        }
    }
}

impl ConsoleLog {
    /// A log for people on stderr, or as data on stdout. `stages_only` shows the stages of a Pipeline; `lines` limits the
    /// log of a step that succeeded.
    pub fn new(console: &Console, target: LogTarget, stages_only: bool, lines: Option<usize>) -> Self {
        let printer = LogPrinter::new(console, target, stages_only);
        Self { console: console.clone(), printer, target, lines, kept: None }
    }

    fn say(&self, text: &str) {
        match self.target {
            LogTarget::Data => self.console.data(text),
            LogTarget::People => self.console.line(text),
        }
    }
}

impl LogSink for ConsoleLog {
    fn step(&mut self, step: &Step) {
        self.say(&format!("log of step {:?}:", step.name));
        let limit = self.lines.filter(|_| step.status != "failed");
        self.kept = limit.map(|limit| LastLines { limit, ..LastLines::default() });
    }

    fn write(&mut self, bytes: &[u8]) {
        match &mut self.kept {
            Some(kept) => kept.write(bytes),
            None => self.printer.feed(bytes),
        }
    }

    fn end(&mut self) {
        if let Some(mut kept) = self.kept.take() {
            if !kept.current.is_empty() {
                kept.end_line();
            }
            if kept.left_out > 0 {
                self.say(&format!(
                    "(lines left out: {}; --log-lines, or logLines in a Jenkinsfile, shows more)",
                    kept.left_out
                ));
            }
            for mut line in kept.lines {
                line.push(b'\n');
                self.printer.feed(&line);
            }
        }
        self.printer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_text_are_kept_in_whatever_pieces_it_comes() {
        let text = b"one\ntwo\nthree\nfour";
        for size in [1, 3, 100] {
            let mut last = LastLines { limit: 2, ..LastLines::default() };
            text.chunks(size).for_each(|piece| last.write(piece));
            last.end_line();
            assert_eq!(last.lines, [b"three".to_vec(), b"four".to_vec()]);
            assert_eq!(last.left_out, 2);
        }
        let mut long = LastLines { limit: 1, ..LastLines::default() };
        (0..3).for_each(|_| long.write(&vec![b'x'; LONGEST_LINE]));
        assert_eq!(long.current.len(), LONGEST_LINE);
    }
}
