//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use evidence_snp::launch::{VcpuType, Vmm};

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
    /// Compute what a launch measures.
    #[command(subcommand)]
    Measure(Measure),
    /// Show a verification from beginning to end on simulated evidence: no hardware, no files.
    #[cfg(feature = "demo")]
    Demo,
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
    /// A directory of the vendor's certificates and revocation lists (DER or PEM), used offline; once for each.
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

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// From a bare SEV-SNP report and its certificates.
    Snp(ImportSnp),
    /// From dstack's attestation: V0, V1 (binary or hex), or the verifier's JSON request.
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

#[derive(Debug, Subcommand)]
pub(crate) enum Measure {
    /// The SEV-SNP launch digest.
    Snp(MeasureSnp),
}

#[derive(Debug, Args)]
pub(crate) struct MeasureSnp {
    /// The firmware image.
    #[arg(long, value_name = "FILE", required_unless_present = "firmware")]
    pub(crate) ovmf: Option<PathBuf>,
    /// The firmware's digest and metadata, as --firmware-only prints them.
    #[arg(long, value_name = "FILE", conflicts_with = "ovmf")]
    pub(crate) firmware: Option<PathBuf>,
    /// The kernel, if it is booted directly.
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: Option<PathBuf>,
    /// The initrd of that kernel.
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub(crate) initrd: Option<PathBuf>,
    /// The command line of that kernel, exactly as the VMM passes it.
    #[arg(long, value_name = "STR", requires = "kernel", allow_hyphen_values = true)]
    pub(crate) append: Option<String>,
    /// Number of vCPUs.
    #[arg(long, value_name = "N", required_unless_present = "firmware_only")]
    pub(crate) vcpus: Option<u32>,
    /// QEMU's name of the vCPU model, such as EPYC-v4.
    #[arg(long, value_name = "T", required_unless_present = "firmware_only")]
    pub(crate) vcpu_type: Option<VcpuType>,
    /// SEV_FEATURES of the guest, hex.
    #[arg(long, value_name = "HEX", default_value = "0x1", value_parser = hex_number)]
    pub(crate) guest_features: u64,
    /// The virtual machine monitor: qemu, ec2 or gce.
    #[arg(long, value_name = "VMM", default_value = "qemu")]
    pub(crate) vmm: Vmm,
    /// Print the firmware's digest and metadata, for --firmware.
    #[arg(
        long,
        conflicts_with_all = ["firmware", "kernel", "initrd", "append", "vcpus", "vcpu_type"],
        requires = "ovmf"
    )]
    pub(crate) firmware_only: bool,
}

/// Up to 16 hex digits, with or without `0x`.
fn hex_number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let number = u64::from_str_radix(digits, 16).ok();
    number
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(|| "expected 1 to 16 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn hex_numbers_are_strict() {
        assert_eq!(hex_number("0x21"), Ok(0x21));
        assert_eq!(hex_number("ffffffffffffffff"), Ok(u64::MAX));
        for wrong in ["", "0x", "+1", "-1", "1_0", "10000000000000000", "g", "0x0x1"] {
            assert!(hex_number(wrong).is_err(), "{wrong}");
        }
    }
}
