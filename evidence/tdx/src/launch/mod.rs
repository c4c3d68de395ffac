//! The launch measurement: what MRTD and RTMR0 to RTMR2 of a quote must be for a known launch.
//!
//! The TDX module hashes the firmware's pages into MRTD while the VMM builds the trust domain. What the
//! firmware then finds and loads it extends into RTMR0 (configuration), RTMR1 (the kernel) and RTMR2 (command
//! line and initrd). [`measure`] computes the same four values from what an image fixes, the size of the
//! machine, and the digests of the VMM's ACPI tables: digests in, registers out, no file, no clock, and no
//! VMM that is asked to build the tables again.
//!
//! ```text
//! FirmwareMeasurement --+-- MRTD, in the order in which the VMM added the pages
//!        + Machine -----+-- the TD HOB: a list of memory that the VMM wrote
//!        + AcpiDigests -+-> RTMR0
//! ImageMeasurement -----+-> RTMR1: kernel;  RTMR2: command line, initrd
//! ```
//!
//! ACPI tables are code that the kernel interprets, and the host wrote them. Their digests come from the
//! event log, so that a measurement made here says only that the log is the one that was extended: the tables
//! themselves are as the host wanted them, unless somebody compares the digests or the measured kernel
//! declares that it distrusts them.
//!
//! Sources: Intel TDX Virtual Firmware Design Guide (344991); edk2, `OvmfPkg` and `SecurityPkg` (the events);
//! QEMU, `hw/i386/tdvf-hob.c`; Dstack-TEE/dstack 0.6.0, `dstack-mr/src/{tdx,tdvf,machine}.rs` (the witness,
//! the order of the events). Compared with registers that TDX modules signed.

mod authenticode;
mod error;
mod image;
mod log;
mod sha384;
mod td_hob;

pub use authenticode::{AuthenticodeError, MAX_SECTIONS, authenticode_sha384};
pub use error::LaunchError;
pub use image::{ImageMeasurement, cmdline_sha384, initrd_sha384};
pub use log::{FirmwareVariant, LaunchEvent, LaunchLog};
pub use td_hob::{HIGH_MEMORY_SPLIT, LOW_MEMORY, MAX_WITNESS_RANGES, TdHobWitness};

use core::fmt;

/// What is launched, and on what machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchInputs {
    /// The firmware, measured before.
    pub firmware: FirmwareMeasurement,
    /// The kernel, its command line and its initrd.
    pub image: ImageMeasurement,
    /// The machine as the VMM made it.
    pub machine: Machine,
    /// The VMM's ACPI tables.
    pub acpi: AcpiDigests,
}

/// What a firmware image fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareMeasurement {
    /// Which events it measures.
    pub variant: FirmwareVariant,
    /// MRTD, 48 bytes, if the VMM added all pages of a section before it extended the measurement by them.
    pub mrtd_two_pass: [u8; 48],
    /// MRTD, 48 bytes, if the VMM extended the measurement by each page as it added it.
    pub mrtd_single_pass: [u8; 48],
    /// The memory that the firmware uses before it has read the TD HOB.
    pub td_hob: TdHobWitness,
}

/// The order in which a VMM adds pages and extends MRTD by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddPages {
    /// Page by page: QEMU 9.0 and later.
    SinglePass,
    /// First the pages of a section, then their contents: QEMU 8 with Intel's patches.
    TwoPass,
}

/// The machine as the VMM made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Size of the guest's memory in bytes: [`LOW_MEMORY`], or at least [`HIGH_MEMORY_SPLIT`].
    ///
    /// Between and below these, QEMU puts the initrd at another address and writes that address into the
    /// kernel's header before the firmware measures it: the image's digest of the kernel does not hold there.
    pub memory_size: u64,
    /// In which order the VMM added the firmware's pages.
    pub add_pages: AddPages,
}

/// SHA-384 of the three files by which QEMU hands ACPI tables to the firmware, 48 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AcpiDigests {
    /// `etc/table-loader`: how to place and link the tables.
    pub loader: [u8; 48],
    /// `etc/acpi/rsdp`: where to begin.
    pub rsdp: [u8; 48],
    /// `etc/acpi/tables`: the tables.
    pub tables: [u8; 48],
}

/// The four registers that a launch determines, 48 bytes each, as in the TD report of a quote.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaunchMeasurement {
    /// The firmware's pages.
    pub mrtd: [u8; 48],
    /// Configuration that the firmware found.
    pub rtmr0: [u8; 48],
    /// The kernel, and that it was started.
    pub rtmr1: [u8; 48],
    /// The command line and the initrd.
    pub rtmr2: [u8; 48],
}

impl LaunchMeasurement {
    /// The registers with their names, in the order of the TD report.
    #[must_use]
    pub fn registers(&self) -> [(&'static str, &[u8; 48]); 4] {
        [("MRTD", &self.mrtd), ("RTMR0", &self.rtmr0), ("RTMR1", &self.rtmr1), ("RTMR2", &self.rtmr2)]
    }
}

impl fmt::Debug for LaunchMeasurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LaunchMeasurement");
        for (name, value) in self.registers() {
            debug.field(name, &format_args!("{}", hex::encode(value)));
        }
        debug.finish()
    }
}

/// The registers after a launch.
///
/// # Errors
///
/// [`LaunchError::MemorySize`] for a machine on which the image's digest of the kernel does not hold.
pub fn measure(inputs: &LaunchInputs) -> Result<LaunchMeasurement, LaunchError> {
    let log = LaunchLog::of(inputs)?;
    Ok(LaunchMeasurement {
        mrtd: match inputs.machine.add_pages {
            AddPages::SinglePass => inputs.firmware.mrtd_single_pass,
            AddPages::TwoPass => inputs.firmware.mrtd_two_pass,
        },
        rtmr0: log::replay(&log.rtmr0),
        rtmr1: log::replay(&log.rtmr1),
        rtmr2: log::replay(&log.rtmr2),
    })
}
