//! The runtime events, MRCONFIGID, and the relying party's own values.

use backend_tdx::LoggedEvent;
use lab::intel::launch::Event;

use super::*;

cases! {
    "runtime-log", "an event of version 3": |scene| scene.edit = |evidence| evidence.runtime_events[1].version = 3;
    "runtime-log", "an event with a larger payload than is read": |scene| {
        scene.edit = |evidence| evidence.runtime_events[7].payload.resize(64 * 1024 + 1, 0);
    };
    "runtime-replay", "an event left out": |scene| scene.edit = |evidence| drop(evidence.runtime_events.remove(3));
    "runtime-replay", "the last event left out": |scene| scene.edit = |evidence| _ = evidence.runtime_events.pop();
    "runtime-replay", "every event left out": |scene| scene.edit = |evidence| evidence.runtime_events.clear();
    "runtime-replay", "two events in another order": |scene| scene.edit = |evidence| evidence.runtime_events.swap(1, 2);
    "runtime-replay", "an event twice": |scene| {
        scene.edit = |evidence| {
            let last = evidence.runtime_events[7].clone();
            evidence.runtime_events.push(last);
        };
    };
    "runtime-replay", "another application": |scene| scene.edit = |evidence| evidence.runtime_events[1].payload[0] ^= 1;
    "runtime-replay", "an event of the application under another name": |scene| {
        scene.edit = |evidence| evidence.runtime_events[7].name.push('x');
    };
    "runtime-replay", "an event that says it is of the other version": |scene| {
        scene.edit = |evidence| evidence.runtime_events[1].version = 2;
    };
    "runtime-replay", "another RTMR3": |scene| scene.guest.quote.body.rtmr3[0] ^= 1;
    "launch-events", "no system-ready": |scene| events(scene, |launch| launch.remove_event("system-ready"));
    "launch-events", "system-ready twice": |scene| {
        events(scene, |launch| launch.events.push(Event::new("system-ready", b"")));
    };
    "launch-events", "system-ready with a payload": |scene| {
        events(scene, |launch| launch.event("system-ready").payload.push(0));
    };
    "launch-events", "boot-mr-done after system-ready": |scene| {
        events(scene, |launch| launch.events.push(Event::new("boot-mr-done", b"")));
        scene.guest.launch.events.remove(4);
        scene.guest.seal_events();
    };
    "launch-events", "an application twice": |scene| {
        events(scene, |launch| launch.events.insert(2, Event::new("app-id", &[1; 20])));
    };
    "launch-events", "a name of the launch in upper case": |scene| {
        events(scene, |launch| launch.events.insert(6, Event::new("Storage", b"")));
    };
    "launch-events", "a colon that moved from the payload into the name, where the digest does not tell", after colon: |scene| {
        scene.edit = |evidence| {
            let LoggedEvent { name, payload, .. } = &mut evidence.runtime_events[6];
            name.push_str(":a");
            payload.drain(..2);
        };
    };
    "launch-events", "a guest that boots where one that runs is asked for", after booting: |scene| scene.policy.clear();
    "launch-events", "a guest that runs where one that boots is asked for", after booting: |scene| {
        events(scene, |launch| launch.events.push(Event::new("system-ready", b"")));
    };
    "launch-events", "a guest that boots and has not measured its application", after booting: |scene| {
        events(scene, |launch| launch.remove_event("boot-mr-done"));
    };
    "launch-events", "nothing extended where a guest that runs is asked for", after ready: |scene| {
        events(scene, |launch| launch.events.clear());
    };
    "application-events", "a guest that boots and has a key provider", after booting: |scene| {
        events(scene, |launch| launch.events.push(Event::new("key-provider", b"{}")));
    };
    "application-events", "no application": |scene| events(scene, |launch| launch.remove_event("app-id"));
    "application-events", "no key provider": |scene| events(scene, |launch| launch.remove_event("key-provider"));
    "application-events", "an event before system-preparing": |scene| {
        events(scene, |launch| launch.events.insert(0, Event::new("before", b"")));
    };
    "application-events", "the composition before the application": |scene| {
        events(scene, |launch| launch.events.swap(1, 2));
    };
    "application-events", "an application id of 19 bytes": |scene| {
        events(scene, |launch| _ = launch.event("app-id").payload.pop());
    };
    "key-provider", "a key provider that dstack does not have": |scene| {
        events(scene, |launch| launch.event("key-provider").payload = br#"{"name":"hsm","id":""}"#.to_vec());
    };
    "key-provider", "a key management system without its key": |scene| {
        events(scene, |launch| launch.event("key-provider").payload = br#"{"name":"kms","id":""}"#.to_vec());
    };
    "key-provider", "a key provider with a member that is not known": |scene| {
        events(scene, |launch| {
            launch.event("key-provider").payload = br#"{"name":"none","id":"","x":1}"#.to_vec();
        });
    };
    "mr-config-id", "a form that dstack does not have": |scene| scene.guest.quote.body.mr_config_id[0] = 4;
    "mr-config-id", "something after the hash": |scene| scene.guest.quote.body.mr_config_id[47] = 1;
    "mr-config-id", "form 1 and another composition", after form_1: |scene| {
        events(scene, |launch| launch.event("compose-hash").payload[0] ^= 1);
    };
    "mr-config-id", "form 2 and another composition", after form_2: |scene| {
        events(scene, |launch| launch.event("compose-hash").payload[0] ^= 1);
    };
    "mr-config-id", "form 2 and another application", after form_2: |scene| {
        events(scene, |launch| launch.event("app-id").payload[0] ^= 1);
    };
    "mr-config-id", "form 2 and another key management system", after form_2: other_kms;
    "mr-config-id", "form 2 and another kind of key provider", after form_2: |scene| {
        events(scene, |launch| {
            let payload = &mut launch.event("key-provider").payload;
            *payload = String::from_utf8(payload.clone()).unwrap().replace("\"kms\"", "\"tpm\"").into_bytes();
        });
    };
    "mr-config-id", "form 3 and no document": |scene| scene.edit = |evidence| evidence.mr_config = None;
    "mr-config-id", "form 3 and another document": |scene| scene.guest.launch.mr_config.push(' ');
    "mr-config-id", "form 3 and another composition than the document's": |scene| {
        events(scene, |launch| launch.event("compose-hash").payload[0] ^= 1);
    };
    "mr-config-id", "form 3 and another application than the document's": |scene| {
        events(scene, |launch| launch.event("app-id").payload[0] ^= 1);
    };
    "mr-config-id", "form 3 and another instance than the document's": |scene| {
        events(scene, |launch| launch.event("instance-id").payload[0] ^= 1);
    };
    "mr-config-id", "form 3 and another key management system than the document's": other_kms;
    "mr-config-id", "form 3 and another kind of key provider than the document's": |scene| {
        events(scene, |launch| {
            let payload = &mut launch.event("key-provider").payload;
            *payload = String::from_utf8(payload.clone()).unwrap().replace("\"kms\"", "\"tpm\"").into_bytes();
        });
    };
    "mr-config-id", "form 3 and a policy of the GPU that the document names alone": |scene| {
        document_with(scene, r#""gpu_policy_hash":"7777777777777777777777777777777777777777777777777777777777777777","#);
    };
    "mr-config-id", "form 3 and init scripts that the document names alone": |scene| {
        document_with(
            scene,
            r#""init_script_hashes":["7777777777777777777777777777777777777777777777777777777777777777"],"#,
        );
    };
    "mr-config-id", "form 3 and an init script that the document excludes", after no_scripts: |scene| {
        events(scene, |launch| launch.events.insert(3, Event::new("init-script-hash", &[7; 32])));
    };
    "mr-config-id", "a document that names no application, where one is required", after required: |scene| {
        let launch = &mut scene.guest.launch;
        let (before, rest) = launch.mr_config.split_once(r#""app_id":"#).unwrap();
        let (_, after) = rest.split_once(',').unwrap();
        launch.mr_config = format!("{before}{after}");
        scene.guest.seal_launch();
    };
    "mr-config-id", "another form than the policy takes", after required: |scene| form_1(scene);
    "mr-config-id", "form 3 and a document of another version": |scene| {
        let launch = &mut scene.guest.launch;
        launch.mr_config = launch.mr_config.replace("\"version\":3", "\"version\":4");
        scene.guest.seal_launch();
    };
    "mr-config-id", "a document that form 1 does not commit to", after form_1: uncommitted;
    "mr-config-id", "a document, and no MRCONFIGID", after no_form: uncommitted;
    "mr-config-id", "no MRCONFIGID where one is required", after required: |scene| {
        scene.guest.launch.config_id = ConfigId::Unset;
        scene.guest.seal_launch();
    };
    "mr-config-id", "no application where one is required", after required: |scene| {
        scene.guest.launch.events.clear();
        scene.guest.seal_events();
    };
    "measurement-known", "no launch inputs and no reference value": |scene| {
        scene.edit = |evidence| evidence.launch = None;
    };
    "measurement-known", "another MRTD than the listed one, and no launch inputs", after by_registers: |scene| {
        scene.guest.quote.body.mrtd[0] ^= 1;
    };
    "measurement-known", "an image of the guest's own, beside a list of other measurements": |scene| {
        scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "00".repeat(48));
    };
    "measurement-known", "an image of the guest's own, beside a list of registers": |scene| {
        let rtmr0 = hex::encode(scene.guest.quote.body.rtmr0);
        scene.policy = launch_policy(&format!("rtmr0 = [\"{rtmr0}\"]"));
    };
    "boot-registers", "MRTD listed, and an image of the guest's own": |scene| scene.policy = measurements(scene);
    "boot-registers", "MRTD listed, and no kernel", after by_registers: |scene| {
        scene.policy = measurements(scene);
    };
    "boot-registers", "another kernel than the listed one (RTMR1), and no launch inputs", after by_registers: |scene| {
        other_register(scene, "rtmr1");
    };
    "boot-registers", "another command line than the listed one (RTMR2), and no launch inputs", after by_registers: |scene| {
        other_register(scene, "rtmr2");
    };
    "boot-registers", "the kernel alone listed", after by_registers: |scene| {
        let (before, _) = scene.policy.split_once("rtmr2").unwrap();
        scene.policy = before.to_owned();
    };
    "boot-registers", "another configuration than the listed one (RTMR0)", after listed_image: |scene| {
        add_policy(scene, &launch_policy(&format!("rtmr0 = [\"{}\"]", "00".repeat(48))));
    };
    "measurement-listed", "a listed image under a firmware that the relying party does not list", after listed_image: |scene| {
        add_policy(scene, &format!("measurements = [\"{}\"]", "00".repeat(48)));
    };
}

/// Other events, to which RTMR3 then replays; MRCONFIGID stays.
pub(crate) fn events(scene: &mut Scene, change: impl FnOnce(&mut lab::intel::Launch)) {
    change(&mut scene.guest.launch);
    scene.guest.seal_events();
}

fn other_kms(scene: &mut Scene) {
    let other = hex::encode(lab::keys::p256_spki("another kms"));
    events(scene, |launch| {
        launch.event("key-provider").payload = format!(r#"{{"name":"kms","id":"{other}"}}"#).into_bytes();
    });
}

fn uncommitted(scene: &mut Scene) {
    scene.edit = |evidence| evidence.mr_config = Some(TdGuest::new().launch.mr_config);
}

fn form(scene: &mut Scene, config_id: ConfigId) {
    scene.guest.launch.config_id = config_id;
    scene.guest.seal_launch();
}

pub(crate) fn form_1(scene: &mut Scene) {
    form(scene, ConfigId::V1);
}

pub(crate) fn form_2(scene: &mut Scene) {
    form(scene, ConfigId::V2);
}

pub(crate) fn no_form(scene: &mut Scene) {
    form(scene, ConfigId::Unset);
}

pub(crate) fn required(scene: &mut Scene) {
    scene.policy = launch_policy("mr-config-id-forms = [2, 3]");
}

/// An event of the launch whose payload has a colon, of the version whose digest does not tell where the name
/// ends.
pub(crate) fn colon(scene: &mut Scene) {
    events(scene, |launch| launch.events.insert(6, Event::new("storage-fs", b"a:zfs")));
}

/// No launch inputs, and a policy that lists MRTD, RTMR1 and RTMR2.
pub(crate) fn by_registers(scene: &mut Scene) {
    scene.edit = |evidence| evidence.launch = None;
    let body = &scene.guest.quote.body;
    let lists =
        format!("rtmr1 = [\"{}\"]\nrtmr2 = [\"{}\"]", hex::encode(body.rtmr1), hex::encode(body.rtmr2));
    scene.policy = format!("{}{}", measurements(scene), launch_policy(&lists));
}

/// A policy that lists the image, whose table is open for more.
pub(crate) fn listed_image(scene: &mut Scene) {
    let image = hex::encode(scene.guest.launch.os_image_hash());
    scene.policy = format!("[reference-values]\nos-image-hash = [\"{image}\"]\n");
}

/// A guest that waits for its keys, and a policy that asks for one.
pub(crate) fn booting(scene: &mut Scene) {
    events(scene, |launch| launch.events.truncate(5));
    scene.policy = launch_policy("phase = \"booting\"");
}

/// A policy that says that the guest runs.
pub(crate) fn ready(scene: &mut Scene) {
    scene.policy = launch_policy("phase = \"ready\"");
}

/// A document that says more.
fn document_with(scene: &mut Scene, members: &str) {
    let launch = &mut scene.guest.launch;
    launch.mr_config = launch.mr_config.replacen("\"instance_id\"", &format!("{members}\"instance_id\""), 1);
    scene.guest.seal_launch();
}

/// A document that says that there are no init scripts.
pub(crate) fn no_scripts(scene: &mut Scene) {
    document_with(scene, r#""init_script_hashes":[],"#);
}

fn measurements(scene: &Scene) -> String {
    format!("[reference-values]\nmeasurements = [\"{}\"]\n", hex::encode(scene.guest.quote.body.mrtd))
}

/// Another value in a list of the policy.
fn other_register(scene: &mut Scene, key: &str) {
    let (before, after) = scene.policy.split_once(&format!("{key} = [\"")).unwrap();
    scene.policy = format!("{before}{key} = [\"{}{}", "00".repeat(48), &after[96..]);
}
