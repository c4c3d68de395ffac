//! One change each, and the check that must refuse it.

use backend_api::EndorsementKind;
use backend_nvidia::Profile;
use lab::{
    events::Event,
    keys::EcKey,
    nvidia::{Device, Machine, rim::RimSpec},
    ocsp::Status,
};

use super::{EVENT, Guest};
use crate::commands::demo::{OTHER_CHALLENGE, Trial};

/// What the guest sends, with the change.
type Change = fn(&Guest) -> Trial;

/// Where the manifest of the GPUs' driver stands.
const DRIVER: usize = 0;

/// Where what is said of the signer of manifests stands, counted from the end: signer, lower and upper authority.
const SIGNER_FROM_END: usize = 3;

/// The last of the GPUs, and the last of the switches behind them.
const LAST_GPU: usize = 7;
const LAST_SWITCH: usize = 11;

/// What is changed, the check that must fail, and how.
pub(super) const CHANGES: &[(&str, &str, Change)] = &[
    ("no devices", "required-devices", |guest| Trial { devices: Vec::new(), ..guest.send() }),
    ("devices of another guest", "gpu-event-evidence", |guest| {
        let other = guest.with(|guest| guest.machine = Machine::hgx_number(1));
        Trial { devices: other.send().devices, endorsements: other.endorsements(), ..guest.send() }
    }),
    ("the same devices at another boot", "gpu-event-evidence", |guest| {
        let again = guest.with(|guest| gpu(guest, 0, |gpu| gpu.report.responder_nonce = [1; 32]));
        Trial { devices: again.send().devices, ..guest.send() }
    }),
    ("one GPU eight times", "devices-distinct", |guest| {
        machine(guest, |machine| {
            let first = machine.devices.first().cloned();
            machine
                .devices
                .iter_mut()
                .take(8)
                .zip(first.iter().cycle())
                .for_each(|(gpu, first)| *gpu = first.clone());
        })
    }),
    ("one GPU left out", "topology", |guest| {
        machine(guest, |machine| drop(machine.devices.remove(LAST_GPU)))
    }),
    ("one switch left out", "topology", |guest| {
        machine(guest, |machine| drop(machine.devices.remove(LAST_SWITCH)))
    }),
    ("a switch of another machine", "topology", |guest| {
        machine(guest, |machine| {
            let other = Machine::hgx_number(1).devices.into_iter().nth(LAST_SWITCH);
            machine.devices.truncate(LAST_SWITCH);
            machine.devices.extend(other);
            machine.publish();
        })
    }),
    ("a switch that is not locked", "topology", |guest| {
        of_gpu(guest, LAST_SWITCH, |switch| *switch.report.opaque_mut(25) = vec![0, 0])
    }),
    ("one GPU in another mode", "device-modes", |guest| {
        of_gpu(guest, LAST_GPU, |gpu| *gpu.report.opaque_mut(36) = vec![0, 0])
    }),
    ("a report signed by another key", "spdm-signature", |guest| {
        of_gpu(guest, 0, |gpu| gpu.leaf = EcKey::from_label("nobody"))
    }),
    ("another firmware than the key was made for", "fwid", |guest| {
        of_gpu(guest, 0, |gpu| *gpu.report.opaque_mut(20) = vec![7; 48])
    }),
    ("another driver's code", "measurements-match", |guest| {
        of_gpu(guest, 0, |gpu| {
            if let Some((_, digest)) = gpu.report.measurements.get_mut(25) {
                *digest = [7; 48];
            }
        })
    }),
    ("manifest changed after it was signed", "rim-digest", |guest| {
        said(guest, |said| {
            for (_, document) in said.iter_mut().filter(|(kind, _)| *kind == EndorsementKind::Document) {
                let text = String::from_utf8_lossy(document).replace("revision=\"r1\"", "revision=\"r2\"");
                *document = text.into_bytes();
            }
        })
    }),
    ("manifest signed by another key", "rim-signature", |guest| {
        driver(guest, |rim| rim.key = Some(EcKey::from_label("nobody")))
    }),
    ("no manifest of the driver", "rim-present", |guest| {
        machine(guest, |machine| drop(machine.manifests.remove(DRIVER)))
    }),
    ("the signer of manifests revoked", "rim-not-revoked", |guest| {
        machine(guest, |machine| {
            let at = machine.statuses.len().saturating_sub(SIGNER_FROM_END);
            status(machine, at, Status::Revoked(Machine::status_from(), Some(1)));
        })
    }),
    ("a GPU's certificate revoked", "device-not-revoked", |guest| {
        machine(guest, |machine| status(machine, 0, Status::Revoked(Machine::status_from(), Some(1))))
    }),
    ("status of last week", "device-status-current", |guest| {
        machine(guest, |machine| {
            for answer in machine.statuses.iter_mut().flat_map(|(status, _)| &mut status.answers) {
                answer.this_update = answer.this_update.saturating_sub(7 * 86_400);
                answer.next_update = answer.next_update.map(|next| next.saturating_sub(7 * 86_400));
            }
        })
    }),
    ("no status at all", "device-status-current", |guest| {
        said(guest, |said| said.retain(|(kind, _)| *kind != EndorsementKind::StatusResponse))
    }),
    ("mode for development on", "cc-mode", |guest| guest.with(|guest| guest.cc_state.devtools = true).send()),
    ("mode for development on, by the event alone", "gpu-event-mode", |guest| {
        events(guest, |events| {
            with_event(events, |event| {
                let text = String::from_utf8_lossy(&event.payload)
                    .replace("\"devtools\":false", "\"devtools\":true");
                event.payload = text.into_bytes();
            });
        })
    }),
    ("event left out", "gpu-event-present", |guest| {
        events(guest, |events| events.retain(|event| event.name != EVENT))
    }),
    ("event after system-ready", "gpu-event-present", |guest| {
        events(guest, |events| {
            let (mut devices, others): (Vec<Event>, Vec<Event>) =
                events.drain(..).partition(|event| event.name == EVENT);
            events.extend(others);
            events.append(&mut devices);
        })
    }),
    ("two events", "launch-events", |guest| {
        events(guest, |events| {
            if let Some(at) = events.iter().position(|event| event.name == EVENT) {
                let again = events.get(at).cloned();
                events.splice(at..at, again);
            }
        })
    }),
    ("another challenge, on demand", "report-data", |guest| {
        on_demand(guest).with(|guest| guest.challenge = OTHER_CHALLENGE).send()
    }),
    ("reports for another challenge, to which the CPU commits anew", "spdm-nonce", |guest| {
        let replayed = on_demand(guest).with(|guest| {
            guest.edit = |evidence| {
                let old = on_demand(&Guest::new()).with(|guest| guest.asked = OTHER_CHALLENGE);
                evidence.devices = old.devices().devices;
            };
        });
        replayed.send()
    }),
    ("devices of another guest, on demand", "report-data", |guest| {
        let (guest, other) =
            (on_demand(guest), on_demand(guest).with(|guest| guest.machine = Machine::hgx_number(1)));
        Trial { devices: other.send().devices, endorsements: other.endorsements(), ..guest.send() }
    }),
];

