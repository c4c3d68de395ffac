//! `attest import`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::ImportNvidia;

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// From a bare SEV-SNP report and its certificates.
    Snp(ImportSnp),
    /// From a TDX quote and the logs of its guest.
    Tdx(ImportTdx),
    /// From what a confidential VM of Azure's hands out: the paravisor's report, and a quote of its vTPM.
    Azure(Box<ImportAzure>),
    /// From what a confidential VM of Google's hands out: its processor's report, and a quote of its vTPM.
    Gcp(Box<ImportGcp>),
    /// From what a confidential VM of AWS's hands out: its processor's report, and a document of its NitroTPM.
    Aws(ImportAws),
    /// From what GPUs and switches of NVIDIA's report: beside the evidence of their CPU, which is in an envelope already.
    Nvidia(ImportNvidia),
    /// From the JSON that the attesters of Confidential Containers write: Azure (SEV-SNP, TDX) and TDX.
    Coco(ImportCoco),
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

/// A quote of a vTPM, part by part.
#[derive(Debug, Args)]
pub(crate) struct VtpmQuote {
    /// The vTPM's quote: TPMS_ATTEST.
    #[arg(long, value_name = "FILE")]
    pub(crate) quote: PathBuf,
    /// The signature of the quote: TPMT_SIGNATURE, an ECDSA signature in DER, or the number of an RSASSA signature alone, 256 bytes.
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: PathBuf,
    /// The registers in the bank of SHA-256: an object of number and hex or a list of all 24 in JSON, of which those that were quoted
    /// are taken; or the quoted values one after the other, 32 bytes each.
    #[arg(long, value_name = "FILE")]
    pub(crate) pcrs: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ImportAzure {
    /// The report of the paravisor, as the vTPM's index 0x01400001 has it, zeros at its end included.
    #[arg(long, value_name = "FILE")]
    pub(crate) hcl_report: PathBuf,
    #[command(flatten)]
    pub(crate) vtpm: VtpmQuote,
    /// The certificate of the attestation key: as the vTPM's index 0x01c101d0 has it, DER or PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) ak_cert: Option<PathBuf>,
    /// Certificates of the processor's key, PEM or DER: VCEK, ASK, ARK; once for each.
    #[arg(long, value_name = "FILE")]
    pub(crate) vcek: Vec<PathBuf>,
    /// Other certificates, PEM or DER: of Azure's authorities; once for each.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Vec<PathBuf>,
    /// The quote of the TD report; zeros after it are cut. TDX alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) td_quote: Option<PathBuf>,
    /// The log of the boot: binary_bios_measurements.
    #[arg(long, value_name = "FILE")]
    pub(crate) event_log: Option<PathBuf>,
    /// How the challenge enters what is signed.
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t = AzureProfile::Coco)]
    pub(crate) profile: AzureProfile,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How the challenge enters what a vTPM of Azure's and the processor sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AzureProfile {
    /// As `attest collect` has it: in user-data, and hashed with the paravisor's report in extraData.
    V1,
    /// As the attesters of Confidential Containers have it: extraData alone.
    Coco,
    /// As other tools have it: the policy's section [backend.azure.raw] says what the fields must hold.
    Raw,
}

#[derive(Debug, Args)]
pub(crate) struct ImportGcp {
    /// The technology of the processor.
    #[arg(long, value_name = "TEE", value_enum)]
    pub(crate) tee: GcpTee,
    /// The attestation report (1184 bytes) or the TD quote. Zeros behind a TD quote are cut, but for the profile dstack.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: PathBuf,
    #[command(flatten)]
    pub(crate) vtpm: VtpmQuote,
    /// The certificate of the attestation key: as the vTPM's index 0x01c10002 (or 0x01c10000, RSA) has it, DER or PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) ak_cert: PathBuf,
    /// Other certificates, PEM or DER: VCEK, ASK, ARK, Google's authorities; once for each.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Vec<PathBuf>,
    /// Google's launch endorsement of the firmware: VMLaunchEndorsement.
    #[arg(long, value_name = "FILE")]
    pub(crate) endorsement: Option<PathBuf>,
    /// The log of the boot in the vTPM's registers: binary_bios_measurements.
    #[arg(long, value_name = "FILE")]
    pub(crate) boot_log: Option<PathBuf>,
    /// The log of the boot in the TD's registers: CCEL. TDX alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) cc_log: Option<PathBuf>,
    /// What the guest extended after its boot: dstack's runtime_events.log, an event in JSON on each line.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// How the challenge enters what is signed.
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t = GcpProfile::Raw)]
    pub(crate) profile: GcpProfile,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The technology of a confidential VM of Google's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GcpTee {
    /// AMD SEV-SNP.
    Snp,
    /// Intel TDX.
    Tdx,
}

/// How the challenge enters what a processor under a VM of Google's and the VM's vTPM sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GcpProfile {
    /// As other tools have it: the policy's section [backend.gcp.raw] says what the fields must hold.
    Raw,
    /// As dstack has it, on TDX: the challenge in REPORTDATA, the TD quote with the zeros behind it hashed in extraData.
    Dstack,
    /// As `attest collect` has it: with the attestation key in the report, hashed with the report in extraData.
    V1,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("halves").required(true).multiple(true).args(["report", "document"]))]
pub(crate) struct ImportAws {
    /// The attestation report: 1184 bytes.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// The attestation document of the NitroTPM: COSE_Sign1.
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
    /// Certificates, PEM or DER: of the VLEK, of authorities of AMD's; once for each.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Vec<PathBuf>,
    /// The host's certificate table, as an extended report carries it: the VLEK's certificate is in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert_table: Option<PathBuf>,
    /// The log of the boot: binary_bios_measurements.
    #[arg(long, value_name = "FILE")]
    pub(crate) boot_log: Option<PathBuf>,
    /// What the guest extended after its boot: dstack's runtime_events.log, an event in JSON on each line.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Which halves there are, and how the challenge enters them.
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t = AwsProfile::Raw)]
    pub(crate) profile: AwsProfile,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How the challenge enters what a processor under a VM of AWS's and the VM's NitroTPM sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AwsProfile {
    /// As `attest collect` has it: with the instance in the report, with the report in the document's nonce.
    V1,
    /// As dstack has it: a document alone, whose user_data is the challenge. No TEE vouches for it.
    NitrotpmOnly,
    /// As other tools have it: the policy's section [backend.aws.raw] says what the members must hold.
    Raw,
}

#[derive(Debug, Args)]
pub(crate) struct ImportCoco {
    /// The evidence, JSON; `-` is standard input.
    pub(crate) file: PathBuf,
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
