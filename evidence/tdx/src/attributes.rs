//! The bit fields of a TD report.

/// ATTRIBUTES of a TD, 64 bits (Intel TDX Module ABI, 348551-008US, table 3.23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TdAttributes(pub u64);

impl TdAttributes {
    /// Bits to which the specification gives a meaning; all others must be zero.
    const DEFINED: u64 = 0xC000_0000_F87F_0071;

    /// DEBUG, bit 0: the host may read and write the TD's memory and registers.
    pub const fn debug(self) -> bool {
        self.0 & 1 != 0
    }

    /// Bits 1 to 7, the rest of the group "TD under debug": profiling, through which a host watches what the TD does.
    pub const fn under_observation(self) -> bool {
        self.0 & 0xFE != 0
    }

    /// SEPT_VE_DISABLE, bit 28: access to a page that the host took away ends the TD, instead of raising an exception in it
    /// at a moment that the host chooses.
    pub const fn sept_ve_disable(self) -> bool {
        self.0 & (1 << 28) != 0
    }

    /// SERVTD_EXT, bit 17: service TDs may be bound after launch.
    pub const fn service_td_extension(self) -> bool {
        self.0 & (1 << 17) != 0
    }

    /// MIGRATABLE, bit 29: a migration TD may move the TD to another platform.
    pub const fn migratable(self) -> bool {
        self.0 & (1 << 29) != 0
    }

    /// Bits that the specification reserves.
    pub const fn reserved(self) -> u64 {
        self.0 & !Self::DEFINED
    }
}

/// XFAM of a TD, 64 bits: the extended processor features that it may use, in the layout of XCR0 and IA32_XSS (Intel TDX
/// Module ABI, XFAM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Xfam(pub u64);

impl Xfam {
    /// x87 and SSE, which every TD has.
    const REQUIRED: u64 = 0x3;

    /// The features that TDX knows: x87, SSE, AVX, AVX-512, PT, PKRU, CET, ULI, LBR and AMX.
    const KNOWN: u64 = 0x0006_DBE7;

    /// Bits that must be set and are not.
    pub const fn missing(self) -> u64 {
        !self.0 & Self::REQUIRED
    }

    /// Bits that TDX does not know.
    pub const fn unknown(self) -> u64 {
        self.0 & !Self::KNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defined_attributes_are_those_of_the_table() {
        let defined = [0, 4, 5, 6, 16, 17, 18, 19, 20, 21, 22, 27, 28, 29, 30, 31, 62, 63];
        for bit in 0..64 {
            let attributes = TdAttributes(1 << bit);
            assert_eq!(attributes.reserved() == 0, defined.contains(&bit), "bit {bit}");
        }
        assert!(TdAttributes(1).debug() && !TdAttributes(2).debug());
        assert!((1..8).all(|bit| TdAttributes(1 << bit).under_observation()));
        assert!(!TdAttributes(1 << 8).under_observation());
        assert!(TdAttributes(0x1000_0000).sept_ve_disable());
        assert!(TdAttributes(0x2000_0000).migratable());
        assert!(TdAttributes(0x0002_0000).service_td_extension());
    }

    #[test]
    fn features_of_real_tds_are_known() {
        for real in [0x602E7, 0x642E7, 0x600E7, 0x618E7] {
            assert_eq!((Xfam(real).missing(), Xfam(real).unknown()), (0, 0));
        }
        assert_eq!(Xfam(0x602E5).missing(), 2);
        for bit in [3, 4, 10, 13, 16, 19, 63] {
            assert_eq!(Xfam(0x602E7 | 1 << bit).unknown(), 1 << bit, "bit {bit}");
        }
    }
}
