//! AMD's key distribution service: what a report needs from it, and where that is (57230 rev. 1.00).

use evidence_x509::Certificate;

use crate::{Product, Report, Tcb, VekCertificate};

const KDS: &str = "https://kdsintf.amd.com";

/// Something that the key distribution service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// A certificate, or a revocation list.
    pub kind: ItemKind,
    /// What it is, for people: one line.
    pub what: String,
    /// Its address.
    pub url: String,
}

/// The form of an [`Item`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// One DER certificate.
    Certificate,
    /// One DER revocation list.
    RevocationList,
}

/// What the verification of `report` needs beyond `certificates` (DER): its VCEK certificate, unless one is among them,
/// and the revocation list of its ARK.
///
/// A report of version 2 does not name its processor: without a certificate, both products that it may be of are asked for.
pub fn missing<'a>(report: &Report, certificates: impl IntoIterator<Item = &'a [u8]>) -> Vec<Item> {
    let vek = certificates
        .into_iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .find_map(|certificate| VekCertificate::parse(&certificate).ok());
    let products: Vec<Product> = match (&vek, report.cpuid) {
        (Some(vek), _) => vec![vek.product],
        (None, Some(cpuid)) => cpuid.product().into_iter().collect(),
        (None, None) => vec![Product::Milan, Product::Genoa],
    };
    let mut items = Vec::new();
    for product in products {
        if vek.is_none() {
            let what = format!("VCEK certificate of a {product} processor");
            items.push(Item { kind: ItemKind::Certificate, what, url: vcek(product, report) });
        }
        let what = format!("revocation list of ARK-{product}");
        let url = format!("{KDS}/vcek/v1/{product}/crl");
        items.push(Item { kind: ItemKind::RevocationList, what, url });
    }
    items
}

/// Where the VCEK certificate of the chip and the TCB version in `report` is.
fn vcek(product: Product, report: &Report) -> String {
    let id = report.chip_id.get(..product.hwid_len()).map(hex::encode).unwrap_or_default();
    let Tcb { fmc, bootloader, tee, snp, microcode } = Tcb::from_bytes(product, report.reported_tcb);
    let fmc = fmc.map(|fmc| format!("fmcSPL={fmc:02}&")).unwrap_or_default();
    format!(
        "{KDS}/vcek/v1/{product}/{id}?{fmc}blSPL={bootloader:02}&teeSPL={tee:02}&snpSPL={snp:02}&ucodeSPL={microcode:02}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of version 3 from the processor `cpuid`, with the reported TCB 1, 2, …, 8 and the chip id 0xAB….
    fn report(version: u8, cpuid: [u8; 3]) -> Report {
        let mut bytes = [0; crate::REPORT_LEN];
        bytes[0] = version;
        bytes[0x180..0x188].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        bytes[0x188..0x18B].copy_from_slice(&cpuid);
        bytes[0x1A0..0x1E0].fill(0xAB);
        Report::parse(&bytes).unwrap()
    }

    fn urls(report: &Report) -> Vec<String> {
        missing(report, []).into_iter().map(|item| item.url).collect()
    }

    #[test]
    fn the_address_has_the_chip_and_the_patch_levels_of_the_product_s_layout() {
        let id = "ab".repeat(64);
        assert_eq!(
            urls(&report(3, [0x19, 0x01, 1])),
            [
                format!("{KDS}/vcek/v1/Milan/{id}?blSPL=01&teeSPL=02&snpSPL=07&ucodeSPL=08"),
                format!("{KDS}/vcek/v1/Milan/crl")
            ]
        );
        assert_eq!(
            urls(&report(3, [0x1A, 0x02, 1])),
            [
                format!(
                    "{KDS}/vcek/v1/Turin/{}?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=08",
                    "ab".repeat(8)
                ),
                format!("{KDS}/vcek/v1/Turin/crl")
            ]
        );
    }

    #[test]
    fn a_report_that_names_no_processor_may_be_of_either_old_product() {
        assert_eq!(urls(&report(2, [0; 3])).len(), 4);
        assert_eq!(urls(&report(3, [0xFF; 3])), [""; 0]);
    }
}
