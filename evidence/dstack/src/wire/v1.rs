//! V1: MessagePack, `{version: 1, platform: {kind, data}, stack: {kind, data}}` in named maps.
//!
//! dstack declares quotes, reports, certificates and `report_data` as plain vectors, so they travel as arrays
//! of integers; digests, payloads and the parts of a TPM quote travel as binary.

use super::msgpack::{Reader, Writer};
use super::{
    Attestation, HostPlatform, MAX_CERTIFICATES, MAX_EVENTS, MAX_PCRS, PcrValue, Platform, TpmEvent,
    TpmQuote, WireError,
};
use crate::events::{EventVersion, RuntimeEvent, TdxEvent};

const VERSION: u32 = 1;
const STACK: &str = "dstack";
const POD_STACK: &str = "dstack-pod";

pub(super) fn decode(bytes: &[u8]) -> Result<Attestation, WireError> {
    let mut reader = Reader::new(bytes);
    reader.map(3, 3)?;
    reader.key("version")?;
    let found = reader.unsigned()?;
    if found != u64::from(VERSION) {
        return Err(WireError::Version { what: "attestation", found });
    }
    reader.key("platform")?;
    let platform = platform(&mut reader)?;
    reader.key("stack")?;
    let pod = match kind(&mut reader)? {
        STACK => false,
        POD_STACK => true,
        found => return Err(WireError::UnknownKind { what: "stack", found: found.to_owned() }),
    };
    let entries = if pod { 4 } else { 3 };
    reader.map(entries, entries)?;
    let attestation = Attestation {
        platform,
        report_data: report_data(&mut reader)?,
        runtime_events: runtime_events(&mut reader)?,
        config: field(&mut reader, "config", Reader::string)?,
        pod_payload: if pod {
            Some(field(&mut reader, "report_data_payload", Reader::string)?)
        } else {
            None
        },
    };
    reader.finish()?;
    Ok(attestation)
}

/// Reads `{kind: <name>, data:` and leaves the reader at the data.
fn kind<'a>(reader: &mut Reader<'a>) -> Result<&'a str, WireError> {
    reader.map(2, 2)?;
    reader.key("kind")?;
    let kind = reader.text()?;
    reader.key("data")?;
    Ok(kind)
}

fn field<'a, T>(
    reader: &mut Reader<'a>,
    key: &'static str,
    value: impl Fn(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    reader.key(key)?;
    value(reader)
}

fn report_data(reader: &mut Reader<'_>) -> Result<[u8; 64], WireError> {
    let bytes = field(reader, "report_data", Reader::byte_array)?;
    <[u8; 64]>::try_from(bytes.as_slice()).map_err(|_| WireError::ReportDataLength { found: bytes.len() })
}

fn platform(reader: &mut Reader<'_>) -> Result<Platform, WireError> {
    match kind(reader)? {
        "tdx" => {
            reader.map(2, 2)?;
            Ok(Platform::Tdx {
                quote: field(reader, "quote", Reader::byte_array)?,
                event_log: field(reader, "event_log", event_log)?,
            })
        }
        "gcp-tdx" => {
            reader.map(3, 3)?;
            Ok(Platform::GcpTdx {
                quote: field(reader, "quote", Reader::byte_array)?,
                event_log: field(reader, "event_log", event_log)?,
                tpm_quote: field(reader, "tpm_quote", tpm_quote)?,
            })
        }
        "nitro-enclave" => {
            reader.map(1, 1)?;
            Ok(Platform::NitroEnclave { nsm_quote: field(reader, "nsm_quote", Reader::byte_array)? })
        }
        "sev-snp" => {
            reader.map(3, 3)?;
            let chain =
                |reader: &mut Reader<'_>| reader.list("certificates", MAX_CERTIFICATES, Reader::byte_array);
            Ok(Platform::AmdSevSnp {
                report: field(reader, "report", Reader::byte_array)?,
                cert_chain: field(reader, "cert_chain", chain)?,
                mr_config: field(reader, "mr_config", Reader::string)?,
            })
        }
        "aws-nitro-tpm" => {
            reader.map(1, 1)?;
            Ok(Platform::AwsNitroTpm {
                attestation_doc: field(reader, "attestation_doc", Reader::byte_array)?,
            })
        }
        found => Err(WireError::UnknownKind { what: "platform", found: found.to_owned() }),
    }
}

