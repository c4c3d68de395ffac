//! What Google says of firmware: VMGoldenMeasurement.

use std::collections::BTreeMap;

use evidence_x509::Certificate;
use prost::Message;

use super::{
    Launch,
    message::{ProtoTimestamp, VmGoldenMeasurement, VmSevSnp, VmTdx},
};
use crate::Error;

/// The largest endorsement that is read, in bytes. Google's have a few thousand: two certificates, a signature, and 50 bytes for each
/// size of a VM.
pub const MAX_ENDORSEMENT: usize = 64 * 1024;

/// Nanoseconds of a second.
const SECOND: i32 = 1_000_000_000;

/// A VMGoldenMeasurement: firmware, and what it measures to.
///
/// Fields that are not known are passed over, as readers of Protocol Buffers do: Google has added some (`svsm_measurement`), all of it
/// is signed, and none can take a measurement off a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Golden {
    /// When the endorsement was made.
    pub timestamp: Option<Timestamp>,
    /// The changelist of Google's sources that the firmware was built from; 0 if it is not said.
    pub cl_spec: u64,
    /// The commit that it was built from; empty if it is not said.
    pub commit: Vec<u8>,
    /// SHA-384 of the firmware, 48 bytes.
    pub digest: [u8; 48],
    /// On SEV-SNP.
    pub snp: Option<GoldenSnp>,
    /// On TDX.
    pub tdx: Option<GoldenTdx>,
    pub(super) cert: Vec<u8>,
    ca_bundle: Vec<u8>,
}

/// A moment after 1970 (google.protobuf.Timestamp).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: u64,
    /// And nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// VMSevSnp: the firmware on SEV-SNP.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GoldenSnp {
    /// Google's security version number of the firmware. It stands in no report.
    pub svn: u32,
    /// MEASUREMENT, 48 bytes, by the count of vCPUs at launch.
    pub measurements: BTreeMap<u32, [u8; 48]>,
    /// MEASUREMENT of a launch with an SVSM, 48 bytes.
    pub svsm_measurement: Option<[u8; 48]>,
    /// Google's id of its firmware, 16 bytes. It stands in no report: Google's VMs have no ID block.
    pub family_id: Option<[u8; 16]>,
    /// The id of this firmware, 16 bytes; likewise.
    pub image_id: Option<[u8; 16]>,
    /// A guest policy that verifiers should expect. Reports have stricter ones: 0x30000 where this is 0x70000, which lets there be a
    /// migration agent.
    pub policy: u64,
}

/// VMTdx: the firmware on TDX.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GoldenTdx {
    /// Google's security version number of the firmware. It stands in no quote.
    pub svn: u32,
    /// What it measures to, by the configuration of the VM.
    pub measurements: Vec<TdxMeasurement>,
}

/// MRTD of one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TdxMeasurement {
    /// Memory, in GiB.
    pub ram_gib: u32,
    /// Firmware accepts all memory, and leaves none for the guest to accept.
    pub early_accept: bool,
    /// MRTD: 48 bytes.
    pub mrtd: [u8; 48],
}

