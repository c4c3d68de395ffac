//! Work on a device, away from the threads of an async program.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use evidence_ledger::ErrorKind;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// The work waits, for its turn or for a thread.
const WAITING: u8 = 0;
/// It has begun, and goes on to its end.
const BEGUN: u8 = 1;
/// Nobody waits for it any more, so it does not begin.
const GIVEN_UP: u8 = 2;

/// One lock for each device, for the whole process.
type Locks = Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>;

static LOCKS: LazyLock<Locks> = LazyLock::new(Locks::default);

/// Why work on a device has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError<E> {
    /// No Tokio runtime to work under.
    #[error("work on a device needs a tokio runtime with timers, found none")]
    NoRuntime,
    /// The work panicked.
    #[error("work on {} panicked", .0.display())]
    Panicked(PathBuf),
    /// Not ready in time.
    #[error("work on {} was not done after {} ms{}", .device.display(), .after.as_millis(),
        if *.begun { ", and goes on" } else { ", and has not begun" })]
    TimedOut {
        /// The device.
        device: PathBuf,
        /// The deadline.
        after: Duration,
        /// Whether the work had begun: then it goes on to its end. If it had not, it never will.
        begun: bool,
    },
    /// What the work returned.
    #[error(transparent)]
    Work(E),
}

impl<E> DeviceError<E> {
    /// What kind of failure it is, where `work` says it of the work's own.
    pub fn kind(&self, work: impl FnOnce(&E) -> ErrorKind) -> ErrorKind {
        match self {
            Self::Panicked(_) => ErrorKind::Internal,
            Self::NoRuntime => ErrorKind::InvalidConfig,
            Self::TimedOut { begun: true, .. } => ErrorKind::Unsettled,
            Self::TimedOut { begun: false, .. } => ErrorKind::DeviceUnavailable,
            Self::Work(error) => work(error),
        }
    }
}

/// Does blocking `work` on `device` in a thread for such work, one at a time for each device. Paths that lead
/// to the same device share its lock.
///
/// The lock belongs to the work and not to the future: who stops waiting leaves no half-done work and no free
/// device behind. Work that has begun goes on to its end; work that has not, never begins. Needs a Tokio
/// runtime with time enabled.
///
/// # Errors
///
/// [`DeviceError::Work`] with the work's error, or why there is no result.
pub async fn run<T, E>(
    device: impl AsRef<Path>,
    deadline: Duration,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, DeviceError<E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(DeviceError::NoRuntime);
    }
    let device = device.as_ref().to_owned();
    // A deadline beyond what the clock can count is none that anyone lives to see.
    let now = Instant::now();
    let until =
        now.checked_add(deadline).or_else(|| now.checked_add(Duration::from_secs(86_400))).unwrap_or(now);
    let phase = Arc::new(AtomicU8::new(WAITING));
    let waiting = Waiting(Arc::clone(&phase));

    let done = within(until, async {
        let path = device.clone();
        let lock = spawn_blocking(move || lock_of(path)).await.ok()?;
        let turn = lock.lock_owned().await;
        let work = move || {
            let _turn = turn;
            (advance(&phase, BEGUN)).then(work)
        };
        spawn_blocking(work).await.ok()
    });
    match done.await {
        Some(Some(Some(result))) => result.map_err(DeviceError::Work),
        Some(_panicked) => Err(DeviceError::Panicked(device)),
        None => Err(DeviceError::TimedOut { device, after: deadline, begun: !waiting.give_up() }),
    }
}

/// What the future gives before `until`.
async fn within<F: Future>(until: Instant, future: F) -> Option<F::Output> {
    timeout_at(until, future).await.ok()
}

/// The lock of the device that a path leads to.
fn lock_of(path: PathBuf) -> Arc<tokio::sync::Mutex<()>> {
    // A path that leads nowhere is the work's to complain about.
    let device = path.canonicalize().unwrap_or(path);
    let mut locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(locks.entry(device).or_default())
}

/// From waiting to `phase`, unless it is something else already. Whether it was waiting.
fn advance(current: &AtomicU8, phase: u8) -> bool {
    current.compare_exchange(WAITING, phase, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// Who waits for the work. Dropped, it gives up.
struct Waiting(Arc<AtomicU8>);

impl Waiting {
    /// Whether the work had not begun, so that it never will.
    fn give_up(&self) -> bool {
        advance(&self.0, GIVEN_UP) || self.0.load(Ordering::Acquire) == GIVEN_UP
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.give_up();
    }
}
