//! Bare-metal SNP: forged guests of every product and report version, and real reports.

use std::{fs, ops::Range, path::Path, sync::LazyLock};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, ErrorKind, Evidence, Field, MediaType, Registration,
    TrustAnchors,
};
use backend_baremetal_snp::{
    ImageDocuments, LaunchEvidence, LaunchSource, MEDIA_TYPE, REGISTRATION, SnpEvidence,
};
use conformance::{Case, Flip, Forgery, Given, Loose, Subject, Validity};
use evidence_dstack::wire::Attestation;
use evidence_snp::{Report, VekCertificate};
use evidence_x509::Certificate;
use lab::{
    amd::{Guest, Hierarchy, Product, ReportSpec},
    time::utc_day,
};
use serde_bytes::ByteBuf;
use serde_json::json;

use crate::{baremetal_snp_forgeries::forgeries, vectors::vectors};

/// The first 8 bytes are their own: nothing that repeats could hide an exchange of parts.
pub(crate) fn challenge() -> [u8; 64] {
    std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(37) ^ 0x5C)
}

pub(crate) struct Snp;

impl Subject for Snp {
    fn registration(&self) -> &'static Registration {
        &REGISTRATION
    }

    fn golden(&self) -> Vec<Case> {
        static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
            let mut cases = vec![
                whole_guest(),
                guest("Milan, version 2", Product::Milan, 2),
                expiring_chip(),
                guest("Genoa, version 5", Product::Genoa, 5),
                guest("Turin, version 5", Product::Turin, 5),
            ];
            if let Some(folder) = vectors("baremetal-snp") {
                cases.push(real_dstack(&folder));
                for name in [
                    "milan-v2-virtee",
                    "genoa-v3-veraison-tsm",
                    "bergamo-siena-v5-attestation-rs",
                    "turin-v5-oak",
                ] {
                    cases.push(real(&folder.join("snp").join(name), name));
                }
            }
            cases
        });
        CASES.clone()
    }

    fn negative(&self) -> Vec<Forgery> {
        forgeries()
    }

    fn foreign(&self) -> Vec<Evidence> {
        // What other platforms and other tools send: a bare report, a certificate chain, JSON, a TDX quote's header.
        let report = ReportSpec::new(Product::Milan, 3).bytes();
        let quote = [&b"\x04\x00\x02\x00\x81\x00\x00\x00"[..], &[0; 1000]].concat();
        let mut foreign = vec![
            Evidence::new(MediaType::new("application/vnd.dstack.tdx.v1"), quote),
            Evidence::new(MediaType::new("application/vnd.amd.sev-snp.attestation-report"), report),
            Evidence::new(MediaType::new("application/json"), br#"{"attestation_report":""}"#.to_vec()),
            Evidence::new(MediaType::new("application/vnd.dstack.azure.v1+cbor"), vec![0xA0]),
        ];
        if let Some(folder) = vectors("baremetal-snp") {
            let bytes = fs::read(folder.join("dstack/sev_snp_attestation.bin")).unwrap();
            foreign.push(Evidence::new(MediaType::new("application/vnd.dstack.attestation"), bytes));
        }
        foreign
    }
}

/// The payload of a guest with everything in it.
pub(crate) fn payload(guest: &Guest) -> SnpEvidence {
    let mut evidence = SnpEvidence::new(guest.report_for(&challenge()), guest.chain());
    evidence.mr_config = Some(guest.mr_config.clone());
    evidence.launch = Some(LaunchEvidence {
        source: LaunchSource::Image(ImageDocuments {
            checksum_file: ByteBuf::from(guest.checksum_file.clone()),
            measurement: ByteBuf::from(guest.measurement_cbor.clone()),
        }),
        append: None,
        vcpus: guest.vcpus,
        vcpu_type: guest.vcpu_type.clone(),
        guest_features: guest.guest_features,
    });
    evidence
}

pub(crate) fn case_of(name: &str, guest: &Guest, evidence: &SnpEvidence) -> Case {
    let spec = &guest.vek_spec;
    // The chip's certificate and the list begin together; the list is the first to end.
    let validity = Validity {
        later: ErrorKind::StaleEndorsements,
        ..Validity::new(spec.not_before, utc_day(2027, 1, 1))
    };
    let evidence = Evidence::new(MEDIA_TYPE, evidence.encode());
    let mut case =
        Case::new(name, evidence, Challenge::new(challenge()), lab_anchors(&guest.hierarchy), validity);
    case.endorsements.push(Given::needed(revocation_list(guest.crl())));
    case.claims = vec![
        ("/tee", json!("sev-snp")),
        ("/product", json!(guest.product.name())),
        ("/measurement", json!(hex::encode(guest.report.measurement))),
        ("/tcb-status", json!("Unknown")),
        ("/details/report-version", json!(guest.report.version)),
        ("/details/chip-id", json!(hex::encode(guest.report.chip_id))),
        ("/details/host-data", json!(hex::encode(guest.host_data()))),
    ];
    case
}

