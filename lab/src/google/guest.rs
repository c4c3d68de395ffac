//! A whole confidential VM of Google's: processor, firmware, vTPM, boot, runtime events.

use backend_api::EndorsementKind;

use super::endorsement::{EndorsementAuthority, EndorsementSpec};
use super::hierarchy::Hierarchy;
use super::instance::InstanceSpec;
use crate::amd;
use crate::events::{Event, launch_events};
use crate::intel::TdGuest;
use crate::keys::{P256Key, Pkcs1, p256_spki, sha256, sha384, sha512};
use crate::tpm::{
    AttestSpec, BootEvent, BootLog, SelectionSpec, ecdsa_p256, event_type as kind, partition_table,
};
use crate::x509::CertSpec;

/// The registers that a v1 quote has.
pub const V1_PCRS: [u8; 10] = [0, 2, 4, 7, 8, 9, 11, 12, 13, 14];

/// MEASUREMENT of the forged firmware with two vCPUs, and its MRTD with 16 GiB: [`EndorsementSpec::default`] lists them.
const MEASUREMENT: [u8; 48] = [2; 48];
const MRTD: [u8; 48] = [0xA0; 48];

/// Bytes of a TD quote as the kernel hands it out: zeros follow the quote.
const OUTBLOB: usize = 8000;

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
    pub ak: P256Key,
    /// Its certificate before it is signed.
    pub ak_spec: CertSpec,
    /// Google's word for the firmware before it is signed.
    pub endorsement: EndorsementSpec,
    /// What was booted, in the vTPM's registers. A TD's own registers follow it.
    pub boot: BootLog,
    /// Events of the TD's registers alone, by the numbers that logs have.
    pub cc_events: Vec<BootEvent>,
    /// What the guest extended into PCR14, and on TDX into RTMR3.
    pub events: Vec<Event>,
    /// What it extended into RTMR3, where that is something else.
    pub rtmr3_events: Option<Vec<Event>>,
    /// Values of registers that are no boot's: (register, value).
    pub pcrs: Vec<(u8, [u8; 32])>,
    /// The registers that are quoted.
    pub selection: SelectionSpec,
    /// Changes of the quote before it is signed, one after the other.
    pub edit_quote: Vec<fn(&mut AttestSpec)>,
}

/// What a guest hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The SNP report, or the TD quote.
    pub report: Vec<u8>,
    /// TPMS_ATTEST.
    pub quote: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// The values of the quoted registers.
    pub pcrs: Vec<Vec<u8>>,
    /// The certificate of the attestation key.
    pub ak_certificate: Vec<u8>,
    /// The certificate of the processor's key, and of the authority below Google's root.
    pub certificates: Vec<Vec<u8>>,
    /// VMLaunchEndorsement.
    pub launch_endorsement: Vec<u8>,
    /// The log of the boot.
    pub boot_log: Vec<u8>,
    /// The log of the boot in the TD's registers.
    pub cc_log: Option<Vec<u8>>,
}

impl Guest {
    /// A guest on an EPYC of the third generation.
    #[must_use]
    pub fn snp() -> Self {
        Self::on_epyc(amd::Product::Milan)
    }

    /// A guest on an EPYC of `product`, with the guest policy of Google's VMs.
    #[must_use]
    pub fn on_epyc(product: amd::Product) -> Self {
        let mut processor = amd::Guest::new(product);
        let report = &mut processor.report;
        report.policy = 0x3_0000;
        report.host_data = [0; 32];
        report.measurement = MEASUREMENT;
        Self::on(Tee::Snp(processor), 4)
    }

    /// A guest in a trust domain.
    #[must_use]
    pub fn tdx() -> Self {
        let mut processor = TdGuest::new();
        let body = &mut processor.quote.body;
        body.mrtd = MRTD;
        body.mr_config_id = [0; 48];
        Self::on(Tee::Tdx(processor), 3)
    }

