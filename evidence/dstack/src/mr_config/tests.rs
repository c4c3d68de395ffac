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

/// MRCONFIGID of the quote in a real TDX attestation, which stands 184 bytes into the TD report body after a
/// header of 48, and the compose hash of its log.
fn real_quote(wire: &[u8]) -> ([u8; 48], [u8; 32]) {
    let attestation = Attestation::decode(wire).unwrap();
    let compose = attestation.runtime_events.iter().find(|event| event.name == "compose-hash").unwrap();
    let Platform::Tdx { quote, .. } = &attestation.platform else { panic!("a tdx attestation") };
    (*quote[48 + 184..].first_chunk().unwrap(), compose.payload.as_slice().try_into().unwrap())
}

#[test]
fn mr_config_id_of_real_quotes() {
    let test = "mr_config::mr_config_id_of_real_quotes";
    for path in ["dstack/tdx-lite-attestation.json", "dstack/simulator-attestation.bin"] {
        let Some(wire) = vectors::read(test, path) else { return };
        let (id, compose_hash) = real_quote(&wire);
        assert_eq!(mr_config_id_v1(&compose_hash), id, "{path}");
        let parsed = MrConfigId::parse(&id).unwrap();
        assert_eq!(parsed, MrConfigId::V1 { compose_hash });
        assert_eq!(parsed.check(&MrConfigClaim { compose_hash, ..claim() }), Ok(()));
    }
    let (id, _) = real_quote(&vectors::read(test, "dstack/quote-report.json").unwrap());
    assert_eq!(MrConfigId::parse(&id), Ok(MrConfigId::Unset));
}

/// The claim of the vectors below: the real compose hash of dstack's `tdx-lite-getquote.json`, of which the
/// app id is the start, and a made-up key provider.
fn claim() -> MrConfigClaim<'static> {
    let compose_hash = "86b0e55f2fa8e4fb69d890f14f54d5612707646e2573d54e0d2ddaaade77caa9";
    let compose_hash: [u8; 32] = hex::decode(compose_hash).unwrap().try_into().unwrap();
    MrConfigClaim {
        app_id: *compose_hash.first_chunk().unwrap(),
        compose_hash,
        instance_id: None,
        key_provider: KeyProvider::Kms,
        key_provider_id: b"kms root key",
        gpu_policy_hash: None,
        init_script_hashes: &[],
        document: None,
    }
}

fn v2(claim: &MrConfigClaim<'_>) -> [u8; 48] {
    mr_config_id_v2(&claim.compose_hash, &claim.app_id, claim.key_provider, claim.key_provider_id)
}

/// Python with pycryptodome, `c` being the compose hash and the last two the key provider's kind and id:
/// `keccak.new(digest_bits=256, data=c + c[:20] + bytes([2]) + b"kms root key").hexdigest()`.
#[test]
fn mr_config_id_v2_of_another_implementation() {
    for (key_provider, key_provider_id, expected) in [
        (
            KeyProvider::None,
            [].as_slice(),
            "6677756f4c6b0bd0784cccc07d86f2cf3e0b06d5567777359ec93e8362906137",
        ),
        (KeyProvider::Local, &[7; 32], "a1f7c9d1b42b820b78a5f67a8cda3f1bd86f855dc3c9e70c26c40e5c24793cc4"),
        (
            KeyProvider::Kms,
            b"kms root key",
            "3c74dfeb9c977f183a5e4e979adafc7ec6116b3d5a6327d87775068d3c2504c0",
        ),
        (KeyProvider::Tpm, &[], "ddc174f90da8c38ddf3e2dc91efb6febdffc5014dfdc47ee02cd3903767da87a"),
    ] {
        let id = v2(&MrConfigClaim { key_provider, key_provider_id, ..claim() });
        assert_eq!(hex::encode(id), format!("02{expected}{}", "00".repeat(15)));
    }
}

