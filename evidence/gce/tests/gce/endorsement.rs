//! Launch endorsements: who signed them, what, and when. Each differs in one thing from one that is accepted.

use evidence_gce::{
    EndorsementCache, EndorsementPolicy, EndorsementRoots, Error, Launch, RootPin, UnixTime,
    VerifiedEndorsement, VerifyEndorsement,
    checks::endorsement as checks,
    endorsement::{Golden, MAX_ENDORSEMENT, PROVENANCE_SINCE, Timestamp},
};
use evidence_ledger::ErrorKind;
use evidence_x509::Certificate;
use lab::{
    google::{
        EndorsementAuthority, EndorsementSpec,
        endorsement::{ENDORSEMENT_ROOT_NAME, endorsement},
    },
    keys::{EcKey, Pkcs1, PssSha256, RsaKey, Signer},
    time::utc_day,
    x509::{CertSpec, SignatureAlgorithm, basic_constraints, key_usage, pem_chain},
};
use proptest::prelude::*;
use x509_cert::ext::pkix::KeyUsages;

use crate::{day, june_2026};

/// A launch with two vCPUs that the lab endorses.
pub(crate) const LAUNCH: Launch = Launch::Snp { measurement: [2; 48], vcpus: Some(2) };

/// An endorsement with all that its verdict depends on.
pub(crate) struct Scene {
    pub(crate) endorsement: Vec<u8>,
    pub(crate) candidates: Vec<Vec<u8>>,
    pub(crate) roots: EndorsementRoots,
    pub(crate) launch: Launch,
    pub(crate) policy: EndorsementPolicy,
    pub(crate) at: UnixTime,
}

impl Scene {
    pub(crate) fn of(endorsement: Vec<u8>) -> Self {
        Self {
            endorsement,
            candidates: Vec::new(),
            roots: EndorsementAuthority::new().pins().into_iter().collect(),
            launch: LAUNCH,
            policy: EndorsementPolicy::default(),
            at: june_2026(),
        }
    }

    pub(crate) fn new() -> Self {
        Self::edited(|_| {})
    }

    /// The endorsement after an edit, soundly signed.
    pub(crate) fn edited(edit: impl FnOnce(&mut EndorsementSpec)) -> Self {
        let mut spec = EndorsementSpec::default();
        edit(&mut spec);
        Self::of(spec.sign())
    }

    /// With another certificate of the signer.
    fn signer(edit: impl FnOnce(&mut CertSpec)) -> Self {
        let authority = EndorsementAuthority::new();
        let mut spec = authority.signer_spec();
        edit(&mut spec);
        Self::edited(|endorsement| endorsement.cert = spec.sign(&PssSha256(authority.root_key())))
    }

    pub(crate) fn verify(&self) -> Result<VerifiedEndorsement, (&'static str, Error)> {
        let candidates: Vec<&[u8]> = self.candidates.iter().map(Vec::as_slice).collect();
        let verified = VerifyEndorsement {
            endorsement: &self.endorsement,
            candidates: &candidates,
            roots: &self.roots,
            launch: &self.launch,
            policy: &self.policy,
            at: self.at,
        };
        verified.verify(&EndorsementCache::default()).map_err(|failed| (failed.check.name(), failed.error))
    }

    pub(crate) fn failed_check(&self) -> &'static str {
        self.verify().unwrap_err().0
    }
}

/// A key that signs with RSASSA-PSS and SHA-384, and another key.
fn strangers() -> [RsaKey; 2] {
    let authority = EndorsementAuthority::new();
    [authority.signer_key().clone(), authority.root_key().clone()]
}

