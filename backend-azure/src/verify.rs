//! `verify`: from a payload to verified registers of a vTPM that is inside of the TEE.

use std::sync::LazyLock;

use backend_api::{
    Authority, BindingGraph, Claims, EndorsementKind, Error as ApiError, Evidence, Failed, Ledger, Result,
    TrustAnchors, VerifiedEvidence, VerifyInput,
};
use evidence_dstack::boot_info::tdx_device_id;
use evidence_snp::{AMD_PINS, ChainCache, Error as ReportError, VerifyReport};
use evidence_tdx::{
    Collateral, Error as TdQuoteError, INTEL_PINS, PlatformCache, VerifyQuote as VerifyTdQuote,
};
use evidence_tpm::checks::{certificate as certificate_checks, quote as quote_checks};
use evidence_tpm::{
    AkCache, BoundAk, ExtraData, HashAlgorithm, Hierarchy, Public, PublicKey, Selection,
    VerifiedAkCertificate, VerifiedQuote, VerifyAkCertificate, VerifyQuote,
};
use evidence_x509::{
    Anchors, Pin, Purpose, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    SignatureVerificationAlgorithm,
};
use subtle::ConstantTimeEq;

use crate::{
    AzureEvidence, DESCRIPTOR, Error, ID, Policy, Profile, Tee, VmConfigurationPolicy, checks, claims,
    hcl::HclReport,
    profile::{ALL_PCRS, V1_PCRS, kind_of, sha256, v1_extra_data},
    runtime_data::RuntimeData,
    td_report::TdReportStruct,
};

/// Azure's roots for virtual TPMs (Microsoft, "Trusted launch FAQ", certificates), by SHA-256 of their SubjectPublicKeyInfo.
const AZURE_PINS: [Pin; 2] = [
    Pin::from_hex(
        "Azure Virtual TPM Root Certificate Authority 2023",
        b"5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf",
    ),
    Pin::from_hex(
        "Microsoft RSA Devices Root CA 2021",
        b"d61ed293962f1f6ceb26ea9ec1c5a8c6cab38e73671f27c22df90e47977707ff",
    ),
];

/// The signatures of Azure's certificates.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] =
    &[RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512];

/// What the subject of a confidential VM's certificate ends with. Trusted launch, without a TEE, has TrustedVM there.
const CONFIDENTIAL_VM: &str = ".ConfidentialVM.Azure.windows.net";

/// TPMA_OBJECT of the attestation key that a vTPM of Azure makes (openvmm, `tpm_lib`): fixedTPM, fixedParent, sensitiveDataOrigin,
/// userWithAuth, noDA, restricted, sign.
const AK_ATTRIBUTES: u32 = 0x0005_0472;

/// AMD's chains, Intel's platforms and Azure's certificates that were verified in this process.
static CHAINS: LazyLock<ChainCache> = LazyLock::new(ChainCache::default);
static PLATFORMS: LazyLock<PlatformCache> = LazyLock::new(PlatformCache::default);
static CERTIFICATES: LazyLock<AkCache> = LazyLock::new(AkCache::default);

/// The witness that `bind_runtime` starts from.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    /// The registers that the vTPM signed.
    pub(crate) quote: VerifiedQuote,
    /// MEASUREMENT or MRTD: the paravisor.
    pub(crate) measurement: [u8; 48],
    /// SHA-256 of the platform's unique id.
    pub(crate) device_id: [u8; 32],
    /// Who vouches for the paravisor.
    pub(crate) paravisor: Paravisor,
    /// Whether Azure certifies the attestation key.
    pub(crate) is_endorsed: bool,
    /// The rest of the payload: claims that nothing has tied to the quote yet.
    pub(crate) evidence: AzureEvidence,
}

pub(crate) fn verify(input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
    let mut verifier = Verifier {
        input,
        policy: input.policy.get()?,
        ledger: Ledger::default(),
        graph: BindingGraph::default(),
    };
    let (evidence, tee, profile) =
        verifier.ledger.record(checks::paravisor::PAYLOAD, payload(input.evidence)).map_err(refused)?;
    let (verified, claims) = verifier.evidence(evidence, tee, profile).map_err(refused)?;
    VerifiedEvidence::assertion(&DESCRIPTOR, input, verifier.ledger, verifier.graph, claims, verified)
}

