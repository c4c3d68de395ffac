//! `attest detect`, `attest collect`, `attest extend`: what runs in a guest.

use std::path::PathBuf;

use clap::Args;

/// Which backend works.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// Where the guest's file system begins.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) guest_root: PathBuf,
    /// How the guest's TPM is reached, in libtss2's words, if it is not its own device: such as
    /// `swtpm:host=127.0.0.1,port=2321`.
    #[arg(long, value_name = "TCTI")]
    pub(crate) tcti: Option<String>,
    /// Where a metadata service answers, if it is not at its own address: such as `azure=http://127.0.0.1:8080`; once for each.
    #[arg(long, value_name = "NAME=URL")]
    pub(crate) metadata: Vec<String>,
    /// A backend that may be taken although it is not certain, or its platform has no register; once for
    /// each, or separated by commas.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) allow: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    #[command(flatten)]
    pub(crate) choice: Choice,
}

#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// The 64 bytes that the evidence shall commit to: 128 hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) challenge: String,
    /// Where the envelope goes; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Write the envelope in JSON instead of CBOR.
    #[arg(long)]
    pub(crate) json_envelope: bool,
    /// How long the device may take.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) timeout: humantime::Duration,
    /// The backend, whatever is detected.
    #[arg(long, value_name = "ID", conflicts_with = "allow")]
    pub(crate) backend: Option<String>,
    #[command(flatten)]
    pub(crate) choice: Choice,
}

#[derive(Debug, Args)]
pub(crate) struct ExtendArgs {
    /// The event's name: 1 to 64 of a-z, 0-9 and hyphen.
    pub(crate) name: String,
    /// The event's data, hex; none, if absent.
    #[arg(long, value_name = "HEX", default_value = "")]
    pub(crate) payload: String,
    /// The backend, whatever is detected.
    #[arg(long, value_name = "ID", conflicts_with = "allow")]
    pub(crate) backend: Option<String>,
    #[command(flatten)]
    pub(crate) choice: Choice,
}
