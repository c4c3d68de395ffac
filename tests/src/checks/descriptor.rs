//! Who the backend says it is.

use std::collections::BTreeSet;

use backend_api::{Descriptor, ErrorKind, EvidenceKind, MediaType, Register, RuntimeMechanism};
use serde_json::{Value, json};

use crate::{Failure, Outcome, Subject, judge::guarded};

/// The descriptor keeps to its grammar: id, kinds of Evidence, names of checks (each once for a kind),
/// trust anchors, texts.
///
/// # Errors
///
/// The first part that does not.
pub fn descriptor_is_valid(subject: &dyn Subject) -> Outcome {
    let descriptor = subject.backend().descriptor();
    ensure!(
        std::ptr::eq(descriptor, subject.backend().descriptor()),
        "the descriptor is another at each call"
    );
    ensure!(descriptor.id.is_valid(), "id {:?} is not [a-z0-9-]{{1,64}}", descriptor.id.as_str());
    ensure!(is_line(descriptor.summary), "summary is not one line of text");

    ensure!(!descriptor.kinds.is_empty(), "there is no media type");
    let mut media_types = BTreeSet::new();
    for media_type in descriptor.media_types() {
        let parsed = MediaType::parse(media_type.as_str());
        ensure!(
            parsed.as_ref().is_ok_and(|parsed| parsed == media_type),
            "media type {media_type} is malformed"
        );
        ensure!(media_types.insert(media_type), "media type {media_type} stands twice");
    }

    match descriptor.runtime {
        RuntimeMechanism::None { reason } => {
            ensure!(is_line(reason), "the reason for no runtime register is not one line of text");
        }
        RuntimeMechanism::Registers { registers } => {
            ensure!(!registers.is_empty(), "the runtime mechanism names no register");
            let named = |register: &Register| is_line(register.name) && is_line(register.hash);
            ensure!(registers.iter().all(named), "a runtime register lacks its name or its hash");
        }
    }

    checks_are_valid(descriptor)?;

    let anchors = (descriptor.trust_anchors)();
    ensure!(!anchors.0.is_empty(), "there is no trust anchor");
    ensure!(anchors == (descriptor.trust_anchors)(), "the trust anchors are others at each call");
    for (index, anchor) in anchors.0.iter().enumerate() {
        ensure!(is_line(&anchor.subject), "trust anchor {index} has no subject");
        ensure!(anchor.spki_sha256 != [0; 32], "trust anchor {} pins no key", anchor.subject);
        let again = anchors.0.iter().skip(index.saturating_add(1)).any(|other| other == anchor);
        ensure!(!again, "trust anchor {} stands twice", anchor.subject);
    }
    Ok(())
}

/// Every kind of Evidence has checks. A name stands once among those of a kind and of `bind_runtime`. In two kinds one name may be
/// put in the words of two technologies.
fn checks_are_valid(descriptor: &Descriptor) -> Outcome {
    for EvidenceKind { media_type, verify_checks } in descriptor.kinds {
        ensure!(
            verify_checks.iter().any(|group| !group.is_empty()),
            "{media_type}: verify declares no check"
        );
        let mut names = BTreeSet::new();
        for info in verify_checks.iter().chain(descriptor.bind_checks).flat_map(|group| group.iter()) {
            let name = info.check.name();
            ensure!(is_kebab_case(name), "check {name:?} is not lower-case words joined by hyphens");
            ensure!(names.insert(name), "{media_type}: check {name} is declared twice");
            ensure!(is_line(info.establishes), "check {name} does not say in one line what it establishes");
            ensure!(is_line(info.source), "check {name} does not name its source");
        }
    }
    Ok(())
}

/// The linker found the subject's registration, once, and no other backend that claims the id or a media type.
///
/// # Errors
///
/// What was found instead.
pub fn registered_exactly_once(subject: &dyn Subject) -> Outcome {
    let own = subject.registration();
    let descriptor = own.backend.descriptor();
    ensure!(
        is_line(own.crate_name) && is_line(own.crate_version),
        "the registration names no crate or version"
    );
    let found = backend_api::linked().filter(|found| std::ptr::eq(*found, own)).count();
    ensure!(found == 1, "the registration of {} was submitted {found} times, expected once", descriptor.id);
    for other in backend_api::linked().filter(|other| !std::ptr::eq(*other, own)) {
        let others = other.backend.descriptor();
        ensure!(
            others.id != descriptor.id,
            "the crate {} registers the id {} too",
            other.crate_name,
            others.id
        );
        let shared = descriptor.media_types().find(|media_type| others.kind(media_type).is_some());
        if let Some(media_type) = shared {
            return Err(Failure::new(format_args!("{} claims the media type {media_type} too", others.id)));
        }
    }
    Ok(())
}

/// An empty section is the default policy; unknown keys and lists in place of objects, at any depth, are refused, and so is a
/// section that is no object.
///
/// # Errors
///
/// The section that was read otherwise.
pub fn policy_sections_are_strict(subject: &dyn Subject) -> Outcome {
    let read = |section: &Value| {
        guarded(|| subject.backend().policy(section).map(drop).map_err(|error| error.kind()))
            .map_err(|message| Failure::new(format_args!("policy section {section}: panicked: {message}")))
    };
    ensure!(read(&json!({}))?.is_ok(), "the empty policy section is refused, expected the default policy");
    let mut refused = vec![json!(null), json!(true), json!(1), json!("default"), json!([]), json!([{}])];
    refused.extend(damaged(&json!({})));
    for case in subject.golden() {
        ensure!(read(&case.policy)?.is_ok(), "{}: its policy section is refused", case.name);
        refused.extend(damaged(&case.policy));
    }
    for section in refused {
        let found = read(&section)?;
        ensure!(
            found == Err(ErrorKind::InvalidConfig),
            "policy section {section}: expected InvalidConfig, found {found:?}"
        );
    }
    Ok(())
}

/// Copies of `section`, in each of which one object has one key more, or is an empty list.
fn damaged(section: &Value) -> Vec<Value> {
    let Value::Object(map) = section else {
        return Vec::new();
    };
    let mut extended = map.clone();
    extended.insert("no-such-key".to_owned(), json!(1));
    let mut all = vec![Value::Object(extended), json!([])];
    for (key, value) in map {
        for changed in damaged(value) {
            let mut map = map.clone();
            map.insert(key.clone(), changed);
            all.push(Value::Object(map));
        }
    }
    all
}

/// Whether `text` is one line that says something.
pub(super) fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

fn is_kebab_case(name: &str) -> bool {
    name.split('-').all(|word| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}
