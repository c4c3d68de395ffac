//! The simulated AMD: key hierarchy, VCEK and VLEK certificates, CRLs, attestation reports, host certificate tables,
//! firmware images, and a whole bare-metal guest made of them.
//!
//! Specifications: "SEV Secure Nested Paging Firmware ABI" (publication 56860, revision 1.58) for reports and tables,
//! "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification" (publication 57230) for
//! certificates and CRLs. Where they leave an encoding open, the lab follows the certificates that AMD issues.

pub mod cert_table;
pub mod crl;
pub mod firmware;
pub mod guest;
pub mod guid;
pub mod hierarchy;
pub mod report;
pub mod tcb;
pub mod vek;

pub use cert_table::{CertTable, TableDefect};
pub use crl::crl_spec;
pub use firmware::{FirmwareDefect, FirmwareSpec, Section};
pub use guest::Guest;
pub use guid::{guid, guid_in_text_order};
pub use hierarchy::Hierarchy;
pub use report::{Cpuid, FirmwareVersion, ReportSpec};
pub use tcb::Tcb;
pub use vek::{Vek, VekKind, VekSpec};

/// An AMD EPYC product line: each has its own ARK. Bergamo and Siena are of the line `Genoa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// EPYC 7003, CPUID family 19h models 00h to 0Fh.
    Milan,
    /// EPYC 9004 and 8004, CPUID family 19h models 10h to 1Fh and A0h to AFh.
    Genoa,
    /// EPYC 9005, CPUID family 1Ah models 00h to 11h.
    Turin,
}

impl Product {
    /// Every product line.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// The name in common names and in the URLs of the Key Distribution Service.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }
}
