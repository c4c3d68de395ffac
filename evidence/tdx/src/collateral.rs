//! What Intel says of a platform: TCB info, the identity of the quoting enclave, their signers, revocation lists.
//!
//! Endorsements may be a mixed bag, for several platforms, times and vendors. What cannot be read is passed over, and of
//! several answers to one question the newest that is current is taken, whatever their order.

use std::time::UNIX_EPOCH;

use dcap_qvl::{QeIdentity, QuoteCollateralV3, TcbInfo};
use evidence_x509::{Certificate, RevocationList, Window};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{Error, dcap};

/// The most certificates, documents and revocation lists that are looked at in one verification.
pub const MAX_CANDIDATES: usize = 64;

/// The largest document that is read, in bytes: four times the size of those that Intel serves.
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// The common name of the certificate whose key signs Intel's documents.
const SIGNER: &str = "Intel SGX TCB Signing";

/// The digits of a document's signature: `r || s`, 64 bytes.
const SIGNATURE_DIGITS: usize = 128;

/// Endorsements of TDX, as they were received.
#[derive(Debug, Clone, Copy, Default)]
pub struct Collateral<'a> {
    /// Certificates, DER.
    pub certificates: &'a [&'a [u8]],
    /// TCB info and QE identity, as Intel's service answers: JSON with the document and its signature.
    pub documents: &'a [&'a [u8]],
    /// Revocation lists, DER.
    pub revocation_lists: &'a [&'a [u8]],
}

/// A document of Intel's with its signature, which is over the exact bytes of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed<T> {
    pub(crate) body: String,
    pub(crate) signature: [u8; 64],
    pub(crate) value: T,
    pub(crate) window: Window,
}

/// What is common to Intel's documents.
pub(crate) trait Document: DeserializeOwned {
    /// The member of the answer that holds the document.
    const MEMBER: &'static str;

    /// issueDate and nextUpdate, RFC 3339.
    fn dates(&self) -> (&str, &str);

    /// tcbEvaluationDataNumber.
    fn evaluation(&self) -> u32;
}

impl Document for TcbInfo {
    const MEMBER: &'static str = "tcbInfo";

    fn dates(&self) -> (&str, &str) {
        (&self.issue_date, &self.next_update)
    }

    fn evaluation(&self) -> u32 {
        self.tcb_evaluation_data_number
    }
}

impl Document for QeIdentity {
    const MEMBER: &'static str = "enclaveIdentity";

    fn dates(&self) -> (&str, &str) {
        (&self.issue_date, &self.next_update)
    }

    fn evaluation(&self) -> u32 {
        self.tcb_evaluation_data_number
    }
}

impl<T: Document> Signed<T> {
    /// Reads an answer of the form `{"<member>":<document>,"signature":"<128 lower-case hex digits>"}`; `None` for anything else.
    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_DOCUMENT {
            return None;
        }
        let members: Members<'_> = serde_json::from_slice(bytes).ok()?;
        let body = match (T::MEMBER, members.tcb_info, members.enclave_identity) {
            (TcbInfo::MEMBER, Some(body), None) | (QeIdentity::MEMBER, None, Some(body)) => body.get(),
            _ => return None,
        };
        let digits = members.signature;
        if digits.len() != SIGNATURE_DIGITS || digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return None;
        }
        let mut signature = [0; 64];
        hex::decode_to_slice(digits, &mut signature).ok()?;
        let value: T = serde_json::from_str(body).ok()?;
        let (issued, next) = value.dates();
        let window = Window { not_before: seconds(issued)?, not_after: seconds(next)? };
        Some(Self { body: body.to_owned(), signature, value, window })
    }

    /// Whether `signer` signed the document.
    pub(crate) fn is_signed_by(&self, signer: &Certificate) -> bool {
        dcap::signed_by(signer.public_key(), self.body.as_bytes(), &self.signature)
    }
}

/// Whether `bytes` are TCB info or a QE identity as Intel's service answers them: what a [`Collateral`] takes as a document. Nothing is
/// verified.
pub fn is_document(bytes: &[u8]) -> bool {
    Signed::<TcbInfo>::parse(bytes).is_some() || Signed::<QeIdentity>::parse(bytes).is_some()
}

/// An answer of Intel's service: one of the two documents, and its signature.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow)]
    tcb_info: Option<&'a RawValue>,
    #[serde(borrow)]
    enclave_identity: Option<&'a RawValue>,
    signature: &'a str,
}

/// A moment in RFC 3339, in seconds since 1970-01-01T00:00:00Z.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}

/// The collateral of one platform. Nothing in it is verified but what its revocation lists are lists of.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) tcb_info: Signed<TcbInfo>,
    pub(crate) tcb_signer: Certificate,
    pub(crate) qe_identity: Signed<QeIdentity>,
    pub(crate) qe_signer: Certificate,
    /// When no other document would have been chosen: after the last one that has ended, before the first one to come.
    pub(crate) chosen_at: Window,
    /// Lists that name the root as their issuer, DER.
    pub(crate) root_lists: Vec<Vec<u8>>,
    /// Lists that name the CA of the PCK certificate as their issuer, DER.
    pub(crate) pck_lists: Vec<Vec<u8>>,
}

