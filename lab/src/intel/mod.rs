//! The simulated Intel: key hierarchy, PCK certificates, CRLs, TCB info and QE identity, TDX quotes,
//! launches, and a whole TDX guest made of them.
//!
//! Specifications: "Intel SGX PCK Certificate and Certificate Revocation List Profile Specification"
//! (revision 1.5) for certificates and CRLs; "Intel TDX DCAP: Quote Generation Library and Quote Verification
//! Library", with `sgx_quote_4.h` and `sgx_quote_5.h` of Intel's DCAP, for quotes; the API documentation of
//! Intel's Provisioning Certification Service, version 4, for TCB info and QE identity. Where they leave an
//! encoding open, the lab follows what Intel issues.

pub mod body;
pub mod collateral;
pub mod crl;
pub mod guest;
pub mod hierarchy;
pub mod launch;
pub mod pck;
pub mod quote;
pub mod tcb;

pub use body::{BodyType, TdBody};
pub use collateral::{Collateral, CollateralSpec, SignedDocument};
pub use crl::{pck_crl_spec, root_crl_spec};
pub use guest::TdGuest;
pub use hierarchy::Hierarchy;
pub use launch::{ConfigId, Launch};
pub use pck::{Configuration, Pck, PckSpec};
pub use quote::{QeReport, QuoteSpec};
pub use tcb::{QeIdentity, TcbInfo, TcbLevel};

/// The authorities that issue PCK certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PckCa {
    /// For platforms that can have several packages, and are registered with Intel.
    Platform,
    /// For platforms of one package.
    Processor,
}

impl PckCa {
    /// Both authorities.
    pub const ALL: [Self; 2] = [Self::Platform, Self::Processor];

    /// The common name in the authority's certificate.
    #[must_use]
    pub fn common_name(self) -> &'static str {
        match self {
            Self::Platform => "Intel SGX PCK Platform CA",
            Self::Processor => "Intel SGX PCK Processor CA",
        }
    }

    /// The value of `ca` in the URLs of the Provisioning Certification Service.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Processor => "processor",
        }
    }
}

/// Bytes written over forged ones: (offset, bytes).
pub type Patches = Vec<(usize, Vec<u8>)>;
