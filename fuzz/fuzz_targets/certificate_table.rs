//! A host's certificate table.
#![no_main]

use evidence_snp::CertificateTable;
use fuzz_targets::lies_in;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(table) = CertificateTable::parse(data) else { return };
    for (_, entry) in table.entries() {
        assert!(lies_in(entry, data), "an entry lies in the table");
    }
    assert!(table.certificates().count() <= table.entries().len());
    let _ = evidence_snp::read_certificates(&[data]);
});
