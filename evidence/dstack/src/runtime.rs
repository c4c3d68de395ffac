//! From runtime events to the registers that hold them, and to the application that they name.

use evidence_event_log::{
    Bank,
    runtime::{LoggedEvent, RuntimeEvent, RuntimeLog},
};
use evidence_ledger::{Failed, Ledger};

use crate::application::{Application, ApplicationError, Phase};

/// The checks that [`RuntimeEvents::application`] makes before those of [`crate::application::checks`], in order.
pub mod checks {
    evidence_ledger::checks! {
        RUNTIME_LOG = "runtime-log":
            "the runtime events are within their limits", "dstack runtime events";
        RUNTIME_REPLAY = "runtime-replay":
            "every register of runtime events holds what they lead to from zeros, each digest made of the event itself", "dstack runtime events";
    }
}

/// A register that runtime events are extended into.
#[derive(Debug, Clone, Copy)]
pub struct EventRegister<'a> {
    /// Its name, such as `PCR14`.
    pub name: &'static str,
    /// The bank that it is in.
    pub bank: Bank,
    /// The value that was signed; `None` if none was.
    pub value: Option<&'a [u8]>,
}

/// What a guest says that it extended, and what was signed of the registers.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeEvents<'a> {
    /// The events, in the order of their extension.
    pub events: &'a [LoggedEvent],
    /// The registers, each of which must hold these events and nothing else; `None` for a boot that uses the register itself, so
    /// that runtime events cannot be told apart in it.
    pub registers: Option<&'a [EventRegister<'a>]>,
    /// How far the guest must have come; if absent, a guest may also have extended nothing at all.
    pub phase: Option<Phase>,
}

impl RuntimeEvents<'_> {
    /// The application that the events name; `None` for a guest that extended nothing. Records [`checks`] and those of
    /// [`crate::application::checks`].
    ///
    /// # Errors
    ///
    /// The check that failed and why.
    pub fn application(&self, ledger: &mut Ledger) -> Result<Option<Application>, Failed<ApplicationError>> {
        let events: Result<Vec<RuntimeEvent>, _> = self.events.iter().map(RuntimeEvent::try_from).collect();
        let log = events.map_err(ApplicationError::from).and_then(|events| Ok(RuntimeLog::new(events)?));
        let log = ledger.record(checks::RUNTIME_LOG, log)?;
        let is_nothing = log.events().is_empty() && self.phase.is_none();
        let Some(registers) = self.registers else {
            if !is_nothing {
                return ledger.record(checks::RUNTIME_REPLAY, Err(ApplicationError::BootRegister));
            }
            let reason = "the image lists the register: runtime events cannot be told apart in it";
            ledger.not_performed(checks::RUNTIME_REPLAY, reason);
            Application::not_read(ledger, reason);
            return Ok(None);
        };
        ledger
            .verify(checks::RUNTIME_REPLAY, registers.iter().try_for_each(|register| register.holds(&log)))?;
        if is_nothing {
            Application::not_read(ledger, "the guest extended no event");
            return Ok(None);
        }
        Application::read(&log, self.phase.unwrap_or_default(), ledger).map(Some)
    }
}

impl EventRegister<'_> {
    fn holds(&self, log: &RuntimeLog) -> Result<(), ApplicationError> {
        let signed = self.value.ok_or(ApplicationError::NotQuoted(self.name))?;
        let replayed = log.replay(self.bank);
        if replayed == signed {
            return Ok(());
        }
        let (register, replayed, signed) = (self.name, hex::encode(replayed), hex::encode(signed));
        Err(ApplicationError::Replay { register, replayed, signed })
    }
}
