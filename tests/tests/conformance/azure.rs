//! Azure: forged guests on SEV-SNP and TDX in every profile, and a real one.

use std::{fs, ops::Range, path::Path, sync::LazyLock};

use backend_api::{
    Authority, Challenge, DeviceEvent, Endorsement, EndorsementKind, ErrorKind, Evidence, Field, MediaType,
    Registration, TrustAnchors,
};
use backend_azure::{AzureEvidence, Profile, REGISTRATION, Tee, media_type};
use conformance::{Case, Flip, Forgery, Given, Loose, Subject, Validity};
use evidence_tpm::Signature;
use evidence_x509::Certificate;
use lab::{
    azure::{Guest, guest},
    events::measure_devices,
    time::utc_day,
    tpm::SelectionSpec,
};
use serde_json::{Value, json};

use crate::{
    azure_forgeries::forgeries,
    azure_payload::{assembled, payload},
    vectors::vectors,
};

/// The first 8 bytes are their own: nothing that repeats could hide an exchange of parts. The last 16 are zero, as a nonce of 48 bytes
/// leaves them.
pub(crate) fn challenge() -> [u8; 64] {
    std::array::from_fn(
        |index| {
            if index < 48 { u8::try_from(index).unwrap().wrapping_mul(37) ^ 0x5C } else { 0 }
        },
    )
}

pub(crate) struct Azure;

impl Subject for Azure {
    fn registration(&self) -> &'static Registration {
        &REGISTRATION
    }

    fn golden(&self) -> Vec<Case> {
        static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
            let mut cases = vec![
                whole_guest(Guest::snp(), "SEV-SNP"),
                whole_guest(Guest::tdx(), "TDX"),
                coco(Guest::snp(), Tee::Snp),
                coco(Guest::tdx(), Tee::Tdx),
                raw(Guest::snp(), Tee::Snp),
                raw(Guest::tdx(), Tee::Tdx),
            ];
            if let Some(folder) = vectors("azure") {
                cases.push(real_guest(&folder));
            }
            cases
        });
        CASES.clone()
    }

    fn negative(&self) -> Vec<Forgery> {
        forgeries()
    }

    fn foreign(&self) -> Vec<Evidence> {
        let (report, _) = Guest::snp().hcl_report();
        vec![
            Evidence::new(MediaType::new("application/vnd.microsoft.hcl"), report),
            Evidence::new(MediaType::new("application/json"), br#"{"hcl_report":""}"#.to_vec()),
            Evidence::new(MediaType::new("application/vnd.dstack.azure.v1+cbor"), vec![0xA0]),
        ]
    }
}

pub(crate) fn case_of(name: &str, guest: &Guest, profile: Profile, evidence: &AzureEvidence) -> Case {
    let tee = match guest.tee {
        guest::Tee::Snp(_) => Tee::Snp,
        guest::Tee::Tdx(_) => Tee::Tdx,
    };
    let first = match tee {
        // The certificate of the attestation key and all lists begin together.
        Tee::Snp => ErrorKind::NotYetValid,
        // The platform's certificate is older than Intel's documents.
        Tee::Tdx => ErrorKind::StaleEndorsements,
    };
    let validity = Validity {
        earlier: first,
        later: ErrorKind::StaleEndorsements,
        ..Validity::new(utc_day(2026, 1, 1), utc_day(2027, 1, 1) - u64::from(tee == Tee::Tdx))
    };
    let bytes = Evidence::new(media_type(tee, profile), evidence.encode());
    let mut case = Case::new(name, bytes, Challenge::new(challenge()), lab_anchors(guest), validity);
    case.endorsements = endorsements(guest);
    case.policy = json!({ "launch": { "images": [image(guest)] } });
    case.claims = vec![
        ("/tee", json!(if tee == Tee::Snp { "sev-snp" } else { "tdx" })),
        ("/tee-variant", json!(if tee == Tee::Snp { "azure-snp" } else { "azure-tdx" })),
        ("/details/ak-certificate-subject", json!("353c6d9a70bc.ConfidentialVM.Azure.windows.net")),
        ("/details/pcrs/14", json!(hex::encode(guest.pcr(14)))),
        ("/details/vm-configuration/tpm-enabled", json!(true)),
    ];
    case.loose = loose(&case, guest, evidence, profile);
    case
}

