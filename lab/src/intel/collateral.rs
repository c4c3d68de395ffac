//! Collateral: what a verifier needs beside the quote, as Intel's Provisioning Certification Service serves
//! it.

#![expect(
    clippy::expect_used,
    reason = "the lab serialises its own types, so a failure is a mistake in the lab"
)]

use serde::Serialize;
use serde_json::json;

use super::PckCa;
use super::crl::{pck_crl_spec, root_crl_spec};
use super::hierarchy::Hierarchy;
use super::pck::PckSpec;
use super::tcb::{QeIdentity, TcbInfo};
use crate::keys::P256Key;
use crate::x509::{CrlSpec, pem_chain};

/// A signed JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDocument {
    /// The field that holds the body: `tcbInfo` or `enclaveIdentity`.
    pub name: String,
    /// The body: JSON text, whose exact bytes are signed.
    pub body: String,
    /// The signature, `r ‖ s`, 64 bytes.
    pub signature: Vec<u8>,
}

impl SignedDocument {
    /// Signs `body`, whatever it says.
    #[must_use]
    pub fn sign(name: &str, body: String, key: &P256Key) -> Self {
        let signature = key.sign(body.as_bytes()).to_vec();
        Self { name: name.to_owned(), body, signature }
    }

    /// TCB info, signed.
    #[must_use]
    pub fn tcb_info(info: &TcbInfo, key: &P256Key) -> Self {
        Self::sign("tcbInfo", json_text(info), key)
    }

    /// The identity of a Quoting Enclave, signed.
    #[must_use]
    pub fn qe_identity(identity: &QeIdentity, key: &P256Key) -> Self {
        Self::sign("enclaveIdentity", json_text(identity), key)
    }

    /// The document as it is served: `{"<name>":<body>,"signature":"<128 lower-case hexadecimal digits>"}`.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { name, body, signature } = self;
        format!(r#"{{"{name}":{body},"signature":"{}"}}"#, hex::encode(signature))
    }
}

fn json_text(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("a document of texts and numbers")
}

/// Collateral to be signed. It is signed by the keys of a hierarchy; for another key, sign the one part by
/// hand.
#[derive(Debug, Clone)]
pub struct CollateralSpec {
    /// Whose CRL it holds.
    pub ca: PckCa,
    /// TCB info of the platform's FMSPC.
    pub tcb_info: TcbInfo,
    /// The identity of the TD Quoting Enclave.
    pub qe_identity: QeIdentity,
    /// The CRL of the root CA.
    pub root_ca_crl: CrlSpec,
    /// The CRL of the PCK CA.
    pub pck_crl: CrlSpec,
    /// The certificates of the PCK CA and of the root CA, DER-encoded, in this order.
    pub pck_crl_issuer_chain: Vec<Vec<u8>>,
    /// The certificates of the collateral's key and of the root CA, DER-encoded, in this order.
    pub tcb_signing_chain: Vec<Vec<u8>>,
}

/// Signed collateral, in the parts in which it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collateral {
    /// The CRL of the root CA, DER-encoded.
    pub root_ca_crl: Vec<u8>,
    /// The CRL of the PCK CA, DER-encoded.
    pub pck_crl: Vec<u8>,
    /// The issuer of that CRL and the root CA, PEM.
    pub pck_crl_issuer_chain: String,
    /// TCB info.
    pub tcb_info: SignedDocument,
    /// The signer of TCB info and the root CA, PEM.
    pub tcb_info_issuer_chain: String,
    /// The identity of the TD Quoting Enclave.
    pub qe_identity: SignedDocument,
    /// The signer of the identity and the root CA, PEM.
    pub qe_identity_issuer_chain: String,
}

impl CollateralSpec {
    /// Collateral under which the platform of `pck` is up to date: of 2026-01-01, good for a year, with
    /// nothing revoked.
    #[must_use]
    pub fn of(pck: &PckSpec, hierarchy: &Hierarchy) -> Self {
        let root = hierarchy.root().to_vec();
        Self {
            ca: pck.ca,
            tcb_info: TcbInfo::of(pck),
            qe_identity: QeIdentity::default(),
            root_ca_crl: root_crl_spec(hierarchy),
            pck_crl: pck_crl_spec(hierarchy, pck.ca),
            pck_crl_issuer_chain: vec![hierarchy.pck_ca(pck.ca).to_vec(), root.clone()],
            tcb_signing_chain: vec![hierarchy.tcb_signing().to_vec(), root],
        }
    }

    /// The collateral, signed by the keys of `hierarchy`.
    #[must_use]
    pub fn sign(&self, hierarchy: &Hierarchy) -> Collateral {
        let pem = |chain: &[Vec<u8>]| pem_chain(chain.iter().map(Vec::as_slice));
        let key = hierarchy.tcb_signing_key();
        Collateral {
            root_ca_crl: self.root_ca_crl.sign(hierarchy.root_key()),
            pck_crl: self.pck_crl.sign(hierarchy.pck_ca_key(self.ca)),
            pck_crl_issuer_chain: pem(&self.pck_crl_issuer_chain),
            tcb_info: SignedDocument::tcb_info(&self.tcb_info, key),
            tcb_info_issuer_chain: pem(&self.tcb_signing_chain),
            qe_identity: SignedDocument::qe_identity(&self.qe_identity, key),
            qe_identity_issuer_chain: pem(&self.tcb_signing_chain),
        }
    }
}

impl Collateral {
    /// The collateral in the JSON form of the type `QuoteCollateralV3` of `dcap-qvl`: bytes as hexadecimal,
    /// chains as PEM, the bodies of the documents as text.
    #[must_use]
    pub fn dcap_qvl_json(&self) -> String {
        json!({
            "pck_crl_issuer_chain": self.pck_crl_issuer_chain,
            "root_ca_crl": hex::encode(&self.root_ca_crl),
            "pck_crl": hex::encode(&self.pck_crl),
            "tcb_info_issuer_chain": self.tcb_info_issuer_chain,
            "tcb_info": self.tcb_info.body,
            "tcb_info_signature": hex::encode(&self.tcb_info.signature),
            "qe_identity_issuer_chain": self.qe_identity_issuer_chain,
            "qe_identity": self.qe_identity.body,
            "qe_identity_signature": hex::encode(&self.qe_identity.signature),
        })
        .to_string()
    }
}
