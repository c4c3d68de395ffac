//! What the simulated AWS forges.

use backend_aws::AwsEvidence;
use backend_tdx::LoggedEvent;
use lab::{
    aws::{Guest, Instance, Lengths},
    events::Event,
};

use crate::Seeds;

/// Documents, and payloads alone, which the target signs.
pub fn documents() -> Seeds {
    let mut seeds = Seeds::new();
    let mut instance = Instance::new();
    instance.document.nonce = Some(vec![7; 32]);
    instance.document.user_data = Some(Vec::new());
    seeds.push(("sound".to_owned(), instance.sign()));
    seeds.push(("payload".to_owned(), instance.filled().payload()));
    let mut definite = instance.clone();
    definite.document.payload = Lengths::Definite;
    definite.document.tag = Some(18);
    definite.document.omitted = vec!["public_key", "user_data"];
    seeds.push(("definite-tagged".to_owned(), definite.sign()));
    seeds.push(("definite-payload".to_owned(), definite.filled().payload()));
    let mut indefinite = instance.clone();
    indefinite.document.others = Lengths::Indefinite;
    indefinite.document.pcrs.truncate(1);
    seeds.push(("indefinite".to_owned(), indefinite.sign()));
    seeds.push(("indefinite-payload".to_owned(), indefinite.filled().payload()));
    let mut enclave = instance;
    enclave.document.registers = "pcrs".to_owned();
    seeds.push(("enclave".to_owned(), enclave.sign()));
    seeds
}

pub fn payloads() -> Seeds {
    let guest = Guest::new();
    let parts = guest.v1_parts(&[7; 64]);
    let whole = AwsEvidence {
        report: Some(parts.report.into()),
        document: Some(parts.document.into()),
        certificates: parts.certificates.into_iter().map(Into::into).collect(),
        boot_log: Some(parts.boot_log.into()),
        runtime_events: guest.events.iter().map(logged).collect(),
        ek_public: Some(vec![0x30; 294].into()),
    };
    // Without what the target puts in itself.
    let bare = AwsEvidence { report: None, document: None, certificates: Vec::new(), ..whole.clone() };
    let events = AwsEvidence { boot_log: None, ..bare.clone() };
    let log = AwsEvidence { runtime_events: Vec::new(), ..bare.clone() };
    [
        ("whole", whole),
        ("logs", bare),
        ("events", events),
        ("boot-log", log),
        ("nothing", AwsEvidence::default()),
    ]
    .map(|(name, evidence)| (name.to_owned(), evidence.encode()))
    .into()
}

fn logged(event: &Event) -> LoggedEvent {
    LoggedEvent { name: event.name.clone(), payload: event.payload.clone().into(), version: event.version }
}
