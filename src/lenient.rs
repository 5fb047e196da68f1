//! Reading JSON whose shape somebody else decides.
//!
//! Published schemas and real answers disagree in both directions, so a value that is missing, null or of another type
//! is absent, and an odd entry of a list hides no other. Shapes are declared as structs with `serde` derive and
//! `#[serde(default)]`, whose fields are [`Field`], [`Object`], [`List`], [`Entries`] and [`Texts`]. Nothing is copied but
//! what a struct names: memory does not grow with the parts of an answer that nobody reads. Pure; must know no provider.
//!
//! An object is split into the JSON texts of the fields that its struct names, a list into those of its entries; each of
//! them is then read by the type in its place (see [`Json`]).

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use serde_json::value::RawValue;

/// The most entries of one list that are kept. Services give a hundred for each page that is asked for.
const MOST_ENTRIES: usize = 10_000;

/// The bytes of those entries, at most: of their values, and of the texts that they are read from.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Objects and lists within each other, at most.
const DEEPEST: usize = 200;

/// An answer of more bytes is not copied.
const LARGE: usize = 1024 * 1024;

/// The longest text that is kept, and the longest list of texts, in bytes.
const LONGEST_TEXT: usize = 256 * 1024;

/// The bytes of the longest escape of a character, e.g. `\ud83d\ude00`.
const LONGEST_ESCAPE: usize = 12;

/// A byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a JSON object into a struct of lenient fields; `None` if the bytes are not one JSON object.
/// For large answers there are [`text`] and [`read_object`].
///
/// A byte order mark, bytes that are not UTF-8, control characters without an escape and escapes of lone surrogates
/// (`\udce9`: half a character, as a cut message or a file name on the service's side produces them) do not make an answer
/// unreadable.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    object(whole(&lossy(bytes))?)
}

/// Makes of an answer's bytes a text for [`read_object`], in their place; `None` if nothing can be read from them. A large answer
/// is not copied: what is no character is replaced by `?` where there is no room for the replacement character.
pub fn text(bytes: &mut Vec<u8>) -> Option<&str> {
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    if bytes.len() > LARGE {
        replace_invalid(bytes);
    }
    replace_controls(bytes);
    if let Cow::Owned(changed) = lossy(bytes) {
        *bytes = changed;
    }
    whole(bytes)
}

/// Reads a JSON object into a struct of lenient fields that may borrow from it, see [`parse`].
pub fn read_object<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    object(text.trim_ascii())
}

/// Reads a JSON list into structs of lenient fields, see [`parse`]; `None` if the bytes are not one JSON list.
pub fn parse_list<T: DeserializeOwned>(bytes: &[u8]) -> Option<Vec<T>> {
    let bytes = lossy(bytes);
    let list = serde_json::from_str::<&RawValue>(whole(&bytes)?).ok()?;
    entries(list.get()).map(kept).map(|(entries, _)| entries)
}

/// An answer as text, unless it is nested deeper than the stack allows.
fn whole(json: &[u8]) -> Option<&str> {
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' if depth == DEEPEST => return None,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while bytes.next().is_some_and(|byte| *byte != b'"' && (*byte != b'\\' || bytes.next().is_some())) {}
            }
            _ => {}
        }
    }
    std::str::from_utf8(json).ok().map(str::trim_ascii)
}

/// The bytes as UTF-8 in which every `\u` escape means a character, without control characters and a byte order mark.
pub fn lossy(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let mut text = match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    if text.iter().any(|byte| *byte < b' ') {
        replace_controls(text.to_mut());
    }
    if next_lone_surrogate(&text, 0).is_some() {
        replace_invalid(text.to_mut());
    }
    text
}

/// Between values they are white space as a space is; within a text JSON forbids them.
fn replace_controls(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte < b' ').for_each(|byte| *byte = b' ');
}

/// Replaces bytes that are not UTF-8 by `?`, and escapes of lone surrogates by the replacement character.
fn replace_invalid(bytes: &mut [u8]) {
    let mut from = 0;
    while let Err(error) = std::str::from_utf8(&bytes[from..]) {
        from += error.valid_up_to();
        let end = error.error_len().map_or(bytes.len(), |length| from + length);
        bytes[from..end].fill(b'?');
        from = end;
    }
    from = 0;
    while let Some(at) = next_lone_surrogate(bytes, from) {
        bytes[at..at + 6].copy_from_slice(br"\ufffd");
        from = at + 6;
    }
}

