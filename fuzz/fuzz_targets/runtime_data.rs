//! What Azure's paravisor says in JSON: the attestation key, and how the VM is configured.
#![no_main]

use backend_azure::RuntimeData;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Flags that a verifier asks for, and one that no paravisor has.
const FLAGS: [&str; 5] = ["tpm-enabled", "secure-boot", "interactive-console-enabled", "tpm-persisted", "x"];

fuzz_target!(|data: &[u8]| {
    let Ok(read) = RuntimeData::parse(data) else { return };
    let json: Value = serde_json::from_slice(data).expect("strict JSON is JSON");
    assert_eq!(Some(&read.vm_configuration), json["vm-configuration"].as_object());
    let user_data = json.get("user-data").map(|text| hex::decode(text.as_str().expect("text")).expect("hex"));
    assert_eq!(read.user_data.map(|bytes| bytes.to_vec()), user_data);
    for flag in FLAGS {
        let value = read.vm_configuration.get(flag);
        match read.flag(flag) {
            Ok(found) => assert_eq!(found, value.and_then(Value::as_bool)),
            Err(_) => assert!(value.is_some_and(|value| !value.is_boolean())),
        }
    }
    let keys = json["keys"].as_array().expect("a list of keys");
    let named: Vec<&Value> = keys.iter().filter(|key| key["kid"] == "HCLAkPub").collect();
    let Ok(key) = read.attestation_key() else { return };
    let [named] = named[..] else { panic!("one key of that name") };
    let modulus = URL_SAFE_NO_PAD.decode(named["n"].as_str().expect("text")).expect("base64");
    assert_eq!((key.modulus(), modulus.len()), (Some(&modulus[..]), 256));
    assert_eq!((&named["kty"], &named["e"]), (&"RSA".into(), &"AQAB".into()));
});
