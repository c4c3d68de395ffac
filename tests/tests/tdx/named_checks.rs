//! The cases that fail the named checks, and what else hold around them.

use backend_api::{Field, Lane};
use conformance::named::{each_fails_its_check, failed_check};
use lab::{
    intel::{ConfigId, PckCa, PckSpec, TdGuest, launch::Event, quote::FORMS},
    keys::p256_spki,
};
use registry::AttestationResult;

use crate::{
    cases::{
        self, add_policy,
        binding::{
            booting, by_registers, colon, events, form_1, form_2, listed_image, no_form, no_scripts, required,
        },
        collateral::{grace_period, plain_platform},
        launch::{acpi_alone, firmware_log},
        launch_policy, out_of_date, quote_policy,
        td::{key_locker, late_service_td, listed_fields, listed_module, listed_service_td, td15_extended},
        two_signers,
    },
    scene::Scene,
};

/// What a scene is, and what makes it of the plain one.
type Variant = (&'static str, fn(&mut Scene));

/// Accepted scenes, each of which differs from the plain one. The cases' bases are accepted too.
const ACCEPTED: &[Variant] = &[
    ("as it is", |_| {}),
    ("a PCK certificate of the Processor CA", |scene| {
        scene.guest.pck_spec = PckSpec::new(PckCa::Processor);
        scene.guest.issue_pck();
        scene.guest.seal_collateral();
    }),
    ("one signer of TCB info, another of the enclave's identity", two_signers),
    ("an old list beside a current one", |scene| {
        scene.edit_bundle = |guest, bundle| {
            let mut old = guest.collateral.pck_crl.clone();
            old.next_update = Some(old.this_update + 1);
            let old = old.sign(guest.hierarchy.pck_ca_key(PckCa::Platform));
            bundle.revocation_lists.insert(0, old);
        };
    }),
    ("what Intel says of other platforms beside what it says of this one", |scene| {
        scene.edit_bundle = |guest, bundle| {
            let mut other = guest.clone();
            other.collateral.tcb_info.fmspc = "50806F000000".to_owned();
            other.collateral.tcb_info.set_status("Revoked", &[]);
            bundle.documents.insert(0, other.collateral().tcb_info.json().into_bytes());
            bundle.documents.push(b"{}".to_vec());
            bundle.certificates.insert(0, vec![0x30, 0]);
        };
    }),
    ("a processor whose versions have their first bit set", |scene| {
        scene.guest.pck_spec.set_components([0xFF; 16]);
        scene.guest.issue_pck();
    }),
    ("a platform of none of the kinds that the policy rejects", plain_platform),
    ("the last second of the grace period", grace_period),
    ("a platform out of date, for ever", out_of_date),
    ("attributes that only add protection", |scene| {
        scene.guest.quote.body.td_attributes |= 1 << 16 | 1 << 27 | 1 << 30;
    }),
    ("Key Locker, which the policy allows", key_locker),
    ("every feature that TDX knows", |scene| scene.guest.quote.body.xfam = 0x6_DBE7),
    ("a listed TDX module", listed_module),
    ("a listed service TD", listed_service_td),
    ("a listed service TD, and another that came later", late_service_td),
    ("a guest that boots", booting),
    ("a listed image", listed_image),
    ("a document that excludes init scripts", no_scripts),
    ("listed MRCONFIGID, MROWNER and MROWNERCONFIG", listed_fields),
    ("the firmware's own log", firmware_log),
    ("a log that was cut down to ACPI tables", acpi_alone),
    ("pages added in two passes", |scene| {
        scene.guest.launch.two_pass = true;
        scene.guest.seal_launch();
    }),
    ("2 GiB of memory", |scene| {
        scene.guest.launch.memory_size = 2 << 30;
        scene.guest.seal_launch();
    }),
    ("MRCONFIGID of form 1", form_1),
    ("MRCONFIGID of form 2", form_2),
    ("no MRCONFIGID", no_form),
    ("MRCONFIGID where it is required", required),
    ("a colon in a payload", colon),
    ("no application", |scene| {
        events(scene, |launch| launch.events.clear());
    }),
    ("no instance", |scene| {
        events(scene, |launch| launch.event("instance-id").payload.clear());
        scene.guest.launch.mr_config = scene.guest.launch.mr_config.replace("\"instance_id\"", "\"x\"");
        scene.guest.launch.config_id = ConfigId::V2;
        scene.guest.seal_launch();
    }),
    ("no launch inputs, and listed registers", by_registers),
    ("a listed image under a listed configuration", |scene| {
        listed_image(scene);
        let rtmr0 = hex::encode(scene.guest.quote.body.rtmr0);
        add_policy(scene, &launch_policy(&format!("rtmr0 = [\"{rtmr0}\"]")));
    }),
    ("a listed image under a listed firmware", |scene| {
        listed_image(scene);
        let mrtd = hex::encode(scene.guest.quote.body.mrtd);
        add_policy(scene, &format!("measurements = [\"{mrtd}\"]"));
    }),
    ("a quote alone, and listed registers", |scene| {
        by_registers(scene);
        events(scene, |launch| launch.events.clear());
        scene.edit = |evidence| {
            evidence.launch = None;
            evidence.boot_log = None;
            evidence.mr_config = None;
        };
    }),
];

fn judged(make: impl FnOnce(&mut Scene)) -> AttestationResult {
    let mut scene = Scene::new();
    make(&mut scene);
    scene.judge().unwrap()
}

fn bound(result: &AttestationResult, field: Field) -> (Vec<u8>, Lane) {
    let (_, bound) = result.cpu.identity.iter().find(|(known, _)| *known == field).unwrap();
    (bound.value.clone(), bound.lane)
}

#[test]
fn each_case_fails_its_check_and_differs_from_an_accepted_scene() {
    each_fails_its_check(cases::all(), |scene| failed_check(scene.judge()));
}

#[test]
fn variants_are_accepted() {
    for (what, make) in ACCEPTED {
        let mut scene = Scene::new();
        make(&mut scene);
        if let Err(error) = scene.judge() {
            panic!("{what}: {error}");
        }
    }
}

#[test]
fn quotes_of_every_form_are_accepted() {
    for (version, body_type) in FORMS {
        let result = Scene::of(TdGuest::new().with_form(version, body_type)).judge().unwrap();
        assert_eq!(result.cpu.claims.details["quote-version"], version);
        let name = match body_type.number() {
            2 => "TD 1.0",
            3 => "TD 1.5",
            _ => "TD 1.5ex",
        };
        assert_eq!(result.cpu.claims.details["td-report"], name);
    }
}

/// Everything that the plain scene's relying party did not ask for.
#[test]
fn what_was_not_asked_for_shows() {
    let result = judged(|_| {});
    let gaps: Vec<&str> = result.cpu.ledger.gaps().map(|(check, _)| check.name()).collect();
    assert_eq!(
        gaps,
        [
            "module",
            "tcb-evaluation-floor",
            "tcb-date-floor",
            "advisories",
            "platform-flags",
            "measurement-listed",
            "tcb-status",
            "required-devices",
            "reference-values",
        ]
    );
}

/// Everything that the lab's launch says, and by what it is bound.
#[test]
fn the_whole_identity_is_bound() {
    let result = judged(|_| {});
    let guest = TdGuest::new();
    let [compose_hash, app_id, instance_id, key_provider] =
        ["compose-hash", "app-id", "instance-id", "key-provider"]
            .map(|name| guest.launch.clone().event(name).payload.clone());
    let kms = p256_spki("kms root");
    let kms = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &kms).as_ref().to_vec();
    for (field, value, lane) in [
        (Field::OsImageHash, guest.launch.os_image_hash().to_vec(), Lane::LaunchMeasurement),
        (Field::AppId, app_id, Lane::RuntimeRegister),
        (Field::ComposeHash, compose_hash, Lane::RuntimeRegister),
        (Field::InstanceId, instance_id, Lane::RuntimeRegister),
        (Field::KeyProvider, key_provider, Lane::RuntimeRegister),
        (Field::KmsRootKeyHash, kms, Lane::RuntimeRegister),
    ] {
        assert_eq!(bound(&result, field), (value, lane), "{}", field.name());
    }
    assert_eq!(result.cpu.claims.tcb_status, "UpToDate");
    assert_eq!(result.cpu.claims.measurement, hex::encode(guest.launch.image.mrtd_single_pass));
    assert!(result.boot_info.is_some());
}

