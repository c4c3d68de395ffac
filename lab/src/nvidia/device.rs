//! GPUs and NVSwitches: their certificates under forged authorities, and what they report.

#![expect(
    clippy::expect_used,
    reason = "the lab encodes bounded values, so a failure is a mistake in the lab"
)]

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519;
use der::asn1::{Any, BitString, OctetString, Utf8StringRef};
use der::{Decode as _, Sequence, Tag};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use super::report::ReportSpec;
use crate::keys::{EcKey, sha384};
use crate::time::utc_day;
use crate::x509::{
    CertSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, distinguished_name, encode,
    extension, key_usage, subject_key_identifier,
};

/// The common name of the root.
pub const DEVICE_ROOT: &str = "NVIDIA Device Identity CA";

/// tcg-dice-CompositeDeviceID, as Hopper's leaves have it.
pub const COMPOSITE_DEVICE_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.5.4.1");
/// tcg-dice-TcbInfo, as Blackwell's leaves have it.
pub const TCB_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.5.4.1.1");

const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");

/// 9999-12-31T23:59:59Z.
const FOREVER: u64 = 253_402_300_799;

/// A chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// A Hopper GPU.
    Gh100,
    /// A Blackwell GPU.
    Gb100,
    /// An NVSwitch beside Hopper.
    Ls10,
}

impl Chip {
    /// As certificates have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gh100 => "GH100",
            Self::Gb100 => "GB100",
            Self::Ls10 => "LS_10",
        }
    }

    /// As manifests have it.
    #[must_use]
    pub const fn product(self) -> &'static str {
        match self {
            Self::Ls10 => "LS10",
            other => other.name(),
        }
    }

    const fn family(self) -> &'static str {
        match self {
            Self::Gh100 | Self::Ls10 => "NVIDIA GH100 Identity",
            Self::Gb100 => "NVIDIA GB100 Identity",
        }
    }

    const fn provisioner(self) -> &'static str {
        match self {
            Self::Gh100 => "NVIDIA GH100 Provisioner ICA 1",
            Self::Gb100 => "NVIDIA GB100 Provisioner ICA 00000",
            Self::Ls10 => "NVIDIA LS_10 Provisioner ICA 1",
        }
    }

    const fn engine(self) -> &'static str {
        match self {
            Self::Ls10 => "FSP",
            Self::Gh100 | Self::Gb100 => "GSP",
        }
    }

    /// How many measurements it reports.
    #[must_use]
    pub const fn measurements(self) -> usize {
        match self {
            Self::Ls10 => 31,
            Self::Gh100 | Self::Gb100 => 64,
        }
    }
}

/// The pin of the lab's root of devices: common name, and SHA-256 of the DER-encoded SubjectPublicKeyInfo.
#[must_use]
pub fn device_pins() -> Vec<(String, [u8; 32])> {
    vec![(DEVICE_ROOT.to_owned(), EcKey::from_label("nvidia device root").spki_sha256())]
}

/// A device. Its parts agree with each other when it is made: a test changes one of them before it is used.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its chip.
    pub chip: Chip,
    /// What it is named by: the end of the serial number of its certificate.
    pub pdi: [u8; 8],
    /// The key that signs reports.
    pub leaf: EcKey,
    /// Its certificates before they are signed, leaf first, and who signs each.
    pub certificates: Vec<(CertSpec, EcKey)>,
    /// What it reports.
    pub report: ReportSpec,
}

