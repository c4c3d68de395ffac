//! A host's certificate table.
#![no_main]

use evidence_snp::CertificateTable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(table) = CertificateTable::parse(data) else { return };
    let within = data.as_ptr_range();
    for (_, entry) in table.entries() {
        let entry = entry.as_ptr_range();
        assert!(within.start <= entry.start && entry.end <= within.end, "an entry lies in the table");
    }
    assert!(table.certificates().count() <= table.entries().len());
    let _ = evidence_snp::read_certificates(&[data]);
});
