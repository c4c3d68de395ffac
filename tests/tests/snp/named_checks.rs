//! For each named check the cases that fail it: each differs from an accepted scene in one thing.

use backend_baremetal_snp::LaunchSource;
use lab::{
    amd::{Product, VekSpec, crl_spec, vek},
    keys::EcKey,
    x509::{basic_constraints, extension},
};

use crate::scene::{Scene, failed_check, june_2026};

/// One defect, and the check that must name it.
pub(crate) struct Case {
    pub(crate) check: &'static str,
    pub(crate) defect: &'static str,
    pub(crate) make: fn(&mut Scene),
}

macro_rules! cases {
    ($($check:literal, $defect:literal: $make:expr;)*) => {
        pub(crate) const CASES: &[Case] = &[$(Case { check: $check, defect: $defect, make: $make },)*];
    };
}

const DAY: u64 = 86_400;

cases! {
    "payload", "a byte after the payload": |scene| scene.edit_bytes = |bytes| bytes.push(0);
    "payload", "a payload in another encoding": |scene| {
        // The map's head in its long form.
        scene.edit_bytes = |bytes| { let head = bytes[0] & 0x1F; bytes.splice(0..1, [0xB8, head]); };
    };
    "payload", "more certificates than are read": |scene| {
        scene.certificates = vec![scene.guest.vek.der.clone(); 9];
    };

    "report-format", "a report short of one byte": |scene| {
        scene.edit = |evidence| { evidence.report.pop(); };
    };
    "report-format", "a report with one byte more": |scene| scene.edit = |evidence| evidence.report.push(0);
    "report-version", "version 1": |scene| scene.guest.report.version = 1;
    "report-version", "version 6": |scene| scene.guest.report.version = 6;
    "report-signature-algorithm", "another algorithm": |scene| scene.guest.report.signature_algo = 2;
    "report-unsigned-zero", "the last byte set": |scene| {
        scene.guest.report.patches_after = vec![(0x49F, vec![1])];
    };
    "report-unsigned-zero", "the padding of R set": |scene| {
        scene.guest.report.patches_after = vec![(0x2A0 + 48, vec![1])];
    };
    "report-unsigned-zero", "the padding of S set": |scene| {
        scene.guest.report.patches_after = vec![(0x2A0 + 72 + 71, vec![1])];
    };
    "report-reserved-zero", "a reserved field set, and a policy that minds": |scene| {
        scene.guest.report.patches = vec![(0x208, vec![1])];
        scene.policy = report_policy("require-reserved-zero = true");
    };
    "signing-key", "a report signed by a VLEK": |scene| scene.guest.report.signer_info = 1 << 2;
    "signing-key", "a report signed by no key": |scene| scene.guest.report.signer_info = 7 << 2;
    "signing-key", "a reserved signing key": |scene| scene.guest.report.signer_info = 2 << 2;
    "chip-key-unmasked", "MASK_CHIP_KEY set": |scene| scene.guest.report.signer_info = 1 << 1;

    "certificates", "a certificate with a byte behind it": |scene| scene.certificates[1].push(0);
    "certificates", "a VCEK with an extension twice": |scene| {
        issue(scene, |spec| spec.duplicate = Some(vek::oid::TEE));
    };
    "vek-present", "no VCEK": |scene| { scene.certificates.remove(0); };
    "vek-extensions", "a struct version that is not known": |scene| issue(scene, |spec| spec.struct_version = 2);
    "vek-extensions", "a product that is not known": |scene| issue(scene, |spec| spec.product_name = "Naples".into());
    "vek-extensions", "no SNP security patch level": |scene| issue(scene, |spec| spec.omit = vec![vek::oid::SNP]);
    "vek-extensions", "no hardware id": |scene| issue(scene, |spec| spec.hwid = None);
    "vek-extensions", "a hardware id of 63 bytes": |scene| {
        issue(scene, |spec| spec.hwid = Some(vek::chip_id(Product::Milan)[..63].to_vec()));
    };
    "vek-extensions", "a provider's id on a VCEK": |scene| issue(scene, |spec| spec.csp_id = Some("CN=x".into()));
    "vek-extensions", "a patch level that is no INTEGER": |scene| {
        issue(scene, |spec| {
            spec.omit = vec![vek::oid::SNP];
            spec.extra_extensions = vec![extension(vek::oid::SNP, false, &[4, 1, 0x17])];
        });
    };
    "root-pinned", "no ARK": |scene| { scene.certificates.remove(2); };
    "chain-signatures", "the lab's chain under AMD's roots, whose ARK and ASK are always at hand": |scene| {
        scene.anchors = (backend_api::AttestationBackend::descriptor(&backend_baremetal_snp::BaremetalSnp::default()).trust_anchors)();
    };
    "root-pinned", "the ARK's name on another key": |scene| {
        let spki_sha256 = scene.guest.hierarchy.ask_key().spki_sha256();
        scene.anchors.0.retain(|anchor| anchor.subject != "ARK-Milan");
        scene.anchors.0.push(backend_api::TrustAnchor { subject: "ARK-Milan".into(), spki_sha256 });
    };
    "issuer-pinned", "no ASK": |scene| { scene.certificates.remove(1); };
    "issuer-pinned", "an ASK with another key": |scene| {
        let mut spec = scene.guest.hierarchy.ask_spec();
        spec.spki = scene.guest.hierarchy.asvk_key().spki().to_vec();
        scene.certificates[1] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "issuer-pinned", "the ASVK under the ASK's name": |scene| {
        scene.anchors.0.retain(|anchor| anchor.subject != "SEV-Milan");
    };
    "chain-validity", "after the VCEK": |scene| {
        scene.at = scene.guest.vek_spec.not_after + 1;
        scene.policy = report_policy("danger-accept-unknown-revocation = true");
    };
    "chain-validity", "before the VCEK": |scene| {
        scene.at = scene.guest.vek_spec.not_before - 1;
        scene.policy = report_policy("danger-accept-unknown-revocation = true");
    };
    "chain-validity", "an ASK that ended yesterday": |scene| {
        let mut spec = scene.guest.hierarchy.ask_spec();
        spec.not_after = june_2026() - DAY;
        scene.certificates[1] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "chain-validity", "an ARK that ended yesterday": |scene| {
        let mut spec = scene.guest.hierarchy.ark_spec();
        spec.not_after = june_2026() - DAY;
        scene.certificates[2] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "chain-signatures", "an ASK that the ARK did not sign": |scene| {
        scene.certificates[1] = scene.guest.hierarchy.ask_spec().sign(scene.guest.hierarchy.asvk_key());
    };
    "chain-signatures", "an ARK that did not sign itself": |scene| {
        scene.certificates[2] = scene.guest.hierarchy.ark_spec().sign(scene.guest.hierarchy.ask_key());
    };
    "chain-signatures", "a VCEK that the ASK did not sign": |scene| {
        let spec = scene.guest.vek_spec.cert_spec(&scene.guest.hierarchy);
        scene.certificates[0] = spec.sign(scene.guest.hierarchy.asvk_key());
    };
    "chain-signatures", "an ASK that is no certificate authority": |scene| {
        let mut spec = scene.guest.hierarchy.ask_spec();
        spec.set_extension(basic_constraints(false, None));
        scene.certificates[1] = spec.sign(scene.guest.hierarchy.ark_key());
    };
    "chain-signatures", "a VCEK of another issuer's name": |scene| {
        let mut spec = scene.guest.vek_spec.cert_spec(&scene.guest.hierarchy);
        spec.issuer = lab::amd::hierarchy::amd_name("SEV-Genoa");
        scene.certificates[0] = spec.sign(scene.guest.hierarchy.ask_key());
    };
    "crl-signature", "a revocation list that the ARK did not sign": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        scene.revocation_lists = vec![crl_spec(hierarchy).sign(hierarchy.ask_key())];
    };
    "crl-signature", "a revocation list without an end": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        spec.next_update = None;
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };
    "crl-signature", "a revocation list with a critical extension": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        // id-ce-deltaCRLIndicator (RFC 5280 §5.2.4): the list speaks of changes only.
        spec.extensions.push(extension("2.5.29.27".parse().unwrap(), true, &[2, 1, 1]));
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };
    "crl-signature", "a revocation list that is no DER": |scene| scene.revocation_lists[0].truncate(40);
    "not-revoked", "the ASK revoked": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        let list = crl_spec(hierarchy).revoke(&hierarchy.ask_serial()).sign(hierarchy.ark_key());
        scene.revocation_lists = vec![list];
    };
    "not-revoked", "the ASK revoked by an older list, beside a current one that is silent": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        let mut old = crl_spec(hierarchy).revoke(&hierarchy.ask_serial());
        old.next_update = Some(june_2026() - DAY);
        scene.revocation_lists.push(old.sign(hierarchy.ark_key()));
    };
    "not-revoked", "the ARK revoked": |scene| {
        let hierarchy = &scene.guest.hierarchy;
        let list = crl_spec(hierarchy).revoke(&hierarchy.ark_serial()).sign(hierarchy.ark_key());
        scene.revocation_lists = vec![list];
    };
    "crl-current", "no revocation list": |scene| scene.revocation_lists.clear();
    "crl-current", "a revocation list of another product": |scene| {
        let hierarchy = lab::amd::Hierarchy::new(Product::Genoa);
        scene.revocation_lists = vec![crl_spec(&hierarchy).sign(hierarchy.ark_key())];
    };
    "crl-current", "a revocation list that ended yesterday": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        spec.next_update = Some(june_2026() - DAY);
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };
    "crl-current", "a revocation list of tomorrow": |scene| {
        let mut spec = crl_spec(&scene.guest.hierarchy);
        spec.this_update = june_2026() + DAY;
        scene.revocation_lists = vec![spec.sign(scene.guest.hierarchy.ark_key())];
    };

    "vek-kind", "a VLEK certificate for a VCEK's report": |scene| {
        let mut spec = VekSpec::vlek(Product::Milan);
        spec.key_label = scene.guest.vek_spec.key_label.clone();
        let vlek = spec.issue(&scene.guest.hierarchy).der;
        scene.certificates = vec![vlek, scene.guest.hierarchy.asvk().to_vec(), scene.guest.hierarchy.ark().to_vec()];
    };
    "cpuid-product", "a Genoa processor under a Milan VCEK": |scene| {
        scene.guest.report.cpuid = Some(lab::amd::Cpuid::of(Product::Genoa));
    };
    "cpuid-product", "a processor that is not known": |scene| {
        scene.guest.report.cpuid = Some(lab::amd::Cpuid { family: 0x1A, model: 0x50, stepping: 0 });
    };
    "vek-tcb", "a VCEK for an older microcode": |scene| issue(scene, |spec| spec.tcb.ucode -= 1);
    "vek-tcb", "a VCEK for a newer boot loader": |scene| issue(scene, |spec| spec.tcb.bl += 1);
    "vek-tcb", "a reserved patch level set": |scene| issue(scene, |spec| spec.tcb.spl5 = 1);
    "chip-id", "a masked chip id": |scene| scene.guest.report.chip_id = [0; 64];
    "vek-hwid", "another chip": |scene| scene.guest.report.chip_id[63] ^= 1;
    "report-signature", "another VCEK's signature": |scene| {
        scene.guest.vek.key = EcKey::from_label("another chip");
    };
    "report-signature", "a measurement changed after signing": |scene| {
        let byte = scene.guest.report.measurement[0] ^ 1;
        scene.guest.report.patches_after = vec![(0x90, vec![byte])];
    };
    "challenge", "another challenge": |scene| scene.challenge[63] ^= 1;

    "no-debug", "a debug guest": |scene| scene.guest.report.policy |= 1 << 19;
    "no-migration-agent", "a policy that allows a migration agent": |scene| scene.guest.report.policy |= 1 << 18;
    "no-migration-agent", "a migration agent": |scene| scene.guest.report.report_id_ma = [7; 32];
    "policy-must-be-one", "bit 17 clear": |scene| scene.guest.report.policy &= !(1 << 17);
    "guest-policy", "no single socket where one is required": |scene| {
        scene.policy = report_policy(r#"require-guest-policy = ["single-socket"]"#);
    };
    "guest-policy", "SMT allowed where it is forbidden": |scene| {
        scene.policy = report_policy(r#"forbid-guest-policy = ["smt-allowed"]"#);
    };
    "abi-floor", "an older firmware interface than the minimum": |scene| {
        scene.policy = report_policy("minimum-abi = [1, 51]");
    };
    "vmpl", "a report requested at VMPL 1": |scene| scene.guest.report.vmpl = 1;
    "vmpl", "a policy of VMPL 2": |scene| scene.policy = report_policy("vmpl = 2");
    "smt-consistent", "SMT on, and a policy that forbids it": |scene| scene.guest.report.policy &= !(1 << 16);
    "rapl-consistent", "RAPL on, and a policy that forbids it": |scene| scene.guest.report.policy |= 1 << 23;
    "ciphertext-hiding-consistent", "ciphertext hiding off, and a policy that requires it": |scene| {
        scene.guest.report.policy |= 1 << 24;
    };
    "platform-info", "no TSME where it is required": |scene| {
        scene.policy = report_policy(r#"require-platform-info = ["tsme"]"#);
    };
    "platform-info", "SMT on where it is forbidden": |scene| {
        scene.policy = report_policy(r#"forbid-platform-info = ["smt"]"#);
    };
    "tcb-order", "a committed TCB above the current one": |scene| scene.guest.report.committed_tcb.snp += 1;
    "tcb-order", "a launch TCB above the current one": |scene| scene.guest.report.launch_tcb.bl += 1;
    "tcb-order", "a reported TCB above the current one": |scene| scene.guest.report.current_tcb.ucode -= 1;
    "tcb-floor", "a minimum above all three": |scene| scene.policy = tcb_floor(scene, 1);
    "tcb-floor", "a launch TCB below the minimum": |scene| {
        scene.policy = tcb_floor(scene, 0);
        scene.guest.report.launch_tcb.ucode -= 1;
    };
    "tcb-floor", "a committed TCB below the minimum": |scene| {
        scene.policy = tcb_floor(scene, 0);
        scene.guest.report.committed_tcb.snp -= 1;
    };
    "firmware-floor", "a minimum above the committed firmware": |scene| {
        scene.policy = report_policy("minimum-firmware = [1, 55, 255]");
    };
    "mitigations", "a mitigation that is off": |scene| scene.policy = report_policy("require-mitigations = 16");
    "id-key", "another ID key": |scene| scene.policy = allow("id-keys", &[1; 48]);
    "author-key", "another author key": |scene| scene.policy = allow("author-keys", &[1; 48]);
    "family-id", "another family": |scene| scene.policy = allow("family-ids", &[1; 16]);
    "image-id", "another image id": |scene| scene.policy = allow("image-ids", &[1; 16]);
    "guest-svn", "a guest SVN below the minimum": |scene| scene.policy = report_policy("minimum-guest-svn = 1");
    "host-data", "other host data": |scene| scene.policy = allow("host-data", &[1; 32]);

    "measurement-explained", "no launch inputs and no reference value": |scene| {
        scene.edit = |evidence| evidence.launch = None;
    };
    "image-documents", "another checksum file": |scene| {
        scene.guest.checksum_file = format!("{}  measurement.snp.cbor\n", "00".repeat(32)).into_bytes();
    };
    "image-documents", "a checksum file that does not list the document": |scene| {
        scene.guest.checksum_file = format!("{}  bzImage\n", "00".repeat(32)).into_bytes();
    };
    "image-documents", "a measurement document that is not the listed one": |scene| {
        scene.edit = |evidence| {
            if let LaunchSource::Image(documents) = &mut evidence.launch.as_mut().unwrap().source {
                documents.measurement.push(0);
            }
        };
    };
    "launch-parameters", "a document of another version": |scene| {
        // The version is the first value of the map: "version" and a small integer.
        let at = 1 + 1 + "version".len();
        scene.guest.measurement_cbor[at] = 4;
        list_measurement(scene);
    };
    "appended-cmdline", "another init appended": |scene| scene.append = Some("init=/bin/sh".to_owned());
    "appended-cmdline", "another root file system appended": |scene| {
        scene.append = Some(format!("dstack.rootfs_hash={}", "00".repeat(32)));
    };
    "cmdline-identity", "one identity token twice": |scene| {
        let token = format!("dstack.app_id={}", "11".repeat(20));
        append_measured(scene, format!("{token} {token}"));
    };
    "cmdline-identity", "an identity token of another length": |scene| {
        append_measured(scene, format!("dstack.app_id={}", "11".repeat(19)));
    };
    "rootfs-measured", "a command line that pins no root file system": |scene| {
        scene.guest.cmdline = "console=ttyS0".to_owned();
        scene.guest.seal_image();
        scene.guest.seal_launch();
    };
    "launch-measurement", "one vCPU more": |scene| scene.guest.vcpus += 1;
    "launch-measurement", "another vCPU type": |scene| scene.guest.vcpu_type = "EPYC-Genoa".to_owned();
    "launch-measurement", "other guest features": |scene| scene.guest.guest_features |= 1 << 5;
    "launch-measurement", "a vCPU type that is not known": |scene| scene.guest.vcpu_type = "EPYC-v99".to_owned();
    "launch-measurement", "another kernel in the image": |scene| {
        scene.guest.kernel.push(0);
        scene.guest.seal_image();
    };
    "launch-measurement", "another initrd in the image": |scene| {
        scene.guest.initrd.push(0);
        scene.guest.seal_image();
    };
    "launch-measurement", "another command line in the image": |scene| {
        scene.guest.cmdline.push_str(" quiet");
        scene.guest.seal_image();
    };
    "launch-measurement", "another firmware in the image": |scene| {
        scene.guest.firmware[0] ^= 1;
        scene.guest.seal_image();
    };
    "launch-measurement", "an application appended that was not measured": |scene| {
        scene.append = Some(format!("dstack.app_id={}", "11".repeat(20)));
    };
    "host-data-document", "another application in the document": |scene| {
        scene.guest.mr_config = scene.guest.mr_config.replacen("app_id\":\"", "app_id\":\"0", 1);
    };
    "host-data-document", "white space in the document": |scene| scene.guest.mr_config.push(' ');
    "mr-config", "a document of another version": |scene| {
        scene.guest.mr_config = scene.guest.mr_config.replace("\"version\":3", "\"version\":4");
        scene.guest.seal_launch();
    };
    "lanes-agree", "another application on the command line than in the document": |scene| {
        append_measured(scene, format!("dstack.app_id={}", "11".repeat(20)));
    };
    "lanes-agree", "another key management root on the command line than in the document": |scene| {
        append_measured(scene, format!("dstack.kms_root_pubkey_hash={}", "11".repeat(32)));
    };
    "image-listed", "an image that the relying party does not list": |scene| {
        scene.policy = format!("[reference-values]\nos-image-hash = [\"{}\"]\n", "00".repeat(32));
    };
    "image-listed", "no image where the relying party lists images": |scene| {
        scene.policy = format!(
            "[reference-values]\nos-image-hash = [\"{}\"]\nmeasurements = [\"{}\"]\n",
            "00".repeat(32),
            hex::encode(scene.guest.report.measurement)
        );
        scene.edit = |evidence| evidence.launch = None;
    };
    "measurement-listed", "a measurement that the relying party does not list": |scene| {
        scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "00".repeat(48));
    };
}

#[test]
fn the_scene_is_accepted_on_every_product() {
    for product in Product::ALL {
        let result = Scene::new(product).judge().unwrap();
        assert_eq!(result.cpu.claims.product, product.name());
        assert!(result.boot_info.is_some());
    }
}

#[test]
fn every_case_fails_its_check_and_no_other() {
    let mut wrong = Vec::new();
    for Case { check, defect, make } in CASES {
        let mut scene = Scene::new(Product::Milan);
        make(&mut scene);
        let found = failed_check(scene.judge());
        if found != *check {
            wrong.push(format!("{defect}: expected {check}, found {found}"));
        }
    }
    assert_eq!(wrong, [""; 0], "{} of {} cases", wrong.len(), CASES.len());
}

/// A Turin chip is known by 8 bytes: the other 56 of CHIP_ID must be zero.
#[test]
fn on_turin_the_rest_of_the_chip_id_is_zero() {
    let mut scene = Scene::new(Product::Turin);
    scene.guest.report.chip_id[8] = 1;
    assert_eq!(failed_check(scene.judge()), "vek-hwid");
}

#[test]
fn on_turin_the_first_mutable_code_is_part_of_the_tcb() {
    let mut scene = Scene::new(Product::Turin);
    scene.guest.vek_spec.tcb.fmc = scene.guest.vek_spec.tcb.fmc.map(|fmc| fmc + 1);
    scene.guest.issue_vek();
    scene.certificates = scene.guest.chain();
    assert_eq!(failed_check(scene.judge()), "vek-tcb");
}

/// Without the danger key unknown revocation is refused (see the cases); with it the ledger shows the gap.
#[test]
fn unknown_revocation_is_accepted_by_its_danger_key_alone_and_shows() {
    let mut scene = Scene::new(Product::Milan);
    scene.revocation_lists.clear();
    scene.policy = report_policy("danger-accept-unknown-revocation = true");
    let result = scene.judge().unwrap();
    assert!(result.cpu.ledger.gaps().any(|(check, _)| check.name() == "crl-current"));

    scene.policy = format!("require-checks = [\"crl-current\"]\n{}", scene.policy);
    assert_eq!(scene.judge().unwrap_err().kind(), backend_api::ErrorKind::PolicyViolation);
}

/// The danger key is about lists that are absent or old, not about what they say.
#[test]
fn no_key_accepts_a_revoked_authority() {
    let mut scene = Scene::new(Product::Milan);
    let hierarchy = &scene.guest.hierarchy;
    let mut list = crl_spec(hierarchy).revoke(&hierarchy.ask_serial());
    list.next_update = Some(june_2026() - DAY);
    scene.revocation_lists = vec![list.sign(hierarchy.ark_key())];
    scene.policy = report_policy("danger-accept-unknown-revocation = true");
    assert_eq!(failed_check(scene.judge()), "not-revoked");
}

/// Reserved fields are signed: firmware newer than this code may set them, and only a policy refuses that.
#[test]
fn signed_reserved_fields_are_accepted_and_shown() {
    let mut scene = Scene::new(Product::Milan);
    scene.guest.report.patches = vec![(0x208, vec![1])];
    let result = scene.judge().unwrap();
    assert!(result.cpu.ledger.gaps().any(|(check, _)| check.name() == "report-reserved-zero"));
    assert_eq!(result.cpu.claims.details["reserved-set"], true);
}

#[test]
fn identity_tokens_that_were_measured_are_bound() {
    let mut scene = Scene::new(Product::Milan);
    scene.guest.mr_config.clear();
    scene.edit = |evidence| evidence.mr_config = None;
    append_measured(
        &mut scene,
        format!(
            "dstack.app_id={} dstack.compose_hash={} dstack.kms_root_pubkey_hash={}",
            "11".repeat(20),
            "22".repeat(32),
            "33".repeat(32)
        ),
    );
    let result = scene.judge().unwrap();
    let lane = |field| result.cpu.identity.iter().find(|(known, _)| *known == field).unwrap().1.clone();
    use backend_api::{Field, Lane};
    for (field, value) in [
        (Field::AppId, vec![0x11; 20]),
        (Field::ComposeHash, vec![0x22; 32]),
        (Field::KmsRootKeyHash, vec![0x33; 32]),
    ] {
        assert_eq!(lane(field).value, value);
        assert_eq!(lane(field).lane, Lane::MeasuredCommandLine);
    }
    assert_eq!(lane(Field::OsImageHash).lane, Lane::LaunchMeasurement);
    assert_eq!(lane(Field::RootfsHash).lane, Lane::MeasuredCommandLine);
}

#[test]
fn an_unmeasured_root_file_system_is_accepted_by_its_danger_key_alone() {
    let mut scene = Scene::new(Product::Milan);
    scene.guest.cmdline = "console=ttyS0".to_owned();
    scene.guest.seal_image();
    scene.guest.seal_launch();
    scene.policy = "[backend.baremetal-snp.launch]\ndanger-accept-unmeasured-rootfs = true\n".to_owned();
    let result = scene.judge().unwrap();
    assert!(result.cpu.ledger.gaps().any(|(check, _)| check.name() == "rootfs-measured"));
}

fn report_policy(line: &str) -> String {
    format!("[backend.baremetal-snp.report]\n{line}\n")
}

fn allow(list: &str, value: &[u8]) -> String {
    report_policy(&format!("{list} = [\"{}\"]", hex::encode(value)))
}

fn tcb_floor(scene: &Scene, above: u8) -> String {
    let tcb = scene.guest.report.reported_tcb;
    report_policy(&format!(
        "minimum-tcb.milan = {{ bootloader = {}, tee = {}, snp = {}, microcode = {} }}",
        tcb.bl,
        tcb.tee,
        tcb.snp,
        tcb.ucode + above
    ))
}

/// Issues the VCEK again with one change.
fn issue(scene: &mut Scene, change: fn(&mut VekSpec)) {
    change(&mut scene.guest.vek_spec);
    scene.guest.issue_vek();
    scene.certificates = scene.guest.chain();
}

/// Appends to the command line and measures what was appended.
fn append_measured(scene: &mut Scene, append: String) {
    let image_cmdline = scene.guest.cmdline.clone();
    scene.guest.cmdline = format!("{image_cmdline} {append}");
    scene.guest.seal_launch();
    scene.guest.cmdline = image_cmdline;
    scene.append = Some(append);
}

/// Lists the changed measurement document in the checksum file.
fn list_measurement(scene: &mut Scene) {
    let hash = evidence_dstack::image::os_image_hash(&scene.guest.measurement_cbor);
    scene.guest.checksum_file = format!("{}  measurement.snp.cbor\n", hex::encode(hash)).into_bytes();
}
