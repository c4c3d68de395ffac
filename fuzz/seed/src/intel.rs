//! What the simulated Intel forges.

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use backend_tdx::{BootEvent, BootLog, LaunchEvidence, LoggedEvent, TdxEvidence};
use evidence_event_log::runtime::{EventVersion, RuntimeEvent, RuntimeLog};
use lab::intel::{
    BodyType, PckCa, PckSpec, TdGuest,
    launch::Launch,
    pck_crl_spec,
    quote::{FORMS, QuoteSpec},
    root_crl_spec,
};
use serde_bytes::ByteBuf;
use serde_json::json;

use crate::{Seeds, pem};

const CHALLENGE: [u8; 64] = [7; 64];

pub fn certificates() -> Seeds {
    let hierarchy = TdGuest::new().hierarchy;
    let mut seeds = vec![
        ("sgx-root".to_owned(), hierarchy.root().to_vec()),
        ("tcb-signing".to_owned(), hierarchy.tcb_signing().to_vec()),
    ];
    for ca in PckCa::ALL {
        let pck = PckSpec::new(ca).issue(&hierarchy);
        seeds.push((format!("pck-ca-{}", ca.id()), hierarchy.pck_ca(ca).to_vec()));
        seeds.push((format!("pck-{}", ca.id()), pck.der().to_vec()));
        seeds.push((format!("pck-{}.pem", ca.id()), pem(pck.der()).into_bytes()));
    }
    seeds
}

pub fn revocation_lists(guest: &TdGuest) -> Seeds {
    let hierarchy = &guest.hierarchy;
    let root = root_crl_spec(hierarchy);
    let mut seeds = vec![("sgx-root".to_owned(), root.sign(hierarchy.root_key()))];
    for ca in PckCa::ALL {
        let list = pck_crl_spec(hierarchy, ca).revoke(&guest.pck_spec.serial);
        seeds.push((format!("pck-{}", ca.id()), list.sign(hierarchy.pck_ca_key(ca))));
    }
    seeds
}

pub fn quotes() -> Seeds {
    let mut seeds = Seeds::new();
    for (version, body) in FORMS {
        let guest = TdGuest::new().with_form(version, body);
        seeds.push((format!("v{version}-{body:?}"), guest.quote_for(&CHALLENGE)));
    }
    let mut guest = TdGuest::new().with_form(5, BodyType::Td15);
    guest.pck_spec = PckSpec::new(PckCa::Processor);
    guest.issue_pck();
    let quote = QuoteSpec { after_quote: vec![0; 64], ..guest.quote.clone() };
    seeds.push(("processor-padded".to_owned(), quote.sign(&guest.pck)));
    seeds
}

/// The target chooses the part by the first byte; documents in upper case it signs itself.
pub fn collateral(guest: &TdGuest) -> Seeds {
    let sound = guest.collateral();
    let mut old = guest.collateral.clone();
    old.tcb_info.set_status("OutOfDate", &["INTEL-SA-01036"]);
    let old = old.sign(&guest.hierarchy);
    let (tcb_info, qe_identity) = (sound.tcb_info.json(), sound.qe_identity.json());
    let parts: [(&str, u8, &[u8]); 8] = [
        ("signer", b'c', guest.hierarchy.tcb_signing()),
        ("tcb-info", b't', tcb_info.as_bytes()),
        ("qe-identity", b'q', qe_identity.as_bytes()),
        ("root-crl", b'r', &sound.root_ca_crl),
        ("pck-crl", b'p', &sound.pck_crl),
        ("tcb-info-body", b'T', sound.tcb_info.body.as_bytes()),
        ("tcb-info-body-old", b'T', old.tcb_info.body.as_bytes()),
        ("qe-identity-body", b'Q', sound.qe_identity.body.as_bytes()),
    ];
    chosen(parts)
}

fn chosen<const N: usize>(parts: [(&str, u8, &[u8]); N]) -> Seeds {
    parts.map(|(name, choice, bytes)| (name.to_owned(), [&[choice], bytes].concat())).into()
}

pub fn event_logs(guest: &TdGuest) -> Seeds {
    let mut table = [0; 56];
    table[..4].copy_from_slice(b"CCEL");
    (table[4], table[8], table[36], table[42], table[50]) = (56, 1, 2, 4, 0x10);
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    vec![
        ("ccel".to_owned(), guest.launch.ccel()),
        ("table".to_owned(), table.to_vec()),
        ("two-banks".to_owned(), two_banks()),
    ]
}