/// How a digest is made does not matter to what it says.
#[test]
fn events_of_both_versions_say_the_same() {
    let second = judged(|scene| {
        events(scene, |launch| launch.events.iter_mut().for_each(|event| event.version = 2));
    });
    let first = judged(|_| {});
    for field in [Field::AppId, Field::ComposeHash, Field::InstanceId, Field::KeyProvider] {
        assert_eq!(bound(&first, field), bound(&second, field));
    }
}

/// After `system-ready` the application extends what it likes, under any name: RTMR3 changes with it, the
/// identity does not.
#[test]
fn what_the_application_extends_changes_no_identity() {
    let before = judged(|_| {});
    let after = judged(|scene| {
        events(scene, |launch| {
            launch.events.push(Event::new("app-id", &[0xEE; 20]));
            launch.events.push(Event::new("compose-hash", &[0xEE; 32]));
            launch.events.push(Event::new("Any Name: At All", b":"));
        });
    });
    for (field, bound_before) in before.cpu.identity.iter().filter(|(field, _)| *field != Field::MrAggregated)
    {
        assert_eq!(bound(&after, field).0, bound_before.value, "{}", field.name());
    }
    assert_ne!(bound(&before, Field::MrAggregated), bound(&after, Field::MrAggregated));
}

/// The value of an aggregate stands for MRTD and the registers of the boot.
#[test]
fn an_aggregate_accounts_for_the_boot() {
    let values = judged(|_| {});
    for field in [Field::MrSystem, Field::MrAggregated] {
        let value = hex::encode(bound(&values, field).0);
        let policy = format!("[reference-values]\n{} = [\"{value}\"]", field.name());
        let make = |scene: &mut Scene| {
            scene.edit = |evidence| evidence.launch = None;
            scene.policy = policy.clone();
        };
        assert!(judged(make).cpu.identity.get(Field::OsImageHash).is_none());
        let mut other = Scene::new();
        make(&mut other);
        other.guest.quote.body.mrtd[0] ^= 1;
        assert_eq!(failed_check(other.judge()), "measurement-known", "{}", field.name());
    }
}

