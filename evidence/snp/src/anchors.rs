//! Which keys are AMD's.

use std::borrow::Cow;

use aws_lc_rs::digest::{Context, SHA256};
use evidence_x509::{Certificate, Pin};

use crate::{Product, VekKind};

/// AMD's pins: subject common name, and SHA-256 of the SubjectPublicKeyInfo.
///
/// ARK and ASK: AMD KDS `vcek/v1/{product}/cert_chain`; ASVK: `vlek/v1/{product}/cert_chain`. The same bytes stand in the
/// crate `sev` (ARK, ASK), in confidential-containers/trustee and in google/go-sev-guest.
pub static AMD_PINS: [Pin; 9] = [
    pin("ARK-Milan", b"9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"),
    pin("SEV-Milan", b"42491669ccb851d627ea9846cd24eccbeb7de7c2a62740120fff88001d38ebb6"),
    pin("SEV-VLEK-Milan", b"66450a123ea5876206df67f2514a4fea224c0f63b18313423078b0edc4535e33"),
    pin("ARK-Genoa", b"429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"),
    pin("SEV-Genoa", b"0324d55bcd48ba877a8fd87c0e1b4934dec8448e3807a24384a34dc6a6c9ebb8"),
    pin("SEV-VLEK-Genoa", b"7d1633252ebbadaa75f96e9b4e6f7d43a90ceb3f843937482630f8da2459264e"),
    pin("ARK-Turin", b"4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"),
    pin("SEV-Turin", b"0000ead352025f208bf55297c4192c34cd1b878002107366d8f2065a9ae7d3a9"),
    pin("SEV-VLEK-Turin", b"bfc441408b2f806c5dbf180bd8920e6e60dd404d82141780d85dbf962954d386"),
];

/// The trust anchors of SEV-SNP: pins of ARK, ASK and ASVK for each product.
///
/// The role of a pin is its subject: `ARK-{product}`, `SEV-{product}` (ASK), `SEV-VLEK-{product}` (ASVK).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors {
    pins: Vec<Pin>,
    digest: [u8; 32],
}

impl Anchors {
    /// AMD's own.
    pub fn amd() -> Self {
        Self::new(AMD_PINS.iter().cloned())
    }

    /// Others than AMD's, such as those of a test laboratory.
    pub fn new(pins: impl IntoIterator<Item = Pin>) -> Self {
        let pins: Vec<Pin> = pins.into_iter().collect();
        let mut context = Context::new(&SHA256);
        for pin in &pins {
            context.update(pin.subject.as_bytes());
            context.update(&[0]);
            context.update(&pin.spki_sha256);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self { pins, digest }
    }

    /// Whether `certificate` is the pinned root of `product`.
    pub(crate) fn is_ark(&self, product: Product, certificate: &Certificate) -> bool {
        self.is_pinned(&format!("ARK-{product}"), certificate)
    }

    /// Whether `certificate` is the pinned authority that certifies keys of `kind` for `product`.
    pub(crate) fn is_issuer(&self, product: Product, kind: VekKind, certificate: &Certificate) -> bool {
        self.is_pinned(&issuer_name(product, kind), certificate)
    }

    /// SHA-256 over the pins: two sets with one digest are one set.
    pub(crate) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    fn is_pinned(&self, subject: &str, certificate: &Certificate) -> bool {
        self.pins.iter().any(|pin| pin.subject == subject && pin.matches(certificate))
    }
}

/// The common name of the authority that certifies keys of `kind` for `product`: the ASK or the ASVK.
pub(crate) fn issuer_name(product: Product, kind: VekKind) -> String {
    match kind {
        VekKind::Vcek => format!("SEV-{product}"),
        VekKind::Vlek => format!("SEV-VLEK-{product}"),
    }
}

/// A pin from 64 lower-case hex digits. A mistyped one does not compile.
#[expect(clippy::indexing_slicing, clippy::panic, reason = "evaluated by the compiler, over constants")]
const fn pin(subject: &'static str, spki_sha256: &[u8; 64]) -> Pin {
    const fn digit(digit: u8) -> u8 {
        match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
            _ => panic!("expected lower-case hex digits"),
        }
    }
    let (pairs, _) = spki_sha256.as_chunks::<2>();
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < bytes.len() {
        let [high, low] = pairs[at];
        bytes[at] = digit(high) << 4 | digit(low);
        at = at.wrapping_add(1);
    }
    Pin { subject: Cow::Borrowed(subject), spki_sha256: bytes }
}

/// AMD's ARK and ASK certificates, DER: candidates that need not come with evidence. `certs/README.md` has their origin.
pub const fn certificates() -> [&'static [u8]; 6] {
    [
        include_bytes!("../certs/ark_milan.der"),
        include_bytes!("../certs/ask_milan.der"),
        include_bytes!("../certs/ark_genoa.der"),
        include_bytes!("../certs/ask_genoa.der"),
        include_bytes!("../certs/ark_turin.der"),
        include_bytes!("../certs/ask_turin.der"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificates_beside_the_source_are_the_pinned_ones() {
        let anchors = Anchors::amd();
        assert_eq!(anchors.pins.len(), AMD_PINS.len());
        let [arks, asks] = [0, 1].map(|from| certificates().into_iter().skip(from).step_by(2));
        for ((product, ark), ask) in Product::ALL.into_iter().zip(arks).zip(asks) {
            assert!(anchors.is_ark(product, &Certificate::parse(ark).unwrap()));
            assert!(anchors.is_issuer(product, VekKind::Vcek, &Certificate::parse(ask).unwrap()));
        }
    }
}
