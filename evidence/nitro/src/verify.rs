//! From the bytes of a document to the registers that a NitroTPM signed.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use evidence_ledger::{Check, Failed, Ledger};
use evidence_x509::{
    Anchors, Certificate, ECDSA_P384_SHA384, Moment, Purpose, SignatureVerificationAlgorithm, UnixTime,
    find_path, verify_validity,
};
use subtle::ConstantTimeEq;

use crate::{Document, Error, ModuleId, Pcrs, ROOT_NAME, cbor::sig_structure, checks, document::Kind};

/// How AWS's authorities sign certificates.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[ECDSA_P384_SHA384];

/// Bytes of an uncompressed point on P-384 (SEC 1, §2.3.3).
const POINT: usize = 97;

/// What a member that the guest chose must be.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// Exactly these bytes.
    Exactly(&'a [u8]),
    /// With zeros behind it to 64 bytes, it is these bytes. An empty one is refused: it would match zeros alone.
    BeginningOf(&'a [u8; 64]),
    /// Null, or not there.
    Absent,
    /// Whatever it is: the caller reads it in what was verified. The check is listed as not performed.
    Anything,
}

/// Everything that the verdict on a document depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyDocument<'a> {
    /// The document, as received.
    pub document: &'a [u8],
    /// Whose root is trusted.
    pub anchors: &'a Anchors,
    /// Now.
    pub at: UnixTime,
    /// How long ago the document may have been made, in whole seconds.
    ///
    /// Its certificates must be valid when it was made, and are not asked about now: the signer's lives for three hours. This alone
    /// ends a document.
    pub max_age: Duration,
    /// How far the clock of the document's maker may be ahead, in whole seconds.
    pub max_skew: Duration,
    /// What nonce must be.
    pub nonce: Expected<'a>,
    /// What user_data must be.
    pub user_data: Expected<'a>,
    /// What public_key must be.
    pub public_key: Expected<'a>,
}

/// A document that a NitroTPM of AWS's signed.
///
/// There is no other way to one than [`VerifyDocument::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedDocument {
    module_id: ModuleId,
    region: String,
    timestamp: u64,
    pcrs: Pcrs,
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    ledger: Ledger,
}

impl VerifyDocument<'_> {
    /// Verifies the document: its form, its certificates at its own time, its signature, whose it is, its age, and what the guest
    /// had signed.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks`]) and why.
    pub fn verify(&self) -> Result<VerifiedDocument, Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());

        // 1. The form, and whose form it is.
        let (document, kind) = ledger.record(checks::NITRO_DOCUMENT_FORMAT, Document::read(self.document))?;
        ledger.require(checks::NITRO_DOCUMENT_TYPE, kind == Kind::NitroTpm, || Error::WrongType)?;

        // 2. The certificates, down from the root.
        let chain = ledger.record(checks::NITRO_CERTIFICATES, Chain::parse(&document))?;
        let pinned = self.anchors.pins(ROOT_NAME, &chain.root);
        ledger.require(checks::NITRO_ROOT_PINNED, pinned, || {
            Error::UnpinnedRoot(chain.root.subject().to_owned())
        })?;
        let made = Duration::from_millis(document.timestamp);
        let valid = verify_validity(&chain.all(), UnixTime::since_unix_epoch(made));
        ledger.verify(checks::NITRO_CHAIN_VALIDITY, valid.map(|_| ()).map_err(Error::Path))?;
        ledger.verify(checks::NITRO_KEY_USAGE, chain.key_usage())?;
        let path = find_path(
            &chain.signer,
            &chain.bundle(),
            self.anchors,
            Purpose::Unstated,
            ALGORITHMS,
            UnixTime::since_unix_epoch(made),
        );
        let path = ledger.record(checks::NITRO_CHAIN_SIGNATURES, path.map_err(Error::Path))?;
        let in_order = path.intermediates.iter().rev().eq(&chain.intermediates);
        ledger.require(checks::NITRO_CABUNDLE_ORDER, in_order, || Error::CabundleOrder)?;

        // 3. The signature over what was received.
        let signed = sig_structure(document.protected, document.payload);
        let signature = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, chain.signer.public_key())
            .verify(&signed, document.signature);
        ledger.require(checks::NITRO_SIGNATURE, signature.is_ok(), || Error::Signature)?;

        // 4. Whose document it is.
        let module_id = ModuleId::parse(document.module_id).and_then(|id| Ok((chain.region(&id)?, id)));
        let (region, module_id) = ledger.record(checks::NITRO_MODULE_ID, module_id)?;
        ledger.verify(checks::NITRO_REGION, chain.is_of(&region))?;

        // 5. When it was made, and for whom.
        ledger.verify(checks::NITRO_AGE, self.age(made))?;
        let mut member =
            |check: Check, expected: Expected<'_>, found: Option<&[u8]>, error: Error| match expected
                .holds(found)
            {
                Some(holds) => ledger.require(check, holds, || error),
                None => {
                    ledger.not_performed(check, "the caller says what it must be");
                    Ok(())
                }
            };
        member(checks::NITRO_NONCE, self.nonce, document.nonce, Error::Nonce)?;
        member(checks::NITRO_USER_DATA, self.user_data, document.user_data, Error::UserData)?;
        member(checks::NITRO_PUBLIC_KEY, self.public_key, document.public_key, Error::PublicKey)?;

        Ok(VerifiedDocument {
            module_id,
            region,
            timestamp: document.timestamp,
            pcrs: document.pcrs,
            public_key: document.public_key.map(<[u8]>::to_vec),
            user_data: document.user_data.map(<[u8]>::to_vec),
            nonce: document.nonce.map(<[u8]>::to_vec),
            ledger: std::mem::take(ledger),
        })
    }

    /// Compares whole seconds: `at` has no others.
    fn age(&self, made: Duration) -> Result<(), Error> {
        let (made, at) = (made.as_secs(), self.at.as_secs());
        let (max_age, max_skew) = (self.max_age.as_secs(), self.max_skew.as_secs());
        if at.saturating_sub(made) > max_age {
            return Err(Error::Stale { made: Moment(made), at: Moment(at), limit: max_age });
        }
        if made.saturating_sub(at) > max_skew {
            return Err(Error::FromFuture { made: Moment(made), at: Moment(at), limit: max_skew });
        }
        Ok(())
    }
}

