//! Files: bounded reads of regular files, and writes that happen whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use backend_api::{Envelope, Error, ErrorKind, Result};

/// The most bytes of a file that is read whole.
pub(crate) const MAX_FILE: u64 = 16 << 20;

/// The most bytes of a file that is only hashed, such as an initrd.
pub(crate) const MAX_HASHED: u64 = 4 << 30;

/// Stands for standard input and standard output.
pub(crate) const STANDARD_STREAM: &str = "-";

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read {path:?}: {problem}")]
    Read { path: PathBuf, problem: io::ErrorKind },
    /// A directory, a device, a pipe or a socket.
    #[error("{path:?} is not a regular file")]
    NotRegular { path: PathBuf },
    /// Above the limit.
    #[error("{path:?} has more than {limit} bytes, the most that are read")]
    TooLarge { path: PathBuf, limit: u64 },
    /// Not text.
    #[error("{path:?} is not UTF-8 text")]
    NotText { path: PathBuf },
    /// It cannot be created, written or put in place.
    #[error("cannot write {path:?}: {problem}")]
    Write { path: PathBuf, problem: io::ErrorKind },
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::with_source(ErrorKind::InvalidConfig, error)
    }
}

/// Whether `path` stands for a standard stream.
pub(crate) fn is_standard_stream(path: &Path) -> bool {
    path.as_os_str() == STANDARD_STREAM
}

/// The contents of a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    bounded(&mut open(path)?, path, limit)
}

/// As [`read`], and standard input for `-`.
pub(crate) fn read_or_stdin(path: &Path) -> Result<Vec<u8>> {
    if is_standard_stream(path) {
        return bounded(&mut io::stdin().lock(), path, MAX_FILE);
    }
    read(path, MAX_FILE)
}

/// As [`read`], for text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    text(path, read(path, MAX_FILE)?)
}

/// As [`read_or_stdin`], for text.
pub(crate) fn read_text_or_stdin(path: &Path) -> Result<String> {
    text(path, read_or_stdin(path)?)
}

/// Bytes of `path` as text.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| FileError::NotText { path: path.to_owned() }.into())
}

/// SHA-256 of a regular file of at most [`MAX_HASHED`] bytes, which is not held in memory.
pub(crate) fn sha256(path: &Path) -> Result<[u8; 32]> {
    let mut file = open(path)?.take(MAX_HASHED.saturating_add(1));
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let length = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(path, &error)),
        };
        context.update(chunk.get(..length).unwrap_or_default());
    }
    if file.limit() == 0 {
        return Err(FileError::TooLarge { path: path.to_owned(), limit: MAX_HASHED }.into());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(hash)
}

/// An envelope as it is written, in JSON or in CBOR, once it is sure that it can be read again.
pub(crate) fn envelope_bytes(envelope: &Envelope, json: bool) -> Result<Vec<u8>> {
    let bytes =
        if json { format!("{}\n", envelope.encode_json()).into_bytes() } else { envelope.encode_cbor() };
    if Envelope::decode(&bytes)? != *envelope {
        return Err(Error::new(ErrorKind::Internal, "the envelope would not be read as it was written"));
    }
    Ok(bytes)
}

/// Writes a file: beside its place first, then in its place, so that nobody ever sees half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let problem = |error: io::Error| FileError::Write { path: path.to_owned(), problem: error.kind() };
    // A link is followed, and what is no file (such as a device) is left alone.
    let target = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(FileError::NotRegular { path: path.to_owned() }.into());
        }
        Ok(_) => fs::canonicalize(path).map_err(problem)?,
        Err(_) => path.to_owned(),
    };
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = temporary(directory).map_err(problem)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(problem)?;
    file.persist(&target).map_err(|error| problem(error.error))?;
    // The name is on disk only with its directory; not every file system lets one be opened for that.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

/// A temporary file with the permissions of one that is created in the ordinary way.
fn temporary(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".attest-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

/// Opens a regular file: asked before it is opened, because opening a pipe waits, and after, because it may have been replaced.
fn open(path: &Path) -> Result<File> {
    let not_regular = || Error::from(FileError::NotRegular { path: path.to_owned() });
    if !fs::metadata(path).map_err(|error| read_error(path, &error))?.is_file() {
        return Err(not_regular());
    }
    let file = File::open(path).map_err(|error| read_error(path, &error))?;
    let metadata = file.metadata().map_err(|error| read_error(path, &error))?;
    if metadata.is_file() { Ok(file) } else { Err(not_regular()) }
}

fn bounded(source: &mut dyn Read, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut source = source.take(limit.saturating_add(1));
    source.read_to_end(&mut bytes).map_err(|error| read_error(path, &error))?;
    if source.limit() == 0 {
        return Err(FileError::TooLarge { path: path.to_owned(), limit }.into());
    }
    Ok(bytes)
}

fn read_error(path: &Path, error: &io::Error) -> Error {
    FileError::Read { path: path.to_owned(), problem: error.kind() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        let error = read(&path, 3).unwrap_err();
        assert_eq!(error.detail(), Some(&FileError::TooLarge { path: path.clone(), limit: 3 }));
        assert_eq!(hex::encode(sha256(&path).unwrap()).get(..8), Some("03ac6742"));
        let error = read(directory.path(), 3).unwrap_err();
        assert_eq!(error.detail(), Some(&FileError::NotRegular { path: directory.path().to_owned() }));
    }

    #[test]
    fn a_write_leaves_one_file_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert!(write(directory.path(), b"x").is_err());
        assert!(write(&directory.path().join("missing").join("file"), b"x").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
