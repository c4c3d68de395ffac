//! Addresses of AMD's key distribution service (57230 rev. 1.00 §4).

use crate::{Product, Report, Tcb};

const KDS: &str = "https://kdsintf.amd.com";

/// Where the VCEK certificate of the chip and the TCB version in `report` is.
pub fn vcek(product: Product, report: &Report) -> String {
    let id = report.chip_id.get(..product.hwid_len()).map(hex::encode).unwrap_or_default();
    let Tcb { fmc, bootloader, tee, snp, microcode } = Tcb::from_bytes(product, report.reported_tcb);
    let fmc = fmc.map(|fmc| format!("fmcSPL={fmc:02}&")).unwrap_or_default();
    format!(
        "{KDS}/vcek/v1/{product}/{id}?{fmc}blSPL={bootloader:02}&teeSPL={tee:02}&snpSPL={snp:02}&ucodeSPL={microcode:02}"
    )
}

/// Where the revocation list of the ARK of `product` is.
pub fn revocation_list(product: Product) -> String {
    format!("{KDS}/vcek/v1/{product}/crl")
}
