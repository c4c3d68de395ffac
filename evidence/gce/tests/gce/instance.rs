//! The extension is exactly one structure in DER.

use evidence_gce::{Error, Instance, MAX_INSTANCE_INFO, SecurityProperties};
use lab::google::{InstanceSpec, PropertiesSpec};
use proptest::prelude::*;

/// A BOOLEAN that is true.
const TRUE: u8 = 0xFF;

fn parse(spec: &InstanceSpec) -> Result<Instance, Error> {
    Instance::parse(&spec.der())
}

fn with_flags(flags: &[(u8, u8)]) -> InstanceSpec {
    let properties = PropertiesSpec { flags: flags.to_vec(), ..PropertiesSpec::default() };
    InstanceSpec { properties: Some(properties), ..InstanceSpec::default() }
}

fn refused(der: &[u8]) {
    assert!(matches!(Instance::parse(der), Err(Error::InstanceInfo(_))), "{der:02x?}");
}

#[test]
fn what_is_said_is_read() {
    let spec = InstanceSpec::default();
    let instance = parse(&spec).unwrap();
    assert_eq!(instance.zone, spec.zone);
    assert_eq!((instance.project_number, &instance.project_id), (spec.project_number, &spec.project_id));
    assert_eq!((instance.instance_id, &instance.instance_name), (spec.instance_id, &spec.instance_name));
    let production = SecurityProperties {
        is_production: true,
        tpm_data_always_encrypted: true,
        ..SecurityProperties::default()
    };
    assert_eq!(instance.security, production);
}

/// Each flag has its own tag.
#[test]
fn flags_are_told_apart() {
    let read = |tag| {
        let security = parse(&with_flags(&[(tag, TRUE)])).unwrap().security;
        [
            security.is_production,
            security.tpm_data_always_encrypted,
            security.suspend_resume_always_disabled,
            security.vmtd_always_disabled,
            security.always_in_yarn,
        ]
    };
    for tag in 1..=5 {
        assert_eq!(read(tag), [1, 2, 3, 4, 5].map(|flag| flag == tag));
    }
    let mut spec = with_flags(&[]);
    spec.properties.as_mut().unwrap().security_version = Some(u64::MAX);
    assert_eq!(parse(&spec).unwrap().security.security_version, u64::MAX);
}

#[test]
fn what_is_not_said_is_false() {
    let none = InstanceSpec { properties: None, ..InstanceSpec::default() };
    let empty = PropertiesSpec { security_version: None, flags: Vec::new() };
    let empty = InstanceSpec { properties: Some(empty), ..InstanceSpec::default() };
    for spec in [none, empty] {
        assert_eq!(parse(&spec).unwrap().security, SecurityProperties::default());
    }
}

#[test]
fn der_has_one_encoding() {
    // Twice, in another order, of an unknown tag; true as something else than 0xFF.
    for flags in [
        &[(1, TRUE), (1, TRUE)][..],
        &[(2, TRUE), (1, TRUE)],
        &[(1, TRUE), (6, 0)],
        &[(0, TRUE)],
        &[(1, 1)],
        &[(1, 0x7F)],
    ] {
        refused(&with_flags(flags).der());
    }
    // A field behind the last one; a second one of security properties.
    refused(&InstanceSpec { after: vec![0x05, 0x00], ..InstanceSpec::default() }.der());
    refused(&InstanceSpec { after: vec![0xA0, 0x02, 0x30, 0x00], ..InstanceSpec::default() }.der());
    refused(&InstanceSpec { after: vec![0xA1, 0x02, 0x30, 0x00], ..InstanceSpec::default() }.der());

    let der = InstanceSpec::default().der();
    for length in 0..der.len() {
        refused(&der[..length]);
    }
    refused(&[&der[..], &[0]].concat());
    // Two flags under one tag, none, a flag with more behind it; a tag without the bit of what is constructed.
    let properties = |fields: &[u8]| {
        let bare = InstanceSpec { properties: None, ..InstanceSpec::default() };
        let after = [
            &[0xA0, u8::try_from(fields.len() + 2).unwrap(), 0x30][..],
            &[u8::try_from(fields.len()).unwrap()],
            fields,
        ];
        InstanceSpec { after: after.concat(), ..bare }.der()
    };
    assert!(Instance::parse(&properties(&[0xA1, 3, 1, 1, TRUE])).unwrap().security.is_production);
    refused(&properties(&[0xA1, 6, 1, 1, TRUE, 1, 1, TRUE]));
    refused(&properties(&[0xA1, 0]));
    refused(&properties(&[0xA1, 5, 1, 1, TRUE, 5, 0]));
    refused(&properties(&[0xA1, 4, 1, 2, TRUE, TRUE]));
    refused(&properties(&[0x81, 3, 1, 1, TRUE]));
    refused(&properties(&[0x81, 1, TRUE]));
    refused(&properties(&[0xA1, 0x80, 1, 1, TRUE, 0, 0]));
    // The length of the sequence in two bytes, though one is enough.
    assert!(der[1] < 0x80);
    refused(&[&[0x30, 0x81, der[1]], &der[2..]].concat());
    // The zone as PrintableString, and as an IA5String.
    let at = 2;
    assert_eq!(der[at], 0x0C);
    for tag in [0x13, 0x16] {
        let mut other = der.clone();
        other[at] = tag;
        refused(&other);
    }
}

