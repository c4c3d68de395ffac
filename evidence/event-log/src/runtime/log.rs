//! A log of runtime events, what it replays to, and which of its events are the launch's.

use super::RuntimeEvent;
use crate::Bank;
use crate::launch::names::{BOOT_MR_DONE, INIT_SCRIPT_HASH, SYSTEM_READY};
use crate::launch::{MAX_INIT_SCRIPTS, is_known};
use crate::replay::{replay_sha256, replay_sha384, replay_sha512};

/// The most events of a log.
pub const MAX_EVENTS: usize = 16_384;
/// The most bytes of one event's payload.
pub const MAX_PAYLOAD_LEN: usize = 64 * 1024;
/// The most bytes of all names and payloads together: what is extended must fit into Evidence, which is sent whole.
pub const MAX_LOG_LEN: usize = 1024 * 1024;

/// The most characters of an event's name before `system-ready`.
const MAX_NAME_LEN: usize = 64;

/// Why a log of runtime events was refused. Events count from 0, lines from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeLogError {
    /// More events than a log may have.
    #[error("at most {MAX_EVENTS} runtime events expected, found more")]
    TooManyEvents,
    /// More bytes than a payload may have.
    #[error("event {event}: at most {MAX_PAYLOAD_LEN} bytes of payload expected, found {found}")]
    PayloadTooLarge {
        /// The event.
        event: usize,
        /// The length found in bytes.
        found: usize,
    },
    /// More bytes than a log may have.
    #[error("at most {MAX_LOG_LEN} bytes of names and payloads expected, found {found}")]
    TooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// More text than the largest log takes.
    #[error("at most {} bytes of lines expected, found {found}", super::MAX_TEXT_LEN)]
    TextTooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// A line is not an event in the one form that it is written in.
    #[error("line {line}: an event as this log writes it expected, found something else")]
    Line {
        /// The line.
        line: usize,
    },
    /// The last line has no newline: its writer was cut off.
    #[error("a newline at the end expected, found {whole} bytes of whole lines and a torn one")]
    TornLine {
        /// Bytes of the whole lines before it.
        whole: usize,
    },
    /// The launch did not end.
    #[error("one event system-ready expected, found none")]
    NoSystemReady,
    /// The launch has ended already.
    #[error("event {event}: a guest that still boots expected, found system-ready")]
    Ready {
        /// `system-ready`.
        event: usize,
    },
    /// The application was not measured yet.
    #[error("one event boot-mr-done expected, found none")]
    NoBootMrDone,
    /// The launch ended twice.
    #[error("event {event}: one event system-ready expected, found another")]
    SystemReadyTwice {
        /// The second one.
        event: usize,
    },
    /// `boot-mr-done` after the end of the launch.
    #[error("event {event}: boot-mr-done expected before system-ready, found after it")]
    BootMrDoneLate {
        /// The event.
        event: usize,
    },
    /// A boundary with a payload, which V1 digests cannot tell from a part of the name.
    #[error("event {event}: no payload of {name} expected, found {found} bytes")]
    BoundaryPayload {
        /// The event.
        event: usize,
        /// `system-ready` or `boot-mr-done`.
        name: &'static str,
        /// The length found in bytes.
        found: usize,
    },
    /// A name of the launch that is not `[a-z0-9-]{1,64}`.
    #[error("event {event}: a name of 1 to {MAX_NAME_LEN} of a-z, 0-9 and - expected, found {name:?}")]
    LaunchName {
        /// The event.
        event: usize,
        /// The name, cut after 64 characters.
        name: String,
    },
    /// A name of the launch that occurs twice.
    #[error("event {event}: each name of the launch once expected, found {name} again")]
    LaunchNameTwice {
        /// The second one.
        event: usize,
        /// The name.
        name: String,
    },
    /// More init scripts than dstack runs.
    #[error("at most {MAX_INIT_SCRIPTS} events init-script-hash expected, found {found}")]
    InitScripts {
        /// The number found.
        found: usize,
    },
}

/// Runtime events in the order of their extension: a claim, until [`RuntimeLog::replay_sha384`] or
/// [`RuntimeLog::replay_sha256`] equals a quoted register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeLog {
    events: Vec<RuntimeEvent>,
}

