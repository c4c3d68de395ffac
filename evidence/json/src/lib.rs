#![doc = include_str!("../README.md")]

use std::cell::RefCell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// JSON values in one document. A two-byte value costs some thirty bytes in memory, hence the bound.
const MAX_VALUES: usize = 1 << 16;

/// Why a JSON document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is longer than this kind of document may be.
    #[error("{document}: at most {limit} bytes expected, found {found}")]
    TooLarge {
        /// The document.
        document: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// The length found in bytes.
        found: usize,
    },
    /// The text is not JSON, or holds more than 65,536 values, or nests too deeply.
    #[error("{document}: well-formed json expected, found otherwise at line {line} column {column}")]
    Syntax {
        /// The document.
        document: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 at the start of a line.
        column: usize,
    },
    /// One object holds a key twice.
    #[error("{document}: each key once expected, found {key:?} twice")]
    DuplicateKey {
        /// The document.
        document: &'static str,
        /// The key.
        key: String,
    },
    /// A key that this kind of document does not have.
    #[error("{document}: no other key expected, found {key:?}")]
    UnknownKey {
        /// The document.
        document: &'static str,
        /// The key.
        key: String,
    },
    /// A key that this kind of document must have.
    #[error("{document}: key {key:?} expected, found none")]
    MissingKey {
        /// The document.
        document: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A value of another type or form.
    #[error("{document}: {key:?} must be {expected}, found something else")]
    WrongType {
        /// The document.
        document: &'static str,
        /// The key.
        key: &'static str,
        /// What the value must be.
        expected: &'static str,
    },
    /// A byte string of another length.
    #[error("{document}: {expected} bytes expected in {key:?}, found {found}")]
    Length {
        /// The document.
        document: &'static str,
        /// The key.
        key: &'static str,
        /// The length expected in bytes.
        expected: usize,
        /// The length found in bytes.
        found: usize,
    },
}

/// A JSON object whose keys are taken one by one.
#[derive(Debug)]
pub struct Object {
    document: &'static str,
    entries: Map<String, Value>,
}

impl Object {
    /// The object that `text` spells, which errors call `document`.
    ///
    /// # Errors
    ///
    /// [`JsonError`] for more than `limit` bytes, for what is no strict JSON, and for what is no object.
    pub fn parse(document: &'static str, text: impl AsRef<[u8]>, limit: usize) -> Result<Self, JsonError> {
        Self::from_value(document, parse_value(document, text, limit)?)
    }

    /// The object that `value` is.
    ///
    /// # Errors
    ///
    /// [`JsonError::WrongType`].
    pub fn from_value(document: &'static str, value: Value) -> Result<Self, JsonError> {
        match value {
            Value::Object(entries) => Ok(Self { document, entries }),
            _ => Err(JsonError::WrongType { document, key: "document", expected: "an object" }),
        }
    }

    /// Takes the value of `key`, if there is one.
    ///
    /// # Errors
    ///
    /// [`JsonError::WrongType`], [`JsonError::Length`].
    pub fn optional<T: FromJson>(&mut self, key: &'static str) -> Result<Option<T>, JsonError> {
        let document = self.document;
        let Some(value) = self.entries.remove(key) else {
            return Ok(None);
        };
        T::from_json(value).map(Some).map_err(|mismatch| match mismatch {
            Mismatch::Type => JsonError::WrongType { document, key, expected: T::EXPECTED },
            Mismatch::Length { expected, found } => JsonError::Length { document, key, expected, found },
        })
    }

    /// Takes the value of `key`.
    ///
    /// # Errors
    ///
    /// As [`Object::optional`], and [`JsonError::MissingKey`].
    pub fn required<T: FromJson>(&mut self, key: &'static str) -> Result<T, JsonError> {
        self.optional(key)?.ok_or(JsonError::MissingKey { document: self.document, key })
    }

    /// The entries that were not taken.
    #[must_use]
    pub fn rest(self) -> Map<String, Value> {
        self.entries
    }

    /// Nothing is left that was not taken.
    ///
    /// # Errors
    ///
    /// [`JsonError::UnknownKey`].
    pub fn finish(self) -> Result<(), JsonError> {
        match self.entries.into_iter().next() {
            None => Ok(()),
            Some((key, _)) => Err(JsonError::UnknownKey { document: self.document, key }),
        }
    }
}

/// Why a value is not of the type asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another type, or another form.
    Type,
    /// A byte string of another length.
    Length {
        /// The length expected in bytes.
        expected: usize,
        /// The length found in bytes.
        found: usize,
    },
}

/// What a JSON value of a document can be.
pub trait FromJson: Sized {
    /// What the value must be, for errors.
    const EXPECTED: &'static str;

    /// Reads the value.
    ///
    /// # Errors
    ///
    /// [`Mismatch`].
    fn from_json(value: Value) -> Result<Self, Mismatch>;
}

