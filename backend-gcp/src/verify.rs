//! `verify`: from a payload to the registers that Google's vTPM signed, beside a report of the processor that runs the guest.

use std::{borrow::Cow, sync::LazyLock};

use backend_api::{
    Authority, BindingGraph, Claims, EndorsementKind, Error as ApiError, Evidence, Failed, Ledger, Result,
    TrustAnchors, VerifiedEvidence, VerifyInput,
};
use evidence_dstack::boot_info::{snp_device_id, tdx_device_id};
use evidence_gce::{
    AK_PINS, AkCache, ENDORSEMENT_PINS, EndorsementCache, Launch, VerifiedAk, VerifiedEndorsement, VerifyAk,
    VerifyEndorsement,
};
use evidence_ledger::Hex;
use evidence_snp::{AMD_PINS, ChainCache, VerifyReport};
use evidence_tdx::{Collateral, INTEL_PINS, PlatformCache, Quote, VerifyQuote as VerifyTdQuote};
use evidence_tpm::{
    BoundAk, ExtraData, Pcrs, Selection, VerifiedQuote, VerifyQuote, checks::certificate, without_padding,
};
use evidence_x509::Certificate;

use crate::{
    BANK, DESCRIPTOR, Error, GcpEvidence, ID, Policy, Profile, RawPolicy, Tee, checks, claims,
    firmware::{Technology, named_by},
    profile::{DSTACK_PCRS, V1_PCRS, kind_of, sha256, v1_extra_data, v1_report_data},
};

/// AMD's chains, Intel's platforms, Google's certificates and endorsements that were verified in this process.
static CHAINS: LazyLock<ChainCache> = LazyLock::new(ChainCache::default);
static PLATFORMS: LazyLock<PlatformCache> = LazyLock::new(PlatformCache::default);
static CERTIFICATES: LazyLock<AkCache> = LazyLock::new(AkCache::default);
static ENDORSEMENTS: LazyLock<EndorsementCache> = LazyLock::new(EndorsementCache::default);

/// The witness that `bind_runtime` starts from.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    /// The registers that the vTPM signed.
    pub(crate) quote: VerifiedQuote,
    /// What the processor signed.
    pub(crate) measured: Measured,
    /// SHA-256 of the platform's unique id.
    pub(crate) device_id: [u8; 32],
    /// Whether report and quote are of one VM: `raw` has them side by side.
    pub(crate) halves_are_tied: bool,
    /// Whose the attestation key is.
    #[cfg(feature = "instance-identity")]
    pub(crate) ak: VerifiedAk,
    /// The rest of the payload: claims that nothing has tied to report or quote yet.
    pub(crate) evidence: GcpEvidence,
}

/// What the processor measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// MEASUREMENT or MRTD: the firmware.
    pub(crate) launch: [u8; 48],
    /// RTMR0 to RTMR3 of a TD, by the number of the measurement register that logs have: from 1 on.
    pub(crate) rtmrs: Option<Pcrs>,
}

/// What was signed on the side of the processor.
struct Hardware {
    measured: Measured,
    device_id: [u8; 32],
    claims: Claims,
}

pub(crate) fn verify(input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
    let mut verifier = Verifier {
        input,
        policy: input.policy.get()?,
        ledger: Ledger::default(),
        graph: BindingGraph::default(),
    };
    let (evidence, tee, profile) =
        verifier.ledger.record(checks::payload::PAYLOAD, payload(input.evidence)).map_err(refused)?;
    let (verified, claims) = verifier.evidence(evidence, tee, profile).map_err(refused)?;
    VerifiedEvidence::assertion(&DESCRIPTOR, input, verifier.ledger, verifier.graph, claims, verified)
}

/// What is verified so far.
struct Verifier<'a> {
    input: &'a VerifyInput<'a>,
    policy: &'a Policy,
    ledger: Ledger,
    graph: BindingGraph,
}

