//! A backend for the example platform that can be built with one defect.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, UnparsedPublicKey},
};
use backend_api::{
    AttestationBackend, Authority, BackendPolicy, BindInput, BindingGraph, CheckInfo, Claims, CollectRequest,
    Descriptor, EndorsementKind, EndorsementRequest, Endorsements, Error, ErrorKind, Evidence, EvidenceKind,
    Failed, Field, Guest, Identity, Lane, Ledger, Result, Role, RuntimeBinding, VerifiedEvidence,
    VerifyInput,
};

use crate::platform::{
    CERTIFICATE, CERTIFICATE_VALIDITY, CHALLENGE, EVIDENCE_LEN, MEASUREMENT_LISTED, NOT_REVOKED, PAYLOAD,
    Parts, REVOCATION_LIST, ROOT, ROOT_PINNED, SIGNATURE, VERIFY_CHECKS, spki_sha256,
};

/// What is wrong with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    AcceptsAnyChallenge,
    ComparesHalfTheChallenge,
    IgnoresTime,
    RemembersAcceptance,
    PanicsOnShortInput,
    AcceptsTrailingBytes,
    SkipsTheSignature,
    SkipsRevocation,
    TakesTheFirstRootInTheEvidence,
    TakesTheFirstCertificate,
    TrustsUnsignedCertificates,
    AsksForNoList,
    LeavesACheckOutOfTheLedger,
    SaysAnotherThingEachTime,
    ShowsTheChallenge,
    WritesTwoLines,
    NamesNoCheck,
    TakesAnyMediaType,
    ToleratesUnknownPolicyKeys,
    PanicsOnOversize,
    PanicsOnAnothersEvidence,
    CollectsThoughItSaysItCannot,
    VerifiesADeviceAlone,
}

/// The backend.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) defect: Defect,
}

/// Why Evidence was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(ErrorKind, String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for Refusal {}

fn refusal(kind: ErrorKind, message: impl Into<String>) -> Refusal {
    Refusal(kind, message.into())
}

type Checked<T> = Result<T, Failed<Refusal>>;

/// The body of a document that `root` signed.
fn signed_by<'a>(root: &[u8], bytes: &'a [u8], magic: &[u8], defect: Defect) -> Option<&'a [u8]> {
    let (body, signature) = bytes.split_at_checked(bytes.len().checked_sub(64)?)?;
    let genuine = UnparsedPublicKey::new(&ED25519, root).verify(body, signature).is_ok()
        || defect == Defect::TrustsUnsignedCertificates;
    genuine.then_some(body)?.strip_prefix(magic)
}

