//! The checks that [`crate::VerifyDocument`] makes, in order.

evidence_ledger::checks! {
    NITRO_DOCUMENT_FORMAT = "nitro-document-format":
        "the document is one COSE_Sign1 with ES384, and its payload has each member once, within its limits",
        "RFC 9052 §4.2; EC2 User Guide, Attestation Document specification";
    NITRO_DOCUMENT_TYPE = "nitro-document-type":
        "the document is one of a NitroTPM, and not of a Nitro Enclave",
        "EC2 User Guide, Attestation Document specification, nitrotpm_pcrs";
    NITRO_CERTIFICATES = "nitro-certificates":
        "every certificate in the document is one DER certificate, and the signer's key is on P-384",
        "RFC 5280 §4.1";
    NITRO_ROOT_PINNED = "nitro-root-pinned":
        "the first certificate of cabundle is the pinned root",
        "EC2 User Guide, Semantical validity";
    NITRO_CHAIN_VALIDITY = "nitro-chain-validity":
        "every certificate is valid at the document's own time",
        "RFC 5280 §4.1.2.5";
    NITRO_KEY_USAGE = "nitro-key-usage":
        "the signer's key is for signing data and no certificates, and every authority's is for certificates",
        "RFC 5280 §4.2.1.3";
    NITRO_CHAIN_SIGNATURES = "nitro-chain-signatures":
        "signatures, names and constraints lead from the signer to the root",
        "RFC 5280 §6";
    NITRO_CABUNDLE_ORDER = "nitro-cabundle-order":
        "cabundle is exactly that path, from the root to the signer's issuer",
        "EC2 User Guide, Semantical validity";
    NITRO_SIGNATURE = "nitro-signature":
        "the signer signed the payload as it was received",
        "RFC 9052 §4.4";
    NITRO_MODULE_ID = "nitro-module-id":
        "module_id names a TPM of an instance, the signer's certificate names the same, and its issuer the instance",
        "certificates as AWS issues them";
    NITRO_REGION = "nitro-region":
        "the signer and every authority below the root are of one region",
        "certificates as AWS issues them";
    NITRO_AGE = "nitro-age":
        "the document is not older than the relying party accepts, and not of the future",
        "EC2 User Guide, Attestation Document specification, timestamp";
    NITRO_NONCE = "nitro-nonce":
        "nonce is what is expected",
        "EC2 User Guide, Attestation Document specification, nonce";
    NITRO_USER_DATA = "nitro-user-data":
        "user_data is what is expected",
        "EC2 User Guide, Attestation Document specification, user_data";
    NITRO_PUBLIC_KEY = "nitro-public-key":
        "public_key is what is expected",
        "EC2 User Guide, Attestation Document specification, public_key";
}
