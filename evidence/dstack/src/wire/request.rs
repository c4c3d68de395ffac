//! The verifier's JSON request: an encoded attestation in hex, or a raw TDX quote with its log.

use serde_json::Value;

use super::{Attestation, MAX_ATTESTATION, MAX_EVENTS, Platform, WireError, count, v0, v1, within_limit};
use crate::events::{EventVersion, TdxEvent};
use evidence_json::{Hex, JsonError, Object, parse_value};

/// The longest request, in bytes: an attestation of [`MAX_ATTESTATION`] bytes in hex, and 64 KiB around it.
pub const MAX_REQUEST: usize = 2 * MAX_ATTESTATION + 64 * 1024;

const DOCUMENT: &str = "verification request";
const EVENT_LOG: &str = "event log";

/// What a verifier is asked to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// An attestation in encoding V0 or V1.
    Attestation(Attestation),
    /// A raw TDX quote.
    Quote(QuoteRequest),
}

/// A raw TDX quote with the guest's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteRequest {
    /// TDX quote.
    pub quote: Vec<u8>,
    /// Firmware and runtime events.
    pub event_log: Vec<TdxEvent>,
    /// The 64 bytes that the guest says were signed; requests may leave it out, the guest's own answer does
    /// not.
    pub report_data: Option<[u8; 64]>,
    /// The VM's configuration as JSON text.
    pub vm_config: String,
}

impl Request {
    /// Parses a request: `{attestation}`, or `{quote, event_log, vm_config}` with an optional `report_data`.
    ///
    /// Bytes are hex of either case; `event_log` and `vm_config` are JSON inside a string.
    ///
    /// # Errors
    ///
    /// [`WireError`] for unknown or duplicate keys, both modes at once or neither, and for anything wrong in
    /// the attestation or the log.
    pub fn parse(text: &str) -> Result<Self, WireError> {
        let mut object = Object::parse(DOCUMENT, text, MAX_REQUEST)?;
        let attestation: Option<Hex> = object.optional("attestation")?;
        let quote: Option<Hex> = object.optional("quote")?;
        let request = match (attestation, quote) {
            (Some(Hex(bytes)), None) => Self::Attestation(decode_binary(&bytes)?),
            (None, Some(Hex(quote))) => Self::Quote(QuoteRequest {
                quote,
                event_log: parse_event_log(&object.required::<String>("event_log")?)?,
                report_data: object.optional("report_data")?,
                vm_config: object.required("vm_config")?,
            }),
            _ => return Err(WireError::RequestMode),
        };
        // Asks dstack's verifier for diagnostics; the evidence is the same.
        object.optional::<bool>("debug")?;
        object.finish()?;
        Ok(request)
    }

    /// The attestation that the request carries or amounts to.
    ///
    /// # Errors
    ///
    /// [`JsonError::MissingKey`] for a raw quote without `report_data`.
    pub fn into_attestation(self) -> Result<Attestation, WireError> {
        let request = match self {
            Self::Attestation(attestation) => return Ok(attestation),
            Self::Quote(request) => request,
        };
        let missing = JsonError::MissingKey { document: DOCUMENT, key: "report_data" };
        Ok(Attestation {
            report_data: request.report_data.ok_or(missing)?,
            runtime_events: request.event_log.iter().filter_map(TdxEvent::runtime_event).collect(),
            platform: Platform::Tdx { quote: request.quote, event_log: request.event_log },
            config: request.vm_config,
            pod_payload: None,
        })
    }
}

/// V0 or V1: JSON inside JSON is not a form that dstack has.
fn decode_binary(bytes: &[u8]) -> Result<Attestation, WireError> {
    let bytes = within_limit(bytes)?;
    match super::Encoding::sniff(bytes)? {
        super::Encoding::V0 => v0::decode(bytes),
        super::Encoding::V1 => v1::decode(bytes),
        super::Encoding::Json => Err(WireError::UnknownEncoding { first: b'{' }),
    }
}

fn parse_event_log(text: &str) -> Result<Vec<TdxEvent>, WireError> {
    let Value::Array(events) = parse_value(EVENT_LOG, text, MAX_ATTESTATION)? else {
        return Err(
            JsonError::WrongType { document: EVENT_LOG, key: "document", expected: "an array" }.into()
        );
    };
    count("events", MAX_EVENTS, events.len())?;
    events.into_iter().map(parse_event).collect()
}

fn parse_event(value: Value) -> Result<TdxEvent, WireError> {
    let mut object = Object::from_value(EVENT_LOG, value)?;
    let event = TdxEvent {
        imr: object.required("imr")?,
        event_type: object.required("event_type")?,
        digest: object.optional::<Hex>("digest")?.map(|Hex(digest)| digest).unwrap_or_default(),
        event: object.required("event")?,
        event_payload: object.required::<Hex>("event_payload")?.0,
        version: match object.optional::<u64>("version")? {
            None | Some(1) => EventVersion::V1,
            Some(2) => EventVersion::V2,
            Some(found) => return Err(WireError::Version { what: "event", found }),
        },
        preimage: object.optional("preimage")?,
    };
    object.finish()?;
    Ok(event)
}