#[test]
fn google_s_word_for_a_launch_is_read() {
    let verified = Scene::new().verify().unwrap();
    let made: Vec<_> = verified.ledger().entries().iter().map(|entry| entry.check).collect();
    assert_eq!(made, checks::ALL.iter().map(|info| info.check).collect::<Vec<_>>(), "in this order");
    let gaps: Vec<_> = verified.ledger().gaps().map(|(check, _)| check).collect();
    assert_eq!(gaps, [checks::GCE_FIRMWARE_SVN, checks::GCE_FIRMWARE_ACCEPTED]);
    assert_eq!((verified.svn(), verified.firmware()), (2, &[0xF0; 48]));
    assert_eq!(verified.launch(), &LAUNCH);

    let golden = verified.golden();
    assert_eq!(golden.timestamp, Some(Timestamp { seconds: utc_day(2026, 3, 12), nanos: 5 }));
    assert_eq!((golden.cl_spec, &golden.commit[..]), (712_345_678, &[0xC0; 20][..]));
    let snp = golden.snp.as_ref().unwrap();
    assert_eq!(snp.measurements, [1, 2, 4].map(|vcpus| (u32::from(vcpus), [vcpus; 48])).into());
    assert_eq!((snp.svsm_measurement, snp.policy), (Some([0x5A; 48]), 0x7_0000));
    assert_eq!((snp.family_id, snp.image_id), (Some([0xFA; 16]), Some([0x1A; 16])));
    let tdx = golden.tdx.as_ref().unwrap();
    let listed: Vec<_> =
        tdx.measurements.iter().map(|of| (of.ram_gib, of.early_accept, of.mrtd[0])).collect();
    assert_eq!((tdx.svn, listed), (3, vec![(16, false, 0xA0), (16, true, 0xA1), (32, true, 0xA1)]));
}

#[test]
fn an_endorsement_is_what_was_signed_and_a_signature() {
    let sound = EndorsementSpec::default();
    let (golden, bytes) = (sound.golden(), sound.sign());
    let signature = PssSha256(EndorsementAuthority::new().signer_key()).sign_x509(&golden);
    let [first, second] = [endorsement(&golden, &[]), endorsement(&[], &signature)];
    Scene::of([&first[..], &second].concat()).verify().unwrap();
    for forged in [
        // In another order; one of them twice; with an unknown field before, after and between; a number in the place of bytes.
        [&second[..], &first].concat(),
        [&first[..], &first, &second].concat(),
        [&first[..], &second, &second].concat(),
        [&[0x18, 1][..], &bytes].concat(),
        [&bytes[..], &[0x18, 1]].concat(),
        [&first[..], &[0x1A, 0], &second].concat(),
        [&[0x08, 1][..], &bytes].concat(),
        // A length with a byte more than it needs, a group, no field.
        [&[0x0A, 0x80, 0x00][..], &bytes].concat(),
        [&[0x0B, 0x0C][..], &bytes].concat(),
        [&bytes[..], &[0]].concat(),
        vec![0xFF; 16],
        Vec::new(),
    ] {
        let (check, error) = Scene::of(forged).verify().unwrap_err();
        assert_eq!((check, error.kind()), ("gce-endorsement-format", ErrorKind::InvalidEndorsements));
    }
    assert_eq!(Scene::of(first).failed_check(), "gce-endorsement-signature");
    assert_eq!(Scene::of(second).failed_check(), "gce-endorsement-format");
}

#[test]
fn digests_and_ids_have_their_lengths() {
    type Edit = fn(&mut EndorsementSpec, Vec<u8>);
    let edits: [(Edit, usize, bool); 6] = [
        (|spec, bytes| spec.digest = bytes, 48, false),
        (|spec, bytes| spec.sev_snp.as_mut().unwrap().measurements[0].1 = bytes, 48, false),
        (|spec, bytes| spec.sev_snp.as_mut().unwrap().svsm_measurement = bytes, 48, true),
        (|spec, bytes| spec.sev_snp.as_mut().unwrap().family_id = bytes, 16, true),
        (|spec, bytes| spec.sev_snp.as_mut().unwrap().image_id = bytes, 16, true),
        (|spec, bytes| spec.tdx.as_mut().unwrap().measurements[2].mrtd = bytes, 48, false),
    ];
    for (edit, length, optional) in edits {
        for found in [0, length - 1, length, length + 1] {
            let scene = Scene::edited(|spec| edit(spec, vec![0xEE; found]));
            if found == length || optional && found == 0 {
                scene.verify().unwrap();
            } else {
                assert_eq!(scene.failed_check(), "gce-endorsement-format");
            }
        }
    }
}

#[test]
fn fields_that_google_adds_are_passed_over() {
    // A number, bytes, and a message within SEV-SNP: fields 15, 100 and 8.
    let scene = Scene::edited(|spec| spec.after = vec![0x78, 1, 0xA2, 0x06, 2, 7, 7]);
    scene.verify().unwrap();
    let scene = Scene::edited(|spec| spec.after = vec![0x3A, 4, 0x42, 2, 0x08, 1]);
    scene.verify().unwrap();
    // Of another type than a field that is known: the digest as a number.
    let scene = Scene::edited(|spec| spec.after = vec![0x28, 1]);
    assert_eq!(scene.failed_check(), "gce-endorsement-format");
}

