//! From the bytes of a quote to a [`VerifiedQuote`].

use std::{collections::BTreeSet, sync::Arc};

use evidence_ledger::{Check, Failed, Hex, Ledger};
use evidence_x509::{Anchors, Moment, UnixTime};
use subtle::ConstantTimeEq;

use crate::{
    BodyKind, Collateral, Error, Header, PlatformCache, Policy, Profile, Quote, Tcb, TdReport, checks, dcap,
    platform::{self, Appraised, Materials, Platform},
    tcb::Shortfalls,
};

/// TEE type: TDX (TDX DCAP Quoting Library API, quote header).
const TDX: u32 = 0x81;

/// Attestation key type: ECDSA-256-with-P-256.
const ECDSA_P256: u16 = 2;

/// QE vendor id: Intel, 939a7233-f79c-4ca9-940a-0db3957f0607.
const INTEL: [u8; 16] =
    [0x93, 0x9A, 0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94, 0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06, 0x07];

/// A day in seconds.
const DAY: u64 = 86_400;

/// Everything that the verdict on a quote depends on.
#[derive(Debug, Clone, Copy)]
pub struct VerifyQuote<'a> {
    /// The quote, as received.
    pub quote: &'a [u8],
    /// What Intel says of the platform.
    pub collateral: Collateral<'a>,
    /// Whose roots are trusted.
    pub anchors: &'a Anchors,
    /// What REPORTDATA must be, all 64 bytes.
    pub report_data: &'a [u8; 64],
    /// What the platform lets its TDs be.
    pub profile: &'a Profile,
    /// What is asked beyond the quote's being genuine.
    pub policy: &'a Policy,
    /// The time at which certificates, revocation lists and documents must be valid.
    pub at: UnixTime,
}

/// A quote that a genuine Intel platform signed about a TD, and that passed a policy.
///
/// There is no other way to one than [`VerifyQuote::verify`].
#[derive(Debug, Clone)]
pub struct VerifiedQuote {
    header: Header,
    report: TdReport,
    fmspc: [u8; 6],
    ppid: [u8; 16],
    tcb: Tcb,
    ledger: Ledger,
}

/// Where what stands between Intel's root and the quote is known from.
enum Established {
    /// From an earlier quote.
    Before(Arc<Appraised>),
    /// From this one.
    Now(Box<(Platform, Materials)>),
}

impl Established {
    fn platform(&self) -> &Platform {
        match self {
            Self::Before(known) => &known.platform,
            Self::Now(fresh) => &fresh.0,
        }
    }
}

