//! NVIDIA's manifests: XML as it is signed, or the JSON answer of NVIDIA's service.

use backend_api::{Endorsement, EndorsementKind};
use backend_nvidia::RimDocument;
use evidence_rim::Rim;

/// Whether a file wants to be a manifest.
pub(super) fn is_manifest(text: &[u8]) -> bool {
    text.starts_with(b"<")
        || (text.starts_with(b"{") && RimDocument::of(text).is_none_or(|it| it.id.is_some()))
}

/// The manifest of a file, whose bytes are kept as they are.
pub(super) fn recognise(bytes: &[u8]) -> Result<Vec<Endorsement>, String> {
    let found = RimDocument::of(bytes).ok_or("answer of NVIDIA's service without a manifest in base64")?;
    Rim::parse(&found.document).map_err(|error| format!("no manifest of NVIDIA's: {error}"))?;
    Ok(vec![Endorsement::new(EndorsementKind::Document, bytes.to_vec())])
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use lab::nvidia::Machine;
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_a_manifest_are_documents() {
        for manifest in Machine::h100().documents() {
            let answer = json!({ "id": "NV_GPU_DRIVER_GH100_550.90.07", "rim": STANDARD.encode(&manifest), "rim_format": "TCG" });
            for bytes in [manifest.clone(), answer.to_string().into_bytes()] {
                assert!(is_manifest(&bytes));
                let document = Endorsement::new(EndorsementKind::Document, bytes.clone());
                assert_eq!(recognise(&bytes), Ok(vec![document]));
            }
        }
    }

    #[test]
    fn anything_else_has_a_reason() {
        let manifest = Machine::h100().documents().remove(0);
        let cut = STANDARD.encode(&manifest[..manifest.len() / 2]);
        for text in [
            "<a/>".to_owned(),
            "<".to_owned(),
            json!({ "id": "a", "rim": cut }).to_string(),
            json!({ "id": "a", "rim": "no base64" }).to_string(),
        ] {
            assert!(is_manifest(text.as_bytes()) && recognise(text.as_bytes()).is_err(), "{text}");
        }
        // Intel's documents are none.
        for text in ["{}", r#"{"id": "a"}"#, r#"{"tcbInfo": {}}"#, "{", ""] {
            assert!(!is_manifest(text.as_bytes()), "{text}");
        }
    }
}