#[test]
fn each_form_is_read_back() {
    let forms = [[0; 48], mr_config_id_v1(&[7; 32]), v2(&claim()), mr_config_id_v3(b"{}")];
    for (form, id) in forms.into_iter().enumerate() {
        assert_eq!(MrConfigId::parse(&id).unwrap().to_bytes(), id);
        assert_eq!(usize::from(id[0]), form);
        for offset in 33..48 {
            let mut padded = id;
            padded[offset] = 1;
            assert_eq!(MrConfigId::parse(&padded), Err(MrConfigIdError::Padding));
        }
    }
    let mut zero_form = [0; 48];
    zero_form[1] = 1;
    assert_eq!(MrConfigId::parse(&zero_form), Err(MrConfigIdError::Form { found: 0 }));
    assert_eq!(MrConfigId::parse(&[4; 48]), Err(MrConfigIdError::Form { found: 4 }));
}

#[test]
fn the_first_two_forms_commit_to_an_identity() {
    let (good, mut other) = (claim(), claim());
    let parsed = |id| MrConfigId::parse(&id).unwrap();
    assert_eq!(parsed([0; 48]).check(&good), Err(MrConfigIdError::Unset));

    let first = mr_config_id_v1(&good.compose_hash);
    other.compose_hash[0] ^= 1;
    let mismatch = |expected, found| Err(MrConfigIdError::Mismatch { expected, found });
    assert_eq!(parsed(first).check(&good), Ok(()));
    assert_eq!(parsed(first).check(&other), mismatch(mr_config_id_v1(&other.compose_hash), first));

    let second = v2(&good);
    assert_eq!(parsed(second).check(&good), Ok(()));
    for other in [
        other,
        MrConfigClaim { app_id: [7; 20], ..good },
        MrConfigClaim { key_provider: KeyProvider::Tpm, ..good },
        MrConfigClaim { key_provider_id: b"", ..good },
    ] {
        assert_eq!(parsed(second).check(&other), mismatch(v2(&other), second));
    }
}

#[test]
fn the_third_form_commits_to_a_document() {
    let extra = format!(
        r#","app_id":"{}","instance_id":"{}","key_provider_id":"0102","gpu_policy_hash":"{}","init_script_hashes":["{}"]"#,
        "11".repeat(20),
        "33".repeat(20),
        "44".repeat(32),
        "55".repeat(32)
    );
    let text = document(&extra);
    let good = MrConfigClaim {
        app_id: [0x11; 20],
        compose_hash: [0x22; 32],
        instance_id: Some([0x33; 20]),
        key_provider: KeyProvider::None,
        key_provider_id: &[1, 2],
        gpu_policy_hash: Some([0x44; 32]),
        init_script_hashes: &[[0x55; 32]],
        document: Some(&text),
    };
    let check = |claim: &MrConfigClaim<'_>, text: &str| {
        MrConfigId::parse(&mr_config_id_v3(text.as_bytes())).unwrap().check(claim)
    };
    assert_eq!(check(&good, &text), Ok(()));
    assert_eq!(check(&MrConfigClaim { document: None, ..good }, &text), Err(MrConfigIdError::NoDocument));
    let spaced = format!("{text} ");
    let (expected, found) = (mr_config_id_v3(spaced.as_bytes()), mr_config_id_v3(text.as_bytes()));
    let respelled = MrConfigClaim { document: Some(&spaced), ..good };
    assert_eq!(check(&respelled, &text), Err(MrConfigIdError::Mismatch { expected, found }));
    let other = MrConfigClaim { document: Some("{}"), ..good };
    assert!(matches!(check(&other, "{}"), Err(MrConfigIdError::Document(_))));

    for (field, other) in [
        ("compose_hash", MrConfigClaim { compose_hash: [0; 32], ..good }),
        ("app_id", MrConfigClaim { app_id: [0; 20], ..good }),
        ("instance_id", MrConfigClaim { instance_id: None, ..good }),
        ("key_provider", MrConfigClaim { key_provider: KeyProvider::Kms, ..good }),
        ("key_provider_id", MrConfigClaim { key_provider_id: &[1], ..good }),
        ("gpu_policy_hash", MrConfigClaim { gpu_policy_hash: None, ..good }),
        ("init_script_hashes", MrConfigClaim { init_script_hashes: &[], ..good }),
    ] {
        assert_eq!(check(&other, &text), Err(MrConfigIdError::DocumentField { field }));
    }
    // What the document does not pin may be anything.
    let open = document(r#","key_provider_id":"0102""#);
    let anyone = MrConfigClaim { app_id: [9; 20], instance_id: None, document: Some(&open), ..good };
    assert_eq!(check(&anyone, &open), Ok(()));
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
