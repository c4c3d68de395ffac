//! `verify`: from a payload to a report and a document of one instance.

use std::{sync::LazyLock, time::Duration};

use backend_api::{
    Authority, BindingGraph, CheckInfo, Claims, EndorsementKind, Error as ApiError, Evidence, Failed, Ledger,
    Result, TrustAnchors, VerifiedEvidence, VerifyInput,
};
use evidence_event_log::Bank;
use evidence_nitro::{Expected, NITRO_PINS, ROOT_NAME, VerifiedDocument, VerifyDocument};
use evidence_snp::{AMD_PINS, ChainCache, VerifiedReport, VerifyReport};
use evidence_tpm::Pcrs;

use crate::{
    AwsEvidence, DESCRIPTOR, Error, ID, Policy, Profile, RawPolicy, checks, claims,
    policy::{ChallengeMember, Member},
    profile::{profile_of, sha256, v1_nonce, v1_report_data},
    region,
};

/// AMD's chains that were verified in this process.
static CHAINS: LazyLock<ChainCache> = LazyLock::new(ChainCache::default);

/// The witness that `bind_runtime` starts from.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    /// MEASUREMENT; `None` where no TEE vouches for the guest.
    pub(crate) measurement: Option<[u8; 48]>,
    /// The registers that the NitroTPM signed; `None` where nothing says what was booted.
    pub(crate) pcrs: Option<Pcrs>,
    /// SHA-256 of the instance's id, where the processor's report names the instance.
    pub(crate) device_id: Option<[u8; 32]>,
    /// The document, which names the instance.
    #[cfg(feature = "instance-identity")]
    pub(crate) document: Option<VerifiedDocument>,
    /// The rest of the payload: claims that nothing has tied to the document yet.
    pub(crate) evidence: AwsEvidence,
}

