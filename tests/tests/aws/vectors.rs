//! Real evidence of AWS, under the vendors' own roots: each gives the verdict that the catalogue states.

use std::{fs, path::Path, time::UNIX_EPOCH};

use backend_api::{Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, Result};
use backend_aws::{AwsEvidence, Profile, media_type};
use conformance::named::failed_check;
use evidence_x509::Certificate;
use registry::AttestationResult;
use serde_json::Value;

use crate::scene::{LISTED, block_on, verifier};

/// Real evidence, and when it is judged.
pub(crate) struct Real {
    pub(crate) evidence: AwsEvidence,
    pub(crate) challenge: [u8; 64],
    pub(crate) expected: Value,
    endorsements: Endorsements,
    at: u64,
}

impl Real {
    pub(crate) fn read(root: &Path, folder: &str) -> Self {
        let folder = root.join(folder);
        let read = |name: &str| fs::read(folder.join(name)).ok();
        let meta: Value = serde_json::from_slice(&read("meta.json").unwrap()).unwrap();
        let at = meta["verify_at"].as_str().unwrap().replace(' ', "T").replace("+00:00", "Z");
        let expected = meta["expected"].clone();
        let mut challenge = [0; 64];
        if let Some(committed) = expected["report_data"].as_str().or(expected["nonce"].as_str()) {
            hex::decode_to_slice(committed, &mut challenge[..committed.len() / 2]).unwrap();
        }
        let evidence = AwsEvidence {
            report: read("report.bin").map(Into::into),
            document: read("document.cbor").map(Into::into),
            certificates: read("vlek.der").into_iter().map(Into::into).collect(),
            ..AwsEvidence::default()
        };
        let asvk = fs::read(root.join("roots/amd/asvk_milan.pem")).unwrap();
        let asvk = Certificate::parse_der_or_pem(&asvk).unwrap().remove(0);
        let asvk = Endorsement::new(EndorsementKind::Certificate, asvk.der().to_vec());
        Self {
            evidence,
            challenge,
            expected,
            endorsements: Endorsements::from_iter([asvk]),
            at: humantime::parse_rfc3339(&at).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs(),
        }
    }

    pub(crate) fn judge(&self, profile: Profile, policy: &str) -> Result<AttestationResult> {
        self.judge_as(profile, policy)?(&self.evidence)
    }

    /// A relying party with this policy, for which any evidence is of this profile.
    pub(crate) fn judge_as(
        &self,
        profile: Profile,
        policy: &str,
    ) -> Result<impl Fn(&AwsEvidence) -> Result<AttestationResult> + Sync> {
        let policy = format!("version = 1\ndanger-accept-asserted = true\n{policy}");
        let verifier = verifier(&policy, self.endorsements.clone(), self.at)?;
        let challenge = Challenge::new(self.challenge);
        Ok(move |evidence: &AwsEvidence| {
            let envelope = Envelope::of_cpu(Evidence::new(media_type(profile), evidence.encode()));
            block_on(verifier.verify_envelope(&envelope, &challenge))
        })
    }

    /// A policy for a report alone. AMD's revocation list of that time is not at hand.
    pub(crate) fn known(&self, of_report: &str) -> String {
        format!(
            "[reference-values]\nmeasurements = [\"{}\"]\n\
             [backend.aws]\ndanger-accept-no-document = true\nregions = [\"us-east-2\"]\n[backend.aws.raw]\n\
             [backend.aws.report]\ndanger-accept-unknown-revocation = true\n{of_report}\n",
            self.expected["measurement"].as_str().unwrap()
        )
    }

    /// A policy for a document alone.
    pub(crate) fn known_document(&self, more: &str) -> String {
        let pcr = |pcr: &u8| {
            format!("{pcr} = [\"{}\"]", self.expected["nitrotpm_pcrs"][pcr.to_string()].as_str().unwrap())
        };
        let pcrs: Vec<String> = LISTED.iter().chain(&[8]).map(pcr).collect();
        format!(
            "[backend.aws]\n{more}\n[backend.aws.raw]\nchallenge = \"nonce\"\npublic-key = \"{}\"\n\
             [[backend.aws.launch.images]]\n[backend.aws.launch.images.pcrs]\n{}\n",
            self.expected["public_key"].as_str().unwrap(),
            pcrs.join("\n")
        )
    }
}

const VLEK_V5: &str = "aws/vlek-v5-useast2-2026-geoar";
const VLEK_V3: &str = "aws/vlek-v3-useast2-2025-trustee";
const VLEK_V2: &str = "aws/vlek-v2-useast2-2024-trustee-history";

