//! The messages of `proto/endorsement.proto`, field by field.
//!
//! Fields that no verification needs are left out: `ca_bundle` of VMSevSnp (6) is of ID keys, which Google's VMs do not have.

use std::collections::BTreeMap;

use prost::Message;

use super::MAX_ENDORSEMENT;
use crate::Error;

/// VMLaunchEndorsement.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct VmLaunchEndorsement {
    /// The VMGoldenMeasurement that was signed.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) serialized_uefi_golden: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) signature: Vec<u8>,
}

/// VMGoldenMeasurement.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct VmGoldenMeasurement {
    #[prost(message, optional, tag = "1")]
    pub(super) timestamp: Option<ProtoTimestamp>,
    #[prost(uint64, tag = "2")]
    pub(super) cl_spec: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) commit: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) cert: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub(super) ca_bundle: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    pub(super) sev_snp: Option<VmSevSnp>,
    #[prost(message, optional, tag = "8")]
    pub(super) tdx: Option<VmTdx>,
}

/// google.protobuf.Timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct ProtoTimestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// VMSevSnp.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct VmSevSnp {
    #[prost(uint32, tag = "1")]
    pub(super) svn: u32,
    #[prost(btree_map = "uint32, bytes", tag = "2")]
    pub(super) measurements: BTreeMap<u32, Vec<u8>>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) family_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) image_id: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(super) policy: u64,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) svsm_measurement: Vec<u8>,
}

/// VMTdx.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct VmTdx {
    #[prost(uint32, tag = "1")]
    pub(super) svn: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) measurements: Vec<VmTdxMeasurement>,
}

/// VMTdx.Measurement.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct VmTdxMeasurement {
    #[prost(uint32, tag = "1")]
    pub(super) ram_gib: u32,
    #[prost(bool, tag = "2")]
    pub(super) early_accept: bool,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) mrtd: Vec<u8>,
}

/// Reads a VMLaunchEndorsement: exactly what was signed and the signature, each once and in this order, as nothing protects what
/// is around them.
pub(super) fn parse(bytes: &[u8]) -> Result<VmLaunchEndorsement, Error> {
    if bytes.len() > MAX_ENDORSEMENT {
        return Err(Error::TooLarge {
            what: "launch endorsement",
            found: bytes.len(),
            limit: MAX_ENDORSEMENT,
        });
    }
    let read = VmLaunchEndorsement::decode(bytes).map_err(|error| Error::Endorsement(error.to_string()))?;
    if read.encode_to_vec() != bytes {
        return Err(Error::Endorsement("it is not in its one encoding".to_owned()));
    }
    Ok(read)
}