#[test]
fn there_are_limits() {
    let scene = Scene::of(vec![0; MAX_ENDORSEMENT + 1]);
    let (check, error) = scene.verify().unwrap_err();
    assert_eq!((check, error.kind()), ("gce-endorsement-format", ErrorKind::LimitExceeded));
    let limit =
        Error::TooLarge { what: "golden measurement", found: MAX_ENDORSEMENT + 1, limit: MAX_ENDORSEMENT };
    assert_eq!(Golden::parse(&vec![0; MAX_ENDORSEMENT + 1]), Err(limit));
    // Groups within groups.
    let deep = Scene::edited(|spec| spec.after = [vec![0x7B; 1000], vec![0x7C; 1000]].concat());
    assert_eq!(deep.failed_check(), "gce-endorsement-format");
    Scene::edited(|spec| spec.after = [vec![0x7B; 50], vec![0x7C; 50]].concat()).verify().unwrap();
}

#[test]
fn the_signer_signs_data() {
    let malformed = Scene::edited(|spec| spec.cert.push(0));
    assert_eq!(malformed.failed_check(), "gce-endorsement-signer");
    assert_eq!(Scene::edited(|spec| spec.cert.clear()).failed_check(), "gce-endorsement-signer");
    for usages in [KeyUsages::KeyEncipherment.into(), KeyUsages::DigitalSignature | KeyUsages::KeyCertSign] {
        let scene = Scene::signer(|spec| spec.set_extension(key_usage(usages)));
        let (check, error) = scene.verify().unwrap_err();
        assert_eq!(check, "gce-endorsement-signer");
        assert_eq!(error, Error::SignerUsage("GCE-uefi-signer".to_owned()));
    }
    let without = Scene::signer(|spec| spec.extensions.retain(|of| !of.critical));
    assert_eq!(without.failed_check(), "gce-endorsement-signer");
    // The root signs certificates, and no endorsements.
    let authority = EndorsementAuthority::new();
    let spec = EndorsementSpec { cert: authority.root().to_vec(), ..EndorsementSpec::default() };
    let scene = Scene::of(spec.sign_with(&PssSha256(authority.root_key())));
    assert_eq!(scene.failed_check(), "gce-endorsement-signer");
}

#[test]
fn the_signer_is_valid_from_to() {
    for (at, accepted) in [(day(2029, 9, 3), true), (day(2029, 9, 4), false), (day(2024, 9, 2), false)] {
        let scene = Scene { at, ..Scene::new() };
        match scene.verify() {
            Ok(_) => assert!(accepted),
            Err((check, error)) => {
                assert_eq!((check, accepted), ("gce-endorsement-validity", false));
                assert_eq!(error.kind(), ErrorKind::StaleEndorsements);
            }
        }
    }
    // A root that has ended, though the signer has not.
    let authority = EndorsementAuthority::new();
    let mut root = authority.root_spec();
    root.not_after = utc_day(2026, 5, 31);
    let root = root.sign(&PssSha256(authority.root_key()));
    let scene = Scene::edited(|spec| spec.ca_bundle = pem_chain([&root[..]]).into_bytes());
    assert_eq!(scene.failed_check(), "gce-endorsement-path");
}