/// What no signature and no hash covers.
fn loose(case: &Case, guest: &Guest, evidence: &AzureEvidence, profile: Profile) -> Vec<Loose> {
    let mut all = Vec::new();
    if let Some(log) = &evidence.boot_log {
        all.push(Loose {
            range: position(case, log),
            flip: Flip::Ignored,
            why: "the digests replay to the registers; what the events say of themselves is not read",
        });
    }
    if profile != Profile::V1 {
        let hcl = position(case, &evidence.hcl_report);
        all.push(Loose {
            range: hcl.start + 4..hcl.start + 32,
            flip: Flip::Ignored,
            why: "the header says what a report was made for, and nothing covers it; only its sizes are read",
        });
    }
    if matches!(guest.tee, guest::Tee::Tdx(_)) {
        let hcl = position(case, &evidence.hcl_report);
        all.push(Loose {
            range: hcl.start + 32..hcl.start + 32 + 1024,
            flip: Flip::Ignored,
            why: "of a TD report, the hashes of its parts and its MAC are its own platform's; what was quoted is compared",
        });
    }
    all
}

fn image(guest: &Guest) -> Value {
    let value = |pcr: u8| json!([hex::encode(guest.pcr(pcr))]);
    json!({
        "os-image-hash": "1a".repeat(32),
        "pcrs": { "2": value(2), "4": value(4), "7": value(7), "9": value(9), "11": value(11) },
    })
}

/// What the vendors say of the lab's machines.
pub(crate) fn endorsements(guest: &Guest) -> Vec<Given> {
    let needed = |kind, bytes| Given::needed(Endorsement::new(kind, bytes));
    let mut all = vec![needed(EndorsementKind::Certificate, guest.hierarchy.root().to_vec())];
    for list in guest.hierarchy.crls() {
        let why = "without a list, revocation is not known and the ledger says so";
        all.push(Given::redundant(Endorsement::new(EndorsementKind::RevocationList, list), why));
    }
    match &guest.tee {
        guest::Tee::Snp(processor) => all.push(needed(EndorsementKind::RevocationList, processor.crl())),
        guest::Tee::Tdx(processor) => {
            let collateral = processor.collateral();
            all.push(needed(EndorsementKind::Certificate, processor.collateral.tcb_signing_chain[0].clone()));
            for document in [&collateral.tcb_info, &collateral.qe_identity] {
                all.push(needed(EndorsementKind::Document, document.json().into_bytes()));
            }
            for list in [collateral.root_ca_crl, collateral.pck_crl] {
                all.push(needed(EndorsementKind::RevocationList, list));
            }
        }
    }
    all
}

/// Everything that a guest sends in our own profile.
fn whole_guest(mut guest: Guest, name: &str) -> Case {
    measure_devices(&mut guest.events, b"devices");
    let evidence = payload(&guest, &challenge());
    let mut case = case_of(name, &guest, Profile::V1, &evidence);
    case.device_event = Some(DeviceEvent::new(b"devices".to_vec(), "PCR14", Authority::TeeVtpm));
    let payload = |name: &str| guest.events.iter().find(|event| event.name == name).unwrap().payload.clone();
    case.identity = vec![
        (Field::OsImageHash, vec![0x1A; 32]),
        (Field::AppId, payload("app-id")),
        (Field::ComposeHash, payload("compose-hash")),
    ];
    case
}

/// What the attesters of Confidential Containers send: every register, no log, no events.
fn coco(guest: Guest, tee: Tee) -> Case {
    let (guest, evidence) = of_other_tool(guest, challenge()[..48].to_vec());
    case_of(&format!("{} as Confidential Containers send it", tee.name()), &guest, Profile::Coco, &evidence)
}

