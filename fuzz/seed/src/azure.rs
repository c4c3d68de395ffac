//! What the simulated Azure forges.

use backend_azure::{AzureEvidence, hcl::HclReport};
use backend_tdx::LoggedEvent;
use lab::{
    azure::{Guest, HclSpec, guest::AK_ATTRIBUTES},
    events::Event,
    tpm::{BootLog, SelectionSpec, ak_public},
};

use crate::Seeds;

/// What the targets' own quotes commit to.
const CHALLENGE: [u8; 64] = [7; 64];

/// A guest on each technology.
fn guests() -> [(&'static str, Guest); 2] {
    [("snp", Guest::snp()), ("tdx", Guest::tdx())]
}

/// The target chooses by the first byte: TPMS_ATTEST or TPMT_SIGNATURE.
pub fn quotes() -> Seeds {
    let mut seeds = Seeds::new();
    let mut guest = Guest::snp();
    for (name, pcrs) in
        [("v1", guest.selection.pcrs.clone()), ("all", (0..24).collect()), ("none", Vec::new())]
    {
        guest.selection = SelectionSpec::sha256(&pcrs);
        let parts = guest.parts(|_| b"challenge".to_vec());
        seeds.push((format!("quote-{name}"), [b"a", &parts.quote[..]].concat()));
        seeds.push((format!("signature-{name}"), [b"s", &parts.signature[..]].concat()));
    }
    guest.edit_quote = vec![|quote| {
        quote.selections.push(SelectionSpec { algorithm: 0x0004, pcrs: vec![0, 23], size: 3 });
        quote.extra_data = Vec::new();
    }];
    let two_banks = guest.parts(|_| Vec::new()).quote;
    seeds.push(("quote-two-banks".to_owned(), [b"a", &two_banks[..]].concat()));
    // RSAPSS, and ECDSA with its two numbers.
    seeds.push(("signature-pss".to_owned(), [&b"s\0\x16\0\x0B\x01\0"[..], &[7; 256]].concat()));
    let number = [&[0, 32][..], &[7; 32]].concat();
    seeds.push(("signature-ecdsa".to_owned(), [&b"s\0\x18\0\x0B"[..], &number, &number].concat()));
    seeds
}

pub fn publics() -> Seeds {
    let modulus = Guest::snp().ak.modulus();
    let template = ak_public(AK_ATTRIBUTES, &modulus);
    let number = [&[0, 32][..], &[7; 32]].concat();
    // A key on P-256 for ECDSA with SHA-256, with a policy and a name by SHA-384.
    let ecc = [
        &[0, 0x23, 0, 0x0C, 0, 5, 0x04, 0x72, 0, 4][..],
        b"auth",
        &[0, 0x10, 0, 0x18, 0, 0x0B, 0, 3, 0, 0x10],
        &number,
        &number,
    ]
    .concat();
    vec![
        ("template".to_owned(), template),
        ("decrypt".to_owned(), ak_public(AK_ATTRIBUTES | 1 << 17, &modulus)),
        ("ecc".to_owned(), ecc),
    ]
}

pub fn hcl_reports() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, guest) in guests() {
        let (report, _) = guest.hcl_report();
        let whole = HclReport::parse(&report).expect("a sound report").without_padding.to_vec();
        seeds.push((name.to_owned(), report));
        seeds.push((format!("{name}-without-padding"), whole));
    }
    let mut guest = Guest::tdx();
    guest.td_report_patches = vec![(976, vec![1])];
    seeds.push(("tdx-behind-what-is-quoted".to_owned(), guest.hcl_report().0));
    guest.td_report_patches = vec![(600, vec![1])];
    seeds.push(("tdx-of-another-config-id".to_owned(), guest.hcl_report().0));
    let bare = HclSpec { size: 1240, ..HclSpec::new(2) };
    seeds.push(("bare".to_owned(), bare.bytes(&[], b"{}")));
    seeds
}

pub fn runtime_data() -> Seeds {
    let mut data = Guest::snp().runtime_data;
    let mut seeds = vec![("sound".to_owned(), data.json())];
    data.more_keys = vec![serde_json::json!({ "kid": "HCLEkPub", "kty": "RSA", "e": "AQAB", "n": "AQAB" })];
    data.user_data = None;
    seeds.push(("two-keys".to_owned(), data.json()));
    data.more_keys[0]["kid"] = "HCLAkPub".into();
    data.vm_configuration["tpm-enabled"] = "true".into();
    seeds.push(("the-key-twice".to_owned(), data.json()));
    data.appended = r#","user-data":"00","#.to_owned();
    seeds.push(("no-json".to_owned(), data.json()));
    seeds
}

pub fn ak_certificates() -> Seeds {
    let guest = Guest::snp();
    let padded = guest.ak_certificate();
    let mut other = guest.clone();
    other.ak_spec.subject = lab::azure::hierarchy::common_name("353c6d9a70bc.TrustedVM.Azure.windows.net");
    vec![
        ("padded".to_owned(), padded.clone()),
        ("bare".to_owned(), evidence_tpm::without_padding(&padded).expect("a sound certificate").to_vec()),
        ("trusted-vm".to_owned(), other.ak_certificate()),
        ("authority".to_owned(), guest.hierarchy.ca().to_vec()),
        ("root".to_owned(), guest.hierarchy.root().to_vec()),
    ]
}

/// A TPM's log of a boot.
pub fn event_logs() -> Seeds {
    vec![("azure".to_owned(), BootLog::new().bytes())]
}

pub fn payloads() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, guest) in guests() {
        let parts = guest.v1_parts(&CHALLENGE);
        let mut evidence = AzureEvidence::new(parts.hcl_report, parts.quote, parts.signature, parts.pcrs);
        evidence.td_quote = parts.td_quote.map(Into::into);
        evidence.ak_certificate = Some(parts.ak_certificate.into());
        evidence.certificates = parts.certificates.into_iter().map(Into::into).collect();
        evidence.boot_log = Some(parts.boot_log.into());
        evidence.runtime_events = guest.events.iter().map(logged).collect();
        seeds.push((name.to_owned(), evidence.encode()));
        // Without what the target puts in itself.
        let mut small = AzureEvidence::new(Vec::new(), Vec::new(), Vec::new(), Vec::new());
        small.td_quote = evidence.td_quote.map(|_| Vec::new().into());
        seeds.push((format!("{name}-nothing"), small.encode()));
        small.runtime_events = evidence.runtime_events;
        seeds.push((format!("{name}-events"), small.encode()));
        small.boot_log = evidence.boot_log;
        seeds.push((format!("{name}-logs"), small.encode()));
    }
    seeds
}

pub fn logged(event: &Event) -> LoggedEvent {
    LoggedEvent { name: event.name.clone(), payload: event.payload.clone().into(), version: event.version }
}
