//! The cases that fail the named checks, and what else hold around them.

use std::time::Instant;

use backend_api::{ErrorKind, Field, Lane};
use lab::intel::{ConfigId, PckCa, PckSpec, launch::Event, quote::FORMS};

use crate::{
    cases::{self, Case, add_policy, binding, launch, launch_policy, out_of_date, plain, quote_policy, td},
    scene::{Scene, failed_check},
};

fn accepted(name: &str, make: impl FnOnce(&mut Scene)) -> registry::AttestationResult {
    let mut scene = Scene::new();
    make(&mut scene);
    scene.judge().unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_case_fails_its_check_and_its_base_is_accepted() {
    let mut wrong = Vec::new();
    for Case { check, defect, base, make } in cases::all() {
        let mut scene = Scene::new();
        base(&mut scene);
        let before = failed_check(scene.judge());
        if before != "accepted" {
            wrong.push(format!("{defect}: without the defect {before} fails"));
        }
        make(&mut scene);
        let found = failed_check(scene.judge());
        if found != *check {
            wrong.push(format!("{defect}: expected {check}, found {found}"));
        }
    }
    assert_eq!(wrong, [""; 0], "{} of {} cases", wrong.len(), cases::all().count());
}
