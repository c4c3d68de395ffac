//! The payload, which halves it has, and where they are from.

use super::*;

cases! {
    "payload", "a byte behind the payload": |scene| scene.edit_bytes = |bytes| bytes.push(0);
    "payload", "a payload that ends early": |scene| scene.edit_bytes = |bytes| _ = bytes.pop();
    "payload", "a map without its length": |scene| {
        scene.edit_bytes = |bytes| {
            bytes[0] = 0xBF;
            bytes.push(0xFF);
        };
    };
    "payload", "more certificates than are read": |scene| {
        scene.edit = |evidence| evidence.certificates.resize(17, vec![0].into());
    };
    "payload", "neither a report nor a document": |scene| {
        scene.edit = |evidence| (evidence.report, evidence.document) = (None, None);
    };
    "payload", "neither, where the policy does without either", of raw: |scene| {
        aws(scene, "danger-accept-no-tee = true\ndanger-accept-no-document = true");
        scene.edit = |evidence| (evidence.report, evidence.document) = (None, None);
    };
    "payload", "a report beside a document alone", of document_only: |scene| {
        scene.edit = |evidence| {
            let guest = Guest::new();
            evidence.report = Some(guest.report_for(&[0xC4; 64]).into());
        };
    };
    "report-present", "no report": |scene| scene.edit = |evidence| evidence.report = None;
    "report-present", "no report in the profile v1, where the policy does without": |scene| {
        aws(scene, "danger-accept-no-tee = true");
        scene.edit = |evidence| evidence.report = None;
    };
    "report-present", "no report, and a policy that does not do without", of raw: |scene| {
        scene.edit = |evidence| evidence.report = None;
    };
    "report-present", "what dstack sends, and a policy that does not do without a TEE", of document_only: |scene| {
        scene.aws.clear();
    };
    "document-present", "no document": |scene| scene.edit = |evidence| evidence.document = None;
    "document-present", "no document in the profile v1, where the policy does without": |scene| {
        aws(scene, "danger-accept-no-document = true");
        scene.edit = |evidence| evidence.document = None;
    };
    "document-present", "no document, and a policy that does not do without", of raw: |scene| {
        scene.edit = |evidence| evidence.document = None;
    };
    "raw-named", "the profile raw, and no word of it in the policy", of raw: |scene| scene.policy.clear();
    "vlek-region", "another provider's VLEK": |scene| csp_id(scene, "CN=cc-us-east-2.example.com");
    "vlek-region", "a provider whose name begins with AWS's": |scene| {
        csp_id(scene, "CN=cc-us-east-2.amazonaws.com.example.com");
    };
    "vlek-region", "a domain of somebody's at AWS": |scene| csp_id(scene, "CN=cc-bucket.us-east-2.amazonaws.com");
    "vlek-region", "no region": |scene| csp_id(scene, "CN=cc-.amazonaws.com");
    "vlek-region", "the name without its attribute": |scene| csp_id(scene, "cc-us-east-2.amazonaws.com");
    "csp-id", "a VLEK of a region that the policy does not list", of listed_regions: |scene| {
        csp_id(scene, "CN=cc-us-east-1.amazonaws.com");
    };
    "document-region", "a document of another region than the VLEK's": |scene| {
        scene.guest.instance = Instance::named(Instance::ID, "us-east-1");
    };
    "document-region", "a VLEK of another region than the document's": |scene| {
        csp_id(scene, "CN=cc-us-east-1.amazonaws.com");
    };
    "document-region", "a document alone, of a region that the policy does not list", of listed_document_only: |scene| {
        scene.guest.instance = Instance::named(Instance::ID, "us-east-1");
    };
}

fn csp_id(scene: &mut Scene, csp_id: &str) {
    scene.guest.vek_spec.csp_id = Some(csp_id.to_owned());
}

/// A relying party that takes two regions.
pub(crate) fn listed_regions() -> Scene {
    let mut scene = Scene::v1();
    aws(&mut scene, "regions = [\"eu-west-1\", \"us-east-2\"]");
    scene
}

/// What dstack sends on EC2, and a relying party that does without a TEE.
pub(crate) fn document_only() -> Scene {
    let mut scene = Scene { profile: Profile::NitroTpmOnly, measurement: None, ..Scene::v1() };
    aws(&mut scene, "danger-accept-no-tee = true");
    scene
}

/// The same of listed regions.
fn listed_document_only() -> Scene {
    let mut scene = document_only();
    aws(&mut scene, "regions = [\"eu-west-1\", \"us-east-2\"]");
    scene
}

/// What another tool made: both halves, each with the bare challenge.
pub(crate) fn raw() -> Scene {
    Scene {
        profile: Profile::Raw,
        top: "danger-accept-asserted = true",
        policy: "[backend.aws.raw]\n".to_owned(),
        ..Scene::v1()
    }
}
