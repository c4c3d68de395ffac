//! Launch endorsements of firmware, and who signs them.

use std::sync::{Arc, LazyLock};

use const_oid::db::{rfc2256, rfc4519};
use der::Tag;
use x509_cert::ext::pkix::KeyUsages;
use x509_cert::name::Name;

use super::proto::{bytes, message, number};
use crate::keys::{PssSha256, RsaKey, Signer};
use crate::time::utc_day;
use crate::x509::{
    CertSpec, SignatureAlgorithm, authority_key_identifier, basic_constraints, distinguished_name, key_usage,
    pem_chain, subject_key_identifier,
};

/// The common name of the root.
pub const ENDORSEMENT_ROOT_NAME: &str = "GCE-cc-tcb-root";
/// The common name of whose key signs endorsements.
pub const SIGNER_NAME: &str = "GCE-uefi-signer";

/// The forged root of launch endorsements, and the signer below it. The root's certificate is valid for 25 years from 2024-09-03,
/// the signer's for five, as `sign/ops` of gce-tcb-verifier makes them.
#[derive(Debug, Clone)]
pub struct EndorsementAuthority {
    root_key: RsaKey,
    signer_key: RsaKey,
    certificates: Arc<[Vec<u8>; 2]>,
}

impl Default for EndorsementAuthority {
    fn default() -> Self {
        Self::new()
    }
}

impl EndorsementAuthority {
    /// The lab's only one.
    #[must_use]
    pub fn new() -> Self {
        static AUTHORITY: LazyLock<EndorsementAuthority> = LazyLock::new(|| {
            let unsigned = EndorsementAuthority {
                root_key: RsaKey::from_pkcs8(include_bytes!("../../keys/google_endorsement_root.pk8")),
                signer_key: RsaKey::from_pkcs8(include_bytes!("../../keys/google_endorsement_signer.pk8")),
                certificates: Arc::default(),
            };
            let root = unsigned.root_spec().sign(&PssSha256(&unsigned.root_key));
            let signer = unsigned.signer_spec().sign(&PssSha256(&unsigned.root_key));
            EndorsementAuthority { certificates: Arc::new([root, signer]), ..unsigned }
        });
        AUTHORITY.clone()
    }

    /// The root's certificate, DER-encoded, self-signed.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        let [root, _] = &*self.certificates;
        root
    }

    /// The signer's certificate, DER-encoded.
    #[must_use]
    pub fn signer(&self) -> &[u8] {
        let [_, signer] = &*self.certificates;
        signer
    }

    /// The root's key.
    #[must_use]
    pub const fn root_key(&self) -> &RsaKey {
        &self.root_key
    }

    /// The signer's key.
    #[must_use]
    pub const fn signer_key(&self) -> &RsaKey {
        &self.signer_key
    }

    /// The root's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        vec![(ENDORSEMENT_ROOT_NAME.to_owned(), self.root_key.spki_sha256())]
    }

    /// The root's certificate before it is signed.
    #[must_use]
    pub fn root_spec(&self) -> CertSpec {
        CertSpec {
            version: 2,
            serial: vec![1],
            issuer: engineering(ENDORSEMENT_ROOT_NAME, "1"),
            not_before: utc_day(2024, 9, 3),
            not_after: utc_day(2049, 9, 3),
            subject: engineering(ENDORSEMENT_ROOT_NAME, "1"),
            spki: self.root_key.spki().to_vec(),
            extensions: vec![
                key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
                basic_constraints(true, Some(0)),
                subject_key_identifier(self.root_key.key_identifier()),
            ],
            algorithm: SignatureAlgorithm::RsaPssSha256,
            outer_algorithm: None,
        }
    }

    /// The signer's certificate before it is signed by [`Self::root_key`].
    #[must_use]
    pub fn signer_spec(&self) -> CertSpec {
        CertSpec {
            serial: vec![2],
            not_after: utc_day(2029, 9, 3),
            subject: engineering(SIGNER_NAME, "2"),
            spki: self.signer_key.spki().to_vec(),
            extensions: vec![
                key_usage(KeyUsages::DigitalSignature),
                basic_constraints(false, None),
                authority_key_identifier(self.root_key.key_identifier()),
            ],
            ..self.root_spec()
        }
    }
}

/// A name as gce-tcb-verifier's certificates have it.
fn engineering(name: &str, serial: &str) -> Name {
    distinguished_name(&[
        (rfc4519::COUNTRY_NAME, Tag::PrintableString, "USA"),
        (rfc2256::STATE_OR_PROVINCE_NAME, Tag::PrintableString, "WA"),
        (rfc4519::LOCALITY_NAME, Tag::PrintableString, "Kirkland"),
        (rfc4519::ORGANIZATION_NAME, Tag::PrintableString, "Google"),
        (rfc4519::ORGANIZATIONAL_UNIT_NAME, Tag::PrintableString, "Engineering"),
        (rfc4519::COMMON_NAME, Tag::PrintableString, name),
        (rfc4519::SERIAL_NUMBER, Tag::PrintableString, serial),
    ])
}

