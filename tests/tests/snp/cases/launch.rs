//! What the launch binds.

use super::*;

cases! {
    "measurement-known", "no launch inputs and no reference value": |scene| {
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
    "guest-features", "a feature that the policy does not allow": |scene| {
        scene.guest.guest_features = 0b11;
        scene.guest.seal_launch();
    };
    "guest-features", "no feature but the one that the policy allows": |scene| {
        scene.policy = "[backend.baremetal-snp.launch]\nguest-features = [33]\n".to_owned();
    };
    "appended-cmdline", "a line feed before an identity token": |scene| {
        append_measured(scene, format!("\ndstack.app_id={}", "11".repeat(20)));
    };
    "appended-cmdline", "more than one space before an identity token": |scene| {
        append_measured(scene, format!(" dstack.app_id={}", "11".repeat(20)));
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
    "cmdline-identity", "a line feed, at which a kernel started through UEFI stops reading": |scene| {
        scene.guest.cmdline = scene.guest.cmdline.replacen(' ', "\n", 1);
        scene.guest.seal_image();
        scene.guest.seal_launch();
    };
    "cmdline-identity", "a command line that is longer than the kernel reads": |scene| {
        scene.guest.cmdline.push_str(&" ".repeat(2048 - scene.guest.cmdline.len()));
        scene.guest.cmdline.push('x');
        scene.guest.seal_image();
        scene.guest.seal_launch();
    };
    "rootfs-measured", "a command line that pins no root file system": |scene| {
        scene.guest.cmdline = "console=ttyS0".to_owned();
        scene.guest.seal_image();
        scene.guest.seal_launch();
    };
    "launch-measurement", "one vCPU more": |scene| scene.guest.vcpus += 1;
    "launch-measurement", "another vCPU type": |scene| scene.guest.vcpu_type = "EPYC-Genoa".to_owned();
    "launch-measurement", "other guest features": |scene| {
        scene.guest.guest_features = 33;
        scene.policy = "[backend.baremetal-snp.launch]\nguest-features = [33]\n".to_owned();
    };
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
    "host-data-document", "a document left out, and an identity on the command line instead": |scene| {
        append_measured(scene, format!("dstack.app_id={}", "11".repeat(20)));
        scene.edit = |evidence| evidence.mr_config = None;
        scene.policy = "[backend.baremetal-snp.launch]\naccept-cmdline-identity = true\n".to_owned();
    };
    "cmdline-accepted", "an identity on the command line alone, and a policy that does not take it": |scene| {
        cmdline_alone(scene, format!("dstack.app_id={}", "11".repeat(20)));
        scene.policy.clear();
    };
    "mr-config", "a key management system without an id": |scene| {
        let document = &scene.guest.mr_config;
        let (before, after) = document.split_once("\"key_provider_id\":\"").unwrap();
        let (_, after) = after.split_once("\",").unwrap();
        scene.guest.mr_config = format!("{before}{after}");
        scene.guest.seal_launch();
    };
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
    "lanes-agree", "an application on the command line that the document leaves open": |scene| {
        let app_id = scene.guest.mr_config.split_inclusive("\",").next().unwrap().trim_start_matches('{').to_owned();
        assert!(app_id.starts_with("\"app_id\""), "the document starts with the application");
        scene.guest.mr_config = scene.guest.mr_config.replacen(&app_id, "", 1);
        append_measured(scene, format!("dstack.app_id={}", "11".repeat(20)));
    };
    "lanes-agree", "a key management root on the command line, and none in the document": |scene| {
        let compose = "22".repeat(32);
        scene.guest.mr_config =
            format!(r#"{{"compose_hash":"{compose}","key_provider":"none","version":3}}"#);
        append_measured(scene, format!("dstack.kms_root_pubkey_hash={}", "11".repeat(32)));
    };
    "lanes-agree", "another composition on the command line than in the document": |scene| {
        append_measured(scene, format!("dstack.compose_hash={}", "11".repeat(32)));
    };
    "lanes-agree", "another instance on the command line than in the document": |scene| {
        append_measured(scene, format!("dstack.instance_id={}", "11".repeat(20)));
    };
    "measurement-listed", "a measurement that the relying party does not list": |scene| {
        scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "00".repeat(48));
    };
}
