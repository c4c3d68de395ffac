//! What the attesters of Confidential Containers write, in every form.

use backend_azure::{Profile, Tee, media_type};
use backend_tdx::{BootLog, TdxEvidence};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use lab::intel::TdGuest;
use serde_json::{Value, json};

use super::{Scene, pem};
use crate::common::attest_with_input;

/// Version 1, whose strings have padding.
fn versioned(scene: &Scene) -> Value {
    let parts = &scene.parts;
    let mut evidence = json!({
        "version": 1,
        "tpm_quote": {
            "signature": hex::encode(&parts.signature[6..]),
            "message": hex::encode(&parts.quote),
            "pcrs": parts.pcrs.iter().map(hex::encode).collect::<Vec<_>>(),
        },
        "hcl_report": URL_SAFE.encode(&parts.hcl_report),
    });
    match &parts.td_quote {
        None => evidence["vcek"] = URL_SAFE.encode(&parts.certificates[0]).into(),
        Some(quote) => evidence["td_quote"] = URL_SAFE.encode([&quote[..], &[0; 60]].concat()).into(),
    }
    evidence
}

/// The older form, of number lists.
fn older(scene: &Scene) -> Value {
    let parts = &scene.parts;
    let quote = json!({ "signature": parts.signature[6..], "message": parts.quote, "pcrs": parts.pcrs });
    match &parts.td_quote {
        None => json!({ "quote": quote, "report": parts.hcl_report, "vcek": pem(&parts.certificates[0]) }),
        Some(td_quote) => json!({ "tpm_quote": quote, "hcl_report": parts.hcl_report, "td_quote": td_quote }),
    }
}

fn platform(scene: &Scene) -> &'static str {
    match scene.tee {
        Tee::Snp => "az-snp",
        Tee::Tdx => "az-tdx",
    }
}

