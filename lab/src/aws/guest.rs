//! A whole confidential VM of AWS's: processor, NitroTPM, boot, runtime events.

use backend_api::EndorsementKind;

use super::document::DocumentSpec;
use super::hierarchy::Instance;
use crate::amd::{Hierarchy, Product, ReportSpec, Vek, VekSpec, crl_spec};
use crate::events::{Event, launch_events};
use crate::keys::{p256_spki, sha256, sha384, sha512};
use crate::tpm::BootLog;

/// The provider of the VLEK, as AMD names AWS in [`Instance::REGION`].
pub const CSP_ID: &str = "CN=cc-us-east-2.amazonaws.com";

/// A confidential VM. Its parts agree with each other when it is made and when report and document are: a test changes one field before
/// that, or one of the parts afterwards.
///
/// All is good at 2026-06-01.
#[derive(Debug, Clone)]
pub struct Guest {
    /// AMD's authorities.
    pub hierarchy: Hierarchy,
    /// What the processor's key is issued from: AWS's VLEK.
    pub vek_spec: VekSpec,
    /// The report before it is signed.
    pub report: ReportSpec,
    /// The instance with its NitroTPM, and the document before it is signed.
    pub instance: Instance,
    /// What was booted.
    pub boot: BootLog,
    /// What the guest extended into PCR14.
    pub events: Vec<Event>,
    /// Values of registers that are no boot's: (register, value).
    pub pcrs: Vec<(u8, [u8; 48])>,
    /// Changes of the document before it is signed, one after the other.
    pub edit_document: Vec<fn(&mut DocumentSpec)>,
}

/// What a guest hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The report, 1184 bytes.
    pub report: Vec<u8>,
    /// The document.
    pub document: Vec<u8>,
    /// The certificate of the VLEK, as the host hands it out.
    pub certificates: Vec<Vec<u8>>,
    /// The log of the boot.
    pub boot_log: Vec<u8>,
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

impl Guest {
    /// A guest on an EPYC of the third generation, as AWS has them.
    #[must_use]
    pub fn new() -> Self {
        let product = Product::Milan;
        Self {
            hierarchy: Hierarchy::new(product),
            vek_spec: VekSpec { csp_id: Some(CSP_ID.to_owned()), ..VekSpec::vlek(product) },
            report: ReportSpec {
                // As on real machines: SMT and no swapping of pages.
                policy: 0x203_0000,
                measurement: [0xAE; 48],
                ..ReportSpec::new_vlek(product, 5)
            },
            instance: Instance::new(),
            boot: BootLog::new(),
            events: launch_events(b"lab app compose", &p256_spki("kms root")),
            pcrs: Vec::new(),
            edit_document: Vec::new(),
        }
    }

    /// The instance's id, as its document has it.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        let module_id = &self.instance.document.module_id;
        module_id.split_once("-tpm").map_or(module_id, |(instance, _)| instance)
    }

    /// The value of a register, SHA-384: those of a dynamic launch are all ones.
    #[must_use]
    pub fn pcr(&self, pcr: u8) -> [u8; 48] {
        if let Some((_, value)) = self.pcrs.iter().find(|(index, _)| *index == pcr) {
            return *value;
        }
        if (17..23).contains(&pcr) {
            return [0xFF; 48];
        }
        let booted = self.boot.pcr_sha384(u32::from(pcr));
        let events = self.events.iter().filter(|_| pcr == 14);
        events.fold(booted, |value, event| sha384(&[value, event.sha384()].concat()))
    }

    /// The VLEK and its certificate.
    #[must_use]
    pub fn vek(&self) -> Vek {
        self.vek_spec.issue(&self.hierarchy)
    }

    /// The signed report with this REPORT_DATA, 1184 bytes.
    #[must_use]
    pub fn report_for(&self, report_data: &[u8; 64]) -> Vec<u8> {
        ReportSpec { report_data: *report_data, ..self.report.clone() }.sign(&self.vek())
    }

    /// The signed document with these members, after [`Self::edit_document`].
    #[must_use]
    pub fn document_for(&self, nonce: Option<&[u8]>, user_data: Option<&[u8]>) -> Vec<u8> {
        let mut instance = self.instance.clone();
        let document = &mut instance.document;
        document.pcrs = (0..24).map(|pcr: u8| (pcr.into(), self.pcr(pcr).to_vec())).collect();
        document.nonce = nonce.map(<[u8]>::to_vec);
        document.user_data = user_data.map(<[u8]>::to_vec);
        self.edit_document.iter().for_each(|edit| edit(document));
        instance.sign()
    }

    /// What the guest hands out, of a report and a document.
    #[must_use]
    pub fn parts(&self, report: Vec<u8>, document: Vec<u8>) -> Parts {
        Parts { report, document, certificates: vec![self.vek().der], boot_log: self.boot.bytes() }
    }

    /// What the guest hands out for `challenge` in the profile v1: the report names the instance, the document commits to the report,
    /// and both to the challenge.
    #[must_use]
    pub fn v1_parts(&self, challenge: &[u8; 64]) -> Parts {
        let instance = sha256(self.instance_id().as_bytes());
        let report =
            self.report_for(&sha512(&[b"dstack-aws-snp-v1\0", instance.as_slice(), challenge].concat()));
        let nonce = sha384(&[b"dstack-aws-document-v1\0", report.as_slice()].concat());
        let document = self.document_for(Some(&nonce), Some(challenge));
        self.parts(report, document)
    }

    /// What a relying party has of AMD: the authorities above the VLEK, and the revocation list. AWS's are in the document.
    #[must_use]
    pub fn endorsements(&self) -> Vec<(EndorsementKind, Vec<u8>)> {
        vec![
            (EndorsementKind::Certificate, self.hierarchy.asvk().to_vec()),
            (EndorsementKind::Certificate, self.hierarchy.ark().to_vec()),
            (EndorsementKind::RevocationList, crl_spec(&self.hierarchy).sign(self.hierarchy.ark_key())),
        ]
    }

    /// Every root's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo, and the ASVK's.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        [self.hierarchy.pins(), self.instance.hierarchy.pins()].concat()
    }
}