impl Collateral<'_> {
    /// Chooses what concerns the platform `fmspc`, whose PCK certificate `ca` issued under `root`, at `at`.
    pub(crate) fn choose(
        &self,
        fmspc: &[u8; 6],
        ca: &Certificate,
        root: &Certificate,
        at: u64,
    ) -> Result<Chosen, Error> {
        let found =
            [self.certificates, self.documents, self.revocation_lists].iter().map(|list| list.len()).sum();
        if found > MAX_CANDIDATES {
            return Err(Error::TooManyEndorsements { found, limit: MAX_CANDIDATES });
        }
        let is_of_platform = |document: &Signed<TcbInfo>| {
            document.value.id == "TDX" && hex::decode(&document.value.fmspc).is_ok_and(|found| found == fmspc)
        };
        let mut chosen_at = Window { not_before: 0, not_after: u64::MAX };
        let tcb_info = self.newest(at, is_of_platform, &mut chosen_at);
        let tcb_info = tcb_info.ok_or_else(|| Error::TcbInfoMissing { fmspc: hex::encode(fmspc) })?;
        let is_of_tdx = |document: &Signed<QeIdentity>| document.value.id == "TD_QE";
        let qe_identity = self.newest(at, is_of_tdx, &mut chosen_at);
        let qe_identity = qe_identity.ok_or(Error::QeIdentityMissing)?;

        let signers = self.certificates.iter().filter_map(|der| Certificate::parse(der).ok());
        let signers: Vec<Certificate> = signers.filter(|signer| signer.subject() == SIGNER).collect();
        // Which of them signed is seen from the signature; if none did, the check of the signature says so.
        let signer_of = |signed: &dyn Fn(&Certificate) -> bool| {
            signers.iter().max_by_key(|signer| (signed(signer), signer.window().not_after)).cloned()
        };
        let tcb_signer = signer_of(&|signer| tcb_info.is_signed_by(signer)).ok_or(Error::SignerMissing)?;
        let qe_signer = signer_of(&|signer| qe_identity.is_signed_by(signer)).ok_or(Error::SignerMissing)?;

        let lists_of = |issuer: &Certificate| -> Result<Vec<Vec<u8>>, Error> {
            let claims = |der: &&&[u8]| RevocationList::claims_issuer(der, issuer).unwrap_or(false);
            let lists: Vec<_> = self.revocation_lists.iter().filter(claims).map(|der| der.to_vec()).collect();
            if lists.is_empty() {
                return Err(Error::RevocationListMissing { issuer: issuer.subject().to_owned() });
            }
            Ok(lists)
        };
        let (root_lists, pck_lists) = (lists_of(root)?, lists_of(ca)?);
        Ok(Chosen { tcb_info, tcb_signer, qe_identity, qe_signer, chosen_at, root_lists, pck_lists })
    }

    /// The newest document that is `wanted`: one that is current before one that is not, then the latest evaluation, then the
    /// latest issue. Narrows `chosen_at` to the seconds in which the same ones are current.
    fn newest<T: Document>(
        &self,
        at: u64,
        wanted: impl Fn(&Signed<T>) -> bool,
        chosen_at: &mut Window,
    ) -> Option<Signed<T>> {
        let documents = self.documents.iter().filter_map(|bytes| Signed::parse(bytes));
        let documents: Vec<Signed<T>> = documents.filter(|document| wanted(document)).collect();
        for Window { not_before, not_after } in documents.iter().map(|document| document.window) {
            if not_before > at {
                chosen_at.not_after = chosen_at.not_after.min(not_before.saturating_sub(1));
            }
            if not_after < at {
                chosen_at.not_before = chosen_at.not_before.max(not_after.saturating_add(1));
            }
        }
        documents.into_iter().max_by_key(|document| {
            let Window { not_before, not_after } = document.window;
            let current = document.window.contains(at);
            (current, document.value.evaluation(), not_before, not_after, document.body.clone())
        })
    }
}

impl Chosen {
    /// The same collateral as `dcap-qvl` takes it, with one list of each issuer.
    pub(crate) fn for_dcap(
        &self,
        root: &Certificate,
        root_list: &[u8],
        pck_list: &[u8],
    ) -> QuoteCollateralV3 {
        let chain = |signer: &Certificate| format!("{}{}", signer.pem(), root.pem());
        QuoteCollateralV3 {
            pck_crl_issuer_chain: String::new(),
            root_ca_crl: root_list.to_vec(),
            pck_crl: pck_list.to_vec(),
            tcb_info_issuer_chain: chain(&self.tcb_signer),
            tcb_info: self.tcb_info.body.clone(),
            tcb_info_signature: self.tcb_info.signature.to_vec(),
            qe_identity_issuer_chain: chain(&self.qe_signer),
            qe_identity: self.qe_identity.body.clone(),
            qe_identity_signature: self.qe_identity.signature.to_vec(),
            pck_certificate_chain: None,
        }
    }
}
