//! The table of checks and cases in `docs/checks.md` is made from the code.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use backend_api::AttestationBackend;
use backend_baremetal_snp::BaremetalSnp;

use crate::cases;

/// Checks that a scene of this backend cannot reach, and the test elsewhere that fails them.
const ELSEWHERE: &[(&str, &str)] =
    &[("csp-id", "vlek::the_provider_is_pinned_by_its_id: a VLEK of another provider")];

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
    write!(text, "\n## {}\n\n| check | establishes | source | cases |\n|---|---|---|---|\n", descriptor.id)
        .unwrap();
    for info in descriptor.checks() {
        let name = info.check.name();
        let defects = cases.remove(name).unwrap_or_else(|| panic!("the check {name} has no case"));
        let defects = defects.join("; ");
        writeln!(text, "| `{name}` | {} | {} | {defects} |", info.establishes, info.source).unwrap();
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
