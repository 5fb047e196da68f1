//! Text out of a log that is served as HTML: Jenkins' annotated live log, and the step logs of Codemagic.
//!
//! A streaming reader in constant memory: bytes come in pieces of any size. It must not know where a log comes from.

/// The longest beginning of a tag that is looked at; the rest of it is dropped unseen.
const TAG_HEAD: usize = 128;

/// The longest entity that is decoded, e.g. `&#x10FFFF;`.
const ENTITY: usize = 12;

/// Decodes HTML to the text that it shows: tags are dropped, entities are decoded once, CRLF becomes LF.
///
/// Jenkins escapes `<`, `>` and `&` of the stored log (`hudson.Util#xmlEscape`), so every tag was added by an annotator.
/// Text that an annotator adds is not part of the log and is dropped as well: Timestamper's
/// `<span class="timestamp">` and the `<summary class="collapseHeader">` of Collapsing Console Sections. What a style
/// merely hides (`<span style="display: none">`) is log text. Codemagic wraps lines in `<span style="color:…">` and
/// escapes quotes too.
#[derive(Debug, Default)]
pub struct HtmlText {
    state: TagState,
    line_ends: LineEnds,
    /// The beginning of a tag or of what may be an entity.
    held: Vec<u8>,
    /// Open elements of the annotation that is being dropped: the outer one and those of the same name in it.
    dropped: Option<(Vec<u8>, usize)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum TagState {
    #[default]
    Text,
    /// After `<`: a tag, or text that begins with it.
    Opened,
    Tag,
    Entity,
}

impl HtmlText {
    /// Reads a piece, and appends its text to `out`.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() {
            // What no byte of it ends is taken as a whole: nearly all of a log.
            let end = match self.state {
                TagState::Text => memchr::memchr2(b'<', b'&', rest).unwrap_or(rest.len()),
                TagState::Tag => memchr::memchr(b'>', rest).unwrap_or(rest.len()),
                TagState::Opened | TagState::Entity => 0,
            };
            let (run, after) = rest.split_at(end);
            match self.state {
                TagState::Tag => self.held.extend(run.iter().take(TAG_HEAD.saturating_sub(self.held.len()))),
                _ => self.text(run, out),
            }
            let Some((byte, after)) = after.split_first() else { return };
            self.byte(*byte, out);
            rest = after;
        }
    }

    /// Appends what was held back, at the end of the input.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if matches!(self.state, TagState::Entity | TagState::Opened) {
            let held = std::mem::take(&mut self.held);
            self.text(&held, out);
        }
        self.line_ends.end(out);
        *self = Self::default();
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            TagState::Text => match byte {
                b'<' => self.hold(TagState::Opened, byte),
                b'&' => self.hold(TagState::Entity, byte),
                byte => self.text(&[byte], out),
            },
            TagState::Opened => {
                self.held.push(byte);
                if byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!') {
                    self.state = TagState::Tag;
                } else {
                    self.release(out);
                }
            }
            TagState::Tag => {
                self.state = TagState::Text;
                self.tag();
            }
            TagState::Entity => {
                self.held.push(byte);
                if byte == b';' || self.held.len() > ENTITY || !(byte.is_ascii_alphanumeric() || byte == b'#') {
                    self.entity(out);
                }
            }
        }
    }

    fn hold(&mut self, state: TagState, byte: u8) {
        self.held.clear();
        self.held.push(byte);
        self.state = state;
    }

    /// What was held is text; its last byte may itself begin a tag or an entity.
    fn release(&mut self, out: &mut Vec<u8>) {
        self.state = TagState::Text;
        let held = std::mem::take(&mut self.held);
        let Some((last, first)) = held.split_last() else { return };
        self.text(first, out);
        self.byte(*last, out);
    }

    /// A tag is complete: it may begin or end an annotation whose text is dropped.
    fn tag(&mut self) {
        let tag = self.held.strip_prefix(b"<").unwrap_or_default();
        let (closes, tag) = tag.strip_prefix(b"/").map_or((false, tag), |tag| (true, tag));
        let length = tag.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let (name, attributes) = tag.split_at(length);
        match &mut self.dropped {
            Some((outer, depth)) if outer == name => {
                *depth = if closes { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    self.dropped = None;
                }
            }
            None if !closes && is_annotation(name, attributes) => self.dropped = Some((name.to_vec(), 1)),
            _ => {}
        }
        self.held.clear();
    }

    fn entity(&mut self, out: &mut Vec<u8>) {
        let Some(decoded) = decode_entity(&self.held) else { return self.release(out) };
        self.text(decoded.encode_utf8(&mut [0; 4]).as_bytes(), out);
        self.held.clear();
        self.state = TagState::Text;
    }

    fn text(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        if self.dropped.is_some() {
            // An annotation is a part of one line: without its end tag it must not take the rest of the log with it.
            let Some(line_end) = memchr::memchr(b'\n', text) else { return };
            self.dropped = None;
            text = &text[line_end..];
        }
        self.line_ends.feed(text, out);
    }
}

