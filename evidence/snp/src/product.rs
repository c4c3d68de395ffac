//! Processor products, as CPUID, certificates and roots name them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A processor product with its own AMD root of trust.
///
/// Bergamo and Siena are Genoa in this respect: same root, same TCB layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Product {
    /// EPYC 7003, Zen 3.
    Milan,
    /// EPYC 9004 and 8004, Zen 4 and Zen 4c.
    Genoa,
    /// EPYC 9005, Zen 5 and Zen 5c.
    Turin,
}

impl Product {
    /// Every product.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// The name in certificates and KDS addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    /// From the product name of a VCEK or VLEK certificate: the name, with or without a stepping ("Milan-B0").
    pub(crate) fn from_certificate(name: &str) -> Option<Self> {
        let product = name.split_once('-').map_or(name, |(product, _stepping)| product);
        Self::ALL.into_iter().find(|known| known.name() == product)
    }

    /// The bytes of a chip's hardware id: the whole CHIP_ID, on Turin its first 8 bytes (57230, HWID extension).
    pub const fn hwid_len(self) -> usize {
        match self {
            Self::Milan | Self::Genoa => 64,
            Self::Turin => 8,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Family, model and stepping of the processor (report version 3 and later, offsets 0x188 to 0x18A), combined with
/// their extended parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CpuId {
    /// Family: 0x19 is Zen 3 and Zen 4, 0x1A is Zen 5.
    pub family: u8,
    /// Model.
    pub model: u8,
    /// Stepping.
    pub stepping: u8,
}

impl CpuId {
    /// The product of this processor; `None` for one that is not known.
    pub const fn product(self) -> Option<Product> {
        match (self.family, self.model) {
            (0x19, 0x00..=0x0F) => Some(Product::Milan),
            (0x19, 0x10..=0x1F | 0xA0..=0xAF) => Some(Product::Genoa),
            (0x1A, 0x00..=0x11) => Some(Product::Turin),
            _ => None,
        }
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "family {:02x}h model {:02x}h stepping {}", self.family, self.model, self.stepping)
    }
}
