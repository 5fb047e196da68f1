//! Reading JSON whose shape somebody else decides.
//!
//! Published schemas and real answers disagree in both directions, so a value that is missing, null or of another type
//! is absent, and an odd entry of a list hides no other. Shapes are declared as structs with `serde` derive and
//! `#[serde(default)]`, whose fields are [`Field`], [`Object`], [`List`] and [`Texts`]. Nothing is buffered but what a
//! struct names: memory does not grow with the parts of an answer that nobody reads. Pure; must know no provider.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::CowStrDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// The most entries of one list that are kept. Services give a hundred for each page that is asked for.
const MOST_ENTRIES: usize = 10_000;

/// An answer of more bytes is not copied.
const LARGE: usize = 1024 * 1024;

/// The longest text that is kept, in bytes.
const LONGEST_TEXT: usize = 256 * 1024;

/// Reads a JSON object into a struct of lenient fields; `None` if the bytes are not one JSON object.
///
/// A byte order mark, bytes that are not UTF-8 and escapes of lone surrogates (`\udce9`: half a character, as a cut
/// message or a file name on the service's side produces them) do not make an answer unreadable.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice::<Object<T>>(&lossy(bytes)).ok()?.0
}

/// The same for bytes that nobody else reads as text. A large answer is not copied: what is no character is replaced in
/// place, by `?` where there is no room for the replacement character.
pub fn parse_in_place<T: DeserializeOwned>(bytes: &mut [u8]) -> Option<T> {
    if bytes.len() > LARGE {
        replace_invalid(bytes);
    }
    parse(bytes)
}

/// The bytes as UTF-8 in which every `\u` escape means a character, without a byte order mark.
pub fn lossy(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut text = match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    if next_lone_surrogate(&text, 0).is_some() {
        replace_invalid(text.to_mut());
    }
    text
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
    /// Whether there is a list at all, perhaps an empty one.
    pub given: bool,
    /// Whether there is something else in its place.
    pub mistyped: bool,
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
        Self { entries: Vec::new(), given: false, mistyped: false }
    }
}

impl<T> List<T> {
    fn mistyped() -> Self {
        Self { mistyped: true, ..Self::default() }
    }
}

impl Field<String> {
    /// The text, borrowed.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// What a [`Field`] can hold.
pub trait Scalar: Sized {
    /// From a text.
    fn from_text(_: &str) -> Option<Self> {
        None
    }
    /// From a whole number that is not negative.
    fn from_number(_: u64) -> Option<Self> {
        None
    }
    /// From any other number.
    fn from_float(_: f64) -> Option<Self> {
        None
    }
    /// From `true` or `false`.
    fn from_flag(_: bool) -> Option<Self> {
        None
    }
}

impl Scalar for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text[..text.floor_char_boundary(LONGEST_TEXT)].to_owned())
    }
}

impl Scalar for u64 {
    fn from_number(number: u64) -> Option<Self> {
        Some(number)
    }
}

impl Scalar for f64 {
    fn from_number(number: u64) -> Option<Self> {
        Some(number as Self)
    }
    fn from_float(number: f64) -> Option<Self> {
        Some(number)
    }
}

impl Scalar for bool {
    fn from_flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Scalar> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData)).map(Self)
    }
}

impl<'de, T: Scalar> Visitor<'de> for FieldVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::from_number(number))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(T::from_float(number as f64))
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(T::from_float(number))
    }
    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(T::from_flag(flag))
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(|()| None)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        skip_object(object).map(|()| None)
    }
}

/// Writes the methods of a visitor that takes no number or boolean, and perhaps no text.
macro_rules! no_scalar {
    () => {
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        no_scalar!(but text);
    };
    (but text) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    no_scalar!();
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(|()| Object(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(FirstOfEach(object)).map(|object| Object(Some(object)))
    }
}

struct TextOrVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrVisitor<T> {
    type Value = TextOr<T>;

    no_scalar!(but text);
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(String::from_text(text).map_or(TextOr::Absent, TextOr::Text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(|()| TextOr::Absent)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(FirstOfEach(object)).map(TextOr::Object)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(List::mistyped())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(List::mistyped())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(List::mistyped())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(List::mistyped())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(List::mistyped())
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while entries.len() < MOST_ENTRIES {
            let Some(Object(entry)) = list.next_element()? else {
                return Ok(List { entries, given: true, mistyped: false });
            };
            entries.extend(entry);
        }
        skip_list(list).map(|()| List { entries, given: true, mistyped: false })
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        skip_object(object).map(|()| List::mistyped())
    }
}

struct TextsVisitor;

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    no_scalar!();
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while texts.len() < MOST_ENTRIES {
            let Some(Field(text)) = list.next_element()? else { return Ok(Texts(texts)) };
            texts.extend(text);
        }
        skip_list(list).map(|()| Texts(texts))
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        skip_object(object).map(|()| Texts::default())
    }
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// An object whose repeated keys do not count: a derived struct refuses them, JSON does not.
struct FirstOfEach<A>(A);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for FirstOfEach<A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(KnownFields { object: self.0, unseen: fields.to_vec() })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct KnownFields<A> {
    object: A,
    unseen: Vec<&'static str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KnownFields<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.object.next_key::<Cow<'de, str>>()? {
            if let Some(at) = self.unseen.iter().position(|field| *field == key) {
                self.unseen.swap_remove(at);
                return seed.deserialize(CowStrDeserializer::new(key)).map(Some);
            }
            self.object.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.object.next_value_seed(seed)
    }
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
        ] {
            let shape: Shape = parse(bytes).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(bytes)));
            assert_eq!(shape.text.text(), Some(expected), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_large_answer_is_read_in_place() {
        let mut bytes = b"{\"text\": \"caf\xe9 \\udce9\", \"else\": \"".to_vec();
        bytes.resize(LARGE + 1, b'\xe9');
        bytes.extend(b"\", \"number\": 7}");
        let shape: Shape = parse_in_place(&mut bytes).unwrap();
        assert_eq!((shape.text.text(), shape.number.0), (Some("caf? \u{fffd}"), Some(7)));
    }

    #[test]
    fn what_is_not_one_json_object_is_no_answer() {
        for text in ["", "null", "[]", "7", "\"text\"", "{", "{\"text\": \"a\"} {", "<html>", "{\"text\": \"\\ud8"] {
            assert_eq!(parse::<Shape>(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_longer_than_anybody_reads_is_cut() {
        let shape = read(&format!(
            r#"{{"text": "a{}", "list": [{}{{}}]}}"#,
            "é".repeat(LONGEST_TEXT),
            "{},".repeat(MOST_ENTRIES)
        ));
        assert_eq!(
            (shape.text.0.map(|text| text.len()), shape.list.entries.len()),
            (Some(LONGEST_TEXT - 1), MOST_ENTRIES)
        );
    }
}
