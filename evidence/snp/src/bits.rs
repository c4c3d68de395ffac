//! The bit fields of a report.

/// GUEST_POLICY, 64 bits (56860 rev. 1.58, table 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestPolicy(pub u64);

impl GuestPolicy {
    /// ABI_MAJOR and ABI_MINOR: the oldest firmware interface that the guest agrees to run on.
    pub const fn abi(self) -> (u8, u8) {
        let [minor, major, ..] = self.0.to_le_bytes();
        (major, minor)
    }

    /// SMT: hyper-threading is allowed.
    pub const fn smt_allowed(self) -> bool {
        bit(self.0, 16)
    }

    /// Bit 17, reserved, must be one.
    pub const fn must_be_one(self) -> bool {
        bit(self.0, 17)
    }

    /// MIGRATE_MA: a migration agent may be associated.
    pub const fn migration_agent_allowed(self) -> bool {
        bit(self.0, 18)
    }

    /// DEBUG: the hypervisor may read and write the guest's memory.
    pub const fn debug_allowed(self) -> bool {
        bit(self.0, 19)
    }

    /// SINGLE_SOCKET: the guest runs on one socket only.
    pub const fn single_socket(self) -> bool {
        bit(self.0, 20)
    }

    /// CXL_ALLOW: CXL memory or devices may be used.
    pub const fn cxl_allowed(self) -> bool {
        bit(self.0, 21)
    }

    /// MEM_AES_256_XTS: memory encryption by AES-256-XTS is required.
    pub const fn aes_256_xts_required(self) -> bool {
        bit(self.0, 22)
    }

    /// RAPL_DIS: running average power limit must be disabled.
    pub const fn rapl_disabled_required(self) -> bool {
        bit(self.0, 23)
    }

    /// CIPHERTEXT_HIDING_DRAM must be enabled.
    pub const fn ciphertext_hiding_required(self) -> bool {
        bit(self.0, 24)
    }

    /// PAGE_SWAP_DISABLE: guest pages may not be swapped.
    pub const fn page_swap_disabled(self) -> bool {
        bit(self.0, 25)
    }
}

/// PLATFORM_INFO, 64 bits (56860 rev. 1.58, table 24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformInfo(pub u64);

impl PlatformInfo {
    /// SMT_EN: hyper-threading is on.
    pub const fn smt_enabled(self) -> bool {
        bit(self.0, 0)
    }

    /// TSME_EN: transparent memory encryption is on.
    pub const fn tsme_enabled(self) -> bool {
        bit(self.0, 1)
    }

    /// ECC_EN: memory with error correction.
    pub const fn ecc_enabled(self) -> bool {
        bit(self.0, 2)
    }

    /// RAPL_DIS: running average power limit is off.
    pub const fn rapl_disabled(self) -> bool {
        bit(self.0, 3)
    }

    /// CIPHERTEXT_HIDING_DRAM_EN: ciphertext hiding is on.
    pub const fn ciphertext_hiding_enabled(self) -> bool {
        bit(self.0, 4)
    }

    /// ALIAS_CHECK_COMPLETE: no memory aliases since the last reset (AMD-SB-3015, "BadRAM").
    pub const fn alias_check_complete(self) -> bool {
        bit(self.0, 5)
    }

    /// TIO_EN: trusted I/O is on.
    pub const fn tio_enabled(self) -> bool {
        bit(self.0, 7)
    }
}

/// The SIGNING_KEY field: which key signed the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKey {
    /// 0: the versioned chip endorsement key.
    Vcek,
    /// 1: the versioned loaded endorsement key.
    Vlek,
    /// 7: none, the report is not signed.
    None,
    /// A value that the specification reserves.
    Reserved(u8),
}

impl std::fmt::Display for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vcek => f.write_str("VCEK"),
            Self::Vlek => f.write_str("VLEK"),
            Self::None => f.write_str("no key"),
            Self::Reserved(value) => write!(f, "the reserved value {value}"),
        }
    }
}

/// The signer information word of a report, 32 bits (56860 rev. 1.58, table 23, offset 0x48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerInfo(pub u32);

impl SignerInfo {
    /// AUTHOR_KEY_EN: AUTHOR_KEY_DIGEST holds a digest.
    pub fn author_key_enabled(self) -> bool {
        bit(self.0.into(), 0)
    }

    /// MASK_CHIP_KEY: the report is not signed and the signature is zero.
    pub fn chip_key_masked(self) -> bool {
        bit(self.0.into(), 1)
    }

    /// SIGNING_KEY, bits 4 to 2.
    pub fn signing_key(self) -> SigningKey {
        match self.0.to_le_bytes()[0] >> 2 & 0b111 {
            0 => SigningKey::Vcek,
            1 => SigningKey::Vlek,
            7 => SigningKey::None,
            other => SigningKey::Reserved(other),
        }
    }
}

const fn bit(word: u64, index: u32) -> bool {
    word.unbounded_shr(index) & 1 == 1
}