impl FromJson for Value {
    const EXPECTED: &'static str = "a value";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        Ok(value)
    }
}

impl FromJson for String {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(Mismatch::Type),
        }
    }
}

impl FromJson for u64 {
    const EXPECTED: &'static str = "an unsigned integer of 64 bits";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        value.as_u64().ok_or(Mismatch::Type)
    }
}

impl FromJson for u32 {
    const EXPECTED: &'static str = "an unsigned integer of 32 bits";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        u64::from_json(value)?.try_into().map_err(|_| Mismatch::Type)
    }
}

impl FromJson for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        value.as_bool().ok_or(Mismatch::Type)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    const EXPECTED: &'static str = "an array";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::Array(items) => items.into_iter().map(T::from_json).collect(),
            _ => Err(Mismatch::Type),
        }
    }
}

/// Bytes in hexadecimal of either case, without prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl FromJson for Hex {
    const EXPECTED: &'static str = "a hex string";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        hex::decode(String::from_json(value)?).map(Self).map_err(|_| Mismatch::Type)
    }
}

impl<const N: usize> FromJson for [u8; N] {
    const EXPECTED: &'static str = Hex::EXPECTED;

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        let Hex(bytes) = Hex::from_json(value)?;
        Self::try_from(bytes.as_slice()).map_err(|_| Mismatch::Length { expected: N, found: bytes.len() })
    }
}

/// Bytes in padded standard base64 (RFC 4648 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl FromJson for Base64 {
    const EXPECTED: &'static str = "a base64 string";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        STANDARD.decode(String::from_json(value)?).map(Self).map_err(|_| Mismatch::Type)
    }
}

/// Bytes in base64 of either alphabet (RFC 4648 sections 4 and 5), with padding or without: of tools that do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyBase64(pub Vec<u8>);

impl FromJson for AnyBase64 {
    const EXPECTED: &'static str = "a base64 string";

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        let text = String::from_json(value)?;
        let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
        STANDARD_NO_PAD.decode(text).map(Self).map_err(|_| Mismatch::Type)
    }
}

/// A value, or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nullable<T>(pub Option<T>);

impl<T: FromJson> FromJson for Nullable<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_json(value: Value) -> Result<Self, Mismatch> {
        if value.is_null() { Ok(Self(None)) } else { T::from_json(value).map(|value| Self(Some(value))) }
    }
}

/// The value that `text` spells, if it is strict JSON of at most `limit` bytes.
///
/// # Errors
///
/// [`JsonError::TooLarge`], [`JsonError::Syntax`], [`JsonError::DuplicateKey`].
pub fn parse_value(document: &'static str, text: impl AsRef<[u8]>, limit: usize) -> Result<Value, JsonError> {
    let text = text.as_ref();
    if text.len() > limit {
        return Err(JsonError::TooLarge { document, limit, found: text.len() });
    }
    let state = RefCell::new(State { values: 0, duplicate: None });
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let result =
        Strict(&state).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match (result, state.into_inner().duplicate) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(key)) => Err(JsonError::DuplicateKey { document, key }),
        (Err(error), None) => Err(JsonError::Syntax { document, line: error.line(), column: error.column() }),
    }
}

struct State {
    values: usize,
    duplicate: Option<String>,
}

/// Builds a [`Value`] and refuses what `serde_json` would let pass: a key given twice.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a RefCell<State>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values = self.0.borrow().values.saturating_add(1);
        if values > MAX_VALUES {
            return Err(D::Error::custom("too many values"));
        }
        self.0.borrow_mut().values = values;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a json value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                self.0.borrow_mut().duplicate = Some(key);
                return Err(A::Error::custom("duplicate key"));
            }
            let value = entries.next_value_seed(self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_duplicates_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
            let duplicate = JsonError::DuplicateKey { document: "test", key: "a".to_owned() };
            assert_eq!(parse_value("test", text, 100), Err(duplicate));
        }
        assert!(parse_value("test", r#"{"a":{"a":1}}"#, 100).is_ok());
    }

    #[test]
    fn refuses_trailing_text_depth_size_and_count() {
        let syntax = |text: &str| matches!(parse_value("t", text, 1 << 20), Err(JsonError::Syntax { .. }));
        assert!(syntax("{} {}"));
        assert!(syntax(""));
        assert!(syntax(&"[".repeat(100_000)));
        assert!(syntax(&format!("[{}0]", "0,".repeat(MAX_VALUES))));
        assert!(!syntax(&format!("[{}0]", "0,".repeat(MAX_VALUES - 2))));
        let too_large = JsonError::TooLarge { document: "t", limit: 3, found: 4 };
        assert_eq!(parse_value("t", "null", 3), Err(too_large));
    }
}
