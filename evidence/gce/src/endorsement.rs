//! Google's word for firmware: launch endorsements.
//!
//! Google publishes one for each firmware of confidential VMs, under each launch measurement that the firmware leads to.
//!
//! Source: google/gce-tcb-verifier, `proto/endorsement.proto` (the messages), `endorse` (how it is signed), `verify`.

mod described;
mod golden;
mod message;

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::{
    digest::{Context, SHA256},
    signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey},
};
use evidence_ledger::{Failed, Hex, Ledger};
use evidence_x509::{Certificate, Moment, Path, Purpose, UnixTime, Window, find_path, verify_validity};
use moka::sync::Cache;

pub use described::described;
pub use golden::{Golden, GoldenSnp, GoldenTdx, MAX_ENDORSEMENT, TdxMeasurement, Timestamp};

use crate::{
    ENDORSEMENT_ALGORITHMS, EndorsementPolicy, EndorsementRoots, Error, checks::endorsement as checks,
};

/// 2024-08-02T00:00:00Z: an endorsement made later says what the firmware was built from. Before, Google's releases lost that for
/// some time (google/gce-tcb-verifier, `verify`, `uefiReleaseChangeDate`).
pub const PROVENANCE_SINCE: u64 = 1_722_556_800;

/// How a VM was launched, and its launch measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// On SEV-SNP, with the guest's firmware at VMPL 0.
    Snp {
        /// MEASUREMENT of the report: 48 bytes.
        measurement: [u8; 48],
        /// How many vCPUs it was launched with, where the caller knows that; `None` is any count that is listed.
        vcpus: Option<u32>,
    },
    /// On SEV-SNP, with an SVSM at VMPL 0.
    SnpSvsm {
        /// MEASUREMENT of the report: 48 bytes.
        measurement: [u8; 48],
    },
    /// On TDX.
    Tdx {
        /// MRTD of the quote: 48 bytes.
        mrtd: [u8; 48],
    },
}

/// Everything that the verdict on a launch endorsement depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyEndorsement<'a> {
    /// The VMLaunchEndorsement, at most [`MAX_ENDORSEMENT`] bytes.
    pub endorsement: &'a [u8],
    /// Certificates at hand beside those that the endorsement brings, DER: the root among them. What cannot be read is passed over.
    pub candidates: &'a [&'a [u8]],
    /// Whose roots are trusted: [`EndorsementRoots::google`] for Google's.
    pub roots: &'a EndorsementRoots,
    /// What was launched.
    pub launch: &'a Launch,
    /// Which firmware is accepted. It is valid ([`EndorsementPolicy::validate`]).
    pub policy: &'a EndorsementPolicy,
    /// The time at which the certificates must be valid.
    pub at: UnixTime,
}

/// Endorsements whose signatures were verified, bounded, by their bytes and the roots. One counts where the certificates of its path are
/// at hand, whatever else is: who sends it with certificates of all kinds fills one place.
///
/// Clones share their entries.
#[derive(Debug, Clone)]
pub struct EndorsementCache(Cache<[u8; 32], Arc<Known>>);

impl Default for EndorsementCache {
    /// Room for 256 endorsements: there is one for each firmware, and a verifier meets few at a time.
    fn default() -> Self {
        Self(Cache::new(256))
    }
}

impl EndorsementCache {
    /// Keeps what was verified.
    pub fn keep(&self, endorsement: &VerifiedEndorsement) {
        if let Some(key) = endorsement.new {
            self.0.insert(key, Arc::clone(&endorsement.known));
        }
    }

    /// How many are kept, about.
    pub fn entry_count(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }
}

/// What Google signed, and for when its certificates hold.
#[derive(Debug)]
struct Known {
    golden: Golden,
    window: Window,
    /// The certificates of the path that came from elsewhere, DER.
    needed: Vec<Vec<u8>>,
    ledger: Ledger,
}

/// A launch that Google endorses, and what it says of the firmware.
///
/// There is no other way to one than [`VerifyEndorsement::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedEndorsement {
    known: Arc<Known>,
    svn: u32,
    launch: Launch,
    ledger: Ledger,
    /// Under which key it belongs into the cache, if it is not there.
    new: Option<[u8; 32]>,
}

