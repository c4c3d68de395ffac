use super::*;
use crate::vectors;
use crate::wire::{Attestation, Platform};

const HASH: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn document(extra: &str) -> String {
    format!(r#"{{"compose_hash":"{HASH}","key_provider":"none"{extra}}}"#)
}

#[test]
fn real_document() {
    let test = "mr_config::real_document";
    let Some(bytes) = vectors::read(test, "snp/milan-v3-dstack-e2e/mr_config.json") else { return };
    let expected = "783f0057820acb99249af56cc3b07b4e8d80f65183167cba9cf437bb680f742f";
    assert_eq!(hex::encode(host_data(&bytes)), expected);
    assert_eq!(hex::encode(mr_config_id_v3(&bytes)), format!("03{expected}{}", "00".repeat(15)));

    let config = MrConfigV3::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
    assert_eq!(hex::encode(config.app_id.unwrap()), "86e59625be93207bc2351c4d1bba20037cec8e16");
    assert_eq!(
        hex::encode(config.compose_hash),
        "86e59625be93207bc2351c4d1bba20037cec8e168da6b18f559af5af657b7a23"
    );
    assert_eq!(hex::encode(config.instance_id.unwrap()), "d378c00e65112c4235bfeb46c6a0f98fd02145a3");
    assert_eq!(config.key_provider, KeyProvider::Kms);
    assert_eq!(config.key_provider_id.len(), 91);
    assert_eq!((config.gpu_policy_hash, config.init_script_hashes), (None, None));

    let wire = vectors::read(test, "dstack/sev_snp_attestation.bin").unwrap();
    let Platform::AmdSevSnp { mr_config, .. } = Attestation::decode(&wire).unwrap().platform else {
        panic!("an snp attestation")
    };
    assert_eq!(mr_config.as_bytes(), bytes);
}

#[test]
fn mr_config_id_of_a_real_quote() {
    let test = "mr_config::mr_config_id_of_a_real_quote";
    let Some(wire) = vectors::attestation_in_json(test, "dstack/tdx-lite-attestation.json") else { return };
    let attestation = Attestation::decode(&wire).unwrap();
    let compose = attestation.runtime_events.iter().find(|event| event.name == "compose-hash").unwrap();
    let Platform::Tdx { quote, .. } = attestation.platform else { panic!("a tdx attestation") };
    let id = mr_config_id_v1(&compose.payload.as_slice().try_into().unwrap());
    // MRCONFIGID stands 184 bytes into the TD report body, which follows a 48-byte header.
    assert_eq!(quote[48 + 184..][..48], id);
}

#[test]
fn smallest_document_and_empty_ids() {
    let config = MrConfigV3::parse(&document("")).unwrap();
    assert_eq!((config.app_id, config.instance_id), (None, None));
    let empty = document(r#","instance_id":"","key_provider_id":"","init_script_hashes":[]"#);
    let config = MrConfigV3::parse(&empty).unwrap();
    assert_eq!((config.instance_id, config.init_script_hashes), (None, Some(Vec::new())));
}

#[test]
fn hex_of_either_case_is_the_same_value_in_another_document() {
    let upper = document(r#","app_id":"ABABABABABABABABABABABABABABABABABABABAB""#);
    let lower = upper.replace("AB", "ab");
    assert_eq!(MrConfigV3::parse(&upper), MrConfigV3::parse(&lower));
    assert_ne!(host_data(upper.as_bytes()), host_data(lower.as_bytes()));
}

#[test]
fn refusals() {
    let parse = |extra: &str| MrConfigV3::parse(&document(extra)).unwrap_err();
    let json = |error| MrConfigError::Json(error);
    let key = || "app_id".to_owned();
    assert_eq!(parse(r#","version":2"#), MrConfigError::Version { found: 2 });
    assert_eq!(
        parse(r#","app_id2":"""#),
        json(JsonError::UnknownKey { document: DOCUMENT, key: "app_id2".to_owned() })
    );
    let app = format!(r#","app_id":"{}""#, "11".repeat(20));
    assert_eq!(
        parse(&format!("{app}{app}")),
        json(JsonError::DuplicateKey { document: DOCUMENT, key: key() })
    );
    let length = |key, expected, found| json(JsonError::Length { document: DOCUMENT, key, expected, found });
    assert_eq!(parse(r#","app_id":"""#), length("app_id", 20, 0));
    assert_eq!(parse(r#","instance_id":"11""#), length("instance_id", 20, 1));
    assert_eq!(parse(r#","init_script_hashes":["11"]"#), length("init_script_hashes", 32, 1));
    assert!(matches!(parse(r#","app_id":"0x11""#), MrConfigError::Json(JsonError::WrongType { .. })));
    assert!(matches!(parse(r#","app_id":null"#), MrConfigError::Json(JsonError::WrongType { .. })));
    let hashes = vec![format!("{HASH:?}"); 6].join(",");
    let six = format!(r#","init_script_hashes":[{hashes}]"#);
    assert_eq!(parse(&six), MrConfigError::InitScripts { found: 6 });
    let other = document("").replace("none", "snp");
    let found = "snp".to_owned();
    assert_eq!(MrConfigV3::parse(&other), Err(MrConfigError::KeyProvider { found }));
    assert!(MrConfigV3::parse(&format!("{} x", document(""))).is_err());
}
