//! `inspect`: what a payload says, none of it verified.

use backend_api::{Error as ApiError, Evidence, Result};
use evidence_dstack::tdx_measurement::TdxMeasurement;
use evidence_event_log::{
    Bank, Event, EventLog, Tie,
    launch::names::{BOOT_MR_DONE, SYSTEM_READY},
    runtime::RuntimeEvent,
};
use evidence_tdx::{Quote, TdAttributes, TdReport, Xfam, fmspc};
use evidence_x509::{Certificate, Moment};
use serde_json::{Map, Value, json};

use crate::{BootEvent, BootLog, ID, LaunchEvidence, LoggedEvent, TdxEvidence};

/// The most bytes of an event's data that are shown.
const SHOWN_DATA: usize = 64;

pub(crate) fn inspect(evidence: &Evidence) -> Result<Value> {
    let read = TdxEvidence::decode(evidence.bytes());
    let evidence = read.map_err(|error| ApiError::with_source(error.kind(), error).in_backend(ID))?;
    Ok(content(&evidence))
}

fn content(evidence: &TdxEvidence) -> Value {
    let mut content = Map::new();
    let mut put = |key: &str, value: Value| content.insert(key.to_owned(), value);
    match Quote::parse(&evidence.quote) {
        Err(error) => {
            put("quote", malformed(&error));
        }
        Ok(quote) => {
            put("quote", self::quote(&quote));
            let chain = Certificate::parse_der_or_pem(quote.pck_chain());
            put("certificates", chain.map_or_else(|error| malformed(&error), |chain| certificates(&chain)));
            put(
                "fmspc",
                fmspc(&quote).map_or_else(|error| malformed(&error), |fmspc| hex::encode(fmspc).into()),
            );
        }
    }
    if let Some(log) = &evidence.boot_log {
        put("boot-log", boot_log(log));
    }
    if !evidence.runtime_events.is_empty() {
        put("runtime-events", runtime_events(&evidence.runtime_events));
    }
    if let Some(document) = &evidence.mr_config {
        put("mr-config", document.as_str().into());
    }
    if let Some(claimed) = &evidence.launch {
        put("launch", launch(claimed));
    }
    Value::Object(content)
}

fn quote(quote: &Quote<'_>) -> Value {
    let (header, qe) = (&quote.header, &quote.qe_report);
    json!({
        "version": header.version,
        "attestation-key-type": header.attestation_key_type,
        "tee-type": format!("{:#x}", header.tee_type),
        "qe-vendor-id": hex::encode(header.qe_vendor_id),
        "user-data": hex::encode(header.user_data),
        "td-report": td_report(&quote.report),
        "qe-report": {
            "misc-select": format!("{:#x}", qe.misc_select),
            "attributes": hex::encode(qe.attributes),
            "mr-enclave": hex::encode(qe.mr_enclave),
            "mr-signer": hex::encode(qe.mr_signer),
            "isv-prod-id": qe.isv_prod_id,
            "isv-svn": qe.isv_svn,
            "report-data": hex::encode(qe.report_data),
        },
    })
}

