//! A whole confidential VM of Azure's: processor, paravisor, vTPM, boot, runtime events.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets are constants of the lab, and lengths those of short arrays"
)]

use backend_api::EndorsementKind;

use super::hcl::{HclSpec, RuntimeData};
use super::hierarchy::Hierarchy;
use crate::amd;
use crate::events::{Event, launch_events};
use crate::intel::{BodyType, TdBody, TdGuest};
use crate::keys::{Pkcs1, RsaKey, p256_spki, sha256};
use crate::tpm::{AttestSpec, BootLog, SelectionSpec, ak_public, qualified_name, rsassa_sha256};
use crate::x509::CertSpec;

/// TPMA_OBJECT of the attestation key of an Azure vTPM.
pub const AK_ATTRIBUTES: u32 = 0x0005_0472;

/// The digest of an ID key of Microsoft's (edgelesssys/constellation, Azure SEV-SNP).
const ID_KEY_DIGEST: &str =
    "0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca491ecdd7f336dc28a6e0b2bb57af7a44a3";

/// The registers that a v1 quote has.
pub const V1_PCRS: [u8; 10] = [0, 2, 4, 7, 8, 9, 11, 12, 13, 14];

/// Bytes of a report of the paravisor beside the runtime data: header, report of the processor, header of the data.
const HCL_OVERHEAD: usize = 32 + 1184 + 20;

/// Bytes of the vTPM's index for the certificate.
const AK_CERTIFICATE_SIZE: usize = 4096;

/// The processor under a confidential VM.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
pub enum Tee {
    /// AMD's: authorities and chip, and the report before it is signed.
    Snp(amd::Guest),
    /// Intel's: platform and collateral, and the quote before it is signed.
    Tdx(TdGuest),
}

/// A confidential VM. Its parts agree with each other when it is made and when it is quoted: a test changes one field before that, or
/// one of the parts afterwards.
///
/// All is good at 2026-06-01.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The processor.
    pub tee: Tee,
    /// The authorities of virtual TPMs.
    pub hierarchy: Hierarchy,
    /// The attestation key.
    pub ak: RsaKey,
    /// Its certificate before it is signed.
    pub ak_spec: CertSpec,
    /// The runtime data.
    pub runtime_data: RuntimeData,
    /// The report of the paravisor.
    pub hcl: HclSpec,
    /// What was booted.
    pub boot: BootLog,
    /// What the guest extended into PCR14.
    pub events: Vec<Event>,
    /// Values of registers that are no boot's: (register, value).
    pub pcrs: Vec<(u8, [u8; 32])>,
    /// The registers that are quoted.
    pub selection: SelectionSpec,
    /// Changes of the quote before it is signed, one after the other.
    pub edit_quote: Vec<fn(&mut AttestSpec)>,
    /// Bytes written over the TD report: (offset, bytes).
    pub td_report_patches: Vec<(usize, Vec<u8>)>,
}

/// What a guest hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The report of the paravisor.
    pub hcl_report: Vec<u8>,
    /// The quote of the TD report, on TDX.
    pub td_quote: Option<Vec<u8>>,
    /// TPMS_ATTEST.
    pub quote: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// The values of the quoted registers.
    pub pcrs: Vec<Vec<u8>>,
    /// The certificate of the attestation key, as the vTPM keeps it.
    pub ak_certificate: Vec<u8>,
    /// The certificate of the processor's key, and of the authority below Azure's root.
    pub certificates: Vec<Vec<u8>>,
    /// The log of the boot.
    pub boot_log: Vec<u8>,
}

impl Guest {
    /// A guest on an EPYC of the third generation.
    #[must_use]
    pub fn snp() -> Self {
        Self::on_epyc(amd::Product::Milan)
    }