impl Golden {
    /// Reads the bytes that are signed. Who signed them is not known by that.
    ///
    /// # Errors
    ///
    /// [`Error::Endorsement`] for what is not in its format; [`Error::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_ENDORSEMENT {
            let what = "golden measurement";
            return Err(Error::TooLarge { what, found: bytes.len(), limit: MAX_ENDORSEMENT });
        }
        let read =
            VmGoldenMeasurement::decode(bytes).map_err(|error| Error::Endorsement(error.to_string()))?;
        Ok(Self {
            timestamp: read.timestamp.map(Timestamp::of).transpose()?,
            cl_spec: read.cl_spec,
            commit: read.commit,
            digest: exactly("digest", &read.digest)?,
            snp: read.sev_snp.map(GoldenSnp::of).transpose()?,
            tdx: read.tdx.map(GoldenTdx::of).transpose()?,
            cert: read.cert,
            ca_bundle: read.ca_bundle,
        })
    }

    /// The certificates that it brings beside the signer's. What cannot be read is passed over: they are candidates.
    pub(super) fn authorities(&self) -> Vec<Certificate> {
        Certificate::parse_der_or_pem(&self.ca_bundle).unwrap_or_default()
    }

    /// The security version number of the firmware, if `launch` is listed for its own way of launching and no other.
    pub(super) fn svn_of(&self, launch: &Launch) -> Result<u32, Error> {
        let not_listed = |what, found: &[u8; 48]| Error::NotEndorsed { what, found: hex::encode(found) };
        match launch {
            Launch::Snp { measurement, vcpus } => {
                let snp = self.snp.as_ref().ok_or(Error::NotForTechnology("SEV-SNP"))?;
                if snp.svsm_measurement.as_ref() == Some(measurement) {
                    return Err(Error::SvsmMeasurement);
                }
                let listed = match vcpus {
                    Some(vcpus) => snp.measurements.get(vcpus) == Some(measurement),
                    None => snp.is_plain(measurement),
                };
                if !listed {
                    return Err(match vcpus {
                        Some(vcpus) if snp.is_plain(measurement) => Error::VcpuCount(*vcpus),
                        _ => not_listed("MEASUREMENT", measurement),
                    });
                }
                Ok(snp.svn)
            }
            Launch::SnpSvsm { measurement } => {
                let snp = self.snp.as_ref().ok_or(Error::NotForTechnology("SEV-SNP"))?;
                if snp.is_plain(measurement) {
                    return Err(Error::PlainMeasurement);
                }
                if snp.svsm_measurement.as_ref() != Some(measurement) {
                    return Err(not_listed("MEASUREMENT with an SVSM", measurement));
                }
                Ok(snp.svn)
            }
            Launch::Tdx { mrtd } => {
                let tdx = self.tdx.as_ref().ok_or(Error::NotForTechnology("TDX"))?;
                if !tdx.measurements.iter().any(|listed| listed.mrtd == *mrtd) {
                    return Err(not_listed("MRTD", mrtd));
                }
                Ok(tdx.svn)
            }
        }
    }
}

impl Timestamp {
    fn of(read: ProtoTimestamp) -> Result<Self, Error> {
        let nanos = u32::try_from(read.nanos).ok().filter(|_| read.nanos < SECOND);
        let seconds = u64::try_from(read.seconds).ok();
        seconds
            .zip(nanos)
            .map(|(seconds, nanos)| Self { seconds, nanos })
            .ok_or_else(|| Error::Endorsement("the timestamp is no moment after 1970".to_owned()))
    }
}

impl GoldenSnp {
    fn of(read: VmSevSnp) -> Result<Self, Error> {
        let measurement = |(vcpus, bytes): (u32, Vec<u8>)| Ok((vcpus, exactly("measurement", &bytes)?));
        Ok(Self {
            svn: read.svn,
            measurements: read.measurements.into_iter().map(measurement).collect::<Result<_, Error>>()?,
            svsm_measurement: perhaps("svsm_measurement", &read.svsm_measurement)?,
            family_id: perhaps("family_id", &read.family_id)?,
            image_id: perhaps("image_id", &read.image_id)?,
            policy: read.policy,
        })
    }

    fn is_plain(&self, measurement: &[u8; 48]) -> bool {
        self.measurements.values().any(|listed| listed == measurement)
    }
}

impl GoldenTdx {
    fn of(read: VmTdx) -> Result<Self, Error> {
        let measurements = read.measurements.into_iter().map(|read| {
            let mrtd = exactly("mrtd", &read.mrtd)?;
            Ok(TdxMeasurement { ram_gib: read.ram_gib, early_accept: read.early_accept, mrtd })
        });
        Ok(Self { svn: read.svn, measurements: measurements.collect::<Result<_, Error>>()? })
    }
}

/// A field of `N` bytes.
fn exactly<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes
        .try_into()
        .map_err(|_| Error::Endorsement(format!("{field} has {} bytes, expected {N}", bytes.len())))
}

/// A field of `N` bytes, or none.
fn perhaps<const N: usize>(field: &str, bytes: &[u8]) -> Result<Option<[u8; N]>, Error> {
    if bytes.is_empty() { Ok(None) } else { exactly(field, bytes).map(Some) }
}