impl Verifier<'_> {
    /// Processor -> report -> firmware, attestation key; Google -> attestation key -> quote -> report, challenge.
    fn evidence(
        &mut self,
        evidence: GcpEvidence,
        tee: Tee,
        profile: Profile,
    ) -> Result<(Verified, Claims), Failed<Error>> {
        // 1. What the profile leaves open, and which key the guest says is its vTPM's.
        let transcript = Transcript::of(profile, self.policy.raw.as_ref());
        let transcript = self.ledger.record(checks::payload::TRANSCRIPT_PROFILE, transcript)?;
        let stray = tee == Tee::Snp && evidence.cc_log.is_some();
        self.ledger.require(checks::payload::CC_LOG_PRESENT, !stray, || Error::StrayCcLog)?;
        let ak_spki = spki_sha256(&evidence.ak_certificate)
            .map_err(|error| Failed { check: certificate::AK_CERTIFICATE_FORMAT, error })?;
        // 2. Processor -> report -> challenge, attestation key.
        let challenge = self.input.challenge.as_bytes();
        let report_data = transcript.report_data(tee, &ak_spki, challenge);
        let mut hardware = match tee {
            Tee::Snp => self.snp(&evidence, &report_data)?,
            Tee::Tdx => self.tdx(&evidence, &report_data, profile)?,
        };
        self.graph.add("report", "challenge", "report data", transcript.authority(Authority::TeeHardware));
        if profile == Profile::V1 {
            self.graph.add("report", "attestation key", "report data", Authority::TeeHardware);
        }
        // 3. Google -> firmware.
        let endorsement = self.endorsement(&evidence, tee, &hardware.measured.launch)?;
        if let Some(endorsement) = &endorsement {
            claims::add_endorsement(&mut hardware.claims, endorsement);
        }
        // 4. Google -> attestation key -> instance.
        let ak = self.ak(&evidence)?;
        claims::add_instance(&mut hardware.claims, ak.instance());
        // 5. Attestation key -> quote -> report, challenge.
        let quote = self.quote(&evidence, &ak, &transcript)?;
        CERTIFICATES.keep(ak.certificate());
        endorsement.iter().for_each(|endorsement| ENDORSEMENTS.keep(endorsement));
        hardware.claims.details.extend(quote.details());
        // 6. Quote -> technology and firmware, in Google's word.
        let named = technology(&quote, tee, self.policy);
        let (version, technology) = self.ledger.record(checks::vtpm::VTPM_TECHNOLOGY, named)?;
        claims::add_firmware(&mut hardware.claims, version, technology);
        let Hardware { measured, device_id, claims } = hardware;
        let verified = Verified {
            quote,
            measured,
            device_id,
            halves_are_tied: profile != Profile::Raw,
            #[cfg(feature = "instance-identity")]
            ak,
            evidence,
        };
        Ok((verified, claims))
    }

    fn snp(&mut self, evidence: &GcpEvidence, report_data: &[u8; 64]) -> Result<Hardware, Failed<Error>> {
        let certificates: Vec<&[u8]> = evidence.certificates.iter().map(|der| der.as_slice()).collect();
        let report = VerifyReport {
            report: &evidence.report,
            certificates: &certificates,
            endorsements: &self.endorsements(EndorsementKind::Certificate),
            revocation_lists: &self.endorsements(EndorsementKind::RevocationList),
            anchors: &self.input.trust_anchors.pins().collect(),
            profile: &evidence_snp::GCP,
            report_data,
            policy: &self.policy.report,
            at: self.input.at,
        }
        .verify(&CHAINS)
        .map_err(|failed| failed.map(Error::from))?;
        self.ledger.append(report.ledger().clone());
        let root = format!("ARK-{}", report.product());
        self.graph.add(root, "VCEK", "certificate path", Authority::TeeHardware);
        self.graph.add("VCEK", "report", "ECDSA P-384 signature", Authority::TeeHardware);
        let device_id = snp_device_id(&report.chip_id);
        let claims = claims::of_report(&report, &device_id);
        let measured = Measured { launch: report.measurement, rtmrs: None };
        Ok(Hardware { measured, device_id, claims })
    }

    fn tdx(
        &mut self,
        evidence: &GcpEvidence,
        report_data: &[u8; 64],
        profile: Profile,
    ) -> Result<Hardware, Failed<Error>> {
        let unpadded = match profile {
            Profile::Dstack => Quote::trim_padding(&evidence.report)
                .map_err(|error| Failed { check: evidence_tdx::checks::QUOTE_FORMAT, error: error.into() })?,
            Profile::V1 | Profile::Raw => &evidence.report,
        };
        let quote = VerifyTdQuote {
            quote: unpadded,
            collateral: Collateral {
                certificates: &self.endorsements(EndorsementKind::Certificate),
                documents: &self.endorsements(EndorsementKind::Document),
                revocation_lists: &self.endorsements(EndorsementKind::RevocationList),
            },
            anchors: &self.input.trust_anchors.pins().collect(),
            report_data,
            profile: &evidence_tdx::GCP,
            policy: &self.policy.td_quote,
            at: self.input.at,
        }
        .verify(&PLATFORMS)
        .map_err(|failed| failed.map(Error::from))?;
        self.ledger.append(quote.ledger().clone());
        for (from, to, means) in [
            ("Intel SGX Root CA", "PCK", "certificate path"),
            ("PCK", "quoting enclave", "ECDSA P-256 signature over the QE report"),
            ("quoting enclave", "report", "ECDSA P-256 signature"),
        ] {
            self.graph.add(from, to, means, Authority::TeeHardware);
        }
        let device_id = tdx_device_id(quote.ppid());
        let claims = claims::of_td_quote(&quote, &device_id);
        let registers = (1_u8..).zip(quote.report().rtmrs.map(|rtmr| rtmr.to_vec()));
        let rtmrs = Some(Pcrs::assertion(evidence_tpm::Bank::Sha384, registers));
        Ok(Hardware { measured: Measured { launch: quote.report().mr_td, rtmrs }, device_id, claims })
    }

    /// Google's endorsement of what was launched: the one that came along, or one that is at hand. `None` where the relying party lists
    /// the launch itself.
    fn endorsement(
        &mut self,
        evidence: &GcpEvidence,
        tee: Tee,
        launch: &[u8; 48],
    ) -> Result<Option<VerifiedEndorsement>, Failed<Error>> {
        if self.policy.launch.measurements.as_ref().is_some_and(|listed| listed.contains(&Hex(*launch))) {
            let none = checks::endorsement::ALL.iter().chain(evidence_gce::checks::endorsement::ALL);
            for info in none {
                self.ledger.not_performed(info.check, "the relying party lists what was launched");
            }
            self.graph.add(
                "report",
                "firmware",
                "launch measurement, as the relying party lists it",
                Authority::TeeHardware,
            );
            return Ok(None);
        }
        let certificates = self.endorsements(EndorsementKind::Certificate);
        let sent = evidence.certificates.iter().map(|der| der.as_slice());
        let candidates: Vec<&[u8]> = sent.chain(certificates).collect();
        let roots = named(self.input.trust_anchors, &ENDORSEMENT_PINS.each_ref().map(|pin| &*pin.subject));
        let verify = |endorsement| {
            let launch = match tee {
                Tee::Snp => Launch::Snp { measurement: *launch, vcpus: None },
                Tee::Tdx => Launch::Tdx { mrtd: *launch },
            };
            VerifyEndorsement {
                endorsement,
                candidates: &candidates,
                roots: &roots,
                launch: &launch,
                policy: &self.policy.endorsement,
                at: self.input.at,
            }
            .verify(&ENDORSEMENTS)
        };
        let own = evidence.launch_endorsement.as_ref().map(|bytes| verify(bytes));
        // What is at hand has other documents among it.
        let is_none =
            |failed: &Failed<_>| failed.check == evidence_gce::checks::endorsement::GCE_ENDORSEMENT_FORMAT;
        let given = self.endorsements(EndorsementKind::Document).into_iter().map(verify);
        let given = given.filter(|verified| !verified.as_ref().is_err_and(is_none));
        // The first that holds; where none does, why the first does not.
        let mut all = own.into_iter().chain(given);
        let first = all.next().map(|first| first.or_else(|why| all.find_map(Result::ok).ok_or(why)));
        let first = first.ok_or(Error::EndorsementMissing);
        let endorsement = self.ledger.record(checks::endorsement::LAUNCH_ENDORSEMENT, first)?;
        let endorsement = endorsement.map_err(|failed| failed.map(Error::from))?;
        self.ledger.append(endorsement.ledger().clone());
        self.graph.add("GCE-cc-tcb-root", "firmware", "launch endorsement", Authority::Provider);
        self.graph.add("report", "firmware", "launch measurement", Authority::TeeHardware);
        Ok(Some(endorsement))
    }

    fn ak(&mut self, evidence: &GcpEvidence) -> Result<VerifiedAk, Failed<Error>> {
        let sent: Vec<&[u8]> = evidence.certificates.iter().map(|der| der.as_slice()).collect();
        let ak = VerifyAk {
            certificate: &evidence.ak_certificate,
            candidates: &[sent, self.endorsements(EndorsementKind::Certificate)].concat(),
            revocation_lists: &self.endorsements(EndorsementKind::RevocationList),
            anchors: &named(self.input.trust_anchors, &AK_PINS.each_ref().map(|pin| &*pin.subject)),
            policy: &self.policy.instance,
            at: self.input.at,
        }
        .verify(&CERTIFICATES)
        .map_err(|failed| failed.map(Error::from))?;
        self.ledger.append(ak.ledger().clone());
        self.graph.add("EK/AK CA Root", "attestation key", "certificate path", Authority::Provider);
        self.graph.add("attestation key", "instance", "certificate extension", Authority::Provider);
        Ok(ak)
    }

    fn quote(
        &mut self,
        evidence: &GcpEvidence,
        ak: &VerifiedAk,
        transcript: &Transcript<'_>,
    ) -> Result<VerifiedQuote, Failed<Error>> {
        let challenge = self.input.challenge.as_bytes();
        let hashed = match transcript {
            Transcript::V1 => v1_extra_data(&evidence.report, challenge),
            Transcript::Dstack => sha256(&[&evidence.report]),
            Transcript::Raw(_) => [0; 32],
        };
        let extra_data = match transcript {
            Transcript::V1 | Transcript::Dstack => ExtraData::Exactly(&hashed),
            Transcript::Raw(RawPolicy { extra_data: Some(named), .. }) => {
                ExtraData::Exactly(named.as_slice())
            }
            Transcript::Raw(_) => ExtraData::BeginningOf(challenge),
        };
        let pcrs: Vec<&[u8]> = evidence.pcrs.iter().map(|value| value.as_slice()).collect();
        let quote = VerifyQuote {
            attest: &evidence.quote,
            signature: &evidence.signature,
            pcrs: &pcrs,
            ak: &BoundAk::certified(ak.certificate()),
            extra_data,
            selections: &[transcript.selection()],
        }
        .verify()
        .map_err(|failed| failed.map(Error::from))?;
        self.ledger.append(quote.ledger().clone());
        self.graph.add("attestation key", "quote", "signature", Authority::ProviderVtpm);
        let authority = transcript.authority(Authority::ProviderVtpm);
        let to = if matches!(transcript, Transcript::Raw(_)) { "challenge" } else { "report" };
        self.graph.add("quote", to, "extraData", authority);
        Ok(quote)
    }

    fn endorsements(&self, kind: EndorsementKind) -> Vec<&[u8]> {
        self.input.endorsements.of(kind).collect()
    }
}