/// A TPM's log with SHA-256 and SHA-384: each kind of tie between data and digest.
fn two_banks() -> Vec<u8> {
    let sized = |data: &[u8]| [&u32::try_from(data.len()).expect("short").to_le_bytes()[..], data].concat();
    let id = [
        &b"Spec ID Event03\0"[..],
        &[0, 0, 0, 0, 0, 2, 0x69, 2],
        &2_u32.to_le_bytes(),
        &[0x0B, 0, 32, 0, 0x0C, 0, 48, 0, 0],
    ]
    .concat();
    let mut log = [&0_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), &[0; 20], &sized(&id)].concat();
    // A UEFI_VARIABLE_DATA with a name of one character and two bytes of data.
    let variable =
        [&[0x61; 16][..], &1_u64.to_le_bytes(), &2_u64.to_le_bytes(), &[b'B', 0], &[4, 2]].concat();
    let events: [(u32, u32, &[u8], &[u8]); 8] = [
        (0, 0x03, b"StartupLocality\0\x03", b""),
        (0, 0x08, b"v\0", b"v\0"),
        (1, 0x8000_0002, &variable, &[4, 2]),
        (4, 0x8000_0007, b"Calling EFI Application", b"Calling EFI Application"),
        (5, 0x04, &[0; 4], &[0; 4]),
        (8, 0x0D, b"grub_cmd: linux /vmlinuz\0", b"linux /vmlinuz"),
        (9, 0x8000_0003, b"image", b"its Authenticode"),
        (14, 0x06, b"app-id", b"something else"),
    ];
    for (register, event_type, data, hashed) in events {
        log.extend(register.to_le_bytes());
        log.extend(event_type.to_le_bytes());
        log.extend(2_u32.to_le_bytes());
        for (id, algorithm) in [(0x0B_u16, &SHA256), (0x0C, &SHA384)] {
            log.extend(id.to_le_bytes());
            log.extend(digest(algorithm, hashed).as_ref());
        }
        log.extend(sized(data));
    }
    log
}

fn runtime_events(launch: &Launch) -> Vec<RuntimeEvent> {
    let event = |event: &lab::intel::launch::Event| RuntimeEvent {
        name: event.name.clone(),
        payload: event.payload.clone(),
        version: EventVersion::V1,
    };
    launch.events.iter().map(event).collect()
}

pub fn runtime_logs(guest: &TdGuest) -> Seeds {
    let events = runtime_events(&guest.launch);
    let lines: String = events.iter().map(RuntimeEvent::to_line).collect();
    let second = |event: &RuntimeEvent| RuntimeEvent { version: EventVersion::V2, ..event.clone() };
    let second: String = events.iter().map(|event| second(event).to_line()).collect();
    let more = |name: &str, payload: &[u8]| {
        let event =
            RuntimeEvent { name: name.to_owned(), payload: payload.to_vec(), version: EventVersion::V1 };
        event.to_line()
    };
    // What a launch with a GPU, init scripts and storage has on top, each in its place.
    let with_all: String = events
        .iter()
        .map(|event| match event.name.as_str() {
            "instance-id" => [
                more("init-script-hash", &[1; 32]),
                more("init-script-hash", &[2; 32]),
                more("gpu-policy-hash", &[3; 32]),
                more("gpu-attestation", b"{}"),
                event.to_line(),
            ]
            .concat(),
            "key-provider" => {
                more("os-image-hash", &[4; 32]) + &event.to_line() + &more("storage-fs", b"zfs")
            }
            _ => event.to_line(),
        })
        .collect();
    let torn = &lines[..lines.len() - 9];
    [("launch", lines.as_str()), ("version-2", &second), ("with-all", &with_all), ("torn", torn)]
        .map(|(name, text)| (name.to_owned(), text.into()))
        .into()
}

pub fn payloads(guest: &TdGuest) -> Seeds {
    let launch = &guest.launch;
    let boot = |event: &lab::intel::launch::BootEvent| BootEvent {
        rtmr: event.rtmr,
        digest: ByteBuf::from(event.digest),
        name: event.name.to_owned(),
    };
    let digests: Vec<BootEvent> = launch.boot_log.iter().map(boot).collect();
    let acpi = digests.iter().filter(|event| event.name.starts_with("acpi-")).cloned().collect();
    let whole = TdxEvidence {
        // The target puts one in itself.
        quote: ByteBuf::new(),
        boot_log: Some(BootLog::Acpi(acpi)),
        runtime_events: runtime_events(launch).iter().map(LoggedEvent::from).collect(),
        mr_config: Some(launch.mr_config.clone()),
        launch: Some(LaunchEvidence {
            checksum_file: ByteBuf::from(launch.checksum_file.clone()),
            measurement: ByteBuf::from(launch.measurement_cbor.clone()),
            memory_size: launch.memory_size,
            two_pass: launch.two_pass,
        }),
    };
    let with = |boot_log| TdxEvidence { boot_log: Some(boot_log), ..whole.clone() };
    [
        ("acpi", whole.clone()),
        ("ccel", with(BootLog::Ccel(ByteBuf::from(launch.ccel())))),
        ("digests", with(BootLog::Digests(digests))),
        ("application", TdxEvidence { boot_log: None, launch: None, ..whole.clone() }),
        ("quote", TdxEvidence::new(guest.quote_for(&CHALLENGE))),
    ]
    .map(|(name, evidence)| (name.to_owned(), evidence.encode()))
    .into()
}

