//! The named checks, in groups: [`device::ALL`] of each device, [`reference::ALL`] of each device and its reference values, and
//! [`machine::ALL`] of all devices together.

/// What [`crate::VerifyDevice`] checks, in order.
pub mod device {
    evidence_ledger::checks! {
        SPDM_REPORT = "spdm-report":
            "the report is one SPDM 1.1 exchange about all measurements of a GPU or a switch, its opaque data have each type once, and \
             nothing stands behind the signature",
            "DSP0274 1.1.0 §10.11; NVIDIA opaque data";
        DEVICE_CERTIFICATES = "device-certificates":
            "there are five DER certificates with keys on P-384", "RFC 5280 §4.1; NVIDIA device chains";
        DEVICE_ROOT_PINNED = "device-root-pinned":
            "the last certificate holds the pinned key of NVIDIA's root of device identities",
            "NVIDIA Device Identity CA";
        DEVICE_CHAIN_VALIDITY = "device-chain-validity":
            "every certificate is valid at the time of verification", "RFC 5280 §4.1.2.5";
        DEVICE_KEY_USAGE = "device-key-usage":
            "the leaf's key is for signing data and no certificates, and every authority's is for certificates",
            "RFC 5280 §4.2.1.3";
        DEVICE_CHAIN_SIGNATURES = "device-chain-signatures":
            "signatures, names and constraints lead from the leaf to the root, through these certificates in this order",
            "RFC 5280 §6";
        DEVICE_STATUS_SIGNATURE = "device-status-signature":
            "every status response and revocation list about the chain is signed by the issuer, or a responder that it appointed",
            "RFC 6960 §4.2.2.2; RFC 5280 §6.3";
        DEVICE_NOT_REVOKED = "device-not-revoked":
            "no status response and no revocation list says that a certificate of the chain is revoked",
            "RFC 6960 §2.2; RFC 5280 §6.3";
        DEVICE_STATUS_CURRENT = "device-status-current":
            "of each certificate between leaf and root a current response or list says that it is good",
            "RFC 6960 §4.2.2.1; RFC 5280 §5.1.2.5";
        DEVICE_ARCHITECTURE = "device-architecture":
            "the certificates name one chip of a known architecture, and the report is of such a device",
            "NVIDIA device chains; CHIP_INFO of the opaque data";
        REPORT_SIGNATURE = "spdm-signature":
            "the leaf signed request and response, as they were received", "DSP0274 1.1.0 §10.11.1";
        NONCE = "spdm-nonce":
            "the nonce of the signed request is what is expected", "DSP0274 1.1.0 §10.11";
        FWID = "fwid":
            "the firmware that the leaf was made for is the one that the device reports, and the leaf does not say that it is not \
             secure, or for recovery or debugging",
            "TCG DICE Attestation Architecture 1.1, §6.1.1";
        DRIVER_FLOOR = "driver-floor":
            "the driver is not older than the policy's minimum", "DRIVER_VERSION of the opaque data";
        VBIOS_FLOOR = "vbios-floor":
            "the video BIOS, or the BIOS of the switch, is not older than the policy's minimum",
            "VBIOS_VERSION of the opaque data";
    }
}

/// What [`crate::Appraise`] checks, in order.
pub mod reference {
    evidence_ledger::checks! {
        RIM_PRESENT = "rim-present":
            "there are reference values for the driver and the video BIOS of a GPU, or for the BIOS of a switch",
            "NVIDIA RIM service, RIM ids";
        RIM_OF_DEVICE = "rim-of-device":
            "the reference values are for this chip and these versions, as the device signed them",
            "TCG RIM Information Model 1.01; NVIDIA RIM ids";
        RIM_INDICES = "rim-indices":
            "driver and video BIOS do not both give values for one measurement, and the device reports each",
            "NVIDIA RIM, active measurements";
        NVDEC0_STATUS = "nvdec0-status":
            "the device says whether its video decoder 0 is enabled, on which one measurement depends",
            "NVDEC0_STATUS of the opaque data";
        MEASUREMENTS_MATCH = "measurements-match":
            "every measurement for which there are reference values has one of them", "RFC 9334 §8.3; NVIDIA RIM";
    }
}

/// What [`crate::verify_machine`] checks, in order.
pub mod machine {
    evidence_ledger::checks! {
        DEVICES_DISTINCT = "devices-distinct":
            "no device stands there twice, by the serial number of its certificate", "NVIDIA device chains";
        DEVICE_MODES = "device-modes":
            "all GPUs are of one architecture and say that they are in one mode", "FEATURE_FLAG of the opaque data";
        TOPOLOGY = "topology":
            "with protected PCIe every GPU is linked to exactly these switches, every switch to exactly these GPUs, and the switches \
             are locked, by identifiers that the devices' certificates hold",
            "SWITCH_PDI, DEVICE_PDI, SWITCH_GPU_PDIS and LOCK_SWITCH_STATUS of the opaque data";
    }
}