impl VerifyEndorsement<'_> {
    /// Verifies who signed the endorsement, when, and that it lists the launch. What `cache` knows of these bytes is not
    /// verified again, but for dates and the launch.
    ///
    /// Google publishes no revocation list for the signer.
    ///
    /// # Errors
    ///
    /// The check that failed ([`crate::checks::endorsement`]) and why.
    pub fn verify(&self, cache: &EndorsementCache) -> Result<VerifiedEndorsement, Failed<Error>> {
        let key = self.cache_key();
        let known = cache.0.get(&key).filter(|known| {
            let at_hand = known.needed.iter().all(|der| self.candidates.contains(&der.as_slice()));
            at_hand && known.window.contains(self.at.as_secs())
        });
        let (known, new) = match known {
            Some(known) => (known, None),
            None => (Arc::new(self.signed()?), Some(key)),
        };
        let ledger = &mut known.ledger.clone();
        let golden = &known.golden;

        // 4. When it was made, and of what.
        let made = ledger.record(checks::GCE_ENDORSEMENT_TIMESTAMP, self.timestamp(golden))?;
        let is_old = made <= Timestamp { seconds: PROVENANCE_SINCE, nanos: 0 };
        let has_provenance = golden.cl_spec != 0 || !golden.commit.is_empty();
        ledger.require(checks::GCE_ENDORSEMENT_PROVENANCE, is_old || has_provenance, || {
            Error::NoProvenance(Moment(made.seconds))
        })?;

        // 5. The launch.
        let svn = ledger.record(checks::GCE_LAUNCH_ENDORSED, golden.svn_of(self.launch))?;

        // 6. The relying party's policy.
        let minimum = match self.launch {
            Launch::Snp { .. } | Launch::SnpSvsm { .. } => self.policy.minimum_snp_svn,
            Launch::Tdx { .. } => self.policy.minimum_tdx_svn,
        };
        match minimum {
            Some(minimum) => {
                let error = || Error::FirmwareSvn { minimum, found: svn };
                ledger.require(checks::GCE_FIRMWARE_SVN, svn >= minimum, error)?;
            }
            None => ledger.not_performed(checks::GCE_FIRMWARE_SVN, "the policy sets no minimum"),
        }
        match &self.policy.reject_firmware {
            Some(rejected) => {
                let accepted = !rejected.contains(&Hex(golden.digest));
                let error = || Error::FirmwareRejected(hex::encode(golden.digest));
                ledger.require(checks::GCE_FIRMWARE_ACCEPTED, accepted, error)?;
            }
            None => ledger.not_performed(checks::GCE_FIRMWARE_ACCEPTED, "the policy rejects no firmware"),
        }
        let ledger = std::mem::take(ledger);
        Ok(VerifiedEndorsement { known, svn, launch: *self.launch, ledger, new })
    }

    /// What Google signed.
    fn signed(&self) -> Result<Known, Failed<Error>> {
        let mut ledger = Ledger::with_capacity(checks::ALL.len());

        // 1. The two messages. Nothing in them is trusted yet.
        let parsed = message::parse(self.endorsement)
            .and_then(|signed| Ok((Golden::parse(&signed.serialized_uefi_golden)?, signed)));
        let (golden, signed) = ledger.record(checks::GCE_ENDORSEMENT_FORMAT, parsed)?;

        // 2. The signer, up to the pinned root.
        let (signer, path, window) = self.signer(&golden, &mut ledger)?;

        // 3. The signature, over the bytes that were received.
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, signer.public_key());
        let signature = key.verify(&signed.serialized_uefi_golden, &signed.signature);
        let signature = signature.map_err(|_| Error::EndorsementSignature);
        ledger.verify(checks::GCE_ENDORSEMENT_SIGNATURE, signature)?;
        let above = path.intermediates.iter().chain([&path.root]).map(Certificate::der);
        let needed = above.filter(|der| self.candidates.contains(der)).map(<[u8]>::to_vec).collect();
        Ok(Known { golden, window, needed, ledger })
    }

    /// SHA-256 over what is verified and the roots.
    fn cache_key(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&bytes.len().to_le_bytes());
            context.update(bytes);
        };
        part(&self.roots.digest());
        part(self.endorsement);
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    fn signer(
        &self,
        golden: &Golden,
        ledger: &mut Ledger,
    ) -> Result<(Certificate, Path, Window), Failed<Error>> {
        let signer = Certificate::parse(&golden.cert).map_err(Error::Signer).and_then(|signer| {
            let for_data = signer.is_for_signing_data();
            if for_data { Ok(signer) } else { Err(Error::SignerUsage(signer.subject().to_owned())) }
        });
        let signer = ledger.record(checks::GCE_ENDORSEMENT_SIGNER, signer)?;
        let validity = verify_validity(&[&signer], self.at).map(|_| ()).map_err(Error::Path);
        ledger.verify(checks::GCE_ENDORSEMENT_VALIDITY, validity)?;

        // Each once: who sends one certificate many times shall not make its path be tried as often.
        let brought = golden.authorities();
        let candidates: BTreeSet<&[u8]> =
            brought.iter().map(Certificate::der).chain(self.candidates.iter().copied()).collect();
        let candidates: Vec<Certificate> =
            candidates.into_iter().filter_map(|der| Certificate::parse(der).ok()).collect();
        let anchors = self.roots.anchors(&candidates);
        let path =
            find_path(&signer, &candidates, &anchors, Purpose::Unstated, &ENDORSEMENT_ALGORITHMS, self.at);
        let path = path.and_then(|path| {
            let all: Vec<&Certificate> = path.intermediates.iter().chain([&signer, &path.root]).collect();
            Ok((verify_validity(&all, self.at)?, path))
        });
        let (window, path) = ledger.record(checks::GCE_ENDORSEMENT_PATH, path.map_err(Error::Path))?;
        Ok((signer, path, window))
    }

    fn timestamp(&self, golden: &Golden) -> Result<Timestamp, Error> {
        let made = golden.timestamp.ok_or(Error::NoTimestamp)?;
        if made.seconds > self.at.as_secs() {
            return Err(Error::FromTheFuture { made: Moment(made.seconds), at: Moment(self.at.as_secs()) });
        }
        Ok(made)
    }
}

impl VerifiedEndorsement {
    /// What Google says.
    pub fn golden(&self) -> &Golden {
        &self.known.golden
    }

    /// The launch that is endorsed.
    pub const fn launch(&self) -> &Launch {
        &self.launch
    }

    /// The firmware's security version number on the launch's technology. It stands in no hardware report.
    pub const fn svn(&self) -> u32 {
        self.svn
    }

    /// SHA-384 of the firmware, 48 bytes.
    pub fn firmware(&self) -> &[u8; 48] {
        &self.known.golden.digest
    }

    /// Every check of [`crate::checks::endorsement`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
