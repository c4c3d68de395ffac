//! One part of a sound quote's collateral, by the first byte: as it is, or, in upper case, signed by the lab.
#![no_main]

use evidence_tdx::{Collateral, PlatformCache, TcbStatus, VerifyQuote};
use fuzz_targets::intel::{CHALLENGE, LAB};
use lab::intel::SignedDocument;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let signed;
    let (mut certificates, mut documents, mut revocation_lists) =
        (LAB.certificates, LAB.documents, LAB.revocation_lists);
    let (place, bytes) = match choice {
        b'c' => (&mut certificates[0], bytes),
        b't' => (&mut documents[0], bytes),
        b'q' => (&mut documents[1], bytes),
        b'r' => (&mut revocation_lists[0], bytes),
        b'p' => (&mut revocation_lists[1], bytes),
        b'T' | b'Q' => {
            let Ok(body) = std::str::from_utf8(bytes) else { return };
            let (name, place) = match choice {
                b'T' => ("tcbInfo", &mut documents[0]),
                _ => ("enclaveIdentity", &mut documents[1]),
            };
            let key = LAB.guest.hierarchy.tcb_signing_key();
            signed = SignedDocument::sign(name, body.to_owned(), key).json();
            (place, signed.as_bytes())
        }
        _ => return,
    };
    let sound = std::mem::replace(place, bytes);
    let collateral = Collateral {
        certificates: &certificates,
        documents: &documents,
        revocation_lists: &revocation_lists,
    };
    let input = VerifyQuote { collateral, ..LAB.verification(&LAB.quote, &CHALLENGE) };
    let verified = input.verify(&PlatformCache::default());
    let (hierarchy, lab) = (&LAB.guest.hierarchy, &LAB.guest.collateral);
    let [tcb_info, qe_identity] = &LAB.bodies;
    match (choice, verified) {
        (b'c', Ok(_)) => is_as_signed(bytes, &hierarchy.tcb_signing_spec().tbs()),
        (b'r', Ok(_)) => is_as_signed(bytes, &lab.root_ca_crl.tbs()),
        (b'p', Ok(_)) => is_as_signed(bytes, &lab.pck_crl.tbs()),
        // Around the text that is signed there may be spaces.
        (b't', Ok(_)) => assert!(find(bytes, tcb_info.as_bytes()).is_some()),
        (b'q', Ok(_)) => assert!(find(bytes, qe_identity.as_bytes()).is_some()),
        (_, Ok(verified)) => {
            assert_eq!(verified.tcb().status, TcbStatus::UpToDate);
            let body: Value = serde_json::from_slice(&data[1..]).expect("an accepted document is JSON");
            is_acceptable(choice, &body);
        }
        (b'T', Err(_)) => assert_ne!(data[1..], *tcb_info.as_bytes(), "sound TCB info is accepted"),
        (b'Q', Err(_)) => assert_ne!(data[1..], *qe_identity.as_bytes(), "a sound identity is accepted"),
        (_, Err(_)) => assert_ne!(bytes, sound, "sound collateral is accepted"),
    }
});

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|found| found == part)
}

/// Whether DER is what the lab signs, in a header of at most four bytes, and a signature of the same algorithm.
fn is_as_signed(der: &[u8], tbs: &[u8]) {
    const ECDSA_SHA256: [u8; 12] = *b"\x30\x0A\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x02";
    let start = find(der, tbs).expect("an altered part is refused");
    assert!(start <= 4 && der[start + tbs.len()..].starts_with(&ECDSA_SHA256));
}

/// What must stand in a document for the lab's platform to be up to date under it.
fn is_acceptable(choice: u8, body: &Value) {
    let text = |key: &str| body[key].as_str().expect("a text").to_ascii_uppercase();
    assert!(text("issueDate").as_str() < "2026-06-02" && text("nextUpdate").as_str() >= "2026-06-01");
    let mut statuses = body["tcbLevels"].as_array().expect("levels").iter();
    assert!(statuses.any(|level| level["tcbStatus"] == "UpToDate"), "a level is up to date");
    if choice == b'T' {
        assert_eq!((text("id").as_str(), text("fmspc").as_str()), ("TDX", "90C06F000000"));
        assert_eq!(text("pceId"), "0000");
    } else {
        assert_eq!(text("id"), "TD_QE");
    }
}
