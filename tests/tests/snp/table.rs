//! The table of checks and cases in `docs/checks.md` is made from the code.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use backend_api::{AttestationBackend, CheckInfo};
use backend_baremetal_snp::BaremetalSnp;

use crate::cases;

/// Checks that no case of one scene reaches, and the tests elsewhere that fail them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("csp-id", "a VLEK of another provider (`tests/tests/snp/vlek.rs`)"),
    ("tcb-status", "a status that is not listed (`tests/tests/snp/appraisal.rs`)"),
    ("reference-values", "another image; a field that nothing binds (`tests/tests/snp/appraisal.rs`)"),
    ("asserted-links", "a link on the caller's word (`registry/src/appraisal.rs`)"),
    ("required-checks", "a check that was not performed (`tests/tests/snp/appraisal.rs`)"),
];

fn table() -> String {
    let mut cases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in cases::all() {
        cases.entry(case.check).or_default().push(case.defect);
    }
    for (check, test) in ELSEWHERE {
        cases.entry(check).or_default().push(test);
    }
    let mut text = String::from(
        "# Checks and the cases that fail them\n\n\
         Made from the code by `tests/tests/snp/table.rs`; with `UPDATE_DOCS=1` in the environment that test writes it\n\
         anew. Each case differs from an accepted one in the defect named, and fails with the check's name. Unless it says\n\
         otherwise it stands in `tests/tests/snp/cases`. `scripts/remove-each-check` takes each check out and\n\
         shows that a case notices.\n",
    );
    let descriptor = BaremetalSnp::default().descriptor();
    let appraisal = registry::checks::ALL.iter();
    let groups: [(&str, Vec<&CheckInfo>); 2] = [
        (descriptor.id.as_str(), descriptor.checks().collect()),
        ("appraisal, for every backend", appraisal.collect()),
    ];
    for (title, checks) in groups {
        write!(text, "\n## {title}\n\n| check | establishes | source | cases |\n|---|---|---|---|\n")
            .unwrap();
        for info in checks {
            let name = info.check.name();
            let defects = cases.remove(name).unwrap_or_else(|| panic!("the check {name} has no case"));
            let defects = defects.join("; ");
            writeln!(text, "| `{name}` | {} | {} | {defects} |", info.establishes, info.source).unwrap();
        }
    }
    assert!(cases.is_empty(), "cases of checks that are not declared: {cases:?}");
    text
}

#[test]
fn every_declared_check_has_a_case_and_the_table_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checks.md");
    let table = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &table).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, table, "docs/checks.md is out of date: run this test with UPDATE_DOCS=1");
}
