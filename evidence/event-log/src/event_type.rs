//! Event types of the TCG PC Client Platform Firmware Profile, revision 1.05, section 10.4.1.

use std::fmt;

/// What an event says it is. No digest covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventType(pub u32);

/// Declares constants and their names in one place.
macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        impl EventType {
            $($(#[$doc])* pub const $name: Self = Self($value);)*
        }

        impl fmt::Display for EventType {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(stringify!($name)),)*
                    Self(other) => write!(f, "{other:#010x}"),
                }
            }
        }
    };
}

event_types! {
    /// Reserved by the profile, and all zero: no event of firmware has it.
    EV_PREBOOT_CERT = 0x0000_0000,
    /// Power-on self-test code.
    EV_POST_CODE = 0x0000_0001,
    /// Extends nothing.
    EV_NO_ACTION = 0x0000_0003,
    /// The end of a phase: four zero bytes, or an error.
    EV_SEPARATOR = 0x0000_0004,
    /// A string that names an action.
    EV_ACTION = 0x0000_0005,
    /// A tagged event of the operating system.
    EV_EVENT_TAG = 0x0000_0006,
    /// The core root of trust.
    EV_S_CRTM_CONTENTS = 0x0000_0007,
    /// The version of the core root of trust.
    EV_S_CRTM_VERSION = 0x0000_0008,
    /// Microcode.
    EV_CPU_MICROCODE = 0x0000_0009,
    /// Platform configuration; ACPI tables under QEMU.
    EV_PLATFORM_CONFIG_FLAGS = 0x0000_000A,
    /// A table of devices.
    EV_TABLE_OF_DEVICES = 0x0000_000B,
    /// A digest that a caller has computed.
    EV_COMPACT_HASH = 0x0000_000C,
    /// What a boot loader measured.
    EV_IPL = 0x0000_000D,
    /// Data of a partition.
    EV_IPL_PARTITION_DATA = 0x0000_000E,
    /// Code of the platform outside of the host.
    EV_NONHOST_CODE = 0x0000_000F,
    /// Configuration of the platform outside of the host.
    EV_NONHOST_CONFIG = 0x0000_0010,
    /// Information about the platform outside of the host; Google Cloud: the confidential technology.
    EV_NONHOST_INFO = 0x0000_0011,
    /// Boot device events were left out.
    EV_OMIT_BOOT_DEVICE_EVENTS = 0x0000_0012,
    /// A UEFI variable that configures drivers, Secure Boot's among them.
    EV_EFI_VARIABLE_DRIVER_CONFIG = 0x8000_0001,
    /// A UEFI boot variable, of which only the value is hashed.
    EV_EFI_VARIABLE_BOOT = 0x8000_0002,
    /// A UEFI application: Authenticode hash.
    EV_EFI_BOOT_SERVICES_APPLICATION = 0x8000_0003,
    /// A UEFI boot driver: Authenticode hash.
    EV_EFI_BOOT_SERVICES_DRIVER = 0x8000_0004,
    /// A UEFI runtime driver: Authenticode hash.
    EV_EFI_RUNTIME_SERVICES_DRIVER = 0x8000_0005,
    /// A partition table.
    EV_EFI_GPT_EVENT = 0x8000_0006,
    /// A string that names an action of the firmware.
    EV_EFI_ACTION = 0x8000_0007,
    /// Firmware: hash of the code.
    EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x8000_0008,
    /// Tables handed over: hash of the tables.
    EV_EFI_HANDOFF_TABLES = 0x8000_0009,
    /// Firmware with a description: hash of the code.
    EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000_000A,
    /// Tables with a description: hash of the tables.
    EV_EFI_HANDOFF_TABLES2 = 0x8000_000B,
    /// A UEFI boot variable with its name.
    EV_EFI_VARIABLE_BOOT2 = 0x8000_000C,
    /// A hardware root of trust.
    EV_EFI_HCRTM_EVENT = 0x8000_0010,
    /// The Secure Boot entry that vouched for an image.
    EV_EFI_VARIABLE_AUTHORITY = 0x8000_00E0,
}
