//! The checks that `verify` makes beside those of [`evidence_nvidia::checks`] and [`evidence_rim::checks`], in groups between which
//! theirs are made.

/// Before all else.
pub mod payload {
    backend_api::checks! {
        PAYLOAD = "payload":
            "the payload is in its format: one CBOR map in its one encoding, within its limits, with what its profile has",
            "NvidiaEvidence";
    }
}

/// In the profile `raw` alone.
pub mod raw {
    backend_api::checks! {
        RAW_NAMED = "raw-named":
            "the policy says what evidence of the profile raw must be like", "RawPolicy";
    }
}

/// In the profiles that have a lane.
pub mod lane {
    backend_api::checks! {
        GPU_LANE = "gpu-lane":
            "the lane that ties the devices to the CPU is one that the policy accepts", "Policy";
    }
}

/// In every profile.
pub mod cpu {
    backend_api::checks! {
        CPU_COMMITMENT = "cpu-commitment":
            "the CPU beside the devices was verified to commit to the challenge, and on demand to exactly this payload too",
            "v1_commitment";
    }
}

/// Of all devices together.
pub mod guest {
    backend_api::checks! {
        DEVICE_COUNT = "device-count":
            "there are as many GPUs and switches as the policy says", "Policy";
        CC_MODE = "cc-mode":
            "by the guest's word confidential computing is on in production, the mode for development is off, and protected PCIe is on \
             exactly where the GPUs sign that it is",
            "NVML, nvmlConfComputeSystemState_t and nvmlSystemConfComputeSettings_v1_t";
    }
}

/// Of the signers of reference values.
pub mod rim_status {
    backend_api::checks! {
        RIM_STATUS_SIGNATURE = "rim-status-signature":
            "every status response and revocation list about a signer of reference values is signed by the issuer, or a responder that \
             it appointed",
            "RFC 6960 §4.2.2.2; RFC 5280 §6.3";
        RIM_NOT_REVOKED = "rim-not-revoked":
            "no status response and no revocation list says that a signer of reference values is revoked",
            "RFC 6960 §2.2; RFC 5280 §6.3";
        RIM_STATUS_CURRENT = "rim-status-current":
            "of each certificate below the root of reference values a current response or list says that it is good",
            "RFC 6960 §4.2.2.1; RFC 5280 §5.1.2.5";
    }
}