impl RuntimeLog {
    /// A log of `events`.
    ///
    /// # Errors
    ///
    /// [`RuntimeLogError`] beyond [`MAX_EVENTS`], [`MAX_PAYLOAD_LEN`] and [`MAX_LOG_LEN`].
    pub fn new(events: Vec<RuntimeEvent>) -> Result<Self, RuntimeLogError> {
        if events.len() > MAX_EVENTS {
            return Err(RuntimeLogError::TooManyEvents);
        }
        let mut length = 0_usize;
        for (index, event) in events.iter().enumerate() {
            if event.payload.len() > MAX_PAYLOAD_LEN {
                return Err(RuntimeLogError::PayloadTooLarge { event: index, found: event.payload.len() });
            }
            length = length.saturating_add(event.name.len()).saturating_add(event.payload.len());
        }
        if length > MAX_LOG_LEN {
            return Err(RuntimeLogError::TooLarge { found: length });
        }
        Ok(Self { events })
    }

    /// Every event, the application's after `system-ready` too: not to take identity from.
    #[must_use]
    pub fn events(&self) -> &[RuntimeEvent] {
        &self.events
    }

    /// The value of a SHA-256 register (vTPM PCR 14) after all events.
    #[must_use]
    pub fn replay_sha256(&self) -> [u8; 32] {
        replay_sha256(self.events.iter().map(RuntimeEvent::sha256))
    }

    /// The value of a SHA-384 register (RTMR3, NitroTPM PCR 14) after all events.
    #[must_use]
    pub fn replay_sha384(&self) -> [u8; 48] {
        replay_sha384(self.events.iter().map(RuntimeEvent::sha384))
    }

    /// The value of a register of `bank` after all events.
    #[must_use]
    pub fn replay(&self, bank: Bank) -> Vec<u8> {
        match bank {
            Bank::Sha256 => self.replay_sha256().to_vec(),
            Bank::Sha384 => self.replay_sha384().to_vec(),
            Bank::Sha512 => replay_sha512(self.events.iter().map(RuntimeEvent::sha512)).to_vec(),
        }
    }

    /// The value of a SHA-256 register after the first event `name`, which it includes; `None` without one.
    #[must_use]
    pub fn replay_sha256_through(&self, name: &str) -> Option<[u8; 32]> {
        Some(replay_sha256(self.through(name)?.iter().map(RuntimeEvent::sha256)))
    }

    /// The value of a SHA-384 register after the first event `name`, which it includes; `None` without one.
    #[must_use]
    pub fn replay_sha384_through(&self, name: &str) -> Option<[u8; 48]> {
        Some(replay_sha384(self.through(name)?.iter().map(RuntimeEvent::sha384)))
    }

    fn through(&self, name: &str) -> Option<&[RuntimeEvent]> {
        let last = self.events.iter().position(|event| event.name == name)?;
        self.events.get(..=last)
    }

