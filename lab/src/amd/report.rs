//! ATTESTATION_REPORT (publication 56860 revision 1.58, table "ATTESTATION_REPORT").

#![expect(
    clippy::expect_used,
    reason = "every field is written at a constant offset, so a failure is a mistake in the lab"
)]

use super::vek::chip_id;
use super::{Product, Tcb, Vek};

/// Bytes of a report.
pub const REPORT_BYTES: usize = 0x4a0;
/// Bytes of a report that its signature covers.
pub const SIGNED_BYTES: usize = 0x2a0;
/// Bytes of each of the two numbers of a signature.
const SIGNATURE_NUMBER_BYTES: usize = 72;

/// SIGNER_INFO bits 4:2 for a report signed by a VCEK.
pub const SIGNING_KEY_VCEK: u32 = 0;
/// SIGNER_INFO bits 4:2 for a report signed by a VLEK.
pub const SIGNING_KEY_VLEK: u32 = 1 << 2;
/// SIGNER_INFO bits 4:2 for a report that is not signed.
pub const SIGNING_KEY_NONE: u32 = 7 << 2;
/// SIGNER_INFO bit 0, AUTHOR_KEY_EN: AUTHOR_KEY_DIGEST is the digest of a key.
pub const AUTHOR_KEY_EN: u32 = 1;
/// SIGNER_INFO bit 1, MASK_CHIP_KEY: the host asked for unsigned reports.
pub const MASK_CHIP_KEY: u32 = 1 << 1;

/// CPUID of the processor: 3 bytes at 0x188, from report version 3 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpuid {
    /// Combined extended and base family.
    pub family: u8,
    /// Combined extended and base model.
    pub model: u8,
    /// Stepping.
    pub stepping: u8,
}

impl Cpuid {
    /// A processor of the product line, the same as on real reports.
    #[must_use]
    pub fn of(product: Product) -> Self {
        let (family, model) = match product {
            Product::Milan => (0x19, 0x01),
            Product::Genoa => (0x19, 0x11),
            Product::Turin => (0x1a, 0x02),
        };
        Self { family, model, stepping: 1 }
    }
}

/// A version of the SNP firmware: 3 bytes in the order build, minor, major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareVersion {
    /// Build number.
    pub build: u8,
    /// Minor number of the ABI.
    pub minor: u8,
    /// Major number of the ABI.
    pub major: u8,
}

/// A report to be signed: every field of the structure, integers little-endian.
#[derive(Debug, Clone)]
pub struct ReportSpec {
    /// Sets the layout of the TCB versions.
    pub product: Product,
    /// VERSION at 0x000: 2, 3, 4 or 5.
    pub version: u32,
    /// GUEST_SVN at 0x004.
    pub guest_svn: u32,
    /// POLICY at 0x008. Bit 17 is always set, bit 16 allows SMT, bit 19 allows debugging.
    pub policy: u64,
    /// FAMILY_ID at 0x010.
    pub family_id: [u8; 16],
    /// IMAGE_ID at 0x020.
    pub image_id: [u8; 16],
    /// VMPL at 0x030: 0 to 3 for a guest's request.
    pub vmpl: u32,
    /// SIGNATURE_ALGO at 0x034: 1 is ECDSA P-384 with SHA-384.
    pub signature_algo: u32,
    /// CURRENT_TCB at 0x038.
    pub current_tcb: Tcb,
    /// PLATFORM_INFO at 0x040.
    pub platform_info: u64,
    /// SIGNER_INFO at 0x048: see [`SIGNING_KEY_VCEK`] and its neighbours.
    pub signer_info: u32,
    /// REPORT_DATA at 0x050.
    pub report_data: [u8; 64],
    /// MEASUREMENT at 0x090.
    pub measurement: [u8; 48],
    /// HOST_DATA at 0x0C0.
    pub host_data: [u8; 32],
    /// ID_KEY_DIGEST at 0x0E0.
    pub id_key_digest: [u8; 48],
    /// AUTHOR_KEY_DIGEST at 0x110.
    pub author_key_digest: [u8; 48],
    /// REPORT_ID at 0x140.
    pub report_id: [u8; 32],
    /// REPORT_ID_MA at 0x160: all ones without a migration agent.
    pub report_id_ma: [u8; 32],
    /// REPORTED_TCB at 0x180: the TCB for which the signing key was derived.
    pub reported_tcb: Tcb,
    /// CPUID at 0x188: from version 3 on.
    pub cpuid: Option<Cpuid>,
    /// CHIP_ID at 0x1A0: zero when the host masks it.
    pub chip_id: [u8; 64],
    /// COMMITTED_TCB at 0x1E0.
    pub committed_tcb: Tcb,
    /// CURRENT_BUILD, CURRENT_MINOR and CURRENT_MAJOR at 0x1E8.
    pub current_version: FirmwareVersion,
    /// COMMITTED_BUILD, COMMITTED_MINOR and COMMITTED_MAJOR at 0x1EC.
    pub committed_version: FirmwareVersion,
    /// LAUNCH_TCB at 0x1F0.
    pub launch_tcb: Tcb,
    /// LAUNCH_MIT_VECTOR at 0x1F8: from version 5 on.
    pub launch_mit_vector: Option<u64>,
    /// CURRENT_MIT_VECTOR at 0x200: from version 5 on.
    pub current_mit_vector: Option<u64>,
    /// Bytes written over the fields before the report is signed: (offset, bytes).
    pub patches: Vec<(usize, Vec<u8>)>,
    /// Bytes written over the report after it was signed: (offset, bytes).
    pub patches_after: Vec<(usize, Vec<u8>)>,
}