fn second(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

impl Example {
    fn refused(&self, failed: Failed<Refusal>) -> Error {
        if self.defect == Defect::NamesNoCheck {
            return Error::with_source(failed.error.0, failed.error).in_backend(self.descriptor.id);
        }
        Error::from_failed(failed, |refusal| refusal.0).in_backend(self.descriptor.id)
    }

    fn payload<'a>(&self, evidence: &'a Evidence) -> Result<Parts<'a>, Refusal> {
        if self.descriptor.kind(evidence.media_type()).is_none() && self.defect != Defect::TakesAnyMediaType {
            return Err(refusal(ErrorKind::UnsupportedEvidence, "media type is of another backend"));
        }
        let mut bytes = evidence.bytes();
        match self.defect {
            Defect::PanicsOnShortInput => drop(bytes[..4].to_vec()),
            Defect::PanicsOnOversize => assert!(bytes.len() < 1 << 20, "out of memory"),
            Defect::AcceptsTrailingBytes => bytes = &bytes[..bytes.len().min(EVIDENCE_LEN)],
            _ => {}
        }
        if bytes.len() != EVIDENCE_LEN {
            let lines = if self.defect == Defect::WritesTwoLines { "\n" } else { " " };
            let message = format!("evidence has {} bytes,{lines}expected {EVIDENCE_LEN}", bytes.len());
            return Err(refusal(ErrorKind::MalformedEvidence, message));
        }
        Parts::parse(bytes)
            .ok_or_else(|| refusal(ErrorKind::MalformedEvidence, "evidence does not begin with EXE1"))
    }

    /// The chip's key.
    fn certificate(
        &self,
        input: &VerifyInput<'_>,
        parts: &Parts<'_>,
        ledger: &mut Ledger,
    ) -> Checked<Vec<u8>> {
        let all = input.endorsements.of(EndorsementKind::Certificate);
        let count = if self.defect == Defect::TakesTheFirstCertificate { 1 } else { usize::MAX };
        let found = all
            .take(count)
            .filter_map(|bytes| signed_by(parts.root, bytes, b"EXC1", self.defect))
            .find(|body| body.len() == 64 && body.starts_with(parts.chip));
        let missing =
            || refusal(ErrorKind::MissingEndorsements, "expected a certificate of the chip, found none");
        let body = ledger.record(CERTIFICATE, found.ok_or_else(missing))?;

        let valid = [48, 56].map(|at| body.get(at..).and_then(second).unwrap_or(0));
        ledger.record(
            CERTIFICATE_VALIDITY,
            match input.at.as_secs() {
                _ if self.defect == Defect::IgnoresTime => Ok(()),
                at if at < valid[0] => Err(refusal(ErrorKind::NotYetValid, "certificate is not yet valid")),
                at if at > valid[1] => Err(refusal(ErrorKind::Expired, "certificate is no longer valid")),
                _ => Ok(()),
            },
        )?;
        Ok(body[16..48].to_vec())
    }

    fn revocation(&self, input: &VerifyInput<'_>, parts: &Parts<'_>, ledger: &mut Ledger) -> Checked<()> {
        if self.defect == Defect::SkipsRevocation {
            ledger.record(REVOCATION_LIST, Ok::<_, Refusal>(()))?;
            return ledger.record(NOT_REVOKED, Ok(()));
        }
        let at = input.at.as_secs();
        let lists: Vec<&[u8]> = input
            .endorsements
            .of(EndorsementKind::RevocationList)
            .filter_map(|bytes| signed_by(parts.root, bytes, b"EXR1", self.defect))
            .collect();
        let current = lists.iter().copied().find(|body| {
            let window = second(body).zip(body.get(8..).and_then(second));
            window.is_some_and(|(first, last)| {
                (first..=last).contains(&at) || self.defect == Defect::IgnoresTime
            })
        });
        let kind =
            if lists.is_empty() { ErrorKind::MissingEndorsements } else { ErrorKind::StaleEndorsements };
        let list = current.ok_or_else(|| refusal(kind, "expected a current revocation list, found none"));
        let list = ledger.record(REVOCATION_LIST, list)?;
        let revoked = list[16..].chunks(16).any(|chip| chip == parts.chip);
        ledger.require(NOT_REVOKED, !revoked, || refusal(ErrorKind::Revoked, "chip is revoked"))
    }

    fn challenge(&self, input: &VerifyInput<'_>, parts: &Parts<'_>, ledger: &mut Ledger) -> Checked<()> {
        let expected = input.challenge.as_bytes();
        let same = match self.defect {
            Defect::AcceptsAnyChallenge => true,
            Defect::ComparesHalfTheChallenge => parts.challenge[..32] == expected[..32],
            _ => parts.challenge == expected,
        };
        ledger.require(CHALLENGE, same, || {
            let shown = match self.defect {
                Defect::ShowsTheChallenge => format!(", expected {}", hex::encode(expected)),
                _ => String::new(),
            };
            refusal(ErrorKind::ChallengeMismatch, format!("evidence commits to another challenge{shown}"))
        })
    }

    fn checked(&self, input: &VerifyInput<'_>, ledger: &mut Ledger) -> Checked<Vec<u8>> {
        let parts = ledger.record(PAYLOAD, self.payload(input.evidence))?;
        let root = spki_sha256(parts.root);
        let pinned = self.defect == Defect::TakesTheFirstRootInTheEvidence
            || input.trust_anchors.0.iter().any(|pin| pin.subject == ROOT && pin.spki_sha256 == root);
        ledger.require(ROOT_PINNED, pinned, || {
            refusal(ErrorKind::UntrustedIssuer, "expected the pinned Example Root, found another key")
        })?;
        let key = self.certificate(input, &parts, ledger)?;
        self.revocation(input, &parts, ledger)?;
        let signature = UnparsedPublicKey::new(&ED25519, key).verify(parts.signed, parts.signature);
        let holds = signature.is_ok() || self.defect == Defect::SkipsTheSignature;
        ledger.require(SIGNATURE, holds, || {
            refusal(ErrorKind::BadSignature, "signature does not verify under the chip's key")
        })?;
        self.challenge(input, &parts, ledger)?;
        Ok(parts.measurement.to_vec())
    }

    /// The contract refuses a ledger that misses a declared check: this gives it a descriptor that does not declare it.
    fn assert_without_the_last_check(
        &self,
        input: &VerifyInput<'_>,
        ledger: &Ledger,
        graph: BindingGraph,
        claims: Claims,
        detail: Measured,
    ) -> Result<VerifiedEvidence> {
        const SHORT: &[CheckInfo] = VERIFY_CHECKS.split_at(7).0;
        let media_type = input.evidence.media_type().clone();
        let kinds = vec![EvidenceKind { media_type, verify_checks: &[SHORT] }];
        // A descriptor lives as long as its program.
        let descriptor = Descriptor { kinds: kinds.leak(), ..*self.descriptor };
        let mut short = Ledger::default();
        for entry in &ledger.entries()[..7] {
            short.record(entry.check, Ok(())).map_err(|failed| self.refused(failed))?;
        }
        VerifiedEvidence::assertion(&descriptor, input, short, graph, claims, detail)
    }
}