/// How the challenge enters what is signed.
enum Transcript<'a> {
    V1,
    Dstack,
    Raw(&'a RawPolicy),
}

impl<'a> Transcript<'a> {
    fn of(profile: Profile, raw: Option<&'a RawPolicy>) -> Result<Self, Error> {
        match profile {
            Profile::V1 => Ok(Self::V1),
            Profile::Dstack => Ok(Self::Dstack),
            Profile::Raw => raw.map(Self::Raw).ok_or(Error::RawNotNamed),
        }
    }

    fn report_data(&self, tee: Tee, ak_spki: &[u8; 32], challenge: &[u8; 64]) -> [u8; 64] {
        match self {
            Self::V1 => v1_report_data(tee, ak_spki, challenge),
            Self::Dstack => *challenge,
            Self::Raw(raw) => raw.report_data.as_ref().map_or(*challenge, |named| named.0),
        }
    }

    /// Exactly the registers that are quoted.
    fn selection(&self) -> Selection {
        let pcrs = match self {
            Self::V1 => &V1_PCRS[..],
            Self::Dstack => &DSTACK_PCRS,
            Self::Raw(RawPolicy { pcrs: Some(pcrs), .. }) => {
                return Selection::new(BANK.algorithm(), pcrs.iter().copied());
            }
            Self::Raw(_) => return Selection::new(BANK.algorithm(), 0..24),
        };
        Selection::new(BANK.algorithm(), pcrs.iter().copied())
    }