impl Device {
    /// The device number `number` of its chip.
    #[must_use]
    pub fn new(chip: Chip, number: u8) -> Self {
        let label = format!("nvidia {} {number}", chip.name());
        let key = |what: &str| EcKey::from_label(&format!("{label} {what}"));
        let (leaf, own) = (key("leaf"), key("device"));
        let provisioner = EcKey::from_label(chip.provisioner());
        let (family, root) = (EcKey::from_label(chip.family()), EcKey::from_label("nvidia device root"));
        let pdi: [u8; 8] = sha384(label.as_bytes()).first_chunk().copied().expect("48 bytes");
        let pdi = [0x4A, pdi[1], pdi[2], pdi[3], pdi[4], pdi[5], pdi[6], pdi[7]];
        let prefix = if chip == Chip::Ls10 { 0x50 } else { 0x41 };
        let serial = [&[prefix], &pdi[..]].concat();
        let fwid = sha384(format!("{label} firmware").as_bytes());

        let subject = |suffix: &str| {
            let name = format!("{} A01 {} {suffix}", chip.name(), chip.engine());
            distinguished_name(&[
                (rfc4519::COUNTRY_NAME, Tag::PrintableString, "US"),
                (rfc4519::O, Tag::Utf8String, "NVIDIA Corporation"),
                (rfc4519::CN, Tag::Utf8String, &name),
            ])
        };
        let authority =
            |subject: Name, issuer: Name, key: &EcKey, issuer_key: &EcKey, serial: &[u8]| CertSpec {
                version: 2,
                serial: serial.to_vec(),
                issuer,
                not_before: utc_day(2022, 3, 1),
                not_after: FOREVER,
                subject,
                spki: key.spki(),
                extensions: vec![
                    basic_constraints(true, None),
                    key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
                    subject_key_identifier(key.key_identifier()),
                    authority_key_identifier(issuer_key.key_identifier()),
                ],
                algorithm: SignatureAlgorithm::EcdsaSha384,
                outer_algorithm: None,
            };
        let root_name = nvidia(DEVICE_ROOT);
        let root_spec = authority(root_name.clone(), root_name.clone(), &root, &root, &[0x2D, 0x36]);
        let family_spec = authority(nvidia(chip.family()), root_name, &family, &root, &[0x4C, 0x25]);
        let provisioner_spec = authority(
            nvidia(chip.provisioner()),
            nvidia(chip.family()),
            &provisioner,
            &family,
            &[0x72, 0x27],
        );
        let own_spec = authority(subject("BROM"), nvidia(chip.provisioner()), &own, &provisioner, &serial);
        let leaf_spec = CertSpec {
            extensions: vec![
                key_usage(KeyUsages::DigitalSignature),
                subject_key_identifier(leaf.key_identifier()),
                authority_key_identifier(own.key_identifier()),
                fwid_extension(chip, &own, &fwid),
            ],
            ..authority(subject("FMC LF"), subject("BROM"), &leaf, &own, &leaf.key_identifier())
        };
        Self {
            chip,
            pdi,
            report: ReportSpec::new(&measurements(chip), opaque(chip, pdi, &fwid)),
            leaf,
            certificates: vec![
                (leaf_spec, own),
                (own_spec, provisioner),
                (provisioner_spec, family),
                (family_spec, root.clone()),
                (root_spec, root),
            ],
        }
    }

    /// The certificates, DER, leaf first.
    #[must_use]
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.certificates.iter().map(|(spec, issuer)| spec.sign(issuer)).collect()
    }

    /// The report for a nonce, signed by the leaf's key.
    #[must_use]
    pub fn report_for(&self, nonce: &[u8; 32]) -> Vec<u8> {
        ReportSpec { nonce: *nonce, ..self.report.clone() }.sign(&self.leaf)
    }

    /// The versions of the driver (empty for a switch) and of the video BIOS or the switch's BIOS.
    #[must_use]
    pub fn versions(&self) -> (&'static str, &'static str) {
        match self.chip {
            Chip::Gh100 => ("550.90.07", "96.00.9F.00.01"),
            Chip::Gb100 => ("590.48.01", "97.00.88.00.0F"),
            Chip::Ls10 => ("", "96.10.55.00.01"),
        }
    }
}

fn nvidia(name: &str) -> Name {
    distinguished_name(&[
        (rfc4519::CN, Tag::Utf8String, name),
        (rfc4519::O, Tag::Utf8String, "NVIDIA Corporation"),
    ])
}

/// The values that a device of this chip measures: of the lab's firmware; zeros at the indices where real ones have zeros.
#[must_use]
pub fn measurements(chip: Chip) -> Vec<[u8; 48]> {
    let value = |index: usize| match index {
        0 | 8 | 10 | 28 => [0; 48],
        _ => sha384(format!("nvidia {} measurement {index}", chip.name()).as_bytes()),
    };
    (0..chip.measurements()).map(value).collect()
}

/// FWID.
#[derive(Sequence)]
struct Fwid {
    hash_alg: ObjectIdentifier,
    digest: OctetString,
}

/// CompositeDeviceID.
#[derive(Sequence)]
struct CompositeDeviceId {
    version: u8,
    device_id: Any,
    fwid: Fwid,
}

