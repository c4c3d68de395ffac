//! The checks that [`crate::VerifyRim`] makes, in order.

evidence_ledger::checks! {
    RIM_FORMAT = "rim-format":
        "the manifest is one XML document with one enveloped signature, in the algorithms and with the members of NVIDIA's, and no others",
        "XML Signature 1.1 §4; manifests as NVIDIA signs them";
    RIM_CERTIFICATES = "rim-certificates":
        "each of the four certificates is one DER certificate, and its key is on P-384",
        "RFC 5280 §4.1; XML Signature 1.1 §4.5.4";
    RIM_ROOT_PINNED = "rim-root-pinned":
        "the last certificate is the pinned root of manifests, and not that of devices",
        "certificates as NVIDIA issues them";
    RIM_KEY_USAGE = "rim-key-usage":
        "the signer's key is for signing data and no certificates, and every authority's is for certificates",
        "RFC 5280 §4.2.1.3";
    RIM_CHAIN_SIGNATURES = "rim-chain-signatures":
        "signatures, names and constraints lead from the signer to the root, through the other two in their order",
        "RFC 5280 §6";
    RIM_DIGEST = "rim-digest":
        "the digest of the reference is that of the document without its signature",
        "XML Signature 1.1 §3.2.1; Canonical XML 1.1 §2.3";
    RIM_SIGNATURE = "rim-signature":
        "the key of the first certificate of the chain signed SignedInfo",
        "XML Signature 1.1 §3.2.2 and §6.4.3";
    RIM_CONTENT = "rim-content":
        "what is signed is a manifest of a GPU or a switch of NVIDIA's, each of its measurements once and none unknown",
        "ISO/IEC 19770-2:2015; TCG Reference Integrity Manifest Information Model";
    RIM_CHAIN_VALIDITY = "rim-chain-validity":
        "every certificate is valid at the time of verification",
        "RFC 5280 §4.1.2.5";
}
