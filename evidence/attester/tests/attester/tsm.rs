//! configfs-TSM, on a simulated tree: each way in which it goes wrong has an error of its own, and leaves no
//! entry behind.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::guest::{CollectError, Guest, commits_to, guest};
use evidence_attester::tsm::{Provider, REPORTS, Report, Request, TsmError, collect};
use lab::tsm::{Behaviour, Outblob};

const CHALLENGE: [u8; 64] = [0x42; 64];
const SHORT: Duration = Duration::from_millis(150);

type Outcome = Result<Report, CollectError>;

fn snp(test: &str, change: impl FnOnce(&mut Behaviour)) -> Option<Guest> {
    let guest = guest(test, Behaviour::snp())?;
    guest.tree.change(change);
    Some(guest)
}

fn ask(guest: &Guest, request: &Request) -> Outcome {
    let outcome = collect(&guest.root().join(REPORTS), request, commits_to(request.inblob));
    assert_eq!(guest.tree.entries(), [""; 0], "an entry is left behind");
    outcome
}

fn error(guest: &Guest, request: &Request) -> TsmError {
    match ask(guest, request) {
        Err(CollectError::Tsm(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_report_with_certificates_at_the_level_asked_for() {
    let Some(guest) = snp("a_report_with_certificates_at_the_level_asked_for", |_| {}) else { return };
    for vmpl in 0..=3 {
        let report = ask(&guest, &Request::snp(CHALLENGE, vmpl)).unwrap();
        assert_eq!(report.outblob[..64], CHALLENGE);
        assert_eq!(report.outblob[64], vmpl);
        assert_eq!(report.auxblob.unwrap(), b"certificates");
    }
    let without = Request { auxblob: false, privlevel: None, ..Request::snp(CHALLENGE, 0) };
    assert_eq!(ask(&guest, &without).unwrap().auxblob, None);
    assert_eq!(guest.tree.made(), 5);
}

#[test]
fn a_quote_where_the_driver_has_fewer_attributes() {
    let Some(guest) = guest("a_quote_where_the_driver_has_fewer_attributes", Behaviour::tdx()) else {
        return;
    };
    assert_eq!(ask(&guest, &Request::tdx(CHALLENGE)).unwrap().auxblob, None);
    // `auxblob` is not an attribute of this driver, `privlevel` neither.
    let more = Request { auxblob: true, ..Request::tdx(CHALLENGE) };
    assert_eq!(ask(&guest, &more).unwrap().auxblob, None);
    let level = Request { privlevel: Some(0), ..Request::tdx(CHALLENGE) };
    let TsmError::Io(failure) = error(&guest, &level) else { panic!() };
    assert_eq!((failure.operation, failure.kind), ("open", ErrorKind::NotFound));
}

#[test]
fn a_busy_device_is_asked_again() {
    let Some(guest) = snp("a_busy_device_is_asked_again", |tree| tree.busy = 4) else { return };
    assert!(ask(&guest, &Request::snp(CHALLENGE, 0)).is_ok());
}

#[test]
fn a_device_that_stays_busy() {
    let Some(guest) = snp("a_device_that_stays_busy", |tree| tree.busy = u32::MAX) else { return };
    let begun = Instant::now();
    let error = error(&guest, &Request { deadline: SHORT, ..Request::snp(CHALLENGE, 0) });
    let TsmError::Busy { waited, last } = error else { panic!("{error}") };
    assert_eq!((waited, last.kind), (SHORT, ErrorKind::ResourceBusy));
    assert!((SHORT..10 * SHORT).contains(&begun.elapsed()));
}

#[test]
fn a_report_that_comes_too_late() {
    let Some(guest) = snp("a_report_that_comes_too_late", |tree| tree.delay = 2 * SHORT) else { return };
    let request = Request { deadline: SHORT, ..Request::snp(CHALLENGE, 0) };
    assert_eq!(error(&guest, &request), TsmError::TimedOut(SHORT));
    // With time enough it comes.
    assert!(ask(&guest, &Request::snp(CHALLENGE, 0)).is_ok());
}

#[test]
fn reports_of_wrong_length() {
    let Some(guest) = snp("reports_of_wrong_length", |_| {}) else { return };
    let request = Request::snp(CHALLENGE, 0);
    for (outblob, expected) in [
        (Outblob::Empty, TsmError::Empty { minimum: 1184 }),
        (Outblob::Truncated(1183), TsmError::Truncated { minimum: 1184, found: 1183 }),
        (Outblob::Padded(1185), TsmError::TooLong { attribute: "outblob", limit: 1184 }),
        (Outblob::Padded(4_000_000), TsmError::TooLong { attribute: "outblob", limit: 1184 }),
    ] {
        guest.tree.change(|tree| tree.outblob = outblob);
        assert_eq!(error(&guest, &request), expected);
    }
    guest.tree.change(|tree| tree.outblob = Outblob::Whole);
    let tight = |auxblob_limit| Request { auxblob_limit, ..request.clone() };
    assert!(ask(&guest, &tight(12)).is_ok());
    assert_eq!(error(&guest, &tight(11)), TsmError::TooLong { attribute: "auxblob", limit: 11 });
}

#[test]
fn a_report_for_another_challenge() {
    let change = |tree: &mut Behaviour| tree.outblob = Outblob::OtherChallenge;
    let Some(guest) = snp("a_report_for_another_challenge", change) else { return };
    let outcome = ask(&guest, &Request::snp(CHALLENGE, 0));
    assert_eq!(outcome, Err(CollectError::Check("another challenge")));
}

#[test]
fn another_platform_s_driver() {
    let Some(guest) = snp("another_platform_s_driver", |_| {}) else { return };
    let expected = TsmError::WrongProvider { expected: Provider::TdxGuest, found: "sev_guest".to_owned() };
    assert_eq!(error(&guest, &Request::tdx(CHALLENGE)), expected);
    // A name that only begins alike.
    guest.tree.change(|tree| tree.provider = "sev_guest2".to_owned());
    let expected = TsmError::WrongProvider { expected: Provider::SevGuest, found: "sev_guest2".to_owned() };
    assert_eq!(error(&guest, &Request::snp(CHALLENGE, 0)), expected);
}

#[test]
fn another_writer_or_a_lost_write() {
    let Some(guest) = snp("another_writer_or_a_lost_write", |_| {}) else { return };
    let request = Request::snp(CHALLENGE, 0);
    // Once: asked again, in a new entry.
    guest.tree.change(|tree| tree.intruders = 1);
    assert!(ask(&guest, &request).is_ok());
    guest.tree.change(|tree| tree.lost_writes = 1);
    assert!(ask(&guest, &request).is_ok());
    // Always.
    guest.tree.change(|tree| tree.intruders = u32::MAX);
    assert_eq!(error(&guest, &request), TsmError::GenerationChanged { expected: 2, found: 3 });
    guest.tree.change(|tree| (tree.intruders, tree.lost_writes) = (0, u32::MAX));
    assert_eq!(error(&guest, &request), TsmError::GenerationChanged { expected: 2, found: 1 });
    assert_eq!(guest.tree.made(), 2 + 2 + 3 + 3);
}

#[test]
fn an_entry_that_cannot_be_removed() {
    let Some(guest) = snp("an_entry_that_cannot_be_removed", |tree| tree.sticky = true) else { return };
    let reports = guest.root().join(REPORTS);
    let outcome = collect(&reports, &Request::snp(CHALLENGE, 0), commits_to(CHALLENGE));
    let Err(CollectError::Tsm(TsmError::EntryLeft { failure, after: None })) = outcome else { panic!() };
    assert_eq!((failure.operation, failure.kind), ("remove", ErrorKind::ResourceBusy));
    // And what had gone wrong before is still said.
    let outcome = collect(&reports, &Request::tdx(CHALLENGE), commits_to(CHALLENGE));
    let Err(CollectError::Tsm(TsmError::EntryLeft { after: Some(before), .. })) = outcome else { panic!() };
    assert!(matches!(*before, TsmError::WrongProvider { .. }));
}

#[test]
fn guests_without_configfs_tsm() {
    let folder = tempfile::tempdir().unwrap();
    let reports: PathBuf = folder.path().join(REPORTS);
    let outcome = collect(&reports, &Request::snp(CHALLENGE, 0), commits_to(CHALLENGE));
    assert_eq!(outcome, Err(TsmError::NoDirectory(reports).into()));

    let no_driver = |tree: &mut Behaviour| tree.provider.clear();
    let Some(guest) = snp("guests_without_configfs_tsm", no_driver) else { return };
    let expected = TsmError::NoProvider(guest.root().join(REPORTS));
    assert_eq!(error(&guest, &Request::snp(CHALLENGE, 0)), expected);
}

#[test]
fn a_level_below_the_floor() {
    let Some(guest) = snp("a_level_below_the_floor", |tree| tree.privlevel_floor = 2) else { return };
    let TsmError::Io(failure) = error(&guest, &Request::snp(CHALLENGE, 1)) else { panic!() };
    assert_eq!((failure.operation, failure.kind), ("write", ErrorKind::InvalidInput));
    assert!(ask(&guest, &Request::snp(CHALLENGE, 2)).is_ok());
}

#[test]
fn many_at_once() {
    let Some(guest) = snp("many_at_once", |tree| tree.busy = 20) else { return };
    let reports = &guest.root().join(REPORTS);
    thread::scope(|scope| {
        for number in 0..16 {
            scope.spawn(move || {
                for _ in 0..8 {
                    let request = Request::snp([number; 64], 0);
                    let report = collect(reports, &request, commits_to(request.inblob)).unwrap();
                    assert_eq!(report.outblob[..64], request.inblob);
                }
            });
        }
    });
    assert_eq!((guest.tree.entries().len(), guest.tree.made()), (0, 128));
}
