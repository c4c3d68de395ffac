//! The bit fields of a TD report.

/// ATTRIBUTES of a TD, 64 bits (Intel TDX Module ABI, 348551-008US, table 3.23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TdAttributes(pub u64);

impl TdAttributes {
    /// Bits with their names in the specification.
    pub const NAMES: [(u32, &'static str); 13] = [
        (0, "DEBUG"),
        (4, "HGS_PLUS_PROF"),
        (5, "PERF_PROF"),
        (6, "PMT_PROF"),
        (16, "ICSSD"),
        (17, "SERVTD_EXT"),
        (27, "LASS"),
        (28, "SEPT_VE_DISABLE"),
        (29, "MIGRATABLE"),
        (30, "PKS"),
        (31, "KL"),
        (62, "TPA"),
        (63, "PERFMON"),
    ];

    /// Bits to which the specification gives a meaning, bits 18 to 22 included; all others must be zero.
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
    /// The features that TDX knows, with their names (Intel SDM volume 1, XSAVE-supported features).
    pub const NAMES: [(u32, &'static str); 14] = [
        (0, "x87"),
        (1, "SSE"),
        (2, "AVX"),
        (5, "AVX-512 opmask"),
        (6, "AVX-512 ZMM_Hi256"),
        (7, "AVX-512 Hi16_ZMM"),
        (8, "PT"),
        (9, "PKRU"),
        (11, "CET_U"),
        (12, "CET_S"),
        (14, "UINTR"),
        (15, "LBR"),
        (17, "AMX TILECFG"),
        (18, "AMX TILEDATA"),
    ];

    /// Every feature that TDX knows.
    pub(crate) const KNOWN: Self = Self(mask(&Self::NAMES));

    /// x87 and SSE, which every TD has.
    const REQUIRED: u64 = 0x3;

    /// Bits that must be set and are not.
    pub const fn missing(self) -> u64 {
        !self.0 & Self::REQUIRED
    }
}

const fn mask(mut names: &[(u32, &str)]) -> u64 {
    let mut bits = 0;
    while let [(bit, _), rest @ ..] = names {
        bits |= 1_u64.rotate_left(*bit);
        names = rest;
    }
    bits
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
        assert_eq!(TdAttributes(mask(&TdAttributes::NAMES)).reserved(), 0);
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
            assert_eq!((Xfam(real).missing(), real & !Xfam::KNOWN.0), (0, 0));
        }
        assert_eq!(Xfam(0x602E5).missing(), 2);
        assert_eq!(Xfam::KNOWN.0, 0x0006_DBE7);
    }
}
