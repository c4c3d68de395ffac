//! Which keys are Google's.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use evidence_x509::{
    Anchors, Certificate, Pin, Purpose, RSA_PKCS1_SHA256, RSA_PSS_SHA256, SignatureVerificationAlgorithm,
};

/// Google's pin for keys of virtual TPMs: subject common name, and SHA-256 of the SubjectPublicKeyInfo.
///
/// Source: `ca.crt` of Google's Certificate Authority Service, to which the AIA of its intermediates leads; the same certificate
/// stands in google/go-tpm-tools (`server/ca-certs/gcp_ek_ak_ca_root.crt`). SHA-256 of it is 59:47:59:59:…:78:BE:B2.
///
/// The root before it (`tpm_ek_v1_cloud_host_root`, of 2018) is not pinned: it is older than SEV-SNP and TDX at Google.
pub static AK_PINS: [Pin; 1] =
    [Pin::from_hex("EK/AK CA Root", b"56a613f57126a385dd6949294e93b0b566f96ab0573be0c2368e6f5ca779831f")];

/// The trust anchors of attestation keys: the one root.
pub fn ak_anchors() -> Anchors {
    Anchors::new(AK_PINS.iter().cloned())
}

/// What Google's authorities of attestation keys sign with.
pub static AK_ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 1] = [RSA_PKCS1_SHA256];

/// The purpose of these certificates: the authorities say tcg-kp-EKCertificate of themselves, attestation keys say none.
pub const AK_PURPOSE: Purpose = Purpose::TpmEndorsementKeyIfStated;

/// Google's root of launch endorsements, `GCE-cc-tcb-root_1.crt`, by SHA-256 of the whole certificate.
///
/// Source: <https://pki.goog/cloud_integrity/GCE-cc-tcb-root_1.crt>, whose digest three public verifiers of these endorsements pin.
/// The certificate itself was not at hand, and so its key's digest is not known here.
pub static ENDORSEMENT_PINS: [RootPin; 1] = [RootPin {
    subject: Cow::Borrowed("GCE-cc-tcb-root"),
    sha256: *b"\xe8\x76\xbc\x69\x78\xbf\x4f\x3d\xa4\x45\xf9\x8a\x0a\x82\x36\x3c\
\x8c\x0b\xae\x5a\x1f\xc0\x33\xc6\xdf\x65\x84\x6a\x6c\xb0\xf1\x8c",
}];

/// What Google signs the certificates of launch endorsements with.
pub static ENDORSEMENT_ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 1] = [RSA_PSS_SHA256];

/// A root of launch endorsements: its key under its name, or the certificate as a whole.
///
/// One field holds either digest. No certificate has the key whose digest another certificate's is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPin {
    /// The subject's common name. Of a certificate that is pinned as a whole it is only told.
    pub subject: Cow<'static, str>,
    /// SHA-256 of the DER SubjectPublicKeyInfo, or of the DER certificate.
    pub sha256: [u8; 32],
}

impl RootPin {
    /// Whether `certificate` is the one that is pinned.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        let key = Pin { subject: self.subject.clone(), spki_sha256: self.sha256 };
        key.matches(certificate) || digest(&SHA256, certificate.der()).as_ref() == self.sha256
    }
}

/// The roots of launch endorsements of one verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsementRoots(Vec<RootPin>);

impl EndorsementRoots {
    /// Google's: [`ENDORSEMENT_PINS`].
    pub fn google() -> Self {
        Self(ENDORSEMENT_PINS.to_vec())
    }

    /// These, such as those of a test laboratory.
    pub fn new(pins: impl IntoIterator<Item = RootPin>) -> Self {
        Self(pins.into_iter().collect())
    }

    /// SHA-256 over all of them.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let pins = self.0.iter().flat_map(|pin| [pin.subject.as_bytes(), &[0], &pin.sha256].concat());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &pins.collect::<Vec<u8>>()).as_ref());
        hash
    }

    /// The pinned ones among `candidates`, whose keys are then known.
    pub(crate) fn anchors(&self, candidates: &[Certificate]) -> Anchors {
        let roots = candidates.iter().filter(|candidate| self.0.iter().any(|pin| pin.matches(candidate)));
        Anchors::new(
            roots.map(|root| Pin {
                subject: root.subject().to_owned().into(),
                spki_sha256: root.spki_sha256(),
            }),
        )
    }
}

/// From the common name of a subject, and SHA-256 of the DER SubjectPublicKeyInfo or of the DER certificate.
impl<S: Into<Cow<'static, str>>> FromIterator<(S, [u8; 32])> for EndorsementRoots {
    fn from_iter<I: IntoIterator<Item = (S, [u8; 32])>>(pins: I) -> Self {
        Self::new(pins.into_iter().map(|(subject, sha256)| RootPin { subject: subject.into(), sha256 }))
    }
}
