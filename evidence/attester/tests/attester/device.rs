//! Work on devices from async programs.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::guest::{LONG, commits_to, guest};
use evidence_attester::device::{DeviceError, run};
use evidence_attester::tsm::{REPORTS, Request, collect};
use evidence_ledger::ErrorKind;
use lab::tsm::Behaviour;

const SHORT: Duration = Duration::from_millis(80);

/// Works for a while, and counts how many do so at once.
fn busy(now: &Arc<AtomicU32>, most: &Arc<AtomicU32>) -> impl FnOnce() -> Result<(), ()> + Send + 'static {
    let (now, most) = (Arc::clone(now), Arc::clone(most));
    move || {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(SHORT);
        now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn one_at_a_time_for_each_device() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other, alias] = ["one", "other", "alias"].map(|name| folder.path().join(name));
    std::fs::write(&one, "").unwrap();
    std::fs::write(&other, "").unwrap();
    symlink(&one, &alias).unwrap();
    let at_once = |first, second| async move {
        let (now, most) = (Arc::default(), Arc::default());
        let both = tokio::join!(run(first, LONG, busy(&now, &most)), run(second, LONG, busy(&now, &most)));
        assert_eq!(both, (Ok(()), Ok(())));
        most.load(Ordering::SeqCst)
    };
    assert_eq!(at_once(one.clone(), one.clone()).await, 1);
    assert_eq!(at_once(one.clone(), alias).await, 1);
    assert_eq!(at_once(one, other).await, 2);
}

#[tokio::test]
async fn two_collections_at_once_both_succeed() {
    let slow = Behaviour { delay: SHORT, ..Behaviour::snp() };
    let Some(guest) = guest("two_collections_at_once_both_succeed", slow) else { return };
    let reports = guest.root().join(REPORTS);
    let ask = |challenge| {
        let directory = reports.clone();
        let work = move || collect(&directory, &Request::snp(challenge, 0), commits_to(challenge));
        run(reports.clone(), LONG, work)
    };
    let (one, other) = tokio::join!(ask([1; 64]), ask([2; 64]));
    assert_eq!(one.unwrap().outblob[..64], [1; 64]);
    assert_eq!(other.unwrap().outblob[..64], [2; 64]);
    assert_eq!(guest.tree.entries(), [""; 0]);
}

#[tokio::test]
async fn a_deadline_says_whether_the_work_goes_on() {
    let device = tempfile::NamedTempFile::new().unwrap();
    let path = device.path().to_owned();
    let done = Arc::new(AtomicBool::new(false));
    let never = Arc::new(AtomicBool::new(false));
    let slow = {
        let done = Arc::clone(&done);
        move || {
            sleep(4 * SHORT);
            done.store(true, Ordering::SeqCst);
            Ok::<_, ()>(())
        }
    };
    let queued = {
        let never = Arc::clone(&never);
        move || {
            never.store(true, Ordering::SeqCst);
            Ok::<_, ()>(())
        }
    };
    let timed_out = |begun| Err(DeviceError::TimedOut { device: path.clone(), after: SHORT, begun });
    let first = run(&path, SHORT, slow);
    let second = async {
        // Not before the first has its turn.
        tokio::time::sleep(SHORT / 4).await;
        run(&path, SHORT, queued).await
    };
    assert_eq!(tokio::join!(first, second), (timed_out(true), timed_out(false)));
    assert!(!done.load(Ordering::SeqCst));
    // The lock is the work's: who comes next waits for its end.
    let check = Arc::clone(&done);
    assert_eq!(run(&path, LONG, move || Ok::<_, ()>(check.load(Ordering::SeqCst))).await, Ok(true));
    assert!(!never.load(Ordering::SeqCst), "work began that was given up");
}

#[tokio::test]
async fn who_stops_waiting_leaves_nothing_half_done() {
    let device = tempfile::NamedTempFile::new().unwrap();
    let path = device.path().to_owned();
    let steps = Arc::new(AtomicU32::new(0));
    let work = {
        let steps = Arc::clone(&steps);
        move || {
            steps.fetch_add(1, Ordering::SeqCst);
            sleep(2 * SHORT);
            steps.fetch_add(1, Ordering::SeqCst);
            Ok::<_, ()>(())
        }
    };
    // Dropped while the work runs.
    assert!(tokio::time::timeout(SHORT, run(&path, LONG, work.clone())).await.is_err());
    assert_eq!(steps.load(Ordering::SeqCst), 1);
    // Dropped while it waits for its turn.
    assert!(tokio::time::timeout(SHORT / 4, run(&path, LONG, work)).await.is_err());
    let after = Arc::clone(&steps);
    assert_eq!(run(&path, LONG, move || Ok::<_, ()>(after.load(Ordering::SeqCst))).await, Ok(2));
    sleep(SHORT);
    assert_eq!(steps.load(Ordering::SeqCst), 2);
}

#[test]
fn a_runtime_is_needed() {
    let waker = std::task::Waker::noop();
    let mut work = std::pin::pin!(run("/nowhere", LONG, || Ok::<_, ()>(())));
    let outcome = work.as_mut().poll(&mut std::task::Context::from_waker(waker));
    assert_eq!(outcome, std::task::Poll::Ready(Err(DeviceError::NoRuntime)));
}

/// Who is given up may have extended: to try again would extend twice.
#[test]
fn work_that_goes_on_is_unsettled() {
    let timed_out = |begun| DeviceError::<()>::TimedOut { device: "/dev/x".into(), after: SHORT, begun };
    for (begun, kind) in [(true, ErrorKind::Unsettled), (false, ErrorKind::DeviceUnavailable)] {
        assert_eq!(timed_out(begun).kind(|()| ErrorKind::Internal), kind);
        assert_eq!(kind.is_retryable(), !begun);
    }
}

#[tokio::test]
async fn errors_and_panics_come_back() {
    let device = tempfile::NamedTempFile::new().unwrap();
    let path = device.path();
    assert_eq!(run(path, LONG, || Err::<(), _>("no")).await, Err(DeviceError::Work("no")));
    let panicked = run(path, LONG, || -> Result<(), ()> { panic!("on purpose") }).await;
    assert_eq!(panicked, Err(DeviceError::Panicked(path.to_owned())));
    // And the device is free again.
    assert_eq!(run(path, LONG, || Ok::<_, ()>(7)).await, Ok(7));
    // No device at all is the work's to complain about; no end of time is no error.
    assert_eq!(run("/nowhere/at/all", Duration::MAX, || Ok::<_, ()>(8)).await, Ok(8));
}

#[tokio::test]
async fn a_collection_that_nobody_waits_for_removes_its_entry() {
    let slow = Behaviour { delay: 4 * SHORT, ..Behaviour::snp() };
    let Some(guest) = guest("a_collection_that_nobody_waits_for_removes_its_entry", slow) else { return };
    let reports = guest.root().join(REPORTS);
    let directory = reports.clone();
    let work = move || collect(&directory, &Request::snp([1; 64], 0), commits_to([1; 64]));
    let outcome = run(&reports, SHORT, work).await;
    assert!(matches!(outcome, Err(DeviceError::TimedOut { begun: true, .. })), "{outcome:?}");
    assert_eq!(guest.tree.entries().len(), 1);
    run(&reports, LONG, || Ok::<_, ()>(())).await.unwrap();
    assert_eq!(guest.tree.entries(), [""; 0]);
}
