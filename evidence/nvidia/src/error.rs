//! Why a device was refused.

use evidence_ledger::ErrorKind;
use evidence_x509::{CertificateError, Moment, OcspError, PathError, RevocationListError};

use crate::Pdi;

/// Why a device was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The report is of another kind of device than the certificates.
    #[error("certificates are of a {certificates}, expected one of the kind that the report is of: {report}")]
    Architecture {
        /// The chip of the certificates.
        certificates: String,
        /// What the report says.
        report: String,
    },
    /// A certificate cannot be read.
    #[error(transparent)]
    Certificate(CertificateError),
    /// Not five.
    #[error("device has {0} certificates, expected five from the leaf to the root")]
    CertificateCount(usize),
    /// A key of another kind.
    #[error("key of the certificate {0} is no uncompressed point on P-384")]
    CertificateKey(String),
    /// The certificates are not the path.
    #[error("certificates are not the path from the leaf to the root, each once and in that order")]
    CertificateOrder,
    /// A chip that is not known.
    #[error("certificates are of the chip {0:?}, expected GH100, GB and digits, or LS_10")]
    ChipUnknown(String),
    /// The certificates name several chips.
    #[error("certificate {subject} is not of the chip {chip:?}, which the leaf names")]
    Chip {
        /// By the leaf.
        chip: String,
        /// Common name of the one that does not fit.
        subject: String,
    },
    /// A device that stands there twice.
    #[error("the device {0} stands there twice")]
    DeviceTwice(Pdi),
    /// The firmware that the certificate was made for is another than the reported one.
    #[error("firmware that the leaf was made for is not the one that the device reports")]
    Fwid,
    /// The leaf's extension cannot be read.
    #[error("leaf has no readable identity of the firmware: {0}")]
    FwidFormat(String),
    /// A leaf of firmware that is not for production.
    #[error("leaf says that its firmware is not secure, or for recovery or debugging (DICE flags {0})")]
    FwidFlags(String),
    /// The device reports no firmware.
    #[error(
        "device reports no identity of its firmware, expected one, or danger-accept-no-fwid in the policy"
    )]
    FwidMissing,
    /// A key that is not for what it does.
    #[error("certificate {subject} has another key usage than {expected}")]
    KeyUsage {
        /// Common name.
        subject: String,
        /// What its keyUsage must have.
        expected: &'static str,
    },
    /// Measurements that are none of the reference values.
    #[error("measurement {first} is none of its reference values ({count} of them are not)")]
    Measurements {
        /// NVIDIA's index of the first.
        first: u8,
        /// How many.
        count: usize,
    },
    /// GPUs in several modes, or of several architectures.
    #[error("GPUs are of {first} and of {other}, expected one architecture and one mode")]
    Modes {
        /// Of the first.
        first: String,
        /// Of another.
        other: String,
    },
    /// An architecture that the policy does not list.
    #[error("minimum-vbios lists no {0}, so that none is accepted")]
    NoFloor(&'static str),
    /// The nonce is another.
    #[error("nonce of the request is not what was expected")]
    Nonce,
    /// No measurement has reference values.
    #[error("expected reference values for one measurement at least, found none")]
    NothingCompared,
    /// The device does not say whether its decoder is enabled.
    #[error("NVDEC0_STATUS is {}, expected 0xAA or 0x55", .0.map_or_else(|| "not there".to_owned(), |byte| format!("{byte:#04X}")))]
    Nvdec0(Option<u8>),
    /// A status response.
    #[error(transparent)]
    Ocsp(OcspError),
    /// A field of the opaque data.
    #[error("opaque data: {what} is not {expected}")]
    Opaque {
        /// NVIDIA's name of it.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A field of another length.
    #[error("opaque data: {what} has {found} bytes, expected {expected}")]
    OpaqueLength {
        /// NVIDIA's name of it.
        what: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A field that is not there.
    #[error("opaque data: expected {0}, found none")]
    OpaqueMissing(&'static str),
    /// A type that stands there twice.
    #[error("opaque data: the type {0} stands there twice")]
    OpaqueTwice(u16),
    /// A version that is not known.
    #[error("opaque data are of the version {0}, expected 0 or 1")]
    OpaqueVersion(u16),
    /// The certificates lead to no pinned root.
    #[error(transparent)]
    Path(PathError),
    /// Not in the format.
    #[error("expected a report of SPDM 1.1, and in it {0}")]
    Report(&'static str),
    /// A revocation list.
    #[error(transparent)]
    RevocationList(RevocationListError),
    /// A revoked certificate.
    #[error("certificate {0} is revoked")]
    Revoked(String),
    /// Two manifests give values for one measurement.
    #[error("driver and video BIOS both have reference values for measurement {0}")]
    RimConflict(u8),
    /// A measurement that the device does not have.
    #[error("there are reference values for measurement {index}, and the device reports {count}")]
    RimIndex {
        /// NVIDIA's index.
        index: u8,
        /// How many it reports.
        count: usize,
    },
    /// No reference values.
    #[error("expected the reference values {0}, found none that verify for this device")]
    RimMissing(String),
    /// Reference values of something else.
    #[error("reference values are for {found}, expected {expected}")]
    RimOfOther {
        /// What the device signed.
        expected: String,
        /// What the manifest says.
        found: String,
    },
    /// The root is not pinned.
    #[error("root certificate {0} is not pinned")]
    RootNotPinned(String),
    /// A serial number that is too short to name a device.
    #[error("serial number of the device's certificate has {0} bytes, expected 8 or more")]
    Serial(usize),
    /// The report's signature.
    #[error("report does not verify under the leaf's key")]
    Signature,
    /// What says that a certificate is good is of another time.
    #[error("what says that the certificate {subject} is good is not current at {at}")]
    StatusStale {
        /// Common name.
        subject: String,
        /// The time asked about.
        at: Moment,
    },
    /// Nothing says that a certificate is good.
    #[error("nothing says that the certificate {0} is good, expected a status response or a revocation list")]
    StatusUnknown(String),
    /// Larger than the limit.
    #[error("{found} {what}, at most {limit} are read")]
    TooLarge {
        /// What, in which unit.
        what: &'static str,
        /// Found.
        found: usize,
        /// Allowed.
        limit: usize,
    },
    /// An older version than the minimum.
    #[error("{what} is of the version {found}, the policy's minimum is {minimum}")]
    TooOld {
        /// Driver or video BIOS.
        what: &'static str,
        /// By the device.
        found: String,
        /// By the policy.
        minimum: String,
    },
    /// GPUs and switches that are not one machine.
    #[error("{device} {problem}")]
    Topology {
        /// The GPU or switch.
        device: Pdi,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Architecture { .. }
            | Self::Chip { .. }
            | Self::DeviceTwice(_)
            | Self::Fwid
            | Self::Modes { .. }
            | Self::Topology { .. } => ErrorKind::InconsistentEvidence,
            Self::ChipUnknown(_) | Self::OpaqueVersion(_) | Self::CertificateKey(_) => {
                ErrorKind::UnsupportedEvidence
            }
            Self::Certificate(_)
            | Self::CertificateCount(_)
            | Self::FwidFormat(_)
            | Self::Nvdec0(_)
            | Self::Opaque { .. }
            | Self::OpaqueLength { .. }
            | Self::OpaqueMissing(_)
            | Self::OpaqueTwice(_)
            | Self::Report(_)
            | Self::Serial(_) => ErrorKind::MalformedEvidence,
            Self::Path(PathError::OutsideValidity { window, at, .. }) => {
                if at.0 < window.not_before {
                    ErrorKind::NotYetValid
                } else {
                    ErrorKind::Expired
                }
            }
            Self::CertificateOrder | Self::KeyUsage { .. } | Self::Path(_) | Self::RootNotPinned(_) => {
                ErrorKind::UntrustedIssuer
            }
            Self::FwidMissing | Self::Measurements { .. } | Self::NoFloor(_) | Self::TooOld { .. } => {
                ErrorKind::PolicyViolation
            }
            Self::FwidFlags(_) => ErrorKind::ForbiddenState,
            Self::Nonce => ErrorKind::ChallengeMismatch,
            Self::Ocsp(_) | Self::RevocationList(_) | Self::RimConflict(_) | Self::RimIndex { .. } => {
                ErrorKind::InvalidEndorsements
            }
            Self::Revoked(_) => ErrorKind::Revoked,
            Self::NothingCompared
            | Self::RimMissing(_)
            | Self::RimOfOther { .. }
            | Self::StatusUnknown(_) => ErrorKind::MissingEndorsements,
            Self::Signature => ErrorKind::BadSignature,
            Self::StatusStale { .. } => ErrorKind::StaleEndorsements,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
        }
    }
}