    fn on(tee: Tee, technology: u8) -> Self {
        let hierarchy = Hierarchy::new();
        Self {
            tee,
            ak: Hierarchy::ak(),
            ak_spec: hierarchy.ak_spec(&InstanceSpec::default()),
            hierarchy,
            endorsement: EndorsementSpec::default(),
            boot: boot(technology),
            cc_events: Vec::new(),
            events: launch_events(b"lab app compose", &p256_spki("kms root")),
            rtmr3_events: None,
            pcrs: Vec::new(),
            selection: SelectionSpec::sha256(&V1_PCRS),
            edit_quote: Vec::new(),
        }
    }

    /// The value of a register of the vTPM, SHA-256.
    #[must_use]
    pub fn pcr(&self, pcr: u8) -> [u8; 32] {
        if let Some((_, value)) = self.pcrs.iter().find(|(index, _)| *index == pcr) {
            return *value;
        }
        let booted = self.boot.pcr(u32::from(pcr));
        let events = self.events.iter().filter(|_| pcr == 14);
        events.fold(booted, |value, event| sha256(&[value, event.sha256()].concat()))
    }

    /// The boot as the TD's registers have it, by the numbers that logs have (TDX Virtual Firmware Design Guide): PCR0, 1 and 7 are in
    /// the first, 2 to 5 in the second, 8 to 15 in the third; 6 is in none.
    #[must_use]
    pub fn cc_boot(&self) -> BootLog {
        let register = |pcr| match pcr {
            0 | 1 | 7 => Some(1),
            2..=5 => Some(2),
            8..=15 => Some(3),
            _ => None,
        };
        let events = self.boot.events.iter();
        let events =
            events.filter_map(|event| Some(BootEvent { pcr: register(event.pcr)?, ..event.clone() }));
        BootLog { events: events.chain(self.cc_events.iter().cloned()).collect() }
    }

    /// RTMR0 to RTMR3.
    #[must_use]
    pub fn rtmrs(&self) -> [[u8; 48]; 4] {
        let boot = self.cc_boot();
        let events = self.rtmr3_events.as_ref().unwrap_or(&self.events).iter();
        let rtmr3 = events.fold([0; 48], |value, event| sha384(&[value, event.sha384()].concat()));
        [boot.pcr_sha384(1), boot.pcr_sha384(2), boot.pcr_sha384(3), rtmr3]
    }

    /// The signed report or TD quote that commits to `report_data`.
    #[must_use]
    pub fn report(&self, report_data: &[u8; 64]) -> Vec<u8> {
        match &self.tee {
            Tee::Snp(processor) => processor.report_for(report_data),
            Tee::Tdx(processor) => {
                let mut processor = processor.clone();
                let body = &mut processor.quote.body;
                [body.rtmr0, body.rtmr1, body.rtmr2, body.rtmr3] = self.rtmrs();
                processor.quote_for(report_data)
            }
        }
    }

    /// What the guest hands out with this report, and a quote over `extra_data`.
    #[must_use]
    pub fn parts(&self, report: Vec<u8>, extra_data: &[u8]) -> Parts {
        let mut pcrs = self.selection.pcrs.clone();
        pcrs.sort_unstable();
        let pcrs: Vec<Vec<u8>> = pcrs.into_iter().map(|pcr| self.pcr(pcr).to_vec()).collect();
        let mut quote =
            AttestSpec::new([vec![0, 0x0B], vec![0x4E; 32]].concat(), self.selection.clone(), &pcrs);
        quote.extra_data = extra_data.to_vec();
        self.edit_quote.iter().for_each(|edit| edit(&mut quote));
        let quote = quote.bytes();
        let vcek = match &self.tee {
            Tee::Snp(processor) => processor.chain(),
            Tee::Tdx(_) => Vec::new(),
        };
        let is_td = matches!(self.tee, Tee::Tdx(_));
        Parts {
            report,
            signature: ecdsa_p256(&self.ak, &quote),
            quote,
            pcrs,
            ak_certificate: self.ak_certificate(),
            certificates: [vcek, vec![self.hierarchy.ca().to_vec()]].concat(),
            launch_endorsement: self.endorsement.sign(),
            boot_log: self.boot.bytes(),
            cc_log: is_td.then(|| self.cc_boot().bytes()),
        }
    }

