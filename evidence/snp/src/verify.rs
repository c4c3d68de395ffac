//! From the bytes of a report to a [`VerifiedReport`].

use std::{collections::BTreeSet, ops::Deref};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use evidence_ledger::{Check, Failed, Hex, Ledger};
use evidence_x509::UnixTime;
use subtle::ConstantTimeEq;

use crate::{
    Anchors, ChainCache, Error, Policy, Product, Profile, Report, SigningKey, Tcb, VekCertificate, VekKind,
    chain::ChainInput, checks,
};

/// SIGNATURE_ALGO: ECDSA P-384 with SHA-384 (56860 rev. 1.58, signature algorithm encodings).
const ECDSA_P384_SHA384: u32 = 1;

/// Everything that the verdict on a report depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyReport<'a> {
    /// The report, as received.
    pub report: &'a [u8],
    /// Certificates that came along, DER, in any order: VCEK or VLEK, ASK or ASVK, ARK. AMD's ARK and ASK are at hand.
    pub certificates: &'a [&'a [u8]],
    /// Certificates that the relying party has, DER: more candidates. What cannot be read is passed over.
    pub endorsements: &'a [&'a [u8]],
    /// Revocation lists, DER. Those of another issuer than the ARK are passed over.
    pub revocation_lists: &'a [&'a [u8]],
    /// Whose roots are trusted.
    pub anchors: &'a Anchors,
    /// What the platform launches guests like.
    pub profile: &'a Profile,
    /// What REPORT_DATA must be, all 64 bytes.
    pub report_data: &'a [u8; 64],
    /// What is asked beyond the report's being genuine.
    pub policy: &'a Policy,
    /// The time at which certificates and revocation lists must be valid.
    pub at: UnixTime,
}

/// A report that a genuine AMD processor signed, and that passed a policy.
///
/// There is no other way to one than [`VerifyReport::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedReport {
    report: Report,
    vek: VekCertificate,
    ledger: Ledger,
}

