//! Intel TDX: forged guests with quotes of every form, and a real one.

use std::{fs, ops::Range, path::Path, sync::LazyLock};

use backend_api::{
    Authority, Challenge, DeviceEvent, Endorsement, EndorsementKind, ErrorKind, Evidence, Field, MediaType,
    Registration, TrustAnchors,
};
use backend_tdx::{BootLog, MEDIA_TYPE, REGISTRATION, TdxEvidence};
use conformance::{Case, Flip, Forgery, Given, Loose, Subject, Validity};
use evidence_dstack::wire::Attestation;
use evidence_tdx::Quote;
use evidence_x509::{Certificate, RevocationList};
use lab::{
    events::measure_devices,
    intel::{BodyType, ConfigId, TdGuest},
    time::utc_day,
};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use crate::{tdx_forgeries::forgeries, tdx_payload::payload, vectors::vectors};

/// The first 8 bytes are their own: nothing that repeats could hide an exchange of parts.
pub(crate) fn challenge() -> [u8; 64] {
    std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(37) ^ 0x5C)
}

pub(crate) struct Tdx;

impl Subject for Tdx {
    fn registration(&self) -> &'static Registration {
        &REGISTRATION
    }

    fn golden(&self) -> Vec<Case> {
        static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
            let mut cases = vec![whole_guest(), firmware_log(), expiring_platform(), extended_report()];
            if let Some(folder) = vectors("tdx") {
                cases.push(real_dstack(&folder));
            }
            cases
        });
        CASES.clone()
    }

    fn negative(&self) -> Vec<Forgery> {
        forgeries()
    }

    fn foreign(&self) -> Vec<Evidence> {
        // What other platforms and other tools send: a bare quote, JSON, another cloud's envelope.
        let quote = TdGuest::new().quote_for(&challenge());
        let mut foreign = vec![
            Evidence::new(MediaType::new("application/vnd.intel.tdx.quote"), quote),
            Evidence::new(MediaType::new("application/json"), br#"{"quote":""}"#.to_vec()),
            Evidence::new(MediaType::new("application/vnd.dstack.gcp.v1+cbor"), vec![0xA0]),
        ];
        if let Some(folder) = vectors("tdx") {
            let bytes = fs::read(folder.join("dstack/simulator-attestation.bin")).unwrap();
            foreign.push(Evidence::new(MediaType::new("application/vnd.dstack.attestation"), bytes));
        }
        foreign
    }
}

pub(crate) fn case_of(name: &str, guest: &TdGuest, evidence: &TdxEvidence) -> Case {
    // Lists and documents begin together, and the lists are the first to end: the second of nextUpdate is no
    // longer theirs.
    let validity = Validity {
        earlier: ErrorKind::StaleEndorsements,
        later: ErrorKind::StaleEndorsements,
        ..Validity::new(utc_day(2026, 1, 1), utc_day(2027, 1, 1) - 1)
    };
    let evidence = Evidence::new(MEDIA_TYPE, evidence.encode());
    let mut case = Case::new(name, evidence, Challenge::new(challenge()), lab_anchors(guest), validity);
    case.endorsements = endorsements(guest);
    case.claims = vec![
        ("/tee", json!("tdx")),
        ("/product", json!("platform 90c06f000000")),
        ("/measurement", json!(hex::encode(guest.quote.body.mrtd))),
        ("/tcb-status", json!("UpToDate")),
        ("/details/quote-version", json!(guest.quote.version)),
        ("/details/rtmr3", json!(hex::encode(guest.quote.body.rtmr3))),
    ];
    case
}

/// What Intel says of the lab's platform: the signer, two documents, two lists.
pub(crate) fn endorsements(guest: &TdGuest) -> Vec<Given> {
    let all = guest.collateral();
    vec![
        given(EndorsementKind::Certificate, guest.collateral.tcb_signing_chain[0].clone()),
        given(EndorsementKind::Document, all.tcb_info.json().into_bytes()),
        given(EndorsementKind::Document, all.qe_identity.json().into_bytes()),
        given(EndorsementKind::RevocationList, all.root_ca_crl),
        given(EndorsementKind::RevocationList, all.pck_crl),
    ]
}

