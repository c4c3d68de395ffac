//! Bare-metal SNP guests with one defect each.

use backend_api::{ErrorKind, Evidence};
use backend_baremetal_snp::{LaunchEvidence, LaunchSource, MEDIA_TYPE, SnpEvidence};
use conformance::{Case, Forgery, Given};
use lab::{
    amd::{Guest, Product, VekSpec, crl_spec, report, vek::oid},
    time::utc_day,
};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use crate::baremetal_snp::{case_of, challenge, payload, revocation_list};

const MALFORMED: ErrorKind = ErrorKind::MalformedEvidence;
const UNSUPPORTED: ErrorKind = ErrorKind::UnsupportedEvidence;
const INCONSISTENT: ErrorKind = ErrorKind::InconsistentEvidence;
const FORBIDDEN: ErrorKind = ErrorKind::ForbiddenState;
const POLICY: ErrorKind = ErrorKind::PolicyViolation;

pub(crate) fn forgeries() -> Vec<Forgery> {
    let mut all = reports();
    all.extend(chains());
    all.extend(policies());
    all.extend(bindings());
    all
}

/// Changes a Milan guest before its report is signed.
fn guest(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Guest)) -> Forgery {
    let mut guest = Guest::new(Product::Milan);
    change(&mut guest);
    Forgery::new(case_of(check, &guest, &payload(&guest)), check, kind)
}

/// Changes a sound guest's payload.
fn evidence(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut SnpEvidence)) -> Forgery {
    let guest = Guest::new(Product::Milan);
    let mut evidence = payload(&guest);
    change(&mut evidence);
    Forgery::new(case_of(check, &guest, &evidence), check, kind)
}

/// Changes what surrounds a sound guest's Evidence.
fn case(check: &'static str, kind: ErrorKind, change: impl FnOnce(&mut Case)) -> Forgery {
    let mut forgery = evidence(check, kind, |_| ());
    change(&mut forgery.case);
    forgery
}

/// The report itself.
fn reports() -> Vec<Forgery> {
    let patch = |offset: usize, bytes: &[u8]| vec![(offset, bytes.to_vec())];
    vec![
        case("payload", MALFORMED, |case| {
            case.evidence = Evidence::new(MEDIA_TYPE, [case.evidence.bytes(), b"\0"].concat());
        }),
        case("payload", UNSUPPORTED, |case| {
            let json = backend_api::MediaType::new("application/json");
            case.evidence = Evidence::new(json, case.evidence.bytes().to_vec());
        }),
        evidence("report-format", MALFORMED, |evidence| evidence.report.truncate(1183)),
        guest("report-version", UNSUPPORTED, |guest| guest.report.version = 6),
        guest("report-version", UNSUPPORTED, |guest| guest.report.version = 1),
        guest("report-signature-algorithm", UNSUPPORTED, |guest| guest.report.signature_algo = 2),
        // After R's 48 bytes, and the last byte of the report.
        guest("report-unsigned-zero", MALFORMED, |guest| guest.report.patches_after = patch(0x2D0, &[1])),
        guest("report-unsigned-zero", MALFORMED, |guest| guest.report.patches_after = patch(0x49F, &[1])),
        guest("signing-key", UNSUPPORTED, |guest| guest.report.signer_info = report::SIGNING_KEY_VLEK),
        guest("signing-key", UNSUPPORTED, |guest| guest.report.signer_info = report::SIGNING_KEY_NONE),
        guest("chip-key-unmasked", UNSUPPORTED, |guest| guest.report.signer_info = report::MASK_CHIP_KEY),
        guest("cpuid-product", INCONSISTENT, |guest| {
            guest.report.cpuid = Some(report::Cpuid::of(Product::Genoa));
        }),
        guest("vek-tcb", INCONSISTENT, |guest| guest.report.reported_tcb.ucode -= 1),
        guest("chip-id", INCONSISTENT, |guest| guest.report.chip_id = [0; 64]),
        guest("vek-hwid", INCONSISTENT, |guest| guest.report.chip_id[63] ^= 1),
        guest("report-signature", ErrorKind::BadSignature, |guest| {
            guest.report.patches_after = patch(0x090, &[0; 48]);
        }),
        guest("report-signature", ErrorKind::BadSignature, |guest| {
            guest.vek.key = lab::keys::EcKey::from_label("another chip");
        }),
        evidence("report-data", ErrorKind::ChallengeMismatch, |evidence| {
            let other = challenge().map(|byte| !byte);
            evidence.report = ByteBuf::from(Guest::new(Product::Milan).report_for(&other));
        }),
        guest("no-debug", FORBIDDEN, |guest| guest.report.policy |= 1 << 19),
        guest("no-migration-agent", FORBIDDEN, |guest| guest.report.policy |= 1 << 18),
        guest("no-migration-agent", FORBIDDEN, |guest| guest.report.report_id_ma = [0; 32]),
        guest("policy-must-be-one", FORBIDDEN, |guest| guest.report.policy &= !(1 << 17)),
        guest("vmpl", POLICY, |guest| guest.report.vmpl = 1),
        guest("smt-consistent", INCONSISTENT, |guest| {
            guest.report.policy &= !(1 << 16);
            guest.report.platform_info |= 1;
        }),
        guest("tcb-order", INCONSISTENT, |guest| guest.report.committed_tcb.snp += 1),
    ]
}