/// What another tool made, as the policy names it.
fn raw(guest: Guest, tee: Tee) -> Case {
    let (guest, evidence) = of_other_tool(guest, challenge()[..48].to_vec());
    let mut case = case_of(&format!("{} of another tool", tee.name()), &guest, Profile::Raw, &evidence);
    case.policy["raw"] = json!({ "user-data": hex::encode([0; 64]) });
    case
}

fn of_other_tool(mut guest: Guest, extra_data: Vec<u8>) -> (Guest, AzureEvidence) {
    guest.events.clear();
    guest.hcl.size = 2048;
    guest.selection = SelectionSpec::sha256(&std::array::from_fn::<u8, 24, _>(|pcr| pcr.try_into().unwrap()));
    let parts = guest.parts(|_| extra_data);
    let mut evidence = assembled(&guest, parts);
    evidence.boot_log = None;
    // Without the zeros of its index, each of which is a byte that takes as long as others.
    let certificate = evidence.ak_certificate.as_mut().unwrap();
    let length = evidence_tpm::without_padding(certificate).unwrap().len();
    certificate.truncate(length);
    (guest, evidence)
}

/// A guest of Azure's with a certificate of its attestation key, under the vendors' own roots.
fn real_guest(root: &Path) -> Case {
    let folder = root.join("azure/tdx-v4-flashbots-2025");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let pcrs: Value = serde_json::from_slice(&read("pcrs.json")).unwrap();
    let pcrs = (0..24).map(|pcr: u8| hex::decode(pcrs[pcr.to_string()].as_str().unwrap()).unwrap());
    let signature = Signature::rsassa_sha256(&read("quote.sig")).unwrap();
    let mut evidence =
        AzureEvidence::new(read("hcl_report.bin"), read("quote.msg"), signature, pcrs.collect());
    evidence.td_quote = Some(read("td_quote.bin").into());
    evidence.ak_certificate = Some(read("ak_cert_nv_raw.bin").into());
    evidence.certificates = vec![read("ak_intermediate_0.der").into()];
    let collateral: Value = serde_json::from_slice(&read("collateral.json")).unwrap();
    let (mut endorsements, [not_before, not_after]) = crate::tdx::real_endorsements(&collateral);
    let azure =
        fs::read(root.join("roots/azure/Azure_Virtual_TPM_Root_Certificate_Authority_2023.pem")).unwrap();
    let azure = Certificate::parse_der_or_pem(&azure).unwrap()[0].der().to_vec();
    endorsements.push(Given::needed(Endorsement::new(EndorsementKind::Certificate, azure)));
    let validity = Validity {
        earlier: ErrorKind::StaleEndorsements,
        later: ErrorKind::StaleEndorsements,
        ..Validity::new(not_before, not_after)
    };
    let anchors = (REGISTRATION.backend.descriptor().trust_anchors)();
    let bytes = Evidence::new(media_type(Tee::Tdx, Profile::Coco), evidence.encode());
    let mut case = Case::new("a real guest of Azure's", bytes, Challenge::new([0; 64]), anchors, validity);
    case.endorsements = endorsements;
    let value = |pcr: usize| json!([hex::encode(&evidence.pcrs[pcr])]);
    let pcrs = json!({ "2": value(2), "4": value(4), "7": value(7), "9": value(9), "11": value(11) });
    case.policy = json!({ "launch": { "images": [{ "pcrs": pcrs }] } });
    case.claims = vec![
        ("/tee", json!("tdx")),
        ("/tcb-status", json!("UpToDate")),
        ("/details/ak-certificate-subject", json!("353c6d9a70bc.ConfidentialVM.Azure.windows.net")),
    ];
    case.loose = loose(&case, &Guest::tdx(), &evidence, Profile::Coco);
    case
}

/// Where `part` stands in the Evidence.
fn position(case: &Case, part: &[u8]) -> Range<usize> {
    let start = case.evidence.bytes().windows(part.len()).position(|bytes| bytes == part).unwrap();
    start..start + part.len()
}

pub(crate) fn lab_anchors(guest: &Guest) -> TrustAnchors {
    guest.pins().into_iter().collect()
}
