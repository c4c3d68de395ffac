//! Real captures under NVIDIA's and Intel's own roots.

use std::{fs, path::Path};

use backend_nvidia::NvidiaEvidence;
use backend_tdx::TdxEvidence;
use evidence_dstack::wire::Attestation;
use serde_json::{Value, json};

use crate::common::{Folder, vectors};

/// The CPU's evidence of a capture of dstack's, in `cpu`; what REPORTDATA holds.
fn cpu(root: &Path, folder: &Folder) -> String {
    let file = root.join("dstack/tdx-lite-attestation.json");
    folder.run(&format!("import dstack {} -o $/cpu", file.display())).expect(0);
    let attestation = Attestation::decode(&fs::read(file).unwrap()).unwrap();
    let quote = TdxEvidence::from_dstack(&attestation).unwrap().quote;
    hex::encode(evidence_tdx::Quote::parse(&quote).unwrap().report.report_data)
}

/// The devices of `evidence`.
fn devices(folder: &Folder) -> NvidiaEvidence {
    NvidiaEvidence::decode(folder.envelope("evidence").devices[0].bytes()).unwrap()
}

#[test]
fn real_reports_are_imported_in_every_form() {
    let Some(root) = vectors("real_reports_are_imported_in_every_form") else { return };
    let scratch = Folder::new();
    cpu(&root, &scratch);
    let import =
        |options: &str| scratch.run(&format!("import nvidia {options} --beside $/cpu -o $/evidence"));
    for name in [
        "gb100-575.32",
        "h100-535.86.09-vbiosrim",
        "h100-550.90.07-full",
        "h100-570.124.03",
        "h100-single-json",
    ] {
        let folder = root.join("nvidia").join(name);
        let parts = folder.display();
        import(&format!("--report {parts}/report.bin --cert-chain {parts}/cert_chain.pem")).expect(0);
        assert_eq!(
            devices(&scratch).devices[0].report,
            fs::read(folder.join("report.bin")).unwrap(),
            "{name}"
        );
    }
    for (name, count) in [("h100-single-json", 1), ("h100-590.12-8gpu-ppcie", 4)] {
        let file = root.join("nvidia").join(name).join("evidence.json");
        let list: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        import(&format!("--devices {} --profile boot", file.display())).expect(0);
        let expected = devices(&scratch);
        assert_eq!(expected.devices.len(), count);
        let nonce = list[0]["nonce"].as_str().unwrap();
        assert_eq!(expected.nonce.map(|nonce| hex::encode(*nonce)).as_deref(), Some(nonce));
        for form in [
            json!({ "evidences": list, "result_code": 0, "result_message": "Ok" }),
            json!({ "device_evidence_list": list }),
        ] {
            scratch.put("form", form.to_string());
            import("--devices $/form --profile boot").expect(0);
            assert_eq!(devices(&scratch), expected);
        }
        import(&format!("--devices {} --nonce {}", file.display(), "00".repeat(32)))
            .complains(1, "as --nonce says");
    }
}

/// A whole machine, as NVIDIA's tools wrote it in the JSON of version 1.0: GPUs in one file, switches in another.
#[test]
fn a_real_machine_is_imported() {
    let test = "a_real_machine_is_imported";
    let (Some(machine), Some(root)) = (lab::vectors::hgx(test), vectors(test)) else { return };
    let scratch = Folder::new();
    cpu(&root, &scratch);
    let machine = machine.display();
    let imported = scratch
        .run(&format!(
            "import nvidia --devices {machine}/gpu_evidence.json --devices {machine}/switch_evidence.json \
             --profile boot --beside $/cpu -o $/evidence --json"
        ))
        .expect(0)
        .json();
    assert_eq!(
        imported["unverified-devices"],
        "8 x GH100 (driver 590.12, video BIOS 96.00.A5.00.01), 4 x LS_10 (BIOS 96.10.73.00.01)"
    );
    assert_eq!(devices(&scratch).devices.len(), 12);
}

#[test]
fn a_real_gpu_is_accepted_beside_a_real_cpu_on_the_callers_word() {
    let Some(root) = vectors("a_real_gpu_is_accepted_beside_a_real_cpu_on_the_callers_word") else { return };
    let scratch = Folder::new();
    let challenge = cpu(&root, &scratch);
    let folder = root.join("nvidia/h100-550.90.07-full");
    let nonce = hex::encode(&fs::read(folder.join("report.bin")).unwrap()[4..36]);
    let parts = folder.display();
    scratch.run(&format!(
        "import nvidia --report {parts}/report.bin --cert-chain {parts}/cert_chain.pem --nonce {nonce} --beside $/cpu -o $/evidence"
    ))
    .expect(0);

    // All that is known of the manifests' signers, which is of October 2025; nothing of the device in the time of the CPU.
    fs::create_dir(scratch.path().join("nvidia")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.contains("rim") || name.contains("vbios") {
            fs::copy(folder.join(&name), scratch.path().join("nvidia").join(&name)).unwrap();
        }
    }
    let policy = format!(
        "version = 1\ndanger-accept-asserted = true\n[backend.nvidia]\ndanger-accept-unreported-cc-mode = true\n\
         [backend.nvidia.device]\ndanger-accept-unknown-revocation = true\n\
         [backend.nvidia.rim]\npinned-time = \"2025-10-24T12:00:00Z\"\n[backend.nvidia.raw]\nnonce = \"{nonce}\"\n"
    );
    scratch.put("policy.toml", policy);
    let intel = root.join("dstack/collateral");
    let verify = format!(
        "verify $/evidence --accept tdx,nvidia --challenge {challenge} --at 2026-04-15T12:00:00Z --endorsements {} \
         --endorsements $/nvidia",
        intel.display()
    );
    let accepted = scratch.run(&format!("{verify} --policy $/policy.toml")).expect(0);
    assert_eq!(accepted.stderr, "");
    let text = accepted.text();
    for part in [
        "\ndevice 0\n",
        "1 x GH100 (nvidia-cc)",
        "claims, devices: 0\n",
        "x-nvidia-gpu-driver-version",
        "64 values, which --json shows",
        "the caller's word",
        "co-location",
        "spdm-signature",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() < 500), "{text}");
    let json = scratch.run(&format!("{verify} --policy $/policy.toml --json")).expect(0).json();
    let device = &json["devices"][0];
    assert_eq!(device["claims"]["details"]["devices"][0]["pdi"], "431D480FE5E87274");
    assert_eq!(device["claims"]["details"]["devices"][0]["measurements"].as_array().unwrap().len(), 64);

    // The default policy does not take the caller's word.
    scratch.run(&verify).complains(1, "error: nvidia: raw-named: ");
    // Without a manifest.
    fs::remove_file(scratch.path().join("nvidia/driver_rim.xml")).unwrap();
    scratch.run(&format!("{verify} --policy $/policy.toml")).complains(1, "error: nvidia: rim-present: ");
}
