//! Images as policies list them: by the registers that their boot leads to.

use std::collections::BTreeMap;

use evidence_event_log::Bank;
use evidence_ledger::Hex;
use serde::Deserialize;

use super::{Expected, ReplayedLog};
use crate::{Error, Pcrs};

/// Registers that prove nothing of a boot: 10 is of a kernel that measures files, 16 and 23 can be reset, 17 to 22 are of another
/// launch.
const NO_BOOT_PCRS: [u8; 9] = [10, 16, 17, 18, 19, 20, 21, 22, 23];

/// What a platform asks of every listed image.
#[derive(Debug, Clone, Copy)]
pub struct ImageRules {
    /// The bank that counts.
    pub bank: Bank,
    /// The registers that an image must list.
    pub required: &'static [u8],
    /// Registers that hold what comes from outside of an image: they must be quoted, and empty where an image does not list them.
    pub external: &'static [u8],
}

/// An image, by the registers that its boot leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// What it is called in the identity: SHA-256 of its checksum file.
    pub os_image_hash: Option<Hex<32>>,
    /// What its registers must hold.
    pub pcrs: ExpectedPcrs,
}

/// What each register of a boot must hold, by its number.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, Expected>")]
pub struct ExpectedPcrs(BTreeMap<u8, Expected>);

/// Why a list of images cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// An empty list never means anything.
    #[error("the list images is empty: leave the key out, or list what is allowed")]
    Empty,
    /// A register without which an image is not known.
    #[error("an image does not list pcr {missing}: {} are needed", shown(required))]
    NotListed {
        /// The register.
        missing: u8,
        /// All that are needed.
        required: &'static [u8],
    },
    /// An expectation that nothing meets.
    #[error(
        "a register of an image has no value, one that is not {} bytes, or gpt where no log tells",
        bank.algorithm().size()
    )]
    Unsatisfiable {
        /// The bank that counts.
        bank: Bank,
    },
}

impl TryFrom<BTreeMap<String, Expected>> for ExpectedPcrs {
    type Error = String;

    fn try_from(lines: BTreeMap<String, Expected>) -> Result<Self, String> {
        let line = |(text, expected): (String, Expected)| match register(&text) {
            Some(pcr) => Ok((pcr, expected)),
            None => Err(format!("{text:?} is no register of a boot: expected 0 to 9 or 11 to 15")),
        };
        lines.into_iter().map(line).collect::<Result<_, _>>().map(Self)
    }
}

impl ExpectedPcrs {
    /// Whether `pcr` is listed.
    pub fn lists(&self, pcr: u8) -> bool {
        self.0.contains_key(&pcr)
    }

    /// Refuses what can only be a mistake.
    ///
    /// # Errors
    ///
    /// [`ImageError::NotListed`], [`ImageError::Unsatisfiable`].
    pub fn validate(&self, rules: &ImageRules) -> Result<(), ImageError> {
        let &ImageRules { bank, required, .. } = rules;
        if let Some(missing) = required.iter().copied().find(|pcr| !self.lists(*pcr)) {
            return Err(ImageError::NotListed { missing, required });
        }
        let satisfiable = self.0.iter().all(|(pcr, expected)| expected.is_satisfiable(*pcr, bank));
        if satisfiable { Ok(()) } else { Err(ImageError::Unsatisfiable { bank }) }
    }

    /// Every register that is listed holds what it must, and what comes from outside of an image is empty unless it is listed.
    ///
    /// # Errors
    ///
    /// As [`Expected::holds`].
    pub fn hold(&self, rules: &ImageRules, pcrs: &Pcrs, log: Option<&ReplayedLog<'_>>) -> Result<(), Error> {
        for (pcr, expected) in &self.0 {
            expected.holds(*pcr, rules.bank, pcrs, log)?;
        }
        for pcr in rules.external.iter().copied().filter(|pcr| !self.lists(*pcr)) {
            let value = pcrs.get(rules.bank, pcr).ok_or(Error::NotQuoted(pcr))?;
            if value != rules.bank.initial() {
                return Err(Error::BootRegister { pcr, found: hex::encode(value) });
            }
        }
        Ok(())
    }
}

/// Refuses what can only be a mistake in a list of images, of each of which `listed` gives the registers and what is asked of them.
///
/// # Errors
///
/// [`ImageError`].
pub fn validate_images<I>(
    images: &[I],
    listed: impl Fn(&I) -> (&ExpectedPcrs, &ImageRules),
) -> Result<(), ImageError> {
    if images.is_empty() {
        return Err(ImageError::Empty);
    }
    images.iter().map(listed).try_for_each(|(pcrs, rules)| pcrs.validate(rules))
}

/// The first of `images` whose boot `holds`. Where there is none, why not: of the image that was looked at last; `None` without
/// images.
///
/// # Errors
///
/// What `holds` says.
pub fn booted<I, E>(images: &[I], holds: impl Fn(&I) -> Result<(), E>) -> Result<&I, Option<E>> {
    let mut why = None;
    for image in images {
        match holds(image) {
            Ok(()) => return Ok(image),
            Err(error) => why = Some(error),
        }
    }
    Err(why)
}

/// A register of a boot by its number in decimal, without leading zeros.
fn register(text: &str) -> Option<u8> {
    let pcr = text.parse().ok().filter(|pcr: &u8| *pcr < 24 && pcr.to_string() == text)?;
    (!NO_BOOT_PCRS.contains(&pcr)).then_some(pcr)
}

/// `2, 4 and 9`.
fn shown(pcrs: &[u8]) -> String {
    let all: Vec<String> = pcrs.iter().map(u8::to_string).collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => all.concat(),
    }
}