/// Who vouches for the paravisor, beside a relying party that lists its measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paravisor {
    /// Microsoft: one of its ID keys signed the launch (SNP).
    Signed,
    /// Azure: it certifies the attestation key, and what that key quoted commits to this very TD report (TDX).
    Quoted,
    /// Nobody. Azure certifies the attestation key, but what it quoted does not commit to the TD report: any TD can name that key.
    Unbound,
    /// Nobody, nor for the attestation key.
    Unknown,
}

/// What the processor signed.
struct Hardware {
    measurement: [u8; 48],
    device_id: [u8; 32],
    claims: Claims,
}

/// What is verified so far.
struct Verifier<'a> {
    input: &'a VerifyInput<'a>,
    policy: &'a Policy,
    ledger: Ledger,
    graph: BindingGraph,
}

impl Verifier<'_> {
    /// Processor -> report -> runtime data -> attestation key -> quote -> challenge.
    fn evidence(
        &mut self,
        evidence: AzureEvidence,
        tee: Tee,
        profile: Profile,
    ) -> Result<(Verified, Claims), Failed<Error>> {
        // 1. The report of the paravisor.
        let hcl =
            self.ledger.record(checks::paravisor::HCL_FORMAT, HclReport::parse(&evidence.hcl_report))?;
        self.ledger.require(checks::paravisor::HCL_REPORT_TYPE, hcl.tee() == Some(tee), || {
            Error::HclReportType { expected: tee.report_type(), tee: tee.name(), found: hcl.report_type }
        })?;
        self.ledger.require(checks::paravisor::HCL_HASH_TYPE, hcl.is_sha256(), || {
            Error::HclHashType(hcl.hash_type)
        })?;
        let td_quote = self.ledger.record(checks::paravisor::TD_QUOTE_PRESENT, td_quote(&evidence, tee))?;
        // 2. The processor's report: it is genuine, of a known paravisor, and commits to the runtime data.
        let mut hardware = match td_quote {
            None => self.snp(&evidence, &hcl)?,
            Some(quote) => self.tdx(quote, &hcl)?,
        };
        self.graph.add("report", "runtime data", "SHA-256 in the report data", Authority::TeeHardware);
        // 3. The runtime data, now that they are known to be the paravisor's.
        let runtime_data =
            self.ledger.record(checks::runtime_data::RUNTIME_DATA, RuntimeData::parse(hcl.runtime_data))?;
        let ak = self.ledger.record(checks::runtime_data::AK_KEY, runtime_data.attestation_key())?;
        self.graph.add("runtime data", "attestation key", "HCLAkPub", Authority::TeeHardware);
        let is_current = self.is_current(&runtime_data, profile);
        let configured = vm_configuration(&runtime_data, &self.policy.vm_configuration);
        // What the policy asks of the configuration is about this boot. A quote of the profile v1 commits to the report.
        let asked = self.policy.vm_configuration != VmConfigurationPolicy::default();
        let stale = asked && profile != Profile::V1 && is_current.is_err();
        let configured = configured.and(if stale { Err(Error::VmConfigurationStale) } else { Ok(()) });
        self.ledger.verify(checks::runtime_data::VM_CONFIGURATION, configured)?;
        // 4. Azure says that the attestation key is a confidential VM's.
        let certificate = self.ak_certificate(&evidence, &ak)?;
        // 5. Attestation key -> quote -> challenge.
        let challenge = self.input.challenge.as_bytes();
        let extra_data = v1_extra_data(challenge, hcl.without_padding);
        let extra_data = match profile {
            Profile::V1 => ExtraData::Exactly(&extra_data),
            Profile::Coco | Profile::Raw => ExtraData::BeginningOf(challenge),
        };
        let quote = self.quote(&evidence, ak, extra_data, profile)?;
        certificate.iter().for_each(|certificate| CERTIFICATES.keep(certificate));
        self.user_data(is_current, profile)?;
        let subject = certificate.as_ref().map(|certificate| certificate.certificate().subject());
        claims::add_vtpm(&mut hardware.claims, &runtime_data, subject, &quote);
        let is_endorsed = certificate.is_some();
        let paravisor = match (tee, profile) {
            (Tee::Snp, _) => Paravisor::Signed,
            (Tee::Tdx, _) if !is_endorsed => Paravisor::Unknown,
            (Tee::Tdx, Profile::V1) => Paravisor::Quoted,
            (Tee::Tdx, Profile::Coco | Profile::Raw) => Paravisor::Unbound,
        };
        let Hardware { measurement, device_id, claims } = hardware;
        Ok((Verified { quote, measurement, device_id, paravisor, is_endorsed, evidence }, claims))
    }

    fn snp(&mut self, evidence: &AzureEvidence, hcl: &HclReport<'_>) -> Result<Hardware, Failed<Error>> {
        let certificates: Vec<&[u8]> = evidence.certificates.iter().map(|der| der.as_slice()).collect();
        let endorsements = self.endorsements(EndorsementKind::Certificate);
        let revocation_lists = self.endorsements(EndorsementKind::RevocationList);
        let report = VerifyReport {
            report: hcl.hardware_report,
            certificates: &certificates,
            endorsements: &endorsements,
            revocation_lists: &revocation_lists,
            anchors: &self.input.trust_anchors.pins().collect(),
            profile: &evidence_snp::AZURE,
            report_data: &hcl.commitment(),
            policy: &self.policy.report,
            at: self.input.at,
        }
        .verify(&CHAINS)
        .map_err(|failed| failed.map(of_report))?;
        self.ledger.append(report.ledger().clone());
        let root = format!("ARK-{}", report.product());
        self.graph.add(root, "VCEK", "certificate path", Authority::TeeHardware);
        self.graph.add("VCEK", "report", "ECDSA P-384 signature", Authority::TeeHardware);
        let device_id = sha256(&[&report.chip_id]);
        let claims = claims::of_report(&report, &device_id);
        Ok(Hardware { measurement: report.measurement, device_id, claims })
    }

    fn tdx(&mut self, quote: &[u8], hcl: &HclReport<'_>) -> Result<Hardware, Failed<Error>> {
        let certificates = self.endorsements(EndorsementKind::Certificate);
        let documents = self.endorsements(EndorsementKind::Document);
        let revocation_lists = self.endorsements(EndorsementKind::RevocationList);
        let quote = VerifyTdQuote {
            quote,
            collateral: Collateral {
                certificates: &certificates,
                documents: &documents,
                revocation_lists: &revocation_lists,
            },
            anchors: &self.input.trust_anchors.pins().collect(),
            report_data: &hcl.commitment(),
            profile: &evidence_tdx::AZURE,
            policy: &self.policy.td_quote,
            at: self.input.at,
        }
        .verify(&PLATFORMS)
        .map_err(|failed| failed.map(of_td_quote))?;
        self.ledger.append(quote.ledger().clone());
        let quoted =
            TdReportStruct::parse(hcl.hardware_report).and_then(|report| report.is_quoted(quote.report()));
        self.ledger.verify(checks::td::TD_REPORT_QUOTED, quoted)?;
        let extended = quote.report().rtmrs.iter().position(|rtmr| *rtmr != [0; 48]);
        self.ledger
            .verify(checks::td::TD_REGISTERS, extended.map_or(Ok(()), |at| Err(Error::TdRegister(at))))?;
        for (from, to, means) in [
            ("Intel SGX Root CA", "PCK", "certificate path"),
            ("PCK", "quoting enclave", "ECDSA P-256 signature over the QE report"),
            ("quoting enclave", "TD quote", "ECDSA P-256 signature"),
            ("TD quote", "report", "equal fields"),
        ] {
            self.graph.add(from, to, means, Authority::TeeHardware);
        }
        let device_id = tdx_device_id(quote.ppid());
        let claims = claims::of_td_quote(&quote, &device_id);
        Ok(Hardware { measurement: quote.report().mr_td, device_id, claims })
    }

    /// The certificate of the attestation key; `None` where the policy accepts a key without one.
    fn ak_certificate(
        &mut self,
        evidence: &AzureEvidence,
        ak: &PublicKey,
    ) -> Result<Option<VerifiedAkCertificate>, Failed<Error>> {
        if evidence.ak_certificate.is_none() && self.policy.danger_accept_unendorsed_ak {
            let path = certificate_checks::ALL.iter().chain(checks::ak_certificate::ALL);
            let path = path.map(|info| info.check);
            for check in std::iter::once(checks::runtime_data::AK_CERTIFICATE).chain(path) {
                self.ledger.not_performed(
                    check,
                    "danger-accept-unendorsed-ak: the policy accepts an attestation key that Azure does not vouch for",
                );
            }
            return Ok(None);
        }
        let der = evidence.ak_certificate.as_ref().ok_or(Error::AkCertificateMissing);
        let der = self.ledger.record(checks::runtime_data::AK_CERTIFICATE, der)?;
        let candidates: Vec<&[u8]> = evidence.certificates.iter().map(|der| der.as_slice()).collect();
        let candidates = [candidates, self.endorsements(EndorsementKind::Certificate)].concat();
        let certificate = VerifyAkCertificate {
            certificate: der,
            candidates: &candidates,
            revocation_lists: &self.endorsements(EndorsementKind::RevocationList),
            anchors: &azure_anchors(self.input.trust_anchors),
            purpose: Purpose::TpmAttestationKey,
            algorithms: ALGORITHMS,
            at: self.input.at,
        }
        .verify(&CERTIFICATES)
        .map_err(|failed| failed.map(Error::from))?;
        self.ledger.append(certificate.ledger().clone());
        let subject = certificate.certificate().subject();
        let id = subject.strip_suffix(CONFIDENTIAL_VM).unwrap_or_default();
        let is_label = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        self.ledger.require(checks::ak_certificate::AK_CERTIFICATE_SUBJECT, is_label, || {
            Error::AkCertificateSubject(subject.chars().take(128).collect())
        })?;
        self.ledger.require(checks::ak_certificate::AK_CERTIFICATE_KEY, certificate.key() == ak, || {
            Error::AkCertificateOtherKey
        })?;
        self.graph.add("Azure vTPM root", "attestation key", "certificate path", Authority::Provider);
        Ok(Some(certificate))
    }

    fn quote(
        &mut self,
        evidence: &AzureEvidence,
        ak: PublicKey,
        extra_data: ExtraData<'_>,
        profile: Profile,
    ) -> Result<VerifiedQuote, Failed<Error>> {
        let Some(selection) = self.selection(profile) else {
            return self.ledger.record(quote_checks::TPM_SELECTION, Err(Error::RawNotNamed));
        };
        let pcrs: Vec<&[u8]> = evidence.pcrs.iter().map(|value| value.as_slice()).collect();
        let template = Public::rsassa_sha256(AK_ATTRIBUTES, ak.modulus().unwrap_or_default());
        let quote = VerifyQuote {
            attest: &evidence.quote,
            signature: &evidence.signature,
            pcrs: &pcrs,
            ak: &BoundAk::assertion(ak),
            extra_data,
            selections: &[selection],
        }
        .verify()
        .map_err(|failed| failed.map(Error::from))?;
        self.ledger.append(quote.ledger().clone());
        let name = template.map(|public| public.qualified_name(Hierarchy::Endorsement));
        let is_of_template = name.is_ok_and(|name| name == quote.qualified_signer());
        self.ledger.require(checks::vtpm::AK_TEMPLATE, is_of_template, || Error::AkNotOfTemplate)?;
        let authority = if profile == Profile::Raw { Authority::Asserted } else { Authority::TeeVtpm };
        self.graph.add("attestation key", "quote", "RSASSA signature", Authority::TeeVtpm);
        self.graph.add("quote", "challenge", "extraData", authority);
        Ok(quote)
    }

    /// The registers that must be quoted; `None` where the policy should say it and does not.
    fn selection(&self, profile: Profile) -> Option<Selection> {
        let pcrs = match profile {
            Profile::V1 => &V1_PCRS[..],
            Profile::Coco => &ALL_PCRS,
            Profile::Raw => match &self.policy.raw.as_ref()?.pcrs {
                Some(pcrs) => return Some(Selection::new(HashAlgorithm::Sha256, pcrs.iter().copied())),
                None => &ALL_PCRS,
            },
        };
        Some(Selection::new(HashAlgorithm::Sha256, pcrs.iter().copied()))
    }

    /// Whether the report of the paravisor was made for this challenge: `user-data` says so, or what the policy names for raw.
    fn is_current(&self, runtime_data: &RuntimeData, profile: Profile) -> Result<(), Error> {
        let expected = self.named_user_data(profile).unwrap_or(self.input.challenge.as_bytes());
        match &runtime_data.user_data {
            None => Err(Error::UserData("absent")),
            Some(found) if bool::from(found.ct_eq(expected)) => Ok(()),
            Some(found) if *found == [0; 64] => Err(Error::UserData("zero")),
            Some(_) => Err(Error::UserData("another")),
        }
    }

    /// What the policy names for Evidence of the profile raw.
    fn named_user_data(&self, profile: Profile) -> Option<&[u8; 64]> {
        let raw = self.policy.raw.as_ref().filter(|_| profile == Profile::Raw)?;
        raw.user_data.as_ref().map(|named| &named.0)
    }

    /// Paravisor's report -> challenge.
    fn user_data(&mut self, is_current: Result<(), Error>, profile: Profile) -> Result<(), Failed<Error>> {
        // Some versions of other attesters write the challenge there, others leave what was there.
        let needed = profile == Profile::V1 || self.named_user_data(profile).is_some();
        if is_current.is_err() && !needed {
            self.ledger.not_performed(
                checks::vtpm::USER_DATA,
                "this profile commits to the challenge by extraData alone: the paravisor's report may be an older one",
            );
            return Ok(());
        }
        self.ledger.verify(checks::vtpm::USER_DATA, is_current)?;
        let authority = if profile == Profile::Raw { Authority::Asserted } else { Authority::TeeHardware };
        self.graph.add("runtime data", "challenge", "user-data", authority);
        Ok(())
    }

    fn endorsements(&self, kind: EndorsementKind) -> Vec<&[u8]> {
        self.input.endorsements.of(kind).collect()
    }
}

