//! What a guest of the lab sends.

use backend_tdx::{BootEvent, BootLog, LaunchEvidence, LoggedEvent, TdxEvidence};
use lab::intel::{ConfigId, TdGuest};
use serde_bytes::ByteBuf;

/// Everything that a guest has, around `quote`.
pub(crate) fn payload(guest: &TdGuest, quote: Vec<u8>) -> TdxEvidence {
    let launch = &guest.launch;
    let mut evidence = TdxEvidence::new(quote);
    let boot = launch.boot_log.iter().map(|event| BootEvent {
        rtmr: event.rtmr,
        digest: ByteBuf::from(event.digest),
        name: if event.name.starts_with("acpi-") { event.name.to_owned() } else { String::new() },
    });
    evidence.boot_log = Some(BootLog::Digests(boot.collect()));
    let logged = launch.events.iter().map(|event| LoggedEvent {
        name: event.name.clone(),
        payload: ByteBuf::from(event.payload.clone()),
        version: event.version,
    });
    evidence.runtime_events = logged.collect();
    evidence.mr_config = (launch.config_id == ConfigId::V3).then(|| launch.mr_config.clone());
    evidence.launch = Some(LaunchEvidence {
        checksum_file: ByteBuf::from(launch.checksum_file.clone()),
        measurement: ByteBuf::from(launch.measurement_cbor.clone()),
        memory_size: launch.memory_size,
        two_pass: launch.two_pass,
    });
    evidence
}
