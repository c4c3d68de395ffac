//! V0: a zero byte, then SCALE.
//!
//! `Attestation { quote: enum, runtime_events: list, report_data: [u8; 64], config: string, report: () }`;
//! the quote's discriminants are frozen: 0 TDX, 1 GCP TDX, 2 Nitro Enclave, 3 SEV-SNP, 4 NitroTPM.

use super::scale::{Reader, Writer};
use super::{
    Attestation, HostPlatform, MAX_CERTIFICATES, MAX_EVENTS, MAX_PCRS, PcrValue, Platform, TpmEvent,
    TpmQuote, V0Loss, WireError,
};
use crate::events::{EventVersion, RuntimeEvent, TdxEvent};

const PREFIX: u8 = 0;

pub(super) fn decode(bytes: &[u8]) -> Result<Attestation, WireError> {
    let mut reader = Reader::new(bytes);
    let first = reader.u8()?;
    if first != PREFIX {
        return Err(WireError::UnknownEncoding { first });
    }
    let attestation = Attestation {
        platform: platform(&mut reader)?,
        runtime_events: reader.list("runtime events", MAX_EVENTS, runtime_event)?,
        report_data: reader.array()?,
        config: reader.string()?,
        pod_payload: None,
    };
    reader.finish()?;
    Ok(attestation)
}

fn platform(reader: &mut Reader<'_>) -> Result<Platform, WireError> {
    match reader.u8()? {
        0 => Ok(Platform::Tdx { quote: reader.bytes()?, event_log: event_log(reader)? }),
        1 => Ok(Platform::GcpTdx {
            quote: reader.bytes()?,
            event_log: event_log(reader)?,
            tpm_quote: tpm_quote(reader)?,
        }),
        2 => Ok(Platform::NitroEnclave { nsm_quote: reader.bytes()? }),
        3 => Ok(Platform::AmdSevSnp {
            report: reader.bytes()?,
            cert_chain: reader.list("certificates", MAX_CERTIFICATES, Reader::bytes)?,
            mr_config: reader.string()?,
        }),
        4 => Ok(Platform::AwsNitroTpm { attestation_doc: reader.bytes()? }),
        found => Err(WireError::UnknownDiscriminant { what: "platform", found }),
    }
}

fn event_log(reader: &mut Reader<'_>) -> Result<Vec<TdxEvent>, WireError> {
    reader.list("events", MAX_EVENTS, |reader| {
        Ok(TdxEvent {
            imr: reader.u32()?,
            event_type: reader.u32()?,
            digest: reader.bytes()?,
            event: reader.string()?,
            event_payload: reader.bytes()?,
            version: EventVersion::V1,
            preimage: None,
        })
    })
}

fn runtime_event(reader: &mut Reader<'_>) -> Result<RuntimeEvent, WireError> {
    Ok(RuntimeEvent { name: reader.string()?, payload: reader.bytes()?, version: EventVersion::V1 })
}

fn tpm_quote(reader: &mut Reader<'_>) -> Result<TpmQuote, WireError> {
    Ok(TpmQuote {
        message: reader.bytes()?,
        signature: reader.bytes()?,
        pcr_values: reader.list("pcr values", MAX_PCRS, |reader| {
            Ok(PcrValue { index: reader.u32()?, algorithm: reader.string()?, value: reader.bytes()? })
        })?,
        ak_cert: reader.bytes()?,
        platform: match reader.u8()? {
            0 => HostPlatform::Dstack,
            1 => HostPlatform::Gcp,
            2 => HostPlatform::NitroEnclave,
            3 => HostPlatform::AwsEc2,
            found => return Err(WireError::UnknownDiscriminant { what: "host platform", found }),
        },
        event_log: reader.list("tpm events", MAX_EVENTS, |reader| {
            Ok(TpmEvent { pcr_index: reader.u32()?, digest: reader.bytes()? })
        })?,
    })
}

pub(super) fn encode(attestation: &Attestation) -> Result<Vec<u8>, WireError> {
    if attestation.pod_payload.is_some() {
        return Err(WireError::NotInV0 { loss: V0Loss::PodPayload });
    }
    let mut writer = Writer::default();
    writer.u8(PREFIX);
    write_platform(&mut writer, &attestation.platform)?;
    writer.list("runtime events", MAX_EVENTS, &attestation.runtime_events, |writer, event| {
        require_v1(event.version)?;
        writer.bytes(event.name.as_bytes());
        writer.bytes(&event.payload);
        Ok(())
    })?;
    writer.raw(&attestation.report_data);
    writer.bytes(attestation.config.as_bytes());
    Ok(writer.0)
}

fn write_platform(writer: &mut Writer, platform: &Platform) -> Result<(), WireError> {
    match platform {
        Platform::Tdx { quote, event_log } => {
            writer.u8(0);
            writer.bytes(quote);
            write_event_log(writer, event_log)
        }
        Platform::GcpTdx { quote, event_log, tpm_quote } => {
            writer.u8(1);
            writer.bytes(quote);
            write_event_log(writer, event_log)?;
            write_tpm_quote(writer, tpm_quote)
        }
        Platform::NitroEnclave { nsm_quote } => {
            writer.u8(2);
            writer.bytes(nsm_quote);
            Ok(())
        }
        Platform::AmdSevSnp { report, cert_chain, mr_config } => {
            writer.u8(3);
            writer.bytes(report);
            writer.list("certificates", MAX_CERTIFICATES, cert_chain, |writer, certificate| {
                writer.bytes(certificate);
                Ok(())
            })?;
            writer.bytes(mr_config.as_bytes());
            Ok(())
        }
        Platform::AwsNitroTpm { attestation_doc } => {
            writer.u8(4);
            writer.bytes(attestation_doc);
            Ok(())
        }
    }
}

fn write_event_log(writer: &mut Writer, log: &[TdxEvent]) -> Result<(), WireError> {
    writer.list("events", MAX_EVENTS, log, |writer, event| {
        require_v1(event.version)?;
        if event.preimage.is_some() {
            return Err(WireError::NotInV0 { loss: V0Loss::Preimage });
        }
        writer.u32(event.imr);
        writer.u32(event.event_type);
        writer.bytes(&event.digest);
        writer.bytes(event.event.as_bytes());
        writer.bytes(&event.event_payload);
        Ok(())
    })
}

fn write_tpm_quote(writer: &mut Writer, quote: &TpmQuote) -> Result<(), WireError> {
    writer.bytes(&quote.message);
    writer.bytes(&quote.signature);
    writer.list("pcr values", MAX_PCRS, &quote.pcr_values, |writer, pcr| {
        writer.u32(pcr.index);
        writer.bytes(pcr.algorithm.as_bytes());
        writer.bytes(&pcr.value);
        Ok(())
    })?;
    writer.bytes(&quote.ak_cert);
    writer.u8(match quote.platform {
        HostPlatform::Dstack => 0,
        HostPlatform::Gcp => 1,
        HostPlatform::NitroEnclave => 2,
        HostPlatform::AwsEc2 => 3,
    });
    writer.list("tpm events", MAX_EVENTS, &quote.event_log, |writer, event| {
        writer.u32(event.pcr_index);
        writer.bytes(&event.digest);
        Ok(())
    })
}

fn require_v1(version: EventVersion) -> Result<(), WireError> {
    match version {
        EventVersion::V1 => Ok(()),
        EventVersion::V2 => Err(WireError::NotInV0 { loss: V0Loss::EventV2 }),
    }
}
