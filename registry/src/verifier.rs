//! The pipeline: decode, select, ask for endorsements, fetch, verify, bind, cross-check, appraise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use backend_api::{
    AttestationBackend, BackendId, BackendPolicy, BindInput, Challenge, Commitment, EndorsementSource,
    Endorsements, Envelope, Error, ErrorKind, Evidence, Limits, Result, Role, RuntimeBinding, TrustAnchors,
    UnixTime, VerifiedEvidence, VerifyInput,
};

use crate::{Accepted, AppraisalPolicy, Appraised, AttestationResult, appraisal::appraise};

/// What a verifier takes for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// One moment, always: for archived Evidence and for tests.
    Fixed(UnixTime),
    /// The system's clock.
    System,
}

impl Clock {
    /// The moment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for a system whose clock is before 1970.
    pub fn now(self) -> Result<UnixTime> {
        match self {
            Self::Fixed(time) => Ok(time),
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map(UnixTime::since_unix_epoch)
                .map_err(|_| Error::new(ErrorKind::InvalidConfig, "the system's clock is before 1970")),
        }
    }
}

/// A relying party's verifier: for its accepted backends, with its policy, from its source of Endorsements.
#[derive(Debug)]
pub struct Verifier {
    accepted: Accepted,
    source: Arc<dyn EndorsementSource>,
    policy: AppraisalPolicy,
    backend_policies: BTreeMap<BackendId, BackendPolicy>,
    trust_anchors: BTreeMap<BackendId, TrustAnchors>,
    replaced: BTreeSet<BackendId>,
    clock: Clock,
    limits: Limits,
}

impl Verifier {
    /// A verifier under the vendors' roots and the system's clock.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the policy has a section for a backend that is not accepted; names a check that neither an accepted
    /// backend nor a cross-check makes, or that devices alone are asked for while none are required; requires devices of a backend that is
    /// not accepted for them, or any without listing images; lists values that any image could say without listing images; or a backend
    /// refuses its section.
    pub fn new(
        accepted: Accepted,
        source: Arc<dyn EndorsementSource>,
        policy: AppraisalPolicy,
    ) -> Result<Self> {
        let backends: Vec<_> = accepted.backends().collect();
        let known = |id: &str| backends.iter().any(|backend| backend.descriptor().id.as_str() == id);
        if let Some(id) = policy.backends.keys().find(|id| !known(id)) {
            return Err(invalid(format!("policy has a section for the backend {id}, which is not accepted")));
        }
        let verifies_devices = |id: &str| {
            let descriptors = || backends.iter().map(|backend| backend.descriptor());
            descriptors().any(|descriptor| descriptor.id.as_str() == id && descriptor.role == Role::Device)
        };
        if let Some(id) = policy.require_devices.iter().find(|id| !verifies_devices(id)) {
            return Err(invalid(format!(
                "policy requires devices of the backend {id}, which is not an accepted backend of devices"
            )));
        }
        if !policy.require_devices.is_empty() && !policy.pins_image() && !policy.danger_accept_unknown_image {
            return Err(invalid(
                "policy has require-devices but lists no os-image-hash, mr-system, mr-aggregated or measurements: any image could \
                 say that devices are its own"
                    .to_owned(),
            ));
        }
        let of_devices_alone = |name: &str| {
            let makers = || backends.iter().map(|backend| backend.descriptor()).filter(|of| of.makes(name));
            let is_required = makers().any(|of| policy.require_devices.contains(of.id.as_str()));
            makers().next().is_some() && makers().all(|of| of.role == Role::Device) && !is_required
        };
        if let Some(name) = policy.require_checks.iter().find(|name| of_devices_alone(name)) {
            return Err(invalid(format!(
                "policy requires the check {name} of devices and has no require-devices: evidence without any would pass"
            )));
        }
        if let Some(name) = policy.require_checks.iter().find(|name| !accepted.makes(name)) {
            return Err(invalid(format!(
                "policy requires the check {name}, which no accepted backend makes, and no cross-check"
            )));
        }
        if let (Some(field), false) = (policy.of_unknown_image(), policy.danger_accept_unknown_image) {
            return Err(invalid(format!(
                "policy lists values of {} but no os-image-hash, mr-system, mr-aggregated or measurements: any image could \
                 say them",
                field.name()
            )));
        }
        if let (Some(field), false) =
            (policy.of_unknown_application(), policy.danger_accept_unknown_application)
        {
            return Err(invalid(format!(
                "policy lists values of {} but no compose-hash, kms-root-key-hash or mr-aggregated: a host could give them \
                 to any application",
                field.name()
            )));
        }
        let empty = serde_json::Value::Object(serde_json::Map::new());
        let mut backend_policies = BTreeMap::new();
        let mut trust_anchors = BTreeMap::new();
        for backend in backends {
            let descriptor = backend.descriptor();
            let section = policy.backends.get(descriptor.id.as_str()).unwrap_or(&empty);
            backend_policies.insert(descriptor.id, backend.policy(section)?);
            trust_anchors.insert(descriptor.id, (descriptor.trust_anchors)());
        }
        Ok(Self {
            accepted,
            source,
            policy,
            backend_policies,
            trust_anchors,
            replaced: BTreeSet::new(),
            clock: Clock::System,
            limits: Limits::default(),
        })
    }