pub(crate) fn verify(input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
    let mut verifier = Verifier {
        input,
        policy: input.policy.get()?,
        ledger: Ledger::default(),
        graph: BindingGraph::default(),
    };
    let (evidence, profile) =
        verifier.ledger.record(checks::payload::PAYLOAD, payload(input.evidence)).map_err(refused)?;
    let (verified, claims) = verifier.evidence(evidence, profile).map_err(refused)?;
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
    /// Document -> report -> challenge. The document comes first, because it says which instance the report must name: nothing is
    /// taken out of it before it is verified.
    fn evidence(
        &mut self,
        evidence: AwsEvidence,
        profile: Profile,
    ) -> Result<(Verified, Claims), Failed<Error>> {
        // 1. Which halves there are.
        self.halves(&evidence, profile)?;
        let raw = match profile {
            Profile::V1 | Profile::NitroTpmOnly => &RawPolicy::default(),
            Profile::Raw => {
                let raw = self.policy.raw.as_ref().ok_or(Error::RawNotNamed);
                self.ledger.record(checks::raw::RAW_NAMED, raw)?
            }
        };
        // 2. NitroTPM -> document -> report and challenge.
        let document = self.document(&evidence, profile, raw)?;
        // 3. Processor -> report -> instance and challenge.
        let report = self.report(&evidence, profile, raw, document.as_ref())?;
        // 4. Both halves are of one region.
        let vlek_region = match &report {
            Some(report) => Some(self.vlek_region(report)?),
            None => None,
        };
        self.document_region(document.as_ref(), vlek_region.as_deref())?;
        let device_id = document.as_ref().filter(|_| profile == Profile::V1);
        let device_id = device_id.map(|document| sha256(document.module_id().instance().as_bytes()));
        let claims = claims::of(report.as_ref(), document.as_ref(), device_id.as_ref());
        let verified = Verified {
            measurement: report.as_ref().map(|report| report.measurement),
            pcrs: document.as_ref().map(registers),
            device_id,
            #[cfg(feature = "instance-identity")]
            document,
            evidence,
        };
        Ok((verified, claims))
    }

    /// What is not there is not there by the profile, and by a danger that the policy takes.
    fn halves(&mut self, evidence: &AwsEvidence, profile: Profile) -> Result<(), Failed<Error>> {
        let no_tee = self.policy.danger_accept_no_tee && profile != Profile::V1;
        let no_document = self.policy.danger_accept_no_document && profile == Profile::Raw;
        for (check, is_there, is_accepted, reason, error) in [
            (
                checks::payload::REPORT_PRESENT,
                evidence.report.is_some(),
                no_tee,
                NO_TEE,
                Error::ReportMissing(profile.name()),
            ),
            (
                checks::payload::DOCUMENT_PRESENT,
                evidence.document.is_some(),
                no_document,
                NO_DOCUMENT,
                Error::DocumentMissing(profile.name()),
            ),
        ] {
            if !is_there && is_accepted {
                self.ledger.not_performed(check, reason);
            } else {
                self.ledger.require(check, is_there, || error)?;
            }
        }
        Ok(())
    }

    fn document(
        &mut self,
        evidence: &AwsEvidence,
        profile: Profile,
        raw: &RawPolicy,
    ) -> Result<Option<VerifiedDocument>, Failed<Error>> {
        let Some(document) = &evidence.document else {
            self.not_performed(evidence_nitro::checks::ALL, NO_DOCUMENT);
            return Ok(None);
        };
        let challenge = self.input.challenge.as_bytes();
        let of_report = v1_nonce(evidence.report.as_deref().map_or(&[], Vec::as_slice));
        let document = VerifyDocument {
            document,
            anchors: &self.input.trust_anchors.pins().collect(),
            at: self.input.at,
            max_age: Duration::from_secs(self.policy.document.max_age),
            max_skew: Duration::from_secs(self.policy.document.max_skew),
            nonce: match (profile, raw.challenge) {
                (Profile::V1, _) => Expected::Exactly(&of_report),
                (Profile::Raw, ChallengeMember::Nonce) => Expected::BeginningOf(challenge),
                (Profile::Raw | Profile::NitroTpmOnly, _) => named(raw.nonce.as_ref()),
            },
            user_data: match (profile, raw.challenge) {
                (Profile::V1 | Profile::NitroTpmOnly, _) => Expected::Exactly(challenge),
                (Profile::Raw, ChallengeMember::UserData) => Expected::BeginningOf(challenge),
                (Profile::Raw, ChallengeMember::Nonce) => named(raw.user_data.as_ref()),
            },
            public_key: named(raw.public_key.as_ref()),
        }
        .verify()
        .map_err(|failed| failed.map(Error::Document))?;
        self.ledger.append(document.ledger().clone());
        let word = if profile == Profile::Raw { Authority::Asserted } else { Authority::ProviderVtpm };
        self.graph.add(ROOT_NAME, "document", "certificate path, ECDSA P-384 signature", Authority::Provider);
        self.graph.add("document", "instance", "module_id", Authority::Provider);
        if profile == Profile::V1 {
            self.graph.add("document", "report", "SHA-384 in nonce", Authority::ProviderVtpm);
        }
        let means = match raw.challenge {
            ChallengeMember::Nonce => "nonce",
            ChallengeMember::UserData => "user_data",
        };
        self.graph.add("document", "challenge", means, word);
        Ok(Some(document))
    }

    fn report(
        &mut self,
        evidence: &AwsEvidence,
        profile: Profile,
        raw: &RawPolicy,
        document: Option<&VerifiedDocument>,
    ) -> Result<Option<VerifiedReport>, Failed<Error>> {
        let Some(report) = &evidence.report else {
            // Evidence of a document alone does not list these checks.
            if profile != Profile::NitroTpmOnly {
                self.not_performed(evidence_snp::checks::ALL, NO_TEE);
                self.not_performed(checks::vlek::ALL, NO_TEE);
            }
            return Ok(None);
        };
        let challenge = self.input.challenge.as_bytes();
        let report_data = match (document, &raw.report_data) {
            (Some(document), _) if profile == Profile::V1 => {
                v1_report_data(document.module_id().instance(), challenge)
            }
            (Some(_), Some(named)) => named.0,
            // Nothing else is the challenge.
            _ => *challenge,
        };
        let certificates: Vec<&[u8]> = evidence.certificates.iter().map(|der| der.as_slice()).collect();
        let endorsements: Vec<&[u8]> = self.input.endorsements.of(EndorsementKind::Certificate).collect();
        let lists: Vec<&[u8]> = self.input.endorsements.of(EndorsementKind::RevocationList).collect();
        let report = VerifyReport {
            report,
            certificates: &certificates,
            endorsements: &endorsements,
            revocation_lists: &lists,
            anchors: &self.input.trust_anchors.pins().collect(),
            profile: &evidence_snp::AWS,
            report_data: &report_data,
            policy: &self.policy.report,
            at: self.input.at,
        }
        .verify(&CHAINS)
        .map_err(|failed| failed.map(Error::Report))?;
        self.ledger.append(report.ledger().clone());
        let word = if profile == Profile::Raw { Authority::Asserted } else { Authority::TeeHardware };
        let root = format!("ARK-{}", report.product());
        self.graph.add(root, "VLEK", "certificate path", Authority::TeeHardware);
        self.graph.add("VLEK", "report", "ECDSA P-384 signature", Authority::TeeHardware);
        if profile == Profile::V1 {
            self.graph.add("report", "instance", "SHA-512 in the report data", Authority::TeeHardware);
        }
        let to =
            if report_data == *challenge || profile == Profile::V1 { "challenge" } else { "report data" };
        self.graph.add("report", to, "REPORT_DATA", word);
        Ok(Some(report))
    }

    /// VLEK -> AWS. Any provider's VLEK leads to AMD's root.
    fn vlek_region(&mut self, report: &VerifiedReport) -> Result<String, Failed<Error>> {
        let csp_id = report.vek().csp_id.as_deref().unwrap_or_default();
        let region = region::of_csp_id(csp_id).ok_or_else(|| Error::OtherProvider(csp_id.to_owned()));
        let region = self.ledger.record(checks::vlek::VLEK_REGION, region)?;
        self.graph.add("VLEK", "region", "CSP_ID", Authority::TeeHardware);
        Ok(region.to_owned())
    }

    /// Document -> region, which is the VLEK's.
    fn document_region(
        &mut self,
        document: Option<&VerifiedDocument>,
        vlek: Option<&str>,
    ) -> Result<(), Failed<Error>> {
        let Some(document) = document else {
            self.not_performed(checks::document::ALL, NO_DOCUMENT);
            return Ok(());
        };
        let found = document.region();
        if vlek.is_none() && self.policy.regions.is_none() {
            self.not_performed(
                checks::document::ALL,
                "there is no report to compare with, and the policy lists no regions",
            );
            return Ok(());
        }
        let is_listed = self.policy.regions.as_ref().is_none_or(|regions| regions.contains(found));
        let is_of_vlek = vlek.is_none_or(|vlek| vlek == found);
        self.ledger.require(checks::document::DOCUMENT_REGION, is_listed && is_of_vlek, || {
            Error::OtherRegion { found: found.to_owned(), vlek: vlek.map(str::to_owned) }
        })?;
        self.graph.add("document", "region", "certificates", Authority::Provider);
        Ok(())
    }

    fn not_performed(&mut self, checks: &[CheckInfo], reason: &'static str) {
        checks.iter().for_each(|info| self.ledger.not_performed(info.check, reason));
    }
}

