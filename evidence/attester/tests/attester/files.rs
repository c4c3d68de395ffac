//! Files that the host may have made.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;

use evidence_attester::read_if_present;
use rustix::fs::{CWD, FileType, Mode, mknodat};

#[test]
fn a_file_is_read_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert_eq!(read_if_present(&path, 8), Ok(None));
    fs::write(&path, b"12345678").unwrap();
    assert_eq!(read_if_present(&path, 8), Ok(Some(b"12345678".to_vec())));
    assert_eq!(read_if_present(&path, 7).unwrap_err().kind, ErrorKind::FileTooLarge);
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read_if_present(folder.path(), 8).unwrap_err().operation, "read as a file");
    // Nobody writes into it, ever.
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert_eq!(read_if_present(&pipe, 8).unwrap_err().operation, "read as a file");
    fs::write(folder.path().join("secret"), b"secret").unwrap();
    let link = folder.path().join("link");
    symlink("secret", &link).unwrap();
    assert_eq!(read_if_present(&link, 8).unwrap_err().operation, "open");
}