impl VerifyReport<'_> {
    /// Verifies the report: its form, the chain of its signing key, its signature, its freshness, and the policy.
    ///
    /// # Errors
    ///
    /// The check that failed ([`checks`]) and why.
    pub fn verify(&self, chains: &ChainCache) -> Result<VerifiedReport, Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());
        // 1. The bytes, and what they say of their own form.
        let report = ledger.record(checks::REPORT_FORMAT, Report::parse(self.report))?;
        self.form(&report, ledger)?;
        // 2. ARK -> ASK or ASVK -> VCEK or VLEK -> this chip at this TCB version.
        let chain = ChainInput {
            certificates: self.certificates,
            endorsements: self.endorsements,
            revocation_lists: self.revocation_lists,
            anchors: self.anchors,
            kind: self.profile.signed_by,
        };
        let chain = chains.verify(&report, &chain, self.at)?;
        let verified = chain.vek();
        verified.record(ledger, self.at, self.policy.danger_accept_unknown_revocation)?;
        let vek = &verified.certificate;
        self.endorsement(&report, vek, ledger)?;
        // 3. VCEK or VLEK -> report.
        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &vek.public_key);
        let signature = key.verify(report.signed_bytes(), report.signature());
        ledger.verify(checks::REPORT_SIGNATURE, signature.map_err(|_| Error::SignatureInvalid(vek.kind)))?;
        // Only what a real key signed takes a place in the cache.
        chains.keep(&chain);
        // 4. Report -> challenge, or what commits to it.
        let fresh = bool::from(report.report_data.ct_eq(self.report_data));
        ledger.require(checks::REPORT_DATA, fresh, || Error::ReportDataMismatch)?;
        // 5. What the guest and the platform are.
        self.guest_policy(&report, ledger)?;
        self.platform(&report, ledger)?;
        self.tcb(&report, vek.product, ledger)?;
        self.identity(&report, ledger)?;
        Ok(VerifiedReport { report, vek: vek.clone(), ledger: std::mem::take(ledger) })
    }

    fn form(&self, report: &Report, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        ledger.require(checks::REPORT_VERSION, (2..=5).contains(&report.version), || {
            Error::Version(report.version)
        })?;
        ledger.require(
            checks::REPORT_SIGNATURE_ALGORITHM,
            report.signature_algorithm == ECDSA_P384_SHA384,
            || Error::SignatureAlgorithm(report.signature_algorithm),
        )?;
        ledger.require(checks::REPORT_UNSIGNED_ZERO, !report.unsigned_set, || Error::UnsignedSet)?;
        // New firmware gives meaning to reserved fields without a new version. They are signed, and nothing here reads
        // them, so that only a policy refuses them.
        if report.reserved_set && !self.policy.require_reserved_zero {
            ledger.not_performed(checks::REPORT_RESERVED_ZERO, "policy accepts signed reserved fields");
        } else {
            ledger.require(checks::REPORT_RESERVED_ZERO, !report.reserved_set, || {
                Error::ReservedSet(report.version)
            })?;
        }
        let signing_key = report.signer_info.signing_key();
        let expected = self.profile.signed_by;
        ledger.require(checks::SIGNING_KEY, signing_key == expected.signing_key(), || Error::SigningKey {
            expected,
            found: signing_key,
        })?;
        ledger.require(checks::CHIP_KEY_UNMASKED, !report.signer_info.chip_key_masked(), || {
            Error::ChipKeyMasked
        })
    }

    fn endorsement(
        &self,
        report: &Report,
        vek: &VekCertificate,
        ledger: &mut Ledger,
    ) -> Result<(), Failed<Error>> {
        let signer = match report.signer_info.signing_key() {
            SigningKey::Vlek => VekKind::Vlek,
            _ => VekKind::Vcek,
        };
        ledger.require(checks::VEK_KIND, vek.kind == signer, || Error::VekKind {
            expected: signer,
            found: vek.kind,
        })?;
        match report.cpuid {
            None => ledger.not_performed(
                checks::CPUID_PRODUCT,
                "a report of version 2 does not name its processor; the certificate does",
            ),
            Some(cpuid) => {
                ledger.require(checks::CPUID_PRODUCT, cpuid.product() == Some(vek.product), || {
                    Error::CpuidProduct { expected: vek.product, found: cpuid }
                })?;
            }
        }
        ledger.require(checks::VEK_TCB, vek.tcb == report.reported_tcb, || Error::VekTcb {
            certificate: Tcb::from_bytes(vek.product, vek.tcb),
            reported: Tcb::from_bytes(vek.product, report.reported_tcb),
        })?;
        match (&vek.hwid, &vek.csp_id) {
            (Some(hwid), _) => {
                ledger.require(checks::CHIP_ID, report.chip_id != [0; 64], || Error::ChipIdMasked)?;
                let (id, rest) = report.chip_id.split_at_checked(hwid.len()).unwrap_or_default();
                let same = id == hwid && rest.iter().all(|byte| *byte == 0);
                ledger.require(checks::VEK_HWID, same, || Error::HwidMismatch)?;
                ledger.not_performed(checks::CSP_ID, "a VCEK is a chip's, not a provider's");
                Ok(())
            }
            (None, csp_id) => {
                ledger.not_performed(checks::CHIP_ID, "a VLEK is a provider's, not a chip's");
                ledger.not_performed(checks::VEK_HWID, "a VLEK is a provider's, not a chip's");
                let found = csp_id.as_deref().unwrap_or_default();
                one_of(ledger, checks::CSP_ID, self.policy.csp_ids.as_ref(), &found.to_owned(), || {
                    Error::CspNotAllowed { found: found.to_owned() }
                })
            }
        }
    }

    fn guest_policy(&self, report: &Report, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let policy = report.policy;
        ledger.require(checks::NO_DEBUG, !policy.debug_allowed(), || Error::DebugAllowed)?;
        // Without an agent REPORT_ID_MA is all ones (56860 rev. 1.58, ATTESTATION_REPORT).
        let no_agent = report.report_id_ma == [0xFF; 32];
        let may_allow = self.profile.may_allow_migration || !policy.migration_agent_allowed();
        ledger.require(checks::NO_MIGRATION_AGENT, may_allow && no_agent, || Error::MigrationAgent)?;
        ledger
            .require(checks::POLICY_MUST_BE_ONE, policy.must_be_one(), || Error::PolicyMustBeOne(policy.0))?;
        let (required, forbidden) = (&self.policy.require_guest_policy, &self.policy.forbid_guest_policy);
        bits(
            ledger,
            checks::GUEST_POLICY,
            required.as_ref(),
            forbidden.as_ref(),
            |bit| bit.of(policy),
            |bit| Error::GuestPolicyBit { bit, policy: policy.0 },
        )?;
        match self.policy.minimum_abi {
            None => ledger.not_performed(checks::ABI_FLOOR, "policy sets no minimum firmware interface"),
            Some(minimum) => {
                let found = policy.abi();
                ledger
                    .require(checks::ABI_FLOOR, found >= minimum, || Error::AbiTooOld { minimum, found })?;
            }
        }
        ledger.require(checks::VMPL, report.vmpl == self.policy.vmpl, || Error::VmplMismatch {
            expected: self.policy.vmpl,
            found: report.vmpl,
        })
    }

    fn platform(&self, report: &Report, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let (policy, info) = (report.policy, report.platform_info);
        ledger.require(checks::SMT_CONSISTENT, policy.smt_allowed() || !info.smt_enabled(), || {
            Error::SmtInconsistent
        })?;
        ledger.require(
            checks::RAPL_CONSISTENT,
            info.rapl_disabled() || !policy.rapl_disabled_required(),
            || Error::RaplInconsistent,
        )?;
        ledger.require(
            checks::CIPHERTEXT_HIDING_CONSISTENT,
            info.ciphertext_hiding_enabled() || !policy.ciphertext_hiding_required(),
            || Error::CiphertextHidingInconsistent,
        )?;
        let (required, forbidden) = (&self.policy.require_platform_info, &self.policy.forbid_platform_info);
        bits(
            ledger,
            checks::PLATFORM_INFO,
            required.as_ref(),
            forbidden.as_ref(),
            |bit| bit.of(info),
            |bit| Error::PlatformInfoBit { bit, info: info.0 },
        )
    }

    fn tcb(&self, report: &Report, product: Product, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let current = Tcb::from_bytes(product, report.current_tcb);
        let others = [
            ("reported", report.reported_tcb),
            ("committed", report.committed_tcb),
            ("launch", report.launch_tcb),
        ]
        .map(|(which, bytes)| (which, Tcb::from_bytes(product, bytes)));
        let above = others.into_iter().find(|(_, tcb)| !current.covers(tcb));
        ledger.verify(
            checks::TCB_ORDER,
            above.map_or(Ok(()), |(which, found)| Err(Error::TcbOrder { which, found, current })),
        )?;
        match &self.policy.minimum_tcb {
            None => ledger.not_performed(checks::TCB_FLOOR, "policy sets no minimum TCB"),
            Some(floors) => {
                let floor = floors.get(&product).copied().map(Tcb::from);
                let below = floor.ok_or(Error::NoTcbFloor(product)).and_then(|floor| {
                    let below = others.into_iter().find_map(|(which, tcb)| {
                        let (component, found, minimum) = tcb.shortfall(&floor)?;
                        Some(Error::TcbBelowFloor { which, component, found, minimum })
                    });
                    below.map_or(Ok(()), Err)
                });
                ledger.verify(checks::TCB_FLOOR, below)?;
            }
        }
        match self.policy.minimum_firmware() {
            None => ledger.not_performed(checks::FIRMWARE_FLOOR, "policy sets no minimum firmware version"),
            Some(minimum) => {
                let found = report.committed_version;
                ledger.require(checks::FIRMWARE_FLOOR, found >= minimum, || Error::FirmwareTooOld {
                    minimum,
                    found,
                })?;
            }
        }
        let Some(required) = self.policy.require_mitigations else {
            ledger.not_performed(checks::MITIGATIONS, "policy requires no mitigations");
            return Ok(());
        };
        let (launch, current) = (report.launch_mitigations, report.current_mitigations);
        let on = [launch, current].into_iter().all(|vector| vector.unwrap_or(0) & required == required);
        ledger.require(checks::MITIGATIONS, on, || Error::MitigationsMissing { required, launch, current })
    }

    fn identity(&self, report: &Report, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let policy = self.policy;
        self.input(ledger, checks::ID_KEY, "id key digest", policy.id_keys.as_ref(), report.id_key_digest)?;
        // Without AUTHOR_KEY_EN the field holds no digest.
        let author = Some(report.author_key_digest).filter(|_| report.signer_info.author_key_enabled());
        let allowed = policy.author_keys.as_ref();
        self.input(ledger, checks::AUTHOR_KEY, "author key digest", allowed, author.unwrap_or([0; 48]))?;
        self.input(ledger, checks::FAMILY_ID, "family id", policy.family_ids.as_ref(), report.family_id)?;
        self.input(ledger, checks::IMAGE_ID, "image id", policy.image_ids.as_ref(), report.image_id)?;
        match policy.minimum_guest_svn {
            None => ledger.not_performed(checks::GUEST_SVN, "policy sets no minimum guest SVN"),
            Some(minimum) => {
                let found = report.guest_svn;
                ledger.require(checks::GUEST_SVN, found >= minimum, || Error::GuestSvnTooLow {
                    minimum,
                    found,
                })?;
            }
        }
        self.input(ledger, checks::HOST_DATA, "HOST_DATA", policy.host_data.as_ref(), report.host_data)
    }

    /// Requires what the launcher gave to be in `allowed`. Without a list it must be zero where the platform lets nobody give it;
    /// elsewhere the check is not performed.
    fn input<const N: usize>(
        &self,
        ledger: &mut Ledger,
        check: Check,
        field: &'static str,
        allowed: Option<&BTreeSet<Hex<N>>>,
        found: [u8; N],
    ) -> Result<(), Failed<Error>> {
        let not_allowed = || Error::NotAllowed { field, found: hex::encode(found) };
        match allowed {
            None if !self.profile.launch_inputs => ledger.require(check, found == [0; N], not_allowed),
            _ => one_of(ledger, check, allowed, &Hex(found), not_allowed),
        }
    }
}