/// The fields of a VMGoldenMeasurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsementSpec {
    /// 1: seconds since the Unix epoch (as the two's complement of a negative number) and nanoseconds; left out if `None`.
    pub timestamp: Option<(u64, u64)>,
    /// 2: the changelist that the firmware was built from.
    pub cl_spec: u64,
    /// 3: the commit.
    pub commit: Vec<u8>,
    /// 4: the signer's certificate, DER.
    pub cert: Vec<u8>,
    /// 5: SHA-384 of the firmware.
    pub digest: Vec<u8>,
    /// 6: authorities above the signer, PEM.
    pub ca_bundle: Vec<u8>,
    /// 7.
    pub sev_snp: Option<SnpSpec>,
    /// 8.
    pub tdx: Option<TdxSpec>,
    /// Fields behind these.
    pub after: Vec<u8>,
}

/// The fields of a VMSevSnp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnpSpec {
    /// 1.
    pub svn: u64,
    /// 2: MEASUREMENT by the count of vCPUs.
    pub measurements: Vec<(u64, Vec<u8>)>,
    /// 3.
    pub family_id: Vec<u8>,
    /// 4.
    pub image_id: Vec<u8>,
    /// 5.
    pub policy: u64,
    /// 7: MEASUREMENT of a launch with an SVSM.
    pub svsm_measurement: Vec<u8>,
}

/// The fields of a VMTdx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TdxSpec {
    /// 1.
    pub svn: u64,
    /// 2.
    pub measurements: Vec<TdxMeasurementSpec>,
}

/// The fields of a VMTdx.Measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TdxMeasurementSpec {
    /// 1: memory, in GiB.
    pub ram_gib: u64,
    /// 2: whether firmware accepts all memory.
    pub early_accept: bool,
    /// 3.
    pub mrtd: Vec<u8>,
}

impl Default for EndorsementSpec {
    /// Of 2026-03-12, for both technologies: SNP with 1, 2 and 4 vCPUs (48 bytes of that number) or an SVSM (0x5A), TDX with 16 and
    /// 32 GiB (0xA0, 0xA1).
    fn default() -> Self {
        let authority = EndorsementAuthority::new();
        let tdx =
            |ram_gib, early_accept, byte| TdxMeasurementSpec { ram_gib, early_accept, mrtd: vec![byte; 48] };
        Self {
            timestamp: Some((utc_day(2026, 3, 12), 5)),
            cl_spec: 712_345_678,
            commit: vec![0xC0; 20],
            cert: authority.signer().to_vec(),
            digest: vec![0xF0; 48],
            ca_bundle: pem_chain([authority.root()]).into_bytes(),
            sev_snp: Some(SnpSpec {
                svn: 2,
                measurements: [1, 2, 4].map(|vcpus| (u64::from(vcpus), vec![vcpus; 48])).into(),
                family_id: vec![0xFA; 16],
                image_id: vec![0x1A; 16],
                policy: 0x7_0000,
                svsm_measurement: vec![0x5A; 48],
            }),
            tdx: Some(TdxSpec {
                svn: 3,
                measurements: vec![tdx(16, false, 0xA0), tdx(16, true, 0xA1), tdx(32, true, 0xA1)],
            }),
            after: Vec::new(),
        }
    }
}

impl EndorsementSpec {
    /// The golden measurement: what is signed.
    #[must_use]
    pub fn golden(&self) -> Vec<u8> {
        let timestamp = |(seconds, nanos)| message(1, &[number(1, seconds), number(2, nanos)].concat());
        [
            self.timestamp.map(timestamp).unwrap_or_default(),
            number(2, self.cl_spec),
            bytes(3, &self.commit),
            bytes(4, &self.cert),
            bytes(5, &self.digest),
            bytes(6, &self.ca_bundle),
            self.sev_snp.as_ref().map(|snp| message(7, &snp.bytes())).unwrap_or_default(),
            self.tdx.as_ref().map(|tdx| message(8, &tdx.bytes())).unwrap_or_default(),
            self.after.clone(),
        ]
        .concat()
    }

    /// The endorsement, signed by the lab's signer with RSASSA-PSS and SHA-256.
    #[must_use]
    pub fn sign(&self) -> Vec<u8> {
        self.sign_with(&PssSha256(EndorsementAuthority::new().signer_key()))
    }

    /// The endorsement, signed by any key in any way.
    #[must_use]
    pub fn sign_with(&self, key: &impl Signer) -> Vec<u8> {
        let golden = self.golden();
        endorsement(&golden, &key.sign_x509(&golden))
    }
}

impl SnpSpec {
    fn bytes(&self) -> Vec<u8> {
        let entry =
            |(vcpus, digest): &(u64, Vec<u8>)| message(2, &[number(1, *vcpus), bytes(2, digest)].concat());
        [
            number(1, self.svn),
            self.measurements.iter().flat_map(entry).collect(),
            bytes(3, &self.family_id),
            bytes(4, &self.image_id),
            number(5, self.policy),
            bytes(7, &self.svsm_measurement),
        ]
        .concat()
    }
}

impl TdxSpec {
    fn bytes(&self) -> Vec<u8> {
        let entry = |of: &TdxMeasurementSpec| {
            let fields = [number(1, of.ram_gib), number(2, of.early_accept.into()), bytes(3, &of.mrtd)];
            message(2, &fields.concat())
        };
        [number(1, self.svn), self.measurements.iter().flat_map(entry).collect()].concat()
    }
}

/// A VMLaunchEndorsement of what was signed and a signature.
#[must_use]
pub fn endorsement(golden: &[u8], signature: &[u8]) -> Vec<u8> {
    [bytes(1, golden), bytes(2, signature)].concat()
}
