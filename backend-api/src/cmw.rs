//! The envelope on the wire: a RATS Conceptual Message Wrapper.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Error, ErrorKind, Evidence, MediaType};

/// The largest envelope that is read, in bytes.
pub const MAX_ENVELOPE: usize = 16 << 20;

/// The most devices beside a CPU.
pub const MAX_DEVICES: usize = 64;

/// The `ind` bit of Evidence (draft-ietf-rats-msg-wrap, cm-type).
const EVIDENCE: u64 = 1 << 2;

/// The key of a collection's type, and ours.
const COLLECTION_TYPE_KEY: &str = "__cmwc_t";
const COLLECTION_TYPE: &str = "tag:dstack.org,2026:attestation-composite";

/// The label of the CPU's item in a collection.
const CPU: &str = "cpu";

/// How deep an envelope nests at most.
const MAX_DEPTH: usize = 4;

/// Evidence of one machine: its CPU, and any number of devices.
///
/// On the wire a Conceptual Message Wrapper (draft-ietf-rats-msg-wrap) in CBOR or JSON: for a CPU alone the record
/// `[media type, bytes, 4]`, else the collection `{"__cmwc_t": …, "cpu": record, "device-0": record, …}`. Reading is
/// strict: what is not byte for byte this encoding (in CBOR), or has anything unknown, repeated or left over, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The CPU's Evidence.
    pub cpu: Evidence,
    /// The devices' Evidence.
    pub devices: Vec<Evidence>,
}

/// Why bytes are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Other bytes would have been written for what was read.
    #[error(
        "envelope is not in its one CBOR encoding (definite lengths, shortest forms, known order, nothing left over)"
    )]
    NotCanonical,
    /// Not CBOR or JSON, or not of this shape.
    #[error("expected a CMW record [media type, bytes, {EVIDENCE}] or a collection of them: {0}")]
    Malformed(String),
    /// Larger than the limit.
    #[error("envelope of {found} bytes, at most {MAX_ENVELOPE} are read")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
}

impl From<EnvelopeError> for Error {
    fn from(error: EnvelopeError) -> Self {
        let kind = match error {
            EnvelopeError::TooLarge { .. } => ErrorKind::LimitExceeded,
            _ => ErrorKind::MalformedEvidence,
        };
        Self::with_source(kind, error)
    }
}

impl Envelope {
    /// A CPU's Evidence alone.
    pub const fn of_cpu(cpu: Evidence) -> Self {
        Self { cpu, devices: Vec::new() }
    }