fn on_demand(guest: &Guest) -> Guest {
    guest.with(|guest| guest.profile = Profile::V1)
}

/// Other devices, or something else said of them: measured by the guest as they are.
fn machine(guest: &Guest, change: impl FnOnce(&mut Machine)) -> Trial {
    guest.with(|guest| change(&mut guest.machine)).send()
}

fn gpu(guest: &mut Guest, number: usize, change: impl FnOnce(&mut Device)) {
    if let Some(device) = guest.machine.devices.get_mut(number) {
        change(device);
    }
}

/// One device that reports something else: measured by the guest as it is.
fn of_gpu(guest: &Guest, number: usize, change: impl FnOnce(&mut Device)) -> Trial {
    guest.with(|guest| gpu(guest, number, change)).send()
}

fn driver(guest: &Guest, change: impl FnOnce(&mut RimSpec)) -> Trial {
    machine(guest, |machine| {
        if let Some(manifest) = machine.manifests.get_mut(DRIVER) {
            change(manifest);
        }
    })
}

fn status(machine: &mut Machine, number: usize, status: Status) {
    let answers = machine.statuses.get_mut(number).into_iter().flat_map(|(said, _)| &mut said.answers);
    answers.for_each(|answer| answer.status = status);
}

/// Something else of what NVIDIA says.
fn said(guest: &Guest, change: fn(&mut Vec<(EndorsementKind, Vec<u8>)>)) -> Trial {
    guest.with(|guest| guest.edit_said = change).send()
}

/// Other events, extended and signed.
fn events(guest: &Guest, change: fn(&mut Vec<Event>)) -> Trial {
    guest.with(|guest| guest.edit_events = change).send()
}

fn with_event(events: &mut [Event], change: impl FnOnce(&mut Event)) {
    if let Some(event) = events.iter_mut().find(|event| event.name == EVENT) {
        change(event);
    }
}
