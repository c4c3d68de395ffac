//! Real guests of Azure's, under the vendors' own roots.

use std::{
    fs,
    path::{Path, PathBuf},
};

use backend_azure::{AzureEvidence, hcl::HclReport};
use evidence_tdx::Quote;
use evidence_tpm::Attest;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Run, attest, vectors};

/// One guest of the catalogue, imported by the command.
struct Real {
    name: String,
    folder: PathBuf,
    directory: TempDir,
}

impl Real {
    /// Every guest; none where the catalogue is not at hand.
    fn all(test: &str) -> Vec<Self> {
        let Some(root) = vectors(test) else { return Vec::new() };
        let mut folders: Vec<PathBuf> =
            fs::read_dir(root.join("azure")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders.into_iter().map(|folder| Self::import(&root, folder)).collect()
    }

    fn import(root: &Path, folder: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let real = Self { name, folder, directory };
        let endorsements = real.path("endorsements");
        fs::create_dir(&endorsements).unwrap();
        for file in fs::read_dir(root.join("roots/azure")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), endorsements.join(file.file_name())).unwrap();
        }
        if real.has("collateral.json") {
            fs::copy(real.folder.join("collateral.json"), endorsements.join("collateral.json")).unwrap();
        }
        let json = real.import_parts("evidence", &["--json"]).expect(0).json();
        assert_eq!(json["registers"], 24, "{}", real.name);
        assert_eq!(json["td-quote"], Value::Null);
        real
    }

    /// `import azure` from the files of the guest.
    fn import_parts(&self, target: &str, more: &[&str]) -> Run {
        let mut line = ["import", "azure"].map(str::to_owned).to_vec();
        for (option, file) in [
            ("--hcl-report", "hcl_report.bin"),
            ("--quote", "quote.msg"),
            ("--signature", "quote.sig"),
            ("--pcrs", "pcrs.json"),
            ("--vcek", "vcek.der"),
            ("--td-quote", "td_quote.bin"),
            ("--ak-cert", "ak_cert_nv_raw.bin"),
        ] {
            if self.has(file) {
                line.extend([option.to_owned(), text(&self.folder.join(file))]);
            }
        }
        line.extend(["-o".to_owned(), text(&self.path(target))]);
        line.extend(more.iter().map(|word| (*word).to_owned()));
        attest(line)
    }

    fn has(&self, file: &str) -> bool {
        self.folder.join(file).is_file()
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.folder.join(file)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A policy that knows the guest by the registers of its boot. AMD's revocation list of that time is not at hand.
    fn policy(&self, more: &str) -> String {
        let pcrs: Value = serde_json::from_slice(&self.read("pcrs.json")).unwrap();
        let line = |pcr: u8| format!("{pcr} = [{}]\n", pcrs[pcr.to_string()]);
        format!(
            "version = 1\n[backend.azure]\n{more}\n[backend.azure.report]\ndanger-accept-unknown-revocation = true\n\
             [[backend.azure.launch.images]]\n[backend.azure.launch.images.pcrs]\n{}",
            [2, 4, 7, 9, 11, 12, 14].map(line).concat()
        )
    }

    fn verify(&self, policy: &str, more: &[&str]) -> Run {
        fs::write(self.path("policy.toml"), policy).unwrap();
        let message = self.read("quote.msg");
        let mut challenge = Attest::parse(&message).unwrap().extra_data.to_vec();
        challenge.resize(64, 0);
        let meta: Value = serde_json::from_slice(&self.read("meta.json")).unwrap();
        let at = meta["verify_at"].as_str().unwrap().replace(' ', "T").replace("+00:00", "Z");
        let (evidence, endorsements) = (text(&self.path("evidence")), text(&self.path("endorsements")));
        let policy = text(&self.path("policy.toml"));
        let challenge = hex::encode(challenge);
        let line = ["verify", &evidence, "--accept", "azure", "--challenge", &challenge, "--at", &at];
        attest([&line[..], &["--endorsements", &endorsements, "--policy", &policy], more].concat())
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_real_guest_is_judged_as_the_catalogue_says() {
    for real in Real::all("every_real_guest_is_judged_as_the_catalogue_says") {
        let danger = real.policy("danger-accept-unendorsed-ak = true");
        let known = real.policy("");
        // Intel names no paravisor: without Azure's certificate it is known by its measurement.
        let measurement = real.has("td_quote.bin").then(|| {
            let quote = real.read("td_quote.bin");
            hex::encode(Quote::parse(&quote).unwrap().report.mr_td)
        });
        let listed: Vec<&str> =
            measurement.iter().flat_map(|measurement| ["--measurement", measurement]).collect();
        match real.name.as_str() {
            "tdx-v4-flashbots-2025" => {
                let text = real.verify(&known, &[]).expect(0).text();
                for part in
                    ["UpToDate", "353c6d9a70bc.ConfidentialVM.Azure.windows.net", "ak-certificate-path"]
                {
                    assert!(text.contains(part), "{part} is not in\n{text}");
                }
                real.verify("version = 1\n", &[]).complains(1, "error: azure: boot-registers: ");
            }
            "tdx-v4-trustee" => {
                real.verify(&danger, &listed).complains(1, "error: azure: collateral: ");
            }
            _ => {
                real.verify(&known, &listed).complains(1, "error: azure: ak-certificate: ");
                if measurement.is_some() {
                    real.verify(&danger, &[]).complains(1, "error: azure: paravisor-known: ");
                }
                let run = real.verify(&danger, &listed).expect(0);
                assert_eq!(run.stderr, "", "{}", real.name);
                let text = run.text();
                assert!(text.starts_with("accepted, as of "), "{text}");
                assert!(
                    text.contains("ak-certificate  ") && text.contains("danger-accept-unendorsed-ak"),
                    "{text}"
                );
                let json = real.verify(&danger, &[&listed[..], &["--json"]].concat()).expect(0).json();
                assert_eq!(json["verdict"], "accepted");
            }
        }
    }
}

#[test]
fn a_guest_that_booted_something_else_is_refused() {
    for real in Real::all("a_guest_that_booted_something_else_is_refused") {
        if real.name != "tdx-v4-flashbots-2025" {
            continue;
        }
        let pcrs: Value = serde_json::from_slice(&real.read("pcrs.json")).unwrap();
        for pcr in [2, 4, 7, 9, 11, 12, 14] {
            let digest = pcrs[pcr.to_string()].as_str().unwrap();
            let line = format!("{pcr} = [\"{digest}\"]");
            let known = real.policy("");
            let other = known.replace(&format!("\n{line}"), &format!("\n{pcr} = [\"{}\"]", "5e".repeat(32)));
            assert_ne!(other, known);
            real.verify(&other, &[]).complains(1, "error: azure: boot-registers: ");
        }
    }
}

#[test]
fn parts_and_what_confidential_containers_send_are_imported_alike() {
    for real in Real::all("parts_and_what_confidential_containers_send_are_imported_alike") {
        if !real.has("evidence.json") {
            continue;
        }
        let document = text(&real.folder.join("evidence.json"));
        let coco = text(&real.path("coco"));
        attest(["import", "coco", &document, "-o", &coco]).expect(0);
        let [parts, coco] = ["evidence", "coco"].map(|name| fs::read(real.path(name)).unwrap());
        assert_eq!(parts, coco, "{}", real.name);
    }
}

#[test]
fn real_guests_can_be_looked_at() {
    for real in Real::all("real_guests_can_be_looked_at") {
        let evidence = text(&real.path("evidence"));
        let cpu = attest(["inspect", &evidence, "--json"]).expect(0).json()["cpu"].take();
        let envelope = backend_api::Envelope::decode(&fs::read(&evidence).unwrap()).unwrap();
        let payload = AzureEvidence::decode(envelope.cpu.bytes()).unwrap();
        let hcl = HclReport::parse(&payload.hcl_report).unwrap();
        assert_eq!(payload.hcl_report, real.read("hcl_report.bin"));
        assert_eq!(hcl.runtime_data, real.read("runtime_data.json"));
        assert_eq!(cpu["hcl-report"]["technology"], hcl.tee().unwrap().name());
        assert_eq!(cpu["quote"]["selection"].as_array().unwrap().len(), 1);
        assert!(!cpu.to_string().contains("malformed"), "{}: {cpu}", real.name);
    }
}
