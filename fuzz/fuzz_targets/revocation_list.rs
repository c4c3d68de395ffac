//! A revocation list, offered for every root of the lab.
#![no_main]

use std::sync::LazyLock;

use evidence_x509::{Certificate, RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER, RevocationList};
use fuzz_targets::LAB;
use libfuzzer_sys::fuzz_target;

static AUTHORITIES: LazyLock<Vec<Certificate>> =
    LazyLock::new(|| LAB.authorities.iter().map(|der| Certificate::parse(der).expect("sound")).collect());

fuzz_target!(|data: &[u8]| {
    for authority in &*AUTHORITIES {
        let algorithms = [RSA_PSS_SHA384, RSA_PSS_SHA384_EXPLICIT_TRAILER];
        if let Ok(list) = RevocationList::verify(data, authority, &algorithms) {
            assert_eq!(RevocationList::claims_issuer(data, authority), Ok(true));
            let _ = (list.window(), list.revokes(authority.serial()));
        }
    }
});
