//! V1 through `rmp-serde`, with types declared as dstack declares them: the bytes must be the same.

use serde::Serialize;
use serde_bytes::Bytes;

use super::{HostPlatform, Platform, TpmQuote, pod, real, samples};
use crate::events::{EventVersion, RuntimeEvent, TdxEvent};
use crate::wire::Attestation;

#[derive(Serialize)]
struct Envelope<'a> {
    version: u64,
    platform: Evidence<'a>,
    stack: Stack<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", content = "data", rename_all = "kebab-case")]
enum Evidence<'a> {
    Tdx { quote: &'a [u8], event_log: Vec<Event<'a>> },
    GcpTdx { quote: &'a [u8], event_log: Vec<Event<'a>>, tpm_quote: Quote<'a> },
    NitroEnclave { nsm_quote: &'a [u8] },
    AwsNitroTpm { attestation_doc: &'a [u8] },
    SevSnp { report: &'a [u8], cert_chain: &'a [Vec<u8>], mr_config: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "kind", content = "data", rename_all = "kebab-case")]
enum Stack<'a> {
    Dstack {
        report_data: &'a [u8],
        runtime_events: Vec<Runtime<'a>>,
        config: &'a str,
    },
    DstackPod {
        report_data: &'a [u8],
        runtime_events: Vec<Runtime<'a>>,
        config: &'a str,
        report_data_payload: &'a str,
    },
}

#[derive(Serialize)]
struct Event<'a> {
    imr: u32,
    event_type: u32,
    digest: &'a Bytes,
    event: &'a str,
    event_payload: &'a Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preimage: Option<&'a str>,
}

#[derive(Serialize)]
struct Runtime<'a> {
    event: &'a str,
    payload: &'a Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

#[derive(Serialize)]
struct Quote<'a> {
    message: &'a Bytes,
    signature: &'a Bytes,
    pcr_values: Vec<Pcr<'a>>,
    ak_cert: &'a Bytes,
    platform: Host,
    event_log: Vec<Boot<'a>>,
}

#[derive(Serialize)]
struct Pcr<'a> {
    index: u32,
    algorithm: &'a str,
    value: &'a Bytes,
}

#[derive(Serialize)]
struct Boot<'a> {
    pcr_index: u32,
    digest: &'a Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Host {
    Dstack,
    Gcp,
    NitroEnclave,
    #[serde(rename = "aws-ec2")]
    AwsEc2,
}

fn version(version: EventVersion) -> Option<u32> {
    (version == EventVersion::V2).then_some(2)
}

fn event(event: &TdxEvent) -> Event<'_> {
    Event {
        imr: event.imr,
        event_type: event.event_type,
        digest: Bytes::new(&event.digest),
        event: &event.event,
        event_payload: Bytes::new(&event.event_payload),
        version: version(event.version),
        preimage: event.preimage.as_deref(),
    }
}

fn events(log: &[TdxEvent]) -> Vec<Event<'_>> {
    log.iter().map(event).collect()
}

fn runtime(event: &RuntimeEvent) -> Runtime<'_> {
    Runtime { event: &event.name, payload: Bytes::new(&event.payload), version: version(event.version) }
}

fn quote(quote: &TpmQuote) -> Quote<'_> {
    Quote {
        message: Bytes::new(&quote.message),
        signature: Bytes::new(&quote.signature),
        pcr_values: quote
            .pcr_values
            .iter()
            .map(|pcr| Pcr { index: pcr.index, algorithm: &pcr.algorithm, value: Bytes::new(&pcr.value) })
            .collect(),
        ak_cert: Bytes::new(&quote.ak_cert),
        platform: match quote.platform {
            HostPlatform::Dstack => Host::Dstack,
            HostPlatform::Gcp => Host::Gcp,
            HostPlatform::NitroEnclave => Host::NitroEnclave,
            HostPlatform::AwsEc2 => Host::AwsEc2,
        },
        event_log: quote
            .event_log
            .iter()
            .map(|event| Boot { pcr_index: event.pcr_index, digest: Bytes::new(&event.digest) })
            .collect(),
    }
}

fn encode(attestation: &Attestation) -> Vec<u8> {
    let platform = match &attestation.platform {
        Platform::Tdx { quote, event_log } => Evidence::Tdx { quote, event_log: events(event_log) },
        Platform::GcpTdx { quote: tdx, event_log, tpm_quote } => {
            Evidence::GcpTdx { quote: tdx, event_log: events(event_log), tpm_quote: quote(tpm_quote) }
        }
        Platform::NitroEnclave { nsm_quote } => Evidence::NitroEnclave { nsm_quote },
        Platform::AwsNitroTpm { attestation_doc } => Evidence::AwsNitroTpm { attestation_doc },
        Platform::AmdSevSnp { report, cert_chain, mr_config } => {
            Evidence::SevSnp { report, cert_chain, mr_config }
        }
    };
    let runtime_events = attestation.runtime_events.iter().map(runtime).collect();
    let (report_data, config) = (attestation.report_data.as_slice(), attestation.config.as_str());
    let stack = match &attestation.pod_payload {
        None => Stack::Dstack { report_data, runtime_events, config },
        Some(payload) => {
            Stack::DstackPod { report_data, runtime_events, config, report_data_payload: payload }
        }
    };
    rmp_serde::to_vec_named(&Envelope { version: 1, platform, stack }).unwrap()
}

#[test]
fn same_bytes_for_every_platform() {
    for sample in samples().into_iter().chain([pod()]) {
        let bytes = sample.encode_v1().unwrap();
        assert_eq!(bytes, encode(&sample));
        assert_eq!(Attestation::decode(&bytes), Ok(sample));
    }
    let hosts = [HostPlatform::Dstack, HostPlatform::Gcp, HostPlatform::NitroEnclave, HostPlatform::AwsEc2];
    for host in hosts {
        let mut sample = samples().remove(1);
        let Platform::GcpTdx { tpm_quote, .. } = &mut sample.platform else { panic!("a gcp attestation") };
        tpm_quote.platform = host;
        let bytes = sample.encode_v1().unwrap();
        assert_eq!(bytes, encode(&sample));
        assert_eq!(Attestation::decode(&bytes).as_ref(), Ok(&sample));
        assert_eq!(Attestation::decode(&sample.encode_v0().unwrap()), Ok(sample));
    }
}

#[test]
fn same_bytes_for_real_attestations() {
    let Some(all) = real("wire::oracle::same_bytes_for_real_attestations") else { return };
    for (path, bytes) in all {
        let attestation = Attestation::decode(&bytes).unwrap();
        assert_eq!(attestation.encode_v1().unwrap(), encode(&attestation), "{path}");
    }
}
