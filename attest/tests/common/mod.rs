//! Runs the real binary.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use backend_api::Envelope;
use serde_json::Value;
use tempfile::TempDir;

/// How one run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The run ended with `code`, and nothing panicked.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}\n{}", String::from_utf8_lossy(&self.stdout));
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// The run said why not, in one line of standard error.
    #[track_caller]
    pub(crate) fn complains(self, code: i32, problem: &str) -> Self {
        let run = self.expect(code);
        let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{}", run.stderr);
        assert!(errors[0].contains(problem), "{problem:?} not in {:?}", errors[0]);
        run
    }
}

pub(crate) fn attest<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    attest_with_input(arguments, b"")
}

pub(crate) fn attest_with_input<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_attest"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input closes it early.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Splits a command line at its spaces, and puts the name of a scratch directory in for `$`.
pub(crate) fn words(line: &str, directory: &Path) -> Vec<String> {
    line.split_whitespace().map(|word| word.replace('$', directory.to_str().unwrap())).collect()
}

/// The files of a test, which go when it ends.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    pub(crate) fn envelope(&self, name: &str) -> Envelope {
        Envelope::decode(&self.read(name)).unwrap()
    }

    /// Runs a command line of words without spaces; `$` is this folder.
    pub(crate) fn run(&self, line: &str) -> Run {
        attest(words(line, self.path()))
    }
}

pub(crate) fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

pub(crate) use lab::vectors::root as vectors;