/// From the chip's certificate to the root.
fn chains() -> Vec<Forgery> {
    let ask_of = |change: fn(&mut lab::x509::CertSpec)| {
        move |evidence: &mut SnpEvidence| {
            let hierarchy = Guest::new(Product::Milan).hierarchy;
            let mut spec = hierarchy.ask_spec();
            change(&mut spec);
            evidence.certificates[1] = ByteBuf::from(spec.sign(hierarchy.ark_key()));
        }
    };
    vec![
        evidence("certificates", MALFORMED, |evidence| evidence.certificates.push(ByteBuf::from([0x30, 0]))),
        evidence("vek-present", ErrorKind::MissingEndorsements, |evidence| {
            drop(evidence.certificates.remove(0));
        }),
        guest("vek-extensions", MALFORMED, |guest| {
            guest.vek_spec.omit = vec![oid::HWID];
            guest.issue_vek();
        }),
        guest("certificates", MALFORMED, |guest| {
            guest.vek_spec.duplicate = Some(oid::HWID);
            guest.issue_vek();
        }),
        evidence("root-pinned", ErrorKind::UntrustedIssuer, |evidence| drop(evidence.certificates.remove(2))),
        evidence("issuer-pinned", ErrorKind::UntrustedIssuer, |evidence| {
            drop(evidence.certificates.remove(1))
        }),
        evidence("chain-validity", ErrorKind::Expired, ask_of(|ask| ask.not_after = utc_day(2026, 1, 1))),
        evidence(
            "chain-validity",
            ErrorKind::NotYetValid,
            ask_of(|ask| ask.not_before = utc_day(2026, 12, 31)),
        ),
        evidence("chain-signatures", ErrorKind::UntrustedIssuer, |evidence| {
            *evidence.certificates[0].last_mut().unwrap() ^= 1;
        }),
        evidence("vek-kind", INCONSISTENT, |evidence| {
            let hierarchy = Guest::new(Product::Milan).hierarchy;
            let vlek = VekSpec::vlek(Product::Milan).issue(&hierarchy);
            evidence.certificates[0] = ByteBuf::from(vlek.der);
            evidence.certificates[1] = ByteBuf::from(hierarchy.asvk().to_vec());
        }),
        case("crl-signature", ErrorKind::InvalidEndorsements, |case| {
            let hierarchy = Guest::new(Product::Milan).hierarchy;
            replace_list(case, crl_spec(&hierarchy).sign(hierarchy.ask_key()));
        }),
        case("not-revoked", ErrorKind::Revoked, |case| {
            let hierarchy = Guest::new(Product::Milan).hierarchy;
            let list = crl_spec(&hierarchy).revoke(&hierarchy.ask_serial());
            replace_list(case, list.sign(hierarchy.ark_key()));
        }),
        case("crl-current", ErrorKind::MissingEndorsements, |case| case.endorsements.clear()),
        // The list of another product line says nothing about this one.
        case("crl-current", ErrorKind::MissingEndorsements, |case| {
            replace_list(case, Guest::new(Product::Genoa).crl());
        }),
        case("crl-current", ErrorKind::StaleEndorsements, |case| {
            let hierarchy = Guest::new(Product::Milan).hierarchy;
            let mut list = crl_spec(&hierarchy);
            list.next_update = Some(utc_day(2026, 1, 2));
            replace_list(case, list.sign(hierarchy.ark_key()));
        }),
    ]
}

