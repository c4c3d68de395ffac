//! Certificates of attestation keys: each differs in one thing from one that is accepted.

use evidence_gce::{
    AkCache, Anchors, Error, InstancePolicy, Pin, UnixTime, VerifiedAk, VerifyAk, ak_anchors, checks,
};
use evidence_ledger::{ErrorKind, Outcome};
use lab::{
    google::{Hierarchy, INSTANCE_INFO, InstanceSpec, PropertiesSpec, hierarchy::EK_CERTIFICATE},
    keys::{P256Key, Pkcs1, PssSha256},
    x509::{CertSpec, SignatureAlgorithm, basic_constraints, ext_key_usage, extension, key_usage},
};
use x509_cert::ext::pkix::KeyUsages;

use crate::{day, june_2026};

/// A certificate with all that its verdict depends on.
struct Ak {
    certificate: Vec<u8>,
    candidates: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
    anchors: Anchors,
    policy: InstancePolicy,
    at: UnixTime,
}

impl Ak {
    fn new() -> Self {
        Self::of(&InstanceSpec::default())
    }

    fn of(instance: &InstanceSpec) -> Self {
        Self::signed(&Hierarchy::new().ak_spec(instance))
    }

    fn signed(spec: &CertSpec) -> Self {
        let hierarchy = Hierarchy::new();
        Self {
            certificate: spec.sign(&Pkcs1::Sha256(hierarchy.ca_key())),
            candidates: vec![hierarchy.ca().to_vec(), hierarchy.root().to_vec()],
            lists: hierarchy.crls().into(),
            anchors: hierarchy.pins().into_iter().collect(),
            policy: InstancePolicy::default(),
            at: june_2026(),
        }
    }

    /// The certificate after an edit.
    fn edited(edit: impl FnOnce(&mut CertSpec)) -> Self {
        let mut spec = Hierarchy::new().ak_spec(&InstanceSpec::default());
        edit(&mut spec);
        Self::signed(&spec)
    }

    fn policy(toml: &str) -> Self {
        let policy: InstancePolicy = toml::from_str(toml).unwrap();
        policy.validate().unwrap();
        Self { policy, ..Self::new() }
    }

    fn verify(&self) -> Result<VerifiedAk, (&'static str, Error)> {
        let candidates: Vec<&[u8]> = self.candidates.iter().map(Vec::as_slice).collect();
        let lists: Vec<&[u8]> = self.lists.iter().map(Vec::as_slice).collect();
        let verified = VerifyAk {
            certificate: &self.certificate,
            candidates: &candidates,
            revocation_lists: &lists,
            anchors: &self.anchors,
            policy: &self.policy,
            at: self.at,
        };
        verified.verify(&AkCache::default()).map_err(|failed| (failed.check.name(), failed.error))
    }

    fn failed_check(&self) -> &'static str {
        self.verify().unwrap_err().0
    }
}

#[test]
fn a_key_is_of_the_instance_that_its_certificate_names() {
    let verified = Ak::new().verify().unwrap();
    assert_eq!(verified.instance().instance_id, InstanceSpec::default().instance_id);
    let declared = evidence_tpm::checks::certificate::ALL.iter().chain(checks::ak::ALL);
    let declared: Vec<_> = declared.map(|info| info.check).collect();
    verified.ledger().complete(&declared).unwrap();
    let made: Vec<_> = verified.ledger().entries().iter().map(|entry| entry.check).collect();
    assert_eq!(made, declared, "in this order");
    let gaps: Vec<_> = verified.ledger().gaps().collect();
    assert_eq!(
        gaps,
        [
            (checks::ak::GCE_PROJECT, "the policy lists no projects"),
            (checks::ak::GCE_ZONE, "the policy lists no zones"),
            (checks::ak::GCE_INSTANCE, "the policy lists no instances"),
        ]
    );
    // The certified key is the one that signs quotes.
    let point = Hierarchy::ak().public_point().to_vec();
    assert_eq!(verified.certificate().certificate().public_key(), point);
}

#[test]
fn zeros_behind_the_certificate_are_the_tpm_s() {
    let mut padded = Ak::new();
    padded.certificate.resize(padded.certificate.len() + 512, 0);
    padded.verify().unwrap();
    padded.certificate.push(1);
    assert_eq!(padded.failed_check(), "ak-certificate-format");
}

