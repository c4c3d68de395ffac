//! From the certificate of the signing key to AMD's root, once per chain.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use evidence_ledger::{Failed, Ledger};
use evidence_x509::{
    Certificate, Moment, RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER, RevocationList,
    SignatureVerificationAlgorithm, UnixTime, Window, verify_path, verify_validity,
};
use moka::sync::Cache;

use crate::{
    Anchors, Error, Report, VekCertificate, VekKind,
    anchors::{self, issuer_name, root_name},
    checks,
};

/// What AMD signs certificates and revocation lists with, in both of its encodings.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER];

/// The most certificates and revocation lists that one verification looks at.
const MAX_CANDIDATES: usize = 64;

/// Everything that the verdict on a chain depends on, except the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainInput<'a> {
    pub(crate) certificates: &'a [&'a [u8]],
    pub(crate) endorsements: &'a [&'a [u8]],
    pub(crate) revocation_lists: &'a [&'a [u8]],
    pub(crate) anchors: &'a Anchors,
    pub(crate) kind: VekKind,
}

/// A VCEK or VLEK certificate that leads to a pinned root, and what revocation lists say of its authorities.
#[derive(Debug, Clone)]
pub(crate) struct VerifiedVek {
    pub(crate) certificate: VekCertificate,
    /// When the chain is valid.
    window: Window,
    /// When each revocation list of the ARK is current. None of them revokes an authority.
    crl_windows: Vec<Window>,
    /// The checks that were made for this chain, in order.
    ledger: Ledger,
    ark: String,
}

/// Verified chains, bounded, by the bytes that were verified.
///
/// A chain is looked up by the SHA-256 of every input of its verdict but the time; the time is compared with the window for
/// which the chain holds, at each use.
#[derive(Debug, Clone)]
pub struct ChainCache(Cache<[u8; 32], Arc<VerifiedVek>>);

impl Default for ChainCache {
    /// Room for 4,096 chains: a large fleet's processors and TCB versions.
    fn default() -> Self {
        Self::new(4096)
    }
}

impl ChainCache {
    /// Room for `chains` chains, of about 1 KiB each.
    pub fn new(chains: u64) -> Self {
        Self(Cache::new(chains))
    }

    /// Forgets every chain.
    pub fn clear(&self) {
        self.0.invalidate_all();
    }

    /// The chain for `report`, as it was verified before or as it verifies now.
    pub(crate) fn verify(
        &self,
        report: &Report,
        input: &ChainInput<'_>,
        at: UnixTime,
    ) -> Result<Chain, Failed<Error>> {
        let key = key(report, input);
        if let Some(known) = self.0.get(&key).filter(|vek| vek.window.contains(at.as_secs())) {
            return Ok(Chain { vek: known, new: None });
        }
        Ok(Chain { vek: Arc::new(VerifiedVek::verify(report, input, at)?), new: Some(key) })
    }

    /// Keeps a chain whose key has signed a report: public chains alone fill no places.
    pub(crate) fn keep(&self, chain: &Chain) {
        if let Some(key) = chain.new {
            self.0.insert(key, Arc::clone(&chain.vek));
        }
    }

    /// How many chains are kept, about.
    pub fn entry_count(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }
}

/// A verified chain, and under which key it belongs into the cache if it is not there.
pub(crate) struct Chain {
    vek: Arc<VerifiedVek>,
    new: Option<[u8; 32]>,
}

impl Chain {
    pub(crate) fn vek(&self) -> &VerifiedVek {
        &self.vek
    }
}

impl VerifiedVek {
    fn verify(report: &Report, input: &ChainInput<'_>, at: UnixTime) -> Result<Self, Failed<Error>> {
        let mut ledger = Ledger::with_capacity(checks::ALL.len());

        // 1. The certificate of the signing key.
        let all = ledger.record(checks::CERTIFICATES, read_certificates(input))?;
        let vek = choose_vek(&all, report, input.kind).ok_or(Error::VekMissing(input.kind));
        let vek = ledger.record(checks::VEK_PRESENT, vek)?;
        let certificate = ledger.record(checks::VEK_EXTENSIONS, VekCertificate::parse(vek))?;
        let (product, kind) = (certificate.product, certificate.kind);

        // 2. ARK and ASK or ASVK of the certificate's product: only the pinned ones.
        let ark = all.iter().find(|authority| input.anchors.pins(&root_name(product), authority));
        let ark = ledger.record(checks::ROOT_PINNED, ark.ok_or(Error::RootNotPinned(product)))?;
        let issuer = all.iter().find(|authority| input.anchors.pins(&issuer_name(product, kind), authority));
        let issuer = ledger.record(
            checks::ISSUER_PINNED,
            issuer.ok_or_else(|| Error::IssuerNotPinned(issuer_name(product, kind))),
        )?;

        // 3. ARK -> ASK or ASVK -> VCEK or VLEK.
        let window = ledger
            .record(checks::CHAIN_VALIDITY, verify_validity(&[vek, issuer, ark], at).map_err(Error::from))?;
        ledger.verify(
            checks::CHAIN_SIGNATURES,
            verify_path(vek, &[issuer], ark, ALGORITHMS, at).map_err(Error::from),
        )?;

        // 4. What the ARK revoked. AMD gives every VCEK and VLEK the serial number 0, so that a revocation list can only
        //    speak of the authorities.
        let lists = revocation_lists(input, ark);
        if lists.as_ref().is_ok_and(Vec::is_empty) {
            ledger.not_performed(
                checks::CRL_SIGNATURE,
                format!("no revocation list of {} is at hand", ark.subject()),
            );
            ledger.not_performed(
                checks::NOT_REVOKED,
                format!("no revocation list of {} is at hand", ark.subject()),
            );
        } else {
            let lists = ledger.record(checks::CRL_SIGNATURE, lists.as_ref().map_err(Clone::clone))?;
            let revoked = [issuer, ark]
                .into_iter()
                .find(|authority| lists.iter().any(|list| list.revokes(authority.serial())));
            let revoked =
                revoked.map_or(Ok(()), |authority| Err(Error::Revoked(authority.subject().to_owned())));
            ledger.verify(checks::NOT_REVOKED, revoked)?;
        }

        Ok(Self {
            window,
            crl_windows: lists.iter().flatten().map(RevocationList::window).collect(),
            ark: ark.subject().to_owned(),
            certificate,
            ledger,
        })
    }

