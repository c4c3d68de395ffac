//! The rules of the house, over `cargo metadata` and the files of the repository. A rule lists its offenders, and each is
//! shown to find one.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde::Deserialize;

/// The most lines of a source file.
const MAX_LINES: usize = 600;

/// The source files that every backend has.
const BACKEND_FILES: [&str; 7] =
    ["bind.rs", "claims.rs", "error.rs", "evidence.rs", "lib.rs", "policy.rs", "verify.rs"];

/// What a program that only verifies never pulls in: C libraries for TPMs and TLS, HTTP, cloud SDKs, a second
/// implementation of cryptography, the guest side, the simulated vendors. A hyphen at the end stands for every name that starts so.
const NOT_TO_VERIFY: [&str; 21] = [
    "aws-sdk-",
    "az-cvm-vtpm",
    "evidence-attester",
    "fuser",
    "hyper",
    "hyper-",
    "lab",
    "nix",
    "nvml-wrapper",
    "openssl",
    "openssl-",
    "reqwest",
    "ring",
    "rsa",
    "sev",
    "tiny_http",
    "tokio",
    "tss-esapi",
    "tss-esapi-",
    "ureq",
    "vsock",
];

/// What a build of one cloud's backend has, and what it must not have: by the features of `registry`. A cross-check brings a client of
/// its own cloud's.
const CLOUDS: [(&str, &[&str], &[&str]); 6] = [
    (
        "aws",
        &["backend-aws"],
        &["aws-sdk-", "backend-azure", "backend-gcp", "evidence-gce", "google-cloud-", "reqwest"],
    ),
    (
        "aws-instance-identity",
        &["aws-sdk-ec2"],
        &["backend-azure", "backend-gcp", "evidence-gce", "google-cloud-"],
    ),
    (
        "azure",
        &["backend-azure"],
        &["aws-sdk-", "backend-aws", "backend-gcp", "evidence-gce", "google-cloud-"],
    ),
    (
        "gcp",
        &["backend-gcp", "evidence-gce"],
        &["aws-sdk-", "backend-aws", "backend-azure", "google-cloud-", "reqwest"],
    ),
    (
        "nvidia",
        &["backend-nvidia", "evidence-rim"],
        &["aws-sdk-", "backend-aws", "backend-gcp", "dcap-qvl", "nvml-wrapper"],
    ),
    (
        "gcp-instance-identity",
        &["google-cloud-auth", "reqwest"],
        &["aws-sdk-", "backend-aws", "backend-azure"],
    ),
];

/// The files with `unsafe` code, each of which speaks with C where nobody does it for us.
const UNSAFE: [&str; 3] = [
    // Ioctls of guest devices.
    "evidence/attester/src/ioctl.rs",
    // The one call of NVIDIA's library whose answer its wrapper gives in part alone.
    "evidence/attester/src/nvml/settings.rs",
    // The functions of that library, as a guest under test calls them in the lab's.
    "lab/nvml/src/exports.rs",
];

/// Extensions of files that nobody can review by reading.
const DATA: [&str; 11] = ["bin", "cbor", "crl", "crt", "der", "fd", "hex", "json", "pem", "pk8", "txt"];

static WORKSPACE: LazyLock<Workspace> = LazyLock::new(|| {
    let json = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    serde_json::from_str(&json).expect("the metadata of this workspace")
});

