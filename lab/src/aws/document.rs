//! Attestation documents of a NitroTPM, field by field.

use super::cbor::{self, Lengths};
use crate::keys::EcKey;

/// The protected header `{1: -35}`: ES384 (RFC 9053, §2.1).
pub const PROTECTED: [u8; 4] = [0xA1, 0x01, 0x38, 0x22];

/// A document before it is signed (EC2 User Guide, Attestation Document specification).
#[derive(Debug, Clone)]
pub struct DocumentSpec {
    /// `module_id`.
    pub module_id: String,
    /// `digest`.
    pub digest: String,
    /// `timestamp`, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The name of the member with the registers: a Nitro Enclave's is `pcrs`.
    pub registers: String,
    /// The registers, in this order: number and value.
    pub pcrs: Vec<(u64, Vec<u8>)>,
    /// `certificate`.
    pub certificate: Vec<u8>,
    /// `cabundle`.
    pub cabundle: Vec<Vec<u8>>,
    /// `public_key`; `None` is written as null, as are the next two.
    pub public_key: Option<Vec<u8>>,
    /// `user_data`.
    pub user_data: Option<Vec<u8>>,
    /// `nonce`.
    pub nonce: Option<Vec<u8>>,
    /// Members that are left out.
    pub omitted: Vec<&'static str>,
    /// Members behind the others: name and value, both encoded already.
    pub more: Vec<(Vec<u8>, Vec<u8>)>,
    /// How the payload's map is written.
    pub payload: Lengths,
    /// How the array of COSE_Sign1, and what else is in the payload, is written.
    pub others: Lengths,
    /// The tag of the array; AWS writes none.
    pub tag: Option<u64>,
    /// What the byte string of the protected header holds.
    pub protected: Vec<u8>,
    /// The unprotected header, encoded.
    pub unprotected: Vec<u8>,
}

impl DocumentSpec {
    /// A document in AWS's form, of 24 registers: those of a TPM that has started, with something in 4, 7 and 9.
    #[must_use]
    pub fn new(module_id: &str, timestamp: u64) -> Self {
        let start = |pcr: u64| if (17..23).contains(&pcr) { vec![0xFF; 48] } else { vec![0; 48] };
        let value =
            |pcr: u64| if [4, 7, 9].contains(&pcr) { vec![pcr.to_be_bytes()[7]; 48] } else { start(pcr) };
        Self {
            module_id: module_id.to_owned(),
            digest: "SHA384".to_owned(),
            timestamp,
            registers: "nitrotpm_pcrs".to_owned(),
            pcrs: (0..24).map(|pcr| (pcr, value(pcr))).collect(),
            certificate: Vec::new(),
            cabundle: Vec::new(),
            public_key: None,
            user_data: None,
            nonce: None,
            omitted: Vec::new(),
            more: Vec::new(),
            payload: Lengths::Indefinite,
            others: Lengths::Definite,
            tag: None,
            protected: PROTECTED.to_vec(),
            unprotected: vec![0xA0],
        }
    }

    /// The members of the payload: name and value, both encoded, in AWS's order.
    #[must_use]
    pub fn members(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pcrs: Vec<_> =
            self.pcrs.iter().map(|(pcr, value)| (cbor::unsigned(*pcr), cbor::bytes(value))).collect();
        let cabundle: Vec<_> = self.cabundle.iter().map(|der| cbor::bytes(der)).collect();
        let members = [
            ("module_id", cbor::text(&self.module_id)),
            ("digest", cbor::text(&self.digest)),
            ("timestamp", cbor::unsigned(self.timestamp)),
            (self.registers.as_str(), cbor::map(&pcrs, self.others)),
            ("certificate", cbor::bytes(&self.certificate)),
            ("cabundle", cbor::array(&cabundle, self.others)),
            ("public_key", cbor::nullable(self.public_key.as_deref())),
            ("user_data", cbor::nullable(self.user_data.as_deref())),
            ("nonce", cbor::nullable(self.nonce.as_deref())),
        ];
        let written = members.into_iter().filter(|(name, _)| !self.omitted.contains(name));
        let written = written.map(|(name, value)| (cbor::text(name), value));
        written.chain(self.more.iter().cloned()).collect()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        cbor::map(&self.members(), self.payload)
    }

    /// The document, signed by `key`, whether or not that is the key that its certificate names.
    #[must_use]
    pub fn sign(&self, key: &EcKey) -> Vec<u8> {
        self.seal(&self.payload(), key)
    }

    /// A document around any payload, signed by `key`.
    #[must_use]
    pub fn seal(&self, payload: &[u8], key: &EcKey) -> Vec<u8> {
        self.message(payload, &key.sign(&self.to_be_signed(payload)))
    }

    /// Sig_structure (RFC 9052, §4.4) without data from outside.
    #[must_use]
    pub fn to_be_signed(&self, payload: &[u8]) -> Vec<u8> {
        let items =
            [cbor::text("Signature1"), cbor::bytes(&self.protected), cbor::bytes(&[]), cbor::bytes(payload)];
        cbor::array(&items, Lengths::Definite)
    }

    /// COSE_Sign1 (RFC 9052, §4.2) around any payload, with any signature.
    #[must_use]
    pub fn message(&self, payload: &[u8], signature: &[u8]) -> Vec<u8> {
        let items = [
            cbor::bytes(&self.protected),
            self.unprotected.clone(),
            cbor::bytes(payload),
            cbor::bytes(signature),
        ];
        let tag = self.tag.map(|tag| cbor::head(6, tag)).unwrap_or_default();
        [tag, cbor::array(&items, self.others)].concat()
    }
}
