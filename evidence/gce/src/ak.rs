//! Whose attestation key it is: its certificate, and the instance that it names.

use const_oid::db::rfc5280::ID_CE_KEY_USAGE;
use der::Decode;
use evidence_ledger::{Check, Failed, Ledger};
use evidence_tpm::{AkCache, VerifiedAkCertificate, VerifyAkCertificate};
use evidence_x509::{Anchors, Certificate, UnixTime};
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

use crate::{
    AK_ALGORITHMS, AK_PURPOSE, Error, INSTANCE_INFO, Instance, InstancePolicy, checks::ak as checks,
};

/// Everything that the verdict on an attestation key of a VM of Google's depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyAk<'a> {
    /// The certificate, as the virtual TPM keeps it: DER, perhaps with zeros behind it.
    pub certificate: &'a [u8],
    /// Other certificates at hand, DER: intermediates and roots among them. What cannot be read is passed over.
    pub candidates: &'a [&'a [u8]],
    /// Revocation lists at hand, DER. Those of others than the path's issuers are passed over.
    pub revocation_lists: &'a [&'a [u8]],
    /// Whose roots are trusted: [`crate::ak_anchors`] for Google's.
    pub anchors: &'a Anchors,
    /// Which instances are accepted. It is valid ([`InstancePolicy::validate`]).
    pub policy: &'a InstancePolicy,
    /// The time at which the certificates must be valid.
    pub at: UnixTime,
}

/// An attestation key for which Google's root vouches, and the instance that it is of.
///
/// There is no other way to one than [`VerifyAk::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedAk {
    certificate: VerifiedAkCertificate,
    instance: Instance,
    ledger: Ledger,
}

impl VerifyAk<'_> {
    /// Verifies the certificate ([`VerifyAkCertificate`], with what `cache` knows) and what it says of the instance.
    ///
    /// # Errors
    ///
    /// The check that failed ([`evidence_tpm::checks::certificate`], [`crate::checks::ak`]) and why.
    pub fn verify(&self, cache: &AkCache) -> Result<VerifiedAk, Failed<Error>> {
        // 1. Form, dates, usage, path to the pinned root, revocation.
        let certificate = VerifyAkCertificate {
            certificate: self.certificate,
            candidates: self.candidates,
            revocation_lists: self.revocation_lists,
            anchors: self.anchors,
            purpose: AK_PURPOSE,
            algorithms: &AK_ALGORITHMS,
            at: self.at,
        };
        let certificate = certificate.verify(cache).map_err(|failed| failed.map(Error::Ak))?;
        let mut ledger = certificate.ledger().clone();
        let unlisted = certificate.issuer_without_list(self.at).map(str::to_owned);
        if unlisted.is_some() && self.policy.danger_accept_unknown_revocation {
            let reason = "danger-accept-unknown-revocation: the policy accepts authorities of which nobody says that they are not revoked";
            ledger.not_performed(checks::GCE_AUTHORITIES_CURRENT, reason);
        } else {
            let current = unlisted.map_or(Ok(()), |issuer| Err(Error::RevocationUnknown(issuer)));
            ledger.verify(checks::GCE_AUTHORITIES_CURRENT, current)?;
        }

        // 2. An attestation key: the same authorities certify endorsement keys, which agree on keys or encipher them.
        let leaf = certificate.certificate();
        ledger.require(checks::GCE_AK_KEY_USAGE, only_signs(leaf), || Error::KeyUsage)?;

        // 3. The instance.
        let extension = leaf.extension(INSTANCE_INFO).ok_or(Error::InstanceInfoMissing);
        let extension = ledger.record(checks::GCE_INSTANCE_PRESENT, extension)?;
        let instance = ledger.record(checks::GCE_INSTANCE_FORMAT, Instance::parse(extension))?;
        self.appraise(&instance, &mut ledger)?;
        Ok(VerifiedAk { certificate, instance, ledger })
    }

    fn appraise(&self, instance: &Instance, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let policy = self.policy;
        if policy.danger_accept_non_production {
            ledger.not_performed(checks::GCE_PRODUCTION, "the policy accepts tests of Google's");
        } else {
            let is_production = instance.security.is_production;
            ledger.require(checks::GCE_PRODUCTION, is_production, || Error::NonProduction)?;
        }
        let number = instance.project_number.to_string();
        let instance_id = instance.instance_id.to_string();
        let listed = [
            (checks::GCE_PROJECT, "project", &policy.projects, [&instance.project_id, &number]),
            (checks::GCE_ZONE, "zone", &policy.zones, [&instance.zone; 2]),
            (checks::GCE_INSTANCE, "instance", &policy.instances, [&instance_id; 2]),
        ];
        for (check, what, list, names) in listed {
            let Some(list) = list else {
                ledger.not_performed(check, format!("the policy lists no {what}s"));
                continue;
            };
            let is_listed = names.into_iter().any(|name| list.contains(name));
            require_listed(ledger, check, is_listed, what, names)?;
        }
        Ok(())
    }
}

fn require_listed(
    ledger: &mut Ledger,
    check: Check,
    is_listed: bool,
    what: &'static str,
    [found, _]: [&String; 2],
) -> Result<(), Failed<Error>> {
    ledger.require(check, is_listed, || Error::InstanceNotAllowed { what, found: found.clone() })
}

/// Whether keyUsage is digitalSignature alone.
fn only_signs(certificate: &Certificate) -> bool {
    let usage = certificate.extension(ID_CE_KEY_USAGE).map(KeyUsage::from_der);
    usage.is_some_and(|usage| usage == Ok(KeyUsage(KeyUsages::DigitalSignature.into())))
}

impl VerifiedAk {
    /// The certificate, of which [`evidence_tpm::BoundAk::certified`] makes a key that verifies quotes.
    pub const fn certificate(&self) -> &VerifiedAkCertificate {
        &self.certificate
    }

    /// The instance.
    pub const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Every check of [`evidence_tpm::checks::certificate`] and [`crate::checks::ak`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
