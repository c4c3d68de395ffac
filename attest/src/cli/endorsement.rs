//! `attest endorsement`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Endorsement {
    /// Show what a launch endorsement of Google's says, without verifying any of it.
    Show(EndorsementShow),
    /// Verify a launch endorsement under Google's root, for one launch.
    Verify(EndorsementVerify),
}

#[derive(Debug, Args)]
pub(crate) struct EndorsementShow {
    /// The endorsement: VMLaunchEndorsement, as Google publishes it; `-` is standard input.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct EndorsementVerify {
    /// The endorsement: VMLaunchEndorsement, as Google publishes it; `-` is standard input.
    pub(crate) file: PathBuf,
    /// How the VM was launched.
    #[arg(long, value_name = "TEE", value_enum)]
    pub(crate) tee: EndorsedLaunch,
    /// The launch measurement that must be endorsed, MEASUREMENT or MRTD: 96 hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) measurement: String,
    /// A certificate of Google's root, PEM or DER, where the endorsement brings none; once for each. Only the one that is pinned is a
    /// root.
    #[arg(long, value_name = "FILE")]
    pub(crate) root: Vec<PathBuf>,
    /// The time at which everything must be valid, such as 2026-06-18T01:05:04Z; now, if absent.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
}

/// The ways of launching for which Google endorses firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndorsedLaunch {
    /// On SEV-SNP, with the guest's firmware at VMPL 0.
    Snp,
    /// On SEV-SNP, with an SVSM at VMPL 0.
    SnpSvsm,
    /// On TDX.
    Tdx,
}