/// Each status that Intel has passes where it is listed, and only there.
#[test]
fn statuses_pass_where_they_are_listed() {
    let statuses = [
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
    ];
    for status in statuses {
        for listed in statuses {
            let mut scene = Scene::new();
            scene.guest.collateral.tcb_info.set_status(status, &["INTEL-SA-00001"]);
            scene.policy = quote_policy(&format!("accept-tcb-status = [\"{listed}\"]"));
            match scene.judge() {
                Ok(result) => {
                    assert_eq!(status, listed);
                    assert_eq!(result.cpu.claims.tcb_status, status);
                    assert_eq!(result.cpu.claims.advisory_ids, ["INTEL-SA-00001"]);
                }
                Err(error) => {
                    assert_ne!(status, listed);
                    assert_eq!(error.check().unwrap().name(), "tcb-accepted");
                }
            }
        }
    }
}

/// A TD that was launched under an older TDX module than the one that runs now.
#[test]
fn a_td_that_must_be_launched_again_passes_where_that_is_listed() {
    for (configuration, status) in
        [("UpToDate", "TDRelaunchAdvised"), ("ConfigurationNeeded", "TDRelaunchAdvisedConfigurationNeeded")]
    {
        let result = judged(|scene| {
            td15_extended(scene);
            scene.guest.quote.body.tee_tcb_svn[0] = 4;
            scene.guest.collateral.tcb_info.set_status(configuration, &[]);
            scene.policy = quote_policy(&format!("accept-tcb-status = [\"{status}\"]"));
        });
        assert_eq!(result.cpu.claims.tcb_status, status);
    }
}

