//! Which instance's TPM made a document.

use std::fmt;

use crate::Error;

/// The most hex digits of a TPM's number. Those that were seen have as many.
const MAX_TPM: usize = 16;

/// `module_id` of a document: the instance and its TPM, such as `i-01cfb383223e42522-tpm0000000000000000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModuleId {
    instance: String,
    tpm: String,
}

impl ModuleId {
    /// Reads `i-`, 8 or 17 hex digits (EC2 User Guide, "Resource IDs"), `-tpm` and 1 to 16 hex digits. All are lower case. A Nitro
    /// Enclave's has `-enc`.
    ///
    /// # Errors
    ///
    /// [`Error::ModuleId`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once("-tpm").and_then(|(instance, tpm)| {
            let number = instance.strip_prefix("i-")?;
            let known = [8, 17].contains(&number.len()) && (1..=MAX_TPM).contains(&tpm.len());
            let digits =
                number.bytes().chain(tpm.bytes()).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (known && digits).then(|| Self { instance: instance.to_owned(), tpm: tpm.to_owned() })
        });
        parsed.ok_or_else(|| Error::ModuleId(shown(text)))
    }

    /// The instance's id: `i-` and 8 or 17 hex digits.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The number of the TPM: 1 to 16 hex digits.
    pub fn tpm(&self) -> &str {
        &self.tpm
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-tpm{}", self.instance, self.tpm)
    }
}

/// At most 64 characters of a text that nobody vouches for, on one line.
pub(crate) fn shown(text: &str) -> String {
    text.escape_default().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_and_its_tpm() {
        let id = ModuleId::parse("i-01cfb383223e42522-tpm0000000000000000").unwrap();
        assert_eq!((id.instance(), id.tpm()), ("i-01cfb383223e42522", "0000000000000000"));
        assert_eq!(id.to_string(), "i-01cfb383223e42522-tpm0000000000000000");
        assert_eq!(ModuleId::parse("i-0abcdef1-tpm0").unwrap().instance(), "i-0abcdef1");
    }

    #[test]
    fn nothing_else() {
        for text in [
            "",
            "i-01cfb383223e42522",
            "i-01cfb383223e42522-tpm",
            "i-01cfb383223e42522-tpm00000000000000000",
            "i-01cfb383223e42522-enc0000000000000000",
            "i-01cfb383223e4252-tpm0",
            "i-01CFB383223E42522-tpm0",
            "i-01cfb383223e42522-tpmF",
            "i-01cfb383223e4252g-tpm0",
            "i-01cfb383223e42522-tpm0-tpm0",
            "i-01cfb383223e42522-tpm0\n",
            "01cfb383223e42522-tpm0",
        ] {
            assert_eq!(ModuleId::parse(text), Err(Error::ModuleId(shown(text))), "{text}");
        }
        assert_eq!(shown(&"\n".repeat(100)).len(), 64);
    }
}