#[test]
fn only_a_pinned_root_vouches_for_the_signer() {
    let authority = EndorsementAuthority::new();
    // The lab's is not Google's.
    let (check, error) = Scene { roots: EndorsementRoots::google(), ..Scene::new() }.verify().unwrap_err();
    assert_eq!((check, error.kind()), ("gce-endorsement-path", ErrorKind::MissingEndorsements));
    // The root may come with the endorsement or beside it.
    let mut scene = Scene::edited(|spec| spec.ca_bundle.clear());
    assert_eq!(scene.failed_check(), "gce-endorsement-path");
    scene.candidates = vec![vec![0x30, 0], authority.root().to_vec()];
    scene.verify().unwrap();
    let scene = Scene::edited(|spec| spec.ca_bundle = b"no certificates".to_vec());
    assert_eq!(scene.failed_check(), "gce-endorsement-path");

    // By its key under its name, or as a whole; by nothing else.
    let root = Certificate::parse(authority.root()).unwrap();
    let whole: [u8; 32] =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, root.der()).as_ref().try_into().unwrap();
    for (subject, sha256, accepted) in [
        (ENDORSEMENT_ROOT_NAME, root.spki_sha256(), true),
        ("another name", root.spki_sha256(), false),
        ("", root.spki_sha256(), false),
        (ENDORSEMENT_ROOT_NAME, whole, true),
        ("another name", whole, true),
        (ENDORSEMENT_ROOT_NAME, [7; 32], false),
    ] {
        let roots = EndorsementRoots::new([RootPin { subject: subject.into(), sha256 }]);
        let scene = Scene { roots, ..Scene::new() };
        assert_eq!(scene.verify().is_ok(), accepted, "{subject}");
    }
    // Another certificate of the same key is not the one that is pinned as a whole.
    let mut other = authority.root_spec();
    other.serial = vec![2];
    let other = other.sign(&PssSha256(authority.root_key()));
    let roots = EndorsementRoots::new([RootPin { subject: ENDORSEMENT_ROOT_NAME.into(), sha256: whole }]);
    let mut scene = Scene::edited(|spec| spec.ca_bundle = pem_chain([&other[..]]).into_bytes());
    scene.roots = roots;
    assert_eq!(scene.failed_check(), "gce-endorsement-path");
}

#[test]
fn certificates_of_endorsements_are_signed_as_google_does() {
    let authority = EndorsementAuthority::new();
    let mut signer = authority.signer_spec();
    signer.algorithm = SignatureAlgorithm::RsaPkcs1Sha256;
    let cert = signer.sign(&Pkcs1::Sha256(authority.root_key()));
    assert_eq!(Scene::edited(|spec| spec.cert = cert).failed_check(), "gce-endorsement-path");
    // By another key than the root's.
    let cert = authority.signer_spec().sign(&PssSha256(authority.signer_key()));
    assert_eq!(Scene::edited(|spec| spec.cert = cert).failed_check(), "gce-endorsement-path");
    // An authority that is none.
    let scene = Scene::signer(|spec| spec.set_extension(basic_constraints(true, None)));
    assert_eq!(scene.failed_check(), "gce-endorsement-path");
}

#[test]
fn the_signature_is_of_the_signer_with_pss_and_sha256() {
    let spec = EndorsementSpec::default();
    let [signer, other] = strangers();
    let forged = [
        spec.sign_with(&PssSha256(&other)),
        spec.sign_with(&Pkcs1::Sha256(&signer)),
        spec.sign_with(&Pkcs1::Sha384(&signer)),
        // With PSS and SHA-384.
        spec.sign_with(&signer),
        spec.sign_with(&EcKey::from_label("a stranger")),
    ];
    for forged in forged {
        let (check, error) = Scene::of(forged).verify().unwrap_err();
        assert_eq!((check, error), ("gce-endorsement-signature", Error::EndorsementSignature));
    }
    // Of something else.
    let another = EndorsementSpec { cl_spec: 1, ..spec.clone() };
    let signature = PssSha256(&signer).sign_x509(&another.golden());
    assert_eq!(
        Scene::of(endorsement(&spec.golden(), &signature)).failed_check(),
        "gce-endorsement-signature"
    );
}

#[test]
fn an_endorsement_is_not_of_the_future() {
    let made = utc_day(2026, 3, 12);
    for (at, accepted) in [(made - 1, false), (made, true)] {
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
        let scene = Scene { at, ..Scene::new() };
        assert_eq!(scene.verify().err().map(|it| it.0), (!accepted).then_some("gce-endorsement-timestamp"));
    }
    let (check, error) = Scene::edited(|spec| spec.timestamp = None).verify().unwrap_err();
    assert_eq!((check, error), ("gce-endorsement-timestamp", Error::NoTimestamp));
    // Before 1970, in the year 292277026596, and with a second of nanoseconds, or less than none.
    for timestamp in [(u64::MAX, 0), (1, 1_000_000_000), (1, u64::MAX)] {
        let scene = Scene::edited(|spec| spec.timestamp = Some(timestamp));
        assert_eq!(scene.failed_check(), "gce-endorsement-format");
    }
    let scene = Scene::edited(|spec| spec.timestamp = Some((i64::MAX.unsigned_abs(), 999_999_999)));
    assert_eq!(scene.failed_check(), "gce-endorsement-timestamp");
}

