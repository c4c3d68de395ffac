//! `attest measure`: what a launch measures.

mod snp;
mod tdx;

pub(crate) use snp::run as snp;
pub(crate) use tdx::run as tdx;