/// What `bind_runtime` starts from.
struct Measured(Vec<u8>);

/// Acceptances that [`Defect::RemembersAcceptance`] remembers, by the Evidence alone.
static REMEMBERED: std::sync::Mutex<Vec<(Vec<u8>, VerifiedEvidence)>> = std::sync::Mutex::new(Vec::new());

/// How often [`Defect::SaysAnotherThingEachTime`] was asked.
static ASKED: AtomicU64 = AtomicU64::new(0);

#[async_trait]
impl AttestationBackend for Example {
    fn descriptor(&self) -> &'static Descriptor {
        self.descriptor
    }

    fn policy(&self, section: &serde_json::Value) -> Result<BackendPolicy> {
        let known = section.as_object().is_some_and(|map| map.is_empty());
        if known || self.defect == Defect::ToleratesUnknownPolicyKeys {
            return Ok(BackendPolicy::new(()));
        }
        Err(Error::new(ErrorKind::InvalidConfig, "the policy section has no keys")
            .in_backend(self.descriptor.id))
    }

    fn endorsements_for(&self, evidence: &Evidence, _: &Endorsements) -> Result<Vec<EndorsementRequest>> {
        let parts = self
            .payload(evidence)
            .map_err(|refusal| Error::with_source(refusal.0, refusal).in_backend(self.descriptor.id))?;
        let location = format!("https://example.com/{}", hex::encode(parts.chip));
        let request = |kind, what| EndorsementRequest::new(kind, what, &location);
        let mut requests = vec![request(EndorsementKind::Certificate, "certificate of the chip")];
        if self.defect != Defect::AsksForNoList {
            requests.push(request(EndorsementKind::RevocationList, "list of revoked chips"));
        }
        Ok(requests)
    }

    fn verify(&self, input: &VerifyInput<'_>) -> Result<VerifiedEvidence> {
        let remembers = self.defect == Defect::RemembersAcceptance;
        let bytes = input.evidence.bytes();
        if let Some((_, known)) = REMEMBERED.lock().unwrap().iter().find(|(key, _)| remembers && key == bytes)
        {
            return Ok(known.clone());
        }
        let () = *input.policy.get()?;
        if self.descriptor.role == Role::Device && self.defect != Defect::VerifiesADeviceAlone {
            input.cpu().map_err(|error| error.in_backend(self.descriptor.id))?;
        }
        let mut ledger = Ledger::default();
        let measurement = self.checked(input, &mut ledger).map_err(|failed| self.refused(failed))?;
        let claims = Claims::new("example", "example", "Example Chip", &measurement);
        let mut graph = BindingGraph::default()
            .link(ROOT, "chip", "certificate", Authority::TeeHardware)
            .link("chip", "evidence", "signature", Authority::TeeHardware);
        if self.defect == Defect::SaysAnotherThingEachTime {
            let asked = ASKED.fetch_add(1, Ordering::Relaxed).to_string();
            graph = graph.link("chip", asked, "counter", Authority::TeeHardware);
        }
        let detail = Measured(measurement);
        let verified = if self.defect == Defect::LeavesACheckOutOfTheLedger {
            self.assert_without_the_last_check(input, &ledger, graph, claims, detail)?
        } else {
            VerifiedEvidence::assertion(self.descriptor, input, ledger, graph, claims, detail)?
        };
        if remembers {
            REMEMBERED.lock().unwrap().push((bytes.to_vec(), verified.clone()));
        }
        Ok(verified)
    }

    fn bind_runtime(&self, verified: &VerifiedEvidence, input: &BindInput<'_>) -> Result<RuntimeBinding> {
        let () = *input.policy.get()?;
        let measured = verified.detail::<Measured>();
        let Measured(measurement) = match self.defect {
            Defect::PanicsOnAnothersEvidence => measured.unwrap(),
            _ => measured.map_err(|error| error.in_backend(self.descriptor.id))?,
        };
        let mut ledger = Ledger::default();
        let listed = input.reference_values.measurements.contains(measurement);
        ledger
            .require(MEASUREMENT_LISTED, listed, || {
                refusal(ErrorKind::PolicyViolation, "measurement is not among the reference values")
            })
            .map_err(|failed| self.refused(failed))?;
        let mut identity = Identity::new();
        identity.bind(Field::MrSystem, digest(&SHA256, measurement).as_ref(), Lane::LaunchMeasurement);
        RuntimeBinding::assertion(
            self.descriptor,
            identity,
            ledger,
            BindingGraph::default(),
            Default::default(),
        )
    }

    async fn collect(&self, _: &Guest, _: &CollectRequest) -> Result<Evidence> {
        if self.defect == Defect::CollectsThoughItSaysItCannot {
            return Ok(Evidence::new(self.descriptor.kinds[0].media_type.clone(), Vec::new()));
        }
        Err(Error::new(ErrorKind::Unsupported, "the example has no device").in_backend(self.descriptor.id))
    }
}
