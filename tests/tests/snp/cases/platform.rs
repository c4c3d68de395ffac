//! The guest, the platform and the ID block.

use super::*;

cases! {
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
    "tcb-floor", "a minimum for another product only": |scene| {
        scene.policy =
            report_policy("minimum-tcb.genoa = { bootloader = 0, tee = 0, snp = 0, microcode = 0 }");
    };
    "firmware-floor", "a minimum above the committed firmware": |scene| {
        scene.policy = report_policy("minimum-firmware = [1, 55, 255]");
    };
    "mitigations", "a mitigation that is off": |scene| scene.policy = report_policy("require-mitigations = 16");
    "id-key", "another ID key": |scene| scene.policy = allow("id-keys", &[1; 48]);
    "author-key", "another author key": |scene| scene.policy = allow("author-keys", &[1; 48]);
    "author-key", "an allowed author key that is not enabled": |scene| {
        scene.guest.report.author_key_digest = [1; 48];
        scene.policy = allow("author-keys", &[1; 48]);
    };
    "family-id", "another family id in the ID block": |scene| {
        id_block(scene, "family-ids = [\"01010101010101010101010101010101\"]");
    };
    "image-id", "another image id in the ID block": |scene| {
        id_block(scene, "image-ids = [\"01010101010101010101010101010101\"]");
    };
    "guest-svn", "a guest SVN below the minimum": |scene| id_block(scene, "minimum-guest-svn = 1");
    "host-data", "other host data": |scene| scene.policy = allow("host-data", &[1; 32]);
}
