//! Files, with errors that are values, and readings that are bounded.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// What the system said no to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoFailure {
    /// What was tried: `read`, `write`, `lock` and so on.
    pub operation: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// The kind of error.
    pub kind: io::ErrorKind,
    /// The system's number for it, where there is one.
    pub errno: Option<i32>,
}

impl IoFailure {
    /// The error of an operation on a path.
    pub(crate) fn new(operation: &'static str, path: &Path, error: &io::Error) -> Self {
        Self { operation, path: path.to_owned(), kind: error.kind(), errno: error.raw_os_error() }
    }

    /// For `map_err`.
    pub(crate) fn of(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::new(operation, path, &error)
    }

    /// Whether the same operation may succeed in a moment: EBUSY, EAGAIN, EINTR.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        use io::ErrorKind::{Interrupted, ResourceBusy, WouldBlock};
        matches!(self.kind, Interrupted | ResourceBusy | WouldBlock)
    }
}

impl fmt::Display for IoFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, path, kind, errno } = self;
        write!(f, "cannot {operation} {}: {kind}", path.display())?;
        errno.map_or(Ok(()), |errno| write!(f, " (errno {errno})"))
    }
}

impl std::error::Error for IoFailure {}

/// What the file at `path` holds; `None` where there is no such file.
///
/// # Errors
///
/// [`IoFailure`], of the kind `FileTooLarge` for more than `limit` bytes.
pub fn read_if_present(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, IoFailure> {
    match read_up_to(path, limit) {
        Ok(None) => Err(IoFailure::new("read", path, &io::ErrorKind::FileTooLarge.into())),
        Err(failure) if failure.kind == io::ErrorKind::NotFound => Ok(None),
        read => read,
    }
}

/// What a file holds, up to `limit` bytes; `None` where it holds more.
pub(crate) fn read_up_to(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, IoFailure> {
    // What the host serves may be anything: not a link that leads elsewhere, nor something that never answers.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(IoFailure::of("open", path))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(IoFailure::new("read as a file", path, &io::ErrorKind::InvalidInput.into()));
    }
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(IoFailure::of("read", path))?;
    Ok((bytes.len() <= limit).then_some(bytes))
}