impl VerifiedReport {
    /// The report.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// What the certificate of its signing key says.
    pub const fn vek(&self) -> &VekCertificate {
        &self.vek
    }

    /// The processor's product.
    pub const fn product(&self) -> Product {
        self.vek.product
    }

    /// Every check of [`checks::ALL`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The TCB versions: reported, committed, launch, current.
    pub const fn tcbs(&self) -> [(&'static str, Tcb); 4] {
        let product = self.vek.product;
        [
            ("reported", Tcb::from_bytes(product, self.report.reported_tcb)),
            ("committed", Tcb::from_bytes(product, self.report.committed_tcb)),
            ("launch", Tcb::from_bytes(product, self.report.launch_tcb)),
            ("current", Tcb::from_bytes(product, self.report.current_tcb)),
        ]
    }
}

impl Deref for VerifiedReport {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.report
    }
}

/// Requires the bits of one list to be set and those of another to be clear; without lists the check is not performed.
fn bits<B: Copy + Ord + std::fmt::Debug>(
    ledger: &mut Ledger,
    check: Check,
    required: Option<&BTreeSet<B>>,
    forbidden: Option<&BTreeSet<B>>,
    is_set: impl Fn(B) -> bool,
    error: impl FnOnce(String) -> Error,
) -> Result<(), Failed<Error>> {
    if required.is_none() && forbidden.is_none() {
        ledger.not_performed(check, "policy names no bits");
        return Ok(());
    }
    let clear = required.into_iter().flatten().find(|bit| !is_set(**bit));
    let wrong = clear.or_else(|| forbidden.into_iter().flatten().find(|bit| is_set(**bit)));
    ledger.verify(check, wrong.map_or(Ok(()), |bit| Err(error(format!("{bit:?}")))))
}

/// Requires `found` to be in `allowed`; without a list the check is not performed.
fn one_of<T: Ord>(
    ledger: &mut Ledger,
    check: Check,
    allowed: Option<&BTreeSet<T>>,
    found: &T,
    error: impl FnOnce() -> Error,
) -> Result<(), Failed<Error>> {
    match allowed {
        None => ledger.not_performed(check, "policy lists no allowed values"),
        Some(allowed) => ledger.require(check, allowed.contains(found), error)?,
    }
    Ok(())
}