/// Whose fault it is that a platform is refused, and what has to be updated.
#[test]
fn a_refusal_for_the_tcb_says_what_falls_short_and_by_how_much() {
    let refused = |make: fn(&mut Scene)| {
        let mut scene = Scene::new();
        make(&mut scene);
        scene.judge().unwrap_err().to_string()
    };
    let below = refused(|scene| {
        let mut components = scene.guest.pck_spec.components;
        components[0] -= 2;
        scene.guest.pck_spec.set_components(components);
        scene.guest.issue_pck();
    });
    assert!(below.contains("below every TCB level: SGX component 0 is at 2, 1 below 3"), "{below}");
    let module = refused(|scene| scene.guest.quote.body.tee_tcb_svn[0] = 4);
    assert!(module.contains("TCB status is OutOfDate: TDX module is at 4, 2 below 6"), "{module}");
    let pce = refused(|scene| {
        scene.guest.pck_spec.pce_svn = 12;
        scene.guest.issue_pck();
    });
    assert!(pce.contains("TCB status is OutOfDate: PCE is at 12, 1 below 13"), "{pce}");
    let enclave = refused(|scene| {
        use lab::intel::{TcbLevel, tcb::IsvTcb};
        scene.guest.collateral.qe_identity.tcb_levels =
            vec![TcbLevel::up_to_date(IsvTcb { isv_svn: 8 }), TcbLevel::out_of_date(IsvTcb { isv_svn: 7 })];
    });
    assert!(enclave.contains("TCB status is OutOfDate: quoting enclave is at 7, 1 below 8"), "{enclave}");
}

/// What cannot be meant, or would never apply, is no policy.
#[test]
fn policies_that_cannot_be_meant_are_refused() {
    for (policy, reason) in [
        (quote_policy("modules = []"), "the list modules is empty"),
        (quote_policy("reject-advisories = []"), "the list reject-advisories is empty"),
        (quote_policy("reject-advisories = [\"INTEL-SA-1245\"]"), "INTEL-SA-1245"),
        (quote_policy("reject-advisories = [\"intel-sa-01245\"]"), "intel-sa-01245"),
        (quote_policy("grace-period-days = 30"), "grace-period-days is about"),
        (launch_policy("rtmr1 = []"), "the list rtmr1 is empty"),
        (launch_policy("mr-config-id-forms = []"), "mr-config-id-forms lists forms 1, 2 and 3"),
        (launch_policy("mr-config-id-forms = [4]"), "mr-config-id-forms lists forms 1, 2 and 3"),
        (launch_policy("phase = \"running\""), "unknown variant `running`"),
    ] {
        let mut scene = Scene::new();
        scene.policy = policy;
        let error = scene.verifier().unwrap_err();
        assert_eq!(error.kind(), backend_api::ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// Nobody knows what RTMR0 holds where neither the image nor the relying party says it.
#[test]
fn a_configuration_that_nobody_knows_is_noted() {
    let noted = |make: fn(&mut Scene)| judged(make).cpu.notes.contains_key("rtmr0");
    assert!(noted(by_registers));
    assert!(!noted(|_| {}));
    assert!(!noted(|scene| {
        by_registers(scene);
        let rtmr0 = hex::encode(scene.guest.quote.body.rtmr0);
        add_policy(scene, &format!("rtmr0 = [\"{rtmr0}\"]"));
    }));
}

/// An image of the guest's own does not account for what a relying party lists.
#[test]
fn a_refusal_for_the_image_names_it() {
    let mut scene = Scene::new();
    scene.policy = format!("[reference-values]\nmeasurements = [\"{}\"]\n", "00".repeat(48));
    let error = scene.judge().unwrap_err().to_string();
    let image = hex::encode(scene.guest.launch.os_image_hash());
    assert!(error.contains(&format!("MRTD is explained by the image {image} alone")), "{error}");
}