impl Expected<'_> {
    /// Whether it is so; `None` where nothing is expected. Bytes are compared in a time that depends on lengths alone.
    fn holds(self, found: Option<&[u8]>) -> Option<bool> {
        match self {
            Self::Exactly(expected) => Some(found.is_some_and(|found| expected.ct_eq(found).into())),
            Self::BeginningOf(expected) => {
                let mut padded = [0; 64];
                let found = found.filter(|found| !found.is_empty());
                let beginning = found.and_then(|found| Some((padded.get_mut(..found.len())?, found)));
                let is_short = beginning.map(|(beginning, found)| beginning.copy_from_slice(found)).is_some();
                Some(is_short && expected.ct_eq(&padded).into())
            }
            Self::Absent => Some(found.is_none()),
            Self::Anything => None,
        }
    }
}

/// The certificates of a document.
struct Chain {
    signer: Certificate,
    root: Certificate,
    /// From below the root to the signer's issuer.
    intermediates: Vec<Certificate>,
}

impl Chain {
    fn parse(document: &Document<'_>) -> Result<Self, Error> {
        let signer = Certificate::parse(document.certificate).map_err(Error::Certificate)?;
        let point = signer.public_key();
        if point.len() != POINT || point.first() != Some(&4) {
            return Err(Error::CertificateKey(point.len()));
        }
        let mut bundle =
            document.cabundle.iter().map(|der| Certificate::parse(der).map_err(Error::Certificate));
        let root = bundle.next().ok_or(Error::Missing("cabundle"))??;
        Ok(Self { signer, root, intermediates: bundle.collect::<Result<_, _>>()? })
    }

    fn all(&self) -> Vec<&Certificate> {
        [&self.root].into_iter().chain(&self.intermediates).chain([&self.signer]).collect()
    }

    fn bundle(&self) -> Vec<Certificate> {
        [&self.root].into_iter().chain(&self.intermediates).cloned().collect()
    }

    /// `rustls-webpki` reads no keyUsage.
    fn key_usage(&self) -> Result<(), Error> {
        let error =
            |of: &Certificate, expected| Error::KeyUsage { subject: of.subject().to_owned(), expected };
        if !self.signer.is_for_signing_data() {
            return Err(error(&self.signer, "digitalSignature without keyCertSign"));
        }
        let mut authorities = [&self.root].into_iter().chain(&self.intermediates);
        match authorities.find(|authority| !authority.is_for_signing_certificates()) {
            Some(authority) => Err(error(authority, "keyCertSign")),
            None => Ok(()),
        }
    }

    /// The region of the signer, whose certificate must be that of `id` and issued by its instance: `{module_id}.{region}.aws` by
    /// `{instance}.{region}.aws.nitro-enclaves`.
    fn region(&self, id: &ModuleId) -> Result<String, Error> {
        let signer = self.signer.subject();
        let region = signer
            .strip_prefix(&id.to_string())
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(".aws"))
            .filter(|region| is_region(region))
            .ok_or_else(|| Error::Signer { expected: id.to_string(), found: signer.to_owned() })?;
        let (instance, issuer) = (id.instance(), self.signer.issuer());
        if issuer != format!("{instance}.{region}.{ROOT_NAME}") {
            return Err(Error::Signer { expected: instance.to_owned(), found: issuer.to_owned() });
        }
        Ok(region.to_owned())
    }

    fn is_of(&self, region: &str) -> Result<(), Error> {
        let suffix = format!(".{region}.{ROOT_NAME}");
        match self.intermediates.iter().find(|authority| !authority.subject().ends_with(&suffix)) {
            Some(other) => {
                Err(Error::Region { subject: other.subject().to_owned(), region: region.to_owned() })
            }
            None => Ok(()),
        }
    }
}

/// A name such as `us-east-2`.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

impl VerifiedDocument {
    /// The instance and its TPM.
    pub const fn module_id(&self) -> &ModuleId {
        &self.module_id
    }

    /// The region of the instance, as the certificates say: lower-case letters, digits and hyphens.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// When the document was made, in milliseconds since 1970-01-01T00:00:00Z.
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The registers that were signed, and no other.
    pub const fn pcrs(&self) -> &Pcrs {
        &self.pcrs
    }

    /// What the guest had signed as its key; `None` if it had nothing signed.
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }

    /// What the guest had signed as its data; `None` if it had nothing signed.
    pub fn user_data(&self) -> Option<&[u8]> {
        self.user_data.as_deref()
    }

    /// What the guest had signed as its nonce; `None` if it had nothing signed.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// Every check of [`crate::checks`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