/// Report data that are not the hash of the runtime data are no question of freshness here.
fn of_report(error: ReportError) -> Error {
    if error == ReportError::ReportDataMismatch { Error::RuntimeDataHash } else { Error::Report(error) }
}

fn of_td_quote(error: TdQuoteError) -> Error {
    if error == TdQuoteError::ReportDataMismatch { Error::RuntimeDataHash } else { Error::TdQuote(error) }
}

fn td_quote(evidence: &AzureEvidence, tee: Tee) -> Result<Option<&[u8]>, Error> {
    let quote = evidence.td_quote.as_ref().map(|quote| quote.as_slice());
    let (found, expected) = match (tee, quote) {
        (Tee::Snp, None) | (Tee::Tdx, Some(_)) => return Ok(quote),
        (Tee::Snp, Some(_)) => ("a TD quote", "none"),
        (Tee::Tdx, None) => ("no TD quote", "one"),
    };
    Err(Error::TdQuotePresence { tee: tee.name(), found, expected })
}

/// What the paravisor says of the VM. A flag that it does not name is not known to be on.
fn vm_configuration(data: &RuntimeData, policy: &VmConfigurationPolicy) -> Result<(), Error> {
    let must = |flag: &'static str, value: bool| match data.flag(flag)? {
        Some(found) if found == value => Ok(()),
        _ => Err(Error::VmConfiguration { flag, expected: if value { "true" } else { "false" } }),
    };
    must("tpm-enabled", true)?;
    for flag in ["interactive-console-enabled", "filtered-vpci-devices-allowed"] {
        if data.flag(flag)? == Some(true) {
            return Err(Error::VmConfiguration { flag, expected: "false, or no word of it" });
        }
    }
    if policy.require_secure_boot {
        must("secure-boot", true)?;
    }
    policy.tpm_persisted.map_or(Ok(()), |persisted| must("tpm-persisted", persisted))
}

/// AMD's, Intel's and Azure's roots.
pub(crate) fn trust_anchors() -> TrustAnchors {
    AMD_PINS
        .iter()
        .chain(INTEL_PINS.iter())
        .chain(&AZURE_PINS)
        .map(|pin| (pin.subject.clone(), pin.spki_sha256))
        .collect()
}

pub(crate) fn refused(failed: Failed<Error>) -> ApiError {
    ApiError::from_failed(failed, Error::kind).in_backend(ID)
}

pub(crate) fn payload(evidence: &Evidence) -> Result<(AzureEvidence, Tee, Profile), Error> {
    let kind = kind_of(evidence.media_type());
    let (tee, profile) = kind.ok_or_else(|| Error::MediaType(evidence.media_type().to_string()))?;
    Ok((AzureEvidence::decode(evidence.bytes())?, tee, profile))
}

/// Those of the roots that may vouch for attestation keys, by the names that Azure's have: a processor's may not. Who replaces the
/// roots of Azure gives others of the same names.
fn azure_anchors(all: &TrustAnchors) -> Anchors {
    all.pins().filter(|(subject, _)| AZURE_PINS.iter().any(|pin| pin.subject == *subject)).collect()
}
