//! The named checks of what Google says of a VM and of its firmware.

/// The checks that [`crate::VerifyAk`] makes after those of [`evidence_tpm::checks::certificate`], in order.
pub mod ak {
    evidence_ledger::checks! {
        GCE_AUTHORITIES_CURRENT = "gce-authorities-current":
            "the root says in a current list that no authority below it is revoked",
            "RFC 5280 §5; certificates of Google's virtual TPMs name lists of their authorities' issuers, and none of their own";
        GCE_AK_KEY_USAGE = "gce-ak-key-usage":
            "the certified key signs data and does nothing else, as an endorsement key of the same authority would",
            "RFC 5280 §4.2.1.3; certificates of Google's virtual TPMs";
        GCE_INSTANCE_PRESENT = "gce-instance-present":
            "the certificate says which instance's key it is for",
            "google/go-tpm-tools, server, OID 1.3.6.1.4.1.11129.2.1.21";
        GCE_INSTANCE_FORMAT = "gce-instance-format":
            "what it says of the instance is the known structure in DER, and nothing else",
            "google/go-tpm-tools, server, gceInstanceInfo; X.690 §10";
        GCE_PRODUCTION = "gce-production":
            "the virtual TPM is of Google's production, and no test",
            "google/go-tpm-tools, server, gceSecurityProperties";
        GCE_PROJECT = "gce-project":
            "the instance is in an allowed project",
            "google/go-tpm-tools, server, gceInstanceInfo";
        GCE_ZONE = "gce-zone":
            "the instance is in an allowed zone",
            "google/go-tpm-tools, server, gceInstanceInfo";
        GCE_INSTANCE = "gce-instance":
            "the instance is an allowed one",
            "google/go-tpm-tools, server, gceInstanceInfo";
    }
}

/// The checks that [`crate::VerifyEndorsement`] makes, in order.
pub mod endorsement {
    evidence_ledger::checks! {
        GCE_ENDORSEMENT_FORMAT = "gce-endorsement-format":
            "the launch endorsement is what was signed and a signature, and digests in it are as long as they must be",
            "google/gce-tcb-verifier, proto/endorsement.proto";
        GCE_ENDORSEMENT_SIGNER = "gce-endorsement-signer":
            "the endorsement has the certificate of a key that signs data, and no certificates",
            "google/gce-tcb-verifier, sign/ops/certificates.go; RFC 5280 §4.2.1.3";
        GCE_ENDORSEMENT_VALIDITY = "gce-endorsement-validity":
            "the signer's certificate is valid at the time of verification",
            "RFC 5280 §4.1.2.5";
        GCE_ENDORSEMENT_PATH = "gce-endorsement-path":
            "the pinned root vouches for the signer",
            "RFC 5280 §6; google/gce-tcb-verifier, verify";
        GCE_ENDORSEMENT_SIGNATURE = "gce-endorsement-signature":
            "the signer signed the golden measurement as it was received, with RSASSA-PSS, SHA-256 and a salt of 32 bytes",
            "google/gce-tcb-verifier, endorse, SignDoc; RFC 8017 §8.1.2";
        GCE_ENDORSEMENT_TIMESTAMP = "gce-endorsement-timestamp":
            "the endorsement says when it was made, and that is not after the time of verification",
            "google/gce-tcb-verifier, proto/endorsement.proto";
        GCE_ENDORSEMENT_PROVENANCE = "gce-endorsement-provenance":
            "an endorsement made after 2024-08-02 says which sources the firmware was built from",
            "google/gce-tcb-verifier, verify, uefiReleaseChangeDate";
        GCE_LAUNCH_ENDORSED = "gce-launch-endorsed":
            "the launch measurement is one that the endorsement lists for this way of launching",
            "google/gce-tcb-verifier, proto/endorsement.proto, VMSevSnp and VMTdx";
        GCE_FIRMWARE_SVN = "gce-firmware-svn":
            "the firmware's security version number is at least the policy's minimum",
            "google/gce-tcb-verifier, proto/endorsement.proto, svn";
        GCE_FIRMWARE_ACCEPTED = "gce-firmware-accepted":
            "the firmware is none that the policy rejects",
            "google/gce-tcb-verifier, proto/endorsement.proto, digest";
    }
}