fn td_report(report: &TdReport) -> Value {
    let TdAttributes(attributes) = report.td_attributes;
    let Xfam(xfam) = report.xfam;
    let [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs.map(hex::encode);
    json!({
        "kind": report.kind.name(),
        "tee-tcb-svn": hex::encode(report.tee_tcb_svn),
        "mr-seam": hex::encode(report.mr_seam),
        "mr-signer-seam": hex::encode(report.mr_signer_seam),
        "seam-attributes": hex::encode(report.seam_attributes),
        "td-attributes": format!("{attributes:#x}"),
        "td-attributes-set": set_bits(attributes, &TdAttributes::NAMES),
        "debug": report.td_attributes.debug(),
        "xfam": format!("{xfam:#x}"),
        "xfam-set": set_bits(xfam, &Xfam::NAMES),
        "mrtd": hex::encode(report.mr_td),
        "mr-config-id": hex::encode(report.mr_config_id),
        "mr-owner": hex::encode(report.mr_owner),
        "mr-owner-config": hex::encode(report.mr_owner_config),
        "rtmr0": rtmr0,
        "rtmr1": rtmr1,
        "rtmr2": rtmr2,
        "rtmr3": rtmr3,
        "report-data": hex::encode(report.report_data),
        "tee-tcb-svn-2": report.tee_tcb_svn2.map(hex::encode),
        "mr-service-td": report.mr_service_td.map(hex::encode),
        "current-service-td": report.current_service_td.map(hex::encode),
    })
}

/// The names of the bits that are set; a bit without a name by its number.
fn set_bits(value: u64, names: &[(u32, &str)]) -> String {
    let set = (0..u64::BITS).filter(|bit| value.checked_shr(*bit).is_some_and(|rest| rest & 1 == 1));
    let name = |bit: u32| {
        let known = names.iter().find(|(known, _)| *known == bit);
        known.map_or_else(|| format!("bit {bit}"), |(_, name)| (*name).to_owned())
    };
    set.map(name).collect::<Vec<_>>().join(", ")
}

fn certificates(chain: &[Certificate]) -> Value {
    let describe = |certificate: &Certificate| {
        let window = certificate.window();
        json!({
            "subject": certificate.subject(),
            "issuer": certificate.issuer(),
            "serial": hex::encode(certificate.serial()),
            "not-before": Moment(window.not_before).to_string(),
            "not-after": Moment(window.not_after).to_string(),
            "spki-sha256": hex::encode(certificate.spki_sha256()),
        })
    };
    chain.iter().map(describe).collect()
}

fn boot_log(log: &BootLog) -> Value {
    let (form, events) = match log {
        BootLog::Ccel(bytes) => ("ccel", ccel(bytes)),
        BootLog::Digests(events) => ("digests", events.iter().map(boot_event).collect()),
        BootLog::Acpi(events) => ("acpi", events.iter().map(boot_event).collect()),
    };
    json!({ "form": form, "events": events })
}

fn ccel(bytes: &[u8]) -> Value {
    match EventLog::parse(bytes) {
        Err(error) => malformed(&error),
        Ok(log) => log.events().iter().map(ccel_event).collect(),
    }
}

fn ccel_event(event: &Event<'_>) -> Value {
    let other = || format!("register {}", event.register);
    let register = event.rtmr().map_or_else(other, |rtmr| format!("RTMR{rtmr}"));
    let tie = match event.tie(Bank::Sha384) {
        Tie::Tied(_) => "tied: the digest is the hash of the data",
        Tie::Contradicted => "contradicted: the digest is not the hash of the data",
        Tie::Opaque => "opaque: the digest says nothing about the data",
    };
    let data = event.unverified_data();
    json!({
        "register": register,
        "type": event.event_type.to_string(),
        "digest": event.digest(Bank::Sha384.algorithm()).map(hex::encode),
        "tie": tie,
        "bytes": data.len(),
        "data": shown(data),
    })
}

/// The first bytes: as text, if that is what they are.
fn shown(data: &[u8]) -> String {
    let first = data.get(..SHOWN_DATA).unwrap_or(data);
    let text = std::str::from_utf8(first.strip_suffix(b"\0").unwrap_or(first)).ok();
    let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let rest = if data.len() > SHOWN_DATA { "…" } else { "" };
    format!("{}{rest}", text.map_or_else(|| hex::encode(first), str::to_owned))
}

fn boot_event(event: &BootEvent) -> Value {
    let name = Some(&event.name).filter(|name| !name.is_empty());
    json!({ "register": format!("RTMR{}", event.rtmr), "digest": hex::encode(&event.digest), "name": name })
}

/// Identity comes of what was extended up to the first `system-ready`, or `boot-mr-done` while a guest waits for its
/// keys; later events are the application's own.
fn runtime_events(events: &[LoggedEvent]) -> Value {
    let first = |name| events.iter().position(|event| event.name == name);
    let (booted, ready) = (first(BOOT_MR_DONE), first(SYSTEM_READY));
    let describe = |(index, event): (usize, &LoggedEvent)| {
        let digest = RuntimeEvent::try_from(event).ok().map(|event| hex::encode(event.sha384()));
        let phase = if ready.is_some_and(|ready| index > ready) { "running" } else { "launch" };
        let boundary = match Some(index) {
            at if at == ready => Some("the launch ends here"),
            at if at == booted => Some("what releases keys looks no further"),
            _ => None,
        };
        json!({
            "name": event.name,
            "payload": hex::encode(&event.payload),
            "version": event.version,
            "digest": digest,
            "phase": phase,
            "boundary": boundary,
        })
    };
    events.iter().enumerate().map(describe).collect()
}

fn launch(claimed: &LaunchEvidence) -> Value {
    let measurement = TdxMeasurement::parse(&claimed.measurement);
    json!({
        "checksum-file": String::from_utf8_lossy(&claimed.checksum_file),
        "measurement": measurement.map_or_else(|error| malformed(&error), |document| image(&document)),
        "memory-size": claimed.memory_size,
        "two-pass": claimed.two_pass,
    })
}

fn image(document: &TdxMeasurement) -> Value {
    json!({
        "firmware-variant": document.ovmf,
        "mrtd-single-pass": hex::encode(document.mrtd_single_pass),
        "mrtd-two-pass": hex::encode(document.mrtd_two_pass),
        "td-hob": hex::encode(&document.td_hob),
        "kernel-authenticode": hex::encode(document.kernel_authenticode),
        "cmdline-sha384": hex::encode(document.cmdline_sha384),
        "initrd-sha384": hex::encode(document.initrd_sha384),
    })
}

fn malformed(error: &dyn std::error::Error) -> Value {
    json!({ "malformed": error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_spelled_out() {
        let attributes = |value| set_bits(value, &TdAttributes::NAMES);
        assert_eq!(attributes(0x1000_0001), "DEBUG, SEPT_VE_DISABLE");
        assert_eq!(attributes(1 << 62 | 1 << 18), "bit 18, TPA");
        assert_eq!(attributes(0), "");
    }

    #[test]
    fn data_is_text_or_hex_and_short() {
        assert_eq!(shown(b"ACPI DATA\0"), "ACPI DATA");
        assert_eq!(shown(b"\0\0\0\0"), "00000000");
        assert_eq!(shown(&[b'a'; 65]), format!("{}…", "a".repeat(64)));
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn the_launch_ends_with_the_first_system_ready() {
        let events = [BOOT_MR_DONE, SYSTEM_READY, SYSTEM_READY, "later"].map(|name| LoggedEvent {
            name: name.to_owned(),
            payload: vec![1].into(),
            version: 1,
        });
        let shown = runtime_events(&events);
        let phases: Vec<_> = (0..4).filter_map(|index| shown[index]["phase"].as_str()).collect();
        assert_eq!(phases, ["launch", "launch", "running", "running"]);
        let bounds: Vec<_> = (0..4).map(|index| shown[index]["boundary"].is_string()).collect();
        assert_eq!(bounds, [true, true, false, false]);
    }
}