impl VerifyQuote<'_> {
    /// Verifies the quote: its form, the chain of its attestation key, its signature, its freshness, what the TD is, how
    /// current the platform is.
    ///
    /// # Errors
    ///
    /// The check that failed ([`checks`]) and why.
    pub fn verify(&self, platforms: &PlatformCache) -> Result<VerifiedQuote, Failed<Error>> {
        let ledger = &mut Ledger::with_capacity(checks::ALL.len());
        // 1. The bytes, and what they say of their own form.
        let quote = ledger.record(checks::QUOTE_FORMAT, Quote::parse(self.quote))?;
        ledger.verify(checks::QUOTE_KIND, kind(&quote.header))?;
        // 2. Root -> PCK -> quoting enclave -> attestation key; root -> what Intel says of the platform.
        let key = platform::key(&quote, &self.collateral, self.anchors);
        let known = platforms.get(&key, self.at);
        let established = match known {
            Some(known) => Established::Before(known),
            None => {
                let fresh = Platform::verify(&quote, &self.collateral, self.anchors, self.at)?;
                Established::Now(Box::new(fresh))
            }
        };
        ledger.append(established.platform().ledger().clone());
        // 3. Attestation key -> quote.
        let point = [&[4], quote.attestation_key().as_slice()].concat();
        let signed = match established {
            Established::Before(_) => dcap::signed_once_by,
            Established::Now(_) => dcap::signed_by,
        };
        let signature = signed(&point, quote.signed_bytes(), quote.signature());
        ledger.require(checks::QUOTE_SIGNATURE, signature, || Error::QuoteSignature)?;
        // 4. Quote -> challenge, or what commits to it.
        let fresh = bool::from(quote.report.report_data.ct_eq(self.report_data));
        ledger.require(checks::REPORT_DATA, fresh, || Error::ReportDataMismatch)?;
        // 5. What the TD is.
        self.attributes(&quote.report, ledger)?;
        self.module(&quote.report, ledger)?;
        self.service_td(&quote.report, ledger)?;
        self.host_fields(&quote.report, ledger)?;
        // 6. How current the platform is.
        let appraised = match established {
            Established::Before(known) => Ok(known),
            Established::Now(fresh) => {
                let (platform, materials) = *fresh;
                materials.appraise(self.quote, &quote, self.at).map(|tcb| {
                    // Only what has signed a quote takes a place in the cache.
                    let appraised = Arc::new(Appraised { platform, tcb });
                    platforms.keep(key, Arc::clone(&appraised));
                    appraised
                })
            }
        };
        let appraised = ledger.record(checks::TCB_LEVEL, appraised)?;
        let Appraised { platform, tcb } = &*appraised;
        self.tcb(tcb, ledger)?;
        Ok(VerifiedQuote {
            header: quote.header,
            report: quote.report,
            fmspc: platform.fmspc,
            ppid: platform.ppid,
            tcb: tcb.clone(),
            ledger: std::mem::take(ledger),
        })
    }

    fn attributes(&self, report: &TdReport, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let attributes = report.td_attributes;
        let observed = attributes.debug() || attributes.under_observation();
        ledger.require(checks::NO_DEBUG, !observed, || Error::Debug(attributes.0))?;
        ledger.require(checks::ATTRIBUTES_RESERVED, attributes.reserved() == 0, || {
            Error::AttributesReserved(attributes.reserved())
        })?;
        ledger.require(checks::NOT_MIGRATABLE, !attributes.migratable(), || Error::Migratable)?;
        ledger.require(checks::SEPT_VE_DISABLE, attributes.sept_ve_disable(), || Error::SeptVeEnabled)?;
        let listed =
            self.policy.allow_attributes.iter().flatten().fold(0, |bits, allowed| bits | allowed.mask());
        let other = attributes.0 & !(self.profile.attributes.0 | listed);
        ledger.require(checks::ATTRIBUTES, other == 0, || Error::AttributesNotAllowed {
            profile: self.profile.name,
            found: other,
        })?;
        let xfam = report.xfam;
        let other = xfam.missing() | xfam.0 & !self.profile.xfam.0;
        ledger.require(checks::XFAM, other == 0, || Error::Xfam { profile: self.profile.name, found: xfam.0 })
    }

    fn module(&self, report: &TdReport, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        // Intel's own modules have no signer beside Intel and no attribute (TDX Module ABI, TEE_TCB_INFO).
        let intel = report.mr_signer_seam == [0; 48] && report.seam_attributes == [0; 8];
        ledger.require(checks::MODULE_SIGNER, intel, || Error::ModuleSigner)?;
        let allowed = self.policy.modules.as_ref();
        one_of(ledger, checks::MODULE, "MRSEAM", allowed, report.mr_seam)
    }

    /// Service TDs that are bound at the launch and now: none, or each one that the policy lists.
    fn service_td(&self, report: &TdReport, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        // With the attribute, others may be bound later, and only the extended report says which.
        if report.td_attributes.service_td_extension() && report.current_service_td.is_none() {
            return ledger.verify(checks::SERVICE_TD, Err(Error::ServiceTdUnknown));
        }
        let fields = [("MRSERVICETD", report.mr_service_td), ("CUR_SERVTD_HASH", report.current_service_td)];
        let mut bound: Vec<(&str, [u8; 48])> = fields
            .into_iter()
            .filter_map(|(field, hash)| Some((field, hash.filter(|hash| *hash != [0; 48])?)))
            .collect();
        let refused = match &self.policy.service_tds {
            None if report.td_attributes.service_td_extension() => Some(Error::ServiceTdUnlisted),
            None => bound.first().map(|(field, found)| not_allowed(field, found)),
            Some(listed) => {
                if bound.is_empty() {
                    bound.push(("MRSERVICETD", [0; 48]));
                }
                let other = bound.iter().find(|(_, hash)| !listed.contains(&Hex(*hash)));
                other.map(|(field, found)| not_allowed(field, found))
            }
        };
        ledger.verify(checks::SERVICE_TD, refused.map_or(Ok(()), Err))
    }

    fn host_fields(&self, report: &TdReport, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let fields = [
            ("MRCONFIGID", &self.policy.mr_config_ids, report.mr_config_id, self.profile.config_id),
            ("MROWNER", &self.policy.mr_owners, report.mr_owner, false),
            ("MROWNERCONFIG", &self.policy.mr_owner_configs, report.mr_owner_config, false),
        ];
        let wrong = fields.into_iter().find(|(_, allowed, found, free)| match allowed {
            Some(allowed) => !allowed.contains(&Hex(*found)),
            None => *found != [0; 48] && !free,
        });
        ledger.verify(
            checks::HOST_FIELDS,
            wrong.map_or(Ok(()), |(field, _, found, _)| Err(not_allowed(field, &found))),
        )
    }

    fn tcb(&self, tcb: &Tcb, ledger: &mut Ledger) -> Result<(), Failed<Error>> {
        let (policy, now) = (self.policy, self.at.as_secs());
        let grace = policy.grace_period_days.filter(|_| tcb.status.is_out_of_date());
        let over = grace.map(|days| tcb.date.saturating_add(u64::from(days).saturating_mul(DAY)));
        let verdict = if !policy.accepts(tcb.status) {
            Err(Error::TcbStatus { found: tcb.status, shortfalls: Shortfalls(tcb.shortfalls.clone()) })
        } else if let Some(over) = over.filter(|over| *over < now) {
            Err(Error::GraceOver { status: tcb.status, over: Moment(over), at: Moment(now) })
        } else {
            Ok(())
        };
        ledger.verify(checks::TCB_ACCEPTED, verdict)?;
        match policy.minimum_tcb_evaluation {
            None => ledger.not_performed(checks::TCB_EVALUATION_FLOOR, "policy sets no minimum evaluation"),
            Some(minimum) => {
                ledger.require(checks::TCB_EVALUATION_FLOOR, tcb.evaluation >= minimum, || {
                    Error::EvaluationTooOld { minimum, found: tcb.evaluation }
                })?;
            }
        }
        match policy.minimum_tcb_date {
            None => {
                ledger.not_performed(checks::TCB_DATE_FLOOR, "policy sets no earliest date of TCB levels")
            }
            Some(minimum) => ledger.require(checks::TCB_DATE_FLOOR, tcb.date >= minimum.0, || {
                Error::TcbTooOld { minimum: Moment(minimum.0), found: Moment(tcb.date) }
            })?,
        }
        match &policy.reject_advisories {
            None => ledger.not_performed(checks::ADVISORIES, "policy rejects no advisories"),
            Some(rejected) => {
                let found = tcb.advisory_ids.iter().find(|advisory| rejected.contains(*advisory));
                let found = found.map_or(Ok(()), |advisory| Err(Error::AdvisoryRejected(advisory.clone())));
                ledger.verify(checks::ADVISORIES, found)?;
            }
        }
        match &policy.reject_platforms {
            None => ledger.not_performed(checks::PLATFORM_FLAGS, "policy rejects no platforms"),
            Some(rejected) => {
                let open =
                    tcb.flags.iter().find(|(flag, said)| rejected.contains(flag) && *said != Some(false));
                let open = open.map_or(Ok(()), |(flag, said)| {
                    Err(match said {
                        Some(_) => Error::PlatformRejected(flag.name()),
                        None => Error::PlatformUnknown(flag.name()),
                    })
                });
                ledger.verify(checks::PLATFORM_FLAGS, open)?;
            }
        }
        Ok(())
    }
}