#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    description: Option<String>,
    license: Option<String>,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` is a normal one.
    kind: Option<String>,
    optional: bool,
    /// Only those of the workspace have one.
    path: Option<PathBuf>,
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().expect("a manifest lies in a folder")
    }

    fn internal(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| dependency.path.is_some())
    }
}

/// Whether a crate may depend on another, apart from its tests.
fn allowed(from: &str, to: &str) -> bool {
    let evidence = to.starts_with("evidence-");
    match from {
        "attest" | "conformance" => true,
        "registry" => to.starts_with("backend-") || to == "evidence-dstack",
        "backend-api" => to == "evidence-ledger",
        "lab" => to == "backend-api" || evidence,
        // Answers for the lab's GPUs.
        "lab-nvml" => to == "lab",
        _ if from.starts_with("backend-") => to == "backend-api" || evidence,
        // Whose attestation key it is rests on the certificate of one.
        "evidence-gce" if to == "evidence-tpm" => true,
        // What a device measured is compared with what a manifest gives.
        "evidence-nvidia" if to == "evidence-rim" => true,
        _ if from.starts_with("evidence-") => {
            ["evidence-event-log", "evidence-json", "evidence-ledger", "evidence-x509"].contains(&to)
        }
        _ => false,
    }
}

fn edges(packages: &[Package]) -> Vec<String> {
    let mut offenders = Vec::new();
    for package in packages {
        let name = &package.name;
        for Dependency { name: to, kind, optional, .. } in package.internal() {
            let dev = kind.as_deref() == Some("dev");
            let of_lab = |name: &str| ["lab", "lab-nvml"].contains(&name);
            let backend = |name: &str| name.starts_with("backend-") && name != "backend-api";
            if !dev && !allowed(name, to) {
                offenders.push(format!("{name} may not depend on {to}"));
            } else if backend(name) && backend(to) {
                offenders.push(format!("{name} depends on {to}: that registers it, in tests too"));
            } else if !dev && of_lab(to) && !(name == "attest" && *optional || of_lab(name)) {
                offenders
                    .push(format!("{name} depends on lab: only tests and the demo of attest (optional) do"));
            }
        }
    }
    offenders
}

fn verification_only(tree: &str) -> Vec<String> {
    pulled_in(tree, &NOT_TO_VERIFY)
        .into_iter()
        .map(|name| format!("registry pulls in {name} to verify"))
        .collect()
}

/// What a tree has of `names`, where a hyphen at the end stands for every name that starts so.
fn pulled_in<'a>(tree: &'a str, names: &[&str]) -> Vec<&'a str> {
    let all = tree.lines().filter_map(|line| line.split_whitespace().next());
    all.filter(|found| {
        names.iter().any(|name| found == name || name.ends_with('-') && found.starts_with(name))
    })
    .collect()
}

fn manifests(packages: &[Package], read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut offenders = Vec::new();
    for package in packages {
        let mut missing = |what| offenders.push(format!("{} has no {what}", package.name));
        if package.description.as_deref().unwrap_or_default().is_empty() {
            missing("description");
        }
        if package.license.as_deref() != Some("MIT OR Apache-2.0") {
            missing("licence MIT OR Apache-2.0");
        }
        if !read(&package.manifest_path).is_some_and(|toml| toml.contains("[lints]\nworkspace = true\n")) {
            missing("lints.workspace = true");
        }
        if read(&package.folder().join("README.md")).unwrap_or_default().trim().is_empty() {
            missing("README.md");
        }
    }
    offenders
}

fn backend_files(packages: &[Package], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let backends = packages
        .iter()
        .filter(|package| package.name.starts_with("backend-") && package.name != "backend-api");
    let missing = backends.flat_map(|package| {
        let source = package.folder().join("src");
        let missing = BACKEND_FILES.iter().filter(|file| !exists(&source.join(file)));
        missing.map(|file| format!("{} has no src/{file}", package.name)).collect::<Vec<_>>()
    });
    missing.collect()
}

fn too_long(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| format!("{file}: {lines} lines, at most {MAX_LINES}"))
}

/// An `allow` or `expect` attribute of a lint that does not say why.
fn relaxed_without_reason(file: &str, text: &str) -> Option<String> {
    let attribute = |name: &str| [format!("#[{name}("), format!("#![{name}(")];
    let starts = ["allow", "expect"].iter().flat_map(|name| attribute(name));
    let mut found = starts.flat_map(|start| {
        let bodies: Vec<&str> = text.split(&start).skip(1).collect();
        bodies
            .into_iter()
            .map(|body| body.split(")]").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    });
    let bare = found.find(|body| !body.contains("reason = \""))?;
    Some(format!("{file}: the lint {} is relaxed without a reason", bare.trim()))
}

/// The keyword, outside of line comments.
fn unsafe_code(file: &str, text: &str) -> Option<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let line =
        text.lines().position(|line| code(line).split(|c| !is_name(c)).any(|word| word == "unsafe"))?;
    Some(format!("{file}:{}: unsafe", line.saturating_add(1)))
}

/// Data files without a README beside them.
fn without_provenance(files: &[PathBuf]) -> Vec<String> {
    let is_data = |file: &&PathBuf| {
        file.extension().and_then(|extension| extension.to_str()).is_some_and(|found| DATA.contains(&found))
    };
    let explained = |file: &&PathBuf| files.contains(&file.with_file_name("README.md"));
    let data = files.iter().filter(is_data).filter(|file| !explained(file));
    data.map(|file| format!("{} has no README.md beside it", file.display())).collect()
}

#[test]
fn crates_depend_only_on_those_that_they_may() {
    assert_none(edges(&WORKSPACE.packages));
}

#[test]
fn verification_pulls_in_nothing_that_it_does_not_need() {
    let tree = registry_with("all");
    assert!(tree.contains("backend-baremetal-snp") && tree.contains("backend-tdx"), "{tree}");
    assert_none(verification_only(&tree));
}

/// Who verifies one cloud's Evidence builds nothing of another's, with the cross-check or without.
#[test]
fn a_cloud_pulls_in_nothing_of_another() {
    for (features, own, of_others) in CLOUDS {
        let tree = registry_with(features);
        assert_eq!(own.iter().find(|name| pulled_in(&tree, &[name]).is_empty()), None, "{features}");
        assert_none(pulled_in(&tree, of_others).iter().map(|name| format!("{features}: {name}")).collect());
    }
}

#[test]
fn every_crate_says_what_it_is_and_keeps_the_lints() {
    assert_none(manifests(&WORKSPACE.packages, |path| fs::read_to_string(path).ok()));
}

#[test]
fn every_backend_has_the_same_files() {
    assert_none(backend_files(&WORKSPACE.packages, Path::is_file));
}

#[test]
fn source_files_are_short_and_relax_no_lint_silently() {
    let mut offenders = Vec::new();
    for (name, text) in sources(&WORKSPACE.workspace_root) {
        offenders.extend(too_long(&name, &text));
        offenders.extend(relaxed_without_reason(&name, &text));
    }
    assert_none(offenders);
}

#[test]
fn few_files_have_unsafe_code() {
    let sources: Vec<_> =
        WORKSPACE.packages.iter().flat_map(|package| sources(&package.folder().join("src"))).collect();
    let is_listed = |name: &str| UNSAFE.iter().any(|listed| name.ends_with(listed));
    let others = sources.iter().filter(|(name, _)| !is_listed(name));
    assert_none(others.filter_map(|(name, text)| unsafe_code(name, text)).collect());
    for listed in UNSAFE {
        let mut found = sources.iter().filter(|(name, _)| name.ends_with(listed));
        assert!(found.any(|(name, text)| unsafe_code(name, text).is_some()), "{listed} needs no exception");
    }
}

#[test]
fn data_has_a_readme_beside_it() {
    assert_none(without_provenance(&files(&WORKSPACE.workspace_root)));
}

fn assert_none(offenders: Vec<String>) {
    assert!(offenders.is_empty(), "\n  {}\n", offenders.join("\n  "));
}

/// What `registry` pulls in with these features, one crate in each line. Fetches what no build on this machine needed yet.
fn registry_with(features: &str) -> String {
    let tree = ["tree", "--package", "registry", "--edges", "normal", "--prefix", "none", "--locked"];
    cargo(&[&tree[..], &["--features", features]].concat())
}

/// Runs cargo in the workspace; its standard output.
fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let answer = cargo.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(answer.status.success(), "{cargo:?}: {}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}

/// Every Rust file under `folder`, and its text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let rust = files(folder).into_iter().filter(|file| file.extension().is_some_and(|found| found == "rs"));
    rust.map(|file| (file.display().to_string(), fs::read_to_string(file).unwrap())).collect()
}

/// Every file under `folder`, except for what was built or found by fuzzing, and hidden folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !path.is_dir() {
            found.push(path);
        } else if !name.starts_with('.') && !["artifacts", "corpus", "target"].contains(&&*name) {
            found.append(&mut files(&path));
        }
    }
    found
}

/// Each rule finds an offender.
mod rules {
    use super::*;

    fn package(name: &str, to: &str, kind: Option<&str>, optional: bool) -> Package {
        let path = Some(PathBuf::from("there"));
        let dependency = Dependency { name: to.to_owned(), kind: kind.map(str::to_owned), optional, path };
        Package {
            name: name.to_owned(),
            description: Some("A crate.".to_owned()),
            license: Some("MIT OR Apache-2.0".to_owned()),
            manifest_path: Path::new("/w").join(name).join("Cargo.toml"),
            dependencies: vec![dependency],
        }
    }

    #[test]
    fn edges_are_found() {
        for (from, to, kind, optional) in [
            ("backend-a", "backend-b", None, false),
            ("backend-a", "backend-b", Some("dev"), false),
            ("backend-a", "registry", None, false),
            ("backend-a", "lab", Some("build"), false),
            ("backend-api", "evidence-snp", None, false),
            ("evidence-snp", "backend-api", None, false),
            ("evidence-snp", "evidence-dstack", None, true),
            ("evidence-snp", "evidence-tpm", None, false),
            ("evidence-gce", "evidence-snp", None, false),
            ("registry", "evidence-snp", None, false),
            ("registry", "lab", None, true),
            ("attest", "lab", None, false),
            ("attest", "lab-nvml", None, false),
            ("lab", "lab-nvml", None, false),
            ("unheard-of", "backend-api", None, false),
        ] {
            assert_eq!(edges(&[package(from, to, kind, optional)]).len(), 1, "{from} to {to}");
        }
        for (from, to, kind, optional) in [
            ("backend-a", "backend-api", None, false),
            ("backend-a", "lab", Some("dev"), false),
            ("evidence-snp", "evidence-x509", None, false),
            ("evidence-gce", "evidence-tpm", None, false),
            ("registry", "backend-a", None, true),
            ("attest", "lab", None, true),
            ("lab-nvml", "lab", None, false),
            ("backend-a", "lab-nvml", Some("dev"), false),
        ] {
            assert_none(edges(&[package(from, to, kind, optional)]));
        }
    }

    #[test]
    fn what_verification_does_not_need_is_found() {
        let tree =
            "registry v0.1.0 (/w)\nring v0.17.14\nstring v1.0.0\naws-sdk-ec2 v1.0.0\nevidence-snp v0.1.0\n";
        let found = verification_only(tree);
        assert_eq!(found, ["registry pulls in ring to verify", "registry pulls in aws-sdk-ec2 to verify"]);
    }

    #[test]
    fn a_bare_manifest_is_found() {
        let complete = |_: &Path| Some("[lints]\nworkspace = true\n".to_owned());
        assert_none(manifests(&[package("a", "b", None, false)], complete));
        assert_eq!(manifests(&[package("a", "b", None, false)], |_| None).len(), 2);
        let bare = Package { description: None, license: None, ..package("a", "b", None, false) };
        assert_eq!(manifests(&[bare], complete).len(), 2);
    }

    #[test]
    fn a_missing_file_of_a_backend_is_found() {
        let packages = [package("backend-a", "b", None, false), package("backend-api", "b", None, false)];
        let found = backend_files(&packages, |path| !path.ends_with("claims.rs"));
        assert_eq!(found, ["backend-a has no src/claims.rs"]);
    }

    #[test]
    fn offences_in_a_source_file_are_found() {
        assert_eq!(too_long("a.rs", &"\n".repeat(MAX_LINES)), None);
        assert!(too_long("a.rs", &"\n".repeat(MAX_LINES + 1)).is_some());
        // In two parts, because this file is a source file too.
        for bare in [concat!("#[al", "low(lint)]"), concat!("#![ex", "pect(one, two)]\nfn f() {}")] {
            assert!(relaxed_without_reason("a.rs", bare).is_some(), "{bare}");
            let reasoned = bare.replace(")]", ", reason = \"why\")]");
            assert_eq!(relaxed_without_reason("a.rs", &reasoned), None);
        }
        assert_eq!(unsafe_code("a.rs", "let a;\nunsafe { b() }"), Some("a.rs:2: unsafe".to_owned()));
        assert_eq!(unsafe_code("a.rs", "#![forbid(unsafe_code)] // unsafe"), None);
    }

    #[test]
    fn data_without_provenance_is_found() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(without_provenance(&paths(&["a/key.der", "README.md", "b/lib.rs"])).len(), 1);
        assert_none(without_provenance(&paths(&["a/key.der", "a/README.md", "b/lib.rs"])));
    }
}