/// Whether an element holds text that an annotator added to the log.
fn is_annotation(name: &[u8], attributes: &[u8]) -> bool {
    let has = |class: &str| {
        let attributes = String::from_utf8_lossy(attributes);
        ['"', '\''].iter().any(|quote| attributes.contains(&format!("class={quote}{class}{quote}")))
    };
    name == b"span" && has("timestamp") || name == b"summary" && has("collapseHeader")
}

fn decode_entity(entity: &[u8]) -> Option<char> {
    let name = std::str::from_utf8(entity.strip_prefix(b"&")?.strip_suffix(b";")?).ok()?;
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// Turns CRLF into LF, over the borders of pieces too. Jenkins sends every LF of a log as CRLF.
#[derive(Debug, Default)]
pub struct LineEnds {
    /// A carriage return that may belong to the next byte.
    carriage: bool,
}

impl LineEnds {
    /// Reads a piece, and appends its text to `out`.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let Some(first) = piece.first() else { return };
        if std::mem::take(&mut self.carriage) && *first != b'\n' {
            out.push(b'\r');
        }
        let mut start = 0;
        for carriage in memchr::memchr_iter(b'\r', piece) {
            match piece.get(carriage + 1) {
                Some(b'\n') => {}
                Some(_) => continue,
                None => self.carriage = true,
            }
            out.extend_from_slice(&piece[start..carriage]);
            start = carriage + 1;
        }
        out.extend_from_slice(&piece[start..]);
    }

    /// Appends a carriage return that was held back, at the end of the input.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.carriage) {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]]) -> String {
        let (mut reader, mut out) = (HtmlText::default(), Vec::new());
        for piece in pieces {
            reader.feed(piece, &mut out);
        }
        reader.end(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Checks that a document has this text wherever it is cut into pieces.
    fn check(html: &str, text: &str) {
        let bytes = html.as_bytes();
        assert_eq!(decoded(&[bytes]), text);
        for at in 0..bytes.len() {
            for then in [at, (at + 1).min(bytes.len()), (at + 7).min(bytes.len())] {
                assert_eq!(decoded(&[&bytes[..at], &bytes[at..then], &bytes[then..]]), text, "{at} {then}");
            }
        }
    }

    #[test]
    fn html_becomes_the_stored_text_wherever_it_is_cut() {
        check(
            "Started by user <a href='/user/dev' class='x'>dev</a>\r\n<span class=\"pipeline-new-node\" label=\"a &gt; b\">\
             [Pipeline] sh\r\n</span>if (a &lt; b &amp;&amp; c &gt; d) ü 🚀 &amp;lt; & x &unknown; &am\r\nhalf \r way\r",
            "Started by user dev\n[Pipeline] sh\nif (a < b && c > d) ü 🚀 &lt; & x &unknown; &am\nhalf \r way\r",
        );
    }

    #[test]
    fn text_that_annotators_add_is_not_log() {
        check(
            "<span class=\"timestamp\"><b>10:00:00</b> </span><span style=\"display: none\">[2026-07-26T10:00:00.123Z]</span> \
             line <span class='timestamp'>a<span>b</span>c</span>1\r\n\
             <details class=\"collapsingSection\" ><summary class=\"collapseHeader\">Compile</summary><div>+ make\r\n\
             done</div></details>\r\n<span class=\"timestamp\">never closed\r\nend",
            "[2026-07-26T10:00:00.123Z] line 1\n+ make\ndone\n\nend",
        );
    }

    #[test]
    fn entities_of_other_encoders_are_decoded_and_what_only_looks_like_html_stays() {
        check(
            "<span style=\"color:#268BD2\">&gt; gem &#39;^x$&#39; &quot;ok&quot; &#x1F680;</span>\nList&lt;String&gt; 1 < 2 <= 3 <",
            "> gem '^x$' \"ok\" 🚀\nList<String> 1 < 2 <= 3 <",
        );
        check("&#0xZ; &#x110000; &; &#; &&lt;", "&#0xZ; &#x110000; &; &#; &<");
    }
}
