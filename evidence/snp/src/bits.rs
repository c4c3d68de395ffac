//! The bit fields of a report.

/// GUEST_POLICY, 64 bits (56860 rev. 1.58, guest policy).
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

/// PLATFORM_INFO, 64 bits (56860 rev. 1.58, PLATFORM_INFO).
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

/// The signer information word of a report, 32 bits (56860 rev. 1.58, ATTESTATION_REPORT, offset 0x48).
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 56860 rev. 1.58, guest policy: each bit by its number, and no other.
    #[test]
    fn bits_of_the_guest_policy() {
        type Read = fn(GuestPolicy) -> bool;
        let bits: [(u32, Read); 10] = [
            (16, GuestPolicy::smt_allowed),
            (17, GuestPolicy::must_be_one),
            (18, GuestPolicy::migration_agent_allowed),
            (19, GuestPolicy::debug_allowed),
            (20, GuestPolicy::single_socket),
            (21, GuestPolicy::cxl_allowed),
            (22, GuestPolicy::aes_256_xts_required),
            (23, GuestPolicy::rapl_disabled_required),
            (24, GuestPolicy::ciphertext_hiding_required),
            (25, GuestPolicy::page_swap_disabled),
        ];
        for (number, read) in bits {
            assert!(read(GuestPolicy(1 << number)) && !read(GuestPolicy(!(1 << number))), "bit {number}");
        }
        // 7:0 is ABI_MINOR, 15:8 is ABI_MAJOR.
        assert_eq!(GuestPolicy(0x3_0137).abi(), (1, 0x37));
    }

    /// 56860 rev. 1.58, PLATFORM_INFO.
    #[test]
    fn bits_of_the_platform_information() {
        type Read = fn(PlatformInfo) -> bool;
        let bits: [(u32, Read); 7] = [
            (0, PlatformInfo::smt_enabled),
            (1, PlatformInfo::tsme_enabled),
            (2, PlatformInfo::ecc_enabled),
            (3, PlatformInfo::rapl_disabled),
            (4, PlatformInfo::ciphertext_hiding_enabled),
            (5, PlatformInfo::alias_check_complete),
            (7, PlatformInfo::tio_enabled),
        ];
        for (number, read) in bits {
            assert!(read(PlatformInfo(1 << number)) && !read(PlatformInfo(!(1 << number))), "bit {number}");
        }
    }

    /// 56860 rev. 1.58, ATTESTATION_REPORT: AUTHOR_KEY_EN, MASK_CHIP_KEY, SIGNING_KEY in bits 4 to 2.
    #[test]
    fn bits_of_the_signer_information() {
        assert!(SignerInfo(1).author_key_enabled() && !SignerInfo(!1).author_key_enabled());
        assert!(SignerInfo(2).chip_key_masked() && !SignerInfo(!2).chip_key_masked());
        for (value, key) in [
            (0, SigningKey::Vcek),
            (1, SigningKey::Vlek),
            (7, SigningKey::None),
            (2, SigningKey::Reserved(2)),
        ] {
            assert_eq!(SignerInfo(value << 2 | 0b11).signing_key(), key);
        }
    }

    /// The names of a policy's bits are those of the fields.
    #[test]
    fn a_policy_names_each_bit_once() {
        use crate::policy::{GuestPolicyBit as G, PlatformInfoBit as P};
        for (bit, number) in [
            (G::SmtAllowed, 16),
            (G::SingleSocket, 20),
            (G::CxlAllowed, 21),
            (G::Aes256Xts, 22),
            (G::RaplDisabled, 23),
            (G::CiphertextHiding, 24),
            (G::PageSwapDisabled, 25),
        ] {
            assert!(bit.of(GuestPolicy(1 << number)) && !bit.of(GuestPolicy(!(1 << number))), "{bit:?}");
        }
        for (bit, number) in [
            (P::Smt, 0),
            (P::Tsme, 1),
            (P::Ecc, 2),
            (P::RaplDisabled, 3),
            (P::CiphertextHiding, 4),
            (P::AliasCheckComplete, 5),
            (P::Tio, 7),
        ] {
            assert!(bit.of(PlatformInfo(1 << number)) && !bit.of(PlatformInfo(!(1 << number))), "{bit:?}");
        }
    }
}
