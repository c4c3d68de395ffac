//! The example policies are policies, and so are all of their examples.

use std::{fs, sync::Arc};

use backend_api::{OfflineBundle, Result};
use registry::{AppraisalPolicy, Registry, Verifier};

use crate::common::policies;

/// A verifier of every backend.
fn verifier(policy: AppraisalPolicy) -> Result<Verifier> {
    let accepted = Registry::linked()
        .unwrap()
        .accept(["aws", "azure", "baremetal-snp", "gcp", "nvidia", "tdx"])
        .unwrap();
    Verifier::new(accepted, Arc::new(OfflineBundle::default()), policy)
}

/// Reads a policy as a verifier of every backend does, their own sections included.
fn accepted(text: &str) {
    verifier(AppraisalPolicy::from_toml(text).unwrap()).unwrap();
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
        let policy = AppraisalPolicy::from_toml(&format!("version = 1\n{section}\nno-such-key = 1\n"));
        let message = verifier(policy.unwrap()).unwrap_err().to_string();
        let (_, listed) = message.split_once("expected").unwrap();
        let keys: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
        assert!(known.iter().all(|key| keys.contains(key)), "{message}");
        let name = section.trim_matches(['[', ']']);
        for key in keys.iter().filter(|key| **key != "csp-ids") {
            let is_example = |line: &str| {
                let table = line.trim_matches(['[', ']']);
                line.starts_with(key) || (table != line && table == format!("{name}.{key}"))
            };
            assert!(examples.lines().any(is_example), "{section}: {key} has no example");
        }
    };
    probe("[backend.baremetal-snp.report]", &["vmpl", "minimum-tcb", "danger-accept-unknown-revocation"]);
    probe("[backend.baremetal-snp.launch]", &["danger-accept-unmeasured-rootfs"]);
    probe("[backend.tdx.quote]", &["accept-tcb-status", "minimum-tcb-date", "reject-platforms"]);
    probe("[backend.tdx.launch]", &["rtmr0", "mr-config-id-forms"]);
    probe("[backend.azure]", &["report", "td-quote", "vm-configuration", "danger-accept-unendorsed-ak"]);
    probe("[backend.azure.report]", &["id-keys", "minimum-guest-svn"]);
    probe("[backend.azure.td-quote]", &["accept-tcb-status", "modules"]);
    probe("[backend.azure.vm-configuration]", &["require-secure-boot", "tpm-persisted"]);
    probe("[backend.azure.launch]", &["images", "phase"]);
    probe("[[backend.azure.launch.images]]", &["os-image-hash", "pcrs"]);
    probe("[backend.azure.raw]", &["pcrs", "user-data"]);
    probe("[backend.gcp]", &["report", "td-quote", "instance", "endorsement", "launch", "firmware-versions"]);
    probe("[backend.gcp.instance]", &["projects", "danger-accept-unknown-revocation"]);
    probe("[backend.gcp.endorsement]", &["minimum-snp-svn", "reject-firmware"]);
    probe("[backend.gcp.launch]", &["images", "measurements"]);
    probe("[[backend.gcp.launch.images]]", &["os-image-hash", "pcrs", "rtmr0", "rtmr1", "rtmr2"]);
    probe("[backend.gcp.raw]", &["report-data", "extra-data", "pcrs"]);
    probe("[backend.aws]", &["regions", "report", "document", "danger-accept-no-tee"]);
    probe("[backend.aws.report]", &["minimum-tcb", "host-data"]);
    probe("[backend.aws.document]", &["max-age", "max-skew"]);
    probe("[backend.aws.launch]", &["measurements", "images", "config", "phase"]);
    probe("[[backend.aws.launch.measurements]]", &["measurement", "firmware", "vcpus"]);
    probe("[[backend.aws.launch.images]]", &["os-image-hash", "pcrs"]);
    probe("[backend.nvidia]", &["lanes", "device", "rim", "raw", "danger-accept-unreported-cc-mode"]);
    probe("[backend.nvidia.device]", &["minimum-driver", "minimum-vbios", "danger-accept-no-fwid"]);
    probe("[backend.nvidia.rim]", &["pinned-time", "danger-ignore-expiry"]);
    for field in backend_api::Field::ALL {
        assert!(examples.contains(&format!("\n{} = ", field.name())), "{} has no example", field.name());
    }
}

/// What a section refers to another for means the same there: the keys are the same.
#[test]
fn sections_of_clouds_have_the_keys_of_the_processors() {
    let keys = |section: &str| {
        let policy =
            AppraisalPolicy::from_toml(&format!("version = 1\n[backend.{section}]\nno-such-key = 1\n"));
        let message = verifier(policy.unwrap()).unwrap_err().to_string();
        message.split_once("expected").unwrap().1.to_owned()
    };
    for cloud in ["azure", "gcp"] {
        assert_eq!(keys(&format!("{cloud}.report")), keys("baremetal-snp.report"));
        assert_eq!(keys(&format!("{cloud}.td-quote")), keys("tdx.quote"));
    }
    assert_eq!(keys("aws.report"), keys("baremetal-snp.report"));
}

/// The default of id-keys is what the explanation says it is.
#[test]
fn the_example_of_an_id_key_is_one_of_microsofts() {
    let examples = uncommented(&text("default.toml"));
    let (_, azure) = examples.split_once("[backend.azure.report]").unwrap();
    assert!(backend_azure::MICROSOFT_ID_KEYS.iter().any(|key| azure.contains(key)));
}
