//! Which backends a program finds, by how it mentions them: the probes of `tests/linkage`, built and run.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex, PoisonError},
};

/// One build and run at a time: all builds share a target folder.
static TURN: Mutex<()> = Mutex::new(());

/// The probes' copy in the target folder, with this workspace's lock file: what the workspace was tested with is linked,
/// and nothing is downloaded.
static PROJECT: LazyLock<PathBuf> = LazyLock::new(|| {
    let members = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = members.parent().expect("the workspace around this crate");
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("linkage").join("project");
    copy(&members.join("linkage"), &project, root);
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    project
});

/// The profile of a program that is optimised as a whole.
const FAT_LTO: &[&str] = &[
    "--config=profile.release.lto='fat'",
    "--config=profile.release.codegen-units=1",
    "--config=profile.release.strip='symbols'",
];

#[test]
fn a_program_that_names_only_the_registry_finds_the_features_backends() {
    assert_eq!(program("facade", &[]), "baremetal-snp\n");
}

#[test]
fn a_named_third_party_is_found() {
    assert_eq!(program("named", &[]), "baremetal-snp\nthird-party\n");
}

#[test]
fn fat_lto_and_stripping_lose_nothing() {
    assert_eq!(program("named", FAT_LTO), "baremetal-snp\nthird-party\n");
}

/// What the documentation warns of: the dependency alone links nothing.
#[test]
fn a_third_party_that_is_never_named_is_not_linked() {
    assert_eq!(program("listed", &[]), "baremetal-snp\n");
}

/// With the lint that the registry denies, the same dependency does not vanish silently: the compiler names it.
#[test]
fn a_dependency_that_is_never_named_does_not_compile_where_the_registry_s_lint_is_on() {
    const LINT: &str = "unused_crate_dependencies";
    let registry =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../registry/src/lib.rs")).unwrap();
    assert!(registry.contains(&format!("#![deny({LINT})]")));

    let _turn = turn();
    build("listed", &[]);
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["rustc", "--quiet", "--release", "--offline", "--package", "listed", "--target-dir"]);
    cargo.arg(PROJECT.with_file_name("target")).current_dir(&*PROJECT).env_remove("CARGO_BUILD_TARGET");
    let result = cargo.arg("--").arg(format!("-D{LINT}")).output().unwrap();
    let told = String::from_utf8_lossy(&result.stderr);
    assert!(!result.status.success() && told.contains("third_party"), "{told}");
}

#[test]
fn one_id_from_two_crates_is_an_error() {
    let error = program("duplicate", &[]);
    assert!(error.starts_with("error: "), "{error}");
    for part in ["third-party 0.1.0", "same-id 0.1.0"] {
        assert!(error.contains(part), "{part} is not named: {error}");
    }
}

#[test]
fn a_c_program_finds_all_in_a_static_library() {
    let _turn = turn();
    if !has_cc() {
        lab::vectors::skipped("a_c_program_finds_all_in_a_static_library", "no cc");
        return;
    }
    let library = build("c-library", &[]).join("liblinked.a");
    let main =
        c_program("static", &[library.as_os_str(), "-lpthread".as_ref(), "-ldl".as_ref(), "-lm".as_ref()]);
    assert_eq!(output(&mut Command::new(main)), "baremetal-snp\nthird-party\n");
}

#[test]
fn a_c_program_finds_all_in_a_dynamic_library() {
    let _turn = turn();
    if !has_cc() {
        lab::vectors::skipped("a_c_program_finds_all_in_a_dynamic_library", "no cc");
        return;
    }
    let name = format!("{}linked{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let library = build("c-library", &[]).join(name);
    let main = c_program("dynamic", &["-ldl".as_ref()]);
    assert_eq!(output(Command::new(main).arg(library)), "baremetal-snp\nthird-party\n");
}

/// Builds and runs a program; its standard output.
fn program(package: &str, options: &[&str]) -> String {
    let _turn = turn();
    output(&mut Command::new(build(package, options).join(package)))
}

/// Builds a package; the folder of what was built. Without the network, unless a package is missing on this machine.
fn build(package: &str, options: &[&str]) -> PathBuf {
    let target = PROJECT.with_file_name("target");
    let cargo = |network: &[&str]| {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--release", "--package", package]).args(options).args(network);
        cargo.arg("--target-dir").arg(&target).current_dir(&*PROJECT);
        cargo.env_remove("CARGO_BUILD_TARGET").output().unwrap()
    };
    let built = cargo(&["--offline"]);
    let built = if built.status.success() { built } else { cargo(&[]) };
    assert!(built.status.success(), "{package}: {}", String::from_utf8_lossy(&built.stderr));
    target.join("release")
}

/// Compiles a C program of the probe `c-library`.
fn c_program(name: &str, options: &[&std::ffi::OsStr]) -> PathBuf {
    let program = PROJECT.with_file_name(name);
    let source = PROJECT.join("c-library").join(name).with_extension("c");
    output(Command::new("cc").args(["-Wall", "-Werror", "-o"]).arg(&program).arg(source).args(options));
    program
}

fn has_cc() -> bool {
    Command::new("cc").arg("--version").output().is_ok_and(|answer| answer.status.success())
}

fn output(command: &mut Command) -> String {
    let result = command.output().unwrap();
    assert!(result.status.success(), "{command:?}: {}", String::from_utf8_lossy(&result.stderr));
    String::from_utf8(result.stdout).unwrap()
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies a folder of manifests and sources. A path in a manifest that leads out of it leads to `root` in the copy.
/// Files that did not change keep their time, so that nothing is built twice.
fn copy(from: &Path, to: &Path, root: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let source = entry.unwrap().path();
        let target = to.join(source.file_name().unwrap());
        if source.is_dir() {
            if !source.ends_with("target") {
                copy(&source, &target, root);
            }
            continue;
        }
        let mut text = fs::read_to_string(&source).unwrap();
        if source.ends_with("Cargo.toml") {
            text = text.replace("\"../..", &format!("\"{}", root.display()));
        }
        if fs::read_to_string(&target).ok().as_ref() != Some(&text) {
            fs::write(target, text).unwrap();
        }
    }
}
