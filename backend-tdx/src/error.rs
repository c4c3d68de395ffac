//! Why Evidence was refused.

use backend_api::{ErrorKind, cbor::CborError};
use evidence_dstack::{
    application::ApplicationError, image::ImageError, mr_config::MrConfigIdError,
    tdx_measurement::TdxMeasurementError, vm_config::VmConfigError,
};
use evidence_event_log::EventLogError;
use evidence_tdx::{Error as QuoteError, launch::LaunchError};

/// Why Evidence was refused, in detail. [`backend_api::Error::detail`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The runtime events are not those of the register, or name no application.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// The log does not name the three ACPI files.
    #[error(
        "boot log names {found} digests of ACPI files, expected acpi-loader, acpi-rsdp and acpi-tables, once each in this order"
    )]
    AcpiEvents {
        /// How many it names.
        found: usize,
    },
    /// The boot log is not in its format.
    #[error(transparent)]
    BootLog(#[from] EventLogError),
    /// A boot event of a register that a boot does not extend.
    #[error("boot event of RTMR{0}, expected RTMR0, RTMR1 or RTMR2")]
    BootRegister(u32),
    /// A document that nothing commits to.
    #[error("the evidence has a configuration document, and MRCONFIGID does not commit to one")]
    DocumentUncommitted,
    /// The image's documents do not hold together.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// What MRCONFIGID commits to has a part that a guest that still boots does not say.
    #[error("MRCONFIGID is of form 2, which cannot be told before the key provider is known")]
    KeyProviderUnknown,
    /// The launch cannot have happened as claimed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The claimed launch gives another register.
    #[error("the claimed launch leads to {register} {recomputed}, the quote says {quoted}")]
    LaunchMismatch {
        /// Which.
        register: &'static str,
        /// From the claimed launch, hex.
        recomputed: String,
        /// In the quote, hex.
        quoted: String,
    },
    /// An event of RTMR3 in one of dstack's logs that is no runtime event.
    #[error("event of RTMR3 of the type {0:#x}, expected a runtime event")]
    EventType(u32),
    /// The relying party lists measurements or registers, and the image by which the evidence explains its own is not listed.
    #[error(
        "{register} is explained by the image {image} alone, which is not among the relying party's os-image-hash beside what it lists of measurements and registers"
    )]
    ImageNotListed {
        /// Which register.
        register: &'static str,
        /// `os-image-hash`, hex.
        image: String,
    },
    /// Something has not its length.
    #[error("{field} has {found} bytes, expected {expected}")]
    Length {
        /// Which.
        field: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The relying party does not list this measurement.
    #[error("MRTD {0} is not among the relying party's reference values")]
    MeasurementNotListed(String),
    /// Another media type than this backend's.
    #[error("evidence is of the kind {found}, expected {expected}")]
    MediaType {
        /// This backend's.
        expected: String,
        /// The Evidence's.
        found: String,
    },
    /// MRCONFIGID commits to something else.
    #[error(transparent)]
    MrConfigId(#[from] MrConfigIdError),
    /// MRCONFIGID commits in a form that the policy does not take.
    #[error("MRCONFIGID is of form {0}, which launch.mr-config-id-forms does not list")]
    MrConfigIdForm(u8),
    /// MRCONFIGID commits to a document that leaves open which application it is of.
    #[error(
        "the policy requires that MRCONFIGID commits to the application, and its document names no app_id"
    )]
    MrConfigIdOpen,
    /// MRCONFIGID, and no application that it could commit to.
    #[error("the policy requires that MRCONFIGID commits to the application, and RTMR3 names none")]
    MrConfigIdUnbound,
    /// A log that was cut down to ACPI events, and has others.
    #[error("expected a log of ACPI events alone, found others")]
    NotOnlyAcpi,
    /// An attestation of another platform.
    #[error("attestation is of the platform {0}, expected dstack-tdx")]
    NotTdx(&'static str),
    /// The payload is not in its format.
    #[error("expected a CBOR map of quote, boot-log, runtime-events, mr-config and launch: {0}")]
    Payload(#[from] CborError),
    /// The quote, or what vouches for it.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// MRTD or a register of the boot that nothing accounts for.
    #[error(
        "nothing explains {register} {found}: expected launch inputs in the evidence, or its value in {key} of the policy"
    )]
    RegisterUnknown {
        /// Which.
        register: &'static str,
        /// Its value, hex.
        found: String,
        /// Where a relying party lists it.
        key: &'static str,
    },
    /// A log does not replay to its register.
    #[error("the log replays to {register} {replayed}, the quote says {quoted}")]
    ReplayMismatch {
        /// Which.
        register: &'static str,
        /// From the log, hex.
        replayed: String,
        /// In the quote, hex.
        quoted: String,
    },
    /// The image's measurement document is not in its format.
    #[error(transparent)]
    TdxMeasurement(#[from] TdxMeasurementError),
    /// More events than a boot has.
    #[error("boot log has {found} events, at most {limit} are read")]
    TooManyBootEvents {
        /// How many.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// dstack's VM configuration is not in its format.
    #[error(transparent)]
    VmConfig(#[from] VmConfigError),
}

impl Error {
    /// The kind, as [`backend_api::Error`] reports it.
    pub(crate) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Application(error) => error.kind(),
            Self::Quote(error) => error.kind(),
            Self::Payload(error) => error.kind(),
            Self::MeasurementNotListed(_)
            | Self::ImageNotListed { .. }
            | Self::MrConfigIdForm(_)
            | Self::MrConfigIdOpen
            | Self::MrConfigIdUnbound
            | Self::RegisterUnknown { .. } => ErrorKind::PolicyViolation,
            Self::ReplayMismatch { .. } => ErrorKind::EventLogMismatch,
            Self::AcpiEvents { .. }
            | Self::DocumentUncommitted
            | Self::Image(_)
            | Self::KeyProviderUnknown
            | Self::LaunchMismatch { .. }
            | Self::MrConfigId(_) => ErrorKind::InconsistentEvidence,
            Self::TooManyBootEvents { .. } => ErrorKind::LimitExceeded,
            Self::EventType(_) | Self::MediaType { .. } | Self::NotTdx(_) => ErrorKind::UnsupportedEvidence,
            Self::BootLog(_)
            | Self::BootRegister(_)
            | Self::Launch(_)
            | Self::Length { .. }
            | Self::NotOnlyAcpi
            | Self::TdxMeasurement(_)
            | Self::VmConfig(_) => ErrorKind::MalformedEvidence,
        }
    }
}
