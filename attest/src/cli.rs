//! What can be asked on the command line.

mod endorsement;
#[cfg(feature = "attester")]
mod guest;
mod import;
mod measure;
mod nvidia;
mod rim;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use endorsement::{EndorsedLaunch, Endorsement, EndorsementShow, EndorsementVerify};
#[cfg(feature = "attester")]
pub(crate) use guest::{Choice, CollectArgs, DetectArgs, ExtendArgs};
pub(crate) use import::{
    AwsProfile, AzureProfile, GcpProfile, GcpTee, Import, ImportAws, ImportAzure, ImportCoco, ImportDstack,
    ImportGcp, ImportSnp, ImportTdx, Target, VtpmQuote,
};
pub(crate) use measure::{Measure, MeasureSnp, MeasureTdx};
pub(crate) use nvidia::{ImportNvidia, NvidiaProfile};
pub(crate) use rim::{Rim, RimShow, RimVerify};

/// Verifies what confidential VMs say of themselves.
///
/// Exit codes: 0 accepted or done, 1 the evidence was refused, 2 usage or environment.
#[derive(Debug, Parser)]
#[command(name = "attest", version, propagate_version = true)]
pub(crate) struct Cli {
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the linked backends: roles, media types, checks.
    Backends,
    /// Verify evidence, bind the identity of what runs, and judge both by a policy.
    Verify(VerifyArgs),
    /// Show what evidence says, without verifying any of it.
    Inspect(InspectArgs),
    /// Put evidence that other tools collected into an envelope.
    #[command(subcommand)]
    Import(Import),
    /// Read and verify what Google says of its firmware.
    #[command(subcommand)]
    Endorsement(Endorsement),
    /// Read and verify NVIDIA's reference values: manifests of drivers and firmware.
    #[command(subcommand)]
    Rim(Rim),
    /// Compute what a launch measures.
    #[command(subcommand)]
    Measure(Measure),
    /// In a guest: which backend is this platform's, and why.
    #[cfg(feature = "attester")]
    Detect(DetectArgs),
    /// In a guest: collect evidence for a challenge.
    #[cfg(feature = "attester")]
    Collect(CollectArgs),
    /// In a guest: extend the platform's register with an event, and log it.
    #[cfg(feature = "attester")]
    Extend(ExtendArgs),
    /// Show a verification from beginning to end on simulated evidence: no hardware, no files.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The envelope, CBOR or JSON; `-` is standard input.
    pub(crate) file: PathBuf,
    /// A backend whose word is taken; once for each, or separated by commas.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) accept: Vec<String>,
    /// The 64 bytes that the evidence must commit to: 128 hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) challenge: String,
    /// The time at which everything must be valid, such as 2026-06-18T01:05:04Z; now, if absent.
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
    /// A directory of the vendor's certificates, revocation lists and documents, used offline; once for each.
    #[arg(long, value_name = "DIR")]
    pub(crate) endorsements: Vec<PathBuf>,
    /// An appraisal policy; policies/default.toml, if absent.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) policy: Option<PathBuf>,
    /// A launch measurement that is known to be good: 96 hex digits; once for each.
    #[arg(long, value_name = "HEX")]
    pub(crate) measurement: Vec<String>,
    /// A check that must have been performed; once for each.
    #[arg(long, value_name = "NAME")]
    pub(crate) require_check: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The envelope, CBOR or JSON; `-` is standard input.
    pub(crate) file: PathBuf,
}

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Whose evidence.
    #[arg(long, value_name = "ID", value_enum, default_value_t = DemoBackend::BaremetalSnp)]
    pub(crate) backend: DemoBackend,
}

/// The backends whose vendor the lab plays.
#[cfg(feature = "demo")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DemoBackend {
    /// A confidential VM of AWS's, on SEV-SNP.
    Aws,
    /// A confidential VM of Azure, on SEV-SNP.
    Azure,
    /// AMD SEV-SNP on bare metal.
    BaremetalSnp,
    /// A confidential VM of Google's, on TDX.
    Gcp,
    /// Intel TDX on bare metal.
    Tdx,
    /// The same with eight GPUs of NVIDIA's and the switches between them.
    #[value(name = "tdx+nvidia")]
    TdxNvidia,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