/// The place of the first escape at or after `from` that is one half of a surrogate pair without the other half.
/// `from` must not be inside an escape.
fn next_lone_surrogate(text: &[u8], from: usize) -> Option<usize> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(br"\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = from;
    loop {
        at += text.get(at..)?.iter().position(|byte| *byte == b'\\')?;
        at += match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => return Some(at),
            Some(_) => 6,
            None => 2,
        };
    }
}

/// A text, number or boolean; absent if it is missing or anything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<T>(pub Option<T>);

/// An object; absent if it is missing or anything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<T>(pub Option<T>);

/// The objects of a list, in order. Other entries are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T> {
    /// The objects.
    pub entries: Vec<T>,
    /// Their bytes.
    pub bytes: usize,
    /// Whether there is a list at all, perhaps an empty one.
    pub given: bool,
    /// Whether there is something else in its place.
    pub mistyped: bool,
}

/// The objects of a list that may be too many to keep: each is read when it is its turn, as often as somebody asks.
/// Other entries are left out; empty if there is no list.
#[derive(Debug)]
pub struct Entries<'de, T> {
    json: &'de str,
    entry: PhantomData<fn() -> T>,
}

/// The texts of a list, in order. Other entries are left out; empty if there is no list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

/// A text, or an object that holds one.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum TextOr<T> {
    /// It is missing or anything else.
    #[default]
    Absent,
    /// A text.
    Text(String),
    /// An object.
    Object(T),
}

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), bytes: 0, given: false, mistyped: false }
    }
}

impl<T> Clone for Entries<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Entries<'_, T> {}

impl<T> Default for Entries<'_, T> {
    fn default() -> Self {
        Self { json: NULL, entry: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> Entries<'de, T> {
    /// The objects, in order.
    pub fn iter(self) -> impl Iterator<Item = T> + use<'de, T> {
        entries(self.json).into_iter().flatten().filter_map(object)
    }
}

impl Field<String> {
    /// The text, borrowed.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The text, borrowed; empty if it is absent.
    pub fn text_or_empty(&self) -> &str {
        self.text().unwrap_or_default()
    }
}

/// What a [`Field`] can hold.
pub trait Scalar: DeserializeOwned {
    /// Reads a JSON value.
    fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl Scalar for String {
    /// A text that is longer than anybody reads is cut before it is copied; not within a character or an escape.
    fn read(json: &str) -> Option<Self> {
        if json.len() <= LONGEST_TEXT + 2 || !json.starts_with('"') {
            return serde_json::from_str(json).ok();
        }
        (0..LONGEST_ESCAPE).find_map(|back| {
            let cut = json.floor_char_boundary(LONGEST_TEXT + 1 - back);
            serde_json::from_str(&format!("{}\"", &json[..cut])).ok()
        })
    }
}

impl Scalar for u64 {}
impl Scalar for f64 {}
impl Scalar for bool {}

/// The most entries of any one list that were left out in this process, because nobody could have read so many.
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);

