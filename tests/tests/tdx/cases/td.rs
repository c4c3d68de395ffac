//! What the TD is, and what its host set.

use super::*;

cases! {
    "no-debug", "a TD that can be debugged": |scene| attribute(scene, 0);
    "no-debug", "a TD that can be profiled": |scene| attribute(scene, 4);
    "no-debug", "a reserved bit of the same group": |scene| attribute(scene, 7);
    "attributes-reserved", "a reserved attribute": |scene| attribute(scene, 40);
    "not-migratable", "a TD that can be migrated": |scene| attribute(scene, 29);
    "sept-ve-disable", "a TD in which the host can raise exceptions": |scene| {
        scene.guest.quote.body.td_attributes &= !(1 << 28);
    };
    "attributes", "Key Locker": |scene| attribute(scene, 31);
    "attributes", "performance counters": |scene| attribute(scene, 63);
    "attributes", "an agent that provisions devices": |scene| attribute(scene, 62);
    "attributes", "another attribute than the one that the policy allows", after key_locker: |scene| {
        attribute(scene, 63);
    };
    "xfam", "no SSE": |scene| scene.guest.quote.body.xfam &= !2;
    "xfam", "no x87": |scene| scene.guest.quote.body.xfam &= !1;
    "xfam", "a feature that TDX does not know": |scene| scene.guest.quote.body.xfam |= 1 << 3;
    "module-signer", "another signer of the TDX module": |scene| scene.guest.quote.body.mr_signer_seam[47] = 1;
    "module-signer", "a TDX module with an attribute": |scene| scene.guest.quote.body.seam_attributes = 1;
    "module", "another TDX module than the listed one", after listed_module: |scene| {
        scene.guest.quote.body.mr_seam[0] ^= 1;
    };
    "service-td", "a service TD", after td15: |scene| scene.guest.quote.body.mr_service_td = [7; 48];
    "service-td", "a service TD of a TD with the larger report", after td15_extended: |scene| {
        scene.guest.quote.body.mr_service_td = [7; 48];
    };
    "service-td", "service TDs that may come after the launch, in a report that does not say which": |scene| {
        attribute(scene, 17);
        scene.policy = quote_policy(r#"allow-attributes = ["service-td-extension"]"#);
    };
    "service-td", "service TDs that may come after the launch, and a policy that lists none", after td15_extended: |scene| {
        attribute(scene, 17);
        scene.policy = quote_policy(r#"allow-attributes = ["service-td-extension"]"#);
    };
    "service-td", "another service TD that came after the launch than the listed one", after late_service_td: |scene| {
        scene.guest.quote.body.cur_servtd_hash[0] ^= 1;
    };
    "service-td", "another service TD than the listed one", after listed_service_td: |scene| {
        scene.guest.quote.body.mr_service_td[0] ^= 1;
    };
    "service-td", "no service TD where one is listed", after listed_service_td: |scene| {
        scene.guest.quote.body.mr_service_td = [0; 48];
    };
    "service-td", "a report without a field for service TDs where one is listed", after listed_service_td: |scene| {
        scene.guest = scene.guest.clone().with_form(4, BodyType::Td10);
    };
    "host-fields", "another MRCONFIGID than the listed one", after listed_fields: |scene| {
        scene.guest.launch.config_id = ConfigId::V1;
        scene.guest.seal_launch();
    };
    "host-fields", "another MROWNER than the listed one", after listed_fields: |scene| {
        scene.guest.quote.body.mr_owner[0] ^= 1;
    };
    "host-fields", "another MROWNERCONFIG than the listed one", after listed_fields: |scene| {
        scene.guest.quote.body.mr_owner_config[0] ^= 1;
    };
    "host-fields", "an MROWNER": |scene| scene.guest.quote.body.mr_owner[47] = 1;
    "host-fields", "an MROWNERCONFIG": |scene| scene.guest.quote.body.mr_owner_config[0] = 1;
}

fn attribute(scene: &mut Scene, bit: u32) {
    scene.guest.quote.body.td_attributes |= 1 << bit;
}

pub(crate) fn key_locker(scene: &mut Scene) {
    attribute(scene, 31);
    scene.policy = quote_policy(r#"allow-attributes = ["key-locker"]"#);
}

pub(crate) fn listed_module(scene: &mut Scene) {
    scene.policy = quote_policy(&format!("modules = [\"{}\"]", hex::encode(scene.guest.quote.body.mr_seam)));
}

pub(crate) fn td15_extended(scene: &mut Scene) {
    scene.guest = scene.guest.clone().with_form(5, BodyType::Td15Ex);
}

pub(crate) fn listed_service_td(scene: &mut Scene) {
    td15(scene);
    scene.guest.quote.body.mr_service_td = [7; 48];
    scene.policy = quote_policy(&format!("service-tds = [\"{}\"]", "07".repeat(48)));
}

/// A service TD that may be bound, and another that was bound after the launch, both listed.
pub(crate) fn late_service_td(scene: &mut Scene) {
    listed_service_td(scene);
    td15_extended(scene);
    attribute(scene, 17);
    scene.guest.quote.body.cur_servtd_hash = [8; 48];
    scene.policy = quote_policy(&format!(
        "allow-attributes = [\"service-td-extension\"]\nservice-tds = [\"{}\", \"{}\"]",
        "07".repeat(48),
        "08".repeat(48)
    ));
}

/// MRCONFIGID, MROWNER and MROWNERCONFIG, each of which the policy lists.
pub(crate) fn listed_fields(scene: &mut Scene) {
    let body = &mut scene.guest.quote.body;
    body.mr_owner = [1; 48];
    body.mr_owner_config = [2; 48];
    scene.policy = quote_policy(&format!(
        "mr-config-ids = [\"{}\"]\nmr-owners = [\"{}\"]\nmr-owner-configs = [\"{}\"]",
        hex::encode(body.mr_config_id),
        "01".repeat(48),
        "02".repeat(48)
    ));
}