    /// What the guest hands out for `challenge` in the profile v1: the report names the attestation key, the quote the report.
    #[must_use]
    pub fn v1_parts(&self, challenge: &[u8; 64]) -> Parts {
        let domain: &[u8] = match self.tee {
            Tee::Snp(_) => b"dstack-gcp-snp-v1\0",
            Tee::Tdx(_) => b"dstack-gcp-tdx-v1\0",
        };
        let ak = sha256(&self.ak_spec.spki);
        let report = self.report(&sha512(&[domain, &ak, challenge].concat()));
        let quoted = sha256(&[&b"dstack-gcp-quote-v1\0"[..], &sha256(&report), challenge].concat());
        self.parts(report, &quoted)
    }

    /// What the guest hands out for `challenge` as dstack does: the report is the challenge's alone, the quote is over the TD quote with
    /// the zeros that the kernel puts behind it, and of three registers.
    #[must_use]
    pub fn dstack_parts(&self, challenge: &[u8; 64]) -> Parts {
        let mut report = self.report(challenge);
        report.resize(OUTBLOB.max(report.len()), 0);
        let quoted = sha256(&report);
        let guest = Self { selection: SelectionSpec::sha256(&[0, 2, 14]), ..self.clone() };
        guest.parts(report, &quoted)
    }

    /// What a relying party has of the vendors: Google's two roots, the list of the one of virtual TPMs, and what AMD or Intel say.
    #[must_use]
    pub fn endorsements(&self) -> Vec<(EndorsementKind, Vec<u8>)> {
        let list = |der: Vec<u8>| (EndorsementKind::RevocationList, der);
        let certificate = |der: &[u8]| (EndorsementKind::Certificate, der.to_vec());
        let mut all =
            vec![certificate(self.hierarchy.root()), certificate(EndorsementAuthority::new().root())];
        let [of_root, _] = self.hierarchy.crls();
        all.push(list(of_root));
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

    /// The certificate of the attestation key.
    #[must_use]
    pub fn ak_certificate(&self) -> Vec<u8> {
        self.ak_spec.sign(&Pkcs1::Sha256(self.hierarchy.ca_key()))
    }

    /// Every root's common name with the SHA-256 of its DER-encoded SubjectPublicKeyInfo.
    #[must_use]
    pub fn pins(&self) -> Vec<(String, [u8; 32])> {
        let processor = match &self.tee {
            Tee::Snp(processor) => processor.hierarchy.pins(),
            Tee::Tdx(processor) => processor.pins(),
        };
        [processor, self.hierarchy.pins(), EndorsementAuthority::new().pins()].concat()
    }
}

/// A boot of a unified kernel image as Google's firmware, systemd-stub and the kernel measure it: disks are behind an option ROM there,
/// so that what is loaded from them is in PCR2.
#[must_use]
pub fn boot(technology: u8) -> BootLog {
    let (event, image) = (BootEvent::new, BootEvent::measuring);
    let version: Vec<u8> = "GCE Virtual Firmware v2\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let host = [&b"GCE NonHostInfo\0"[..], &[technology], &[0; 15]].concat();
    let mut events = vec![
        event(0, kind::S_CRTM_VERSION, &version),
        event(0, kind::NONHOST_INFO, &host),
        event(7, kind::VARIABLE_DRIVER_CONFIG, b"SecureBoot: off"),
        event(4, kind::ACTION, b"Calling EFI Application from Boot Option"),
    ];
    events.extend((0..8).map(|pcr| event(pcr, kind::SEPARATOR, &[0; 4])));
    events.extend([
        event(2, kind::GPT, &partition_table()),
        image(2, kind::BOOT_SERVICES_APPLICATION, b"\\EFI\\BOOT\\BOOTX64.EFI", b"lab unified kernel image"),
        image(2, kind::BOOT_SERVICES_APPLICATION, b".linux", b"lab kernel image"),
        event(11, kind::IPL, b".linux"),
        image(11, kind::IPL, b".linux contents", b"lab kernel"),
        image(9, kind::EVENT_TAG, b"LOADED_IMAGE::LoadOptions", b"lab command line"),
        image(9, kind::EVENT_TAG, b"Linux initrd", b"lab initrd"),
    ]);
    BootLog { events }
}