/// Everything comes with the Evidence but the revocation list.
pub(crate) fn whole_guest() -> Case {
    let guest = Guest::new(Product::Milan);
    let mut case = case_of("Milan, version 3, all in one", &guest, &payload(&guest));
    case.identity.push((Field::OsImageHash, guest.os_image_hash().to_vec()));
    case.loose.push(checksum_file(&case, &guest.checksum_file));
    case
}

/// Certificates come as Endorsements, and the launch is known by its measurement.
fn guest(name: &str, product: Product, version: u32) -> Case {
    let guest = guest_of(product, version);
    endorsed(name, &guest)
}

/// The chip's certificate ends before the revocation list does.
fn expiring_chip() -> Case {
    let mut guest = guest_of(Product::Genoa, 3);
    guest.vek_spec.not_after = utc_day(2026, 7, 1);
    guest.issue_vek();
    let mut case = endorsed("Genoa, version 3, certificate of half a year", &guest);
    case.validity = Validity::new(guest.vek_spec.not_before, guest.vek_spec.not_after);
    case.at_second(utc_day(2026, 3, 1))
}

fn guest_of(product: Product, version: u32) -> Guest {
    let mut guest = Guest::new(product);
    guest.report = ReportSpec::new(product, version);
    guest.seal_launch();
    guest
}

fn endorsed(name: &str, guest: &Guest) -> Case {
    let mut evidence = payload(guest);
    evidence.certificates.clear();
    evidence.launch = None;
    let mut case = case_of(name, guest, &evidence);
    case.reference_values.measurements.insert(guest.report.measurement.to_vec());
    let [vcek, ask, ark] = guest.chain().try_into().unwrap();
    case.endorsements.push(Given::needed(certificate(vcek)));
    case.endorsements.push(Given::needed_or(certificate(ask), ErrorKind::UntrustedIssuer));
    case.endorsements.push(Given::needed_or(certificate(ark), ErrorKind::UntrustedIssuer));
    case
}

/// dstack's own capture of a guest.
fn real_dstack(folder: &Path) -> Case {
    let attestation =
        Attestation::decode(&fs::read(folder.join("dstack/sev-snp-attestation.json")).unwrap()).unwrap();
    let payload = SnpEvidence::from_dstack(&attestation).unwrap();
    let Some(LaunchEvidence { source: LaunchSource::Image(image), .. }) = &payload.launch else {
        panic!("the capture has the documents of an image");
    };
    let checksums = image.checksum_file.to_vec();
    let mut case = archived("a real guest of dstack", &payload, &payload.certificates);
    case.loose.push(checksum_file(&case, &checksums));
    // AMD's ASK came along, and is at hand without that.
    let ask = payload
        .certificates
        .iter()
        .find(|der| VekCertificate::kind_of(&Certificate::parse(der).unwrap()).is_none());
    let range = position(&case, ask.unwrap());
    case.loose.push(Loose {
        range,
        flip: Flip::Ignored,
        why: "the verifier has AMD's ASK, and takes its own",
    });
    case
}

/// A real report and its VCEK certificate, known by its measurement.
fn real(folder: &Path, name: &str) -> Case {
    let vcek = fs::read(folder.join("vcek.der")).unwrap();
    let payload = SnpEvidence::new(fs::read(folder.join("report.bin")).unwrap(), Vec::new());
    let mut case = archived(&format!("the real report {name}"), &payload, &[ByteBuf::from(vcek.clone())]);
    case.endorsements.push(Given::needed(certificate(vcek)));
    let report = Report::parse(&payload.report).unwrap();
    case.reference_values.measurements.insert(report.measurement.to_vec());
    case
}

/// Under AMD's own roots, at a time for which no revocation list of AMD is known.
fn archived(name: &str, payload: &SnpEvidence, certificates: &[ByteBuf]) -> Case {
    let report = Report::parse(&payload.report).unwrap();
    let vcek = certificates
        .iter()
        .map(|der| Certificate::parse(der).unwrap())
        .find(|certificate| VekCertificate::kind_of(certificate).is_some())
        .unwrap();
    let window = vcek.window();
    let anchors = (REGISTRATION.backend.descriptor().trust_anchors)();
    let evidence = Evidence::new(MEDIA_TYPE, payload.encode());
    let challenge = Challenge::new(report.report_data);
    let mut case =
        Case::new(name, evidence, challenge, anchors, Validity::new(window.not_before, window.not_after));
    case.policy = json!({ "report": { "danger-accept-unknown-revocation": true } });
    case.claims = vec![
        ("/tee", json!("sev-snp")),
        ("/measurement", json!(hex::encode(report.measurement))),
        ("/details/report-version", json!(report.version)),
    ];
    case
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

pub(crate) fn lab_anchors(hierarchy: &Hierarchy) -> TrustAnchors {
    hierarchy.pins().into_iter().collect()
}

pub(crate) fn certificate(bytes: Vec<u8>) -> Endorsement {
    Endorsement::new(EndorsementKind::Certificate, bytes)
}

pub(crate) fn revocation_list(bytes: Vec<u8>) -> Endorsement {
    Endorsement::new(EndorsementKind::RevocationList, bytes)
}
