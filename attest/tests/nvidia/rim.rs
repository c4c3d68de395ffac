//! NVIDIA's manifests, shown and verified. The lab's are refused under NVIDIA's root.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lab::nvidia::Machine;
use serde_json::json;

use crate::common::{Folder, attest, attest_with_input, vectors};

#[test]
fn a_manifest_is_shown_as_unverified() {
    let folder = Folder::new();
    let manifest = Machine::h100().documents().remove(0);
    folder.put("rim.xml", &manifest);
    let text = folder.run("rim show $/rim.xml").expect(0).text();
    assert!(text.lines().all(|line| line.starts_with("  unverified  ")), "{text}");
    for (key, value) in [
        ("product", "GH100"),
        ("edition", "GPU"),
        ("colloquial-version", "550.90.07"),
        ("measurements", "64"),
        ("certificates.3.subject", "NVIDIA CoRIM signing Root CA"),
    ] {
        let line = text.lines().find(|line| line.contains(&format!(" {key} ")));
        assert!(line.is_some_and(|line| line.ends_with(value)), "{key}: {text}");
    }
    // As NVIDIA's service answers.
    let answer =
        json!({ "id": "NV_GPU_DRIVER_GH100_550.90.07", "rim": STANDARD.encode(&manifest), "sha256": "" });
    let shown =
        attest_with_input(["rim", "show", "-", "--json"], answer.to_string().as_bytes()).expect(0).json();
    assert_eq!(shown["id"], "NV_GPU_DRIVER_GH100_550.90.07");
    assert_eq!((&shown["unverified"], &shown["product"]), (&true.into(), &"GH100".into()));
}

#[test]
fn the_lab_is_not_nvidia() {
    let folder = Folder::new();
    folder.put("rim.xml", Machine::h100().documents().remove(0));
    let line = "rim verify $/rim.xml --at 2026-06-01T00:00:00Z";
    let refused = folder.run(line).complains(1, "error: rim-root-pinned: ");
    assert!(refused.text().contains("failed check  rim-root-pinned\n"), "{}", refused.text());
    let json = folder.run(&format!("{line} --json")).expect(1).json();
    assert_eq!((&json["verdict"], &json["check"]), (&"refused".into(), &"rim-root-pinned".into()));
}

#[test]
fn what_is_no_manifest_is_refused() {
    let folder = Folder::new();
    for (text, problem) in [
        ("no XML".to_owned(), "expected well-formed XML"),
        ("<a/>".to_owned(), "expected in the manifest"),
        (json!({ "id": "a", "rim": "?" }).to_string(), "expected a manifest in base64"),
        (json!({ "id": "a", "rim": "" }).to_string(), "expected well-formed XML"),
        (json!({ "id": "a" }).to_string(), "expected well-formed XML"),
    ] {
        folder.put("rim", &text);
        for command in ["show", "verify"] {
            folder.run(&format!("rim {command} $/rim")).complains(1, problem);
        }
    }
    folder.run("rim show $/missing").complains(2, "cannot read");
    folder.run("rim verify $/rim --at June").complains(2, "--at is \"June\"");
    folder.run("rim verify $/rim --pinned-time June").complains(2, "--pinned-time is \"June\"");
}

#[test]
fn nvidias_manifests_are_signed() {
    let Some(root) = vectors("nvidias_manifests_are_signed") else { return };
    let folder = root.join("nvidia");
    for (file, version) in [
        ("h100-550.90.07-full/driver_rim.xml", "550.90.07"),
        ("h100-550.90.07-full/vbios_rim.xml", "96.00.9F.00.01"),
        ("rim-negatives/NV_GPU_DRIVER_GH100_550.144.03.xml", "550.144.03"),
    ] {
        let file = folder.join(file);
        let verify = |more: &[&str]| attest([&["rim", "verify", file.to_str().unwrap()][..], more].concat());
        let run = verify(&["--at", "2025-10-24T12:00:00Z"]).expect(0);
        assert!(run.text().starts_with("signed, as of 2025-10-24T12:00:00Z\n"), "{}", run.text());
        assert!(run.text().contains(&format!(" {version}\n")), "{}", run.text());
        // Years later, unless another time is pinned or time does not matter.
        let late = ["--at", "2030-01-01T00:00:00Z"];
        verify(&late).complains(1, "rim-chain-validity");
        for more in [&["--pinned-time", "2025-10-24T12:00:00Z"][..], &["--danger-ignore-expiry"]] {
            let json = verify(&[&late[..], more, &["--json"]].concat()).expect(0).json();
            assert_eq!((&json["verdict"], &json["product"]), (&"signed".into(), &"GH100".into()));
            assert_eq!(json["colloquial-version"], version);
        }
    }
}

#[test]
fn what_nvidia_did_not_sign_is_refused() {
    let Some(root) = vectors("what_nvidia_did_not_sign_is_refused") else { return };
    for (file, check) in [
        ("rim-negatives/incorrect_signature_driver_rim.xml", "rim-signature"),
        ("rim-negatives/incorrect_cert_chain_driver_rim.xml", "rim-format"),
        ("rim-negatives/NV_GPU_DRIVER_GH100_570.124.03_expired.xml", "rim-digest"),
        ("h100-535.86.09-vbiosrim/NEG_driver_rim_mismatch_badsig.xml", "rim-digest"),
    ] {
        let file = root.join("nvidia").join(file);
        let line = ["rim", "verify", file.to_str().unwrap(), "--at", "2025-06-01T00:00:00Z"];
        attest(line).complains(1, &format!("error: {check}: "));
    }
}
