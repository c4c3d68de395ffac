//! Policies as they are written, and those that cannot be meant.

use evidence_gce::{EndorsementPolicy, InstancePolicy, PolicyError};

fn instances(toml: &str) -> InstancePolicy {
    toml::from_str(toml).unwrap()
}

#[test]
fn an_empty_list_is_a_mistake() {
    assert_eq!(InstancePolicy::default().validate(), Ok(()));
    assert_eq!(EndorsementPolicy::default().validate(), Ok(()));
    for key in ["projects", "zones", "instances"] {
        let policy = instances(&format!("{key} = []"));
        assert_eq!(policy.validate(), Err(PolicyError::EmptyList(key)));
    }
    let policy: EndorsementPolicy = toml::from_str("reject-firmware = []").unwrap();
    assert_eq!(policy.validate(), Err(PolicyError::EmptyList("reject-firmware")));
}

#[test]
fn instances_are_listed_by_their_ids() {
    for id in ["0", "18446744073709551615"] {
        assert_eq!(instances(&format!("instances = ['{id}']")).validate(), Ok(()));
    }
    for text in ["", "my-vm", "01", "+1", "-1", "18446744073709551616", "0x10"] {
        let policy = instances(&format!("instances = ['1', '{text}']"));
        assert_eq!(policy.validate(), Err(PolicyError::InstanceId(text.to_owned())));
    }
}

#[test]
fn unknown_keys_are_refused() {
    assert!(toml::from_str::<InstancePolicy>("project = ['a']").is_err());
    assert!(toml::from_str::<EndorsementPolicy>("minimum-svn = 1").is_err());
    let full = "minimum-snp-svn = 2\nminimum-tdx-svn = 3\nreject-firmware = ['DIGEST']";
    assert!(toml::from_str::<EndorsementPolicy>(&full.replace("DIGEST", &"5e".repeat(48))).is_ok());
    assert!(toml::from_str::<EndorsementPolicy>(full).is_err());
}
