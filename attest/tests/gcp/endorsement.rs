//! Google's word for firmware, shown and verified. The lab's is refused under Google's root.

use std::fs;

use lab::google::{EndorsementAuthority, EndorsementSpec};

use crate::common::{Folder, attest_with_input};

/// A folder with the lab's endorsement and its root.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("endorsement", EndorsementSpec::default().sign());
    folder.put("root", EndorsementAuthority::new().root());
    folder
}

#[test]
fn an_endorsement_is_shown_as_unverified() {
    let folder = folder();
    let text = folder.run("endorsement show $/endorsement").expect(0).text();
    assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");
    for (key, value) in [
        ("sev-snp.measurement-by-vcpus.2", "02".repeat(48)),
        ("sev-snp.svsm-measurement", "5a".repeat(48)),
        ("tdx.measurements.0.mrtd", "a0".repeat(48)),
        ("firmware-sha384", "f0".repeat(48)),
        ("signer.subject", "GCE-uefi-signer".to_owned()),
    ] {
        let line = text.lines().find(|line| line.contains(&format!(" {key} ")));
        assert!(line.is_some_and(|line| line.ends_with(&value)), "{key}: {text}");
    }
    let json = folder.run("endorsement show $/endorsement --json").expect(0).json();
    assert_eq!((&json["unverified"], &json["sev-snp"]["svn"]), (&true.into(), &2.into()));
    let bytes = folder.read("endorsement");
    assert_eq!(attest_with_input(["endorsement", "show", "-"], &bytes).expect(0).text(), text);
}

#[test]
fn the_lab_is_not_google() {
    let folder = folder();
    let line = |more: &str| {
        format!(
            "endorsement verify $/endorsement --tee snp --measurement {} --at 2026-06-01T00:00:00Z {more}",
            "02".repeat(48)
        )
    };
    for more in ["", "--root $/root"] {
        let refused = folder.run(&line(more)).complains(1, "error: gce-endorsement-path: ");
        assert!(refused.text().contains("failed check  gce-endorsement-path\n"), "{}", refused.text());
    }
    let json = folder.run(&line("--json")).expect(1).json();
    assert_eq!((&json["verdict"], &json["check"]), (&"refused".into(), &"gce-endorsement-path".into()));
}

#[test]
fn what_is_no_endorsement_is_named() {
    let folder = folder();
    let bytes = folder.read("endorsement");
    let verify = format!("--tee tdx --measurement {}", "a0".repeat(48));
    for (bytes, problem) in [
        (b"x".to_vec(), "endorsement"),
        (bytes[..bytes.len() - 1].to_vec(), "endorsement"),
        (vec![0; 65_537], "at most 65536"),
    ] {
        folder.put("bad", bytes);
        let shown = folder.run("endorsement show $/bad").complains(1, problem);
        assert!(shown.stderr.contains("/bad\""), "{}", shown.stderr);
        folder.run(&format!("endorsement verify $/bad {verify}")).complains(1, "gce-endorsement-format: ");
    }
    fs::File::create(folder.path().join("huge")).unwrap().set_len((16 << 20) + 1).unwrap();
    for (file, problem) in [("missing", "not found"), ("huge", "more than 16777216 bytes")] {
        folder.run(&format!("endorsement show $/{file}")).complains(2, problem);
        folder.run(&format!("endorsement verify $/{file} {verify}")).complains(2, problem);
        folder
            .run(&format!("endorsement verify $/endorsement --root $/{file} {verify}"))
            .complains(2, problem);
    }
    let run = |more: &str| folder.run(&format!("endorsement verify $/endorsement --tee tdx {more}"));
    for wrong in ["00".to_owned(), "zz".repeat(48), "00".repeat(49)] {
        run(&format!("--measurement {wrong}")).complains(2, "expected 96 hex digits");
    }
    let measurement = "a0".repeat(48);
    run(&format!("--measurement {measurement} --at now")).complains(2, "expected a time in UTC");
    run(&format!("--measurement {measurement} --root $/endorsement")).complains(1, "certificate");
}
