//! What went wrong, and whose fault it is.

use serde::Serialize;

/// What went wrong, coarsely: enough to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Two linked backends claim one media type.
    AmbiguousMediaType,
    /// A signature does not verify.
    BadSignature,
    /// The Evidence commits to another challenge.
    ChallengeMismatch,
    /// A device or service of the guest does not answer.
    DeviceUnavailable,
    /// Two registrations of one backend id.
    DuplicateBackend,
    /// An event log does not replay to its register.
    EventLogMismatch,
    /// A certificate is no longer valid.
    Expired,
    /// The Attester is in a state that no policy accepts, such as one that can be debugged.
    ForbiddenState,
    /// Parts of the Evidence do not belong together.
    InconsistentEvidence,
    /// This library is at fault.
    Internal,
    /// A policy or an argument that cannot be meant.
    InvalidConfig,
    /// An Endorsement is malformed or wrongly signed.
    InvalidEndorsements,
    /// A size or a count is above its limit.
    LimitExceeded,
    /// The Evidence is not in its format.
    MalformedEvidence,
    /// An Endorsement that verification needs is not at hand.
    MissingEndorsements,
    /// The backend is linked, and the relying party does not accept it.
    NotAccepted,
    /// A certificate is not yet valid.
    NotYetValid,
    /// The policy says no.
    PolicyViolation,
    /// A certificate is revoked.
    Revoked,
    /// A source of Endorsements does not answer.
    SourceUnavailable,
    /// An Endorsement is there and out of date.
    StaleEndorsements,
    /// No linked backend knows this kind of Evidence, or this backend id.
    UnknownBackend,
    /// Something was begun and not seen to its end. The next call settles it, and repeating it would do it twice.
    Unsettled,
    /// The platform or this build cannot do that.
    Unsupported,
    /// Evidence of a version or form that is not known.
    UnsupportedEvidence,
    /// No path to a pinned root.
    UntrustedIssuer,
}

/// Whose fault an error is, in the roles of RFC 9334.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Who made the Evidence.
    Attester,
    /// Who wrote the calling program or its configuration.
    Caller,
    /// Who supplies Endorsements.
    Endorser,
    /// The network or a device.
    Environment,
    /// This library.
    Internal,
    /// The relying party's own policy.
    RelyingParty,
}

impl ErrorKind {
    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        match self {
            Self::BadSignature
            | Self::ChallengeMismatch
            | Self::EventLogMismatch
            | Self::Expired
            | Self::ForbiddenState
            | Self::InconsistentEvidence
            | Self::LimitExceeded
            | Self::MalformedEvidence
            | Self::NotYetValid
            | Self::Revoked
            | Self::UnsupportedEvidence
            | Self::UntrustedIssuer => Fault::Attester,
            Self::InvalidEndorsements | Self::MissingEndorsements | Self::StaleEndorsements => {
                Fault::Endorser
            }
            Self::NotAccepted | Self::PolicyViolation => Fault::RelyingParty,
            Self::AmbiguousMediaType
            | Self::DuplicateBackend
            | Self::InvalidConfig
            | Self::UnknownBackend
            | Self::Unsupported => Fault::Caller,
            Self::DeviceUnavailable | Self::SourceUnavailable | Self::Unsettled => Fault::Environment,
            Self::Internal => Fault::Internal,
        }
    }

    /// Whether the same call may succeed later, or once the missing Endorsement was fetched.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::DeviceUnavailable
                | Self::MissingEndorsements
                | Self::SourceUnavailable
                | Self::StaleEndorsements
        )
    }

    /// Whether it says no to Evidence, rather than that no verdict was reached for want of a proper call.
    pub const fn is_refusal(self) -> bool {
        matches!(self.fault(), Fault::Attester | Fault::Endorser | Fault::RelyingParty)
    }
}
