//! The payload: what a guest sends of its devices.

use std::fmt;

use backend_api::cbor;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::Error;

/// The largest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// The most devices of a payload: two machines' worth of GPUs and switches.
pub const MAX_DEVICES: usize = 32;

/// The most certificates of a device that are read; a device has five.
const MAX_CERTIFICATES: usize = 8;

/// The Evidence of all devices of one guest, as received: one CBOR map. Nothing in it is verified.
///
/// Only the encoding that [`NvidiaEvidence::encode`] writes is read: definite lengths, shortest forms, keys in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NvidiaEvidence {
    /// The nonce that the guest chose, 32 bytes: in the profile `boot` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<ByteArray<32>>,
    /// What the guest's driver says of confidential computing. The guest's word: no device signs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cc_state: Option<CcState>,
    /// The devices: 1 to [`MAX_DEVICES`].
    #[serde(deserialize_with = "cbor::at_most::<MAX_DEVICES, _, _>")]
    pub devices: Vec<DeviceEvidence>,
}

/// One GPU or NVSwitch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceEvidence {
    /// SPDM request and response: at most [`evidence_nvidia::MAX_REPORT`] bytes.
    pub report: ByteBuf,
    /// The device's certificates, DER: five, leaf first.
    #[serde(deserialize_with = "cbor::at_most::<MAX_CERTIFICATES, _, _>")]
    pub certificates: Vec<ByteBuf>,
}

/// What NVML says of the system (`nvmlSystemGetConfComputeState` and `nvmlSystemGetConfComputeSettings`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CcState {
    /// The environment.
    pub environment: Environment,
    /// Whether confidential computing is on.
    pub feature: bool,
    /// Whether the mode for development is on, in which a host can look into the GPU.
    pub devtools: bool,
    /// How several GPUs are used.
    pub multi_gpu: MultiGpu,
}

/// NVML's environment of confidential computing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// 0.
    Unavailable,
    /// 1.
    Simulation,
    /// 2.
    Production,
}

/// NVML's mode of several GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MultiGpu {
    /// 0: each on its own.
    None,
    /// 1: protected PCIe. The GPUs of the machine and its switches belong to one guest, and NVML says that the feature is off.
    ProtectedPcie,
    /// 2: encrypted NVLink.
    NvlinkEncryption,
}

impl fmt::Display for CcState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, feature, devtools, multi_gpu } = self;
        let on = |is_on: &bool| if *is_on { "on" } else { "off" };
        let (feature, devtools) = (on(feature), on(devtools));
        write!(
            f,
            "feature {feature}, devtools {devtools}, environment {environment:?}, multi-gpu {multi_gpu:?}"
        )
    }
}

impl NvidiaEvidence {
    /// Writes the payload.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Payload`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(cbor::decode(bytes, MAX_PAYLOAD)?)
    }
}
