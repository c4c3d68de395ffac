//! Real halves of AWS's, under the vendors' own roots.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Run, attest, vectors};

/// One folder of the catalogue, imported by the command as another tool's evidence.
struct Real {
    folder: PathBuf,
    directory: TempDir,
    expected: Value,
    at: String,
}

impl Real {
    fn import(root: &Path, name: &str, parts: &[(&str, &str)]) -> Self {
        let folder = root.join("aws").join(name);
        let meta: Value = serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap();
        let at = meta["verify_at"].as_str().unwrap().replace(' ', "T").replace("+00:00", "Z");
        let real =
            Self { folder, directory: tempfile::tempdir().unwrap(), expected: meta["expected"].clone(), at };
        let endorsements = real.directory.path().join("endorsements");
        fs::create_dir(&endorsements).unwrap();
        fs::copy(root.join("roots/amd/asvk_milan.pem"), endorsements.join("asvk.pem")).unwrap();
        let mut line = ["import", "aws", "-o"].map(str::to_owned).to_vec();
        line.push(real.path("evidence"));
        for (option, file) in parts {
            line.extend([(*option).to_owned(), real.folder.join(file).to_str().unwrap().to_owned()]);
        }
        attest(line).expect(0);
        real
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn text(&self, pointer: &str) -> &str {
        self.expected.pointer(pointer).unwrap().as_str().unwrap()
    }

    fn inspected(&self) -> Value {
        attest(["inspect", &self.path("evidence"), "--json"]).expect(0).json()["cpu"].take()
    }

    /// A verdict on a challenge of these bytes and zeros behind them.
    fn verify(&self, challenge: &str, policy: &str) -> Run {
        fs::write(self.path("policy.toml"), format!("version = 1\ndanger-accept-asserted = true\n{policy}"))
            .unwrap();
        let challenge = format!("{challenge:0<128}");
        let (evidence, policy) = (self.path("evidence"), self.path("policy.toml"));
        let endorsements = self.path("endorsements");
        let line = ["verify", &evidence, "--accept", "aws", "--challenge", &challenge, "--at", &self.at];
        attest([&line[..], &["--endorsements", &endorsements, "--policy", &policy]].concat())
    }
}

/// Reports of three years. AMD's revocation lists of those times are not at hand.
#[test]
fn reports_are_judged_as_the_catalogue_says() {
    let Some(root) = vectors("reports_are_judged_as_the_catalogue_says") else { return };
    for (name, certificate, vmpl) in [
        ("vlek-v5-useast2-2026-geoar", ("--cert-table", "auxblob.bin"), 0),
        ("vlek-v5-useast2-2026-geoar", ("--cert", "vlek.der"), 0),
        ("vlek-v3-useast2-2025-trustee", ("--cert", "vlek.der"), 1),
        ("vlek-v2-useast2-2024-trustee-history", ("--cert", "vlek.der"), 1),
    ] {
        let real = Real::import(&root, name, &[("--report", "report.bin"), certificate]);
        let cpu = real.inspected();
        assert_eq!(cpu["report"]["measurement"], real.expected["measurement"], "{name}");
        assert!(!cpu.to_string().contains("malformed"), "{name}: {cpu}");
        let known = |vmpl: u8| {
            format!(
                "[reference-values]\nmeasurements = [\"{}\"]\n[backend.aws]\ndanger-accept-no-document = true\nregions = [\"us-east-2\"]\n\
                 [backend.aws.raw]\n[backend.aws.report]\ndanger-accept-unknown-revocation = true\nvmpl = {vmpl}\n",
                real.text("/measurement")
            )
        };
        let challenge = real.text("/report_data");
        let text = real.verify(challenge, &known(vmpl)).expect(0).text();
        for part in ["CN=cc-us-east-2.amazonaws.com", real.text("/measurement"), "vlek-region"] {
            assert!(text.contains(part), "{name}: {part} is not in\n{text}");
        }
        real.verify(challenge, &known(2)).complains(1, "error: aws: vmpl: ");
        let elsewhere = known(vmpl).replace("us-east-2", "us-east-1");
        real.verify(challenge, &elsewhere).complains(1, "error: aws: csp-id: ");
        real.verify("00", &known(vmpl)).complains(1, "error: aws: report-data: ");
        let revocable = known(vmpl).replace("danger-accept-unknown-revocation = true", "");
        real.verify(challenge, &revocable).complains(1, "error: aws: crl-current: ");
    }
}

/// A document whose nonce is the challenge, as another tool had it signed.
#[test]
fn a_document_is_accepted_where_the_policy_does_without_a_tee() {
    let test = "a_document_is_accepted_where_the_policy_does_without_a_tee";
    let Some(root) = vectors(test) else { return };
    let real = Real::import(&root, "nitrotpm-vaportpm", &[("--document", "document.cbor")]);
    let document = real.inspected()["document"].take();
    assert_eq!(document["module-id"], real.expected["module_id"]);
    assert_eq!(document["public-key"], real.expected["public_key"]);
    let pcr = |pcr: u8| format!("{pcr} = [\"{}\"]\n", real.text(&format!("/nitrotpm_pcrs/{pcr}")));
    let known = format!(
        "[backend.aws]\ndanger-accept-no-tee = true\n[backend.aws.raw]\nchallenge = \"nonce\"\npublic-key = \"{}\"\n\
         [[backend.aws.launch.images]]\n[backend.aws.launch.images.pcrs]\n{}",
        real.text("/public_key"),
        [2, 4, 7, 8, 9, 11].map(pcr).concat()
    );
    let nonce = real.text("/nonce");
    let text = real.verify(nonce, &known).expect(0).text();
    assert!(text.contains("danger-accept-no-tee") && text.contains("nitro-signature"), "{text}");
    let with_tee = known.replace("danger-accept-no-tee = true", "");
    real.verify(nonce, &with_tee).complains(1, "error: aws: report-present: ");
    real.verify("00", &known).complains(1, "error: aws: nitro-nonce: ");
    let other = known.replace(real.text("/nitrotpm_pcrs/4"), &"5e".repeat(48));
    real.verify(nonce, &other).complains(1, "error: aws: boot-registers: ");
}

/// They lead to the same root.
#[test]
fn documents_of_nitro_enclaves_are_not_imported() {
    let Some(root) = vectors("documents_of_nitro_enclaves_are_not_imported") else { return };
    for folder in ["nitro-enclave-doc-not-nitrotpm", "nitro-enclave-doc2"] {
        let document = root.join("negative").join(folder).join("document.cbor");
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("none");
        let line =
            ["import", "aws", "--document", document.to_str().unwrap(), "-o", target.to_str().unwrap()];
        attest(line).complains(1, "Nitro Enclave");
        assert!(!target.exists());
    }
}