    /// A guest on an EPYC of `product`: launched under Microsoft's ID key, with its policy.
    ///
    /// # Panics
    ///
    /// Never: the digest is a constant.
    #[must_use]
    pub fn on_epyc(product: amd::Product) -> Self {
        let mut processor = amd::Guest::new(product);
        let report = &mut processor.report;
        report.policy = 0x3_001F;
        report.guest_svn = 10;
        report.host_data = [0; 32];
        report.measurement = [0xA2; 48];
        let _ = hex::decode_to_slice(ID_KEY_DIGEST, &mut report.id_key_digest);
        Self::on(Tee::Snp(processor), 2)
    }

    /// A guest in a trust domain: the registers of the TD are the paravisor's, and zero.
    #[must_use]
    pub fn tdx() -> Self {
        let mut processor = TdGuest::new();
        let body = &mut processor.quote.body;
        [body.rtmr0, body.rtmr1, body.rtmr2, body.rtmr3] = [[0; 48]; 4];
        body.mr_config_id = [0; 48];
        Self::on(Tee::Tdx(processor), 4)
    }

    fn on(tee: Tee, report_type: u32) -> Self {
        let hierarchy = Hierarchy::new();
        let ak = RsaKey::from_pkcs8(include_bytes!("../../keys/azure_ak.pk8"));
        Self {
            tee,
            ak_spec: hierarchy.ak_spec(ak.spki()),
            hierarchy,
            runtime_data: RuntimeData::new(ak.modulus()),
            ak,
            hcl: HclSpec::new(report_type),
            boot: BootLog::new(),
            events: launch_events(b"lab app compose", &p256_spki("kms root")),
            pcrs: Vec::new(),
            selection: SelectionSpec::sha256(&V1_PCRS),
            edit_quote: Vec::new(),
            td_report_patches: Vec::new(),
        }
    }

    /// The attestation key of another VM.
    #[must_use]
    pub fn other_ak() -> RsaKey {
        RsaKey::from_pkcs8(include_bytes!("../../keys/azure_other_ak.pk8"))
    }

    /// The value of a register, SHA-256.
    #[must_use]
    pub fn pcr(&self, pcr: u8) -> [u8; 32] {
        if let Some((_, value)) = self.pcrs.iter().find(|(index, _)| *index == pcr) {
            return *value;
        }
        let booted = self.boot.pcr(u32::from(pcr));
        let events = self.events.iter().filter(|_| pcr == 14);
        events.fold(booted, |value, event| sha256(&[value, event.sha256()].concat()))
    }

    /// The report of the paravisor, and on TDX the quote of the TD report in it.
    #[must_use]
    pub fn hcl_report(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let json = self.runtime_data.json();
        let mut report_data = [0; 64];
        let (hash, _) = report_data.split_at_mut(32);
        hash.copy_from_slice(&sha256(&json));
        match &self.tee {
            Tee::Snp(processor) => (self.hcl.bytes(&processor.report_for(&report_data), &json), None),
            Tee::Tdx(processor) => {
                let body = TdBody { report_data, ..processor.quote.body.clone() };
                let mut report = td_report(&body);
                for (offset, bytes) in &self.td_report_patches {
                    report.splice(*offset..*offset + bytes.len(), bytes.iter().copied());
                }
                (self.hcl.bytes(&report, &json), Some(processor.quote_for(&report_data)))
            }
        }
    }

    /// What the guest hands out, with a quote over `extra_data`, which is made of the paravisor's report.
    #[must_use]
    pub fn parts(&self, extra_data: impl FnOnce(&[u8]) -> Vec<u8>) -> Parts {
        let (hcl_report, td_quote) = self.hcl_report();
        let mut pcrs = self.selection.pcrs.clone();
        pcrs.sort_unstable();
        let pcrs: Vec<Vec<u8>> = pcrs.into_iter().map(|pcr| self.pcr(pcr).to_vec()).collect();
        let signer = qualified_name(&ak_public(AK_ATTRIBUTES, &self.ak.modulus()));
        let mut quote = AttestSpec::new(signer, self.selection.clone(), &pcrs);
        quote.extra_data = extra_data(&hcl_report);
        self.edit_quote.iter().for_each(|edit| edit(&mut quote));
        let quote = quote.bytes();
        let vcek = match &self.tee {
            Tee::Snp(processor) => processor.chain(),
            Tee::Tdx(_) => Vec::new(),
        };
        Parts {
            hcl_report,
            td_quote,
            signature: rsassa_sha256(&self.ak, &quote),
            quote,
            pcrs,
            ak_certificate: self.ak_certificate(),
            certificates: [vcek, vec![self.hierarchy.ca().to_vec()]].concat(),
            boot_log: self.boot.bytes(),
        }
    }

