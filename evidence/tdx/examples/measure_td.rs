//! The registers of TDX launches: a JSON object on each line of standard input, MRTD and RTMR0 to RTMR2 or an
//! error on each line of standard output. Digests are in hexadecimal.
//!
//! `{"ovmf": NAME, "mrtd_two_pass": HEX, "mrtd_single_pass": HEX, "td_hob": HEX, "kernel": HEX, "cmdline":
//! HEX, "initrd": HEX, "memory_size": BYTES, "two_pass": BOOL, "acpi_loader": HEX, "acpi_rsdp": HEX,
//! "acpi_tables": HEX}`

use std::error::Error;
use std::io::{self, BufRead, Write};

use evidence_tdx::launch::{
    AcpiDigests, AddPages, FirmwareMeasurement, ImageMeasurement, LaunchInputs, LaunchMeasurement, Machine,
    TdHobWitness, measure,
};
use serde::Deserialize;

/// One launch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Launch {
    ovmf: String,
    mrtd_two_pass: String,
    mrtd_single_pass: String,
    td_hob: String,
    kernel: String,
    cmdline: String,
    initrd: String,
    memory_size: u64,
    two_pass: bool,
    acpi_loader: String,
    acpi_rsdp: String,
    acpi_tables: String,
}

impl Launch {
    fn measure(&self) -> Result<LaunchMeasurement, Box<dyn Error>> {
        let inputs = LaunchInputs {
            firmware: FirmwareMeasurement {
                variant: self.ovmf.parse()?,
                mrtd_two_pass: digest(&self.mrtd_two_pass)?,
                mrtd_single_pass: digest(&self.mrtd_single_pass)?,
                td_hob: TdHobWitness::parse(&hex::decode(&self.td_hob)?)?,
            },
            image: ImageMeasurement {
                kernel_authenticode: digest(&self.kernel)?,
                cmdline_sha384: digest(&self.cmdline)?,
                initrd_sha384: digest(&self.initrd)?,
            },
            machine: Machine {
                memory_size: self.memory_size,
                add_pages: if self.two_pass { AddPages::TwoPass } else { AddPages::SinglePass },
            },
            acpi: AcpiDigests {
                loader: digest(&self.acpi_loader)?,
                rsdp: digest(&self.acpi_rsdp)?,
                tables: digest(&self.acpi_tables)?,
            },
        };
        Ok(measure(&inputs)?)
    }
}

fn digest(text: &str) -> Result<[u8; 48], hex::FromHexError> {
    let mut digest = [0; 48];
    hex::decode_to_slice(text, &mut digest)?;
    Ok(digest)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        match serde_json::from_str::<Launch>(&line?)?.measure() {
            Ok(measurement) => writeln!(output, "{measurement:?}")?,
            Err(error) => writeln!(output, "error: {error}")?,
        }
    }
    Ok(())
}
