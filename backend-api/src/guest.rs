//! The attester's side: the guest's outside, requests and answers.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use crate::{Challenge, Commitment, Error, ErrorKind, Result};

/// The injectable outside of a guest. A backend reads devices, files and metadata services only through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    root: PathBuf,
    tcti: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl Guest {
    /// The guest that this process runs in.
    pub fn host() -> Self {
        Self::at("/")
    }

    /// A guest whose file system (with `sys/`, `dev/`) lies below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), tcti: None, metadata: BTreeMap::new() }
    }

    /// The same guest with its TPM reached by `tcti`, such as `swtpm:host=127.0.0.1,port=2321`.
    #[must_use]
    pub fn with_tcti(mut self, tcti: impl Into<String>) -> Self {
        self.tcti = Some(tcti.into());
        self
    }

    /// The same guest with the metadata service `name` at `base_url`.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, base_url: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), base_url.into());
        self
    }

    /// Where the guest's file system begins.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path of the guest, such as `sys/kernel/config/tsm/report`: always below the guest's root, whatever is asked for.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let below = path.as_ref().components().filter(|component| matches!(component, Component::Normal(_)));
        self.root.join(below.collect::<PathBuf>())
    }

    /// The TPM's TCTI, where it is not the platform's own device.
    pub fn tcti(&self) -> Option<&str> {
        self.tcti.as_deref()
    }

    /// The base URL of the metadata service `name`, where it is not the platform's own.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str)
    }
}

/// How sure a backend is that a guest is its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It is not.
    Absent,
    /// It may be; only an operator's choice selects it.
    Possible,
    /// It is.
    Certain,
}

/// What a backend finds of its platform in a guest, and why it thinks so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// How sure it is.
    pub presence: Presence,
    /// One line for each thing that was found or missed.
    pub reasons: Vec<String>,
}

impl Detection {
    /// Not this platform.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self { presence: Presence::Absent, reasons: vec![reason.into()] }
    }
}

/// A look at a guest for what a platform has: writes down what is there and what is missed, until it is a [`Detection`].
#[derive(Debug)]
pub struct Probe<'a> {
    guest: &'a Guest,
    reasons: Vec<String>,
}

impl<'a> Probe<'a> {
    /// A look at `guest`, in which nothing was looked for yet.
    pub const fn of(guest: &'a Guest) -> Self {
        Self { guest, reasons: Vec::new() }
    }

    /// Whether `path` exists below the guest's root. Nothing is opened.
    pub fn path(&mut self, path: &str) -> bool {
        let there = self.guest.path(path).exists();
        self.reasons.push(format!("{path} {}", if there { "is there" } else { "is not there" }));
        there
    }

    /// Writes down one line of what was found some other way.
    pub fn note(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// How sure the backend is, with all that was written down.
    pub fn concludes(self, presence: Presence) -> Detection {
        Detection { presence, reasons: self.reasons }
    }
}

/// What to collect Evidence for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectRequest {
    challenge: Challenge,
    /// How long the device may take.
    pub deadline: Duration,
}

impl CollectRequest {
    /// Evidence for `challenge`, whoever chose it, from a device that answers within 30 seconds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for a challenge in the form of a [`Commitment`]: it would have this CPU vouch for devices that nobody
    /// here has seen.
    pub fn new(challenge: Challenge) -> Result<Self> {
        if Commitment::is_form_of(&challenge) {
            let message = "challenge has the form of a commitment to devices, which a guest makes only of devices that it collected";
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        Ok(Self { challenge, deadline: Duration::from_secs(30) })
    }

    /// A CPU's Evidence beside Evidence of devices that this guest itself collected before. Never of a commitment that somebody sent.
    pub const fn beside_devices(commitment: &Commitment) -> Self {
        Self { challenge: commitment.challenge(), deadline: Duration::from_secs(30) }
    }

    /// What the Evidence must commit to.
    pub const fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// The same from a device that answers within `deadline`.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

/// An event of a running guest, to be extended into the platform's register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeEvent {
    name: String,
    payload: Vec<u8>,
}

impl RuntimeEvent {
    /// An event: its name is `[a-z0-9-]{1,64}`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for another name.
    pub fn new(name: impl Into<String>, payload: Vec<u8>) -> Result<Self> {
        let name = name.into();
        let of_grammar = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !of_grammar {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "event name must be 1 to 64 characters of a-z, 0-9 and hyphen",
            ));
        }
        Ok(Self { name, payload })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// What an extension did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Each register or bank that was extended, such as `RTMR3`, and the digest that was folded into it.
    pub extended: Vec<(String, Vec<u8>)>,
    /// The event that a process extended before it crashed, and that only now came into the log, before this one.
    pub recovered: Option<String>,
}

impl Extension {
    /// These digests were folded into these registers.
    pub const fn new(extended: Vec<(String, Vec<u8>)>) -> Self {
        Self { extended, recovered: None }
    }

    /// The same, after the event `name` was recovered.
    #[must_use]
    pub fn after_recovery_of(mut self, name: Option<String>) -> Self {
        self.recovered = name;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_guest_s_root() {
        let guest = Guest::at("/tmp/guest");
        for path in ["dev/tpm0", "/dev/tpm0", "../dev/tpm0", "./dev/../../dev/tpm0"] {
            assert!(guest.path(path).starts_with("/tmp/guest/dev"), "{path}");
        }
        assert_eq!(Guest::host().path("dev/tpm0"), Path::new("/dev/tpm0"));
    }

    #[test]
    fn a_probe_gives_a_reason_for_each_thing_that_it_looked_for() {
        let guest = Guest::at(env!("CARGO_MANIFEST_DIR"));
        let mut probe = Probe::of(&guest);
        assert!(probe.path("/src/guest.rs"));
        assert!(!probe.path("dev/tpm0"));
        probe.note("the firmware says nothing");
        let found = ["/src/guest.rs is there", "dev/tpm0 is not there", "the firmware says nothing"];
        assert_eq!(
            probe.concludes(Presence::Possible),
            Detection { presence: Presence::Possible, reasons: found.map(str::to_owned).to_vec() }
        );
    }

    #[test]
    fn nobody_asks_for_a_commitment_to_devices() {
        let commitment = Commitment::new([7; 48]);
        let refused = CollectRequest::new(commitment.challenge()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidConfig);
        assert!(CollectRequest::new(Challenge::new([7; 64])).is_ok());
        assert_eq!(*CollectRequest::beside_devices(&commitment).challenge(), commitment.challenge());
    }

    #[test]
    fn an_event_s_name_keeps_to_its_grammar() {
        assert!(RuntimeEvent::new("system-ready", Vec::new()).is_ok());
        for name in ["", "System", "a b", "a_b", &"a".repeat(65)] {
            assert_eq!(RuntimeEvent::new(name, Vec::new()).unwrap_err().kind(), ErrorKind::InvalidConfig);
        }
    }
}
