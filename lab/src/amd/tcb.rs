//! TCB_VERSION: the security versions of the firmware components.

use super::Product;

/// The security version numbers (SVN) of a TCB.
///
/// A certificate names `spl4` to `spl7`; a report has reserved bytes instead, which the lab fills with them in order.
/// They are zero in every real report and certificate that the lab is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tcb {
    /// The FMC. Turin has one; its absence is encoded as 0 in a report, and leaves the extension out of a certificate.
    pub fmc: Option<u8>,
    /// The boot loader.
    pub bl: u8,
    /// The PSP operating system.
    pub tee: u8,
    /// The SNP firmware.
    pub snp: u8,
    /// Reserved; Turin has no such component.
    pub spl4: u8,
    /// Reserved.
    pub spl5: u8,
    /// Reserved.
    pub spl6: u8,
    /// Reserved.
    pub spl7: u8,
    /// The microcode patch level.
    pub ucode: u8,
}

impl Tcb {
    /// A TCB that AMD shipped for `product`, the same as on real reports.
    #[must_use]
    pub fn of(product: Product) -> Self {
        match product {
            Product::Milan => Self { bl: 4, snp: 0x18, ucode: 0xdb, ..Self::default() },
            Product::Genoa => Self { bl: 0x0a, snp: 0x17, ucode: 0x54, ..Self::default() },
            Product::Turin => Self { fmc: Some(0), bl: 1, snp: 2, ucode: 0x47, ..Self::default() },
        }
    }

    /// The 8 bytes of TCB_VERSION in a report (publication 56860, TCB_VERSION).
    #[must_use]
    pub fn bytes(self, product: Product) -> [u8; 8] {
        let Self { fmc, bl, tee, snp, spl4, spl5, spl6, spl7, ucode } = self;
        match product {
            Product::Milan | Product::Genoa => [bl, tee, spl4, spl5, spl6, spl7, snp, ucode],
            Product::Turin => [fmc.unwrap_or(0), bl, tee, snp, spl5, spl6, spl7, ucode],
        }
    }
}
