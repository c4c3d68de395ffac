//! The simulated Intel: a guest whose quotes are signed again, and the collateral of its platform.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use evidence_tdx::{Anchors, BARE_METAL, Collateral, Pin, PlatformCache, Policy, VerifyQuote};
use lab::{
    intel::{TdGuest, quote::CERT_PCK_CHAIN, quote::CERT_QE_REPORT, quote::QE_REPORT_BYTES},
    keys::P256Key,
};

use crate::now;

/// The simulated Intel, made once in a process.
pub static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

/// Platforms that were verified before, so that an input costs no public-key operation more than it must.
pub static PLATFORMS: LazyLock<PlatformCache> = LazyLock::new(PlatformCache::default);

/// What REPORTDATA of the lab's own quotes is.
pub const CHALLENGE: [u8; 64] = [7; 64];

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);

/// One guest, the keys that stand above its quotes, and what Intel says of its platform.
#[derive(Debug)]
pub struct Lab {
    /// The guest.
    pub guest: TdGuest,
    /// The lab's root, which Intel's is not.
    pub anchors: Anchors,
    /// The certificate of the key that signs documents, DER.
    pub certificates: [&'static [u8]; 1],
    /// TCB info and QE identity, as they are served.
    pub documents: [&'static [u8]; 2],
    /// The texts in the documents that are signed.
    pub bodies: [String; 2],
    /// The lists of the root and of the PCK CA, DER.
    pub revocation_lists: [&'static [u8]; 2],
    /// A sound quote.
    pub quote: Vec<u8>,
    attestation_key: P256Key,
    pck_chain: String,
}

impl Lab {
    fn new() -> Self {
        fn kept(bytes: impl Into<Vec<u8>>) -> &'static [u8] {
            bytes.into().leak()
        }
        let guest = TdGuest::new();
        let pins = guest.pins().into_iter();
        let pins = pins.map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 });
        let collateral = guest.collateral();
        Self {
            anchors: Anchors::new(pins),
            certificates: [kept(guest.hierarchy.tcb_signing())],
            documents: [kept(collateral.tcb_info.json()), kept(collateral.qe_identity.json())],
            bodies: [collateral.tcb_info.body, collateral.qe_identity.body],
            revocation_lists: [kept(collateral.root_ca_crl), kept(collateral.pck_crl)],
            quote: guest.quote_for(&CHALLENGE),
            attestation_key: P256Key::from_label(&guest.quote.attestation_key_label),
            pck_chain: guest.pck.pem_chain(),
            guest,
        }
    }

    /// What a sound quote is verified with.
    pub fn collateral(&self) -> Collateral<'_> {
        Collateral {
            certificates: &self.certificates,
            documents: &self.documents,
            revocation_lists: &self.revocation_lists,
        }
    }

    /// The verification of a quote under the lab's root, with sound collateral and the default policy.
    pub fn verification<'a>(&'a self, quote: &'a [u8], report_data: &'a [u8; 64]) -> VerifyQuote<'a> {
        VerifyQuote {
            quote,
            collateral: self.collateral(),
            anchors: &self.anchors,
            report_data,
            profile: &BARE_METAL,
            policy: &POLICY,
            at: now(),
        }
    }

    /// Header and TD report of the sound quote.
    pub fn signed_part(&self) -> &[u8] {
        &self.quote[..self.guest.quote.layout().signature_data_length]
    }

    /// The report of the lab's quoting enclave, 384 bytes.
    pub fn qe_report(&self) -> &[u8] {
        &self.quote[self.guest.quote.layout().qe_report..][..QE_REPORT_BYTES]
    }

    /// A quote of `signed` (header and TD report) and `qe_report` under the lab's keys: REPORTDATA of the latter is made to
    /// commit to the attestation key, and both are signed.
    pub fn sign(&self, signed: &[u8], qe_report: &[u8]) -> Vec<u8> {
        self.certify(signed, qe_report, self.pck_chain.as_bytes())
    }

    /// The same with another chain of certificates.
    pub fn certify(&self, signed: &[u8], qe_report: &[u8], pck_chain: &[u8]) -> Vec<u8> {
        let key = &self.attestation_key.public_point()[1..];
        let authentication = [0x1A; 32];
        let mut report_data = [0; 64];
        let committed = digest(&SHA256, &[key, &authentication].concat());
        report_data[..32].copy_from_slice(committed.as_ref());
        let report = [&qe_report[..QE_REPORT_BYTES - 64], &report_data].concat();
        let certification = [
            &report[..],
            &self.guest.pck.key.sign(&report),
            &32_u16.to_le_bytes(),
            &authentication,
            &CERT_PCK_CHAIN.to_le_bytes(),
            &len32(pck_chain),
            pck_chain,
        ]
        .concat();
        let data = [
            &self.attestation_key.sign(signed)[..],
            key,
            &CERT_QE_REPORT.to_le_bytes(),
            &len32(&certification),
            &certification,
        ]
        .concat();
        [signed, &len32(&data), &data].concat()
    }
}

/// The length of `bytes` as quotes have it.
pub fn len32(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("an input is short").to_le_bytes()
}