fn replace_list(case: &mut Case, list: Vec<u8>) {
    case.endorsements = vec![Given::needed(revocation_list(list))];
}

/// What only a policy refuses.
fn policies() -> Vec<Forgery> {
    let under =
        |check, kind, report: Value| case(check, kind, |case| case.policy = json!({ "report": report }));
    let mut reserved = guest("report-reserved-zero", UNSUPPORTED, |guest| {
        guest.report.patches = vec![(0x300 - 0x61, vec![1])];
    });
    reserved.case.policy = json!({ "report": { "require-reserved-zero": true } });
    // An ID block says something only under a known key.
    let of_block = |check, report: Value| {
        let mut forgery = guest(check, POLICY, |guest| guest.report.id_key_digest = [0x11; 48]);
        forgery.case.policy = json!({ "report": report });
        forgery
    };
    let floor = |ucode: u8| json!({ "milan": { "bootloader": 4, "tee": 0, "snp": 24, "microcode": ucode } });
    vec![
        reserved,
        under("guest-policy", POLICY, json!({ "require-guest-policy": ["single-socket"] })),
        under("guest-policy", POLICY, json!({ "forbid-guest-policy": ["smt-allowed"] })),
        under("vmpl", POLICY, json!({ "vmpl": 1 })),
        under("platform-info", POLICY, json!({ "require-platform-info": ["tio"] })),
        under("platform-info", POLICY, json!({ "forbid-platform-info": ["smt"] })),
        under("tcb-floor", POLICY, json!({ "minimum-tcb": floor(0xDC) })),
        under("firmware-floor", POLICY, json!({ "minimum-firmware": [1, 55, 30] })),
        under("mitigations", POLICY, json!({ "require-mitigations": 1 })),
        under("id-key", POLICY, json!({ "id-keys": ["11".repeat(48)] })),
        under("author-key", POLICY, json!({ "author-keys": ["11".repeat(48)] })),
        of_block("family-id", json!({ "id-keys": ["11".repeat(48)], "family-ids": ["22".repeat(16)] })),
        of_block("image-id", json!({ "id-keys": ["11".repeat(48)], "image-ids": ["22".repeat(16)] })),
        of_block("guest-svn", json!({ "id-keys": ["11".repeat(48)], "minimum-guest-svn": 1 })),
        under("host-data", POLICY, json!({ "host-data": ["11".repeat(32)] })),
    ]
}

/// From the report to the identity.
fn bindings() -> Vec<Forgery> {
    fn launch(evidence: &mut SnpEvidence) -> &mut LaunchEvidence {
        evidence.launch.as_mut().unwrap()
    }
    vec![
        evidence("measurement-known", POLICY, |evidence| evidence.launch = None),
        evidence("image-documents", INCONSISTENT, |evidence| {
            let LaunchSource::Image(image) = &mut launch(evidence).source else { return };
            image.measurement.push(0);
        }),
        evidence("appended-cmdline", INCONSISTENT, |evidence| {
            launch(evidence).append = Some("init=/bin/sh".to_owned());
        }),
        evidence("launch-measurement", INCONSISTENT, |evidence| launch(evidence).vcpus = 3),
        evidence("guest-features", POLICY, |evidence| launch(evidence).guest_features = 0x21),
        guest("launch-measurement", INCONSISTENT, |guest| guest.report.measurement[0] ^= 1),
        guest("rootfs-measured", POLICY, |guest| {
            guest.cmdline = "console=ttyS0".to_owned();
            guest.seal_image();
            guest.seal_launch();
        }),
        evidence("host-data-document", INCONSISTENT, |evidence| {
            evidence.mr_config = evidence.mr_config.take().map(|document| format!("{document} "));
        }),
        guest("mr-config", MALFORMED, |guest| {
            guest.mr_config = guest.mr_config.replace("\"version\":3", "\"version\":4");
            guest.seal_launch();
        }),
        case("measurement-listed", POLICY, |case| {
            case.reference_values.measurements = [vec![0; 48]].into();
        }),
    ]
}