#[test]
fn reports_alone_give_their_stated_verdicts() {
    let Some(root) = lab::vectors::root("reports_alone_give_their_stated_verdicts") else { return };
    for (folder, vmpl) in [(VLEK_V5, 0), (VLEK_V3, 1), (VLEK_V2, 1)] {
        let real = Real::read(&root, folder);
        let default = failed_check(real.judge(Profile::Raw, &real.known("")));
        assert_eq!(default, if vmpl == 0 { "accepted" } else { "vmpl" }, "{folder}");
        let result = real.judge(Profile::Raw, &real.known(&format!("vmpl = {vmpl}"))).unwrap();
        assert_eq!(result.cpu.claims.measurement, real.expected["measurement"].as_str().unwrap());
        assert_eq!(result.cpu.claims.details["csp-id"], real.expected["csp_id"]);
        assert_eq!((result.cpu.claims.tee, result.cpu.claims.device_id.as_str()), ("sev-snp", ""));
        assert!(result.cpu.notes["boot"].starts_with("unknown"), "{folder}");
        assert_eq!(result.cpu.identity.iter().count(), 0);

        let refused = |policy: &str| failed_check(real.judge(Profile::Raw, policy));
        let known = real.known(&format!("vmpl = {vmpl}"));
        assert_eq!(refused(&known.replace("us-east-2", "us-east-1")), "csp-id", "{folder}");
        assert_eq!(refused(&known.replace("[backend.aws.raw]", "")), "raw-named", "{folder}");
        assert_eq!(
            refused(&known.replace("danger-accept-no-document = true", "")),
            "document-present",
            "{folder}"
        );
        let (_, without_measurements) = known.split_once("[backend.aws]").unwrap();
        assert_eq!(
            refused(&format!("[backend.aws]{without_measurements}")),
            "measurement-listed",
            "{folder}"
        );
        let another = Real { challenge: [0; 64], ..Real::read(&root, folder) };
        assert_eq!(failed_check(another.judge(Profile::Raw, &known)), "report-data", "{folder}");
    }
}

#[test]
fn a_document_alone_is_accepted_where_the_policy_does_without_a_tee() {
    let test = "a_document_alone_is_accepted_where_the_policy_does_without_a_tee";
    let Some(root) = lab::vectors::root(test) else { return };
    let real = Real::read(&root, "aws/nitrotpm-vaportpm");
    let known = real.known_document("danger-accept-no-tee = true");
    let result = real.judge(Profile::Raw, &known).unwrap();
    assert_eq!(result.cpu.claims.tee, "none");
    assert_eq!(result.cpu.claims.details["module-id"], real.expected["module_id"]);
    assert!(result.cpu.notes["tee"].starts_with("none"));
    assert!(
        result
            .cpu
            .ledger
            .gaps()
            .any(|(check, why)| check.name() == "report-present" && why.starts_with("danger-accept-no-tee"))
    );

    let refused = |profile, policy: &str| failed_check(real.judge(profile, policy));
    assert_eq!(refused(Profile::Raw, &real.known_document("")), "report-present");
    assert_eq!(refused(Profile::NitroTpmOnly, &known), "nitro-nonce");
    assert_eq!(refused(Profile::V1, &known), "report-present");
    assert_eq!(refused(Profile::Raw, &known.replace("public-key", "user-data")), "nitro-user-data");
    assert_eq!(refused(Profile::Raw, &known.replace("challenge = \"nonce\"", "")), "nitro-nonce");
    let another = Real { challenge: [0; 64], ..Real::read(&root, "aws/nitrotpm-vaportpm") };
    assert_eq!(failed_check(another.judge(Profile::Raw, &known)), "nitro-nonce");
    assert_eq!(refused(Profile::Raw, &known.replace("\n8 =", "\n#8 =")), "configuration");
    let late = Real { at: real.at + 301, ..Real::read(&root, "aws/nitrotpm-vaportpm") };
    assert_eq!(failed_check(late.judge(Profile::Raw, &known)), "nitro-age");
}

#[test]
fn documents_of_nitro_enclaves_are_refused() {
    let Some(root) = lab::vectors::root("documents_of_nitro_enclaves_are_refused") else { return };
    for folder in ["negative/nitro-enclave-doc-not-nitrotpm", "negative/nitro-enclave-doc2"] {
        let real = Real::read(&root, folder);
        let policy = "[backend.aws]\ndanger-accept-no-tee = true\n[backend.aws.raw]\n";
        for profile in [Profile::Raw, Profile::NitroTpmOnly] {
            assert_eq!(failed_check(real.judge(profile, policy)), "nitro-document-type", "{folder}");
        }
    }
}

/// A report and a document of two machines say nothing of each other, and their regions differ.
#[test]
fn halves_of_two_real_machines_are_refused() {
    let Some(root) = lab::vectors::root("halves_of_two_real_machines_are_refused") else { return };
    let (report, document) = (Real::read(&root, VLEK_V5), Real::read(&root, "aws/nitrotpm-vaportpm"));
    let policy = format!(
        "{}[backend.aws.report]\ndanger-accept-unknown-revocation = true\n",
        document.known_document("").replace(
            "[backend.aws.raw]",
            &format!(
                "[backend.aws.document]\nmax-age = 31536000\n[backend.aws.raw]\nreport-data = \"{}\"",
                hex::encode(report.challenge)
            )
        )
    );
    let mut both = Real::read(&root, VLEK_V5);
    both.evidence.document = document.evidence.document;
    both.challenge = document.challenge;
    assert_eq!(failed_check(both.judge(Profile::Raw, &policy)), "document-region");
    assert_eq!(failed_check(both.judge(Profile::V1, &policy)), "nitro-nonce");
}