    /// The events before `system-ready`. After it the application may extend what it likes, under any name.
    ///
    /// # Errors
    ///
    /// [`RuntimeLogError`] unless
    /// - `system-ready` occurs exactly once, `boot-mr-done` at most once and before it, both without payload,
    /// - every name before `system-ready` is `[a-z0-9-]{1,64}` and occurs once, `init-script-hash` up to
    ///   [`MAX_INIT_SCRIPTS`] times.
    pub fn launch_events(&self) -> Result<LaunchEvents<'_>, RuntimeLogError> {
        let mut ready = self.positions(SYSTEM_READY);
        let end = ready.next().ok_or(RuntimeLogError::NoSystemReady)?;
        if let Some(event) = ready.next() {
            return Err(RuntimeLogError::SystemReadyTwice { event });
        }
        if let Some(event) = self.positions(BOOT_MR_DONE).find(|&event| event > end) {
            return Err(RuntimeLogError::BootMrDoneLate { event });
        }
        self.no_payload(SYSTEM_READY)?;
        self.no_payload(BOOT_MR_DONE)?;
        let events = self.events.get(..end).unwrap_or_default();
        check_names(events)?;
        Ok(LaunchEvents { events })
    }

    /// The events of a guest that has measured its application and waits for keys: what a key management system judges.
    /// All of them, because `system-ready` has not come yet.
    ///
    /// # Errors
    ///
    /// [`RuntimeLogError`] unless there is no `system-ready`, `boot-mr-done` occurs once, and names and payloads are those of
    /// [`RuntimeLog::launch_events`].
    pub fn booting_events(&self) -> Result<LaunchEvents<'_>, RuntimeLogError> {
        if let Some(event) = self.positions(SYSTEM_READY).next() {
            return Err(RuntimeLogError::Ready { event });
        }
        self.positions(BOOT_MR_DONE).next().ok_or(RuntimeLogError::NoBootMrDone)?;
        self.no_payload(BOOT_MR_DONE)?;
        check_names(&self.events)?;
        Ok(LaunchEvents { events: &self.events })
    }

    /// Whether `event` may be extended next: a log that is a launch's so far must stay one, because nothing that was extended can be
    /// taken back.
    ///
    /// # Errors
    ///
    /// [`RuntimeLogError`] beyond the limits of [`RuntimeLog::new`], and where the boundaries or names would no longer be those of
    /// [`RuntimeLog::launch_events`], unless they are not now.
    pub fn admits(&self, event: &RuntimeEvent) -> Result<(), RuntimeLogError> {
        let after = Self::new(self.events.iter().chain([event]).cloned().collect())?;
        if self.is_of_a_launch().is_ok() { after.is_of_a_launch() } else { Ok(()) }
    }

    /// Boundaries and names are those of a launch, ended or not.
    fn is_of_a_launch(&self) -> Result<(), RuntimeLogError> {
        if self.positions(SYSTEM_READY).next().is_some() {
            return self.launch_events().map(drop);
        }
        self.no_payload(BOOT_MR_DONE)?;
        check_names(&self.events)
    }

    fn positions(&self, name: &str) -> impl Iterator<Item = usize> {
        self.events.iter().enumerate().filter(move |(_, event)| event.name == name).map(|(index, _)| index)
    }

    fn no_payload(&self, name: &'static str) -> Result<(), RuntimeLogError> {
        match self.events.iter().enumerate().find(|(_, e)| e.name == name && !e.payload.is_empty()) {
            Some((event, RuntimeEvent { payload, .. })) => {
                Err(RuntimeLogError::BoundaryPayload { event, name, found: payload.len() })
            }
            None => Ok(()),
        }
    }
}

fn check_names(events: &[RuntimeEvent]) -> Result<(), RuntimeLogError> {
    let mut seen = std::collections::HashSet::new();
    let mut init_scripts = 0_usize;
    for (event, RuntimeEvent { name, .. }) in events.iter().enumerate() {
        if !is_launch_name(name) {
            let name = name.chars().take(MAX_NAME_LEN).collect();
            return Err(RuntimeLogError::LaunchName { event, name });
        }
        if name == INIT_SCRIPT_HASH {
            init_scripts = init_scripts.saturating_add(1);
        } else if !seen.insert(name) {
            return Err(RuntimeLogError::LaunchNameTwice { event, name: name.clone() });
        }
    }
    if init_scripts > MAX_INIT_SCRIPTS {
        return Err(RuntimeLogError::InitScripts { found: init_scripts });
    }
    Ok(())
}

fn is_launch_name(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The events before `system-ready`, of a log with the boundaries and names of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchEvents<'a> {
    events: &'a [RuntimeEvent],
}

