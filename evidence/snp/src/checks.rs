//! The named checks of an SNP report, in the order in which they are made.

evidence_ledger::checks! {
    REPORT_FORMAT = "report-format":
        "the report has exactly 1184 bytes",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    REPORT_VERSION = "report-version":
        "the report's version is one whose layout is known, 2 to 5",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    REPORT_SIGNATURE_ALGORITHM = "report-signature-algorithm":
        "the report is signed with ECDSA P-384 and SHA-384",
        "56860 rev. 1.58, SIGNATURE_ALGO";
    REPORT_UNSIGNED_ZERO = "report-unsigned-zero":
        "bytes that no signature covers are zero, beside R and S themselves",
        "56860 rev. 1.58, ECDSA P-384 signature";
    REPORT_RESERVED_ZERO = "report-reserved-zero":
        "signed fields that the version reserves are zero",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    SIGNING_KEY = "signing-key":
        "SIGNING_KEY names the kind of key that this backend accepts",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    CHIP_KEY_UNMASKED = "chip-key-unmasked":
        "MASK_CHIP_KEY is clear: the report is signed at all",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    CERTIFICATES = "certificates":
        "every certificate in the evidence is one DER certificate, and they are few",
        "RFC 5280 §4.1";
    VEK_PRESENT = "vek-present":
        "a VCEK or VLEK certificate came with the evidence or the endorsements",
        "57230 rev. 1.00";
    VEK_EXTENSIONS = "vek-extensions":
        "the certificate carries exactly the extensions of its kind, in AMD's encoding",
        "57230 rev. 1.00, VCEK certificate extensions";
    ROOT_PINNED = "root-pinned":
        "the ARK is the pinned root of the certificate's product",
        "AMD KDS cert_chain";
    ISSUER_PINNED = "issuer-pinned":
        "the ASK (for a VCEK) or ASVK (for a VLEK) is the pinned one",
        "AMD KDS cert_chain";
    CHAIN_VALIDITY = "chain-validity":
        "every certificate is valid at the time of verification",
        "RFC 5280 §4.1.2.5";
    CHAIN_SIGNATURES = "chain-signatures":
        "signatures, names and constraints lead from the certificate to the ARK",
        "RFC 5280 §6";
    CRL_SIGNATURE = "crl-signature":
        "each revocation list of the ARK is signed by the ARK",
        "RFC 5280 §6.3";
    NOT_REVOKED = "not-revoked":
        "no revocation list names the serial number of the ASK, the ASVK or the ARK",
        "RFC 5280 §6.3";
    CRL_CURRENT = "crl-current":
        "a revocation list of the ARK is current at the time of verification",
        "RFC 5280 §5.1.2.5";
    VEK_KIND = "vek-kind":
        "the certificate is of the kind that SIGNING_KEY names",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    CPUID_PRODUCT = "cpuid-product":
        "the processor of the report is of the certificate's product",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    VEK_TCB = "vek-tcb":
        "the certificate's TCB version is the reported TCB exactly",
        "57230 rev. 1.00, VCEK certificate extensions";
    CHIP_ID = "chip-id":
        "CHIP_ID is there under a VCEK: it is not masked",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    VEK_HWID = "vek-hwid":
        "the certificate's hardware id is CHIP_ID (on Turin its first 8 bytes, the rest zero)",
        "57230 rev. 1.00, VCEK certificate extensions";
    CSP_ID = "csp-id":
        "the VLEK is of an allowed cloud provider",
        "CSP_ID of AMD's VLEK certificates";
    REPORT_SIGNATURE = "report-signature":
        "the report's signature verifies under the certificate's key over the received bytes",
        "56860 rev. 1.58 §7.3";
    REPORT_DATA = "report-data":
        "REPORT_DATA is exactly what it must be: the relying party's challenge, or what commits to it",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    NO_DEBUG = "no-debug":
        "the guest policy does not allow debugging",
        "56860 rev. 1.58, guest policy";
    NO_MIGRATION_AGENT = "no-migration-agent":
        "there is no migration agent, and the guest policy allows none where the platform does not launch guests so",
        "56860 rev. 1.58, guest policy";
    POLICY_MUST_BE_ONE = "policy-must-be-one":
        "bit 17 of the guest policy is one",
        "56860 rev. 1.58, guest policy";
    GUEST_POLICY = "guest-policy":
        "the guest policy has the required bits and none of the forbidden ones",
        "56860 rev. 1.58, guest policy";
    ABI_FLOOR = "abi-floor":
        "the guest agreed to no firmware interface older than the policy's minimum",
        "56860 rev. 1.58, guest policy";
    VMPL = "vmpl":
        "the report was requested at the required privilege level",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    SMT_CONSISTENT = "smt-consistent":
        "hyper-threading is on only if the guest policy allows it",
        "56860 rev. 1.58, PLATFORM_INFO";
    RAPL_CONSISTENT = "rapl-consistent":
        "RAPL is off if the guest policy asks for it",
        "56860 rev. 1.58, PLATFORM_INFO";
    CIPHERTEXT_HIDING_CONSISTENT = "ciphertext-hiding-consistent":
        "ciphertext hiding is on if the guest policy asks for it",
        "56860 rev. 1.58, PLATFORM_INFO";
    PLATFORM_INFO = "platform-info":
        "the platform has the required properties and none of the forbidden ones",
        "56860 rev. 1.58, PLATFORM_INFO";
    TCB_ORDER = "tcb-order":
        "reported, committed and launch TCB are not above the current TCB",
        "56860 rev. 1.58, TCB_VERSION";
    TCB_FLOOR = "tcb-floor":
        "reported, committed and launch TCB are at least the policy's minimum",
        "56860 rev. 1.58, TCB_VERSION";
    FIRMWARE_FLOOR = "firmware-floor":
        "the committed firmware version is at least the policy's minimum",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    MITIGATIONS = "mitigations":
        "the required mitigations were on at launch and are on now",
        "56860 rev. 1.58, ATTESTATION_REPORT";
    ID_KEY = "id-key":
        "the ID block was signed by an allowed key; there is none where the platform takes none and the policy lists none",
        "56860 rev. 1.58, ID block";
    AUTHOR_KEY = "author-key":
        "the ID key was certified by an allowed author key",
        "56860 rev. 1.58, ID block";
    FAMILY_ID = "family-id":
        "the family id is an allowed one",
        "56860 rev. 1.58, ID block";
    IMAGE_ID = "image-id":
        "the image id is an allowed one",
        "56860 rev. 1.58, ID block";
    GUEST_SVN = "guest-svn":
        "the guest's security version number is at least the policy's minimum",
        "56860 rev. 1.58, ID block";
    HOST_DATA = "host-data":
        "HOST_DATA is an allowed value; zero where the platform takes none and the policy lists none",
        "56860 rev. 1.58, ATTESTATION_REPORT";
}
