//! The envelope on the wire: a RATS Conceptual Message Wrapper.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
    ser::SerializeMap,
};

use crate::{
    Error, Evidence, MediaType,
    cbor::{self, CborError},
};

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
#[error("expected a CMW record [media type, bytes, {EVIDENCE}] or a collection of them: {0}")]
pub struct EnvelopeError(#[from] pub CborError);

impl From<EnvelopeError> for Error {
    fn from(error: EnvelopeError) -> Self {
        Self::with_source(error.0.kind(), error)
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
        if let Some(b'[' | b'{') = bytes.get(..MAX_ENVELOPE).unwrap_or(bytes).trim_ascii_start().first() {
            if bytes.len() > MAX_ENVELOPE {
                return Err(CborError::TooLarge { found: bytes.len(), limit: MAX_ENVELOPE }.into());
            }
            return serde_json::from_slice(bytes)
                .map_err(|error| CborError::Malformed(error.to_string().replace(['\n', '\r'], " ")).into());
        }
        Ok(cbor::decode(bytes, MAX_ENVELOPE)?)
    }

    /// Writes CBOR.
    pub fn encode_cbor(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Writes JSON.
    pub fn encode_json(&self) -> String {
        // Neither does this fail: every key is a string.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn from_collection(mut records: BTreeMap<String, Evidence>) -> Result<Self, String> {
        let cpu = records.remove(CPU).ok_or_else(|| format!("a collection has the item {CPU}"))?;
        if records.is_empty() || records.len() > MAX_DEVICES {
            return Err(format!("a collection has 1 to {MAX_DEVICES} devices"));
        }
        let devices: Option<Vec<Evidence>> =
            (0..records.len()).map(|index| records.remove(&device_label(index))).collect();
        let devices = devices.ok_or("devices are labelled device-0, device-1, …")?;
        Ok(Self { cpu, devices })
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.devices.is_empty() {
            return Record::of(&self.cpu).serialize(serializer);
        }
        let mut map = serializer.serialize_map(self.devices.len().checked_add(2))?;
        map.serialize_entry(COLLECTION_TYPE_KEY, COLLECTION_TYPE)?;
        map.serialize_entry(CPU, &Record::of(&self.cpu))?;
        for (index, device) in self.devices.iter().enumerate() {
            map.serialize_entry(&device_label(index), &Record::of(device))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecordOrCollection;

        impl<'de> Visitor<'de> for RecordOrCollection {
            type Value = Envelope;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record or a collection of records")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<Envelope, A::Error> {
                let record = Record::deserialize(de::value::SeqAccessDeserializer::new(items))?;
                record.into_evidence().map(Envelope::of_cpu).map_err(de::Error::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
                let mut collection_type: Option<String> = None;
                let mut records = BTreeMap::new();
                while let Some(label) = map.next_key::<String>()? {
                    let repeated = if label == COLLECTION_TYPE_KEY {
                        collection_type.replace(map.next_value()?).is_some()
                    } else {
                        let evidence =
                            map.next_value::<Record>()?.into_evidence().map_err(de::Error::custom)?;
                        records.insert(label, evidence).is_some()
                    };
                    if repeated {
                        return Err(de::Error::custom("a label stands twice"));
                    }
                    // One of them is the CPU's.
                    if records.len() > MAX_DEVICES.saturating_add(1) {
                        return Err(de::Error::custom(format_args!(
                            "a collection has 1 to {MAX_DEVICES} devices"
                        )));
                    }
                }
                if collection_type.as_deref() != Some(COLLECTION_TYPE) {
                    return Err(de::Error::custom(format_args!(
                        "a collection has the type {COLLECTION_TYPE}"
                    )));
                }
                Envelope::from_collection(records).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(RecordOrCollection)
    }
}

/// One record as it stands on the wire.
#[derive(Serialize, Deserialize)]
struct Record(String, Bytes, u64);

impl Record {
    fn of(evidence: &Evidence) -> Self {
        Self(evidence.media_type().as_str().to_owned(), Bytes(evidence.bytes().to_vec()), EVIDENCE)
    }

    fn into_evidence(self) -> Result<Evidence, String> {
        let Self(media_type, Bytes(bytes), kind) = self;
        if kind != EVIDENCE {
            return Err(format!("a record's indicator is {EVIDENCE}, for evidence"));
        }
        let media_type = MediaType::parse(&media_type).map_err(|error| error.to_string())?;
        Ok(Evidence::new(media_type, bytes))
    }
}

/// Bytes: a byte string in CBOR, base64url without padding in JSON.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByteString;

        impl Visitor<'_> for ByteString {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }

        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let bytes = URL_SAFE_NO_PAD.decode(text);
            return bytes.map(Self).map_err(|_| de::Error::custom("bytes are base64url without padding"));
        }
        deserializer.deserialize_byte_buf(ByteString)
    }
}

fn device_label(index: usize) -> String {
    format!("device-{index}")
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
            assert_eq!(Envelope::decode(bytes), Err(EnvelopeError(CborError::NotCanonical)));
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
            assert!(
                matches!(Envelope::decode(json.as_bytes()), Err(EnvelopeError(CborError::Malformed(_)))),
                "{json}"
            );
        }
    }

    #[test]
    fn oversized_envelopes_are_refused_unread() {
        let found = MAX_ENVELOPE + 1;
        assert_eq!(
            Envelope::decode(&vec![b'['; found]),
            Err(EnvelopeError(CborError::TooLarge { found, limit: MAX_ENVELOPE }))
        );
    }
}