pub(crate) fn given(kind: EndorsementKind, bytes: Vec<u8>) -> Given {
    Given::needed(Endorsement::new(kind, bytes))
}

/// Version 4, with launch inputs and dstack's log, as dstack runs it.
pub(crate) fn whole_guest() -> Case {
    let mut guest = TdGuest::new();
    measure_devices(&mut guest.launch.events, b"devices");
    guest.seal_events();
    let evidence = payload(&guest, guest.quote_for(&challenge()));
    let mut case = case_of("version 4, all in one", &guest, &evidence);
    case.device_event = Some(DeviceEvent::new(b"devices".to_vec(), "RTMR3", Authority::TeeHardware));
    case.identity.push((Field::OsImageHash, guest.launch.os_image_hash().to_vec()));
    case.identity.push((Field::AppId, guest.launch.clone().event("app-id").payload.clone()));
    case.loose.push(checksum_file(&case, &guest.launch.checksum_file));
    case
}

/// Version 5 with the same body, the firmware's own log, and MRCONFIGID of the second form.
fn firmware_log() -> Case {
    let mut guest = TdGuest::new().with_form(5, BodyType::Td10);
    guest.launch.config_id = ConfigId::V2;
    guest.seal_launch();
    let mut evidence = payload(&guest, guest.quote_for(&challenge()));
    evidence.launch = None;
    let log = guest.launch.ccel();
    evidence.boot_log = Some(BootLog::Ccel(ByteBuf::from(log.clone())));
    let mut case = case_of("version 5, TD 1.0, the firmware's log", &guest, &evidence);
    known_by_registers(&mut case, &guest.quote.body.mrtd, [&guest.quote.body.rtmr1, &guest.quote.body.rtmr2]);
    case.loose.push(Loose {
        range: position(&case, &log),
        flip: Flip::Ignored,
        why: "the digests replay to the registers; what the events say of themselves is not read",
    });
    case
}

/// Version 5 with a report of TDX 1.5, whose PCK certificate ends before lists and documents do.
fn expiring_platform() -> Case {
    let mut guest = TdGuest::new().with_form(5, BodyType::Td15);
    guest.pck_spec.not_after = utc_day(2026, 7, 1);
    guest.issue_pck();
    let mut evidence = payload(&guest, guest.quote_for(&challenge()));
    evidence.launch = None;
    evidence.boot_log = None;
    let mut case = case_of("version 5, TD 1.5, certificate of half a year", &guest, &evidence);
    known_by_registers(&mut case, &guest.quote.body.mrtd, [&guest.quote.body.rtmr1, &guest.quote.body.rtmr2]);
    case.validity = Validity {
        earlier: ErrorKind::StaleEndorsements,
        ..Validity::new(utc_day(2026, 1, 1), guest.pck_spec.not_after)
    };
    case.at_second(utc_day(2026, 3, 1))
}

/// Version 5 with the extended report: no log, no event, no application.
fn extended_report() -> Case {
    let mut guest = TdGuest::new().with_form(5, BodyType::Td15Ex);
    guest.launch.config_id = ConfigId::Unset;
    guest.launch.events.clear();
    guest.seal_launch();
    let evidence = TdxEvidence::new(guest.quote_for(&challenge()));
    let mut case = case_of("version 5, TD 1.5ex, a quote alone", &guest, &evidence);
    known_by_registers(&mut case, &guest.quote.body.mrtd, [&guest.quote.body.rtmr1, &guest.quote.body.rtmr2]);
    case
}

/// The relying party lists MRTD, RTMR1 and RTMR2.
fn known_by_registers(case: &mut Case, mrtd: &[u8; 48], [rtmr1, rtmr2]: [&[u8; 48]; 2]) {
    case.reference_values.measurements.insert(mrtd.to_vec());
    let lists = json!({ "rtmr1": [hex::encode(rtmr1)], "rtmr2": [hex::encode(rtmr2)] });
    case.policy = json!({ "launch": lists });
}