#[test]
fn sources_are_named_since_2024_08_02() {
    assert_eq!(PROVENANCE_SINCE, utc_day(2024, 8, 2));
    let of = |timestamp, cl_spec, commit: &[u8]| {
        let scene = Scene::edited(|spec| {
            (spec.timestamp, spec.cl_spec, spec.commit) = (Some(timestamp), cl_spec, commit.to_vec());
        });
        scene.verify().map_err(|(check, _)| check).err()
    };
    let later = (PROVENANCE_SINCE, 1);
    assert_eq!(of((PROVENANCE_SINCE, 0), 0, b""), None);
    assert_eq!(of(later, 0, b""), Some("gce-endorsement-provenance"));
    assert_eq!(of(later, 1, b""), None);
    assert_eq!(of(later, 0, b"commit"), None);
}

#[test]
fn no_byte_of_an_endorsement_may_change() {
    let sound = Scene::new().endorsement;
    for at in 0..sound.len() {
        let mut forged = sound.clone();
        forged[at] ^= 1;
        assert!(Scene::of(forged).verify().is_err(), "{at}");
        assert!(Scene::of(sound[..at].to_vec()).verify().is_err(), "{at}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>) {
        prop_assert!(Scene::of(bytes.clone()).verify().is_err());
        let _ = Golden::parse(&bytes);
    }
}

/// What is known of an endorsement is not asked for again, and nothing else is known by it.
#[test]
fn a_known_endorsement_is_judged_anew_where_it_can_differ() {
    let cache = EndorsementCache::default();
    let judge = |scene: &Scene| {
        let candidates: Vec<&[u8]> = scene.candidates.iter().map(Vec::as_slice).collect();
        let Scene { endorsement, roots, launch, policy, at, .. } = scene;
        let verify =
            VerifyEndorsement { endorsement, candidates: &candidates, roots, launch, policy, at: *at };
        let verified = verify.verify(&cache).map_err(|failed| failed.check.name())?;
        cache.keep(&verified);
        Ok::<_, &str>(verified.ledger().clone())
    };
    let first = judge(&Scene::new()).unwrap();
    // RSASSA-PSS is randomised: the same endorsement, and not one that was signed again.
    let sound = Scene::new();
    let first_again = judge(&sound).unwrap();
    assert_eq!((first, cache.entry_count()), (first_again.clone(), 2));
    assert_eq!(judge(&sound).unwrap(), first_again);
    assert_eq!(cache.entry_count(), 2);
    let other = |change: fn(&mut Scene)| {
        let mut scene = Scene::of(sound.endorsement.clone());
        change(&mut scene);
        judge(&scene).unwrap_err()
    };
    assert_eq!(other(|scene| scene.at = day(2029, 9, 4)), "gce-endorsement-validity");
    assert_eq!(other(|scene| scene.at = day(2026, 3, 11)), "gce-endorsement-timestamp");
    assert_eq!(other(|scene| scene.roots = EndorsementRoots::google()), "gce-endorsement-path");
    assert_eq!(
        other(|scene| scene.launch = Launch::Snp { measurement: [3; 48], vcpus: None }),
        "gce-launch-endorsed"
    );
    assert_eq!(other(|scene| scene.policy.minimum_snp_svn = Some(3)), "gce-firmware-svn");
    assert_eq!(other(|scene| scene.endorsement[40] ^= 1), "gce-endorsement-signature");
    assert_eq!(cache.entry_count(), 2);

    // What surrounds it makes no other of it; but where the root did not come along, it must be at hand.
    let root = EndorsementAuthority::new().root().to_vec();
    let mut scene = Scene::edited(|spec| spec.ca_bundle.clear());
    for candidates in [vec![root.clone()], vec![b"anything".to_vec(), root]] {
        scene.candidates = candidates;
        judge(&scene).unwrap();
    }
    assert_eq!(cache.entry_count(), 3);
    scene.candidates.clear();
    assert_eq!(judge(&scene).unwrap_err(), "gce-endorsement-path");
}