impl<'a> LaunchEvents<'a> {
    /// The events, without `system-ready`.
    #[must_use]
    pub const fn events(self) -> &'a [RuntimeEvent] {
        self.events
    }

    /// The events before `boot-mr-done`, of which a KMS takes the boot-time measurement; `None` without it.
    #[must_use]
    pub fn before_boot_mr_done(self) -> Option<&'a [RuntimeEvent]> {
        self.events.get(..self.events.iter().position(|event| event.name == BOOT_MR_DONE)?)
    }

    /// The payload of the event `name`, which occurs once; of `init-script-hash` the first.
    #[must_use]
    pub fn payload(self, name: &str) -> Option<&'a [u8]> {
        self.payloads(name).next()
    }

    /// The payloads of all events `name`, in order.
    pub fn payloads(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.events.iter().filter(move |event| event.name == name).map(|event| event.payload.as_slice())
    }

    /// The events that [`crate::launch::Launch`] has no field for.
    pub fn unknown(self) -> impl Iterator<Item = &'a RuntimeEvent> {
        self.events.iter().filter(|event| !is_known(&event.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::EventVersion;

    fn event(name: &str, payload: &[u8]) -> RuntimeEvent {
        RuntimeEvent { name: name.to_owned(), payload: payload.to_vec(), version: EventVersion::V1 }
    }

    fn from_names(names: &[&str]) -> RuntimeLog {
        RuntimeLog::new(names.iter().map(|name| event(name, b"")).collect()).unwrap()
    }

    fn refused(names: &[&str]) -> RuntimeLogError {
        from_names(names).launch_events().unwrap_err()
    }

    #[test]
    fn a_guest_that_boots_is_not_ready() {
        let booting = |names: &[&str]| from_names(names).booting_events().map(|events| events.events().len());
        assert_eq!(booting(&["system-preparing", "app-id", "boot-mr-done"]), Ok(3));
        assert_eq!(booting(&["app-id", "boot-mr-done", "os-image-hash"]), Ok(3));
        assert_eq!(booting(&["app-id"]), Err(RuntimeLogError::NoBootMrDone));
        assert_eq!(booting(&["boot-mr-done", "system-ready"]), Err(RuntimeLogError::Ready { event: 1 }));
        let twice = RuntimeLogError::LaunchNameTwice { event: 2, name: "app-id".to_owned() };
        assert_eq!(booting(&["app-id", "boot-mr-done", "app-id"]), Err(twice));
        let late = RuntimeLogError::LaunchName { event: 1, name: "App".to_owned() };
        assert_eq!(booting(&["boot-mr-done", "App"]), Err(late));
    }

    #[test]
    fn bounds() {
        let many = |count| vec![event("a", b""); count];
        assert!(RuntimeLog::new(many(MAX_EVENTS)).is_ok());
        assert_eq!(RuntimeLog::new(many(MAX_EVENTS + 1)), Err(RuntimeLogError::TooManyEvents));
        let payload = |len| RuntimeLog::new(vec![event("a", &vec![0; len])]);
        assert!(payload(MAX_PAYLOAD_LEN).is_ok());
        let found = MAX_PAYLOAD_LEN + 1;
        assert_eq!(payload(found), Err(RuntimeLogError::PayloadTooLarge { event: 0, found }));
        let mut full = vec![event("a", &vec![0; MAX_PAYLOAD_LEN - 1]); 16];
        assert!(RuntimeLog::new(full.clone()).is_ok());
        full.push(event("b", b""));
        let found = MAX_LOG_LEN + 1;
        assert_eq!(RuntimeLog::new(full), Err(RuntimeLogError::TooLarge { found }));
    }

    #[test]
    fn the_launch_ends_at_system_ready() {
        let log = from_names(&["a", "boot-mr-done", "b", "system-ready", "App:Event", "a", "a"]);
        let launch = log.launch_events().unwrap();
        assert_eq!(launch.events(), &log.events()[..3]);
        assert_eq!(launch.before_boot_mr_done(), Some(&log.events()[..1]));
        assert_eq!(from_names(&["a", "system-ready"]).launch_events().unwrap().before_boot_mr_done(), None);
    }

    #[test]
    fn boundaries_occur_once() {
        assert_eq!(refused(&["a"]), RuntimeLogError::NoSystemReady);
        assert_eq!(
            refused(&["system-ready", "a", "system-ready"]),
            RuntimeLogError::SystemReadyTwice { event: 2 }
        );
        assert_eq!(refused(&["system-ready", "boot-mr-done"]), RuntimeLogError::BootMrDoneLate { event: 1 });
        let twice = |name: &str, event| RuntimeLogError::LaunchNameTwice { event, name: name.to_owned() };
        assert_eq!(refused(&["boot-mr-done", "boot-mr-done", "system-ready"]), twice("boot-mr-done", 1));
        assert_eq!(refused(&["a", "b", "a", "system-ready"]), twice("a", 2));
    }

    #[test]
    fn what_would_end_the_launch_a_second_time_is_not_admitted() {
        let admitted = |names: &[&str], name: &str| from_names(names).admits(&event(name, b""));
        let launched = ["app-id", "boot-mr-done", "system-ready"];
        assert_eq!(admitted(&launched[..2], "system-ready"), Ok(()));
        assert_eq!(admitted(&launched, "app-id"), Ok(()));
        assert_eq!(admitted(&launched, "App:Event"), Ok(()));
        assert_eq!(admitted(&launched, "system-ready"), Err(RuntimeLogError::SystemReadyTwice { event: 3 }));
        assert_eq!(admitted(&launched, "boot-mr-done"), Err(RuntimeLogError::BootMrDoneLate { event: 3 }));
        let twice = RuntimeLogError::LaunchNameTwice { event: 2, name: "app-id".to_owned() };
        assert_eq!(admitted(&launched[..2], "app-id"), Err(twice));
        let payload = RuntimeLogError::BoundaryPayload { event: 0, name: "system-ready", found: 1 };
        assert_eq!(RuntimeLog::default().admits(&event("system-ready", b"x")), Err(payload));
        // What is no launch's log any more cannot be made worse.
        assert_eq!(admitted(&["a", "a"], "a"), Ok(()));
        let full = from_names(&["init-script-hash"; 5]);
        assert_eq!(
            full.admits(&event("init-script-hash", b"")),
            Err(RuntimeLogError::InitScripts { found: 6 })
        );
    }

    #[test]
    fn init_scripts_repeat() {
        let launch = |count| [vec!["init-script-hash"; count], vec!["system-ready"]].concat();
        assert!(from_names(&launch(5)).launch_events().is_ok());
        assert_eq!(refused(&launch(6)), RuntimeLogError::InitScripts { found: 6 });
    }

    #[test]
    fn names_of_the_launch() {
        assert!(from_names(&["a-z-09", &"a".repeat(64), "system-ready"]).launch_events().is_ok());
        for name in ["", "A", "a:b", "a_b", "a b", "é", "a\0", &"a".repeat(65)] {
            let expected = name.chars().take(64).collect();
            let error = RuntimeLogError::LaunchName { event: 0, name: expected };
            assert_eq!(refused(&[name, "system-ready"]), error);
        }
    }

    /// A V1 digest does not say where the name ends. Before `system-ready` only one split is a name.
    #[test]
    fn a_colon_cannot_move_before_system_ready() {
        let ready = event("system-ready", b"");
        let meant = RuntimeLog::new(vec![event("app-id", b"b:c"), ready.clone()]).unwrap();
        let moved = RuntimeLog::new(vec![event("app-id:b", b"c"), ready.clone()]).unwrap();
        assert_eq!(meant.replay_sha384(), moved.replay_sha384());
        assert!(meant.launch_events().is_ok());
        assert!(matches!(moved.launch_events(), Err(RuntimeLogError::LaunchName { event: 0, .. })));
        // Nor can an application's event become a boundary.
        for name in ["system-ready", "boot-mr-done"] {
            let moved = vec![event(name, b"x:"), ready.clone()];
            let moved = RuntimeLog::new(if name == "system-ready" { moved[..1].to_vec() } else { moved });
            let error = RuntimeLogError::BoundaryPayload { event: 0, name, found: 2 };
            assert_eq!(moved.unwrap().launch_events(), Err(error));
        }
    }

    #[test]
    fn prefixes() {
        let log = from_names(&["a", "b", "c"]);
        let prefix = from_names(&["a", "b"]);
        assert_eq!(log.replay_sha384_through("b"), Some(prefix.replay_sha384()));
        assert_eq!(log.replay_sha256_through("b"), Some(prefix.replay_sha256()));
        assert_eq!(log.replay_sha384_through("d"), None);
        assert_eq!(log.replay_sha256_through("d"), None);
    }
}
