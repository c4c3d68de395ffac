//! The ATTESTATION_REPORT structure.

use std::fmt;

use serde::Serialize;

use crate::{CpuId, Error, GuestPolicy, PlatformInfo, SignerInfo};

/// Bytes of a report (56860 rev. 1.58, ATTESTATION_REPORT).
pub const REPORT_LEN: usize = 0x4A0;

/// The signature covers bytes 0 to 0x29F.
pub const SIGNED_LEN: usize = 0x2A0;

/// Bytes of each of R and S in the signature field: little-endian, zero-extended from 48 (56860 rev. 1.58, ECDSA P-384 signature).
const SIGNATURE_COMPONENT_LEN: usize = 72;

/// Bytes of a P-384 scalar.
const SCALAR_LEN: usize = 48;

/// An SNP firmware version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FirmwareVersion {
    /// API_MAJOR.
    pub major: u8,
    /// API_MINOR.
    pub minor: u8,
    /// Build.
    pub build: u8,
}

impl fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)
    }
}

/// An attestation report as received: nothing in it is verified (56860 rev. 1.58, ATTESTATION_REPORT).
///
/// Integers are little-endian. Versions 2 to 5 share one layout in which later versions give meaning to bytes that were
/// reserved; the version itself is judged by [`crate::VerifyReport::verify`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    raw: [u8; REPORT_LEN],
    /// 0x000: version of the structure.
    pub version: u32,
    /// 0x004: the guest's security version number, from its ID block.
    pub guest_svn: u32,
    /// 0x008: what the guest agreed to at launch.
    pub policy: GuestPolicy,
    /// 0x010: family id, from the ID block.
    pub family_id: [u8; 16],
    /// 0x020: image id, from the ID block.
    pub image_id: [u8; 16],
    /// 0x030: virtual machine privilege level of the requester.
    pub vmpl: u32,
    /// 0x034: 1 is ECDSA P-384 with SHA-384.
    pub signature_algorithm: u32,
    /// 0x038: TCB_VERSION that runs now.
    pub current_tcb: [u8; 8],
    /// 0x040: platform configuration.
    pub platform_info: PlatformInfo,
    /// 0x048: who signed.
    pub signer_info: SignerInfo,
    /// 0x050: 64 bytes from the guest.
    pub report_data: [u8; 64],
    /// 0x090: launch measurement, SHA-384.
    pub measurement: [u8; 48],
    /// 0x0C0: 32 bytes from the hypervisor at launch.
    pub host_data: [u8; 32],
    /// 0x0E0: SHA-384 of the key that signed the ID block.
    pub id_key_digest: [u8; 48],
    /// 0x110: SHA-384 of the key that certified the ID key.
    pub author_key_digest: [u8; 48],
    /// 0x140: report id of this guest.
    pub report_id: [u8; 32],
    /// 0x160: report id of its migration agent.
    pub report_id_ma: [u8; 32],
    /// 0x180: TCB_VERSION from which the signing key was derived.
    pub reported_tcb: [u8; 8],
    /// 0x188: the processor; version 3 and later.
    pub cpuid: Option<CpuId>,
    /// 0x1A0: unique id of the chip, zero if masked.
    pub chip_id: [u8; 64],
    /// 0x1E0: TCB_VERSION below which the firmware cannot be rolled back.
    pub committed_tcb: [u8; 8],
    /// 0x1E8: firmware version that runs now.
    pub current_version: FirmwareVersion,
    /// 0x1EC: firmware version that is committed.
    pub committed_version: FirmwareVersion,
    /// 0x1F0: TCB_VERSION when the guest was launched.
    pub launch_tcb: [u8; 8],
    /// 0x1F8: mitigations when the guest was launched; version 5 and later.
    pub launch_mitigations: Option<u64>,
    /// 0x200: mitigations now; version 5 and later.
    pub current_mitigations: Option<u64>,
    /// Whether a signed field that this version reserves is not zero: firmware newer than this crate.
    pub reserved_set: bool,
    /// Whether bytes that no signature covers are not zero: the padding of R and S, and what follows the signature.
    pub unsigned_set: bool,
    signature: [u8; 2 * SCALAR_LEN],
}

