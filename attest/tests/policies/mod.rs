//! The example policies are policies, and so are all of their examples.

use std::{fs, sync::Arc};

use backend_api::OfflineBundle;
use registry::{AppraisalPolicy, Registry, Verifier};

use crate::common::policies;

/// Reads a policy as a verifier of every backend does, their own sections included.
fn accepted(text: &str) {
    let policy = AppraisalPolicy::from_toml(text).unwrap();
    let accepted = Registry::linked().unwrap().accept(["baremetal-snp", "tdx"]).unwrap();
    Verifier::new(accepted, Arc::new(OfflineBundle::default()), policy).unwrap();
}

fn text(name: &str) -> String {
    fs::read_to_string(policies().join(name)).unwrap()
}

/// Takes the `#` from each line that has no space after it.
fn uncommented(text: &str) -> String {
    let example = |line: &str| line.starts_with('#') && line.len() > 1 && !line.starts_with("# ");
    let lines = text.lines().map(|line| if example(line) { &line[1..] } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_policies_are_read() {
    accepted(&text("default.toml"));
    accepted(&text("archived-evidence.toml"));
    assert_eq!(AppraisalPolicy::from_toml(&text("default.toml")).unwrap(), AppraisalPolicy::default());
}

#[test]
fn every_commented_example_is_read() {
    for name in ["default.toml", "archived-evidence.toml"] {
        let examples = uncommented(&text(name));
        assert_ne!(examples, text(name));
        accepted(&examples);
    }
}

/// The keys, as the types that read them name them: an unknown key makes each of them list all.
#[test]
fn every_key_has_an_example() {
    let examples = uncommented(&text("default.toml"));
    let probe = |section: &str, known: &[&str]| {
        let policy =
            AppraisalPolicy::from_toml(&format!("version = 1\n[backend.{section}]\nno-such-key = 1\n"));
        let accepted = Registry::linked().unwrap().accept(["baremetal-snp", "tdx"]).unwrap();
        let refused =
            Verifier::new(accepted, Arc::new(OfflineBundle::default()), policy.unwrap()).unwrap_err();
        let message = refused.to_string();
        let (_, listed) = message.split_once("expected").unwrap();
        let keys: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
        assert!(known.iter().all(|key| keys.contains(key)), "{message}");
        for key in keys.iter().filter(|key| **key != "csp-ids") {
            assert!(examples.lines().any(|line| line.starts_with(key)), "{key} has no example");
        }
    };
    probe("baremetal-snp.report", &["vmpl", "minimum-tcb", "danger-accept-unknown-revocation"]);
    probe("baremetal-snp.launch", &["danger-accept-unmeasured-rootfs"]);
    probe("tdx.quote", &["accept-tcb-status", "minimum-tcb-date", "reject-platforms"]);
    probe("tdx.launch", &["rtmr0", "mr-config-id-forms"]);
    for field in backend_api::Field::ALL {
        assert!(examples.contains(&format!("\n{} = ", field.name())), "{} has no example", field.name());
    }
}
