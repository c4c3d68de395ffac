//! A log of runtime events, in lines: written again as it was read, replayed, and read as a launch.
#![no_main]

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use evidence_event_log::{
    launch::{Launch, ORDER},
    runtime::{EventVersion, LaunchEvents, RuntimeEvent, RuntimeLog, RuntimeLogError},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let log = match RuntimeLog::parse_lines(data) {
        Ok(log) => log,
        Err(RuntimeLogError::TornLine { whole }) => {
            let whole = RuntimeLog::parse_lines(&data[..whole]);
            let damage =
                matches!(whole, Err(RuntimeLogError::Line { .. } | RuntimeLogError::TornLine { .. }));
            assert!(!damage, "before a torn line is a log");
            return;
        }
        Err(_) => return,
    };
    let lines: String = log.events().iter().map(RuntimeEvent::to_line).collect();
    assert_eq!(lines.as_bytes(), data, "a log has one form");

    let (mut sha256, mut sha384) = (vec![0; 32], vec![0; 48]);
    for event in log.events() {
        let preimage = event.preimage();
        assert_eq!(event.sha384(), digest(&SHA384, &preimage).as_ref());
        sha256 = digest(&SHA256, &[&sha256, digest(&SHA256, &preimage).as_ref()].concat()).as_ref().to_vec();
        sha384 = digest(&SHA384, &[&sha384, digest(&SHA384, &preimage).as_ref()].concat()).as_ref().to_vec();
    }
    assert_eq!((&log.replay_sha256()[..], &log.replay_sha384()[..]), (&sha256[..], &sha384[..]));
    if let Ok(events) = log.launch_events() {
        launch(events);
    }
});

/// A launch that is read is what its events say, and is written as the same events but for names that no launch has.
fn launch(events: LaunchEvents<'_>) {
    let Ok(launch) = Launch::read(events) else { return };
    let content = |event: &RuntimeEvent| (event.name.clone(), event.payload.clone());
    let known = events.events().iter().filter(|event| ORDER.contains(&event.name.as_str()));
    let ready = ("system-ready".to_owned(), Vec::new());
    let known: Vec<_> = known.map(content).chain([ready]).collect();

    let written = launch.to_events(EventVersion::V1).expect("as many init scripts as were read");
    assert_eq!(written.iter().map(content).collect::<Vec<_>>(), known);
    let written = RuntimeLog::new(written).expect("no more than was read");
    assert_eq!(Launch::read(written.launch_events().expect("a launch")), Ok(launch));
}