#[test]
fn only_a_pinned_root_vouches() {
    let forged = Ak { anchors: ak_anchors(), ..Ak::new() };
    let (check, error) = forged.verify().unwrap_err();
    assert_eq!((check, error.kind()), ("ak-certificate-path", ErrorKind::MissingEndorsements));
    // The right name over another key; the right key under another name.
    let (name, spki_sha256) = Hierarchy::new().pins().remove(0);
    let pins = [
        Pin { subject: name.into(), spki_sha256: [7; 32] },
        Pin { subject: "EK/AK CA Intermediate".into(), spki_sha256 },
    ];
    for pin in pins {
        let forged = Ak { anchors: Anchors::new([pin]), ..Ak::new() };
        assert_eq!(forged.failed_check(), "ak-certificate-path");
    }
    // Without the intermediate; without the root.
    for missing in 0..2 {
        let mut forged = Ak::new();
        forged.candidates.remove(missing);
        assert_eq!(forged.failed_check(), "ak-certificate-path");
    }
    // Signed by another key than the authority's.
    let other = P256Key::from_label("a stranger");
    let spec = Hierarchy::new().ak_spec(&InstanceSpec::default());
    let forged = Ak { certificate: spec.sign(&other), ..Ak::new() };
    assert_eq!(forged.failed_check(), "ak-certificate-path");
}

#[test]
fn authorities_are_as_google_s() {
    let hierarchy = Hierarchy::new();
    let with_ca = |edit: &dyn Fn(&mut CertSpec)| {
        let mut spec = hierarchy.ca_spec();
        edit(&mut spec);
        let mut ak = Ak::new();
        ak.candidates[0] = spec.sign(&Pkcs1::Sha256(hierarchy.root_key()));
        ak
    };
    with_ca(&|_| {}).verify().unwrap();
    // For something else than keys of TPMs, no authority, outdated, with another name.
    let edits: [&dyn Fn(&mut CertSpec); 4] = [
        &|spec| spec.set_extension(ext_key_usage(&["2.23.133.8.3".parse().unwrap()])),
        &|spec| spec.set_extension(basic_constraints(false, None)),
        &|spec| spec.not_after = spec.not_before + 1,
        &|spec| spec.subject = lab::google::hierarchy::google("EK/AK CA Intermediate Dev"),
    ];
    for edit in edits {
        assert_eq!(with_ca(edit).failed_check(), "ak-certificate-path");
    }
    // Signed in another way than Google does.
    let mut spec = hierarchy.ca_spec();
    spec.algorithm = SignatureAlgorithm::RsaPssSha256;
    let mut forged = Ak::new();
    forged.candidates[0] = spec.sign(&PssSha256(hierarchy.root_key()));
    assert_eq!(forged.failed_check(), "ak-certificate-path");
}

#[test]
fn certificates_are_valid_from_to() {
    for (at, accepted) in [
        (day(2026, 2, 1), false),
        (day(2026, 2, 2), true),
        (day(2056, 1, 26), true),
        (day(2056, 1, 27), false),
    ] {
        let mut ak = Ak { at, ..Ak::new() };
        ak.policy.danger_accept_unknown_revocation = true;
        match ak.verify() {
            Ok(_) => assert!(accepted),
            Err((check, _)) => assert_eq!((check, accepted), ("ak-certificate-validity", false)),
        }
    }
}

#[test]
fn keys_that_do_something_else_are_no_attestation_keys() {
    let usage = |usages| Ak::edited(|spec| spec.set_extension(key_usage(usages)));
    // As Google's endorsement keys.
    for usages in [KeyUsages::KeyAgreement.into(), KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment] {
        assert_eq!(usage(usages).failed_check(), "ak-certificate-usage");
    }
    for also in [KeyUsages::KeyAgreement, KeyUsages::KeyEncipherment, KeyUsages::CRLSign] {
        let (check, error) = usage(KeyUsages::DigitalSignature | also).verify().unwrap_err();
        assert_eq!((check, error), ("gce-ak-key-usage", Error::KeyUsage));
    }
    // What Google's older certificates state, and newer ones do not.
    Ak::edited(|spec| spec.extensions.push(ext_key_usage(&[EK_CERTIFICATE]))).verify().unwrap();
}

#[test]
fn the_instance_is_named() {
    let (check, error) = Ak::edited(|spec| spec.remove_extension(INSTANCE_INFO)).verify().unwrap_err();
    assert_eq!((check, error), ("gce-instance-present", Error::InstanceInfoMissing));
    let malformed = InstanceSpec { after: vec![5, 0], ..InstanceSpec::default() };
    for value in [&malformed.der()[..], &[], &[0x30, 0]] {
        let (check, error) = Ak::edited(|spec| spec.set_extension(extension(INSTANCE_INFO, false, value)))
            .verify()
            .unwrap_err();
        assert_eq!((check, error.kind()), ("gce-instance-format", ErrorKind::MalformedEvidence));
    }
    // Critical extensions that the path does not know are refused, whatever they say.
    let critical = extension(INSTANCE_INFO, true, &InstanceSpec::default().der());
    assert_eq!(Ak::edited(|spec| spec.set_extension(critical)).failed_check(), "ak-certificate-path");
}

