#![doc = include_str!("../README.md")]

mod anchors;
mod bits;
mod cert_table;
mod chain;
pub mod checks;
mod claims;
mod error;
pub mod inspect;
pub mod kds;
pub mod launch;
mod policy;
mod product;
mod profile;
mod report;
mod tcb;
mod vek;
mod verify;

pub use anchors::{AMD_PINS, amd_anchors, certificates};
pub use bits::{GuestPolicy, PlatformInfo, SignerInfo, SigningKey};
pub use cert_table::{CertificateKind, CertificateTable, CertificateTableError, read_certificates};
pub use chain::ChainCache;
pub use error::Error;
pub use evidence_x509::{Anchors, Pin, UnixTime};
pub use policy::{GuestPolicyBit, MinimumTcb, PlatformInfoBit, Policy, PolicyError};
pub use product::{CpuId, Product};
pub use profile::{AWS, AZURE, BARE_METAL, GCP, Profile};
pub use report::{FirmwareVersion, REPORT_LEN, Report, SIGNED_LEN};
pub use tcb::Tcb;
pub use vek::{VekCertificate, VekKind};
pub use verify::{VerifiedReport, VerifyReport};
