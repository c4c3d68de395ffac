//! The application that a guest's runtime events name, whatever register they were extended into.

use evidence_event_log::launch::{Launch, LaunchError};
use evidence_event_log::runtime::{RuntimeLog, RuntimeLogError, UnknownVersion};
use evidence_ledger::{ErrorKind, Failed, Ledger};
use serde::Deserialize;

use crate::hash::sha256;
use crate::mr_config::KeyProvider;

/// The checks that [`Application::read`] makes, in order. That the events are those of the register is checked before it.
pub mod checks {
    evidence_ledger::checks! {
        LAUNCH_EVENTS = "launch-events":
            "the guest has come as far as the policy says, and the events of its launch have distinct names", "dstack runtime events";
        APPLICATION_EVENTS = "application-events":
            "the events of the application are complete, in their order and in their formats", "dstack boot order";
        KEY_PROVIDER = "key-provider":
            "the key provider is one that dstack has, and a key management system is named by its key", "dstack key-provider event";
    }
}

/// Why events name no application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplicationError {
    /// Runtime events, and a boot that is known by the register that they would be in.
    #[error(
        "there are runtime events, and their register is one of the boot's in the image that the relying party lists"
    )]
    BootRegister,
    /// The key provider's event is not in its format.
    #[error("expected a key-provider event of the form {{\"name\":...,\"id\":\"<hex>\"}}")]
    KeyProviderFormat,
    /// A key provider that dstack does not have.
    #[error("key provider is {0:?}, expected none, local-sgx, kms or tpm")]
    KeyProviderName(String),
    /// A key management system that is not named.
    #[error("the key provider is a key management system, and its event does not name its key")]
    KmsWithoutId,
    /// The events of the application are not complete.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The guest has not come as far, or its events are not those of a launch.
    #[error(transparent)]
    Log(#[from] RuntimeLogError),
    /// A register of runtime events that was not signed.
    #[error("{0}, which holds the runtime events, is not quoted")]
    NotQuoted(&'static str),
    /// A register does not hold what the runtime events lead to.
    #[error("the runtime events lead to {register} {replayed}, the quote says {signed}")]
    Replay {
        /// The register.
        register: &'static str,
        /// From the events, hex.
        replayed: String,
        /// What was signed, hex.
        signed: String,
    },
    /// A version of runtime events that is not known.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
}

impl ApplicationError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BootRegister => ErrorKind::InconsistentEvidence,
            Self::Replay { .. } => ErrorKind::EventLogMismatch,
            Self::NotQuoted(_) | Self::Version(_) => ErrorKind::UnsupportedEvidence,
            Self::KeyProviderFormat
            | Self::KeyProviderName(_)
            | Self::KmsWithoutId
            | Self::Launch(_)
            | Self::Log(_) => ErrorKind::MalformedEvidence,
        }
    }
}

/// How far a guest has come, as a policy says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It runs: `system-ready` has been extended, and the identity is what stands before it.
    #[default]
    Ready,
    /// It waits for its keys: the application is measured up to `boot-mr-done`, and `system-ready` has not been extended. For key
    /// management systems.
    Booting,
}

/// The payload of the event `key-provider`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProviderInfo {
    /// Who provides keys.
    pub kind: KeyProvider,
    /// Its id: for a key management system the DER SubjectPublicKeyInfo of its root key.
    pub id: Vec<u8>,
}

impl KeyProviderInfo {
    /// Reads `{"name":…,"id":"<hex>"}`.
    ///
    /// # Errors
    ///
    /// [`ApplicationError`]: of another format, an unknown name, a key management system without its key.
    pub fn parse(payload: &[u8]) -> Result<Self, ApplicationError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            name: String,
            id: String,
        }
        let members: Members =
            serde_json::from_slice(payload).map_err(|_| ApplicationError::KeyProviderFormat)?;
        let all = [KeyProvider::None, KeyProvider::Local, KeyProvider::Kms, KeyProvider::Tpm];
        let kind = all.into_iter().find(|kind| kind.info_name() == members.name);
        let kind = kind.ok_or(ApplicationError::KeyProviderName(members.name.chars().take(32).collect()))?;
        let id = hex::decode(&members.id).map_err(|_| ApplicationError::KeyProviderFormat)?;
        if kind == KeyProvider::Kms && id.is_empty() {
            return Err(ApplicationError::KmsWithoutId);
        }
        Ok(Self { kind, id })
    }
}

/// What the events before `system-ready` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The payloads of the events.
    pub launch: Launch,
    /// `None` for a guest that still boots.
    pub provider: Option<KeyProviderInfo>,
}

impl Application {
    /// Reads the application of a guest that has come to `phase`, and records [`checks`].
    ///
    /// # Errors
    ///
    /// The check that failed and why.
    pub fn read(
        log: &RuntimeLog,
        phase: Phase,
        ledger: &mut Ledger,
    ) -> Result<Self, Failed<ApplicationError>> {
        let events = match phase {
            Phase::Ready => log.launch_events(),
            Phase::Booting => log.booting_events(),
        };
        let events = ledger.record(checks::LAUNCH_EVENTS, events.map_err(ApplicationError::from))?;
        let launch = match phase {
            Phase::Ready => Launch::read(events),
            Phase::Booting => Launch::read_booting(events),
        };
        let launch = ledger.record(checks::APPLICATION_EVENTS, launch.map_err(ApplicationError::from))?;
        let provider = match phase {
            Phase::Ready => {
                let provider = KeyProviderInfo::parse(&launch.key_provider);
                Some(ledger.record(checks::KEY_PROVIDER, provider)?)
            }
            Phase::Booting => {
                ledger
                    .not_performed(checks::KEY_PROVIDER, "a guest that still boots has no key provider yet");
                None
            }
        };
        Ok(Self { launch, provider })
    }

    /// Records in `ledger` that [`checks`] were not performed.
    pub fn not_read(ledger: &mut Ledger, reason: &'static str) {
        for info in checks::ALL {
            ledger.not_performed(info.check, reason);
        }
    }

    /// Every field of an identity that the events name, by its name in policies and results.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Self { launch, provider } = self;
        let mut fields =
            vec![("app-id", launch.app_id.to_vec()), ("compose-hash", launch.compose_hash.to_vec())];
        fields.extend(launch.instance_id.map(|id| ("instance-id", id.to_vec())));
        fields.extend(launch.gpu_policy_hash.map(|hash| ("gpu-policy-hash", hash.to_vec())));
        if !launch.init_script_hashes.is_empty() {
            fields.push(("init-script-hashes", launch.init_script_hashes.concat()));
        }
        if let Some(provider) = provider {
            fields.push(("key-provider", launch.key_provider.clone()));
            if provider.kind == KeyProvider::Kms {
                fields.push(("kms-root-key-hash", sha256(&[&provider.id]).to_vec()));
            }
        }
        fields
    }
}
