//! The checks that `verify` makes beside those of [`evidence_nitro::checks`] and [`evidence_snp::checks`], in groups between which
//! theirs are made.

/// Before all else: the payload, and which halves of the evidence there are.
pub mod payload {
    backend_api::checks! {
        PAYLOAD = "payload":
            "the payload is in its format: one CBOR map in its one encoding, within its limits, with what its profile has", "AwsEvidence";
        REPORT_PRESENT = "report-present":
            "there is a report of the processor: a TEE vouches for what runs", "RFC 9334 §2.2";
        DOCUMENT_PRESENT = "document-present":
            "there is a document of the instance's NitroTPM: something says what was booted",
            "EC2 User Guide, NitroTPM attestation";
    }
}

/// In the profile `raw` alone.
pub mod raw {
    backend_api::checks! {
        RAW_NAMED = "raw-named":
            "the policy says what evidence of the profile raw must be like", "RawPolicy";
    }
}

/// After the report.
pub mod vlek {
    backend_api::checks! {
        VLEK_REGION = "vlek-region":
            "the VLEK is of a region of AWS: its provider is CN=cc-<region>.amazonaws.com", "CSP_ID of AWS's VLEK certificates";
    }
}

/// After the document, and after the report where there is one.
pub mod document {
    backend_api::checks! {
        DOCUMENT_REGION = "document-region":
            "the instance of the document is in the region of the VLEK, and in one that the policy lists",
            "certificates as AWS issues them";
    }
}