#[test]
fn the_virtual_tpm_is_of_production() {
    let without = PropertiesSpec { flags: vec![(2, 0xFF)], ..PropertiesSpec::default() };
    let test = PropertiesSpec { flags: vec![(1, 0), (2, 0xFF)], ..PropertiesSpec::default() };
    for properties in [None, Some(without), Some(test)] {
        let mut ak = Ak::of(&InstanceSpec { properties, ..InstanceSpec::default() });
        let (check, error) = ak.verify().unwrap_err();
        assert_eq!((check, error.kind()), ("gce-production", ErrorKind::ForbiddenState));

        ak.policy.danger_accept_non_production = true;
        let verified = ak.verify().unwrap();
        let reason = "the policy accepts tests of Google's".into();
        assert_eq!(
            verified.ledger().outcome(checks::ak::GCE_PRODUCTION),
            Some(&Outcome::NotPerformed(reason))
        );
    }
}

#[test]
fn the_policy_lists_projects_zones_and_instances() {
    let InstanceSpec { zone, project_id, project_number, instance_id, instance_name, .. } =
        InstanceSpec::default();
    let accepted = [
        format!("projects = ['{project_id}']"),
        format!("projects = ['{project_number}', 'another']"),
        format!("zones = ['europe-west4-a', '{zone}']"),
        format!("instances = ['1', '{instance_id}']"),
        format!("projects = ['{project_id}']\nzones = ['{zone}']\ninstances = ['{instance_id}']"),
    ];
    for toml in accepted {
        Ak::policy(&toml).verify().unwrap();
    }
    let refused = [
        ("gce-project", format!("projects = ['another', '{instance_id}', '{project_id}x']"), &project_id),
        ("gce-zone", "zones = ['us-central1', 'us-central1-a']".to_owned(), &zone),
        ("gce-instance", format!("instances = ['{project_number}']"), &instance_id.to_string()),
    ];
    for (name, toml, value) in refused {
        let (check, error) = Ak::policy(&toml).verify().unwrap_err();
        let Error::InstanceNotAllowed { found, .. } = &error else { panic!("{error}") };
        assert_eq!((check, found), (name, value));
        assert_eq!(error.kind(), ErrorKind::PolicyViolation);
    }
    // A name is no id.
    let by_name: InstancePolicy = toml::from_str(&format!("instances = ['{instance_name}']")).unwrap();
    assert!(by_name.validate().is_err());
    assert_eq!(Ak { policy: by_name, ..Ak::new() }.failed_check(), "gce-instance");
}

#[test]
fn authorities_and_keys_are_revoked() {
    let hierarchy = Hierarchy::new();
    let revoked = |of_root: bool, serial: &[u8]| {
        let key = if of_root { hierarchy.root_key() } else { hierarchy.ca_key() };
        let list = hierarchy.crl_spec(of_root).revoke(serial).sign(&Pkcs1::Sha256(key));
        Ak { lists: vec![list], ..Ak::new() }
    };
    let leaf = hierarchy.ak_spec(&InstanceSpec::default()).serial;
    for ak in [revoked(true, &hierarchy.ca_spec().serial), revoked(false, &leaf)] {
        let (check, error) = ak.verify().unwrap_err();
        assert_eq!((check, error.kind()), ("ak-certificate-revocation", ErrorKind::Revoked));
    }
    // Google's authorities publish no list of attestation keys: the ledger says whose is not there.
    let verified = Ak { lists: vec![hierarchy.crls()[0].clone()], ..Ak::new() }.verify().unwrap();
    let (check, reason) = verified.ledger().gaps().next().unwrap();
    assert_eq!(check.name(), "ak-certificate-revocation");
    assert_eq!(reason, "no current revocation list of EK/AK CA Intermediate is at hand");
}

#[test]
fn no_byte_of_the_certificate_may_change() {
    let sound = Ak::new();
    for at in 0..sound.certificate.len() {
        for bit in [0x01, 0x80] {
            let mut forged = Ak::new();
            forged.certificate[at] ^= bit;
            assert!(forged.verify().is_err(), "{at}");
        }
        let forged = Ak { certificate: sound.certificate[..at].to_vec(), ..Ak::new() };
        assert_eq!(forged.failed_check(), "ak-certificate-format", "{at}");
    }
}
