//! Measurement reports, field by field: SPDM 1.1 request and response.

use crate::keys::EcKey;

/// A report before it is signed. Each field is written as it stands, so that a test can state any of them.
#[derive(Debug, Clone)]
pub struct ReportSpec {
    /// The request before the nonce: SPDM version, GET_MEASUREMENTS, signature requested, all measurements.
    pub request: [u8; 4],
    /// The nonce of the request.
    pub nonce: [u8; 32],
    /// SlotIDParam.
    pub slot: u8,
    /// The response before the number of blocks: SPDM version, MEASUREMENTS, two parameters.
    pub response: [u8; 4],
    /// The blocks, in this order: SPDM's index, and the digest.
    pub measurements: Vec<(u8, [u8; 48])>,
    /// The number of blocks, where it is not that of the blocks.
    pub count: Option<u8>,
    /// What stands between a block's index and its digest: specification, size, kind of value, size of the value.
    pub block: [u8; 6],
    /// The length of the measurements, where it is not theirs.
    pub measurements_length: Option<u32>,
    /// The nonce of the response.
    pub responder_nonce: [u8; 32],
    /// The opaque data, in this order: NVIDIA's type, and the value.
    pub opaque: Vec<(u16, Vec<u8>)>,
    /// The length of the opaque data, where it is not theirs.
    pub opaque_length: Option<u16>,
    /// Bytes behind the signature.
    pub trailing: Vec<u8>,
}

impl ReportSpec {
    /// A report in NVIDIA's form: of these measurements, with these opaque data, and a nonce of zeros.
    #[must_use]
    pub fn new(measurements: &[[u8; 48]], opaque: Vec<(u16, Vec<u8>)>) -> Self {
        Self {
            request: [0x11, 0xE0, 0x01, 0xFF],
            nonce: [0; 32],
            slot: 0,
            response: [0x11, 0x60, 0, 0],
            measurements: (1..).zip(measurements.iter().copied()).collect(),
            count: None,
            block: [1, 51, 0, 1, 48, 0],
            measurements_length: None,
            responder_nonce: [0xA7; 32],
            opaque,
            opaque_length: None,
            trailing: Vec::new(),
        }
    }

    /// The value of the opaque data's type `kind`, to be changed.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that names another type is a mistake in the test")]
    pub fn opaque_mut(&mut self, kind: u16) -> &mut Vec<u8> {
        let found = self.opaque.iter_mut().find(|(of, _)| *of == kind);
        &mut found.expect("an opaque type that the report has").1
    }

    /// The report, signed by `key` over request and response.
    ///
    /// # Panics
    ///
    /// If a length does not fit into its field.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the lab writes bounded values")]
    pub fn sign(&self, key: &EcKey) -> Vec<u8> {
        let mut report = self.request.to_vec();
        report.extend(self.nonce);
        report.push(self.slot);
        report.extend(self.response);
        report.push(self.count.unwrap_or(u8::try_from(self.measurements.len()).expect("few blocks")));
        let mut record = Vec::new();
        for (index, digest) in &self.measurements {
            record.push(*index);
            record.extend(self.block);
            record.extend(digest);
        }
        let length = u32::try_from(record.len()).expect("a length of 24 bits");
        let [low, middle, high, _] = self.measurements_length.unwrap_or(length).to_le_bytes();
        report.extend([low, middle, high]);
        report.extend(record);
        report.extend(self.responder_nonce);
        let mut opaque = Vec::new();
        for (kind, value) in &self.opaque {
            opaque.extend(kind.to_le_bytes());
            opaque.extend(u16::try_from(value.len()).expect("a length of 16 bits").to_le_bytes());
            opaque.extend(value);
        }
        let length = u16::try_from(opaque.len()).expect("a length of 16 bits");
        report.extend(self.opaque_length.unwrap_or(length).to_le_bytes());
        report.extend(opaque);
        let signature = key.sign(&report);
        report.extend(signature);
        report.extend(&self.trailing);
        report
    }
}
