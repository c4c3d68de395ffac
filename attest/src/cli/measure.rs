//! `attest measure`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use evidence_dstack::vm_config::QemuVersion;
use evidence_snp::launch::{VcpuType, Vmm};
use evidence_tdx::launch::AcpiDigests;

#[derive(Debug, Subcommand)]
pub(crate) enum Measure {
    /// The SEV-SNP launch digest.
    Snp(MeasureSnp),
    /// MRTD and RTMR0 to RTMR2 of a TDX launch.
    Tdx(MeasureTdx),
}

#[derive(Debug, Args)]
pub(crate) struct MeasureSnp {
    /// The firmware image.
    #[arg(long, value_name = "FILE", required_unless_present = "firmware")]
    pub(crate) ovmf: Option<PathBuf>,
    /// The firmware's digest and metadata, as --firmware-only prints them.
    #[arg(long, value_name = "FILE", conflicts_with = "ovmf")]
    pub(crate) firmware: Option<PathBuf>,
    /// The kernel, if it is booted directly: of QEMU alone, because EC2 and GCE boot their guests from a disk.
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: Option<PathBuf>,
    /// The initrd of that kernel.
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub(crate) initrd: Option<PathBuf>,
    /// The command line of that kernel, exactly as the VMM passes it.
    #[arg(long, value_name = "STR", requires = "kernel", allow_hyphen_values = true)]
    pub(crate) append: Option<String>,
    /// Number of vCPUs.
    #[arg(long, value_name = "N", required_unless_present = "firmware_only")]
    pub(crate) vcpus: Option<u32>,
    /// QEMU's name of the vCPU model, such as EPYC-v4: of QEMU alone, because launches of EC2 and GCE do not depend on it.
    #[arg(long, value_name = "T")]
    pub(crate) vcpu_type: Option<VcpuType>,
    /// SEV_FEATURES of the guest, hex.
    #[arg(long, value_name = "HEX", default_value = "0x1", value_parser = hex_number)]
    pub(crate) guest_features: u64,
    /// The virtual machine monitor: qemu, ec2 or gce.
    #[arg(long, value_name = "VMM", default_value = "qemu")]
    pub(crate) vmm: Vmm,
    /// Print the firmware's digest and metadata, for --firmware.
    #[arg(
        long,
        conflicts_with_all = ["firmware", "kernel", "initrd", "append", "vcpus", "vcpu_type"],
        requires = "ovmf"
    )]
    pub(crate) firmware_only: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("acpi-source").required(true))]
pub(crate) struct MeasureTdx {
    /// The image's measurement.tdx.cbor.
    #[arg(long, value_name = "FILE")]
    pub(crate) measurement: PathBuf,
    /// The guest's memory in bytes, or with K, M, G or T for powers of 1024, such as 4G.
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    pub(crate) memory_size: u64,
    /// The VMM adds all pages of a section before it measures their contents.
    #[arg(long, conflicts_with = "qemu_version")]
    pub(crate) two_pass: bool,
    /// QEMU's version, which says so: 8 measures in two passes, 9 (as without this) in one.
    #[arg(long, value_name = "X.Y.Z", value_parser = qemu_version)]
    pub(crate) qemu_version: Option<QemuVersion>,
    /// SHA-384 of the three files of ACPI tables.
    #[arg(long, value_name = "loader=HEX,rsdp=HEX,tables=HEX", group = "acpi-source", value_parser = acpi)]
    pub(crate) acpi: Option<AcpiDigests>,
    /// A log that has these digests: CCEL, or dstack's event log in JSON.
    #[arg(long, value_name = "FILE", group = "acpi-source")]
    pub(crate) event_log: Option<PathBuf>,
}

/// Up to 16 hex digits, with or without `0x`.
fn hex_number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let number = u64::from_str_radix(digits, 16).ok();
    number
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(|| "expected 1 to 16 hex digits".to_owned())
}

/// A number of bytes, with or without a unit.
fn memory_size(text: &str) -> Result<u64, String> {
    let units = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
    let unit = units.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, 1_u64 << shift)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let size = number.and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| "expected a number of bytes such as 2147483648 or 2G".to_owned())
}

fn qemu_version(text: &str) -> Result<QemuVersion, String> {
    text.parse().map_err(|error: evidence_dstack::vm_config::VmConfigError| error.to_string())
}

/// Each of the three digests once, in any order.
fn acpi(text: &str) -> Result<AcpiDigests, String> {
    const NAMES: [&str; 3] = ["loader", "rsdp", "tables"];
    let mut found: [Option<[u8; 48]>; 3] = [None; 3];
    for part in text.split(',') {
        let (name, digits) = part.split_once('=').ok_or("expected loader=HEX,rsdp=HEX,tables=HEX")?;
        let slot = NAMES.iter().zip(&mut found).find(|(known, _)| **known == name).map(|(_, slot)| slot);
        let slot = slot.ok_or("expected the names loader, rsdp and tables")?;
        let mut digest = [0; 48];
        hex::decode_to_slice(digits, &mut digest).map_err(|_| format!("expected 96 hex digits of {name}"))?;
        if slot.replace(digest).is_some() {
            return Err(format!("expected {name} once"));
        }
    }
    let [Some(loader), Some(rsdp), Some(tables)] = found else {
        return Err("expected each of loader, rsdp and tables".to_owned());
    };
    Ok(AcpiDigests { loader, rsdp, tables })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_numbers_are_strict() {
        assert_eq!(hex_number("0x21"), Ok(0x21));
        assert_eq!(hex_number("ffffffffffffffff"), Ok(u64::MAX));
        for wrong in ["", "0x", "+1", "-1", "1_0", "10000000000000000", "g", "0x0x1"] {
            assert!(hex_number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_strict() {
        assert_eq!(memory_size("2147483648"), Ok(2 << 30));
        assert_eq!(memory_size("2G"), Ok(2 << 30));
        assert_eq!(memory_size("1K"), Ok(1024));
        assert_eq!(memory_size("3T"), Ok(3 << 40));
        for wrong in ["", "G", "2g", "2GB", "-1", "+1", "1.5G", "0x10", "99999999T", "18446744073709551616"] {
            assert!(memory_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_digest_is_given_once() {
        let [a, b, c] = ["11", "22", "33"].map(|byte| byte.repeat(48));
        let digests = acpi(&format!("tables={c},loader={a},rsdp={b}")).unwrap();
        let expected = AcpiDigests { loader: [0x11; 48], rsdp: [0x22; 48], tables: [0x33; 48] };
        assert_eq!(digests, expected);
        for wrong in [
            String::new(),
            format!("loader={a},rsdp={b}"),
            format!("loader={a},rsdp={b},tables={c},"),
            format!("loader={a},rsdp={b},tables={c},tables={c}"),
            format!("loader={a},rsdp={b},table={c}"),
            format!("loader={a},rsdp={b},tables=33"),
            format!("loader={a},rsdp={b},tables={}", "zz".repeat(48)),
        ] {
            assert!(acpi(&wrong).is_err(), "{wrong}");
        }
    }
}
