//! Google Cloud: forged guests on SEV-SNP and TDX in every profile.

use std::{ops::Range, sync::LazyLock};

use backend_api::{
    Authority, Challenge, DeviceEvent, Endorsement, EndorsementKind, ErrorKind, Evidence, Field, MediaType,
    Registration, TrustAnchors,
};
use backend_gcp::{GcpEvidence, Profile, REGISTRATION, Tee, media_type};
use conformance::{Case, Flip, Forgery, Given, Loose, Subject, Validity};
use lab::{
    events::measure_devices,
    google::{EndorsementAuthority, Guest, guest},
    time::utc_day,
    tpm::SelectionSpec,
};
use serde_json::{Value, json};

use crate::{
    gcp_forgeries::forgeries,
    gcp_payload::{assembled, payload},
};

/// The first 8 bytes are their own: nothing that repeats could hide an exchange of parts. The last 16 are zero, as a nonce of 48 bytes
/// leaves them.
pub(crate) fn challenge() -> [u8; 64] {
    crate::azure::challenge()
}

pub(crate) struct Google;

impl Subject for Google {
    fn registration(&self) -> &'static Registration {
        &REGISTRATION
    }

    fn golden(&self) -> Vec<Case> {
        static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
            vec![
                whole_guest(Guest::snp(), "SEV-SNP"),
                whole_guest(Guest::tdx(), "TDX"),
                dstack(&Guest::tdx()),
                raw(Guest::snp()),
                raw(Guest::tdx()),
            ]
        });
        CASES.clone()
    }

    fn negative(&self) -> Vec<Forgery> {
        forgeries()
    }

    fn foreign(&self) -> Vec<Evidence> {
        vec![
            Evidence::new(MediaType::new("application/x-protobuf"), Guest::snp().endorsement.sign()),
            Evidence::new(MediaType::new("application/json"), br#"{"report":""}"#.to_vec()),
            Evidence::new(MediaType::new("application/vnd.dstack.gcp.v1+cbor"), vec![0xA0]),
        ]
    }
}

pub(crate) fn tee(guest: &Guest) -> Tee {
    match guest.tee {
        guest::Tee::Snp(_) => Tee::Snp,
        guest::Tee::Tdx(_) => Tee::Tdx,
    }
}

pub(crate) fn case_of(name: &str, guest: &Guest, profile: Profile, evidence: &GcpEvidence) -> Case {
    let tee = tee(guest);
    let end = utc_day(2027, 1, 1) - u64::from(tee == Tee::Tdx);
    // From when the launch endorsement was made, to the end of the revocation lists.
    let validity = Validity {
        earlier: ErrorKind::NotYetValid,
        later: ErrorKind::StaleEndorsements,
        ..Validity::new(utc_day(2026, 3, 12), end)
    };
    let bytes = Evidence::new(media_type(tee, profile).unwrap(), evidence.encode());
    let anchors: TrustAnchors = guest.pins().into_iter().collect();
    let mut case = Case::new(name, bytes, Challenge::new(challenge()), anchors, validity);
    case.endorsements = endorsements(guest);
    case.policy = json!({ "launch": { "images": [image(guest)] } });
    case.claims = vec![
        ("/tee", json!(if tee == Tee::Snp { "sev-snp" } else { "tdx" })),
        ("/tee-variant", json!(if tee == Tee::Snp { "gcp-snp" } else { "dstack-gcp-tdx" })),
        ("/details/instance/project-id", json!("lab-project")),
        ("/details/vtpm-technology", json!(tee.name())),
        ("/details/pcrs/14", json!(hex::encode(guest.pcr(14)))),
    ];
    case.loose = loose(&case, evidence);
    case
}

/// What no signature and no hash covers.
fn loose(case: &Case, evidence: &GcpEvidence) -> Vec<Loose> {
    let logs = [&evidence.boot_log, &evidence.cc_log].into_iter().flatten();
    let loose = |log: &serde_bytes::ByteBuf| Loose {
        range: position(case, log),
        flip: Flip::Ignored,
        why: "the digests replay to the registers; what the events say of themselves is not read",
    };
    logs.map(loose).collect()
}

fn image(guest: &Guest) -> Value {
    let name = "1a".repeat(32);
    match tee(guest) {
        Tee::Snp => {
            let value = |pcr: u8| json!([hex::encode(guest.pcr(pcr))]);
            let pcrs = json!({ "2": value(2), "4": value(4), "7": value(7), "9": value(9), "11": value(11) });
            json!({ "os-image-hash": name, "pcrs": pcrs })
        }
        Tee::Tdx => {
            let [_, rtmr1, rtmr2, _] = guest.rtmrs().map(hex::encode);
            json!({ "os-image-hash": name, "rtmr1": [rtmr1], "rtmr2": [rtmr2] })
        }
    }
}

/// What the vendors say of the lab's machines.
pub(crate) fn endorsements(guest: &Guest) -> Vec<Given> {
    let root_of_firmware = EndorsementAuthority::new().root().to_vec();
    let given = |(kind, bytes): (EndorsementKind, Vec<u8>)| {
        let redundant = bytes == root_of_firmware;
        let endorsement = Endorsement::new(kind, bytes);
        if redundant {
            Given::redundant(endorsement, "the launch endorsement brings the certificate of its root")
        } else {
            Given::needed(endorsement)
        }
    };
    guest.endorsements().into_iter().map(given).collect()
}

fn identity(guest: &Guest) -> Vec<(Field, Vec<u8>)> {
    let payload = |name: &str| guest.events.iter().find(|event| event.name == name).unwrap().payload.clone();
    vec![
        (Field::OsImageHash, vec![0x1A; 32]),
        (Field::AppId, payload("app-id")),
        (Field::ComposeHash, payload("compose-hash")),
    ]
}

/// Everything that a guest sends in our own profile.
fn whole_guest(mut guest: Guest, name: &str) -> Case {
    measure_devices(&mut guest.events, b"devices");
    let mut case = case_of(name, &guest, Profile::V1, &payload(&guest, &challenge()));
    case.identity = identity(&guest);
    let (register, word) = match tee(&guest) {
        Tee::Snp => ("PCR14", Authority::ProviderVtpm),
        Tee::Tdx => ("RTMR3", Authority::TeeHardware),
    };
    case.device_event = Some(DeviceEvent::new(b"devices".to_vec(), register, word));
    case
}

/// What dstack sends.
fn dstack(guest: &Guest) -> Case {
    let evidence = assembled(guest, guest.dstack_parts(&challenge()));
    let mut case = case_of("TDX as dstack sends it", guest, Profile::Dstack, &evidence);
    case.identity = identity(guest);
    case
}

/// What another tool made: one nonce in both halves, every register, no log, no events.
fn raw(mut guest: Guest) -> Case {
    guest.events.clear();
    guest.selection = SelectionSpec::sha256(&std::array::from_fn::<u8, 24, _>(|pcr| pcr.try_into().unwrap()));
    let report = guest.report(&challenge());
    let mut evidence = assembled(&guest, guest.parts(report, &challenge()[..48]));
    (evidence.boot_log, evidence.cc_log) = (None, None);
    let name = format!("{} of another tool", tee(&guest).name());
    let mut case = case_of(&name, &guest, Profile::Raw, &evidence);
    case.policy["raw"] = json!({});
    case
}

/// Where `part` stands in the Evidence.
fn position(case: &Case, part: &[u8]) -> Range<usize> {
    let start = case.evidence.bytes().windows(part.len()).position(|bytes| bytes == part).unwrap();
    start..start + part.len()
}
