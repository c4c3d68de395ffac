//! Host certificate tables: the lab's are read, each of its damaged ones is refused.

use evidence_snp::{CertificateTable, CertificateTableError, read_certificates};
use lab::amd::{CertTable, Guest, Product, TableDefect, VekKind};

fn table(guest: &Guest, defect: Option<TableDefect>) -> Vec<u8> {
    CertTable { defect, ..CertTable::chain(&guest.hierarchy, &guest.vek, VekKind::Vcek) }.bytes()
}

#[test]
fn a_sound_table_gives_its_certificates() {
    let guest = Guest::new(Product::Genoa);
    let mut expected = guest.chain();
    expected.sort();
    let mut found = read_certificates(&[table(&guest, None)]).unwrap();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn every_damaged_table_is_refused() {
    for defect in TableDefect::ALL {
        let bytes = table(&Guest::new(Product::Genoa), Some(defect));
        let error = CertificateTable::parse(&bytes).unwrap_err();
        assert!(
            matches!(error, CertificateTableError::NoEnd | CertificateTableError::OutOfBounds { .. }),
            "{defect:?}: {error}"
        );
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = table(&Guest::new(Product::Genoa), None);
    for length in 0..bytes.len() {
        assert!(CertificateTable::parse(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
}
