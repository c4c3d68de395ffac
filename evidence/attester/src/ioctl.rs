//! The guest devices' ioctls. The kernel reads and writes memory of ours here; each call says which.

#![expect(unsafe_code, reason = "an ioctl is a protocol with a driver, which no type can express")]

use std::fs::File;

use rustix::io::Result;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// `struct tdx_report_req` (Linux, `include/uapi/linux/tdx-guest.h`).
#[repr(C)]
struct TdxReportRequest {
    reportdata: [u8; 64],
    tdreport: [u8; 1024],
}

/// `TDX_CMD_GET_REPORT0`.
const TDX_CMD_GET_REPORT0: Opcode = opcode::read_write::<TdxReportRequest>(b'T', 1);

/// The TDREPORT that commits to `reportdata`, from `/dev/tdx_guest`.
pub(crate) fn tdx_report(device: &File, reportdata: &[u8; 64]) -> Result<[u8; 1024]> {
    let mut request = TdxReportRequest { reportdata: *reportdata, tdreport: [0; 1024] };
    // SAFETY: the opcode carries the size of the structure, which is the one that the driver of this opcode
    // expects. The driver reads and writes within it and keeps no reference. All bytes are valid for both
    // fields.
    unsafe { ioctl(device, Updater::<TDX_CMD_GET_REPORT0, _>::new(&mut request))? };
    Ok(request.tdreport)
}

/// `struct tdx_extend_rtmr_req` (Intel's driver for kernels before 6.16, as `libtdx_attest` declares it).
#[repr(C)]
struct TdxExtendRtmrRequest {
    data: [u8; 48],
    index: u8,
}

/// `TDX_CMD_EXTEND_RTMR`. The driver reads the structure, although the opcode says otherwise.
const TDX_CMD_EXTEND_RTMR: Opcode = opcode::read::<TdxExtendRtmrRequest>(b'T', 3);

/// Extends RTMR `index` with `digest`, by `/dev/tdx_guest`. Linux itself has no such ioctl: ENOTTY.
pub(crate) fn tdx_extend_rtmr(device: &File, index: u8, digest: &[u8; 48]) -> Result<()> {
    let mut request = TdxExtendRtmrRequest { data: *digest, index };
    // SAFETY: the opcode carries the size of the structure, which is the one that the driver of this opcode
    // expects. A driver that took the opcode at its word would write within it; all bytes are valid for both
    // fields. None keeps a reference.
    unsafe { ioctl(device, Updater::<TDX_CMD_EXTEND_RTMR, _>::new(&mut request)) }
}

/// Bytes of the buffer for the host's certificates: what the driver takes at most (`SEV_FW_BLOB_MAX_SIZE`),
/// whole pages.
pub(crate) const CERTIFICATES_LEN: usize = 0x4000;

/// Bytes of `struct snp_report_resp` (Linux, `include/uapi/linux/sev-guest.h`).
pub(crate) const REPORT_RESPONSE_LEN: usize = 4000;

/// `struct snp_guest_request_ioctl`. The version is the first byte of `version`; the others are padding.
#[repr(C)]
struct SnpGuestRequest {
    version: [u8; 8],
    request: u64,
    response: u64,
    exit_info: u64,
}

/// `struct snp_ext_report_req`.
#[repr(C)]
struct SnpExtendedReportRequest {
    user_data: [u8; 64],
    vmpl: u32,
    reserved: [u8; 28],
    certificates: u64,
    certificates_len: u32,
    padding: u32,
}

/// `SNP_GET_EXT_REPORT`.
const SNP_GET_EXT_REPORT: Opcode = opcode::read_write::<SnpGuestRequest>(b'S', 2);

/// What `/dev/sev-guest` answers to `SNP_GET_EXT_REPORT`.
pub(crate) struct SnpAnswer {
    /// Whether the driver says that it worked.
    pub(crate) result: Result<()>,
    /// MSG_REPORT_RSP, zero-padded.
    pub(crate) response: Box<[u8; REPORT_RESPONSE_LEN]>,
    /// The host's certificate table, zero-padded.
    pub(crate) certificates: Box<[u8; CERTIFICATES_LEN]>,
    /// The hypervisor's error in the upper half, the firmware's in the lower.
    pub(crate) exit_info: u64,
}

/// The report that commits to `user_data` at `vmpl`, and the host's certificates, from `/dev/sev-guest`.
pub(crate) fn snp_extended_report(device: &File, user_data: &[u8; 64], vmpl: u8) -> SnpAnswer {
    let mut response = Box::new([0; REPORT_RESPONSE_LEN]);
    let mut certificates = Box::new([0; CERTIFICATES_LEN]);
    let mut request = SnpExtendedReportRequest {
        user_data: *user_data,
        vmpl: vmpl.into(),
        reserved: [0; 28],
        certificates: address(certificates.as_mut_ptr()),
        // 0x4000; `CERTIFICATES_LEN` in the width of the structure's field.
        certificates_len: 0x4000,
        padding: 0,
    };
    let mut outer = SnpGuestRequest {
        version: [1, 0, 0, 0, 0, 0, 0, 0],
        request: address(&raw mut request),
        response: address(response.as_mut_ptr()),
        exit_info: 0,
    };
    // SAFETY: the opcode carries the size of the outer structure, which is the one that the driver of this
    // opcode expects. Its addresses are those of live values that nobody else refers to: a request of the
    // driver's structure, which it may write back, 4,000 bytes for the response and `certificates_len` bytes
    // for certificates. The driver writes no more than these and keeps no reference. All bytes are valid for
    // each field.
    let result = unsafe { ioctl(device, Updater::<SNP_GET_EXT_REPORT, _>::new(&mut outer)) };
    SnpAnswer { result, response, certificates, exit_info: outer.exit_info }
}

/// A pointer as the kernel takes it within a structure. Exposed, because the kernel writes through it.
fn address<T>(pointer: *mut T) -> u64 {
    // An address has at most 64 bits on every platform of the kernel.
    u64::try_from(pointer.expose_provenance()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn structures_and_opcodes_are_the_kernel_s() {
        // As `_IOWR` and `_IOR` of asm-generic/ioctl.h compose them: direction, size, type, number.
        assert_eq!(TDX_CMD_GET_REPORT0, 0xC440_5401);
        assert_eq!(TDX_CMD_EXTEND_RTMR, 0x8031_5403);
        assert_eq!(SNP_GET_EXT_REPORT, 0xC020_5302);
        assert_eq!(size_of::<SnpExtendedReportRequest>(), 112);
        assert_eq!(offset_of!(SnpExtendedReportRequest, vmpl), 64);
        assert_eq!(offset_of!(SnpExtendedReportRequest, certificates), 96);
        assert_eq!(offset_of!(SnpExtendedReportRequest, certificates_len), 104);
        assert_eq!(CERTIFICATES_LEN, 0x4000);
    }
}