impl VerifiedQuote {
    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What the TDX module says of the TD.
    pub const fn report(&self) -> &TdReport {
        &self.report
    }

    /// The form of the TD report.
    pub const fn kind(&self) -> BodyKind {
        self.report.kind
    }

    /// FMSPC: the platform's family, model and configuration, 6 bytes.
    pub const fn fmspc(&self) -> [u8; 6] {
        self.fmspc
    }

    /// PPID: the platform's unique id, 16 bytes.
    pub const fn ppid(&self) -> &[u8; 16] {
        &self.ppid
    }

    /// How current the platform is.
    pub const fn tcb(&self) -> &Tcb {
        &self.tcb
    }

    /// Every check of [`checks::ALL`], and whether it was performed.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn kind(header: &Header) -> Result<(), Error> {
    let Header { tee_type, attestation_key_type, qe_vendor_id, .. } = *header;
    if tee_type != TDX {
        return Err(Error::TeeType(tee_type));
    }
    if attestation_key_type != ECDSA_P256 {
        return Err(Error::AttestationKeyType(attestation_key_type));
    }
    if qe_vendor_id != INTEL {
        return Err(Error::QeVendor(hex::encode(qe_vendor_id)));
    }
    Ok(())
}

fn not_allowed(field: &'static str, found: &[u8; 48]) -> Error {
    Error::NotAllowed { field, found: hex::encode(found) }
}

/// Requires that `found` is in the list, where there is one.
fn one_of(
    ledger: &mut Ledger,
    check: Check,
    field: &'static str,
    allowed: Option<&BTreeSet<Hex<48>>>,
    found: [u8; 48],
) -> Result<(), Failed<Error>> {
    let Some(allowed) = allowed else {
        ledger.not_performed(check, format!("policy lists no {field}"));
        return Ok(());
    };
    ledger.require(check, allowed.contains(&Hex(found)), || not_allowed(field, &found))
}
