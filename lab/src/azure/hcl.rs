//! Reports of a paravisor, and the runtime data in them.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    reason = "the lab encodes what it made itself, and lengths are those of short data"
)]

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Bytes of the report of the processor.
const HARDWARE_REPORT_LEN: usize = 1184;

/// The runtime data before they are JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeData {
    /// The modulus of the attestation key.
    pub modulus: Vec<u8>,
    /// Its other members.
    pub key: Value,
    /// Keys beside it, in their order.
    pub more_keys: Vec<Value>,
    /// `vm-configuration`.
    pub vm_configuration: Value,
    /// `user-data`.
    pub user_data: Option<Vec<u8>>,
    /// What stands before the closing brace, as it is.
    pub appended: String,
}

impl RuntimeData {
    /// The runtime data of a vTPM whose attestation key has this modulus.
    #[must_use]
    pub fn new(modulus: Vec<u8>) -> Self {
        Self {
            modulus,
            key: json!({ "kid": "HCLAkPub", "key_ops": ["sign"], "kty": "RSA", "e": "AQAB" }),
            more_keys: Vec::new(),
            vm_configuration: json!({
                "console-enabled": true,
                "secure-boot": true,
                "tpm-enabled": true,
                "tpm-persisted": false,
                "vmUniqueId": "6332533d-5649-4d02-8aa7-8f64b7c3ee21",
            }),
            user_data: Some(vec![0; 64]),
            appended: String::new(),
        }
    }

    /// The JSON, whose exact bytes are hashed.
    ///
    /// # Panics
    ///
    /// If `key` is no object.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut key = self.key.clone();
        let members = key.as_object_mut().expect("an object");
        members.insert("n".to_owned(), BASE64_URL_SAFE_NO_PAD.encode(&self.modulus).into());
        let keys: Vec<Value> = std::iter::once(key).chain(self.more_keys.clone()).collect();
        let mut all = json!({ "keys": keys, "vm-configuration": self.vm_configuration });
        if let Some(user_data) = &self.user_data {
            let members = all.as_object_mut().expect("an object");
            members.insert("user-data".to_owned(), hex::encode_upper(user_data).into());
        }
        let text = all.to_string();
        let open = text.strip_suffix('}').expect("an object");
        format!("{open}{}}}", self.appended).into_bytes()
    }
}

/// A report of a paravisor before it is bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HclSpec {
    /// Version of the header.
    pub version: u32,
    /// request_type.
    pub request_type: u32,
    /// report_type: 2 SNP, 4 TDX.
    pub report_type: u32,
    /// hash_type: 1 SHA-256.
    pub hash_type: u32,
    /// Version of the data.
    pub data_version: u32,
    /// Bytes of the vTPM's index.
    pub size: usize,
    /// Bytes written over the others: (offset, bytes).
    pub patches: Vec<(usize, Vec<u8>)>,
}

impl HclSpec {
    /// A report of the current form, with the header's version as Azure has it for the technology.
    #[must_use]
    pub fn new(report_type: u32) -> Self {
        Self {
            version: if report_type == 4 { 2 } else { 1 },
            request_type: 2,
            report_type,
            hash_type: 1,
            data_version: 1,
            size: 2600,
            patches: Vec::new(),
        }
    }

    /// The report around the report of the processor and the runtime data.
    ///
    /// # Panics
    ///
    /// If the parts are longer than the report.
    #[must_use]
    pub fn bytes(&self, hardware_report: &[u8], runtime_data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(runtime_data.len()).expect("short data");
        let header = [length + 1236, self.request_type, 0, 0, 0, 0];
        let data_header = [length + 20, self.data_version, self.report_type, self.hash_type, length];
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let mut report = b"HCLA".to_vec();
        report.extend(words(&[self.version]));
        report.extend(words(&header));
        report.extend(hardware_report);
        report.resize(32 + HARDWARE_REPORT_LEN, 0);
        report.extend(words(&data_header));
        report.extend(runtime_data);
        assert!(report.len() <= self.size, "a report of {} bytes does not fit", report.len());
        report.resize(self.size, 0);
        for (offset, bytes) in &self.patches {
            let end = offset + bytes.len();
            report.get_mut(*offset..end).expect("a place in the report").copy_from_slice(bytes);
        }
        report
    }
}
