//! The report itself, and how its endorsement fits it.

use super::*;

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
    "report-data", "another challenge": |scene| scene.challenge[63] ^= 1;
}
