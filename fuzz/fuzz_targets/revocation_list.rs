//! A revocation list, offered for every authority of the lab that issues one.
#![no_main]

use std::sync::LazyLock;

use evidence_x509::{
    Certificate, ECDSA_P256_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER, RevocationList,
};
use fuzz_targets::{amd, intel};
use lab::intel::PckCa;
use libfuzzer_sys::fuzz_target;

static AUTHORITIES: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    let intel = &intel::LAB.guest.hierarchy;
    let intel = [intel.root(), intel.pck_ca(PckCa::Platform), intel.pck_ca(PckCa::Processor)];
    let all = amd::LAB.authorities.iter().map(Vec::as_slice).chain(intel);
    all.map(|der| Certificate::parse(der).expect("sound")).collect()
});

fuzz_target!(|data: &[u8]| {
    for authority in &*AUTHORITIES {
        let algorithms = [RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER, ECDSA_P256_SHA256];
        if let Ok(list) = RevocationList::verify(data, authority, &algorithms) {
            assert_eq!(RevocationList::claims_issuer(data, authority), Ok(true));
            let _ = (list.window(), list.revokes(authority.serial()));
        }
    }
});