    /// Whose word it is that the challenge is in there.
    fn authority(&self, signer: Authority) -> Authority {
        if matches!(self, Self::Raw(_)) { Authority::Asserted } else { signer }
    }
}

fn spki_sha256(ak_certificate: &[u8]) -> Result<[u8; 32], Error> {
    let der = without_padding(ak_certificate)?;
    let certificate = Certificate::parse(der).map_err(evidence_tpm::Error::Certificate)?;
    Ok(certificate.spki_sha256())
}

/// What PCR0 names: an accepted version of the firmware, and the technology that the processor's report is of.
fn technology(quote: &VerifiedQuote, tee: Tee, policy: &Policy) -> Result<(u8, Technology), Error> {
    let pcr0 = quote.pcrs().get(BANK, 0).ok_or(evidence_tpm::Error::NotQuoted(0))?;
    let expected = Technology::from(tee);
    match named_by(pcr0, BANK) {
        None => Err(Error::FirmwareUnknown(hex::encode(pcr0))),
        Some((_, found)) if found != expected => {
            Err(Error::OtherTechnology { expected: expected.name(), found: found.name() })
        }
        Some((version, _)) if !policy.accepts_firmware(version) => Err(Error::FirmwareVersion(version)),
        Some(named) => Ok(named),
    }
}

