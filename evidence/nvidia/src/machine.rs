//! Devices of one machine: each once, in one mode, linked to each other and to nobody else.

use std::collections::BTreeSet;

use evidence_ledger::{Failed, Ledger};

use crate::{
    Architecture, Device, Error, GpuData, Mode, Pdi, SwitchData, VerifiedDevice, checks::machine as checks,
};

/// Verifies that `devices` are those of one machine, as far as they say so themselves.
///
/// # Errors
///
/// The check that failed ([`crate::checks::machine`]) and why.
pub fn verify_machine(devices: &[VerifiedDevice]) -> Result<Ledger, Failed<Error>> {
    let mut ledger = Ledger::with_capacity(checks::ALL.len());
    ledger.verify(checks::DEVICES_DISTINCT, distinct(devices))?;
    ledger.verify(checks::DEVICE_MODES, one_mode(devices))?;
    let machine = Machine::of(devices);
    if machine.needs_topology() {
        ledger.verify(checks::TOPOLOGY, machine.topology())?;
    } else {
        ledger.not_performed(
            checks::TOPOLOGY,
            "without protected PCIe no device says how it is linked to others",
        );
    }
    Ok(ledger)
}

/// By the serial number that NVIDIA gave it, and by what others name it by.
fn distinct(devices: &[VerifiedDevice]) -> Result<(), Error> {
    let (mut serials, mut pdis) = (BTreeSet::new(), BTreeSet::new());
    for device in devices {
        if !serials.insert(device.serial()) || !pdis.insert(device.pdi()) {
            return Err(Error::DeviceTwice(device.pdi()));
        }
    }
    Ok(())
}

/// Each GPU says one thing of protected PCIe in both fields for it, and all say the same of their mode; drivers before 580 say nothing of
/// it, and then none of them does.
fn one_mode(devices: &[VerifiedDevice]) -> Result<(), Error> {
    let mut gpus = devices.iter().filter_map(|device| match &device.opaque().device {
        Device::Gpu(gpu) => Some((device.architecture(), gpu.mode, gpu.protected_pcie)),
        Device::Switch(_) => None,
    });
    let Some(first) = gpus.next() else { return Ok(()) };
    let shown = |(architecture, mode, pcie): (Architecture, Option<Mode>, Option<bool>)| {
        let mode = mode.map_or("no mode", Mode::name);
        format!("{architecture} in {mode}, protected PCIe {pcie:?}")
    };
    let (_, mode, pcie) = first;
    if mode.zip(pcie).is_some_and(|(mode, pcie)| (mode == Mode::Ppcie) != pcie) {
        return Err(Error::Modes {
            first: shown(first),
            other: "the same, which contradicts itself".to_owned(),
        });
    }
    match gpus.find(|other| *other != first) {
        Some(other) => Err(Error::Modes { first: shown(first), other: shown(other) }),
        None => Ok(()),
    }
}

/// GPUs and switches, each with what its certificate calls it.
struct Machine<'a> {
    gpus: Vec<(Pdi, &'a GpuData)>,
    switches: Vec<(Pdi, &'a SwitchData)>,
}

impl<'a> Machine<'a> {
    fn of(devices: &'a [VerifiedDevice]) -> Self {
        let mut machine = Self { gpus: Vec::new(), switches: Vec::new() };
        for device in devices {
            match &device.opaque().device {
                Device::Gpu(gpu) => machine.gpus.push((device.pdi(), gpu)),
                Device::Switch(switch) => machine.switches.push((device.pdi(), switch)),
            }
        }
        machine
    }

    /// Where there are switches, or a GPU says that there are.
    fn needs_topology(&self) -> bool {
        !self.switches.is_empty() || self.gpus.iter().any(|(_, gpu)| gpu.is_protected_pcie())
    }

    fn topology(&self) -> Result<(), Error> {
        let gpus: BTreeSet<Pdi> = self.gpus.iter().map(|(pdi, _)| *pdi).collect();
        let switches: BTreeSet<Pdi> = self.switches.iter().map(|(pdi, _)| *pdi).collect();
        for (device, gpu) in &self.gpus {
            let linked: BTreeSet<Pdi> = gpu.switch_pdis.iter().copied().collect();
            let problem = if !gpu.is_protected_pcie() {
                "is a GPU without protected PCIe, beside switches"
            } else if linked.is_empty() || linked != switches {
                "is a GPU whose links are not to exactly the switches that are here"
            } else {
                continue;
            };
            return Err(Error::Topology { device: *device, problem });
        }
        for (device, switch) in &self.switches {
            let linked: BTreeSet<Pdi> = switch.gpu_pdis.iter().copied().collect();
            let problem = if switch.pdi != *device {
                "is a switch that calls itself something else than its certificate does"
            } else if linked.is_empty() || linked != gpus {
                "is a switch whose ports are not to exactly the GPUs that are here"
            } else if !switch.is_locked {
                "is a switch that is not locked"
            } else {
                continue;
            };
            return Err(Error::Topology { device: *device, problem });
        }
        Ok(())
    }
}