impl Report {
    /// Reads exactly [`REPORT_LEN`] bytes.
    ///
    /// # Errors
    ///
    /// [`Error::ReportLength`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let raw: [u8; REPORT_LEN] =
            bytes.try_into().map_err(|_| Error::ReportLength { found: bytes.len() })?;
        Self::read(raw).ok_or(Error::ReportLength { found: bytes.len() })
    }

    /// Reads the fields in their order; `None` cannot happen for an array of this length.
    fn read(raw: [u8; REPORT_LEN]) -> Option<Self> {
        let fields = &mut Fields { rest: &raw, reserved_set: false };
        let version = fields.u32()?;
        let guest_svn = fields.u32()?;
        let policy = GuestPolicy(fields.u64()?);
        let family_id = fields.bytes()?;
        let image_id = fields.bytes()?;
        let vmpl = fields.u32()?;
        let signature_algorithm = fields.u32()?;
        let current_tcb = fields.bytes()?;
        let platform_info = PlatformInfo(fields.u64()?);
        let signer_info = SignerInfo(fields.u32()?);
        fields.reserved::<4>()?;
        let report_data = fields.bytes()?;
        let measurement = fields.bytes()?;
        let host_data = fields.bytes()?;
        let id_key_digest = fields.bytes()?;
        let author_key_digest = fields.bytes()?;
        let report_id = fields.bytes()?;
        let report_id_ma = fields.bytes()?;
        let reported_tcb = fields.bytes()?;
        let cpuid = if version >= 3 {
            let [family, model, stepping] = fields.bytes()?;
            Some(CpuId { family, model, stepping })
        } else {
            fields.reserved::<3>()?;
            None
        };
        fields.reserved::<21>()?;
        let chip_id = fields.bytes()?;
        let committed_tcb = fields.bytes()?;
        let current_version = fields.firmware_version()?;
        let committed_version = fields.firmware_version()?;
        let launch_tcb = fields.bytes()?;
        let (launch_mitigations, current_mitigations) = if version >= 5 {
            (Some(fields.u64()?), Some(fields.u64()?))
        } else {
            fields.reserved::<16>()?;
            (None, None)
        };
        fields.reserved::<152>()?;
        let reserved_set = fields.reserved_set;

        // 0x2A0: the signature, which covers everything above.
        fields.reserved_set = false;
        let mut signature = [0; 2 * SCALAR_LEN];
        for component in signature.chunks_exact_mut(SCALAR_LEN) {
            let mut scalar: [u8; SCALAR_LEN] = fields.bytes()?;
            scalar.reverse();
            component.copy_from_slice(&scalar);
            fields.reserved::<{ SIGNATURE_COMPONENT_LEN - SCALAR_LEN }>()?;
        }
        fields.reserved::<{ REPORT_LEN - SIGNED_LEN - 2 * SIGNATURE_COMPONENT_LEN }>()?;
        let unsigned_set = fields.reserved_set;

        Some(Self {
            raw,
            version,
            guest_svn,
            policy,
            family_id,
            image_id,
            vmpl,
            signature_algorithm,
            current_tcb,
            platform_info,
            signer_info,
            report_data,
            measurement,
            host_data,
            id_key_digest,
            author_key_digest,
            report_id,
            report_id_ma,
            reported_tcb,
            cpuid,
            chip_id,
            committed_tcb,
            current_version,
            committed_version,
            launch_tcb,
            launch_mitigations,
            current_mitigations,
            reserved_set,
            unsigned_set,
            signature,
        })
    }

    /// The bytes that were received.
    pub const fn raw(&self) -> &[u8; REPORT_LEN] {
        &self.raw
    }

    /// The bytes that the signature covers.
    pub fn signed_bytes(&self) -> &[u8] {
        self.raw.first_chunk::<SIGNED_LEN>().map_or(&[], |signed| signed.as_slice())
    }

    /// R and S, 48 bytes each, big-endian: the fixed form of an ECDSA P-384 signature.
    pub const fn signature(&self) -> &[u8; 2 * SCALAR_LEN] {
        &self.signature
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Report(version {}, vmpl {}, policy {:#x})", self.version, self.vmpl, self.policy.0)
    }
}

/// Takes field after field off the front.
struct Fields<'a> {
    rest: &'a [u8],
    reserved_set: bool,
}

impl Fields<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// Build, minor, major and a reserved byte.
    fn firmware_version(&mut self) -> Option<FirmwareVersion> {
        let [build, minor, major] = self.bytes()?;
        self.reserved::<1>()?;
        Some(FirmwareVersion { major, minor, build })
    }

    fn reserved<const N: usize>(&mut self) -> Option<()> {
        let bytes: [u8; N] = self.bytes()?;
        self.reserved_set |= bytes != [0; N];
        Some(())
    }
}
