//! Devices that do not do what they should: each failure has one line, and leaves neither file nor entry behind.

use std::{fs, thread, time::Duration};

use lab::tsm::{Behaviour, Outblob};

use super::scene::TdxScene;

/// The collection fails for `problem`, and nothing stays.
fn refused(scene: &TdxScene, problem: &str) {
    let run = scene.collect("none", &["--backend", "tdx"]).complains(2, problem);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert_eq!(scene.tree.entries(), [""; 0], "{problem}");
    let json = scene.collect("none", &["--backend", "tdx", "--json"]).expect(2).json();
    assert_eq!((&json["verdict"], &json["backend"]), (&"error".into(), &"tdx".into()));
    let left = fs::read_dir(scene.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| ["none", ".attest"].iter().any(|start| name.to_string_lossy().starts_with(start)))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_provider_that_answers_wrongly_is_named() {
    let Some(scene) = TdxScene::new("a_provider_that_answers_wrongly_is_named") else { return };
    scene.launch();
    let set = |outblob| scene.tree.change(|behaviour| behaviour.outblob = outblob);
    for (outblob, problem) in [
        (Outblob::Truncated(100), "outblob has 100 bytes, expected at least 1020"),
        (Outblob::Truncated(1100), "expected a TDX quote: quote ends within its signature data"),
        (Outblob::Empty, "outblob is empty"),
        (Outblob::OtherChallenge, "another challenge than the one that was asked for"),
    ] {
        set(outblob);
        refused(&scene, problem);
    }
    // Zeros after a quote are no trouble: platforms hand them out.
    set(Outblob::Padded(8000));
    scene.collect("padded", &[]).expect(0);
    scene.judge(&fs::read(scene.path("padded")).unwrap()).unwrap();
    set(Outblob::Whole);
    let change = |change: fn(&mut Behaviour)| scene.tree.change(change);
    change(|behaviour| behaviour.provider = "sev_guest".to_owned());
    refused(&scene, "provider is \"sev_guest\", expected tdx_guest");
    change(|behaviour| behaviour.provider = String::new());
    refused(&scene, "no driver makes reports");
    change(|behaviour| behaviour.provider = "tdx_guest".to_owned());
    change(|behaviour| behaviour.intruders = u32::MAX);
    refused(&scene, "the entry was written to by others");
    change(|behaviour| behaviour.intruders = 0);
    // Busy for a moment is waited for.
    change(|behaviour| behaviour.busy = 3);
    scene.collect("patient", &[]).expect(0);
    assert_eq!(scene.tree.entries(), [""; 0]);
}

#[test]
fn a_provider_that_does_not_answer_is_given_up() {
    let test = "a_provider_that_does_not_answer_is_given_up";
    let Some((busy, slow)) = TdxScene::new(test).zip(TdxScene::new(test)) else { return };
    busy.tree.change(|behaviour| behaviour.busy = u32::MAX);
    slow.tree.change(|behaviour| behaviour.delay = Duration::from_secs(3));
    thread::scope(|scope| {
        let cases = [(&busy, "device was busy for 1000 ms"), (&slow, "report took longer than 1000 ms")];
        for case in cases.map(|(scene, problem)| {
            scope.spawn(move || {
                scene.collect("none", &["--timeout", "1s"]).complains(2, problem);
                assert_eq!(scene.tree.entries(), [""; 0]);
                assert!(!fs::exists(scene.path("none")).unwrap());
            })
        }) {
            case.join().unwrap();
        }
    });
}

#[test]
fn evidence_that_cannot_be_written_leaves_nothing() {
    let Some(scene) = TdxScene::new("evidence_that_cannot_be_written_leaves_nothing") else { return };
    scene.launch();
    scene.collect("missing/evidence", &[]).complains(2, "cannot write");
    scene.collect("dstack", &[]).complains(2, "is not a regular file");
    assert_eq!(scene.tree.entries(), [""; 0]);
}