    /// Reads CBOR, or JSON if the first byte (after white space) is `[` or `{`.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLarge { found: bytes.len() });
        }
        match bytes.trim_ascii_start().first() {
            Some(b'[' | b'{') => Self::decode_json(bytes),
            _ => Self::decode_cbor(bytes),
        }
    }

    /// Writes CBOR.
    pub fn encode_cbor(&self) -> Vec<u8> {
        let record = |evidence: &Evidence| {
            Value::Array(vec![
                Value::Text(evidence.media_type().as_str().to_owned()),
                Value::Bytes(evidence.bytes().to_vec()),
                Value::Integer(EVIDENCE.into()),
            ])
        };
        let value = if self.devices.is_empty() {
            record(&self.cpu)
        } else {
            let mut entries = vec![
                (Value::Text(COLLECTION_TYPE_KEY.to_owned()), Value::Text(COLLECTION_TYPE.to_owned())),
                (Value::Text(CPU.to_owned()), record(&self.cpu)),
            ];
            for (index, device) in self.devices.iter().enumerate() {
                entries.push((Value::Text(device_label(index)), record(device)));
            }
            Value::Map(entries)
        };
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = ciborium::into_writer(&value, &mut bytes);
        bytes
    }

    /// Writes JSON.
    pub fn encode_json(&self) -> String {
        let record = |evidence: &Evidence| {
            let bytes = URL_SAFE_NO_PAD.encode(evidence.bytes());
            serde_json::json!([evidence.media_type().as_str(), bytes, EVIDENCE])
        };
        if self.devices.is_empty() {
            return record(&self.cpu).to_string();
        }
        let mut entries = serde_json::Map::new();
        entries.insert(COLLECTION_TYPE_KEY.to_owned(), COLLECTION_TYPE.into());
        entries.insert(CPU.to_owned(), record(&self.cpu));
        for (index, device) in self.devices.iter().enumerate() {
            entries.insert(device_label(index), record(device));
        }
        serde_json::Value::Object(entries).to_string()
    }

    fn decode_cbor(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let value: Value = ciborium::de::from_reader_with_recursion_limit(bytes, MAX_DEPTH)
            .map_err(|error| EnvelopeError::Malformed(one_line(error)))?;
        let envelope = match value {
            Value::Array(items) => Self::of_cpu(cbor_record(items)?),
            Value::Map(entries) => {
                let mut records = BTreeMap::new();
                let mut collection_type = None;
                for (label, value) in entries {
                    match (label, value) {
                        (Value::Text(label), Value::Text(text)) if label == COLLECTION_TYPE_KEY => {
                            collection_type = Some(text);
                        }
                        (Value::Text(label), Value::Array(items)) => {
                            records.insert(label, cbor_record(items)?);
                        }
                        _ => return Err(malformed("a collection maps text to records")),
                    }
                }
                Self::from_collection(collection_type.as_deref(), records)?
            }
            _ => return Err(malformed("neither an array nor a map")),
        };
        // Repeated labels, trailing bytes, indefinite lengths and long forms all end here.
        if envelope.encode_cbor() != bytes {
            return Err(EnvelopeError::NotCanonical);
        }
        Ok(envelope)
    }

    fn decode_json(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let json = |error: serde_json::Error| EnvelopeError::Malformed(one_line(error));
        if bytes.trim_ascii_start().starts_with(b"[") {
            let record: JsonRecord = serde_json::from_slice(bytes).map_err(json)?;
            return Ok(Self::of_cpu(record.into_evidence()?));
        }
        let collection: JsonCollection = serde_json::from_slice(bytes).map_err(json)?;
        let mut records = BTreeMap::new();
        for (label, record) in collection.records {
            records.insert(label, record.into_evidence()?);
        }
        Self::from_collection(collection.collection_type.as_deref(), records)
    }

    fn from_collection(
        collection_type: Option<&str>,
        mut records: BTreeMap<String, Evidence>,
    ) -> Result<Self, EnvelopeError> {
        if collection_type != Some(COLLECTION_TYPE) {
            return Err(malformed(&format!("a collection has the type {COLLECTION_TYPE}")));
        }
        let cpu = records.remove(CPU).ok_or_else(|| malformed("a collection has the item cpu"))?;
        if records.is_empty() || records.len() > MAX_DEVICES {
            return Err(malformed(&format!("a collection has 1 to {MAX_DEVICES} devices")));
        }
        let devices: Option<Vec<Evidence>> =
            (0..records.len()).map(|index| records.remove(&device_label(index))).collect();
        let devices = devices.ok_or_else(|| malformed("devices are labelled device-0, device-1, …"))?;
        Ok(Self { cpu, devices })
    }
}

fn device_label(index: usize) -> String {
    format!("device-{index}")
}

fn malformed(problem: &str) -> EnvelopeError {
    EnvelopeError::Malformed(problem.to_owned())
}

fn one_line(error: impl ToString) -> String {
    error.to_string().replace(['\n', '\r'], " ")
}

fn cbor_record(items: Vec<Value>) -> Result<Evidence, EnvelopeError> {
    let Ok([Value::Text(media_type), Value::Bytes(bytes), Value::Integer(kind)]) =
        <[Value; 3]>::try_from(items)
    else {
        return Err(malformed("a record has a text, bytes and an integer"));
    };
    evidence(&media_type, bytes, u64::try_from(kind).ok())
}

fn evidence(media_type: &str, bytes: Vec<u8>, kind: Option<u64>) -> Result<Evidence, EnvelopeError> {
    if kind != Some(EVIDENCE) {
        return Err(malformed("a record's indicator says evidence"));
    }
    let media_type = MediaType::parse(media_type).map_err(|error| malformed(&error.to_string()))?;
    Ok(Evidence::new(media_type, bytes))
}

#[derive(Deserialize, Serialize)]
struct JsonRecord(String, String, u64);

impl JsonRecord {
    fn into_evidence(self) -> Result<Evidence, EnvelopeError> {
        let Self(media_type, text, kind) = self;
        let bytes =
            URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed("bytes are base64url without padding"))?;
        evidence(&media_type, bytes, Some(kind))
    }
}

