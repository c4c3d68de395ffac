//! The payload, the quote's form, and the signatures over the quote.

use super::*;

/// Quotes of version 5 with the larger body.
const BODY_TYPE: usize = 48;
const BODY_SIZE: usize = 50;

cases! {
    "payload", "a byte after the payload": |scene| scene.edit_bytes = |bytes| bytes.push(0);
    "payload", "a payload in another encoding": |scene| {
        // The map's head in its long form.
        scene.edit_bytes = |bytes| { let head = bytes[0] & 0x1F; bytes.splice(0..1, [0xB8, head]); };
    };
    "payload", "a key that is not known": |scene| scene.edit_bytes = |bytes| bytes[6] ^= 1;
    "payload", "a payload that ends early": |scene| scene.edit_bytes = |bytes| _ = bytes.pop();
    "quote-format", "a quote short of one byte": |scene| scene.edit = |evidence| _ = evidence.quote.pop();
    "quote-format", "a quote with one byte more": |scene| scene.edit = |evidence| evidence.quote.push(0);
    "quote-format", "a quote that is larger than any": |scene| {
        scene.edit = |evidence| evidence.quote.resize(32 * 1024 + 1, 0);
    };
    "quote-format", "version 3": |scene| patch(scene, 0, &[3]);
    "quote-format", "version 6": |scene| patch(scene, 0, &[6]);
    "quote-format", "a body type that is not known", after td15: |scene| patch(scene, BODY_TYPE, &[5]);
    "quote-format", "the body of an enclave", after td15: |scene| patch(scene, BODY_TYPE, &[1]);
    "quote-format", "a body of another size than its type's", after td15: |scene| patch(scene, BODY_SIZE, &[0x89]);
    "quote-format", "a byte after the PCK certificates": |scene| scene.guest.quote.after_cert_data = vec![0];
    "quote-format", "a byte after the certification data": |scene| {
        scene.guest.quote.after_certification_data = vec![0];
    };
    "quote-format", "certification data that is no QE report": |scene| scene.guest.quote.certification_type = 5;
    "quote-format", "a QE report that no PCK certificate certifies": |scene| scene.guest.quote.cert_type = 3;
    "quote-format", "QE authentication data of 33 bytes": |scene| scene.guest.quote.qe_auth_data.push(0);
    "quote-format", "a length that passes the quote's end": |scene| {
        let length = scene.guest.quote.layout().cert_type + 4;
        scene.guest.quote.patches_after = vec![(length, vec![0xFF])];
    };
    "quote-kind", "a quote of an SGX enclave": |scene| scene.guest.quote.tee_type = 0;
    "quote-kind", "an attestation key of another type": |scene| scene.guest.quote.attestation_key_type = 3;
    "quote-kind", "another maker of the quoting enclave": |scene| scene.guest.quote.qe_vendor_id[0] ^= 1;
    "qe-report-signature", "another platform's PCK": |scene| scene.guest.pck.key = stranger();
    "qe-report-signature", "a QE report changed after signing": |scene| {
        let report = scene.guest.quote.layout().qe_report;
        scene.guest.quote.patches_after = vec![(report, vec![0xFF])];
    };
    "attestation-key", "a QE report that commits to no key": |scene| {
        scene.guest.quote.qe_report.report_data = Some([0; 64]);
    };
    "attestation-key", "something behind the QE report's commitment": |scene| {
        let mut data = committed(scene);
        data[63] = 1;
        scene.guest.quote.qe_report.report_data = Some(data);
    };
    "attestation-key", "another attestation key": |scene| {
        let key = scene.guest.quote.layout().attestation_key;
        scene.guest.quote.patches_after = vec![(key, stranger().public_point()[1..].to_vec())];
    };
    "attestation-key", "other QE authentication data": |scene| {
        let length = scene.guest.quote.layout().qe_auth_data_length;
        scene.guest.quote.patches_after = vec![(length + 2, vec![0xFF])];
    };
    "qe-identity", "another MRSIGNER": |scene| scene.guest.quote.qe_report.mr_signer[31] ^= 1;
    "qe-identity", "another ISVPRODID": |scene| scene.guest.quote.qe_report.isv_prod_id = 1;
    "qe-identity", "a quoting enclave that can be debugged": |scene| scene.guest.quote.qe_report.attributes[0] |= 2;
    "qe-identity", "another MISCSELECT": |scene| scene.guest.quote.qe_report.misc_select = 1;
    "quote-signature", "another key's signature": |scene| {
        scene.guest.quote.signing_key_label = Some("a stranger".to_owned());
    };
    "quote-signature", "MRTD changed after signing": |scene| {
        let quote = &mut scene.guest.quote;
        quote.patches_after = vec![(quote.layout().body + 136, vec![!quote.body.mrtd[0]])];
    };
    "report-data", "another challenge": |scene| scene.challenge[63] ^= 1;
}

/// What the QE report commits to where nothing says otherwise.
pub(super) fn committed(scene: &Scene) -> [u8; 64] {
    let quote = scene.quote();
    let start = scene.guest.quote.layout().qe_report + 320;
    quote[start..start + 64].try_into().unwrap()
}
