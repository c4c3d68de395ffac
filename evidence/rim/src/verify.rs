//! From the bytes of a manifest to the golden values that NVIDIA signed.

use evidence_ledger::{Failed, Ledger};
use evidence_x509::{
    Anchors, Certificate, ECDSA_P384_SHA384, Moment, Purpose, SignatureVerificationAlgorithm, UnixTime,
    Window, find_path, verify_validity,
};

use crate::{
    Edition, Error, GoldenValues, ROOT_NAME, checks,
    document::Content,
    dsig::{CERTIFICATES, Signed},
    rim::{certificates, sha256},
    xml,
};

/// How NVIDIA's authorities sign certificates.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[ECDSA_P384_SHA384];

/// At which time a manifest's certificates must be valid. Signers' certificates live for two years, and drivers longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RimTime {
    /// Now.
    Now,
    /// Now, or at this time. In the second case the check is listed as not performed.
    Pinned(UnixTime),
    /// Now, or whenever. In the second case the check is listed as not performed.
    DangerIgnoreExpiry,
}

/// Everything that the verdict on a manifest depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyRim<'a> {
    /// The manifest, as received.
    pub document: &'a [u8],
    /// Whose root is trusted.
    pub anchors: &'a Anchors,
    /// Now.
    pub at: UnixTime,
    /// When the certificates must be valid.
    pub time: RimTime,
}

/// A manifest that NVIDIA signed. Whether one of its certificates was revoked since, is the caller's to ask.
///
/// There is no other way to one than [`VerifyRim::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedRim {
    content: Content,
    chain: [Certificate; CERTIFICATES],
    window: Window,
    sha256: [u8; 32],
    ledger: Ledger,
}

impl VerifyRim<'_> {
    /// Verifies the manifest: its form, its certificates down from the root, its signature, and what it says.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks`]) and why.
    pub fn verify(&self) -> Result<VerifiedRim, Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());

        // 1. The form. What is read below is read in this tree, and the signature is over the canonical form of this tree.
        let malformed = |error| Failed { check: checks::RIM_FORMAT, error };
        let root = xml::parse(self.document).map_err(malformed)?;
        let signed = ledger.record(checks::RIM_FORMAT, Signed::find(&root))?;

        // 2. The certificates, down from the root.
        let chain = ledger.record(checks::RIM_CERTIFICATES, certificates(&signed))?;
        let [signer, lower, upper, top] = &chain;
        let pinned = self.anchors.pins(ROOT_NAME, top);
        ledger.require(checks::RIM_ROOT_PINNED, pinned, || Error::UnpinnedRoot(top.subject().to_owned()))?;
        ledger.verify(checks::RIM_KEY_USAGE, key_usage(&chain))?;
        let window = common_window(&chain);
        ledger.verify(checks::RIM_CHAIN_SIGNATURES, self.chain_signatures(&chain, window))?;

        // 3. The signature: over the document, by the first certificate of the chain above.
        ledger.require(checks::RIM_DIGEST, signed.has_digest(), || Error::Digest)?;
        ledger.require(checks::RIM_SIGNATURE, signed.is_signed_by(signer), || Error::Signature)?;

        // 4. What was signed.
        let content = ledger.record(checks::RIM_CONTENT, Content::read(&root))?;

        // 5. When that may be relied on.
        match self.validity(&[signer, lower, upper, top]) {
            Ok(Some(reason)) => ledger.not_performed(checks::RIM_CHAIN_VALIDITY, reason),
            valid => ledger.verify(checks::RIM_CHAIN_VALIDITY, valid.map(|_| ()))?,
        }
        Ok(VerifiedRim {
            content,
            window,
            sha256: sha256(self.document),
            ledger: std::mem::take(ledger),
            chain,
        })
    }

    /// A path from the signer to the root, which is exactly the certificates as they stand there.
    ///
    /// It is built at the moment nearest to now at which all four are valid: what does not depend on time is asked of a manifest whose
    /// signer has expired too, and [`Self::validity`] is a check of its own.
    fn chain_signatures(&self, chain: &[Certificate; CERTIFICATES], window: Window) -> Result<(), Error> {
        let [signer, authorities @ ..] = chain;
        let Window { not_before, not_after } = window;
        if not_before > not_after {
            return Err(Error::NeverValid);
        }
        let at = self.at.as_secs().clamp(not_before, not_after);
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
        let path = find_path(signer, authorities, self.anchors, Purpose::Unstated, ALGORITHMS, at);
        let path = path.map_err(Error::Path)?;
        let found = path.intermediates.iter().chain([&path.root]);
        if found.eq(authorities) { Ok(()) } else { Err(Error::ChainOrder) }
    }

    /// `None` if the certificates are valid now; otherwise why that does not matter.
    fn validity(&self, chain: &[&Certificate; CERTIFICATES]) -> Result<Option<String>, Error> {
        let now = Moment(self.at.as_secs());
        let Err(error) = verify_validity(chain, self.at) else { return Ok(None) };
        match self.time {
            RimTime::Now => Err(Error::Path(error)),
            RimTime::Pinned(time) => {
                verify_validity(chain, time).map_err(Error::Path)?;
                let time = Moment(time.as_secs());
                Ok(Some(format!("valid at {time}, to which the policy pins the manifest, and not at {now}")))
            }
            RimTime::DangerIgnoreExpiry => {
                Ok(Some(format!("not valid at {now}, which the policy ignores: {error}")))
            }
        }
    }
}