    /// The same verifier with another clock.
    #[must_use]
    pub const fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same verifier with other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Trusts other roots than the vendor's for the backend `id`, such as a test laboratory's: whoever holds their keys can
    /// make any Evidence. Every result shows it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if the backend is not accepted.
    pub fn danger_replace_trust_anchors(mut self, id: BackendId, anchors: TrustAnchors) -> Result<Self> {
        let known = self.trust_anchors.get_mut(&id);
        *known.ok_or_else(|| invalid(format!("the backend {id} is not accepted")))? = anchors;
        self.replaced.insert(id);
        Ok(self)
    }

    /// Judges an envelope, as received, for `challenge`.
    ///
    /// # Errors
    ///
    /// [`Error`]: why it was refused, or why there is no verdict ([`ErrorKind::is_refusal`] tells which).
    pub async fn verify(&self, envelope: &[u8], challenge: &Challenge) -> Result<AttestationResult> {
        self.verify_envelope(&Envelope::decode(envelope)?, challenge).await
    }

    /// Judges a decoded envelope.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub async fn verify_envelope(
        &self,
        envelope: &Envelope,
        challenge: &Challenge,
    ) -> Result<AttestationResult> {
        let at = self.clock.now()?;
        let (present, cpu_challenge) = self.beside_cpu(&envelope.devices, challenge)?;
        let (backend, verified) = self.verify_item(&envelope.cpu, &cpu_challenge, at, None).await?;
        let (cpu, binding) = self.appraise(backend, &verified, &present, None).await?;
        let mut devices = Vec::with_capacity(envelope.devices.len());
        for evidence in &envelope.devices {
            let (backend, device) = self.verify_item(evidence, challenge, at, Some(&verified)).await?;
            let (device, _) = self.appraise(backend, &device, &present, Some(&binding)).await?;
            devices.push(device);
        }
        let boot_info = cpu.boot_info();
        Ok(AttestationResult {
            verified_at: at.as_secs(),
            danger_replaced_trust_anchors: self.replaced.clone(),
            cpu,
            devices,
            boot_info,
        })
    }

    /// The backends of the devices, and what the CPU's Evidence commits to beside them: the challenge, or what one of the devices' backends
    /// makes of it.
    fn beside_cpu(
        &self,
        devices: &[Evidence],
        challenge: &Challenge,
    ) -> Result<(BTreeSet<BackendId>, Challenge)> {
        let (mut present, mut commitment) = (BTreeSet::new(), None);
        for evidence in devices {
            let backend = self.accepted.select(evidence.media_type())?;
            self.fits(backend, evidence, Role::Device)?;
            // A backend judges its devices together: what is split over items could be counted twice.
            let id = backend.descriptor().id;
            if !present.insert(id) {
                let message = "expected one item of evidence for all devices of a backend, found two";
                return Err(Error::new(ErrorKind::InconsistentEvidence, message).in_backend(id));
            }
            if let Some(own) = backend.cpu_commitment(evidence, challenge)?
                && commitment.replace(own).is_some()
            {
                let message = "evidence of two backends that the CPU commits to, which it can of one alone";
                return Err(Error::new(ErrorKind::InconsistentEvidence, message).in_backend(id));
            }
        }
        let cpu_challenge = commitment.map_or(*challenge, |commitment: Commitment| commitment.challenge());
        Ok((present, cpu_challenge))
    }

    async fn verify_item(
        &self,
        evidence: &Evidence,
        challenge: &Challenge,
        at: UnixTime,
        cpu: Option<&VerifiedEvidence>,
    ) -> Result<(&'static dyn AttestationBackend, VerifiedEvidence)> {
        let backend = self.accepted.select(evidence.media_type())?;
        let descriptor = backend.descriptor();
        self.fits(backend, evidence, if cpu.is_some() { Role::Device } else { Role::Cpu })?;
        let endorsements = self.endorsements(backend, evidence).await?;
        let (anchors, policy) = self.of(descriptor.id)?;
        let input = VerifyInput::new(evidence, challenge, &endorsements, anchors, policy, at, &self.limits)?;
        let input = match cpu {
            None => input,
            Some(cpu) => input.beside(cpu),
        };
        Ok((backend, backend.verify(&input)?))
    }

    /// The Evidence stands where a backend of this role answers, and is not larger than what is read.
    fn fits(&self, backend: &dyn AttestationBackend, evidence: &Evidence, role: Role) -> Result<()> {
        let descriptor = backend.descriptor();
        if descriptor.role != role {
            return Err(Error::new(
                ErrorKind::InconsistentEvidence,
                format_args!("expected evidence of a {role:?}, found evidence of a {:?}", descriptor.role),
            )
            .in_backend(descriptor.id));
        }
        let (found, limit) = (evidence.bytes().len(), self.limits.evidence_bytes);
        if found > limit {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format_args!("evidence of {found} bytes, at most {limit} are read"),
            )
            .in_backend(descriptor.id));
        }
        Ok(())
    }

    /// Asks the backend what it needs, fetches it, and asks again with that, until it needs nothing new.
    async fn endorsements(
        &self,
        backend: &dyn AttestationBackend,
        evidence: &Evidence,
    ) -> Result<Endorsements> {
        let mut have = Endorsements::new();
        let mut asked = BTreeSet::new();
        for _ in 0..self.limits.rounds {
            let mut requests = backend.endorsements_for(evidence, &have)?;
            requests.retain(|request| asked.insert(request.clone()));
            if requests.is_empty() {
                break;
            }
            if asked.len() > self.limits.endorsements {
                let message = format_args!(
                    "evidence needs {} endorsements, at most {} are fetched",
                    asked.len(),
                    self.limits.endorsements
                );
                return Err(Error::new(ErrorKind::LimitExceeded, message).in_backend(backend.descriptor().id));
            }
            for request in &requests {
                for endorsement in self.source.fetch(request).await? {
                    have.add(endorsement);
                }
                if !have.within(&self.limits) {
                    return Err(Error::new(
                        ErrorKind::InvalidEndorsements,
                        format_args!(
                            "more or larger endorsements than are read, among them the {}",
                            request.what
                        ),
                    ));
                }
            }
        }
        Ok(have)
    }

    async fn appraise(
        &self,
        backend: &dyn AttestationBackend,
        verified: &VerifiedEvidence,
        devices: &BTreeSet<BackendId>,
        cpu: Option<&RuntimeBinding>,
    ) -> Result<(Appraised, RuntimeBinding)> {
        let id = backend.descriptor().id;
        let (_, policy) = self.of(id)?;
        let input = BindInput::new(&self.policy.reference_values, policy);
        let input = match cpu {
            None => input,
            Some(cpu) => input.beside(cpu),
        };
        let binding = backend.bind_runtime(verified, &input)?;
        let mut item = Appraised::new(verified, &binding);
        for cross_check in self.accepted.cross_checks(id) {
            let asked = item.ledger.record(cross_check.check().check, cross_check.ask(verified).await);
            let link = asked.map_err(|failed| failed.error.in_check(failed.check).in_backend(id))?;
            item.graph.push(link);
        }
        appraise(&self.policy, verified.role(), devices, &mut item)?;
        Ok((item, binding))
    }

    fn of(&self, id: BackendId) -> Result<(&TrustAnchors, &BackendPolicy)> {
        self.trust_anchors.get(&id).zip(self.backend_policies.get(&id)).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "an accepted backend has no policy").in_backend(id)
        })
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}