/// AMD's, Intel's and Google's roots.
pub(crate) fn trust_anchors() -> TrustAnchors {
    let pins = AMD_PINS.iter().chain(INTEL_PINS.iter()).chain(AK_PINS.iter());
    let pins = pins.map(|pin| (pin.subject.clone(), pin.spki_sha256));
    pins.chain(ENDORSEMENT_PINS.iter().map(|pin| (pin.subject.clone(), pin.sha256))).collect()
}

/// Those of the roots that have one of these names: an attestation key's root may not vouch for firmware, nor a processor's for either.
/// Who replaces the roots of Google gives others of the same names.
fn named<R: FromIterator<(Cow<'static, str>, [u8; 32])>>(all: &TrustAnchors, names: &[&str]) -> R {
    all.pins().filter(|(subject, _)| names.contains(&&**subject)).collect()
}

pub(crate) fn refused(failed: Failed<Error>) -> ApiError {
    ApiError::from_failed(failed, Error::kind).in_backend(ID)
}

pub(crate) fn payload(evidence: &Evidence) -> Result<(GcpEvidence, Tee, Profile), Error> {
    let kind = kind_of(evidence.media_type());
    let (tee, profile) = kind.ok_or_else(|| Error::MediaType(evidence.media_type().to_string()))?;
    Ok((GcpEvidence::decode(evidence.bytes())?, tee, profile))
}
