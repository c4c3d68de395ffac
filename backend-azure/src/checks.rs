//! The checks that `verify` makes beside those of [`evidence_snp::checks`] or [`evidence_tdx::checks`], and of
//! [`evidence_tpm::checks`], in groups between which theirs are made.

/// Before the processor's report: the payload and the report of the paravisor.
pub mod paravisor {
    backend_api::checks! {
        PAYLOAD = "payload":
            "the payload is in its format: one CBOR map in its one encoding, within its limits", "AzureEvidence";
        HCL_FORMAT = "hcl-format":
            "the report of the paravisor is in its format, its sizes agree, and only zeros follow", "openvmm, igvm_attest";
        HCL_REPORT_TYPE = "hcl-report-type":
            "the report of the paravisor is of the technology that the media type says", "openvmm, igvm_attest, report_type";
        HCL_HASH_TYPE = "hcl-hash-type":
            "the processor's report commits to the runtime data by SHA-256", "openvmm, igvm_attest, hash_type";
        TD_QUOTE_PRESENT = "td-quote-present":
            "there is a TD quote where the guest is a TD, and none elsewhere", "Azure metadata service, tdquote";
    }
}

/// After the TD quote.
pub mod td {
    backend_api::checks! {
        TD_REPORT_QUOTED = "td-report-quoted":
            "the TD quote is of the TD report that the paravisor's report holds, field for field", "TDX Module ABI, TDREPORT_STRUCT";
        TD_REGISTERS = "td-registers":
            "RTMR0 to RTMR3 are zero: they are the paravisor's, which extends none; another firmware or kernel does",
            "Azure confidential VMs with TDX, paravisor";
    }
}

/// After the processor's report: what the paravisor says.
pub mod runtime_data {
    backend_api::checks! {
        RUNTIME_DATA = "runtime-data":
            "the runtime data are strict JSON without duplicate keys", "openvmm, igvm_attest, runtime claims";
        AK_KEY = "ak-key":
            "the runtime data name exactly one attestation key, RSA-2048 with the exponent 65537", "openvmm, igvm_attest, HCLAkPub";
        VM_CONFIGURATION = "vm-configuration":
            "the VM has a vTPM, no interactive console and no filtered devices, and is configured as the policy says",
            "openvmm, igvm_attest, vm-configuration";
        AK_CERTIFICATE = "ak-certificate":
            "there is a certificate of the attestation key", "Azure trusted launch, NV index 01C101D0h";
    }
}

/// After the path of the certificate of the attestation key.
pub mod ak_certificate {
    backend_api::checks! {
        AK_CERTIFICATE_SUBJECT = "ak-certificate-subject":
            "Azure certifies the attestation key of a confidential VM", "Azure attestation key certificates, ConfidentialVM";
        AK_CERTIFICATE_KEY = "ak-certificate-key":
            "the certified key is the one that the paravisor's report names", "RFC 5280 §4.1.2.7";
    }
}

/// After the quote of the vTPM.
pub mod vtpm {
    backend_api::checks! {
        AK_TEMPLATE = "ak-template":
            "the quote names as its signer the attestation key as a vTPM of Azure makes it: restricted, never outside of the TPM",
            "TPM 2.0 Library, part 1, §16 Names";
        USER_DATA = "user-data":
            "the paravisor's report was made for this challenge", "openvmm, guest user data, NV index 01400002h";
    }
}