#[derive(Default)]
struct JsonCollection {
    collection_type: Option<String>,
    records: BTreeMap<String, JsonRecord>,
}

impl<'de> Deserialize<'de> for JsonCollection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = JsonCollection;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a collection")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut collection = JsonCollection::default();
                while let Some(label) = map.next_key::<String>()? {
                    let repeated = if label == COLLECTION_TYPE_KEY {
                        collection.collection_type.replace(map.next_value()?).is_some()
                    } else {
                        collection.records.insert(label, map.next_value()?).is_some()
                    };
                    if repeated {
                        return Err(de::Error::custom("a label stands twice"));
                    }
                }
                Ok(collection)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &'static str, bytes: &[u8]) -> Evidence {
        Evidence::new(MediaType::new(name), bytes.to_vec())
    }

    fn composite() -> Envelope {
        Envelope {
            cpu: item("application/a", b"cpu"),
            devices: vec![item("application/b", b"0"), item("application/b", b"1")],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for envelope in [Envelope::of_cpu(item("application/a+cbor", &[0, 255])), composite()] {
            assert_eq!(Envelope::decode(&envelope.encode_cbor()).unwrap(), envelope);
            assert_eq!(Envelope::decode(envelope.encode_json().as_bytes()).unwrap(), envelope);
        }
    }

    #[test]
    fn the_record_is_the_draft_s() {
        // draft-ietf-rats-msg-wrap: [ media-type, bytes, ind ], here with ind = 4 (evidence).
        let cbor = b"\x83\x6dapplication/a\x43cpu\x04";
        let json = br#"["application/a", "Y3B1", 4]"#;
        let envelope = Envelope::of_cpu(item("application/a", b"cpu"));
        assert_eq!(envelope.encode_cbor(), cbor);
        assert_eq!(Envelope::decode(json).unwrap(), envelope);
    }

    #[test]
    fn every_truncation_and_every_trailing_byte_is_refused() {
        for bytes in [composite().encode_cbor(), composite().encode_json().into_bytes()] {
            for length in 0..bytes.len() {
                assert!(Envelope::decode(&bytes[..length]).is_err());
            }
            for extra in [&b"\0"[..], b"{", b"["] {
                assert!(Envelope::decode(&[&bytes, extra].concat()).is_err());
            }
        }
    }

    #[test]
    fn other_encodings_of_the_same_record_are_refused() {
        for bytes in [
            &b"\x9f\x6dapplication/a\x43cpu\x04\xff"[..], // indefinite array
            b"\x83\x78\x0dapplication/a\x43cpu\x04",      // long length
            b"\x83\x6dapplication/a\x43cpu\x18\x04",      // long integer
        ] {
            assert_eq!(Envelope::decode(bytes), Err(EnvelopeError::NotCanonical));
        }
    }

    #[test]
    fn repeated_unknown_and_missing_labels_are_refused() {
        let record = r#"["application/a","",4]"#;
        let kind = format!(r#""__cmwc_t":"{COLLECTION_TYPE}""#);
        for json in [
            format!(r#"{{{kind},"cpu":{record},"cpu":{record},"device-0":{record}}}"#),
            format!(r#"{{{kind},{kind},"cpu":{record},"device-0":{record}}}"#),
            format!(r#"{{{kind},"cpu":{record},"gpu":{record}}}"#),
            format!(r#"{{{kind},"cpu":{record},"device-1":{record}}}"#),
            format!(r#"{{{kind},"device-0":{record}}}"#),
            format!(r#"{{{kind},"cpu":{record}}}"#),
            format!(r#"{{"cpu":{record},"device-0":{record}}}"#),
            r#"["application/a","",8]"#.to_owned(),
            r#"["application/a","="  ,4]"#.to_owned(),
            r#"["Application/A","",4]"#.to_owned(),
            r#"["application/a","",4,5]"#.to_owned(),
        ] {
            assert!(matches!(Envelope::decode(json.as_bytes()), Err(EnvelopeError::Malformed(_))), "{json}");
        }
    }

    #[test]
    fn oversized_envelopes_are_refused_unread() {
        let found = MAX_ENVELOPE + 1;
        assert_eq!(Envelope::decode(&vec![b'['; found]), Err(EnvelopeError::TooLarge { found }));
    }
}
