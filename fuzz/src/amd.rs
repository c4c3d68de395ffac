//! The simulated AMD: roots, chains and keys of every product line.

use std::sync::LazyLock;

use evidence_snp::{Anchors, ChainCache, Pin, SIGNED_LEN};
use lab::amd::{Hierarchy, Product, Vek, VekKind, VekSpec, crl_spec};

/// The simulated AMD, made once in a process.
pub static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);

/// Chains that were verified before, so that an input costs one signature and no RSA.
pub static CHAINS: LazyLock<ChainCache> = LazyLock::new(ChainCache::default);

/// Roots, signing keys and Endorsements of every product line.
#[derive(Debug)]
pub struct Lab {
    /// The lab's roots, which AMD's are not.
    pub anchors: Anchors,
    /// ARK, ASK and ASVK of every product, DER.
    pub authorities: Vec<Vec<u8>>,
    /// The revocation list of every product, DER.
    pub revocation_lists: Vec<Vec<u8>>,
    /// A VCEK and a VLEK of every product.
    pub veks: Vec<(Product, VekKind, Vek)>,
}

impl Lab {
    fn new() -> Self {
        let hierarchies = Product::ALL.map(Hierarchy::new);
        let pins = hierarchies.iter().flat_map(Hierarchy::pins);
        let pins = pins.map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 });
        let authorities = |of: &Hierarchy| [of.ark(), of.ask(), of.asvk()].map(<[u8]>::to_vec);
        let veks = |of: &Hierarchy| {
            [VekSpec::vcek(of.product), VekSpec::vlek(of.product)]
                .map(|spec| (of.product, spec.kind, spec.issue(of)))
        };
        Self {
            anchors: Anchors::new(pins),
            authorities: hierarchies.iter().flat_map(authorities).collect(),
            revocation_lists: hierarchies.iter().map(|of| crl_spec(of).sign(of.ark_key())).collect(),
            veks: hierarchies.iter().flat_map(veks).collect(),
        }
    }
}

/// Puts a sound signature of `vek` on a whole report: r and s, 72 bytes each, little-endian.
pub fn sign(report: &mut [u8], vek: &Vek) {
    let signature = vek.key.sign(&report[..SIGNED_LEN]);
    report[SIGNED_LEN..].fill(0);
    for (number, place) in signature.chunks_exact(48).zip(report[SIGNED_LEN..].chunks_exact_mut(72)) {
        place[..48].copy_from_slice(number);
        place[..48].reverse();
    }
}
