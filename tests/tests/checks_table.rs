//! The table of checks and cases in `docs/checks.md` is made from the code.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failure of a test helper is a failure of the test"
)]
#![expect(dead_code, reason = "of the cases the table needs the names, and not the scenes")]

mod aws {
    pub(crate) mod cases;
    mod payload;
    mod scene;
}

mod azure {
    pub(crate) mod cases;
    mod payload;
    mod scene;
}

mod gcp {
    pub(crate) mod cases;
    mod payload;
    mod scene;
}

mod nvidia {
    pub(crate) mod cases;
    mod scene;
    use super::tdx::payload as tdx_payload;
}

mod snp {
    pub(crate) mod cases;
    mod scene;
}

mod tdx {
    pub(crate) mod cases;
    pub(crate) mod payload;
    mod scene;
}

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use backend_api::{AttestationBackend, CheckInfo};

/// Checks that no case of one scene reaches, and the tests elsewhere that fail them.
const SNP_ELSEWHERE: &[(&str, &str)] =
    &[("csp-id", "a VLEK of another provider (`tests/tests/snp/vlek.rs`)")];

/// A document that is no manifest is none of a device's, so that these fail where manifests are tried by themselves.
const NVIDIA_ELSEWHERE: &[(&str, &str)] = &[
    ("cpu-commitment", "a CPU of another payload, and of another challenge (`tests/tests/nvidia/copies.rs`)"),
    ("rim-format", "many (`evidence/rim/tests`)"),
    ("rim-certificates", "many (`evidence/rim/tests`)"),
    ("rim-content", "many (`evidence/rim/tests`)"),
];

const APPRAISAL: &[(&str, &str)] = &[
    ("tcb-status", "a status that is not listed (`tests/tests/snp/appraisal.rs`)"),
    ("required-devices", "devices left out (`tests/tests/nvidia/copies.rs`, `registry/src/appraisal.rs`)"),
    ("reference-values", "another image; a field that nothing binds (`tests/tests/snp/appraisal.rs`)"),
    ("asserted-links", "a link on the caller's word (`registry/src/appraisal.rs`)"),
    ("required-checks", "a check that was not performed (`tests/tests/snp/appraisal.rs`)"),
];

/// A part of the table: checks, and the cases that fail them.
struct Section {
    title: &'static str,
    checks: Vec<&'static CheckInfo>,
    cases: Vec<(&'static str, &'static str)>,
}

impl Section {
    fn of(backend: &dyn AttestationBackend, cases: Vec<(&'static str, &'static str)>) -> Self {
        let descriptor = backend.descriptor();
        Self { title: descriptor.id.as_str(), checks: descriptor.checks().collect(), cases }
    }

    /// The same without checks that have a section of their own already, and their cases here.
    fn without(mut self, others: &[&[CheckInfo]]) -> Self {
        let is_other = |name: &str| others.iter().any(|all| all.iter().any(|info| info.check.name() == name));
        self.checks.retain(|info| !is_other(info.check.name()));
        self.cases.retain(|(check, _)| !is_other(check));
        self
    }

    fn write(&self, text: &mut String) {
        let Self { title, checks, cases } = self;
        let mut defects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (check, defect) in cases {
            defects.entry(check).or_default().push(defect);
        }
        write!(text, "\n## {title}\n\n| check | establishes | source | cases |\n|---|---|---|---|\n")
            .unwrap();
        for info in checks {
            let name = info.check.name();
            let of_check = defects.remove(name);
            let of_check = of_check.unwrap_or_else(|| panic!("{title}: the check {name} has no case"));
            let of_check = of_check.join("; ");
            writeln!(text, "| `{name}` | {} | {} | {of_check} |", info.establishes, info.source).unwrap();
        }
        assert!(defects.is_empty(), "{title}: cases of checks that are not declared: {defects:?}");
    }
}

fn table() -> String {
    let mut text = String::from(
        "# Checks and the cases that fail them\n\n\
         Made from the code by `tests/tests/checks_table.rs`; with `UPDATE_DOCS=1` in the environment that test writes\n\
         it anew. Each case differs from an accepted one in the defect named, and fails with the check's name. Unless it\n\
         says otherwise it stands in the folder `cases` of its backend, in `tests/tests`. `scripts/remove-each-check` takes\n\
         each check out and shows that a case notices. A backend for the VMs of a cloud also makes the checks of the\n\
         processor's report, which stand in the sections of the processors alone.\n",
    );
    let snp = snp::cases::all().map(|case| (case.check, case.defect)).chain(SNP_ELSEWHERE.iter().copied());
    let tdx = tdx::cases::all().map(|case| (case.check, case.defect));
    let aws = aws::cases::all().map(|case| (case.check, case.defect));
    let aws = Section::of(&backend_aws::Aws::default(), aws.collect());
    let azure = azure::cases::all().map(|case| (case.check, case.defect));
    let azure = Section::of(&backend_azure::Azure::default(), azure.collect());
    let gcp = gcp::cases::all().map(|case| (case.check, case.defect));
    let gcp = Section::of(&backend_gcp::Gcp::default(), gcp.collect());
    let nvidia = nvidia::cases::all().map(|case| (case.check, case.defect));
    let nvidia = nvidia.chain(NVIDIA_ELSEWHERE.iter().copied());
    let appraisal = Section {
        title: "appraisal, for every backend",
        checks: registry::checks::ALL.iter().collect(),
        cases: APPRAISAL.to_vec(),
    };
    for section in [
        Section::of(&backend_baremetal_snp::BaremetalSnp::default(), snp.collect()),
        Section::of(&backend_tdx::Tdx::default(), tdx.collect()),
        // Of the processor's report it makes those above.
        azure.without(&[evidence_snp::checks::ALL, evidence_tdx::checks::ALL]),
        gcp.without(&[evidence_snp::checks::ALL, evidence_tdx::checks::ALL]),
        aws.without(&[evidence_snp::checks::ALL]),
        Section::of(&backend_nvidia::Nvidia::default(), nvidia.collect()),
        appraisal,
    ] {
        section.write(&mut text);
    }
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
