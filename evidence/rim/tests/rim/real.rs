//! Manifests that NVIDIA signed, or that its tests have.

use std::{collections::BTreeSet, fs, path::Path};

use evidence_ledger::Failed;
use evidence_rim::{Edition, Error, ROOT_NAME, Rim, RimTime, VerifiedRim, VerifyRim, checks, rim_anchors};
use evidence_x509::Certificate;

use crate::{anchors, at};

/// 2025-10-24T12:00:00Z.
const AUTUMN_2025: u64 = 1_761_307_200;
/// 2024-01-01T00:00:00Z.
const NEW_YEAR_2024: u64 = 1_704_067_200;
/// 2025-06-01T00:00:00Z.
const SUMMER_2025: u64 = 1_748_736_000;
/// 2025-01-01T18:00:00Z.
const NEW_YEAR_2025: u64 = 1_735_754_400;

const DRIVER: &str = "h100-550.90.07-full/driver_rim.xml";
const VBIOS: &str = "h100-550.90.07-full/vbios_rim.xml";

fn read(root: &Path, name: &str) -> Vec<u8> {
    fs::read(root.join("nvidia").join(name)).unwrap()
}

fn verdict(document: &[u8], now: u64, time: RimTime) -> Result<VerifiedRim, Failed<Error>> {
    VerifyRim { document, anchors: &rim_anchors(), at: at(now), time }.verify()
}

#[test]
fn real_manifests_are_verified() {
    let Some(root) = lab::vectors::root("real_manifests_are_verified") else { return };
    let driver: BTreeSet<u8> = [7].into_iter().chain(21..=40).collect();
    let vbios: BTreeSet<u8> = (0..=6).chain(8..=12).collect();
    for (name, now, version, indices) in [
        (DRIVER, AUTUMN_2025, "550.90.07", &driver),
        (VBIOS, AUTUMN_2025, "96.00.9F.00.01", &vbios),
        ("rim-negatives/NV_GPU_DRIVER_GH100_550.144.03.xml", SUMMER_2025, "550.144.03", &driver),
        ("h100-535.86.09-vbiosrim/vbios_rim.xml", NEW_YEAR_2024, "96.00.5E.00.01", &vbios),
        (
            "h100-535.86.09-vbiosrim/NEG_vbios_rim_measurement_mismatch_validsig.xml",
            SUMMER_2025,
            "96.00.5E.00.01",
            &vbios,
        ),
    ] {
        let document = read(&root, name);
        let verified =
            verdict(&document, now, RimTime::Now).unwrap_or_else(|failed| panic!("{name}: {failed}"));
        assert_eq!(verified.ledger().gaps().count(), 0);
        assert_eq!((verified.product(), verified.edition()), ("GH100", Edition::Gpu));
        assert_eq!((verified.colloquial_version(), verified.measurements()), (version, 64));
        assert_eq!(&verified.golden().keys().copied().collect::<BTreeSet<_>>(), indices, "{name}");
        // Not under the lab's root, and not at another time.
        let lab = VerifyRim { document: &document, anchors: &anchors(), at: at(now), time: RimTime::Now };
        assert_eq!(lab.verify().unwrap_err().check, checks::RIM_ROOT_PINNED);
        let later = now + 3 * 365 * 86_400;
        assert_eq!(verdict(&document, later, RimTime::Now).unwrap_err().check, checks::RIM_CHAIN_VALIDITY);
        let pinned = verdict(&document, later, RimTime::Pinned(at(now))).unwrap();
        assert!(!pinned.ledger().passed(checks::RIM_CHAIN_VALIDITY));
        verdict(&document, later, RimTime::DangerIgnoreExpiry).unwrap();
    }
}

/// Counts and places of alternatives, and a manifest that was issued again with another value.
#[test]
fn golden_values_are_those_of_the_document() {
    let Some(root) = lab::vectors::root("golden_values_are_those_of_the_document") else { return };
    let golden = |name: &str, now| verdict(&read(&root, name), now, RimTime::Now).unwrap().golden().clone();
    let (driver, vbios) = (golden(DRIVER, AUTUMN_2025), golden(VBIOS, AUTUMN_2025));
    assert_eq!((driver.len(), vbios.len()), (21, 12));
    assert_eq!(driver.keys().filter(|index| vbios.contains_key(index)).count(), 0);
    assert_eq!((driver[&35].len(), vbios[&12].len(), driver[&7].len()), (4, 4, 1));
    assert!([23, 24].iter().all(|index| driver[index].len() == 2 && driver[index].contains(&[0; 48])));
    assert_eq!((&vbios[&0], &driver[&28]), (&vec![[0; 48]], &vec![[0; 48]]));
    let first = golden("h100-535.86.09-vbiosrim/vbios_rim.xml", NEW_YEAR_2024);
    let again = "h100-535.86.09-vbiosrim/NEG_vbios_rim_measurement_mismatch_validsig.xml";
    let again = golden(again, SUMMER_2025);
    let differ: Vec<_> = first.iter().filter(|(index, values)| again[index] != **values).collect();
    assert_eq!(differ.len(), 1);
    assert_eq!(differ[0].0, &9);
}