/// Whatever bit is another: it is refused, or it is the one encoding of what is read then.
#[test]
fn what_is_read_is_written_again() {
    let der = InstanceSpec::default().der();
    let mut accepted = 0;
    for bit in 0..8 * der.len() {
        let mut other = der.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = Instance::parse(&other) else { continue };
        let flags = [
            read.security.is_production,
            read.security.tpm_data_always_encrypted,
            read.security.suspend_resume_always_disabled,
            read.security.vmtd_always_disabled,
            read.security.always_in_yarn,
        ];
        let properties = PropertiesSpec {
            security_version: Some(read.security.security_version),
            flags: (1..).zip(flags.map(|flag| if flag { TRUE } else { 0 })).collect(),
        };
        let written = InstanceSpec {
            zone: read.zone,
            project_number: read.project_number,
            project_id: read.project_id,
            instance_id: read.instance_id,
            instance_name: read.instance_name,
            properties: Some(properties),
            after: Vec::new(),
        };
        assert_eq!(written.der(), other);
        accepted += 1;
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn numbers_are_neither_negative_nor_longer_than_eight_bytes() {
    // No default here has such a number: each is put in the place of the project's.
    let spec = InstanceSpec { project_number: 0x7F, ..InstanceSpec::default() };
    let der = spec.der();
    let at = 2 + 2 + spec.zone.len();
    assert_eq!(der[at..at + 3], [0x02, 0x01, 0x7F]);
    let with = |number: &[u8]| {
        let mut fields = der[2..].to_vec();
        fields.splice(at - 2..at + 1, number.iter().copied());
        [&[0x30, u8::try_from(fields.len()).unwrap()][..], &fields].concat()
    };
    assert_eq!(Instance::parse(&with(&[0x02, 0x01, 0x01])).unwrap().project_number, 1);
    let largest = with(&[0x02, 9, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(Instance::parse(&largest).unwrap().project_number, u64::MAX);
    refused(&with(&[0x02, 0x01, 0xFF]));
    refused(&with(&[0x02, 0x02, 0x00, 0x01]));
    refused(&with(&[0x02, 0x00]));
    refused(&with(&[0x02, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn names_stand_in_a_line() {
    let edits: [fn(&mut InstanceSpec, String); 3] = [
        |spec, text| spec.zone = text,
        |spec, text| spec.project_id = text,
        |spec, text| spec.instance_name = text,
    ];
    for edit in edits {
        let with = |text: &str| {
            let mut spec = InstanceSpec::default();
            edit(&mut spec, text.to_owned());
            parse(&spec)
        };
        assert!(with("example.com:project-1").is_ok());
        assert!(with(&"z".repeat(128)).is_ok());
        for text in ["", "a b", "a\nb", "\u{e9}", "\u{202e}", &"z".repeat(129)] {
            assert!(matches!(with(text), Err(Error::InstanceInfo(_))), "{text:?}");
        }
    }
}

#[test]
fn there_is_a_limit() {
    let limit = Error::TooLarge { what: "instance information", found: 1025, limit: MAX_INSTANCE_INFO };
    assert_eq!(Instance::parse(&[0; MAX_INSTANCE_INFO + 1]), Err(limit));
    refused(&[0; MAX_INSTANCE_INFO]);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        zone in "[!-~]{1,128}", project_id in "[!-~]{1,128}", instance_name in "[!-~]{1,128}",
        project_number: u64, instance_id: u64, flags: [Option<bool>; 5],
    ) {
        let tags = (1..).zip(flags).filter_map(|(tag, flag)| Some((tag, if flag? { TRUE } else { 0 })));
        let properties = PropertiesSpec { security_version: None, flags: tags.collect() };
        let spec = InstanceSpec {
            zone, project_number, project_id, instance_id, instance_name,
            properties: Some(properties), after: Vec::new(),
        };
        let read = parse(&spec).unwrap();
        prop_assert_eq!((read.zone, read.project_number), (spec.zone, project_number));
        prop_assert_eq!((read.project_id, read.instance_id), (spec.project_id, instance_id));
        prop_assert_eq!(read.security.is_production, flags[0] == Some(true));
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>) {
        let _ = Instance::parse(&bytes);
    }
}
