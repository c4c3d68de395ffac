//! AMD's key distribution service: what a report needs from it, and where that is (57230 rev. 1.00).

use evidence_x509::Certificate;

use crate::{Product, Report, Tcb, VekCertificate, VekKind, anchors::issuer_name};

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
    let certificates: Vec<Certificate> = read(certificates);
    let vek = vek(&certificates);
    let mut items = Vec::new();
    for product in products(report, vek.as_ref()) {
        if vek.is_none() {
            let what = format!("VCEK certificate of a {product} processor");
            items.push(Item { kind: ItemKind::Certificate, what, url: vcek(product, report) });
        }
        items.push(revocation_list(product, "vcek"));
    }
    items
}

/// What the verification of `report`, which a VLEK signed, needs beyond `certificates` (DER): the certificate of the ASVK, unless one
/// of its name is among them, and the revocation list of its ARK.
///
/// The VLEK's own is nothing that AMD hands out: it comes with the evidence. The address has the ASVK's and the ARK's certificate
/// one behind the other, in PEM.
pub fn missing_under_vlek<'a>(
    report: &Report,
    certificates: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Item> {
    let certificates: Vec<Certificate> = read(certificates);
    let mut items = Vec::new();
    for product in products(report, vek(&certificates).as_ref()) {
        let asvk = issuer_name(product, VekKind::Vlek);
        if !certificates.iter().any(|certificate| certificate.subject() == asvk) {
            let what = format!("certificate of {asvk}");
            let url = format!("{KDS}/vlek/v1/{product}/cert_chain");
            items.push(Item { kind: ItemKind::Certificate, what, url });
        }
        items.push(revocation_list(product, "vlek"));
    }
    items
}

/// What cannot be read is passed over: verification says so.
fn read<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Vec<Certificate> {
    certificates.into_iter().filter_map(|der| Certificate::parse(der).ok()).collect()
}

fn vek(certificates: &[Certificate]) -> Option<VekCertificate> {
    certificates.iter().find_map(|certificate| VekCertificate::parse(certificate).ok())
}

/// The products that the report may be of.
fn products(report: &Report, vek: Option<&VekCertificate>) -> Vec<Product> {
    match (vek, report.cpuid) {
        (Some(vek), _) => vec![vek.product],
        (None, Some(cpuid)) => cpuid.product().into_iter().collect(),
        (None, None) => vec![Product::Milan, Product::Genoa],
    }
}

/// The list of the product's ARK, which AMD has at two addresses.
fn revocation_list(product: Product, endpoint: &str) -> Item {
    Item {
        kind: ItemKind::RevocationList,
        what: format!("revocation list of ARK-{product}"),
        url: format!("{KDS}/{endpoint}/v1/{product}/crl"),
    }
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
    fn under_a_vlek_the_authority_above_it_is_asked_for() {
        let urls: Vec<String> =
            missing_under_vlek(&report(3, [0x19, 0x01, 1]), []).into_iter().map(|item| item.url).collect();
        assert_eq!(urls, [format!("{KDS}/vlek/v1/Milan/cert_chain"), format!("{KDS}/vlek/v1/Milan/crl")]);
    }

    #[test]
    fn a_report_that_names_no_processor_may_be_of_either_old_product() {
        assert_eq!(urls(&report(2, [0; 3])).len(), 4);
        assert_eq!(urls(&report(3, [0xFF; 3])), [""; 0]);
    }
}