#[test]
fn negatives_are_refused_by_their_check() {
    let Some(root) = lab::vectors::root("negatives_are_refused_by_their_check") else { return };
    for (name, now, check) in [
        ("rim-negatives/incorrect_signature_driver_rim.xml", SUMMER_2025, checks::RIM_SIGNATURE),
        ("rim-negatives/NV_GPU_DRIVER_GH100_570.124.03_expired.xml", NEW_YEAR_2025, checks::RIM_DIGEST),
        ("rim-negatives/NV_GPU_DRIVER_GH100_570.124.03_expired.xml", SUMMER_2025, checks::RIM_DIGEST),
        ("h100-535.86.09-vbiosrim/NEG_driver_rim_mismatch_badsig.xml", NEW_YEAR_2024, checks::RIM_DIGEST),
    ] {
        let document = read(&root, name);
        assert_eq!(verdict(&document, now, RimTime::Now).unwrap_err().check, check, "{name}");
        // Their form is that of the others.
        Rim::parse(&document).unwrap();
    }
}

/// Its root is one for debugging. It brings two certificates, so that the form refuses it before that root is looked at; a root of that
/// name with four is a case of the lab's.
#[test]
fn a_manifest_of_a_debug_root_is_refused() {
    let Some(root) = lab::vectors::root("a_manifest_of_a_debug_root_is_refused") else { return };
    let document = read(&root, "rim-negatives/incorrect_cert_chain_driver_rim.xml");
    let failed = verdict(&document, SUMMER_2025, RimTime::DangerIgnoreExpiry).unwrap_err();
    assert_eq!(failed.check, checks::RIM_FORMAT);
    let four = "four X509Certificate, and nothing else, in ds:X509Data";
    assert_eq!(failed.error, Error::Structure(four));
    let text = String::from_utf8(document).unwrap();
    let certificates: Vec<_> = text.split("<ds:X509Certificate>").skip(1).collect();
    assert_eq!(certificates.len(), 2);
    let base64 = certificates[1].split('<').next().unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64.trim());
    let debug = Certificate::parse_der_or_pem(pem.as_bytes()).unwrap().remove(0);
    assert_eq!(debug.subject(), "NVIDIA CoRIM L1 Root CA Debug Only");
    assert!(!rim_anchors().pins(debug.subject(), &debug) && !rim_anchors().pins(ROOT_NAME, &debug));
}

#[test]
fn the_pinned_root_is_that_of_nvidia() {
    let Some(root) = lab::vectors::root("the_pinned_root_is_that_of_nvidia") else { return };
    let rim = Rim::parse(&read(&root, DRIVER)).unwrap();
    let certificate = rim.certificates().last().unwrap();
    assert!(rim_anchors().pins("NVIDIA CoRIM signing Root CA", certificate));
    let mut devices = 0;
    for entry in fs::read_dir(root.join("roots/nvidia")).unwrap() {
        let pem = fs::read(entry.unwrap().path()).unwrap();
        for found in Certificate::parse_der_or_pem(&pem).unwrap() {
            let is_pinned = rim_anchors().pins(found.subject(), &found);
            assert_eq!(is_pinned, found.spki_sha256() == certificate.spki_sha256(), "{}", found.subject());
            devices += usize::from(!is_pinned);
        }
    }
    assert!(devices > 0);
}

#[test]
fn no_byte_of_a_real_measurement_can_be_another() {
    let Some(root) = lab::vectors::root("no_byte_of_a_real_measurement_can_be_another") else { return };
    let mut document = read(&root, DRIVER);
    let signature = document.windows(13).position(|window| window == b"<ds:Signature").unwrap();
    for byte in (0..signature).step_by(3) {
        document[byte] ^= 1;
        assert!(verdict(&document, AUTUMN_2025, RimTime::Now).is_err(), "{byte}");
        document[byte] ^= 1;
    }
}
