//! A report forged from the values of a real one has the real one's bytes. The test reads them at offsets of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests may panic like tests"
)]

mod vectors;

use lab::amd::report::SIGNED_BYTES;
use lab::amd::{Cpuid, FirmwareVersion, Product, ReportSpec, Tcb};

use vectors::vectors;

fn array<const N: usize>(report: &[u8], offset: usize) -> [u8; N] {
    report[offset..offset + N].try_into().unwrap()
}

fn word(report: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(report, offset))
}

fn long(report: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array(report, offset))
}

fn tcb(report: &[u8], offset: usize, product: Product) -> Tcb {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = array(report, offset);
    match product {
        Product::Milan | Product::Genoa => {
            Tcb { fmc: None, bl: b0, tee: b1, spl4: b2, spl5: b3, spl6: b4, spl7: b5, snp: b6, ucode: b7 }
        }
        Product::Turin => {
            Tcb { fmc: Some(b0), bl: b1, tee: b2, snp: b3, spl4: 0, spl5: b4, spl6: b5, spl7: b6, ucode: b7 }
        }
    }
}

fn firmware_version(report: &[u8], offset: usize) -> FirmwareVersion {
    let [build, minor, major] = array(report, offset);
    FirmwareVersion { build, minor, major }
}

fn respecify(report: &[u8]) -> ReportSpec {
    let version = word(report, 0);
    let [family, model, stepping] = array(report, 392);
    let product = match (family, model) {
        (0x1a, _) => Product::Turin,
        (0x19, 0x10..) => Product::Genoa,
        _ => Product::Milan,
    };
    ReportSpec {
        product,
        version,
        guest_svn: word(report, 4),
        policy: long(report, 8),
        family_id: array(report, 16),
        image_id: array(report, 32),
        vmpl: word(report, 48),
        signature_algo: word(report, 52),
        current_tcb: tcb(report, 56, product),
        platform_info: long(report, 64),
        signer_info: word(report, 72),
        report_data: array(report, 80),
        measurement: array(report, 144),
        host_data: array(report, 192),
        id_key_digest: array(report, 224),
        author_key_digest: array(report, 272),
        report_id: array(report, 320),
        report_id_ma: array(report, 352),
        reported_tcb: tcb(report, 384, product),
        cpuid: (version >= 3).then_some(Cpuid { family, model, stepping }),
        chip_id: array(report, 416),
        committed_tcb: tcb(report, 480, product),
        current_version: firmware_version(report, 488),
        committed_version: firmware_version(report, 492),
        launch_tcb: tcb(report, 496, product),
        launch_mit_vector: (version >= 5).then(|| long(report, 504)),
        current_mit_vector: (version >= 5).then(|| long(report, 512)),
        ..ReportSpec::new(product, version)
    }
}

#[test]
fn reports_have_the_bytes_of_real_ones() {
    let Some(vectors) = vectors("reports_have_the_bytes_of_real_ones") else { return };
    let mut versions = Vec::new();
    for folder in ["snp", "aws"] {
        for entry in std::fs::read_dir(vectors.join(folder)).unwrap() {
            let path = entry.unwrap().path().join("report.bin");
            let Ok(real) = std::fs::read(&path) else { continue };
            let forged = respecify(&real).bytes();
            assert_eq!(forged.len(), real.len());
            assert_eq!(
                hex::encode(&forged[..SIGNED_BYTES]),
                hex::encode(&real[..SIGNED_BYTES]),
                "{}",
                path.display()
            );
            // What follows the two numbers of the signature is zero, in both.
            assert_eq!(forged[SIGNED_BYTES + 144..], real[SIGNED_BYTES + 144..]);
            versions.push(real[0]);
        }
    }
    versions.sort_unstable();
    assert_eq!(versions, [2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 5, 5, 5]);
}

#[test]
fn a_forged_report_has_the_constants_of_real_ones() {
    let Some(vectors) = vectors("a_forged_report_has_the_constants_of_real_ones") else { return };
    for (vector, product, version) in [
        ("milan-v3-dstack-e2e", Product::Milan, 3),
        ("genoa-v3-veraison-tsm", Product::Genoa, 3),
        ("turin-v5-oak", Product::Turin, 5),
        ("milan-v2-virtee", Product::Milan, 2),
    ] {
        let real = respecify(&std::fs::read(vectors.join("snp").join(vector).join("report.bin")).unwrap());
        let forged = ReportSpec::new(product, version);
        let constants = |spec: &ReportSpec| {
            (
                spec.version,
                spec.policy,
                spec.vmpl,
                spec.signature_algo,
                spec.signer_info,
                spec.report_id_ma,
                spec.cpuid,
            )
        };
        assert_eq!(constants(&forged), constants(&real), "{vector}");
    }
}
