//! The checks that `verify` makes beside those of the evidence crates, in groups between which theirs are made.

/// Before the processor's report.
pub mod payload {
    backend_api::checks! {
        PAYLOAD = "payload":
            "the payload is in its format: one CBOR map in its one encoding, within its limits", "GcpEvidence";
        TRANSCRIPT_PROFILE = "transcript-profile":
            "the policy says what Evidence of this transcript profile must be like, where the profile leaves that open", "RFC 9334 §8.5";
        CC_LOG_PRESENT = "cc-log-present":
            "a log of a TD's registers comes with a TD quote alone", "GcpEvidence";
    }
}

/// After the processor's report: who vouches for the firmware that was launched.
pub mod endorsement {
    backend_api::checks! {
        LAUNCH_ENDORSEMENT = "launch-endorsement":
            "there is a launch endorsement of Google's for the firmware, or the relying party lists what was launched",
            "google/gce-tcb-verifier";
    }
}

/// After the quote.
pub mod vtpm {
    backend_api::checks! {
        VTPM_TECHNOLOGY = "vtpm-technology":
            "PCR0 is that of Google's firmware in an accepted version, on the technology of the media type: Google's vTPM says so",
            "Google's VMs, EV_S_CRTM_VERSION and EV_NONHOST_INFO";
    }
}