impl ReportSpec {
    /// A report of a guest at VMPL 0 with the policy 0x30000 (SMT allowed, no debugging) on a chip of `product` with
    /// the TCB [`Tcb::of`], signed by a VCEK. Measurement, host data and report data are zero.
    #[must_use]
    pub fn new(product: Product, version: u32) -> Self {
        let tcb = Tcb::of(product);
        let firmware = FirmwareVersion { build: 0x1d, minor: 55, major: 1 };
        let mit_vector = (version >= 5).then_some(0x0f);
        Self {
            product,
            version,
            guest_svn: 0,
            policy: 0x3_0000,
            family_id: [0; 16],
            image_id: [0; 16],
            vmpl: 0,
            signature_algo: 1,
            current_tcb: tcb,
            platform_info: 0x25,
            signer_info: SIGNING_KEY_VCEK,
            report_data: [0; 64],
            measurement: [0; 48],
            host_data: [0; 32],
            id_key_digest: [0; 48],
            author_key_digest: [0; 48],
            report_id: [0x5a; 32],
            report_id_ma: [0xff; 32],
            reported_tcb: tcb,
            cpuid: (version >= 3).then(|| Cpuid::of(product)),
            chip_id: chip_id(product),
            committed_tcb: tcb,
            current_version: firmware,
            committed_version: firmware,
            launch_tcb: tcb,
            launch_mit_vector: mit_vector,
            current_mit_vector: mit_vector,
            patches: Vec::new(),
            patches_after: Vec::new(),
        }
    }

    /// The same report, signed by a VLEK on a host that masks the chip's identity, as cloud providers do it.
    #[must_use]
    pub fn new_vlek(product: Product, version: u32) -> Self {
        Self { signer_info: SIGNING_KEY_VLEK, chip_id: [0; 64], ..Self::new(product, version) }
    }

    /// Sets all four TCB versions to the same.
    #[must_use]
    pub fn with_tcb(self, tcb: Tcb) -> Self {
        Self { current_tcb: tcb, reported_tcb: tcb, committed_tcb: tcb, launch_tcb: tcb, ..self }
    }

    /// The report with `patches` and without a signature: 1184 bytes, zero from 0x2A0 on.
    ///
    /// # Panics
    ///
    /// If a patch does not lie inside of the report.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut report = vec![0; REPORT_BYTES];
        let tcb = |tcb: Tcb| tcb.bytes(self.product);
        let version = |version: FirmwareVersion| [version.build, version.minor, version.major];
        put(&mut report, 0x000, &self.version.to_le_bytes());
        put(&mut report, 0x004, &self.guest_svn.to_le_bytes());
        put(&mut report, 0x008, &self.policy.to_le_bytes());
        put(&mut report, 0x010, &self.family_id);
        put(&mut report, 0x020, &self.image_id);
        put(&mut report, 0x030, &self.vmpl.to_le_bytes());
        put(&mut report, 0x034, &self.signature_algo.to_le_bytes());
        put(&mut report, 0x038, &tcb(self.current_tcb));
        put(&mut report, 0x040, &self.platform_info.to_le_bytes());
        put(&mut report, 0x048, &self.signer_info.to_le_bytes());
        put(&mut report, 0x050, &self.report_data);
        put(&mut report, 0x090, &self.measurement);
        put(&mut report, 0x0c0, &self.host_data);
        put(&mut report, 0x0e0, &self.id_key_digest);
        put(&mut report, 0x110, &self.author_key_digest);
        put(&mut report, 0x140, &self.report_id);
        put(&mut report, 0x160, &self.report_id_ma);
        put(&mut report, 0x180, &tcb(self.reported_tcb));
        if let Some(Cpuid { family, model, stepping }) = self.cpuid {
            put(&mut report, 0x188, &[family, model, stepping]);
        }
        put(&mut report, 0x1a0, &self.chip_id);
        put(&mut report, 0x1e0, &tcb(self.committed_tcb));
        put(&mut report, 0x1e8, &version(self.current_version));
        put(&mut report, 0x1ec, &version(self.committed_version));
        put(&mut report, 0x1f0, &tcb(self.launch_tcb));
        put(&mut report, 0x1f8, &self.launch_mit_vector.unwrap_or(0).to_le_bytes());
        put(&mut report, 0x200, &self.current_mit_vector.unwrap_or(0).to_le_bytes());
        for (offset, bytes) in &self.patches {
            put(&mut report, *offset, bytes);
        }
        report
    }

    /// The signed report, 1184 bytes: `r` at 0x2A0 and `s` at 0x2E8, each 72 bytes little-endian, over the first 0x2A0
    /// bytes.
    ///
    /// # Panics
    ///
    /// If a patch does not lie inside of the report.
    #[must_use]
    pub fn sign(&self, vek: &Vek) -> Vec<u8> {
        let mut report = self.bytes();
        let signature = vek.key.sign(report.get(..SIGNED_BYTES).expect("a whole report"));
        let numbers = signature.chunks_exact(48).zip([SIGNED_BYTES, SIGNED_BYTES + SIGNATURE_NUMBER_BYTES]);
        for (number, offset) in numbers {
            let mut little_endian = number.to_vec();
            little_endian.reverse();
            put(&mut report, offset, &little_endian);
        }
        for (offset, bytes) in &self.patches_after {
            put(&mut report, *offset, bytes);
        }
        report
    }
}

/// Writes `bytes` at `offset`.
fn put(report: &mut [u8], offset: usize, bytes: &[u8]) {
    let end = offset.checked_add(bytes.len()).expect("a field inside of the report");
    report.get_mut(offset..end).expect("a field inside of the report").copy_from_slice(bytes);
}
