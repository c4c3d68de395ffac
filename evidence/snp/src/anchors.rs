//! Which keys are AMD's.

use evidence_x509::{Anchors, Pin};

use crate::{Product, VekKind};

/// AMD's pins: subject common name, and SHA-256 of the SubjectPublicKeyInfo.
///
/// ARK and ASK: AMD KDS `vcek/v1/{product}/cert_chain`; ASVK: `vlek/v1/{product}/cert_chain`. The same bytes stand in the
/// crate `sev` (ARK, ASK), in confidential-containers/trustee and in google/go-sev-guest.
pub static AMD_PINS: [Pin; 9] = [
    Pin::from_hex("ARK-Milan", b"9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"),
    Pin::from_hex("SEV-Milan", b"42491669ccb851d627ea9846cd24eccbeb7de7c2a62740120fff88001d38ebb6"),
    Pin::from_hex("SEV-VLEK-Milan", b"66450a123ea5876206df67f2514a4fea224c0f63b18313423078b0edc4535e33"),
    Pin::from_hex("ARK-Genoa", b"429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"),
    Pin::from_hex("SEV-Genoa", b"0324d55bcd48ba877a8fd87c0e1b4934dec8448e3807a24384a34dc6a6c9ebb8"),
    Pin::from_hex("SEV-VLEK-Genoa", b"7d1633252ebbadaa75f96e9b4e6f7d43a90ceb3f843937482630f8da2459264e"),
    Pin::from_hex("ARK-Turin", b"4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"),
    Pin::from_hex("SEV-Turin", b"0000ead352025f208bf55297c4192c34cd1b878002107366d8f2065a9ae7d3a9"),
    Pin::from_hex("SEV-VLEK-Turin", b"bfc441408b2f806c5dbf180bd8920e6e60dd404d82141780d85dbf962954d386"),
];

/// The trust anchors of SEV-SNP: pins of ARK, ASK and ASVK for each product.
///
/// The role of a pin is its subject: `ARK-{product}`, `SEV-{product}` (ASK), `SEV-VLEK-{product}` (ASVK).
pub fn amd_anchors() -> Anchors {
    Anchors::new(AMD_PINS.iter().cloned())
}

/// The common name of the root of `product`: the ARK.
pub(crate) fn root_name(product: Product) -> String {
    format!("ARK-{product}")
}

/// The common name of the authority that certifies keys of `kind` for `product`: the ASK or the ASVK.
pub(crate) fn issuer_name(product: Product, kind: VekKind) -> String {
    match kind {
        VekKind::Vcek => format!("SEV-{product}"),
        VekKind::Vlek => format!("SEV-VLEK-{product}"),
    }
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
    use evidence_x509::Certificate;

    use super::*;

    #[test]
    fn the_certificates_beside_the_source_are_the_pinned_ones() {
        let anchors = amd_anchors();
        let [arks, asks] = [0, 1].map(|from| certificates().into_iter().skip(from).step_by(2));
        for ((product, ark), ask) in Product::ALL.into_iter().zip(arks).zip(asks) {
            assert!(anchors.pins(&root_name(product), &Certificate::parse(ark).unwrap()));
            assert!(anchors.pins(&issuer_name(product, VekKind::Vcek), &Certificate::parse(ask).unwrap()));
        }
    }
}