#[test]
fn every_form_is_imported_alike() {
    for scene in [Scene::snp(), Scene::tdx()] {
        let mut expected = scene.evidence();
        (expected.ak_certificate, expected.boot_log) = (None, None);
        expected.certificates.truncate(usize::from(scene.tee == Tee::Snp));
        let one = versioned(&scene);
        let mut two = one.clone();
        two["version"] = 2.into();
        let mut bare = one.clone();
        for key in ["hcl_report", "vcek", "td_quote"] {
            if let Some(text) = one[key].as_str() {
                bare[key] = text.trim_end_matches('=').into();
            }
        }
        let wrapped = json!({ "platform": platform(&scene), "evidence": bare });
        let older = older(&scene);
        let wrapped_older = json!({ "platform": platform(&scene), "evidence": older });
        let mut outputs = Vec::new();
        for form in [one, two, bare, wrapped, older, wrapped_older] {
            scene.put("coco.json", form.to_string());
            let text = scene.run("import coco $/coco.json -o $/evidence").expect(0).text();
            assert!(text.contains("nothing in it is verified"), "{text}");
            assert_eq!(scene.imported("evidence"), (media_type(scene.tee, Profile::Coco), expected.clone()));
            outputs.push(scene.run("import coco $/coco.json -o -").expect(0).stdout);
            outputs.push(
                attest_with_input(["import", "coco", "-", "-o", "-"], form.to_string().as_bytes())
                    .expect(0)
                    .stdout,
            );
        }
        // And like its parts.
        let more = if scene.tee == Tee::Snp { "--vcek $/vcek" } else { "--td-quote $/td-quote" };
        scene.put("vcek", &scene.parts.certificates[0]);
        outputs.push(scene.run(&format!("{} {more} -o -", super::NEEDED)).expect(0).stdout);
        assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

/// Sets the value at a pointer; null removes the member.
fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match (value, parent) {
        (Value::Null, Value::Object(members)) => {
            members.remove(key).unwrap();
        }
        (value, Value::Object(members)) => {
            members.insert(key.to_owned(), value);
        }
        (value, parent) => parent[key.parse::<usize>().unwrap()] = value,
    }
    document
}

#[test]
fn documents_that_are_none_are_named() {
    let (scene, td) = (Scene::snp(), Scene::tdx());
    let (one, older_one) = (versioned(&scene), older(&scene));
    let td_quote = versioned(&td)["td_quote"].clone();
    let wrap = |platform: &str, evidence: &Value| json!({ "platform": platform, "evidence": evidence });
    let short: Vec<Value> = one["tpm_quote"]["pcrs"].as_array().unwrap()[1..].to_vec();
    let mut cases: Vec<(String, &str)> = [
        (json!([]), "must be an object"),
        (json!({}), "expected version and tpm_quote, "),
        (json!({ "version": 1 }), "expected version and tpm_quote, "),
        (with(one.clone(), "/version", 3.into()), "version is 3, expected 1 or 2, or none"),
        (with(one.clone(), "/version", 0.into()), "version is 0, expected 1 or 2, or none"),
        (with(one.clone(), "/version", "1".into()), "\"version\" must be an unsigned integer"),
        (with(one.clone(), "/more", "".into()), "no other key expected, found \"more\""),
        (with(one.clone(), "/quote", json!({})), "expected version and tpm_quote, "),
        (with(one.clone(), "/vcek", Value::Null), "expected vcek (SEV-SNP) or td_quote (TDX), found neither"),
        (
            with(one.clone(), "/td_quote", td_quote.clone()),
            "expected vcek (SEV-SNP) or td_quote (TDX), found both",
        ),
        (with(one.clone(), "/vcek", "AAAA".into()), "vcek: "),
        (with(one.clone(), "/vcek", "A.A/".into()), "\"vcek\" must be a base64 string"),
        (with(one.clone(), "/hcl_report", json!([72])), "\"hcl_report\" must be a base64 string"),
        (with(one.clone(), "/hcl_report", "SENMQQ".into()), "expected a report of the paravisor"),
        (with(one.clone(), "/hcl_report", Value::Null), "key \"hcl_report\" expected"),
        (with(one.clone(), "/tpm_quote", json!([])), "tpm quote: \"document\" must be an object"),
        (with(one.clone(), "/tpm_quote/more", 1.into()), "tpm quote: no other key expected, found \"more\""),
        (with(one.clone(), "/tpm_quote/message", "00".into()), "tpm quote: "),
        (with(one.clone(), "/tpm_quote/message", json!([255])), "\"message\" must be a hex string"),
        (with(one.clone(), "/tpm_quote/signature", "00".repeat(255).into()), "found 255 bytes"),
        (with(one.clone(), "/tpm_quote/signature", Value::Null), "key \"signature\" expected"),
        (with(one.clone(), "/tpm_quote/pcrs", short.into()), "expected 24 registers in \"pcrs\", found 23"),
        (with(one.clone(), "/tpm_quote/pcrs/3", "00".into()), "32 bytes expected in \"pcrs\", found 1"),
        (with(one.clone(), "/tpm_quote/pcrs/3", json!([0])), "\"pcrs\" must be an array"),
        (
            with(with(one.clone(), "/vcek", Value::Null), "/td_quote", td_quote),
            "has the type 2, expected 4 (TDX)",
        ),
        (with(versioned(&td), "/td_quote", "AAAA".into()), "td quote: "),
        // A version that the number lists do not have, and the other way round.
        (with(older_one.clone(), "/version", 1.into()), "expected version and tpm_quote, "),
        (with(one.clone(), "/version", Value::Null), "\"signature\" must be a list of numbers from 0 to 255"),
        (with(older_one.clone(), "/hcl_report", json!([])), "no other key expected, found \"hcl_report\""),
        (with(older_one.clone(), "/report/0", 256.into()), "\"report\" must be a list of numbers"),
        (with(older_one.clone(), "/report/0", (-1).into()), "\"report\" must be a list of numbers"),
        (with(older_one.clone(), "/report/0", 0.into()), "does not begin with HCLA"),
        (with(older_one.clone(), "/vcek", "text".into()), "vcek: "),
        (with(older_one, "/quote/pcrs/0", json!([0])), "32 bytes expected in \"pcrs\", found 1"),
        (with(older(&td), "/td_quote", Value::Null), "key \"td_quote\" expected"),
        // Around it.
        (wrap("az-snp-vtpm", &one), "platform is \"az-snp-vtpm\", expected az-snp or az-tdx"),
        (wrap("az-tdx", &one), "platform is \"az-tdx\", and the evidence in it is of SEV-SNP"),
        (wrap("az-snp", &versioned(&td)), "platform is \"az-snp\", and the evidence in it is of TDX"),
        (wrap("az-snp", &wrap("az-snp", &one)), "expected version and tpm_quote, "),
        (with(wrap("az-snp", &one), "/more", 1.into()), "no other key expected, found \"more\""),
        (json!({ "platform": "az-snp" }), "key \"evidence\" expected"),
        (json!({ "evidence": one }), "expected version and tpm_quote, "),
        // Outside of Azure.
        (
            json!({ "attestation_report": { "version": 2 }, "cert_chain": [] }),
            "expected the report as it was received",
        ),
        (json!({ "quote": "AAAA" }), "td quote: "),
        (json!({ "quote": "A-_A" }), "\"quote\" must be a base64 string"),
    ]
    .map(|(document, problem)| (document.to_string(), problem))
    .to_vec();
    cases.push((
        one.to_string().replacen("\"version\":1", "\"version\":1,\"version\":1", 1),
        "\"version\" twice",
    ));
    cases.push((one.to_string().replacen("\"message\":", "\"pcrs\":[],\"message\":", 1), "\"pcrs\" twice"));
    cases.push((one.to_string() + "x", "well-formed json expected"));
    cases.push((String::new(), "well-formed json expected"));
    cases.push((" ".repeat((8 << 20) + 1), "at most 8388608 bytes expected"));
    for (document, problem) in cases {
        scene.put("bad.json", &document);
        let run = scene.run("import coco $/bad.json -o $/none").complains(1, problem);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains("/bad.json\": ") && !scene.path().join("none").exists());
    }
    scene.put("bad.json", b"\xff");
    scene.run("import coco $/bad.json -o $/none").complains(2, "is not UTF-8 text");
}

