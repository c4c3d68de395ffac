//! The report: what AWS's guests have beyond what every report must have. The checks themselves have cases on bare metal.

use lab::amd::{Product, ReportSpec, VekSpec};

use super::{halves::raw, *};

cases! {
    "report-format", "a report that ends early": |scene| resigned(scene, |evidence| {
        let report = evidence.report.as_mut().unwrap();
        report.pop();
    });
    "signing-key", "a report under the key of a chip, as on a dedicated host": |scene| {
        let product = Product::Milan;
        scene.guest.vek_spec = VekSpec::vcek(product);
        scene.guest.report = ReportSpec { measurement: [0xAE; 48], ..ReportSpec::new(product, 5) };
    };
    "vek-kind", "the certificate of a chip beside a report under a VLEK": |scene| {
        scene.guest.vek_spec = VekSpec { key_label: scene.guest.vek_spec.key_label.clone(), ..VekSpec::vcek(Product::Milan) };
        scene.edit_endorsements = |all| {
            let hierarchy = Guest::new().hierarchy;
            all.push((EndorsementKind::Certificate, hierarchy.ask().to_vec()));
        };
    };
    "vek-present", "no certificate of the VLEK": |scene| scene.edit = |evidence| evidence.certificates.clear();
    "issuer-pinned", "no certificate of the authority above it": |scene| scene.edit_endorsements = |all| _ = all.remove(0);
    "crl-current", "no revocation list": |scene| scene.edit_endorsements = |all| _ = all.pop();
    "report-signature", "a report that was changed after signing": |scene| resigned(scene, |evidence| {
        evidence.report.as_mut().unwrap()[0x90] ^= 1;
    });
    "report-data", "a report for another challenge, and a document that commits to it": |scene| resigned(scene, |evidence| {
        evidence.report = Some(Guest::new().v1_parts(&[0xC5; 64]).report.into());
    });
    "report-data", "the bare challenge": |scene| resigned(scene, |evidence| {
        evidence.report = Some(Guest::new().report_for(&[0xC4; 64]).into());
    });
    "report-data", "a report that names another instance": |scene| resigned(scene, |evidence| {
        let mut other = Guest::new();
        other.instance = Instance::named("i-0abcdef1234567890", Instance::REGION);
        evidence.report = Some(other.v1_parts(&[0xC4; 64]).report.into());
    });
    "report-data", "other report data than the policy names", of named_report_data: |scene| {
        scene.policy = scene.policy.replace("C5\"", "C6\"");
    };
    "report-data", "the report data that the policy names, and nothing else that is the challenge", of named_report_data: |scene| {
        aws(scene, "danger-accept-no-document = true");
        scene.edit = |evidence| {
            evidence.report = Some(Guest::new().report_for(&[0xC5; 64]).into());
            evidence.document = None;
        };
    };
    "vmpl", "a report of another privilege level": |scene| scene.guest.report.vmpl = 1;
    "no-debug", "a guest that can be debugged": |scene| scene.guest.report.policy |= 1 << 19;
    "no-migration-agent", "a guest that can be migrated": |scene| scene.guest.report.policy |= 1 << 18;
    "id-key", "an ID block": |scene| scene.guest.report.id_key_digest = [7; 48];
    "author-key", "an author key": |scene| {
        scene.guest.report.author_key_digest = [7; 48];
        scene.guest.report.signer_info |= lab::amd::report::AUTHOR_KEY_EN;
    };
    "host-data", "something of the host's": |scene| scene.guest.report.host_data = [7; 32];
    "tcb-floor", "a platform below the policy's minimum", of floored: |scene| {
        scene.policy = scene.policy.replace("microcode = 1", "microcode = 255");
    };
}

/// Changes the report, and has the document commit to what it is then.
fn resigned(scene: &mut Scene, change: fn(&mut AwsEvidence)) {
    scene.edit = change;
    scene.recommits = true;
}

/// What another tool made, and a relying party that knows what its report must hold.
fn named_report_data() -> Scene {
    let mut scene = raw();
    scene.edit = |evidence| evidence.report = Some(Guest::new().report_for(&[0xC5; 64]).into());
    scene.policy = format!("[backend.aws.raw]\nreport-data = \"{}\"\n", "C5".repeat(64));
    scene
}

/// A relying party that asks for a TCB.
fn floored() -> Scene {
    let mut scene = Scene::v1();
    scene.policy =
        "[backend.aws.report]\nminimum-tcb.milan = { bootloader = 1, tee = 0, snp = 1, microcode = 1 }\n"
            .to_owned();
    scene
}
