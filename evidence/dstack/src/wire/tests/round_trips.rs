//! Every published document of dstack's, decoded and encoded again: the bytes must be the same.

use serde_json::json;

use super::super::{Attestation, Encoding, Platform, Request};
use crate::boot_info::{self, BootInfo};
use crate::events::{EventVersion, TdxEvent};
use crate::vectors;

const BINARY: [&str; 4] = [
    "dstack/nitro_attestation.bin",
    "dstack/nitro_attestation_dbg.bin",
    "dstack/sev_snp_attestation.bin",
    "dstack/simulator-attestation.bin",
];
/// The verifier's requests: an attestation in hex.
const ENCODED: [&str; 2] = ["dstack/sev-snp-attestation.json", "dstack/tdx-lite-attestation.json"];
/// A guest's answers: a raw quote with its log.
const RAW: [&str; 2] = ["dstack/quote-report.json", "dstack/tdx-lite-getquote.json"];

/// V0 to V0, V0 to V1, V1 to V1 and V1 to V0. Gives the length of V1.
fn binary(path: &str, v0: &[u8]) -> usize {
    let attestation = Attestation::decode(v0).unwrap();
    assert_eq!(attestation.encode_v0().unwrap(), v0, "{path}: V0 to V0");
    let v1 = attestation.encode_v1().unwrap();
    let again = Attestation::decode(&v1).unwrap();
    assert_eq!(again, attestation, "{path}: V0 to V1");
    assert_eq!(again.encode_v1().unwrap(), v1, "{path}: V1 to V1");
    assert_eq!(again.encode_v0().unwrap(), v0, "{path}: V1 to V0");
    v1.len()
}

/// The text that dstack's guest writes for this event.
fn event_text(event: &TdxEvent) -> String {
    assert_eq!((event.version, &event.preimage), (EventVersion::V1, &None));
    let (name, digest) = (json!(event.event), hex::encode(&event.digest));
    let (imr, kind, payload) = (event.imr, event.event_type, hex::encode(&event.event_payload));
    format!(
        r#"{{"imr":{imr},"event_type":{kind},"digest":"{digest}","event":{name},"event_payload":"{payload}"}}"#
    )
}

#[test]
fn every_document_encodes_to_the_same_bytes() {
    let test = "wire::round_trips::every_document_encodes_to_the_same_bytes";
    let mut table = vec![["document", "bytes", "V0", "V1"].map(str::to_owned)];
    let mut row = |path: &str, bytes: usize, v0: usize, v1: usize| {
        table.push([path.to_owned(), bytes.to_string(), v0.to_string(), v1.to_string()]);
    };
    for path in BINARY {
        let Some(v0) = vectors::read(test, path) else { return };
        assert_eq!(Encoding::sniff(&v0), Ok(Encoding::V0));
        row(path, v0.len(), v0.len(), binary(path, &v0));
    }
    for path in ENCODED {
        let text = vectors::read(test, path).unwrap();
        let v0 = vectors::attestation_in_json(test, path).unwrap();
        let attestation = Attestation::decode(&text).unwrap();
        // The whole document but for its white space: the hex is lower case, as dstack writes it.
        let compact: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            compact,
            json!({ "attestation": hex::encode(attestation.encode_v0().unwrap()) }),
            "{path}"
        );
        row(path, text.len(), v0.len(), binary(path, &v0));
    }
    for path in RAW {
        let text = String::from_utf8(vectors::read(test, path).unwrap()).unwrap();
        let Request::Quote(request) = Request::parse(&text).unwrap() else { panic!("a raw quote") };
        // Every string of the document comes back from what was parsed, the log within its string included.
        let events: Vec<String> = request.event_log.iter().map(event_text).collect();
        let again = json!({
            "quote": hex::encode(&request.quote),
            "event_log": format!("[{}]", events.join(",")),
            "report_data": hex::encode(request.report_data.unwrap()),
            "vm_config": request.vm_config,
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), again, "{path}");
        let v0 = Request::Quote(request).into_attestation().unwrap().encode_v0().unwrap();
        row(path, text.len(), v0.len(), binary(path, &v0));
    }
    for [path, bytes, v0, v1] in table {
        println!("{path:<36} {bytes:>6} {v0:>6} {v1:>6}");
    }
}

/// V1 spells quotes, reports and `report_data` as arrays of integers, and integers from 128 on in two bytes.
/// Digests and payloads are binary.
#[test]
fn v1_spells_a_real_quote_as_integers() {
    let test = "wire::round_trips::v1_spells_a_real_quote_as_integers";
    let Some(v0) = vectors::read(test, "dstack/simulator-attestation.bin") else { return };
    let attestation = Attestation::decode(&v0).unwrap();
    let v1 = attestation.encode_v1().unwrap();
    let Platform::Tdx { quote, event_log } = attestation.platform else { panic!("a tdx attestation") };
    let find = |bytes: &[u8]| v1.windows(bytes.len()).position(|window| window == bytes);

    let start = find(b"\xa5quote\xdc").unwrap() + 7;
    let (length, integers) = v1[start..].split_first_chunk::<2>().unwrap();
    assert_eq!(usize::from(u16::from_be_bytes(*length)), quote.len());
    let spelled: Vec<u8> =
        quote.iter().flat_map(|&byte| if byte < 128 { vec![byte] } else { vec![0xcc, byte] }).collect();
    assert!(integers.starts_with(&spelled));
    assert!(find(&quote).is_none());
    assert!(spelled.len() > quote.len());

    let digest = [b"\xa6digest\xc4\x30", event_log[0].digest.as_slice()].concat();
    assert!(find(&digest).is_some());
}

/// What a KMS posts for a real SEV-SNP guest; the text is what its types serialise to.
#[test]
fn boot_info_encodes_to_the_same_text() {
    let test = "wire::round_trips::boot_info_encodes_to_the_same_text";
    let Some(report) = vectors::read(test, "snp/milan-v3-dstack-e2e/report.bin") else { return };
    let field = |offset: usize| report[offset..].first_chunk().unwrap();
    let text = format!(
        concat!(
            r#"{{"teeVariant":"dstack-amd-sev-snp","mrAggregated":"{}","#,
            r#""osImageHash":"f69c8e5031ec2b269bbc08839ce02cb98ee255d695626f941f4b37b95946d352","#,
            r#""mrSystem":"{}","appId":"86e59625be93207bc2351c4d1bba20037cec8e16","#,
            r#""composeHash":"86e59625be93207bc2351c4d1bba20037cec8e168da6b18f559af5af657b7a23","#,
            r#""instanceId":"d378c00e65112c4235bfeb46c6a0f98fd02145a3","deviceId":"{}","#,
            r#""keyProviderInfo":"","tcbStatus":"OutOfDate","advisoryIds":[]}}"#,
        ),
        hex::encode(boot_info::snp_mr_aggregated(field(0x90), report[0xc0..].first_chunk().unwrap())),
        hex::encode(boot_info::snp_mr_system(field(0x90))),
        hex::encode(boot_info::snp_device_id(report[0x1a0..].first_chunk().unwrap())),
    );
    let parsed = BootInfo::parse(&text).unwrap();
    assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
}
