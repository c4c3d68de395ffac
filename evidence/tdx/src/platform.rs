//! From Intel's root to the attestation key: everything about a quote that stays the same from one quote of a platform to
//! the next, verified once.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use dcap_qvl::{QuoteCollateralV3, TcbInfo, intel::PckExtension};
use evidence_ledger::{Failed, Ledger};
use evidence_x509::{
    Anchors, Certificate, Moment, PathError, RevocationList, SignatureVerificationAlgorithm, UnixTime,
    Window, verify_path, verify_validity,
};
use moka::sync::Cache;
use subtle::ConstantTimeEq;

use crate::{
    Collateral, Error, Quote, Tcb,
    anchors::ROOT,
    checks,
    collateral::{Chosen, Signed},
    dcap::{self, P256},
    tcb::Versions,
};

/// How everything between root and quote is signed.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[P256];

/// The most certificates of a quote that are read.
const CHAIN_LEN: usize = 3;

/// The most platforms that a [`PlatformCache`] keeps.
const MAX_PLATFORMS: u64 = 4_096;

/// The common name of a PCK certificate, and those of the CAs that issue them.
const PCK: &str = "Intel SGX PCK Certificate";
const PCK_CAS: [&str; 2] = ["Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"];

/// A platform that was verified down to its attestation key.
#[derive(Debug, Clone)]
pub(crate) struct Platform {
    pub(crate) fmspc: [u8; 6],
    pub(crate) ppid: [u8; 16],
    /// When all that vouches for it is valid.
    window: Window,
    ledger: Ledger,
}

/// What its TCB is appraised by.
#[derive(Debug)]
pub(crate) struct Materials {
    pck: PckExtension,
    chosen: Chosen,
    root: Certificate,
    root_list: Vec<u8>,
    pck_list: Vec<u8>,
}

/// Platforms that were verified, and how their TCB was appraised.
///
/// An entry is found by everything that its verdict depends on except the time, which is compared with the time for which it
/// holds. It is made once its attestation key has signed a quote.
#[derive(Debug, Clone)]
pub struct PlatformCache(Cache<[u8; 32], Arc<Appraised>>);

/// A platform with its TCB.
#[derive(Debug)]
pub(crate) struct Appraised {
    pub(crate) platform: Platform,
    pub(crate) tcb: Tcb,
}

impl Default for PlatformCache {
    fn default() -> Self {
        Self(Cache::new(MAX_PLATFORMS))
    }
}

impl PlatformCache {
    /// What is known of `key`, if it holds at `at`.
    pub(crate) fn get(&self, key: &[u8; 32], at: UnixTime) -> Option<Arc<Appraised>> {
        self.0.get(key).filter(|known| known.platform.window.contains(at.as_secs()))
    }

    pub(crate) fn keep(&self, key: [u8; 32], appraised: Arc<Appraised>) {
        self.0.insert(key, appraised);
    }
}

/// SHA-256 over everything that the verdict on a platform and its TCB depends on, except the time.
pub(crate) fn key(quote: &Quote<'_>, collateral: &Collateral<'_>, anchors: &Anchors) -> [u8; 32] {
    let report = &quote.report;
    let attributes = report.td_attributes.0.to_le_bytes();
    let mut parts: Vec<&[u8]> = vec![
        anchors.digest(),
        quote.attestation_key(),
        quote.certification(),
        report.kind.name().as_bytes(),
        &report.tee_tcb_svn,
        report.tee_tcb_svn2.as_ref().map_or(&[], |svn| svn.as_slice()),
        &report.mr_signer_seam,
        &report.seam_attributes,
        &attributes,
        report.mr_service_td.as_ref().map_or(&[], |hash| hash.as_slice()),
    ];
    let lists = [collateral.certificates, collateral.documents, collateral.revocation_lists];
    let lengths = lists.map(|list| list.len().to_le_bytes());
    for (list, length) in lists.iter().zip(&lengths) {
        parts.push(length);
        parts.extend(list.iter());
    }
    dcap::digest_of_parts(&parts)
}