/// `rustls-webpki` reads no keyUsage.
fn key_usage(chain: &[Certificate; CERTIFICATES]) -> Result<(), Error> {
    let [signer, authorities @ ..] = chain;
    let error = |of: &Certificate, expected| Error::KeyUsage { subject: of.subject().to_owned(), expected };
    if !signer.is_for_signing_data() {
        return Err(error(signer, "digitalSignature without keyCertSign"));
    }
    match authorities.iter().find(|authority| !authority.is_for_signing_certificates()) {
        Some(authority) => Err(error(authority, "keyCertSign")),
        None => Ok(()),
    }
}

/// When all of the certificates are valid. It ends before it begins, if that is never so.
fn common_window(chain: &[Certificate; CERTIFICATES]) -> Window {
    let windows = chain.iter().map(Certificate::window);
    windows.fold(Window { not_before: 0, not_after: u64::MAX }, |common, window| Window {
        not_before: common.not_before.max(window.not_before),
        not_after: common.not_after.min(window.not_after),
    })
}

impl VerifiedRim {
    /// What it is of.
    pub const fn edition(&self) -> Edition {
        self.content.edition
    }

    /// The chip that it is of, such as `GH100`: product, PlatformModel and the tag's name, which are one.
    pub fn product(&self) -> &str {
        &self.content.product
    }

    /// The version of the driver or firmware that it is of.
    pub fn colloquial_version(&self) -> &str {
        &self.content.colloquial_version
    }

    /// The tag's identifier, 96 hex digits. Two issues of a manifest may have one.
    pub fn tag_id(&self) -> &str {
        &self.content.tag_id
    }

    /// The tag's version.
    pub fn version(&self) -> &str {
        &self.content.version
    }

    /// How many measurements it lists, active or not.
    pub const fn measurements(&self) -> usize {
        self.content.measurements
    }

    /// The digests that each active measurement may have; at least one has some.
    pub const fn golden(&self) -> &GoldenValues {
        &self.content.golden
    }

    /// The certificates: signer, two authorities, root. The first three can be asked about.
    pub const fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// When the signer's certificate is valid.
    pub fn signer_window(&self) -> Window {
        let [signer, ..] = &self.chain;
        signer.window()
    }

    /// When all four certificates are valid.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// SHA-256 of the manifest, as received.
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Every check of [`crate::checks`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
