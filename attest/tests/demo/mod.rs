//! `attest demo` for each backend: everything is accepted and refused as it must be, whether a guest really ran or not.

use std::process::Command;

use crate::common::attest;

/// Demos with a guest that can run: the backend, how many pieces of evidence are accepted and refused, and by which check under the
/// vendor's roots.
const DEMOS: &[(&str, usize, usize, &str)] = &[
    ("aws", 3, 32, "nitro-root-pinned"),
    ("azure", 3, 27, "chain-signatures"),
    ("gcp", 3, 30, "root-pinned"),
    ("tdx", 3, 31, "root-pinned"),
];

fn summary(accepted: usize, refused: usize) -> String {
    format!("demo complete: {accepted} accepted, {refused} refused, as they must be\n")
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_demo_runs_to_its_end() {
    let text = attest(["demo"]).expect(0).text();
    assert!(text.starts_with("SIMULATED: "));
    assert!(!text.contains("DEVIATES"));
    assert!(text.ends_with(&summary(1, 18)), "{text}");
    let json = attest(["demo", "--json"]).expect(0).json();
    assert_eq!((&json["simulated"], &json["complete"]), (&true.into(), &true.into()));
    let refused = json["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 18);
    assert!(refused.iter().all(|refusal| refusal["check"] == refusal["expected-check"]));
    assert_eq!(attest(["demo", "--backend", "baremetal-snp"]).expect(0).text(), text);
}

#[test]
fn the_demos_with_a_guest_run_to_their_end() {
    for (backend, accepted, refused, foreign) in DEMOS {
        let text = attest(["demo", "--backend", backend]).expect(0).text();
        assert!(text.starts_with("SIMULATED: "));
        assert!(!text.contains("DEVIATES"));
        assert!(text.ends_with(&summary(*accepted, *refused)), "{text}");
        let json = attest(["demo", "--backend", backend, "--json"]).expect(0).json();
        assert_eq!((&json["simulated"], &json["complete"]), (&true.into(), &true.into()));
        let refusals = json["refused"].as_array().unwrap();
        assert_eq!(refusals.len(), *refused);
        assert!(refusals.iter().all(|refusal| refusal["check"] == refusal["expected-check"]));
        assert_eq!(refusals[0]["check"], *foreign);
        // Whether a guest collected it is said; where its machine cannot be simulated, none did.
        let says_so = on_one_line(&text).contains("by the code that runs in real guests");
        assert_eq!(json["collected"], says_so);
        if !says_so {
            let test = "the_demos_with_a_guest_run_to_their_end";
            lab::vectors::skipped(test, &format!("no guest of {backend} can be simulated here"));
        }
    }
}

/// Devices are forged beside their CPU: nothing of them can be collected here.
#[test]
fn the_demo_of_devices_runs_to_its_end() {
    let text = attest(["demo", "--backend", "tdx+nvidia"]).expect(0).text();
    assert!(text.starts_with("SIMULATED: ") && !text.contains("DEVIATES"), "{text}");
    assert!(text.ends_with(&summary(4, 29)), "{text}");
    assert!(on_one_line(&text).contains("evidence is forged: nothing was extended"), "{text}");
    let json = attest(["demo", "--backend", "tdx+nvidia", "--json"]).expect(0).json();
    assert_eq!((&json["backend"], &json["collected"]), (&"tdx+nvidia".into(), &false.into()));
    // Under Intel's roots, and under NVIDIA's beside a CPU under the lab's.
    let checks = [&json["refused"][0]["check"], &json["refused"][1]["check"]];
    assert_eq!(checks, ["root-pinned", "device-root-pinned"]);
    assert_eq!(json["accepted"]["devices"][0]["claims"]["product"], "8 x GH100, 4 x LS_10");
}

/// Without a place for its files no machine starts.
#[test]
fn a_demo_without_a_guest_says_so() {
    for (backend, accepted, refused, _) in DEMOS {
        let demo = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_attest"));
            command.env("TMPDIR", "/missing").args(["demo", "--backend", backend]).args(more);
            command.output().unwrap().stdout
        };
        let forged = String::from_utf8(demo(&[])).unwrap();
        assert!(on_one_line(&forged).contains("evidence is forged: nothing was extended"), "{forged}");
        assert!(forged.ends_with(&summary(*accepted, *refused)), "{forged}");
        let json: serde_json::Value = serde_json::from_slice(&demo(&["--json"])).unwrap();
        assert_eq!(json["collected"], false);
    }
}
