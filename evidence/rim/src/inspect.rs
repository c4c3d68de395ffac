//! What a manifest says, for people to look at: none of it is verified.

use std::collections::BTreeMap;

use evidence_x509::Certificate;
use serde_json::{Value, json};

use crate::Rim;

/// What a manifest says, none of it verified.
pub fn rim(rim: &Rim) -> Value {
    let golden = rim.content.golden.iter();
    let golden: BTreeMap<String, Vec<String>> = golden
        .map(|(index, digests)| (index.to_string(), digests.iter().map(hex::encode).collect()))
        .collect();
    json!({
        "sha256": hex::encode(rim.sha256),
        "tag-id": rim.content.tag_id,
        "version": rim.content.version,
        "product": rim.content.product,
        "edition": rim.content.edition.name(),
        "colloquial-version": rim.content.colloquial_version,
        "measurements": rim.content.measurements,
        "golden-values": golden,
        "certificates": rim.certificates.iter().map(Certificate::described).collect::<Vec<_>>(),
    })
}
