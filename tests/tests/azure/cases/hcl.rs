//! The payload, the report of the paravisor, the processor's report in it, the runtime data.

use super::*;

cases! {
    "payload", "a byte after the payload": |scene| scene.edit_bytes = |bytes| bytes.push(0);
    "payload", "a payload that ends early": |scene| scene.edit_bytes = |bytes| _ = bytes.pop();
    "payload", "a report of the paravisor that is larger than any": |scene| {
        scene.edit = |evidence| evidence.hcl_report.resize(4097, 0);
    };
    "payload", "a certificate that is larger than its index": |scene| {
        scene.edit = |evidence| evidence.ak_certificate.as_mut().unwrap().resize(4097, 0);
    };
    "payload", "seventeen certificates": |scene| {
        scene.edit = |evidence| evidence.certificates.resize(17, Vec::new().into());
    };
    "hcl-format", "another signature": |scene| patch_hcl(scene, 0, b"HCLB");
    "hcl-format", "version 3": |scene| patch_hcl(scene, 4, &[3]);
    "hcl-format", "version 0": |scene| patch_hcl(scene, 4, &[0]);
    "hcl-format", "another size of the whole": |scene| patch_hcl(scene, 8, &[0]);
    "hcl-format", "another size of the data": |scene| patch_hcl(scene, 1216, &[0]);
    "hcl-format", "data of version 2": |scene| scene.guest.hcl.data_version = 2;
    "hcl-format", "a byte behind the runtime data": |scene| patch_hcl(scene, 2599, &[1]);
    "hcl-format", "runtime data that pass the report's end": |scene| patch_hcl(scene, 1232, &[0xFF, 0xFF]);
    "hcl-format", "a report that ends in its header": |scene| scene.edit = |evidence| evidence.hcl_report.truncate(20);
    "hcl-report-type", "a report of TDX as one of SEV-SNP": |scene| scene.guest.hcl.report_type = 4;
    "hcl-report-type", "a report of SEV-SNP as one of TDX", of Scene::tdx: |scene| scene.guest.hcl.report_type = 2;
    "hcl-report-type", "a report of VBS": |scene| scene.guest.hcl.report_type = 1;
    "hcl-report-type", "evidence of SEV-SNP under the name of TDX": |scene| {
        scene.media_type = Some(media_type(Tee::Tdx, Profile::V1));
    };
    "hcl-hash-type", "SHA-384": |scene| scene.guest.hcl.hash_type = 2;
    "td-quote-present", "no TD quote", of Scene::tdx: |scene| scene.edit = |evidence| evidence.td_quote = None;
    "td-quote-present", "a TD quote beside an SNP report": |scene| {
        scene.edit = |evidence| evidence.td_quote = Some(vec![0; 32].into());
    };
    "td-report-quoted", "a TD report that is another than the quoted one", of Scene::tdx: |scene| {
        scene.guest.td_report_patches = vec![(528, vec![0xEE])];
    };
    "td-report-quoted", "a report of another type", of Scene::tdx: |scene| {
        scene.guest.td_report_patches = vec![(0, vec![0])];
    };
    "td-report-quoted", "a report of another subtype", of Scene::tdx: |scene| {
        scene.guest.td_report_patches = vec![(1, vec![1])];
    };
    "td-report-quoted", "bytes behind the TD report", of Scene::tdx: |scene| patch_hcl(scene, 1215, &[1]);
    "td-registers", "a firmware that extends RTMR0", of Scene::tdx: |scene| td_body(scene).rtmr0[0] = 1;
    "td-registers", "a guest that extends RTMR3", of Scene::tdx: |scene| td_body(scene).rtmr3[47] = 1;
    "td-report-quoted", "report data other than the quoted", of Scene::tdx: |scene| {
        scene.guest.td_report_patches = vec![(128, vec![0xEE])];
    };
    "runtime-data", "a key that stands twice": |scene| {
        scene.guest.runtime_data.appended = r#","user-data":"00""#.to_owned();
    };
    "runtime-data", "a key that stands twice in the configuration": |scene| {
        scene.guest.runtime_data.user_data = None;
        scene.guest.runtime_data.appended = r#","more":{"a":1,"a":2}"#.to_owned();
    };
    "runtime-data", "runtime data that are no JSON": |scene| {
        scene.guest.runtime_data.appended = "}".to_owned();
    };
    "runtime-data", "user-data of 63 bytes": |scene| {
        scene.guest.runtime_data.user_data = None;
        scene.guest.runtime_data.appended = format!(r#","user-data":"{}""#, "00".repeat(63));
    };
    "runtime-data", "a configuration that is none": |scene| {
        scene.guest.runtime_data.vm_configuration = json!([]);
    };
    "ak-key", "no attestation key": |scene| scene.guest.runtime_data.key["kid"] = json!("HCLTransferKey");
    "ak-key", "two attestation keys": |scene| {
        let mut key = scene.guest.runtime_data.key.clone();
        key["n"] = json!("AQAB");
        scene.guest.runtime_data.more_keys.push(key);
    };
    "ak-key", "an exponent of three": |scene| scene.guest.runtime_data.key["e"] = json!("Aw");
    "ak-key", "a modulus of 1024 bits": |scene| scene.guest.runtime_data.modulus.truncate(128);
    "ak-key", "a modulus with leading zero bits": |scene| scene.guest.runtime_data.modulus[0] = 0x7F;
    "ak-key", "a key of another kind": |scene| scene.guest.runtime_data.key["kty"] = json!("EC");
    "vm-configuration", "no vTPM": |scene| scene.guest.runtime_data.vm_configuration["tpm-enabled"] = json!(false);
    "vm-configuration", "no word of a vTPM": |scene| {
        scene.guest.runtime_data.vm_configuration = json!({ "console-enabled": true });
    };
    "vm-configuration", "an interactive console": |scene| {
        scene.guest.runtime_data.vm_configuration["interactive-console-enabled"] = json!(true);
    };
    "vm-configuration", "devices that are filtered alone": |scene| {
        scene.guest.runtime_data.vm_configuration["filtered-vpci-devices-allowed"] = json!(true);
    };
    "vm-configuration", "a flag that is neither true nor false": |scene| {
        scene.guest.runtime_data.vm_configuration["interactive-console-enabled"] = json!("no");
    };
    "vm-configuration", "no Secure Boot where the policy requires it", of secure_boot: |scene| {
        scene.guest.runtime_data.vm_configuration["secure-boot"] = json!(false);
    };
    "vm-configuration", "no word of Secure Boot where the policy requires it", of secure_boot: |scene| {
        scene.guest.runtime_data.vm_configuration = json!({ "tpm-enabled": true });
    };
    "vm-configuration", "a vTPM that is kept where the policy says otherwise", of not_persisted: |scene| {
        scene.guest.runtime_data.vm_configuration["tpm-persisted"] = json!(true);
    };
    "vm-configuration", "a report of an earlier boot, where the policy requires Secure Boot", of coco_secure_boot: |scene| {
        scene.guest.runtime_data.user_data = None;
    };
    "payload", "more values of registers than a TPM has": |scene| {
        scene.edit = |evidence| evidence.pcrs.resize(25, vec![0; 32].into());
    };
    // The shared checks of the processor's report, as far as this backend wires them.
    "report-data", "runtime data that were changed after the report": |scene| {
        scene.edit = |evidence| evidence.hcl_report[1240] ^= 1;
    };
    "report-data", "the modulus of another key in the runtime data": |scene| {
        scene.edit = |evidence| {
            let at = evidence.hcl_report.windows(5).position(|bytes| bytes == b"\"n\":\"").unwrap();
            evidence.hcl_report[at + 5] ^= 1;
        };
    };
    "report-data", "runtime data that were changed after the TD quote", of Scene::tdx: |scene| {
        scene.edit = |evidence| evidence.hcl_report[1240] ^= 1;
    };
    "vmpl", "a report that the guest asked for, and not the paravisor": |scene| report(scene).vmpl = 2;
    "no-debug", "an SNP guest that can be debugged": |scene| report(scene).policy |= 1 << 19;
    "no-debug", "a TD that can be debugged", of Scene::tdx: |scene| td_body(scene).td_attributes |= 1;
    "no-migration-agent", "a guest that can be moved": |scene| report(scene).policy |= 1 << 18;
    "id-key", "a paravisor that Microsoft did not launch": |scene| report(scene).id_key_digest[0] ^= 1;
    "id-key", "a paravisor that Microsoft did not launch, where the policy asks for something else", of svn: |scene| {
        report(scene).id_key_digest[0] ^= 1;
    };
    "id-key", "a paravisor without an ID key": |scene| report(scene).id_key_digest = [0; 48];
    "guest-svn", "an older paravisor than the policy's oldest", of svn: |scene| report(scene).guest_svn = 9;
    "report-signature", "a report that was changed after signing": |scene| {
        scene.edit = |evidence| evidence.hcl_report[32 + 0x90] ^= 1;
    };
    "signing-key", "a report signed by a VLEK": |scene| report(scene).signer_info = 4;
    "module-signer", "a TDX module that Intel did not sign", of Scene::tdx: |scene| td_body(scene).mr_signer_seam = [1; 48];
    "host-fields", "a TD whose host names a configuration", of Scene::tdx: |scene| td_body(scene).mr_config_id = [1; 48];
    "quote-signature", "a TD quote that was changed after signing", of Scene::tdx: |scene| {
        scene.edit = |evidence| evidence.td_quote.as_mut().unwrap()[48 + 136] ^= 1;
    };
}

pub(crate) fn secure_boot() -> Scene {
    let mut scene = Scene::snp();
    scene.policy = "[backend.azure.vm-configuration]\nrequire-secure-boot = true\n".to_owned();
    scene
}

fn coco_secure_boot() -> Scene {
    let mut scene = quote::coco();
    scene.policy = "[backend.azure.vm-configuration]\nrequire-secure-boot = true\n".to_owned();
    scene
}

fn not_persisted() -> Scene {
    let mut scene = Scene::snp();
    scene.policy = "[backend.azure.vm-configuration]\ntpm-persisted = false\n".to_owned();
    scene
}

fn svn() -> Scene {
    let mut scene = Scene::snp();
    scene.policy = "[backend.azure.report]\nminimum-guest-svn = 10\n".to_owned();
    scene
}
