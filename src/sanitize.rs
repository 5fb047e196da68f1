//! Remote text made safe for a console.
//!
//! Pure, and the lowest floor: it must not know where a text comes from or goes to.

/// Removes from text what could steer a terminal, hide text or begin a new line. Tabs stay.
///
/// Text may come in pieces: an escape sequence that begins in one of them ends in a later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sanitizer {
    state: EscapeState,
}

/// Where in an escape sequence (ECMA-48) the text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum EscapeState {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and intermediate bytes, e.g. `ESC (`.
    Intermediate,
    /// A control sequence, up to its final byte.
    Control,
    /// A control string, up to BEL or ST.
    String,
    /// A control string in which ESC was read, which begins ST.
    StringEscape,
}

impl Sanitizer {
    /// Whether a character belongs to the text that is shown.
    pub fn keeps(&mut self, character: char) -> bool {
        if self.state == EscapeState::Text && matches!(character, ' '..='~') {
            return true; // Nearly every character of a log.
        }
        match (self.state, character) {
            // A sequence that does not end must not take more than its line with it.
            (_, '\n') => self.state = EscapeState::Text,
            (EscapeState::String, '\u{1b}') => self.state = EscapeState::StringEscape,
            (EscapeState::Text | EscapeState::Escape | EscapeState::Intermediate | EscapeState::Control, '\u{1b}') => {
                self.state = EscapeState::Escape;
            }
            (EscapeState::Text, '\u{9b}') | (EscapeState::Escape, '[') => self.state = EscapeState::Control,
            (EscapeState::Text, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}')
            | (EscapeState::Escape, ']' | 'P' | 'X' | '^' | '_')
            | (EscapeState::StringEscape, '\u{1b}') => self.state = EscapeState::String,
            (EscapeState::Text, '\t') => return true,
            (EscapeState::Text, character) => return !is_invisible(character),
            (EscapeState::Escape | EscapeState::Intermediate, '\u{20}'..='\u{2f}') => {
                self.state = EscapeState::Intermediate;
            }
            (EscapeState::Control, '\u{20}'..='\u{3f}')
            | (EscapeState::Intermediate | EscapeState::Control, '\0'..='\u{1f}') => {}
            (EscapeState::String, character) if !matches!(character, '\u{7}' | '\u{9c}') => {}
            (EscapeState::StringEscape, character) if character != '\\' => self.state = EscapeState::String,
            // The final byte of a sequence, or the end of a string.
            (EscapeState::Escape | EscapeState::Intermediate | EscapeState::Control, '\u{30}'..='\u{7e}')
            | (EscapeState::String | EscapeState::StringEscape, _) => self.state = EscapeState::Text,
            // No sequence goes on like this, so it is text.
            (EscapeState::Escape | EscapeState::Intermediate | EscapeState::Control, character) => {
                self.state = EscapeState::Text;
                return !is_invisible(character);
            }
        }
        false
    }
}

/// How many printable ASCII characters a text begins with.
pub fn printable(text: &[u8]) -> usize {
    // Eight bytes at once, because every byte of a log comes by here.
    const ONES: u64 = 0x0101_0101_0101_0101;
    let are_printable = |bytes: &[u8; 8]| {
        let bytes = u64::from_le_bytes(*bytes);
        // The upper bit of a byte is set in one of these if it has one, is below 0x20, or is 0x7f.
        (bytes | bytes.wrapping_sub(0x20 * ONES) | bytes.wrapping_add(ONES)) & (0x80 * ONES) == 0
    };
    let whole = 8 * text.as_chunks().0.iter().take_while(|bytes| are_printable(bytes)).count();
    whole + text[whole..].iter().take_while(|byte| matches!(byte, b' '..=b'~')).count()
}

/// The first character of a text, or how many bytes at its beginning are none.
pub fn first_character(text: &[u8]) -> Option<Result<char, usize>> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some(Ok(char::from(first)));
    }
    // No character has more than four bytes.
    let chunk = text[..text.len().min(4)].utf8_chunks().next()?;
    Some(chunk.valid().chars().next().ok_or(chunk.invalid().len()))
}

/// Text without escape sequences, control characters and characters that are not seen.
pub fn sanitize(text: &str) -> String {
    let mut sanitizer = Sanitizer::default();
    text.chars().filter(|character| sanitizer.keeps(*character)).collect()
}

/// Remote text as one line of at most `limit` characters, for a message: line ends become spaces.
pub fn one_line(text: &str, limit: usize) -> String {
    let text = text.split(['\n', '\r', '\u{2028}', '\u{2029}']).map(sanitize).collect::<Vec<_>>().join(" ");
    shorten(text.split_whitespace().collect::<Vec<_>>().join(" "), limit)
}

/// A text of at most `limit` characters; `…` stands for what was cut off.
pub fn shorten(text: String, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text,
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Whether nothing is seen of a character by itself: control and format characters (Unicode `Cc`, `Cf`), line and
/// paragraph separators (`Zl`, `Zp`), and those that are ignored by default. Variation selectors stay, which choose
/// between forms of the character before them.
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_text_cannot_steer_a_terminal() {
        for (remote, shown) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{9b}31mred\u{9b}m", "red"),
            ("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\link", "xlink"),
            ("\u{1b}P1;2|data\u{1b}\\a\u{1b}_app\u{9c}b\u{9d}0;t\u{7}c", "abc"),
            ("\u{1b}(Bplain\u{1b}cx\u{1b}7y", "plainxy"),
            ("a\rb\u{8}c\u{0}\u{85}", "abc"),
            ("tab\tünï 🚀", "tab\tünï 🚀"),
            ("cut \u{1b}[", "cut "),
            ("no sequence \u{1b}[ü\u{1b}é", "no sequence üé"),
            ("\u{1b}[3\u{1b}[1mtwice", "twice"),
        ] {
            assert_eq!(sanitize(remote), shown, "{remote:?}");
        }
    }

    #[test]
    fn every_byte_is_printable_or_not_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                for other in *b" x~" {
                    let mut text = [other; 20];
                    text[at] = byte;
                    let expected = if byte == b' ' || byte.is_ascii_graphic() { 20 } else { at };
                    assert_eq!(printable(&text), expected, "{byte} {at}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_seen_is_removed() {
        let hidden = "\u{202e}\u{200b}\u{61c}\u{2028}\u{2029}\u{ad}\u{180e}\u{e0041}\u{e007f}\u{feff}\u{2066}\u{3164}";
        for character in hidden.chars() {
            assert_eq!(sanitize(&format!("name{character}gpj.exe")), "namegpj.exe", "{character:?}");
        }
        assert_eq!(sanitize("\u{2764}\u{fe0f} e\u{301}"), "\u{2764}\u{fe0f} e\u{301}");
    }

    #[test]
    fn an_escape_sequence_may_be_cut_into_pieces_and_ends_with_its_line() {
        let mut sanitizer = Sanitizer::default();
        let mut shown = String::new();
        for piece in ["a\u{1b}", "[3", "1mb\u{1b}]0;", "title", "\nc"] {
            shown.extend(piece.chars().filter(|character| sanitizer.keeps(*character)));
        }
        assert_eq!(shown, "abc");
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\r\n  b\u{2028}c\td \u{1b}[1me", 80), "a b c d e");
        assert_eq!(one_line("üüüüü", 5), "üüüüü");
        assert_eq!(one_line("üüüüüü", 5), "üüüü…");
    }
}