/// How many entries of a list were left out, at least; of the worst one, if that happened to several.
pub fn left_out() -> usize {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// Notes that so many entries of a list were left out.
pub fn note_left_out(entries: usize) {
    LEFT_OUT.fetch_max(entries, Ordering::Relaxed);
}

fn object<'de, T: Deserialize<'de>>(json: &'de str) -> Option<T> {
    sized_object(json).map(|(object, _)| object)
}

/// An object, and the bytes of the texts that it is read from.
fn sized_object<'de, T: Deserialize<'de>>(json: &'de str) -> Option<(T, usize)> {
    if !json.starts_with('{') {
        return None;
    }
    let seen = Seen { is_object: Cell::new(true), bytes: Cell::new(0) };
    let Ok(object) = T::deserialize(Json { json, seen: &seen });
    seen.is_object.get().then(|| (object, seen.bytes.get()))
}

/// The objects of a list as far as they are kept, and their bytes.
fn kept<'de, T: Deserialize<'de>>(list: impl Iterator<Item = &'de str>) -> (Vec<T>, usize) {
    let (mut kept, mut bytes, mut left_out) = (Vec::new(), 0, 0);
    for json in list.filter(|json| json.starts_with('{')) {
        if left_out == 0
            && kept.len() < MOST_ENTRIES
            && let Some((entry, size)) = sized_object(json)
        {
            let size = size + size_of::<T>();
            if bytes + size <= MOST_BYTES {
                bytes += size;
                kept.push(entry);
                continue;
            }
        }
        left_out += 1;
    }
    note_left_out(left_out);
    (kept, bytes)
}

/// Reads a field that may be anything.
pub fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    <&str>::deserialize(deserializer).map(|json| serde_json::from_str(json).unwrap_or_default())
}

impl<'de, T: Scalar> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer).map(|json| Self(T::read(json)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer).map(|json| Self(object(json)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&str>::deserialize(deserializer)?;
        Ok(String::read(json).map(Self::Text).or_else(|| object(json).map(Self::Object)).unwrap_or_default())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&str>::deserialize(deserializer)?;
        let Some(entries) = entries(json) else { return Ok(Self { mistyped: json != NULL, ..Self::default() }) };
        let (entries, bytes) = kept(entries);
        Ok(Self { entries, bytes, given: true, mistyped: false })
    }
}

impl<'de: 'a, 'a, T> Deserialize<'de> for Entries<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer).map(|json| Self { json, entry: PhantomData })
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = entries(<&str>::deserialize(deserializer)?).into_iter().flatten();
        let mut bytes = 0;
        let is_kept = |json: &&str| {
            bytes += json.len();
            bytes <= LONGEST_TEXT + 2
        };
        let texts = texts.filter(|json| json.starts_with('"')).take(MOST_ENTRIES);
        Ok(Self(texts.take_while(is_kept).filter_map(Scalar::read).collect()))
    }
}

/// The text of a field that is missing.
const NULL: &str = "null";

/// The text of one JSON value, for the type in its place: [`Field`] and its like take the text itself, a struct the texts of
/// its fields in their order. No other type can be read from it. Reading never fails, so that serde's derive makes no code
/// for failures.
struct Json<'de, 'a> {
    json: &'de str,
    seen: &'a Seen,
}

/// What a struct that is read finds out about its text.
struct Seen {
    is_object: Cell<bool>,
    /// The bytes of its fields.
    bytes: Cell<usize>,
}

impl<'de> Deserializer<'de> for Json<'de, '_> {
    type Error = Never;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Never> {
        unreachable!("a field of a wire type is none of the types of this module")
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_borrowed_str(self.json)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Never> {
        let values = members(self.json, fields).unwrap_or_else(|| {
            self.seen.is_object.set(false);
            Vec::new()
        });
        self.seen.bytes.set(values.iter().map(|json| json.len()).sum());
        visitor.visit_seq(Values { values: values.into_iter(), seen: self.seen })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The values of the fields of an object.
struct Values<'de, 'a> {
    values: std::vec::IntoIter<&'de str>,
    seen: &'a Seen,
}

impl<'de> SeqAccess<'de> for Values<'de, '_> {
    type Error = Never;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Never> {
        let Some(json) = self.values.next() else { return Ok(None) };
        seed.deserialize(Json { json, seen: self.seen }).map(Some)
    }
}

/// The error of what cannot fail.
#[derive(Debug)]
enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl serde::de::Error for Never {
    fn custom<T: fmt::Display>(why: T) -> Self {
        unreachable!("{why}")
    }
}

/// The texts of these members of a JSON object, [`NULL`] for one that it does not have. Of a repeated key the first value
/// counts.
fn members<'de>(json: &'de str, names: &'static [&'static str]) -> Option<Vec<&'de str>> {
    let mut found = vec![None; names.len()];
    let visitor = Members { names, found: &mut found };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_map(visitor).and_then(|()| deserializer.end()).ok()?;
    Some(found.into_iter().map(|json| json.unwrap_or(NULL)).collect())
}