    /// What the guest hands out for `challenge` in the profile v1: the report of the paravisor has the challenge as its user-data, if
    /// it has any, and the quote commits to both.
    #[must_use]
    pub fn v1_parts(&self, challenge: &[u8; 64]) -> Parts {
        let mut guest = self.clone();
        guest.runtime_data.user_data = guest.runtime_data.user_data.map(|_| challenge.to_vec());
        let length = HCL_OVERHEAD + guest.runtime_data.json().len();
        guest.parts(|report| {
            let whole = sha256(report.get(..length).unwrap_or(report));
            sha256(&[b"dstack-az-quote-v1\0", challenge.as_slice(), &whole].concat()).to_vec()
        })
    }

    /// What a relying party has of the vendors: the root of virtual TPMs, its lists, and what AMD or Intel say.
    #[must_use]
    pub fn endorsements(&self) -> Vec<(EndorsementKind, Vec<u8>)> {
        let list = |der: Vec<u8>| (EndorsementKind::RevocationList, der);
        let mut all = vec![(EndorsementKind::Certificate, self.hierarchy.root().to_vec())];
        all.extend(self.hierarchy.crls().map(list));
        match &self.tee {
            Tee::Snp(processor) => all.push(list(processor.crl())),
            Tee::Tdx(processor) => {
                let collateral = processor.collateral();
                let signer = processor.collateral.tcb_signing_chain.first().cloned().unwrap_or_default();
                all.push((EndorsementKind::Certificate, signer));
                for document in [&collateral.tcb_info, &collateral.qe_identity] {
                    all.push((EndorsementKind::Document, document.json().into_bytes()));
                }
                all.extend([collateral.root_ca_crl, collateral.pck_crl].map(list));
            }
        }
        all
    }

    /// The certificate of the attestation key, as the vTPM keeps it.
    #[must_use]
    pub fn ak_certificate(&self) -> Vec<u8> {
        let mut certificate = self.ak_spec.sign(&Pkcs1::Sha256(self.hierarchy.ca_key()));
        certificate.resize(AK_CERTIFICATE_SIZE.max(certificate.len()), 0);
        certificate
    }

    /// Every root's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        let processor = match &self.tee {
            Tee::Snp(processor) => processor.hierarchy.pins(),
            Tee::Tdx(processor) => processor.pins(),
        };
        [processor, self.hierarchy.pins()].concat()
    }
}

/// TDREPORT_STRUCT of a TD with this body (Intel TDX Module ABI): 1024 bytes. Hashes of its parts and its MAC, which only its own
/// platform can check, are the lab's.
#[must_use]
pub fn td_report(body: &TdBody) -> Vec<u8> {
    // Header (256): type, and at 128 the report data; TEE_TCB_INFO (239) and 17 reserved; TDINFO (512). The body of a quote of
    // TDX 1.0 has the same fields in another order.
    let fields = body.bytes(BodyType::Td10);
    let field = |at: usize, length: usize| fields.get(at..at + length).unwrap_or_default().to_vec();
    let mut report = vec![0x81, 0, 0, 0];
    report.resize(128, 0x11);
    report.extend(body.report_data);
    report.resize(256, 0x22);
    report.extend([0xFF, 0x01, 0x03, 0, 0, 0, 0, 0]);
    report.extend(field(0, 120));
    report.resize(512, 0);
    report.extend(field(120, 400));
    report.extend(body.mr_service_td);
    report.resize(1024, 0);
    report
}