/// The target chooses the document by the first byte. Memory size, or which byte of a kernel is changed, comes first.
pub fn launches(guest: &TdGuest) -> Seeds {
    let launch = &guest.launch;
    let with = |number: u64, bytes: &[u8]| [&number.to_le_bytes(), bytes].concat();
    let measurement = with(launch.memory_size, &launch.measurement_cbor);
    let (low, wide) = (with(2 << 30, &launch.image.td_hob), with(1 << 42, &launch.image.td_hob));
    let (signed, unsigned) = (with(0x200, &kernel(0x20B, 16)), with(0x40, &kernel(0x10B, 0)));
    let id = launch.mr_config_id();
    chosen([
        ("measurement", b'm', &measurement),
        ("hob-low", b'h', &low),
        ("hob-wide", b'h', &wide),
        ("kernel-signed", b'k', &signed),
        ("kernel-unsigned", b'k', &unsigned),
        ("mr-config-id", b'i', &id),
        ("cmdline", b'l', b"console=ttyS0 quiet"),
    ])
}

/// A PE image: headers of 512 bytes, a section of 64, and a certificate table.
fn kernel(magic: u16, certificates: u32) -> Vec<u8> {
    let mut image = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    let (optional, directories) = (0x40 + 24, if magic == 0x20B { 108 } else { 92 });
    let size = directories + 4 + 6 * 8;
    put(0, b"MZ");
    put(0x3C, &[0x40]);
    put(0x40, b"PE\0\0");
    put(0x40 + 6, &[1]);
    put(0x40 + 20, &[u8::try_from(size).expect("short")]);
    put(optional, &magic.to_le_bytes());
    put(optional + 60, &512_u32.to_le_bytes());
    put(optional + 64, &0x5EED_u32.to_le_bytes());
    put(optional + directories, &[6]);
    if certificates > 0 {
        put(optional + directories + 4 + 4 * 8, &576_u32.to_le_bytes());
        put(optional + directories + 4 + 4 * 8 + 4, &certificates.to_le_bytes());
    }
    put(optional + size, b".text");
    put(optional + size + 16, &64_u32.to_le_bytes());
    put(optional + size + 20, &512_u32.to_le_bytes());
    image.extend([0xC3; 64]);
    image.extend(std::iter::repeat_n(0x30, usize::try_from(certificates).expect("short")));
    image
}

/// What a TD reads: the target chooses by the first byte.
pub fn surroundings(guest: &TdGuest) -> Seeds {
    let quote = guest.quote_for(&CHALLENGE);
    let len32 = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short");
    // GET_QUOTE_RESP: version 1.0, type 1, size, code 0, sizes of id and quote.
    let message = |id: &[u8], quote: &[u8]| {
        let size = 24 + len32(id) + len32(quote);
        let words = [1, size, 0, len32(id), len32(quote)].map(u32::to_le_bytes);
        [&[1, 0, 0, 0], words.as_flattened(), id, quote].concat()
    };
    let (answer, short) = (message(b"", &quote), message(b"id", b"quote"));
    let framed = [&len32(&answer).to_be_bytes()[..], &answer].concat();
    let refused = [&[1, 0, 0, 0][..], &[1_u32, 16, 0x12].map(u32::to_le_bytes).concat()].concat();
    let mut report = [0; 1024];
    report[0] = 0x81;

    let events = runtime_events(&guest.launch);
    let lines: Vec<String> = events.iter().map(RuntimeEvent::to_line).collect();
    let (before, last) = (lines[..3].concat(), &lines[3]);
    let value = RuntimeLog::new(events[..3].to_vec()).expect("a log").replay_sha384();
    let intent = json!({
        "log_len": before.len(),
        "line": last,
        "registers": [{ "name": "RTMR3", "value": hex::encode(value) }],
    });
    let torn = format!("{before}{}\0{intent}", &last[..9]);
    let (logged, not_logged) = (format!("{before}{last}\0{intent}"), format!("{before}\0{intent}"));
    chosen([
        ("answer", b'q', &framed),
        ("message", b'Q', &short),
        ("refused", b'Q', &refused),
        ("configuration", b'c', b"# the host's service\nport = 4050\n"),
        ("tdreport", b'r', &report),
        ("journal", b'j', before.as_bytes()),
        ("journal-not-logged", b'j', not_logged.as_bytes()),
        ("journal-torn", b'j', torn.as_bytes()),
        ("journal-logged", b'j', logged.as_bytes()),
    ])
}
