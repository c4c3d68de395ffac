//! The report of a TD, which is the body of a quote (`sgx_report2_body_t` and its successors in Intel's
//! DCAP). All integers are little-endian.

/// TD attribute bit 0: the host can read and change the TD.
pub const ATTRIBUTE_DEBUG: u64 = 1;
/// TD attribute bit 28: the TD is not interrupted where the host takes pages from it.
pub const ATTRIBUTE_SEPT_VE_DISABLE: u64 = 1 << 28;
/// TD attribute bit 29: the TD can be migrated to another platform.
pub const ATTRIBUTE_MIGRATABLE: u64 = 1 << 29;

/// Which report a quote has for its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyType {
    /// Type 2, TD report of TDX 1.0: 584 bytes. The only one of version 4.
    Td10,
    /// Type 3, TD report of TDX 1.5: 648 bytes.
    Td15,
    /// Type 4, TD report of TDX 1.5 with its extension: 885 bytes.
    Td15Ex,
}

impl BodyType {
    /// The body type as version 5 writes it.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Td10 => 2,
            Self::Td15 => 3,
            Self::Td15Ex => 4,
        }
    }

    /// Bytes of the body.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Td10 => 584,
            Self::Td15 => 648,
            Self::Td15Ex => 885,
        }
    }
}

/// The report of a TD: every field of the three bodies, with its offset in the body. Shorter bodies leave out
/// the end.
#[derive(Debug, Clone)]
pub struct TdBody {
    /// TEE_TCB_SVN at 0: of the TDX module under which the TD was launched. Byte 0 is the module's SVN, byte
    /// 1 its major version, byte 2 the SVN of the late microcode update.
    pub tee_tcb_svn: [u8; 16],
    /// MRSEAM at 16.
    pub mr_seam: [u8; 48],
    /// MRSIGNERSEAM at 64: zero for Intel's module.
    pub mr_signer_seam: [u8; 48],
    /// SEAMATTRIBUTES at 112.
    pub seam_attributes: u64,
    /// TDATTRIBUTES at 120: see [`ATTRIBUTE_DEBUG`] and its neighbours.
    pub td_attributes: u64,
    /// XFAM at 128.
    pub xfam: u64,
    /// MRTD at 136.
    pub mrtd: [u8; 48],
    /// MRCONFIGID at 184.
    pub mr_config_id: [u8; 48],
    /// MROWNER at 232.
    pub mr_owner: [u8; 48],
    /// MROWNERCONFIG at 280.
    pub mr_owner_config: [u8; 48],
    /// RTMR0 at 328.
    pub rtmr0: [u8; 48],
    /// RTMR1 at 376.
    pub rtmr1: [u8; 48],
    /// RTMR2 at 424.
    pub rtmr2: [u8; 48],
    /// RTMR3 at 472.
    pub rtmr3: [u8; 48],
    /// REPORTDATA at 520.
    pub report_data: [u8; 64],
    /// TEE_TCB_SVN2 at 584, from TDX 1.5 on: of the TDX module that runs now.
    pub tee_tcb_svn2: [u8; 16],
    /// MRSERVICETD at 600, from TDX 1.5 on.
    pub mr_service_td: [u8; 48],
    /// VMID at 648, only in the extension: 0 for a TD that is not partitioned.
    pub vmid: u8,
    /// TD_ID at 649, only in the extension.
    pub td_id: [u8; 32],
    /// DEV_INFO at 681, only in the extension.
    pub dev_info: [u8; 48],
    /// INIT_SERVTD_HASH at 729, only in the extension.
    pub init_servtd_hash: [u8; 48],
    /// INIT_SERVTD_ATTR at 777, only in the extension.
    pub init_servtd_attr: u64,
    /// INIT_CPUSVN at 785, only in the extension.
    pub init_cpu_svn: [u8; 16],
    /// INIT_TEE_TCB_SVN at 801, only in the extension.
    pub init_tee_tcb_svn: [u8; 16],
    /// INIT_TEE_FMSPC at 817, only in the extension.
    pub init_tee_fmspc: [u8; 12],
    /// CUR_SERVTD_HASH at 829, only in the extension.
    pub cur_servtd_hash: [u8; 48],
    /// CUR_SERVTD_ATTR at 877, only in the extension.
    pub cur_servtd_attr: u64,
}

impl Default for TdBody {
    /// A TD without debugging, with SEPT_VE_DISABLE as its only attribute, under an up-to-date TDX module of
    /// version 1.5. Measurements, identity and report data are zero.
    fn default() -> Self {
        let tee_tcb_svn = *b"\x0b\x01\x04\0\0\0\0\0\0\0\0\0\0\0\0\0";
        Self {
            tee_tcb_svn,
            mr_seam: [0x5e; 48],
            mr_signer_seam: [0; 48],
            seam_attributes: 0,
            td_attributes: ATTRIBUTE_SEPT_VE_DISABLE,
            xfam: 0x6_02e7,
            mrtd: [0; 48],
            mr_config_id: [0; 48],
            mr_owner: [0; 48],
            mr_owner_config: [0; 48],
            rtmr0: [0; 48],
            rtmr1: [0; 48],
            rtmr2: [0; 48],
            rtmr3: [0; 48],
            report_data: [0; 64],
            tee_tcb_svn2: tee_tcb_svn,
            mr_service_td: [0; 48],
            vmid: 0,
            td_id: [0x1d; 32],
            dev_info: [0; 48],
            init_servtd_hash: [0; 48],
            init_servtd_attr: 0,
            init_cpu_svn: [0; 16],
            init_tee_tcb_svn: tee_tcb_svn,
            init_tee_fmspc: [0; 12],
            cur_servtd_hash: [0; 48],
            cur_servtd_attr: 0,
        }
    }
}

impl TdBody {
    /// The body: 584, 648 or 885 bytes.
    #[must_use]
    pub fn bytes(&self, body_type: BodyType) -> Vec<u8> {
        let fields: [&[u8]; 27] = [
            &self.tee_tcb_svn,
            &self.mr_seam,
            &self.mr_signer_seam,
            &self.seam_attributes.to_le_bytes(),
            &self.td_attributes.to_le_bytes(),
            &self.xfam.to_le_bytes(),
            &self.mrtd,
            &self.mr_config_id,
            &self.mr_owner,
            &self.mr_owner_config,
            &self.rtmr0,
            &self.rtmr1,
            &self.rtmr2,
            &self.rtmr3,
            &self.report_data,
            &self.tee_tcb_svn2,
            &self.mr_service_td,
            &[self.vmid],
            &self.td_id,
            &self.dev_info,
            &self.init_servtd_hash,
            &self.init_servtd_attr.to_le_bytes(),
            &self.init_cpu_svn,
            &self.init_tee_tcb_svn,
            &self.init_tee_fmspc,
            &self.cur_servtd_hash,
            &self.cur_servtd_attr.to_le_bytes(),
        ];
        let mut body = fields.concat();
        body.truncate(body_type.size());
        body
    }
}