fn event_log(reader: &mut Reader<'_>) -> Result<Vec<TdxEvent>, WireError> {
    reader.list("events", MAX_EVENTS, |reader| {
        let entries = reader.map(5, 7)?;
        let imr = field(reader, "imr", Reader::u32)?;
        let event_type = field(reader, "event_type", Reader::u32)?;
        let digest = field(reader, "digest", Reader::binary)?;
        let event = field(reader, "event", Reader::string)?;
        let event_payload = field(reader, "event_payload", Reader::binary)?;
        // Both further entries are left out at their default; the sixth may be either of them.
        let (version, preimage) = match entries {
            5 => (EventVersion::V1, None),
            6 => match reader.text()? {
                "version" => (event_version(reader)?, None),
                "preimage" => (EventVersion::V1, Some(reader.string()?)),
                found => return Err(WireError::UnknownKind { what: "event key", found: found.to_owned() }),
            },
            _ => (field(reader, "version", event_version)?, Some(field(reader, "preimage", Reader::string)?)),
        };
        Ok(TdxEvent { imr, event_type, digest, event, event_payload, version, preimage })
    })
}

fn runtime_events(reader: &mut Reader<'_>) -> Result<Vec<RuntimeEvent>, WireError> {
    reader.key("runtime_events")?;
    reader.list("runtime events", MAX_EVENTS, |reader| {
        let entries = reader.map(2, 3)?;
        Ok(RuntimeEvent {
            name: field(reader, "event", Reader::string)?,
            payload: field(reader, "payload", Reader::binary)?,
            version: if entries == 3 { field(reader, "version", event_version)? } else { EventVersion::V1 },
        })
    })
}

/// A version that is written out: only 2, because dstack leaves 1 out.
fn event_version(reader: &mut Reader<'_>) -> Result<EventVersion, WireError> {
    match reader.unsigned()? {
        2 => Ok(EventVersion::V2),
        found => Err(WireError::Version { what: "event", found }),
    }
}

fn tpm_quote(reader: &mut Reader<'_>) -> Result<TpmQuote, WireError> {
    reader.map(6, 6)?;
    Ok(TpmQuote {
        message: field(reader, "message", Reader::binary)?,
        signature: field(reader, "signature", Reader::binary)?,
        pcr_values: field(reader, "pcr_values", |reader| {
            reader.list("pcr values", MAX_PCRS, |reader| {
                reader.map(3, 3)?;
                Ok(PcrValue {
                    index: field(reader, "index", Reader::u32)?,
                    algorithm: field(reader, "algorithm", Reader::string)?,
                    value: field(reader, "value", Reader::binary)?,
                })
            })
        })?,
        ak_cert: field(reader, "ak_cert", Reader::binary)?,
        platform: field(reader, "platform", |reader| match reader.text()? {
            "dstack" => Ok(HostPlatform::Dstack),
            "gcp" => Ok(HostPlatform::Gcp),
            "nitroenclave" => Ok(HostPlatform::NitroEnclave),
            "aws-ec2" => Ok(HostPlatform::AwsEc2),
            found => Err(WireError::UnknownKind { what: "host platform", found: found.to_owned() }),
        })?,
        event_log: field(reader, "event_log", |reader| {
            reader.list("tpm events", MAX_EVENTS, |reader| {
                reader.map(2, 2)?;
                Ok(TpmEvent {
                    pcr_index: field(reader, "pcr_index", Reader::u32)?,
                    digest: field(reader, "digest", Reader::binary)?,
                })
            })
        })?,
    })
}

pub(super) fn encode(attestation: &Attestation) -> Result<Vec<u8>, WireError> {
    let mut writer = Writer::default();
    writer.map(3);
    writer.string("version");
    writer.u32(VERSION);
    writer.string("platform");
    write_platform(&mut writer, &attestation.platform)?;
    writer.string("stack");
    let (kind, entries) = if attestation.pod_payload.is_some() { (POD_STACK, 4) } else { (STACK, 3) };
    write_kind(&mut writer, kind, entries);
    writer.string("report_data");
    writer.byte_array(&attestation.report_data);
    writer.string("runtime_events");
    writer.list("runtime events", MAX_EVENTS, &attestation.runtime_events, |writer, event| {
        let v2 = event.version == EventVersion::V2;
        writer.map(if v2 { 3 } else { 2 });
        write_text(writer, "event", &event.name);
        write_binary(writer, "payload", &event.payload);
        if v2 {
            write_u32(writer, "version", 2);
        }
    })?;
    write_text(&mut writer, "config", &attestation.config);
    if let Some(payload) = &attestation.pod_payload {
        write_text(&mut writer, "report_data_payload", payload);
    }
    Ok(writer.0)
}