    /// The checks made for this chain, and whether a revocation list is current at `at`.
    pub(crate) fn record(
        &self,
        ledger: &mut Ledger,
        at: UnixTime,
        accept_unknown: bool,
    ) -> Result<(), Failed<Error>> {
        ledger.append(self.ledger.clone());
        let current = self.crl_windows.iter().any(|window| window.contains(at.as_secs()));
        if !current && accept_unknown {
            ledger.not_performed(
                checks::CRL_CURRENT,
                format!("no current revocation list of {}, and policy accepts unknown revocation", self.ark),
            );
            return Ok(());
        }
        let ended = self.crl_windows.iter().map(|window| window.not_after).max();
        ledger.require(checks::CRL_CURRENT, current, || match ended {
            None => Error::CrlMissing { issuer: self.ark.clone() },
            Some(ended) => {
                Error::CrlStale { issuer: self.ark.clone(), ended: Moment(ended), at: Moment(at.as_secs()) }
            }
        })
    }
}

/// Reads every certificate at hand: AMD's own, those that came with the evidence, and such endorsements as are certificates
/// that can be read. Endorsements may be a mixed bag for several vendors; evidence is not.
fn read_certificates(input: &ChainInput<'_>) -> Result<Vec<Certificate>, Error> {
    let ChainInput { certificates, endorsements, revocation_lists, .. } = input;
    let found = [certificates, endorsements, revocation_lists].iter().map(|list| list.len()).sum();
    if found > MAX_CANDIDATES {
        return Err(Error::TooManyCertificates { found, limit: MAX_CANDIDATES });
    }
    let mut all = Vec::new();
    for der in anchors::certificates().into_iter().chain(certificates.iter().copied()) {
        all.push(Certificate::parse(der)?);
    }
    all.extend(endorsements.iter().filter_map(|der| Certificate::parse(der).ok()));
    Ok(all)
}

/// The certificate of the key that signed `report`: preferably one of the right kind, TCB version and chip, else the
/// nearest, whose check then says what does not fit.
fn choose_vek<'a>(
    certificates: &'a [Certificate],
    report: &Report,
    kind: VekKind,
) -> Option<&'a Certificate> {
    certificates.iter().filter(|certificate| VekCertificate::kind_of(certificate).is_some()).max_by_key(
        |certificate| {
            let fits = VekCertificate::parse(certificate)
                .is_ok_and(|vek| vek.is_for(&report.reported_tcb, &report.chip_id));
            (VekCertificate::kind_of(certificate) == Some(kind), fits)
        },
    )
}

/// The revocation lists that name `ark` as their issuer, each of which must verify.
fn revocation_lists(input: &ChainInput<'_>, ark: &Certificate) -> Result<Vec<RevocationList>, Error> {
    let mut lists = Vec::new();
    for der in input.revocation_lists {
        if RevocationList::claims_issuer(der, ark)? {
            lists.push(RevocationList::verify(der, ark, ALGORITHMS)?);
        }
    }
    Ok(lists)
}

/// SHA-256 over everything that the verdict on a chain depends on, except the time; every part is preceded by its length.
fn key(report: &Report, input: &ChainInput<'_>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&bytes.len().to_le_bytes());
        context.update(bytes);
    };
    part(input.anchors.digest());
    part(input.kind.common_name().as_bytes());
    part(&report.reported_tcb);
    part(&report.chip_id);
    for list in [input.certificates, input.endorsements, input.revocation_lists] {
        part(&list.len().to_le_bytes());
        list.iter().for_each(|der| part(der));
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}
