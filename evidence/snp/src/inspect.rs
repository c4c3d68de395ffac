//! What a report says, for people to look at: none of it is verified.

use serde_json::{Value, json};

use crate::{Product, Report, Tcb};

/// What a report says, none of it verified. On the product depends how TCB versions are laid out.
pub fn report(report: &Report, product: Option<Product>) -> Value {
    // A report of version 2 does not name its processor, on which the layout of TCB versions depends.
    let product = product.or_else(|| report.cpuid.and_then(|cpuid| cpuid.product()));
    let tcb = |bytes: [u8; 8]| match product {
        Some(product) => json!(Tcb::from_bytes(product, bytes)),
        None => hex::encode(bytes).into(),
    };
    json!({
        "version": report.version,
        "guest-svn": report.guest_svn,
        "guest-policy": format!("{:#x}", report.policy.0),
        "debug-allowed": report.policy.debug_allowed(),
        "migration-agent-allowed": report.policy.migration_agent_allowed(),
        "family-id": hex::encode(report.family_id),
        "image-id": hex::encode(report.image_id),
        "vmpl": report.vmpl,
        "signature-algorithm": report.signature_algorithm,
        "signed-by": report.signer_info.signing_key().to_string(),
        "platform-info": format!("{:#x}", report.platform_info.0),
        "report-data": hex::encode(report.report_data),
        "measurement": hex::encode(report.measurement),
        "host-data": hex::encode(report.host_data),
        "id-key-digest": hex::encode(report.id_key_digest),
        "author-key-digest": hex::encode(report.author_key_digest),
        "report-id": hex::encode(report.report_id),
        "report-id-ma": hex::encode(report.report_id_ma),
        "cpuid": report.cpuid,
        "chip-id": hex::encode(report.chip_id),
        "current-tcb": tcb(report.current_tcb),
        "reported-tcb": tcb(report.reported_tcb),
        "committed-tcb": tcb(report.committed_tcb),
        "launch-tcb": tcb(report.launch_tcb),
        "current-firmware": report.current_version.to_string(),
        "committed-firmware": report.committed_version.to_string(),
        "launch-mitigations": report.launch_mitigations,
        "current-mitigations": report.current_mitigations,
        "reserved-set": report.reserved_set,
    })
}
