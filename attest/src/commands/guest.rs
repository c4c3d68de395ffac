//! `attest detect`, `attest collect`, `attest extend`: what runs in a guest.

use backend_api::{
    AttestationBackend, BackendId, Challenge, CollectRequest, Detection, Envelope, Error, ErrorKind, Guest,
    Presence, Result, RuntimeEvent,
};
use registry::{Detected, Registry, choose};
use serde_json::{Value, json};

use super::verify::block_on;
use crate::{
    cli::{Choice, CollectArgs, DetectArgs, ExtendArgs},
    files,
    output::{Answer, printable, section, table},
};

/// Says what every linked backend finds, which one would be taken, and why no other.
pub(crate) fn detect(args: &DetectArgs) -> Result<Answer> {
    let registry = Registry::linked()?;
    let detected = registry.detect(&guest(&args.choice)?);
    let taken = choose(&detected, &allowed(&registry, &args.choice)?);
    let taken_id = taken.as_ref().ok().map(|backend| backend.descriptor().id);

    let mut text = String::new();
    for Detected { backend, detection, .. } in &detected {
        let title = format!("{}: {}", backend.descriptor().id, presence(detection));
        let rows = detection.reasons.iter().map(|reason| [reason.clone()]);
        text.push_str(&section(&title, rows.chain([[fate(backend.descriptor().id, detection, taken_id)]])));
    }
    let backends: Vec<Value> = detected.iter().map(|detected| as_json(detected, taken_id)).collect();
    Ok(match taken {
        Ok(backend) => {
            let id = backend.descriptor().id;
            Answer::done(format!("taken: {id}\n{text}"), json!({ "taken": id, "backends": backends }))
        }
        Err(error) => Answer::no_verdict(&error)
            .with_text(format!("taken: none\n{text}"))
            .with_member("backends", backends.into()),
    })
}

/// Collects Evidence, and writes it whole or not at all.
///
/// What a device answers is no verdict on anyone's evidence, so that no failure here is a refusal.
pub(crate) fn collect(args: &CollectArgs) -> Answer {
    try_collect(args).unwrap_or_else(|error| Answer::no_verdict(&error))
}

/// Extends the register, then logs the event. No failure is a refusal, as in [`collect`].
pub(crate) fn extend(args: &ExtendArgs) -> Answer {
    try_extend(args).unwrap_or_else(|error| Answer::no_verdict(&error))
}

fn try_collect(args: &CollectArgs) -> Result<Answer> {
    let request = CollectRequest::new(args.challenge.parse::<Challenge>()?)?.within(*args.timeout);
    let guest = guest(&args.choice)?;
    let backend = backend(args.backend.as_deref(), &args.choice, &guest)?;
    let evidence = block_on(backend.collect(&guest, &request))??;
    let media_type = evidence.media_type().clone();
    let bytes = files::envelope_bytes(&Envelope::of_cpu(evidence), args.json_envelope)?;
    if files::is_standard_stream(&args.output) {
        return Ok(Answer::bytes(bytes));
    }
    files::write(&args.output, &bytes)?;
    let written = printable(&args.output.display().to_string());
    let json = json!({
        "written": args.output.display().to_string(),
        "bytes": bytes.len(),
        "media-type": media_type,
        "backend": backend.descriptor().id,
    });
    let rows = [
        ["backend".to_owned(), backend.descriptor().id.to_string()],
        ["media type".to_owned(), media_type.to_string()],
    ];
    Ok(Answer::done(format!("wrote {written}, {} bytes\n{}", bytes.len(), table(rows)), json))
}

fn try_extend(args: &ExtendArgs) -> Result<Answer> {
    let payload = hex::decode(&args.payload).map_err(|_| {
        Error::new(ErrorKind::InvalidConfig, "--payload is no hex: expected an even number of hex digits")
    })?;
    let event = RuntimeEvent::new(args.name.as_str(), payload)?;
    let guest = guest(&args.choice)?;
    let backend = backend(args.backend.as_deref(), &args.choice, &guest)?;
    let extension = block_on(backend.extend_runtime(&guest, &event))??;
    let registers: Vec<Value> = extension
        .extended
        .iter()
        .map(|(register, digest)| json!({ "register": register, "digest": hex::encode(digest) }))
        .collect();
    let rows = extension.extended.iter().map(|(register, digest)| [register.clone(), hex::encode(digest)]);
    let text = format!("extended {}\n{}", args.name, table(rows));
    let json = json!({
        "backend": backend.descriptor().id,
        "event": args.name,
        "registers": registers,
        "recovered": extension.recovered,
    });
    let warning = extension.recovered.map(|event| {
        format!("the event {event} had been extended before a crash, and came into the log only now")
    });
    Ok(Answer::done(text, json).with_warnings(warning.into_iter().collect()))
}

fn guest(choice: &Choice) -> Result<Guest> {
    let root = &choice.guest_root;
    if !root.is_dir() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format_args!("--guest-root {root:?} is not a folder"),
        ));
    }
    let mut guest = Guest::at(root);
    if let Some(tcti) = &choice.tcti {
        guest = guest.with_tcti(tcti);
    }
    for service in &choice.metadata {
        let (name, url) =
            service.split_once('=').filter(|(_, url)| url.starts_with("http://")).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidConfig,
                    format_args!(
                        "--metadata {service:?} is no NAME=URL: expected such as azure=http://127.0.0.1:8080"
                    ),
                )
            })?;
        guest = guest.with_metadata(name, url);
    }
    Ok(guest)
}

/// The named backend, or the one that is detected.
fn backend(id: Option<&str>, choice: &Choice, guest: &Guest) -> Result<&'static dyn AttestationBackend> {
    let registry = Registry::linked()?;
    match id {
        Some(id) => registry.backend(id),
        None => choose(&registry.detect(guest), &allowed(&registry, choice)?),
    }
}

fn allowed(registry: &Registry, choice: &Choice) -> Result<Vec<BackendId>> {
    choice.allow.iter().map(|id| Ok(registry.backend(id)?.descriptor().id)).collect()
}

const fn presence(detection: &Detection) -> &'static str {
    match detection.presence {
        Presence::Absent => "absent",
        Presence::Possible => "possible",
        Presence::Certain => "certain",
    }
}

/// Whether the backend is taken, and if not, why.
fn fate(id: BackendId, detection: &Detection, taken: Option<BackendId>) -> String {
    match (taken, detection.presence) {
        (Some(taken), _) if taken == id => "taken".to_owned(),
        (_, Presence::Absent) => "not taken: this is not its platform".to_owned(),
        (Some(taken), _) => format!("not taken: {taken} is"),
        (None, Presence::Possible) => format!("not taken: only --backend {id} or --allow {id} takes it"),
        (None, Presence::Certain) => {
            format!("not taken: it has no register, or another is as sure; --backend {id} takes it")
        }
    }
}

fn as_json(detected: &Detected, taken: Option<BackendId>) -> Value {
    let id = detected.backend.descriptor().id;
    json!({
        "id": id,
        "presence": presence(&detected.detection),
        "reasons": detected.detection.reasons,
        "fate": fate(id, &detected.detection, taken),
    })
}