/// What a member of a document must be, of which the policy names the bytes or says nothing.
fn named(member: Option<&Member>) -> Expected<'_> {
    member.map_or(Expected::Absent, |member| Expected::Exactly(member.as_slice()))
}

/// Why the checks of a report are not performed.
const NO_TEE: &str = "danger-accept-no-tee: the policy accepts evidence for which no TEE vouches";

/// Why those of a document are not.
const NO_DOCUMENT: &str =
    "danger-accept-no-document: the policy accepts evidence that says nothing of what was booted";

/// A verified document's registers: AWS's TPMs have them in the bank of SHA-384.
fn registers(document: &VerifiedDocument) -> Pcrs {
    Pcrs::assertion(Bank::Sha384, document.pcrs().iter().map(|(pcr, value)| (pcr, value.to_vec())))
}

/// AMD's roots, and that of Nitro's attestation.
pub(crate) fn trust_anchors() -> TrustAnchors {
    AMD_PINS.iter().chain(&NITRO_PINS).map(|pin| (pin.subject.clone(), pin.spki_sha256)).collect()
}

pub(crate) fn refused(failed: Failed<Error>) -> ApiError {
    ApiError::from_failed(failed, Error::kind).in_backend(ID)
}

pub(crate) fn payload(evidence: &Evidence) -> Result<(AwsEvidence, Profile), Error> {
    let profile = profile_of(evidence.media_type());
    let profile = profile.ok_or_else(|| Error::MediaType(evidence.media_type().to_string()))?;
    let evidence = AwsEvidence::decode(evidence.bytes())?;
    match (&evidence.report, &evidence.document) {
        (None, None) => Err(Error::Nothing),
        (Some(_), _) if profile == Profile::NitroTpmOnly => Err(Error::ReportUnexpected),
        _ => Ok((evidence, profile)),
    }
}
