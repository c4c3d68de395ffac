//! `attest import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// From a bare SEV-SNP report and its certificates.
    Snp(ImportSnp),
    /// From a TDX quote and the logs of its guest.
    Tdx(ImportTdx),
    /// From dstack's attestation of either platform: V0, V1 (binary or hex), the verifier's JSON request, or
    /// the guest's answer with a quote.
    Dstack(ImportDstack),
}

#[derive(Debug, Args)]
pub(crate) struct ImportSnp {
    /// The attestation report: 1184 bytes.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: PathBuf,
    /// Certificates, PEM or DER: VCEK, ASK, ARK; once for each.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Vec<PathBuf>,
    /// The host's certificate table, as an extended report carries it.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert_table: Option<PathBuf>,
    /// The document whose hash HOST_DATA is, byte for byte.
    #[arg(long, value_name = "FILE")]
    pub(crate) mr_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct ImportTdx {
    /// The quote; zeros after it are cut.
    #[arg(long, value_name = "FILE")]
    pub(crate) quote: PathBuf,
    /// What was extended: a CCEL log, or dstack's event log in JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) event_log: Option<PathBuf>,
    /// The document to which MRCONFIGID commits, byte for byte.
    #[arg(long, value_name = "FILE")]
    pub(crate) mr_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct ImportDstack {
    /// The attestation; `-` is standard input.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Where the envelope goes; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Write the envelope in JSON instead of CBOR.
    #[arg(long)]
    pub(crate) json_envelope: bool,
}
