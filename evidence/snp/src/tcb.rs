//! TCB_VERSION: the security version numbers of the processor's firmware.

use std::fmt;

use serde::Serialize;

use crate::Product;

/// TCB_VERSION (56860 rev. 1.58, TCB_VERSION): 8 bytes whose layout depends on the product.
///
/// Milan and Genoa: boot loader, TEE, four reserved, SNP, microcode. Turin: FMC, boot loader, TEE, SNP, three reserved,
/// microcode.
///
/// There is no order on these: "at least" holds when every component is at least ([`Tcb::covers`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tcb {
    /// Firmware of the first mutable code; on Turin only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fmc: Option<u8>,
    /// Boot loader.
    pub bootloader: u8,
    /// Trusted execution environment (the security processor's operating system).
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Microcode.
    pub microcode: u8,
}

impl Tcb {
    /// Reads the 8 bytes in the layout of `product`. Reserved bytes are not looked at.
    pub const fn from_bytes(product: Product, bytes: [u8; 8]) -> Self {
        match product {
            Product::Milan | Product::Genoa => {
                let [bootloader, tee, _, _, _, _, snp, microcode] = bytes;
                Self { fmc: None, bootloader, tee, snp, microcode }
            }
            Product::Turin => {
                let [fmc, bootloader, tee, snp, _, _, _, microcode] = bytes;
                Self { fmc: Some(fmc), bootloader, tee, snp, microcode }
            }
        }
    }

    /// Whether every component is at least that of `floor`. A floor for FMC holds only where there is an FMC.
    pub fn covers(&self, floor: &Self) -> bool {
        self.shortfall(floor).is_none()
    }

    /// The first component that is below that of `floor`: name, found, wanted.
    pub fn shortfall(&self, floor: &Self) -> Option<(&'static str, u8, u8)> {
        [
            ("fmc", self.fmc.unwrap_or(0), floor.fmc.unwrap_or(0)),
            ("bootloader", self.bootloader, floor.bootloader),
            ("tee", self.tee, floor.tee),
            ("snp", self.snp, floor.snp),
            ("microcode", self.microcode, floor.microcode),
        ]
        .into_iter()
        .find(|(_, found, wanted)| found < wanted)
    }
}

impl fmt::Display for Tcb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fmc) = self.fmc {
            write!(f, "fmc {fmc} ")?;
        }
        let Self { bootloader, tee, snp, microcode, .. } = self;
        write!(f, "bootloader {bootloader} tee {tee} snp {snp} microcode {microcode}")
    }
}
