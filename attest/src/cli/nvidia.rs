//! `attest import nvidia`.

use std::path::PathBuf;

use backend_nvidia::{CcState, Environment, MultiGpu};
use clap::{ArgGroup, Args, ValueEnum};

use super::Target;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("devices").required(true).args(["report", "devices_json"]))]
pub(crate) struct ImportNvidia {
    /// A device's report: SPDM request and response; once for each device.
    #[arg(long, value_name = "FILE", requires = "cert_chain")]
    pub(crate) report: Vec<PathBuf>,
    /// A device's certificates, PEM, leaf first; once for each device, in the order of the reports.
    #[arg(long, value_name = "FILE", requires = "report", conflicts_with = "devices_json")]
    pub(crate) cert_chain: Vec<PathBuf>,
    /// What NVIDIA's tools or the attester of Confidential Containers write, JSON, in the place of reports and certificates; once for
    /// each file, such as of GPUs and of switches; `-` is standard input.
    #[arg(long = "devices", value_name = "FILE")]
    pub(crate) devices_json: Vec<PathBuf>,
    /// The nonce that the devices must have signed: 64 hex digits; once for all devices, or once for each, in the order of the files.
    #[arg(long, value_name = "HEX")]
    pub(crate) nonce: Vec<String>,
    /// The evidence of the CPU: an envelope, CBOR or JSON. The devices are written behind those that it has.
    #[arg(long, value_name = "FILE")]
    pub(crate) beside: PathBuf,
    /// What ties the devices to the CPU.
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t = NvidiaProfile::Raw)]
    pub(crate) profile: NvidiaProfile,
    /// What the guest's driver said of confidential computing: unavailable, simulation or production; on or off; then, where they
    /// hold, devtools, and protected-pcie or nvlink-encryption. Such as production,on. If absent, the evidence does not say.
    #[arg(long, value_name = "STATE", value_parser = cc_state)]
    pub(crate) cc_state: Option<CcState>,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What ties devices to the CPU beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NvidiaProfile {
    /// On demand: they signed a nonce of the challenge, and the CPU committed to this evidence.
    V1,
    /// At boot: they signed a nonce of the guest's, and the guest measured this evidence.
    Boot,
    /// Your word: the policy's section [backend.nvidia.raw] says what the devices signed.
    Raw,
}

/// Environment and feature, then what else holds.
fn cc_state(text: &str) -> Result<CcState, String> {
    let mut words = text.split(',');
    let environment = match words.next() {
        Some("unavailable") => Environment::Unavailable,
        Some("simulation") => Environment::Simulation,
        Some("production") => Environment::Production,
        _ => return Err("expected unavailable, simulation or production first".to_owned()),
    };
    let feature = match words.next() {
        Some("on") => true,
        Some("off") => false,
        _ => return Err("expected on or off behind the environment, such as production,on".to_owned()),
    };
    let mut state = CcState { environment, feature, devtools: false, multi_gpu: MultiGpu::None };
    for word in words {
        match word {
            "devtools" if !state.devtools => state.devtools = true,
            "protected-pcie" if state.multi_gpu == MultiGpu::None => {
                state.multi_gpu = MultiGpu::ProtectedPcie
            }
            "nvlink-encryption" if state.multi_gpu == MultiGpu::None => {
                state.multi_gpu = MultiGpu::NvlinkEncryption;
            }
            _ => {
                return Err("expected devtools, and one of protected-pcie and nvlink-encryption, each once"
                    .to_owned());
            }
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_strict() {
        let on = CcState {
            environment: Environment::Production,
            feature: true,
            devtools: false,
            multi_gpu: MultiGpu::None,
        };
        assert_eq!(cc_state("production,on"), Ok(on));
        assert_eq!(cc_state("production,on,devtools"), Ok(CcState { devtools: true, ..on }));
        let pcie = CcState { feature: false, multi_gpu: MultiGpu::ProtectedPcie, ..on };
        assert_eq!(cc_state("production,off,protected-pcie"), Ok(pcie));
        let all = CcState { devtools: true, multi_gpu: MultiGpu::NvlinkEncryption, ..on };
        assert_eq!(cc_state("production,on,nvlink-encryption,devtools"), Ok(all));
        for wrong in [
            "",
            "on",
            "production",
            "on,production",
            "production,on,",
            "Production,on",
            "production, on",
            "production,on,devtools,devtools",
            "production,on,protected-pcie,nvlink-encryption",
        ] {
            assert!(cc_state(wrong).is_err(), "{wrong}");
        }
    }
}