/// dstack's own capture of a guest, under Intel's root.
fn real_dstack(folder: &Path) -> Case {
    let folder = folder.join("tdx/v4-dstack-lite");
    let attestation = Attestation::decode(&fs::read(folder.join("tdx-lite-getquote.json")).unwrap()).unwrap();
    let evidence = TdxEvidence::from_dstack(&attestation).unwrap();
    let report = Quote::parse(&evidence.quote).unwrap().report;
    let collateral: Value =
        serde_json::from_slice(&fs::read(folder.join("collateral.json")).unwrap()).unwrap();
    let (endorsements, [not_before, not_after]) = real_endorsements(&collateral);
    let validity = Validity {
        earlier: ErrorKind::StaleEndorsements,
        later: ErrorKind::StaleEndorsements,
        ..Validity::new(not_before, not_after)
    };
    let anchors = (REGISTRATION.backend.descriptor().trust_anchors)();
    let challenge = Challenge::new(report.report_data);
    let mut case = Case::new(
        "a real guest of dstack",
        Evidence::new(MEDIA_TYPE, evidence.encode()),
        challenge,
        anchors,
        validity,
    );
    case.endorsements = endorsements;
    case.claims = vec![
        ("/tee", json!("tdx")),
        ("/measurement", json!(hex::encode(report.mr_td))),
        ("/tcb-status", json!("UpToDate")),
        ("/details/quote-version", json!(4)),
    ];
    case.loose.push(checksum_file(&case, &evidence.launch.unwrap().checksum_file));
    case
}

/// Collateral in `dcap-qvl`'s layout, and the first and the last second in which all of it is current.
pub(crate) fn real_endorsements(collateral: &Value) -> (Vec<Given>, [u64; 2]) {
    let text = |key: &str| collateral[key].as_str().unwrap();
    let signers = Certificate::parse_der_or_pem(text("tcb_info_issuer_chain").as_bytes()).unwrap();
    let root = signers.last().unwrap();
    let mut all = vec![given(EndorsementKind::Certificate, signers[0].der().to_vec())];
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for (member, key) in [("tcbInfo", "tcb_info"), ("enclaveIdentity", "qe_identity")] {
        let (body, signature) = (text(key), text(&format!("{key}_signature")));
        let document = format!(r#"{{"{member}":{body},"signature":"{signature}"}}"#);
        all.push(given(EndorsementKind::Document, document.into_bytes()));
        let body: Value = serde_json::from_str(body).unwrap();
        first.push(seconds(&body["issueDate"]));
        last.push(seconds(&body["nextUpdate"]));
    }
    let issuers = Certificate::parse_der_or_pem(text("pck_crl_issuer_chain").as_bytes()).unwrap();
    for (key, issuer) in [("root_ca_crl", root), ("pck_crl", &issuers[0])] {
        let der = hex::decode(text(key)).unwrap();
        let list = RevocationList::verify(&der, issuer, &[evidence_x509::ECDSA_P256_SHA256]).unwrap();
        first.push(list.window().not_before);
        last.push(list.window().not_after - 1);
        all.push(given(EndorsementKind::RevocationList, der));
    }
    (all, [first.into_iter().max().unwrap(), last.into_iter().min().unwrap()])
}

fn seconds(time: &Value) -> u64 {
    let time = humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
    time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Nothing that is measured names the checksum file: its hash is the image's name.
fn checksum_file(case: &Case, file: &[u8]) -> Loose {
    Loose {
        range: position(case, file),
        flip: Flip::ChangesIdentity,
        why: "os-image-hash is the hash of these bytes, and the relying party compares it",
    }
}

/// Where `part` stands in the Evidence.
fn position(case: &Case, part: &[u8]) -> Range<usize> {
    let start = case.evidence.bytes().windows(part.len()).position(|bytes| bytes == part).unwrap();
    start..start + part.len()
}

pub(crate) fn lab_anchors(guest: &TdGuest) -> TrustAnchors {
    guest.pins().into_iter().collect()
}
