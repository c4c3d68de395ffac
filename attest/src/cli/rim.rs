//! `attest rim`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Rim {
    /// Show what a manifest says, without verifying any of it.
    Show(RimShow),
    /// Verify a manifest under NVIDIA's root.
    Verify(RimVerify),
}

#[derive(Debug, Args)]
pub(crate) struct RimShow {
    /// The manifest: XML as NVIDIA signs it, or the JSON answer of NVIDIA's service with one in it; `-` is standard input.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RimVerify {
    /// The manifest: XML as NVIDIA signs it, or the JSON answer of NVIDIA's service with one in it; `-` is standard input.
    pub(crate) file: PathBuf,
    /// The time at which everything must be valid, such as 2026-06-18T01:05:04Z; now, if absent.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
    /// Another time at which the signer may have been valid: signers live for two years, drivers for longer.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) pinned_time: Option<String>,
    /// Take a manifest whose signer is no longer valid.
    #[arg(long, conflicts_with = "pinned_time")]
    pub(crate) danger_ignore_expiry: bool,
}