/// DiceTcbInfo, with what Blackwell's leaves have.
#[derive(Sequence)]
struct TcbInfo<'a> {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    vendor: Utf8StringRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT")]
    model: Utf8StringRef<'a>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    version: Utf8StringRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "IMPLICIT")]
    svn: u8,
    #[asn1(context_specific = "4", tag_mode = "IMPLICIT")]
    layer: u8,
    #[asn1(context_specific = "5", tag_mode = "IMPLICIT")]
    index: u8,
    #[asn1(context_specific = "6", tag_mode = "IMPLICIT")]
    fwids: Vec<Fwid>,
    #[asn1(context_specific = "7", tag_mode = "IMPLICIT")]
    flags: BitString,
    #[asn1(context_specific = "8", tag_mode = "IMPLICIT")]
    vendor_info: OctetString,
    #[asn1(context_specific = "9", tag_mode = "IMPLICIT")]
    kind: OctetString,
}

/// The extension of a leaf that names its firmware, in the chip's form.
#[must_use]
pub fn fwid_extension(chip: Chip, device: &EcKey, fwid: &[u8; 48]) -> Extension {
    let octets = |bytes: &[u8]| OctetString::new(bytes).expect("few bytes");
    let text = |text| Utf8StringRef::new(text).expect("text");
    let of = |digest: &[u8]| Fwid { hash_alg: SHA384, digest: octets(digest) };
    if chip == Chip::Gb100 {
        let info = TcbInfo {
            vendor: text("NVIDIA"),
            model: text("GB100 A01 GSP"),
            version: text("01"),
            svn: 1,
            layer: 0,
            index: 0,
            fwids: vec![of(fwid), of(&[0; 48])],
            // notConfigured and fixedWidth, as real leaves have them.
            flags: BitString::from_bytes(&[0x80, 0, 0, 1]).expect("few bits"),
            vendor_info: octets(&[0; 4]),
            kind: octets(&[0; 4]),
        };
        return extension(TCB_INFO, false, &encode(&info));
    }
    let composite = CompositeDeviceId {
        version: 1,
        device_id: Any::from_der(&device.spki()).expect("a SubjectPublicKeyInfo"),
        fwid: of(fwid),
    };
    extension(COMPOSITE_DEVICE_ID, false, &encode(&composite))
}

/// The opaque data of a device on its own, in the order of the chip.
fn opaque(chip: Chip, pdi: [u8; 8], fwid: &[u8; 48]) -> Vec<(u16, Vec<u8>)> {
    let padded = |text: &str, length: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(length, 0);
        bytes
    };
    let counts = |msrs: usize| vec![1; msrs.saturating_mul(4)];
    match chip {
        Chip::Ls10 => vec![
            (6, b"96.10.55.00.01".to_vec()),
            (22, pdi.to_vec()),
            (12, counts(27)),
            (26, vec![0; 128]),
            (23, vec![0xEC, 0]),
            (24, vec![0, 0]),
            (25, vec![1, 0]),
        ],
        Chip::Gh100 => vec![
            (6, vec![0x00, 0x9F, 0x00, 0x96, 0x01, 0, 0, 0]),
            (14, vec![0xB1, 3, 0, 0]),
            (15, padded("882", 9)),
            (16, padded("0", 5)),
            (17, padded("1010", 5)),
            (18, padded("0200", 5)),
            (19, vec![0, 0]),
            (3, padded("550.90.07", 10)),
            (4, vec![0x80, 1, 0, 0, 0, 0, 0, 0]),
            (12, counts(64)),
            (13, vec![0, 0xC0, 1, 0]),
            (11, vec![0x55]),
            (20, fwid.to_vec()),
            (21, vec![0x55]),
            (34, vec![1, 0]),
            (36, vec![0, 0]),
        ],
        Chip::Gb100 => vec![
            (6, vec![0x00, 0x88, 0x00, 0x97, 0x0F, 0, 0, 0]),
            (14, vec![0x6F, 6, 0, 0]),
            (15, padded("886", 9)),
            (16, padded("0", 5)),
            (17, padded("G525", 5)),
            (18, padded("0220", 5)),
            (19, padded("0", 2)),
            (3, padded("590.48.01", 10)),
            (4, vec![0xA0, 1, 0, 0, 0, 0, 0, 0]),
            (12, counts(64)),
            (13, vec![0, 0, 4, 0]),
            (11, vec![0x55]),
            (20, fwid.to_vec()),
            (33, vec![7, 7]),
            (35, padded("GB100", 6)),
            (34, vec![1, 0]),
            (36, vec![1, 0]),
        ],
    }
}
