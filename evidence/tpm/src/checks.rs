//! The checks of a quote and of the certificate of an attestation key.

/// The checks that [`crate::VerifyQuote`] makes, in order.
pub mod quote {
    evidence_ledger::checks! {
        TPM_QUOTE_FORMAT = "tpm-quote-format":
            "the quote is one TPMS_ATTEST of a quote, made by a TPM, and its signature one TPMT_SIGNATURE",
            "TPM 2.0 Library, part 2, §10.12.12 and §11.3.4";
        TPM_QUOTE_SIGNATURE = "tpm-quote-signature":
            "the bound attestation key signed the quote",
            "TPM 2.0 Library, part 1, §31 Attestation";
        TPM_EXTRA_DATA = "tpm-extra-data":
            "extraData is exactly what the transcript profile makes of the challenge",
            "TPM 2.0 Library, part 3, TPM2_Quote, qualifyingData";
        TPM_SELECTION = "tpm-selection":
            "exactly the expected registers of the expected banks are quoted, as the signed bytes say",
            "TPM 2.0 Library, part 2, §10.9.7";
        PCR_VALUES = "pcr-values":
            "there is one value for each quoted register, of its bank's length, and no other",
            "TPM 2.0 Library, part 2, §10.6.2";
        PCR_DIGEST = "pcr-digest":
            "the values of the registers hash to the quote's pcrDigest",
            "TPM 2.0 Library, part 2, §10.12.1";
    }
}

/// The checks that [`crate::VerifyAkCertificate`] makes, in order.
pub mod certificate {
    evidence_ledger::checks! {
        AK_CERTIFICATE_FORMAT = "ak-certificate-format":
            "the certificate of the attestation key is a DER certificate of a key that can sign quotes",
            "RFC 5280 §4.1";
        AK_CERTIFICATE_VALIDITY = "ak-certificate-validity":
            "the certificate of the attestation key is valid at the time of verification",
            "RFC 5280 §4.1.2.5";
        AK_CERTIFICATE_USAGE = "ak-certificate-usage":
            "the certified key is for signing data, and not for certificates",
            "RFC 5280 §4.2.1.3";
        AK_CERTIFICATE_PATH = "ak-certificate-path":
            "a pinned root vouches for the certificate, as one of an attestation key where the vendor says so",
            "RFC 5280 §6; TCG EK Credential Profile, tcg-kp-AIKCertificate";
        AK_CERTIFICATE_REVOCATION = "ak-certificate-revocation":
            "each issuer of the path says in a current list that what it issued is not revoked",
            "RFC 5280 §5";
    }
}