fn write_platform(writer: &mut Writer, platform: &Platform) -> Result<(), WireError> {
    match platform {
        Platform::Tdx { quote, event_log } => {
            write_kind(writer, "tdx", 2);
            write_byte_array(writer, "quote", quote);
            write_event_log(writer, event_log)
        }
        Platform::GcpTdx { quote, event_log, tpm_quote } => {
            write_kind(writer, "gcp-tdx", 3);
            write_byte_array(writer, "quote", quote);
            write_event_log(writer, event_log)?;
            write_tpm_quote(writer, tpm_quote)
        }
        Platform::NitroEnclave { nsm_quote } => {
            write_kind(writer, "nitro-enclave", 1);
            write_byte_array(writer, "nsm_quote", nsm_quote);
            Ok(())
        }
        Platform::AmdSevSnp { report, cert_chain, mr_config } => {
            write_kind(writer, "sev-snp", 3);
            write_byte_array(writer, "report", report);
            writer.string("cert_chain");
            writer.list("certificates", MAX_CERTIFICATES, cert_chain, |writer, certificate| {
                writer.byte_array(certificate);
            })?;
            write_text(writer, "mr_config", mr_config);
            Ok(())
        }
        Platform::AwsNitroTpm { attestation_doc } => {
            write_kind(writer, "aws-nitro-tpm", 1);
            write_byte_array(writer, "attestation_doc", attestation_doc);
            Ok(())
        }
    }
}

fn write_event_log(writer: &mut Writer, log: &[TdxEvent]) -> Result<(), WireError> {
    writer.string("event_log");
    writer.list("events", MAX_EVENTS, log, |writer, event| {
        let v2 = event.version == EventVersion::V2;
        writer.map(match (v2, event.preimage.is_some()) {
            (false, false) => 5,
            (true, true) => 7,
            _ => 6,
        });
        write_u32(writer, "imr", event.imr);
        write_u32(writer, "event_type", event.event_type);
        write_binary(writer, "digest", &event.digest);
        write_text(writer, "event", &event.event);
        write_binary(writer, "event_payload", &event.event_payload);
        if v2 {
            write_u32(writer, "version", 2);
        }
        if let Some(preimage) = &event.preimage {
            write_text(writer, "preimage", preimage);
        }
    })
}

fn write_tpm_quote(writer: &mut Writer, quote: &TpmQuote) -> Result<(), WireError> {
    writer.string("tpm_quote");
    writer.map(6);
    write_binary(writer, "message", &quote.message);
    write_binary(writer, "signature", &quote.signature);
    writer.string("pcr_values");
    writer.list("pcr values", MAX_PCRS, &quote.pcr_values, |writer, pcr| {
        writer.map(3);
        write_u32(writer, "index", pcr.index);
        write_text(writer, "algorithm", &pcr.algorithm);
        write_binary(writer, "value", &pcr.value);
    })?;
    write_binary(writer, "ak_cert", &quote.ak_cert);
    let platform = match quote.platform {
        HostPlatform::Dstack => "dstack",
        HostPlatform::Gcp => "gcp",
        HostPlatform::NitroEnclave => "nitroenclave",
        HostPlatform::AwsEc2 => "aws-ec2",
    };
    write_text(writer, "platform", platform);
    writer.string("event_log");
    writer.list("tpm events", MAX_EVENTS, &quote.event_log, |writer, event| {
        writer.map(2);
        write_u32(writer, "pcr_index", event.pcr_index);
        write_binary(writer, "digest", &event.digest);
    })
}

/// Writes `{kind: <name>, data:` and the head of the data's map.
fn write_kind(writer: &mut Writer, kind: &str, entries: usize) {
    writer.map(2);
    write_text(writer, "kind", kind);
    writer.string("data");
    writer.map(entries);
}

fn write_text(writer: &mut Writer, key: &str, value: &str) {
    writer.string(key);
    writer.string(value);
}

fn write_binary(writer: &mut Writer, key: &str, value: &[u8]) {
    writer.string(key);
    writer.binary(value);
}

fn write_byte_array(writer: &mut Writer, key: &str, value: &[u8]) {
    writer.string(key);
    writer.byte_array(value);
}

fn write_u32(writer: &mut Writer, key: &str, value: u32) {
    writer.string(key);
    writer.u32(value);
}
