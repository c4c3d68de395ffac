//! What is written is read again, and what is read was written so: for every format of ours, over random values.

use backend_api::{Envelope, Evidence, MediaType};
use backend_baremetal_snp::{
    FirmwareParameters, ImageDocuments, LaunchEvidence, LaunchParameters, LaunchSource, SnpEvidence,
};
use evidence_snp::{CertificateTable, Report};
use proptest::{collection::vec, option, prelude::*};
use serde_bytes::ByteBuf;

fn bytes(most: usize) -> impl Strategy<Value = ByteBuf> {
    vec(any::<u8>(), 0..most).prop_map(ByteBuf::from)
}

fn source() -> impl Strategy<Value = LaunchSource> {
    let image = (bytes(200), bytes(200)).prop_map(|(checksum_file, measurement)| {
        LaunchSource::Image(ImageDocuments { checksum_file, measurement })
    });
    let firmware = (bytes(60), any::<u32>(), any::<u32>(), vec(any::<(u32, u32, u32)>(), 0..8)).prop_map(
        |(digest, hashes_table_gpa, reset_eip, sections)| FirmwareParameters {
            digest,
            hashes_table_gpa,
            reset_eip,
            sections,
        },
    );
    let parameters = (firmware, bytes(40), bytes(40), ".{0,80}").prop_map(
        |(firmware, kernel_hash, initrd_hash, cmdline)| {
            LaunchSource::Parameters(Box::new(LaunchParameters {
                firmware,
                kernel_hash,
                initrd_hash,
                cmdline,
            }))
        },
    );
    prop_oneof![image, parameters]
}

fn launch() -> impl Strategy<Value = LaunchEvidence> {
    (source(), option::of(".{0,40}"), any::<u32>(), ".{0,20}", any::<u64>()).prop_map(
        |(source, append, vcpus, vcpu_type, guest_features)| LaunchEvidence {
            source,
            append,
            vcpus,
            vcpu_type,
            guest_features,
        },
    )
}

fn payload() -> impl Strategy<Value = SnpEvidence> {
    (bytes(1300), vec(bytes(300), 0..8), option::of(".{0,80}"), option::of(launch())).prop_map(
        |(report, certificates, mr_config, launch)| SnpEvidence { report, certificates, mr_config, launch },
    )
}

fn item() -> impl Strategy<Value = Evidence> {
    ("[a-z]{1,10}/[a-z0-9.+-]{0,20}[a-z]", bytes(300)).prop_filter_map("a media type", |(name, bytes)| {
        Some(Evidence::new(MediaType::parse(&name).ok()?, bytes.into_vec()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_payload_is_read_as_it_was_written(evidence in payload()) {
        prop_assert_eq!(SnpEvidence::decode(&evidence.encode()).unwrap(), evidence);
    }

    /// There is one encoding: whatever is read at all is what would be written.
    #[test]
    fn a_changed_payload_is_refused_or_is_another(evidence in payload(), at: prop::sample::Index, mask in 1u8..) {
        let mut changed = evidence.encode();
        let at = at.index(changed.len());
        changed[at] ^= mask;
        if let Ok(other) = SnpEvidence::decode(&changed) {
            prop_assert_eq!(other.encode(), changed);
            prop_assert_ne!(other, evidence);
        }
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written(cpu in item(), devices in vec(item(), 0..5)) {
        let envelope = Envelope { cpu, devices };
        prop_assert_eq!(&Envelope::decode(&envelope.encode_cbor()).unwrap(), &envelope);
        prop_assert_eq!(&Envelope::decode(envelope.encode_json().as_bytes()).unwrap(), &envelope);
    }

    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..2000)) {
        let _ = Envelope::decode(&bytes);
        let _ = SnpEvidence::decode(&bytes);
        let _ = CertificateTable::parse(&bytes);
        let _ = Report::parse(&bytes);
        let _ = evidence_x509::Certificate::parse_der_or_pem(&bytes);
        let _ = evidence_snp::launch::Firmware::measure(&bytes);
        let _ = evidence_dstack::wire::Attestation::decode(&bytes);
    }

    /// Every byte of a report belongs to a field, a reserved range or the signature: none is passed over.
    #[test]
    fn every_byte_of_a_report_is_looked_at(at in 0usize..0x4A0, mask in 1u8..) {
        let zero = Report::parse(&[0; 0x4A0]).unwrap();
        let mut bytes = [0; 0x4A0];
        bytes[at] = mask;
        let changed = Report::parse(&bytes).unwrap();
        let seen = format!("{:?}", fields(&changed)) != format!("{:?}", fields(&zero));
        prop_assert!(seen, "byte {:#x} changes nothing", at);
    }
}

/// What a reader of a report can see.
fn fields(report: &Report) -> impl std::fmt::Debug {
    (
        (report.version, report.guest_svn, report.policy, report.family_id, report.image_id, report.vmpl),
        (report.signature_algorithm, report.current_tcb, report.platform_info, report.signer_info),
        (report.report_data, report.measurement, report.host_data, report.id_key_digest),
        (report.author_key_digest, report.report_id, report.report_id_ma, report.reported_tcb, report.cpuid),
        (report.chip_id, report.committed_tcb, report.current_version, report.committed_version),
        (report.launch_tcb, report.launch_mitigations, report.current_mitigations),
        (report.reserved_set, report.unsigned_set, *report.signature()),
    )
}