struct Members<'a, 'de> {
    names: &'static [&'static str],
    found: &'a mut [Option<&'de str>],
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(at) = object.next_key_seed(IndexIn(self.names))? {
            match at.map(|at| &mut self.found[at]) {
                Some(found @ None) => *found = Some(object.next_value::<&RawValue>()?.get()),
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The index of a key among names.
struct IndexIn(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for IndexIn {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IndexIn {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

/// The texts of the entries of a list, which must be JSON; `None` if it is something else.
fn entries(json: &str) -> Option<impl Iterator<Item = &str>> {
    let mut rest = json.starts_with('[').then_some(json)?;
    Some(std::iter::from_fn(move || {
        // What is left begins behind an entry, or with the list's own bracket.
        let next = rest.trim_ascii_start().strip_prefix(['[', ','])?;
        let mut values = serde_json::Deserializer::from_str(next).into_iter::<&RawValue>();
        let entry = values.next()?.ok()?;
        rest = &next[values.byte_offset()..];
        Some(entry.get())
    }))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Shape {
        text: Field<String>,
        number: Field<u64>,
        time: Field<f64>,
        flag: Field<bool>,
        inner: Object<Inner>,
        list: List<Inner>,
        texts: Texts,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        id: Field<u64>,
    }

    fn read(text: &str) -> Shape {
        parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn values_of_the_declared_type_are_read() {
        let shape = read(
            r#"{"text": "a \"é\"", "number": 7, "time": 1.5, "flag": true, "inner": {"id": 1},
                "list": [{"id": 2}, {"id": 3}], "texts": ["x", "y"], "else": [[{"a": [1]}]]}"#,
        );
        let expected = Shape {
            text: Field(Some("a \"é\"".to_owned())),
            number: Field(Some(7)),
            time: Field(Some(1.5)),
            flag: Field(Some(true)),
            inner: Object(Some(Inner { id: Field(Some(1)) })),
            list: List {
                entries: vec![Inner { id: Field(Some(2)) }, Inner { id: Field(Some(3)) }],
                bytes: shape.list.bytes,
                given: true,
                mistyped: false,
            },
            texts: Texts(vec!["x".to_owned(), "y".to_owned()]),
        };
        assert_eq!(shape, expected);
    }

    #[test]
    fn missing_null_and_mistyped_values_are_absent_and_hide_no_others() {
        for odd in ["null", "[]", "{}", "[1, [2], {\"id\": {}}]", "{\"id\": {\"b\": [1]}}", "-1", "\"no\"", "false"] {
            for name in ["text", "number", "time", "flag", "inner", "list", "texts"] {
                let shape = read(&format!(r#"{{"{name}": {odd}, "number": 7, "text": "t", "last": 1}}"#));
                if name != "number" {
                    assert_eq!(shape.number.0, Some(7), "{name}: {odd}");
                }
                if name != "text" {
                    assert_eq!(shape.text.text(), Some("t"), "{name}: {odd}");
                }
            }
        }
        assert_eq!(read(r#"{"list": null}"#), Shape::default());
        assert!(read(r#"{"list": []}"#).list.given);
        assert!(read(r#"{"list": {}}"#).list.mistyped && read(r#"{"list": "x"}"#).list.mistyped);
    }

    #[test]
    fn odd_entries_hide_no_others() {
        let shape =
            read(r#"{"list": [null, {}, 7, {"id": 1}, "x", [{"id": 9}], {"id": "2"}], "texts": [1, "a", {}, "b"]}"#);
        let ids: Vec<_> = shape.list.entries.iter().map(|entry| entry.id.0).collect();
        assert_eq!(ids, [None, Some(1), None]);
        assert_eq!(shape.texts.0, ["a", "b"]);
    }

    #[test]
    fn of_a_repeated_key_the_first_value_counts() {
        assert_eq!(read(r#"{"text": "a", "x": 1, "text": "b", "x": {}}"#).text.text(), Some("a"));
    }

    #[test]
    fn bytes_that_are_no_characters_damage_only_their_own_text() {
        for (bytes, expected) in [
            (&b"{\"other\": \"caf\xe9\", \"text\": \"t\"}"[..], "t"),
            (b"{\"text\": \"caf\xe9\"}", "caf\u{fffd}"),
            (br#"{"other": "caf\udce9", "text": "t"}"#, "t"),
            (br#"{"text": "caf\udce9 \uD83D"}"#, "caf\u{fffd} \u{fffd}"),
            (br#"{"text": "\ud83d\ud83d\ude00\ude00"}"#, "\u{fffd}\u{1f600}\u{fffd}"),
            (br#"{"text": "a\\udce9 \" \\\\"}"#, "a\\udce9 \" \\\\"),
            (br#"{"text": "a\\\udce9"}"#, "a\\\u{fffd}"),
            (b"\xef\xbb\xbf {\"text\": \"t\"}", "t"),
            (b"{\n\t\"text\": \"a\tb\r\n\x00\"\r\n}", "a b   "),
        ] {
            let shape: Shape = parse(bytes).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(bytes)));
            assert_eq!(shape.text.text(), Some(expected), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_large_answer_is_read_in_place() {
        let mut bytes = b"\xef\xbb\xbf{\"text\": \"caf\xe9 \\udce9\", \"else\": \"".to_vec();
        bytes.resize(LARGE + 1, b'\xe9');
        bytes.extend(b"\", \"number\": 7}");
        let place = bytes.as_ptr();
        let shape: Shape = read_object(text(&mut bytes).unwrap()).unwrap();
        assert_eq!(bytes.as_ptr(), place);
        assert_eq!((shape.text.text(), shape.number.0), (Some("caf? \u{fffd}"), Some(7)));
    }

    #[test]
    fn what_is_not_one_json_object_is_no_answer() {
        for text in ["", "null", "[]", "7", "\"text\"", "{", "{\"text\": \"a\"} {", "<html>", "{\"text\": \"\\ud8"] {
            assert_eq!(parse::<Shape>(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_answer_may_be_nested_but_not_without_end() {
        let nested = |depth: usize| format!(r#"{{"text": "a[", "else": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(parse::<Shape>(nested(DEEPEST - 1).as_bytes()).is_some());
        assert!(parse::<Shape>(nested(DEEPEST).as_bytes()).is_none());
    }

    #[test]
    fn the_entries_of_a_list_take_little_memory_and_what_is_left_out_is_counted() {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Named {
            name: Field<String>,
        }
        let list = |name: usize, else_: usize| {
            let entry = format!(r#"{{"name":"{}","else":"{}"}},"#, "n".repeat(name), "e".repeat(else_));
            format!("[{}{{}}]", entry.repeat(9_000))
        };
        let read = |json: &str| parse_list::<Named>(json.as_bytes()).unwrap();
        assert_eq!(read(&list(100, 1000)).len(), 9_001, "what is not read does not count");
        let kept = read(&list(1000, 100));
        assert!(kept.len() < 4_200 && kept.iter().all(|entry| entry.name.0.is_some()), "{}", kept.len());
        assert!(left_out() >= 9_001 - kept.len());
    }

    #[test]
    fn what_is_longer_than_anybody_reads_is_cut() {
        let shape = read(&format!(
            r#"{{"text": "a{}", "list": [{}{{}}], "texts": [{}"last"]}}"#,
            "é".repeat(LONGEST_TEXT),
            "{},".repeat(MOST_ENTRIES),
            format!("\"{}\",", "x".repeat(LONGEST_TEXT / 4)).repeat(9)
        ));
        assert_eq!(shape.texts.0.len(), 3);
        for back in 0..14 {
            let text = format!("{}\\ud83d\\ude00 and more", "x".repeat(LONGEST_TEXT - back));
            let kept = read(&format!(r#"{{"text": "{text}"}}"#)).text.0.unwrap();
            assert!(
                kept.starts_with("xx") && (LONGEST_TEXT - 12..=LONGEST_TEXT).contains(&kept.len()),
                "{}",
                kept.len()
            );
        }
        assert_eq!(
            (shape.text.0.map(|text| text.len()), shape.list.entries.len()),
            (Some(LONGEST_TEXT - 1), MOST_ENTRIES)
        );
    }
}
