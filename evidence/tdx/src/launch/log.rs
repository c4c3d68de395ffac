//! The events that a launch extends into RTMR0 to RTMR2, in order.

use core::fmt;
use core::str::FromStr;

use super::sha384::sha384;
use super::{LaunchError, LaunchInputs};

/// Which events a firmware measures into RTMR0.
///
/// The list follows from the version of edk2 that the firmware was built from. Only launches of a known
/// firmware are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FirmwareVariant {
    /// OVMF of edk2 before edk2-stable202505, as dstack builds it: 13 events.
    Pre202505,
}

impl FirmwareVariant {
    /// The variant's name: dstack's, as in `ovmf_variant`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pre202505 => "pre202505",
        }
    }
}

impl fmt::Display for FirmwareVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FirmwareVariant {
    type Err = LaunchError;

    fn from_str(name: &str) -> Result<Self, LaunchError> {
        if name == Self::Pre202505.name() {
            return Ok(Self::Pre202505);
        }
        // A name is a word; what is longer need not stand in an error whole.
        Err(LaunchError::Variant { found: name.chars().take(32).collect() })
    }
}

/// SHA-384 of the configuration firmware volume (CFV), the store of EFI variables as it was built: no
/// variable is set.
///
/// The event is the second of RTMR0 (`EV_EFI_PLATFORM_FIRMWARE_BLOB2`). The same digest stands in the logs of
/// dstack's images of different versions (`verifier/fixtures/{tdx-lite-getquote,quote-report}.json`,
/// `cc-eventlog/samples/ccel.bin`), whose RTMR0 is signed, and in a log that another project captured
/// (lunal-dev/attestation-rs).
const PRE_202505_CFV: [u8; 48] = [
    0x34, 0x4b, 0xc5, 0x1c, 0x98, 0x0b, 0xa6, 0x21, 0xaa, 0xa0, 0x0d, 0xa3, 0xed, 0x74, 0x36, 0xf7, 0xd6,
    0xe5, 0x49, 0x19, 0x7d, 0xfe, 0x69, 0x95, 0x15, 0xdf, 0xa2, 0xc6, 0x58, 0x3d, 0x95, 0xe6, 0x41, 0x2a,
    0xf2, 0x1c, 0x09, 0x7d, 0x47, 0x31, 0x55, 0x87, 0x5f, 0xfd, 0x56, 0x1d, 0x67, 0x90,
];

/// SHA-384 of the variable `Boot0000`: the boot option of the firmware's own user interface (`UiApp`).
///
/// The event is the last of RTMR0 (`EV_EFI_VARIABLE_BOOT`), in the same logs as [`PRE_202505_CFV`].
const PRE_202505_BOOT0000: [u8; 48] = [
    0x23, 0xad, 0xa0, 0x7f, 0x52, 0x61, 0xf1, 0x2f, 0x34, 0xa0, 0xbd, 0x8e, 0x46, 0x76, 0x09, 0x62, 0xd6,
    0xb4, 0xd5, 0x76, 0xa4, 0x16, 0xf1, 0xfe, 0xa1, 0xc6, 0x4b, 0xc6, 0x56, 0xb1, 0xd2, 0x8e, 0xac, 0xf7,
    0x04, 0x7a, 0xe6, 0xe9, 0x67, 0xc5, 0x8f, 0xd2, 0xa9, 0x8b, 0xfa, 0x74, 0xc2, 0x98,
];

/// `EFI_GLOBAL_VARIABLE`, 8be4df61-93ca-11d2-aa0d-00e098032b8c, as stored (UEFI specification 2.10, §3.3).
const GLOBAL_VARIABLE: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// `EFI_IMAGE_SECURITY_DATABASE_GUID`, d719b2cb-3d3a-4596-a3bc-dad00e67656f, as stored (UEFI specification
/// 2.10, §32).
const IMAGE_SECURITY_DATABASE: [u8; 16] =
    [0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f];

/// One event of a launch.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaunchEvent {
    /// What is measured.
    pub name: &'static str,
    /// SHA-384 digest by which the register is extended, 48 bytes.
    pub digest: [u8; 48],
}

impl fmt::Debug for LaunchEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, hex::encode(self.digest))
    }
}

/// The events of a launch, by register. Beside a guest's own log it shows which one differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchLog {
    /// What the firmware found: memory, variables, ACPI tables, boot options.
    pub rtmr0: [LaunchEvent; 13],
    /// The kernel, and what the firmware says of starting it.
    pub rtmr1: [LaunchEvent; 5],
    /// What the kernel's EFI stub was given: command line and initrd.
    pub rtmr2: [LaunchEvent; 2],
}

impl LaunchLog {
    /// The events of a launch.
    ///
    /// # Errors
    ///
    /// [`LaunchError::MemorySize`] for a machine on which the image's digest of the kernel does not hold.
    pub fn of(inputs: &LaunchInputs) -> Result<Self, LaunchError> {
        let (image, acpi) = (&inputs.image, &inputs.acpi);
        let td_hob = inputs.firmware.td_hob.digest(inputs.machine.memory_size)?;
        let separator = event("separator", sha384(&[&[0; 4]]));
        let FirmwareVariant::Pre202505 = inputs.firmware.variant;
        Ok(Self {
            rtmr0: [
                event("td-hob", td_hob),
                event("cfv", PRE_202505_CFV),
                event("SecureBoot", unset_variable(&GLOBAL_VARIABLE, "SecureBoot")),
                event("PK", unset_variable(&GLOBAL_VARIABLE, "PK")),
                event("KEK", unset_variable(&GLOBAL_VARIABLE, "KEK")),
                event("db", unset_variable(&IMAGE_SECURITY_DATABASE, "db")),
                event("dbx", unset_variable(&IMAGE_SECURITY_DATABASE, "dbx")),
                separator,
                event("acpi-loader", acpi.loader),
                event("acpi-rsdp", acpi.rsdp),
                event("acpi-tables", acpi.tables),
                // One boot option, number 0. Of boot variables this firmware measures the data alone.
                event("BootOrder", sha384(&[&[0; 2]])),
                event("Boot0000", PRE_202505_BOOT0000),
            ],
            rtmr1: [
                event("kernel", image.kernel_authenticode),
                action("Calling EFI Application from Boot Option"),
                separator,
                action("Exit Boot Services Invocation"),
                action("Exit Boot Services Returned with Success"),
            ],
            rtmr2: [event("cmdline", image.cmdline_sha384), event("initrd", image.initrd_sha384)],
        })
    }
}

fn event(name: &'static str, digest: [u8; 48]) -> LaunchEvent {
    LaunchEvent { name, digest }
}

/// `EV_EFI_ACTION`: the digest of its own text.
fn action(text: &'static str) -> LaunchEvent {
    event(text, sha384(&[text.as_bytes()]))
}

/// The digest of a variable without data: SHA-384 of `UEFI_VARIABLE_DATA` (TCG PC Client Platform Firmware
/// Profile): GUID, number of characters and of bytes of data (8 bytes each, little-endian), the name in
/// UTF-16LE without NUL.
fn unset_variable(guid: &[u8; 16], name: &str) -> [u8; 48] {
    let name: Vec<[u8; 2]> = name.encode_utf16().map(u16::to_le_bytes).collect();
    let characters = u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes();
    sha384(&[guid, &characters, &[0; 8], name.as_flattened()])
}

/// The value of a register after these events: `SHA-384(value ‖ digest)` for each, from 48 zeros.
pub(super) fn replay(events: &[LaunchEvent]) -> [u8; 48] {
    events.iter().fold([0; 48], |value, event| sha384(&[&value, &event.digest]))
}
