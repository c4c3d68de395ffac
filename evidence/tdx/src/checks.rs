//! The named checks of a TDX quote, in the order in which they are made.

evidence_ledger::checks! {
    QUOTE_FORMAT = "quote-format":
        "the bytes are one quote of version 4 or 5 about a TD, and nothing else",
        "TDX DCAP Quoting Library API, appendix A.3 and A.4";
    QUOTE_KIND = "quote-kind":
        "Intel's quoting enclave made the quote for a TD, with an ECDSA P-256 key",
        "TDX DCAP Quoting Library API, quote header";
    PCK_CHAIN = "pck-chain":
        "the quote carries its PCK certificate, the issuing CA and the root, in this order",
        "TDX DCAP Quoting Library API, certification data type 5";
    PCK_EXTENSION = "pck-extension":
        "the PCK certificate names the platform in Intel's SGX extension",
        "Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5";
    ROOT_PINNED = "root-pinned":
        "the root is Intel's pinned one",
        "Intel SGX Root CA";
    PCK_ISSUER = "pck-issuer":
        "the certificate is a PCK certificate, and Intel's Platform or Processor CA issued it",
        "Intel SGX PCK Certificate and CRL Profile Specification, 1.3";
    COLLATERAL = "collateral":
        "TCB info of the platform, the identity of the quoting enclave, their signers and both revocation lists are at hand",
        "Intel SGX and TDX Provisioning Certification Service API v4";
    CHAIN_VALIDITY = "chain-validity":
        "every certificate is valid at the time of verification",
        "RFC 5280 §4.1.2.5";
    CHAIN_SIGNATURES = "chain-signatures":
        "signatures, names and constraints lead from the PCK and TCB signing certificates to the root",
        "RFC 5280 §6";
    CRL_SIGNATURE = "crl-signature":
        "the revocation lists are signed by the root and by the CA of the PCK certificate",
        "RFC 5280 §6.3";
    NOT_REVOKED = "not-revoked":
        "no revocation list names a certificate of the chains",
        "RFC 5280 §6.3";
    CRL_CURRENT = "crl-current":
        "both revocation lists are current at the time of verification",
        "RFC 5280 §5.1.2.5";
    TCB_INFO_SIGNATURE = "tcb-info-signature":
        "Intel's TCB signing key signed the TCB info",
        "PCS API v4, Get TDX TCB Info";
    TCB_INFO_CURRENT = "tcb-info-current":
        "the TCB info is current at the time of verification",
        "PCS API v4, Get TDX TCB Info";
    TCB_INFO_PLATFORM = "tcb-info-platform":
        "the TCB info is about TDX on this platform: FMSPC and PCE-ID are those of the PCK certificate",
        "PCS API v4, Get TDX TCB Info";
    QE_IDENTITY_SIGNATURE = "qe-identity-signature":
        "Intel's TCB signing key signed the identity of the quoting enclave",
        "PCS API v4, Get TDX QE Identity";
    QE_IDENTITY_CURRENT = "qe-identity-current":
        "the identity of the quoting enclave is current at the time of verification",
        "PCS API v4, Get TDX QE Identity";
    QE_REPORT_SIGNATURE = "qe-report-signature":
        "the PCK signed the report of the quoting enclave",
        "TDX DCAP Quoting Library API, QE report certification data";
    ATTESTATION_KEY = "attestation-key":
        "the report of the quoting enclave commits to the attestation key",
        "TDX DCAP Quoting Library API, QE report certification data";
    QE_IDENTITY = "qe-identity":
        "the quoting enclave is Intel's: signer, product, attributes and MISCSELECT are those of its identity",
        "PCS API v4, Get TDX QE Identity";
    QUOTE_SIGNATURE = "quote-signature":
        "the attestation key signed the quote",
        "TDX DCAP Quoting Library API, ECDSA signature data";
    REPORT_DATA = "report-data":
        "REPORTDATA is exactly what it must be: the relying party's challenge, or what commits to it",
        "TDX Module ABI, REPORTMACSTRUCT";
    NO_DEBUG = "no-debug":
        "the TD can be neither debugged nor profiled",
        "TDX Module ABI, ATTRIBUTES, group TUD";
    ATTRIBUTES_RESERVED = "attributes-reserved":
        "no reserved attribute is set",
        "TDX Module ABI, ATTRIBUTES";
    NOT_MIGRATABLE = "not-migratable":
        "the TD cannot be moved to another platform",
        "TDX Module ABI, ATTRIBUTES";
    SEPT_VE_DISABLE = "sept-ve-disable":
        "the host cannot raise exceptions in the TD by taking pages away",
        "TDX Module ABI, ATTRIBUTES";
    ATTRIBUTES = "attributes":
        "no attribute is set that the platform's profile and the policy do not allow",
        "TDX Module ABI, ATTRIBUTES";
    XFAM = "xfam":
        "the processor features are x87 and SSE, and others that TDX knows",
        "TDX Module ABI, XFAM";
    MODULE_SIGNER = "module-signer":
        "Intel signed the TDX module, and it runs with the attributes that Intel's has",
        "TDX Module ABI, MRSIGNERSEAM and SEAMATTRIBUTES";
    MODULE = "module":
        "MRSEAM is one that the policy lists",
        "TDX Module ABI, MRSEAM";
    SERVICE_TD = "service-td":
        "no service TD is bound to the TD; where the policy lists some, one of these is, and no other",
        "TDX Module ABI, MRSERVICETD";
    HOST_FIELDS = "host-fields":
        "MRCONFIGID, MROWNER and MROWNERCONFIG hold what the platform's profile or the policy allows",
        "TDX Module ABI, TDINFO_STRUCT";
    TCB_LEVEL = "tcb-level":
        "platform, TDX module and quoting enclave are each at a TCB level that Intel lists, and none is revoked",
        "PCS API v4, TCB levels; Intel's quote verification library";
    TCB_ACCEPTED = "tcb-accepted":
        "the policy accepts the TCB status of platform, TDX module and quoting enclave together",
        "PCS API v4, TCB status";
    TCB_EVALUATION_FLOOR = "tcb-evaluation-floor":
        "TCB info and QE identity are of the policy's minimum evaluation or of a later one",
        "PCS API v4, tcbEvaluationDataNumber";
    TCB_DATE_FLOOR = "tcb-date-floor":
        "the TCB levels are of the policy's earliest date or of a later one",
        "PCS API v4, tcbDate";
    ADVISORIES = "advisories":
        "no advisory that the policy rejects applies",
        "PCS API v4, advisoryIDs";
    PLATFORM_FLAGS = "platform-flags":
        "the platform is not configured in a way that the policy rejects",
        "Intel SGX PCK Certificate and CRL Profile Specification, 1.3.5";
}
