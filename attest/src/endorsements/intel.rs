//! Intel's collateral for TDX: single answers of its service, or all of one platform in one file.
//!
//! Sources: Intel PCS API v4 (TCB info, QE identity); the crate `dcap-qvl` 0.7, `QuoteCollateralV3` (the
//! file, as its tools and dstack's write it).

use backend_api::{Endorsement, EndorsementKind};
use evidence_tdx::{MAX_DOCUMENT, is_document};
use evidence_x509::Certificate;
use serde::Deserialize;

use super::revocation_list;

/// The collateral of one platform: chains in PEM, lists and signatures in hex, documents as text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Collateral {
    pck_crl_issuer_chain: String,
    root_ca_crl: String,
    pck_crl: String,
    tcb_info_issuer_chain: String,
    tcb_info: String,
    tcb_info_signature: String,
    qe_identity_issuer_chain: String,
    qe_identity: String,
    qe_identity_signature: String,
    #[serde(default)]
    pck_certificate_chain: Option<String>,
}

/// The endorsements of a JSON text.
pub(super) fn recognise(text: &[u8]) -> Result<Vec<Endorsement>, String> {
    if is_document(text) {
        return Ok(vec![Endorsement::new(EndorsementKind::Document, text.to_vec())]);
    }
    let collateral: Collateral = serde_json::from_slice(text).map_err(|error| {
        format!("neither an answer of Intel's service nor the collateral of a platform: {error}")
    })?;
    collateral.endorsements()
}

impl Collateral {
    fn endorsements(&self) -> Result<Vec<Endorsement>, String> {
        let mut all = Vec::new();
        let chains =
            [&self.tcb_info_issuer_chain, &self.qe_identity_issuer_chain, &self.pck_crl_issuer_chain];
        for chain in chains.into_iter().chain(&self.pck_certificate_chain).filter(|chain| !chain.is_empty()) {
            let read = Certificate::parse_der_or_pem(chain.as_bytes()).map_err(|error| error.to_string())?;
            let certificates = read.iter().map(|certificate| certificate.der().to_vec());
            all.extend(certificates.map(|der| Endorsement::new(EndorsementKind::Certificate, der)));
        }
        all.push(document("tcbInfo", &self.tcb_info, &self.tcb_info_signature)?);
        all.push(document("enclaveIdentity", &self.qe_identity, &self.qe_identity_signature)?);
        for list in [&self.root_ca_crl, &self.pck_crl] {
            let der = hex::decode(list).map_err(|error| format!("revocation list in hex: {error}"))?;
            all.push(revocation_list(&der)?);
        }
        Ok(all)
    }
}

/// A document in the form in which the service answers: what is signed are the exact bytes of its body.
fn document(member: &str, body: &str, signature: &str) -> Result<Endorsement, String> {
    let signature = signature.to_ascii_lowercase();
    let answer = format!(r#"{{"{member}":{body},"signature":"{signature}"}}"#);
    if !is_document(answer.as_bytes()) {
        return Err(format!(
            "{member}: expected a document of Intel's with a signature of 128 hex digits, {MAX_DOCUMENT} bytes at most"
        ));
    }
    Ok(Endorsement::new(EndorsementKind::Document, answer.into_bytes()))
}

#[cfg(test)]
mod tests {
    use backend_api::Endorsements;
    use lab::intel::TdGuest;
    use serde_json::{Value, json};

    use super::*;

    /// The lab's collateral in one file.
    fn file() -> Value {
        serde_json::from_str(&TdGuest::new().collateral().dcap_qvl_json()).unwrap()
    }

    fn read(json: &Value) -> Result<Endorsements, String> {
        recognise(json.to_string().as_bytes()).map(Endorsements::from_iter)
    }

    #[test]
    fn one_answer_is_one_document() {
        let all = TdGuest::new().collateral();
        for document in [all.tcb_info.json(), all.qe_identity.json()] {
            let found = recognise(document.as_bytes()).unwrap();
            assert_eq!(found, [Endorsement::new(EndorsementKind::Document, document.into_bytes())]);
        }
    }

    #[test]
    fn one_file_has_all_of_a_platform() {
        let lab = TdGuest::new().collateral();
        let found = Endorsements::from_iter(recognise(lab.dcap_qvl_json().as_bytes()).unwrap());
        let documents: Vec<_> = found.of(EndorsementKind::Document).collect();
        assert!(documents == [lab.tcb_info.json().as_bytes(), lab.qe_identity.json().as_bytes()]);
        let lists: Vec<_> = found.of(EndorsementKind::RevocationList).collect();
        assert!(lists == [&lab.root_ca_crl[..], &lab.pck_crl]);
        // Signer, root and PCK CA: each once, though the root stands in each chain.
        assert_eq!(found.of(EndorsementKind::Certificate).count(), 3);
        let mut without_issuers = file();
        without_issuers["pck_crl_issuer_chain"] = "".into();
        without_issuers["pck_certificate_chain"] = Value::Null;
        assert_eq!(read(&without_issuers).unwrap().of(EndorsementKind::Certificate).count(), 2);
    }

    #[test]
    fn anything_else_has_a_reason() {
        for (key, value) in [
            ("tcb_info", json!("{}, \"x\":{}")),
            ("tcb_info", json!("[]")),
            ("tcb_info", json!({})),
            ("qe_identity", json!(format!("{{\"a\":\"{}\"}}", "a".repeat(MAX_DOCUMENT)))),
            ("tcb_info_signature", json!("00")),
            ("qe_identity_signature", json!("zz".repeat(64))),
            ("root_ca_crl", json!("0")),
            ("pck_crl", json!("00")),
            ("tcb_info_issuer_chain", json!("no certificates")),
            ("unknown", json!("")),
        ] {
            let mut wrong = file();
            wrong[key] = value;
            assert!(read(&wrong).is_err(), "{key}");
        }
        let mut short = file();
        short.as_object_mut().unwrap().remove("pck_crl");
        assert!(read(&short).is_err());
        let signature = "00".repeat(64);
        for text in [
            "{}".to_owned(),
            format!(r#"{{"tcbInfo":{{}},"enclaveIdentity":{{}},"signature":"{signature}"}}"#),
            format!(r#"{{"tcbInfo":{{}},"tcbInfo":{{}},"signature":"{signature}"}}"#),
            format!(r#"{{"tcbInfo":{{}},"signature":"{signature}"}} "#) + "x",
            format!(r#"{{"tcbInfo":[],"signature":"{signature}"}}"#),
            r#"{"tcbInfo":{},"signature":"00"}"#.to_owned(),
            format!(r#"{{"signature":"{signature}"}}"#),
        ] {
            assert!(recognise(text.as_bytes()).is_err(), "{text}");
        }
    }
}
