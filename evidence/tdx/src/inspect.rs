//! What a quote says, for people to look at: none of it is verified.

use serde_json::{Value, json};

use crate::{Quote, TdAttributes, TdReport, Xfam};

/// What a quote says beside the certificates of its platform.
pub fn quote(quote: &Quote<'_>) -> Value {
    let (header, qe) = (&quote.header, &quote.qe_report);
    json!({
        "version": header.version,
        "attestation-key-type": header.attestation_key_type,
        "tee-type": format!("{:#x}", header.tee_type),
        "qe-vendor-id": hex::encode(header.qe_vendor_id),
        "user-data": hex::encode(header.user_data),
        "td-report": td_report(&quote.report),
        "qe-report": {
            "misc-select": format!("{:#x}", qe.misc_select),
            "attributes": hex::encode(qe.attributes),
            "mr-enclave": hex::encode(qe.mr_enclave),
            "mr-signer": hex::encode(qe.mr_signer),
            "isv-prod-id": qe.isv_prod_id,
            "isv-svn": qe.isv_svn,
            "report-data": hex::encode(qe.report_data),
        },
    })
}

fn td_report(report: &TdReport) -> Value {
    let TdAttributes(attributes) = report.td_attributes;
    let Xfam(xfam) = report.xfam;
    let [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs.map(hex::encode);
    json!({
        "kind": report.kind.name(),
        "tee-tcb-svn": hex::encode(report.tee_tcb_svn),
        "mr-seam": hex::encode(report.mr_seam),
        "mr-signer-seam": hex::encode(report.mr_signer_seam),
        "seam-attributes": hex::encode(report.seam_attributes),
        "td-attributes": format!("{attributes:#x}"),
        "td-attributes-set": set_bits(attributes, &TdAttributes::NAMES),
        "debug": report.td_attributes.debug(),
        "xfam": format!("{xfam:#x}"),
        "xfam-set": set_bits(xfam, &Xfam::NAMES),
        "mrtd": hex::encode(report.mr_td),
        "mr-config-id": hex::encode(report.mr_config_id),
        "mr-owner": hex::encode(report.mr_owner),
        "mr-owner-config": hex::encode(report.mr_owner_config),
        "rtmr0": rtmr0,
        "rtmr1": rtmr1,
        "rtmr2": rtmr2,
        "rtmr3": rtmr3,
        "report-data": hex::encode(report.report_data),
        "tee-tcb-svn-2": report.tee_tcb_svn2.map(hex::encode),
        "mr-service-td": report.mr_service_td.map(hex::encode),
        "current-service-td": report.current_service_td.map(hex::encode),
    })
}

/// The names of the bits that are set; a bit without a name by its number.
fn set_bits(value: u64, names: &[(u32, &str)]) -> String {
    let set = (0..u64::BITS).filter(|bit| value.checked_shr(*bit).is_some_and(|rest| rest & 1 == 1));
    let name = |bit: u32| {
        let known = names.iter().find(|(known, _)| *known == bit);
        known.map_or_else(|| format!("bit {bit}"), |(_, name)| (*name).to_owned())
    };
    set.map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_spelled_out() {
        let attributes = |value| set_bits(value, &TdAttributes::NAMES);
        assert_eq!(attributes(0x1000_0001), "DEBUG, SEPT_VE_DISABLE");
        assert_eq!(attributes(1 << 62 | 1 << 18), "bit 18, TPA");
        assert_eq!(attributes(0), "");
    }
}