#[test]
fn a_td_outside_of_azure_is_imported() {
    let (scene, guest) = (Scene::snp(), TdGuest::new());
    let quote = guest.quote_for(&[7; 64]);
    let ccel = guest.launch.ccel();
    scene.put("quote", [&quote[..], &[0; 100]].concat());
    scene.put("ccel", &ccel);
    let base = json!({ "quote": STANDARD.encode([&quote[..], &[0; 100]].concat()) });
    let logged = with(base.clone(), "/cc_eventlog", STANDARD.encode(&ccel).into());
    let mut null = base.clone();
    null["cc_eventlog"] = Value::Null;
    for (document, option) in [
        (base.clone(), ""),
        (null, ""),
        (with(base, "/cc_eventlog", "".into()), ""),
        (logged.clone(), "--event-log $/ccel"),
        (with(logged.clone(), "/aa_eventlog", "INIT sha384/00".into()), "--event-log $/ccel"),
    ] {
        scene.put("coco.json", document.to_string());
        let expected = scene.run(&format!("import tdx --quote $/quote {option} -o -")).expect(0).stdout;
        assert_eq!(scene.run("import coco $/coco.json -o -").expect(0).stdout, expected);
        let json = scene.run("import coco $/coco.json -o $/evidence --json").expect(0).json();
        assert_eq!(json["zeros-cut"], 100);
        assert_eq!(json["aa-log-left-out"], document.get("aa_eventlog").is_some());
    }
    let envelope = scene.read("evidence");
    let evidence =
        TdxEvidence::decode(backend_api::Envelope::decode(&envelope).unwrap().cpu.bytes()).unwrap();
    assert_eq!(evidence.boot_log, Some(BootLog::Ccel(ccel.into())));
    for (document, problem) in [
        (
            with(logged.clone(), "/cc_eventlog", URL_SAFE_NO_PAD.encode([0xFF; 4]).into()),
            "\"cc_eventlog\" must be",
        ),
        (with(logged.clone(), "/cc_eventlog", "AAAA".into()), "cc_eventlog: "),
        (with(logged.clone(), "/more", 1.into()), "no other key expected, found \"more\""),
        (with(logged.clone(), "/hcl_report", "".into()), "no other key expected, found \"hcl_report\""),
        (
            json!({ "platform": "az-tdx", "evidence": logged }),
            "the evidence in it is of TDX outside of Azure",
        ),
    ] {
        scene.put("coco.json", document.to_string());
        scene.run("import coco $/coco.json -o $/none").complains(1, problem);
    }
}