impl Platform {
    /// Verifies everything down to the attestation key of `quote`.
    pub(crate) fn verify(
        quote: &Quote<'_>,
        collateral: &Collateral<'_>,
        anchors: &Anchors,
        at: UnixTime,
    ) -> Result<(Self, Materials), Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());
        let now = at.as_secs();

        // 1. PCK certificate <- CA <- root, as the quote carries them.
        let [pck, ca, root] = &ledger.record(checks::PCK_CHAIN, chain(quote))?;
        let extension = crate::pck::extension(pck.der()).map_err(Error::PckExtension);
        let (extension, ppid) = ledger.record(checks::PCK_EXTENSION, extension)?;
        ledger.require(checks::ROOT_PINNED, anchors.pins(ROOT, root), || {
            Error::RootNotPinned(root.subject().to_owned())
        })?;
        let named = pck.subject() == PCK && PCK_CAS.contains(&ca.subject());
        ledger.require(checks::PCK_ISSUER, named, || Error::PckIssuer {
            subject: pck.subject().to_owned(),
            issuer: ca.subject().to_owned(),
        })?;

        // 2. What Intel says of this platform.
        let chosen = collateral.choose(&extension.fmspc, ca, root, now);
        let chosen = ledger.record(checks::COLLATERAL, chosen)?;
        let signers = [&chosen.tcb_signer, &chosen.qe_signer];
        let window = verify_validity(&[pck, ca, root, signers[0], signers[1]], at).map_err(Error::from);
        let window = ledger.record(checks::CHAIN_VALIDITY, window)?;
        let paths = verify_path(pck, &[ca], root, ALGORITHMS, at).and_then(|()| {
            signers.iter().try_for_each(|signer| verify_path(signer, &[], root, ALGORITHMS, at))
        });
        ledger.verify(checks::CHAIN_SIGNATURES, paths.map_err(Error::from))?;

        // 3. Revocation.
        let lists = Lists::verify(&chosen, [root, ca], ledger)?;
        let revoked = Lists::revoked(&lists.by_root, &[root, ca, signers[0], signers[1]])
            .or_else(|| Lists::revoked(&lists.by_ca, &[pck]));
        ledger.verify(checks::NOT_REVOKED, revoked.map_or(Ok(()), |subject| Err(Error::Revoked(subject))))?;
        let current = newest(&lists.by_root, root, now)
            .and_then(|by_root| Ok((by_root, newest(&lists.by_ca, ca, now)?)));
        let ((root_list, root_valid), (pck_list, pck_valid)) = ledger.record(checks::CRL_CURRENT, current)?;

        // 4. The documents.
        documents(&chosen, &extension.pce_id, now, ledger)?;

        // 5. PCK -> quoting enclave -> attestation key.
        let signature =
            dcap::signed_by(pck.public_key(), quote.qe_report_bytes(), quote.qe_report_signature());
        ledger.require(checks::QE_REPORT_SIGNATURE, signature, || Error::QeReportSignature)?;
        ledger.require(checks::ATTESTATION_KEY, commits_to_key(quote), || Error::AttestationKey)?;
        ledger.verify(checks::QE_IDENTITY, is_enclave(quote, &chosen.qe_identity))?;

        let documents = [chosen.tcb_info.window, chosen.qe_identity.window, chosen.chosen_at];
        let window = [root_valid, pck_valid].into_iter().chain(documents).fold(window, within);
        let platform = Self { fmspc: extension.fmspc, ppid, window, ledger: std::mem::take(ledger) };
        Ok((platform, Materials { pck: extension, chosen, root: root.clone(), root_list, pck_list }))
    }

    /// The checks that were made.
    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Materials {
    /// Lets `dcap-qvl` verify the quote and its collateral once more, and appraise the TCB.
    pub(crate) fn appraise(&self, bytes: &[u8], quote: &Quote<'_>, at: UnixTime) -> Result<Tcb, Error> {
        let service_td = quote.report.mr_service_td.is_some_and(|hash| hash != [0; 48]);
        let claims = dcap::appraise(bytes, self.collateral(), self.root.der(), service_td, at.as_secs());
        let claims = claims.map_err(|reason| self.no_level(quote, reason))?;
        Tcb::new(&claims, &self.chosen.tcb_info.value, &self.chosen.qe_identity.value, quote)
    }

    fn collateral(&self) -> QuoteCollateralV3 {
        self.chosen.for_dcap(&self.root, &self.root_list, &self.pck_list)
    }

    /// Why there is no appraisal; where every level is missed, which versions the nearest misses.
    fn no_level(&self, quote: &Quote<'_>, reason: String) -> Error {
        // `dcap-qvl` (0.7.1) says it in words alone; the case of a revoked level in `tcb-level` notices other words.
        if reason.ends_with("TCB status is invalid: Revoked") {
            return Error::TcbRevoked;
        }
        let versions = Versions { cpu_svn: &self.pck.cpu_svn, pce_svn: self.pck.pce_svn, quote };
        let shortfalls = versions.below_every_level(&self.chosen.tcb_info.value);
        if shortfalls.0.is_empty() { Error::Appraisal(reason) } else { Error::TcbLevelMissed(shortfalls) }
    }
}

/// The certificates of a quote: PCK, its CA, root.
pub(crate) fn chain(quote: &Quote<'_>) -> Result<[Certificate; CHAIN_LEN], Error> {
    let certificates = Certificate::parse_der_or_pem(quote.pck_chain())?;
    let found = certificates.len();
    certificates.try_into().map_err(|_| Error::PckChainLength { expected: CHAIN_LEN, found })
}

/// The revocation lists that were given, each signed by its issuer, with their DER.
struct Lists {
    by_root: Vec<(RevocationList, Vec<u8>)>,
    by_ca: Vec<(RevocationList, Vec<u8>)>,
}

impl Lists {
    fn verify(
        chosen: &Chosen,
        [root, ca]: [&Certificate; 2],
        ledger: &mut Ledger,
    ) -> Result<Self, Failed<Error>> {
        let verified = |lists: &[Vec<u8>], issuer: &Certificate| -> Result<Vec<_>, Error> {
            let verify = |der: &Vec<u8>| Ok((RevocationList::verify(der, issuer, ALGORITHMS)?, der.clone()));
            lists.iter().map(verify).collect()
        };
        let lists = verified(&chosen.root_lists, root)
            .and_then(|by_root| Ok(Self { by_root, by_ca: verified(&chosen.pck_lists, ca)? }));
        ledger.record(checks::CRL_SIGNATURE, lists)
    }

