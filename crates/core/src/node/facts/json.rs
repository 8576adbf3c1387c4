//! A JSON value for facts: strings are borrowed from the body, and objects are lists, since most have few keys.
//! [`serde_json::Value`] copies every string and hashes every key.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Maximum number of values in the facts of one node: a few for each neighbor, and one for each interface.
pub const MAX_VALUES: usize = 32_768;
/// Maximum number of entries of an object that are searched without an index.
const MAX_UNINDEXED: usize = 32;

/// A JSON value.
#[derive(Debug)]
pub enum Json<'a> {
    Null,
    Bool,
    /// The digits of an integer.
    Integer(String),
    /// Not a valid fact.
    Float,
    String(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// Each key once. The last value of a repeated key replaces the first, in its position.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl Json<'_> {
    /// The kind of value for messages, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool => "a boolean",
            Json::Integer(_) | Json::Float => "a number",
            Json::String(_) => "a string",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

/// The value under a key of an object.
pub fn get<'j, 'a>(object: &'j [(Cow<'a, str>, Json<'a>)], key: &str) -> Option<&'j Json<'a>> {
    let (_, value) = object.iter().find(|(name, _)| name == key)?;
    Some(value)
}

/// Why JSON is rejected.
#[derive(Debug)]
pub enum JsonError {
    Malformed(serde_json::Error),
    /// Over [`MAX_VALUES`].
    TooManyValues,
}

impl<'a> Json<'a> {
    /// Parses JSON. serde_json limits the depth to 128 levels.
    ///
    /// # Errors
    /// Invalid JSON, and more than [`MAX_VALUES`] values.
    pub fn parse(text: &'a [u8]) -> Result<Json<'a>, JsonError> {
        let left = Cell::new(MAX_VALUES);
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = Values { left: &left }.deserialize(&mut reader);
        let value = value.and_then(|value| reader.end().map(|()| value));
        value.map_err(|error| match left.get() {
            0 => JsonError::TooManyValues,
            _ => JsonError::Malformed(error),
        })
    }
}

/// Deserializes at most `left` values.
#[derive(Clone, Copy)]
struct Values<'c> {
    left: &'c Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        match self.left.get() {
            0 => return Err(D::Error::custom("too many values")),
            left => self.left.set(left - 1),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut object: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        let mut index: HashMap<Cow<'de, str>, usize> = HashMap::new();
        while let Some(Key(key)) = entries.next_key()? {
            let value = entries.next_value_seed(self)?;
            if index.is_empty() && object.len() == MAX_UNINDEXED {
                let keys = object.iter().map(|(key, _)| key.clone());
                index = keys.zip(0..).collect();
            }
            let known = if index.is_empty() {
                object.iter().position(|(name, _)| *name == key)
            } else {
                index.get(&key).copied()
            };
            match known.and_then(|known| object.get_mut(known)) {
                Some((_, old)) => *old = value,
                None => {
                    if !index.is_empty() {
                        index.insert(key.clone(), object.len());
                    }
                    object.push((key, value));
                }
            }
        }
        Ok(Json::Object(object))
    }
}

/// A key, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_repeated_key_replaces_the_first() {
        for others in [0, MAX_UNINDEXED, 2 * MAX_UNINDEXED] {
            let filling: String = (0..others).map(|n| format!("\"k{n}\":{n},")).collect();
            let text = format!("{{\"a\":1,{filling}\"\\u0061\":2,\"z\":3}}");
            let Json::Object(object) = Json::parse(text.as_bytes()).unwrap() else {
                panic!("{text} is an object");
            };
            assert_eq!(object.len(), others + 2, "{text}");
            assert!(matches!(&object[0], (key, Json::Integer(text)) if key == "a" && text == "2"));
            assert!(matches!(get(&object, "z"), Some(Json::Integer(text)) if text == "3"));
        }
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let list = |values: usize| format!("[{}]", vec!["[]"; values - 1].join(","));
        assert!(Json::parse(list(MAX_VALUES - 1).as_bytes()).is_ok());
        for values in [MAX_VALUES + 1, 4 * MAX_VALUES] {
            let parsed = Json::parse(list(values).as_bytes()).map(drop);
            assert!(matches!(parsed, Err(JsonError::TooManyValues)), "{values}");
        }
        let malformed = Json::parse(b"[1] 2").map(drop);
        assert!(matches!(malformed, Err(JsonError::Malformed(_))));
    }

    #[test]
    fn a_string_without_escapes_is_borrowed() {
        let text = r#"{"a":"b","c":"\n"}"#;
        let Json::Object(object) = Json::parse(text.as_bytes()).unwrap() else {
            panic!("{text} is an object");
        };
        assert!(matches!(
            get(&object, "a"),
            Some(Json::String(Cow::Borrowed("b")))
        ));
        assert!(matches!(get(&object, "c"), Some(Json::String(Cow::Owned(text))) if text == "\n"));
    }
}