    /// The subject of the first of the certificates that a list names, current or not.
    fn revoked(lists: &[(RevocationList, Vec<u8>)], of: &[&Certificate]) -> Option<String> {
        let named =
            |certificate: &&&Certificate| lists.iter().any(|(list, _)| list.revokes(certificate.serial()));
        of.iter().find(named).map(|certificate| certificate.subject().to_owned())
    }
}

/// The list that is current at `now` and the time for which that holds; a list ends with the second before its nextUpdate.
fn newest(
    lists: &[(RevocationList, Vec<u8>)],
    issuer: &Certificate,
    now: u64,
) -> Result<(Vec<u8>, Window), Error> {
    let valid = |list: &RevocationList| {
        let Window { not_before, not_after } = list.window();
        Window { not_before, not_after: not_after.saturating_sub(1) }
    };
    let current = lists.iter().map(|(list, der)| (der, valid(list))).filter(|(_, valid)| valid.contains(now));
    let newest = current.max_by_key(|(der, valid)| (valid.not_before, valid.not_after, *der));
    newest
        .map(|(der, valid)| (der.clone(), valid))
        .ok_or_else(|| Error::RevocationListStale { issuer: issuer.subject().to_owned(), at: Moment(now) })
}

/// Intel signed TCB info and QE identity, both are current, and the TCB info is about TDX on the platform of `pce_id`.
fn documents(chosen: &Chosen, pce_id: &[u8], now: u64, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
    let (name, info) = ("TCB info", &chosen.tcb_info);
    ledger.require(checks::TCB_INFO_SIGNATURE, info.is_signed_by(&chosen.tcb_signer), || {
        Error::DocumentSignature(name)
    })?;
    is_current(ledger, checks::TCB_INFO_CURRENT, name, info, now)?;
    let TcbInfo { version, tcb_type, id, pce_id: found, .. } = &info.value;
    let of_platform = *version == 3
        && *tcb_type == 0
        && id == "TDX"
        && hex::decode(found).is_ok_and(|found| found == pce_id);
    ledger.require(checks::TCB_INFO_PLATFORM, of_platform, || Error::TcbInfoPlatform {
        expected: hex::encode(pce_id),
        found: found.chars().take(8).collect(),
    })?;
    let (name, identity) = ("QE identity", &chosen.qe_identity);
    ledger.require(checks::QE_IDENTITY_SIGNATURE, identity.is_signed_by(&chosen.qe_signer), || {
        Error::DocumentSignature(name)
    })?;
    is_current(ledger, checks::QE_IDENTITY_CURRENT, name, identity, now)
}

fn is_current<T>(
    ledger: &mut Ledger,
    check: evidence_ledger::Check,
    name: &'static str,
    document: &Signed<T>,
    now: u64,
) -> Result<(), Failed<Error>> {
    let window = document.window;
    ledger.require(check, window.contains(now), || Error::DocumentStale { name, window, at: Moment(now) })
}

const fn within(one: Window, other: Window) -> Window {
    const fn later(a: u64, b: u64) -> u64 {
        if a > b { a } else { b }
    }
    const fn earlier(a: u64, b: u64) -> u64 {
        if a < b { a } else { b }
    }
    Window {
        not_before: later(one.not_before, other.not_before),
        not_after: earlier(one.not_after, other.not_after),
    }
}

/// REPORTDATA of the QE report is SHA-256 of the attestation key and the authentication data, and 32 zeros.
fn commits_to_key(quote: &Quote<'_>) -> bool {
    let committed = digest(&SHA256, &[quote.attestation_key(), quote.qe_authentication()].concat());
    let (hash, zeros) = quote.qe_report.report_data.split_at(32);
    bool::from(hash.ct_eq(committed.as_ref())) && zeros == [0; 32]
}

/// The fields of the QE report that the identity fixes, under its masks.
fn is_enclave(quote: &Quote<'_>, identity: &Signed<dcap_qvl::QeIdentity>) -> Result<(), Error> {
    let (report, identity) = (&quote.qe_report, &identity.value);
    let masked = |value: &[u8], expected: &[u8], mask: &[u8]| {
        value.iter().zip(expected).zip(mask).all(|((value, expected), mask)| value & mask == expected & mask)
    };
    let misc_select = report.misc_select.to_le_bytes();
    let wrong = if report.mr_signer != identity.mrsigner {
        "MRSIGNER"
    } else if report.isv_prod_id != identity.isvprodid {
        "ISVPRODID"
    } else if !masked(&report.attributes, &identity.attributes, &identity.attributes_mask) {
        "ATTRIBUTES"
    } else if !masked(&misc_select, &identity.miscselect, &identity.miscselect_mask) {
        "MISCSELECT"
    } else {
        return Ok(());
    };
    Err(Error::QeIdentity(wrong))
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}
